/* quiet.h -- is this machine fit for timing: says so when it is not, and changes nothing. */
#ifndef SSV_BENCH_QUIET_H
#define SSV_BENCH_QUIET_H

#include "core/error.h"

/* A warning each for: other programs that compute now, a frequency governor that is not
 * "performance", less than one processor for this process (cgroup).  Takes 0.1 s. */
void quiet_check(void);
/* This process and its threads on that processor alone.  Status 2 when there is no such. */
int quiet_pin(int processor, struct error *err);

#endif
