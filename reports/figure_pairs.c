/* The data of accuracy over two settings: a panel for each pair of settings in which runs of a
 * method differ, as SimCLR's figure of two augmentations. */
#include "reports/figures_internal.h"
#include "reports/heat_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 32, LEAST = 2 };
#define FILLED 0.5 /* of the cells of a grid, at least; fewer are no grid */

/* The values of one setting: numbers rising, words by the alphabet, so that two settings with the
 * same choices have the same order. */
struct values {
    const char *text[VALUES];
    int n, too_many;
};

static int is_before(const char *a, const char *b) {
    char *end_a, *end_b;
    double x = strtod(a, &end_a), y = strtod(b, &end_b);
    int numbers = end_a > a && end_b > b && !*end_a && !*end_b;
    return numbers ? x < y : strcmp(a, b) < 0;
}

static void add_value(struct values *v, const char *text) {
    int to = v->n;
    for (int i = 0; i < v->n; i++)
        if (!strcmp(v->text[i], text))
            return;
    if (v->n == VALUES) {
        v->too_many = 1;
        return;
    }
    for (v->n++; to > 0 && is_before(text, v->text[to - 1]); to--)
        v->text[to] = v->text[to - 1];
    v->text[to] = text;
}

static int find_value(const struct values *v, const char *text) {
    int i = 0;
    while (i < v->n && strcmp(v->text[i], text))
        i++;
    return i;
}

/* May both rows be cells of one grid over the settings i and j? */
static int same_grid(const struct summary_row *a, const struct summary_row *b, int i, int j) {
    if (a->settings->key != b->settings->key || strcmp(a->dataset, b->dataset))
        return 0;
    for (int k = 0; k < a->settings->n; k++)
        if (k != i && k != j && strcmp(a->settings->value[k], b->settings->value[k]))
            return 0;
    return 1;
}

static const char *const *names_of(const struct values *v, struct arena *a) {
    const char **names = ARENA_ARRAY(a, const char *, v->n);
    memcpy(names, v->text, sizeof *names * (size_t)v->n);
    return names;
}

static void fill_means(struct heat_panel *p, struct arena *a) {
    p->mean = ARENA_ARRAY(a, double, p->n_rows);
    for (int y = 0; y < p->n_rows; y++) {
        int n = 0;
        for (int x = 0; x < p->n_columns; x++)
            if (isfinite(p->value[y * p->n_columns + x])) {
                p->mean[y] += p->value[y * p->n_columns + x];
                n++;
            }
        p->mean[y] = n == p->n_columns ? p->mean[y] / n : NAN;
    }
}

/* The grid over the settings i and j that row r belongs to, if it is one and r its first row. */
static void draw(struct heat *h, const struct summary *s, int c, int r, int i, int j) {
    const struct summary_row *row = &s->row[r];
    struct values down = {.n = 0}, across = {.n = 0};
    int cells = 0;
    if (!summary_at(s, r, c)->n)
        return;
    for (int q = 0; q < s->n_rows; q++) {
        if (!summary_at(s, q, c)->n || !same_grid(row, &s->row[q], i, j))
            continue;
        if (q < r)
            return;
        add_value(&down, s->row[q].settings->value[i]);
        add_value(&across, s->row[q].settings->value[j]);
        cells++;
    }
    if (down.n < LEAST || across.n < LEAST || down.too_many || across.too_many ||
        cells < FILLED * down.n * across.n)
        return;
    struct heat_panel *p = heat_add(h, down.n, across.n);
    if (!p)
        return;
    for (int k = 0; k < down.n * across.n; k++)
        p->value[k] = NAN;
    for (int q = r; q < s->n_rows; q++) {
        const struct summary_cell *cell = summary_at(s, q, c);
        if (!cell->n || !same_grid(row, &s->row[q], i, j))
            continue;
        const struct variant *v = s->row[q].settings;
        p->value[find_value(&down, v->value[i]) * across.n + find_value(&across, v->value[j])] =
            cell->level.mean;
        h->lo = fmin(h->lo, cell->level.mean);
        h->hi = fmax(h->hi, cell->level.mean);
    }
    if (across.n > LEAST)
        fill_means(p, s->a);
    p->title = summary_short_label(s, row, i, j);
    p->second = arena_printf(s->a, "%s · %s", s->column[c].protocol, s->column[c].dataset);
    p->row_name = names_of(&down, s->a);
    p->column_name = names_of(&across, s->a);
    p->row_label = row->settings->key[i];
    p->column_label = row->settings->key[j];
}

int figure_pairs(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    int *column = ARENA_ARRAY(s->a, int, s->n_columns);
    struct heat h = {.a = s->a,
                     .lo = INFINITY,
                     .hi = -INFINITY,
                     .label = s->other_metrics ? "%" : "top-1 accuracy, %",
                     .format = "%.1f",
                     .said = -INFINITY,
                     .cell_most = 0.42};
    int n = summary_primary(s, NULL, column);
    for (int k = 0; k < n; k++)
        for (int r = 0; r < s->n_rows; r++)
            for (int i = 0; i < s->row[r].settings->n; i++)
                for (int j = i + 1; j < s->row[r].settings->n; j++)
                    draw(&h, s, column[k], r, i, j);
    if (h.hi - h.lo < 1) {
        h.lo -= 0.5;
        h.hi += 0.5;
    }
    if (!heat_put(&h, "pairs", dat))
        return 0;
    int means = 0;
    for (int k = 0; k < h.n; k++)
        means |= h.panel[k].mean != NULL;
    const char *text = arena_printf(
        s->a,
        "Mean over pretraining seeds for each pair of values of two settings%s. Empty: no run.%s",
        means ? "; beside three or more the mean of each row that is complete" : "",
        heat_left_out(&h));
    figure_caption_flagged(in, text, FLAG_COMPARISON & ~FLAG_BUDGET, dat);
    return h.n;
}
