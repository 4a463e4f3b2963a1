/* layernorm.c -- Ba, Kiros and Hinton 2016.  With xhat = (x - mean) rstd and g = dy gamma:
 *
 *   y      = xhat gamma + beta
 *   dx     = rstd (g - mean_j(g) - xhat mean_j(g xhat))
 *   dgamma = sum_i dy xhat,  dbeta = sum_i dy
 */
#include "kernels/ref/ref.h"

#include <math.h>

void ref_layernorm_forward(const struct kctx *c, int rows, int cols, real eps, const real *x,
                           const real *gamma, const real *beta, real *y, real *mean, real *rstd) {
    (void)c;
    for (int i = 0; i < rows; i++) {
        const real *xi = x + (size_t)i * (size_t)cols;
        real *yi = y + (size_t)i * (size_t)cols;
        double sum = 0, squares = 0;
        for (int j = 0; j < cols; j++)
            sum += xi[j];
        double mu = cols ? sum / cols : 0;
        for (int j = 0; j < cols; j++)
            squares += (xi[j] - mu) * (xi[j] - mu);
        double r = 1 / sqrt((cols ? squares / cols : 0) + eps);
        for (int j = 0; j < cols; j++)
            yi[j] = (real)((xi[j] - mu) * r * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0));
        mean[i] = (real)mu;
        rstd[i] = (real)r;
    }
}

void ref_layernorm_backward(const struct kctx *c, int rows, int cols, const real *x,
                            const real *gamma, const real *mean, const real *rstd, const real *dy,
                            int acc, real *dx, real *dgamma, real *dbeta, real *narrow,
                            real *sums) {
    for (int i = 0; i < rows; i++) {
        const real *xi = x + (size_t)i * (size_t)cols, *dyi = dy + (size_t)i * (size_t)cols;
        real *dxi = dx + (size_t)i * (size_t)cols;
        double mu = mean[i], r = rstd[i], sum_g = 0, sum_gx = 0;
        for (int j = 0; j < cols; j++) {
            double g = (double)dyi[j] * (gamma ? gamma[j] : 1);
            sum_g += g;
            sum_gx += g * (xi[j] - mu) * r;
        }
        for (int j = 0; j < cols; j++) {
            double g = (double)dyi[j] * (gamma ? gamma[j] : 1), xhat = (xi[j] - mu) * r;
            double slope = r * (g - sum_g / cols - xhat * sum_gx / cols);
            dxi[j] = (real)(slope + (acc ? dxi[j] : 0));
        }
    }
    for (int j = 0; j < cols; j++) {
        double sum_dy = 0, sum_dyx = 0;
        for (int i = 0; i < rows; i++) {
            size_t at = (size_t)i * (size_t)cols + (size_t)j;
            sum_dy += dy[at];
            sum_dyx += dy[at] * ((double)x[at] - mean[i]) * rstd[i];
        }
        if (dgamma)
            dgamma[j] = (real)(dgamma[j] + sum_dyx);
        if (dbeta)
            dbeta[j] = (real)(dbeta[j] + sum_dy);
    }
    ref_linear_gradient(c, rows, cols, ACT_NONE, NULL, dx, narrow, sums);
}
