/* kl_uniform.c -- how far the softmax p of a row is from all equal: with H = -sum p log p,
 *
 *   y = log cols - H,  dx_k = dy p_k (log p_k + H)
 */
#include "kernels/ref/ref.h"

#include <math.h>

static double row_entropy(const real *x, int cols, real *p) {
    double most = -INFINITY, sum = 0, mean = 0;
    if (cols < 1)
        return 0;
    for (int j = 0; j < cols; j++)
        most = fmax(most, (double)x[j]);
    for (int j = 0; j < cols; j++) {
        double e = exp((double)x[j] - most);
        p[j] = (real)e;
        sum += e;
        mean += e * ((double)x[j] - most);
    }
    for (int j = 0; j < cols; j++)
        p[j] = (real)((double)p[j] / sum);
    return log(sum) - mean / sum;
}

void ref_kl_uniform_forward(const struct kctx *c, int rows, int cols, const real *x, real *p,
                            real *y) {
    (void)c;
    for (size_t i = 0; i < (size_t)rows; i++) {
        size_t at = i * (size_t)cols;
        y[i] = (real)(cols ? log(cols) - row_entropy(x + at, cols, p + at) : 0);
    }
}

void ref_kl_uniform_backward(const struct kctx *c, int rows, int cols, const real *p, const real *y,
                             const real *dy, int acc, real *dx) {
    (void)c;
    for (size_t i = 0, at = 0; i < (size_t)rows; i++) {
        double entropy = log(cols) - (double)y[i];
        for (int j = 0; j < cols; j++, at++) {
            double share = (double)p[at], slope = share > 0 ? share * (log(share) + entropy) : 0;
            dx[at] = (real)((acc ? (double)dx[at] : 0) + (double)dy[i] * slope);
        }
    }
}
