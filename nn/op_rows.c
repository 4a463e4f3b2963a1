/* op_rows.c -- operations that move or combine whole rows (tokens). */
#include "nn/ops.h"

static void no_flops(const struct tensor *t, double *f, double *b) {
    (void)t;
    *f = *b = 0;
}

/* gather: attr rows in, rows out, columns; src x, index, fill */

enum { ROWS_IN, ROWS_OUT, COLS };
enum { X, INDEX, FILL };

static void gather_forward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    int stride;
    const int32_t *index = chunk_index(c, t->src[INDEX], &stride);
    c->k->gather_forward(&c->ctx, c->n, a[ROWS_IN], a[ROWS_OUT], a[COLS], chunk_value(c, t->src[X]),
                         index, stride, t->n_src > FILL ? chunk_value(c, t->src[FILL]) : NULL,
                         chunk_result(c, t));
}

static void gather_backward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    int stride;
    const int32_t *index = chunk_index(c, t->src[INDEX], &stride);
    c->k->gather_backward(&c->ctx, c->n, a[ROWS_IN], a[ROWS_OUT], a[COLS], chunk_grad(c, t), index,
                          stride, t->acc[X], chunk_grad_src(c, t, X), chunk_grad_src(c, t, FILL));
}

static const struct op gather = {.name = "gather",
                                 .forward = gather_forward,
                                 .backward = gather_backward,
                                 .flops = no_flops,
                                 .alias_src = -1};

struct tensor *op_gather(struct graph *g, const char *name, struct tensor *x, struct tensor *index,
                         struct tensor *fill) {
    CHECK(x->ndim == 2 && index->kind == TENSOR_INDEX, "%s: rows of (T,D) by an index", name);
    CHECK(!fill || fill->per_sample == (size_t)x->dim[1], "%s: fill of another width", name);
    struct tensor *t = graph_value(g, &gather, name, 2, (const int[]){index->dim[0], x->dim[1]},
                                   (struct tensor *const[]){x, index, fill}, 3);
    t->attr[ROWS_IN] = x->dim[0];
    t->attr[ROWS_OUT] = index->dim[0];
    t->attr[COLS] = x->dim[1];
    return t;
}

/* add_broadcast: src x, b */

enum { B = 1 };

static void add_forward(const struct chunk *c, const struct tensor *t) {
    c->k->add_broadcast(&c->ctx, c->n, (int)t->per_sample, chunk_value(c, t->src[X]),
                        chunk_value(c, t->src[B]), chunk_result(c, t));
}

static void add_backward(const struct chunk *c, const struct tensor *t) {
    const real *dy = chunk_grad(c, t);
    real *db = chunk_grad_src(c, t, B), *dx = chunk_grad_src(c, t, X);
    if (db)
        c->k->column_sum(&c->ctx, c->n, (int)t->per_sample, dy, db);
    if (dx)
        c->k->axpby(&c->ctx, t->per_sample * (size_t)c->n, 1, dy, t->acc[X] ? 1 : 0, dx);
}

static void add_flops(const struct tensor *t, double *f, double *b) {
    *f = *b = (double)t->per_sample;
}

static const struct op add_broadcast = {.name = "add_broadcast",
                                        .forward = add_forward,
                                        .backward = add_backward,
                                        .flops = add_flops,
                                        .alias_src = X};

struct tensor *op_add_broadcast(struct graph *g, const char *name, struct tensor *x,
                                struct tensor *b) {
    CHECK(b->kind == TENSOR_PARAM || b->kind == TENSOR_CONST, "%s: b is one for all samples", name);
    CHECK(x->per_sample == b->per_sample, "%s: %zu and %zu entries", name, x->per_sample,
          b->per_sample);
    return graph_value(g, &add_broadcast, name, x->ndim, x->dim, (struct tensor *const[]){x, b}, 2);
}

/* mean_rows: attr rows, columns, first, last */

enum { ROWS, MEAN_COLS, FIRST, LAST };

static void mean_forward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    c->k->mean_rows_forward(&c->ctx, c->n, a[ROWS], a[MEAN_COLS], a[FIRST], a[LAST],
                            chunk_value(c, t->src[X]), chunk_result(c, t));
}

static void mean_backward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    c->k->mean_rows_backward(&c->ctx, c->n, a[ROWS], a[MEAN_COLS], a[FIRST], a[LAST],
                             chunk_grad(c, t), t->acc[X], chunk_grad_src(c, t, X));
}

static void mean_flops(const struct tensor *t, double *f, double *b) {
    *f = *b = (double)t->per_sample * (t->attr[LAST] - t->attr[FIRST]);
}

static const struct op mean_rows = {.name = "mean_rows",
                                    .forward = mean_forward,
                                    .backward = mean_backward,
                                    .flops = mean_flops,
                                    .alias_src = -1};

struct tensor *op_mean_rows(struct graph *g, const char *name, struct tensor *x, int first,
                            int last) {
    CHECK(x->ndim == 2 && 0 <= first && first < last && last <= x->dim[0],
          "%s: rows %d to %d of %d", name, first, last, x->dim[0]);
    struct tensor *t =
        graph_value(g, &mean_rows, name, 1, &x->dim[1], (struct tensor *const[]){x}, 1);
    t->attr[ROWS] = x->dim[0];
    t->attr[MEAN_COLS] = x->dim[1];
    t->attr[FIRST] = first;
    t->attr[LAST] = last;
    return t;
}

/* patchify: attr channels, height, width, patch */

enum { CHANNELS, HEIGHT, WIDTH, PATCH };

static void patchify_forward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    c->k->patchify(&c->ctx, c->n, a[CHANNELS], a[HEIGHT], a[WIDTH], a[PATCH],
                   chunk_value(c, t->src[X]), chunk_result(c, t));
}

static void patchify_backward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    c->k->unpatchify(&c->ctx, c->n, a[CHANNELS], a[HEIGHT], a[WIDTH], a[PATCH], chunk_grad(c, t),
                     t->acc[X], chunk_grad_src(c, t, X));
}

static const struct op patchify = {.name = "patchify",
                                   .forward = patchify_forward,
                                   .backward = patchify_backward,
                                   .flops = no_flops,
                                   .alias_src = -1};

struct tensor *op_patchify(struct graph *g, const char *name, struct tensor *x, int patch) {
    CHECK(x->ndim == 3 && patch > 0 && x->dim[1] % patch == 0 && x->dim[2] % patch == 0,
          "%s: patches of %d in %dx%d", name, patch, x->dim[1], x->dim[2]);
    int rows = x->dim[1] / patch * (x->dim[2] / patch), cols = x->dim[0] * patch * patch;
    struct tensor *t = graph_value(g, &patchify, name, 2, (const int[]){rows, cols},
                                   (struct tensor *const[]){x}, 1);
    for (int i = 0; i < 3; i++)
        t->attr[i] = x->dim[i];
    t->attr[PATCH] = patch;
    return t;
}
