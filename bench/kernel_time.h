/* kernel_time.h -- one kernel on one shape: is it right, and how long does it take. */
#ifndef SSV_BENCH_KERNEL_TIME_H
#define SSV_BENCH_KERNEL_TIME_H

#include "kernels/cases.h"

enum { KERNEL_SAMPLES = 1024, KERNEL_PASSES = 4 };

struct kernel_call {
    const struct kernel_case *kernel;
    int dim[CASE_DIMS];
    unsigned halves; /* kctx.halves, of a device */
};

/* A device, with memory of its own for workspace and flush. */
struct kernel_place {
    struct device *device;
    real *workspace, *flush;
    size_t flush_reals;
};

struct kernel_time_options {
    int threads;
    uint64_t seed;    /* of the inputs */
    double tolerance; /* largest distance from ref that is right */
    double seconds;   /* to sample for, warm; half as long cold */
    real *workspace;  /* (threads * KERNEL_WORKSPACE) */
    char *flush;      /* (flush_bytes) of other memory, read before every cold call */
    size_t flush_bytes;
    const struct kernel_place *place; /* that computes; NULL: the processor */
    double slowed; /* share of time to waste, to see whether a comparison finds it */
};

struct kernel_time {
    int wrong;   /* number of the buffer that is not ref's, or was written outside of; -1: none */
    int checked; /* else wrong and distance say nothing */
    double distance, flops, bytes;
    double joules; /* a warm call, of whole packages; NAN: not counted here */
    int n_warm, n_cold;
    double warm[KERNEL_SAMPLES]; /* seconds a call, sorted: its buffers were just used; these lie in
                                  * several places of memory in turns */
    double cold[KERNEL_SAMPLES]; /* the same, after other memory was */
};

/* Checks on fresh random inputs against ref, with outputs that hold NaN; then times what is right.
 * What takes ref longer than some seconds is not checked on a device, for whose sizes it is slow.
 * On a device a sample counts from the first call asked for until the last one is done, and a cold
 * call has the wait for it in it.  Status 3 when the device fails. */
int kernel_time(struct kernel_time *out, const struct kernel_call *call, const struct kernels *k,
                const struct kernel_time_options *o, struct error *err);

/* Adds a share of the warm samples, with buffers in yet another place; pass 0..KERNEL_PASSES-1.
 * For comparisons: passes over all kernels spread the samples of each over the whole launch, so
 * that what disturbs the machine for a second does not have all of them. */
int kernel_time_pass(struct kernel_time *out, int pass, const struct kernel_call *call,
                     const struct kernels *k, const struct kernel_time_options *o,
                     struct error *err);

double kernel_time_quantile(const double *sorted, int n, double q); /* NAN when n is 0 */

#endif
