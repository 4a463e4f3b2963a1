#include "reports/summary_internal.h"

#include "reports/difference_internal.h"
#include "reports/text_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PERCENT 100.0

int run_is_complete(const struct run *run) {
    return !strcmp(run->status, "complete");
}

const struct summary_cell *summary_at(const struct summary *s, int row, int column) {
    return &s->cell[row * s->n_columns + column];
}

static struct summary_cell *cell_at(const struct summary *s, int row, int column) {
    return &s->cell[row * s->n_columns + column];
}

/* ---- columns ---- */

static int same_place(const struct summary_column *column, const struct eval *e) {
    return !strcmp(column->protocol, e->protocol) && !strcmp(column->dataset, e->dataset);
}

static void name_metric(struct summary *s, struct summary_column *c, const struct eval *e) {
    if (e->top1 || !e->n_metrics)
        return;
    c->metric = eval_shown(e);
    s->other_metrics = 1;
}

static void add_column(struct summary *s, const struct eval *e) {
    for (int i = 0; i < s->n_columns; i++)
        if (same_place(&s->column[i], e) && !strcmp(s->column[i].version, e->protocol_version)) {
            if (e->n_classes > s->column[i].classes)
                s->column[i].classes = e->n_classes;
            name_metric(s, &s->column[i], e);
            return;
        }
    struct summary_column *c = &s->column[s->n_columns++];
    *c = (struct summary_column){e->protocol, e->dataset, e->protocol_version, "", e->n_classes};
    name_metric(s, c, e);
}

/* Protocols in the order in which they come, so insertion keeps equal ones together. */
static void sort_columns(struct summary *s) {
    for (int i = 1; i < s->n_columns; i++) {
        struct summary_column moved = s->column[i];
        int first = 0, to;
        while (first < i && strcmp(s->column[first].protocol, moved.protocol))
            first++;
        for (to = i; to > first; to--) {
            const struct summary_column *before = &s->column[to - 1];
            int order = strcmp(before->protocol, moved.protocol)
                            ? 1
                            : strcmp(before->dataset, moved.dataset);
            if (order < 0 || (order == 0 && strcmp(before->version, moved.version) <= 0))
                break;
            s->column[to] = s->column[to - 1];
        }
        s->column[to] = moved;
    }
}

static void find_columns(struct summary *s, struct run *const *runs, int n_runs) {
    int most = 0;
    for (int i = 0; i < n_runs; i++)
        most += runs[i]->n_evals;
    s->column = ARENA_ARRAY(s->a, struct summary_column, most);
    s->same_dataset = 1;
    for (int i = 0; i < n_runs; i++)
        for (int j = 0; j < runs[i]->n_evals; j++) {
            add_column(s, &runs[i]->evals[j]);
            s->same_dataset &= !strcmp(runs[i]->evals[j].dataset, runs[i]->dataset);
        }
    sort_columns(s);
}

/* A single version of a protocol needs no mention. */
static void drop_single_versions(struct summary *s) {
    int *several = ARENA_ARRAY(s->a, int, s->n_columns);
    for (int i = 0; i < s->n_columns; i++)
        for (int j = 0; j < s->n_columns; j++)
            several[i] |= i != j && !strcmp(s->column[i].protocol, s->column[j].protocol) &&
                          !strcmp(s->column[i].dataset, s->column[j].dataset);
    for (int i = 0; i < s->n_columns; i++)
        if (!several[i])
            s->column[i].version = "";
}

/* ---- rows ---- */

static int same_row(const struct summary_row *row, const struct run *run, const char *dataset,
                    const char *variant) {
    return !strcmp(row->method, run->method) && !strcmp(row->backbone, run->backbone) &&
           !strcmp(row->dataset, dataset) && !strcmp(row->variant, variant);
}

/* Where two have one name their folders tell them apart. */
static const char *name_in_folder(const struct run *run, const struct run *other, struct arena *a) {
    return text_clean(
        run->folder && !strcmp(run->run_id, other->run_id) ? run->folder : run->run_id, a);
}

/* The same seed again, from a copied folder: the complete run counts, otherwise the first. */
static void add_run(struct summary *s, struct summary_row *row, const struct run *run) {
    for (int i = 0; i < row->n_runs; i++) {
        const struct run *old = row->run[i];
        if (old->seed != run->seed || strcmp(old->dataset, run->dataset))
            continue;
        int better = run_is_complete(run) && !run_is_complete(old);
        s->repeat[s->n_repeats++] = arena_printf(
            s->a, "%s and %s have the same method, data, settings and seed: the %s counts",
            name_in_folder(old, run, s->a), name_in_folder(run, old, s->a),
            better ? "second" : "first");
        if (better)
            row->run[i] = run;
        return;
    }
    row->run[row->n_runs++] = run;
}

static void find_rows(struct summary *s, struct run *const *runs, int n_runs) {
    const struct variant *variants = run_variants(runs, n_runs, s->a);
    s->row = ARENA_ARRAY(s->a, struct summary_row, n_runs);
    s->repeat = ARENA_ARRAY(s->a, const char *, n_runs);
    for (int i = 0; i < n_runs; i++) {
        const struct run *run = runs[i];
        const char *dataset = s->same_dataset ? "" : run->dataset;
        int r = 0;
        while (r < s->n_rows && !same_row(&s->row[r], run, dataset, variants[i].text))
            r++;
        if (r == s->n_rows)
            s->row[s->n_rows++] =
                (struct summary_row){.method = run->method,
                                     .backbone = run->backbone,
                                     .dataset = dataset,
                                     .variant = variants[i].text,
                                     .settings = &variants[i],
                                     .run = ARENA_ARRAY(s->a, const struct run *, n_runs)};
        add_run(s, &s->row[r], run);
        s->several_backbones |= !!strcmp(run->backbone, runs[0]->backbone);
        s->several_datasets |= !s->same_dataset && strcmp(run->dataset, runs[0]->dataset);
    }
}

/* ---- cells ---- */

static const struct eval *eval_in(const struct run *run, const struct summary_column *column) {
    for (int i = 0; i < run->n_evals; i++)
        if (same_place(column, &run->evals[i]) &&
            !strcmp(column->version, run->evals[i].protocol_version))
            return &run->evals[i];
    return NULL;
}

static void add_gap(struct summary_cell *cell, const struct run *run, const struct eval *e,
                    struct arena *a) {
    static const char *const words[] = {[OUTCOME_OK] = "no value",
                                        [OUTCOME_SKIPPED] = "skipped",
                                        [OUTCOME_DIVERGED] = "diverged",
                                        [OUTCOME_FAILED] = "failed"};
    struct summary_gap *gap = &cell->gap[cell->n_gaps++];
    gap->run = run;
    gap->reason = "";
    if (e) {
        gap->word = words[e->outcome];
        gap->reason = e->outcome == OUTCOME_OK ? "no finite accuracy" : text_clean(e->reason, a);
        return;
    }
    gap->word = NOT_EVALUATED;
    if (!run_is_complete(run))
        gap->reason = arena_printf(a, "the run's status is \"%s\"", text_clean(run->status, a));
}

/* With every value at 0 or at 100 % a t-interval would claim certainty: what is left is the
 * uncertainty of the test images. */
static void find_level(struct summary_cell *cell) {
    struct estimate e = paired_estimate(cell->top1, NULL, cell->n);
    e.error = fmax(e.error, cell_rounding_error(cell, cell->n));
    cell->level = estimate_interval(e, REPORT_LEVEL);
    int extreme = cell->n > 1 && (cell->top1[0] <= 0 || cell->top1[0] >= PERCENT);
    for (int i = 1; i < cell->n; i++)
        extreme &= cell->top1[i] == cell->top1[0];
    if (extreme && cell->images > 0) {
        long hits = cell->top1[0] > 0 ? cell->images : 0;
        struct interval w = wilson_interval(hits, cell->images, REPORT_LEVEL);
        cell->level.lo = PERCENT * w.lo;
        cell->level.hi = PERCENT * w.hi;
        cell->wilson = 1;
    }
    if (cell->level.lo < 0 || cell->level.hi > PERCENT) {
        cell->cut = 1;
        cell->level.lo = fmax(cell->level.lo, 0);
        cell->level.hi = fmin(cell->level.hi, PERCENT);
    }
}

/* Accuracies of few labels are shares as those of all are; what `retrieval` shows is the mean of
 * both directions. */
static int shares_of(const struct eval *e) {
    const char *name = e->top1 ? "top1" : eval_shown(e);
    return !strncmp(name, "top1", strlen("top1")) ? 1 : !strcmp(name, "mean_r1") ? 2 : 0;
}

static void count_probes(struct summary_cell *cell, const struct eval *e) {
    int probes = 0;
    for (int i = 0; i < e->n_seeds; i++)
        probes += isfinite(eval_value(e, i));
    if (cell->n == 1 || probes < cell->probes)
        cell->probes = probes;
}

static void fill_cell(struct summary *s, int r, int c) {
    const struct summary_row *row = &s->row[r];
    struct summary_cell *cell = cell_at(s, r, c);
    cell->top1 = ARENA_ARRAY(s->a, double, row->n_runs);
    cell->run = ARENA_ARRAY(s->a, const struct run *, row->n_runs);
    cell->gap = ARENA_ARRAY(s->a, struct summary_gap, row->n_runs);
    for (int i = 0; i < row->n_runs; i++) {
        const struct run *run = row->run[i];
        if (s->same_dataset && strcmp(run->dataset, s->column[c].dataset))
            continue;
        const struct eval *e = eval_in(run, &s->column[c]);
        double top1 = e ? PERCENT * eval_mean(e) : NAN;
        if (!e || isnan(top1)) {
            add_gap(cell, run, e, s->a);
        } else {
            cell->run[cell->n] = run;
            cell->top1[cell->n++] = top1;
            cell->images = e->n_samples;
            cell->shares = shares_of(e);
            count_probes(cell, e);
        }
    }
    if (cell->n)
        find_level(cell);
    else
        cell->level = (struct interval){NAN, NAN, NAN, 0};
}

/* ---- order ---- */

struct place {
    struct summary_row row;
    struct summary_cell *cells;
    int rank; /* the floor first, the ceiling last */
    double mean;
};

static int by_place(const void *left, const void *right) {
    const struct place *a = left, *b = right;
    int order = strcmp(a->row.backbone, b->row.backbone);
    if (!order)
        order = strcmp(a->row.dataset, b->row.dataset);
    if (!order)
        order = a->rank - b->rank;
    if (!order)
        order = (a->mean > b->mean) - (a->mean < b->mean);
    if (!order)
        order = strcmp(a->row.method, b->row.method);
    return order ? order : strcmp(a->row.variant, b->row.variant);
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

static void sort_rows(struct summary *s) {
    struct place *places = ARENA_ARRAY(s->a, struct place, s->n_rows);
    for (int r = 0; r < s->n_rows; r++) {
        const char *method = s->row[r].method;
        places[r] = (struct place){.row = s->row[r],
                                   .cells = cell_at(s, r, 0),
                                   .rank = !strcmp(method, "random")       ? 0
                                           : !strcmp(method, "supervised") ? 2
                                                                           : 1,
                                   .mean = mean_of_row(s, r)};
    }
    qsort(places, (size_t)s->n_rows, sizeof *places, by_place);
    struct summary_cell *cells = ARENA_ARRAY(s->a, struct summary_cell, s->n_rows * s->n_columns);
    for (int r = 0; r < s->n_rows; r++) {
        s->row[r] = places[r].row;
        memcpy(cells + r * s->n_columns, places[r].cells, sizeof *cells * (size_t)s->n_columns);
    }
    s->cell = cells;
}

static int known_id(const char *method) {
    static const char *const known[] = {"random", "supervised", "mae", "simclr",
                                        "dino",   "beit",       "clip"};
    enum { KNOWN = sizeof known / sizeof *known };
    int k = 0;
    while (k < KNOWN && strcmp(known[k], method))
        k++;
    return 1 + k;
}

static int by_name(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* A method keeps its look in every figure: well-known names have theirs, others follow in
 * alphabetical order, and when all are taken they begin again behind random and supervised. */
static void find_ids(struct summary *s) {
    enum { LOOKS = 11, RESERVED = 2 };
    const int others = known_id("");
    const char **name = ARENA_ARRAY(s->a, const char *, s->n_rows + 1);
    int n = 0;
    for (int r = 0; r < s->n_rows; r++)
        if (known_id(s->row[r].method) == others)
            name[n++] = s->row[r].method;
    qsort(name, (size_t)n, sizeof *name, by_name);
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (!i || strcmp(name[i], name[i - 1]))
            name[kept++] = name[i];
    for (int r = 0; r < s->n_rows; r++) {
        int id = known_id(s->row[r].method);
        for (int i = 0; id == others && i < kept; i++)
            if (!strcmp(name[i], s->row[r].method)) {
                id += i;
                break;
            }
        s->row[r].id = id <= LOOKS ? id : RESERVED + 1 + (id - RESERVED - 1) % (LOOKS - RESERVED);
    }
}

struct summary summary_of(struct run *const *runs, int n_runs, struct arena *a) {
    struct summary s = {.a = a};
    find_columns(&s, runs, n_runs);
    find_rows(&s, runs, n_runs);
    s.cell = ARENA_ARRAY(a, struct summary_cell, s.n_rows * s.n_columns);
    for (int r = 0; r < s.n_rows; r++)
        for (int c = 0; c < s.n_columns; c++)
            fill_cell(&s, r, c);
    drop_single_versions(&s);
    sort_rows(&s);
    find_ids(&s);
    return s;
}

/* ---- labels ---- */

char *summary_label(const struct summary *s, const struct summary_row *row, const char *separator) {
    const char *parts[] = {s->several_backbones ? row->backbone : "",
                           s->several_datasets ? row->dataset : "", row->variant};
    const char *label = row->method;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (*parts[i])
            label = arena_printf(s->a, "%s%s%s", label, separator, parts[i]);
    return text_clean(label, s->a);
}

/* Weights that somebody else trained have the dataset that they are judged on: what they were
 * pretrained on is not known. */
static int knows_pretraining(const struct summary *s) {
    for (int r = 0; r < s->n_rows; r++)
        if (strcmp(s->row[r].method, "weights") != 0)
            return 1;
    return 0;
}

char *summary_common(const struct summary *s) {
    const char *backbone = s->several_backbones ? "" : s->row[0].backbone;
    const char *data =
        s->several_datasets || !knows_pretraining(s) ? "" : s->row[0].run[0]->dataset;
    if (s->same_dataset && *data)
        for (int c = 0; c < s->n_columns; c++)
            if (strcmp(s->column[c].dataset, data))
                data = "the training images of the dataset it is evaluated on";
    return text_clean(arena_printf(s->a, "%s%s%s%s", backbone, *backbone && *data ? ", " : "",
                                   *data ? "pretrained on " : "", data),
                      s->a);
}

char *summary_column_label(const struct summary *s, const struct summary_column *column,
                           const char *separator) {
    return text_clean(arena_printf(s->a, "%s%s%s%s%s%s%s", column->protocol,
                                   *column->metric ? separator : "", column->metric, separator,
                                   column->dataset, *column->version ? separator : "",
                                   column->version),
                      s->a);
}
