/* conv_weight.c -- the gradient of a convolution's weights: for each window (conv_window.h) the
 * outer product of the output's gradient and of what the window sees.
 *
 * A tile is some output channels by up to three vectors of a window's row, summed in registers over
 * as many windows as stay in the first-level cache.
 */
#include "kernels/cpu/conv_window.h"
#include "kernels/cpu/conv_winograd.h"

enum {
#if VEC_BYTES == 64
    ROWS = 8, /* times three vectors: 24 of 32 registers, or 12 of 16 */
#else
    ROWS = 4,
#endif
    AT_ONCE = CONV_WINDOWS / 2,
};

/* Up to three vectors, one after the other in a row of the window or, where a row is no more than
 * one, in rows one after the other. */
struct weight_tile {
    int n;                   /* windows */
    const size_t *from, *to; /* see conv_windows */
    const float *x, *dy;     /* what `from` and `to` are places in; x: of the first vector */
    size_t x_step, w_step;   /* reals of x and of dw from vector to vector */
    int vectors;
    size_t lanes[3];
    size_t channel[ROWS]; /* of dy */
    vec sum[ROWS][3];
};

VEC_INLINE void outer_products(int vectors, struct weight_tile *t) {
    vec s[ROWS][3];
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++)
        s[i][0] = s[i][1] = s[i][2] = vec_set(0);
    for (int p = 0; p < t->n; p++) {
        const float *x = t->x + t->from[p], *dy = t->dy + t->to[p];
        vec x0 = vec_load(x), x1 = vectors > 1 ? vec_load(x + t->x_step) : x0;
        vec x2 = vectors > 2 ? vec_load(x + 2 * t->x_step) : x0;
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; i++) {
            vec g = vec_set(dy[t->channel[i]]);
            s[i][0] += g * x0;
            if (vectors > 1)
                s[i][1] += g * x1;
            if (vectors > 2)
                s[i][2] += g * x2;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) {
        t->sum[i][0] = s[i][0];
        t->sum[i][1] = s[i][1];
        t->sum[i][2] = s[i][2];
    }
}

/* Functions of their own, so that the sums get the registers. */
static __attribute__((noinline)) void one_vector(struct weight_tile *t) {
    outer_products(1, t);
}

static __attribute__((noinline)) void two_vectors(struct weight_tile *t) {
    outer_products(2, t);
}

static __attribute__((noinline)) void three_vectors(struct weight_tile *t) {
    outer_products(3, t);
}

static void add(float *to, size_t lanes, vec v) {
    if (lanes >= VEC_WIDTH) {
        vec_store(to, vec_load(to) + v);
        return;
    }
    float lane[VEC_WIDTH];
    vec_store(lane, v);
    for (size_t i = 0; i < lanes; i++)
        to[i] += lane[i];
}

/* All output channels; dw: of the first vector for channel 0, `weights` for each channel. */
static void add_channels(struct weight_tile *t, int out, size_t weights, float *dw) {
    static void (*const sums[])(struct weight_tile *) = {one_vector, two_vectors, three_vectors};
    for (int co = 0; co < out; co += ROWS, dw += ROWS * weights) {
        int rows = out - co < ROWS ? out - co : ROWS;
        for (int i = 0; i < ROWS; i++)
            t->channel[i] = (size_t)(co + (i < rows ? i : rows - 1));
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < t->vectors; v++)
                __builtin_prefetch(dw + (size_t)i * weights + (size_t)v * t->w_step, 1);
        sums[t->vectors - 1](t);
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < t->vectors; v++)
                add(dw + (size_t)i * weights + (size_t)v * t->w_step, t->lanes[v], t->sum[i][v]);
    }
}

/* How many of the vectors that are left to take: 4 are 2 and 2. */
static int take(int vectors) {
    return vectors == 4 ? 2 : vectors < 3 ? vectors : 3;
}

static void add_windows(const struct conv_shape *s, const struct conv_block *b,
                        const struct conv_windows *w, int at, const float *dy, float *dw) {
    size_t run = (size_t)s->kw * (size_t)s->in, weights = (size_t)s->kh * run;
    struct weight_tile t = {.n = w->n - at < AT_ONCE ? w->n - at : AT_ONCE,
                            .from = w->from + at,
                            .to = w->to + at,
                            .dy = dy,
                            .x_step = VEC_WIDTH,
                            .w_step = VEC_WIDTH};
    int short_rows = run <= VEC_WIDTH, rows = short_rows ? s->kh : 1;
    if (short_rows) {
        t.x_step = b->row;
        t.w_step = run;
    }
    for (int ky = 0; ky < s->kh; ky += rows) {
        size_t vectors = short_rows ? (size_t)rows : (run + VEC_WIDTH - 1) / VEC_WIDTH;
        for (size_t v = 0; v < vectors; v += (size_t)t.vectors) {
            t.vectors = take((int)(vectors - v));
            for (size_t i = 0; i < 3; i++)
                t.lanes[i] = short_rows ? run : run - (v + i) * VEC_WIDTH;
            t.x = b->data + (size_t)ky * b->row + v * t.x_step;
            add_channels(&t, s->out, weights, dw + (size_t)ky * run + v * t.w_step);
        }
    }
}

void ISA_NAME(conv2d_backward_weight)(const struct kctx *c, int n, const struct conv_shape *s,
                                      const float *x, const float *dy, float *dw) {
    if (!s->in)
        return;
    if (ISA_NAME(conv_winograd_pays)(s)) {
        ISA_NAME(conv_winograd_weight)(c, n, s, x, dy, dw);
        return;
    }
    /* A tile reads whole vectors, beyond the end of a row: then that must be the workspace. */
    struct conv_plan plan =
        ISA_NAME(conv_plan)(c, n, ISA_NAME(conv_forward_axis)(s->h, s->kh, s->stride, s->pad),
                            ISA_NAME(conv_forward_axis)(s->w, s->kw, s->stride, s->pad), s->in, x,
                            s->kw * s->in % VEC_WIDTH != 0);
    struct conv_phase rows = ISA_NAME(conv_phase)(&plan.y, 0);
    struct conv_phase columns = ISA_NAME(conv_phase)(&plan.x, 0);
    struct conv_block b = {0};
    while (ISA_NAME(conv_next_block)(&plan, &b)) {
        struct conv_windows w;
        w.image = w.y = w.x = 0;
        while (ISA_NAME(conv_next_windows)(&plan, &b, &rows, &columns, s->out, &w))
            for (int at = 0; at < w.n; at += AT_ONCE)
                add_windows(s, &b, &w, at, dy, dw);
    }
}
