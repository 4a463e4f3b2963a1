/* adamw.cuh -- one step of AdamW for one number; for an `each`, and for many tensors in one launch.
 */
#ifndef SSV_KERNELS_CUDA_ADAMW_CUH
#define SSV_KERNELS_CUDA_ADAMW_CUH

#include "kernels/cuda/device.cuh"

struct adamw {
    float *w, *m, *v;
    const float *g;
    float gscale, lr, b1, b2, eps, wd, c1, c2;
    struct numbers {
        float w, m, v, g;
    };
    __device__ numbers load(size_t i) const {
        return {w[i], m[i], v[i], g[i]};
    }
    __device__ void close(size_t i, const numbers &old) const {
        float gradient = gscale * old.g;
        float first = b1 * old.m + (1 - b1) * gradient;
        float second = b2 * old.v + (1 - b2) * gradient * gradient;
        w[i] = old.w - lr * wd * old.w - lr * (first / c1) / (sqrtf(second / c2) + eps);
        m[i] = first;
        v[i] = second;
    }
    __device__ void operator()(size_t i) const {
        close(i, load(i));
    }
};

#endif
