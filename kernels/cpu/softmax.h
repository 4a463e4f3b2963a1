/* softmax.h -- the softmax of a row, with what cross-entropies need of it. */
#ifndef SSV_KERNELS_CPU_SOFTMAX_H
#define SSV_KERNELS_CPU_SOFTMAX_H

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/vmath.h"

#include <math.h>

/* The x_j for which scale x_j is largest. */
VEC_INLINE float softmax_top(const float *x, size_t n, float scale) {
    float sign = scale < 0 ? -1 : 1;
    vec most[SUMS];
    size_t i = 0;
    for (int s = 0; s < SUMS; s++)
        most[s] = vec_set(-INFINITY);
    for (; i + STRIP <= n; i += STRIP)
        for (int s = 0; s < SUMS; s++)
            most[s] = vec_max(vec_load(x + i + s * VEC_WIDTH) * sign, most[s]);
    for (; i < n; i += VEC_WIDTH) {
        vec v = vec_load_first(x + i, n - i) * sign;
        if (n - i < VEC_WIDTH)
            v = vec_first_of(v, (int)(n - i), vec_set(-INFINITY));
        most[0] = vec_max(v, most[0]);
    }
    return sign * vec_largest(vec_max(vec_max(most[0], most[1]), vec_max(most[2], most[3])));
}

/* top, and sums over a row of e_j = exp(d_j), d_j = scale (x_j - top), and with a target of t_j and
 * t_j d_j, all of whose terms have one sign. */
struct softmax {
    double e, t, td;
    float top;
};

struct softmax_lanes {
    vec e[SUMS], t[SUMS], td[SUMS];
};

VEC_INLINE void softmax_vector(const float *x, const float *target, float scale, float top,
                               size_t left, float *p, struct softmax_lanes *l, int s) {
    vec d = (vec_load_first(x, left) - top) * scale, e = vexp_low(d);
    if (left < VEC_WIDTH)
        e = vec_first(e, left);
    vec_store_first(p, left, e);
    l->e[s] += e;
    if (target) {
        vec t = vec_load_first(target, left);
        l->t[s] += t;
        l->td[s] += t * d;
    }
}

/* p = softmax(scale x), n > 0; sums are those of blocks, so that a long row keeps its digits.
 * target may be NULL. */
VEC_INLINE struct softmax softmax_row(const float *x, const float *target, size_t n, float scale,
                                      float *p) {
    struct softmax sum = {.top = softmax_top(x, n, scale)};
    for (size_t i = 0, end; i < n; i = end) {
        struct softmax_lanes l = {.e = {{0}}};
        end = n - i < BLOCK ? n : i + BLOCK;
        for (; i + STRIP <= end; i += STRIP)
#pragma GCC unroll 4
            for (int s = 0; s < SUMS; s++) {
                size_t at = i + (size_t)s * VEC_WIDTH;
                softmax_vector(x + at, target ? target + at : NULL, scale, sum.top, VEC_WIDTH,
                               p + at, &l, s);
            }
        for (; i < end; i += VEC_WIDTH)
            softmax_vector(x + i, target ? target + i : NULL, scale, sum.top, end - i, p + i, &l,
                           0);
        sum.e += (double)row_total(l.e);
        sum.t += (double)row_total(l.t);
        sum.td += (double)row_total(l.td);
    }
    row_standardize(p, 0, (float)(1 / sum.e), n, p);
    return sum;
}

#endif
