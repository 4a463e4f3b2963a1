/* conv_weight.c -- the gradient of a convolution's weights: the product of the output's gradient at
 * some windows (conv_window.h), transposed, and of what these windows see.
 *
 * Of few channels a window's row is so short that packing it takes a share of the time; then both
 * are read where they are, and a tile is some of the row by two vectors of output channels.
 */
#include "kernels/cpu/conv_window.h"
#include "kernels/cpu/conv_winograd.h"
#include "kernels/cpu/gemm_tall.h"

enum { HALF = KERNEL_WORKSPACE / 2 /* the first is the block's */, SHORT = 36 };
_Static_assert(TALL_ROOM(CONV_WINDOWS) <= HALF, "a block and its panels fit the workspace");

struct job {
    const struct conv_windows *w;
    const struct conv_block *b;
    const float *dy;
    int rows, run; /* of a window */
    int out;
    float *sums; /* (rows run, out) */
};

/* size numbers of each window, from `from` on, with output channels j..j+NR-1. */
VEC_INLINE void few(int size, const struct job *t, size_t from, int j, float *sums) {
    vec s[MR][2];
    const float *x = t->b->data + from, *dy = t->dy + j;
#pragma GCC unroll 12
    for (int i = 0; i < size; i++)
        s[i][0] = s[i][1] = vec_set(0);
    for (int k = 0; k < t->w->n; k++) {
        const float *seen = x + t->w->from[k], *d = dy + t->w->to[k];
        vec d0 = vec_load(d), d1 = vec_load(d + VEC_WIDTH);
#pragma GCC unroll 12
        for (int i = 0; i < size; i++) {
            vec v = vec_set(seen[i]);
            s[i][0] += v * d0;
            s[i][1] += v * d1;
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < size; i++, sums += t->out) {
        vec_store(sums, vec_load(sums) + s[i][0]);
        vec_store(sums + VEC_WIDTH, vec_load(sums + VEC_WIDTH) + s[i][1]);
    }
}

static void few_of(int size, const struct job *t, size_t from, int j, float *sums) {
#define FEW(N) few(N, t, from, j, sums)
#if VEC_BYTES == 64
    switch (size) {
    case 7:
        FEW(7);
        return;
    case 8:
        FEW(8);
        return;
    case 9:
        FEW(9);
        return;
    case 10:
        FEW(10);
        return;
    case 11:
        FEW(11);
        return;
    case 12:
        FEW(12);
        return;
    }
#endif
    EACH_ROWS(size, FEW)
#undef FEW
}

/* A row's numbers in parts that are as long as each other, by one at most. */
static void add_few(const struct job *t) {
    int parts = (t->run + MR - 1) / MR;
    for (int row = 0; row < t->rows; row++)
        for (int part = 0; part < parts; part++) {
            int first = t->run * part / parts, end = t->run * (part + 1) / parts;
            size_t from = (size_t)row * t->b->row + (size_t)first;
            float *sums = t->sums + (size_t)(row * t->run + first) * (size_t)t->out;
            for (int j = 0; j < t->out; j += NR)
                few_of(end - first, t, from, j, sums + j);
        }
}

static int are_few(const struct conv_shape *s) {
    int run = s->kw * s->in;
    return run <= SHORT && s->out % NR == 0 && s->kh * run * s->out <= HALF;
}

/* dw (out,weights) += sums (weights,out) */
static void finish(int out, int weights, const float *sums, float *dw) {
    for (int o = 0; o < out; o++, dw += weights)
        for (int i = 0; i < weights; i++)
            dw[i] += sums[(size_t)i * (size_t)out + (size_t)o];
}

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
    int run = s->kw * s->in, weights = s->kh * run, short_rows = are_few(s);
    struct conv_block b = {0};
    struct conv_windows w;
    const struct job job = {.w = &w,
                            .b = &b,
                            .dy = dy,
                            .rows = s->kh,
                            .run = run,
                            .out = s->out,
                            .sums = c->workspace + HALF};
    if (short_rows)
        memset(job.sums, 0, (size_t)weights * (size_t)s->out * sizeof *job.sums);
    while (ISA_NAME(conv_next_block)(&plan, &b)) {
        w.image = w.y = w.x = 0;
        while (ISA_NAME(conv_next_windows)(&plan, &b, &rows, &columns, s->out, &w)) {
            struct tall left = {.data = dy, .at = w.to};
            struct tall right = {.data = b.data, .at = w.from, .run = (size_t)run, .apart = b.row};
            if (short_rows)
                add_few(&job);
            else
                ISA_NAME(gemm_tall)
            (s->out, weights, w.n, &left, &right, 1, dw, weights, c->workspace + HALF);
        }
    }
    if (short_rows)
        finish(s->out, weights, job.sums, dw);
}
