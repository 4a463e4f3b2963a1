/* report.h -- figures and tables from results; a pure function of the run.h5 files.
 *
 * report_figures writes FOLDER/figures/<name>.{dat,gp} with style.gp and runs gnuplot on each:
 * <name>.svg, .png, .pdf.  A .gp file that the user has edited is used as it is and never
 * overwritten.  A missing gnuplot is one clear line and status 3; the .dat and .gp files stay.
 * What has nothing to draw is left out; an image whose data and scripts are as they were when it
 * was drawn is not drawn again.
 */
#ifndef SSV_REPORTS_REPORT_H
#define SSV_REPORTS_REPORT_H

#include "core/error.h"
#include "results/run.h"

#include <stdio.h>

/* Texts as a user writes them; "" or NULL is the default. */
struct report_options {
    const char *into;   /* folder that gets figures/; of the command, which passes it on */
    const char *only;   /* "main,loss": these figures; default: all */
    const char *format; /* "svg,pdf"; default: svg,png,pdf */
    const char *pair;   /* "mae,supervised": what the figure `classes` compares */
};

/* The figures of docs/figures.md.  options: NULL for the defaults.  Status 2 for a name or format
 * that there is not, 1 when a figure that was asked for by name has nothing to draw. */
int report_figures(struct run *const *runs, int n_runs, const char *folder,
                   const struct report_options *options, struct error *err);
/* What can be said of the options before there are runs: status 2 as above. */
int report_options_check(const struct report_options *options, struct error *err);
/* method x protocol table: mean, 95 % t-interval, n; difference to `random` with its interval. */
int report_table(struct run *const *runs, int n_runs, FILE *out, struct error *err);
/* One line per (run, protocol, seed): for spreadsheets.  RFC 4180. */
int report_csv(struct run *const *runs, int n_runs, FILE *out, struct error *err);

#endif
