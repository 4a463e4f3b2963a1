/* gemm_tall.h -- the product that makes the gradient of a weight, of two matrices with many rows.
 */
#ifndef SSV_KERNELS_CPU_GEMM_TALL_H
#define SSV_KERNELS_CPU_GEMM_TALL_H

#include "kernels/cpu/isa.h"

/* y (m,n) = a' b + (add ? y : 0); a (k,m), b (k,n); workspace: KERNEL_WORKSPACE reals */
void ISA_NAME(gemm_tall)(int m, int n, int k, const float *a, int lda, const float *b, int ldb,
                         int add, float *y, int ldy, float *workspace);

#endif
