/* rows.h -- reductions over one row, with enough sums side by side to hide the latency of adding.
 */
#ifndef SSV_KERNELS_CPU_ROWS_H
#define SSV_KERNELS_CPU_ROWS_H

#include "kernels/cpu/isa.h"

enum { SUMS = 4, STRIP = SUMS * VEC_WIDTH };

VEC_INLINE float row_total(const vec sum[SUMS]) {
    return vec_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

VEC_INLINE float row_sum(const float *x, size_t n) {
    vec sum[SUMS] = {{0}};
    size_t i = 0;
    for (; i + STRIP <= n; i += STRIP)
        for (int s = 0; s < SUMS; s++)
            sum[s] += vec_load(x + i + s * VEC_WIDTH);
    for (; i < n; i += VEC_WIDTH)
        sum[0] += vec_load_first(x + i, n - i);
    return row_total(sum);
}

/* sum (x - mean)^2 */
VEC_INLINE float row_squares(const float *x, float mean, size_t n) {
    vec sum[SUMS] = {{0}};
    size_t i = 0;
    for (; i + STRIP <= n; i += STRIP)
        for (int s = 0; s < SUMS; s++) {
            vec d = vec_load(x + i + s * VEC_WIDTH) - mean;
            sum[s] += d * d;
        }
    for (; i < n; i += VEC_WIDTH) {
        vec d = vec_first(vec_load_first(x + i, n - i) - mean, n - i);
        sum[0] += d * d;
    }
    return row_total(sum);
}

/* sum x y */
VEC_INLINE float row_dot(const float *x, const float *y, size_t n) {
    vec sum[SUMS] = {{0}};
    size_t i = 0;
    for (; i + STRIP <= n; i += STRIP)
        for (int s = 0; s < SUMS; s++)
            sum[s] += vec_load(x + i + s * VEC_WIDTH) * vec_load(y + i + s * VEC_WIDTH);
    for (; i < n; i += VEC_WIDTH)
        sum[0] += vec_load_first(x + i, n - i) * vec_load_first(y + i, n - i);
    return row_total(sum);
}

/* sum (x - y)^2 */
VEC_INLINE float row_distance(const float *x, const float *y, size_t n) {
    vec sum[SUMS] = {{0}};
    size_t i = 0;
    for (; i + STRIP <= n; i += STRIP)
        for (int s = 0; s < SUMS; s++) {
            vec d = vec_load(x + i + s * VEC_WIDTH) - vec_load(y + i + s * VEC_WIDTH);
            sum[s] += d * d;
        }
    for (; i < n; i += VEC_WIDTH) {
        vec d = vec_load_first(x + i, n - i) - vec_load_first(y + i, n - i);
        sum[0] += d * d;
    }
    return row_total(sum);
}

/* y = (x - mean) * scale; y may be x */
VEC_INLINE void row_standardize(const float *x, float mean, float scale, size_t n, float *y) {
    for (size_t i = 0; i < n; i += VEC_WIDTH)
        vec_store_first(y + i, n - i, (vec_load_first(x + i, n - i) - mean) * scale);
}

#endif
