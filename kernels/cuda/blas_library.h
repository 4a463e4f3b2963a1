/* blas_library.h -- what is used of cuBLASLt, as functions that were found at run time.  A test has
 * another blas_load, which computes on the processor. */
#ifndef SSV_KERNELS_CUDA_BLAS_LIBRARY_H
#define SSV_KERNELS_CUDA_BLAS_LIBRARY_H

#include "core/error.h"

#include <cublasLt.h>

#define BLAS_FUNCTIONS(F)                                                                          \
    F(cublasLtCreate)                                                                              \
    F(cublasLtDestroy)                                                                             \
    F(cublasLtGetStatusString)                                                                     \
    F(cublasLtMatmul)                                                                              \
    F(cublasLtMatmulAlgoGetHeuristic)                                                              \
    F(cublasLtMatmulDescCreate)                                                                    \
    F(cublasLtMatmulDescDestroy)                                                                   \
    F(cublasLtMatmulDescSetAttribute)                                                              \
    F(cublasLtMatmulPreferenceCreate)                                                              \
    F(cublasLtMatmulPreferenceDestroy)                                                             \
    F(cublasLtMatmulPreferenceSetAttribute)                                                        \
    F(cublasLtMatrixLayoutCreate)                                                                  \
    F(cublasLtMatrixLayoutDestroy)

struct blas_library {
#define F(name) __typeof__(name) *name;
    BLAS_FUNCTIONS(F)
#undef F
    size_t workspace; /* bytes that it should have to work in */
};

/* Status 3 with what is missing.  The library stays open until the program ends. */
int blas_load(struct blas_library *out, struct error *err);

#endif
