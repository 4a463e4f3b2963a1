/* op_linear.c -- y = act(x W' + b) + residual. */
#include "nn/ops.h"

#include <stdio.h>

/* attr: rows of one sample, in, out, act */
enum { ROWS, IN, OUT, ACT };
enum { X, W, B, RESIDUAL };

/* With x, the weights are in 16 bits, too. */
static int is_half(const struct tensor *t) {
    return t->src[X]->half;
}

static void forward(const struct chunk *c, const struct tensor *t) {
    enum { FACTORS = 1 << 0 | 1 << 1, RESULTS = 1 << 3 | 1 << 4 | 1 << 5 }; /* of gemm_packed */
    const int *a = t->attr;
    const struct kctx ctx = chunk_halves(c, t->half ? FACTORS | RESULTS : is_half(t) ? FACTORS : 0);
    real *kept = a[ACT] && t->needs_grad ? chunk_saved(c, t, 0) : NULL;
    const real *residual = t->n_src > RESIDUAL ? chunk_value(c, t->src[RESIDUAL]) : NULL;
    const real *bias = t->src[B] ? chunk_value(c, t->src[B]) : NULL;
    c->k->gemm_packed(&ctx, c->n * a[ROWS], a[OUT], a[IN], chunk_value(c, t->src[X]), a[IN],
                      chunk_packed(c, t), bias, (enum activation)a[ACT], kept, residual,
                      chunk_result(c, t), a[OUT]);
}

/* G_pre in place of G_y, and its column sums; where it is as products take it, which want both
 * factors alike. */
static const real *factor(const struct chunk *c, const struct tensor *t, real *dy) {
    enum { OWN = 1 << 0 | 1 << 1, NARROW = 1 << 2 }; /* of its arrays */
    const int *a = t->attr;
    const real *kept = a[ACT] ? chunk_saved(c, t, 0) : NULL;
    real *narrow = is_half(t) && !t->half ? chunk_narrow(c, t) : NULL;
    if (t->handed)
        return narrow;
    real *db = chunk_grad_src(c, t, B);
    const struct kctx ctx = chunk_halves(c, t->half ? OWN : narrow ? NARROW : 0);
    if (kept || narrow || db)
        c->k->linear_gradient(&ctx, c->n * a[ROWS], a[OUT], (enum activation)a[ACT], kept, dy,
                              narrow, db);
    return narrow ? narrow : dy;
}

/* G_pre = G_y act'(pre);  G_W += G_pre' x;  G_b += sum over rows of G_pre;  G_x = G_pre W */
static void backward(const struct chunk *c, const struct tensor *t) {
    enum { BOTH = 1 << 0 | 1 << 1 };                    /* of gemm's factors */
    enum { PRODUCT = BOTH | 1 << 3 | 1 << 4 | 1 << 5 }; /* of gemm_packed */
    const int *a = t->attr;
    int rows = c->n * a[ROWS];
    const struct kctx gemm = chunk_halves(c, is_half(t) ? BOTH : 0);
    real *dy = chunk_grad_in_place(c, t);
    const real *x = chunk_value(c, t->src[X]), *left = factor(c, t, dy);
    real *dw = chunk_grad_src(c, t, W);
    if (dw)
        c->k->gemm(&gemm, 1, 0, a[OUT], a[IN], rows, 1, left, a[OUT], x, a[IN],
                   (real)chunk_adds(c, t, W), dw, a[IN]);
    real *dx = chunk_grad_src(c, t, X);
    if (dx) {
        const struct kctx ctx = chunk_halves(c, is_half(t) ? PRODUCT : 0);
        const real *packed = chunk_packed(c, t) + c->k->gemm_pack_size(a[OUT], a[IN]);
        c->k->gemm_packed(&ctx, rows, a[IN], a[OUT], left, a[OUT], packed, NULL, ACT_NONE, NULL,
                          t->acc[X] ? dx : NULL, dx, a[IN]);
    }
    real *dr = chunk_grad_src(c, t, RESIDUAL);
    if (dr)
        c->k->axpby(&c->ctx, (size_t)rows * (size_t)a[OUT], 1, dy, t->acc[RESIDUAL] ? 1 : 0, dr);
}

static void prepare(const struct chunk *c, const struct tensor *t, real *packed) {
    enum { PACKED = 1 << 1 | 1 << 2 }; /* of gemm_pack: both ways */
    const int *a = t->attr;
    const struct kctx ctx = chunk_halves(c, is_half(t) ? PACKED : 0);
    const real *w = chunk_value(c, t->src[W]);
    c->k->gemm_pack(&ctx, 1, a[OUT], a[IN], w, a[IN], NULL, packed);
    if (t->src[X]->needs_grad)
        c->k->gemm_pack(&ctx, 0, a[IN], a[OUT], w, a[IN], packed,
                        packed + c->k->gemm_pack_size(a[OUT], a[IN]));
}

static void flops(const struct tensor *t, double *f, double *b) {
    const int *a = t->attr;
    double product = 2.0 * a[ROWS] * a[IN] * a[OUT];
    *f = product;
    *b = product * (t->src[X]->needs_grad ? 2 : 1);
}

static const struct op op = {.name = "linear",
                             .forward = forward,
                             .backward = backward,
                             .prepare = prepare,
                             .flops = flops,
                             .backward_reads = 1u << X,
                             .writes = 1u << W,
                             .alias_src = RESIDUAL,
                             .handed_sums = 1 + B,
                             .halves = 1u << X | HALVES_OUT | HALVES_SAVED | HALVES_OUT_AS_SOURCE |
                                       HALVES_NARROW};

struct tensor *op_linear(struct graph *g, const char *name, struct tensor *x,
                         const struct linear_spec *spec, struct tensor *residual) {
    CHECK(x->ndim >= 1, "%s: source with %d dimensions", name, x->ndim);
    CHECK(!residual || !spec->act, "%s: a residual is added to a linear value only", name);
    int in = x->dim[x->ndim - 1], dim[MAX_DIM] = {0};
    for (int i = 0; i < x->ndim; i++)
        dim[i] = i < x->ndim - 1 ? x->dim[i] : spec->out;
    char full[256];
    snprintf(full, sizeof full, "%s.weight", name);
    struct tensor *w =
        graph_param(g, spec->group, full, 2, (const int[]){spec->out, in}, spec->init, spec->scale);
    snprintf(full, sizeof full, "%s.bias", name);
    struct tensor *b =
        spec->no_bias ? NULL : graph_param(g, spec->group, full, 1, &spec->out, INIT_ZERO, 0);
    struct tensor *t =
        graph_value(g, &op, name, x->ndim, dim, (struct tensor *const[]){x, w, b, residual}, 4);
    CHECK(!residual || residual->per_sample == t->per_sample, "%s: residual of another shape",
          name);
    t->attr[ROWS] = (int)(x->per_sample / (size_t)in);
    t->attr[IN] = in;
    t->attr[OUT] = spec->out;
    t->attr[ACT] = spec->act;
    t->saved_per_sample[0] = spec->act ? t->per_sample : 0;
    t->packed_count = gemm_pack_bound(spec->out, in) + gemm_pack_bound(in, spec->out);
    return t;
}
