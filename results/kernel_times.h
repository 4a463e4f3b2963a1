/* kernel_times.h -- what `ssvbench kernels` measured, in memory and in an HDF5 file.
 *
 *     /              @format @format_version @created_utc @code_commit @code_dirty and the options
 *     /environment   as in run.h5
 *     /roof          bytes (scale) per_second: bandwidth by size of the loop; @peak_flops
 *     /kernels       row sample_warm sample_cold launch (scales) warm[row,sample_warm]
 *                    cold[row,sample_cold] launches[row,launch]: seconds, NaN behind the last
 *     /kernels/tables/summary   a row a kernel, shape and backend
 *
 * A launch is one number: the fastest sample of a process of its own, which is the unit of
 * results/speed_verdict.h.
 */
#ifndef SSV_RESULTS_KERNEL_TIMES_H
#define SSV_RESULTS_KERNEL_TIMES_H

#include "results/run.h"

#define KERNEL_TIMES_FORMAT "ssvbench-kernels"
#define KERNEL_TIMES_VERSION "1.0"

enum { KERNEL_LEVELS = 8, KERNEL_LAUNCHES = 32 };

struct kernel_row {
    char kernel[48], dims[64], shape[64], backend[24];
    int64_t calls;          /* in the steps that its set is of; 0: of none */
    double flops, bytes;    /* of a call; bytes: the fewest it can move */
    double distance;        /* from ref, as a norm; NAN: not checked */
    double warm, q1, q3;    /* seconds a call: median and quartiles, its buffers just used */
    double cold;            /* median after other memory was used; NAN: not timed */
    double joules;          /* a warm call, of whole packages; NAN: not counted */
    double percent_of_roof; /* NAN: not measured */
};

struct kernel_samples { /* seconds, in any order */
    int n_warm, n_cold, n_launches;
    const double *warm, *cold, *launch;
};

struct kernel_times {
    struct run machine; /* its environment, commit and time; its arena owns everything here */
    const char *filter, *backends, *shapes;
    int threads, seed;
    double seconds, peak_flops;
    int n_levels;
    double level_bytes[KERNEL_LEVELS], level_per_second[KERNEL_LEVELS];
    int n, room;
    struct kernel_row *rows;        /* (n) */
    struct kernel_samples *samples; /* (n) */
};

void kernel_times_init(struct kernel_times *t); /* nothing, of today, on this machine */
/* Deep copies. */
void kernel_times_add(struct kernel_times *t, const struct kernel_row *row,
                      const struct kernel_samples *samples);
/* The row of that name, "kernel shape backend"; -1: none. */
int kernel_times_find(const struct kernel_times *t, const char *name);
/* Atomic.  Status 3 when it cannot be written. */
int kernel_times_write(const struct kernel_times *t, const char *path, struct error *err);
/* Status 2 for a missing, broken or too new file, with its name; *t is then empty. */
int kernel_times_read(struct kernel_times *t, const char *path, struct error *err);
void kernel_times_free(struct kernel_times *t);
/* What makes times of the two incomparable, "cpu: X, here Y", or NULL; owned by a. */
const char *kernel_times_differ(const struct kernel_times *there, const struct kernel_times *here,
                                struct arena *a);

#endif
