/* The data of accuracy against the number of labelled images. */
#include "reports/difference_internal.h"
#include "reports/figures_internal.h"
#include "reports/panels_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTINGS = 32 };

/* "top1_5shot", "top1_10pct" */
static const struct unit {
    const char *suffix, *label;
} units[] = {{"shot", "labelled images of each class"},
             {"pct", "% of the training images that are labelled"}};
enum { UNITS = sizeof units / sizeof *units };

/* The number in a metric's name; 0: it is none of this unit. */
static double number_in(const char *name, const struct unit *unit) {
    char *end;
    if (strncmp(name, "top1_", 5) != 0)
        return 0;
    double x = strtod(name + 5, &end);
    return x > 0 && isfinite(x) && !strcmp(end, unit->suffix) ? x : 0;
}

/* All numbers of the unit that any run has, rising. */
static int find_settings(const struct summary *s, const struct summary_column *c,
                         const struct unit *unit, double *x) {
    int n = 0;
    for (int r = 0; r < s->n_rows; r++)
        for (int i = 0; i < s->row[r].n_runs; i++) {
            const struct eval *e = summary_eval(s, s->row[r].run[i], c);
            for (int m = 0; e && m < e->n_metrics; m++) {
                double value = number_in(e->metrics[m].name, unit);
                int to = 0;
                while (to < n && x[to] < value)
                    to++;
                if (value <= 0 || (to < n && x[to] == value) || n == SETTINGS)
                    continue;
                memmove(x + to + 1, x + to, sizeof *x * (size_t)(n++ - to));
                x[to] = value;
            }
        }
    return n;
}

/* Over the draws, in %; *error: their corrected standard error.  NAN: there is none. */
static double mean_of(const struct eval *e, const struct unit *unit, double x, double *error) {
    double sum = 0;
    int n = 0;
    char name[32] = "";
    *error = NAN;
    for (int m = 0; m < e->n_metrics; m++)
        if (number_in(e->metrics[m].name, unit) == x && isfinite(e->metrics[m].value)) {
            sum += e->metrics[m].value;
            snprintf(name, sizeof name, "%.14s.sd_corrected", e->metrics[m].name);
            n++;
        }
    for (int m = 0; n && m < e->n_metrics; m++)
        if (!strcmp(e->metrics[m].name, name))
            *error = 100 * e->metrics[m].value;
    return n ? 100 * sum / n : NAN;
}

/* Returns 1 when an interval is that of the draws of a single run. */
static int draw_row(struct panel *panel, const struct summary *s, const struct summary_row *row,
                    const struct summary_column *c, const struct unit *unit, const double *x,
                    int n) {
    double *level = ARENA_ARRAY(s->a, double, n), *value = ARENA_ARRAY(s->a, double, row->n_runs);
    const struct summary_cell *cell = summary_at(s, (int)(row - s->row), (int)(c - s->column));
    int single = 0;
    for (int k = 0; k < n; k++) {
        int runs = 0, incomplete = 0;
        double error = NAN, of_one = NAN;
        for (int i = 0; i < row->n_runs; i++) {
            const struct eval *e = summary_eval(s, row->run[i], c);
            double one = e ? mean_of(e, unit, x[k], &error) : NAN;
            if (!isfinite(one))
                continue;
            value[runs++] = one;
            of_one = error;
            incomplete |= !run_is_complete(row->run[i]);
            panel_seed(panel, row->id, x[k], one);
        }
        struct estimate mean = paired_estimate(value, NULL, runs);
        mean.error = fmax(mean.error, cell_rounding_error(cell, runs));
        struct interval in = estimate_interval(mean, REPORT_LEVEL);
        level[k] = runs ? in.mean : NAN;
        if (runs == 1 && isfinite(of_one)) {
            in.lo = in.mean - of_one;
            in.hi = in.mean + of_one;
            single = 1;
        }
        if (isfinite(in.lo))
            panel_bar(panel, row->id, x[k], fmax(in.lo, 0), x[k], fmin(in.hi, 100));
        panel_mean(panel, row->id, x[k], level[k], incomplete);
    }
    panel_curve(panel, MARK_THICK, row->id, x, level, n);
    if (n && *summary_letter(s, row))
        panel_name(panel, row->id, x[n - 1], level[n - 1], summary_letter(s, row));
    return single;
}

int figure_lowshot(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    struct panels p = panels_new(s->a);
    int *row = ARENA_ARRAY(s->a, int, s->n_rows), single = 0, left_out = 0, most_left = 0;
    p.tall = 2;
    for (int c = 0; c < s->n_columns; c++)
        for (int u = 0; u < UNITS && !strcmp(s->column[c].protocol, "lowshot"); u++) {
            double x[SETTINGS];
            int n = find_settings(s, &s->column[c], &units[u], x);
            struct panel *panel = n ? panels_add(&p, s->column[c].dataset, s->column[c].version,
                                                 units[u].label, "top-1 accuracy, %")
                                    : NULL;
            if (!panel)
                continue;
            panel->x.may_be_log = 1;
            panel->x.n_ticks = n;
            panel->x.tick = ARENA_ARRAY(s->a, struct panel_tick, n);
            for (int k = 0; k < n; k++)
                panel->x.tick[k] = (struct panel_tick){x[k], axis_number(x[k], s->a)};
            int rows = summary_best(s, c, NULL, SERIES_MOST, row, &left_out);
            most_left = left_out > most_left ? left_out : most_left;
            for (int i = 0; i < rows; i++) {
                panels_key(&p, s->row[row[i]].id, summary_lettered_label(s, &s->row[row[i]]));
                single |= draw_row(panel, s, &s->row[row[i]], &s->column[c], &units[u], x, n);
            }
        }
    int marks = panels_put(&p, "lowshot", dat);
    if (!marks)
        return 0;
    const char *text = "Logistic regression on few labelled images, mean over their draws. Filled: "
                       "mean over pretraining seeds, with its 95 % t-interval; open: each seed.";
    if (single)
        text = arena_printf(s->a,
                            "%s Of a single seed the bar is one standard error over the draws, "
                            "corrected for the images that they share.",
                            text);
    text = arena_printf(s->a, "%s%s%s", text, summary_left_out(s, most_left), panels_left_out(&p));
    figure_caption_flagged(in, text, FLAG_COMPARISON, dat);
    return marks;
}
