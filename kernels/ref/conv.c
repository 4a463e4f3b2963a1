/* conv.c -- convolution, its two gradients; channels last. */
#include "kernels/ref/ref.h"

#include <string.h>

static size_t weights(const struct conv_shape *s) {
    return (size_t)s->out * (size_t)s->kh * (size_t)s->kw * (size_t)s->in;
}

size_t ref_conv2d_pack_size(const struct conv_shape *s, int backward) {
    (void)backward;
    return weights(s);
}

/* Here the prepared weights are the weights. */
void ref_conv2d_pack(const struct kctx *c, const struct conv_shape *s, int backward, const real *w,
                     real *packed) {
    (void)c, (void)backward;
    if (weights(s))
        memcpy(packed, w, weights(s) * sizeof *w);
}

/* Offset of the channels at (row,column) of image i; -1 in the padding. */
static ptrdiff_t pixel(int i, int row, int column, int h, int w, int channels) {
    if (row < 0 || row >= h || column < 0 || column >= w)
        return -1;
    return (((ptrdiff_t)i * h + row) * w + column) * channels;
}

void ref_conv2d_forward(const struct kctx *c, int n, const struct conv_shape *s, const real *x,
                        const real *packed, const real *bias, real *y) {
    (void)c;
    int oh = conv_out_h(s), ow = conv_out_w(s);
    for (ptrdiff_t out = 0; out < (ptrdiff_t)n * oh * ow; out++)
        for (int co = 0; co < s->out; co++) {
            int i = (int)(out / (oh * ow)), oy = (int)(out / ow) % oh, ox = (int)(out % ow);
            const real *w = packed + (ptrdiff_t)co * s->kh * s->kw * s->in;
            double sum = bias ? bias[co] : 0;
            for (int ky = 0; ky < s->kh; ky++)
                for (int kx = 0; kx < s->kw; kx++, w += s->in) {
                    ptrdiff_t from = pixel(i, oy * s->stride + ky - s->pad,
                                           ox * s->stride + kx - s->pad, s->h, s->w, s->in);
                    for (int ci = 0; from >= 0 && ci < s->in; ci++)
                        sum += (double)x[from + ci] * w[ci];
                }
            y[out * s->out + co] = (real)sum;
        }
}

/* The place of the window that has row (or column) `at` of the image under its row k; -1 when
 * there is none. */
static int window(int at, int k, int stride, int pad, int windows) {
    int start = at + pad - k;
    return start >= 0 && start % stride == 0 && start / stride < windows ? start / stride : -1;
}

void ref_conv2d_backward_data(const struct kctx *c, int n, const struct conv_shape *s,
                              const real *dy, const real *packed, const real *bias, int acc,
                              real *dx) {
    (void)c;
    int oh = conv_out_h(s), ow = conv_out_w(s);
    for (ptrdiff_t in = 0; in < (ptrdiff_t)n * s->h * s->w; in++)
        for (int ci = 0; ci < s->in; ci++) {
            int i = (int)(in / (s->h * s->w)), iy = (int)(in / s->w) % s->h, ix = (int)(in % s->w);
            real *to = dx + in * s->in + ci;
            double sum = (bias ? (double)bias[ci] : 0) + (acc ? (double)*to : 0);
            for (int ky = 0; ky < s->kh; ky++)
                for (int kx = 0; kx < s->kw; kx++) {
                    ptrdiff_t from = pixel(i, window(iy, ky, s->stride, s->pad, oh),
                                           window(ix, kx, s->stride, s->pad, ow), oh, ow, s->out);
                    const real *w = packed + (ptrdiff_t)(ky * s->kw + kx) * s->in + ci;
                    for (int co = 0; from >= 0 && co < s->out; co++)
                        sum += (double)dy[from + co] * w[(ptrdiff_t)co * s->kh * s->kw * s->in];
                }
            *to = (real)sum;
        }
}

void ref_conv2d_backward_weight(const struct kctx *c, int n, const struct conv_shape *s,
                                const real *x, const real *dy, real *dw) {
    (void)c;
    int oh = conv_out_h(s), ow = conv_out_w(s);
    for (ptrdiff_t at = 0; at < (ptrdiff_t)weights(s); at++) {
        int ci = (int)(at % s->in), kx = (int)(at / s->in % s->kw);
        int ky = (int)(at / s->in / s->kw % s->kh), co = (int)(at / s->in / s->kw / s->kh);
        double sum = dw[at];
        for (ptrdiff_t out = 0; out < (ptrdiff_t)n * oh * ow; out++) {
            int i = (int)(out / (oh * ow)), oy = (int)(out / ow) % oh, ox = (int)(out % ow);
            ptrdiff_t from = pixel(i, oy * s->stride + ky - s->pad, ox * s->stride + kx - s->pad,
                                   s->h, s->w, s->in);
            if (from >= 0)
                sum += (double)x[from + ci] * dy[out * s->out + co];
        }
        dw[at] = (real)sum;
    }
}
