/* adamw.c -- Loshchilov and Hutter 2019, algorithm 2, with the decay multiplied by the learning
 * rate as PyTorch does it. */
#include "kernels/ref/ref.h"

#include <math.h>

void ref_adamw(const struct kctx *c, size_t n, real *w, const real *g, real *m, real *v,
               real gscale, real lr, real b1, real b2, real eps, real wd, real c1, real c2) {
    (void)c;
    for (size_t i = 0; i < n; i++) {
        double gradient = (double)gscale * g[i];
        double first = (double)b1 * m[i] + (1 - (double)b1) * gradient;
        double second = (double)b2 * v[i] + (1 - (double)b2) * gradient * gradient;
        double decayed = w[i] - (double)lr * wd * w[i];
        w[i] = (real)(decayed - lr * (first / c1) / (sqrt(second / c2) + eps));
        m[i] = (real)first;
        v[i] = (real)second;
    }
}
