/* plugin.h -- devices that are not compiled in: a library that is opened when it is asked for, so
 * that one program runs where there is no such device, driver or library.
 *
 * libssvbench_cuda.so lies beside the program, or where $SSVBENCH_CUDA_PLUGIN says; it exports
 * device_plugin.
 */
#ifndef SSV_KERNELS_PLUGIN_H
#define SSV_KERNELS_PLUGIN_H

#include "kernels/device.h"

enum { DEVICE_PLUGIN_ABI = 13 }; /* counts up with struct device, struct kctx and struct error */

struct device_plugin {
    int abi;
    size_t kernels_size; /* of struct kernels: the lists are the same */
    int (*count)(void);  /* of devices here */
    int (*open)(struct device **out, int number, enum device_math math, struct error *err);
};
extern const struct device_plugin *device_plugin(void);

/* name: cpu, cuda, cuda:N, or auto: cuda when it can be opened.  *out is NULL for the processor;
 * where auto chose it, *fell_back is 1 and err->message says why.  Without a number it is the first
 * device, or the one after `turn` others, round and round: for processes that share a machine.
 * Status 2 for another name, 3 for a device that cannot be opened.  math: one of device_maths. */
int device_open(struct device **out, const char *name, const char *math, int turn, int *fell_back,
                struct error *err);
extern const char *const device_maths[]; /* (DEVICE_MATHS): own, fp32, tf32, bf16 */

#endif
