/* bce.c -- binary cross-entropy of logits against one target. */
#include "kernels/ref/ref.h"

#include <math.h>

void ref_bce_forward(const struct kctx *c, size_t n, const real *x, real target, real *loss) {
    (void)c;
    for (size_t i = 0; i < n; i++)
        loss[i] = (real)(fmax(x[i], 0) - (double)x[i] * target + log1p(exp(-fabs((double)x[i]))));
}

void ref_bce_backward(const struct kctx *c, size_t n, const real *x, real target, const real *dloss,
                      int acc, real *dx) {
    (void)c;
    for (size_t i = 0; i < n; i++)
        dx[i] = (real)(dloss[i] * (1 / (1 + exp(-(double)x[i])) - target) + (acc ? dx[i] : 0));
}
