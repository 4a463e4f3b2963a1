/* channelwise_fc.c -- a fully connected layer for each channel (Pathak et al. 2016, section 3.1).
 */
#include "kernels/ref/ref.h"

void ref_channelwise_fc_forward(const struct kctx *c, int n, int p, int q, int ch, const real *x,
                                const real *w, const real *bias, real *y) {
    (void)c;
    for (int i = 0; i < n; i++)
        for (int a = 0; a < p; a++)
            for (int e = 0; e < ch; e++) {
                const real *row = w + ((ptrdiff_t)e * p + a) * q;
                double sum = bias ? bias[(ptrdiff_t)e * p + a] : 0;
                for (int b = 0; b < q; b++)
                    sum += (double)row[b] * x[((ptrdiff_t)i * q + b) * ch + e];
                y[((ptrdiff_t)i * p + a) * ch + e] = (real)sum;
            }
}

static void input_gradient(int n, int p, int q, int ch, const real *w, const real *dy, int acc,
                           real *dx) {
    for (int i = 0; i < n; i++)
        for (int b = 0; b < q; b++)
            for (int e = 0; e < ch; e++) {
                real *to = dx + ((ptrdiff_t)i * q + b) * ch + e;
                double sum = acc ? *to : 0;
                for (int a = 0; a < p; a++)
                    sum += (double)w[((ptrdiff_t)e * p + a) * q + b] *
                           dy[((ptrdiff_t)i * p + a) * ch + e];
                *to = (real)sum;
            }
}

void ref_channelwise_fc_backward(const struct kctx *c, int n, int p, int q, int ch, const real *x,
                                 const real *w, const real *dy, int acc, real *dx, real *dw,
                                 real *dbias) {
    (void)c;
    if (dx)
        input_gradient(n, p, q, ch, w, dy, acc, dx);
    for (int e = 0; e < ch; e++)
        for (int a = 0; a < p; a++) {
            double all = 0;
            for (int i = 0; i < n; i++)
                all += dy[((ptrdiff_t)i * p + a) * ch + e];
            if (dbias)
                dbias[(ptrdiff_t)e * p + a] = (real)(dbias[(ptrdiff_t)e * p + a] + all);
            for (int b = 0; b < q; b++) {
                real *to = dw + ((ptrdiff_t)e * p + a) * q + b;
                double sum = *to;
                for (int i = 0; i < n; i++)
                    sum += (double)dy[((ptrdiff_t)i * p + a) * ch + e] *
                           x[((ptrdiff_t)i * q + b) * ch + e];
                *to = (real)sum;
            }
        }
}
