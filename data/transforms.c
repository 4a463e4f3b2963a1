#include "data/transforms.h"

#include "core/arena.h"
#include "data/view_internal.h"

#include <math.h>
#include <string.h>

static float *at(const struct image *image, int c, int y, int x) {
    return image->pixels + ((size_t)c * (size_t)image->height + (size_t)y) * (size_t)image->width +
           (size_t)x;
}

enum transform transform_named(const char *name) {
    const char *choice = TRANSFORM_CHOICES;
    for (int i = 0; i < TRANSFORMS; i++) {
        size_t n = strcspn(choice, "|");
        if (strlen(name) == n && !strncmp(choice, name, n))
            return i;
        choice += n + (choice[n] == '|');
    }
    CHECK(0, "transform %s", name);
    return TRANSFORM_NONE;
}

void image_cutout(const struct image *image, const struct normalization *norm, struct rng *rng) {
    int half_height = image->height / 4, half_width = image->width / 4;
    int y = (int)rng_below(rng, (uint32_t)image->height);
    int x = (int)rng_below(rng, (uint32_t)image->width);
    for (int c = 0; c < image->channels; c++)
        for (int i = y - half_height; i < y - half_height + image->height / 2; i++)
            for (int k = x - half_width; k < x - half_width + image->width / 2; k++)
                if (i >= 0 && i < image->height && k >= 0 && k < image->width)
                    *at(image, c, i, k) = (float)norm->mean[c];
}

void image_sobel(const struct image *image) {
    struct arena a = {0};
    size_t plane = (size_t)image->height * (size_t)image->width;
    float *grey = ARENA_ARRAY(&a, float, plane);
    image_grey(image); /* where there is colour; otherwise the mean over the channels is meant */
    for (int c = 0; c < image->channels; c++)
        for (size_t i = 0; i < plane; i++)
            grey[i] += image->pixels[(size_t)c * plane + i] / (float)image->channels;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            double gx = 0, gy = 0;
            for (int i = -1; i <= 1; i++) {
                const double smooth = i ? 1 : 2;
                const float *row =
                    grey + (size_t)view_mirror(y + i, image->height) * (size_t)image->width;
                const int left = view_mirror(x - 1, image->width),
                          right = view_mirror(x + 1, image->width);
                gx += smooth * ((double)row[right] - row[left]);
                gy += i * ((double)row[left] + 2.0 * row[x] + row[right]);
            }
            float length = clip((float)sqrt((gx * gx + gy * gy) / 32));
            for (int c = 0; c < image->channels; c++)
                *at(image, c, y, x) = length;
        }
    arena_free(&a);
}

void image_noise(const struct image *image, double deviation, struct rng *rng) {
    size_t n = (size_t)image->channels * (size_t)image->height * (size_t)image->width;
    for (size_t i = 0; i < n; i++)
        image->pixels[i] = clip(image->pixels[i] + (float)(deviation * rng_normal(rng)));
}

void image_rotate(const struct image *image, int quarters) {
    CHECK(image->height == image->width, "%d x %d", image->height, image->width);
    int last = image->width - 1;
    for (int q = 0; q < quarters % 4; q++)
        for (int c = 0; c < image->channels; c++)
            for (int y = 0; y < image->height / 2; y++)
                for (int x = 0; x < (image->width + 1) / 2; x++) {
                    float *ring[] = {at(image, c, y, x), at(image, c, x, last - y),
                                     at(image, c, last - y, last - x), at(image, c, last - x, y)};
                    float first = *ring[0];
                    for (int i = 0; i < 3; i++)
                        *ring[i] = *ring[i + 1];
                    *ring[3] = first;
                }
}

/* The recipe with nothing of it but what one transform does. */
static struct view_plan only(const struct record *r, const struct view_recipe *v,
                             enum transform what, struct rng *rng, int size) {
    struct view_recipe some = *v;
    if (what == TRANSFORM_BLUR)
        some.blur_p = 1;
    struct view_plan plan = view_draw(r, &some, rng, size);
    if (what != TRANSFORM_CROP) {
        plan.box = (struct crop_box){0, 0, r->height, r->width};
        plan.flip = 0;
        plan.interpolation = INTERPOLATION_BILINEAR;
    }
    plan.jitter = plan.jitter && what == TRANSFORM_COLOR;
    plan.grey = plan.grey && what == TRANSFORM_COLOR;
    plan.sigma = what == TRANSFORM_BLUR ? plan.sigma : 0;
    plan.solarize = 0;
    return plan;
}

static void change(const struct image *image, const struct normalization *norm, enum transform what,
                   const struct view_plan *plan, struct rng *rng) {
    const double strongest = 0.1;
    if (plan->jitter)
        image_jitter(image, plan->order, plan->factor);
    if (plan->grey)
        image_grey(image);
    if (plan->sigma > 0)
        image_blur(image, plan->sigma, plan->blur_radius);
    if (what == TRANSFORM_CUTOUT)
        image_cutout(image, norm, rng);
    else if (what == TRANSFORM_SOBEL)
        image_sobel(image);
    else if (what == TRANSFORM_NOISE)
        image_noise(image, rng_range(rng, 0, strongest), rng);
    else if (what == TRANSFORM_ROTATE)
        image_rotate(image, 1 + (int)rng_below(rng, 3));
}

static void step(const struct record *r, const struct normalization *norm,
                 const struct view_recipe *v, enum transform what, struct rng *rng,
                 const struct image *image) {
    struct view_plan plan = only(r, v, what, rng, image->width);
    image_from_box(r, norm, &plan.box, plan.flip, plan.interpolation, image->width, image->pixels);
    change(image, norm, what, &plan, rng);
}

void view_transformed(const struct record *r, const struct normalization *norm,
                      const struct view_recipe *v, enum transform first, enum transform second,
                      struct rng *rng, int size, float *out) {
    struct arena a = {0};
    const struct image image = {r->channels, size, size, out};
    step(r, norm, v, first, rng, &image);
    if (second == TRANSFORM_CROP && first != second) {
        const struct record between = record_of_image(&image, r->label, &a);
        step(&between, norm, v, second, rng, &image);
    } else if (second != first) {
        struct view_plan plan = only(r, v, second, rng, size);
        change(&image, norm, second, &plan, rng);
    }
    image_normalize(&image, norm);
    arena_free(&a);
}
