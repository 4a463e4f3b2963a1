/* versus_internal.h -- the two rows that are compared, and their tables. */
#ifndef SSV_REPORTS_VERSUS_INTERNAL_H
#define SSV_REPORTS_VERSUS_INTERNAL_H

#include "reports/verdicts.h"

struct contestant {
    const struct summary *s;
    int row;
    const char *label; /* what it is called in the tables */
};

/* A column of A and the same of B; -1: it has none. */
struct versus_column {
    int a, b;
};

struct versus {
    struct contestant a, b;
    int n;
    struct versus_column *column; /* (n) */
    struct arena *arena;
    double margin;
};

/* An empty one for column -1. */
const struct summary_cell *versus_cell(const struct contestant *c, int column);
const char *versus_task(const struct versus *v, int i);
/* The evaluation that the run's value in the column comes from. */
const struct eval *versus_eval(const struct contestant *c, int column, const struct run *run);
/* Over seeds, over images. */
struct listing versus_seeds(const struct versus *v);
struct listing versus_images(const struct versus *v);

#endif
