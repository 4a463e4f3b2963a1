/* cuda.h -- the operations of this backend, one function per line of KERNEL_LIST: cuda_gemm, ...
 *
 * Pointers are to the device's memory, kctx.workspace too; kctx.device is a struct cuda_queue.  A
 * call puts work into the queue's stream and returns; what returns a number waits for it.  Sums
 * have a fixed order, without atomics: the same bits every time.
 */
#ifndef SSV_KERNELS_CUDA_CUDA_H
#define SSV_KERNELS_CUDA_CUDA_H

#include "kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KERNEL(name, parameters) void cuda_##name parameters;
#define KERNEL_RETURNS(type, name, parameters) type cuda_##name parameters;
KERNEL_LIST(KERNEL)
#undef KERNEL
#undef KERNEL_RETURNS

/* All of the list: nothing here runs on the processor. */
const struct kernels *kernels_cuda(void);

struct cuda_queue {
    void *stream;        /* a cudaStream_t */
    struct dnn *dnn;     /* convolutions; NULL: own kernels */
    int error;           /* the first cudaError_t of a launch or error of dnn.h, 0: none */
    const char *where;   /* the operation that it came from */
    const char *says;    /* of a library; NULL: error is a cudaError_t */
    struct blas *blas;   /* NULL: products by kernels of our own */
    struct peers *peers; /* devices of other ranks; NULL: none */
    double *answer;      /* a number that a call returns: here the processor and the device meet */
};
/* Until all that was asked of it is done. */
void cuda_queue_wait(struct cuda_queue *q, const char *where);

#ifdef __cplusplus
}
#endif

#endif
