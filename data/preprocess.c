#include "data/preprocess.h"

#include <math.h>
#include <string.h>

enum { PRECISION = 22 }; /* bits of a weight behind the point */

/* Filters, and how far they reach.  Keys 1981 with a = -1/2. */
static double triangle(double x) {
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double cubic(double x) {
    x = fabs(x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

static const struct filter {
    double (*value)(double x);
    double reach;
} filters[] = {[INTERPOLATION_BILINEAR] = {triangle, 1}, [INTERPOLATION_BICUBIC] = {cubic, 2}};

/* Source pixels that an output pixel is made of, in one direction. */
struct taps {
    int first, n;
    int32_t *weight; /* (n) */
};

static struct taps make_taps(const struct filter *f, int from, int to, int i, struct arena *a) {
    double step = (double)from / to, wide = step > 1 ? step : 1, reach = f->reach * wide;
    double centre = (i + 0.5) * step, total = 0;
    int first = (int)(centre - reach + 0.5), end = (int)(centre + reach + 0.5);
    first = first < 0 ? 0 : first;
    end = end > from ? from : end;
    struct taps t = {first, end - first, ARENA_ARRAY(a, int32_t, end - first)};
    double *weight = ARENA_ARRAY(a, double, t.n);
    for (int k = 0; k < t.n; k++)
        total += weight[k] = f->value((first + k - centre + 0.5) * (1 / wide));
    for (int k = 0; k < t.n; k++) {
        double scaled = weight[k] / total * (1 << PRECISION);
        t.weight[k] = (int32_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    }
    return t;
}

/* Sum of t's taps on bytes `stride` apart, rounded and cut to 8 bits. */
static uint8_t filter_byte(const struct taps *t, const uint8_t *in, size_t stride) {
    int64_t sum = 1 << (PRECISION - 1);
    in += (size_t)t->first * stride;
    for (int k = 0; k < t->n; k++, in += stride)
        sum += (int64_t)t->weight[k] * *in;
    sum >>= PRECISION;
    return (uint8_t)(sum < 0 ? 0 : sum > UINT8_MAX ? UINT8_MAX : sum);
}

/* The columns left.. of each row; where the width stays, a copy. */
static uint8_t *across(const uint8_t *in, int height, int width, int channels,
                       const struct filter *f, const struct resize_part *p, struct arena *a) {
    size_t n = (size_t)channels, row = (size_t)p->to_width * n, in_row = (size_t)width * n;
    uint8_t *out = ARENA_ARRAY(a, uint8_t, row * (size_t)height), *to = out;
    struct taps *t = ARENA_ARRAY(a, struct taps, p->to_width);
    for (int x = 0; x < p->to_width && p->all_width != width; x++)
        t[x] = make_taps(f, width, p->all_width, p->left + x, a);
    for (int y = 0; y < height; y++, in += in_row)
        if (p->all_width == width) {
            memcpy(to, in + (size_t)p->left * n, row);
            to += row;
        } else {
            for (int x = 0; x < p->to_width; x++)
                for (size_t c = 0; c < n; c++)
                    *to++ = filter_byte(&t[x], in + c, n);
        }
    return out;
}

void resize_part(const uint8_t *in, int height, int width, int channels, int interpolation,
                 const struct resize_part *p, uint8_t *out) {
    const struct filter *f = &filters[interpolation];
    struct arena a = {0};
    size_t row = (size_t)p->to_width * (size_t)channels;
    CHECK(p->top >= 0 && p->left >= 0 && p->top + p->to_height <= p->all_height &&
              p->left + p->to_width <= p->all_width,
          "%d x %d from (%d, %d) of %d x %d", p->to_height, p->to_width, p->top, p->left,
          p->all_height, p->all_width);
    const uint8_t *rows = across(in, height, width, channels, f, p, &a);
    for (int y = 0; y < p->to_height; y++, out += row) {
        if (p->all_height == height) {
            memcpy(out, rows + (size_t)(p->top + y) * row, row);
            continue;
        }
        struct taps t = make_taps(f, height, p->all_height, p->top + y, &a);
        for (size_t j = 0; j < row; j++)
            out[j] = filter_byte(&t, rows + j, row);
    }
    arena_free(&a);
}

/* Pixels that are left out in front. */
static int margin(const struct preprocessing *p, int64_t too_many) {
    const double half = (double)too_many / 2;
    return (int)(p->crop_down ? floor(half) : nearbyint(half));
}

/* torchvision's Resize to a shorter side (the longer one is cut to a whole number) and CenterCrop;
 * for inputs that are not square the smallest image that covers them, rounded as timm does it. */
static struct resize_part find_part(const struct record *r, const struct preprocessing *p) {
    if (p->fit == FIT_SQUASH)
        return (struct resize_part){p->height, p->width, 0, 0, p->height, p->width};
    int64_t high = (int64_t)floor(p->height / p->crop), wide = (int64_t)floor(p->width / p->crop);
    if (high != wide) {
        const double by = fmin((double)r->height / (double)high, (double)r->width / (double)wide);
        high = (int64_t)nearbyint(r->height / by);
        wide = (int64_t)nearbyint(r->width / by);
    } else if (r->width >= r->height) {
        wide = high * r->width / r->height;
    } else {
        high = wide * r->height / r->width;
    }
    high = high < p->height ? p->height : high;
    wide = wide < p->width ? p->width : wide;
    return (struct resize_part){
        (int)high, (int)wide, margin(p, high - p->height), margin(p, wide - p->width),
        p->height, p->width};
}

void preprocess(const struct record *r, const struct preprocessing *p, float *out) {
    const struct resize_part part = find_part(r, p);
    struct arena a = {0};
    size_t n = (size_t)r->channels, plane = (size_t)p->height * (size_t)p->width;
    uint8_t *pixels = ARENA_ARRAY(&a, uint8_t, n * plane);
    resize_part(r->pixels, r->height, r->width, r->channels, p->interpolation, &part, pixels);
    for (size_t c = 0; c < n; c++) { /* the arithmetic of view_plain */
        const float scale = (float)(1 / (255 * p->norm.std[c]));
        const float shift = (float)(p->norm.mean[c] / p->norm.std[c]);
        for (size_t i = 0; i < plane; i++)
            out[c * plane + i] = (float)pixels[i * n + c] * scale - shift;
    }
    arena_free(&a);
}
