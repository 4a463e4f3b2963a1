/* Two methods over seeds of pretraining: a line a task, and what makes them incomparable. */
#include "reports/text_internal.h"
#include "reports/versus_internal.h"

#include <math.h>
#include <string.h>

enum { NOTES = 8 };

/* ---- notes ---- */

static void note(struct listing *l, const char *text) {
    l->note[l->n_notes++] = text;
}

static const char *version_of(const struct contestant *c, int column) {
    const struct summary_cell *cell = versus_cell(c, column);
    const struct eval *e = cell->n ? versus_eval(c, column, cell->run[0]) : NULL;
    return e ? e->protocol_version : "";
}

static void note_versions(struct listing *l, const struct versus *v) {
    for (int i = 0; i < v->n; i++) {
        const char *a = version_of(&v->a, v->column[i].a), *b = version_of(&v->b, v->column[i].b);
        if (*a && *b && strcmp(a, b))
            note(l,
                 arena_printf(v->arena, "%s: the protocol's versions differ, %s and %s",
                              versus_task(v, i), text_clean(a, v->arena), text_clean(b, v->arena)));
    }
}

/* "epochs:8", or "several budgets"; "" where there was nothing to train. */
static const char *budget_of(const struct contestant *c) {
    const struct summary_row *row = &c->s->row[c->row];
    const char *budget = NULL;
    for (int i = 0; i < row->n_runs; i++) {
        const char *one = row->run[i]->budget;
        if (one && strcmp(one, "none"))
            budget = !budget || !strcmp(budget, one) ? one : "several budgets";
    }
    return budget ? budget : "";
}

static void note_setting(struct listing *l, const struct versus *v, const char *what, const char *a,
                         const char *b) {
    if (*a && *b && strcmp(a, b))
        note(l, arena_printf(v->arena, "%s: %s of A, %s of B", what, text_clean(a, v->arena),
                             text_clean(b, v->arena)));
}

static void note_settings(struct listing *l, const struct versus *v) {
    const struct summary_row *a = &v->a.s->row[v->a.row], *b = &v->b.s->row[v->b.row];
    note_setting(l, v, "budgets differ", budget_of(&v->a), budget_of(&v->b));
    note_setting(l, v, "backbones differ", a->backbone, b->backbone);
    if (!v->a.s->same_dataset || !v->b.s->same_dataset)
        note_setting(l, v, "pretraining data differ", a->run[0]->dataset, b->run[0]->dataset);
}

/* ---- lines ---- */

static struct listing_cell text(const char *t) {
    return (struct listing_cell){t, NAN, 0};
}

static struct listing_cell mean_cell(double mean, struct arena *a) {
    return isnan(mean) ? text("-") : (struct listing_cell){arena_printf(a, "%.1f", mean), mean, 0};
}

static struct listing_cell points(double x, struct arena *a) {
    return (struct listing_cell){points_text(x, a), x, 0};
}

static struct listing_cell chance(double p, struct arena *a) {
    return (struct listing_cell){p_text(p, a), p, 0};
}

static void put_line(const struct versus *v, int i, const struct verdict *d,
                     struct listing_cell *cell) {
    struct arena *a = v->arena;
    *cell++ = text(versus_task(v, i));
    *cell++ = mean_cell(d->mean_a, a);
    *cell++ = mean_cell(d->mean_b, a);
    *cell++ = (struct listing_cell){
        difference_text(d->difference.value, d->interval.lo, d->interval.hi, a),
        d->difference.value, 0};
    *cell++ = points(d->interval.lo, a);
    *cell++ = points(d->interval.hi, a);
    *cell++ = chance(d->p, a);
    *cell++ = chance(d->adjusted, a);
    *cell++ = text(test_text(d, a));
    *cell++ = text(verdict_text(d, a));
    *cell = (struct listing_cell){
        isnan(d->detectable) ? "" : arena_printf(a, "%.1f", d->detectable), d->detectable, 0};
}

struct listing versus_seeds(const struct versus *v) {
    static const struct listing_column columns[] = {
        {"task", "task", 0, FOR_ALL},
        {"a", "A", 1, FOR_ALL},
        {"b", "B", 1, FOR_ALL},
        {"difference", "A - B [interval]", 1, FOR_ALL},
        {"difference_lo", "from", 1, FOR_PROGRAMS},
        {"difference_hi", "to", 1, FOR_PROGRAMS},
        {"p", "p", 1, FOR_ALL},
        {"p_adjusted", "adjusted p", 1, FOR_ALL},
        {"test", "test", 0, FOR_ALL},
        {"verdict", "verdict", 0, FOR_ALL},
        {"smallest_detectable", "detectable", 1, FOR_ALL}};
    enum { COLUMNS = sizeof columns / sizeof *columns };
    struct arena *a = v->arena;
    struct listing l = {.name = "compare",
                        .title = arena_printf(a, "A: %s; B: %s", v->a.label, v->b.label),
                        .n_columns = COLUMNS,
                        .n_rows = v->n,
                        .column = ARENA_ARRAY(a, struct listing_column, COLUMNS),
                        .cell = ARENA_ARRAY(a, struct listing_cell, v->n * COLUMNS),
                        .note = ARENA_ARRAY(a, const char *, v->n + NOTES)};
    struct verdict *family = ARENA_ARRAY(a, struct verdict, v->n);
    int one_seed = 0, incomplete = 0;
    memcpy(l.column, columns, sizeof columns);
    l.caption = arena_printf(
        a,
        "Over seeds of pretraining: means in %%, differences in points with t-intervals at the "
        "level at which each was tested, p adjusted over the tasks (Holm), margin %g point%s; "
        "detectable: the true difference that as many seeds find with a power of %g, at the spread "
        "seen here",
        v->margin, v->margin == 1 ? "" : "s", VERDICT_POWER);
    for (int i = 0; i < v->n; i++)
        family[i] =
            verdict_of(versus_cell(&v->a, v->column[i].a), versus_cell(&v->b, v->column[i].b));
    verdicts_settle(family, v->n, v->margin);
    for (int i = 0; i < v->n; i++) {
        put_line(v, i, &family[i], l.cell + i * COLUMNS);
        one_seed |= !strcmp(family[i].why, "one seed");
        incomplete |= family[i].incomplete;
    }
    if (one_seed)
        note(&l, "one seed: nothing is known of other seeds, and what differs may be the seed");
    if (incomplete)
        note(&l, "* not every run is complete");
    note_versions(&l, v);
    note_settings(&l, v);
    return l;
}
