/* op_loss.c -- losses, one value per row; graph_objective adds them up. */
#include "nn/ops.h"

enum { X, TARGET };
enum { ROWS, COLS };

static void xent_forward(const struct chunk *c, const struct tensor *t) {
    int stride;
    const int32_t *target = chunk_index(c, t->src[TARGET], &stride);
    c->k->softmax_xent_forward(&c->ctx, c->n, t->attr[COLS], (real)t->real_attr,
                               chunk_value(c, t->src[X]), target, chunk_saved(c, t, 0),
                               chunk_result(c, t));
}

static void xent_backward(const struct chunk *c, const struct tensor *t) {
    int stride;
    const int32_t *target = chunk_index(c, t->src[TARGET], &stride);
    c->k->softmax_xent_backward(&c->ctx, c->n, t->attr[COLS], (real)t->real_attr,
                                chunk_saved(c, t, 0), target, chunk_grad(c, t), t->acc[X],
                                chunk_grad_src(c, t, X));
}

static void xent_flops(const struct tensor *t, double *f, double *b) {
    *f = 5.0 * t->attr[COLS];
    *b = 2.0 * t->attr[COLS];
}

static const struct op softmax_xent = {.name = "softmax_xent",
                                       .forward = xent_forward,
                                       .backward = xent_backward,
                                       .flops = xent_flops,
                                       .alias_src = -1,
                                       .limit = 1 + COLS};

struct tensor *op_softmax_xent(struct graph *g, const char *name, struct tensor *x,
                               struct tensor *target, double smooth) {
    CHECK(x->ndim == 1 && target->kind == TENSOR_INDEX && target->dim[0] == 1,
          "%s: logits (N,K) and one label a sample", name);
    struct tensor *t = graph_value(g, &softmax_xent, name, 1, (const int[]){1},
                                   (struct tensor *const[]){x, target}, 2);
    t->attr[COLS] = x->dim[0];
    t->real_attr = smooth;
    t->saved_per_sample[0] = x->per_sample;
    return t;
}

static void mse_forward(const struct chunk *c, const struct tensor *t) {
    c->k->mse_forward(&c->ctx, c->n * t->attr[ROWS], t->attr[COLS], chunk_value(c, t->src[X]),
                      chunk_value(c, t->src[TARGET]), NULL, chunk_result(c, t));
}

static void mse_backward(const struct chunk *c, const struct tensor *t) {
    c->k->mse_backward(&c->ctx, c->n * t->attr[ROWS], t->attr[COLS], chunk_value(c, t->src[X]),
                       chunk_value(c, t->src[TARGET]), NULL, chunk_grad(c, t), t->acc[X],
                       chunk_grad_src(c, t, X));
}

static void mse_flops(const struct tensor *t, double *f, double *b) {
    *f = *b = 3.0 * (double)t->src[X]->per_sample;
}

static const struct op mse = {.name = "mse",
                              .forward = mse_forward,
                              .backward = mse_backward,
                              .flops = mse_flops,
                              .backward_reads = 1u << X | 1u << TARGET,
                              .alias_src = -1};

struct tensor *op_mse(struct graph *g, const char *name, struct tensor *x, struct tensor *target,
                      struct tensor *weight) {
    CHECK(!weight, "%s: weights are not there yet", name);
    CHECK(x->ndim == 2 && target->ndim == 2 && x->per_sample == target->per_sample,
          "%s: prediction and target of different shapes", name);
    struct tensor *t = graph_value(g, &mse, name, 1, (const int[]){x->dim[0]},
                                   (struct tensor *const[]){x, target}, 2);
    t->attr[ROWS] = x->dim[0];
    t->attr[COLS] = x->dim[1];
    return t;
}
