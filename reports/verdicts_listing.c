/* Verdicts as a table. */
#include "reports/verdicts.h"

#include <math.h>

const char *points_text(double x, struct arena *a) {
    if (isnan(x))
        return "";
    return arena_printf(a, "%+.1f", fabs(x) < 0.05 ? 0.0 : x);
}

const char *difference_text(double x, double lo, double hi, struct arena *a) {
    return isnan(x) || isnan(lo) || isnan(hi)
               ? points_text(x, a)
               : arena_printf(a, "%s [%s, %s]", points_text(x, a), points_text(lo, a),
                              points_text(hi, a));
}

const char *p_text(double p, struct arena *a) {
    if (isnan(p))
        return "";
    return p < 0.0001 ? "< 0.0001" : arena_printf(a, p < 0.01 ? "%.4f" : "%.3f", p);
}

const char *verdict_text(const struct verdict *v, struct arena *a) {
    static const char *const words[] = {[VERDICT_A_BETTER] = "A better",
                                        [VERDICT_B_BETTER] = "B better",
                                        [VERDICT_EQUIVALENT] = "equivalent",
                                        [VERDICT_UNDECIDED] = "undecided"};
    return *v->why && v->word == VERDICT_UNDECIDED
               ? arena_printf(a, "%s: %s", words[v->word], v->why)
               : words[v->word];
}

const char *test_text(const struct verdict *v, struct arena *a) {
    const char *mark = v->incomplete ? "*" : "";
    return v->paired ? arena_printf(a, "%sn=%d%s", v->n_a > 1 ? "paired, " : "", v->n_a, mark)
                     : arena_printf(a, "%sn=%d vs %d%s", v->n_a > 1 && v->n_b > 1 ? "Welch, " : "",
                                    v->n_a, v->n_b, mark);
}

static struct listing_cell text(const char *t) {
    return (struct listing_cell){t, NAN, 0};
}

struct listing verdicts_listing(const struct summary *s, const struct verdicts *v, const char *name,
                                const char *title, const char *family) {
    static const struct listing_column columns[] = {
        {"task", "task", 0, FOR_ALL},
        {"a", "A", 0, FOR_ALL},
        {"b", "B", 0, FOR_ALL},
        {"difference", "A - B [interval]", 1, FOR_ALL},
        {"difference_lo", "from", 1, FOR_PROGRAMS},
        {"difference_hi", "to", 1, FOR_PROGRAMS},
        {"p", "p", 1, FOR_ALL},
        {"p_adjusted", "adjusted p", 1, FOR_ALL},
        {"test", "test", 0, FOR_ALL},
        {"verdict", "verdict", 0, FOR_ALL},
        {"smallest_detectable", "detectable", 1, FOR_ALL},
    };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    struct listing l = {.name = name,
                        .title = title,
                        .n_columns = COLUMNS,
                        .n_rows = v->n,
                        .column = ARENA_ARRAY(s->a, struct listing_column, COLUMNS),
                        .cell = ARENA_ARRAY(s->a, struct listing_cell, v->n * COLUMNS)};
    l.caption = arena_printf(
        s->a,
        "Differences in points over pretraining seeds; t-interval at the level at which the pair "
        "was tested, p adjusted by Holm's method over %s; margin %g point%s; detectable: the true "
        "difference that as many seeds find with a power of %g, at the spread seen here",
        family, v->margin, v->margin == 1 ? "" : "s", VERDICT_POWER);
    for (int c = 0; c < COLUMNS; c++)
        l.column[c] = columns[c];
    for (int i = 0; i < v->n; i++) {
        const struct verdict *d = &v->list[i];
        struct listing_cell *cell = l.cell + i * COLUMNS;
        *cell++ = text(summary_column_label(s, &s->column[d->column], " "));
        *cell++ = text(summary_label(s, &s->row[d->a], ", "));
        *cell++ = text(summary_label(s, &s->row[d->b], ", "));
        const double points[] = {d->difference.value, d->interval.lo, d->interval.hi};
        for (int k = 0; k < 3; k++)
            *cell++ = (struct listing_cell){points_text(points[k], s->a), points[k], 0};
        cell[-3].text = difference_text(points[0], points[1], points[2], s->a);
        *cell++ = (struct listing_cell){p_text(d->p, s->a), d->p, 0};
        *cell++ = (struct listing_cell){p_text(d->adjusted, s->a), d->adjusted, 0};
        *cell++ = text(test_text(d, s->a));
        *cell++ = text(verdict_text(d, s->a));
        *cell = (struct listing_cell){
            isnan(d->detectable) ? "" : arena_printf(s->a, "%.1f", d->detectable), d->detectable,
            0};
    }
    return l;
}
