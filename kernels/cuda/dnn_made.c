#include "kernels/cuda/dnn_made.h"

#include <stdlib.h>

typedef cudnnBackendDescriptor_t descriptor;

struct dnn_made *dnn_begin(const struct dnn_library *l) {
    struct dnn_made *m = calloc(1, sizeof *m);
    CHECK(m, "no memory for a plan");
    m->l = l;
    return m;
}

void dnn_go_back(struct dnn_made *m, int keep) {
    while (m->count > keep)
        m->l->cudnnBackendDestroyDescriptor(m->made[--m->count]);
    m->status = CUDNN_STATUS_SUCCESS;
}

void dnn_end(struct dnn_made *m) {
    if (m)
        dnn_go_back(m, 0);
    free(m);
}

descriptor dnn_make(struct dnn_made *m, cudnnBackendDescriptorType_t type) {
    descriptor d = NULL;
    CHECK(m->count < DNN_MOST_MADE, "too many descriptors");
    if (!m->status)
        m->status = m->l->cudnnBackendCreateDescriptor(type, &d);
    if (!m->status)
        m->made[m->count++] = d;
    return d;
}

void dnn_set(struct dnn_made *m, descriptor d, cudnnBackendAttributeName_t name,
             cudnnBackendAttributeType_t type, int64_t count, const void *values) {
    if (!m->status)
        m->status = m->l->cudnnBackendSetAttribute(d, name, type, count, values);
}

void dnn_set_descriptor(struct dnn_made *m, descriptor d, cudnnBackendAttributeName_t name,
                        descriptor value) {
    dnn_set(m, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

void dnn_set_number(struct dnn_made *m, descriptor d, cudnnBackendAttributeName_t name,
                    int64_t value) {
    dnn_set(m, d, name, CUDNN_TYPE_INT64, 1, &value);
}

int dnn_get(struct dnn_made *m, descriptor d, cudnnBackendAttributeName_t name,
            cudnnBackendAttributeType_t type, int room, void *values) {
    int64_t count = 0;
    if (!m->status)
        m->status = m->l->cudnnBackendGetAttribute(d, name, type, room, &count, values);
    return m->status ? 0 : (int)count;
}

void dnn_finish(struct dnn_made *m, descriptor d) {
    if (!m->status)
        m->status = m->l->cudnnBackendFinalize(d);
}
