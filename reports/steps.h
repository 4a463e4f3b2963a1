/* steps.h -- what `ssvbench bench steps --out` kept: the table and the figure of batches. */
#ifndef SSV_REPORTS_STEPS_H
#define SSV_REPORTS_STEPS_H

#include "results/step_times.h"

#include <stdio.h>

struct step_files {
    struct step_times *file; /* (n) */
    int n;
};

/* A line a file, step and batch. */
int steps_table(const struct step_files *f, FILE *out, struct error *err);
/* The same as RFC 4180 has it. */
int steps_csv(const struct step_files *f, FILE *out, struct error *err);
/* FOLDER/figures/throughput: images a second over the batch, a panel for each step, a line for each
 * file. */
int steps_figures(const struct step_files *f, const char *folder, struct error *err);

#endif
