#include "kernels/ref/ref.h"

const struct kernels *kernels_ref(void) {
    static const struct kernels table = {.name = "ref",
#define KERNEL(name, parameters) .name = ref_##name,
#define KERNEL_RETURNS(type, name, parameters) .name = ref_##name,
                                         KERNEL_LIST(KERNEL)
#undef KERNEL
#undef KERNEL_RETURNS
    };
    return &table;
}
