/* bandwidth.h -- what memory and caches give at most, measured. */
#ifndef SSV_BENCH_BANDWIDTH_H
#define SSV_BENCH_BANDWIDTH_H

#include "core/error.h"
#include "kernels/device.h"

enum { BANDWIDTHS = 8 };

struct bandwidth {
    int n;
    size_t bytes[BANDWIDTHS];      /* a loop over so many, growing */
    double per_second[BANDWIDTHS]; /* bytes, read and written */
};

/* Of y = a x + b y with these kernels, the best of a few tries of about `seconds` altogether; from
 * 16 KiB to 256 MiB.  d: whose kernels and memory they are; NULL: the processor's. */
int bandwidth_measure(struct bandwidth *out, const struct kernels *k, struct device *d, int threads,
                      double seconds, struct error *err);
/* Bytes a second for a kernel that touches so many: that of the next larger loop. */
double bandwidth_for(const struct bandwidth *b, double bytes);

#endif
