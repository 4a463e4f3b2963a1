/* normalize.c -- rows to zero mean and unit variance, rows to unit length. */
#include "kernels/ref/ref.h"

#include <math.h>

/* y = (x - mean) / sqrt(var + eps), var = sum (x - mean)^2 / (cols - 1); one column alone has no
 * variance and becomes 0. */
void ref_standardize_rows(const struct kctx *c, int rows, int cols, real eps, const real *x,
                          real *y) {
    (void)c;
    for (int i = 0; i < rows; i++) {
        const real *xi = x + (size_t)i * (size_t)cols;
        real *yi = y + (size_t)i * (size_t)cols;
        double sum = 0, squares = 0;
        for (int j = 0; j < cols; j++)
            sum += xi[j];
        double mean = sum / cols;
        for (int j = 0; j < cols; j++)
            squares += (xi[j] - mean) * (xi[j] - mean);
        double r = 1 / sqrt(squares / (cols > 1 ? cols - 1 : 1) + eps);
        for (int j = 0; j < cols; j++)
            yi[j] = (real)((xi[j] - mean) * r);
    }
}

void ref_l2_normalize_rows(const struct kctx *c, int rows, int cols, real eps, const real *x,
                           real *y, real *norm) {
    (void)c;
    for (int i = 0; i < rows; i++) {
        size_t at = (size_t)i * (size_t)cols;
        double length = sqrt(ref_sum_squares(c, (size_t)cols, x + at));
        double by = length < (double)eps ? (double)eps : length; /* a NaN stays */
        for (int j = 0; j < cols; j++)
            y[at + (size_t)j] = (real)(x[at + (size_t)j] / by);
        if (norm)
            norm[i] = (real)length;
    }
}

void ref_l2_normalize_rows_backward(const struct kctx *c, int rows, int cols, real eps,
                                    const real *y, const real *norm, const real *dy, int acc,
                                    real *dx) {
    (void)c;
    for (size_t i = 0, at = 0; i < (size_t)rows; i++, at += (size_t)cols) {
        double dot = 0, length = norm[i] < eps ? eps : norm[i];
        for (size_t j = at; j < at + (size_t)cols && norm[i] > eps; j++)
            dot += (double)y[j] * dy[j];
        for (size_t j = at; j < at + (size_t)cols; j++)
            dx[j] = (real)((dy[j] - dot * y[j]) / length + (acc ? dx[j] : 0));
    }
}
