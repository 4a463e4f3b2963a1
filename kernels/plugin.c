#include "kernels/plugin.h"

#include "core/file.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SSV_F64
/* Mapping CUDA's libraries takes 0.3 s: only where there is a driver. */
static int has_driver(void) {
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (driver)
        dlclose(driver);
    return driver != NULL;
}

static int find_plugin(char path[FILE_PATH], struct error *err) {
    const char *asked = getenv("SSVBENCH_CUDA_PLUGIN");
    if (asked && *asked) {
        snprintf(path, FILE_PATH, "%s", asked);
        return 0;
    }
    if (!has_driver())
        return error_set(err, STATUS_MACHINE,
                         "no CUDA device here: there is no driver (libcuda.so.1)");
    return file_beside_program("libssvbench_cuda.so", path, err);
}

static int load(const struct device_plugin **out, struct error *err) {
    char path[FILE_PATH];
    int status = find_plugin(path, err);
    if (status)
        return status;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(err, STATUS_MACHINE, "the CUDA part cannot be loaded: %s", dlerror());
    const struct device_plugin *(*plugin)(void);
    void *symbol = dlsym(library, "device_plugin");
    memcpy(&plugin, &symbol, sizeof plugin);
    *out = symbol ? plugin() : NULL;
    if (*out && (*out)->abi == DEVICE_PLUGIN_ABI && (*out)->kernels_size == sizeof(struct kernels))
        return 0;
    dlclose(library);
    return error_set(err, STATUS_MACHINE, "%s is not of this version of the program: build both",
                     path);
}

/* number < 0: the one whose turn it is. */
static int open_cuda(struct device **out, int number, int turn, enum device_math math,
                     struct error *err) {
    const struct device_plugin *plugin = NULL;
    int status = load(&plugin, err);
    if (!plugin || status)
        return status;
    if (number < 0) {
        int n = turn ? plugin->count() : 1;
        number = n > 0 ? turn % n : 0;
    }
    return plugin->open(out, number, math, err);
}

const char *const device_maths[] = {
    [DEVICE_OWN] = "own", [DEVICE_FP32] = "fp32", [DEVICE_TF32] = "tf32", [DEVICE_BF16] = "bf16"};

static int find_math(const char *name, enum device_math *out, struct error *err) {
    for (int i = 0; i < DEVICE_MATHS; i++)
        if (!strcmp(name, device_maths[i])) {
            *out = (enum device_math)i;
            return 0;
        }
    return error_set(err, STATUS_USAGE, "there is no math \"%s\": own, fp32, tf32 or bf16", name);
}

int device_open(struct device **out, const char *name, const char *math_name, int turn,
                int *fell_back, struct error *err) {
    const size_t prefix = strlen("cuda:");
    enum device_math math = DEVICE_FP32;
    int number = -1, end = 0, status = find_math(math_name, &math, err);
    *out = NULL;
    *fell_back = 0;
    if (status || !strcmp(name, "cpu"))
        return status;
    if (!strcmp(name, "cuda") ||
        (!strncmp(name, "cuda:", prefix) && isdigit((unsigned char)name[prefix]) &&
         sscanf(name + prefix, "%4d%n", &number, &end) == 1 && !name[prefix + (size_t)end]))
        return open_cuda(out, number, turn, math, err);
    if (strcmp(name, "auto") != 0)
        return error_set(err, STATUS_USAGE, "there is no device \"%s\": cpu, cuda, cuda:N or auto",
                         name);
    *fell_back = open_cuda(out, -1, turn, math, err) != 0;
    return 0;
}
#endif
