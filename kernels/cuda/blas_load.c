#include "kernels/cuda/blas_library.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static void *open_library(const char **tried) {
    static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12"};
    const char *asked = getenv("SSVBENCH_CUBLASLT");
    void *library = NULL;
    *tried = asked && *asked ? asked : names[0];
    if (asked && *asked)
        return dlopen(asked, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    return library;
}

int blas_load(struct blas_library *out, struct error *err) {
    const char *tried;
    void *library = open_library(&tried), *symbol;
    if (!library)
        return error_set(err, STATUS_MACHINE, "%s is not found", tried);
#define F(name)                                                                                    \
    symbol = dlsym(library, #name);                                                                \
    if (!symbol)                                                                                   \
        return error_set(err, STATUS_MACHINE, "%s has no " #name, tried);                          \
    memcpy(&out->name, &symbol, sizeof symbol);
    BLAS_FUNCTIONS(F)
#undef F
    out->workspace = (size_t)32 << 20; /* what NVIDIA recommends for Hopper */
    return 0;
}
