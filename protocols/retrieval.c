/* retrieval.c -- finding a text's image and an image's text, as on Flickr (Karpathy and Fei-Fei
 * 2015, arXiv:1412.2306, section 4.2; Radford et al. 2021, arXiv:2103.00020, table 13).
 *
 * Every image of the test split with all its captions: recall at 1, 5 and 10 of texts among images
 * and of images among texts, by cosine.  A text has one right image, its own, though a caption may
 * fit others as well; an image has several right texts, of which the nearest counts.  Nothing is
 * fitted or chosen.  The numbers depend on how many images there are: compare equal `images`.
 */
#include "protocols/probe.h"
#include "protocols/protocol.h"

#include <stdio.h>

struct retrieval {
    int images;
};

static const struct option_def options[] = {
    OPTION_INT(struct retrieval, images, 0, 0, 1000000000,
               "test images to search among, the first ones; 0: all"),
    OPTION_END};

static const int places[] = {1, 5, 10};
enum { PLACES = sizeof places / sizeof *places };

static void add(struct eval *e, const char *name, int k, double value) {
    struct metric_row *row = &e->metrics[e->n_metrics++];
    *row = (struct metric_row){.seed = e->seed[0], .value = value};
    snprintf(row->name, sizeof row->name, "%s_r%d", name, k);
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    const struct retrieval *o = self;
    const struct feature_set *f = in->features;
    const struct text_set *t = in->texts;
    struct features images = {.x = f->test.x[t->representation],
                              .n = f->test.n,
                              .dim = f->dim[t->representation],
                              .classes = 1};
    struct features texts = {
        .x = t->x, .label = t->image, .n = t->n, .dim = images.dim, .classes = 1};
    if (o->images && o->images < images.n) {
        images.n = o->images;
        while (texts.n && texts.label[texts.n - 1] >= images.n)
            texts.n--;
    }
    double to_image[PLACES], to_text[PLACES];
    int status = retrieval_recall(in->kernels, &images, &texts, places, PLACES, in->threads,
                                  to_image, to_text, err);
    if (status)
        return status;
    int64_t *seed = ARENA_ARRAY(in->arena, int64_t, 1);
    seed[0] = (int64_t)in->probe_seed;
    e->seed = seed;
    e->n_seeds = 1;
    e->n_samples = images.n;
    e->metrics = ARENA_ARRAY(in->arena, struct metric_row, 1 + 2 * PLACES);
    add(e, "mean", places[0], (to_image[0] + to_text[0]) / 2);
    for (int i = 0; i < PLACES; i++)
        add(e, "text_to_image", places[i], to_image[i]);
    for (int i = 0; i < PLACES; i++)
        add(e, "image_to_text", places[i], to_text[i]);
    snprintf(e->selected_on, sizeof e->selected_on, "none");
    return 0;
}

const struct protocol protocol_retrieval = {.name = "retrieval",
                                            .title = "Image-text retrieval",
                                            .version = "1.0",
                                            .uses_texts = 1,
                                            .options = options,
                                            .state_size = sizeof(struct retrieval),
                                            .run = run};
