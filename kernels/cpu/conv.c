/* conv.c -- convolutions and the gradient of their input. */
#include "kernels/cpu/conv_scatter.h"
#include "kernels/cpu/conv_tile.h"
#include "kernels/cpu/conv_winograd.h"
#include "kernels/cpu/transpose.h"

static int least(int a, int b) {
    return a < b ? a : b;
}

size_t ISA_NAME(conv2d_pack_size)(const struct conv_shape *s, int backward) {
    if (ISA_NAME(conv_winograd_pays)(s))
        return ISA_NAME(conv_winograd_pack_size)(s, backward);
    if (ISA_NAME(conv_scatter_pays)(s, backward))
        return ISA_NAME(conv_scatter_pack_size)(s, backward);
    size_t taps = (size_t)s->kh * (size_t)s->kw;
    return conv_panels_size(backward ? s->in : s->out, taps * (size_t)(backward ? s->out : s->in));
}

/* w (n,depth) to panels, so much of the depth at a time as the first-level cache holds of a panel
 */
enum { AT_ONCE = 64 };
static void pack_forward(int n, int depth, const float *w, float *packed) {
    for (int j = 0; j < n;) {
        int width = conv_panel_width(n, j);
        if (n - j < width)
            memset(packed, 0, sizeof *packed * (size_t)depth * (size_t)width);
        for (int k = 0; k < depth; k += AT_ONCE)
            transpose(least(width, n - j), least(AT_ONCE, depth - k),
                      w + (size_t)j * (size_t)depth + k, (size_t)depth,
                      packed + (size_t)k * (size_t)width, (size_t)width);
        packed += (size_t)depth * (size_t)width;
        j += width;
    }
}

/* The taps of one phase, the last first. */
static float *pack_phase(const struct conv_shape *s, int py, int px, const float *w,
                         float *packed) {
    int last_y = (s->kh - 1 - py) / s->stride * s->stride + py;
    int last_x = (s->kw - 1 - px) / s->stride * s->stride + px;
    for (int j = 0; j < s->in;) {
        int width = conv_panel_width(s->in, j);
        size_t columns = (size_t)least(width, s->in - j);
        for (int ky = last_y; ky >= py && py < s->kh; ky -= s->stride)
            for (int kx = last_x; kx >= px && px < s->kw; kx -= s->stride)
                for (int co = 0; co < s->out; co++, packed += width) {
                    size_t tap = (size_t)((co * s->kh + ky) * s->kw + kx);
                    memcpy(packed, w + tap * (size_t)s->in + j, columns * sizeof *packed);
                    memset(packed + columns, 0, ((size_t)width - columns) * sizeof *packed);
                }
        j += width;
    }
    return packed;
}

void ISA_NAME(conv2d_pack)(const struct kctx *c, const struct conv_shape *s, int backward,
                           const float *w, float *packed) {
    (void)c;
    if (ISA_NAME(conv_winograd_pays)(s)) {
        ISA_NAME(conv_winograd_pack)(s, backward, w, packed);
        return;
    }
    if (ISA_NAME(conv_scatter_pays)(s, backward)) {
        ISA_NAME(conv_scatter_pack)(s, backward, w, packed);
        return;
    }
    if (!backward)
        pack_forward(s->out, s->kh * s->kw * s->in, w, packed);
    for (int phase = 0; backward && phase < s->stride * s->stride; phase++)
        packed = pack_phase(s, phase / s->stride, phase % s->stride, w, packed);
}

void ISA_NAME(conv2d_forward)(const struct kctx *c, int n, const struct conv_shape *s,
                              const float *x, const float *packed, const float *bias, float *y) {
    if (ISA_NAME(conv_winograd_pays)(s)) {
        ISA_NAME(conv_winograd)(c, n, s, 0, x, packed, bias, 0, y);
        return;
    }
    if (ISA_NAME(conv_scatter_pays)(s, 0)) {
        ISA_NAME(conv_scatter)(c, n, s, 0, x, packed, bias, 0, y);
        return;
    }
    struct conv_plan plan =
        ISA_NAME(conv_plan)(c, n, ISA_NAME(conv_forward_axis)(s->h, s->kh, s->stride, s->pad),
                            ISA_NAME(conv_forward_axis)(s->w, s->kw, s->stride, s->pad), s->in, x);
    ISA_NAME(conv_multiply)(&plan, packed, bias, 0, s->out, y);
}

void ISA_NAME(conv2d_backward_data)(const struct kctx *c, int n, const struct conv_shape *s,
                                    const float *dy, const float *packed, const float *bias,
                                    int acc, float *dx) {
    if (ISA_NAME(conv_winograd_pays)(s)) {
        ISA_NAME(conv_winograd)(c, n, s, 1, dy, packed, bias, acc, dx);
        return;
    }
    if (ISA_NAME(conv_scatter_pays)(s, 1)) {
        ISA_NAME(conv_scatter)(c, n, s, 1, dy, packed, bias, acc, dx);
        return;
    }
    struct conv_plan plan = ISA_NAME(conv_plan)(
        c, n, ISA_NAME(conv_backward_axis)(s->h, s->kh, s->stride, s->pad),
        ISA_NAME(conv_backward_axis)(s->w, s->kw, s->stride, s->pad), s->out, dy);
    ISA_NAME(conv_multiply)(&plan, packed, bias, acc, s->in, dx);
}
