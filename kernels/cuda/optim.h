/* optim.h -- optimizers over many tensors at once, as struct device has them. */
#ifndef SSV_KERNELS_CUDA_OPTIM_H
#define SSV_KERNELS_CUDA_OPTIM_H

#include "kernels/cuda/cuda.h"
#include "kernels/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Room for lists that go to the device; starts as zeros and grows. */
struct cuda_lists {
    void *pieces, *sums; /* the device's */
    void *here;
    size_t room; /* pieces, as device_pieces counts them */
};
struct adam_numbers {
    real b1, b2, eps;
};

int cuda_lists_grow(struct cuda_lists *l, size_t pieces); /* a cudaError_t */
void cuda_squares(struct cuda_lists *l, const struct kctx *c, int n,
                  const struct device_range *range, const real *x, const real *y, double *sums);
void cuda_adamw_ranges(struct cuda_lists *l, const struct kctx *c, int n,
                       const struct device_range *range, const struct adam_numbers *o, real *value,
                       const real *gradient, real *m, real *v);
void cuda_lists_free(struct cuda_lists *l);

#ifdef __cplusplus
}
#endif

#endif
