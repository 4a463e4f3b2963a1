/* split_brain.c -- split-brain autoencoders.  Zhang, Isola and Efros 2017, arXiv:1611.09842.
 *
 * The image in Lab is split into L and ab, and the backbone into two networks of half its width
 * (section 3): F1 sees L and predicts ab, F2 sees ab and predicts L, eq. (1).  Neither sees what it
 * predicts.  A linear layer (1x1 convolution) on the last feature map, or on the patch tokens of a
 * ViT, predicts the mean colour of each place of the map; the loss of each half is the mean over
 * places, the two losses are added:
 *
 *     loss=classify   cross-entropy over bins, eq. (4), the better one in table 1: for ab the
 *                     occupied cells of a grid of 10 units, for L 100 steps (lab_bins.h); one bin,
 *                     the nearest, is the answer; all bins weigh the same
 *     loss=regress    squared error of the scaled channels, eq. (3), the mean over a and b
 *
 * The representation of an image are both halves' features side by side, layer by layer, which is
 * as wide as the backbone's (section 3.2).  Inputs are (L - 50) / 25 and ab / 15, about unit
 * variance on photographs; protocols see images in Lab as well.
 *
 * Departures: 261 bins for ab, not 313 (lab_bins.h says why); no layers between the last map and
 * the prediction (the paper has AlexNet's fc6 and fc7, of the width of halves); AdamW and its rate,
 * and crops of at least half of the image, are for small images and short budgets.
 */
#include "methods/method.h"

#include "data/lab.h"
#include "methods/show.h"
#include "methods/split_brain_internal.h"

#include <stdio.h>
#include <string.h>

struct split_brain {
    const char *loss;
    double ab_grid;
    int l_bins;
    double min_area;
    int flip;
};

static const struct option_def options[] = {
    OPTION_TEXT(struct split_brain, loss, "classify", "classify|regress",
                "predict bins of colours, or the colours"),
    OPTION_REAL(struct split_brain, ab_grid, 10, 4, 60, "loss=classify: side of a bin in a and b"),
    OPTION_INT(struct split_brain, l_bins, 100, 2, 1000, "loss=classify: bins of L"),
    OPTION_REAL(struct split_brain, min_area, 0.5, 0.01, 1,
                "smallest share of the image in a crop"),
    OPTION_BOOL(struct split_brain, flip, 1, "mirror half of the views"),
    OPTION_END};

enum { LAB, AB, LIGHTNESS }; /* slots: the image, and what is predicted, by place */
enum { L_CHANNELS = 1, AB_CHANNELS = 2 };

static int regresses(const struct split_brain *s) {
    return !strcmp(s->loss, "regress");
}

/* Networks. */

/* Channels first..first+count-1 of images (N,3,side,side). */
static struct tensor *channels(struct graph *g, const char *name, struct tensor *images, int first,
                               int count) {
    const int32_t rows[LAB_CHANNELS] = {first, first + 1, first + 2};
    int side = images->dim[1];
    struct tensor *index = graph_const_index(g, name, count, rows);
    struct tensor *x = op_reshape(g, "planes", images, 2, (const int[]){LAB_CHANNELS, side * side});
    x = op_gather(g, name, x, index, NULL);
    return op_reshape(g, name, x, 3, (const int[]){count, side, side});
}

static struct backbone half_of(const struct backbone *b, int count) {
    struct backbone half = backbone_half(b);
    half.channels = half.vit.channels = count;
    return half;
}

struct halves {
    struct encoded l, ab; /* of the half that sees L, and of the one that sees ab */
};

static void encode_halves(struct builder *b, struct tensor *images, struct tensor *drop,
                          enum encoding what, struct halves *out) {
    int other = builder_encoder(b, "encoder_ab");
    const struct backbone of_l = half_of(b->backbone, L_CHANNELS);
    const struct backbone of_ab = half_of(b->backbone, AB_CHANNELS);
    struct tensor *l = channels(b->g, "l", images, 0, L_CHANNELS);
    struct tensor *ab = channels(b->g, "ab", images, 1, AB_CHANNELS);
    backbone_encode(b->g, b->encoder, &of_l, l, drop, what, &out->l);
    backbone_encode(b->g, other, &of_ab, ab, drop, what, &out->ab);
}

static struct tensor *join(struct graph *g, const char *name, struct tensor *l, struct tensor *ab) {
    return l ? op_concat(g, name, l, ab) : NULL;
}

static void encode(const void *self, struct builder *b, struct tensor *images,
                   struct encoded *out) {
    (void)self;
    struct halves h;
    encode_halves(b, images, b->g->evaluating ? NULL : builder_drop(b), ENCODE_LAYERS, &h);
    *out = h.l; /* for the names */
    out->pooled = join(b->g, "pooled", h.l.pooled, h.ab.pooled);
    out->tokens = join(b->g, "tokens", h.l.tokens, h.ab.tokens);
    out->map = join(b->g, "map", h.l.map, h.ab.map);
    for (int i = 0; i < out->n_representations; i++)
        out->representation[i] = join(b->g, "layer", h.l.representation[i], h.ab.representation[i]);
}

/* (N,places,D): the last map without its shape, or the tokens behind CLS. */
static struct tensor *places_of(struct graph *g, const struct encoded *e) {
    if (e->map) {
        const int *dim = e->map->dim;
        return op_reshape(g, "places", e->map, 2, (const int[]){dim[0] * dim[1], dim[2]});
    }
    int places = e->tokens->dim[0] - 1;
    struct arena scratch = {0};
    int32_t *row = ARENA_ARRAY(&scratch, int32_t, places);
    for (int i = 0; i < places; i++)
        row[i] = 1 + i;
    struct tensor *index = graph_const_index(g, "behind_cls", places, row);
    arena_free(&scratch);
    return op_gather(g, "places", e->tokens, index, NULL);
}

/* Training. */

/* The prediction of `width` channels in `bins` bins from x (N,places,D), as an objective. */
static void predict(const struct split_brain *s, struct builder *b, const char *name,
                    struct tensor *x, int width, int bins) {
    int places = x->dim[0];
    struct linear_spec head = {
        .group = builder_group(b, "head"), .out = regresses(s) ? width : bins, .init = INIT_XAVIER};
    struct tensor *loss;
    if (regresses(s)) {
        struct tensor *target = builder_reals(b, name, places * width);
        target = op_reshape(b->g, name, target, 2, (const int[]){places, width});
        loss = op_mse(b->g, name, op_linear(b->g, name, x, &head, NULL), target, NULL);
    } else {
        struct tensor *target = builder_index(b, name, places);
        loss = op_softmax_xent(b->g, name, op_linear(b->g, name, x, &head, NULL), target, 0);
    }
    builder_objective(b, name, loss, 1.0 / places);
}

static int check(const struct backbone *b, struct error *err) {
    if (b->channels != LAB_CHANNELS)
        return error_set(err, STATUS_USAGE,
                         "split_brain predicts colour from lightness and back, and these images "
                         "have %d channel%s, not red, green and blue: choose another dataset",
                         b->channels, b->channels == 1 ? "" : "s");
    const struct backbone half = backbone_half(b);
    if (2 * half.dim != b->dim)
        return error_set(err, STATUS_USAGE, "split_brain halves the backbone, and %s is %d wide",
                         b->name, b->dim);
    return 0;
}

static int build(const void *self, struct builder *b, struct error *err) {
    const struct split_brain *s = self;
    int status = check(b->backbone, err);
    if (status)
        return status;
    struct split_brain_runtime *r = ARENA_NEW(b->arena, struct split_brain_runtime);
    lab_bins_make(&r->bins, s->ab_grid, s->l_bins, b->arena);
    b->runtime = r;

    struct halves h;
    struct tensor *images = builder_images(b, "lab", 0, 0);
    encode_halves(b, images, builder_drop(b), ENCODE_TOKENS, &h);
    struct tensor *of_l = places_of(b->g, &h.l), *of_ab = places_of(b->g, &h.ab);
    int places = of_l->dim[0];
    while ((r->grid + 1) * (r->grid + 1) <= places)
        r->grid++;
    CHECK(r->grid * r->grid == places, "%d places are no square", places);
    predict(s, b, "ab", of_l, AB_CHANNELS, r->bins.n_ab);
    predict(s, b, "l", of_ab, L_CHANNELS, r->bins.n_l);
    builder_watch(b, WATCH_FEATURES,
                  op_concat(b->g, "features", op_mean_rows(b->g, "mean_l", of_l, 0, places),
                            op_mean_rows(b->g, "mean_ab", of_ab, 0, places)));
    return 0;
}

/* Data. */

/* A box as Lab (3,side,side), unscaled. */
static void render(const struct sample *s, const struct crop_box *box, int flip, float *out) {
    int side = s->backbone->image;
    image_from_box(s->record, s->norm, box, flip, INTERPOLATION_BILINEAR, side, out);
    rgb_to_lab_image(out, (size_t)side * (size_t)side, out);
}

static void scale(int side, float *lab) {
    size_t n = (size_t)side * (size_t)side;
    for (int c = 0; c < LAB_CHANNELS; c++)
        for (size_t i = 0; i < n; i++)
            lab[c * n + i] = (lab[c * n + i] - LAB_MEAN[c]) / LAB_STD[c];
}

/* The mean of a channel (side,side) over place (row, col) of a grid. */
static double mean_of_place(const float *x, int side, int grid, int row, int col) {
    int top = row * side / grid, bottom = (row + 1) * side / grid;
    int left = col * side / grid, right = (col + 1) * side / grid;
    double sum = 0;
    for (int i = top; i < bottom; i++)
        for (int j = left; j < right; j++)
            sum += (double)x[i * side + j];
    return sum / ((bottom - top) * (right - left));
}

static void prepare(const void *self, const struct sample *s) {
    const struct split_brain *o = self;
    const struct split_brain_runtime *r = s->runtime;
    const struct crop_box box = random_resized_box(s->record, o->min_area, 1, s->view);
    int flip = o->flip && rng_below(s->view, 2), side = s->backbone->image;
    float *lab = s->slots[LAB];
    render(s, &box, flip, lab);
    for (int i = 0; i < r->grid * r->grid; i++) {
        double mean[LAB_CHANNELS];
        for (int c = 0; c < LAB_CHANNELS; c++)
            mean[c] = mean_of_place(lab + c * side * side, side, r->grid, i / r->grid, i % r->grid);
        if (regresses(o)) {
            ((float *)s->slots[LIGHTNESS])[i] = ((float)mean[0] - LAB_MEAN[0]) / LAB_STD[0];
            for (int c = 0; c < AB_CHANNELS; c++)
                ((float *)s->slots[AB])[AB_CHANNELS * i + c] =
                    ((float)mean[1 + c] - LAB_MEAN[1 + c]) / LAB_STD[1 + c];
        } else {
            ((int32_t *)s->slots[LIGHTNESS])[i] = lab_bins_of_l(&r->bins, mean[0]);
            ((int32_t *)s->slots[AB])[i] = lab_bins_of_ab(&r->bins, mean[1], mean[2]);
        }
    }
    scale(side, lab);
}

static void view(const void *self, const struct sample *s, float *out) {
    (void)self;
    const struct crop_box all = {0, 0, s->record->height, s->record->width};
    render(s, &all, 0, out);
    scale(s->backbone->image, out);
}

static const char *own_views(const void *self) {
    (void)self;
    return "images in Lab colours";
}

const struct method method_split_brain = {
    .name = "split_brain",
    .title = "Split-brain autoencoder",
    .version = 1,
    .cite = "Zhang, Isola and Efros 2017, arXiv:1611.09842",
    .trains = 1,
    .channels = LAB_CHANNELS,
    .options = options,
    .own_views = own_views,
    .state_size = sizeof(struct split_brain),
    .show = show_split_brain,
    .shows_kinds = 1,
    .backbones = BACKBONE_ANY,
    .n_stages = 1,
    .stages = {{.name = "pretrain",
                .recipe = {.optimizer = OPTIMIZER_ADAMW,
                           .lr = 4e-3,
                           .weight_decay = 0.05,
                           .b1 = 0.9,
                           .b2 = 0.95,
                           .warmup = 0.1},
                .build = build,
                .prepare = prepare}},
    .encode = encode,
    .view = view,
};
