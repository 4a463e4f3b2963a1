/* view_blur.c -- Gaussian blur of planar float images, one direction after the other. */
#include "data/augment.h"
#include "data/view_internal.h"

#include <math.h>
#include <string.h>

enum {
    LANES = 16, /* outputs computed together; a cache line of columns */
    LONGEST = IMAGE_LARGEST
};

typedef float lanes __attribute__((vector_size(2 * LANES))); /* half of them */

/* Half of the normalised kernel, weight[0] in the middle.  Weights beyond 6 sigma are less than
 * 1.6e-8 of it, half of a float's last digit, and are left out: the radius returned. */
static int make_kernel(double sigma, int radius, float weight[LONGEST]) {
    double w[LONGEST], total = 1;
    int far = sigma < LONGEST ? (int)(6 * sigma) + 1 : radius;
    radius = radius < far ? radius : far;
    w[0] = 1;
    for (int i = 1; i <= radius; i++)
        total += 2 * (w[i] = exp(-0.5 * (i / sigma) * (i / sigma)));
    for (int i = 0; i <= radius; i++)
        weight[i] = (float)(w[i] / total);
    return radius;
}

/* LANES / 2 outputs: sum over i of weight[|i|] x[i stride], x the middle. */
static inline __attribute__((always_inline)) void
convolve_half(const float *x, size_t stride, int radius, const float *weight, float *out) {
    lanes sum, before, after;
    memcpy(&sum, x, sizeof sum);
    sum *= weight[0];
    for (size_t i = 1; i <= (size_t)radius; i++) {
        memcpy(&before, x - i * stride, sizeof before);
        memcpy(&after, x + i * stride, sizeof after);
        sum += weight[i] * (before + after);
    }
    memcpy(out, &sum, sizeof sum);
}

static inline __attribute__((always_inline)) void
convolve(const float *x, size_t stride, int radius, const float *weight, float *out) {
    convolve_half(x, stride, radius, weight, out);
    convolve_half(x + LANES / 2, stride, radius, weight, out + LANES / 2);
}

/* row (width); lanes past its end are computed from zeros and dropped. */
VECTOR_CLONES static void blur_row(int width, int radius, const float *weight, float *row) {
    float padded[3 * LONGEST + LANES], rest[LANES];
    memcpy(padded + radius, row, (size_t)width * sizeof *row);
    for (int i = 1; i <= radius; i++) {
        padded[radius - i] = row[view_mirror(-i, width)];
        padded[radius + width - 1 + i] = row[view_mirror(width - 1 + i, width)];
    }
    memset(padded + width + 2 * radius, 0, LANES * sizeof *padded);
    int x = 0;
    for (; x + LANES <= width; x += LANES)
        convolve(padded + radius + x, 1, radius, weight, row + x);
    convolve(padded + radius + x, 1, radius, weight, rest);
    memcpy(row + x, rest, (size_t)(width - x) * sizeof *row);
}

/* columns: at most LANES, of a plane whose rows are `width` apart */
VECTOR_CLONES static void blur_columns(int height, int width, int columns, int radius,
                                       const float *weight, float *plane) {
    float padded[3 * LONGEST][LANES], out[LANES];
    for (int y = -radius; y < height + radius; y++) {
        const float *row = plane + (size_t)view_mirror(y, height) * (size_t)width;
        for (int j = 0; j < LANES;
             j++) /* what is missing repeats the first column, to be dropped */
            padded[radius + y][j] = row[j < columns ? j : 0];
    }
    for (int y = 0; y < height; y++) {
        convolve(padded[radius + y], LANES, radius, weight, out);
        for (int j = 0; j < columns; j++)
            plane[(size_t)y * (size_t)width + (size_t)j] = clip(out[j]);
    }
}

void image_blur(const struct image *image, double sigma, int radius) {
    int height = image->height, width = image->width;
    CHECK(sigma > 0 && radius >= 0 && radius < height && radius < width && height <= LONGEST &&
              width <= LONGEST,
          "blur of %d x %d pixels with sigma %g, radius %d", height, width, sigma, radius);
    float weight[LONGEST];
    radius = make_kernel(sigma, radius, weight);
    for (int c = 0; c < image->channels; c++) {
        float *plane = image->pixels + (size_t)c * (size_t)height * (size_t)width;
        for (int y = 0; y < height; y++)
            blur_row(width, radius, weight, plane + (size_t)y * (size_t)width);
        for (int x = 0; x < width; x += LANES)
            blur_columns(height, width, width - x < LANES ? width - x : LANES, radius, weight,
                         plane + x);
    }
}
