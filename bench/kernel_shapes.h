/* kernel_shapes.h -- which kernels on which shapes: a set by its name.
 *
 *   quick     of the calls of one step of each method and of ResNet-18, for each kernel those that
 *             cost most together; kernels that these do not call: sizes of real networks, the last
 *             ones in kernels/cases_*.c
 *   vit       all that the steps of `bench steps` with a ViT call, from their graphs
 *   resnet    the same of ResNet and AlexNet
 *   step:RE   the same of the steps whose names the expression finds
 *   published, published:RE   the three that cost most, and all, of the networks of published sizes
 *   all       quick, vit and resnet
 *   tests     those of the tests, small and odd ones
 */
#ifndef SSV_BENCH_KERNEL_SHAPES_H
#define SSV_BENCH_KERNEL_SHAPES_H

#include "bench/kernel_time.h"
#include "protocols/settings.h"

struct kernel_shape {
    struct kernel_call call;
    long calls;       /* in one step of each workload together; 0: of none */
    int place, order; /* of the kernel; of the shape */
};

struct kernel_shapes {
    struct kernel_shape *list; /* by kernel; no two are the same */
    int n;
    /* private */
    int room;
    struct device *device;
    struct arena arena;
};

/* Status 2 for a set that there is not.  settings: options of the methods.  d: as it is called,
 * with whole batches, and in 16 bits what it stores so; NULL: the processor, with chunks. */
int kernel_shapes_open(struct kernel_shapes *s, const char *set, struct device *d,
                       struct settings *settings, struct error *err);
void kernel_shapes_close(struct kernel_shapes *s);

#endif
