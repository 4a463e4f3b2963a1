/* What the methods reach: a line a method for people, a line each method and protocol for both. */
#include "reports/difference_internal.h"
#include "reports/listings_internal.h"
#include "reports/summary_internal.h"
#include "reports/text_internal.h"
#include "reports/verdicts.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define INTERVAL "95 % t-interval over pretraining seeds"

const char *cell_why_empty(const struct summary_cell *cell) {
    if (!cell->n_gaps)
        return "no run";
    for (int i = 1; i < cell->n_gaps; i++)
        if (strcmp(cell->gap[i].word, cell->gap[0].word))
            return "no value";
    return cell->gap[0].word;
}

static const char *signed_number(double x, struct arena *a) {
    return arena_printf(a, "%+.1f", fabs(x) < 0.05 ? 0.0 : x);
}

/* "52.0 [47.0, 57.0]*", with n where it is not the usual one. */
static const char *level_text(const struct summary_cell *cell, int usual, struct arena *a) {
    if (!cell->n)
        return cell_why_empty(cell);
    const char *interval =
        cell->n > 1 ? arena_printf(a, " [%.1f, %.1f]", cell->level.lo, cell->level.hi) : "";
    const char *n = cell->n != usual ? arena_printf(a, " n=%d", cell->n) : "";
    return arena_printf(a, "%.1f%s%s%s", cell->level.mean, interval, n,
                        cell_n_incomplete(cell) ? " *" : "");
}

/* The most frequent number of seeds. */
static int usual_seeds(const struct summary *s, struct arena *a) {
    int most = 0, usual = 0;
    for (int i = 0; i < s->n_rows * s->n_columns; i++)
        most = s->cell[i].n > most ? s->cell[i].n : most;
    int *cells = ARENA_ARRAY(a, int, most + 1);
    for (int i = 0; i < s->n_rows * s->n_columns; i++)
        cells[s->cell[i].n]++;
    for (int n = 1; n <= most; n++)
        if (!usual || cells[n] > cells[usual])
            usual = n;
    return usual;
}

/* ---- what must be said below a table of levels ---- */

/* Reasons that several runs of a cell share are one. */
static void note_gaps(struct listing *l, const struct summary *s, int r,
                      const struct summary_cell *cell, struct arena *a) {
    for (int i = 0; i < cell->n_gaps; i++) {
        const struct summary_gap *gap = &cell->gap[i];
        const char *seeds = "";
        int earlier = 0, n = 0;
        for (int k = 0; k < cell->n_gaps; k++) {
            const struct summary_gap *other = &cell->gap[k];
            if (strcmp(other->word, gap->word) || strcmp(other->reason, gap->reason))
                continue;
            earlier |= k < i;
            seeds = arena_printf(a, "%s%s%" PRId64, seeds, n++ ? ", " : "", other->run->seed);
        }
        if (!earlier && *gap->reason)
            listing_note(l,
                         arena_printf(a, "%s, seed%s %s: %s: %s",
                                      summary_label(s, &s->row[r], ", "), n > 1 ? "s" : "", seeds,
                                      gap->word, gap->reason),
                         a);
    }
}

static void note_findings(struct listing *l, const struct summary *s, struct arena *a) {
    for (int r = 0; r < s->n_rows; r++)
        for (int i = 0; i < s->row[r].n_runs; i++) {
            const struct run *run = s->row[r].run[i];
            if (run->finding && *run->finding)
                listing_note(l, arena_printf(a, "%s: %s.", run->run_id, run->finding), a);
        }
}

static void note_intervals(struct listing *l, const struct summary_cell *cell, struct arena *a) {
    if (cell_n_incomplete(cell))
        listing_note(l, "*: with a run that is not complete.", a);
    if (cell->wilson)
        listing_note(l,
                     "Where every seed is at 0 or 100 %, the interval is Wilson's over the test "
                     "images.",
                     a);
    if (cell->cut)
        listing_note(l, "Intervals are cut at 0 and 100 %.", a);
}

static void add_notes(struct listing *l, const struct summary *s, struct arena *a) {
    enum { MOST = 24 };
    for (int i = 0; i < s->n_rows * s->n_columns; i++)
        note_intervals(l, &s->cell[i], a);
    note_findings(l, s, a);
    for (int r = 0; r < s->n_rows; r++)
        for (int c = 0; c < s->n_columns; c++)
            note_gaps(l, s, r, summary_at(s, r, c), a);
    for (int i = 0; i < s->n_repeats; i++)
        listing_note(l, s->repeat[i], a);
    if (l->n_notes > MOST) {
        const char *rest = arena_printf(
            a, "%d more notes: the tables runs and seeds have all of it.", l->n_notes - MOST);
        l->n_notes = MOST;
        listing_note(l, rest, a);
    }
}

/* ---- a line a method ---- */

enum { LABELS = 5, NUMBERS = 5 }; /* columns of a row, columns of a protocol */

/* "linear_shapes" of a column, fit for a field of CSV, and none of the n names that there are. */
static const char *field_name(const struct summary *s, int c, const char *const *names, int n,
                              struct arena *a) {
    char *name = arena_strdup(a, summary_column_label(s, &s->column[c], "_"));
    for (char *x = name; *x; x++)
        *x = isalnum((unsigned char)*x) ? (char)tolower((unsigned char)*x) : '_';
    for (int k = 0; k < n; k++)
        if (!strcmp(name, names[k]))
            return arena_printf(a, "%s_%d", name, c + 1);
    return name;
}

static struct listing_column *method_columns(const struct summary *s, struct arena *a) {
    static const struct listing_column labels[LABELS] = {
        {"label", "method", 0, FOR_PEOPLE},
        {"method", "method", 0, FOR_PROGRAMS},
        {"backbone", "backbone", 0, FOR_PROGRAMS},
        {"pretrained_on", "pretrained on", 0, FOR_PROGRAMS},
        {"settings", "settings", 0, FOR_PROGRAMS}};
    static const char *const parts[NUMBERS] = {"", "mean", "lo", "hi", "n"};
    struct listing_column *columns =
        ARENA_ARRAY(a, struct listing_column, LABELS + NUMBERS * s->n_columns);
    const char **names = ARENA_ARRAY(a, const char *, s->n_columns);
    memcpy(columns, labels, sizeof labels);
    for (int c = 0; c < s->n_columns; c++) {
        struct listing_column *of = columns + LABELS + NUMBERS * c;
        const char *title = summary_column_label(s, &s->column[c], " ");
        names[c] = field_name(s, c, names, c, a);
        of[0] = (struct listing_column){names[c], title, 1, FOR_PEOPLE};
        for (int i = 1; i < NUMBERS; i++)
            of[i] = (struct listing_column){arena_printf(a, "%s_%s", names[c], parts[i]),
                                            arena_printf(a, "%s, %s", title, parts[i]), 1,
                                            FOR_PROGRAMS};
    }
    return columns;
}

/* Method, backbone, data of pretraining and variant, from column `first` on. */
static void put_row_names(struct listing *l, int line, int first, const struct summary_row *row) {
    const char *const names[] = {row->method, row->backbone, row->run[0]->dataset, row->variant};
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        listing_set_text(l, line, first + i, names[i]);
}

static int has_other_numbers_of_seeds(const struct summary *s, int usual) {
    for (int i = 0; i < s->n_rows * s->n_columns; i++)
        if (s->cell[i].n && s->cell[i].n != usual)
            return 1;
    return 0;
}

static const char *methods_caption(const struct summary *s, int usual, struct arena *a) {
    const char *common = s->n_rows ? summary_common(s) : "";
    const int other = has_other_numbers_of_seeds(s, usual);
    const char *what =
        s->other_metrics ? "Top-1 accuracy, or what a column names," : "Top-1 accuracy";
    const char *seeds = usual > 1 || other ? arena_printf(a, "mean [%s], n = %d%s", INTERVAL, usual,
                                                          other ? " unless noted" : "")
                                           : "one pretraining seed, so no interval";
    return arena_printf(a, "%s in %%: %s.%s%s%s", what, seeds, *common ? " Encoder: " : "", common,
                        *common ? "." : "");
}

struct listing *listing_methods(const struct listing_input *in, struct arena *a) {
    const struct summary *s = in->summary;
    const int usual = usual_seeds(s, a);
    const enum top *top = summary_tops(s);
    struct listing *l =
        listing_new("methods", "Methods by protocol", methods_caption(s, usual, a),
                    method_columns(s, a), LABELS + NUMBERS * s->n_columns, s->n_rows, a);
    for (int r = 0; r < s->n_rows; r++) {
        listing_set_text(l, r, 0, summary_label(s, &s->row[r], ", "));
        put_row_names(l, r, 1, &s->row[r]);
        for (int c = 0; c < s->n_columns; c++) {
            const struct summary_cell *cell = summary_at(s, r, c);
            const int at = LABELS + NUMBERS * c;
            const double parts[] = {cell->level.mean, cell->level.lo, cell->level.hi};
            listing_set_number(l, r, at, cell->level.mean, level_text(cell, usual, a), a);
            const enum top place = top[r * s->n_columns + c];
            listing_at(l, r, at)->marked = place == TOP_BEST || place == TOP_TIED;
            for (int i = 0; i < 3; i++)
                listing_set_number(l, r, at + 1 + i, parts[i], NULL, a);
            listing_set_number(l, r, at + 4, cell->n, NULL, a);
        }
    }
    add_notes(l, s, a);
    return l;
}

/* ---- a line each method and protocol ---- */

enum result_field {
    R_LABEL,
    R_METHOD,
    R_BACKBONE,
    R_DATA,
    R_SETTINGS,
    R_PROTOCOL,
    R_DATASET,
    R_VERSION,
    R_METRIC,
    R_LEVEL,
    R_MEAN,
    R_LO,
    R_HI,
    R_N,
    R_IMAGES,
    R_INTERVAL,
    R_DIFFERENCE,
    R_D_MEAN,
    R_D_LO,
    R_D_HI,
    R_D_PAIRS,
    R_OUTCOME,
    R_FIELDS
};

static const struct listing_column result_columns[R_FIELDS] = {
    [R_LABEL] = {"label", "method", 0, FOR_PEOPLE},
    [R_METHOD] = {"method", "method", 0, FOR_PROGRAMS},
    [R_BACKBONE] = {"backbone", "backbone", 0, FOR_PROGRAMS},
    [R_DATA] = {"pretrained_on", "pretrained on", 0, FOR_PROGRAMS},
    [R_SETTINGS] = {"settings", "settings", 0, FOR_PROGRAMS},
    [R_PROTOCOL] = {"protocol", "protocol", 0, FOR_ALL},
    [R_DATASET] = {"dataset", "dataset", 0, FOR_ALL},
    [R_VERSION] = {"protocol_version", "version", 0, FOR_PROGRAMS},
    [R_METRIC] = {"metric", "metric", 0, FOR_ALL},
    [R_LEVEL] = {"level", "mean [95 % interval]", 1, FOR_PEOPLE},
    [R_MEAN] = {"mean", "mean", 1, FOR_PROGRAMS},
    [R_LO] = {"lo", "lower end", 1, FOR_PROGRAMS},
    [R_HI] = {"hi", "upper end", 1, FOR_PROGRAMS},
    [R_N] = {"n", "n", 1, FOR_ALL},
    [R_IMAGES] = {"test_images", "test images", 1, FOR_PROGRAMS},
    [R_INTERVAL] = {"interval", "interval", 0, FOR_PROGRAMS},
    [R_DIFFERENCE] = {"difference", "difference to random", 1, FOR_PEOPLE},
    [R_D_MEAN] = {"difference_mean", "difference to random", 1, FOR_PROGRAMS},
    [R_D_LO] = {"difference_lo", "lower end", 1, FOR_PROGRAMS},
    [R_D_HI] = {"difference_hi", "upper end", 1, FOR_PROGRAMS},
    [R_D_PAIRS] = {"difference_pairs", "pairs", 1, FOR_PROGRAMS},
    [R_OUTCOME] = {"outcome", "outcome", 0, FOR_PROGRAMS},
};

static void put_difference(struct listing *l, int line, const struct summary *s, int r, int c,
                           struct arena *a) {
    const int base = summary_baseline(s, &s->row[r]);
    struct summary_difference d;
    if (base < 0 || base == r ||
        !summary_difference(s, summary_at(s, r, c), summary_at(s, base, c), &d))
        return;
    const int known = isfinite(d.interval.lo) && !d.certain;
    const char *interval = known ? arena_printf(a, " [%s, %s]", signed_number(d.interval.lo, a),
                                                signed_number(d.interval.hi, a))
                                 : "";
    listing_set_number(l, line, R_DIFFERENCE, d.interval.mean,
                       arena_printf(a, "%s%s%s%s", signed_number(d.interval.mean, a), interval,
                                    d.pairs ? "" : " Welch", d.incomplete ? " *" : ""),
                       a);
    listing_set_number(l, line, R_D_MEAN, d.interval.mean, NULL, a);
    listing_set_number(l, line, R_D_LO, known ? d.interval.lo : NAN, NULL, a);
    listing_set_number(l, line, R_D_HI, known ? d.interval.hi : NAN, NULL, a);
    listing_set_number(l, line, R_D_PAIRS, d.pairs, NULL, a);
}

static void put_result(struct listing *l, int line, const struct summary *s, int r, int c,
                       struct arena *a) {
    const struct summary_cell *cell = summary_at(s, r, c);
    const struct summary_column *column = &s->column[c];
    listing_set_text(l, line, R_LABEL, summary_label(s, &s->row[r], ", "));
    put_row_names(l, line, R_METHOD, &s->row[r]);
    listing_set_text(l, line, R_PROTOCOL, column->protocol);
    listing_set_text(l, line, R_DATASET, column->dataset);
    listing_set_text(l, line, R_VERSION, column->version);
    listing_set_text(l, line, R_METRIC, *column->metric ? column->metric : "top1");
    listing_set_number(l, line, R_LEVEL, cell->level.mean, level_text(cell, cell->n, a), a);
    listing_set_number(l, line, R_MEAN, cell->level.mean, NULL, a);
    listing_set_number(l, line, R_LO, cell->level.lo, NULL, a);
    listing_set_number(l, line, R_HI, cell->level.hi, NULL, a);
    listing_set_number(l, line, R_N, cell->n, NULL, a);
    listing_set_number(l, line, R_IMAGES, cell->images ? cell->images : NAN, NULL, a);
    listing_set_text(l, line, R_INTERVAL, cell->n < 2 ? "" : cell->wilson ? "wilson" : "t");
    listing_set_text(l, line, R_OUTCOME,
                     !cell->n                  ? cell_why_empty(cell)
                     : cell->n_gaps            ? "incomplete"
                     : cell_n_incomplete(cell) ? "partial"
                                               : "ok");
    put_difference(l, line, s, r, c, a);
}

struct listing *listing_results(const struct listing_input *in, struct arena *a) {
    const struct summary *s = in->summary;
    struct listing *l = listing_new(
        "results", "Results and differences to random",
        "In %: mean [" INTERVAL "], n = pretraining seeds. Differences in points, paired by "
        "pretraining seed; Welch: no shared seeds. Intervals are of each line alone.",
        result_columns, R_FIELDS, s->n_rows * s->n_columns, a);
    for (int c = 0; c < s->n_columns; c++)
        for (int r = 0; r < s->n_rows; r++)
            put_result(l, c * s->n_rows + r, s, r, c, a);
    add_notes(l, s, a);
    return l;
}
