/* runtime.h -- opens a CUDA device. */
#ifndef SSV_KERNELS_CUDA_RUNTIME_H
#define SSV_KERNELS_CUDA_RUNTIME_H

#include "kernels/cuda/cuda.h"
#include "kernels/device.h"

#ifdef __cplusplus
extern "C" {
#endif

int cuda_device_count(void); /* 0: none, or no driver answers */
/* Status 3 when there is no such device or it does not answer. */
int cuda_device_open(struct device **out, int number, enum device_math math, struct error *err);
void cuda_device_close(struct device *d); /* NULL: nothing */

#ifdef __cplusplus
}
#endif

#endif
