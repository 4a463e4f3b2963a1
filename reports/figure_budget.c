/* The data of accuracy against what pretraining took: three panels for each dataset. */
#include "reports/figures_internal.h"
#include "reports/panels_internal.h"

#include <math.h>
#include <string.h>

#define APART 1.05 /* rows of a method are joined where amounts differ by this factor */
#define LEAST 0.2  /* of the largest amount is in sight: more than one budget's rounding */

static double flops_of(const struct run *r) {
    return r->achieved_flops;
}
static double images_of(const struct run *r) {
    return r->achieved_images;
}
static double seconds_of(const struct run *r) {
    return r->achieved_seconds;
}

static const struct amount {
    const char *label;
    double (*of)(const struct run *r);
} amounts[] = {{"FLOPs of pretraining", flops_of},
               {"images seen", images_of},
               {"seconds of pretraining", seconds_of}};
enum { AMOUNTS = sizeof amounts / sizeof *amounts };

static int trains(const struct run *r, const struct amount *amount) {
    return amount->of(r) > 0 && isfinite(amount->of(r));
}

/* The mean of what the cell's runs took; NAN: a run says nothing. */
static double mean_amount(const struct summary_cell *cell, const struct amount *amount) {
    double sum = 0;
    for (int i = 0; i < cell->n; i++)
        sum += trains(cell->run[i], amount) ? amount->of(cell->run[i]) : NAN;
    return sum / cell->n;
}

static int n_incomplete(const struct summary_cell *cell) {
    int n = 0;
    for (int i = 0; i < cell->n; i++)
        n += !run_is_complete(cell->run[i]);
    return n;
}

static void draw_cell(struct panel *panel, const struct summary *s, int r, int c, double x,
                      const struct amount *amount) {
    const struct summary_cell *cell = summary_at(s, r, c);
    const int look = s->row[r].id;
    panel_bar(panel, look, x, cell->level.lo, x, cell->level.hi);
    for (int i = 0; i < cell->n; i++)
        panel_seed(panel, look, amount->of(cell->run[i]), cell->top1[i]);
    panel_mean(panel, look, x, cell->level.mean, n_incomplete(cell));
    panel_name(panel, look, x, cell->level.mean, summary_short_label(s, &s->row[r], -1, -1));
}

/* Settings of one method that took different amounts, from the least to the most. */
static void join(struct panel *panel, const struct summary *s, const int *row, int n, int c,
                 const struct amount *amount) {
    double x[SERIES_MOST], y[SERIES_MOST];
    int used[SERIES_MOST] = {0};
    for (int i = 0; i < n; i++) {
        int k = 0;
        for (int j = i; j < n && !used[i]; j++) {
            const struct summary_row *a = &s->row[row[i]], *b = &s->row[row[j]];
            double at = mean_amount(summary_at(s, row[j], c), amount);
            if (strcmp(a->method, b->method) || strcmp(a->backbone, b->backbone) ||
                strcmp(a->dataset, b->dataset) || isnan(at))
                continue;
            int to = k++;
            for (used[j] = 1; to > 0 && x[to - 1] > at; to--) {
                x[to] = x[to - 1];
                y[to] = y[to - 1];
            }
            x[to] = at;
            y[to] = summary_at(s, row[j], c)->level.mean;
        }
        int apart = k > 1;
        for (int j = 1; j < k; j++)
            apart &= x[j] > APART * x[j - 1];
        if (apart)
            panel_curve(panel, MARK_THIN, s->row[row[i]].id, x, y, k);
    }
}

/* Returns how many rows have a point. */
static int draw(struct panel *panel, const struct summary *s, const int *row, int n, int c,
                const struct amount *amount) {
    int points = 0;
    double most = 0;
    panel->x.may_be_log = 1;
    panel->y.least = 4;
    join(panel, s, row, n, c, amount);
    for (int i = 0; i < n; i++) {
        double x = mean_amount(summary_at(s, row[i], c), amount);
        if (isfinite(x)) {
            draw_cell(panel, s, row[i], c, x, amount);
            most = fmax(most, x);
            points++;
        }
    }
    panel->x.least = LEAST * most;
    return points;
}

/* What costs nothing is a level that the rest is to be above. */
static int draw_level(struct panel *panel, const struct summary *s, int r, int c) {
    const struct summary_cell *cell = summary_at(s, r, c);
    if (strcmp(s->row[r].method, "random") || !cell->n)
        return 0;
    panel_rule(panel, -INFINITY, cell->level.mean, INFINITY, cell->level.mean);
    return 1;
}

static int any(const struct summary *s, const int *row, int n, int c, const struct amount *amount) {
    for (int i = 0; i < n; i++)
        if (isfinite(mean_amount(summary_at(s, row[i], c), amount)))
            return 1;
    return 0;
}

int figure_budget(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    int *column = ARENA_ARRAY(s->a, int, s->n_columns), *row = ARENA_ARRAY(s->a, int, s->n_rows);
    struct panels p = panels_new(s->a);
    int n_columns = summary_primary(s, NULL, column), left_out = 0, most_left = 0, levels = 0;
    p.across = AMOUNTS;
    p.key_if_unnamed = 1;
    p.tall = 1.6;
    for (int k = 0; k < n_columns; k++) {
        const struct summary_column *c = &s->column[column[k]];
        int n = summary_best(s, column[k], NULL, SERIES_MOST, row, &left_out);
        most_left = left_out > most_left ? left_out : most_left;
        if (!any(s, row, n, column[k], &amounts[0]))
            continue;
        for (int i = 0; i < AMOUNTS; i++) {
            struct panel *panel =
                panels_add(&p, c->protocol, c->dataset, amounts[i].label,
                           *c->metric ? arena_printf(s->a, "%s, %%", c->metric) : "top-1, %");
            if (panel)
                draw(panel, s, row, n, column[k], &amounts[i]);
            for (int j = 0; panel && j < n; j++)
                if (strcmp(s->row[row[j]].method, "random"))
                    panels_key(&p, s->row[row[j]].id, s->row[row[j]].method);
            for (int r = 0; panel && r < s->n_rows; r++)
                levels += draw_level(panel, s, r, column[k]);
        }
    }
    int marks = panels_put(&p, "budget", dat);
    if (!marks)
        return 0;
    const char *text = "What pretraining took and what it gave. Filled: mean over pretraining "
                       "seeds, with its 95 % t-interval; open: each seed.";
    if (levels)
        text = arena_printf(s->a, "%s Dashed: random weights, which take nothing.", text);
    text = arena_printf(s->a, "%s%s%s", text, summary_left_out(s, most_left), panels_left_out(&p));
    figure_caption_flagged(in, text, FLAG_EVERY & ~FLAG_BUDGET, dat);
    return marks;
}
