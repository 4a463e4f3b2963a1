/* kernels.h -- tables and figures of what `ssvbench kernels --out` kept. */
#ifndef SSV_REPORTS_KERNELS_H
#define SSV_REPORTS_KERNELS_H

#include "results/kernel_times.h"

#include <stdio.h>

/* files (n): of one machine, by time. */
struct kernel_history {
    struct kernel_times *file;
    int n;
};

/* A line a kernel and file, RFC 4180. */
int kernels_csv(const struct kernel_history *h, FILE *out, struct error *err);
/* A line a kernel: first and last time, and the files at which its level changed
 * (results/change_points.h). */
int kernels_history_table(const struct kernel_history *h, FILE *out, struct error *err);
/* FOLDER/figures: the roofline of the last file and, of two files or more, the kernels that moved.
 */
int kernels_figures(const struct kernel_history *h, const char *folder, struct error *err);

#endif
