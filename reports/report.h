/* report.h -- figures and tables from results; a pure function of the run.h5 files.
 *
 * report_figures writes FOLDER/figures/<name>.{dat,gp} with style.gp and runs gnuplot on each:
 * <name>.svg, .png, .pdf.  A .gp file that the user has edited is used as it is and never
 * overwritten.  A missing gnuplot is one clear line and status 3; the .dat and .gp files stay.
 */
#ifndef SSV_REPORTS_REPORT_H
#define SSV_REPORTS_REPORT_H

#include "core/error.h"
#include "results/run.h"

#include <stdio.h>

/* Main figure (every seed, mean, 95 % t-interval; a panel per protocol and dataset) and loss
 * curves. */
int report_figures(struct run *const *runs, int n_runs, const char *folder, struct error *err);
/* method x protocol table: mean, 95 % t-interval, n; difference to `random` with its interval. */
int report_table(struct run *const *runs, int n_runs, FILE *out, struct error *err);
/* One line per (run, protocol, seed): for spreadsheets.  RFC 4180. */
int report_csv(struct run *const *runs, int n_runs, FILE *out, struct error *err);

#endif
