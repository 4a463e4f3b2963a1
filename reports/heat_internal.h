/* heat_internal.h -- a figure of panels of coloured cells, with names of rows and columns.
 *
 * All panels share one range of colours, and everything is laid out here, in inches; a script of
 * scripts_heat.c draws what heat_put writes.  Everything is owned by the arena.
 */
#ifndef SSV_REPORTS_HEAT_INTERNAL_H
#define SSV_REPORTS_HEAT_INTERNAL_H

#include "core/arena.h"

#include <stdio.h>

enum { HEAT_PANELS = 12 };

struct heat_panel {
    const char *title, *second, *row_label, *column_label;
    int n_rows, n_columns;
    const char *const *row_name, *const *column_name; /* NULL: none */
    double *value;                                    /* (n_rows, n_columns); NAN: no cell */
    double *mean;                                     /* (n_rows) in a column apart, or NULL */
    int starts;                                       /* begins a line of panels */
    double x, y, wide, tall, cell_wide, cell_tall; /* found by heat_put; inches from the top left */
};

struct heat {
    struct arena *a;
    struct heat_panel *panel; /* (HEAT_PANELS) */
    int n, left_out;
    double lo, hi;      /* of the colours */
    const char *label;  /* of the colours */
    const char *format; /* of a cell's number: "%.1f"; for values from `said` on */
    double said;
    double cell_most;  /* inches */
    int dark_is_large; /* in the script's palette */
};

/* NULL when there are HEAT_PANELS. */
struct heat_panel *heat_add(struct heat *h, int n_rows, int n_columns);
/* All blocks of a .dat file but the caption.  Returns the number of panels; 0: nothing written. */
int heat_put(struct heat *h, const char *name, FILE *dat);
/* "" or " 3 more panels are left out." */
const char *heat_left_out(const struct heat *h);

#endif
