/* panels_internal.h -- a figure of panels with points and curves, put together mark by mark.
 *
 *     struct panels p = panels_new(summary->a);
 *     struct panel *panel = panels_add(&p, "linear", "shapes", "FLOPs", "top-1 accuracy, %");
 *     panel_mean(panel, look, x, y, 0);
 *     panel_name(panel, look, x, y, "mae");
 *     if (!panels_put(&p, "budget", dat)) return 0;
 *     figure_caption_flagged(...);
 *
 * Axes take their ranges from the marks; names are put where they cover least.  Everything is owned
 * by the arena.  A script of scripts_panels.c draws what panels_put writes.
 */
#ifndef SSV_REPORTS_PANELS_INTERNAL_H
#define SSV_REPORTS_PANELS_INTERNAL_H

#include "core/arena.h"

#include <stdio.h>

/* Inches.  Scripts have the same numbers. */
#define PANELS_WIDTH 6.2992
#define PANELS_LEFT 0.52
#define PANELS_RIGHT 0.14
#define PANELS_TALL 1.45

enum { PANELS_MOST = 12, SERIES_MOST = 16 }; /* panels of a figure; series in one of them */

enum mark {
    MARK_BAND,  /* x, from y to y2: a light area between the points of a series */
    MARK_THIN,  /* a thin curve, of a seed */
    MARK_THICK, /* a thick one, of a mean */
    MARK_BAR,   /* a segment (x, y) (x2, y2), of an interval */
    MARK_RULE,  /* the same, dashed and grey: chance, equality */
    MARK_SEED,  /* a small open point */
    MARK_MEAN,  /* a filled point; y2 1: open, for what is not complete */
    MARK_CROSS, /* what went wrong here */
    MARK_NAME,  /* a text beside (x, y) */
    MARKS
};

struct panel_mark {
    enum mark kind;
    int look;   /* of the colour and shape, struct summary_row */
    int starts; /* of a curve or band: its first point */
    double x, y, x2, y2;
    const char *text;
};

struct panel_tick {
    double at;
    const char *text;
};

struct panel_axis {
    const char *label;
    double lo, hi; /* set before marks are added: to be in the range */
    int may_be_log, logarithmic, is_one_value;
    double least; /* the range is at least so wide; of a logarithmic axis nothing */
    int n_ticks;
    struct panel_tick *tick; /* set by the figure (n_ticks), or else found */
};

struct panel {
    const char *title, *second;
    struct panel_axis x, y;
    int equal; /* both axes get the same range, and a rule where they are equal */
    struct panel_mark *mark;
    int n_marks, room;
    struct arena *a;
};

struct panels {
    struct arena *a;
    struct panel *panel; /* (PANELS_MOST) */
    int n, left_out;     /* panels that found no room */
    int across;          /* panels side by side; 0: chosen by their number */
    double tall;         /* inches, of a panel's inside */
    struct panel_key {
        int look;
        const char *text;
    } * key; /* (n_keys) of a legend above the panels */
    int n_keys;
    int key_if_unnamed; /* only where a name found no room, and then instead of all names */
};

struct panels panels_new(struct arena *a);
/* NULL when there are PANELS_MOST: nothing can be added to it.  Texts are owned by the caller. */
struct panel *panels_add(struct panels *p, const char *title, const char *second, const char *x,
                         const char *y);
/* An entry of the legend, once for a text. */
void panels_key(struct panels *p, int look, const char *text);

void panel_curve(struct panel *panel, enum mark kind, int look, const double *x, const double *y,
                 int n);
void panel_band(struct panel *panel, int look, const double *x, const double *lo, const double *hi,
                int n);
void panel_bar(struct panel *panel, int look, double x, double y, double x2, double y2);
/* An infinite end is the panel's edge. */
void panel_rule(struct panel *panel, double x, double y, double x2, double y2);
void panel_seed(struct panel *panel, int look, double x, double y);
void panel_mean(struct panel *panel, int look, double x, double y, int incomplete);
void panel_cross(struct panel *panel, int look, double x, double y);
void panel_name(struct panel *panel, int look, double x, double y, const char *text);

/* All blocks of a .dat file but the caption.  Returns the number of marks; 0: nothing was written.
 */
int panels_put(struct panels *p, const char *name, FILE *dat);
/* "" or " 3 more panels are left out." */
const char *panels_left_out(const struct panels *p);

/* panels_axis.c: range and ticks of both axes, from the marks.  wide, tall: inches. */
void panel_scale(struct panel *panel, double wide, double tall);
/* 0 to 1 along the axis. */
double axis_place(const struct panel_axis *axis, double value);
/* "0.05", "2k", "10M". */
char *axis_number(double value, struct arena *a);

/* panels_names.c: moves each mark that is a name to where its text is anchored; x2: 1 by its left
 * end, 0 by its middle, -1 by its right end.  The text of what finds no room is NULL; returns how
 * many. */
int panel_place_names(struct panel *panel, double wide, double tall);

#endif
