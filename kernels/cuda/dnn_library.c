#include "kernels/cuda/dnn_library.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { MAJOR = 9, PER_MAJOR = 10000 };

static int find(struct dnn_library *l, const char *name, void *function, struct error *err) {
    void *symbol = dlsym(l->handle, name);
    if (!symbol)
        return error_set(err, STATUS_MACHINE, "no cuDNN: its library has no %s", name);
    memcpy(function, &symbol, sizeof symbol);
    return 0;
}

static int find_all(struct dnn_library *l, struct error *err) {
    int status = 0;
#define CALL(name)                                                                                 \
    if (!status)                                                                                   \
        status = find(l, #name, &l->name, err);
    DNN_CALLS(CALL)
#undef CALL
    if (status)
        return status;
    size_t version = l->cudnnGetVersion();
    if (version / PER_MAJOR != MAJOR)
        return error_set(err, STATUS_MACHINE, "no cuDNN: its version is %zu, not %d", version,
                         MAJOR);
    return 0;
}

int dnn_library_open(struct dnn_library *l, struct error *err) {
    const char *asked = getenv("SSVBENCH_CUDNN");
    memset(l, 0, sizeof *l);
    /* Never unmapped: its threads and its state in the driver may outlive what was closed. */
    l->handle =
        dlopen(asked && *asked ? asked : "libcudnn.so.9", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!l->handle)
        return error_set(err, STATUS_MACHINE, "no cuDNN: %s", dlerror());
    int status = find_all(l, err);
    if (status)
        dnn_library_close(l);
    return status;
}

void dnn_library_close(struct dnn_library *l) {
    if (l->handle)
        dlclose(l->handle);
    l->handle = NULL;
}
