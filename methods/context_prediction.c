/* context_prediction.c -- where is one patch, seen from another?  Doersch, Gupta and Efros 2015,
 * arXiv:1505.05192.
 *
 * Two neighbouring patches of a 3x3 arrangement lie at a random place of the image, in a random one
 * of eight relative positions (section 3); both go through the same encoder and a first layer, fc6,
 * then side by side through fc7 and fc8 to eight classes, fc9 (section 3.1, figure 3).  Labels are
 * the places around the first patch in reading order.  A pair is ordered; its reverse is another
 * draw.
 *
 * Against answers from borders and lenses (section 3.2): a gap of half a patch between patches, a
 * jitter of each patch of up to 7/96 of its side in both directions, and colour:
 *
 *     color=drop      one channel of a patch, each equally often, is kept, less its mean; the other
 *                     two become Gaussian noise of 1/100 of its standard deviation
 *     color=project   pixels p less the mean colour become B p, B = I - a' a / (a a'),
 *                     a = (-1, 2, -1): the green-magenta axis is gone
 *     color=none
 *
 * each for the two patches independently; images without colour stay as they are.  A share
 * `downsample` of the patches is shrunk to a random area, down to (10/96)^2 of its own, and
 * enlarged again.  The authors' code decides what the paper leaves open: which layers have batch
 * norm (fc6 and fc7, without gain and shift), and the areas.
 *
 * Departures: every label is equally likely, and the place is uniform among those at which both
 * patches lie inside whatever their jitter (the paper takes all pairs of a whole grid of patches);
 * a patch is resized to `side` pixels, so that images of 32 pixels, whose patches have 12, give
 * the encoder what it can cut, and is a larger share of the image (paper: 96 of some 480 pixels),
 * of which only the pair lies inside, not the whole arrangement; patches are standardised like all
 * images, by the data's mean and deviation (authors' code: by their own); a ViT's positions are
 * interpolated to a patch's size; fc6 to fc8 are 256 wide (paper: 4096); AdamW and its rate are for
 * short budgets (paper: SGD, one million steps); no patches are downsampled (paper: 0.33), as 12
 * pixels have little to lose.
 */
#include "methods/method.h"
#include "methods/show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct context_prediction {
    double patch, gap, jitter, downsample;
    int side, hidden, norm;
    const char *color;
};

static const struct option_def options[] = {
    OPTION_REAL(struct context_prediction, patch, 0.375, 0.01, 0.5,
                "side of a patch, share of the image's shorter side"),
    OPTION_REAL(struct context_prediction, gap, 0.5, 0, 4, "between patches, share of their side"),
    OPTION_REAL(struct context_prediction, jitter, 0.073, 0, 0.25,
                "most that a patch moves in each direction, share of its side"),
    OPTION_INT(struct context_prediction, side, 0, 0, 1024,
               "pixels that a patch is resized to; 0: half of the encoder's input"),
    OPTION_TEXT(
        struct context_prediction, color, "drop", "drop|project|none",
        "what hides chromatic aberration: one channel kept, or green-magenta projected out"),
    OPTION_REAL(struct context_prediction, downsample, 0, 0, 1,
                "share of the patches that is shrunk and enlarged again"),
    OPTION_INT(struct context_prediction, hidden, 256, 1, 8192, "width of fc6, fc7 and fc8"),
    OPTION_BOOL(struct context_prediction, norm, 1, "batch norm behind fc6 and fc7"),
    OPTION_END};

enum { PATCHES, POSITION };
enum { PAIR = 2, POSITIONS = 8, COLORS = 3 };

static const double NOISE = 0.01, LEAST_SIDE = 10 / 96.0;

/* The second patch, seen from the first. */
static const struct direction {
    int down, right;
} directions[POSITIONS] = {{-1, -1}, {-1, 0}, {-1, 1}, {0, -1}, {0, 1}, {1, -1}, {1, 0}, {1, 1}};

/* Geometry, in pixels of the image. */

struct layout {
    int patch, step, jitter; /* side, from a patch to the next, most that one moves */
};

static struct layout layout_with(const struct context_prediction *c, int patch) {
    return (struct layout){.patch = patch,
                           .step = patch + (int)lround(c->gap * patch),
                           .jitter = (int)lround(c->jitter * patch)};
}

/* What two patches one step apart take, with room for their jitter. */
static int extent(const struct layout *l) {
    return l->step + l->patch + 2 * l->jitter;
}

/* Shares become whole pixels, and what is rounded up may add up to more than the image has: patches
 * are then smaller, by a pixel in most cases.  Images of one dataset may differ in size, so that
 * what was checked for one holds for all. */
static struct layout layout_of(const struct context_prediction *c, int height, int width) {
    int least = height < width ? height : width;
    int patch = (int)lround(c->patch * least);
    struct layout l = layout_with(c, patch > 1 ? patch : 1);
    while (extent(&l) > least && l.patch > 1)
        l = layout_with(c, l.patch - 1);
    return l;
}

static int check(const struct context_prediction *c, int height, int width, struct error *err) {
    const struct layout l = layout_of(c, height, width);
    const double share = (2 + c->gap + 2 * c->jitter) * c->patch;
    if (share > 1 + 1e-9) /* of rounded decimals */
        return error_set(
            err, STATUS_USAGE,
            "two patches of %g of the image's side, a gap of %g of a patch and a jitter "
            "of %g take %g of the side: choose a smaller context_prediction.patch, gap "
            "or jitter",
            c->patch, c->gap, c->jitter, share);
    if (l.patch < 2)
        return error_set(err, STATUS_USAGE,
                         "context_prediction.patch %g is %d pixel%s of a %d x %d image: choose a "
                         "larger share",
                         c->patch, l.patch, l.patch == 1 ? "" : "s", height, width);
    return 0;
}

/* The first pixels of both patches along one axis of `length` pixels; the second is `direction`
 * steps behind the first.  In an image of one or two pixels both lie where there is room. */
static void place(const struct layout *l, int direction, int length, struct rng *rng,
                  int at[PAIR]) {
    int span = l->patch + abs(direction) * l->step + 2 * l->jitter;
    int room = length > span ? length - span : 0;
    int start = l->jitter + (int)rng_below(rng, (uint32_t)room + 1);
    at[0] = start + (direction < 0 ? l->step : 0);
    at[1] = start + (direction > 0 ? l->step : 0);
    for (int i = 0; i < PAIR; i++) {
        at[i] += (int)rng_below(rng, (uint32_t)(2 * l->jitter + 1)) - l->jitter;
        at[i] = at[i] + l->patch > length ? length - l->patch : at[i];
    }
}

/* Patches. */

/* x (channels,from,from) enlarged to (channels,to,to), bilinear, half-pixel centres. */
static void enlarge(int channels, int from, const float *x, int to, float *out) {
    double ratio = (double)from / to;
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < to; i++)
            for (int j = 0; j < to; j++) {
                double row = fmin(fmax((i + 0.5) * ratio - 0.5, 0), from - 1);
                double col = fmin(fmax((j + 0.5) * ratio - 0.5, 0), from - 1);
                int r = (int)row, s = (int)col;
                int below = r + (r + 1 < from), right = s + (s + 1 < from);
                double v = row - r, u = col - s;
                const float *p = x + c * from * from;
                double top = (1 - u) * (double)p[r * from + s] + u * (double)p[r * from + right];
                double bottom =
                    (1 - u) * (double)p[below * from + s] + u * (double)p[below * from + right];
                out[(c * to + i) * to + j] = (float)((1 - v) * top + v * bottom);
            }
}

static void view_small(const struct sample *s, const struct crop_box *box, int side, float *out) {
    double least = fmax(1, LEAST_SIDE * side), area = (double)side * side;
    int small = (int)sqrt(rng_range(s->view, least * least, area));
    struct arena scratch = {0};
    float *x = ARENA_ARRAY(&scratch, float, s->record->channels *small *small);
    view_crop(s->record, s->norm, box, 0, small, x);
    enlarge(s->record->channels, small, x, side, out);
    arena_free(&scratch);
}

static void drop_colors(struct rng *rng, int n, float *x) {
    int kept = (int)rng_below(rng, COLORS);
    double mean = 0, square = 0;
    float *k = x + kept * n;
    for (int i = 0; i < n; i++)
        mean += (double)k[i] / n;
    for (int i = 0; i < n; i++) {
        k[i] -= (float)mean;
        square += (double)k[i] * (double)k[i] / n;
    }
    for (int c = 0; c < COLORS; c++)
        for (int i = 0; i < n && c != kept; i++)
            x[c * n + i] = (float)(NOISE * sqrt(square) * rng_normal(rng));
}

/* Normalised pixels differ in units from channel to channel: they are projected in the image's own
 * units and scaled by one number. */
static void project(const struct normalization *norm, int n, float *x) {
    static const double a[COLORS] = {-1, 2, -1};
    const double square = 6, scale = (norm->std[0] + norm->std[1] + norm->std[2]) / COLORS;
    for (int i = 0; i < n; i++) {
        double p[COLORS], along = 0;
        for (int c = 0; c < COLORS; c++) {
            p[c] = (double)x[c * n + i] * norm->std[c];
            along += a[c] * p[c];
        }
        for (int c = 0; c < COLORS; c++)
            x[c * n + i] = (float)((p[c] - a[c] * along / square) / scale);
    }
}

static void prepare(const void *self, const struct sample *s) {
    const struct context_prediction *o = self;
    const struct record *r = s->record;
    const int side = *(const int *)s->runtime, n = side * side;
    const struct layout l = layout_of(o, r->height, r->width);
    const struct direction *d;
    int top[PAIR], left[PAIR], position = (int)rng_below(s->view, POSITIONS);
    d = &directions[position];
    place(&l, d->down, r->height, s->view, top);
    place(&l, d->right, r->width, s->view, left);
    for (int i = 0; i < PAIR; i++) {
        float *out = (float *)s->slots[PATCHES] + i * r->channels * n;
        const struct crop_box box = {top[i], left[i], l.patch, l.patch};
        if (rng_uniform(s->view) < o->downsample)
            view_small(s, &box, side, out);
        else
            view_crop(r, s->norm, &box, 0, side, out);
        if (r->channels == COLORS && !strcmp(o->color, "drop"))
            drop_colors(s->view, n, out);
        else if (r->channels == COLORS && !strcmp(o->color, "project"))
            project(s->norm, n, out);
    }
    *(int32_t *)s->slots[POSITION] = position;
}

/* The network. */

static struct tensor *layer(const struct context_prediction *c, struct builder *b, const char *name,
                            int norm, struct tensor *x) {
    char bn[32];
    struct linear_spec spec = {.group = builder_group(b, "head"),
                               .out = c->hidden,
                               .act = norm ? ACT_NONE : ACT_RELU,
                               .init = INIT_XAVIER,
                               .no_bias = norm};
    x = op_linear(b->g, name, x, &spec, NULL);
    snprintf(bn, sizeof bn, "%s.bn", name);
    return norm ? op_batchnorm(b->g, bn, spec.group, x, NULL, 1, 1) : x;
}

/* Patches for a ViT are what its own patches divide; convolutions take any. */
static int side_of(const struct context_prediction *c, const struct backbone *b) {
    int unit = b->kind == BACKBONE_VIT ? b->vit.patch : 1;
    return c->side ? c->side : (b->image / 2 + unit - 1) / unit * unit;
}

static int build(const void *self, struct builder *b, struct error *err) {
    const struct context_prediction *c = self;
    int *side = ARENA_NEW(b->arena, int), status = 0;
    *side = side_of(c, b->backbone);
    if (b->backbone->kind == BACKBONE_VIT && *side % b->backbone->vit.patch)
        return error_set(err, STATUS_USAGE,
                         "context_prediction.side %d is not made of patches of %d: choose a "
                         "multiple",
                         *side, b->backbone->vit.patch);
    if (b->batch == 1 && c->norm)
        return error_set(err, STATUS_USAGE,
                         "context_prediction has a batch norm of pairs, and one pair less its mean "
                         "is 0: choose a larger --batch or --no-context_prediction.norm");
    if (b->data)
        TRY(check(c, b->data->height, b->data->width, err));
    b->runtime = side;

    struct encoded e;
    struct tensor *patches = builder_images(b, "patches", PAIR, *side);
    struct tensor *position = builder_index(b, "position", 1);
    builder_encode(b, patches, ENCODE_POOLED, &e);
    struct tensor *x = layer(c, b, "fc6", c->norm, e.pooled);
    x = op_reshape(b->g, "pair", x, 1, (const int[]){PAIR * c->hidden});
    x = layer(c, b, "fc7", c->norm, x);
    x = layer(c, b, "fc8", 0, x);
    struct linear_spec last = {
        .group = builder_group(b, "head"), .out = POSITIONS, .init = INIT_XAVIER};
    x = op_linear(b->g, "fc9", x, &last, NULL);
    builder_objective(b, "position", op_softmax_xent(b->g, "loss", x, position, 0), 1);
    builder_uniform_loss(b, log(POSITIONS));
out:
    return status;
}

static const char *own_views(const void *self) {
    (void)self;
    return "patches at other resolutions and without their colours";
}

const struct method method_context_prediction = {
    .name = "context_prediction",
    .title = "Context prediction",
    .version = 1,
    .cite = "Doersch, Gupta and Efros 2015, arXiv:1505.05192",
    .trains = 1,
    .options = options,
    .own_views = own_views,
    .paper = "patch=0.2 downsample=0.33 hidden=4096", /* 96 of about 480 pixels */
    .state_size = sizeof(struct context_prediction),
    .show = show_context_prediction,
    .backbones = BACKBONE_ANY,
    .n_stages = 1,
    .stages = {{.name = "pretrain",
                .recipe = {.optimizer = OPTIMIZER_ADAMW,
                           .lr = 4e-3,
                           .weight_decay = 0.05,
                           .b1 = 0.9,
                           .b2 = 0.999,
                           .warmup = 0.1},
                .build = build,
                .prepare = prepare}},
};
