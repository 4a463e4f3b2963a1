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

#define NOT_EVALUATED "not evaluated" /* the word of a gap that may still be filled */

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
    int shares;             /* of these images that a value is the mean of; 0: it is no share */
    int probes; /* seeds of the probe, or draws, that a value is the mean of, at least */
    int n_gaps;
    struct summary_gap *gap;
};

/* The settings in which runs of one method and backbone differ: all of them have the same keys. */
struct variant {
    const char *text;       /* "epochs=20 mae.mask_ratio=0.6", or "" */
    int n;                  /* settings */
    const char *const *key; /* (n) */
    const char **value;     /* (n); "?": the run's configuration does not say it */
};

struct summary_row {
    const char *method, *backbone;
    const char *dataset; /* of pretraining; "" when it is the column's */
    const char *variant; /* "epochs=20" where runs of a method differ in it, otherwise "" */
    const struct variant *settings;
    int id; /* of its colour and shape, from 1 */
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

/* summary_pick.c: parts of a summary that figures want. */
/* The evaluation of the run that belongs to the column; NULL: none. */
const struct eval *summary_eval(const struct summary *s, const struct run *run,
                                const struct summary_column *column);
/* Of each dataset the column that says most of frozen features: linear, else logistic, else ...;
 * among those where a run has what `has` asks of its evaluation (NULL: a value).  Returns their
 * number, column (n_columns). */
int summary_primary(const struct summary *s, int (*has)(const struct eval *e), int *column);
/* The column of that protocol on the dataset of `column`; -1: none. */
int summary_column_of(const struct summary *s, const char *protocol, int column);
/* The rows with a value in the column, from a run that has what `has` asks (NULL: nothing more); at
 * most so many, those with the largest mean, in the order of the summary.  Returns their number,
 * row (n_rows); *left_out is how many were not taken. */
int summary_best(const struct summary *s, int column, int (*has)(const struct eval *e), int most,
                 int *row, int *left_out);
/* "a", "b", ...: which of the rows that have its colour and shape a row is; "" where there is one.
 * What tells their lines apart in a figure and its key. */
const char *summary_letter(const struct summary *s, const struct summary_row *row);
/* The short label, behind the letter where there is one. */
const char *summary_lettered_label(const struct summary *s, const struct summary_row *row);

/* "mae vit-micro mask_ratio=0.6", without the settings i and j (-1: with all): for figures, where
 * room is short. */
const char *summary_short_label(const struct summary *s, const struct summary_row *row, int i,
                                int j);
/* " 3 more methods are left out." or "" */
const char *summary_left_out(const struct summary *s, int left_out);

/* table_budget.c: a block of the table; nothing where no run says what its budget was. */
void print_budgets(const struct summary *s, FILE *out);

/* variant.c: of each run (n_runs). */
struct variant *run_variants(struct run *const *runs, int n_runs, struct arena *a);

#endif
