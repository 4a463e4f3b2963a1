/* chunk.c -- where an operation finds its buffers. */
#include "nn/plan_internal.h"

static real *piece(const struct chunk *c, const struct buffer *b) {
    CHECK(b->dies >= b->born, "a buffer that was never planned");
    if (b->whole)
        return c->batch_arena + b->offset * (size_t)c->batch + b->per_sample * (size_t)c->first;
    return c->arena + b->offset * (size_t)c->capacity;
}

static real *output(const struct chunk *c, const struct tensor *t) {
    return c->outputs + t->output_offset * (size_t)c->batch + t->per_sample * (size_t)c->first;
}

static real *value(const struct chunk *c, const struct tensor *t) {
    const struct again *a = again_at(t, c->position);
    return piece(c, a ? &a->value : &t->value);
}

const real *chunk_value(const struct chunk *c, const struct tensor *t) {
    switch (t->kind) {
    case TENSOR_INPUT:
        CHECK(c->bound[t->number], "input %s is not bound", t->name);
        return (const real *)c->bound[t->number] + t->per_sample * (size_t)c->first;
    case TENSOR_SCALAR:
        CHECK(c->bound[t->number], "scalar %s is not bound", t->name);
        return c->bound[t->number];
    case TENSOR_CONST:
        return c->bound[t->number];
    case TENSOR_PARAM:
        return c->values + t->param->offset;
    case TENSOR_SHARED:
        return c->shared + t->shared_offset;
    case TENSOR_VALUE:
        return t->output ? output(c, t) : value(c, t);
    case TENSOR_INDEX:
        break;
    }
    CHECK(0, "%s has no value", t->name);
    return NULL;
}

real *chunk_result(const struct chunk *c, const struct tensor *t) {
    if (t->kind == TENSOR_SHARED)
        return c->shared + t->shared_offset;
    return t->output ? output(c, t) : value(c, t);
}

const int32_t *chunk_index(const struct chunk *c, const struct tensor *t, int *stride) {
    if (t->kind == TENSOR_VALUE) { /* made by chunk_index_result */
        *stride = t->dim[0];
        const void *value = chunk_value(c, t);
        return value;
    }
    CHECK(t->kind == TENSOR_INDEX, "%s is not an index", t->name);
    *stride = t->constant ? 0 : t->dim[0];
    if (t->constant)
        return c->bound[t->number];
    CHECK(c->bound[t->number], "index %s is not bound", t->name);
    return (const int32_t *)c->bound[t->number] + t->per_sample * (size_t)c->first;
}

real *chunk_grad_in_place(const struct chunk *c, const struct tensor *t) {
    if (t->kind == TENSOR_PARAM || t->kind == TENSOR_SHARED)
        return c->grads + c->grad_places[t->number];
    return piece(c, t->grad_alias ? &t->grad_alias->grad : &t->grad);
}

const real *chunk_grad(const struct chunk *c, const struct tensor *t) {
    return chunk_grad_in_place(c, t);
}

real *chunk_grad_src(const struct chunk *c, const struct tensor *t, int s) {
    if (s >= t->n_src || !t->src[s] || !t->src[s]->needs_grad)
        return NULL;
    real *d = chunk_grad_in_place(c, t->src[s]);
    return d == chunk_grad(c, t) ? NULL : d;
}

int chunk_adds(const struct chunk *c, const struct tensor *t, int s) {
    return !(c->fresh && t->writes & 1u << s);
}

real *chunk_saved(const struct chunk *c, const struct tensor *t, int i) {
    if (t->kind == TENSOR_SHARED)
        return c->shared + t->shared_saved_offset[i];
    const struct again *a = again_at(t, c->position);
    return piece(c, a ? &a->saved[i] : &t->saved[i]);
}

real *chunk_narrow(const struct chunk *c, const struct tensor *t) {
    return piece(c, &t->narrow);
}

real *chunk_handed_sums(const struct chunk *c, const struct tensor *t) {
    return chunk_grad_src(c, t, t->op->handed_sums - 1);
}

const real *chunk_packed(const struct chunk *c, const struct tensor *t) {
    return c->packed + t->packed_offset;
}

int32_t *chunk_index_result(const struct chunk *c, const struct tensor *t) {
    void *place = chunk_result(c, t);
    return place;
}
