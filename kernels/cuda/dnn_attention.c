#include "kernels/cuda/dnn_attention.h"

#include <stdbool.h>

typedef cudnnBackendDescriptor_t descriptor;

enum { DIMS = 4 };
enum storage { STORED, VIRTUAL, NUMBER /* of the processor */ };

struct layout {
    int64_t size[DIMS], stride[DIMS];
};

/* The graph as it grows. */
struct attention {
    struct dnn_made *m;
    const struct dnn_problem *p;
    int64_t n, t, heads, d;
    int64_t next; /* id of a virtual tensor */
    descriptor *operation;
    int count;
};

static descriptor tensor(struct attention *a, int64_t id, cudnnDataType_t type,
                         enum storage storage, struct layout l) {
    const bool yes = true;
    descriptor d = dnn_make(a->m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    dnn_set(a->m, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    dnn_set(a->m, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, DIMS, l.size);
    dnn_set(a->m, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, DIMS, l.stride);
    dnn_set_number(a->m, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
    dnn_set_number(a->m, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 16);
    if (storage == VIRTUAL)
        dnn_set(a->m, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &yes);
    if (storage == NUMBER)
        dnn_set(a->m, d, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &yes);
    dnn_finish(a->m, d);
    return d;
}

/* ---- layouts ---- */

/* A head's rows, one a token: parts 1 of an array of outputs, 3 of one of q, k and v. */
static struct layout tokens(const struct attention *a, int parts) {
    int64_t row = parts * a->heads * a->d;
    return (struct layout){{a->n, a->heads, a->t, a->d}, {a->t * row, a->d, row, 1}};
}

static struct layout pairs(const struct attention *a) {
    return (struct layout){{a->n, a->heads, a->t, a->t},
                           {a->heads * a->t * a->t, a->t * a->t, a->t, 1}};
}

/* The same for all images. */
static struct layout pairs_of_all(const struct attention *a) {
    struct layout l = pairs(a);
    l.size[0] = 1;
    return l;
}

static struct layout number_of_token(const struct attention *a) {
    return (struct layout){{a->n, a->heads, a->t, 1}, {a->heads * a->t, a->t, 1, 1}};
}

/* The same memory, rows and columns exchanged. */
static struct layout turned(struct layout l) {
    int64_t size = l.size[2], stride = l.stride[2];
    l.size[2] = l.size[3];
    l.stride[2] = l.stride[3];
    l.size[3] = size;
    l.stride[3] = stride;
    return l;
}

static descriptor half(struct attention *a, int64_t id, struct layout l) {
    return tensor(a, id, CUDNN_DATA_BFLOAT16, STORED, l);
}

static descriptor stats(struct attention *a) {
    return tensor(a, DNN_STATS, CUDNN_DATA_FLOAT, STORED, number_of_token(a));
}

static descriptor number(struct attention *a, int64_t id) {
    return tensor(a, id, CUDNN_DATA_FLOAT, NUMBER, (struct layout){{1, 1, 1, 1}, {1, 1, 1, 1}});
}

static descriptor between(struct attention *a, cudnnDataType_t type, struct layout l) {
    return tensor(a, a->next++, type, VIRTUAL, l);
}

static descriptor between_pairs(struct attention *a) {
    return between(a, CUDNN_DATA_FLOAT, pairs(a));
}

static descriptor between_tokens(struct attention *a) {
    return between(a, CUDNN_DATA_FLOAT, number_of_token(a));
}

/* ---- operations ---- */

/* What an operation computes with, which has an attribute for the type of that. */
static descriptor how_in(struct attention *a, cudnnBackendDescriptorType_t type,
                         cudnnBackendAttributeName_t name, cudnnDataType_t in) {
    descriptor d = dnn_make(a->m, type);
    dnn_set(a->m, d, name, CUDNN_TYPE_DATA_TYPE, 1, &in);
    return d;
}

static descriptor how(struct attention *a, cudnnBackendDescriptorType_t type,
                      cudnnBackendAttributeName_t name) {
    return how_in(a, type, name, CUDNN_DATA_FLOAT);
}

static descriptor add(struct attention *a, cudnnBackendDescriptorType_t type) {
    CHECK(a->count < DNN_MOST_OPERATIONS, "more operations than there is room for");
    return a->operation[a->count++] = dnn_make(a->m, type);
}

/* y = x y', both of matrices */
static descriptor multiply(struct attention *a, descriptor x, descriptor by, descriptor y) {
    descriptor product = how(a, CUDNN_BACKEND_MATMUL_DESCRIPTOR, CUDNN_ATTR_MATMUL_COMP_TYPE);
    dnn_finish(a->m, product);
    descriptor o = add(a, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_MATMUL_ADESC, x);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_MATMUL_BDESC, by);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_MATMUL_CDESC, y);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_MATMUL_DESC, product);
    dnn_finish(a->m, o);
    return y;
}

static descriptor pointwise(struct attention *a, cudnnDataType_t in, cudnnPointwiseMode_t mode) {
    descriptor work =
        how_in(a, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_MATH_PREC, in);
    dnn_set(a->m, work, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    return work;
}

/* y = x, `by` and `where` as `work` says, number by number; what is NULL is not asked for. */
static descriptor each_with(struct attention *a, descriptor work, descriptor x, descriptor by,
                            descriptor where, descriptor y) {
    dnn_finish(a->m, work);
    descriptor o = add(a, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, work);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (by)
        dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, by);
    if (where)
        dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, where);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    dnn_finish(a->m, o);
    return y;
}

/* y = x and `by` (NULL: x alone) */
static descriptor each(struct attention *a, cudnnPointwiseMode_t mode, descriptor x, descriptor by,
                       descriptor y) {
    return each_with(a, pointwise(a, CUDNN_DATA_FLOAT, mode), x, by, NULL, y);
}

/* For each pair which query it is of, or which key. */
static descriptor place_along(struct attention *a, descriptor like, int64_t axis) {
    descriptor work = pointwise(a, CUDNN_DATA_FLOAT, CUDNN_POINTWISE_GEN_INDEX);
    dnn_set_number(a->m, work, CUDNN_ATTR_POINTWISE_AXIS, axis);
    return each_with(a, work, like, NULL, NULL, between(a, CUDNN_DATA_INT32, pairs(a)));
}

/* Of rows. */
static descriptor reduce(struct attention *a, cudnnReduceTensorOp_t by, descriptor x,
                         descriptor y) {
    descriptor work = how(a, CUDNN_BACKEND_REDUCTION_DESCRIPTOR, CUDNN_ATTR_REDUCTION_COMP_TYPE);
    dnn_set(a->m, work, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &by);
    dnn_finish(a->m, work);
    descriptor o = add(a, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_REDUCTION_DESC, work);
    dnn_finish(a->m, o);
    return y;
}

static descriptor sum(struct attention *a, descriptor x, descriptor y) {
    return reduce(a, CUDNN_REDUCE_TENSOR_ADD, x, y);
}

/* The memory of x with another layout, in 16 bits. */
static descriptor turn(struct attention *a, descriptor x, struct layout l) {
    descriptor y = between(a, CUDNN_DATA_BFLOAT16, l);
    descriptor o = add(a, CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x);
    dnn_set_descriptor(a->m, o, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, y);
    dnn_finish(a->m, o);
    return y;
}

/* ---- the graphs ---- */

/* scale q k' + bias */
static descriptor scores(struct attention *a, descriptor q, descriptor kt, descriptor scale) {
    descriptor s = multiply(a, q, kt, between_pairs(a));
    s = each(a, CUDNN_POINTWISE_MUL, s, scale, between_pairs(a));
    if (!a->p->biased)
        return s;
    descriptor bias = tensor(a, DNN_BIAS, CUDNN_DATA_FLOAT, STORED, pairs_of_all(a));
    return each(a, CUDNN_POINTWISE_ADD, s, bias, between_pairs(a));
}

/* -infinity where a key is behind the query; cuDNN finds its own pattern with these four. */
static descriptor masked(struct attention *a, descriptor s) {
    if (!a->p->causal)
        return s;
    descriptor query = place_along(a, s, 2), key = place_along(a, s, 3);
    descriptor sees = each_with(a, pointwise(a, CUDNN_DATA_BOOLEAN, CUDNN_POINTWISE_CMP_GE), query,
                                key, NULL, between(a, CUDNN_DATA_BOOLEAN, pairs(a)));
    return each_with(a, pointwise(a, CUDNN_DATA_FLOAT, CUDNN_POINTWISE_BINARY_SELECT), s,
                     number(a, DNN_BELOW), sees, between_pairs(a));
}

/* One operation. */
static void forward(struct attention *a) {
    descriptor q = half(a, DNN_Q, tokens(a, 3)), k = half(a, DNN_K, tokens(a, 3));
    descriptor v = half(a, DNN_V, tokens(a, 3)), o = half(a, DNN_O, tokens(a, 1));
    descriptor lse = stats(a), scale = number(a, DNN_SCALE);
    descriptor all = add(a, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
    dnn_set_descriptor(a->m, all, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, q);
    dnn_set_descriptor(a->m, all, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, k);
    dnn_set_descriptor(a->m, all, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, v);
    dnn_set_descriptor(a->m, all, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, o);
    dnn_set_descriptor(a->m, all, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, lse);
    dnn_set_descriptor(a->m, all, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, scale);
    dnn_finish(a->m, all);
}

/* m = max(s);  e = exp(s - m);  lse = m + log sum(e);  o = (e / sum(e)) v */
static void forward_written_out(struct attention *a) {
    const struct layout rows = tokens(a, 3);
    descriptor q = half(a, DNN_Q, rows), kt = half(a, DNN_K, turned(rows)),
               v = half(a, DNN_V, rows);
    descriptor s = masked(a, scores(a, q, kt, number(a, DNN_SCALE)));
    descriptor most = reduce(a, CUDNN_REDUCE_TENSOR_MAX, s, between_tokens(a));
    s = each(a, CUDNN_POINTWISE_SUB, s, most, between_pairs(a));
    descriptor e = each(a, CUDNN_POINTWISE_EXP, s, NULL, between_pairs(a));
    descriptor all = sum(a, e, between_tokens(a));
    descriptor log = each(a, CUDNN_POINTWISE_LOG, all, NULL, between_tokens(a));
    each(a, CUDNN_POINTWISE_ADD, most, log, stats(a));
    descriptor p = each(a, CUDNN_POINTWISE_DIV, e, all, between(a, CUDNN_DATA_BFLOAT16, pairs(a)));
    multiply(a, p, v, half(a, DNN_O, tokens(a, 1)));
}

/* mean = rowsum(do o).  cuDNN finds its own pattern only with the product with 1, which stands for
 * that of dropout. */
static descriptor mean_of(struct attention *a, descriptor dy, descriptor o) {
    descriptor x = each(a, CUDNN_POINTWISE_MUL, dy, o, between(a, CUDNN_DATA_FLOAT, tokens(a, 1)));
    return each(a, CUDNN_POINTWISE_MUL, sum(a, x, between_tokens(a)), number(a, DNN_ONE),
                between_tokens(a));
}

/* p = exp(scale q k' + bias - lse);  dv = p' do;  ds = scale p (do v' - mean);
 * dk = ds' q;  dq = ds k */
static void backward(struct attention *a) {
    const struct layout rows = tokens(a, 3);
    descriptor q = half(a, DNN_Q, rows), kt = half(a, DNN_K, turned(rows));
    descriptor vt = half(a, DNN_V, turned(rows)), o = half(a, DNN_O, tokens(a, 1));
    descriptor dy = half(a, DNN_DO, tokens(a, 1)), lse = stats(a), scale = number(a, DNN_SCALE);
    descriptor mean = mean_of(a, dy, o);
    descriptor s = scores(a, q, kt, scale);
    s = masked(a, each(a, CUDNN_POINTWISE_SUB, s, lse, between_pairs(a)));
    descriptor p = each(a, CUDNN_POINTWISE_EXP, s, NULL, between_pairs(a));
    multiply(a, turn(a, p, turned(pairs(a))), dy, half(a, DNN_DV, rows));
    descriptor dp = multiply(a, dy, vt, between_pairs(a));
    dp = each(a, CUDNN_POINTWISE_SUB, dp, mean, between_pairs(a));
    dp = each(a, CUDNN_POINTWISE_MUL, dp, p, between_pairs(a));
    descriptor ds = each(a, CUDNN_POINTWISE_MUL, dp, scale, between_pairs(a));
    multiply(a, turn(a, ds, turned(pairs(a))), q, half(a, DNN_DK, rows));
    multiply(a, ds, turn(a, kt, rows), half(a, DNN_DQ, rows));
}

int dnn_attention_operations(struct dnn_made *m, const struct dnn_problem *p, int n,
                             cudnnBackendDescriptor_t out[DNN_MOST_OPERATIONS]) {
    enum { FIRST_BETWEEN = 100 };
    struct attention a = {.m = m,
                          .p = p,
                          .n = n,
                          .t = p->tokens,
                          .heads = p->heads,
                          .d = p->columns,
                          .next = FIRST_BETWEEN,
                          .operation = out};
    if (p->kind == DNN_ATTENTION_BACKWARD)
        backward(&a);
    else if (p->causal || p->biased)
        forward_written_out(&a);
    else
        forward(&a);
    return a.count;
}
