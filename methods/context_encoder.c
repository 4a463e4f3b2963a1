/* context_encoder.c -- feature learning by inpainting.  Pathak et al. 2016, arXiv:1604.07379.
 *
 * A region of the image is hidden: its pixels become the mean colour, which is 0 after
 * normalisation (section 3.3).  The encoder sees the rest; its last feature map, or the patch
 * tokens of a ViT, go through a fully connected layer within each channel and a 1x1 convolution
 * (section 3.1), then through transposed convolutions that double the side up to the predicted
 * region.
 *
 *     mask=random   blobs that cover 20 to 30 % of the image; the whole image is decoded and the
 *                   loss is the mean squared error over the hidden pixels, eq. (1)
 *     mask=centre   the square in the middle with half of the image's side is decoded; a band of
 *                   4/64 of its side along its border is visible and counts ten times (section 4)
 *
 * Either loss is divided by the sum of its weights.  With adversarial=on a discriminator D tells
 * decoded regions from real ones, eq. (2) and (3): loss = (1 - l) pixels + l log-loss of D, l =
 * 0.001, D's own rate a tenth of the generator's, both Adam with b1 0.5.  It is off because the
 * authors learned features with the reconstruction alone (section 5.2).  The authors' code decides
 * what the paper leaves open: how blobs are drawn, widths, kernels, leaky ReLU, the weight 10.
 *
 * Departures: one mask per sample, not per batch; D and generator step at the same time, from the
 * same weights, instead of one after the other; the generator's adversarial loss is -log D (not
 * log(1 - D)), as in the authors' code; predictions are linear, without tanh, since normalised
 * pixels have no bounds; without a mask in D's way, its random regions are whole decoded images, as
 * in the authors' code; on a ViT a patch is not replaced: it is embedded with whatever the mask
 * left of it; b1 is 0.9 unless adversarial; widths and rate are for small images and short budgets
 * (the paper's decoder starts at 512, D at 64).
 */
#include "methods/method.h"
#include "methods/show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct context_encoder {
    const char *mask;
    double blob, overlap, overlap_weight;
    int decoder_width;
    int adversarial;
    double adversarial_weight;
    int discriminator_width;
    double min_area;
    int flip;
};

static const struct option_def options[] = {
    OPTION_TEXT(struct context_encoder, mask, "random", "random|centre",
                "what is hidden: blobs all over the image, or the square in its middle"),
    OPTION_REAL(struct context_encoder, blob, 0.13, 0.05, 1,
                "mask=random: size of the blobs, share of the image's side"),
    OPTION_REAL(struct context_encoder, overlap, 0.0625, 0, 0.4,
                "mask=centre: visible band within the predicted square, share of its side"),
    OPTION_REAL(struct context_encoder, overlap_weight, 10, 0, 1000,
                "weight of the band's pixels; hidden ones have 1"),
    OPTION_INT(struct context_encoder, decoder_width, 64, 1, 4096,
               "channels at the decoder's start; every doubling of the side halves them"),
    OPTION_BOOL(struct context_encoder, adversarial, 0, "add the adversarial loss"),
    OPTION_REAL(struct context_encoder, adversarial_weight, 0.001, 0, 1,
                "its weight; the reconstruction has what is left to 1"),
    OPTION_INT(struct context_encoder, discriminator_width, 32, 1, 1024,
               "channels of the discriminator's first convolution"),
    OPTION_REAL(struct context_encoder, min_area, 0.5, 0.01, 1,
                "smallest share of the image in a crop"),
    OPTION_BOOL(struct context_encoder, flip, 1, "mirror half of the views"),
    OPTION_END};

enum { MASKED, IMAGES, WEIGHT };
enum { DECODER_FLOOR = 16, DISCRIMINATOR_SIDE = 4, DISCRIMINATOR_MOST = 3 };
static const double DRAWN_STD = 0.02; /* of the decoder's and the discriminator's weights */

/* What is predicted: a square, and within it a band that the encoder sees. */
struct region {
    int top, side, band;
};

static int is_centre(const struct context_encoder *c) {
    return !strcmp(c->mask, "centre");
}

static struct region region_of(const struct context_encoder *c, int image) {
    if (!is_centre(c))
        return (struct region){.side = image};
    int side = image / 2;
    return (struct region){
        .top = (image - side) / 2, .side = side, .band = (int)lround(c->overlap * side)};
}

/* Networks. */

/* (N,positions,D): the encoder's last feature map, or a ViT's patches. */
static struct tensor *last_map(struct graph *g, const struct encoded *e) {
    if (!e->tokens) {
        const int *d = e->map->dim, rows[] = {d[0] * d[1], d[2]};
        return op_reshape(g, "map", e->map, 2, rows);
    }
    struct arena scratch = {0};
    int patches = e->tokens->dim[0] - 1;
    int32_t *behind_cls = ARENA_ARRAY(&scratch, int32_t, patches);
    for (int i = 0; i < patches; i++)
        behind_cls[i] = i + 1;
    struct tensor *index = graph_const_index(g, "patches", patches, behind_cls);
    arena_free(&scratch);
    return op_gather(g, "map", e->tokens, index, NULL);
}

/* Where doubling starts: at most with the map's side, and twice at least. */
static int decoder_start(int map, int side) {
    int start = side;
    while (start % 2 == 0 && (start > map || 4 * start > side))
        start /= 2;
    return start;
}

/* (N,side,side,channels) from map (N,positions,D). */
static struct tensor *decode(struct graph *g, const struct context_encoder *c, int group,
                             struct tensor *map, int start, int side, int channels) {
    struct tensor *x = op_channelwise_fc(g, "channelwise", group, map, start * start);
    int width = c->decoder_width;
    const struct linear_spec mix = {
        .group = group, .out = width, .init = INIT_NORMAL, .scale = DRAWN_STD, .no_bias = 1};
    x = op_linear(g, "mix", x, &mix, NULL);
    x = op_batchnorm(g, "mix_bn", group, x, NULL, 1, 0);
    x = op_reshape(g, "start", x, 3, (const int[]){start, start, width});
    for (int i = 1; start < side; i++, start *= 2) {
        int last = 2 * start == side;
        char name[32];
        width = width / 2 > DECODER_FLOOR ? width / 2 : DECODER_FLOOR;
        const struct conv_spec up = {.group = group,
                                     .out = last ? channels : width,
                                     .kernel = 4,
                                     .stride = 2,
                                     .pad = 1,
                                     .bias = last,
                                     .init = INIT_NORMAL,
                                     .scale = DRAWN_STD};
        snprintf(name, sizeof name, "up%d", i);
        x = op_conv_transpose2d(g, name, x, &up);
        snprintf(name, sizeof name, "up%d_bn", i);
        if (!last)
            x = op_batchnorm(g, name, group, x, NULL, 1, 0);
    }
    return x;
}

/* (N,1): a logit that x (N,side,side,channels) is real. */
static struct tensor *discriminate(struct graph *g, const struct context_encoder *c, int group,
                                   struct tensor *x) {
    int width = c->discriminator_width;
    for (int i = 0; x->dim[0] >= 2 * DISCRIMINATOR_SIDE; i++) {
        char name[32];
        const struct conv_spec down = {.group = group,
                                       .out = width << (i < DISCRIMINATOR_MOST ? i : 3),
                                       .kernel = 4,
                                       .stride = 2,
                                       .pad = 1,
                                       .bias = i == 0,
                                       .init = INIT_NORMAL,
                                       .scale = DRAWN_STD};
        snprintf(name, sizeof name, "conv%d", i + 1);
        x = op_conv2d(g, name, x, &down);
        snprintf(name, sizeof name, "bn%d", i + 1);
        if (i)
            x = op_batchnorm(g, name, group, x, NULL, 0, 0);
        x = op_activation(g, "leaky", x, ACT_LEAKY_RELU);
    }
    const int all = (int)x->per_sample;
    const struct linear_spec fc = {
        .group = group, .out = 1, .init = INIT_NORMAL, .scale = DRAWN_STD};
    return op_linear(g, "fc", op_reshape(g, "flat", x, 1, &all), &fc, NULL);
}

/* Losses. */

/* (N,side*side,channels) of images (N,channels,image,image). */
static struct tensor *pixels_of(struct graph *g, struct tensor *images, const struct region *r) {
    int image = images->dim[1];
    struct tensor *x = op_patchify(g, "pixels", images, 1);
    if (r->side == image)
        return x;
    struct arena scratch = {0};
    int n = r->side * r->side;
    int32_t *inside = ARENA_ARRAY(&scratch, int32_t, n);
    for (int i = 0; i < n; i++)
        inside[i] = (r->top + i / r->side) * image + r->top + i % r->side;
    x = op_gather(g, "target", x, graph_const_index(g, "region", n, inside), NULL);
    arena_free(&scratch);
    return x;
}

/* (side*side) with sum 1. */
static struct tensor *centre_weights(struct graph *g, const struct context_encoder *c,
                                     const struct region *r) {
    struct arena scratch = {0};
    int n = r->side * r->side, inner = r->side - 2 * r->band;
    double sum = c->overlap_weight * (n - inner * inner) + inner * inner;
    real *weight = ARENA_ARRAY(&scratch, real, n);
    for (int i = 0; i < n; i++) {
        int row = i / r->side - r->band, col = i % r->side - r->band;
        int hidden = row >= 0 && row < inner && col >= 0 && col < inner;
        weight[i] = (real)((hidden ? 1 : c->overlap_weight) / sum);
    }
    struct tensor *t = graph_const(g, "weight", 1, &n, weight);
    arena_free(&scratch);
    return t;
}

/* Eq. (2).  D learns from real and decoded regions, and no gradient goes on to the generator; the
 * generator learns from D's answer, and none goes to D. */
static void add_adversary(struct builder *b, const struct context_encoder *c, int group,
                          struct tensor *real_region, struct tensor *decoded) {
    struct graph *g = b->g;
    struct tensor *real_logit = discriminate(g, c, group, real_region);
    struct tensor *fake = op_stop(g, "fake", decoded);
    struct tensor *fake_logit = discriminate(g, c, group, fake);
    graph_freeze(g, 1);
    struct tensor *judged = discriminate(g, c, group, decoded);
    graph_freeze(g, 0);
    builder_objective(b, "adversarial", op_bce(g, "adversarial", judged, 1), c->adversarial_weight);
    builder_objective(b, "real", op_bce(g, "real", real_logit, 1), 1);
    builder_objective(b, "fake", op_bce(g, "fake", fake_logit, 0), 1);
}

static int build(const void *self, struct builder *b, struct error *err) {
    const struct context_encoder *c = self;
    struct graph *g = b->g;
    const struct region r = region_of(c, b->backbone->image);
    struct tensor *masked = builder_images(b, "masked", 0, 0);
    struct tensor *images = builder_images(b, "images", 0, 0);
    int channels = images->dim[0], rows = r.side * r.side;
    if (is_centre(c) && 2 * r.band >= r.side)
        return error_set(err, STATUS_USAGE,
                         "context_encoder.overlap %g leaves nothing of a square of %d pixels to be "
                         "hidden: choose a smaller one or a larger --image",
                         c->overlap, r.side);
    struct tensor *weight =
        is_centre(c) ? centre_weights(g, c, &r) : builder_reals(b, "weight", rows);
    struct encoded e;
    builder_encode(b, masked, ENCODE_TOKENS, &e);
    struct tensor *map = last_map(g, &e);
    int map_side = (int)lround(sqrt(map->dim[0])), start = decoder_start(map_side, r.side);
    if (start == r.side || start > 2 * map_side)
        return error_set(err, STATUS_USAGE,
                         "context_encoder cannot double a map of %d positions a side up to a "
                         "region of %d pixels: choose an --image that is divisible by 8",
                         map_side, r.side);
    int decoder = builder_group(b, "decoder"), discriminator = builder_group(b, "discriminator");
    struct tensor *decoded = decode(g, c, decoder, map, start, r.side, channels);
    struct tensor *target = pixels_of(g, images, &r);
    struct tensor *flat = op_reshape(g, "flat", decoded, 2, (const int[]){rows, channels});
    builder_objective(b, "pixels", op_mse(g, "pixels", flat, target, weight),
                      c->adversarial ? 1 - c->adversarial_weight : 1);
    if (c->adversarial)
        add_adversary(b, c, discriminator, op_reshape(g, "real", target, 3, decoded->dim), decoded);
    return 0;
}

/* Masks. */

enum { MOST_CELLS = 25 }; /* of a side: 1 / 0.05, and what interpolation reaches beyond */

/* Catmull-Rom weights of the four neighbours of a place, a share f behind the second of them. */
static void cubic(double f, double w[4]) {
    w[0] = f * (-0.5 + f * (1 - 0.5 * f));
    w[1] = 1 + f * f * (-2.5 + 1.5 * f);
    w[2] = f * (0.5 + f * (2 - 1.5 * f));
    w[3] = f * f * (-0.5 + 0.5 * f);
}

/* Uniform noise on a coarse grid, enlarged by bicubic interpolation, is below a quarter in the
 * hidden places: hidden (side,side) becomes 1 there, and 0 elsewhere.  Returns their number. */
static int draw_blobs(double blob, int side, struct rng *rng, float *hidden) {
    double noise[MOST_CELLS][MOST_CELLS], down[4], across[4];
    int cells = (int)(1 / blob) + 5, count = 0;
    CHECK(cells <= MOST_CELLS, "%d cells of noise", cells);
    double top = rng_uniform(rng), left = rng_uniform(rng);
    for (int i = 0; i < cells; i++)
        for (int j = 0; j < cells; j++)
            noise[i][j] = rng_uniform(rng);
    for (int y = 0; y < side; y++) {
        double row[MOST_CELLS] = {0}, at = top + y / (blob * side);
        int i = (int)at;
        cubic(at - i, down);
        for (int j = 0; j < cells; j++)
            row[j] = down[0] * noise[i][j] + down[1] * noise[i + 1][j] + down[2] * noise[i + 2][j] +
                     down[3] * noise[i + 3][j];
        for (int x = 0; x < side; x++) {
            double from = left + x / (blob * side);
            int j = (int)from;
            cubic(from - j, across);
            double value = across[0] * row[j] + across[1] * row[j + 1] + across[2] * row[j + 2] +
                           across[3] * row[j + 3];
            hidden[y * side + x] = value < 0.25;
            count += value < 0.25;
        }
    }
    return count;
}

/* The random region, drawn until it covers between 20 and 30 % of the image.  Its pixels in masked
 * (channels,side,side) become 0, and weight (side,side) is 1 / their number in it and 0 elsewhere.
 */
static void hide_blobs(const struct context_encoder *c, int channels, int side, struct rng *rng,
                       float *masked, float *weight) {
    int area = side * side, count;
    do
        count = draw_blobs(c->blob, side, rng, weight);
    while (10 * count < 2 * area || 10 * count > 3 * area);
    for (int i = 0; i < area; i++) {
        for (int j = 0; weight[i] > 0 && j < channels; j++)
            masked[j * area + i] = 0;
        weight[i] /= (float)count;
    }
}

static void hide_square(const struct region *r, int channels, int side, float *masked) {
    int first = r->top + r->band, n = r->side - 2 * r->band;
    for (int j = 0; j < channels; j++)
        for (int y = first; y < first + n; y++)
            memset(masked + ((size_t)j * (size_t)side + (size_t)y) * (size_t)side + first, 0,
                   (size_t)n * sizeof *masked);
}

static void prepare(const void *self, const struct sample *s) {
    const struct context_encoder *c = self;
    int side = s->backbone->image, channels = s->backbone->channels;
    float *masked = s->slots[MASKED], *images = s->slots[IMAGES];
    struct crop_box box = random_resized_box(s->record, c->min_area, 1, s->view);
    int flip = c->flip && rng_below(s->view, 2);
    view_crop(s->record, s->norm, &box, flip, side, images);
    memcpy(masked, images, (size_t)channels * (size_t)side * (size_t)side * sizeof *masked);
    if (is_centre(c)) {
        const struct region r = region_of(c, side);
        hide_square(&r, channels, side, masked);
    } else {
        hide_blobs(c, channels, side, s->mask, masked, s->slots[WEIGHT]);
    }
}

/* Optimizers. */

#define ADVERSARIAL_B1 0.5

/* Adversaries do better with a short memory. */
static void tune(const void *self, struct recipe *r) {
    const struct context_encoder *c = self;
    if (c->adversarial)
        r->b1 = ADVERSARIAL_B1;
}

static const struct recipe discriminator_recipe = {.optimizer = OPTIMIZER_ADAMW,
                                                   .lr = 2e-4,
                                                   .b1 = ADVERSARIAL_B1,
                                                   .b2 = 0.999,
                                                   .warmup = 0.1,
                                                   .groups = "discriminator"};

/* The authors' code: Adam with 2e-3 for batches of 64, no decay. */
static const struct recipe paper = {.lr = 2e-3 * 256 / 64};

static const char *own_views(const void *self) {
    (void)self;
    return "an image beside a copy of which a part is hidden";
}

const struct method method_context_encoder = {
    .name = "context_encoder",
    .title = "Context encoder",
    .version = 1,
    .cite = "Pathak et al. 2016, arXiv:1604.07379",
    .trains = 1,
    .options = options,
    .own_views = own_views,
    .paper = "decoder_width=512 discriminator_width=64",
    .paper_recipe = &paper,
    .state_size = sizeof(struct context_encoder),
    .show = show_context_encoder,
    .shows_kinds = 1,
    .backbones = BACKBONE_ANY,
    .n_stages = 1,
    .stages = {{.name = "pretrain",
                .recipe = {.optimizer = OPTIMIZER_ADAMW,
                           .lr = 2e-3,
                           .weight_decay = 0.05,
                           .b1 = 0.9,
                           .b2 = 0.999,
                           .warmup = 0.1},
                .second = &discriminator_recipe,
                .tune = tune,
                .build = build,
                .prepare = prepare}},
};
