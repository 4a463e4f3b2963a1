/* attention.c -- per image and head: scores, softmax and mixing from register tiles.
 *
 * The right-hand side of every product is packed into the workspace with rows of a multiple of NR,
 * zero-padded, so that any number of tokens and any head width runs through whole tiles.
 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/vmath.h"

#include <math.h>
#include <string.h>

/* y (rows n) [i*ldy + j], j < width = a b, a as in micro_sum, b (depth, ldb) with ldb >= width
 * rounded up to NR */
static inline __attribute__((always_inline)) void product_tile(int rows, int width, int depth,
                                                               const float *a, size_t row_stride,
                                                               size_t k_stride, const float *b,
                                                               size_t ldb, float *y, size_t ldy) {
    vec sum[MR][2];
    micro_sum(rows, depth, a, row_stride, k_stride, b, ldb, sum);
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        if (width >= NR) {
            vec_store(y + (size_t)i * ldy, sum[i][0]);
            vec_store(y + (size_t)i * ldy + VEC_WIDTH, sum[i][1]);
        } else {
            float value[NR];
            vec_store(value, sum[i][0]);
            vec_store(value + VEC_WIDTH, sum[i][1]);
            memcpy(y + (size_t)i * ldy, value, sizeof *y * (size_t)width);
        }
    }
}

static void product(int m, int n, int depth, const float *a, size_t row_stride, size_t k_stride,
                    const float *b, size_t ldb, float *y, size_t ldy) {
    for (int j = 0; j < n; j += NR)
        for (int i = 0; i < m;) {
            int rows = m - i >= MR ? MR : m - i < 6 ? m - i : 6;
            const float *left = a + (size_t)i * row_stride;
            float *to = y + (size_t)i * ldy + j;
            int width = n - j < NR ? n - j : NR;
#define TILE(R) product_tile(R, width, depth, left, row_stride, k_stride, b + j, ldb, to, ldy)
            if (rows == MR)
                TILE(MR);
            else
                EACH_ROWS(rows, TILE)
#undef TILE
            i += rows;
        }
}

/* (t,d) with row stride ld, to out (t, ldo) or transposed to out (d, ldo); the rest of each row 0
 */
static void pack_rows(int t, int d, const float *x, size_t ld, float *out, int ldo) {
    for (int i = 0; i < t; i++) {
        memcpy(out + (size_t)i * (size_t)ldo, x + (size_t)i * ld, sizeof *x * (size_t)d);
        memset(out + (size_t)i * (size_t)ldo + d, 0, sizeof *x * (size_t)(ldo - d));
    }
}

static void pack_transposed(int t, int d, const float *x, size_t ld, float *out, int ldo) {
    for (int k = 0; k < d; k++)
        memset(out + (size_t)k * (size_t)ldo + t, 0, sizeof *x * (size_t)(ldo - t));
    for (int i = 0; i < t; i++)
        for (int k = 0; k < d; k++)
            out[(size_t)k * (size_t)ldo + (size_t)i] = x[(size_t)i * ld + (size_t)k];
}

/* s (t scores, room for `padded`, a multiple of the vector) to softmax(scale s); zeros after t */
static void softmax_row(int t, int padded, float scale, float *s) {
    for (int j = t; j < padded; j++)
        s[j] = -INFINITY;
    vec most = vec_load(s);
    for (int j = VEC_WIDTH; j < padded; j += VEC_WIDTH)
        most = vec_max(vec_load(s + j), most);
    vec shift = vec_set(vec_largest(most)), sum = vec_set(0);
    for (int j = 0; j < padded; j += VEC_WIDTH) {
        vec e = vexp((vec_load(s + j) - shift) * scale);
        vec_store(s + j, e);
        sum += e;
    }
    float inverse = 1 / vec_sum(sum);
    for (int j = 0; j < padded; j += VEC_WIDTH)
        vec_store(s + j, vec_load(s + j) * inverse);
}

/* Pieces of the workspace, for t tokens and heads of d. */
struct scratch {
    int tn, dn;               /* t and d rounded up to NR */
    float *narrow, *wide, *s; /* (t, dn), (d, tn), (t, tn) */
};

static struct scratch scratch_for(const struct kctx *c, int t, int d) {
    struct scratch w = {.tn = gemm_round_up(t, NR), .dn = gemm_round_up(d, NR)};
    w.narrow = c->workspace;
    w.wide = w.narrow + (size_t)t * (size_t)w.dn;
    w.s = w.wide + (size_t)d * (size_t)w.tn;
    CHECK((size_t)(w.s - c->workspace) + (size_t)t * (size_t)w.tn <= KERNEL_WORKSPACE,
          "%d tokens of width %d do not fit the workspace", t, d);
    return w;
}

void ISA_NAME(attention_forward)(const struct kctx *c, int n, int t, int heads, int d, float scale,
                                 const float *qkv, float *p, float *y) {
    if (!n || !t || !heads)
        return;
    const struct scratch w = scratch_for(c, t, d);
    int tp = attention_stride(t), padded = gemm_round_up(t, VEC_WIDTH);
    size_t dim = (size_t)heads * (size_t)d, ld = 3 * dim;
    for (int image = 0; image < n; image++)
        for (int h = 0; h < heads; h++) {
            const float *q = qkv + (size_t)image * (size_t)t * ld + (size_t)h * (size_t)d;
            float *probability =
                p + ((size_t)image * (size_t)heads + (size_t)h) * (size_t)t * (size_t)tp;
            pack_transposed(t, d, q + dim, ld, w.wide, w.tn);
            pack_rows(t, d, q + 2 * dim, ld, w.narrow, w.dn);
            product(t, w.tn, d, q, ld, 1, w.wide, (size_t)w.tn, w.s, (size_t)w.tn);
            for (int i = 0; i < t; i++) {
                float *row = w.s + (size_t)i * (size_t)w.tn;
                softmax_row(t, padded, scale, row);
                memcpy(probability + (size_t)i * (size_t)tp, row, sizeof *row * (size_t)t);
                memset(probability + (size_t)i * (size_t)tp + t, 0, sizeof *row * (size_t)(tp - t));
            }
            product(t, d, t, w.s, (size_t)w.tn, 1, w.narrow, (size_t)w.dn,
                    y + (size_t)image * (size_t)t * dim + (size_t)h * (size_t)d, dim);
        }
}

/* s (t, tn) = p * (s - rowsum(p * s)) * scale: the gradient of the scores from that of p.  Whole
 * vectors where the row of p (t, tp) has them, then the rest. */
static void softmax_gradient(int t, int tp, int tn, float scale, const float *p, float *s) {
    int whole = t / VEC_WIDTH * VEC_WIDTH;
    for (int i = 0; i < t; i++) {
        const float *pr = p + (size_t)i * (size_t)tp;
        float *row = s + (size_t)i * (size_t)tn;
        vec sum = vec_set(0);
        for (int j = 0; j < whole; j += VEC_WIDTH)
            sum += vec_load(pr + j) * vec_load(row + j);
        float dot = vec_sum(sum);
        for (int j = whole; j < t; j++)
            dot += pr[j] * row[j];
        for (int j = 0; j < whole; j += VEC_WIDTH)
            vec_store(row + j, vec_load(pr + j) * (vec_load(row + j) - dot) * scale);
        for (int j = whole; j < t; j++)
            row[j] = pr[j] * (row[j] - dot) * scale;
    }
}

void ISA_NAME(attention_backward)(const struct kctx *c, int n, int t, int heads, int d, float scale,
                                  const float *qkv, const float *p, const float *dy, float *dqkv) {
    if (!n || !t || !heads)
        return;
    const struct scratch w = scratch_for(c, t, d);
    int tp = attention_stride(t);
    size_t dim = (size_t)heads * (size_t)d, ld = 3 * dim;
    size_t tn = (size_t)w.tn, dn = (size_t)w.dn;
    for (int image = 0; image < n; image++)
        for (int h = 0; h < heads; h++) {
            size_t at = (size_t)image * (size_t)t * ld + (size_t)h * (size_t)d;
            const float *q = qkv + at, *k = q + dim, *v = q + 2 * dim;
            float *dq = dqkv + at, *dk = dq + dim, *dv = dq + 2 * dim;
            const float *pr =
                p + ((size_t)image * (size_t)heads + (size_t)h) * (size_t)t * (size_t)tp;
            const float *dyh = dy + (size_t)image * (size_t)t * dim + (size_t)h * (size_t)d;
            pack_rows(t, d, dyh, dim, w.narrow, w.dn);
            product(t, d, t, pr, 1, (size_t)tp, w.narrow, dn, dv, ld); /* dv = p' dy */
            pack_transposed(t, d, v, ld, w.wide, w.tn);
            product(t, w.tn, d, dyh, dim, 1, w.wide, tn, w.s, tn); /* dp = dy v' */
            softmax_gradient(t, tp, w.tn, scale, pr, w.s);
            pack_rows(t, d, k, ld, w.narrow, w.dn);
            product(t, d, t, w.s, tn, 1, w.narrow, dn, dq, ld); /* dq = ds k */
            pack_rows(t, d, q, ld, w.narrow, w.dn);
            product(t, d, t, w.s, 1, tn, w.narrow, dn, dk, ld); /* dk = ds' q */
        }
}
