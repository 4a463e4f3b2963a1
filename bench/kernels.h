/* kernels.h -- what `ssvbench kernels` was asked for, shared by its two ways of working. */
#ifndef SSV_BENCH_KERNELS_H
#define SSV_BENCH_KERNELS_H

#include "bench/command.h"

struct kernels_options {
    const char *filter, *backend, *shapes, *against;
    int json, time_only, threads, seed, pairs;
    double seconds;
};

/* kernels_against.c: this program and another one in turns. */
int kernels_against(const struct kernels_options *o, const volatile sig_atomic_t *stop,
                    struct error *err);

#endif
