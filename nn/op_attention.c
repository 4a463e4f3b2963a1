/* op_attention.c -- multi-head self-attention, Vaswani et al. 2017, eq. (1), of all tokens or of
 * one.
 */
#include "nn/ops.h"

#include <math.h>
#include <string.h>

enum { TOKENS, HEADS, HEAD_DIM, VIEWS, CAUSAL, QUERIES };
enum { QKV, BIAS, ROW };

static const real *bias_of(const struct chunk *c, const struct tensor *t) {
    return t->n_src > BIAS && t->src[BIAS] ? chunk_value(c, t->src[BIAS]) : NULL;
}

static void forward(const struct chunk *c, const struct tensor *t) {
    enum { ACTIVATIONS = 1 << 1 | 1 << 2 | 1 << 3 }; /* of its arrays */
    const int *a = t->attr;
    const struct kctx ctx = chunk_halves(c, t->half ? ACTIVATIONS : 0);
    c->k->attention_forward(&ctx, c->n * a[VIEWS], a[TOKENS], a[HEADS], a[HEAD_DIM],
                            (real)t->real_attr, a[CAUSAL], bias_of(c, t),
                            chunk_value(c, t->src[QKV]), chunk_saved(c, t, 0), chunk_result(c, t));
}

static void backward(const struct chunk *c, const struct tensor *t) {
    enum { ACTIVATIONS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 }; /* of its arrays */
    const int *a = t->attr;
    const struct kctx ctx = chunk_halves(c, t->half ? ACTIVATIONS : 0);
    CHECK(!t->acc[QKV], "%s: its qkv has another use", t->name);
    c->k->attention_backward(&ctx, c->n * a[VIEWS], a[TOKENS], a[HEADS], a[HEAD_DIM],
                             (real)t->real_attr, a[CAUSAL], chunk_value(c, t->src[QKV]),
                             chunk_saved(c, t, 0), chunk_grad(c, t), chunk_grad_src(c, t, QKV),
                             chunk_grad_src(c, t, BIAS));
}

/* ---- without probabilities ---- */

static void flash_forward(const struct chunk *c, const struct tensor *t) {
    enum { ACTIVATIONS = 1 << 1 | 1 << 3 }; /* of its arrays */
    const int *a = t->attr;
    const struct kctx ctx = chunk_halves(c, t->half ? ACTIVATIONS : 0);
    c->k->attention_flash_forward(
        &ctx, c->n * a[VIEWS], a[TOKENS], a[HEADS], a[HEAD_DIM], (real)t->real_attr, a[CAUSAL],
        bias_of(c, t), chunk_value(c, t->src[QKV]), chunk_saved(c, t, 0), chunk_result(c, t));
}

static void flash_backward(const struct chunk *c, const struct tensor *t) {
    enum { ACTIVATIONS = 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 }; /* of its arrays */
    const int *a = t->attr;
    const struct kctx ctx = chunk_halves(c, t->half ? ACTIVATIONS : 0);
    CHECK(!t->acc[QKV], "%s: its qkv has another use", t->name);
    c->k->attention_flash_backward(
        &ctx, c->n * a[VIEWS], a[TOKENS], a[HEADS], a[HEAD_DIM], (real)t->real_attr, a[CAUSAL],
        bias_of(c, t), chunk_value(c, t->src[QKV]), chunk_saved(c, t, 0), chunk_value(c, t),
        chunk_grad(c, t), chunk_grad_src(c, t, QKV), chunk_grad_src(c, t, BIAS));
}

/* ---- of one row ---- */

static void row_forward(const struct chunk *c, const struct tensor *t) {
    enum { OF_QKV = 1 << 1 }; /* of its arrays */
    const int *a = t->attr;
    int stride;
    const struct kctx ctx = chunk_halves(c, t->src[QKV]->half ? OF_QKV : 0);
    const int32_t *row = chunk_index(c, t->src[ROW], &stride);
    c->k->attention_row_forward(&ctx, c->n * a[VIEWS], a[TOKENS], a[HEADS], a[HEAD_DIM],
                                (real)t->real_attr, a[CAUSAL], bias_of(c, t),
                                chunk_value(c, t->src[QKV]), row, stride, chunk_saved(c, t, 0),
                                chunk_result(c, t));
}

static void row_backward(const struct chunk *c, const struct tensor *t) {
    enum { OF_QKV = 1 << 0, OF_DQKV = 1 << 4 }; /* of its arrays */
    const int *a = t->attr;
    int stride;
    const struct kctx ctx = chunk_halves(c, t->src[QKV]->half ? OF_QKV | OF_DQKV : 0);
    const int32_t *row = chunk_index(c, t->src[ROW], &stride);
    CHECK(!t->acc[QKV], "%s: its qkv has another use", t->name);
    c->k->attention_row_backward(&ctx, c->n * a[VIEWS], a[TOKENS], a[HEADS], a[HEAD_DIM],
                                 (real)t->real_attr, a[CAUSAL], chunk_value(c, t->src[QKV]), row,
                                 stride, chunk_saved(c, t, 0), chunk_grad(c, t),
                                 chunk_grad_src(c, t, QKV), chunk_grad_src(c, t, BIAS));
}

/* q k' and p v forward; four products of that size backward; 5 a probability for the softmax. */
static void flops(const struct tensor *t, double *f, double *b) {
    const int *a = t->attr;
    double pairs = (double)a[QUERIES] * a[TOKENS] * a[HEADS];
    *f = pairs * (4.0 * a[HEAD_DIM] + 5);
    *b = pairs * (8.0 * a[HEAD_DIM] + 5);
}

static const struct op flash_op = {.name = "attention",
                                   .forward = flash_forward,
                                   .backward = flash_backward,
                                   .flops = flops,
                                   .backward_reads = 1u << QKV | 1u << BIAS | BACKWARD_READS_OUT,
                                   .alias_src = -1,
                                   .halves = 1u << QKV | HALVES_OUT | HALVES_OUT_AS_SOURCE |
                                             HALVES_SOURCE_AS_OUT};

/* Of every row lse; its output is kept for whoever reads it anyway. */
static void choose_away(struct tensor *t) {
    const int *a = t->attr;
    t->op = &flash_op;
    t->saved_per_sample[0] = (size_t)a[VIEWS] * (size_t)a[HEADS] * (size_t)a[TOKENS];
}

static const struct op op = {.name = "attention",
                             .choose_away = choose_away,
                             .forward = forward,
                             .backward = backward,
                             .flops = flops,
                             .backward_reads = 1u << QKV,
                             .alias_src = -1,
                             .halves = 1u << QKV | HALVES_OUT | HALVES_SAVED |
                                       HALVES_OUT_AS_SOURCE | HALVES_SOURCE_AS_OUT};

static const struct op row_op = {.name = "attention_row",
                                 .forward = row_forward,
                                 .backward = row_backward,
                                 .flops = flops,
                                 .backward_reads = 1u << QKV | 1u << ROW,
                                 .alias_src = -1,
                                 .limit = 1 + TOKENS,
                                 .halves = 1u << QKV};

static int is_attention(const struct tensor *t) {
    return t->op == &op || t->op == &flash_op;
}

/* row: NULL for all */
static struct tensor *attend(struct graph *g, const char *name, struct tensor *qkv, int heads,
                             int causal, struct tensor *bias, struct tensor *row) {
    CHECK(qkv->ndim >= 2, "%s: tokens of (T,3D)", name);
    int last = qkv->ndim - 1, columns = qkv->dim[last];
    CHECK(columns % (3 * heads) == 0, "%s: %d columns for %d heads", name, columns, heads);
    int tokens = qkv->dim[last - 1], dim = columns / 3, shape[MAX_DIM];
    int views = (int)(qkv->per_sample / ((size_t)tokens * (size_t)columns));
    CHECK(!bias || bias->kind != TENSOR_VALUE, "%s: a bias of one sample", name);
    CHECK(!bias || bias->per_sample == (size_t)heads * (size_t)tokens * (size_t)tokens,
          "%s: a bias for other heads or tokens", name);
    CHECK(!row || (row->dim[0] == 1 && (views == 1 || row->constant)),
          "%s: one row for each sample, the same for its views", name);
    memcpy(shape, qkv->dim, sizeof shape);
    shape[last] = dim;
    if (row)
        shape[last - 1] = 1;
    struct tensor *t = graph_value(g, row ? &row_op : &op, name, qkv->ndim, shape,
                                   (struct tensor *const[]){qkv, bias, row}, 3);
    t->attr[VIEWS] = views;
    t->attr[CAUSAL] = causal;
    t->attr[TOKENS] = tokens;
    t->attr[QUERIES] = row ? 1 : tokens;
    t->attr[HEADS] = heads;
    t->attr[HEAD_DIM] = dim / heads;
    t->real_attr = 1 / sqrt((double)dim / heads);
    t->saved_per_sample[0] =
        (size_t)views * (size_t)heads * (size_t)t->attr[QUERIES] * (size_t)attention_stride(tokens);
    return t;
}

struct tensor *op_attention(struct graph *g, const char *name, struct tensor *qkv, int heads,
                            int causal, struct tensor *bias) {
    return attend(g, name, qkv, heads, causal, bias, NULL);
}

struct tensor *op_attention_row(struct graph *g, const char *name, struct tensor *qkv, int heads,
                                int causal, struct tensor *bias, struct tensor *row) {
    CHECK(row, "%s: of which row?", name);
    return attend(g, name, qkv, heads, causal, bias, row);
}

void attention_probabilities(const struct tensor *t, const real *qkv, const real *bias, real *p) {
    const int *a = t->attr;
    const struct kctx ctx = {.threads = 1};
    struct arena scratch = {0};
    size_t rows = (size_t)a[VIEWS] * (size_t)a[HEADS] * (size_t)a[TOKENS];
    size_t tokens = (size_t)a[TOKENS], stride = (size_t)attention_stride(a[TOKENS]);
    CHECK(is_attention(t), "%s is no attention", t->name);
    CHECK(!bias == (t->n_src <= BIAS), "%s: with the bias that the graph has", t->name);
    real *padded = ARENA_ARRAY(&scratch, real, rows * stride);
    real *y = ARENA_ARRAY(&scratch, real, t->per_sample);
    kernels_ref()->attention_forward(&ctx, a[VIEWS], a[TOKENS], a[HEADS], a[HEAD_DIM],
                                     (real)t->real_attr, a[CAUSAL], bias, qkv, padded, y);
    for (size_t i = 0; i < rows; i++)
        memcpy(p + i * tokens, padded + i * stride, tokens * sizeof *p);
    arena_free(&scratch);
}

int attention_heads(const struct tensor *t) {
    CHECK(is_attention(t), "%s is no attention", t->name);
    return t->attr[HEADS];
}

/* scores (seen) of one token and head become their softmax */
static void softmax(double *scores, int seen) {
    double most = scores[0], sum = 0;
    for (int j = 1; j < seen; j++)
        most = fmax(most, scores[j]);
    for (int j = 0; j < seen; j++)
        sum += scores[j] = exp(scores[j] - most);
    for (int j = 0; j < seen; j++)
        scores[j] /= sum;
}

void attention_of_token(const struct tensor *t, const real *qkv, const real *bias, int token,
                        real *p) {
    const int *a = t->attr;
    struct arena scratch = {0};
    size_t tokens = (size_t)a[TOKENS], width = (size_t)a[HEADS] * (size_t)a[HEAD_DIM];
    CHECK(is_attention(t) && a[VIEWS] == 1, "%s is no attention of one view", t->name);
    CHECK(!bias == (t->n_src <= BIAS), "%s: with the bias that the graph has", t->name);
    CHECK(token >= 0 && token < a[TOKENS], "%s: token %d of %d", t->name, token, a[TOKENS]);
    double *scores = ARENA_ARRAY(&scratch, double, tokens);
    int seen = a[CAUSAL] ? token + 1 : a[TOKENS];
    memset(p, 0, sizeof *p * (size_t)a[HEADS] * tokens);
    for (int h = 0; h < a[HEADS]; h++, p += tokens) {
        const real *q = qkv + 3 * width * (size_t)token + h * a[HEAD_DIM];
        for (int j = 0; j < seen; j++) {
            const real *k = qkv + 3 * width * (size_t)j + width + h * a[HEAD_DIM];
            double dot = 0;
            for (int d = 0; d < a[HEAD_DIM]; d++)
                dot += (double)q[d] * (double)k[d];
            scores[j] = dot * t->real_attr;
            if (bias)
                scores[j] +=
                    (double)bias[((size_t)h * tokens + (size_t)token) * tokens + (size_t)j];
        }
        softmax(scores, seen);
        for (int j = 0; j < seen; j++)
            p[j] = (real)scores[j];
    }
    arena_free(&scratch);
}
