/* figure_data.h -- reading the .dat file of a figure. */
#ifndef SSV_TESTS_FIGURE_DATA_H
#define SSV_TESTS_FIGURE_DATA_H

#include "core/arena.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FIELDS = 16 };

struct line {
    const char *field[FIELDS];
    int n;
};

/* The lines of a block that are not of panel 0, at most `most`. */
static inline int block(struct arena *a, const char *dat, const char *name, struct line *lines,
                        int most) {
    char *copy = arena_strdup(a, dat), *rest = NULL;
    const char *head = arena_printf(a, "# %s", name);
    int inside = 0, n = 0;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (*line == '#') {
            if (!strchr(line, '\t')) /* a name; what has tabs are the columns */
                inside = !strcmp(line, head);
            continue;
        }
        if (!inside || !strncmp(line, "0\t", 2) || n == most)
            continue;
        char *field = NULL;
        lines[n].n = 0;
        for (char *f = strtok_r(line, "\t", &field); f && lines[n].n < FIELDS;
             f = strtok_r(NULL, "\t", &field))
            lines[n].field[lines[n].n++] = f;
        n++;
    }
    return n;
}

static inline double number(const struct line *line, int field) {
    assert_true(field < line->n);
    return strtod(line->field[field], NULL);
}

/* The only line of the block with these first fields; fails when there is none. */
static inline const struct line *find(const struct line *lines, int n, double panel, double look,
                                      double x) {
    for (int i = 0; i < n; i++)
        if (number(&lines[i], 0) == panel && number(&lines[i], 1) == look &&
            fabs(number(&lines[i], 2) - x) < 1e-6 * (1 + fabs(x)))
            return &lines[i];
    fail_msg("no line of panel %g, look %g at %g", panel, look, x);
    return NULL;
}

#endif
