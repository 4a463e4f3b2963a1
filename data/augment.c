#include "data/augment.h"

#include <math.h>

struct crop_box random_resized_box(const struct record *r, double min_area, double max_area,
                                   struct rng *rng) {
    enum { TRIES = 10 };
    double area = (double)r->height * r->width, log_ratio = log(4.0 / 3);
    for (int i = 0; i < TRIES; i++) {
        double target = area * rng_range(rng, min_area, max_area);
        double ratio = exp(rng_range(rng, -log_ratio, log_ratio));
        double width = round(sqrt(target * ratio)), height = round(sqrt(target / ratio));
        if (width < 1 || height < 1 || width > r->width || height > r->height)
            continue;
        double top = rng_below(rng, (uint32_t)(r->height - height) + 1);
        double left = rng_below(rng, (uint32_t)(r->width - width) + 1);
        return (struct crop_box){top, left, height, width};
    }
    double side = fmin(r->height, r->width);
    return (struct crop_box){floor((r->height - side) / 2), floor((r->width - side) / 2), side,
                             side};
}

struct crop_box random_shift_box(const struct record *r, int pad, struct rng *rng) {
    int top = (int)rng_below(rng, (uint32_t)(2 * pad + 1)) - pad;
    int left = (int)rng_below(rng, (uint32_t)(2 * pad + 1)) - pad;
    return (struct crop_box){top, left, r->height, r->width};
}
