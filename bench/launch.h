/* launch.h -- another program's output, line by line. */
#ifndef SSV_BENCH_LAUNCH_H
#define SSV_BENCH_LAUNCH_H

#include "core/error.h"

/* Runs argv[0], found in PATH, without a shell; stderr stays ours.  Each line of its output goes to
 * take, which may fail.  Status 2 when it cannot be started, 3 when it ends with anything but 0. */
int launch(char *const argv[], int (*take)(void *self, const char *line, struct error *err),
           void *self, struct error *err);

#endif
