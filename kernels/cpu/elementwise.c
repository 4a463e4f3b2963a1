/* elementwise.c -- y = a x + b y, a row added to every row, and copies. */
#include "kernels/cpu/cpu.h"

#include <string.h>

/* Without b, y is not read: it may hold NaN. */
static void axpby_block(size_t n, float a, const float *x, float b, float *y) {
    if (b == 0)
        for (size_t i = 0; i < n; i += VEC_WIDTH)
            vec_store_first(y + i, n - i, a * vec_load_first(x + i, n - i));
    else
        for (size_t i = 0; i < n; i += VEC_WIDTH)
            vec_store_first(y + i, n - i,
                            a * vec_load_first(x + i, n - i) + b * vec_load_first(y + i, n - i));
}

void ISA_NAME(axpby)(const struct kctx *c, size_t n, float a, const float *x, float b, float *y) {
#pragma omp parallel for if (c->threads > 1) num_threads(c->threads) schedule(static)
    for (size_t at = 0; at < n; at += BLOCK)
        axpby_block(n - at < BLOCK ? n - at : BLOCK, a, x + at, b, y + at);
}

void ISA_NAME(fill)(const struct kctx *c, size_t n, float value, float *y) {
    (void)c;
    for (size_t i = 0; i < n; i += VEC_WIDTH)
        vec_store_first(y + i, n - i, vec_set(value));
}

static void add_row(size_t n, const float *x, float *y) {
    for (size_t i = 0; i < n; i += VEC_WIDTH)
        vec_store_first(y + i, n - i, vec_load_first(y + i, n - i) + vec_load_first(x + i, n - i));
}

void ISA_NAME(copy_rows)(const struct kctx *c, int rows, int cols, const float *x, int ldx, int acc,
                         float *y, int ldy) {
    (void)c;
    size_t n = (size_t)cols;
    if (ldx == cols && ldy == cols && rows > 0) { /* one long row */
        n *= (size_t)rows;
        rows = 1;
    }
    for (int i = 0; i < rows && n; i++, x += ldx, y += ldy)
        if (acc)
            add_row(n, x, y);
        else
            memcpy(y, x, n * sizeof *y);
}

void ISA_NAME(add_broadcast)(const struct kctx *c, int n, int inner, const float *x, const float *b,
                             float *y) {
    (void)c;
    size_t cols = (size_t)inner;
    for (int row = 0; row < n; row++, x += cols, y += cols)
        for (size_t i = 0; i < cols; i += VEC_WIDTH)
            vec_store_first(y + i, cols - i,
                            vec_load_first(x + i, cols - i) + vec_load_first(b + i, cols - i));
}
