/* conv_weight.c -- the gradient of a convolution's weights: the product of the output's gradient at
 * some windows (conv_window.h), transposed, and of what these windows see. */
#include "kernels/cpu/conv_window.h"
#include "kernels/cpu/conv_winograd.h"
#include "kernels/cpu/gemm_tall.h"

enum { HALF = KERNEL_WORKSPACE / 2 /* the first is the block's */ };
_Static_assert(TALL_ROOM(CONV_WINDOWS) <= HALF, "a block and its panels fit the workspace");

void ISA_NAME(conv2d_backward_weight)(const struct kctx *c, int n, const struct conv_shape *s,
                                      const float *x, const float *dy, float *dw) {
    if (!s->in)
        return;
    if (ISA_NAME(conv_winograd_pays)(s)) {
        ISA_NAME(conv_winograd_weight)(c, n, s, x, dy, dw);
        return;
    }
    struct conv_plan plan =
        ISA_NAME(conv_plan)(c, n, ISA_NAME(conv_forward_axis)(s->h, s->kh, s->stride, s->pad),
                            ISA_NAME(conv_forward_axis)(s->w, s->kw, s->stride, s->pad), s->in, x);
    struct conv_phase rows = ISA_NAME(conv_phase)(&plan.y, 0);
    struct conv_phase columns = ISA_NAME(conv_phase)(&plan.x, 0);
    int run = s->kw * s->in, weights = s->kh * run;
    struct conv_block b = {0};
    while (ISA_NAME(conv_next_block)(&plan, &b)) {
        struct conv_windows w;
        w.image = w.y = w.x = 0;
        while (ISA_NAME(conv_next_windows)(&plan, &b, &rows, &columns, s->out, &w)) {
            struct tall left = {.data = dy, .at = w.to};
            struct tall right = {.data = b.data, .at = w.from, .run = (size_t)run, .apart = b.row};
            ISA_NAME(gemm_tall)
            (s->out, weights, w.n, &left, &right, 1, dw, weights, c->workspace + HALF);
        }
    }
}
