/* difference_internal.h -- differences to `random` and budgets of a summary's rows, for the table,
 * the page and its tables. */
#ifndef SSV_REPORTS_DIFFERENCE_INTERNAL_H
#define SSV_REPORTS_DIFFERENCE_INTERNAL_H

#include "reports/summary_internal.h"

/* difference.c */
struct summary_difference {
    struct interval interval;
    int pairs;      /* by pretraining seed; 0: none are shared, Welch's of all */
    int certain;    /* no seed of either differs from the others: nothing is known of the spread */
    int incomplete; /* with a run that is not complete */
};
/* The row of `random` with the same backbone, data and, if there are several, settings; -1: none,
 * -2: more than one. */
int summary_baseline(const struct summary *s, const struct summary_row *row);
/* Accuracies are means of shares of so many images, which are rounded, with a variance of step^2 /
 * 12 each: the least standard error of the mean of n values.  Seeds that agree by chance, to the
 * last image, make nothing certain. */
double cell_rounding_error(const struct summary_cell *cell, int n);
/* That of the difference of two means. */
double cells_rounding_error(const struct summary_cell *a, int na, const struct summary_cell *b,
                            int nb);
/* 0: one of them has no value. */
int summary_difference(const struct summary *s, const struct summary_cell *cell,
                       const struct summary_cell *base, struct summary_difference *d);
int cell_n_incomplete(const struct summary_cell *cell);

/* What the runs of a row had of their budgets, as means over those that trained. */
struct summary_budget {
    const char *budget; /* "several" where runs differ */
    double epochs, images, flops, seconds;
    int n; /* 0: none trained, or none says */
};
struct summary_budget summary_budget(const struct summary_row *row);

/* variant.c.  Does the setting decide nothing in the results, or is it in the label already? */
int variant_ignores(const char *key);

#endif
