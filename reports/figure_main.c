/* The data of the main figure: every seed, mean and interval of every cell. */
#include "reports/difference_internal.h"
#include "reports/figures_internal.h"
#include "reports/text_internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { LABEL = 26, SECOND = 38, TITLE = 22, WIDE_TITLE = 44, FEW_PANELS = 2, NOTE = 34, ROWS = 48 };

struct range {
    double lo, hi, step;
};

static void include(struct range *r, double x) {
    if (isfinite(x)) {
        r->lo = fmin(r->lo, x);
        r->hi = fmax(r->hi, x);
    }
}

/* Chance (NAN: unknown) is in the panel unless that would press the results together. */
static struct range column_range(const struct summary *s, int c, double chance) {
    static const double steps[] = {0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 25};
    const double margin = 0.06, least = 4;
    const int ticks = s->n_columns > FEW_PANELS ? 4 : 8 / s->n_columns;
    struct range r = {INFINITY, -INFINITY, 50};
    for (int row = 0; row < s->n_rows; row++) {
        const struct summary_cell *cell = summary_at(s, row, c);
        for (int i = 0; i < cell->n; i++)
            include(&r, cell->top1[i]);
        include(&r, cell->level.lo);
        include(&r, cell->level.hi);
    }
    if (r.lo > r.hi)
        return (struct range){0, 100, 50};
    if (isfinite(chance) && (r.lo - chance <= r.hi - r.lo || r.hi - chance < least))
        include(&r, chance);
    double spread = fmax(r.hi - r.lo, least), middle = (r.lo + r.hi) / 2;
    double lo = fmin(r.lo, middle - spread / 2), hi = fmax(r.hi, middle + spread / 2);
    double up = lo < 0 && r.lo >= 0 ? -lo : 0, down = hi > 100 && r.hi <= 100 ? hi - 100 : 0;
    r.lo = lo + up - down - margin * spread;
    r.hi = hi + up - down + margin * spread;
    for (size_t i = sizeof steps / sizeof *steps; i-- > 0;)
        if ((r.hi - r.lo) / steps[i] <= ticks)
            r.step = steps[i];
    return r;
}

/* Groups of another backbone or dataset stand a little apart. */
static double *row_places(const struct summary *s) {
    const double apart = 0.45;
    double *y = ARENA_ARRAY(s->a, double, s->n_rows);
    for (int r = 1; r < s->n_rows; r++) {
        const struct summary_row *row = &s->row[r], *above = &s->row[r - 1];
        int other = strcmp(row->backbone, above->backbone) || strcmp(row->dataset, above->dataset);
        y[r] = y[r - 1] + 1 + (other ? apart : 0);
    }
    return y;
}

/* The number of seeds that most cells have. */
static int usual_n(const struct summary *s) {
    int usual = 0, most = 0;
    for (int i = 0; i < s->n_rows * s->n_columns; i++) {
        int same = 0, n = s->cell[i].n;
        for (int j = 0; j < s->n_rows * s->n_columns; j++)
            same += s->cell[j].n == n;
        if (n && same > most) {
            most = same;
            usual = n;
        }
    }
    return usual;
}

/* What a reader must know of one cell, or "". */
static const char *cell_note(const struct summary_cell *cell, int usual, struct arena *a) {
    const char *text = "", *of = "";
    int waiting = 0;
    for (int i = 0; i < cell->n_gaps; i++)
        waiting += !strcmp(cell->gap[i].word, NOT_EVALUATED);
    if (waiting)
        of = arena_printf(a, " of %d", cell->n + waiting);
    if (cell->n && (cell->n != usual || cell->n_gaps || cell_n_incomplete(cell)))
        text = arena_printf(a, "n = %d%s%s", cell->n, of, cell_n_incomplete(cell) ? "*" : "");
    for (int i = 0; i < cell->n_gaps; i++) {
        int same = 0, earlier = 0;
        for (int j = 0; j < cell->n_gaps; j++)
            if (!strcmp(cell->gap[i].word, cell->gap[j].word)) {
                same++;
                earlier |= j < i;
            }
        if (cell->n && !strcmp(cell->gap[i].word, NOT_EVALUATED))
            continue;
        if (!earlier && (cell->n || same < cell->n_gaps))
            text = arena_printf(a, "%s%s%d %s", text, *text ? ", " : "", same, cell->gap[i].word);
        else if (!earlier)
            text = cell->gap[i].word;
    }
    if (!cell->n && !cell->n_gaps)
        text = "no run";
    if (cell->wilson)
        text = arena_printf(a, "%s%sWilson", text, *text ? ", " : "");
    return text;
}

static void put_panels(const struct summary *s, struct range *ranges, FILE *dat) {
    fputs("# panels\n# number\tfrom\tto\tstep\tchance\tprotocol\tdataset\n", dat);
    int most = s->n_columns > FEW_PANELS ? TITLE : WIDE_TITLE;
    for (int c = 0; c < s->n_columns; c++) {
        const struct summary_column *column = &s->column[c];
        const int is_top1 = !*column->metric || !strncmp(column->metric, "top1", strlen("top1"));
        double chance = column->classes > 1 && is_top1 ? 100.0 / column->classes : NAN;
        ranges[c] = column_range(s, c, chance);
        fprintf(dat, "%d\t%.6g\t%.6g\t%g\t%.4g\t%s\t%s\n", c + 1, ranges[c].lo, ranges[c].hi,
                ranges[c].step, chance,
                figure_text(arena_printf(s->a, "%s %s%s%s", column->protocol, column->metric,
                                         *column->metric ? " " : "", column->version),
                            most, s->a),
                figure_text(column->dataset, most, s->a));
    }
}

static void put_rows(const struct summary *s, const double *y, FILE *dat) {
    fputs("\n\n# rows\n# y\tlook\tlabel\tsecond line, - is none\n", dat);
    for (int r = 0; r < s->n_rows; r++) {
        const char *label = summary_label(s, &s->row[r], " · ");
        const char *method = text_clean(s->row[r].method, s->a), *rest = label + strlen(method);
        if (*rest)
            rest += strlen(" · ");
        fprintf(dat, "%g\t%d\t%s\t%s\n", y[r], s->row[r].id, figure_text(method, LABEL, s->a),
                figure_text(*rest ? rest : "-", SECOND, s->a));
    }
}

static void put_seeds(const struct summary *s, const double *y, FILE *dat) {
    fputs("\n\n# seeds\n# panel\ty\tlook\ttop1 %\tpretraining seed\n", dat);
    for (int c = 0; c < s->n_columns; c++)
        for (int r = 0; r < s->n_rows; r++) {
            const struct summary_cell *cell = summary_at(s, r, c);
            for (int i = 0; i < cell->n; i++)
                fprintf(dat, "%d\t%g\t%d\t%.6g\t%" PRId64 "\n", c + 1, y[r], s->row[r].id,
                        cell->top1[i], cell->run[i]->seed);
        }
}

static void put_means(const struct summary *s, const double *y, FILE *dat) {
    fputs("\n\n# means\n# panel\ty\tlook\tmean %\tfrom\tto\tn\tof which not complete\n", dat);
    for (int c = 0; c < s->n_columns; c++)
        for (int r = 0; r < s->n_rows; r++) {
            const struct summary_cell *cell = summary_at(s, r, c);
            if (cell->n)
                fprintf(dat, "%d\t%g\t%d\t%.6g\t%.6g\t%.6g\t%d\t%d\n", c + 1, y[r], s->row[r].id,
                        cell->level.mean, cell->level.lo, cell->level.hi, cell->n,
                        cell_n_incomplete(cell));
        }
}

/* Beside its row, on the side of the panel that has room.  A block must not be empty: the panel 0
 * is never drawn. */
static void put_notes(const struct summary *s, const double *y, const struct range *ranges,
                      int usual, FILE *dat) {
    fputs("\n\n# notes\n# panel\ty\tx\tside: 1 right of x, -1 left of x\ttext\n0\t0\t0\t1\t-\n",
          dat);
    for (int c = 0; c < s->n_columns; c++)
        for (int r = 0; r < s->n_rows; r++) {
            const struct summary_cell *cell = summary_at(s, r, c);
            const char *text = cell_note(cell, usual, s->a);
            if (!*text)
                continue;
            double at = cell->n ? cell->level.mean : ranges[c].hi;
            int side = at < (ranges[c].lo + ranges[c].hi) / 2 ? 1 : -1;
            fprintf(dat, "%d\t%g\t%.6g\t%d\t%s\n", c + 1, y[r] + (cell->n ? 0.33 : 0), at, side,
                    figure_text(text, NOTE, s->a));
        }
}

static const char *caption(const struct summary *s, int usual) {
    int other = 0, incomplete = 0, single = 0, cut = 0, wilson = 0;
    for (int i = 0; i < s->n_rows * s->n_columns; i++) {
        const struct summary_cell *cell = &s->cell[i];
        other += cell->n && cell->n != usual;
        incomplete += cell_n_incomplete(cell) > 0;
        single += cell->n == 1;
        cut += cell->cut;
        wilson += cell->wilson;
    }
    const char *unless = other ? " unless noted" : "";
    const char *what =
        s->other_metrics ? "Top-1 accuracy, or what a panel names," : "Top-1 accuracy";
    const char *text =
        usual == 1 && !other
            ? arena_printf(
                  s->a, "%s in %%. One pretraining seed (n = 1): no interval can be given.", what)
            : arena_printf(s->a,
                           "%s in %%. Filled: mean; bar: its 95 %% t-interval; open: "
                           "every pretraining seed, n = %d%s.%s",
                           what, usual, unless, single ? " One seed has no interval." : "");
    const char *common = summary_common(s);
    if (*common)
        text = arena_printf(s->a, "%s Encoder: %s.", text, common);
    if (cut)
        text = arena_printf(s->a, "%s Intervals are cut at 0 and 100 %%.", text);
    if (wilson)
        text = arena_printf(s->a,
                            "%s Wilson: every seed is at 0 or 100 %%, the bar is Wilson's 95 %% "
                            "interval over the test images.",
                            text);
    if (incomplete)
        text = arena_printf(s->a, "%s *: with a run that is not complete.", text);
    return text;
}

static double mean_of_row(const struct summary *s, int r) {
    double sum = 0;
    int n = 0;
    for (int c = 0; c < s->n_columns; c++)
        if (summary_at(s, r, c)->n) {
            sum += summary_at(s, r, c)->level.mean;
            n++;
        }
    return n ? sum / n : -1;
}

/* The summary with the rows of the largest means, and random, which they are to be above. */
static struct summary best_rows(const struct summary *s, int most) {
    struct summary part = *s;
    double *mean = ARENA_ARRAY(s->a, double, s->n_rows);
    part.n_rows = 0;
    part.row = ARENA_ARRAY(s->a, struct summary_row, s->n_rows);
    part.cell = ARENA_ARRAY(s->a, struct summary_cell, s->n_rows * s->n_columns);
    for (int r = 0; r < s->n_rows; r++)
        mean[r] = strcmp(s->row[r].method, "random") ? mean_of_row(s, r) : INFINITY;
    for (int r = 0; r < s->n_rows; r++) {
        int better = 0;
        for (int q = 0; q < s->n_rows; q++)
            better += mean[q] > mean[r] || (q > r && mean[q] == mean[r]);
        if (better >= most)
            continue;
        memcpy(part.cell + part.n_rows * s->n_columns, summary_at(s, r, 0),
               sizeof *part.cell * (size_t)s->n_columns);
        part.row[part.n_rows++] = s->row[r];
    }
    return part;
}

int figure_main(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary part = best_rows(in->summary, ROWS), *s = &part;
    int values = 0;
    for (int i = 0; i < s->n_rows * s->n_columns; i++)
        values += s->cell[i].n;
    if (!values)
        return 0;
    struct range *ranges = ARENA_ARRAY(s->a, struct range, s->n_columns);
    const double *y = row_places(s);
    int usual = usual_n(s), left_out = in->summary->n_rows - s->n_rows;
    const char *text = caption(s, usual);
    if (left_out)
        text = arena_printf(s->a, "%s The %d lines with the lowest means are left out.", text,
                            left_out);
    figure_head("main", dat);
    put_panels(s, ranges, dat);
    put_rows(s, y, dat);
    put_seeds(s, y, dat);
    put_means(s, y, dat);
    put_notes(s, y, ranges, usual, dat);
    figure_caption_flagged(in, text, FLAG_COMPARISON, dat);
    return values;
}
