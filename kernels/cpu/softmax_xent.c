/* softmax_xent.c -- formulas in kernels/ref/softmax_xent.c */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/softmax.h"

#include <math.h>

void ISA_NAME(softmax_xent_forward)(const struct kctx *c, int rows, int classes, float smooth,
                                    const float *x, const int32_t *target, float *p, float *loss) {
    (void)c;
    size_t n = (size_t)classes;
    for (int row = 0; row < rows; row++, x += n, p += n) {
        loss[row] = 0;
        if (!n)
            continue;
        struct softmax s = softmax_row(x, NULL, n, 1, p);
        double log_sum = (double)s.top + log(s.e);
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
