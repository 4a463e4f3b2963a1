/* kernels.h -- what `ssvbench kernels` does with its flags. */
#ifndef SSV_BENCH_KERNELS_H
#define SSV_BENCH_KERNELS_H

#include "bench/command.h"

/* kernels_walk.c: check and time each. */
int kernels_walk(const struct invocation *call, struct error *err);
/* kernels_against.c: this program and another one in turns. */
int kernels_against(const struct invocation *call, struct error *err);
/* kernels_self_test.c: what that is worth here. */
int kernels_self_test(const struct invocation *call, struct error *err);

#endif
