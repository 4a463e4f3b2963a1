/* op_act.c -- activations, gates, normalised and softmax rows, residual branches, products with a
 * shared matrix. */
#include "nn/ops.h"

#include <string.h>

static size_t entries(const struct chunk *c, const struct tensor *t) {
    return t->per_sample * (size_t)c->n;
}

enum { X };

/* activation: attr which */

enum { ACT };

static void act_forward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = chunk_halves(c, t->half ? 1 << 0 | 1 << 1 : 0); /* x, y */
    c->k->act_forward(&ctx, (enum activation)t->attr[ACT], entries(c, t), chunk_value(c, t->src[X]),
                      chunk_result(c, t));
}

static void act_backward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = chunk_halves(c, t->half ? 1 << 0 | 1 << 1 | 1 << 2 : 0);
    c->k->act_backward(&ctx, (enum activation)t->attr[ACT], entries(c, t),
                       chunk_value(c, t->src[X]), chunk_grad(c, t), t->acc[X],
                       chunk_grad_src(c, t, X));
}

static void act_flops(const struct tensor *t, double *f, double *b) {
    *f = (double)t->per_sample;
    *b = 2.0 * (double)t->per_sample;
}

static const struct op activation = {.name = "activation",
                                     .forward = act_forward,
                                     .backward = act_backward,
                                     .flops = act_flops,
                                     .backward_reads = 1u << X,
                                     .alias_src = -1,
                                     .halves = 1u << X | HALVES_OUT | HALVES_OUT_AS_SOURCE |
                                               HALVES_SOURCE_AS_OUT};

struct tensor *op_activation(struct graph *g, const char *name, struct tensor *x,
                             enum activation act) {
    struct tensor *t =
        graph_value(g, &activation, name, x->ndim, x->dim, (struct tensor *const[]){x}, 1);
    t->attr[ACT] = act;
    return t;
}

/* Operations on rows of the last dimension: attr rows of a sample, columns. */

enum { ROWS, COLS };

static int rows(const struct chunk *c, const struct tensor *t) {
    return c->n * t->attr[ROWS];
}

static void set_rows(struct tensor *t, const struct tensor *x) {
    CHECK(x->ndim >= 1, "%s: rows of a number", t->name);
    t->attr[COLS] = x->dim[x->ndim - 1];
    t->attr[ROWS] = (int)(x->per_sample / (size_t)t->attr[COLS]);
}

static void swiglu_forward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = chunk_halves(c, t->half ? 1 << 0 | 1 << 1 : 0); /* x, y */
    c->k->swiglu_forward(&ctx, rows(c, t), t->attr[COLS], chunk_value(c, t->src[X]),
                         chunk_result(c, t));
}

static void swiglu_backward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = chunk_halves(c, t->half ? 1 << 0 | 1 << 1 | 1 << 2 : 0);
    real *dx = chunk_grad_src(c, t, X);
    if (dx)
        c->k->swiglu_backward(&ctx, rows(c, t), t->attr[COLS], chunk_value(c, t->src[X]),
                              chunk_grad(c, t), t->acc[X], dx);
}

static void swiglu_flops(const struct tensor *t, double *f, double *b) {
    *f = 3.0 * (double)t->per_sample;
    *b = 8.0 * (double)t->per_sample;
}

static const struct op swiglu = {.name = "swiglu",
                                 .forward = swiglu_forward,
                                 .backward = swiglu_backward,
                                 .flops = swiglu_flops,
                                 .backward_reads = 1u << X,
                                 .alias_src = -1,
                                 .halves = 1u << X | HALVES_OUT | HALVES_OUT_AS_SOURCE |
                                           HALVES_SOURCE_AS_OUT};

struct tensor *op_swiglu(struct graph *g, const char *name, struct tensor *x) {
    int dim[MAX_DIM], last = x->ndim - 1;
    CHECK(x->ndim >= 1 && x->dim[last] % 2 == 0, "%s: gates beside values", name);
    memcpy(dim, x->dim, sizeof dim);
    dim[last] /= 2;
    struct tensor *t = graph_value(g, &swiglu, name, x->ndim, dim, (struct tensor *const[]){x}, 1);
    set_rows(t, t);
    return t;
}

enum { NORM };

static void l2norm_forward(const struct chunk *c, const struct tensor *t) {
    c->k->l2_normalize_rows(&c->ctx, rows(c, t), t->attr[COLS], (real)t->real_attr,
                            chunk_value(c, t->src[X]), chunk_result(c, t), chunk_saved(c, t, NORM));
}

static void l2norm_backward(const struct chunk *c, const struct tensor *t) {
    c->k->l2_normalize_rows_backward(&c->ctx, rows(c, t), t->attr[COLS], (real)t->real_attr,
                                     chunk_value(c, t), chunk_saved(c, t, NORM), chunk_grad(c, t),
                                     t->acc[X], chunk_grad_src(c, t, X));
}

static void l2norm_flops(const struct tensor *t, double *f, double *b) {
    *f = 3.0 * (double)t->per_sample;
    *b = 5.0 * (double)t->per_sample;
}

static const struct op l2norm = {.name = "l2norm",
                                 .forward = l2norm_forward,
                                 .backward = l2norm_backward,
                                 .flops = l2norm_flops,
                                 .backward_reads = BACKWARD_READS_OUT,
                                 .alias_src = -1};

struct tensor *op_l2norm(struct graph *g, const char *name, struct tensor *x, double eps) {
    struct tensor *t =
        graph_value(g, &l2norm, name, x->ndim, x->dim, (struct tensor *const[]){x}, 1);
    set_rows(t, x);
    t->real_attr = eps;
    t->saved_per_sample[NORM] = (size_t)t->attr[ROWS];
    return t;
}

enum { TIMES = 1 };

static real softmax_scale(const struct chunk *c, const struct tensor *t) {
    real times = t->n_src > TIMES ? *chunk_value(c, t->src[TIMES]) : 1;
    return (real)t->real_attr * times;
}

static void softmax_forward(const struct chunk *c, const struct tensor *t) {
    c->k->softmax_rows(&c->ctx, rows(c, t), t->attr[COLS], softmax_scale(c, t),
                       chunk_value(c, t->src[X]), chunk_result(c, t));
}

static void softmax_backward(const struct chunk *c, const struct tensor *t) {
    c->k->softmax_rows_backward(&c->ctx, rows(c, t), t->attr[COLS], softmax_scale(c, t),
                                chunk_value(c, t), chunk_grad(c, t), t->acc[X],
                                chunk_grad_src(c, t, X));
}

static void softmax_flops(const struct tensor *t, double *f, double *b) {
    *f = 5.0 * (double)t->per_sample;
    *b = 5.0 * (double)t->per_sample;
}

static const struct op softmax = {.name = "softmax",
                                  .forward = softmax_forward,
                                  .backward = softmax_backward,
                                  .flops = softmax_flops,
                                  .backward_reads = BACKWARD_READS_OUT,
                                  .stops = 1u << TIMES,
                                  .alias_src = -1};

struct tensor *op_softmax(struct graph *g, const char *name, struct tensor *x, double scale,
                          struct tensor *times) {
    CHECK(!times || times->kind == TENSOR_SCALAR, "%s: times is no scalar", name);
    struct tensor *t =
        graph_value(g, &softmax, name, x->ndim, x->dim, (struct tensor *const[]){x, times}, 2);
    set_rows(t, x);
    t->real_attr = scale;
    return t;
}

static void argmax_forward(const struct chunk *c, const struct tensor *t) {
    c->k->argmax_rows(&c->ctx, rows(c, t), t->attr[COLS], chunk_value(c, t->src[X]),
                      chunk_index_result(c, t));
}

static void argmax_flops(const struct tensor *t, double *f, double *b) {
    *f = (double)t->src[X]->per_sample;
    *b = 0;
}

static const struct op argmax = {
    .name = "argmax", .forward = argmax_forward, .flops = argmax_flops, .alias_src = -1};

struct tensor *op_argmax(struct graph *g, const char *name, struct tensor *x) {
    CHECK(x->ndim >= 1, "%s: the largest of one number", name);
    int n = (int)(x->per_sample / (size_t)x->dim[x->ndim - 1]);
    struct tensor *t = graph_value(g, &argmax, name, 1, &n, (struct tensor *const[]){x}, 1);
    set_rows(t, x);
    return t;
}

/* branch: attr rows of a sample, columns, column of drop; saved: the samples' factors */

enum { COLUMN = COLS + 1 };
enum { GAIN = 1, DROP, RESIDUAL };
enum { FACTORS };

static const real *factors(const struct chunk *c, const struct tensor *t) {
    const struct tensor *drop = t->src[DROP];
    if (!drop)
        return NULL;
    const real *all = chunk_value(c, drop);
    real *s = chunk_saved(c, t, FACTORS);
    c->k->copy_rows(&c->ctx, c->n, 1, all + t->attr[COLUMN], (int)drop->per_sample, 0, s, 1);
    return s;
}

static void branch_forward(const struct chunk *c, const struct tensor *t) {
    enum { X_HALF = 1 << 0 }; /* of its arrays */
    const struct kctx ctx = chunk_halves(c, t->src[X]->half ? X_HALF : 0);
    const real *gain = t->src[GAIN] ? chunk_value(c, t->src[GAIN]) : NULL;
    c->k->branch_forward(&ctx, c->n, t->attr[ROWS], t->attr[COLS], chunk_value(c, t->src[X]), gain,
                         factors(c, t), chunk_value(c, t->src[RESIDUAL]), chunk_result(c, t));
}

/* The kernel reads x for the gradient of the gain; without one anything does. */
static void branch_backward(const struct chunk *c, const struct tensor *t) {
    enum { X_HALF = 1 << 0, DX_HALF = 1 << 4 }; /* of its arrays */
    const struct kctx ctx = chunk_halves(c, t->src[X]->half ? X_HALF | DX_HALF : 0);
    const real *gain = t->src[GAIN] ? chunk_value(c, t->src[GAIN]) : NULL, *dy = chunk_grad(c, t);
    const real *s = t->src[DROP] ? chunk_saved(c, t, FACTORS) : NULL;
    real *dx = chunk_grad_src(c, t, X), *dgain = chunk_grad_src(c, t, GAIN);
    if (dx || dgain)
        c->k->branch_backward(&ctx, c->n, t->attr[ROWS], t->attr[COLS],
                              gain ? chunk_value(c, t->src[X]) : dy, gain, s, dy, t->acc[X], dx,
                              dgain);
    real *dr = chunk_grad_src(c, t, RESIDUAL);
    if (dr)
        c->k->axpby(&c->ctx, entries(c, t), 1, dy, t->acc[RESIDUAL] ? 1 : 0, dr);
}

static void branch_flops(const struct tensor *t, double *f, double *b) {
    int scales = (t->src[GAIN] != NULL) + (t->src[DROP] != NULL);
    *f = (1.0 + scales) * (double)t->per_sample;
    *b = (scales + (t->src[GAIN] ? 2.0 : 0.0)) * (double)t->per_sample;
}

static const struct op branch = {.name = "branch",
                                 .forward = branch_forward,
                                 .backward = branch_backward,
                                 .flops = branch_flops,
                                 .backward_reads = 1u << X,
                                 .stops = 1u << DROP,
                                 .alias_src = RESIDUAL,
                                 .halves = 1u << X};

/* Without a gain nobody asks for x again. */
static const struct op drop_path = {.name = "drop_path",
                                    .forward = branch_forward,
                                    .backward = branch_backward,
                                    .flops = branch_flops,
                                    .stops = 1u << DROP,
                                    .alias_src = RESIDUAL,
                                    .halves = 1u << X};

struct tensor *op_branch(struct graph *g, const char *name, struct tensor *x, struct tensor *gain,
                         struct tensor *drop, int column, struct tensor *residual) {
    CHECK(residual && residual->per_sample == x->per_sample, "%s: residual of another shape", name);
    CHECK(!drop || (drop->kind == TENSOR_INPUT && column >= 0 && column < (int)drop->per_sample),
          "%s: column %d of drop", name, column);
    struct tensor *t = graph_value(g, gain ? &branch : &drop_path, name, x->ndim, x->dim,
                                   (struct tensor *const[]){x, gain, drop, residual}, 4);
    set_rows(t, x);
    CHECK(!gain || gain->per_sample == (size_t)t->attr[COLS], "%s: gain of another width", name);
    t->attr[COLUMN] = column;
    t->saved_per_sample[FACTORS] = drop != NULL;
    return t;
}

/* matmul: attr rows of a sample, columns of x, rows of w */

enum { OUT = COLS + 1 };
enum { W = 1 };

static void matmul_forward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    c->k->gemm_packed(&c->ctx, rows(c, t), a[OUT], a[COLS], chunk_value(c, t->src[X]), a[COLS],
                      chunk_packed(c, t), NULL, ACT_NONE, NULL, NULL, chunk_result(c, t), a[OUT]);
}

/* G_w += G_y' x;  G_x = G_y w */
static void matmul_backward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    const real *dy = chunk_grad(c, t);
    real *dw = chunk_grad_src(c, t, W), *dx = chunk_grad_src(c, t, X);
    if (dw)
        c->k->gemm(&c->ctx, 1, 0, a[OUT], a[COLS], rows(c, t), 1, dy, a[OUT],
                   chunk_value(c, t->src[X]), a[COLS], 1, dw, a[COLS]);
    if (dx)
        c->k->gemm_packed(&c->ctx, rows(c, t), a[COLS], a[OUT], dy, a[OUT],
                          chunk_packed(c, t) + gemm_pack_bound(a[OUT], a[COLS]), NULL, ACT_NONE,
                          NULL, t->acc[X] ? dx : NULL, dx, a[COLS]);
}

static void matmul_prepare(const struct chunk *c, const struct tensor *t, real *packed) {
    const int *a = t->attr;
    const real *w = chunk_value(c, t->src[W]);
    c->k->gemm_pack(&c->ctx, 1, a[OUT], a[COLS], w, a[COLS], NULL, packed);
    if (t->src[X]->needs_grad)
        c->k->gemm_pack(&c->ctx, 0, a[COLS], a[OUT], w, a[COLS], packed,
                        packed + gemm_pack_bound(a[OUT], a[COLS]));
}

static void matmul_flops(const struct tensor *t, double *f, double *b) {
    double product = 2.0 * t->attr[ROWS] * t->attr[COLS] * t->attr[OUT];
    *f = product;
    *b = product * (t->src[X]->needs_grad + t->src[W]->needs_grad);
}

static const struct op matmul = {.name = "matmul",
                                 .forward = matmul_forward,
                                 .backward = matmul_backward,
                                 .prepare = matmul_prepare,
                                 .flops = matmul_flops,
                                 .backward_reads = 1u << X,
                                 .alias_src = -1};

struct tensor *op_matmul(struct graph *g, const char *name, struct tensor *x, struct tensor *w) {
    CHECK(w->ndim == 2 && w->kind != TENSOR_INPUT && w->kind != TENSOR_VALUE,
          "%s: w is one matrix for all samples", name);
    CHECK(x->ndim >= 1 && x->dim[x->ndim - 1] == w->dim[1], "%s: %d columns for %d", name,
          x->ndim ? x->dim[x->ndim - 1] : 0, w->dim[1]);
    int dim[MAX_DIM] = {0};
    for (int i = 0; i < x->ndim; i++)
        dim[i] = i < x->ndim - 1 ? x->dim[i] : w->dim[0];
    struct tensor *t =
        graph_value(g, &matmul, name, x->ndim, dim, (struct tensor *const[]){x, w}, 2);
    set_rows(t, x);
    t->attr[OUT] = w->dim[0];
    t->packed_count = gemm_pack_bound(w->dim[0], w->dim[1]) + gemm_pack_bound(w->dim[1], w->dim[0]);
    return t;
}
