/* activation.cuh -- the functions of kernels/ref/activation.c, for one number.
 *
 * Passes over memory call them, which are only as fast as it where a number takes few instructions:
 * about 60 for six bytes on an H100.
 */
#ifndef SSV_KERNELS_CUDA_ACTIVATION_CUH
#define SSV_KERNELS_CUDA_ACTIVATION_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/erf.h"

/* Where the density of the normal distribution and the sigmoid's tail are 0: x is stopped there, so
 * that inf * 0 does not come up. */
static constexpr float density_far = 13, sigmoid_far = 80;

/* Within 2 ulp for divisors up to 2^126, without the slow way that all numbers have. */
__device__ static inline float ratio(float x, float by) {
    return __fdividef(x, by);
}

__device__ static inline float sigmoid(float x) {
    return ratio(1, 1 + expf(-x));
}

__device__ static inline float sigmoid_slope(float x) {
    float e = expf(-fabsf(x));
    return ratio(e, (1 + e) * (1 + e));
}

/* Below it the normal distribution is 0 to float's precision; keeping x from going further makes
 * GELU 0 there, not x times a rounding error. */
__device__ static inline float normal_low(float x) {
    return x < -ERF_ONE / SQRT_HALF ? -ERF_ONE / SQRT_HALF : x;
}

__device__ static inline float normal(float low) {
    float x = SQRT_HALF * (low > ERF_ONE / SQRT_HALF ? ERF_ONE / SQRT_HALF : low), s = x * x;
    return 0.5f + 0.5f * ratio(x * ERF_NUMERATOR(s), ERF_DENOMINATOR(s));
}

/* x times it. */
__device__ static inline float normal_density(float x) {
    float near = x < -density_far ? -density_far : x > density_far ? density_far : x;
    return near * 0.39894228f * exp2f(near * near * -0.72134752f);
}

__device__ static inline float activate(enum activation act, float x) {
    switch (act) {
    case ACT_NONE:
        return x;
    case ACT_GELU:
        x = normal_low(x);
        return x * normal(x);
    case ACT_RELU:
        return x < 0 ? 0 : x;
    case ACT_LEAKY_RELU:
        return x < 0 ? LEAKY_SLOPE * x : x;
    case ACT_QUICK_GELU:
        x = x < -sigmoid_far ? -sigmoid_far : x;
        return x * sigmoid(QUICK_GELU_SCALE * x);
    case ACT_TANH:
        return tanhf(x);
    case ACT_SIGMOID:
        return sigmoid(x);
    }
    return x;
}

__device__ static inline float activation_slope(enum activation act, float x) {
    float s;
    switch (act) {
    case ACT_NONE:
        return 1;
    case ACT_GELU:
        return normal(normal_low(x)) + normal_density(x);
    case ACT_RELU:
        return x > 0;
    case ACT_LEAKY_RELU:
        return x > 0 ? 1 : LEAKY_SLOPE;
    case ACT_QUICK_GELU:
        x = x < -sigmoid_far ? -sigmoid_far : x > sigmoid_far ? sigmoid_far : x;
        s = QUICK_GELU_SCALE * x;
        return sigmoid(s) + s * sigmoid_slope(s);
    case ACT_TANH:
        return 4 * sigmoid_slope(2 * x);
    case ACT_SIGMOID:
        return sigmoid_slope(x);
    }
    return x;
}

/* work(act), compiled for the activations of big layers one by one, so that nothing is decided for
 * each number. */
template <class Work>
__device__ static inline void for_activation(enum activation act, const Work &work) {
    switch (act) {
    case ACT_NONE:
        return work(ACT_NONE);
    case ACT_GELU:
        return work(ACT_GELU);
    case ACT_QUICK_GELU:
        return work(ACT_QUICK_GELU);
    default:
        return work(act);
    }
}

#endif
