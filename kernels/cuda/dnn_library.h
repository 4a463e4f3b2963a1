/* dnn_library.h -- cuDNN's functions, from a library that is opened at run time: the backend works
 * where it is not installed. */
#ifndef SSV_KERNELS_CUDA_DNN_LIBRARY_H
#define SSV_KERNELS_CUDA_DNN_LIBRARY_H

#include "core/error.h"

#include <cudnn.h>

#define DNN_CALLS(CALL)                                                                            \
    CALL(cudnnGetVersion)                                                                          \
    CALL(cudnnGetErrorString)                                                                      \
    CALL(cudnnCreate)                                                                              \
    CALL(cudnnDestroy)                                                                             \
    CALL(cudnnSetStream)                                                                           \
    CALL(cudnnBackendCreateDescriptor)                                                             \
    CALL(cudnnBackendDestroyDescriptor)                                                            \
    CALL(cudnnBackendSetAttribute)                                                                 \
    CALL(cudnnBackendGetAttribute)                                                                 \
    CALL(cudnnBackendFinalize)                                                                     \
    CALL(cudnnBackendExecute)

struct dnn_library {
    void *handle;
#define CALL(name) __typeof__(name) *name;
    DNN_CALLS(CALL)
#undef CALL
};

/* libcudnn.so.9, or what $SSVBENCH_CUDNN names.  Status 3 when it is not there, lacks a function or
 * is of another version. */
int dnn_library_open(struct dnn_library *l, struct error *err);
void dnn_library_close(struct dnn_library *l);

#endif
