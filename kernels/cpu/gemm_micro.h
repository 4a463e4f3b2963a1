/* gemm_micro.h -- the tile that all products of this backend are made of.
 *
 * A tile is MR rows by NR = 2 vectors of columns, held in registers over the whole reduction: its
 * sum runs over k in order, so a result does not depend on what else a call computes.
 */
#ifndef SSV_KERNELS_CPU_GEMM_MICRO_H
#define SSV_KERNELS_CPU_GEMM_MICRO_H

#include "kernels/cpu/isa.h"

/* 12 accumulators and 3 temporaries fill the 16 registers of SSE and AVX2; AVX-512 has 32. */
#if VEC_BYTES == 64
enum { MR = 12 };
#else
enum { MR = 6 };
#endif
enum { NR = 2 * VEC_WIDTH };

static inline int gemm_round_up(int n, int to) {
    return (n + to - 1) / to * to;
}

/* The number of rows must be a constant where the tile is expanded. */
#define EACH_ROWS(rows, CALL)                                                                      \
    switch (rows) {                                                                                \
    case 1:                                                                                        \
        CALL(1);                                                                                   \
        break;                                                                                     \
    case 2:                                                                                        \
        CALL(2);                                                                                   \
        break;                                                                                     \
    case 3:                                                                                        \
        CALL(3);                                                                                   \
        break;                                                                                     \
    case 4:                                                                                        \
        CALL(4);                                                                                   \
        break;                                                                                     \
    case 5:                                                                                        \
        CALL(5);                                                                                   \
        break;                                                                                     \
    default:                                                                                       \
        CALL(6);                                                                                   \
        break;                                                                                     \
    }

/* sum (rows,2) = a b: a[i*row_stride + k*k_stride] for row i < rows, b[k*ldb ..+NR].  Force-inlined
 * with a constant number of rows, so that the accumulators are registers. */
static inline __attribute__((always_inline)) void micro_sum(int rows, int depth, const float *a,
                                                            size_t row_stride, size_t k_stride,
                                                            const float *b, size_t ldb,
                                                            vec sum[MR][2]) {
    vec s[MR][2];
#pragma GCC unroll 12
    for (int i = 0; i < MR; i++)
        s[i][0] = s[i][1] = vec_set(0);
    for (int k = 0; k < depth; k++) {
        vec b0 = vec_load(b), b1 = vec_load(b + VEC_WIDTH);
#pragma GCC unroll 12
        for (int i = 0; i < MR; i++) {
            if (i >= rows)
                break;
            vec x = vec_set(a[(size_t)i * row_stride]);
            s[i][0] += x * b0;
            s[i][1] += x * b1;
        }
        a += k_stride;
        b += ldb;
    }
#pragma GCC unroll 12
    for (int i = 0; i < MR; i++) {
        sum[i][0] = s[i][0];
        sum[i][1] = s[i][1];
    }
}

#endif
