/* softmax.c -- formulas in kernels/ref/softmax.c */
#include "kernels/cpu/softmax.h"
#include "kernels/cpu/cpu.h"

#include <math.h>

void ISA_NAME(softmax_rows)(const struct kctx *c, int rows, int cols, float scale, const float *x,
                            float *y) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows && n; row++, x += n, y += n)
        softmax_row(x, NULL, n, scale, y);
}

void ISA_NAME(softmax_rows_backward)(const struct kctx *c, int rows, int cols, float scale,
                                     const float *y, const float *dy, int acc, float *dx) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows; row++, y += n, dy += n, dx += n) {
        float mean = row_dot(y, dy, n);
        for (size_t i = 0; i < n; i += VEC_WIDTH) {
            vec d = scale * vec_load_first(y + i, n - i) * (vec_load_first(dy + i, n - i) - mean);
            if (acc)
                d += vec_load_first(dx + i, n - i);
            vec_store_first(dx + i, n - i, d);
        }
    }
}

void ISA_NAME(soft_xent_forward)(const struct kctx *c, int rows, int cols, float scale,
                                 const float *x, const float *target, float *p, float *loss) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows; row++, x += n, target += n, p += n) {
        loss[row] = 0;
        if (!n)
            continue;
        struct softmax s = softmax_row(x, target, n, scale, p);
        loss[row] = (float)(log(s.e) * s.t - s.td);
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
