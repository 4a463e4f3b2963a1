/* steps_internal.h -- what the table and the figure of steps share. */
#ifndef SSV_REPORTS_STEPS_INTERNAL_H
#define SSV_REPORTS_STEPS_INTERNAL_H

#include "reports/steps.h"

/* "AMD EPYC, 2 threads, 19e6849": machine and code of a file. */
const char *steps_label(const struct step_times *t, struct arena *a);

/* figure_throughput.c, scripts_throughput.c; data: struct step_files. */
int figure_throughput(const void *data, FILE *dat);
extern const char *const script_throughput[];

#endif
