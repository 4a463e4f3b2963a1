/* swiglu.c -- a value times a gate that is a linear unit times its own sigmoid s; the slope of the
 * gate is s + a s (1 - s).
 */
#include "kernels/ref/ref.h"

#include <math.h>

enum { FAR = 700 }; /* where s is 0 in double, and times it still finite */

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* A number that is none stays none. */
static double at_least(double x, double least) {
    return x < least ? least : x;
}

void ref_swiglu_forward(const struct kctx *c, int rows, int cols, const real *x, real *y) {
    (void)c;
    for (size_t i = 0; i < (size_t)rows; i++)
        for (size_t j = 0; j < (size_t)cols; j++) {
            const real *at = x + 2 * i * (size_t)cols + j;
            double a = at_least((double)at[0], -FAR);
            y[i * (size_t)cols + j] = (real)(a * sigmoid(a) * (double)at[cols]);
        }
}

void ref_swiglu_backward(const struct kctx *c, int rows, int cols, const real *x, const real *dy,
                         int acc, real *dx) {
    (void)c;
    for (size_t i = 0; i < (size_t)rows; i++)
        for (size_t j = 0; j < (size_t)cols; j++) {
            size_t at = 2 * i * (size_t)cols + j;
            double d = (double)dy[i * (size_t)cols + j];
            double a = -at_least(-at_least((double)x[at], -FAR), -FAR), e = exp(-fabs(a));
            double slope = sigmoid(a) + a * (e / ((1 + e) * (1 + e)));
            double gate = at_least((double)x[at], -FAR) * sigmoid(a);
            double da = d * (double)x[at + (size_t)cols] * slope, db = d * gate;
            dx[at] = (real)(da + (acc ? (double)dx[at] : 0));
            at += (size_t)cols;
            dx[at] = (real)(db + (acc ? (double)dx[at] : 0));
        }
}
