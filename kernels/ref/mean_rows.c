/* mean_rows.c -- the mean of some rows (the patch tokens, say) of each sample. */
#include "kernels/ref/ref.h"

void ref_mean_rows_forward(const struct kctx *c, int n, int rows, int cols, int first, int last,
                           const real *x, real *y) {
    (void)c;
    for (int i = 0; i < n; i++)
        for (int e = 0; e < cols; e++) {
            double sum = 0;
            for (int j = first; j < last; j++)
                sum += x[((size_t)i * (size_t)rows + (size_t)j) * (size_t)cols + (size_t)e];
            y[(size_t)i * (size_t)cols + (size_t)e] = (real)(sum / (last - first));
        }
}

void ref_mean_rows_backward(const struct kctx *c, int n, int rows, int cols, int first, int last,
                            const real *dy, int acc, real *dx) {
    (void)c;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < rows; j++)
            for (int e = 0; e < cols; e++) {
                real *out = dx + ((size_t)i * (size_t)rows + (size_t)j) * (size_t)cols + e;
                double share = (double)dy[(size_t)i * (size_t)cols + (size_t)e] / (last - first);
                *out = (real)((j >= first && j < last ? share : 0) + (acc ? *out : 0));
            }
}
