/* peak.h -- what this processor can do at most, measured. */
#ifndef SSV_BENCH_PEAK_H
#define SSV_BENCH_PEAK_H

/* Single-precision FLOP/s of independent fused multiply-adds on `threads` threads: the best of a
 * few tries of about `seconds` altogether. */
double peak_flops(int threads, double seconds);

#endif
