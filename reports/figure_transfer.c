/* The data of fine-tuned against linear accuracy, and of zero-shot against linear by class. */
#include "reports/figures_internal.h"
#include "reports/panels_internal.h"

#include <math.h>
#include <string.h>

enum { NAMED_ALL = 12, NAMED = 6 };

static int is_frozen(const struct summary_column *c) {
    return !strcmp(c->protocol, "linear") || !strcmp(c->protocol, "logistic") ||
           !strcmp(c->protocol, "knn");
}

/* ---- fine-tuned against linear, a point for each method ---- */

static void draw_method(struct panel *panel, const struct summary *s, int r, int linear,
                        int tuned) {
    const struct summary_cell *x = summary_at(s, r, linear), *y = summary_at(s, r, tuned);
    const int look = s->row[r].id;
    int incomplete = 0;
    if (!x->n || !y->n)
        return;
    panel_bar(panel, look, x->level.lo, y->level.mean, x->level.hi, y->level.mean);
    panel_bar(panel, look, x->level.mean, y->level.lo, x->level.mean, y->level.hi);
    for (int i = 0; i < x->n; i++)
        for (int j = 0; j < y->n; j++)
            if (x->run[i] == y->run[j]) {
                panel_seed(panel, look, x->top1[i], y->top1[j]);
                incomplete |= !run_is_complete(x->run[i]);
            }
    panel_mean(panel, look, x->level.mean, y->level.mean, incomplete);
    panel_name(panel, look, x->level.mean, y->level.mean,
               summary_short_label(s, &s->row[r], -1, -1));
}

int figure_transfer(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    int *column = ARENA_ARRAY(s->a, int, s->n_columns), *row = ARENA_ARRAY(s->a, int, s->n_rows);
    struct panels p = panels_new(s->a);
    int n = summary_primary(s, NULL, column), left_out = 0, most_left = 0;
    p.key_if_unnamed = 1;
    for (int k = 0; k < n; k++) {
        const struct summary_column *c = &s->column[column[k]];
        int tuned = summary_column_of(s, "finetune", column[k]);
        if (tuned < 0 || !is_frozen(c))
            continue;
        struct panel *panel =
            panels_add(&p, c->dataset, "", arena_printf(s->a, "%s, top-1 %%", c->protocol),
                       "finetune, top-1 %");
        if (!panel)
            continue;
        panel->equal = 1;
        panel->x.least = panel->y.least = 4;
        int rows = summary_best(s, tuned, NULL, SERIES_MOST, row, &left_out);
        most_left = left_out > most_left ? left_out : most_left;
        for (int i = 0; i < rows; i++) {
            draw_method(panel, s, row[i], column[k], tuned);
            panels_key(&p, s->row[row[i]].id, s->row[row[i]].method);
        }
    }
    p.across = p.n > 1 ? 2 : 1;
    p.tall = p.n > 1 ? 2.3 : 3.6;
    int marks = panels_put(&p, "transfer", dat);
    if (!marks)
        return 0;
    const char *text = arena_printf(
        s->a,
        "The encoder trained on labels against a probe of what it gives frozen. Filled: mean over "
        "pretraining seeds, with 95 %% t-intervals; open: each seed; dashed: equal.%s%s",
        summary_left_out(s, most_left), panels_left_out(&p));
    figure_caption_flagged(in, text, FLAG_COMPARISON, dat);
    return marks;
}

/* ---- zero-shot against linear, a point for each class ---- */

/* Of each class (n) the mean over the runs of the row and their probe seeds, in %. */
static double *class_means(const struct summary *s, const struct summary_row *row,
                           const struct summary_column *column, int *n, const char *const **names) {
    double *sum = NULL;
    int *count = NULL;
    *n = 0;
    for (int i = 0; i < row->n_runs; i++) {
        const struct eval *e = summary_eval(s, row->run[i], column);
        if (!e || !e->top1_per_class || !e->class_name || (*n && e->n_classes != *n))
            continue;
        if (!*n) {
            *n = e->n_classes;
            *names = e->class_name;
            sum = ARENA_ARRAY(s->a, double, *n);
            count = ARENA_ARRAY(s->a, int, *n);
        }
        for (int k = 0; k < e->n_seeds * *n; k++)
            if (isfinite(e->top1_per_class[k])) {
                sum[k % *n] += 100 * e->top1_per_class[k];
                count[k % *n]++;
            }
    }
    for (int k = 0; k < *n; k++)
        sum[k] = count[k] ? sum[k] / count[k] : NAN;
    return sum;
}

/* Is class k among those that lie furthest from equal? */
static int is_named(const double *x, const double *y, int n, int k) {
    int further = 0;
    for (int i = 0; i < n; i++)
        further += fabs(x[i] - y[i]) > fabs(x[k] - y[k]) ||
                   (i < k && fabs(x[i] - y[i]) == fabs(x[k] - y[k]));
    return n <= NAMED_ALL || further < NAMED;
}

static int draw_classes(struct panels *p, const struct summary *s, int r, int linear, int zero) {
    const struct summary_column *cx = &s->column[linear], *cy = &s->column[zero];
    const struct summary_row *row = &s->row[r];
    const char *const *names = NULL, *const *ignored = NULL;
    int n, m;
    const double *x = class_means(s, row, cx, &n, &names);
    const double *y = class_means(s, row, cy, &m, &ignored);
    if (!n || n != m)
        return 0;
    struct panel *panel = panels_add(p, summary_short_label(s, row, -1, -1), cx->dataset,
                                     arena_printf(s->a, "%s, %%", cx->protocol), "zero-shot, %");
    if (!panel)
        return 0;
    panel->equal = 1;
    for (int k = 0; k < n; k++) {
        panel_mean(panel, row->id, x[k], y[k], 0);
        if (is_named(x, y, n, k))
            panel_name(panel, row->id, x[k], y[k], names[k]);
    }
    return n > NAMED_ALL;
}

static int has_classes(const struct eval *e) {
    return e && e->top1_per_class && e->class_name && strcmp(e->protocol, "zeroshot") != 0;
}

int figure_zeroshot(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    int *column = ARENA_ARRAY(s->a, int, s->n_columns), some = 0;
    struct panels p = panels_new(s->a);
    int n = summary_primary(s, has_classes, column);
    p.tall = 1.6;
    for (int k = 0; k < n; k++) {
        int zero = summary_column_of(s, "zeroshot", column[k]);
        for (int r = 0; zero >= 0 && r < s->n_rows; r++)
            some |= draw_classes(&p, s, r, column[k], zero);
    }
    int marks = panels_put(&p, "zeroshot", dat);
    if (!marks)
        return 0;
    const char *text = arena_printf(
        s->a,
        "Accuracy of each class, mean over pretraining seeds: what the names of classes give "
        "against what their labels give; dashed: equal.%s%s",
        some ? " Named, where there is room: those furthest from equal."
             : " Names stand where there is room.",
        panels_left_out(&p));
    figure_caption_flagged(in, text, FLAG_COMPARISON & ~FLAG_BUDGET, dat);
    return marks;
}
