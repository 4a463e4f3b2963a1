/* verdicts.h -- which of two methods is better, as far as seeds of pretraining can say.
 *
 *     struct verdicts v = verdicts_against_random(&s, VERDICT_MARGIN);
 *     struct listing table = verdicts_listing(&s, &v, 1, ...);
 *
 * Two methods are compared in pairs where at least two seeds are shared, by Welch's test otherwise.
 * A family is what is decided together: the planned pairs of one column.  Its p values are
 * adjusted by Holm's method, and an interval is at the level at which its pair was tested, so that
 * it leaves out 0 just where the adjusted p is 5 % or less.  docs/statistics.md has the reasons.
 * Everything is owned by the summary's arena; differences are in points.
 */
#ifndef SSV_REPORTS_VERDICTS_H
#define SSV_REPORTS_VERDICTS_H

#include "reports/listing.h"
#include "reports/summary_internal.h"

#define VERDICT_ALPHA (1 - REPORT_LEVEL)
#define VERDICT_MARGIN 1.0 /* points; what is less is of no practical importance */
#define VERDICT_POWER 0.8

enum verdict_word {
    VERDICT_A_BETTER, /* adjusted p <= 5 %, and the difference is more than the margin */
    VERDICT_B_BETTER,
    VERDICT_EQUIVALENT, /* surely less apart than the margin: adjusted p of two one-sided tests */
    VERDICT_UNDECIDED
};

struct verdict {
    int a, b, column; /* rows and column of a summary; -1 where they are of none */
    enum verdict_word word;
    const char *why;            /* of what is undecided: "one seed", or "" */
    double mean_a, mean_b;      /* of the seeds that are compared */
    struct estimate difference; /* A - B */
    struct interval interval;   /* at `level` */
    int paired, n_a, n_b;       /* pairs of seeds, or seeds of either */
    int incomplete;             /* a run among them is not complete */
    double p, adjusted, level;  /* NAN: no test */
    double equivalence;         /* adjusted p of equivalence within the margin */
    double detectable;          /* difference found at that level with a power of 0.8; NAN: none */
};

struct verdicts {
    int n;
    struct verdict *list;
    double margin;
};

/* The difference of two cells, tested alone: to be settled with its family. */
struct verdict verdict_of(const struct summary_cell *a, const struct summary_cell *b);
/* Adjusts the p values of a family and finds its words. */
void verdicts_settle(struct verdict *family, int n, double margin);

/* Each method against `random`: a family a column. */
struct verdicts verdicts_against_random(const struct summary *s, double margin);
/* Each pair of methods that learn without labels, with the same backbone and data. */
struct verdicts verdicts_among_methods(const struct summary *s, double margin);

/* What a column's values say of its best one. */
enum top {
    TOP_NOT,  /* worse than the best, or no value */
    TOP_BEST, /* the best, and nothing to be told from it */
    TOP_TIED, /* cannot be told from the best, or the best of several that cannot be told apart */
    TOP_UNKNOWN, /* the best has one seed: nothing can be said */
};
/* (n_rows, n_columns).  Each row against the one with the largest mean, adjusted by Holm's method
 * in the column.  `supervised` had the labels and is no candidate where there are others. */
enum top *summary_tops(const struct summary *s);

/* A line a verdict, for tables and exports. */
struct listing verdicts_listing(const struct summary *s, const struct verdicts *v, const char *name,
                                const char *title, const char *family);
/* "A better", "+1.2", "0.031", "< 0.0001": as tables print them. */
const char *verdict_text(const struct verdict *v, struct arena *a);
const char *points_text(double x, struct arena *a);
/* "+1.2 [-0.3, +2.7]", "+1.2" where there is no interval */
const char *difference_text(double x, double lo, double hi, struct arena *a);
const char *p_text(double p, struct arena *a);
/* "paired, n=3" or "Welch, n=3 vs 5", with * where a run is not complete */
const char *test_text(const struct verdict *v, struct arena *a);

/* table_verdicts.c: their short form, below a table; nothing where there is nothing to say. */
void print_tops(const struct summary *s, const enum top *top, FILE *out);
void print_verdicts(const struct summary *s, FILE *out);

#endif
