/* op_norm.c -- layer norm, and the standardisation of targets. */
#include "nn/ops.h"

#include <stdio.h>

enum { ROWS, COLS };
enum { X, GAMMA, BETA };
enum { MEAN, RSTD };

static void layernorm_forward(const struct chunk *c, const struct tensor *t) {
    enum { Y = 1 << 3 }; /* of its arrays */
    const struct kctx ctx = chunk_halves(c, t->half ? Y : 0);
    c->k->layernorm_forward(&ctx, c->n * t->attr[ROWS], t->attr[COLS], (real)t->real_attr,
                            chunk_value(c, t->src[X]), chunk_value(c, t->src[GAMMA]),
                            chunk_value(c, t->src[BETA]), chunk_result(c, t),
                            chunk_saved(c, t, MEAN), chunk_saved(c, t, RSTD));
}

static void layernorm_backward(const struct chunk *c, const struct tensor *t) {
    enum { DY = 1 << 4, NARROW = 1 << 8 }; /* of its arrays */
    const struct tensor *x = t->src[X];
    const struct kctx ctx = chunk_halves(c, (t->half ? DY : 0) | (x->handed ? NARROW : 0));
    real *dx = chunk_grad_src(c, t, X);
    CHECK(dx, "%s: layer norm of something without gradient", t->name);
    c->k->layernorm_backward(
        &ctx, c->n * t->attr[ROWS], t->attr[COLS], chunk_value(c, x), chunk_value(c, t->src[GAMMA]),
        chunk_saved(c, t, MEAN), chunk_saved(c, t, RSTD), chunk_grad(c, t), t->acc[X], dx,
        chunk_grad_src(c, t, GAMMA), chunk_grad_src(c, t, BETA),
        x->handed ? chunk_narrow(c, x) : NULL, x->handed ? chunk_handed_sums(c, x) : NULL);
}

static void layernorm_flops(const struct tensor *t, double *f, double *b) {
    *f = 7.0 * (double)t->per_sample;
    *b = 14.0 * (double)t->per_sample;
}

static const struct op layernorm = {.name = "layernorm",
                                    .forward = layernorm_forward,
                                    .backward = layernorm_backward,
                                    .flops = layernorm_flops,
                                    .backward_reads = 1u << X,
                                    .cheap = 1,
                                    .alias_src = -1,
                                    .halves = HALVES_OUT | HALVES_HANDS_NARROW};

struct tensor *op_layernorm(struct graph *g, const char *name, int group, struct tensor *x,
                            double eps) {
    int cols = x->dim[x->ndim - 1];
    char full[256];
    snprintf(full, sizeof full, "%s.weight", name);
    struct tensor *gamma = graph_param(g, group, full, 1, &cols, INIT_ONE, 0);
    snprintf(full, sizeof full, "%s.bias", name);
    struct tensor *beta = graph_param(g, group, full, 1, &cols, INIT_ZERO, 0);
    struct tensor *t = graph_value(g, &layernorm, name, x->ndim, x->dim,
                                   (struct tensor *const[]){x, gamma, beta}, 3);
    t->attr[ROWS] = (int)(x->per_sample / (size_t)cols);
    t->attr[COLS] = cols;
    t->real_attr = eps;
    t->saved_per_sample[MEAN] = t->saved_per_sample[RSTD] = (size_t)t->attr[ROWS];
    return t;
}

static void standardize_forward(const struct chunk *c, const struct tensor *t) {
    c->k->standardize_rows(&c->ctx, c->n * t->attr[ROWS], t->attr[COLS], (real)t->real_attr,
                           chunk_value(c, t->src[X]), chunk_result(c, t));
}

static void standardize_flops(const struct tensor *t, double *f, double *b) {
    *f = 5.0 * (double)t->per_sample;
    *b = 0;
}

static const struct op standardize = {.name = "standardize",
                                      .forward = standardize_forward,
                                      .flops = standardize_flops,
                                      .alias_src = -1};

struct tensor *op_standardize(struct graph *g, const char *name, struct tensor *x, double eps) {
    struct tensor *t =
        graph_value(g, &standardize, name, x->ndim, x->dim, (struct tensor *const[]){x}, 1);
    t->attr[COLS] = x->dim[x->ndim - 1];
    t->attr[ROWS] = (int)(x->per_sample / (size_t)t->attr[COLS]);
    t->real_attr = eps;
    return t;
}
