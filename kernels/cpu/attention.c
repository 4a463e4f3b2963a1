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

static int least(int a, int b) {
    return a < b ? a : b;
}

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

/* What a causal mask leaves of a product: all; the tiles of y that are not above the diagonal; the
 * terms with an a on or below it; those with an a on or above it. */
enum part { WHOLE, Y_LOWER, A_LOWER, A_UPPER };

static void product(enum part part, int m, int n, int depth, const float *a, size_t row_stride,
                    size_t k_stride, const float *b, size_t ldb, float *y, size_t ldy) {
    for (int j = 0; j < n; j += NR)
        for (int i = 0, rows; i < m; i += rows) {
            rows = m - i >= MR ? MR : m - i < 6 ? m - i : 6;
            if (part == Y_LOWER && j >= i + rows)
                continue;
            int from = part == A_UPPER ? i : 0, to = part == A_LOWER ? i + rows : depth;
            const float *left = a + (size_t)i * row_stride + (size_t)from * k_stride;
            const float *right = b + (size_t)from * ldb + j;
            float *tile = y + (size_t)i * ldy + j;
            int width = n - j < NR ? n - j : NR;
#define TILE(R) product_tile(R, width, to - from, left, row_stride, k_stride, right, ldb, tile, ldy)
            if (rows == MR)
                TILE(MR);
            else
                EACH_ROWS(rows, TILE)
#undef TILE
        }
}

typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));

/* y (4,4) = x (4,4) transposed; row strides ld and to */
static inline void transpose4(const float *x, size_t ld, float *y, size_t to) {
    quad a = *(const quad *)x, b = *(const quad *)(x + ld);
    quad c = *(const quad *)(x + 2 * ld), d = *(const quad *)(x + 3 * ld);
    quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    quad ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    quad cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(quad *)y = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    *(quad *)(y + to) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    *(quad *)(y + 2 * to) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    *(quad *)(y + 3 * to) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
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
    size_t to = (size_t)ldo;
    int whole_t = t / 4 * 4, whole_d = d / 4 * 4;
    for (int k = 0; k < d; k++)
        memset(out + (size_t)k * to + t, 0, sizeof *x * (size_t)(ldo - t));
    for (int i = 0; i < t; i++)
        for (int k = i < whole_t ? whole_d : 0; k < d; k++)
            out[(size_t)k * to + (size_t)i] = x[(size_t)i * ld + (size_t)k];
    for (int i = 0; i < whole_t; i += 4)
        for (int k = 0; k < whole_d; k += 4)
            transpose4(x + (size_t)i * ld + k, ld, out + (size_t)k * to + i, to);
}

/* The first `seen` of t products, with room for whole vectors, to softmax(scale s + bias), the
 * others to 0. */
static void softmax_row(int t, int seen, float scale, const float *bias, float *s) {
    int padded = gemm_round_up(seen, VEC_WIDTH), last = padded - VEC_WIDTH;
    for (int j = 0; j < seen && bias; j += VEC_WIDTH)
        vec_store(s + j, vec_load(s + j) * scale + vec_load_first(bias + j, (size_t)(seen - j)));
    scale = bias ? 1 : scale;
    vec_store(s + last, vec_first_of(vec_load(s + last), seen - last, vec_set(-INFINITY)));
    vec most = vec_load(s);
    for (int j = VEC_WIDTH; j < padded; j += VEC_WIDTH)
        most = vec_max(vec_load(s + j), most);
    vec shift = vec_set(vec_largest(most)), sum = vec_set(0);
    for (int j = 0; j < padded; j += VEC_WIDTH) {
        vec e = vexp_low((vec_load(s + j) - shift) * scale);
        vec_store(s + j, e);
        sum += e;
    }
    float inverse = 1 / vec_sum(sum);
    for (int j = 0; j < padded; j += VEC_WIDTH)
        vec_store(s + j, vec_load(s + j) * inverse);
    for (int j = padded; j < t; j++)
        s[j] = 0;
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
                                 int causal, const float *bias, const float *qkv, float *p,
                                 float *y) {
    if (!n || !t || !heads)
        return;
    const struct scratch w = scratch_for(c, t, d);
    int tp = attention_stride(t);
    size_t dim = (size_t)heads * (size_t)d, ld = 3 * dim;
    for (int image = 0; image < n; image++)
        for (int h = 0; h < heads; h++) {
            const float *q = qkv + (size_t)image * (size_t)t * ld + (size_t)h * (size_t)d;
            float *probability =
                p + ((size_t)image * (size_t)heads + (size_t)h) * (size_t)t * (size_t)tp;
            pack_transposed(t, d, q + dim, ld, w.wide, w.tn);
            pack_rows(t, d, q + 2 * dim, ld, w.narrow, w.dn);
            product(causal ? Y_LOWER : WHOLE, t, w.tn, d, q, ld, 1, w.wide, (size_t)w.tn, w.s,
                    (size_t)w.tn);
            for (int i = 0; i < t; i++) {
                float *row = w.s + (size_t)i * (size_t)w.tn;
                size_t bias_row = ((size_t)h * (size_t)t + (size_t)i) * (size_t)t;
                softmax_row(t, causal ? i + 1 : t, scale, bias ? bias + bias_row : NULL, row);
                memcpy(probability + (size_t)i * (size_t)tp, row, sizeof *row * (size_t)t);
                memset(probability + (size_t)i * (size_t)tp + t, 0, sizeof *row * (size_t)(tp - t));
            }
            product(causal ? A_LOWER : WHOLE, t, d, t, w.s, (size_t)w.tn, 1, w.narrow, (size_t)w.dn,
                    y + (size_t)image * (size_t)t * dim + (size_t)h * (size_t)d, dim);
        }
}

/* A row of the gradient of p (t) to that of the scores, ds = p * (s - sum(p * s)): dbias += ds,
 * s = scale ds.  Whole vectors where the row of p has them, then the rest. */
static void softmax_gradient_row(int t, float scale, const float *p, float *s, float *dbias) {
    int whole = t / VEC_WIDTH * VEC_WIDTH;
    vec sum = vec_set(0);
    for (int j = 0; j < whole; j += VEC_WIDTH)
        sum += vec_load(p + j) * vec_load(s + j);
    float dot = vec_sum(sum);
    for (int j = whole; j < t; j++)
        dot += p[j] * s[j];
    for (int j = 0; j < t && dbias; j++)
        dbias[j] += p[j] * (s[j] - dot);
    for (int j = 0; j < whole; j += VEC_WIDTH)
        vec_store(s + j, vec_load(p + j) * (vec_load(s + j) - dot) * scale);
    for (int j = whole; j < t; j++)
        s[j] = p[j] * (s[j] - dot) * scale;
}

/* Of all rows of s (t, tn) and p (t, tp); dbias (t,t) or NULL.  Causal: s was not computed in the
 * tiles above the diagonal, and becomes 0 in all of that. */
static void softmax_gradient(int t, int tp, int tn, int causal, float scale, const float *p,
                             float *s, float *dbias) {
    for (int i = 0; i < t; i++, p += tp, s += tn) {
        int seen = causal ? least(gemm_round_up(i + 1, VEC_WIDTH), t) : t;
        softmax_gradient_row(seen, scale, p, s, dbias ? dbias + (size_t)i * (size_t)t : NULL);
        memset(s + seen, 0, sizeof *s * (size_t)(t - seen));
    }
}

void ISA_NAME(attention_backward)(const struct kctx *c, int n, int t, int heads, int d, float scale,
                                  int causal, const float *qkv, const float *p, const float *dy,
                                  float *dqkv, float *dbias) {
    if (!n || !t || !heads)
        return;
    const struct scratch w = scratch_for(c, t, d);
    int tp = attention_stride(t);
    enum part y_lower = causal ? Y_LOWER : WHOLE, a_lower = causal ? A_LOWER : WHOLE;
    enum part a_upper = causal ? A_UPPER : WHOLE;
    size_t dim = (size_t)heads * (size_t)d, ld = 3 * dim, pairs = (size_t)t * (size_t)t;
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
            product(a_upper, t, d, t, pr, 1, (size_t)tp, w.narrow, dn, dv, ld); /* dv = p' dy */
            pack_transposed(t, d, v, ld, w.wide, w.tn);
            product(y_lower, t, w.tn, d, dyh, dim, 1, w.wide, tn, w.s, tn); /* dp = dy v' */
            softmax_gradient(t, tp, w.tn, causal, scale, pr, w.s,
                             dbias ? dbias + (size_t)h * pairs : NULL);
            pack_rows(t, d, k, ld, w.narrow, w.dn);
            product(a_lower, t, d, t, w.s, tn, 1, w.narrow, dn, dq, ld); /* dq = ds k */
            pack_rows(t, d, q, ld, w.narrow, w.dn);
            product(a_upper, t, d, t, w.s, 1, tn, w.narrow, dn, dk, ld); /* dk = ds' q */
        }
}
