/* view_random.c -- views by recipe: what is drawn, and how it is put together.
 *
 * The definitions of the steps are torchvision's (augment.h).  Departures from the papers' code:
 * SimCLR's changes contrast about each channel's own mean and saturation in HSV, resizes without
 * antialiasing, and its blur sees zeros outside the image; DINO's blurs with PIL's three box
 * filters and rounds to 8 bits after every step; DINO and torchvision resize 8-bit images.
 */
#include "data/augment.h"
#include "data/view_internal.h"

#include <math.h>

#define SOLARIZE_FROM 0.5 /* 8-bit values from 128 on */

/* clang-format off */
const struct view_recipe view_recipe_simclr = {
    .min_area = 0.08, .max_area = 1, .flip = 0.5,
    .jitter_p = 0.8, .brightness = 0.8, .contrast = 0.8, .saturation = 0.8, .hue = 0.2,
    .grey = 0.2,
    .blur_p = 0.5, .blur_min = 0.1, .blur_max = 2, .blur_width = 0.1,
    .interpolation = INTERPOLATION_BICUBIC};

const struct view_recipe view_recipe_simclr_cifar = {
    .min_area = 0.08, .max_area = 1, .flip = 0.5,
    .jitter_p = 0.8, .brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1,
    .grey = 0.2,
    .interpolation = INTERPOLATION_BICUBIC};

#define DINO                                                                                     \
    .flip = 0.5,                                                                                 \
    .jitter_p = 0.8, .brightness = 0.4, .contrast = 0.4, .saturation = 0.2, .hue = 0.1,          \
    .grey = 0.2,                                                                                 \
    .blur_min = 0.1, .blur_max = 2,                                                              \
    .interpolation = INTERPOLATION_BICUBIC

const struct view_recipe view_recipe_dino_global_1 = {
    DINO, .min_area = 0.4, .max_area = 1, .blur_p = 1};
const struct view_recipe view_recipe_dino_global_2 = {
    DINO, .min_area = 0.4, .max_area = 1, .blur_p = 0.1, .solarize = 0.2};
const struct view_recipe view_recipe_dino_local = {
    DINO, .min_area = 0.05, .max_area = 0.4, .blur_p = 0.5};

const struct view_recipe view_recipe_mae = {
    .min_area = 0.2, .max_area = 1, .flip = 0.5, .interpolation = INTERPOLATION_BICUBIC};

const struct view_recipe view_recipe_supervised = {
    .min_area = 0.08, .max_area = 1, .flip = 0.5, .interpolation = INTERPOLATION_BICUBIC};
/* clang-format on */

void view_recipe_scale_jitter(struct view_recipe *v, double strength) {
    v->brightness *= strength;
    v->contrast *= strength;
    v->saturation *= strength;
    v->hue *= strength;
}

/* The upper end of [0, 1) happens: with probability 1/2 that is the first bit drawn. */
static int happens(struct rng *rng, double probability) {
    return rng_uniform(rng) >= 1 - probability;
}

static double factor_around_one(struct rng *rng, double strength) {
    return rng_range(rng, fmax(0, 1 - strength), 1 + strength);
}

/* Pixels on each side of the middle. */
static int blur_radius(const struct view_recipe *v, double sigma, int size) {
    int radius = v->blur_width > 0 ? (int)(size * v->blur_width) / 2 : (int)ceil(3 * sigma);
    return radius < size ? radius : size - 1;
}

struct view_plan view_draw(const struct record *r, const struct view_recipe *v, struct rng *rng,
                           int size) {
    CHECK(v->min_area > 0 && v->min_area <= v->max_area && v->max_area <= 1, "areas from %g to %g",
          v->min_area, v->max_area);
    struct view_plan plan = {.interpolation = v->interpolation};
    plan.box = random_resized_box(r, v->min_area, v->max_area, rng);
    plan.flip = happens(rng, v->flip);
    plan.jitter = happens(rng, v->jitter_p);
    rng_permutation(rng, plan.order, JITTER_OPERATIONS);
    plan.factor[JITTER_BRIGHTNESS] = factor_around_one(rng, v->brightness);
    plan.factor[JITTER_CONTRAST] = factor_around_one(rng, v->contrast);
    plan.factor[JITTER_SATURATION] = factor_around_one(rng, v->saturation);
    plan.factor[JITTER_HUE] = rng_range(rng, -v->hue, v->hue);
    plan.grey = happens(rng, v->grey);
    int blur = happens(rng, v->blur_p);
    double sigma = rng_range(rng, v->blur_min, v->blur_max);
    plan.sigma = blur ? sigma : 0;
    plan.blur_radius = blur ? blur_radius(v, sigma, size) : 0;
    plan.solarize = happens(rng, v->solarize);
    return plan;
}

void view_render(const struct record *r, const struct normalization *norm,
                 const struct view_plan *plan, int size, float *out) {
    const struct image image = {r->channels, size, size, out};
    image_from_box(r, norm, &plan->box, plan->flip, plan->interpolation, size, out);
    if (plan->jitter)
        image_jitter(&image, plan->order, plan->factor);
    if (plan->grey)
        image_grey(&image);
    if (plan->sigma > 0)
        image_blur(&image, plan->sigma, plan->blur_radius);
    if (plan->solarize)
        image_solarize(&image, SOLARIZE_FROM);
    image_normalize(&image, norm);
}

void view_random(const struct record *r, const struct normalization *norm,
                 const struct view_recipe *v, struct rng *rng, int size, float *out) {
    struct view_plan plan = view_draw(r, v, rng, size);
    view_render(r, norm, &plan, size, out);
}
