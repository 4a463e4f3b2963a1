/* gemm_micro.h -- the tile that all products of this backend are made of.
 *
 * A tile is MR rows by NR = 2 vectors of columns, held in registers over the whole reduction: its
 * sum runs over k in order, so a result does not depend on what else a call computes.
 */
#ifndef SSV_KERNELS_CPU_GEMM_MICRO_H
#define SSV_KERNELS_CPU_GEMM_MICRO_H

#include "kernels/cpu/isa.h"
#include "kernels/cpu/oct.h"

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

/* The same for a tile of one vector, or of one oct, written to y with row stride ldy. */
#define MICRO_NARROW(NAME, TYPE, LOAD, STORE)                                                      \
    static inline __attribute__((always_inline)) void NAME(                                        \
        int rows, int depth, const float *a, size_t row_stride, size_t k_stride, const float *b,   \
        size_t ldb, float *y, size_t ldy) {                                                        \
        TYPE s[MR];                                                                                \
        _Pragma("GCC unroll 12") for (int i = 0; i < MR; i++) s[i] = (TYPE){0};                    \
        for (int k = 0; k < depth; k++) {                                                          \
            TYPE right = LOAD(b);                                                                  \
            _Pragma("GCC unroll 12") for (int i = 0; i < MR; i++) {                                \
                if (i >= rows)                                                                     \
                    break;                                                                         \
                s[i] += a[(size_t)i * row_stride] * right;                                         \
            }                                                                                      \
            a += k_stride;                                                                         \
            b += ldb;                                                                              \
        }                                                                                          \
        _Pragma("GCC unroll 12") for (int i = 0; i < rows; i++) STORE(y + (size_t)i * ldy, s[i]);  \
    }
MICRO_NARROW(micro_vector, vec, vec_load, vec_store)
MICRO_NARROW(micro_oct, oct, oct_load, oct_store)
#undef MICRO_NARROW

/* columns: NR, VEC_WIDTH or OCT, a constant as rows is */
static inline __attribute__((always_inline)) void micro_tile(int rows, int columns, int depth,
                                                             const float *a, size_t row_stride,
                                                             size_t k_stride, const float *b,
                                                             size_t ldb, float *y, size_t ldy) {
    if (columns == NR) {
        vec sum[MR][2];
        micro_sum(rows, depth, a, row_stride, k_stride, b, ldb, sum);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            vec_store(y + (size_t)i * ldy, sum[i][0]);
            vec_store(y + (size_t)i * ldy + VEC_WIDTH, sum[i][1]);
        }
    } else if (columns == VEC_WIDTH) {
        micro_vector(rows, depth, a, row_stride, k_stride, b, ldb, y, ldy);
    } else {
        micro_oct(rows, depth, a, row_stride, k_stride, b, ldb, y, ldy);
    }
}

#endif
