/* reduce.c -- sums over rows, over everything, over the lanes of gradients. */
#include "kernels/ref/ref.h"

void ref_column_sum(const struct kctx *c, int rows, int cols, const real *x, real *out) {
    (void)c;
    for (int j = 0; j < cols; j++) {
        double sum = 0;
        for (int i = 0; i < rows; i++)
            sum += x[(size_t)i * (size_t)cols + (size_t)j];
        out[j] = (real)(out[j] + sum);
    }
}

void ref_linear_gradient(const struct kctx *c, int rows, int cols, enum activation act,
                         const real *kept, real *g, real *narrow, real *bias) {
    const size_t n = (size_t)rows * (size_t)cols;
    for (size_t i = 0; i < n && kept; i++)
        g[i] = (real)(ref_kept_slope(c, act, kept[i]) * g[i]);
    for (size_t i = 0; i < n && narrow; i++)
        narrow[i] = g[i];
    if (bias)
        ref_column_sum(c, rows, cols, g, bias);
}

double ref_sum_squares(const struct kctx *c, size_t n, const real *x) {
    (void)c;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sum;
}

/* In double the order of the sum is not visible in float; in double precision runs it is the order
 * of the lanes. */
void ref_reduce_lanes(const struct kctx *c, int lanes, size_t n, size_t stride, const real *others,
                      real *first) {
    (void)c;
    for (size_t i = 0; i < n; i++) {
        double sum = (double)first[i];
        for (int lane = 1; lane < lanes; lane++)
            sum += (double)others[(size_t)(lane - 1) * stride + i];
        first[i] = (real)sum;
    }
}
