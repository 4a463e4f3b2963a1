/* The data of the history: a panel for each kernel that moved, its time over the files. */
#include "reports/figures_internal.h"
#include "reports/kernels_internal.h"

#include <math.h>
#include <stdlib.h>

enum { PANELS = 18, TITLE = 36, CAPTION = 124, TICKS = 4 };
#define MARGIN 0.06
#define FARTHEST                                                                                   \
    1.5 /* times the highest level, or a part of the lowest: what is drawn in place                \
         */

/* By the size of its largest change, then by how far its times are apart. */
static double spread(const struct kernel_line *l) {
    double lo = INFINITY, hi = 0;
    for (int i = 0; i < l->n; i++) {
        lo = fmin(lo, l->seconds[i]);
        hi = fmax(hi, l->seconds[i]);
    }
    return log(hi / lo);
}

static int compare(const void *x, const void *y) {
    const struct kernel_line *a = x, *b = y;
    if (a->largest != b->largest)
        return a->largest < b->largest ? 1 : -1;
    double s = spread(a), t = spread(b);
    return (s < t) - (s > t);
}

struct range {
    double lo, hi;
};

/* Of the times over the first level, without those that are far away from every level. */
static struct range range_of(const struct kernel_line *l) {
    struct range levels = {1, 1}, r = {1, 1};
    for (int i = 0; i <= l->n_changes; i++) {
        levels.lo = fmin(levels.lo, l->level[i] / l->level[0]);
        levels.hi = fmax(levels.hi, l->level[i] / l->level[0]);
    }
    for (int i = 0; i < l->n; i++) {
        r.lo = fmin(r.lo, fmax(levels.lo / FARTHEST, l->seconds[i] / l->level[0]));
        r.hi = fmax(r.hi, fmin(levels.hi * FARTHEST, l->seconds[i] / l->level[0]));
    }
    return r;
}

/* -1, 1: farther away than the panel reaches, drawn at its border. */
static void put_points(const struct kernel_line *l, int number, FILE *dat) {
    const struct range r = range_of(l);
    for (int i = 0; i < l->n; i++) {
        double y = l->seconds[i] / l->level[0];
        fprintf(dat, "%d\t%d\t%g\t%d\n", number, l->file[i] + 1, fmin(r.hi, fmax(r.lo, y)),
                (y > r.hi) - (y < r.lo));
    }
}

static void put_levels(const struct kernel_line *l, int number, FILE *dat) {
    for (int i = 0; i <= l->n_changes; i++) {
        int first = i ? l->change[i - 1] : 0, end = i < l->n_changes ? l->change[i] : l->n;
        double y = l->level[i] / l->level[0];
        fprintf(dat, "%d\t%g\t%g\n%d\t%g\t%g\n\n", number, l->file[first] + 0.6, y, number,
                l->file[end - 1] + 1.4, y);
    }
}

static void put_panel(const struct kernel_line *l, int number, FILE *dat, struct arena *a) {
    const struct range r = range_of(l);
    double pad = fmax(MARGIN, MARGIN * (r.hi - r.lo));
    int long_one = l->level[0] >= 1e-3;
    fprintf(dat, "%d\t%g\t%g\t%s\t%.3g %s\t%g\n", number, r.lo - pad, r.hi + pad,
            figure_text(arena_printf(a, "%s %s", l->row->kernel, l->row->shape), TITLE, a),
            l->level[0] * (long_one ? 1e3 : 1e6), long_one ? "ms" : "us",
            figure_step(r.hi - r.lo + 2 * pad, TICKS));
}

int figure_kernels(const void *data, FILE *dat) {
    const struct kernel_history *h = data;
    struct arena a = {0};
    int n, changed = 0;
    struct kernel_line *lines = kernel_lines(h, &n, &a);
    qsort(lines, (size_t)n, sizeof *lines, compare);
    for (int i = 0; i < n; i++)
        changed += lines[i].n_changes > 0;
    int panels = n < PANELS ? n : PANELS;
    fprintf(dat, "# What kernels.gp draws; written again by each report.  Columns are separated by "
                 "tabs.\n\n\n# panels\n# number\tfrom\tto\tkernel\tfirst level\tstep\n");
    for (int i = 0; i < panels; i++)
        put_panel(&lines[i], i + 1, dat, &a);
    fputs("\n\n# points\n# panel\tfile\ttime over the first level\tbeyond\n", dat);
    for (int i = 0; i < panels; i++)
        put_points(&lines[i], i + 1, dat);
    fputs("\n\n# levels\n# panel\tfile\ttime over the first level\n", dat);
    for (int i = 0; i < panels; i++)
        put_levels(&lines[i], i + 1, dat);
    const struct run *first = &h->file[0].machine, *last = &h->file[h->n - 1].machine;
    figure_caption(
        arena_printf(&a,
                     "Time of a call over its first level, in %d files from %.10s (%.9s) to %.10s "
                     "(%.9s), for the %d of %d kernels that moved most; %d changed their level "
                     "(E-divisive, 1 %%). A line is the median of a level; a triangle is "
                     "a time beyond the panel.",
                     h->n, first->created_utc, first->code_commit, last->created_utc,
                     last->code_commit, panels, n, changed),
        CAPTION, dat, &a);
    arena_free(&a);
    return panels;
}
