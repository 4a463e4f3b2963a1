/* cudnn_standin.h -- what the files of the stand-in for cuDNN share: a descriptor is a bag of
 * attributes. */
#ifndef SSV_TESTS_CUDA_CUDNN_STANDIN_H
#define SSV_TESTS_CUDA_CUDNN_STANDIN_H

#include <cudnn.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { MOST_ATTRIBUTES = 8, MOST_VALUES = 24, DIMS = 4 };

struct attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    uint64_t values[MOST_VALUES]; /* packed as they came */
};

struct bag {
    cudnnBackendDescriptorType_t type;
    int finished, count;
    struct attribute has[MOST_ATTRIBUTES];
};

static inline size_t size_of(cudnnBackendAttributeType_t type) {
    switch (type) {
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
        return sizeof(int64_t);
    case CUDNN_TYPE_BOOLEAN:
        return sizeof(bool);
    default:
        return sizeof(int32_t);
    }
}

static inline const struct attribute *find(const struct bag *b, cudnnBackendAttributeName_t name) {
    for (int i = 0; i < b->count; i++)
        if (b->has[i].name == name)
            return &b->has[i];
    return NULL;
}

/* The value, a zero where it is missing. */
static inline int64_t number(const struct bag *b, cudnnBackendAttributeName_t name, int i) {
    const struct attribute *a = find(b, name);
    int64_t value = 0;
    if (a && i < a->count)
        memcpy(&value, (const char *)a->values + (size_t)i * size_of(a->type), size_of(a->type));
    return value;
}

static inline float real_number(const struct bag *b, cudnnBackendAttributeName_t name) {
    const struct attribute *a = find(b, name);
    float value = NAN;
    if (a)
        memcpy(&value, a->values, sizeof value);
    return value;
}

/* The descriptor that an attribute refers to, of several the i-th; NULL for one that is not
 * finished. */
static inline const struct bag *one_of(const struct bag *b, cudnnBackendAttributeName_t name,
                                       int i) {
    const struct attribute *a = find(b, name);
    const struct bag *to = NULL;
    if (a && i < a->count)
        memcpy(&to, &a->values[i], sizeof to);
    return to && to->finished ? to : NULL;
}

static inline const struct bag *within(const struct bag *b, cudnnBackendAttributeName_t name) {
    return one_of(b, name, 0);
}

static inline int64_t dim(const struct bag *tensor, int i) {
    return number(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, i);
}

static inline int is_half(const struct bag *tensor) {
    return number(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, 0) == CUDNN_DATA_BFLOAT16;
}

/* ---- attention: cudnn_standin_attention.c ---- */

int standin_is_attention(const struct bag *operation);
cudnnStatus_t standin_finish(const struct bag *operation); /* of attention */
/* Of a graph of these. */
int64_t standin_workspace(const struct bag *graph);
/* With NaN for results where it is spoilt. */
cudnnStatus_t standin_compute(const struct bag *graph, const struct bag *pack, int spoilt);

#endif
