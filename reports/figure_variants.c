/* The data of accuracy against one setting: a panel for each setting with numbers in which runs of
 * a method differ, a curve for each combination of everything else. */
#include "reports/figures_internal.h"
#include "reports/panels_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_LOOK = 3, LOOKS = 9, TICKS_SAID = 7 };

/* The number that a value is, also that behind the unit of a budget, "epochs:8"; NAN: none. */
static double number_of(const char *value) {
    const char *colon = strchr(value, ':');
    char *end;
    const char *text = colon ? colon + 1 : value;
    double x = strtod(text, &end);
    return end > text && !*end && isfinite(x) ? x : NAN;
}

static int index_of(const struct variant *v, const char *key) {
    for (int k = 0; k < v->n; k++)
        if (!strcmp(v->key[k], key))
            return k;
    return -1;
}

static double value_in(const struct summary_row *row, const char *key) {
    int k = index_of(row->settings, key);
    return k < 0 ? NAN : number_of(row->settings->value[k]);
}

/* Do the rows differ in nothing but the key?  A budget's unit belongs to what must be the same. */
static int same_but_for(const struct summary_row *a, const struct summary_row *b, const char *key) {
    if (strcmp(a->method, b->method) || strcmp(a->backbone, b->backbone) ||
        strcmp(a->dataset, b->dataset) || a->settings->key != b->settings->key)
        return 0;
    for (int k = 0; k < a->settings->n; k++) {
        const char *x = a->settings->value[k], *y = b->settings->value[k];
        size_t unit = strcspn(x, ":");
        int differ = strcmp(a->settings->key[k], key) ? strcmp(x, y)
                                                      : strchr(x, ':') && strncmp(x, y, unit + 1);
        if (differ)
            return 0;
    }
    return 1;
}

struct series {
    int n, *row; /* (n) by rising value */
    int look;
    const char *label;
};

/* Curves of the key in the column, of two values at least. */
static int find_series(const struct summary *s, int c, const char *key, struct series *list) {
    int *used = ARENA_ARRAY(s->a, int, s->n_rows), n = 0;
    for (int r = 0; r < s->n_rows; r++) {
        if (used[r] || !summary_at(s, r, c)->n || isnan(value_in(&s->row[r], key)))
            continue;
        struct series one = {
            0, ARENA_ARRAY(s->a, int, s->n_rows), s->row[r].id,
            summary_short_label(s, &s->row[r], index_of(s->row[r].settings, key), -1)};
        for (int q = r; q < s->n_rows; q++) {
            double x = value_in(&s->row[q], key);
            if (used[q] || !summary_at(s, q, c)->n || isnan(x) ||
                !same_but_for(&s->row[r], &s->row[q], key))
                continue;
            int to = one.n++;
            for (used[q] = 1; to > 0 && value_in(&s->row[one.row[to - 1]], key) > x; to--)
                one.row[to] = one.row[to - 1];
            one.row[to] = q;
        }
        if (one.n > 1)
            list[n++] = one;
    }
    return n;
}

/* Several curves of one method cannot all have its look: then each text of the legend has one. */
static void choose_looks(struct panels *p, struct series *list, int n) {
    int repeated = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            repeated |= list[i].look == list[j].look;
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < p->n_keys && strcmp(p->key[k].text, list[i].label))
            k++;
        if (k < p->n_keys)
            list[i].look = p->key[k].look;
        else if (repeated)
            list[i].look = FIRST_LOOK + k % LOOKS;
        panels_key(p, list[i].look, list[i].label);
    }
}

static void draw_series(struct panel *panel, const struct summary *s, int c, const char *key,
                        const struct series *one) {
    double *x = ARENA_ARRAY(s->a, double, one->n), *y = ARENA_ARRAY(s->a, double, one->n);
    for (int i = 0; i < one->n; i++) {
        const struct summary_cell *cell = summary_at(s, one->row[i], c);
        int incomplete = 0;
        x[i] = value_in(&s->row[one->row[i]], key);
        y[i] = cell->level.mean;
        panel_bar(panel, one->look, x[i], cell->level.lo, x[i], cell->level.hi);
        for (int k = 0; k < cell->n; k++) {
            panel_seed(panel, one->look, x[i], cell->top1[k]);
            incomplete |= !run_is_complete(cell->run[k]);
        }
        panel_mean(panel, one->look, x[i], y[i], incomplete);
    }
    panel_curve(panel, MARK_THICK, one->look, x, y, one->n);
}

/* The values themselves where they are few. */
static void mark_values(struct panel *panel) {
    double value[TICKS_SAID];
    int n = 0;
    for (int i = 0; i < panel->n_marks; i++) {
        const struct panel_mark *m = &panel->mark[i];
        int k = 0;
        if (m->kind != MARK_MEAN)
            continue;
        while (k < n && value[k] != m->x)
            k++;
        if (k == n && n == TICKS_SAID)
            return;
        if (k == n)
            value[n++] = m->x;
    }
    panel->x.tick = ARENA_ARRAY(panel->a, struct panel_tick, n);
    panel->x.n_ticks = n;
    for (int i = 0; i < n; i++)
        panel->x.tick[i] = (struct panel_tick){value[i], axis_number(value[i], panel->a)};
}

static void draw_key(struct panels *p, const struct summary *s, int c, const char *key,
                     struct series *list, int n, int *left_out) {
    const struct summary_column *column = &s->column[c];
    struct panel *panel =
        panels_add(p, key, arena_printf(s->a, "%s · %s", column->protocol, column->dataset), "",
                   *column->metric ? arena_printf(s->a, "%s, %%", column->metric) : "top-1, %");
    if (!panel)
        return;
    panel->x.may_be_log = panel->y.least = 1;
    *left_out += n > SERIES_MOST ? n - SERIES_MOST : 0;
    n = n < SERIES_MOST ? n : SERIES_MOST;
    choose_looks(p, list, n);
    for (int i = 0; i < n; i++)
        draw_series(panel, s, c, key, &list[i]);
    mark_values(panel);
}

/* Every key of any row, once, in the order of the rows. */
static int find_keys(const struct summary *s, const char ***keys) {
    int most = 0, n = 0;
    for (int r = 0; r < s->n_rows; r++)
        most += s->row[r].settings->n;
    *keys = ARENA_ARRAY(s->a, const char *, most);
    for (int r = 0; r < s->n_rows; r++)
        for (int k = 0; k < s->row[r].settings->n; k++) {
            int i = 0;
            while (i < n && strcmp((*keys)[i], s->row[r].settings->key[k]))
                i++;
            if (i == n)
                (*keys)[n++] = s->row[r].settings->key[k];
        }
    return n;
}

int figure_variants(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    const char **keys;
    struct panels p = panels_new(s->a);
    struct series *list = ARENA_ARRAY(s->a, struct series, s->n_rows);
    int *column = ARENA_ARRAY(s->a, int, s->n_columns), left_out = 0;
    int n_columns = summary_primary(s, NULL, column), n_keys = find_keys(s, &keys);
    p.tall = 1.8;
    for (int k = 0; k < n_keys; k++)
        for (int i = 0; i < n_columns; i++) {
            int n = find_series(s, column[i], keys[k], list);
            if (n)
                draw_key(&p, s, column[i], keys[k], list, n, &left_out);
        }
    int marks = panels_put(&p, "variants", dat);
    if (!marks)
        return 0;
    const char *text = "A setting in which runs of one method differ; along a curve all others are "
                       "the same. Filled: mean over pretraining seeds, with its 95 % t-interval; "
                       "open: each seed.";
    if (left_out)
        text = arena_printf(s->a, "%s %d more curves are left out.", text, left_out);
    figure_caption_flagged(in, arena_printf(s->a, "%s%s", text, panels_left_out(&p)),
                           FLAG_COMPARISON & ~FLAG_BUDGET, dat);
    return marks;
}
