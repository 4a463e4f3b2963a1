/* versus.h -- two methods, or two folders of runs, against each other. */
#ifndef SSV_REPORTS_VERSUS_H
#define SSV_REPORTS_VERSUS_H

#include "core/error.h"
#include "results/run.h"

#include <stdio.h>

struct versus_side {
    const char *name;   /* as typed */
    const char *method; /* a method, or the label of a row of the table; NULL: all of the runs */
    struct run *const *runs;
    int n_runs;
};

/* Tables of A - B: over seeds, with verdicts, a family over all columns; and over the test images
 * where both have stored their predictions for the same ones.  Sides that name methods have the
 * same runs.  Status 2 where a method is not there, with the nearest match and what is, or where
 * the two folders have nothing in common. */
int report_versus(const struct versus_side *a, const struct versus_side *b, double margin,
                  FILE *out, struct error *err);

#endif
