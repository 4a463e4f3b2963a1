/* gemm.c -- matrix products from register tiles (gemm_micro.h).
 *
 * gemm_packed is what networks run on: the right-hand side was packed once into panels of NR
 * columns, a tile's whole reduction happens in registers and bias, activation and residual are
 * added before it is stored.  Rows are taken in blocks that stay in the second-level cache.
 *
 * gemm of two tall matrices, which makes the gradients of weights, is gemm_tall's; the rest goes to
 * the library, which runs on one thread (kernels.c says so to it).
 */
#include "kernels/cpu/activation.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/gemm_tall.h"

#include <cblas.h>
#include <string.h>

enum { L2_REALS = 1 << 16 };

static int least(int a, int b) {
    return a < b ? a : b;
}

size_t ISA_NAME(gemm_pack_size)(int n, int k) {
    return (size_t)gemm_round_up(n, NR) * (size_t)k;
}

/* op(w) (k,n) into panels (n/NR, k, NR), the last one padded with zeros. */
static void pack_panels(int transposed, int n, int k, const float *w, int ldw, float *packed) {
    for (int j = 0; j < n; j += NR) {
        int width = least(NR, n - j);
        float *panel = packed + (size_t)j * (size_t)k;
        if (width < NR)
            memset(panel, 0, sizeof *panel * (size_t)k * NR);
        if (!transposed) {
            for (int r = 0; r < k; r++)
                memcpy(panel + (size_t)r * NR, w + (size_t)r * (size_t)ldw + j,
                       sizeof *panel * (size_t)width);
            continue;
        }
        for (int q = 0; q < width; q++) {
            const float *row = w + (size_t)(j + q) * (size_t)ldw;
            for (int r = 0; r < k; r++)
                panel[(size_t)r * NR + (size_t)q] = row[r];
        }
    }
}

void ISA_NAME(gemm_pack)(const struct kctx *c, int tw, int n, int k, const float *w, int ldw,
                         const float *turned, float *packed) {
    (void)c;
    (void)turned;
    pack_panels(tw, n, k, w, ldw, packed);
}

struct epilogue { /* pointers to the tile's first element; row stride n */
    const float *bias, *residual;
    float *slope;
    enum activation act;
    int n;
};

/* The first `left` of a vector of products, at + column in its row, to y. */
VEC_INLINE void finish_vector(enum activation act, const struct epilogue *e, size_t at,
                              size_t column, size_t left, vec v, float *y) {
    if (e->bias)
        v += vec_load_first(e->bias + column, left);
    if (e->slope) {
        vec slope;
        v = vactivation_and_slope(act, v, &slope);
        vec_store_first(e->slope + at + column, left, slope);
    } else
        v = vactivation(act, v);
    if (e->residual)
        v += vec_load_first(e->residual + at + column, left);
    vec_store_first(y + column, left, v);
}

VEC_INLINE void finish_tile(enum activation act, const struct epilogue *e, int rows, int width,
                            vec sum[MR][2], float *y, int ldy) {
    for (int i = 0; i < rows; i++) {
        size_t at = (size_t)i * (size_t)e->n, left = (size_t)width;
        float *row = y + (size_t)i * (size_t)ldy;
        finish_vector(act, e, at, 0, left, sum[i][0], row);
        if (left > VEC_WIDTH)
            finish_vector(act, e, at, VEC_WIDTH, left - VEC_WIDTH, sum[i][1], row);
    }
}

/* Any tile, from memory: the code of each activation is there once, not in every size of tile. */
static __attribute__((noinline)) void finish_any(const struct epilogue *e, int rows, int width,
                                                 vec sum[MR][2], float *y, int ldy){
#define FINISH(ACT) finish_tile(ACT, e, rows, width, sum, y, ldy)
    EACH_ACTIVATION(e->act, FINISH)
#undef FINISH
}

/* Asks for the lines that the tile will be stored to, which arrive while it is computed: on their
 * way through a network results go to memory that was last used a layer or a batch ago. */
VEC_INLINE void expect_tile(int rows, const struct epilogue *e, float *y, int ldy) {
    enum { LINE = 16 };
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < NR; j += LINE) {
            __builtin_prefetch(y + (size_t)i * (size_t)ldy + j, 1);
            if (e->slope)
                __builtin_prefetch(e->slope + (size_t)i * (size_t)e->n + j, 1);
            if (e->residual)
                __builtin_prefetch(e->residual + (size_t)i * (size_t)e->n + j, 0);
        }
}

static inline __attribute__((always_inline)) void
packed_tile(int rows, int width, int k, const float *a, int lda, const float *panel,
            const struct epilogue *e, float *y, int ldy) {
    vec sum[MR][2];
    expect_tile(rows, e, y, ldy);
    micro_sum(rows, k, a, (size_t)lda, 1, panel, NR, sum);
    if (width < NR || e->act) {
        finish_any(e, rows, width, sum, y, ldy);
        return;
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        size_t at = (size_t)i * (size_t)e->n;
        float *row = y + (size_t)i * (size_t)ldy;
        finish_vector(ACT_NONE, e, at, 0, NR, sum[i][0], row);
        finish_vector(ACT_NONE, e, at, VEC_WIDTH, NR, sum[i][1], row);
    }
}

/* Rows of one tile: full tiles of MR while there are any, then what is left in at most sixes. */
static int tile_rows(int left) {
    return left >= MR ? MR : least(left, 6);
}

static void packed_rows(int rows, int width, int k, const float *a, int lda, const float *panel,
                        const struct epilogue *e, float *y, int ldy) {
#define TILE(R) packed_tile(R, width, k, a, lda, panel, e, y, ldy)
    if (rows == MR) {
        TILE(MR);
        return;
    }
    EACH_ROWS(rows, TILE)
#undef TILE
}

void ISA_NAME(gemm_packed)(const struct kctx *c, int m, int n, int k, const float *a, int lda,
                           const float *packed, const float *bias, enum activation act, float *kept,
                           const float *residual, float *y, int ldy) {
    (void)c;
    int block = L2_REALS / (k + 1) / MR * MR;
    block = block < MR ? MR : block;
    for (int i0 = 0; i0 < m; i0 += block)
        for (int j = 0; j < n; j += NR) {
            const float *panel = packed + (size_t)j * (size_t)k;
            int end = least(i0 + block, m);
            for (int i = i0; i < end;) {
                int rows = tile_rows(end - i);
                size_t at = (size_t)i * (size_t)n + (size_t)j;
                const struct epilogue e = {.bias = bias ? bias + j : NULL,
                                           .residual = residual ? residual + at : NULL,
                                           .slope = kept ? kept + at : NULL,
                                           .act = act,
                                           .n = n};
                packed_rows(rows, least(NR, n - j), k, a + (size_t)i * (size_t)lda, lda, panel, &e,
                            y + (size_t)i * (size_t)ldy + j, ldy);
                i += rows;
            }
        }
}

void ISA_NAME(gemm)(const struct kctx *c, int ta, int tb, int m, int n, int k, float alpha,
                    const float *a, int lda, const float *b, int ldb, float beta, float *y,
                    int ldy) {
    if (ta && !tb && m && n && k && alpha == 1 && (beta == 0 || beta == 1) && c->workspace) {
        struct tall left = {.data = a, .ld = (size_t)lda}, right = {.data = b, .ld = (size_t)ldb};
        ISA_NAME(gemm_tall)(m, n, k, &left, &right, beta != 0, y, ldy, c->workspace);
    } else if (m && n) {
        cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
                    m, n, k, alpha, a, lda, b, ldb, beta, y, ldy);
    }
}
