/* op_rotary.c -- places of tokens as angles that their queries and keys are turned by, Su et al.
 * 2021 (arXiv:2104.09864).
 */
#include "nn/ops.h"

enum { ROWS, HEADS, HALF, VIEWS };
enum { QKV, TABLE };
enum { ACTIVATIONS = 1 << 1 | 1 << 2 }; /* of the kernel's arrays */

static void forward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    const struct kctx ctx = chunk_halves(c, t->half ? ACTIVATIONS : 0);
    c->k->rotary(&ctx, c->n * a[VIEWS], a[ROWS], a[HEADS], a[HALF], chunk_value(c, t->src[TABLE]),
                 0, chunk_value(c, t->src[QKV]), 0, chunk_result(c, t));
}

static void backward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    const struct kctx ctx = chunk_halves(c, t->half ? ACTIVATIONS : 0);
    real *dx = chunk_grad_src(c, t, QKV);
    if (dx)
        c->k->rotary(&ctx, c->n * a[VIEWS], a[ROWS], a[HEADS], a[HALF],
                     chunk_value(c, t->src[TABLE]), 1, chunk_grad(c, t), t->acc[QKV], dx);
}

/* Of two thirds of the numbers, in pairs, 6 a pair. */
static void flops(const struct tensor *t, double *f, double *b) {
    *f = *b = 2.0 * (double)t->per_sample;
}

static const struct op op = {.name = "rotary",
                             .forward = forward,
                             .backward = backward,
                             .flops = flops,
                             .stops = 1u << TABLE,
                             .alias_src = -1,
                             .halves = 1u << QKV | HALVES_OUT | HALVES_OUT_AS_SOURCE |
                                       HALVES_SOURCE_AS_OUT};

struct tensor *op_rotary(struct graph *g, const char *name, struct tensor *qkv, int heads,
                         struct tensor *table) {
    CHECK(qkv->ndim >= 2, "%s: tokens of (T,3D)", name);
    int rows = qkv->dim[qkv->ndim - 2], columns = qkv->dim[qkv->ndim - 1];
    CHECK(heads > 0 && columns % (6 * heads) == 0, "%s: %d columns for %d heads of pairs", name,
          columns, heads);
    int half = columns / (6 * heads);
    CHECK(table->kind == TENSOR_CONST && table->ndim == 3 && table->dim[0] == rows &&
              table->dim[1] == 2 && table->dim[2] == half,
          "%s: a table (%d,2,%d)", name, rows, half);
    struct tensor *t =
        graph_value(g, &op, name, qkv->ndim, qkv->dim, (struct tensor *const[]){qkv, table}, 2);
    t->attr[ROWS] = rows;
    t->attr[HEADS] = heads;
    t->attr[HALF] = half;
    t->attr[VIEWS] = (int)(qkv->per_sample / ((size_t)rows * (size_t)columns));
    return t;
}
