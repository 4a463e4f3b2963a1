#include "reports/verdicts.h"

#include "reports/difference_internal.h"
#include "results/significance.h"

#include <math.h>
#include <string.h>

/* Of the means: what is less is no spread of differences, but the rounding of their sums. */
#define ALIKE 1e-12

/* ---- one pair ---- */

struct verdict verdict_of(const struct summary_cell *a, const struct summary_cell *b) {
    struct arena room = {0};
    const int most = a->n < b->n ? a->n : b->n;
    double *x = ARENA_ARRAY(&room, double, most + 1), *y = ARENA_ARRAY(&room, double, most + 1);
    struct verdict v = {.a = -1,
                        .b = -1,
                        .column = -1,
                        .word = VERDICT_UNDECIDED,
                        .why = "",
                        .n_a = a->n,
                        .n_b = b->n,
                        .incomplete = cell_n_incomplete(a) || cell_n_incomplete(b),
                        .adjusted = NAN,
                        .equivalence = NAN,
                        .detectable = NAN,
                        .level = REPORT_LEVEL};
    int pairs = 0;
    for (int i = 0; i < a->n; i++)
        for (int j = 0; j < b->n && pairs < most; j++)
            if (a->run[i]->seed == b->run[j]->seed) {
                x[pairs] = a->top1[i];
                y[pairs++] = b->top1[j];
            }
    v.paired = pairs > 1 || (pairs == 1 && (a->n < 2 || b->n < 2));
    if (v.paired) {
        v.difference = paired_estimate(x, y, pairs);
        v.n_a = v.n_b = pairs;
    } else {
        v.difference = welch_estimate(a->top1, a->n, b->top1, b->n);
    }
    v.mean_a = paired_estimate(v.paired ? x : a->top1, NULL, v.n_a).value;
    v.mean_b = paired_estimate(v.paired ? y : b->top1, NULL, v.n_b).value;
    v.difference.error = fmax(v.difference.error, cells_rounding_error(a, v.n_a, b, v.n_b));
    if (v.difference.error < ALIKE * (fabs(v.mean_a) + fabs(v.mean_b)))
        v.difference.error = 0;
    v.interval = estimate_interval(v.difference, REPORT_LEVEL);
    v.p = difference_p(v.difference);
    if (!a->n || !b->n)
        v.why = "no value";
    else if (isnan(v.p))
        v.why = v.n_a < 2 || v.n_b < 2 ? "one seed" : "no spread";
    arena_free(&room);
    return v;
}

/* ---- families ---- */

static enum verdict_word word_of(const struct verdict *v, double margin) {
    if (v->adjusted <= VERDICT_ALPHA && fabs(v->difference.value) > margin)
        return v->difference.value > 0 ? VERDICT_A_BETTER : VERDICT_B_BETTER;
    return v->equivalence <= VERDICT_ALPHA ? VERDICT_EQUIVALENT : VERDICT_UNDECIDED;
}

/* Of the i-th of a family; many of its pairs have equal degrees of freedom and levels, and what
 * takes time is a function of these. */
static double detectable(const struct verdict *family, int i) {
    const struct estimate *e = &family[i].difference;
    if (!(e->error > 0)) /* nothing is known of what would be found */
        return NAN;
    for (int k = 0; k < i; k++)
        if (family[k].difference.df == e->df && family[k].level == family[i].level &&
            family[k].detectable > 0)
            return family[k].detectable / family[k].difference.error * e->error;
    return smallest_detectable(*e, family[i].level, VERDICT_POWER);
}

void verdicts_settle(struct verdict *family, int n, double margin) {
    struct arena a = {0};
    double *p = ARENA_ARRAY(&a, double, n), *adjusted = ARENA_ARRAY(&a, double, n),
           *level = ARENA_ARRAY(&a, double, n), *same = ARENA_ARRAY(&a, double, n);
    for (int i = 0; i < n; i++) {
        p[i] = family[i].p;
        same[i] = equivalence_p(family[i].difference, margin);
    }
    holm(p, n, adjusted);
    holm_levels(p, n, VERDICT_ALPHA, level);
    for (int i = 0; i < n; i++) {
        family[i].adjusted = adjusted[i];
        family[i].level = level[i];
        family[i].interval = estimate_interval(family[i].difference, level[i]);
        family[i].detectable = detectable(family, i);
    }
    holm(same, n, adjusted);
    for (int i = 0; i < n; i++) {
        family[i].equivalence = adjusted[i];
        family[i].word = word_of(&family[i], margin);
        if (family[i].word == VERDICT_UNDECIDED && family[i].adjusted <= VERDICT_ALPHA)
            family[i].why = "not 0, but perhaps within the margin";
    }
    arena_free(&a);
}

/* Appends the pair's verdict in the column, unless neither has a value. */
static void add(struct verdicts *v, const struct summary *s, int a, int b, int column) {
    const struct summary_cell *left = summary_at(s, a, column), *right = summary_at(s, b, column);
    if (!left->n && !right->n)
        return;
    struct verdict *added = &v->list[v->n++];
    *added = verdict_of(left, right);
    added->a = a;
    added->b = b;
    added->column = column;
}

static int is_reference(const struct summary_row *row) {
    return !strcmp(row->method, "random") || !strcmp(row->method, "supervised");
}

struct verdicts verdicts_against_random(const struct summary *s, double margin) {
    struct verdicts v = {0, ARENA_ARRAY(s->a, struct verdict, s->n_rows * s->n_columns), margin};
    for (int c = 0; c < s->n_columns; c++) {
        int first = v.n;
        for (int r = 0; r < s->n_rows; r++) {
            int base = summary_baseline(s, &s->row[r]);
            if (base >= 0 && strcmp(s->row[r].method, "random"))
                add(&v, s, r, base, c);
        }
        verdicts_settle(v.list + first, v.n - first, margin);
    }
    return v;
}

struct verdicts verdicts_among_methods(const struct summary *s, double margin) {
    const int pairs = s->n_rows * (s->n_rows - 1) / 2;
    struct verdicts v = {0, ARENA_ARRAY(s->a, struct verdict, pairs * s->n_columns), margin};
    for (int c = 0; c < s->n_columns; c++) {
        int first = v.n;
        for (int a = 0; a < s->n_rows; a++)
            for (int b = 0; b < a; b++)
                if (!is_reference(&s->row[a]) && !is_reference(&s->row[b]) &&
                    !strcmp(s->row[a].backbone, s->row[b].backbone) &&
                    !strcmp(s->row[a].dataset, s->row[b].dataset))
                    add(&v, s, a, b, c);
        verdicts_settle(v.list + first, v.n - first, margin);
    }
    return v;
}

/* ---- the best of a column ---- */

/* Whether the row may be the best of the column. */
static int is_candidate(const struct summary *s, int row, int column, int with_labels) {
    return summary_at(s, row, column)->n &&
           (with_labels || strcmp(s->row[row].method, "supervised"));
}

static int best_of(const struct summary *s, int column, int with_labels) {
    int best = -1;
    for (int r = 0; r < s->n_rows; r++)
        if (is_candidate(s, r, column, with_labels) &&
            (best < 0 ||
             summary_at(s, r, column)->level.mean > summary_at(s, best, column)->level.mean))
            best = r;
    return best;
}

static void find_tops(const struct summary *s, int column, enum top *top) {
    struct arena a = {0};
    int with_labels = best_of(s, column, 0) < 0, best = best_of(s, column, with_labels);
    double *p = ARENA_ARRAY(&a, double, s->n_rows), *adjusted = ARENA_ARRAY(&a, double, s->n_rows);
    int others = 0, tied = 0;
    for (int r = 0; r < s->n_rows; r++) {
        p[r] = NAN;
        top[r * s->n_columns + column] = TOP_NOT;
        if (best < 0 || r == best || !is_candidate(s, r, column, with_labels))
            continue;
        p[r] = verdict_of(summary_at(s, best, column), summary_at(s, r, column)).p;
        others++;
    }
    holm(p, s->n_rows, adjusted);
    for (int r = 0; r < s->n_rows && others; r++)
        if (r != best && is_candidate(s, r, column, with_labels) &&
            !(adjusted[r] <= VERDICT_ALPHA)) {
            top[r * s->n_columns + column] = TOP_TIED;
            tied++;
        }
    if (best >= 0)
        top[best * s->n_columns + column] = tied ? TOP_TIED : TOP_BEST;
    if (others && summary_at(s, best, column)->n < 2)
        for (int r = 0; r < s->n_rows; r++)
            if (is_candidate(s, r, column, with_labels))
                top[r * s->n_columns + column] = TOP_UNKNOWN;
    arena_free(&a);
}

enum top *summary_tops(const struct summary *s) {
    enum top *top = ARENA_ARRAY(s->a, enum top, s->n_rows * s->n_columns);
    for (int c = 0; c < s->n_columns; c++)
        find_tops(s, c, top);
    return top;
}
