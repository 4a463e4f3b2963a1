/* activation.c -- functions of one number and their slopes:
 *
 *   GELU        x Phi(x), Hendrycks and Gimpel 2016, the exact form; Phi(x) = (1 + erf(x / sqrt 2))
 *               / 2, the normal distribution; slope Phi(x) + x phi(x), phi(x) = exp(-x^2 / 2) /
 *               sqrt(2 pi)
 *   ReLU        x where x > 0, else 0; leaky: else x / 5
 *   quick GELU  x s(1.702 x), section 2 of the same, with s(x) = 1 / (1 + exp(-x)), the sigmoid;
 *               slope s + 1.702 x s (1 - s)
 *   tanh        slope 1 - tanh^2
 *   sigmoid     slope s (1 - s)
 */
#include "kernels/ref/ref.h"

#include <math.h>

/* Below -FAR Phi, and beyond +-FAR phi, is 0 in double; stopping x there gives the limits at
 * infinity where inf * 0 would give NaN.  The sigmoid needs more room. */
enum { FAR = 40, SIGMOID_FAR = 400 };
static const double leak = LEAKY_SLOPE, quick = QUICK_GELU_SCALE;

static double between(double x, double least, double most) {
    return x < least ? least : x > most ? most : x;
}

/* erfc keeps the digits of a small Phi that 1 + erf would lose. */
static double normal_distribution(double x) {
    return erfc(-x * M_SQRT1_2) / 2;
}

static double normal_density(double x) {
    return exp(-x * x / 2) * M_2_SQRTPI * M_SQRT1_2 / 2;
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* s (1 - s), without the difference */
static double sigmoid_slope(double x) {
    double e = exp(-fabs(x));
    return e / ((1 + e) * (1 + e));
}

double ref_activation(enum activation act, double x) {
    switch (act) {
    case ACT_NONE:
        return x;
    case ACT_GELU:
        x = between(x, -FAR, INFINITY);
        return x * normal_distribution(x);
    case ACT_RELU:
        return x < 0 ? 0 : x;
    case ACT_LEAKY_RELU:
        return x < 0 ? leak * x : x;
    case ACT_QUICK_GELU:
        x = between(x, -SIGMOID_FAR, INFINITY);
        return x * sigmoid(quick * x);
    case ACT_TANH:
        return tanh(x);
    case ACT_SIGMOID:
        return sigmoid(x);
    }
    return NAN;
}

double ref_activation_slope(enum activation act, double x) {
    switch (act) {
    case ACT_NONE:
        return 1;
    case ACT_GELU:
        x = between(x, -FAR, FAR);
        return normal_distribution(x) + x * normal_density(x);
    case ACT_RELU:
        return x > 0;
    case ACT_LEAKY_RELU:
        return x > 0 ? 1 : leak;
    case ACT_QUICK_GELU:
        x = between(x, -SIGMOID_FAR, SIGMOID_FAR);
        return sigmoid(quick * x) + quick * x * sigmoid_slope(quick * x);
    case ACT_TANH:
        return 4 * sigmoid_slope(2 * x);
    case ACT_SIGMOID:
        return sigmoid_slope(x);
    }
    return NAN;
}

double ref_kept_slope(const struct kctx *c, enum activation act, double kept) {
    return c->device ? ref_activation_slope(act, kept) : kept;
}

void ref_act_forward(const struct kctx *c, enum activation act, size_t n, const real *x, real *y) {
    (void)c;
    for (size_t i = 0; i < n; i++)
        y[i] = (real)ref_activation(act, x[i]);
}

void ref_act_backward(const struct kctx *c, enum activation act, size_t n, const real *x,
                      const real *dy, int acc, real *dx) {
    (void)c;
    for (size_t i = 0; i < n; i++)
        dx[i] = (real)(dy[i] * ref_activation_slope(act, x[i]) + (acc ? dx[i] : 0));
}
