/* kernels.h -- what `ssvbench kernels` does with its flags. */
#ifndef SSV_BENCH_KERNELS_H
#define SSV_BENCH_KERNELS_H

#include "bench/command.h"

/* kernels_walk.c: check and time each. */
int kernels_walk(const struct kernels_flags *o, const volatile sig_atomic_t *stop,
                 struct error *err);
/* kernels_against.c: this program and another one in turns. */
int kernels_against(const struct kernels_flags *o, const volatile sig_atomic_t *stop,
                    struct error *err);
/* kernels_self_test.c: what that is worth here. */
int kernels_self_test(const struct kernels_flags *o, const volatile sig_atomic_t *stop,
                      struct error *err);

#endif
