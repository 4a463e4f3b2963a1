/* copy.c -- what only moves: constants, rows, indices. */
#include "kernels/ref/ref.h"

void ref_fill(const struct kctx *c, size_t n, real value, real *y) {
    (void)c;
    for (size_t i = 0; i < n; i++)
        y[i] = value;
}

void ref_copy_rows(const struct kctx *c, int rows, int cols, const real *x, int ldx, int acc,
                   real *y, int ldy) {
    (void)c;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) {
            real *to = y + (size_t)i * (size_t)ldy + (size_t)j;
            real from = x[(size_t)i * (size_t)ldx + (size_t)j];
            *to = acc ? *to + from : from;
        }
}

void ref_copy_index_rows(const struct kctx *c, int rows, int cols, const int32_t *x, int ldx,
                         int step, int32_t *y) {
    (void)c;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++)
            *y++ = x[(size_t)i * (size_t)ldx + (size_t)j * (size_t)step];
}

void ref_pick_index(const struct kctx *c, int n, int rows_out, const int32_t *x, int ldx,
                    const int32_t *places, int ldp, int32_t *y) {
    (void)c;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < rows_out; j++) {
            int32_t place = places[(size_t)i * (size_t)ldp + (size_t)j];
            *y++ = place < 0 ? -1 : x[(size_t)i * (size_t)ldx + (size_t)place];
        }
}
