/* mse.c -- formulas in kernels/ref/mse.c */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

void ISA_NAME(mse_forward)(const struct kctx *c, int rows, int cols, const float *x,
                           const float *target, const float *weight, float *loss) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows; row++, x += n, target += n) {
        float mean = n ? row_distance(x, target, n) / (float)cols : 0;
        loss[row] = weight ? weight[row] * mean : mean;
    }
}

void ISA_NAME(mse_backward)(const struct kctx *c, int rows, int cols, const float *x,
                            const float *target, const float *weight, const float *dloss, int acc,
                            float *dx) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows; row++, x += n, target += n, dx += n) {
        float slope = 2 * dloss[row] * (weight ? weight[row] : 1) / (float)cols;
        for (size_t i = 0; i < n; i += VEC_WIDTH) {
            vec v = slope * (vec_load_first(x + i, n - i) - vec_load_first(target + i, n - i));
            if (acc)
                v += vec_load_first(dx + i, n - i);
            vec_store_first(dx + i, n - i, v);
        }
    }
}
