/* maxpool.c -- the maximum over windows, channels last. */
#include "kernels/ref/ref.h"

#include <math.h>

void ref_maxpool_forward(const struct kctx *c, int n, int h, int w, int ch, int k, int stride,
                         int pad, const real *x, real *y, int32_t *arg) {
    (void)c;
    int oh = window_count(h, k, stride, pad), ow = window_count(w, k, stride, pad);
    for (ptrdiff_t out = 0; out < (ptrdiff_t)n * oh * ow; out++)
        for (int e = 0; e < ch; e++) {
            int i = (int)(out / (oh * ow)), oy = (int)(out / ow) % oh, ox = (int)(out % ow);
            real best = -INFINITY;
            int32_t where = -1;
            for (int iy = oy * stride - pad; iy < oy * stride - pad + k; iy++)
                for (int ix = ox * stride - pad; ix < ox * stride - pad + k; ix++) {
                    if (iy < 0 || iy >= h || ix < 0 || ix >= w)
                        continue;
                    real v = x[(((ptrdiff_t)i * h + iy) * w + ix) * ch + e];
                    if (where < 0 || v > best || isnan(v)) {
                        best = v;
                        where = iy * w + ix;
                    }
                }
            y[out * ch + e] = best;
            arg[out * ch + e] = where;
        }
}

void ref_maxpool_backward(const struct kctx *c, int n, int h, int w, int ch, int k, int stride,
                          int pad, const real *dy, const int32_t *arg, int acc, real *dx) {
    (void)c;
    ptrdiff_t image = (ptrdiff_t)h * w * ch;
    ptrdiff_t windows =
        (ptrdiff_t)window_count(h, k, stride, pad) * window_count(w, k, stride, pad) * ch;
    for (ptrdiff_t at = 0; !acc && at < n * image; at++)
        dx[at] = 0;
    for (int i = 0; i < n; i++)
        for (ptrdiff_t at = 0; at < windows; at++) {
            real *to = dx + i * image + (ptrdiff_t)arg[i * windows + at] * ch + at % ch;
            *to += dy[i * windows + at];
        }
}
