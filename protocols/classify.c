/* classify.c -- the classifier that came with the weights, on the test split.
 *
 * Nothing is trained and nothing is chosen: the class of the largest logit.  Classes are matched by
 * number, so a dataset's classes have to be those that the classifier was trained on, in their
 * order; where the numbers of classes differ there is no result.
 */
#include "protocols/each.h"

#include <stdio.h>
#include <string.h>

enum { CLASSIFY_BATCH = 64 };

static const struct option_def options[] = {OPTION_END};

struct answers {
    const struct tensor *tensor;
    float *logits;  /* (n, classes) */
    int32_t *label; /* (n) */
};

static int take(void *to, const struct each_batch *b, struct error *err) {
    (void)err;
    const struct answers *a = to;
    const size_t classes = a->tensor->per_sample;
    memcpy(a->logits + (size_t)b->at * classes, exec_output(b->x, a->tensor),
           sizeof *a->logits * classes * (size_t)b->n);
    memcpy(a->label + b->at, b->label, sizeof *a->label * (size_t)b->n);
    return 0;
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    (void)self;
    const struct subject *s = in->subject;
    const struct tensor *t = s->encoded->logits;
    int classes = t ? (int)t->per_sample : 0;
    if (!t || classes != s->data->classes) {
        e->outcome = OUTCOME_SKIPPED;
        if (t)
            snprintf(e->reason, sizeof e->reason, "the classifier knows %d classes, %s has %d",
                     classes, s->data->name, s->data->classes);
        else
            snprintf(e->reason, sizeof e->reason, "no classifier came with these weights");
        return 0;
    }
    struct arena a = {0};
    long n = s->data->count[SPLIT_TEST];
    float *logits = ARENA_ARRAY(&a, float, (size_t)n *(size_t)classes);
    int32_t *label = ARENA_ARRAY(&a, int32_t, n);
    const struct feature_set f = {.classes = classes, .test = {.n = (int)n, .label = label}};
    struct protocol_input own = *in;
    struct answers answers = {t, logits, label};
    const struct each each = {.in = in,
                              .graph = s->encode,
                              .images = s->images,
                              .during = "classify",
                              .shows = 1,
                              .split = SPLIT_TEST,
                              .n = n,
                              .batch = CLASSIFY_BATCH};
    int status = each_image(&each, take, &answers, err);
    if (!status) {
        own.features = &f;
        eval_reserve(e, &own, 1);
        eval_fill(e, 0, &f, logits);
        snprintf(e->selected_on, sizeof e->selected_on, "none");
    }
    arena_free(&a);
    return status;
}

const struct protocol protocol_classify = {.name = "classify",
                                           .title = "Its own classifier",
                                           .version = "1.0",
                                           .uses_labels = 1,
                                           .no_features = 1,
                                           .options = options,
                                           .run = run};
