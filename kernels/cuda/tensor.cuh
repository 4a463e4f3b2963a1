/* tensor.cuh -- products by tensor cores: factors rounded to 16 bits, sums in float.  For a warp
 * that has eight rows of a result in attention.cuh's tiles, which are of floats.
 *
 * An instruction multiplies 16 x 16 by 16 x 8.  The eight columns are the warp's rows, the sixteen
 * rows are keys or features.  Of 32 of these each four lanes get four that lie together, and the
 * four numbers of k that a lane has lie together too: which is which does not matter as long as
 * both factors agree, and lanes then read float4 that meet in no bank.  Four lanes at last exchange
 * what they have, so that each has all rows of one key or feature, as the kernels want it.
 */
#ifndef SSV_KERNELS_CUDA_TENSOR_CUH
#define SSV_KERNELS_CUDA_TENSOR_CUH

#include "kernels/cuda/half.cuh"

enum { TENSOR_ROWS = 8, TENSOR_K = 16, TENSOR_LANES = 4 /* that share a row */ };

/* Two neighbours, the first one in the lower half. */
__device__ static inline unsigned tensor_pair(float first, float second) {
#if defined(__CUDA_ARCH__)
    unsigned both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
#else
    bfloat16 a, b;
    a = first, b = second;
    return a.bits | (unsigned)b.bits << 16;
#endif
}

/* sum += a b of a warp; whose numbers a lane has, with row = lane / 4 and at = lane % 4:
 * a: rows `row`, row + 8, both of k 2 at .., then both of 2 at + 8 ..; b: column `row` of the same
 * k; sum: columns 2 at, 2 at + 1 of row `row`, then of row + 8. */
__device__ static inline void tensor_add(float (&sum)[4], const unsigned (&a)[4],
                                         const unsigned (&b)[2]) {
#if defined(__CUDA_ARCH__)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    const int lane = (int)threadIdx.x % CUDA_WARP, row = lane / TENSOR_LANES,
              at = lane % TENSOR_LANES;
    for (int from = 0; from < TENSOR_LANES; from++)
        for (int half = 0; half < 2; half++)
            for (int column = 0; column < 2; column++) {
                unsigned y =
                    __shfl_sync(cuda_all_lanes, b[half], (2 * at + column) * TENSOR_LANES + from);
                for (int lower = 0; lower < 2; lower++) {
                    unsigned x =
                        __shfl_sync(cuda_all_lanes, a[2 * half + lower], row * TENSOR_LANES + from);
                    const bfloat16 x0 = {(unsigned short)x}, x1 = {(unsigned short)(x >> 16)},
                                   y0 = {(unsigned short)y}, y1 = {(unsigned short)(y >> 16)};
                    sum[2 * lower + column] += (float)x0 * (float)y0 + (float)x1 * (float)y1;
                }
            }
#endif
}

/* x[i] of lane j, of four lanes, becomes x[j] of lane i. */
__device__ static inline void tensor_turn(float (&x)[4]) {
    const int lane = (int)threadIdx.x % TENSOR_LANES;
#pragma unroll
    for (int with = 2; with; with /= 2) {
        const bool upper = (lane & with) != 0;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            if (i & with)
                continue;
            float got = __shfl_xor_sync(cuda_all_lanes, upper ? x[i] : x[i + with], (int)with);
            x[i] = upper ? got : x[i];
            x[i + with] = upper ? x[i + with] : got;
        }
    }
}

/* Of 32 keys or features, 4 row + i is the lane's; with all of the warp's rows. */
struct tensor_sums {
    float v[2][4]; /* two instructions' */

    __device__ void add(const float4 (&of)[4], const unsigned (&b)[2]) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const float4 &x = of[2 * h], &y = of[2 * h + 1];
            const unsigned a[4] = {tensor_pair(x.x, x.y), tensor_pair(y.x, y.y),
                                   tensor_pair(x.z, x.w), tensor_pair(y.z, y.w)};
            tensor_add(v[h], a, b);
        }
    }
    /* to(r, sum): of row r and the key or feature that is the lane's number. */
    template <class To> __device__ void give(const To &to) const {
#pragma unroll
        for (int column = 0; column < 2; column++) {
            float x[4] = {v[0][column], v[0][2 + column], v[1][column], v[1][2 + column]};
            tensor_turn(x);
#pragma unroll
            for (int i = 0; i < 4; i++)
                to(2 * i + column, x[i]);
        }
    }
};

#endif
