/* op_shape.c -- copies, sums and joints of whole tensors. */
#include "nn/ops.h"

#include <string.h>

enum { X, Z };

static void no_flops(const struct tensor *t, double *f, double *b) {
    (void)t;
    *f = *b = 0;
}

static size_t entries(const struct chunk *c, const struct tensor *t) {
    return t->kind == TENSOR_SHARED ? t->per_sample : t->per_sample * (size_t)c->n;
}

/* Of axpby's arrays both are stored as the value is. */
static struct kctx stored(const struct chunk *c, const struct tensor *t) {
    return chunk_halves(c, t->half ? 1 << 0 | 1 << 1 : 0);
}

static void copy_forward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = stored(c, t);
    c->k->axpby(&ctx, entries(c, t), 1, chunk_value(c, t->src[X]), 0, chunk_result(c, t));
}

static void copy_backward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = stored(c, t);
    real *dx = chunk_grad_src(c, t, X);
    if (dx)
        c->k->axpby(&ctx, entries(c, t), 1, chunk_grad(c, t), t->acc[X] ? 1 : 0, dx);
}

/* Both in 16 bits, or none. */
#define BOTH (1u << X | HALVES_OUT | HALVES_OUT_AS_SOURCE | HALVES_SOURCE_AS_OUT)

static const struct op reshape = {.name = "reshape",
                                  .forward = copy_forward,
                                  .backward = copy_backward,
                                  .flops = no_flops,
                                  .alias_src = X,
                                  .halves = BOTH};

struct tensor *op_reshape(struct graph *g, const char *name, struct tensor *x, int ndim,
                          const int *dim) {
    struct tensor *t = graph_value(g, &reshape, name, ndim, dim, (struct tensor *const[]){x}, 1);
    CHECK(t->per_sample == x->per_sample, "%s: %zu entries of %zu", name, t->per_sample,
          x->per_sample);
    return t;
}

static const struct op stop = {
    .name = "stop", .forward = copy_forward, .flops = no_flops, .alias_src = -1};

struct tensor *op_stop(struct graph *g, const char *name, struct tensor *x) {
    return graph_value(g, &stop, name, x->ndim, x->dim, (struct tensor *const[]){x}, 1);
}

static void add_forward(const struct chunk *c, const struct tensor *t) {
    real *y = chunk_result(c, t);
    c->k->axpby(&c->ctx, entries(c, t), 1, chunk_value(c, t->src[X]), 0, y);
    c->k->axpby(&c->ctx, entries(c, t), 1, chunk_value(c, t->src[Z]), 1, y);
}

static void add_backward(const struct chunk *c, const struct tensor *t) {
    copy_backward(c, t);
    real *dz = chunk_grad_src(c, t, Z);
    if (dz)
        c->k->axpby(&c->ctx, entries(c, t), 1, chunk_grad(c, t), t->acc[Z] ? 1 : 0, dz);
}

static void add_flops(const struct tensor *t, double *f, double *b) {
    *f = (double)t->per_sample;
    *b = 0;
}

static const struct op add = {.name = "add",
                              .forward = add_forward,
                              .backward = add_backward,
                              .flops = add_flops,
                              .alias_src = Z};

struct tensor *op_add(struct graph *g, const char *name, struct tensor *x, struct tensor *z) {
    CHECK(x->per_sample == z->per_sample, "%s: %zu and %zu entries", name, x->per_sample,
          z->per_sample);
    return graph_value(g, &add, name, x->ndim, x->dim, (struct tensor *const[]){x, z}, 2);
}

/* concat: attr rows of a sample, columns of x, columns of z */

enum { ROWS, COLS_X, COLS_Z };

static void concat_forward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr, rows = a[ROWS] * c->n, all = a[COLS_X] + a[COLS_Z];
    real *y = chunk_result(c, t);
    c->k->copy_rows(&c->ctx, rows, a[COLS_X], chunk_value(c, t->src[X]), a[COLS_X], 0, y, all);
    c->k->copy_rows(&c->ctx, rows, a[COLS_Z], chunk_value(c, t->src[Z]), a[COLS_Z], 0,
                    y + a[COLS_X], all);
}

static void part_backward(const struct chunk *c, const struct tensor *t, int s, int first,
                          int width) {
    real *d = chunk_grad_src(c, t, s);
    if (d)
        c->k->copy_rows(&c->ctx, t->attr[ROWS] * c->n, width, chunk_grad(c, t) + first,
                        t->attr[COLS_X] + t->attr[COLS_Z], t->acc[s], d, width);
}

static void concat_backward(const struct chunk *c, const struct tensor *t) {
    part_backward(c, t, X, 0, t->attr[COLS_X]);
    part_backward(c, t, Z, t->attr[COLS_X], t->attr[COLS_Z]);
}

static const struct op concat = {.name = "concat",
                                 .forward = concat_forward,
                                 .backward = concat_backward,
                                 .flops = no_flops,
                                 .alias_src = -1};

struct tensor *op_concat(struct graph *g, const char *name, struct tensor *x1, struct tensor *x2) {
    int last = x1->ndim - 1, dim[MAX_DIM];
    CHECK(x1->ndim == x2->ndim && x1->ndim > 0, "%s: %d and %d dimensions", name, x1->ndim,
          x2->ndim);
    memcpy(dim, x1->dim, sizeof dim);
    dim[last] += x2->dim[last];
    struct tensor *t =
        graph_value(g, &concat, name, x1->ndim, dim, (struct tensor *const[]){x1, x2}, 2);
    t->attr[COLS_X] = x1->dim[last];
    t->attr[COLS_Z] = x2->dim[last];
    t->attr[ROWS] = (int)(x1->per_sample / (size_t)x1->dim[last]);
    CHECK(x2->per_sample == (size_t)t->attr[ROWS] * (size_t)t->attr[COLS_Z],
          "%s: other rows on either side", name);
    return t;
}
