/* classify.c -- the classifier that came with the weights, on the test split.
 *
 * Nothing is trained and nothing is chosen: the class of the largest logit.  Classes are matched by
 * number, so a dataset's classes have to be those that the classifier was trained on, in their
 * order; where the numbers of classes differ there is no result.
 */
#include "protocols/protocol.h"

#include <stdio.h>
#include <string.h>

enum { CLASSIFY_BATCH = 64 };

static const struct option_def options[] = {OPTION_END};

static int view(const void *self, const struct record *record, long sample, int epoch,
                struct rng *rng, void *const slots[], struct error *err) {
    (void)sample, (void)epoch, (void)err;
    subject_view(self, record, rng, slots[0]);
    *(int32_t *)slots[1] = record->label;
    return 0;
}

/* Logits (n, classes) and labels (n) of the test split. */
static int answer(const struct protocol_input *in, float *logits, int32_t *label,
                  struct error *err) {
    const struct subject *s = in->subject;
    const struct tensor *t = s->encoded->logits;
    const struct loader_slot slots[] = {{"images", s->images->per_sample}, {"label", 1}};
    const struct loader_config loading = {.data = s->data,
                                          .split = SPLIT_TEST,
                                          .batch = CLASSIFY_BATCH,
                                          .threads = s->loader_threads,
                                          .epochs = 1,
                                          .slots = slots,
                                          .n_slots = 2,
                                          .prepare = view,
                                          .self = s};
    const struct exec_config config = {.kernels = in->kernels,
                                       .device = in->device,
                                       .threads = in->threads,
                                       .batch = CLASSIFY_BATCH,
                                       .chunk = s->chunk};
    struct exec *x = NULL;
    struct loader *l = NULL;
    int status = 0;
    TRY(exec_open(&x, s->encode, &config, err));
    TRY(loader_open(&l, &loading, err));
    for (;;) {
        struct batch b;
        TRY(subject_stopped(s, "classify", err));
        TRY(loader_next(l, &b, err));
        if (!b.n)
            break;
        exec_bind(x, s->images, b.slots[0]);
        exec_run(x, b.n);
        size_t n = (size_t)b.n * t->per_sample;
        memcpy(logits, exec_output(x, t), n * sizeof *logits);
        memcpy(label, b.slots[1], (size_t)b.n * sizeof *label);
        logits += n;
        label += b.n;
    }
out:
    loader_close(l);
    exec_close(x);
    return status;
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
    int status = answer(in, logits, label, err);
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
