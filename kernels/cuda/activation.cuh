/* activation.cuh -- the functions of kernels/ref/activation.c, for one number. */
#ifndef SSV_KERNELS_CUDA_ACTIVATION_CUH
#define SSV_KERNELS_CUDA_ACTIVATION_CUH

#include "kernels/cuda/device.cuh"

/* Where GELU's tail and the sigmoid's are 0: x is stopped there, so that inf * 0 does not come up.
 */
static constexpr float gelu_far = 15, sigmoid_far = 80;

__device__ static inline float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

__device__ static inline float sigmoid_slope(float x) {
    float e = expf(-fabsf(x));
    return e / ((1 + e) * (1 + e));
}

/* The normal distribution; erfc keeps the digits of a small one. */
__device__ static inline float normal(float x) {
    return erfcf(-x * 0.70710678f) / 2;
}

__device__ static inline float activate(enum activation act, float x) {
    switch (act) {
    case ACT_NONE:
        return x;
    case ACT_GELU:
        x = x < -gelu_far ? -gelu_far : x;
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
        x = x < -gelu_far ? -gelu_far : x > gelu_far ? gelu_far : x;
        return normal(x) + x * 0.39894228f * expf(-x * x / 2);
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

/* Both, at the price of little more than one. */
__device__ static inline float activate_with_slope(enum activation act, float x, float *slope) {
    if (act != ACT_GELU) {
        *slope = activation_slope(act, x);
        return activate(act, x);
    }
    float near = x < -gelu_far ? -gelu_far : x > gelu_far ? gelu_far : x, below = normal(near);
    *slope = below + near * 0.39894228f * expf(-near * near / 2);
    return (x < -gelu_far ? -gelu_far : x) * below;
}

#endif
