/* half.cuh -- numbers that are stored in 16 bits and computed with in float: what kctx.halves says
 * of an array.  A kernel whose arrays may be either has their types as parameters; reading an
 * element gives a float, and writing one rounds to the nearest, ties to even.
 */
#ifndef SSV_KERNELS_CUDA_HALF_CUH
#define SSV_KERNELS_CUDA_HALF_CUH

#include "kernels/cuda/device.cuh"

#include <cstdint>
#include <cstring>

struct bfloat16 {
    unsigned short bits; /* the upper half of a float */

    __device__ operator float() const {
        unsigned wide = (unsigned)bits << 16;
        float x;
        memcpy(&x, &wide, sizeof x);
        return x;
    }
    __device__ bfloat16 &operator=(float x) {
#if defined(__CUDA_ARCH__)
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
#else
        unsigned wide;
        memcpy(&wide, &x, sizeof wide);
        if (x != x)
            wide |= 1u << 22; /* it stays NaN */
        else
            wide += 0x7fffu + (wide >> 16 & 1);
        bits = (unsigned short)(wide >> 16);
#endif
        return *this;
    }
};
static_assert(sizeof(bfloat16) == 2, "as libraries have it");

/* N neighbours in an array, moved at once; they begin at a multiple of their size. */
template <class T, int N> struct alignas(N * sizeof(T)) several { T v[N]; };

template <int N, class T> __device__ static inline several<T, N> take(const T *from) {
    return *reinterpret_cast<const several<T, N> *>(from);
}

template <int N, class T> __device__ static inline void put(T *to, const several<T, N> &x) {
    *reinterpret_cast<several<T, N> *>(to) = x;
}

/* Whether rows of `cols` numbers can be taken N at a time; NULL can. */
template <int N, class T> static inline bool cuda_in_groups(size_t cols, const T *x) {
    return cols % N == 0 && reinterpret_cast<uintptr_t>(x) % (N * sizeof(T)) == 0;
}

/* As many as are 16 bytes of the longer of two types. */
template <class X, class Y>
static constexpr int cuda_wide = 16 / (int)(sizeof(X) > sizeof(Y) ? sizeof(X) : sizeof(Y));

static inline bool cuda_is_half(const struct kctx *c, int array) {
    return (c->halves >> array & 1) != 0;
}

/* What a caller has as reals, where it is stored in 16 bits. */
static inline const bfloat16 *cuda_halves(const real *x) {
    return reinterpret_cast<const bfloat16 *>(x);
}

static inline bfloat16 *cuda_halves(real *x) {
    return reinterpret_cast<bfloat16 *>(x);
}

/* A combination of types that no operation asks for. */
static inline void cuda_no_halves(const struct kctx *c, const char *where) {
    cuda_check(c, cudaErrorInvalidValue, where);
}

#endif
