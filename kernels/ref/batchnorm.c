/* batchnorm.c -- Ioffe and Szegedy 2015, algorithm 1 and the gradients of section 3, behind them a
 * residual and a ReLU.  With xhat = (x - mean) rstd and g = dy where y > 0, else 0 (without the
 * ReLU dy itself):
 *
 *   y      = relu(xhat gamma + beta + residual)
 *   dres   = g,  dgamma = sum_i g xhat,  dbeta = sum_i g
 *   dx     = gamma rstd (g - mean_i(g) - xhat mean_i(g xhat))
 */
#include "kernels/ref/ref.h"

void ref_batchnorm_stats(const struct kctx *c, int rows, int cols, const real *x, real *mean,
                         real *var) {
    (void)c;
    for (int j = 0; j < cols; j++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < rows; i++)
            sum += x[(size_t)i * (size_t)cols + (size_t)j];
        double mu = rows ? sum / rows : 0;
        for (int i = 0; i < rows; i++) {
            double d = x[(size_t)i * (size_t)cols + (size_t)j] - mu;
            squares += d * d;
        }
        mean[j] = (real)mu;
        var[j] = (real)(rows ? squares / rows : 0);
    }
}

void ref_batchnorm_apply(const struct kctx *c, int rows, int cols, const real *x, const real *mean,
                         const real *rstd, const real *gamma, const real *beta,
                         const real *residual, int relu, real *y) {
    (void)c;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) {
            size_t at = (size_t)i * (size_t)cols + (size_t)j;
            double v = ((double)x[at] - mean[j]) * rstd[j] * (gamma ? gamma[j] : 1) +
                       (beta ? beta[j] : 0) + (residual ? residual[at] : 0);
            y[at] = (real)(relu ? ref_activation(ACT_RELU, v) : v);
        }
}

/* One column; what is at `at` of every array is read before it is written, dres and dx may be dy.
 */
struct column {
    double mean, rstd, scale, sum_g, sum_gx; /* scale: gamma rstd */
};

static double slope(const real *y, const real *dy, size_t at) {
    return y && !(y[at] > 0) ? 0 : dy[at];
}

static struct column column_sums(int rows, int cols, int j, const real *x, double mean, double rstd,
                                 const real *gamma, const real *y, const real *dy) {
    struct column s = {.mean = mean, .rstd = rstd, .scale = (gamma ? gamma[j] : 1) * rstd};
    for (int i = 0; i < rows; i++) {
        size_t at = (size_t)i * (size_t)cols + (size_t)j;
        s.sum_g += slope(y, dy, at);
        s.sum_gx += slope(y, dy, at) * (x[at] - mean) * rstd;
    }
    return s;
}

void ref_batchnorm_backward(const struct kctx *c, int rows, int cols, const real *x,
                            const real *mean, const real *rstd, const real *gamma, const real *y,
                            const real *dy, int acc, real *dx, int acc_res, real *dres,
                            real *dgamma, real *dbeta) {
    (void)c;
    for (int j = 0; j < cols; j++) {
        struct column s = column_sums(rows, cols, j, x, mean[j], rstd[j], gamma, y, dy);
        for (int i = 0; i < rows; i++) {
            size_t at = (size_t)i * (size_t)cols + (size_t)j;
            double g = slope(y, dy, at), xhat = (x[at] - s.mean) * s.rstd;
            if (dres)
                dres[at] = (real)(g + (acc_res ? dres[at] : 0));
            if (dx)
                dx[at] = (real)(s.scale * (g - s.sum_g / rows - xhat * s.sum_gx / rows) +
                                (acc ? dx[at] : 0));
        }
        if (dgamma)
            dgamma[j] = (real)(dgamma[j] + s.sum_gx);
        if (dbeta)
            dbeta[j] = (real)(dbeta[j] + s.sum_g);
    }
}
