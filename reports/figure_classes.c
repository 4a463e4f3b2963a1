/* The data of the differences between two methods by class, as the bar chart of Radford et al. 2021
 * (CLIP), figure 5. */
#include "reports/figures_internal.h"
#include "reports/text_internal.h"

#include "core/options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* inches */
#define WIDTH 6.2992
#define RIGHT 0.14
#define TOP 0.42
#define AXIS 0.42
#define BAR 0.145
#define LETTER 0.058

#define MOST 100.0 /* points between two accuracies */

enum { PANELS = 4, CLASSES_MOST = 40, SHOWN_EACH = 20, NAME = 18, NAMES_LISTED = 32 };

/* ---- which two ---- */

static int has_classes(const struct eval *e) {
    return e && e->top1_per_class && e->class_name && e->n_classes > 1;
}

/* The row of the method with the largest mean; -1: it has no accuracies by class. */
static int best_row(const struct summary *s, int c, const char *method) {
    int best = -1;
    for (int r = 0; r < s->n_rows; r++) {
        const struct summary_cell *cell = summary_at(s, r, c);
        int there = 0;
        for (int i = 0; i < cell->n; i++)
            there |= has_classes(summary_eval(s, cell->run[i], &s->column[c]));
        if (there && (!method || !strcmp(s->row[r].method, method)) &&
            (method ||
             (strcmp(s->row[r].method, "random") && strcmp(s->row[r].method, "supervised"))) &&
            (best < 0 || cell->level.mean > summary_at(s, best, c)->level.mean))
            best = r;
    }
    return best;
}

/* "mae,simclr" as two texts; 0: it is no pair. */
static int split(const char *pair, const char *half[2], struct arena *a) {
    char *copy = arena_strdup(a, pair), *comma = strchr(copy, ',');
    if (!comma || strchr(comma + 1, ','))
        return 0;
    *comma = '\0';
    half[0] = copy;
    half[1] = comma + 1;
    return *half[0] && *half[1] && strcmp(half[0], half[1]) != 0;
}

int figure_classes_check(const struct summary *s, const char *pair, struct error *err) {
    const char *half[2], *name[NAMES_LISTED], *valid = "";
    int n = 0;
    if (!split(pair, half, s->a))
        return error_set(err, STATUS_USAGE,
                         "--pair %.80s: two different methods with a comma between them, such as "
                         "mae,random",
                         pair);
    for (int r = 0; r < s->n_rows && n < NAMES_LISTED; r++) {
        int seen = 0;
        for (int i = 0; i < n; i++)
            seen |= !strcmp(name[i], s->row[r].method);
        if (!seen)
            name[n++] = s->row[r].method;
    }
    for (int i = 0; i < n; i++)
        valid = arena_printf(s->a, "%s%s%s", valid, i ? ", " : "", text_clean(name[i], s->a));
    for (int h = 0; h < 2; h++) {
        int there = 0;
        for (int i = 0; i < n; i++)
            there |= !strcmp(name[i], half[h]);
        const char *near = there ? NULL : nearest_name(half[h], name, n);
        if (!there)
            return error_set(err, STATUS_USAGE,
                             "--pair: no run is of \"%.60s\"%s%s%s; there are: %.600s", half[h],
                             near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "",
                             valid);
    }
    return 0;
}

/* 0: the column has no two such rows. */
static int choose(const struct report_input *in, int c, int *a, int *b) {
    const struct summary *s = in->summary;
    const char *half[2];
    if (*in->options->pair && split(in->options->pair, half, s->a)) {
        *a = best_row(s, c, half[0]);
        *b = best_row(s, c, half[1]);
    } else {
        *a = best_row(s, c, NULL);
        *b = best_row(s, c, "supervised");
        if (*b < 0)
            *b = best_row(s, c, "random");
    }
    return *a >= 0 && *b >= 0 && *a != *b;
}

/* ---- differences ---- */

struct bar {
    struct interval d; /* points */
    const char *name;
};

struct panel {
    const struct summary_column *column;
    const struct summary_row *a, *b;
    struct bar *bar; /* (n) from the largest */
    int n, left_out, pairs, na, nb;
    double mean, lo, hi;
};

/* "n = 3", in pairs, or "n = 3, 2" of either. */
static const char *seeds_of(const struct panel *p, struct arena *a) {
    if (p->na == 1 && p->nb == 1)
        return "n = 1";
    return p->pairs > 1 ? arena_printf(a, "n = %d", p->pairs)
                        : arena_printf(a, "n = %d, %d", p->na, p->nb);
}

/* Over the probe seeds of an evaluation, of one class, in %. */
static double class_mean(const struct eval *e, int class) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < e->n_seeds; i++)
        if (isfinite(e->top1_per_class[i * e->n_classes + class])) {
            sum += 100 * e->top1_per_class[i * e->n_classes + class];
            n++;
        }
    return n ? sum / n : NAN;
}

struct side {
    const struct eval **eval; /* (n) */
    int64_t *seed;
    int n;
};

static struct side side_of(const struct summary *s, const struct summary_row *row,
                           const struct summary_column *column, int classes) {
    struct side side = {ARENA_ARRAY(s->a, const struct eval *, row->n_runs),
                        ARENA_ARRAY(s->a, int64_t, row->n_runs), 0};
    for (int i = 0; i < row->n_runs; i++) {
        const struct eval *e = summary_eval(s, row->run[i], column);
        if (!has_classes(e) || e->n_classes != classes)
            continue;
        side.eval[side.n] = e;
        side.seed[side.n++] = row->run[i]->seed;
    }
    return side;
}

/* What rounding alone makes of the standard error of a class's mean, as cell_rounding_error does of
 * all images: its values are shares of so many images.  0 where they are not known. */
static double rounding_error(const struct eval *e, int class, int n) {
    long images = 0;
    for (int i = 0; e->label && i < e->n_samples; i++)
        images += e->label[i] == class;
    double step = images ? 100.0 / (double)images : 0;
    return step / sqrt(12.0 * n * (e->n_seeds > 1 ? e->n_seeds : 1));
}

/* In pairs where two pretraining seeds at least are shared, Welch's otherwise. */
static struct interval difference(const struct side *a, const struct side *b, int class, int *pairs,
                                  struct arena *arena) {
    double *x = ARENA_ARRAY(arena, double, a->n), *y = ARENA_ARRAY(arena, double, b->n);
    double *px = ARENA_ARRAY(arena, double, a->n), *py = ARENA_ARRAY(arena, double, a->n);
    int n = 0;
    for (int i = 0; i < a->n; i++)
        x[i] = class_mean(a->eval[i], class);
    for (int i = 0; i < b->n; i++)
        y[i] = class_mean(b->eval[i], class);
    for (int i = 0; i < a->n; i++)
        for (int j = 0; j < b->n; j++)
            if (a->seed[i] == b->seed[j] && n < a->n) {
                px[n] = x[i];
                py[n++] = y[j];
            }
    *pairs = n;
    const int paired = n > 1 || (n && a->n == 1 && b->n == 1);
    struct estimate e = paired ? paired_estimate(px, py, n) : welch_estimate(x, a->n, y, b->n);
    e.error = fmax(e.error, hypot(rounding_error(a->eval[0], class, paired ? n : a->n),
                                  rounding_error(b->eval[0], class, paired ? n : b->n)));
    struct interval d = estimate_interval(e, REPORT_LEVEL);
    if (isfinite(d.lo)) { /* of two seeds they reach far beyond, and hide what there is */
        d.lo = fmax(d.lo, -MOST);
        d.hi = fmin(d.hi, MOST);
    }
    return d;
}

static int by_difference(const void *left, const void *right) {
    const struct bar *a = left, *b = right;
    if (a->d.mean != b->d.mean)
        return a->d.mean < b->d.mean ? 1 : -1;
    return strcmp(a->name, b->name);
}

/* Each class that has a number on both sides, from the largest difference. */
static void find_bars(struct panel *p, const struct eval *classes, const struct side *a,
                      const struct side *b, struct arena *arena) {
    p->bar = ARENA_ARRAY(arena, struct bar, classes->n_classes);
    for (int k = 0; k < classes->n_classes; k++) {
        const struct interval d = difference(a, b, k, &p->pairs, arena);
        if (!isfinite(d.mean))
            continue;
        p->bar[p->n++] = (struct bar){d, classes->class_name[k]};
        p->mean += d.mean;
    }
    p->mean /= p->n;
    qsort(p->bar, (size_t)p->n, sizeof *p->bar, by_difference);
}

/* Of many classes both ends; then the range of what is left. */
static void cut(struct panel *p) {
    if (p->n > CLASSES_MOST) {
        memmove(p->bar + SHOWN_EACH, p->bar + p->n - SHOWN_EACH, sizeof *p->bar * SHOWN_EACH);
        p->left_out = p->n - 2 * SHOWN_EACH;
        p->n = 2 * SHOWN_EACH;
    }
    for (int k = 0; k < p->n; k++) {
        const struct interval *d = &p->bar[k].d;
        p->lo = fmin(p->lo, isfinite(d->lo) ? d->lo : d->mean);
        p->hi = fmax(p->hi, isfinite(d->hi) ? d->hi : d->mean);
    }
    double pad = fmax(0.06 * (p->hi - p->lo), 0.5);
    p->lo -= pad;
    p->hi += pad;
}

static int find_panel(const struct report_input *in, int c, struct panel *p) {
    const struct summary *s = in->summary;
    const struct eval *first = NULL;
    int a_row, b_row;
    if (!choose(in, c, &a_row, &b_row))
        return 0;
    *p = (struct panel){.column = &s->column[c], .a = &s->row[a_row], .b = &s->row[b_row]};
    for (int i = 0; i < p->a->n_runs && !has_classes(first); i++)
        first = summary_eval(s, p->a->run[i], p->column);
    if (!has_classes(first))
        return 0;
    const struct side a = side_of(s, p->a, p->column, first->n_classes);
    const struct side b = side_of(s, p->b, p->column, first->n_classes);
    p->na = a.n;
    p->nb = b.n;
    if (!a.n || !b.n)
        return 0;
    find_bars(p, first, &a, &b, s->a);
    if (!p->n)
        return 0;
    cut(p);
    return 1;
}

/* ---- writing ---- */

static double names_width(const struct panel *p, int n, struct arena *a) {
    int most = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < p[i].n; k++) {
            int width = text_width(figure_text(p[i].bar[k].name, NAME, a));
            most = width > most ? width : most;
        }
    return LETTER * most + 0.12;
}

static double place_of(const struct panel *p, int k) {
    return k + (p->left_out && k >= SHOWN_EACH ? 1 : 0);
}

static double rows_of(const struct panel *p) {
    return place_of(p, p->n - 1) + 1;
}

/* Cut on its own, so that the sign between two is left. */
static const char *side_name(const struct summary *s, const struct summary_row *row, int across) {
    return figure_text(summary_short_label(s, row, -1, -1), across > 1 ? 13 : 38, s->a);
}

static void put_panels(const struct panel *p, int n, const struct summary *s, FILE *dat) {
    const double left = names_width(p, n, s->a);
    const int across = n < 2 ? 1 : 2;
    double top = 0, bottom = 0;
    fputs("# panels\n# number\tinches from the left\tfrom the top\twide\ttall\trows\tfrom\tto\tstep"
          "\ttitle\tsecond line\tbetter right of 0\tleft of 0\n",
          dat);
    for (int i = 0; i < n; i++) {
        const struct panel *q = &p[i];
        double wide = WIDTH / across - left - RIGHT, tall = rows_of(q) * BAR + 0.06;
        if (i % across == 0)
            top = bottom;
        bottom = fmax(bottom, top + TOP + tall + AXIS);
        fprintf(
            dat, "%d\t%.4f\t%.4f\t%.4f\t%.4f\t%g\t%.5g\t%.5g\t%g\t%s\t%s\t%s\t%s\n", i + 1,
            left + i % across * WIDTH / across, top + TOP, wide, tall, rows_of(q), q->lo, q->hi,
            figure_step(q->hi - q->lo, (int)(wide / 0.42)),
            arena_printf(s->a, "%s − %s", side_name(s, q->a, across), side_name(s, q->b, across)),
            figure_text(arena_printf(s->a, "%s · %s · mean %+.1f points · %s", q->column->protocol,
                                     figure_text(q->column->dataset, across > 1 ? 12 : 40, s->a),
                                     q->mean, seeds_of(q, s->a)),
                        across > 1 ? 46 : 80, s->a),
            figure_text(q->a->method, NAME, s->a), figure_text(q->b->method, NAME, s->a));
    }
    fprintf(dat, "\n\n# layout\n# inches of panels high\n%.4f\n", bottom);
}

static void put_bars(const struct panel *p, int n, const struct summary *s, FILE *dat) {
    fputs("\n\n# bars\n# panel\trow\tpoints\tfrom\tto\tlook\t1: the interval does not hold 0, or "
          "there is none\tclass"
          "\n",
          dat);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < p[i].n; k++) {
            const struct interval *d = &p[i].bar[k].d;
            int there = isfinite(d->lo);
            fprintf(dat, "%d\t%g\t%.5g\t%.5g\t%.5g\t%d\t%d\t%s\n", i + 1, place_of(&p[i], k),
                    d->mean, there ? d->lo : d->mean, there ? d->hi : d->mean,
                    d->mean < 0 ? p[i].b->id : p[i].a->id, !there || d->lo > 0 || d->hi < 0,
                    figure_text(p[i].bar[k].name, NAME, s->a));
        }
}

static const char *say(const struct panel *p, int n, int more, struct arena *a) {
    int left_out = 0, single = 0, welch = 0, beyond = 0;
    for (int i = 0; i < n; i++) {
        left_out = p[i].left_out > left_out ? p[i].left_out : left_out;
        single += p[i].na < 2 || p[i].nb < 2;
        welch |= p[i].pairs < 2;
        for (int k = 0; k < p[i].n; k++)
            beyond |= fabs(p[i].bar[k].d.lo) >= MOST || fabs(p[i].bar[k].d.hi) >= MOST;
    }
    const char *text = single == n
                           ? "Accuracy of each class: the difference in points. One pretraining "
                             "seed (n = 1): no interval can be given."
                           : arena_printf(a,
                                          "Accuracy of each class: the difference in points, with "
                                          "its 95 %% t-interval over the n pretraining seeds%s; "
                                          "pale: the interval holds 0. Not adjusted for the number "
                                          "of classes.%s",
                                          welch ? ", in pairs, or of either (Welch)" : ", in pairs",
                                          beyond ? " Intervals are cut at 100 points." : "");
    if (left_out)
        text = arena_printf(a, "%s Shown: the %d classes of either end, %d between are left out.",
                            text, SHOWN_EACH, left_out);
    return more ? arena_printf(a, "%s %d more datasets are left out.", text, more) : text;
}

int figure_classes(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    int *column = ARENA_ARRAY(s->a, int, s->n_columns), n = 0, more = 0;
    struct panel p[PANELS];
    int columns = summary_primary(s, has_classes, column);
    for (int i = 0; i < columns; i++) {
        if (n == PANELS)
            more++;
        else if (find_panel(in, column[i], &p[n]))
            n++;
    }
    if (!n)
        return 0;
    figure_head("classes", dat);
    put_panels(p, n, s, dat);
    put_bars(p, n, s, dat);
    figure_caption_flagged(in, say(p, n, more, s->a), FLAG_COMPARISON, dat);
    return n;
}
