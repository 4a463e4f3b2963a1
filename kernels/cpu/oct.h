/* oct.h -- vectors of eight lanes on every instruction set, for rows that are whole octs long. */
#ifndef SSV_KERNELS_CPU_OCT_H
#define SSV_KERNELS_CPU_OCT_H

#include "kernels/cpu/isa.h"

enum { OCT = 8 };

typedef float oct __attribute__((vector_size(32)));
typedef int32_t ioct __attribute__((vector_size(32)));
typedef float oct_unaligned __attribute__((vector_size(32), aligned(4), may_alias));
typedef float oct_half __attribute__((vector_size(16)));

VEC_INLINE oct oct_set(float x) {
    return x - (oct){0};
}

VEC_INLINE oct oct_load(const float *p) {
    return *(const oct_unaligned *)p;
}

VEC_INLINE void oct_store(float *p, oct v) {
    *(oct_unaligned *)p = v;
}

/* The first n lanes, all if n is more; the others are 0. */
VEC_INLINE oct oct_load_first(const float *p, int n) {
    if (n >= OCT)
        return oct_load(p);
    float lane[OCT] = {0};
    memcpy(lane, p, (size_t)n * sizeof *p);
    return oct_load(lane);
}

VEC_INLINE oct oct_select(ioct yes, oct a, oct b) {
    return (oct)((yes & (ioct)a) | (~yes & (ioct)b));
}

/* a in the first n lanes, b in the others */
VEC_INLINE oct oct_first_of(oct a, int n, oct b) {
    const ioct lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return n >= OCT ? a : oct_select(lane < n, a, b);
}

VEC_INLINE oct oct_max(oct a, oct b) {
    return oct_select(a > b, a, b);
}

VEC_INLINE float oct_sum(oct v) {
    oct_half a = __builtin_shufflevector(v, v, 0, 1, 2, 3);
    a += __builtin_shufflevector(v, v, 4, 5, 6, 7);
    a += __builtin_shufflevector(a, a, 2, 3, 0, 1);
    return a[0] + a[1];
}

VEC_INLINE float oct_largest(oct v) {
    oct a = oct_max(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3));
    a = oct_max(a, __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5));
    return a[0] > a[1] ? a[0] : a[1];
}

#endif
