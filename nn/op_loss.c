/* op_loss.c -- losses, one value per row; graph_objective adds them up. */
#include "nn/ops.h"

enum { X, TARGET, WEIGHT };
enum { ROWS, COLS };

static int rows(const struct chunk *c, const struct tensor *t) {
    return c->n * t->attr[ROWS];
}

/* A value for each row of x: x without its last dimension, or (1) where x has no other. */
static struct tensor *row_loss(struct graph *g, const struct op *op, const char *name,
                               struct tensor *x, struct tensor *target, struct tensor *weight) {
    CHECK(x->ndim >= 1, "%s: rows of a number", name);
    const int one = 1;
    struct tensor *t =
        graph_value(g, op, name, x->ndim > 1 ? x->ndim - 1 : 1, x->ndim > 1 ? x->dim : &one,
                    (struct tensor *const[]){x, target, weight}, 3);
    t->attr[COLS] = x->dim[x->ndim - 1];
    t->attr[ROWS] = (int)(x->per_sample / (size_t)t->attr[COLS]);
    return t;
}

static int is_of_samples(const struct tensor *t) {
    return t->kind == TENSOR_INPUT || t->kind == TENSOR_VALUE;
}

/* softmax_xent: saved the softmax, and labels where the rows of a sample share one */

enum { SOFTMAX, LABELS };

static const int32_t *labels(const struct chunk *c, const struct tensor *t) {
    int stride, n = t->attr[ROWS];
    const int32_t *index = chunk_index(c, t->src[TARGET], &stride);
    if (!t->saved_per_sample[LABELS])
        return index;
    int32_t *all = (void *)chunk_saved(c, t, LABELS);
    int each = (int)t->src[TARGET]->per_sample == n;
    c->k->copy_index_rows(&c->ctx, c->n, n, index, stride, each, all);
    return all;
}

static void xent_forward(const struct chunk *c, const struct tensor *t) {
    c->k->softmax_xent_forward(&c->ctx, rows(c, t), t->attr[COLS], (real)t->real_attr,
                               chunk_value(c, t->src[X]), labels(c, t), chunk_saved(c, t, SOFTMAX),
                               chunk_result(c, t));
}

static void xent_backward(const struct chunk *c, const struct tensor *t) {
    c->k->softmax_xent_backward(&c->ctx, rows(c, t), t->attr[COLS], (real)t->real_attr,
                                chunk_saved(c, t, SOFTMAX), labels(c, t), chunk_grad(c, t),
                                t->acc[X], chunk_grad_src(c, t, X));
}

static void xent_flops(const struct tensor *t, double *f, double *b) {
    *f = 5.0 * (double)t->src[X]->per_sample;
    *b = 2.0 * (double)t->src[X]->per_sample;
}

static const struct op softmax_xent = {.name = "softmax_xent",
                                       .forward = xent_forward,
                                       .backward = xent_backward,
                                       .flops = xent_flops,
                                       .backward_reads = 1u << TARGET,
                                       .stops = 1u << TARGET,
                                       .alias_src = -1,
                                       .limit = 1 + COLS};

struct tensor *op_softmax_xent(struct graph *g, const char *name, struct tensor *x,
                               struct tensor *target, double smooth) {
    struct tensor *t = row_loss(g, &softmax_xent, name, x, target, NULL);
    size_t n = (size_t)t->attr[ROWS];
    CHECK((target->kind == TENSOR_INDEX || target->kind == TENSOR_VALUE) &&
              (target->per_sample == n || target->per_sample == 1),
          "%s: %zu labels for %zu rows of a sample", name, target->per_sample, n);
    t->real_attr = smooth;
    t->saved_per_sample[SOFTMAX] = x->per_sample;
    t->saved_per_sample[LABELS] = target->per_sample == n && !target->constant ? 0 : n;
    return t;
}

/* soft_xent */

static void soft_forward(const struct chunk *c, const struct tensor *t) {
    c->k->soft_xent_forward(&c->ctx, rows(c, t), t->attr[COLS], (real)t->real_attr,
                            chunk_value(c, t->src[X]), chunk_value(c, t->src[TARGET]),
                            chunk_saved(c, t, SOFTMAX), chunk_result(c, t));
}

static void soft_backward(const struct chunk *c, const struct tensor *t) {
    c->k->soft_xent_backward(&c->ctx, rows(c, t), t->attr[COLS], (real)t->real_attr,
                             chunk_saved(c, t, SOFTMAX), chunk_value(c, t->src[TARGET]),
                             chunk_grad(c, t), t->acc[X], chunk_grad_src(c, t, X));
}

static void soft_flops(const struct tensor *t, double *f, double *b) {
    *f = 7.0 * (double)t->src[X]->per_sample;
    *b = 3.0 * (double)t->src[X]->per_sample;
}

static const struct op soft_xent = {.name = "soft_xent",
                                    .forward = soft_forward,
                                    .backward = soft_backward,
                                    .flops = soft_flops,
                                    .backward_reads = 1u << TARGET,
                                    .stops = 1u << TARGET,
                                    .alias_src = -1};

struct tensor *op_soft_xent(struct graph *g, const char *name, struct tensor *x,
                            struct tensor *target, double scale) {
    CHECK(is_of_samples(target) && target->per_sample == x->per_sample,
          "%s: %zu targets for %zu logits", name, target->per_sample, x->per_sample);
    struct tensor *t = row_loss(g, &soft_xent, name, x, target, NULL);
    t->real_attr = scale;
    t->saved_per_sample[SOFTMAX] = x->per_sample;
    return t;
}

/* mse: saved the weights where all samples share them */

enum { WEIGHTS };

static const real *weights(const struct chunk *c, const struct tensor *t) {
    if (t->n_src <= WEIGHT)
        return NULL;
    const real *one = chunk_value(c, t->src[WEIGHT]);
    if (!t->saved_per_sample[WEIGHTS])
        return one;
    int n = t->attr[ROWS];
    real *all = chunk_saved(c, t, WEIGHTS);
    c->k->copy_rows(&c->ctx, c->n, n, one, 0, 0, all, n);
    return all;
}

static void mse_forward(const struct chunk *c, const struct tensor *t) {
    c->k->mse_forward(&c->ctx, rows(c, t), t->attr[COLS], chunk_value(c, t->src[X]),
                      chunk_value(c, t->src[TARGET]), weights(c, t), chunk_result(c, t));
}

static void mse_backward(const struct chunk *c, const struct tensor *t) {
    c->k->mse_backward(&c->ctx, rows(c, t), t->attr[COLS], chunk_value(c, t->src[X]),
                       chunk_value(c, t->src[TARGET]), weights(c, t), chunk_grad(c, t), t->acc[X],
                       chunk_grad_src(c, t, X));
}

static void mse_flops(const struct tensor *t, double *f, double *b) {
    *f = *b = 3.0 * (double)t->src[X]->per_sample;
}

static const struct op mse = {.name = "mse",
                              .forward = mse_forward,
                              .backward = mse_backward,
                              .flops = mse_flops,
                              .backward_reads = 1u << X | 1u << TARGET | 1u << WEIGHT,
                              .stops = 1u << TARGET | 1u << WEIGHT,
                              .alias_src = -1};

struct tensor *op_mse(struct graph *g, const char *name, struct tensor *x, struct tensor *target,
                      struct tensor *weight) {
    CHECK(is_of_samples(target) && x->per_sample == target->per_sample,
          "%s: prediction and target of different shapes", name);
    struct tensor *t = row_loss(g, &mse, name, x, target, weight);
    CHECK(!weight || weight->per_sample == t->per_sample, "%s: %zu weights for %zu rows", name,
          weight ? weight->per_sample : 0, t->per_sample);
    t->saved_per_sample[WEIGHTS] = weight && !is_of_samples(weight) ? t->per_sample : 0;
    return t;
}

/* bce: the target is the real attribute */

static void bce_forward(const struct chunk *c, const struct tensor *t) {
    c->k->bce_forward(&c->ctx, t->per_sample * (size_t)c->n, chunk_value(c, t->src[X]),
                      (real)t->real_attr, chunk_result(c, t));
}

static void bce_backward(const struct chunk *c, const struct tensor *t) {
    c->k->bce_backward(&c->ctx, t->per_sample * (size_t)c->n, chunk_value(c, t->src[X]),
                       (real)t->real_attr, chunk_grad(c, t), t->acc[X], chunk_grad_src(c, t, X));
}

static void bce_flops(const struct tensor *t, double *f, double *b) {
    *f = 5.0 * (double)t->per_sample;
    *b = 4.0 * (double)t->per_sample;
}

static const struct op bce = {.name = "bce",
                              .forward = bce_forward,
                              .backward = bce_backward,
                              .flops = bce_flops,
                              .backward_reads = 1u << X,
                              .alias_src = -1};

struct tensor *op_bce(struct graph *g, const char *name, struct tensor *x, double target) {
    struct tensor *t = graph_value(g, &bce, name, x->ndim, x->dim, (struct tensor *const[]){x}, 1);
    t->real_attr = target;
    return t;
}
