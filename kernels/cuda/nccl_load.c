#include "kernels/cuda/nccl_library.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

int nccl_load(struct nccl_library *out, struct error *err) {
    const char *asked = getenv("SSVBENCH_NCCL");
    const char *name = asked && *asked ? asked : "libnccl.so.2";
    /* Never unmapped: its threads may outlive what was closed. */
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE), *symbol;
    if (!library)
        return error_set(err, STATUS_MACHINE, "no NCCL: %s", dlerror());
#define F(function)                                                                                \
    symbol = dlsym(library, #function);                                                            \
    if (!symbol)                                                                                   \
        return error_set(err, STATUS_MACHINE, "no NCCL: %s has no " #function, name);              \
    memcpy(&out->function, &symbol, sizeof symbol);
    NCCL_FUNCTIONS(F)
#undef F
    return 0;
}
