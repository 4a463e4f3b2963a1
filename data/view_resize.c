/* view_resize.c -- a box of a record, resized.
 *
 * The filter is separable, so an output row is made in two passes: source rows are added up into
 * one row of floats, then that row is filtered across.  The first pass runs over contiguous bytes,
 * the second handles all channels of a pixel as one vector; neither needs more than a row.
 */
#include "data/augment.h"
#include "data/view_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_CHANNELS = 4,
    MOST_SHRINKING = 31, /* beyond, source pixels are left out */
    MAX_TAPS = 4 * MOST_SHRINKING + 4,
    ROW = 8192 /* floats in a row of sums; wider boxes are done in strips */
};

typedef float pixel __attribute__((vector_size(4 * MAX_CHANNELS)));

/* Filters, x in steps of the wider of the two grids.  Keys 1981 with a = -1/2, as in PIL. */
static double triangle(double x) {
    return x < 1 ? 1 - x : 0;
}

static double cubic(double x) {
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

static const struct kernel {
    double (*value)(double distance);
    double radius;
} kernels[] = {[INTERPOLATION_BILINEAR] = {triangle, 1}, [INTERPOLATION_BICUBIC] = {cubic, 2}};

struct axis { /* one direction of a box: where it begins, source pixels per output pixel */
    const struct kernel *kernel;
    double begin, step, inverse, radius; /* in source pixels; inverse of the kernel's scale */
    int first, last, limit;              /* pixels of the box; of the record */
    int most;                            /* taps of one output pixel */
};

struct taps { /* source pixels that one output pixel is made of, in one direction */
    int first, n;
    float cover; /* sum of the weights that fall into the record */
    float weight[MAX_TAPS];
};

struct taps_row { /* those of a whole row, the same number for each */
    int n, first[IMAGE_LARGEST];
    float cover[IMAGE_LARGEST], weight[IMAGE_LARGEST * MAX_TAPS];
};

/* What becomes of a sum of weighted bytes. */
struct finish {
    float scale[MAX_CHANNELS], base[MAX_CHANNELS], slope[MAX_CHANNELS]; /* slope: times cover */
    float low, high;
};

static int floor_int(double x) { /* without SSE4.1 floor() is a call */
    int i = (int)x;
    return i - (i > x);
}

static int ceil_int(double x) {
    return -floor_int(-x);
}

static struct axis axis_of(int interpolation, double begin, double extent, int size, int limit) {
    double step = extent / size, scale = fmin(fmax(step, 1), MOST_SHRINKING);
    const struct kernel *kernel = &kernels[interpolation];
    return (struct axis){.kernel = kernel,
                         .begin = begin,
                         .step = step,
                         .inverse = 1 / scale,
                         .radius = kernel->radius * scale,
                         .first = floor_int(begin),
                         .last = ceil_int(begin + extent) - 1,
                         .limit = limit,
                         .most = ceil_int(2 * kernel->radius * scale)};
}

/* The kernel, as wide as the step when shrinking, over the pixels of the box: what torchvision's
 * resized_crop with antialias computes.  Pixels of the box outside the record keep their weight and
 * count as the mean colour, so the weights kept here may sum to less than 1. */
static void make_taps(struct taps *t, const struct axis *a, int i) {
    double centre = a->begin + (i + 0.5) * a->step - 0.5;
    int lo = floor_int(centre - a->radius) + 1, hi = lo + a->most - 1;
    lo = lo < a->first ? a->first : lo;
    hi = hi > a->last ? a->last : hi;
    double total = 0, kept = 0, weight[MAX_TAPS];
    t->first = lo < 0 ? 0 : lo;
    t->n = 0;
    for (int s = lo; s <= hi; s++) {
        double w = a->kernel->value(fabs(s - centre) * a->inverse);
        total += w;
        if (s >= 0 && s < a->limit)
            kept += weight[t->n++] = w;
    }
    for (int k = 0; k < t->n; k++)
        t->weight[k] = (float)(weight[k] / total);
    t->cover = (float)(kept / total);
}

static void make_taps_row(struct taps_row *row, const struct axis *a, int flip, int size) {
    row->n = a->most < a->limit ? a->most : a->limit;
    for (int x = 0; x < size; x++) {
        struct taps t;
        make_taps(&t, a, flip ? size - 1 - x : x);
        /* Zeros make up the number, on the left where the record ends on the right. */
        int last_first = a->limit - row->n, first = t.first < last_first ? t.first : last_first;
        float *w = row->weight + (size_t)x * (size_t)row->n;
        for (int k = 0; k < row->n; k++)
            w[k] = 0;
        for (int k = 0; k < t.n; k++)
            w[t.first - first + k] = t.weight[k];
        row->first[x] = first;
        row->cover[x] = t.cover;
    }
}

/* sum (n) = the rows of bytes, `stride` apart, times their weights; two at a time. */
VECTOR_CLONES static void sum_rows(size_t n, const uint8_t *bytes, size_t stride, int rows,
                                   const float *weight, float *restrict sum) {
    if (!rows)
        memset(sum, 0, n * sizeof *sum);
    for (int i = 0; i < rows; i += 2) {
        int single = i + 1 == rows;
        const uint8_t *p = bytes + (size_t)i * stride, *q = single ? p : p + stride;
        float v = weight[i], w = single ? 0 : weight[i + 1];
        if (i == 0)
            for (size_t j = 0; j < n; j++)
                sum[j] = v * (float)p[j] + w * (float)q[j];
        else
            for (size_t j = 0; j < n; j++)
                sum[j] += v * (float)p[j] + w * (float)q[j];
    }
}

/* out (x1 - x0) = the pixels of sum, which begins with source pixel `origin`, times the weights. */
static inline __attribute__((always_inline)) void filter_across(const struct taps_row *across,
                                                                int taps, int x0, int x1,
                                                                const float *sum, int origin,
                                                                int channels, pixel *out) {
    for (int x = x0; x < x1; x++) {
        const float *p = sum + (across->first[x] - origin) * channels;
        const float *w = across->weight + (size_t)x * (size_t)taps;
        pixel total = {0};
        for (int k = 0; k < taps; k++) {
            pixel source; /* lanes past the channels hold what comes next, and go nowhere */
            memcpy(&source, p + k * channels, sizeof source);
            total += w[k] * source;
        }
        *out++ = total;
    }
}

/* Channel c of the pixels, to its plane. */
VECTOR_CLONES static void finish_channel(int n, const float *pixels, int c, const float *across,
                                         float down, const struct finish *f, float *restrict out) {
    const float scale = f->scale[c], base = f->base[c], slope = f->slope[c] * down;
    const float low = f->low, high = f->high;
    for (int x = 0; x < n; x++) {
        float v = pixels[x * MAX_CHANNELS + c] * scale + (base - slope * across[x]);
        v = v > low ? v : low;
        out[x] = v < high ? v : high;
    }
}

/* Outputs x0..x1-1, whose source pixels fit into a row of sums. */
static void resize_strip(const struct record *r, const struct axis *down,
                         const struct taps_row *across, int x0, int x1, int size,
                         const struct finish *f, float *out) {
    float sum[ROW + MAX_CHANNELS];
    pixel pixels[IMAGE_LARGEST];
    int a = across->first[x0], b = across->first[x1 - 1], origin = a < b ? a : b;
    size_t channels = (size_t)r->channels, stride = (size_t)r->width * channels;
    size_t floats = (size_t)(abs(b - a) + across->n) * channels, row = (size_t)size;
    memset(sum + floats, 0, MAX_CHANNELS * sizeof *sum);
    for (size_t y = 0; y < row; y++) {
        struct taps t;
        make_taps(&t, down, (int)y);
        sum_rows(floats, r->pixels + (size_t)t.first * stride + (size_t)origin * channels, stride,
                 t.n, t.weight, sum);
        if (across->n == 2) /* enlarging, bilinear: unrolled, 1.4 times as fast */
            filter_across(across, 2, x0, x1, sum, origin, r->channels, pixels);
        else
            filter_across(across, across->n, x0, x1, sum, origin, r->channels, pixels);
        for (size_t c = 0; c < channels; c++)
            finish_channel(x1 - x0, (const float *)pixels, (int)c, across->cover + x0, t.cover, f,
                           out + (c * row + y) * row + x0);
    }
}

static void resize(const struct record *r, const struct crop_box *box, int flip, int interpolation,
                   int size, const struct finish *f, float *out) {
    CHECK(r->channels >= 1 && r->channels <= MAX_CHANNELS && size > 0 && size <= IMAGE_LARGEST,
          "%d channels, size %d", r->channels, size);
    struct axis down = axis_of(interpolation, box->top, box->height, size, r->height);
    struct axis over = axis_of(interpolation, box->left, box->width, size, r->width);
    struct taps_row across;
    make_taps_row(&across, &over, flip, size);
    int widest = ROW / r->channels - across.n;
    for (int x0 = 0, x1; x0 < size; x0 = x1) {
        for (x1 = x0 + 1; x1 < size && abs(across.first[x1] - across.first[x0]) <= widest;)
            x1++;
        resize_strip(r, &down, &across, x0, x1, size, f, out);
    }
}

/* (p / 255 - mean) / std; the mean, and so 0, outside. */
void view_crop(const struct record *r, const struct normalization *norm, const struct crop_box *box,
               int flip, int size, float *out) {
    struct finish f = {.low = -INFINITY, .high = INFINITY};
    for (int c = 0; c < MAX_CHANNELS; c++) {
        f.scale[c] = (float)(1 / (255 * norm->std[c]));
        f.slope[c] = (float)(norm->mean[c] / norm->std[c]);
    }
    resize(r, box, flip, INTERPOLATION_BILINEAR, size, &f, out);
}

void view_plain(const struct record *r, const struct normalization *norm, int size, float *out) {
    struct crop_box whole = {0, 0, r->height, r->width};
    view_crop(r, norm, &whole, 0, size, out);
}

/* p / 255; the mean outside. */
void image_from_box(const struct record *r, const struct normalization *norm,
                    const struct crop_box *box, int flip, int interpolation, int size, float *out) {
    struct finish f = {.low = 0, .high = 1};
    for (int c = 0; c < MAX_CHANNELS; c++) {
        f.scale[c] = 1 / 255.0F;
        f.base[c] = f.slope[c] = (float)norm->mean[c];
    }
    resize(r, box, flip, interpolation, size, &f, out);
}
