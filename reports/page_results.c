/* What came out, in sentences: nothing is said that an interval does not say. */
#include "reports/page_internal.h"

#include "reports/difference_internal.h"
#include "reports/html_internal.h"

#include <math.h>
#include <string.h>

enum { SENTENCES = 12 };

static int is_reference(const struct summary_row *row) {
    return !strcmp(row->method, "random") || !strcmp(row->method, "supervised");
}

/* The row with the highest mean among those that are, or are not, references; -1: none has one. */
static int best_row(const struct summary *s, int c, int references, int *n) {
    int best = -1;
    *n = 0;
    for (int r = 0; r < s->n_rows; r++) {
        const struct summary_cell *cell = summary_at(s, r, c);
        if (!cell->n || is_reference(&s->row[r]) != references ||
            (references && !strcmp(s->row[r].method, "random")))
            continue;
        ++*n;
        if (best < 0 || cell->level.mean > summary_at(s, best, c)->level.mean)
            best = r;
    }
    return best;
}

static const char *level(const struct summary *s, const struct summary_cell *cell) {
    if (cell->n < 2)
        return arena_printf(s->a, "%.1f %% (one seed)", cell->level.mean);
    return arena_printf(s->a, "%.1f %% [%.1f, %.1f] (n = %d)", cell->level.mean, cell->level.lo,
                        cell->level.hi, cell->n);
}

static const char *above_random(const struct summary *s, int r, int c) {
    const int base = summary_baseline(s, &s->row[r]);
    struct summary_difference d;
    if (base < 0 || !summary_difference(s, summary_at(s, r, c), summary_at(s, base, c), &d))
        return "";
    const double lo = d.interval.lo, hi = d.interval.hi;
    if (!isfinite(lo) || d.certain)
        return arena_printf(s->a, ", %+.1f points to random; nothing is known of the spread",
                            d.interval.mean);
    return arena_printf(s->a, ", %+.1f points to random [%+.1f, %+.1f], an interval %s 0",
                        d.interval.mean, lo, hi, lo > 0 || hi < 0 ? "without" : "with");
}

static const char *sentence(const struct summary *s, int c) {
    int n, n_ceilings;
    const int best = best_row(s, c, 0, &n), ceiling = best_row(s, c, 1, &n_ceilings);
    const char *text = "";
    if (best >= 0)
        text = arena_printf(s->a, "%s %s, %s%s.", summary_label(s, &s->row[best], ", "),
                            n > 1 ? arena_printf(s->a, "has the highest mean of %d", n) : "reaches",
                            level(s, summary_at(s, best, c)), above_random(s, best, c));
    if (ceiling >= 0)
        text = arena_printf(s->a, "%s%s%s reaches %s.", text, *text ? " " : "",
                            summary_label(s, &s->row[ceiling], ", "),
                            level(s, summary_at(s, ceiling, c)));
    return text;
}

void page_put_results(const struct summary *s, FILE *out) {
    int said = 0;
    for (int c = 0; c < s->n_columns && said < SENTENCES; c++) {
        const char *text = sentence(s, c);
        if (!*text)
            continue;
        fputs(said++ ? "" : "<ul class=\"results\">\n", out);
        fputs("<li><b>", out);
        html_put(summary_column_label(s, &s->column[c], ", "), out);
        fputs(":</b> ", out);
        html_put_signs(text, out);
        fputs("</li>\n", out);
    }
    if (said)
        fputs("</ul>\n<p class=\"lead\">In brackets: 95 % intervals over pretraining seeds, each "
              "for itself. A highest mean is not a winner: neighbours may be as good.</p>\n",
              out);
}
