/* batchnorm_combine.c -- batch norm between the samples.
 *
 * Samples are equally large: the batch's mean is that of their means, and its variance the mean of
 * their variances and of the squared distances of their means.
 */
#include "kernels/ref/ref.h"

#include <math.h>
#include <string.h>

static void move(real *running, double momentum, double batch) {
    *running += (real)(momentum * (batch - (double)*running));
}

void ref_batchnorm_combine(const struct kctx *c, int n, int rows, int cols, double eps,
                           const real *moments, real *batch, double momentum, real *running_mean,
                           real *running_var) {
    (void)c;
    size_t width = (size_t)cols, samples = (size_t)n;
    double count = (double)n * rows, unbiased = count > 1 ? count / (count - 1) : 1;
    for (size_t j = 0; j < width && n; j++) {
        double mean = 0, var = 0;
        for (size_t i = 0; i < samples; i++)
            mean += (double)moments[2 * i * width + j];
        mean /= n;
        for (size_t i = 0; i < samples; i++) {
            double d = (double)moments[2 * i * width + j] - mean;
            var += (double)moments[(2 * i + 1) * width + j] + d * d;
        }
        var /= n;
        batch[j] = (real)mean;
        batch[width + j] = (real)(1 / sqrt(var + eps));
        if (running_mean)
            move(running_mean + j, momentum, mean);
        if (running_var)
            move(running_var + j, momentum, var * unbiased);
    }
    for (size_t i = 1; i < samples && width; i++)
        memcpy(batch + 2 * i * width, batch, 2 * width * sizeof *batch);
}

void ref_batchnorm_combine_backward(const struct kctx *c, int n, int rows, int cols,
                                    const real *moments, const real *batch, const real *dbatch,
                                    real *dmoments) {
    (void)c;
    size_t width = (size_t)cols, samples = (size_t)n;
    double count = (double)n * rows;
    for (size_t j = 0; j < width; j++) {
        double a = 0, b = 0;
        for (size_t i = 0; i < samples; i++) {
            a -= (double)dbatch[2 * i * width + j];
            b -= (double)dbatch[(2 * i + 1) * width + j];
        }
        a /= count;
        b /= count;
        for (size_t i = 0; i < samples; i++) {
            double away = (double)moments[2 * i * width + j] - (double)batch[j];
            dmoments[2 * i * width + j] = (real)(a + b * away);
            dmoments[(2 * i + 1) * width + j] = (real)b;
        }
    }
}

void ref_batchnorm_slopes(const struct kctx *c, int n, int cols, const real *rstd,
                          const real *gamma, const real *sums, real *dbatch) {
    (void)c;
    size_t width = (size_t)cols;
    for (int i = 0; i < n; i++, sums += 2 * width, dbatch += 2 * width)
        for (size_t j = 0; j < width; j++) {
            real scale = (gamma ? gamma[j] : 1) * rstd[j];
            dbatch[j] = scale * sums[width + j];
            dbatch[width + j] = scale * rstd[j] * sums[j];
        }
}

void ref_reciprocal_root(const struct kctx *c, size_t n, double eps, const real *x, real *y) {
    (void)c;
    for (size_t i = 0; i < n; i++)
        y[i] = (real)(1 / sqrt((double)x[i] + eps));
}
