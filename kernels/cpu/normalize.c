/* normalize.c -- rows to zero mean and unit variance, rows to unit length. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

#include <math.h>

void ISA_NAME(standardize_rows)(const struct kctx *c, int rows, int cols, float eps, const float *x,
                                float *y) {
    (void)c;
    size_t n = (size_t)cols;
    float freedom = cols > 1 ? (float)(cols - 1) : 1;
    for (int row = 0; row < rows; row++, x += n, y += n) {
        float mean = row_sum(x, n) / (float)cols;
        row_standardize(x, mean, 1 / sqrtf(row_squares(x, mean, n) / freedom + eps), n, y);
    }
}

void ISA_NAME(l2_normalize_rows)(const struct kctx *c, int rows, int cols, float eps,
                                 const float *x, float *y, float *norm) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows; row++, x += n, y += n) {
        float length = sqrtf(row_squares(x, 0, n));
        row_standardize(x, 0, 1 / fmaxf(length, eps), n, y);
        if (norm)
            norm[row] = length;
    }
}
