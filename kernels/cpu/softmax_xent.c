/* softmax_xent.c -- formulas in kernels/ref/softmax_xent.c */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/vmath.h"

#include <math.h>

static float largest(const float *x, size_t n) {
    float most = -INFINITY;
    size_t i = 0;
    if (n >= VEC_WIDTH) {
        vec v = vec_load(x);
        for (i = VEC_WIDTH; i + VEC_WIDTH <= n; i += VEC_WIDTH)
            v = vec_max(vec_load(x + i), v);
        most = vec_largest(v);
    }
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

/* p = softmax(x); returns log sum_j exp x_j */
static double softmax(const float *x, size_t n, float most, float *p) {
    vec sum = {0};
    for (size_t i = 0; i < n; i += VEC_WIDTH) {
        vec e = vec_first(vexp(vec_load_first(x + i, n - i) - most), n - i);
        vec_store_first(p + i, n - i, e);
        sum += e;
    }
    float total = vec_sum(sum), inverse = 1 / total;
    for (size_t i = 0; i < n; i += VEC_WIDTH)
        vec_store_first(p + i, n - i, vec_load_first(p + i, n - i) * inverse);
    return (double)most + log((double)total);
}

void ISA_NAME(softmax_xent_forward)(const struct kctx *c, int rows, int classes, float smooth,
                                    const float *x, const int32_t *target, float *p, float *loss) {
    (void)c;
    size_t n = (size_t)classes;
    for (int row = 0; row < rows; row++, x += n, p += n) {
        loss[row] = 0;
        if (!n)
            continue;
        double log_sum = softmax(x, n, largest(x, n), p);
        if (target[row] < 0)
            continue;
        double mean = smooth > 0 ? (double)row_sum(x, n) / classes : log_sum;
        loss[row] = (float)((1 - (double)smooth) * (log_sum - x[target[row]]) +
                            (double)smooth * (log_sum - mean));
    }
}

void ISA_NAME(softmax_xent_backward)(const struct kctx *c, int rows, int classes, float smooth,
                                     const float *p, const int32_t *target, const float *dloss,
                                     int acc, float *dx) {
    (void)c;
    size_t n = (size_t)classes;
    float floor = smooth / (float)classes;
    for (int row = 0; row < rows; row++, p += n, dx += n) {
        float slope = target[row] < 0 ? 0 : dloss[row];
        float at_target = n && target[row] >= 0 && acc ? dx[target[row]] : 0;
        for (size_t i = 0; i < n; i += VEC_WIDTH) {
            vec v = target[row] < 0 ? vec_set(0) : slope * (vec_load_first(p + i, n - i) - floor);
            if (acc)
                v += vec_load_first(dx + i, n - i);
            vec_store_first(dx + i, n - i, v);
        }
        if (n && target[row] >= 0)
            dx[target[row]] = at_target + slope * (p[target[row]] - floor - (1 - smooth));
    }
}
