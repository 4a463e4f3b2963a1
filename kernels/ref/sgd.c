/* sgd.c -- momentum as PyTorch defines it; the first step fills the buffer with the gradient. */
#include "kernels/ref/ref.h"

void ref_sgd(const struct kctx *c, size_t n, real *w, const real *g, real *buf, real gscale,
             real lr, real momentum, real wd, int nesterov, int first) {
    (void)c;
    for (size_t i = 0; i < n; i++) {
        double gradient = (double)gscale * g[i] + (double)wd * w[i];
        double velocity = first ? gradient : (double)momentum * buf[i] + gradient;
        w[i] = (real)(w[i] - lr * (nesterov ? gradient + momentum * velocity : velocity));
        buf[i] = (real)velocity;
    }
}
