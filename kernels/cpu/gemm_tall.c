/* gemm_tall.c -- y = a' b, the sum over the rows of both.
 *
 * As rows are what is summed over, columns lie beside each other in memory the way that a register
 * tile wants them: packing copies, and turns nothing around.  A block of b's columns is packed once
 * and stays in the second-level cache, MR columns of a at a time in the first.
 */
#include "kernels/cpu/gemm_tall.h"

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/gemm_micro.h"

#include <string.h>

enum { DEPTH = 1024, BLOCK_COLUMNS = 256 };
_Static_assert(DEPTH *(BLOCK_COLUMNS + MR) <= KERNEL_WORKSPACE, "both panels fit the workspace");

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Columns first..first+width-1 of x (depth, ldx) to panels (width / NR, depth, NR), the last one
 * padded with zeros. */
static void pack_right(int depth, int width, const float *x, size_t ldx, float *out) {
    for (int j = 0; j < width; j += NR) {
        size_t columns = (size_t)least(NR, width - j);
        for (int k = 0; k < depth; k++, out += NR) {
            const float *row = x + (size_t)k * ldx + j;
            vec_store(out, vec_load_first(row, columns));
            vec_store(out + VEC_WIDTH, columns > VEC_WIDTH
                                           ? vec_load_first(row + VEC_WIDTH, columns - VEC_WIDTH)
                                           : vec_set(0));
        }
    }
}

VEC_INLINE void pack_left(int rows, int depth, const float *x, size_t ldx, float *out) {
    for (int k = 0; k < depth; k++)
        memcpy(out + (size_t)k * MR, x + (size_t)k * ldx, sizeof *x * (size_t)rows);
}

/* A row of tiles: `rows` columns of a with all panels of a block. */
struct band {
    int width, depth, add;
    const float *a, *panels;
    size_t lda;
    float *left, *y; /* (depth, MR); the band's first element */
    size_t ldy;
};

VEC_INLINE void multiply_band(int rows, const struct band *t) {
    pack_left(rows, t->depth, t->a, t->lda, t->left);
    for (int j = 0; j < t->width; j += NR) {
        vec sum[MR][2];
        size_t columns = (size_t)least(NR, t->width - j);
        float *y = t->y + j;
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            __builtin_prefetch(y + (size_t)i * t->ldy, 1);
            __builtin_prefetch(y + (size_t)i * t->ldy + NR / 2, 1);
        }
        micro_sum(rows, t->depth, t->left, 1, MR, t->panels + (size_t)j * (size_t)t->depth, NR,
                  sum);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++, y += t->ldy)
            for (size_t v = 0; v < 2 && v * VEC_WIDTH < columns; v++) {
                size_t left = columns - v * VEC_WIDTH;
                float *to = y + v * VEC_WIDTH;
                vec_store_first(to, left,
                                t->add ? vec_load_first(to, left) + sum[i][v] : sum[i][v]);
            }
    }
}

static void multiply_rows(int rows, const struct band *t) {
#define BAND(R) multiply_band(R, t)
    if (rows == MR)
        BAND(MR);
    else
        EACH_ROWS(rows, BAND)
#undef BAND
}

void ISA_NAME(gemm_tall)(int m, int n, int k, const float *a, int lda, const float *b, int ldb,
                         int add, float *y, int ldy, float *workspace) {
    float *panels = workspace + DEPTH * MR;
    for (int k0 = 0; k0 < k; k0 += DEPTH)
        for (int j = 0; j < n; j += BLOCK_COLUMNS) {
            struct band t = {.width = least(BLOCK_COLUMNS, n - j),
                             .depth = least(DEPTH, k - k0),
                             .add = add || k0,
                             .panels = panels,
                             .lda = (size_t)lda,
                             .left = workspace,
                             .ldy = (size_t)ldy};
            pack_right(t.depth, t.width, b + (size_t)k0 * (size_t)ldb + j, (size_t)ldb, panels);
            for (int i = 0, rows; i < m; i += rows) {
                rows = m - i >= MR ? MR : least(m - i, 6);
                t.a = a + (size_t)k0 * (size_t)lda + i;
                t.y = y + (size_t)i * (size_t)ldy + j;
                multiply_rows(rows, &t);
            }
        }
}
