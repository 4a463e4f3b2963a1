/* plugin.c -- what the program asks the library for. */
#include "kernels/plugin.h"

#include "kernels/cuda/runtime.h"

__attribute__((visibility("default"))) const struct device_plugin *device_plugin(void) {
    static const struct device_plugin plugin = {.abi = DEVICE_PLUGIN_ABI,
                                                .kernels_size = sizeof(struct kernels),
                                                .count = cuda_device_count,
                                                .open = cuda_device_open};
    return &plugin;
}
