/* branch.c -- the end of a residual branch: y = gamma s x + residual. */
#include "kernels/ref/ref.h"

void ref_branch_forward(const struct kctx *c, int n, int rows, int cols, const real *x,
                        const real *gamma, const real *s, const real *residual, real *y) {
    (void)c;
    size_t at = 0;
    for (int i = 0; i < n; i++)
        for (int row = 0; row < rows; row++)
            for (int j = 0; j < cols; j++, at++) {
                double scale = (gamma ? (double)gamma[j] : 1) * (s ? (double)s[i] : 1);
                y[at] = (real)(scale * x[at] + (residual ? residual[at] : 0));
            }
}

void ref_branch_backward(const struct kctx *c, int n, int rows, int cols, const real *x,
                         const real *gamma, const real *s, const real *dy, int acc, real *dx,
                         real *dgamma) {
    (void)c;
    for (int j = 0; j < cols; j++) {
        double sum = 0;
        for (int i = 0; i < n; i++)
            for (int row = 0; row < rows; row++) {
                size_t at = ((size_t)i * (size_t)rows + (size_t)row) * (size_t)cols + (size_t)j;
                double slope = (s ? (double)s[i] : 1) * dy[at];
                sum += dgamma ? slope * x[at] : 0;
                if (dx)
                    dx[at] = (real)((gamma ? (double)gamma[j] : 1) * slope + (acc ? dx[at] : 0));
            }
        if (dgamma)
            dgamma[j] = (real)(dgamma[j] + sum);
    }
}
