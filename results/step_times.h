/* step_times.h -- what `ssvbench bench steps --out` measured, in memory and in an HDF5 file.
 *
 *     /              @format @format_version @created_utc @code_commit @code_dirty @threads
 *                    @ranks @seconds @peak_flops @math
 *     /environment   as in run.h5
 *     /steps/tables/summary   a row a step and batch
 */
#ifndef SSV_RESULTS_STEP_TIMES_H
#define SSV_RESULTS_STEP_TIMES_H

#include "results/run.h"

#define STEP_TIMES_FORMAT "ssvbench-steps"
#define STEP_TIMES_VERSION "1.1" /* 1.1: ranks */

struct step_time {
    char step[64]; /* "mae/vit-tiny/32px-p4": without the batch */
    int64_t batch;
    double images_per_s; /* of the median step */
    double q1, q3;       /* of the steps' images per second, NAN: unknown */
    double gflops;       /* GFLOP/s */
    double percent;      /* of the measured peak */
    double peak_bytes;   /* planned: activations, gradients, weights, optimizer */
    double resident;     /* bytes, of the process at its largest so far; 0: unknown */
    double first_s;      /* until the first step was done */
    int64_t n;           /* steps that were timed */
};

struct step_times {
    struct run machine; /* its environment, commit and time; its arena owns everything here */
    const char *math;   /* of a device; "" on the processor */
    int threads, ranks; /* of each rank; that stepped together */
    double seconds, peak_flops;
    int n, room;
    struct step_time *rows; /* (n) */
};

void step_times_init(struct step_times *t); /* nothing, of today, on this machine */
void step_times_add(struct step_times *t, const struct step_time *row);
/* Atomic.  Status 3 when it cannot be written. */
int step_times_write(const struct step_times *t, const char *path, struct error *err);
/* Status 2 for a missing, broken or too new file, with its name; *t is then empty. */
int step_times_read(struct step_times *t, const char *path, struct error *err);
void step_times_free(struct step_times *t);

#endif
