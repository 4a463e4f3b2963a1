/* batchnorm.c -- Ioffe and Szegedy 2015, algorithm 1 and the gradients of section 3, behind them a
 * residual and a ReLU, for the rows of each sample.  With xhat = (x - mean) rstd and g = dy where
 * y > 0, else 0 (without the ReLU dy itself):
 *
 *   y = relu(xhat gamma + beta + residual),  dgamma = sum_i g xhat,  dbeta = sum_i g
 */
#include "kernels/ref/ref.h"

/* x and moments begin at a column of a sample. */
static void column_moments(int rows, size_t cols, const real *x, real *moments) {
    double sum = 0, squares = 0;
    for (int i = 0; i < rows; i++)
        sum += x[(size_t)i * cols];
    double mu = rows ? sum / rows : 0;
    for (int i = 0; i < rows; i++) {
        double d = x[(size_t)i * cols] - mu;
        squares += d * d;
    }
    moments[0] = (real)mu;
    moments[cols] = (real)(rows ? squares / rows : 0);
}

void ref_batchnorm_moments(const struct kctx *c, int n, int rows, int cols, const real *x,
                           real *moments) {
    (void)c;
    size_t width = (size_t)cols;
    for (int i = 0; i < n; i++, x += (size_t)rows * width, moments += 2 * width)
        for (size_t j = 0; j < width; j++)
            column_moments(rows, width, x + j, moments + j);
}

void ref_batchnorm_moments_backward(const struct kctx *c, int n, int rows, int cols, const real *x,
                                    const real *moments, const real *dmoments, real *dx) {
    (void)c;
    size_t width = (size_t)cols, sample = (size_t)rows * width;
    for (size_t at = 0; at < (size_t)n * sample; at++) {
        size_t mean = at / sample * 2 * width + at % width;
        double a = (double)dmoments[mean], b = (double)dmoments[mean + width];
        dx[at] = (real)((double)dx[at] + a + b * ((double)x[at] - (double)moments[mean]));
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

/* x, y, g and sums begin at a column of a sample. */
static void column_sums(int rows, size_t cols, const real *x, double mean, double rstd,
                        const real *y, real *g, real *sums) {
    double sum_g = 0, sum_gx = 0;
    for (size_t i = 0; i < (size_t)rows; i++) {
        if (y && !(y[i * cols] > 0))
            g[i * cols] = 0;
        sum_g += (double)g[i * cols];
        sum_gx += (double)g[i * cols] * ((double)x[i * cols] - mean) * rstd;
    }
    sums[0] = (real)sum_gx;
    sums[cols] = (real)sum_g;
}

void ref_batchnorm_backward(const struct kctx *c, int n, int rows, int cols, const real *x,
                            const real *mean, const real *rstd, const real *gamma, const real *y,
                            real *g, int acc, real *dx, real *sums) {
    (void)c;
    size_t width = (size_t)cols, all = (size_t)n * (size_t)rows * width;
    for (size_t i = 0; i < (size_t)n; i++)
        for (size_t j = 0; j < width; j++) {
            size_t at = i * (size_t)rows * width + j;
            column_sums(rows, width, x + at, (double)mean[j], (double)rstd[j], y ? y + at : NULL,
                        g + at, sums + 2 * i * width + j);
        }
    for (size_t i = 0; i < all && dx; i++) {
        size_t j = i % width;
        double scale = (double)rstd[j] * (gamma ? (double)gamma[j] : 1);
        dx[i] = (real)(scale * (double)g[i] + (acc ? (double)dx[i] : 0));
    }
}

/* g behind a ReLU whose input x alone decides. */
static double masked(const real *x, double mean, double rstd, double gamma, double beta, int relu,
                     real g) {
    double v = ((double)*x - mean) * rstd * gamma + beta;
    return !relu || (real)v > 0 ? (double)g : 0;
}

void ref_batchnorm_sums(const struct kctx *c, int n, int rows, int cols, const real *x,
                        const real *mean, const real *rstd, const real *gamma, const real *beta,
                        int relu, const real *g, real *sums) {
    (void)c;
    size_t width = (size_t)cols, sample = (size_t)rows * width;
    for (size_t own = 0; own < (size_t)n * width; own++) {
        size_t j = own % width, first = own / width * sample + j;
        double m = (double)mean[j], s = (double)rstd[j], sum_g = 0, sum_gx = 0;
        for (size_t at = first; at < first + sample; at += width) {
            double here = masked(x + at, m, s, gamma ? (double)gamma[j] : 1,
                                 beta ? (double)beta[j] : 0, relu, g[at]);
            sum_g += here;
            sum_gx += here * ((double)x[at] - m) * s;
        }
        sums[own / width * 2 * width + j] = (real)sum_gx;
        sums[own / width * 2 * width + width + j] = (real)sum_g;
    }
}

void ref_batchnorm_input_backward(const struct kctx *c, int n, int rows, int cols, const real *x,
                                  const real *mean, const real *rstd, const real *gamma,
                                  const real *beta, int relu, const real *moments,
                                  const real *dmoments, const real *g, real *dx) {
    (void)c;
    size_t width = (size_t)cols, sample = (size_t)rows * width;
    for (size_t at = 0; at < (size_t)n * sample; at++) {
        size_t j = at % width, own = at / sample * 2 * width + j;
        double scale = gamma ? (double)gamma[j] : 1, s = (double)rstd[j];
        double here =
            masked(x + at, (double)mean[j], s, scale, beta ? (double)beta[j] : 0, relu, g[at]);
        dx[at] = (real)(scale * s * here + (double)dmoments[own] +
                        (double)dmoments[own + width] * ((double)x[at] - (double)moments[own]));
    }
}

/* to (cols), which may be NULL, gains the sums, of each sample `stride` reals apart. */
static void add_samples(int n, size_t cols, size_t stride, const real *sums, real *to) {
    for (size_t j = 0; j < cols && to; j++) {
        double sum = 0;
        for (size_t i = 0; i < (size_t)n; i++)
            sum += (double)sums[i * stride + j];
        to[j] = (real)((double)to[j] + sum);
    }
}

void ref_batchnorm_parameters(const struct kctx *c, int n, int cols, const real *sums, real *dgamma,
                              real *dbeta) {
    (void)c;
    size_t width = (size_t)cols;
    add_samples(n, width, 2 * width, sums, dgamma);
    add_samples(n, width, 2 * width, sums + width, dbeta);
}
