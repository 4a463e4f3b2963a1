/* summary_internal.h -- what a set of runs says: methods in rows, (protocol, dataset) in columns.
 *
 * A run counts once: its value in a column is the mean over its probe seeds, since probe seeds of
 * one encoder are not replicates of pretraining.  Runs are never mixed silently: different
 * backbones, pretraining datasets, settings and versions of a protocol get their own rows and
 * columns, and their labels say so.
 */
#ifndef SSV_REPORTS_SUMMARY_INTERNAL_H
#define SSV_REPORTS_SUMMARY_INTERNAL_H

#include "core/arena.h"
#include "results/run.h"
#include "results/stats.h"

#include <stdio.h>

#define REPORT_LEVEL 0.95

/* A run of the row that has no value in the column. */
struct summary_gap {
    const struct run *run;
    const char *word, *reason; /* "diverged", "loss is NaN at step 12"; reason may be "" */
};

struct summary_cell {
    int n;                  /* runs with a value */
    double *top1;           /* (n) percent; of another metric where the column names one */
    const struct run **run; /* (n) */
    struct interval level;  /* of the mean, percent, cut at 0 and 100 */
    int cut, wilson;        /* was it cut?  is it Wilson's, for want of any spread at 0 or 100 %? */
    int images;             /* of the test split */
    int n_gaps;
    struct summary_gap *gap;
};

struct summary_row {
    const char *method, *backbone;
    const char *dataset; /* of pretraining; "" when it is the column's */
    const char *variant; /* "epochs=20" where runs of a method differ in it, otherwise "" */
    int id;              /* of its colour and shape, from 1 */
    int n_runs;
    const struct run **run;
};

struct summary_column {
    const char *protocol, *dataset;
    const char *version; /* "" unless one protocol and dataset has several */
    const char *metric;  /* what the numbers are; "" for top-1 accuracy */
    int classes;
};

struct summary {
    int n_rows, n_columns;
    struct summary_row *row;
    struct summary_column *column;
    struct summary_cell *cell;               /* (n_rows, n_columns) */
    int several_backbones, several_datasets; /* do labels need them? */
    int other_metrics;                       /* is not every column top-1 accuracy? */
    int n_repeats;
    const char **repeat; /* a line about each run that was left out as a copy of another */
    int same_dataset;    /* every run was evaluated on the dataset of its pretraining */
    struct arena *a;
};

/* Everything is owned by `a`; the runs must live as long. */
struct summary summary_of(struct run *const *runs, int n_runs, struct arena *a);
const struct summary_cell *summary_at(const struct summary *s, int row, int column);
/* "mae, vit-micro, epochs=20": as much as tells the rows apart.  Clean text. */
char *summary_label(const struct summary *s, const struct summary_row *row, const char *separator);
/* "vit-micro; pretraining on shapes": what all rows share and labels leave out. */
char *summary_common(const struct summary *s);
char *summary_column_label(const struct summary *s, const struct summary_column *column,
                           const char *separator);
int run_is_complete(const struct run *run);

/* table_budget.c: a block of the table; nothing where no run says what its budget was. */
void print_budgets(const struct summary *s, FILE *out);

/* variant.c: for each run the settings in which runs of the same method, backbone and dataset
 * differ, "epochs=20 mae.mask_ratio=0.6", or "". */
const char **run_variants(struct run *const *runs, int n_runs, struct arena *a);

#endif
