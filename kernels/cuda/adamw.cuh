/* adamw.cuh -- one step of AdamW for one number; for an `each`, and for many tensors in one launch.
 */
#ifndef SSV_KERNELS_CUDA_ADAMW_CUH
#define SSV_KERNELS_CUDA_ADAMW_CUH

#include "kernels/cuda/device.cuh"

struct adamw {
    float *w, *m, *v;
    const float *g;
    float gscale, lr, b1, b2, eps, wd, c1, c2;
    __device__ void operator()(size_t i) const {
        float gradient = gscale * g[i];
        float first = b1 * m[i] + (1 - b1) * gradient;
        float second = b2 * v[i] + (1 - b2) * gradient * gradient;
        w[i] = w[i] - lr * wd * w[i] - lr * (first / c1) / (sqrtf(second / c2) + eps);
        m[i] = first;
        v[i] = second;
    }
};

#endif
