/* device.h -- a place to compute that is not the processor: its memory, its kernels.
 *
 * Work is done in the order in which it is asked for.  What the processor may look at is only what
 * was copied out.
 */
#ifndef SSV_KERNELS_DEVICE_H
#define SSV_KERNELS_DEVICE_H

#include "core/error.h"
#include "kernels/kernels.h"

struct device {
    const char *name;              /* "cuda:0" */
    const char *description;       /* "NVIDIA H100 80GB HBM3, 79.2 GiB" */
    const char *note;              /* what it does without; "": nothing so far */
    const struct kernels *kernels; /* their pointers are to this memory */
    void *queue;                   /* kctx.device for them */
    /* Zeros, aligned to 256 bytes.  Status 3 with the sizes when there is not enough. */
    int (*allocate)(struct device *d, void **out, size_t bytes, const char *what,
                    struct error *err);
    void (*release)(struct device *d, void *memory); /* of NULL: nothing */
    /* Both return when it is done, and with it all that was asked for before. */
    void (*copy_in)(struct device *d, void *to, const void *from, size_t bytes);
    void (*copy_out)(struct device *d, void *to, const void *from, size_t bytes);
    void (*wait)(struct device *d); /* until all that was asked for is done */
    /* Status 3 with the first thing that went wrong since the last call. */
    int (*check)(struct device *d, struct error *err);
};

#endif
