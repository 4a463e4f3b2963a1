/* op_tokens.c -- operations on discrete tokens: picking indices, and how far from uniform a choice
 * among tokens is. */
#include "nn/ops.h"

#include <math.h>

/* pick: attr entries of x */

enum { X, PLACES };
enum { ENTRIES };

static void pick_forward(const struct chunk *c, const struct tensor *t) {
    int x_stride, places_stride, rows = t->dim[0];
    const int32_t *x = chunk_index(c, t->src[X], &x_stride);
    const int32_t *places = chunk_index(c, t->src[PLACES], &places_stride);
    int32_t *y = chunk_index_result(c, t);
    for (int i = 0; i < c->n; i++)
        for (int j = 0; j < rows; j++) {
            int32_t place = places[(size_t)i * (size_t)places_stride + (size_t)j];
            y[(size_t)i * (size_t)rows + (size_t)j] =
                place < 0 ? -1 : x[(size_t)i * (size_t)x_stride + (size_t)place];
        }
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

/* kl_uniform: attr rows, classes; keeps the softmax p.  With H = -sum p log p,
 * y = log K - H and dy/dx_k = p_k (log p_k + H). */

enum { ROWS, CLASSES };

static double row_entropy(const real *x, int classes, real *p) {
    double most = (double)x[0], sum = 0, mean = 0;
    for (int i = 1; i < classes; i++)
        most = fmax(most, (double)x[i]);
    int k = 0;
    do {
        double e = exp((double)x[k] - most);
        p[k] = (real)e;
        sum += e;
        mean += e * ((double)x[k] - most);
    } while (++k < classes);
    for (k = 0; k < classes; k++)
        p[k] = (real)((double)p[k] / sum);
    return log(sum) - mean / sum;
}

static void kl_forward(const struct chunk *c, const struct tensor *t) {
    int rows = c->n * t->attr[ROWS], classes = t->attr[CLASSES];
    const real *x = chunk_value(c, t->src[X]);
    real *y = chunk_result(c, t), *p = chunk_saved(c, t, 0);
    for (int i = 0; i < rows; i++) {
        size_t at = (size_t)i * (size_t)classes;
        y[i] = (real)(log(classes) - row_entropy(x + at, classes, p + at));
    }
}

static void kl_backward(const struct chunk *c, const struct tensor *t) {
    int rows = c->n * t->attr[ROWS], classes = t->attr[CLASSES];
    const real *y = chunk_value(c, t), *dy = chunk_grad(c, t), *p = chunk_saved(c, t, 0);
    real *dx = chunk_grad_src(c, t, X);
    for (int i = 0; i < rows; i++) {
        double entropy = log(classes) - (double)y[i];
        for (int k = 0; k < classes; k++) {
            size_t at = (size_t)i * (size_t)classes + (size_t)k;
            double share = (double)p[at], slope = share > 0 ? share * (log(share) + entropy) : 0;
            dx[at] = (real)((t->acc[X] ? (double)dx[at] : 0) + (double)dy[i] * slope);
        }
    }
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
