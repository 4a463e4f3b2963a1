/* nccl_library.h -- what is used of NCCL, as functions that were found at run time.  A test has
 * another nccl_load, between processes on one machine. */
#ifndef SSV_KERNELS_CUDA_NCCL_LIBRARY_H
#define SSV_KERNELS_CUDA_NCCL_LIBRARY_H

#include "core/error.h"

#include <nccl.h>

#define NCCL_FUNCTIONS(F)                                                                          \
    F(ncclBroadcast)                                                                               \
    F(ncclCommAbort)                                                                               \
    F(ncclCommGetAsyncError)                                                                       \
    F(ncclCommInitRankConfig)                                                                      \
    F(ncclGetErrorString)                                                                          \
    F(ncclGetUniqueId)                                                                             \
    F(ncclGroupEnd)                                                                                \
    F(ncclGroupStart)                                                                              \
    F(ncclRecv)                                                                                    \
    F(ncclSend)

struct nccl_library {
#define F(name) __typeof__(name) *name;
    NCCL_FUNCTIONS(F)
#undef F
};

/* libnccl.so.2, or what $SSVBENCH_NCCL names.  Status 3 with what is missing.  The library stays
 * open until the program ends. */
int nccl_load(struct nccl_library *out, struct error *err);

#endif
