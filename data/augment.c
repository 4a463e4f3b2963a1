#include "data/augment.h"

#include <math.h>

enum { MAX_TAPS = 64, WIDEST = MAX_TAPS / 2 - 1, MAX_CHANNELS = 4 };

struct taps { /* source pixels that one output pixel is made of, in one direction */
    int first, n;
    float weight[MAX_TAPS];
};

/* Triangle filter, as wide as the step when shrinking, over the pixels of the box: what
 * torchvision's resized_crop with antialias computes.  Pixels of the box outside the image keep
 * their weight and count as the mean colour, so the weights kept here may sum to less than 1. */
static void make_taps(struct taps *t, double begin, double extent, int size, int i, int limit) {
    double step = extent / size, radius = step > 1 ? step : 1;
    if (radius > WIDEST)
        radius = WIDEST;
    double centre = begin + (i + 0.5) * step - 0.5;
    int lo = (int)fmax(ceil(centre - radius), floor(begin));
    int hi = (int)fmin(floor(centre + radius), ceil(begin + extent) - 1);
    double total = 0, weight[MAX_TAPS + 2] = {0};
    for (int s = lo; s <= hi; s++)
        total += weight[s - lo] = fmax(0, 1 - fabs(s - centre) / radius);
    t->first = lo < 0 ? 0 : lo;
    t->n = 0;
    for (int s = t->first; s <= hi && s < limit; s++)
        t->weight[t->n++] = (float)(weight[s - lo] / total);
}

void view_crop(const struct record *r, const struct normalization *norm, const struct crop_box *box,
               int flip, int size, float *out) {
    CHECK(r->channels <= MAX_CHANNELS && size > 0 && size <= 1024, "%d channels, size %d",
          r->channels, size);
    int channels = r->channels;
    float scale[MAX_CHANNELS], shift[MAX_CHANNELS];
    for (int c = 0; c < channels; c++) {
        scale[c] = (float)(1 / (255 * norm->std[c]));
        shift[c] = (float)(norm->mean[c] * 255);
    }
    struct taps across[1024];
    for (int x = 0; x < size; x++)
        make_taps(&across[x], box->left, box->width, size, x, r->width);
    for (int y = 0; y < size; y++) {
        struct taps down;
        make_taps(&down, box->top, box->height, size, y, r->height);
        for (int x = 0; x < size; x++) {
            const struct taps *a = &across[flip ? size - 1 - x : x];
            float sum[MAX_CHANNELS] = {0};
            for (int i = 0; i < down.n; i++)
                for (int j = 0; j < a->n; j++) {
                    const uint8_t *p = r->pixels + ((size_t)(down.first + i) * (size_t)r->width +
                                                    (size_t)(a->first + j)) *
                                                       (size_t)channels;
                    float w = down.weight[i] * a->weight[j];
                    for (int c = 0; c < channels; c++)
                        sum[c] += w * ((float)p[c] - shift[c]);
                }
            for (int c = 0; c < channels; c++)
                out[((size_t)c * (size_t)size + (size_t)y) * (size_t)size + (size_t)x] =
                    sum[c] * scale[c];
        }
    }
}

void view_plain(const struct record *r, const struct normalization *norm, int size, float *out) {
    struct crop_box whole = {0, 0, r->height, r->width};
    view_crop(r, norm, &whole, 0, size, out);
}

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
