/* kernels_internal.h -- a kernel through the files of a history. */
#ifndef SSV_REPORTS_KERNELS_INTERNAL_H
#define SSV_REPORTS_KERNELS_INTERNAL_H

#include "reports/kernels.h"

struct kernel_line {
    const struct kernel_row *row; /* of the last file that has it */
    const char *name;             /* kernel, shape, backend */
    int n;                        /* files that have it */
    int *file;                    /* (n) */
    double *seconds;              /* (n), warm */
    int n_changes;
    int *change;    /* (n_changes) into file: the first of a new level */
    double *level;  /* (n_changes + 1) median of each level, seconds */
    double largest; /* of the changes, as |log ratio|; 0: none */
};

/* Every kernel of any file, in the order of the last one that has it. */
struct kernel_line *kernel_lines(const struct kernel_history *h, int *n, struct arena *a);

/* figure_roofline.c, figure_kernels.c; data: struct kernel_history. */
int figure_roofline(const void *data, FILE *dat);
int figure_kernels(const void *data, FILE *dat);

#endif
