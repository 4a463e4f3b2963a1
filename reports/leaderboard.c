#include "reports/leaderboard.h"

#include "core/file.h"
#include "reports/difference_internal.h"
#include "reports/listing.h"
#include "reports/text_internal.h"
#include "reports/verdicts.h"
#include "results/aggregate.h"
#include "results/significance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES = 8 };

/* A row of the summary in the tasks.  Only seeds with a value for every task count: a gap in an
 * easy task would move the interquartile mean.  Where no seed has all, the tasks' means stand for
 * one. */
struct entry {
    int row;
    int n_seeds, n_gaps;  /* with any value; of which without a value for every task */
    int64_t *seed;        /* (scores.n_runs) */
    struct scores scores; /* percent */
    double *run_iqm;      /* (scores.n_runs) */
    double iqm, rank;
    int tied; /* cannot be told from the best */
};

struct board {
    const struct summary *s;
    int n_tasks, *task; /* columns */
    int n;
    struct entry *entry; /* (n), the best first */
    int n_left;
    int *left;    /* rows without a rank */
    int one_seed; /* of the best: nothing can be said of ties */
    enum resampling how;
};

/* ---- tasks and rows ---- */

static int n_values(const struct summary *s, int row) {
    int n = 0;
    for (int c = 0; c < s->n_columns; c++)
        n += summary_at(s, row, c)->n > 0;
    return n;
}

static void find_tasks(struct board *b) {
    const struct summary *s = b->s;
    int rows = 0;
    b->task = ARENA_ARRAY(s->a, int, s->n_columns);
    for (int r = 0; r < s->n_rows; r++)
        rows += n_values(s, r) > 0;
    for (int c = 0; c < s->n_columns; c++) {
        int have = 0;
        for (int r = 0; r < s->n_rows; r++)
            have += summary_at(s, r, c)->n > 0;
        if (2 * have >= rows && have)
            b->task[b->n_tasks++] = c;
    }
}

static int seed_index(int64_t *seeds, int *n, int64_t seed) {
    int i = 0;
    while (i < *n && seeds[i] != seed)
        i++;
    if (i == *n)
        seeds[(*n)++] = seed;
    return i;
}

/* Moves the lines of x (n, tasks) that have no gap to the front; returns how many. */
static int keep_whole(double *x, int64_t *seed, int n, int tasks) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        int whole = 1;
        for (int t = 0; t < tasks; t++)
            whole &= !isnan(x[i * tasks + t]);
        if (!whole)
            continue;
        memmove(x + kept * tasks, x + i * tasks, sizeof *x * (size_t)tasks);
        seed[kept++] = seed[i];
    }
    return kept;
}

/* Runs of one seed are one line: where methods are pretrained on the data that they are evaluated
 * on, a seed has a run for each of the data. */
static struct entry entry_of(const struct board *b, int row) {
    const struct summary *s = b->s;
    const int runs = s->row[row].n_runs, tasks = b->n_tasks;
    struct entry e = {.row = row, .seed = ARENA_ARRAY(s->a, int64_t, runs)};
    double *x = ARENA_ARRAY(s->a, double, runs *tasks);
    for (int i = 0; i < runs * tasks; i++)
        x[i] = NAN;
    for (int t = 0; t < tasks; t++) {
        const struct summary_cell *cell = summary_at(s, row, b->task[t]);
        for (int i = 0; i < cell->n; i++)
            x[seed_index(e.seed, &e.n_seeds, cell->run[i]->seed) * tasks + t] = cell->top1[i];
    }
    int whole = keep_whole(x, e.seed, e.n_seeds, tasks);
    e.n_gaps = e.n_seeds - whole;
    for (int t = 0; t < tasks && !whole; t++)
        x[t] = summary_at(s, row, b->task[t])->level.mean;
    e.scores = (struct scores){whole ? whole : 1, tasks, x};
    e.run_iqm = ARENA_ARRAY(s->a, double, e.scores.n_runs);
    scores_run_iqm(&e.scores, e.run_iqm);
    e.iqm = scores_iqm(&e.scores);
    return e;
}

static int by_iqm(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    int order = (a->iqm < b->iqm) - (a->iqm > b->iqm);
    return order ? order : a->row - b->row;
}

static void find_entries(struct board *b) {
    const struct summary *s = b->s;
    b->entry = ARENA_ARRAY(s->a, struct entry, s->n_rows);
    b->left = ARENA_ARRAY(s->a, int, s->n_rows);
    for (int r = 0; r < s->n_rows; r++) {
        int whole = 1;
        for (int t = 0; t < b->n_tasks; t++)
            whole &= summary_at(s, r, b->task[t])->n > 0;
        if (whole && b->n_tasks)
            b->entry[b->n++] = entry_of(b, r);
        else
            b->left[b->n_left++] = r;
    }
    if (b->n)
        qsort(b->entry, (size_t)b->n, sizeof *b->entry, by_iqm);
    const struct scores **all = ARENA_ARRAY(s->a, const struct scores *, b->n);
    double *rank = ARENA_ARRAY(s->a, double, b->n);
    for (int i = 0; i < b->n; i++)
        all[i] = &b->entry[i].scores;
    mean_ranks(all, b->n, rank);
    for (int i = 0; i < b->n; i++)
        b->entry[i].rank = rank[i];
}

/* ---- which cannot be told from the first ---- */

/* The interquartile means of runs as a cell, so that they are compared as values of a task are. */
static struct summary_cell cell_of(const struct entry *e, struct arena *a) {
    const int n = e->scores.n_runs;
    struct summary_cell cell = {
        .n = n, .top1 = e->run_iqm, .run = ARENA_ARRAY(a, const struct run *, n)};
    for (int i = 0; i < n; i++) {
        struct run *run = ARENA_NEW(a, struct run);
        run->seed = e->seed[i];
        cell.run[i] = run;
    }
    return cell;
}

static void find_ties(struct board *b) {
    struct arena a = {0};
    double *p = ARENA_ARRAY(&a, double, b->n), *adjusted = ARENA_ARRAY(&a, double, b->n);
    int first = 0, tied = 0;
    while (first + 1 < b->n && !strcmp(b->s->row[b->entry[first].row].method, "supervised"))
        first++;
    b->one_seed = first + 1 < b->n && b->entry[first].scores.n_runs < 2;
    for (int i = first; i < b->n; i++) {
        const struct summary_cell best = cell_of(&b->entry[first], &a);
        const struct summary_cell cell = cell_of(&b->entry[i], &a);
        p[i] = i == first ? NAN : verdict_of(&best, &cell).p;
    }
    for (int i = 0; i < first; i++)
        p[i] = NAN;
    holm(p, b->n, adjusted);
    for (int i = first + 1; i < b->n; i++) {
        int labels = !strcmp(b->s->row[b->entry[i].row].method, "supervised");
        b->entry[i].tied = !labels && !b->one_seed && !(adjusted[i] <= VERDICT_ALPHA);
        tied |= b->entry[i].tied;
    }
    if (first < b->n)
        b->entry[first].tied = tied;
    arena_free(&a);
}

/* ---- table ---- */

static struct listing_cell text(const char *t) {
    return (struct listing_cell){t, NAN, 0};
}

static struct listing_cell number(double x, struct arena *a) {
    return isnan(x) ? text("") : (struct listing_cell){arena_printf(a, "%.1f", x), x, 0};
}

static struct listing_cell share(double x, struct arena *a) {
    return isnan(x) ? text("") : (struct listing_cell){arena_printf(a, "%.2f", x), x, 0};
}

/* "12.3 [11.9, 12.8]", "12.3" where there is no interval; format: of a number. */
static struct listing_cell with_interval(const char *format, double x, double lo, double hi,
                                         struct arena *a) {
    char value[32], from[32], to[32];
    if (isnan(x))
        return text("");
    snprintf(value, sizeof value, format, x);
    if (isnan(lo) || isnan(hi))
        return (struct listing_cell){arena_strdup(a, value), x, 0};
    snprintf(from, sizeof from, format, lo);
    snprintf(to, sizeof to, format, hi);
    return (struct listing_cell){arena_printf(a, "%s [%s, %s]", value, from, to), x, 0};
}

static const struct entry *entry_of_row(const struct board *b, int row) {
    for (int i = 0; row >= 0 && i < b->n; i++)
        if (b->entry[i].row == row)
            return &b->entry[i];
    return NULL;
}

static void put_entry(const struct board *b, int i, struct listing_cell *cell) {
    const struct summary *s = b->s;
    const struct entry *e = &b->entry[i];
    const struct entry *base = entry_of_row(b, summary_baseline(s, &s->row[e->row]));
    struct interval over_runs = mean_interval(e->run_iqm, e->scores.n_runs, REPORT_LEVEL);
    struct interval drawn =
        iqm_bootstrap(&e->scores, b->how, BOOTSTRAP_DRAWS, REPORT_LEVEL, (uint64_t)e->row);
    struct interval better = {NAN, NAN, NAN, 0};
    if (base && base != e)
        better = improvement_bootstrap(&e->scores, &base->scores, b->how, BOOTSTRAP_DRAWS,
                                       REPORT_LEVEL, (uint64_t)e->row);
    *cell++ = (struct listing_cell){arena_printf(s->a, "%d", i + 1), i + 1, 0};
    *cell++ = text(summary_label(s, &s->row[e->row], ", "));
    *cell = with_interval("%.1f", e->iqm, over_runs.lo, over_runs.hi, s->a);
    cell++->marked = e->tied;
    *cell++ = number(over_runs.lo, s->a);
    *cell++ = number(over_runs.hi, s->a);
    *cell++ = text(isnan(drawn.lo) ? "" : arena_printf(s->a, "[%.1f, %.1f]", drawn.lo, drawn.hi));
    *cell++ = number(drawn.lo, s->a);
    *cell++ = number(drawn.hi, s->a);
    *cell++ = with_interval("%.2f", better.mean, better.lo, better.hi, s->a);
    *cell++ = share(better.lo, s->a);
    *cell++ = share(better.hi, s->a);
    *cell++ = share(e->rank, s->a);
    *cell = (struct listing_cell){arena_printf(s->a, "%d", e->n_seeds - e->n_gaps),
                                  e->n_seeds - e->n_gaps, 0};
}

/* ---- notes ---- */

static void note(struct listing *l, const char *line) {
    l->note[l->n_notes++] = line;
}

static const char *append(const char *list, const char *one, struct arena *a) {
    return arena_printf(a, "%s%s%s", list, *list ? ", " : "", one);
}

static void note_tasks(struct listing *l, const struct board *b) {
    const struct summary *s = b->s;
    const char *in = "", *not_in = "";
    for (int c = 0; c < s->n_columns; c++) {
        int is_task = 0;
        for (int t = 0; t < b->n_tasks; t++)
            is_task |= b->task[t] == c;
        const char *label = summary_column_label(s, &s->column[c], " ");
        if (is_task)
            in = append(in, label, s->a);
        else
            not_in = append(not_in, label, s->a);
    }
    note(l, arena_printf(s->a, "%d task%s: %s", b->n_tasks, b->n_tasks == 1 ? "" : "s", in));
    if (*not_in)
        note(l,
             arena_printf(s->a, "no tasks, since fewer than half of the methods have a value: %s",
                          not_in));
    if (s->other_metrics)
        note(l, "tasks with metrics other than accuracy count by their percent as they are");
}

static void note_rows(struct listing *l, const struct board *b) {
    const struct summary *s = b->s;
    int few = 0, partial = 0;
    for (int i = 0; i < b->n_left; i++) {
        const char *lacks = "";
        for (int t = 0; t < b->n_tasks; t++)
            if (!summary_at(s, b->left[i], b->task[t])->n)
                lacks = append(lacks, summary_column_label(s, &s->column[b->task[t]], " "), s->a);
        note(l, arena_printf(s->a, "without a rank: %s, which has no value of %s",
                             summary_label(s, &s->row[b->left[i]], ", "), lacks));
    }
    for (int i = 0; i < b->n; i++) {
        const struct entry *e = &b->entry[i];
        const struct summary_row *row = &s->row[e->row];
        few |= e->scores.n_runs < 2;
        if (e->n_gaps)
            note(l,
                 arena_printf(s->a, "%s: %d of %d seeds left out, without a value for every task%s",
                              summary_label(s, row, ", "), e->n_gaps, e->n_seeds,
                              e->n_gaps == e->n_seeds ? ": the tasks' means stand for one" : ""));
        for (int r = 0; r < row->n_runs; r++)
            partial += !run_is_complete(row->run[r]);
    }
    if (few)
        note(l, "with one seed there is no interval, and a rank may be luck");
    if (partial)
        note(l,
             arena_printf(s->a, "%d run%s not complete", partial, partial == 1 ? " is" : "s are"));
}

/* A ranking is of equal budgets, or says that it is not. */
static void note_budgets(struct listing *l, const struct board *b) {
    const struct summary *s = b->s;
    int n = 0, most = 0;
    for (int i = 0; i < b->n; i++)
        most += s->row[b->entry[i].row].n_runs;
    const char **seen = ARENA_ARRAY(s->a, const char *, most), *list = "";
    for (int i = 0; i < b->n; i++) {
        const struct summary_row *row = &s->row[b->entry[i].row];
        for (int r = 0; r < row->n_runs; r++) {
            const char *budget = row->run[r]->budget;
            int k = 0;
            while (budget && k < n && strcmp(seen[k], budget))
                k++;
            if (!budget || k < n || !strcmp(budget, "none"))
                continue;
            seen[n++] = budget;
            list = append(list, text_clean(budget, s->a), s->a);
        }
    }
    if (n > 1)
        note(l, arena_printf(s->a, "budgets of pretraining differ: %s", list));
}

static void note_ties(struct listing *l, const struct board *b) {
    if (b->one_seed)
        note(l, "the best has one seed, so nothing is said of what cannot be told from it");
}

struct listing leaderboard_listing(const struct summary *s, int by_task) {
    static const struct listing_column columns[] = {{"rank", "rank", 1, FOR_ALL},
                                                    {"method", "method", 0, FOR_ALL},
                                                    {"iqm", "IQM [t-interval]", 1, FOR_ALL},
                                                    {"iqm_lo", "from", 1, FOR_PROGRAMS},
                                                    {"iqm_hi", "to", 1, FOR_PROGRAMS},
                                                    {"iqm_bootstrap", "bootstrap", 0, FOR_PEOPLE},
                                                    {"iqm_bootstrap_lo", "from", 1, FOR_PROGRAMS},
                                                    {"iqm_bootstrap_hi", "to", 1, FOR_PROGRAMS},
                                                    {"improvement", "P(> random)", 1, FOR_ALL},
                                                    {"improvement_lo", "from", 1, FOR_PROGRAMS},
                                                    {"improvement_hi", "to", 1, FOR_PROGRAMS},
                                                    {"mean_rank", "mean rank", 1, FOR_ALL},
                                                    {"seeds", "seeds", 1, FOR_ALL}};
    enum { COLUMNS = sizeof columns / sizeof *columns };
    struct board b = {.s = s, .how = by_task ? RESAMPLE_TASKS : RESAMPLE_RUNS};
    find_tasks(&b);
    find_entries(&b);
    find_ties(&b);
    struct listing l = {
        .name = "leaderboard",
        .mark = "cannot be told from the best of those without labels (t-test over runs, Holm)",
        .title = "Methods across tasks",
        .caption = arena_printf(
            s->a,
            "IQM: interquartile mean of all seeds and tasks in %%; 95 %% t-interval over the "
            "seeds' "
            "own IQMs; 95 %% bootstrap over %s (Agarwal et al. 2021), which covers less with few "
            "seeds; P(> random): probability that a run is better than one of random on the same "
            "task",
            by_task ? "the seeds of each task" : "seeds"),
        .n_columns = COLUMNS,
        .n_rows = b.n,
        .column = ARENA_ARRAY(s->a, struct listing_column, COLUMNS),
        .cell = ARENA_ARRAY(s->a, struct listing_cell, b.n * COLUMNS),
        .note = ARENA_ARRAY(s->a, const char *, 2 * s->n_rows + NOTES)};
    memcpy(l.column, columns, sizeof columns);
    for (int i = 0; i < b.n; i++)
        put_entry(&b, i, l.cell + i * COLUMNS);
    note_ties(&l, &b);
    note_tasks(&l, &b);
    note_rows(&l, &b);
    note_budgets(&l, &b);
    return l;
}

int report_leaderboard(struct run *const *runs, int n_runs, int by_task, FILE *out,
                       struct error *err) {
    struct arena a = {0};
    const struct summary s = summary_of(runs, n_runs, &a);
    const char *common = s.n_columns ? summary_common(&s) : "";
    if (*common)
        fprintf(out, "%s\n", common);
    if (s.n_columns) {
        const struct listing l = leaderboard_listing(&s, by_task);
        listing_write(&l, LISTING_TEXT, out);
    } else {
        fprintf(out, "%d run%s, none evaluated\n", n_runs, n_runs == 1 ? "" : "s");
    }
    arena_free(&a);
    return stream_written(out, "the table", err);
}
