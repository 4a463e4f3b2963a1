/* The short form of the verdicts, below the table. */
#include "reports/listing.h"
#include "reports/text_internal.h"
#include "reports/verdicts.h"

#include <math.h>
#include <string.h>

enum { PAGE = 100 };

/* "better", "undecided (3.2)" */
static const char *short_text(const struct verdict *v, struct arena *a) {
    static const char *const words[] = {[VERDICT_A_BETTER] = "better",
                                        [VERDICT_B_BETTER] = "worse",
                                        [VERDICT_EQUIVALENT] = "equivalent",
                                        [VERDICT_UNDECIDED] = "undecided"};
    if (v->word != VERDICT_UNDECIDED || v->adjusted <= VERDICT_ALPHA)
        return words[v->word];
    if (isnan(v->detectable))
        return v->why;
    return arena_printf(a, "undecided (%.1f)", v->detectable);
}

static void print_against_random(const struct summary *s, FILE *out) {
    const struct verdicts v = verdicts_against_random(s, VERDICT_MARGIN);
    const int columns = 1 + s->n_columns;
    struct listing l = {.title = "",
                        .caption = "",
                        .n_columns = columns,
                        .column = ARENA_ARRAY(s->a, struct listing_column, columns),
                        .cell = ARENA_ARRAY(s->a, struct listing_cell, s->n_rows * columns)};
    if (!v.n)
        return;
    l.column[0] = (struct listing_column){"method", "method", 0, FOR_ALL};
    for (int c = 0; c < s->n_columns; c++)
        l.column[c + 1].title = summary_column_label(s, &s->column[c], " ");
    for (int r = 0; r < s->n_rows; r++) {
        struct listing_cell *line = l.cell + l.n_rows * columns;
        int any = 0;
        line[0].text = summary_label(s, &s->row[r], ", ");
        for (int c = 0; c < s->n_columns; c++)
            line[c + 1].text = "no value";
        for (int i = 0; i < v.n; i++)
            if (v.list[i].a == r) {
                line[v.list[i].column + 1].text = short_text(&v.list[i], s->a);
                any = 1;
            }
        l.n_rows += any;
    }
    fprintf(out,
            "\nAgainst random, adjusted for all methods of a column (Holm), margin %g point;\n"
            "undecided: (true difference that as many seeds find with a power of %g)\n\n",
            v.margin, VERDICT_POWER);
    listing_write(&l, LISTING_TEXT, out);
}

/* "mae > simclr, dino; ": everything that row `winner` is surely better than in the column. */
static const char *wins(const struct summary *s, const struct verdicts *v, int winner, int column) {
    const char *said = "";
    for (int i = 0; i < v->n; i++) {
        const struct verdict *d = &v->list[i];
        int loser = d->word == VERDICT_A_BETTER && d->a == winner   ? d->b
                    : d->word == VERDICT_B_BETTER && d->b == winner ? d->a
                                                                    : -1;
        if (d->column != column || loser < 0)
            continue;
        said = arena_printf(
            s->a, "%s%s%s", said,
            *said ? ", " : arena_printf(s->a, "%s > ", summary_label(s, &s->row[winner], ", ")),
            summary_label(s, &s->row[loser], ", "));
    }
    return *said ? arena_printf(s->a, "%s; ", said) : "";
}

/* "linear shapes: mae > simclr; dino = beit; 1 of 3 undecided"; NULL where no pair was tested. */
static const char *column_text(const struct summary *s, const struct verdicts *v, int column) {
    const char *said = "";
    int undecided = 0, pairs = 0, tested = 0;
    for (int r = s->n_rows - 1; r >= 0; r--)
        said = arena_printf(s->a, "%s%s", said, wins(s, v, r, column));
    for (int i = 0; i < v->n; i++) {
        const struct verdict *d = &v->list[i];
        if (d->column != column)
            continue;
        pairs++;
        tested += !isnan(d->p);
        undecided += d->word == VERDICT_UNDECIDED;
        if (d->word == VERDICT_EQUIVALENT)
            said = arena_printf(s->a, "%s%s = %s; ", said, summary_label(s, &s->row[d->a], ", "),
                                summary_label(s, &s->row[d->b], ", "));
    }
    return tested ? arena_printf(s->a, "%s: %s%d of %d undecided",
                                 summary_column_label(s, &s->column[column], " "), said, undecided,
                                 pairs)
                  : NULL;
}

static void print_among_methods(const struct summary *s, FILE *out) {
    const struct verdicts v = verdicts_among_methods(s, VERDICT_MARGIN);
    int lines = 0;
    for (int c = 0; c < s->n_columns && v.n; c++) {
        const char *said = column_text(s, &v, c);
        if (said && !lines++)
            fputs(
                "\nMethods among themselves, adjusted for all pairs of a column (Holm): > better, "
                "= equivalent\n\n",
                out);
        if (said)
            fprintf(out, "%s\n", text_wrap(said, PAGE, s->a));
    }
}

void print_tops(const struct summary *s, const enum top *top, FILE *out) {
    const char *unknown = "";
    int tied = 0;
    for (int c = 0; c < s->n_columns; c++) {
        int one_seed = 0;
        for (int r = 0; r < s->n_rows; r++) {
            tied |= top[r * s->n_columns + c] == TOP_TIED;
            one_seed |= top[r * s->n_columns + c] == TOP_UNKNOWN;
        }
        if (one_seed)
            unknown = arena_printf(s->a, "%s%s%s", unknown, *unknown ? ", " : "",
                                   summary_column_label(s, &s->column[c], " "));
    }
    if (tied || *unknown)
        fputc('\n', out);
    if (tied)
        fputs("= cannot be told from the best of its column\n", out);
    if (*unknown)
        fprintf(out, "%s\n",
                text_wrap(arena_printf(s->a,
                                       "The best has one seed, so nothing is said of what is best: "
                                       "%s",
                                       unknown),
                          PAGE, s->a));
}

void print_verdicts(const struct summary *s, FILE *out) {
    print_against_random(s, out);
    print_among_methods(s, out);
}
