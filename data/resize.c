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

/* Of the `size` pixels in the middle of a side that becomes resized pixels long. */
static struct taps *axis(int length, int resized, int size, struct arena *a) {
    int first = (int)nearbyint((resized - size) / 2.0);
    struct taps *t = ARENA_ARRAY(a, struct taps, size);
    for (int i = 0; i < size; i++)
        t[i] = make_taps((double)length / resized, first + i, length, a);
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

void resize_square(const uint8_t *in, int height, int width, int channels, int size, uint8_t *out) {
    CHECK(height > 0 && width > 0 && channels > 0 && size > 0, "%d x %d x %d to %d", height, width,
          channels, size);
    size_t row = (size_t)size * (size_t)channels, in_row = (size_t)width * (size_t)channels;
    if (height == size && width == size) {
        memcpy(out, in, row * (size_t)size);
        return;
    }
    struct arena a = {0};
    int64_t shorter = height < width ? height : width;
    const struct taps *down = axis(height, (int)((int64_t)height * size / shorter), size, &a);
    const struct taps *across = axis(width, (int)((int64_t)width * size / shorter), size, &a);
    int first = down[0].first, last = down[size - 1].first + down[size - 1].n;
    int32_t *rows = ARENA_ARRAY(&a, int32_t, row * (size_t)(last - first));
    for (int y = first; y < last; y++)
        filter_row(in + in_row * (size_t)y, across, size, channels,
                   rows + row * (size_t)(y - first));
    for (int y = 0; y < size; y++)
        for (size_t x = 0; x < row; x++) {
            const int32_t *p = rows + row * (size_t)(down[y].first - first) + x;
            int64_t sum = (int64_t)1 << (2 * WEIGHT_BITS - 1);
            for (int k = 0; k < down[y].n; k++)
                sum += (int64_t)down[y].weight[k] * p[row * (size_t)k];
            out[row * (size_t)y + x] = (uint8_t)(sum >> 2 * WEIGHT_BITS);
        }
    arena_free(&a);
}
