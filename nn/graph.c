#include "nn/graph.h"

#include <limits.h>
#include <string.h>

void graph_init(struct graph *g, struct model *m) {
    *g = (struct graph){.model = m};
}

void graph_free(struct graph *g) {
    arena_free(&g->arena);
    *g = (struct graph){0};
}

static struct tensor *add(struct graph *g, enum tensor_kind kind, const char *name, int ndim,
                          const int *dim) {
    CHECK(!g->planned, "%s added to a planned graph", name);
    CHECK(ndim >= 0 && ndim <= MAX_DIM, "%s has %d dimensions", name, ndim);
    if (g->n == g->capacity) {
        int capacity = g->capacity ? 2 * g->capacity : 64;
        struct tensor **more = ARENA_ARRAY(&g->arena, struct tensor *, capacity);
        if (g->n)
            memcpy(more, g->tensors, sizeof *more * (size_t)g->n);
        g->tensors = more;
        g->capacity = capacity;
    }
    struct tensor *t = ARENA_NEW(&g->arena, struct tensor);
    *t = (struct tensor){.name = arena_strdup(&g->arena, name),
                         .number = g->n,
                         .kind = kind,
                         .ndim = ndim,
                         .per_sample = 1};
    for (int i = 0; i < ndim; i++) {
        CHECK(dim[i] > 0, "%s: dimension %d is %d", name, i, dim[i]);
        t->dim[i] = dim[i];
        t->per_sample *= (size_t)dim[i];
    }
    g->tensors[g->n++] = t;
    return t;
}

struct tensor *graph_input(struct graph *g, const char *name, int ndim, const int *dim) {
    return add(g, TENSOR_INPUT, name, ndim, dim);
}

struct tensor *graph_index(struct graph *g, const char *name, int n) {
    return add(g, TENSOR_INDEX, name, 1, &n);
}

void graph_widen(const struct graph *g, struct tensor *index, int n) {
    CHECK(!g->planned && index->kind == TENSOR_INDEX && !index->constant, "%s cannot be widened",
          index->name);
    index->dim[0] = n > index->dim[0] ? n : index->dim[0];
    index->per_sample = (size_t)index->dim[0];
}

struct tensor *graph_scalar(struct graph *g, const char *name) {
    return add(g, TENSOR_SCALAR, name, 0, NULL);
}

struct tensor *graph_const(struct graph *g, const char *name, int ndim, const int *dim,
                           const real *data) {
    struct tensor *t = add(g, TENSOR_CONST, name, ndim, dim);
    real *copy = ARENA_ARRAY(&g->arena, real, t->per_sample);
    memcpy(copy, data, sizeof *copy * t->per_sample);
    t->constant = copy;
    return t;
}

struct tensor *graph_const_index(struct graph *g, const char *name, int n, const int32_t *data) {
    struct tensor *t = add(g, TENSOR_INDEX, name, 1, &n);
    int32_t *copy = ARENA_ARRAY(&g->arena, int32_t, n);
    memcpy(copy, data, sizeof *copy * (size_t)n);
    t->constant = copy;
    return t;
}

struct tensor *graph_param(struct graph *g, int group, const char *name, int ndim, const int *dim,
                           enum init_kind init, double scale) {
    struct param *p = model_param(g->model, group, name, ndim, dim, init, scale);
    for (int i = 0; i < g->n; i++)
        if (g->tensors[i]->param == p && g->tensors[i]->frozen == g->freezes)
            return g->tensors[i];
    struct tensor *t = add(g, TENSOR_PARAM, name, ndim, dim);
    t->param = p;
    t->frozen = g->freezes;
    return t;
}

void graph_freeze(struct graph *g, int on) {
    g->freezes = on;
}

static int depends_on_samples(const struct tensor *t) {
    return t->kind == TENSOR_INPUT || t->kind == TENSOR_SCALAR || t->kind == TENSOR_VALUE ||
           (t->kind == TENSOR_INDEX && !t->constant);
}

struct tensor *graph_value(struct graph *g, const struct op *op, const char *name, int ndim,
                           const int *dim, struct tensor *const *src, int n_src) {
    struct tensor *t = add(g, TENSOR_VALUE, name, ndim, dim);
    t->op = op;
    while (n_src && !src[n_src - 1])
        n_src--;
    CHECK(n_src <= MAX_SRC, "%s has %d sources", name, n_src);
    t->n_src = n_src;
    int shared = !op->whole && !op->prepare && n_src;
    for (int s = 0; s < n_src; s++) {
        t->src[s] = src[s];
        shared &= !src[s] || !depends_on_samples(src[s]);
    }
    if (shared)
        t->kind = TENSOR_SHARED;
    return t;
}

void graph_output(struct graph *g, struct tensor *t) {
    CHECK(!g->planned && t->kind == TENSOR_VALUE, "%s cannot be an output", t->name);
    t->output = 1;
}

void graph_sums(struct graph *g, struct tensor *t) {
    CHECK(!t->output && t->ndim, "%s: of what there are sums", t->name);
    const size_t cols = (size_t)t->dim[t->ndim - 1];
    graph_output(g, t);
    t->summed = 1;
    g->sum_count = cols > g->sum_count ? cols : g->sum_count;
}

void graph_objective(struct graph *g, struct tensor *t, double weight) {
    graph_output(g, t);
    t->objective = weight;
    g->train = 1;
}

int graph_index_limit(const struct graph *g, const struct tensor *index) {
    int limit = INT_MAX;
    for (int i = 0; i < g->n; i++) {
        const struct tensor *t = g->tensors[i];
        for (int s = 0; s < t->n_src; s++)
            if (t->src[s] == index && t->op->limit && t->attr[t->op->limit - 1] < limit)
                limit = t->attr[t->op->limit - 1];
    }
    return limit;
}
