/* flags.h -- what keeps a set of runs from being one fair comparison, said where it is shown. */
#ifndef SSV_REPORTS_FLAGS_H
#define SSV_REPORTS_FLAGS_H

#include "core/arena.h"
#include "results/run.h"

enum report_flag_kind {
    FLAG_PARTIAL = 1,     /* runs with --limit */
    FLAG_UNFINISHED = 2,  /* runs that failed, were stopped or are running */
    FLAG_BUDGET = 4,      /* trained with different budgets, or reached different ones */
    FLAG_VERSION = 8,     /* by versions of the code that decide other weights or numbers */
    FLAG_CODE = 16,       /* from several commits, or with local changes */
    FLAG_FINDING = 32,    /* a pretraining that collapsed */
    FLAG_HARDWARE = 64,   /* on several machines: matters where time is shown */
    FLAG_COMPARISON = 63, /* all that matter where numbers are compared */
    FLAG_EVERY = 127
};

struct report_flag {
    enum report_flag_kind kind;
    const char *text; /* "2 of 9 runs are partial (--limit)": clean, one line, no full stop */
};

/* In the order above; everything is owned by `a`.  Returns how many. */
int report_flags(struct run *const *runs, int n_runs, struct report_flag **flags, struct arena *a);

#endif
