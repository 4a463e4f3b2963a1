/* attention.c -- per image and head: scores, softmax and mixing from register tiles.
 *
 * Rows of scores and probabilities are attention_stride(t) long, whole octs; a product's columns
 * are covered by tiles of two vectors, one and half of one, so no more than that is computed.
 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/oct.h"
#include "kernels/cpu/transpose.h"
#include "kernels/cpu/vmath.h"

#include <math.h>
#include <string.h>

static int least(int a, int b) {
    return a < b ? a : b;
}

/* What a causal mask leaves of a product: all; the tiles of y that are not above the diagonal; the
 * terms with an a on or below it; those with an a on or above it. */
enum part { WHOLE, Y_LOWER, A_LOWER, A_UPPER };

/* y (m,n) [i*ldy + j] = a b, a as in micro_sum, b (depth, ldb); n in whole octs */
struct product {
    enum part part;
    int m, n, depth;
    const float *a;
    size_t row_stride, k_stride;
    const float *b;
    size_t ldb;
    float *y;
    size_t ldy;
};

/* One column of tiles, `columns` wide, from j on. */
VEC_INLINE void tile_column(const struct product *p, int j, int columns) {
    for (int i = 0, rows; i < p->m; i += rows) {
        rows = p->m - i >= MR ? MR : least(p->m - i, 6);
        if (p->part == Y_LOWER && j >= i + rows)
            continue;
        int from = p->part == A_UPPER ? i : 0, to = p->part == A_LOWER ? i + rows : p->depth;
        const float *a = p->a + (size_t)i * p->row_stride + (size_t)from * p->k_stride;
        const float *b = p->b + (size_t)from * p->ldb + j;
        float *y = p->y + (size_t)i * p->ldy + j;
#define TILE(R)                                                                                    \
    micro_tile(R, columns, to - from, a, p->row_stride, p->k_stride, b, p->ldb, y, p->ldy)
        if (rows == MR)
            TILE(MR);
        else
            EACH_ROWS(rows, TILE)
#undef TILE
    }
}

static void multiply(const struct product *p) {
    int j = 0;
    for (; p->n - j >= NR; j += NR)
        tile_column(p, j, NR);
    if (p->n - j >= VEC_WIDTH) {
        tile_column(p, j, VEC_WIDTH);
        j += VEC_WIDTH;
    }
    if (j < p->n)
        tile_column(p, j, OCT);
}

/* (t,d) with row stride ld, to out (t, ldo), the rest of each row 0 */
static void pack_rows(int t, int d, const float *x, size_t ld, float *out, int ldo) {
    for (int i = 0; i < t; i++) {
        memcpy(out + (size_t)i * (size_t)ldo, x + (size_t)i * ld, sizeof *x * (size_t)d);
        memset(out + (size_t)i * (size_t)ldo + d, 0, sizeof *x * (size_t)(ldo - d));
    }
}

/* (t,d) with row stride ld, transposed to out (d, ldo), the rest of each row 0 */
static void pack_transposed(int t, int d, const float *x, size_t ld, float *out, int ldo) {
    for (int k = 0; k < d; k++)
        memset(out + (size_t)k * (size_t)ldo + t, 0, sizeof *x * (size_t)(ldo - t));
    transpose(t, d, x, ld, out, (size_t)ldo);
}

/* The first `seen` of a row of products, to scale s + bias less their largest, the others, up to
 * tp, to what exp makes 0. */
static void shift_row(int tp, int seen, float scale, const float *bias, float *s) {
    const oct nothing = oct_set(-INFINITY);
    oct most = nothing;
    for (int j = 0; j < seen; j += OCT) {
        oct x = oct_first_of(oct_load(s + j), seen - j, nothing);
        if (bias)
            x = x * scale + oct_load_first(bias + j, seen - j);
        oct_store(s + j, x);
        most = oct_max(x, most);
    }
    oct largest = oct_set(oct_largest(most)), factor = oct_set(bias ? 1 : scale);
    for (int j = 0; j < seen; j += OCT)
        oct_store(s + j, (oct_load(s + j) - largest) * factor);
    for (int j = (seen + OCT - 1) / OCT * OCT; j < tp; j += OCT)
        oct_store(s + j, nothing);
}

/* The exponentials of s (rows,tp), each row divided by its sum. */
static void exponentiate(int rows, int tp, float *s) {
    size_t count = (size_t)rows * (size_t)tp;
    for (size_t j = 0; j < count; j += VEC_WIDTH)
        vec_store_first(s + j, count - j, vexp_low(vec_load_first(s + j, count - j)));
    for (float *row = s; row < s + count; row += tp) {
        oct sum = oct_set(0);
        for (int j = 0; j < tp; j += OCT)
            sum += oct_load(row + j);
        oct inverse = oct_set(1 / oct_sum(sum));
        for (int j = 0; j < tp; j += OCT)
            oct_store(row + j, oct_load(row + j) * inverse);
    }
}

/* Scores s (t,tp) of one head become their softmax; bias (t,t) or NULL. */
static void softmax(int t, int tp, int causal, float scale, const float *bias, float *s) {
    for (int i = 0; i < t; i++)
        shift_row(tp, causal ? i + 1 : t, scale, bias ? bias + (size_t)i * (size_t)t : NULL,
                  s + (size_t)i * (size_t)tp);
    exponentiate(t, tp, s);
}

/* Pieces of the workspace, for t tokens and heads of d. */
struct scratch {
    int tp, dp, rows;             /* attention_stride(t); d in whole octs */
    float *narrow, *wide, *s, *y; /* (t, dp), (d, tp), (rows, tp), (t, dp) */
};

/* s with as many rows as fit, up to `rows`. */
static struct scratch scratch_for(const struct kctx *c, int t, int d, int rows) {
    struct scratch w = {.tp = attention_stride(t), .dp = (d + OCT - 1) / OCT * OCT};
    size_t narrow = (size_t)t * (size_t)w.dp, wide = (size_t)d * (size_t)w.tp;
    CHECK(attention_fits(t, d), "%d tokens of width %d do not fit the workspace", t, d);
    size_t room = (KERNEL_WORKSPACE - 2 * narrow - wide) / (size_t)w.tp;
    w.rows = room < (size_t)rows ? (int)room : rows;
    w.narrow = c->workspace;
    w.wide = w.narrow + narrow;
    w.s = w.wide + wide;
    w.y = w.s + (size_t)w.rows * (size_t)w.tp;
    return w;
}

/* y (m,d) with row stride ldy = a b, a (m,depth), rows attention_stride(t) apart, or the transpose
 * of such a matrix, b (depth,d) with row stride ldb.  Heads
 * of whole octs are read and written where they are, others through the workspace. */
static void mix(const struct scratch *w, enum part part, int m, int depth, int d, const float *a,
                int transposed, const float *b, size_t ldb, float *y, size_t ldy) {
    size_t tp = (size_t)w->tp;
    int odd = w->dp != d;
    const struct product p = {.part = part,
                              .m = m,
                              .n = w->dp,
                              .depth = depth,
                              .a = a,
                              .row_stride = transposed ? 1 : tp,
                              .k_stride = transposed ? tp : 1,
                              .b = odd ? w->narrow : b,
                              .ldb = odd ? (size_t)w->dp : ldb,
                              .y = odd ? w->y : y,
                              .ldy = odd ? (size_t)w->dp : ldy};
    if (odd)
        pack_rows(depth, d, b, ldb, w->narrow, w->dp);
    multiply(&p);
    for (int i = 0; i < m && odd; i++)
        memcpy(y + (size_t)i * ldy, w->y + (size_t)i * (size_t)w->dp, sizeof *y * (size_t)d);
}

/* s (m,tp) = a b' of a (m,d) with row stride lda and b (t,d) with row stride ldb */
static void compare(const struct scratch *w, enum part part, int m, int t, int d, const float *a,
                    size_t lda, const float *b, size_t ldb, float *s) {
    const struct product p = {.part = part,
                              .m = m,
                              .n = w->tp,
                              .depth = d,
                              .a = a,
                              .row_stride = lda,
                              .k_stride = 1,
                              .b = w->wide,
                              .ldb = (size_t)w->tp,
                              .y = s,
                              .ldy = (size_t)w->tp};
    pack_transposed(t, d, b, ldb, w->wide, w->tp);
    multiply(&p);
}

void ISA_NAME(attention_forward)(const struct kctx *c, int n, int t, int heads, int d, float scale,
                                 int causal, const float *bias, const float *qkv, float *p,
                                 float *y) {
    if (!n || !t || !heads)
        return;
    const struct scratch w = scratch_for(c, t, d, 0);
    size_t dim = (size_t)heads * (size_t)d, ld = 3 * dim, pairs = (size_t)t * (size_t)t;
    for (int image = 0; image < n; image++)
        for (int h = 0; h < heads; h++, p += (size_t)t * (size_t)w.tp) {
            size_t row = (size_t)image * (size_t)t;
            const float *q = qkv + row * ld + (size_t)h * (size_t)d;
            compare(&w, causal ? Y_LOWER : WHOLE, t, t, d, q, ld, q + dim, ld, p);
            softmax(t, w.tp, causal, scale, bias ? bias + (size_t)h * pairs : NULL, p);
            mix(&w, causal ? A_LOWER : WHOLE, t, t, d, p, 0, q + 2 * dim, ld,
                y + row * dim + (size_t)h * (size_t)d, dim);
        }
}

/* A row of the gradient of p to that of the scores, ds = p * (s - sum(p * s)): dbias += ds, s =
 * scale ds, of the first `seen` whose octs were computed; the others, up to tp, become 0. */
static void softmax_gradient_row(int tp, int seen, float scale, const float *p, float *s,
                                 float *dbias) {
    int whole = (seen + OCT - 1) / OCT * OCT;
    oct sum = oct_set(0);
    for (int j = 0; j < seen; j += OCT)
        sum += oct_load(p + j) * oct_load(s + j);
    float dot = oct_sum(sum);
    for (int j = 0; j < seen && dbias; j++)
        dbias[j] += p[j] * (s[j] - dot);
    for (int j = 0; j < seen; j += OCT)
        oct_store(s + j, oct_load(p + j) * (oct_load(s + j) - dot) * scale);
    memset(s + whole, 0, sizeof *s * (size_t)(tp - whole));
}

/* One head of attention_backward. */
struct head_gradient {
    int t, d, causal;
    float scale;
    size_t ld, dim; /* from token to token of qkv and dqkv, and of dy */
    const float *q, *k, *v, *p, *dy;
    float *dq, *dk, *dv, *dbias; /* dbias (t,t) or NULL */
};

/* Of queries first .. first + m - 1: dq, dbias, and what they give to dk, written when they are the
 * first and added when not.  Rows that are not all of them take their zeros along. */
static void strip_gradient(const struct scratch *w, const struct head_gradient *g, int first,
                           int m) {
    const int t = g->t, d = g->d, all = m == t, causal = g->causal && all;
    const float *p = g->p + (size_t)first * (size_t)w->tp, *q = g->q + (size_t)first * g->ld;
    compare(w, causal ? Y_LOWER : WHOLE, m, t, d, g->dy + (size_t)first * g->dim, g->dim, g->v,
            g->ld, w->s); /* dp = dy v' */
    for (int i = 0; i < m; i++)
        softmax_gradient_row(w->tp, g->causal ? first + i + 1 : t, g->scale,
                             p + (size_t)i * (size_t)w->tp, w->s + (size_t)i * (size_t)w->tp,
                             g->dbias ? g->dbias + (size_t)(first + i) * (size_t)t : NULL);
    mix(w, causal ? A_LOWER : WHOLE, m, t, d, w->s, 0, g->k, g->ld, g->dq + (size_t)first * g->ld,
        g->ld);                          /* dq = ds k */
    float *dk = first ? w->wide : g->dk; /* which is free again */
    mix(w, causal ? A_UPPER : WHOLE, t, m, d, w->s, 1, q, g->ld, dk,
        first ? (size_t)d : g->ld); /* dk = ds' q */
    for (int j = 0; j < t && first; j++)
        for (int e = 0; e < d; e++)
            g->dk[(size_t)j * g->ld + (size_t)e] += dk[(size_t)j * (size_t)d + (size_t)e];
}

void ISA_NAME(attention_backward)(const struct kctx *c, int n, int t, int heads, int d, float scale,
                                  int causal, const float *qkv, const float *p, const float *dy,
                                  float *dqkv, float *dbias) {
    if (!n || !t || !heads)
        return;
    const struct scratch w = scratch_for(c, t, d, t);
    size_t dim = (size_t)heads * (size_t)d, ld = 3 * dim, pairs = (size_t)t * (size_t)t;
    for (int image = 0; image < n; image++)
        for (int h = 0; h < heads; h++, p += (size_t)t * (size_t)w.tp) {
            size_t row = (size_t)image * (size_t)t, at = row * ld + (size_t)h * (size_t)d;
            const struct head_gradient g = {.t = t,
                                            .d = d,
                                            .causal = causal,
                                            .scale = scale,
                                            .ld = ld,
                                            .dim = dim,
                                            .q = qkv + at,
                                            .k = qkv + at + dim,
                                            .v = qkv + at + 2 * dim,
                                            .p = p,
                                            .dy = dy + row * dim + (size_t)h * (size_t)d,
                                            .dq = dqkv + at,
                                            .dk = dqkv + at + dim,
                                            .dv = dqkv + at + 2 * dim,
                                            .dbias = dbias ? dbias + (size_t)h * pairs : NULL};
            mix(&w, causal ? A_UPPER : WHOLE, t, t, d, p, 1, g.dy, dim, g.dv, ld); /* dv = p' dy */
            for (int first = 0; first < t; first += w.rows)
                strip_gradient(&w, &g, first, least(w.rows, t - first));
        }
}

void ISA_NAME(attention_row_forward)(const struct kctx *c, int n, int t, int heads, int d,
                                     float scale, int causal, const float *bias, const float *qkv,
                                     const int32_t *row, int row_stride, float *p, float *y) {
    if (!n || !t || !heads)
        return;
    const struct scratch w = scratch_for(c, t, d, 0);
    size_t dim = (size_t)heads * (size_t)d, ld = 3 * dim;
    for (int image = 0; image < n; image++)
        for (int h = 0; h < heads; h++, p += w.tp, y += d) {
            int i = row[(size_t)image * (size_t)row_stride];
            size_t of_bias = ((size_t)h * (size_t)t + (size_t)i) * (size_t)t;
            const float *head = qkv + (size_t)image * (size_t)t * ld + (size_t)h * (size_t)d;
            compare(&w, WHOLE, 1, t, d, head + (size_t)i * ld, ld, head + dim, ld, p);
            shift_row(w.tp, causal ? i + 1 : t, scale, bias ? bias + of_bias : NULL, p);
            exponentiate(1, w.tp, p);
            mix(&w, WHOLE, 1, t, d, p, 0, head + 2 * dim, ld, y, dim);
        }
}

void ISA_NAME(attention_row_backward)(const struct kctx *c, int n, int t, int heads, int d,
                                      float scale, int causal, const float *qkv, const int32_t *row,
                                      int row_stride, const float *p, const float *dy, float *dqkv,
                                      float *dbias) {
    if (!n || !t || !heads)
        return;
    const struct scratch w = scratch_for(c, t, d, 1);
    size_t dim = (size_t)heads * (size_t)d, ld = 3 * dim;
    for (int image = 0; image < n; image++)
        for (int h = 0; h < heads; h++, p += w.tp, dy += d) {
            int i = row[(size_t)image * (size_t)row_stride];
            size_t at = (size_t)image * (size_t)t * ld + (size_t)h * (size_t)d;
            size_t of_bias = ((size_t)h * (size_t)t + (size_t)i) * (size_t)t;
            const float *q = qkv + at + (size_t)i * ld, *k = qkv + at + dim, *v = k + dim;
            float *dq = dqkv + at, *dk = dq + dim, *dv = dk + dim;
            mix(&w, WHOLE, t, 1, d, p, 1, dy, dim, dv, ld);
            compare(&w, WHOLE, 1, t, d, dy, dim, v, ld, w.s);
            softmax_gradient_row(w.tp, causal ? i + 1 : t, scale, p, w.s,
                                 dbias ? dbias + of_bias : NULL);
            for (int j = 0; j < t; j++)
                memset(dq + (size_t)j * ld, 0, sizeof *dq * (size_t)d);
            mix(&w, WHOLE, 1, t, d, w.s, 0, k, ld, dq + (size_t)i * ld, ld);
            mix(&w, WHOLE, t, 1, d, w.s, 1, q, ld, dk, ld);
        }
}
