/* gemm_tall.h -- the product that makes the gradient of a weight, of two matrices with many rows.
 */
#ifndef SSV_KERNELS_CPU_GEMM_TALL_H
#define SSV_KERNELS_CPU_GEMM_TALL_H

#include "kernels/cpu/gemm_micro.h"

/* Rows that are summed over: row k begins at data[at[k]] or, where `at` is NULL, at data[k ld], and
 * is runs of `run` columns, `apart` reals from run to run; where it is one run, 0 and 0. */
struct tall {
    const float *data;
    const size_t *at;
    size_t ld, run, apart;
};

/* Rows and columns of b in a block; what k rows take of the workspace, in reals. */
enum { TALL_DEPTH = 1024, TALL_COLUMNS = 256 };
#define TALL_ROOM(k) (TALL_DEPTH * MR + (k)*TALL_COLUMNS)

/* y (m,n) = a' b + (add ? y : 0); a (k,m), each row one run; b (k,n); workspace:
 * TALL_ROOM(TALL_DEPTH) reals, or TALL_ROOM(k) where k is less */
void ISA_NAME(gemm_tall)(int m, int n, int k, const struct tall *a, const struct tall *b, int add,
                         float *y, int ldy, float *workspace);

#endif
