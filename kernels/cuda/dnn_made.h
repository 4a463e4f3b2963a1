/* dnn_made.h -- cuDNN's descriptors, made one after the other and ended together. */
#ifndef SSV_KERNELS_CUDA_DNN_MADE_H
#define SSV_KERNELS_CUDA_DNN_MADE_H

#include "kernels/cuda/dnn_library.h"

enum { DNN_MOST_MADE = 256 };

/* After the first status that is not good nothing is done. */
struct dnn_made {
    const struct dnn_library *l;
    cudnnStatus_t status;
    int count;
    cudnnBackendDescriptor_t made[DNN_MOST_MADE];
};

struct dnn_made *dnn_begin(const struct dnn_library *l);
/* The first `keep` stay; what went wrong with the others is forgotten. */
void dnn_go_back(struct dnn_made *m, int keep);
void dnn_end(struct dnn_made *m); /* NULL: nothing */
/* To be ended by the two above. */
cudnnBackendDescriptor_t dnn_make(struct dnn_made *m, cudnnBackendDescriptorType_t type);
void dnn_set(struct dnn_made *m, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
             cudnnBackendAttributeType_t type, int64_t count, const void *values);
void dnn_set_descriptor(struct dnn_made *m, cudnnBackendDescriptor_t d,
                        cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t value);
void dnn_set_number(struct dnn_made *m, cudnnBackendDescriptor_t d,
                    cudnnBackendAttributeName_t name, int64_t value);
/* How many there are; at most `room` of them were written. */
int dnn_get(struct dnn_made *m, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
            cudnnBackendAttributeType_t type, int room, void *values);
void dnn_finish(struct dnn_made *m, cudnnBackendDescriptor_t d);

#endif
