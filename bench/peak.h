/* peak.h -- what this processor can do at most, measured. */
#ifndef SSV_BENCH_PEAK_H
#define SSV_BENCH_PEAK_H

#include "kernels/device.h"

/* Single-precision FLOP/s of independent fused multiply-adds on `threads` threads: the best of a
 * few tries of about `seconds` altogether. */
double peak_flops(int threads, double seconds);
/* Of a device: those of its product of two square matrices of 4096, the best of a few. */
int peak_device(double *flops, struct device *d, double seconds, struct error *err);

#endif
