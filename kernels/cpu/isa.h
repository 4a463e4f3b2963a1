/* isa.h -- vectors of the instruction set that this file is being compiled for.
 *
 * Every file of kernels/cpu is compiled once per instruction set with -DISA=NAME and the flags that
 * allow it; ISA_NAME(gemm) is then gemm_avx2, gemm_avx512, ...  Vectors are GCC's vector
 * extensions:
 * + - * / and comparisons work lane by lane, and a scalar operand is broadcast.
 *
 * Sums over lanes have a fixed order, and what does not fill a vector is computed in one padded
 * with zeros, not by other code: a value does not depend on where in an array it stands.
 */
#ifndef SSV_KERNELS_CPU_ISA_H
#define SSV_KERNELS_CPU_ISA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ISA_PASTE(name, isa) name##_##isa
#define ISA_EXPAND(name, isa) ISA_PASTE(name, isa)
#define ISA_NAME(name) ISA_EXPAND(name, ISA)

/* Given with -DVEC_BYTES=64, the source of AVX-512 runs on a processor that has only AVX2. */
#ifndef VEC_BYTES
#if defined __AVX512F__
#define VEC_BYTES 64
#elif defined __AVX2__
#define VEC_BYTES 32
#else
#define VEC_BYTES 16
#endif
#endif
enum { VEC_WIDTH = VEC_BYTES / 4, DVEC_WIDTH = VEC_BYTES / 8 };

typedef float vec __attribute__((vector_size(VEC_BYTES)));
typedef int32_t ivec __attribute__((vector_size(VEC_BYTES))); /* of a comparison: 0 or -1 */
typedef uint32_t uvec __attribute__((vector_size(VEC_BYTES)));
typedef double dvec __attribute__((vector_size(VEC_BYTES)));
typedef float half_vec __attribute__((vector_size(VEC_BYTES / 2))); /* as many as a dvec has */
typedef float vec_unaligned __attribute__((vector_size(VEC_BYTES), aligned(4), may_alias));
typedef float half_unaligned __attribute__((vector_size(VEC_BYTES / 2), aligned(4), may_alias));

#define VEC_INLINE static inline __attribute__((always_inline, unused))

VEC_INLINE vec vec_set(float x) {
    return x - (vec){0};
}

VEC_INLINE vec vec_load(const float *p) {
    return *(const vec_unaligned *)p;
}

VEC_INLINE void vec_store(float *p, vec v) {
    *(vec_unaligned *)p = v;
}

/* The first n lanes, all if n is more; the others are 0. */
VEC_INLINE vec vec_load_first(const float *p, size_t n) {
    if (n >= VEC_WIDTH)
        return vec_load(p);
    float lane[VEC_WIDTH] = {0};
    memcpy(lane, p, n * sizeof *p);
    return vec_load(lane);
}

VEC_INLINE void vec_store_first(float *p, size_t n, vec v) {
    if (n >= VEC_WIDTH) {
        vec_store(p, v);
        return;
    }
    float lane[VEC_WIDTH];
    vec_store(lane, v);
    memcpy(p, lane, n * sizeof *p);
}

VEC_INLINE dvec dvec_load(const float *p) {
    return __builtin_convertvector(*(const half_unaligned *)p, dvec);
}

VEC_INLINE vec vec_select(ivec yes, vec a, vec b) {
    return (vec)((yes & (ivec)a) | (~yes & (ivec)b));
}

/* v in the first n lanes, 0 in the others, whatever they held */
VEC_INLINE vec vec_first(vec v, size_t n) {
    if (n >= VEC_WIDTH)
        return v;
    float lane[VEC_WIDTH] = {0};
    vec_store_first(lane, n, v);
    return vec_load(lane);
}

/* a in the first n lanes, b in the others */
VEC_INLINE vec vec_first_of(vec a, int n, vec b) {
    static const int32_t count[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    ivec lane;
    memcpy(&lane, count, sizeof lane);
    return vec_select(lane < n, a, b);
}

VEC_INLINE vec vec_sqrt(vec v) {
    float lane[VEC_WIDTH];
    vec_store(lane, v);
    for (int i = 0; i < VEC_WIDTH; i++)
        lane[i] = __builtin_sqrtf(lane[i]);
    return vec_load(lane);
}

/* lo and hi are not NaN; a NaN in x stays. */
VEC_INLINE vec vec_at_least(vec x, float lo) {
    return vec_select(x < lo, vec_set(lo), x);
}

VEC_INLINE vec vec_at_most(vec x, float hi) {
    return vec_select(x > hi, vec_set(hi), x);
}

VEC_INLINE vec vec_abs(vec v) {
    return (vec)((uvec)v & 0x7fffffff);
}

/* |v| with the sign of sign */
VEC_INLINE vec vec_copysign(vec v, vec sign) {
    return (vec)(((uvec)v & 0x7fffffff) | ((uvec)sign & 0x80000000));
}

VEC_INLINE vec vec_max(vec a, vec b) {
    return vec_select(a > b, a, b);
}

/* Sum of the lanes, halves onto halves. */
VEC_INLINE float vec_sum(vec v) {
    float lane[VEC_WIDTH];
    vec_store(lane, v);
#pragma GCC unroll 8
    for (int width = VEC_WIDTH / 2; width; width /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < width; i++)
            lane[i] += lane[i + width];
    return lane[0];
}

VEC_INLINE double dvec_sum(dvec v) {
    double lane[DVEC_WIDTH];
    memcpy(lane, &v, sizeof lane);
#pragma GCC unroll 8
    for (int width = DVEC_WIDTH / 2; width; width /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < width; i++)
            lane[i] += lane[i + width];
    return lane[0];
}

VEC_INLINE float vec_largest(vec v) {
    float lane[VEC_WIDTH];
    vec_store(lane, v);
#pragma GCC unroll 8
    for (int width = VEC_WIDTH / 2; width; width /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < width; i++)
            lane[i] = lane[i + width] > lane[i] ? lane[i + width] : lane[i];
    return lane[0];
}

#endif
