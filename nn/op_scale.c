/* op_scale.c -- y = factor * times * x, of a parameter too. */
#include "nn/ops.h"

enum { X, TIMES };

static real factor(const struct chunk *c, const struct tensor *t) {
    real times = t->n_src > TIMES ? *chunk_value(c, t->src[TIMES]) : 1;
    return (real)t->real_attr * times;
}

static size_t entries(const struct chunk *c, const struct tensor *t) {
    return t->per_sample * (size_t)c->n;
}

static void forward(const struct chunk *c, const struct tensor *t) {
    c->k->axpby(&c->ctx, entries(c, t), factor(c, t), chunk_value(c, t->src[X]), 0,
                chunk_result(c, t));
}

static void backward(const struct chunk *c, const struct tensor *t) {
    c->k->axpby(&c->ctx, entries(c, t), factor(c, t), chunk_grad(c, t), t->acc[X] ? 1 : 0,
                chunk_grad_src(c, t, X));
}

static void flops(const struct tensor *t, double *f, double *b) {
    *f = *b = (double)t->per_sample;
}

static const struct op op = {.name = "scale",
                             .forward = forward,
                             .backward = backward,
                             .flops = flops,
                             .stops = 1u << TIMES,
                             .alias_src = -1};

struct tensor *op_scale(struct graph *g, const char *name, struct tensor *x, double by,
                        struct tensor *times) {
    CHECK(!times || times->kind == TENSOR_SCALAR, "%s: times is no scalar", name);
    struct tensor *t =
        graph_value(g, &op, name, x->ndim, x->dim, (struct tensor *const[]){x, times}, 2);
    t->real_attr = by;
    return t;
}
