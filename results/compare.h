/* compare.h -- in what two runs differ. */
#ifndef SSV_RESULTS_COMPARE_H
#define SSV_RESULTS_COMPARE_H

#include "results/run.h"

#include <stdio.h>

struct difference {
    const char *key, *left, *right; /* "plan.epochs", "8", "16" */
};

struct comparison { /* zeroed but for the arena */
    struct arena *arena;
    struct difference *list;
    int n, room;
};

/* Options, by name; what only says which run it is (seeds, name of the suite) among them. */
void compare_settings(struct comparison *c, const struct run *left, const struct run *right);
/* What tables show: outcome, values, status, budget reached, last loss. */
void compare_metrics(struct comparison *c, const struct run *left, const struct run *right);
/* Every number that is a function of the settings, bit by bit: not how long something took. */
void compare_numbers(struct comparison *c, const struct run *left, const struct run *right);
/* Whether code, instruction set, compiler or libraries, on which bits depend, are others. */
int compare_environment(const struct run *left, const struct run *right);
void compare_print(const struct comparison *c, FILE *out);

#endif
