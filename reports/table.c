/* The table in the terminal: names may be any UTF-8, everything else is ASCII. */
#include "reports/report.h"

#include "core/file.h"
#include "reports/difference_internal.h"
#include "reports/summary_internal.h"
#include "reports/text_internal.h"
#include "reports/verdicts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* The numbers of a cell: the mean is aligned to the right, what follows to the left. */
struct text_cell {
    const char *mean, *rest; /* mean "" where there is no value: rest says why */
};

struct notes {
    const char **text;
    int n;
};

struct block {
    const struct summary *s;
    struct text_cell *cell; /* (n_rows, n_columns) */
    const char **label;     /* (n_rows), NULL: the row is left out */
};

static struct block block_new(const struct summary *s) {
    return (struct block){s, ARENA_ARRAY(s->a, struct text_cell, s->n_rows * s->n_columns),
                          ARENA_ARRAY(s->a, const char *, s->n_rows)};
}

/* "(2)" for a text said once below the table. */
static const char *note(struct notes *notes, const char *text, struct arena *a) {
    int i = 0;
    while (i < notes->n && strcmp(notes->text[i], text))
        i++;
    if (i == notes->n)
        notes->text[notes->n++] = text;
    return arena_printf(a, " (%d)", i + 1);
}

/* One note for all runs of the cell that have the same word and reason. */
static const char *gap_notes(const struct summary *s, int row, const struct summary_cell *cell,
                             struct notes *notes) {
    const char *marks = "";
    for (int i = 0; i < cell->n_gaps; i++) {
        const struct summary_gap *gap = &cell->gap[i];
        const char *seeds = "";
        if (!cell->n && !*gap->reason)
            continue; /* the word in the cell says it all */
        int earlier = 0, n = 0;
        for (int j = 0; j < cell->n_gaps; j++) {
            const struct summary_gap *other = &cell->gap[j];
            if (strcmp(gap->word, other->word) || strcmp(gap->reason, other->reason))
                continue;
            earlier |= j < i;
            seeds = arena_printf(s->a, "%s%s%" PRId64, seeds, n++ ? ", " : "", other->run->seed);
        }
        if (earlier)
            continue;
        const char *text =
            arena_printf(s->a, "%s, seed%s %s: %s%s%s", summary_label(s, &s->row[row], ", "),
                         n > 1 ? "s" : "", seeds, gap->word, *gap->reason ? ": " : "", gap->reason);
        marks = arena_printf(s->a, "%s%s", marks, note(notes, text, s->a));
    }
    return marks;
}

static const char *why_empty(const struct summary_cell *cell) {
    if (!cell->n_gaps)
        return "no run";
    for (int i = 1; i < cell->n_gaps; i++)
        if (strcmp(cell->gap[i].word, cell->gap[0].word))
            return "no value";
    return cell->gap[0].word;
}

static struct text_cell level_cell(const struct summary *s, int r, int c, enum top top,
                                   struct notes *notes) {
    const struct summary_cell *cell = summary_at(s, r, c);
    const char *marks = gap_notes(s, r, cell, notes);
    if (!cell->n)
        return (struct text_cell){"", arena_printf(s->a, "%s%s", why_empty(cell), marks)};
    if (cell->wilson)
        marks = arena_printf(
            s->a, "%s%s", marks,
            note(notes,
                 arena_printf(s->a,
                              "every seed is at 0 or 100 %%: Wilson's 95 %% interval over the %d "
                              "test images",
                              cell->images),
                 s->a));
    if (cell->cut)
        marks = arena_printf(s->a, "%s%s", marks,
                             note(notes, "the interval is cut at 0 or 100 %", s->a));
    const char *interval =
        cell->n > 1 ? arena_printf(s->a, "[%.1f, %.1f] ", cell->level.lo, cell->level.hi) : "";
    return (struct text_cell){
        arena_printf(s->a, "%s%.1f", top == TOP_TIED ? "=" : "", cell->level.mean),
        arena_printf(s->a, "%sn=%d%s%s", interval, cell->n, cell_n_incomplete(cell) ? "*" : "",
                     marks)};
}

/* ---- differences to `random` ---- */

static const char *signed_number(double x, struct arena *a) {
    return arena_printf(a, "%+.1f", fabs(x) < 0.05 ? 0.0 : x);
}

static struct text_cell difference_cell(const struct summary *s, const struct summary_cell *cell,
                                        const struct summary_cell *base) {
    struct summary_difference d;
    if (!summary_difference(s, cell, base, &d))
        return (struct text_cell){"", cell->n ? "random has no value" : "no value"};
    const char *n = d.pairs ? arena_printf(s->a, "n=%d", d.pairs)
                            : arena_printf(s->a, "n=%d vs %d", cell->n, base->n);
    const char *interval = isfinite(d.interval.lo) && !d.certain
                               ? arena_printf(s->a, "[%s, %s] ", signed_number(d.interval.lo, s->a),
                                              signed_number(d.interval.hi, s->a))
                               : "";
    return (struct text_cell){signed_number(d.interval.mean, s->a),
                              arena_printf(s->a, "%s%s%s", interval, n, d.incomplete ? "*" : "")};
}

static int difference_block(const struct summary *s, struct block *block) {
    int lines = 0;
    for (int r = 0; r < s->n_rows; r++) {
        int base = summary_baseline(s, &s->row[r]);
        if (!strcmp(s->row[r].method, "random") || base == -1)
            continue;
        block->label[r] = summary_label(s, &s->row[r], ", ");
        lines++;
        for (int c = 0; c < s->n_columns; c++)
            block->cell[r * s->n_columns + c] =
                base < 0 ? (struct text_cell){"", "several settings of random"}
                         : difference_cell(s, summary_at(s, r, c), summary_at(s, base, c));
    }
    return lines;
}

/* ---- printing ---- */

static void pad(FILE *out, int columns) {
    fprintf(out, "%*s", columns > 0 ? columns : 0, "");
}

static int larger(int a, int b) {
    return a > b ? a : b;
}

/* The widest mean and the widest cell of a column, its head included. */
static void measure(const struct block *block, int c, const char *head, int *mean, int *whole) {
    const struct summary *s = block->s;
    *mean = 0;
    *whole = text_width(head);
    for (int r = 0; r < s->n_rows; r++)
        if (block->label[r])
            *mean = larger(*mean, text_width(block->cell[r * s->n_columns + c].mean));
    for (int r = 0; r < s->n_rows; r++) {
        const struct text_cell *cell = &block->cell[r * s->n_columns + c];
        if (block->label[r])
            *whole = larger(*whole, (*cell->mean ? *mean + 1 : 0) + text_width(cell->rest));
    }
}

/* Lines have no blanks at their ends. */
static void print_block(const struct block *block, FILE *out) {
    const struct summary *s = block->s;
    const char *corner = "method";
    int *mean = ARENA_ARRAY(s->a, int, s->n_columns), *whole = ARENA_ARRAY(s->a, int, s->n_columns);
    int first = text_width(corner), last = s->n_columns - 1;
    for (int r = 0; r < s->n_rows; r++)
        if (block->label[r])
            first = larger(first, text_width(block->label[r]));
    fputs(corner, out);
    pad(out, first - text_width(corner));
    for (int c = 0; c <= last; c++) {
        const char *head = summary_column_label(s, &s->column[c], " ");
        measure(block, c, head, &mean[c], &whole[c]);
        fprintf(out, "   %s", head);
        pad(out, c < last ? whole[c] - text_width(head) : 0);
    }
    fputc('\n', out);
    for (int r = 0; r < s->n_rows; r++) {
        if (!block->label[r])
            continue;
        fputs(block->label[r], out);
        pad(out, first - text_width(block->label[r]));
        for (int c = 0; c <= last; c++) {
            const struct text_cell *cell = &block->cell[r * s->n_columns + c];
            int before = *cell->mean ? mean[c] + 1 : 0;
            fputs("   ", out);
            pad(out, before - 1 - text_width(cell->mean));
            fprintf(out, "%s%s%s", cell->mean, *cell->mean ? " " : "", cell->rest);
            pad(out, c < last ? whole[c] - before - text_width(cell->rest) : 0);
        }
        fputc('\n', out);
    }
}

static int has_value(const struct summary *s, int r, const struct run *run) {
    for (int c = 0; c < s->n_columns; c++)
        for (int i = 0; i < summary_at(s, r, c)->n; i++)
            if (summary_at(s, r, c)->run[i] == run)
                return 1;
    return 0;
}

/* Runs without a value have notes. */
static void print_incomplete(const struct summary *s, FILE *out) {
    enum { SHOWN = 10 };
    int n = 0;
    for (int r = 0; r < s->n_rows; r++)
        for (int i = 0; i < s->row[r].n_runs; i++) {
            const struct run *run = s->row[r].run[i];
            if (run_is_complete(run) || !has_value(s, r, run) || n++ >= SHOWN)
                continue;
            fprintf(out, "* not complete: %s (%s)\n", text_clean(run->run_id, s->a),
                    text_clean(run->status, s->a));
        }
    if (n > SHOWN)
        fprintf(out, "* and %d more\n", n - SHOWN);
}

/* A value that comes from an encoder with something wrong must not stand there alone. */
static void print_findings(const struct summary *s, FILE *out) {
    for (int r = 0; r < s->n_rows; r++)
        for (int i = 0; i < s->row[r].n_runs; i++) {
            const struct run *run = s->row[r].run[i];
            if (run->finding && *run->finding)
                fprintf(out, "! %s: %s\n", text_clean(run->run_id, s->a),
                        text_clean(run->finding, s->a));
        }
}

static void print_table(const struct summary *s, FILE *out) {
    /* A cell has at most a note for each run and two of its own. */
    int most = 1;
    for (int i = 0; i < s->n_rows * s->n_columns; i++)
        most += s->cell[i].n_gaps + 2;
    struct notes notes = {ARENA_ARRAY(s->a, const char *, most), 0};
    struct block levels = block_new(s), differences = block_new(s);
    const enum top *top = summary_tops(s);
    for (int r = 0; r < s->n_rows; r++) {
        levels.label[r] = summary_label(s, &s->row[r], ", ");
        for (int c = 0; c < s->n_columns; c++)
            levels.cell[r * s->n_columns + c] =
                level_cell(s, r, c, top[r * s->n_columns + c], &notes);
    }
    fprintf(out, "Top-1 accuracy%s in %%: mean [95 %% t-interval], n = pretraining seeds\n",
            s->other_metrics ? ", or what a column names," : "");
    const char *common = summary_common(s);
    if (*common)
        fprintf(out, "%s\n", common);
    fputc('\n', out);
    print_block(&levels, out);
    print_tops(s, top, out);
    if (difference_block(s, &differences)) {
        fprintf(out, "\nDifference to random in points: mean [95 %% t-interval], paired by "
                     "pretraining seed (n pairs);\n\"n=a vs b\": no shared seeds, Welch\n\n");
        print_block(&differences, out);
    }
    print_verdicts(s, out);
    print_budgets(s, out);
    if (notes.n)
        fputc('\n', out);
    for (int i = 0; i < notes.n; i++)
        fprintf(out, "(%d) %s\n", i + 1, notes.text[i]);
    print_findings(s, out);
    print_incomplete(s, out);
    for (int i = 0; i < s->n_repeats; i++)
        fprintf(out, "%s\n", s->repeat[i]);
}

int report_table(struct run *const *runs, int n_runs, FILE *out, struct error *err) {
    struct arena a = {0};
    const struct summary s = summary_of(runs, n_runs, &a);
    if (s.n_columns)
        print_table(&s, out);
    else
        fprintf(out, "%d run%s, none evaluated\n", n_runs, n_runs == 1 ? "" : "s");
    arena_free(&a);
    return stream_written(out, "the table", err);
}
