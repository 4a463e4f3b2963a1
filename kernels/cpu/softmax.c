/* softmax.c -- formulas in kernels/ref/softmax.c */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/vmath.h"

#include <math.h>

/* p = softmax(scale x); returns log sum_j exp(scale x_j) */
static double softmax(const float *x, size_t n, float scale, float *p) {
    vec most = vec_set(-INFINITY);
    for (size_t i = 0; i + VEC_WIDTH <= n; i += VEC_WIDTH)
        most = vec_max(vec_load(x + i) * scale, most);
    float shift = vec_largest(most);
    for (size_t i = n / VEC_WIDTH * VEC_WIDTH; i < n; i++)
        shift = fmaxf(shift, x[i] * scale);
    vec sum[SUMS] = {{0}};
    size_t i = 0;
    for (; i + STRIP <= n; i += STRIP)
        for (int s = 0; s < SUMS; s++) {
            size_t at = i + (size_t)s * VEC_WIDTH;
            vec e = vexp(vec_load(x + at) * scale - shift);
            vec_store(p + at, e);
            sum[s] += e;
        }
    for (; i < n; i += VEC_WIDTH) {
        vec e = vec_first(vexp(vec_load_first(x + i, n - i) * scale - shift), n - i);
        vec_store_first(p + i, n - i, e);
        sum[0] += e;
    }
    float total = row_total(sum);
    row_standardize(p, 0, 1 / total, n, p);
    return (double)shift + log((double)total);
}

/* sum x y */
static float dot(const float *x, const float *y, size_t n) {
    vec sum[SUMS] = {{0}};
    size_t i = 0;
    for (; i + STRIP <= n; i += STRIP)
        for (int s = 0; s < SUMS; s++)
            sum[s] += vec_load(x + i + s * VEC_WIDTH) * vec_load(y + i + s * VEC_WIDTH);
    for (; i < n; i += VEC_WIDTH)
        sum[0] += vec_load_first(x + i, n - i) * vec_load_first(y + i, n - i);
    return row_total(sum);
}

void ISA_NAME(softmax_rows)(const struct kctx *c, int rows, int cols, float scale, const float *x,
                            float *y) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows && n; row++)
        softmax(x + (size_t)row * n, n, scale, y + (size_t)row * n);
}

void ISA_NAME(softmax_rows_backward)(const struct kctx *c, int rows, int cols, float scale,
                                     const float *y, const float *dy, int acc, float *dx) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows; row++, y += n, dy += n, dx += n) {
        float mean = dot(y, dy, n);
        for (size_t i = 0; i < n; i += VEC_WIDTH) {
            vec d = scale * vec_load_first(y + i, n - i) * (vec_load_first(dy + i, n - i) - mean);
            if (acc)
                d += vec_load_first(dx + i, n - i);
            vec_store_first(dx + i, n - i, d);
        }
    }
}

/* -sum t_j (z_j - log_sum), z = scale x as softmax rounded it, in double: the terms are large and
 * cancel */
static double cross_entropy(const float *x, const float *target, size_t n, float scale,
                            double log_sum) {
    dvec sum = {0};
    size_t i = 0;
    for (; i + DVEC_WIDTH <= n; i += DVEC_WIDTH) {
        half_vec z = *(const half_unaligned *)(x + i) * scale;
        sum += dvec_load(target + i) * (log_sum - __builtin_convertvector(z, dvec));
    }
    double total = dvec_sum(sum);
    for (; i < n; i++) {
        float z = x[i] * scale;
        total += (double)target[i] * (log_sum - (double)z);
    }
    return total;
}

void ISA_NAME(soft_xent_forward)(const struct kctx *c, int rows, int cols, float scale,
                                 const float *x, const float *target, float *p, float *loss) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows; row++, x += n, target += n, p += n) {
        loss[row] = 0;
        if (n)
            loss[row] = (float)cross_entropy(x, target, n, scale, softmax(x, n, scale, p));
    }
}

void ISA_NAME(soft_xent_backward)(const struct kctx *c, int rows, int cols, float scale,
                                  const float *p, const float *target, const float *dloss, int acc,
                                  float *dx) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows; row++, p += n, target += n, dx += n) {
        float slope = dloss[row] * scale, total = row_sum(target, n);
        for (size_t i = 0; i < n; i += VEC_WIDTH) {
            vec d =
                slope * (vec_load_first(p + i, n - i) * total - vec_load_first(target + i, n - i));
            if (acc)
                d += vec_load_first(dx + i, n - i);
            vec_store_first(dx + i, n - i, d);
        }
    }
}
