/* batchnorm_combine.c -- batch norm between the samples.
 *
 * The mean of parts is that of their means, and their variance the mean of their variances and of
 * the squared distances of their means, each part as heavy as it has rows.  A column's parts have
 * been read before anything of the column is written.
 */
#include "kernels/ref/ref.h"

#include <math.h>
#include <string.h>

static void move(real *running, double momentum, double batch) {
    *running += (real)(momentum * (batch - (double)*running));
}

void ref_batchnorm_lane(const struct kctx *c, int n, int cols, const real *moments, real *part) {
    (void)c;
    size_t width = (size_t)cols, samples = (size_t)n;
    for (size_t j = 0; j < width; j++) {
        double mean = 0, var = 0;
        for (size_t i = 0; i < samples; i++)
            mean += (double)moments[2 * i * width + j];
        mean /= n ? n : 1;
        for (size_t i = 0; i < samples; i++) {
            double d = (double)moments[2 * i * width + j] - mean;
            var += (double)moments[(2 * i + 1) * width + j] + d * d;
        }
        part[j] = (real)mean;
        part[width + j] = (real)(var / (n ? n : 1));
    }
}

/* Of one column: out[0] the mean, out[1] the variance. */
static void combine(const struct dealt *dealt, size_t width, const real *parts, double out[2]) {
    out[0] = out[1] = 0;
    for (int i = 0; i < dealt->lanes; i++) {
        int samples = dealt_first(dealt, i + 1) - dealt_first(dealt, i);
        out[0] += samples * (double)parts[2 * (size_t)i * width];
    }
    out[0] /= dealt->n;
    for (int i = 0; i < dealt->lanes; i++) {
        int samples = dealt_first(dealt, i + 1) - dealt_first(dealt, i);
        double d = (double)parts[2 * (size_t)i * width] - out[0];
        out[1] += samples * ((double)parts[(2 * (size_t)i + 1) * width] + d * d);
    }
    out[1] /= dealt->n;
}

void ref_batchnorm_combine(const struct kctx *c, const struct dealt *dealt, int rows, int cols,
                           double eps, const real *parts, int n, real *batch, double momentum,
                           real *running_mean, real *running_var) {
    (void)c;
    size_t width = (size_t)cols;
    double count = (double)dealt->n * rows, unbiased = count > 1 ? count / (count - 1) : 1;
    for (size_t j = 0; j < width && dealt->n; j++) {
        double whole[2];
        combine(dealt, width, parts + j, whole);
        if (n) {
            batch[j] = (real)whole[0];
            batch[width + j] = (real)(1 / sqrt(whole[1] + eps));
        }
        if (running_mean)
            move(running_mean + j, momentum, whole[0]);
        if (running_var)
            move(running_var + j, momentum, whole[1] * unbiased);
    }
    for (size_t i = 1; i < (size_t)n && width; i++)
        memcpy(batch + 2 * i * width, batch, 2 * width * sizeof *batch);
}

void ref_batchnorm_combine_backward(const struct kctx *c, int lanes, double count, int cols,
                                    const real *parts, int n, const real *moments,
                                    const real *batch, real *dmoments) {
    (void)c;
    size_t width = (size_t)cols;
    for (size_t j = 0; j < width; j++) {
        double a = 0, b = 0;
        for (size_t i = 0; i < (size_t)lanes; i++) {
            a -= (double)parts[2 * i * width + j];
            b -= (double)parts[(2 * i + 1) * width + j];
        }
        a /= count;
        b /= count;
        for (size_t i = 0; i < (size_t)n; i++) {
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
