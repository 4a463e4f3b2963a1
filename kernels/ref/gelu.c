/* gelu.c -- Hendrycks and Gimpel 2016, the exact form: gelu(x) = x Phi(x),
 * Phi(x) = (1 + erf(x / sqrt 2)) / 2, the normal distribution; gelu'(x) = Phi(x) + x phi(x),
 * phi(x) = exp(-x^2 / 2) / sqrt(2 pi).
 */
#include "kernels/ref/ref.h"

#include <math.h>

/* Below -FAR Phi, and beyond +-FAR phi, is 0 in double; stopping x there gives the limits at
 * infinity where inf * 0 would give NaN. */
enum { FAR = 40 };

/* erfc keeps the digits of a small Phi that 1 + erf would lose. */
static double normal_distribution(double x) {
    return erfc(-x * M_SQRT1_2) / 2;
}

static double normal_density(double x) {
    return exp(-x * x / 2) * M_2_SQRTPI * M_SQRT1_2 / 2;
}

void ref_gelu_forward(const struct kctx *c, size_t n, const real *x, real *y) {
    (void)c;
    for (size_t i = 0; i < n; i++) {
        double v = x[i] < -FAR ? -FAR : x[i];
        y[i] = (real)(v * normal_distribution(v));
    }
}

void ref_gelu_backward(const struct kctx *c, size_t n, const real *x, const real *dy, int acc,
                       real *dx) {
    (void)c;
    for (size_t i = 0; i < n; i++) {
        double v = x[i] < -FAR ? -FAR : x[i] > FAR ? FAR : x[i];
        double slope = normal_distribution(v) + v * normal_density(v);
        dx[i] = (real)(dy[i] * slope + (acc ? dx[i] : 0));
    }
}
