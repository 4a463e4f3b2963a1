#include "data/resize.h"

#include "core/arena.h"

#include <math.h>
#include <string.h>

enum { WEIGHT_BITS = 16, ONE = 1 << WEIGHT_BITS };

/* Source pixels that an output pixel is made of, in one direction. */
struct taps {
    int first, n;
    int32_t *weight; /* (n), sum ONE */
};

/* The triangle filter, as wide as the step when shrinking. */
static struct taps make_taps(double step, int i, int limit, struct arena *a) {
    double radius = step > 1 ? step : 1, centre = (i + 0.5) * step - 0.5, total = 0;
    int first = (int)ceil(centre - radius), last = (int)floor(centre + radius), largest = 0;
    first = first < 0 ? 0 : first;
    last = last >= limit ? limit - 1 : last;
    struct taps t = {first, last - first + 1, ARENA_ARRAY(a, int32_t, last - first + 1)};
    for (int k = 0; k < t.n; k++)
        total += 1 - fabs(first + k - centre) / radius;
    int32_t left = ONE;
    for (int k = 0; k < t.n; k++) {
        t.weight[k] = (int32_t)lround(ONE * (1 - fabs(first + k - centre) / radius) / total);
        left -= t.weight[k];
        if (t.weight[k] > t.weight[largest])
            largest = k;
    }
    t.weight[largest] += left; /* so that one colour stays that colour */
    return t;
}

struct axis {
    int length;  /* pixels in the source */
    int resized; /* what all of them become */
    int size;    /* of which this many in the middle are wanted */
};

static struct taps *make_axis(const struct axis *x, struct arena *a) {
    int first = (int)nearbyint((x->resized - x->size) / 2.0);
    struct taps *t = ARENA_ARRAY(a, struct taps, x->size);
    for (int i = 0; i < x->size; i++)
        t[i] = make_taps((double)x->length / x->resized, first + i, x->length, a);
    return t;
}

/* One source row, across: out (size, channels), scaled by ONE. */
static void filter_row(const uint8_t *in, const struct taps *across, int size, int channels,
                       int32_t *out) {
    for (int x = 0; x < size; x++, out += channels)
        for (int c = 0; c < channels; c++) {
            const uint8_t *p = in + across[x].first * channels + c;
            int32_t sum = 0;
            for (int k = 0; k < across[x].n; k++)
                sum += across[x].weight[k] * p[k * channels];
            out[c] = sum;
        }
}

/* out (y->size, x->size, channels) */
static void resize(const uint8_t *in, const struct axis *y, const struct axis *x, int channels,
                   uint8_t *out) {
    size_t row = (size_t)x->size * (size_t)channels, in_row = (size_t)x->length * (size_t)channels;
    struct arena a = {0};
    const struct taps *down = make_axis(y, &a), *across = make_axis(x, &a);
    int first = down[0].first, last = down[y->size - 1].first + down[y->size - 1].n;
    int32_t *rows = ARENA_ARRAY(&a, int32_t, row * (size_t)(last - first));
    for (int i = first; i < last; i++)
        filter_row(in + in_row * (size_t)i, across, x->size, channels,
                   rows + row * (size_t)(i - first));
    for (int i = 0; i < y->size; i++)
        for (size_t j = 0; j < row; j++) {
            const int32_t *p = rows + row * (size_t)(down[i].first - first) + j;
            int64_t sum = (int64_t)1 << (2 * WEIGHT_BITS - 1);
            for (int k = 0; k < down[i].n; k++)
                sum += (int64_t)down[i].weight[k] * p[row * (size_t)k];
            out[row * (size_t)i + j] = (uint8_t)(sum >> 2 * WEIGHT_BITS);
        }
    arena_free(&a);
}

void resize_square(const uint8_t *in, int height, int width, int channels, int size, uint8_t *out) {
    CHECK(height > 0 && width > 0 && channels > 0 && size > 0, "%d x %d x %d to %d", height, width,
          channels, size);
    int64_t shorter = height < width ? height : width;
    const struct axis y = {height, (int)((int64_t)height * size / shorter), size};
    const struct axis x = {width, (int)((int64_t)width * size / shorter), size};
    if (height == size && width == size)
        memcpy(out, in, (size_t)size * (size_t)size * (size_t)channels);
    else
        resize(in, &y, &x, channels, out);
}

void resize_whole(const uint8_t *in, int height, int width, int channels, int to_height,
                  int to_width, uint8_t *out) {
    CHECK(height > 0 && width > 0 && channels > 0 && to_height > 0 && to_width > 0,
          "%d x %d x %d to %d x %d", height, width, channels, to_height, to_width);
    const struct axis y = {height, to_height, to_height}, x = {width, to_width, to_width};
    if (height == to_height && width == to_width)
        memcpy(out, in, (size_t)height * (size_t)width * (size_t)channels);
    else
        resize(in, &y, &x, channels, out);
}
