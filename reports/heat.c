#include "reports/heat_internal.h"

#include "reports/figures_internal.h"
#include "reports/text_internal.h"

#include <math.h>
#include <string.h>

/* inches */
#define WIDTH 6.2992
#define RIGHT 0.62 /* for the scale of colours */
#define GAP 0.18   /* between panels */
#define TOP 0.38
#define LABEL 0.18 /* a label beside the names */
#define MARGIN 0.06
#define LETTER 0.058  /* of the largest name */
#define NAMED 0.078   /* cells at least so tall have a name */
#define NUMBERED 0.17 /* and so large a number */
#define LEAST 0.004   /* of the range of colours: paler cells look like none */
#define APART 0.25    /* the column of means, in cells */

#define TITLE_LETTER 0.077
#define SECOND_LETTER 0.06

enum { NAME = 16, AXIS = 60 };

struct heat_panel *heat_add(struct heat *h, int n_rows, int n_columns) {
    if (h->n == HEAT_PANELS) {
        h->left_out++;
        return NULL;
    }
    if (!h->panel)
        h->panel = ARENA_ARRAY(h->a, struct heat_panel, HEAT_PANELS);
    struct heat_panel *p = &h->panel[h->n++];
    *p = (struct heat_panel){.title = "",
                             .second = "",
                             .row_label = "",
                             .column_label = "",
                             .n_rows = n_rows,
                             .n_columns = n_columns,
                             .value = ARENA_ARRAY(h->a, double, n_rows *n_columns)};
    return p;
}

const char *heat_left_out(const struct heat *h) {
    return h->left_out ? arena_printf(h->a, " %d more panel%s left out.", h->left_out,
                                      h->left_out > 1 ? "s are" : " is")
                       : "";
}

static double room_for(const char *const *name, int n, struct arena *a) {
    int most = 0;
    for (int i = 0; name && i < n; i++) {
        int width = text_width(figure_text(name[i], NAME, a));
        most = width > most ? width : most;
    }
    return LETTER * most + MARGIN;
}

static double columns_of(const struct heat_panel *p) {
    return p->n_columns + (p->mean ? 1 + APART : 0);
}

/* Names are said once where panels beside or below each other have the same. */
static int repeats(const struct heat_panel *p, const struct heat_panel *other) {
    if (p->n_rows != other->n_rows || !p->row_name != !other->row_name)
        return 0;
    for (int i = 0; p->row_name && i < p->n_rows; i++)
        if (strcmp(p->row_name[i], other->row_name[i]))
            return 0;
    return 1;
}

struct layout {
    double left, under, height;
    double edge; /* the right end of the panels */
};

/* Panels from left to right; returns the figure's measures. */
static struct layout lay_out(struct heat *h) {
    struct layout l = {.left = 0};
    int across = h->n < 2 ? 1 : h->n == 2 || h->n == 4 ? 2 : 3;
    double bottom = 0;
    for (int i = 0; i < h->n; i++) {
        const struct heat_panel *p = &h->panel[i];
        l.left = fmax(l.left, LABEL + room_for(p->row_name, p->n_rows, h->a));
        l.under = fmax(l.under, LABEL + room_for(p->column_name, p->n_columns, h->a));
    }
    double wide = (WIDTH - l.left - RIGHT - (across - 1) * GAP) / across;
    for (int i = 0, column = 0; i < h->n; i++, column++) {
        struct heat_panel *p = &h->panel[i];
        if (column == across || p->starts) {
            column = 0;
            l.height = bottom;
        }
        p->cell_wide = fmin(wide / columns_of(p), h->cell_most);
        p->cell_tall = p->cell_wide;
        p->wide = p->cell_wide * columns_of(p);
        p->tall = p->cell_tall * p->n_rows;
        p->x = l.left + column * (wide + GAP);
        p->y = l.height + TOP;
        bottom = fmax(bottom, p->y + p->tall + l.under);
        l.edge = fmax(l.edge, p->x + p->wide);
    }
    l.height = bottom;
    return l;
}

/* Names for which cells are too small take no room; returns whether there were any. */
static int drop_names(struct heat *h) {
    int dropped = 0;
    for (int i = 0; i < h->n; i++) {
        struct heat_panel *p = &h->panel[i];
        if (p->cell_tall >= NAMED || !p->row_name)
            continue;
        p->row_name = p->column_name = NULL;
        p->row_label = arena_printf(h->a, "%s (%d)", p->row_label, p->n_rows);
        p->column_label = arena_printf(h->a, "%s (%d)", p->column_label, p->n_columns);
        dropped = 1;
    }
    return dropped;
}

/* Points, of text in a cell of so many inches. */
static double font_of(double cell) {
    return fmin(6.5, fmax(4, cell * 72 * 0.78));
}

static void put_panels(const struct heat *h, const struct layout *l, FILE *dat) {
    fputs("# panels\n# number\tinches from the left\tfrom the top\twide\ttall\tcolumns\trows\t"
          "title\tsecond line\tlabel of rows\tof columns; - is none\n",
          dat);
    for (int i = 0; i < h->n; i++) {
        const struct heat_panel *p = &h->panel[i];
        int first = !i || p->x < h->panel[i - 1].x;
        double wide = fmax(p->wide, 1.5) + GAP; /* a title may be wider than few cells */
        int title = (int)(wide / TITLE_LETTER), second = (int)(wide / SECOND_LETTER);
        fprintf(dat, "%d\t%.4f\t%.4f\t%.4f\t%.4f\t%g\t%d\t%s\t%s\t%s\t%s\n", i + 1, p->x, p->y,
                p->wide, p->tall, columns_of(p), p->n_rows, figure_text(p->title, title, h->a),
                *p->second ? figure_text(p->second, second, h->a) : "-",
                first && *p->row_label ? figure_text(p->row_label, AXIS, h->a) : "-",
                *p->column_label ? figure_text(p->column_label, AXIS, h->a) : "-");
    }
    double smallest = INFINITY;
    for (int i = 0; i < h->n; i++)
        smallest = fmin(smallest, h->panel[i].cell_wide);
    fprintf(dat,
            "\n\n# layout\n# inches wide\tof panels high\tfor names of rows\tof columns\tcolours "
            "from\tto\tstep\tlabel\tfont of numbers\t"
            "right end of the panels\n"
            "%.4f\t%.4f\t%.4f\t%.4f\t%g\t%g\t%g\t%s\t%.2f\t%.4f\n",
            WIDTH, l->height, l->left, l->under, h->lo, h->hi, figure_step(h->hi - h->lo, 5),
            figure_text(h->label, AXIS, h->a), font_of(0.45 * smallest), l->edge);
}

/* The panel 0 is never drawn: a block must not be empty. */
static void put_names(const struct heat *h, FILE *dat) {
    fputs("\n\n# names\n# panel\taxis: 1 of a column, 2 of a row\tplace\tfont\ttext\n0\t1\t0\t6\t-"
          "\n",
          dat);
    for (int i = 0; i < h->n; i++) {
        const struct heat_panel *p = &h->panel[i];
        int beside = i && p->x > h->panel[i - 1].x && repeats(p, &h->panel[i - 1]);
        for (int r = 0; p->row_name && !beside && r < p->n_rows; r++)
            fprintf(dat, "%d\t2\t%d\t%.2f\t%s\n", i + 1, r, font_of(p->cell_tall),
                    figure_text(p->row_name[r], NAME, h->a));
        for (int c = 0; p->column_name && c < p->n_columns; c++)
            fprintf(dat, "%d\t1\t%d\t%.2f\t%s\n", i + 1, c, font_of(p->cell_wide),
                    figure_text(p->column_name[c], NAME, h->a));
        if (p->mean && p->cell_wide >= NAMED)
            fprintf(dat, "%d\t1\t%g\t%.2f\tmean\n", i + 1, p->n_columns + APART,
                    font_of(p->cell_wide));
    }
}

static void put_cell(const struct heat *h, const struct heat_panel *p, int number, double x, int y,
                     double value, FILE *dat) {
    double share = (value - h->lo) / (h->hi - h->lo);
    int is_dark = h->dark_is_large ? share > 0.55 : share < 0.55;
    if (!isfinite(value) || (h->dark_is_large && share < LEAST))
        return;
    int is_said = p->cell_wide >= NUMBERED && p->cell_tall >= 0.6 * NUMBERED && value >= h->said;
    fprintf(dat, "%d\t%g\t%d\t%.5g\t%d\t", number, x, y, value, is_dark);
    if (is_said)
        fprintf(dat, h->format, value);
    fputs(is_said ? "\n" : "-\n", dat);
}

int heat_put(struct heat *h, const char *name, FILE *dat) {
    if (!h->n)
        return 0;
    struct layout l = lay_out(h);
    if (drop_names(h))
        l = lay_out(h);
    figure_head(name, dat);
    put_panels(h, &l, dat);
    put_names(h, dat);
    fputs("\n\n# cells\n# panel\tcolumn\trow\tvalue\t1: dark\tnumber; - is none\n"
          "0\t1e30\t1e30\t0\t0\t-\n",
          dat);
    for (int i = 0; i < h->n; i++) {
        const struct heat_panel *p = &h->panel[i];
        for (int r = 0; r < p->n_rows; r++) {
            for (int c = 0; c < p->n_columns; c++)
                put_cell(h, p, i + 1, c, r, p->value[r * p->n_columns + c], dat);
            if (p->mean)
                put_cell(h, p, i + 1, p->n_columns + APART, r, p->mean[r], dat);
        }
    }
    return h->n;
}
