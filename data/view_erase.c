/* view_erase.c -- random erasing, Zhong et al. 2020 (arXiv:1708.04896), algorithm 1.
 *
 * As timm's mode "pixel": the rectangle is noise of N(0, 1) for each pixel and channel, on a
 * normalised image, where the paper has bytes uniform in 0..255. */
#include "data/augment.h"

#include <math.h>

const struct erasing erasing_mae = {
    .probability = 0.25, .min_area = 0.02, .max_area = 1.0 / 3, .min_aspect = 0.3};

static void fill(const struct image *image, int top, int left, int height, int width,
                 struct rng *rng) {
    for (int c = 0; c < image->channels; c++)
        for (int y = top; y < top + height; y++)
            for (int x = left; x < left + width; x++)
                image->pixels[((size_t)c * (size_t)image->height + (size_t)y) *
                                  (size_t)image->width +
                              (size_t)x] = (float)rng_normal(rng);
}

void image_erase(const struct image *image, const struct erasing *e, struct rng *rng) {
    enum { TRIES = 10 };
    if (rng_uniform(rng) >= e->probability)
        return;
    double area = (double)image->height * image->width, most = -log(e->min_aspect);
    for (int i = 0; i < TRIES; i++) {
        double target = area * rng_range(rng, e->min_area, e->max_area);
        double aspect = exp(rng_range(rng, -most, most));
        int height = (int)lround(sqrt(target * aspect)), width = (int)lround(sqrt(target / aspect));
        if (height < 1 || width < 1 || height >= image->height || width >= image->width)
            continue;
        int top = (int)rng_below(rng, (uint32_t)(image->height - height) + 1);
        int left = (int)rng_below(rng, (uint32_t)(image->width - width) + 1);
        fill(image, top, left, height, width, rng);
        return;
    }
}
