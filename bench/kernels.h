/* kernels.h -- what `ssvbench kernels` does with its flags. */
#ifndef SSV_BENCH_KERNELS_H
#define SSV_BENCH_KERNELS_H

#include "bench/bandwidth.h"
#include "bench/command.h"
#include "bench/kernel_shapes.h"
#include "bench/kernel_time.h"

#include <string.h>

/* Whether --out or --against names a file of times. */
static inline int kernels_is_file(const char *name) {
    const size_t n = strlen(name);
    return n > 3 && !strcmp(name + n - 3, ".h5");
}

/* Whether --backend names a device. */
static inline int kernels_on_device(const char *backend) {
    return !strncmp(backend, "cuda", strlen("cuda"));
}

/* Gets what is measured, as it is. */
struct kernels_sink {
    /* device: what it was measured on, "cpu" */
    void (*roof)(void *self, const char *device, double flops, const struct bandwidth *b);
    void (*take)(void *self, const struct kernel_shape *at, const char *shape, const char *backend,
                 const struct kernel_time *t, double percent_of_roof);
    void *self;
};

/* kernels_walk.c: check and time each; sink NULL: print only. */
int kernels_walk(const struct invocation *call, const struct kernels_sink *sink, struct error *err);
/* kernels_keep.c: the same, and write it to --out. */
int kernels_keep(const struct invocation *call, struct error *err);
/* kernels_against.c: this program and another one in turns. */
int kernels_against(const struct invocation *call, struct error *err);
/* kernels_report.c: of the files and folders in the arguments behind the first; as CSV, or a table
 * and figures. */
int kernels_report(const struct invocation *call, int csv, struct error *err);
/* kernels_self_test.c: what that is worth here. */
int kernels_self_test(const struct invocation *call, struct error *err);

#endif
