/* retrieval.c -- finding a text's image and an image's text, as on Flickr (Karpathy and Fei-Fei
 * 2015, arXiv:1412.2306, section 4.2; Radford et al. 2021, arXiv:2103.00020, table 13).
 *
 * Every image of the test split with all its captions: recall at 1, 5 and 10 of texts among images
 * and of images among texts, by cosine.  A text has one right image, its own, though a caption may
 * fit others as well; an image has several right texts, of which the nearest counts.  A method
 * without a text tower gets one by locked-image text tuning on the training split (lit.h).  Nothing
 * is chosen.  The numbers depend on how many images there are: compare equal `images`.
 */
#include "protocols/retrieval.h"

#include "protocols/lit.h"
#include "protocols/texts.h"

#include <stdio.h>

struct retrieval {
    int images;
    struct lit_options lit;
};

static const struct option_def options[] = {
    OPTION_INT(struct retrieval, images, 0, 0, 1000000000,
               "test images to search among, the first ones; 0: all"),
    LIT_OPTIONS(struct retrieval), OPTION_END};

static const int places[] = {1, 5, 10};
enum { PLACES = sizeof places / sizeof *places };

static void add(struct eval *e, const char *name, int k, double value) {
    struct metric_row *row = &e->metrics[e->n_metrics++];
    *row = (struct metric_row){.seed = e->seed[0], .value = value};
    snprintf(row->name, sizeof row->name, "%s_r%d", name, k);
}

int retrieval_rows(const struct features *images, const struct features *texts, int limit,
                   const struct protocol_input *in, struct eval *e, struct error *err) {
    struct features some = *images, their = *texts;
    if (limit && limit < some.n) {
        some.n = limit;
        while (their.n && their.label[their.n - 1] >= some.n)
            their.n--;
    }
    double to_image[PLACES], to_text[PLACES];
    int status = retrieval_recall(in->kernels, &some, &their, places, PLACES, in->threads, to_image,
                                  to_text, err);
    if (status)
        return status;
    int64_t *seed = ARENA_ARRAY(in->arena, int64_t, 1);
    seed[0] = (int64_t)in->probe_seed;
    e->seed = seed;
    e->n_seeds = 1;
    e->n_samples = some.n;
    e->metrics = ARENA_ARRAY(in->arena, struct metric_row, 1 + 2 * PLACES);
    add(e, "mean", places[0], (to_image[0] + to_text[0]) / 2);
    for (int i = 0; i < PLACES; i++)
        add(e, "text_to_image", places[i], to_image[i]);
    for (int i = 0; i < PLACES; i++)
        add(e, "image_to_text", places[i], to_text[i]);
    snprintf(e->selected_on, sizeof e->selected_on, "none");
    return 0;
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    const struct retrieval *o = self;
    struct text_list captions = {.n = 0};
    struct arena a = {0};
    struct lit *lit = NULL;
    int status = 0;
    TRY(lit_open(&lit, in, &o->lit, NULL, err));
    if (lit_diverged(lit)) {
        eval_diverged(e, "text tuning");
        goto out;
    }
    TRY(texts_read(&captions, in->subject->data, SPLIT_TEST, err));
    int width = lit_width(lit);
    float *x = ARENA_ARRAY(&a, float, (size_t)captions.n *(size_t)width);
    TRY(lit_texts(lit, captions.text, captions.n, x, err));
    const struct features images = {
        .x = lit_images(lit), .n = in->features->test.n, .dim = width, .classes = 1};
    const struct features texts = {
        .x = x, .label = captions.image, .n = captions.n, .dim = width, .classes = 1};
    status = retrieval_rows(&images, &texts, o->images, in, e, err);
out:
    lit_close(lit);
    texts_free(&captions);
    arena_free(&a);
    return status;
}

static int ready(const void *self, struct error *err) {
    const struct retrieval *o = self;
    return lit_ready(&o->lit, "retrieval.lit_", err);
}

const struct protocol protocol_retrieval = {.name = "retrieval",
                                            .title = "Image-text retrieval",
                                            .version = "1.3",
                                            .uses_captions = 1,
                                            .wants = lit_wants,
                                            .ready = ready,
                                            .options = options,
                                            .state_size = sizeof(struct retrieval),
                                            .run = run};
