/* gemm_tall.c -- y = a' b, the sum over the rows of both.
 *
 * As rows are what is summed over, columns lie beside each other in memory the way that a register
 * tile wants them: packing copies, and turns nothing around.  A block of b's columns is packed once
 * and stays in the second-level cache, MR columns of a at a time in the first.
 */
#include "kernels/cpu/gemm_tall.h"

#include "kernels/cpu/cpu.h"

#include <string.h>

enum { AHEAD = 16 }; /* rows, of the next that are asked for */
_Static_assert(TALL_ROOM(TALL_DEPTH) <= KERNEL_WORKSPACE, "both panels fit the workspace");

static int least(int a, int b) {
    return a < b ? a : b;
}

static const float *row_of(const struct tall *x, int k) {
    return x->data + (x->at ? x->at[k] : (size_t)k * x->ld);
}

/* Columns j..j+columns-1, which lie in one run, to (depth, NR), padded with zeros. */
static void pack_run(const struct tall *x, int k, int depth, size_t j, size_t columns, float *out) {
    if (x->run)
        j = j / x->run * x->apart + j % x->run;
    for (; depth--; k++, out += NR) {
        const float *row = row_of(x, k) + j;
        vec_store(out, vec_load_first(row, columns));
        vec_store(out + VEC_WIDTH, columns > VEC_WIDTH
                                       ? vec_load_first(row + VEC_WIDTH, columns - VEC_WIDTH)
                                       : vec_set(0));
    }
}

/* The same of several runs. */
static void pack_runs(const struct tall *x, int k, int depth, size_t j, size_t columns,
                      float *out) {
    size_t from[NR];
    for (size_t i = 0; i < columns; i++)
        from[i] = (j + i) / x->run * x->apart + (j + i) % x->run;
    for (; depth--; k++, out += NR) {
        const float *row = row_of(x, k);
        for (size_t i = 0; i < columns; i++)
            out[i] = row[from[i]];
        for (size_t i = columns; i < NR; i++)
            out[i] = 0;
    }
}

/* Columns first..first+width-1 of `depth` rows from row k on to panels (width / NR, depth, NR). */
static void pack_right(const struct tall *x, int k, int depth, int first, int width, float *out) {
    for (int j = 0; j < width; j += NR, out += (size_t)depth * NR) {
        size_t begin = (size_t)(first + j), columns = (size_t)least(NR, width - j);
        int one = !x->run || begin / x->run == (begin + columns - 1) / x->run;
        (one ? pack_run : pack_runs)(x, k, depth, begin, columns, out);
    }
}

VEC_INLINE void pack_left(int rows, const struct tall *x, int k, int depth, size_t j, float *out) {
    for (; depth--; k++, out += MR) {
        __builtin_prefetch(row_of(x, depth > AHEAD ? k + AHEAD : k) + j);
        memcpy(out, row_of(x, k) + j, sizeof *out * (size_t)rows);
    }
}

/* A row of tiles: `rows` columns of a with all panels of a block. */
struct band {
    int width, depth, add;
    const struct tall *a;
    int k, i; /* its first row and column here */
    const float *panels;
    float *left, *y; /* (depth, MR); the band's first element */
    size_t ldy;
};

VEC_INLINE void multiply_band(int rows, const struct band *t) {
    pack_left(rows, t->a, t->k, t->depth, (size_t)t->i, t->left);
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

void ISA_NAME(gemm_tall)(int m, int n, int k, const struct tall *a, const struct tall *b, int add,
                         float *y, int ldy, float *workspace) {
    float *panels = workspace + TALL_DEPTH * MR;
    for (int k0 = 0; k0 < k; k0 += TALL_DEPTH)
        for (int j = 0; j < n; j += TALL_COLUMNS) {
            struct band t = {.width = least(TALL_COLUMNS, n - j),
                             .depth = least(TALL_DEPTH, k - k0),
                             .add = add || k0,
                             .a = a,
                             .k = k0,
                             .panels = panels,
                             .left = workspace,
                             .ldy = (size_t)ldy};
            pack_right(b, k0, t.depth, j, t.width, panels);
            for (int rows; t.i < m; t.i += rows) {
                rows = m - t.i >= MR ? MR : least(m - t.i, 6);
                t.y = y + (size_t)t.i * (size_t)ldy + j;
                multiply_rows(rows, &t);
            }
        }
}
