/* table.c -- every line of the list is this backend's own. */
#include "kernels/cuda/cuda.h"

const struct kernels *kernels_cuda(void) {
    static const struct kernels table = {.name = "cuda",
#define KERNEL(name, parameters) .name = cuda_##name,
#define KERNEL_RETURNS(type, name, parameters) .name = cuda_##name,
                                         KERNEL_LIST(KERNEL)
#undef KERNEL
#undef KERNEL_RETURNS
    };
    return &table;
}
