/* cudnn_standin_attention.c -- graphs of the operations that attention is written with, one after
 * the other, on copies of what they are given.
 *
 * A tensor is the memory that its strides reach, as floats; one of 16 bits that nothing but the
 * graph sees is rounded, too.
 */
#include "tests/cuda/cudnn_standin.h"

#include <stdlib.h>

enum { MOST_TENSORS = 40 };

struct values {
    const struct bag *tensor;
    size_t count;
    void *there; /* NULL: virtual, or a number of the processor */
    float *x;
};

struct memory {
    const struct bag *pack;
    struct values tensors[MOST_TENSORS];
    int n;
};

static const cudnnBackendAttributeName_t
    of_product[] = {CUDNN_ATTR_OPERATION_MATMUL_ADESC, CUDNN_ATTR_OPERATION_MATMUL_BDESC,
                    CUDNN_ATTR_OPERATION_MATMUL_CDESC},
    of_each[] = {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
                 CUDNN_ATTR_OPERATION_POINTWISE_YDESC, CUDNN_ATTR_OPERATION_POINTWISE_TDESC},
    of_sum[] = {CUDNN_ATTR_OPERATION_REDUCTION_XDESC, CUDNN_ATTR_OPERATION_REDUCTION_YDESC},
    of_turn[] = {CUDNN_ATTR_OPERATION_RESHAPE_XDESC, CUDNN_ATTR_OPERATION_RESHAPE_YDESC},
    of_all[] = {CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC,     CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC,
                CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC,     CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC,
                CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC};

int standin_is_attention(const struct bag *operation) {
    switch ((int)operation->type) {
    case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR:
        return 1;
    default:
        return 0;
    }
}

/* ---- finishing ---- */

static int same_outer(const struct bag *x, const struct bag *y) {
    return x && y && dim(x, 0) == dim(y, 0) && dim(x, 1) == dim(y, 1);
}

static int multiplies(const struct bag *b) {
    const struct bag *x = within(b, of_product[0]), *by = within(b, of_product[1]);
    const struct bag *y = within(b, of_product[2]);
    return within(b, CUDNN_ATTR_OPERATION_MATMUL_DESC) && same_outer(x, y) && same_outer(by, y) &&
           dim(x, 3) == dim(by, 2) && dim(y, 2) == dim(x, 2) && dim(y, 3) == dim(by, 3);
}

/* Sizes of b are those of a, or 1 where they may be fewer. */
static int fits(const struct bag *a, const struct bag *b, int fewer) {
    int right = a && b;
    for (int i = 0; i < DIMS && right; i++)
        right = dim(b, i) == dim(a, i) || (fewer && dim(b, i) == 1);
    return right;
}

/* Of one tensor. */
static int is_alone(int64_t mode) {
    return mode == CUDNN_POINTWISE_EXP || mode == CUDNN_POINTWISE_LOG ||
           mode == CUDNN_POINTWISE_GEN_INDEX;
}

static int is_each(const struct bag *b) {
    const struct bag *how = within(b, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    const struct bag *x = within(b, of_each[0]), *by = within(b, of_each[1]);
    const struct bag *where = within(b, of_each[3]);
    int64_t mode = how ? number(how, CUDNN_ATTR_POINTWISE_MODE, 0) : 0;
    int selects = mode == CUDNN_POINTWISE_BINARY_SELECT;
    return how && fits(x, within(b, of_each[2]), 0) && (is_alone(mode) ? !by : fits(x, by, 1)) &&
           (selects ? fits(x, where, 0) : !where) &&
           (mode != CUDNN_POINTWISE_GEN_INDEX || find(how, CUDNN_ATTR_POINTWISE_AXIS));
}

static int attends(const struct bag *b) {
    const struct bag *q = within(b, of_all[0]), *stats = within(b, of_all[4]);
    int right = q && stats && within(b, of_all[5]) && !is_half(stats) && same_outer(q, stats) &&
                dim(stats, 2) == dim(q, 2) && dim(stats, 3) == 1;
    for (int i = 0; i < 4 && right; i++)
        right = fits(q, within(b, of_all[i]), 0) && is_half(within(b, of_all[i]));
    return right && dim(q, 3) % 8 == 0 && dim(q, 3) <= 128;
}

static int is_right(const struct bag *b) {
    switch ((int)b->type) {
    case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
        return multiplies(b);
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
        return is_each(b);
    case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR:
        return within(b, CUDNN_ATTR_OPERATION_REDUCTION_DESC) &&
               fits(within(b, of_sum[0]), within(b, of_sum[1]), 1);
    case CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR:
        return same_outer(within(b, of_turn[0]), within(b, of_turn[1]));
    default:
        return attends(b);
    }
}

/* There is something that it has no plan for: one token. */
static int is_of_one_token(const struct bag *b) {
    const struct bag *x = within(
        b, b->type == CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR ? of_all[0] : of_product[0]);
    return x && dim(x, 2) == 1;
}

cudnnStatus_t standin_finish(const struct bag *operation) {
    return !is_right(operation)         ? CUDNN_STATUS_BAD_PARAM
           : is_of_one_token(operation) ? CUDNN_STATUS_NOT_SUPPORTED_SHAPE
                                        : CUDNN_STATUS_SUCCESS;
}

/* What the library takes for slopes of scores, without its rounding up. */
int64_t standin_workspace(const struct bag *graph) {
    enum { LEAST = 256 };
    int64_t bytes = LEAST;
    const struct bag *o;
    for (int i = 0; (o = one_of(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, i)); i++)
        if (o->type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR) {
            const struct bag *y = within(o, of_each[2]);
            int64_t now = 2 * dim(y, 0) * dim(y, 1) * dim(y, 2) * dim(y, 3);
            bytes = now > bytes ? now : bytes;
        }
    return bytes;
}

/* ---- memory ---- */

static float widened(uint16_t upper) {
    uint32_t bits = (uint32_t)upper << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* To the nearest, ties to even. */
static uint16_t narrowed(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (!isnan(x))
        bits += 0x7fff + (bits >> 16 & 1);
    return (uint16_t)(bits >> 16);
}

static int64_t stride(const struct bag *tensor, int i) {
    return number(tensor, CUDNN_ATTR_TENSOR_STRIDES, i);
}

static size_t reach(const struct bag *tensor) {
    int64_t count = 1;
    for (int i = 0; i < DIMS; i++)
        count += (dim(tensor, i) - 1) * stride(tensor, i);
    return (size_t)count;
}

/* The pointer that the call has for a tensor. */
static void *given(const struct memory *m, const struct bag *tensor) {
    int64_t id = number(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, 0);
    const struct attribute *ids = find(m->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    int i = 0;
    while (i < ids->count && number(m->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, i) != id)
        i++;
    return (void *)(uintptr_t)number(m->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, i);
}

static void bring(struct values *v) {
    size_t count = v->count;
    uint16_t *narrow = malloc(count * sizeof *narrow);
    if (is_half(v->tensor))
        cudaMemcpyAsync(narrow, v->there, count * sizeof *narrow, cudaMemcpyDeviceToHost, NULL);
    else
        cudaMemcpyAsync(v->x, v->there, count * sizeof *v->x, cudaMemcpyDeviceToHost, NULL);
    for (size_t i = 0; i < count && is_half(v->tensor); i++)
        v->x[i] = widened(narrow[i]);
    free(narrow);
}

static void bring_back(const struct values *v) {
    uint16_t *narrow = malloc(v->count * sizeof *narrow);
    for (size_t i = 0; i < v->count; i++)
        narrow[i] = narrowed(v->x[i]);
    if (is_half(v->tensor))
        cudaMemcpyAsync(v->there, narrow, v->count * sizeof *narrow, cudaMemcpyHostToDevice, NULL);
    else
        cudaMemcpyAsync(v->there, v->x, v->count * sizeof *v->x, cudaMemcpyHostToDevice, NULL);
    free(narrow);
}

/* A tensor's numbers: what was made before, or what lies there now; NULL for a wrong pointer. */
static struct values *values_of(struct memory *m, const struct bag *tensor) {
    for (int i = 0; i < m->n; i++)
        if (m->tensors[i].tensor == tensor)
            return &m->tensors[i];
    struct values *v = &m->tensors[m->n++];
    *v = (struct values){.tensor = tensor, .count = reach(tensor)};
    v->x = calloc(v->count, sizeof *v->x);
    if (find(tensor, CUDNN_ATTR_TENSOR_IS_VIRTUAL))
        return v;
    void *p = given(m, tensor);
    if (!p)
        return NULL;
    if (find(tensor, CUDNN_ATTR_TENSOR_IS_BY_VALUE)) {
        memcpy(v->x, p, sizeof *v->x);
        return v;
    }
    v->there = p;
    if ((uintptr_t)p % (size_t)number(tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 0))
        return NULL;
    bring(v);
    return v;
}

/* Where a number is; there is one along a size of 1. */
static float *at(const struct values *v, const int64_t i[DIMS]) {
    int64_t place = 0;
    for (int k = 0; k < DIMS; k++)
        place += (dim(v->tensor, k) == 1 ? 0 : i[k]) * stride(v->tensor, k);
    return &v->x[place];
}

/* ---- computing ---- */

/* The next place of a tensor, 0 behind the last. */
static int next(const struct bag *tensor, int64_t i[DIMS]) {
    for (int k = DIMS - 1; k >= 0; k--) {
        if (++i[k] < dim(tensor, k))
            return 1;
        i[k] = 0;
    }
    return 0;
}

static void product(struct values *const a[3]) {
    int64_t i[DIMS] = {0};
    do {
        double sum = 0;
        for (int64_t k = 0; k < dim(a[0]->tensor, 3); k++)
            sum += (double)*at(a[0], (int64_t[]){i[0], i[1], i[2], k}) *
                   (double)*at(a[1], (int64_t[]){i[0], i[1], k, i[3]});
        *at(a[2], i) = (float)sum;
    } while (next(a[2]->tensor, i));
}

/* where: BINARY_SELECT takes x, else by */
static float each_of(int64_t mode, float x, float by, float where) {
    switch (mode) {
    case CUDNN_POINTWISE_ADD:
        return x + by;
    case CUDNN_POINTWISE_MUL:
        return x * by;
    case CUDNN_POINTWISE_DIV:
        return x / by;
    case CUDNN_POINTWISE_EXP:
        return expf(x);
    case CUDNN_POINTWISE_LOG:
        return logf(x);
    case CUDNN_POINTWISE_CMP_GE:
        return x >= by;
    case CUDNN_POINTWISE_BINARY_SELECT:
        return where != 0 ? x : by;
    default:
        return x - by;
    }
}

static void each(const struct bag *how, struct values *const a[4]) {
    const int64_t mode = number(how, CUDNN_ATTR_POINTWISE_MODE, 0);
    const int64_t axis = number(how, CUDNN_ATTR_POINTWISE_AXIS, 0);
    int64_t i[DIMS] = {0};
    do
        *at(a[2], i) =
            mode == CUDNN_POINTWISE_GEN_INDEX
                ? (float)i[axis]
                : each_of(mode, *at(a[0], i), a[1] ? *at(a[1], i) : 0, a[3] ? *at(a[3], i) : 0);
    while (next(a[2]->tensor, i));
}

static void reduce(const struct bag *how, struct values *const a[2]) {
    const int most = number(how, CUDNN_ATTR_REDUCTION_OPERATOR, 0) == CUDNN_REDUCE_TENSOR_MAX;
    int64_t i[DIMS] = {0};
    do
        *at(a[1], i) = most ? -INFINITY : 0;
    while (next(a[1]->tensor, i));
    do {
        float x = *at(a[0], i), *to = at(a[1], i);
        *to = !most ? *to + x : x > *to ? x : *to;
    } while (next(a[0]->tensor, i));
}

/* a: q, k, v, o, stats, scale */
static void attend(struct values *const a[6]) {
    const int64_t t = dim(a[0]->tensor, 2), d = dim(a[0]->tensor, 3);
    int64_t i[DIMS] = {0};
    double *p = calloc((size_t)t, sizeof *p);
    do {
        double most = -INFINITY, all = 0;
        for (int64_t j = 0; j < t; j++) {
            p[j] = 0;
            for (int64_t e = 0; e < d; e++)
                p[j] += (double)*at(a[0], (int64_t[]){i[0], i[1], i[2], e}) *
                        (double)*at(a[1], (int64_t[]){i[0], i[1], j, e});
            p[j] *= (double)a[5]->x[0];
            most = fmax(most, p[j]);
        }
        for (int64_t j = 0; j < t; j++)
            all += p[j] = exp(p[j] - most);
        *at(a[4], i) = (float)(most + log(all));
        for (int64_t e = 0; e < d; e++) {
            double y = 0;
            for (int64_t j = 0; j < t; j++)
                y += p[j] / all * (double)*at(a[2], (int64_t[]){i[0], i[1], j, e});
            *at(a[3], (int64_t[]){i[0], i[1], i[2], e}) = (float)y;
        }
    } while (next(a[4]->tensor, i));
    free(p);
}

/* What an operation wrote: rounded, spoilt, or both, and back where it is stored. */
static void leave(struct values *v, int spoilt) {
    int64_t i[DIMS] = {0};
    do {
        float *x = at(v, i);
        *x = spoilt ? NAN : is_half(v->tensor) ? widened(narrowed(*x)) : *x;
    } while (next(v->tensor, i));
    if (v->there)
        bring_back(v);
}

/* The tensors of an operation; 0 when one has no memory. */
static int take(struct memory *m, const struct bag *o, const cudnnBackendAttributeName_t *names,
                int n, struct values **out) {
    int right = 1;
    for (int i = 0; i < n; i++) {
        const struct bag *tensor = within(o, names[i]);
        out[i] = tensor ? values_of(m, tensor) : NULL;
        right &= !tensor || out[i];
    }
    return right;
}

static cudnnStatus_t compute(struct memory *m, const struct bag *o, int spoilt) {
    static const struct {
        const cudnnBackendAttributeName_t *names;
        int n, result;
    } kinds[] = {
        {of_product, 3, 2}, {of_each, 4, 2}, {of_sum, 2, 1}, {of_turn, 2, 1}, {of_all, 6, 3}};
    enum { PRODUCT, EACH, SUM, TURN, ALL };
    struct values *a[6];
    int kind = o->type == CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR      ? PRODUCT
               : o->type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR ? EACH
               : o->type == CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR ? SUM
               : o->type == CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR   ? TURN
                                                                         : ALL;
    if (!take(m, o, kinds[kind].names, kinds[kind].n, a))
        return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
    switch (kind) {
    case PRODUCT:
        product(a);
        break;
    case EACH:
        each(within(o, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR), a);
        break;
    case SUM:
        reduce(within(o, CUDNN_ATTR_OPERATION_REDUCTION_DESC), a);
        break;
    case TURN: /* the same memory */
        memcpy(a[1]->x, a[0]->x, (a[0]->count < a[1]->count ? a[0] : a[1])->count * sizeof(float));
        break;
    default:
        attend(a);
        leave(a[4], spoilt);
    }
    leave(a[kinds[kind].result], spoilt);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t standin_compute(const struct bag *graph, const struct bag *pack, int spoilt) {
    struct memory m = {.pack = pack};
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    const struct bag *o;
    for (int i = 0; !status && (o = one_of(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, i)); i++)
        status = compute(&m, o, spoilt);
    for (int i = 0; i < m.n; i++)
        free(m.tensors[i].x);
    return status;
}
