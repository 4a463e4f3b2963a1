/* op_tokens.c -- operations on discrete tokens: picking indices, and how far from uniform a choice
 * among tokens is. */
#include "nn/ops.h"

/* pick: attr entries of x */

enum { X, PLACES };
enum { ENTRIES };

static void pick_forward(const struct chunk *c, const struct tensor *t) {
    int x_stride, places_stride, rows = t->dim[0];
    const int32_t *x = chunk_index(c, t->src[X], &x_stride);
    const int32_t *places = chunk_index(c, t->src[PLACES], &places_stride);
    c->k->pick_index(&c->ctx, c->n, rows, x, x_stride, places, places_stride,
                     chunk_index_result(c, t));
}

static void pick_flops(const struct tensor *t, double *f, double *b) {
    (void)t;
    *f = *b = 0;
}

static const struct op pick = {.name = "pick",
                               .forward = pick_forward,
                               .flops = pick_flops,
                               .alias_src = -1,
                               .limit = 1 + ENTRIES};

struct tensor *op_pick(struct graph *g, const char *name, struct tensor *x, struct tensor *places) {
    CHECK(x->ndim == 1 && places->ndim == 1, "%s: indices (N,T) at places (N,R)", name);
    struct tensor *t =
        graph_value(g, &pick, name, 1, places->dim, (struct tensor *const[]){x, places}, 2);
    t->attr[ENTRIES] = x->dim[0];
    return t;
}

/* kl_uniform: attr rows, classes; keeps the softmax */

enum { ROWS, CLASSES };

static void kl_forward(const struct chunk *c, const struct tensor *t) {
    c->k->kl_uniform_forward(&c->ctx, c->n * t->attr[ROWS], t->attr[CLASSES],
                             chunk_value(c, t->src[X]), chunk_saved(c, t, 0), chunk_result(c, t));
}

static void kl_backward(const struct chunk *c, const struct tensor *t) {
    c->k->kl_uniform_backward(&c->ctx, c->n * t->attr[ROWS], t->attr[CLASSES], chunk_saved(c, t, 0),
                              chunk_value(c, t), chunk_grad(c, t), t->acc[X],
                              chunk_grad_src(c, t, X));
}

static void kl_flops(const struct tensor *t, double *f, double *b) {
    *f = *b = 5.0 * (double)t->src[X]->per_sample;
}

static const struct op kl_uniform = {.name = "kl_uniform",
                                     .forward = kl_forward,
                                     .backward = kl_backward,
                                     .flops = kl_flops,
                                     .backward_reads = BACKWARD_READS_OUT,
                                     .alias_src = -1};

struct tensor *op_kl_uniform(struct graph *g, const char *name, struct tensor *x) {
    CHECK(x->ndim >= 1, "%s: logits (N,..,K)", name);
    int last = x->ndim - 1;
    const int one = 1;
    struct tensor *t = graph_value(g, &kl_uniform, name, last ? last : 1, last ? x->dim : &one,
                                   (struct tensor *const[]){x}, 1);
    t->attr[CLASSES] = x->dim[last];
    t->attr[ROWS] = (int)(x->per_sample / (size_t)x->dim[last]);
    t->saved_per_sample[0] = x->per_sample;
    return t;
}
