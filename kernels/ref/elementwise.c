/* elementwise.c -- y = a x + b y, and a row added to every row. */
#include "kernels/ref/ref.h"

void ref_axpby(const struct kctx *c, size_t n, real a, const real *x, real b, real *y) {
    (void)c;
    for (size_t i = 0; i < n; i++)
        y[i] = (real)((double)a * x[i] + (b != 0 ? (double)b * y[i] : 0));
}

void ref_add_broadcast(const struct kctx *c, int n, int inner, const real *x, const real *b,
                       real *y) {
    (void)c;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < inner; j++) {
            size_t at = (size_t)i * (size_t)inner + (size_t)j;
            y[at] = x[at] + b[j];
        }
}
