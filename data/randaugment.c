/* randaugment.c -- which operations, how strong, and in which order. */
#include "data/randaugment.h"

#include "data/randaugment_internal.h"

#include <math.h>
#include <string.h>

static const double MOST = 10; /* magnitude */

const struct randaugment randaugment_m9 = {
    .layers = 2, .magnitude = 9, .deviation = 0.5, .probability = 0.5};

/* The argument is origin + direction * span * magnitude / 10, for magnitudes up to 10; direction is
 * a coin's where the operation has two.  `whole`: the span's share is cut to an integer. */
static const struct operation {
    randaugment_function *apply;
    double origin, span;
    int two_ways, whole;
} operations[RANDAUGMENT_OPERATIONS] = {
    [RANDAUGMENT_AUTO_CONTRAST] = {randaugment_auto_contrast, 0, 0, 0, 0},
    [RANDAUGMENT_EQUALIZE] = {randaugment_equalize, 0, 0, 0, 0},
    [RANDAUGMENT_INVERT] = {randaugment_invert, 0, 0, 0, 0},
    [RANDAUGMENT_ROTATE] = {randaugment_rotate, 0, 30, 1, 0},
    [RANDAUGMENT_POSTERIZE] = {randaugment_posterize, 4, -4, 0, 1},
    [RANDAUGMENT_SOLARIZE] = {randaugment_solarize, 256, -256, 0, 1},
    [RANDAUGMENT_SOLARIZE_ADD] = {randaugment_solarize_add, 0, 110, 0, 1},
    [RANDAUGMENT_COLOR] = {randaugment_color, 1, 0.9, 1, 0},
    [RANDAUGMENT_CONTRAST] = {randaugment_contrast, 1, 0.9, 1, 0},
    [RANDAUGMENT_BRIGHTNESS] = {randaugment_brightness, 1, 0.9, 1, 0},
    [RANDAUGMENT_SHARPNESS] = {randaugment_sharpness, 1, 0.9, 1, 0},
    [RANDAUGMENT_SHEAR_X] = {randaugment_shear_x, 0, 0.3, 1, 0},
    [RANDAUGMENT_SHEAR_Y] = {randaugment_shear_y, 0, 0.3, 1, 0},
    [RANDAUGMENT_TRANSLATE_X] = {randaugment_translate_x, 0, 0.45, 1, 0},
    [RANDAUGMENT_TRANSLATE_Y] = {randaugment_translate_y, 0, 0.45, 1, 0},
};

double randaugment_argument(enum randaugment_operation operation, double magnitude, int negative) {
    const struct operation *o = &operations[operation];
    double share = magnitude / MOST * o->span;
    if (o->whole)
        share = trunc(share);
    return o->two_ways && negative ? o->origin - share : o->origin + share;
}

struct randaugment_plan randaugment_draw(const struct randaugment *o, struct rng *rng) {
    CHECK(o->layers >= 0 && o->layers <= RANDAUGMENT_LAYERS, "%d operations", o->layers);
    struct randaugment_plan plan = {0};
    for (int i = 0; i < o->layers; i++) {
        int operation = (int)rng_below(rng, RANDAUGMENT_OPERATIONS);
        int happens = rng_uniform(rng) < o->probability;
        double magnitude = o->magnitude + o->deviation * rng_normal(rng);
        int negative = (int)rng_below(rng, 2);
        if (!happens)
            continue;
        plan.operation[plan.n] = operation;
        plan.argument[plan.n++] = randaugment_argument((enum randaugment_operation)operation,
                                                       fmin(fmax(magnitude, 0), MOST), negative);
    }
    return plan;
}

void randaugment_apply(const struct randaugment_plan *plan, const uint8_t *fill, struct record *r) {
    size_t bytes = (size_t)r->height * (size_t)r->width * (size_t)r->channels;
    struct arena scratch = {0};
    struct record before = *r;
    if (plan->n)
        before.pixels = ARENA_ARRAY(&scratch, uint8_t, bytes);
    for (int i = 0; i < plan->n; i++) {
        memcpy(before.pixels, r->pixels, bytes);
        operations[plan->operation[i]].apply(&before, plan->argument[i], fill, r->pixels);
    }
    arena_free(&scratch);
}

void randaugment_fill(const struct normalization *norm, int channels, uint8_t *fill) {
    for (int c = 0; c < channels; c++)
        fill[c] = (uint8_t)fmin(255, rint(255 * norm->mean[c]));
}
