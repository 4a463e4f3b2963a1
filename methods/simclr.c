/* simclr.c -- contrastive learning of two views.  Chen et al. 2020, arXiv:2002.05709.
 *
 * Two random views of every image (section 2.1, appendix A) go through the encoder and a projection
 * head (section 4.2); the loss is NT-Xent over the 2N projections of a batch, eq. (1), averaged
 * over all of them.  Batch norms in encoder and head see both views of the whole batch.  Evaluation
 * uses the encoder without the head.
 *
 * The head has the authors' form: linear layers without bias, a batch norm behind each, ReLU behind
 * all but the last.
 *
 * Departures: the defaults are those of the paper's CIFAR-10 experiments (appendix B.9): colour
 * jitter of strength 0.5 (the paper on 224 pixels: 1), no blur (half of the views), temperature 0.5
 * (0.1); the head's hidden layer is as wide as the features, and its last batch norm has a shift as
 * well; AdamW with base rate 4e-3, as the other methods here, while `simclr.optimizer lars` is the
 * paper's: base rate 0.3, weight decay 1e-6, biases and norms neither decayed nor scaled.
 *
 * `simclr.first` and `simclr.second` are the pairs of figure 5 (data/transforms.h).  The paper
 * crops its images to one size before; ours have one.
 */
#include "data/transforms.h"
#include "methods/method.h"
#include "methods/show.h"
#include "methods/views.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct simclr {
    double temperature;
    int head_layers, head_hidden, head_dim, head_norm;
    double min_area, strength, blur;
    const char *first, *second;
    const char *optimizer;
};

static const struct option_def options[] = {
    OPTION_REAL(struct simclr, temperature, 0.5, 0.01, 10, "of the similarities"),
    OPTION_INT(struct simclr, head_layers, 2, 1, 4, "linear layers in the projection head"),
    OPTION_INT(struct simclr, head_hidden, 0, 0, 16384,
               "width of the head's hidden layers; 0: that of the features"),
    OPTION_INT(struct simclr, head_dim, 128, 2, 16384, "width of what is compared"),
    OPTION_BOOL(struct simclr, head_norm, 1, "batch norm in the head"),
    OPTION_REAL(struct simclr, min_area, 0.08, 0.01, 1, "smallest share of the image in a crop"),
    OPTION_REAL(struct simclr, strength, 0.5, 0, 1, "of the colour jitter"),
    OPTION_REAL(struct simclr, blur, 0, 0, 1, "share of blurred views"),
    OPTION_TEXT(struct simclr, first, "none", TRANSFORM_CHOICES,
                "figure 5: one view is the plain image, the other has this augmentation alone,"),
    OPTION_TEXT(struct simclr, second, "none", TRANSFORM_CHOICES, "then this"),
    OPTION_TEXT(struct simclr, optimizer, "adamw", "adamw|lars", "lars: as in the paper"),
    OPTION_END};

enum { IMAGES, VIEWS = 2 };

/* z (N,2,head_dim) of unit length from features (N,2,dim) */
static struct tensor *project(const struct simclr *s, struct builder *b, struct tensor *x) {
    int head = builder_group(b, "head");
    for (int i = 1; i <= s->head_layers; i++) {
        int last = i == s->head_layers, relu = !last;
        char fc[16], bn[16];
        snprintf(fc, sizeof fc, "fc%d", i);
        snprintf(bn, sizeof bn, "bn%d", i);
        struct linear_spec layer = {.group = head,
                                    .out = last             ? s->head_dim
                                           : s->head_hidden ? s->head_hidden
                                                            : b->backbone->dim,
                                    .act = relu && !s->head_norm ? ACT_RELU : ACT_NONE,
                                    .init = INIT_XAVIER,
                                    .no_bias = s->head_norm};
        x = op_linear(b->g, fc, x, &layer, NULL);
        if (s->head_norm)
            x = op_batchnorm(b->g, bn, head, x, NULL, relu, 0);
    }
    return op_l2norm(b->g, "z", x, 1e-12);
}

static int build(const void *self, struct builder *b, struct error *err) {
    const struct simclr *s = self;
    if (b->batch == 1)
        return error_set(err, STATUS_USAGE,
                         "simclr compares the images of a batch and one has nothing to be compared "
                         "with: choose a larger --batch");
    struct encoded e;
    builder_encode(b, builder_images(b, "views", VIEWS, 0), ENCODE_POOLED, &e);
    struct tensor *loss = op_nt_xent(b->g, "loss", project(s, b, e.pooled), s->temperature);
    builder_objective(b, "nt_xent", loss, 1.0 / VIEWS);
    if (b->batch)
        builder_uniform_loss(b, log(VIEWS * b->batch - 1.0));
    return 0;
}

static void prepare(const void *self, const struct sample *s) {
    const struct simclr *m = self;
    struct view_recipe v = view_recipe_simclr;
    v.min_area = m->min_area;
    view_recipe_scale_jitter(&v, m->strength);
    v.blur_p = m->blur;
    int side = s->backbone->image;
    enum transform first = transform_named(m->first), second = transform_named(m->second);
    if (first || second) { /* section 3: "apply the targeted transformations only to one branch" */
        size_t pixels = (size_t)s->backbone->channels * (size_t)side * (size_t)side;
        float *out = s->slots[IMAGES];
        view_plain(s->record, s->norm, side, out);
        view_transformed(s->record, s->norm, &v, first, second, s->view, side, out + pixels);
        return;
    }
    for (int i = 0; i < VIEWS; i++)
        sample_view(s, IMAGES, i, side, &v);
}

static const char *own_views(const void *self) {
    const struct simclr *s = self;
    return transform_named(s->first) || transform_named(s->second)
               ? "single augmentations (simclr.first, simclr.second)"
               : NULL;
}

static void tune(const void *self, struct recipe *r) {
    const struct simclr *s = self;
    if (!strcmp(s->optimizer, "lars"))
        *r = (struct recipe){.optimizer = OPTIMIZER_LARS,
                             .lr = 0.3,
                             .weight_decay = 1e-6,
                             .momentum = 0.9,
                             .warmup = 0.1};
}

const struct method method_simclr = {
    .name = "simclr",
    .title = "SimCLR",
    .version = 1,
    .cite = "Chen et al. 2020, arXiv:2002.05709",
    .trains = 1,
    .mixes_samples = 1,
    .options = options,
    .own_views = own_views,
    .paper = "optimizer=lars strength=1 blur=0.5 temperature=0.1 head_layers=3",
    .state_size = sizeof(struct simclr),
    .show = show_simclr,
    .backbones = BACKBONE_ANY,
    .n_stages = 1,
    .stages = {{.name = "pretrain",
                .recipe = {.optimizer = OPTIMIZER_ADAMW,
                           .lr = 4e-3,
                           .weight_decay = 0.05,
                           .b1 = 0.9,
                           .b2 = 0.999,
                           .clip = 1,
                           .warmup = 0.1},
                .tune = tune,
                .build = build,
                .prepare = prepare}},
};
