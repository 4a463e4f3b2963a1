/* op_rows.c -- operations that move or combine whole rows (tokens). */
#include "nn/ops.h"

static void no_flops(const struct tensor *t, double *f, double *b) {
    (void)t;
    *f = *b = 0;
}

/* Entries in front of the last `keep` dimensions: the views of a sample. */
static int views(const struct tensor *t, int keep) {
    int n = 1;
    for (int i = 0; i < t->ndim - keep; i++)
        n *= t->dim[i];
    return n;
}

/* The shape of t with its last `drop` dimensions replaced by `add` others. */
static int reshape_tail(const struct tensor *t, int drop, int add, const int *tail,
                        int dim[MAX_DIM]) {
    int n = t->ndim - drop;
    CHECK(n >= 0 && n + add <= MAX_DIM, "%s: %d dimensions", t->name, t->ndim);
    for (int i = 0; i < n; i++)
        dim[i] = t->dim[i];
    for (int i = 0; i < add; i++)
        dim[n + i] = tail[i];
    return n + add;
}

/* gather: attr rows in, rows out, columns, views; src x, index, fill.  Rows that are only moved are
 * in 16 bits where both sides are; those between which others are filled in begin something that
 * need not be, such as the tokens behind the projection of patches. */

enum { ROWS_IN, ROWS_OUT, COLS, VIEWS };
enum { X, INDEX, FILL };

static void gather_forward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    enum { X_HALF = 1 << 0, Y_HALF = 1 << 3 }; /* of its arrays */
    const struct kctx ctx =
        chunk_halves(c, (t->src[X]->half ? X_HALF : 0) | (t->half ? Y_HALF : 0));
    int stride;
    const int32_t *index = chunk_index(c, t->src[INDEX], &stride);
    c->k->gather_forward(&ctx, c->n * a[VIEWS], a[ROWS_IN], a[ROWS_OUT], a[COLS],
                         chunk_value(c, t->src[X]), index, stride,
                         t->n_src > FILL ? chunk_value(c, t->src[FILL]) : NULL, chunk_result(c, t));
}

static void gather_backward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    enum { DY_HALF = 1 << 0, DX_HALF = 1 << 2 }; /* of its arrays */
    const struct kctx ctx =
        chunk_halves(c, (t->half ? DY_HALF : 0) | (t->src[X]->half ? DX_HALF : 0));
    int stride;
    const int32_t *index = chunk_index(c, t->src[INDEX], &stride);
    c->k->gather_backward(&ctx, c->n * a[VIEWS], a[ROWS_IN], a[ROWS_OUT], a[COLS], chunk_grad(c, t),
                          index, stride, t->acc[X], chunk_grad_src(c, t, X),
                          chunk_grad_src(c, t, FILL));
}

#define GATHER                                                                                     \
    .name = "gather", .forward = gather_forward, .backward = gather_backward, .flops = no_flops,   \
    .backward_reads = 1u << INDEX, .alias_src = -1, .limit = 1 + ROWS_IN
#define GATHER_HALVES (1u << X | HALVES_OUT | HALVES_OUT_AS_SOURCE)

static const struct op gather = {GATHER, .halves = GATHER_HALVES | HALVES_SOURCE_AS_OUT};
static const struct op gather_filled = {GATHER, .halves = GATHER_HALVES};

struct tensor *op_gather(struct graph *g, const char *name, struct tensor *x, struct tensor *index,
                         struct tensor *fill) {
    CHECK(x->ndim >= 2, "%s: rows of (T,D) by an index", name);
    int cols = x->dim[x->ndim - 1], n = views(x, 2), dim[MAX_DIM];
    CHECK(n == 1 || index->constant, "%s: one index for %d views", name, n);
    CHECK(!fill || fill->per_sample == (size_t)cols, "%s: fill of another width", name);
    int ndim = reshape_tail(x, 2, 2, (const int[]){index->dim[0], cols}, dim);
    struct tensor *t = graph_value(g, fill ? &gather_filled : &gather, name, ndim, dim,
                                   (struct tensor *const[]){x, index, fill}, 3);
    t->attr[ROWS_IN] = x->dim[x->ndim - 2];
    t->attr[ROWS_OUT] = index->dim[0];
    t->attr[COLS] = cols;
    t->attr[VIEWS] = n;
    return t;
}

/* embed: a gather from one table for all samples; attr as gather's */

enum { TABLE };

static void embed_forward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    int stride;
    const int32_t *index = chunk_index(c, t->src[INDEX], &stride);
    c->k->gather_forward(&c->ctx, 1, a[ROWS_IN], c->n * a[ROWS_OUT], a[COLS],
                         chunk_value(c, t->src[TABLE]), index, 0, NULL, chunk_result(c, t));
}

static void embed_backward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    int stride;
    const int32_t *index = chunk_index(c, t->src[INDEX], &stride);
    c->k->gather_backward(&c->ctx, 1, a[ROWS_IN], c->n * a[ROWS_OUT], a[COLS], chunk_grad(c, t),
                          index, 0, 1, chunk_grad_src(c, t, TABLE), NULL);
}

static const struct op embed = {.name = "embed",
                                .forward = embed_forward,
                                .backward = embed_backward,
                                .flops = no_flops,
                                .backward_reads = 1u << INDEX,
                                .alias_src = -1,
                                .limit = 1 + ROWS_IN};

struct tensor *op_embed(struct graph *g, const char *name, struct tensor *table,
                        struct tensor *index) {
    CHECK(table->ndim == 2 && (table->kind == TENSOR_PARAM || table->kind == TENSOR_SHARED),
          "%s: a table (T,D) for all samples", name);
    CHECK(!index->constant, "%s: a constant index of a table is a gather", name);
    struct tensor *t =
        graph_value(g, &embed, name, 2, (const int[]){(int)index->per_sample, table->dim[1]},
                    (struct tensor *const[]){table, index}, 2);
    t->attr[ROWS_IN] = table->dim[0];
    t->attr[ROWS_OUT] = (int)index->per_sample;
    t->attr[COLS] = table->dim[1];
    return t;
}

/* add_broadcast: src x, b; attr entries of b, views */

enum { B = 1 };
enum { INNER, ADD_VIEWS };

static void add_forward(const struct chunk *c, const struct tensor *t) {
    c->k->add_broadcast(&c->ctx, c->n * t->attr[ADD_VIEWS], t->attr[INNER],
                        chunk_value(c, t->src[X]), chunk_value(c, t->src[B]), chunk_result(c, t));
}

static void add_backward(const struct chunk *c, const struct tensor *t) {
    const real *dy = chunk_grad(c, t);
    real *db = chunk_grad_src(c, t, B), *dx = chunk_grad_src(c, t, X);
    if (db)
        c->k->column_sum(&c->ctx, c->n * t->attr[ADD_VIEWS], t->attr[INNER], dy, db);
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
    CHECK(b->kind == TENSOR_PARAM || b->kind == TENSOR_CONST || b->kind == TENSOR_SHARED,
          "%s: b is one for all samples", name);
    CHECK(x->per_sample % b->per_sample == 0, "%s: %zu and %zu entries", name, x->per_sample,
          b->per_sample);
    struct tensor *t =
        graph_value(g, &add_broadcast, name, x->ndim, x->dim, (struct tensor *const[]){x, b}, 2);
    t->attr[INNER] = (int)b->per_sample;
    t->attr[ADD_VIEWS] = (int)(x->per_sample / b->per_sample);
    return t;
}

/* mean_rows: attr rows, columns, first, last, views */

enum { ROWS, MEAN_COLS, FIRST, LAST, MEAN_VIEWS };

static void mean_forward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = chunk_halves(c, t->src[X]->half ? 1 << 0 : 0); /* x */
    const int *a = t->attr;
    c->k->mean_rows_forward(&ctx, c->n * a[MEAN_VIEWS], a[ROWS], a[MEAN_COLS], a[FIRST], a[LAST],
                            chunk_value(c, t->src[X]), chunk_result(c, t));
}

static void mean_backward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = chunk_halves(c, t->src[X]->half ? 1 << 1 : 0); /* dx */
    const int *a = t->attr;
    c->k->mean_rows_backward(&ctx, c->n * a[MEAN_VIEWS], a[ROWS], a[MEAN_COLS], a[FIRST], a[LAST],
                             chunk_grad(c, t), t->acc[X], chunk_grad_src(c, t, X));
}

static void mean_flops(const struct tensor *t, double *f, double *b) {
    *f = *b = (double)t->per_sample * (t->attr[LAST] - t->attr[FIRST]);
}

static const struct op mean_rows = {.name = "mean_rows",
                                    .forward = mean_forward,
                                    .backward = mean_backward,
                                    .flops = mean_flops,
                                    .alias_src = -1,
                                    .halves = 1u << X};

struct tensor *op_mean_rows(struct graph *g, const char *name, struct tensor *x, int first,
                            int last) {
    CHECK(x->ndim >= 2, "%s: rows of (T,D)", name);
    int rows = x->dim[x->ndim - 2], cols = x->dim[x->ndim - 1], dim[MAX_DIM];
    CHECK(0 <= first && first < last && last <= rows, "%s: rows %d to %d of %d", name, first, last,
          rows);
    int ndim = reshape_tail(x, 2, 1, &cols, dim);
    struct tensor *t = graph_value(g, &mean_rows, name, ndim, dim, (struct tensor *const[]){x}, 1);
    t->attr[ROWS] = rows;
    t->attr[MEAN_COLS] = cols;
    t->attr[FIRST] = first;
    t->attr[LAST] = last;
    t->attr[MEAN_VIEWS] = views(x, 2);
    return t;
}

/* patchify: attr channels, height, width, patch, views */

enum { CHANNELS, HEIGHT, WIDTH, PATCH, PATCH_VIEWS };

static void patchify_forward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = chunk_halves(c, t->half ? 1 << 1 : 0); /* y */
    const int *a = t->attr;
    c->k->patchify(&ctx, c->n * a[PATCH_VIEWS], a[CHANNELS], a[HEIGHT], a[WIDTH], a[PATCH],
                   chunk_value(c, t->src[X]), chunk_result(c, t));
}

static void patchify_backward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = chunk_halves(c, t->half ? 1 << 0 : 0); /* y */
    const int *a = t->attr;
    c->k->unpatchify(&ctx, c->n * a[PATCH_VIEWS], a[CHANNELS], a[HEIGHT], a[WIDTH], a[PATCH],
                     chunk_grad(c, t), t->acc[X], chunk_grad_src(c, t, X));
}

static const struct op patchify = {.name = "patchify",
                                   .forward = patchify_forward,
                                   .backward = patchify_backward,
                                   .flops = no_flops,
                                   .alias_src = -1,
                                   .halves = HALVES_OUT};

struct tensor *op_patchify(struct graph *g, const char *name, struct tensor *x, int patch) {
    CHECK(x->ndim >= 3 && patch > 0, "%s: images of %d dimensions", name, x->ndim);
    const int *image = x->dim + x->ndim - 3;
    CHECK(image[1] % patch == 0 && image[2] % patch == 0, "%s: patches of %d in %dx%d", name, patch,
          image[1], image[2]);
    int dim[MAX_DIM];
    const int tail[] = {image[1] / patch * (image[2] / patch), image[0] * patch * patch};
    int ndim = reshape_tail(x, 3, 2, tail, dim);
    struct tensor *t = graph_value(g, &patchify, name, ndim, dim, (struct tensor *const[]){x}, 1);
    for (int i = 0; i < 3; i++)
        t->attr[i] = image[i];
    t->attr[PATCH] = patch;
    t->attr[PATCH_VIEWS] = views(x, 3);
    return t;
}
