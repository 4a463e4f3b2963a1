/* softmax.c -- softmax of scaled rows, and cross-entropy against distributions.
 *
 *   p = softmax(scale x),  loss = -sum_j t_j log p_j,  dx = dloss scale (p sum_j t_j - t)
 */
#include "kernels/ref/ref.h"

#include <math.h>

/* The softmax of a row; returns log sum_j exp(scale x_j). */
static double softmax(int cols, double scale, const real *x, real *p) {
    double most = -INFINITY, sum = 0;
    for (int j = 0; j < cols; j++)
        most = fmax(most, scale * x[j]);
    for (int j = 0; j < cols; j++)
        sum += exp(scale * x[j] - most);
    double log_sum = cols ? most + log(sum) : 0;
    for (int j = 0; j < cols; j++)
        p[j] = (real)exp(scale * x[j] - log_sum);
    return log_sum;
}

void ref_softmax_rows(const struct kctx *c, int rows, int cols, real scale, const real *x,
                      real *y) {
    (void)c;
    for (size_t i = 0, at = 0; i < (size_t)rows; i++, at += (size_t)cols)
        softmax(cols, scale, x + at, y + at);
}

void ref_softmax_rows_backward(const struct kctx *c, int rows, int cols, real scale, const real *y,
                               const real *dy, int acc, real *dx) {
    (void)c;
    for (size_t i = 0, at = 0; i < (size_t)rows; i++, at += (size_t)cols) {
        double dot = 0;
        for (int j = 0; j < cols; j++)
            dot += (double)y[at + (size_t)j] * dy[at + (size_t)j];
        for (size_t j = at; j < at + (size_t)cols; j++)
            dx[j] = (real)((double)scale * y[j] * (dy[j] - dot) + (acc ? dx[j] : 0));
    }
}

void ref_soft_xent_forward(const struct kctx *c, int rows, int cols, real scale, const real *x,
                           const real *target, real *p, real *loss) {
    (void)c;
    for (size_t i = 0, at = 0; i < (size_t)rows; i++, at += (size_t)cols) {
        double log_sum = softmax(cols, scale, x + at, p + at), sum = 0;
        for (size_t j = at; j < at + (size_t)cols; j++)
            sum += target[j] * (log_sum - (double)scale * x[j]);
        loss[i] = (real)sum;
    }
}

void ref_soft_xent_backward(const struct kctx *c, int rows, int cols, real scale, const real *p,
                            const real *target, const real *dloss, int acc, real *dx) {
    (void)c;
    for (size_t i = 0, at = 0; i < (size_t)rows; i++, at += (size_t)cols) {
        double total = 0, slope = (double)dloss[i] * scale;
        for (size_t j = at; j < at + (size_t)cols; j++)
            total += target[j];
        for (size_t j = at; j < at + (size_t)cols; j++)
            dx[j] = (real)(slope * (p[j] * total - target[j]) + (acc ? dx[j] : 0));
    }
}
