/* conv_tile.c -- a tile is some windows by one or two vectors of output channels; its reduction,
 * over the rows of a window and then over each row's run of memory, happens in registers. */
#include "kernels/cpu/conv_tile.h"

enum {
    NARROW = CONV_TILE, /* windows of a tile of one vector, */
#if VEC_BYTES == 64
    WIDE = CONV_TILE, /* of two: what the registers hold */
#else
    WIDE = CONV_TILE / 2,
#endif
};

struct product {
    int rows, run; /* of a window: rows, and reals in each */
    size_t row;    /* reals from row to row */
    const float *bias;
    int acc, n; /* n: columns of the result */
    float *y;
};

/* y = acc y + v, n lanes */
VEC_INLINE void store(int acc, size_t n, vec v, float *y) {
    vec_store_first(y, n, acc ? v + vec_load_first(y, n) : v);
}

/* Windows at..at+size-1. */
VEC_INLINE void tile(int size, int vectors, const struct product *p, const struct conv_block *b,
                     const struct conv_windows *w, int at, const float *panel, int j) {
    vec s[NARROW][2];
    const float *a[NARROW];
#pragma GCC unroll 12
    for (int i = 0; i < size; i++) {
        s[i][0] = s[i][1] = vec_set(0);
        a[i] = b->data + w->from[at + i];
    }
    for (int row = 0; row < p->rows; row++) {
        for (int k = 0; k < p->run; k++, panel += vectors * VEC_WIDTH) {
            vec b0 = vec_load(panel), b1 = vectors > 1 ? vec_load(panel + VEC_WIDTH) : b0;
#pragma GCC unroll 12
            for (int i = 0; i < size; i++) {
                vec x = vec_set(a[i][k]);
                s[i][0] += x * b0;
                if (vectors > 1)
                    s[i][1] += x * b1;
            }
        }
#pragma GCC unroll 12
        for (int i = 0; i < size; i++)
            a[i] += p->row;
    }
    size_t n = (size_t)(p->n - j), more = n - VEC_WIDTH; /* columns in either vector */
    vec bias[2] = {{0}};
    if (p->bias) {
        bias[0] = vec_load_first(p->bias + j, n);
        if (vectors > 1)
            bias[1] = vec_load_first(p->bias + j + VEC_WIDTH, more);
    }
#pragma GCC unroll 12
    for (int i = 0; i < size; i++) {
        if (at + i >= w->n)
            break;
        float *y = p->y + w->to[at + i] + j;
        store(p->acc, n, s[i][0] + bias[0], y);
        if (vectors > 1)
            store(p->acc, more, s[i][1] + bias[1], y + VEC_WIDTH);
    }
}

static __attribute__((noinline)) void wide_tile(const struct product *p, const struct conv_block *b,
                                                const struct conv_windows *w, int at,
                                                const float *panel, int j) {
    tile(WIDE, 2, p, b, w, at, panel, j);
}

static __attribute__((noinline)) void narrow_tile(const struct product *p,
                                                  const struct conv_block *b,
                                                  const struct conv_windows *w, int at,
                                                  const float *panel, int j) {
    tile(NARROW, 1, p, b, w, at, panel, j);
}

static void multiply(const struct product *p, const struct conv_block *b,
                     const struct conv_windows *w, const float *packed) {
    for (int j = 0; j < p->n;) {
        int width = conv_panel_width(p->n, j);
        if (width == CONV_PANEL)
            for (int at = 0; at < w->n; at += WIDE)
                wide_tile(p, b, w, at, packed, j);
        else
            for (int at = 0; at < w->n; at += NARROW)
                narrow_tile(p, b, w, at, packed, j);
        packed += (size_t)p->rows * (size_t)p->run * (size_t)width;
        j += width;
    }
}

void ISA_NAME(conv_multiply)(const struct conv_plan *plan, const float *packed, const float *bias,
                             int acc, int n, float *y) {
    struct conv_block b = {0};
    while (ISA_NAME(conv_next_block)(plan, &b)) {
        const float *weights = packed;
        for (int py = 0; py < plan->y.out_step; py++)
            for (int px = 0; px < plan->x.out_step; px++) {
                struct conv_phase vertical = ISA_NAME(conv_phase)(&plan->y, py);
                struct conv_phase horizontal = ISA_NAME(conv_phase)(&plan->x, px);
                struct product p = {.rows = vertical.taps,
                                    .run = horizontal.taps * plan->channels,
                                    .row = b.row,
                                    .bias = bias,
                                    .acc = acc,
                                    .n = n,
                                    .y = y};
                struct conv_windows w;
                w.image = w.y = w.x = 0;
                while (ISA_NAME(conv_next_windows)(plan, &b, &vertical, &horizontal, n, &w))
                    multiply(&p, &b, &w, weights);
                weights += conv_panels_size(n, (size_t)p.rows * (size_t)p.run);
            }
    }
}
