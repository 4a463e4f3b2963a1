/* supervised.c -- cross-entropy on the labels: the ceiling of every comparison.
 *
 * A linear head on the pooled features (of a ViT, Dosovitskiy et al. 2021, section 3.1: the CLS
 * token). Views: random resized crop and mirror, as timm and DeiT train (Touvron et al. 2021),
 * resized bilinearly and without RandAugment, mixup or erasing.
 */
#include "methods/method.h"
#include "methods/show.h"
#include "methods/views.h"

struct supervised {
    double min_area;
    int flip;
    double smoothing;
};

static const struct option_def options[] = {
    OPTION_REAL(struct supervised, min_area, 0.5, 0.01, 1, "smallest share of the image in a crop"),
    OPTION_BOOL(struct supervised, flip, 1, "mirror half of the views"),
    OPTION_REAL(struct supervised, smoothing, 0, 0, 0.5, "label smoothing"), OPTION_END};

static int build(const void *self, struct builder *b, struct error *err) {
    (void)err;
    const struct supervised *s = self;
    struct tensor *images = builder_images(b, "images", 0, 0);
    struct tensor *labels = builder_index(b, "labels", 1);
    struct encoded e;
    builder_encode(b, images, ENCODE_POOLED, &e);
    struct linear_spec head = {.group = builder_group(b, "head"),
                               .out = b->classes,
                               .init = INIT_TRUNC_NORMAL,
                               .scale = 0.01};
    struct tensor *x = op_linear(b->g, "fc", e.pooled, &head, NULL);
    builder_objective(b, "labels", op_softmax_xent(b->g, "loss", x, labels, s->smoothing), 1);
    return 0;
}

static void prepare(const void *self, const struct sample *s) {
    const struct supervised *o = self;
    struct crop_box box = random_resized_box(s->record, o->min_area, 1, s->view);
    int flip = o->flip && rng_below(s->view, 2);
    sample_crop(s, 0, 0, s->backbone->image, &box, flip);
    *(int32_t *)s->slots[1] = s->record->label;
}

const struct method method_supervised = {
    .name = "supervised",
    .title = "Supervised",
    .version = 1,
    .cite = "Dosovitskiy et al. 2021, arXiv:2010.11929",
    .trains = 1,
    .uses_labels = 1,
    .options = options,
    .state_size = sizeof(struct supervised),
    .show = show_supervised,
    .backbones = BACKBONE_ANY,
    .n_stages = 1,
    .stages = {{.name = "pretrain",
                .recipe = {.optimizer = OPTIMIZER_ADAMW,
                           .lr = 4e-3,
                           .weight_decay = 0.05,
                           .b1 = 0.9,
                           .b2 = 0.999,
                           .clip = 1,
                           .warmup = 0.05},
                .build = build,
                .prepare = prepare}},
};
