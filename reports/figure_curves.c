/* The data of what goes on during pretraining: loss, norm of the gradient, a panel for each method
 * and dataset; spread, rank and entropy of features, a panel for each of them. */
#include "reports/figures_internal.h"
#include "reports/panels_internal.h"
#include "reports/text_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { POINTS = 150, SEEDS_MOST = 12 };

struct quantity {
    const char *title, *second, *label; /* title "": the method's */
    double (*of)(const struct step_row *row);
};

static double loss_of(const struct step_row *row) {
    return row->loss;
}
static double norm_of(const struct step_row *row) {
    return row->grad_norm;
}
static double spread_of(const struct step_row *row) {
    return row->feature_std;
}
static double rank_of(const struct step_row *row) {
    return row->effective_rank;
}
static double entropy_of(const struct step_row *row) {
    return row->entropy;
}

/* The runs of one row on one pretraining dataset. */
struct group {
    const struct summary_row *row;
    const char *dataset;
    long last; /* step */
};

struct bins {
    long width; /* steps */
    int n;
    double *x, *y; /* (n) mean step and value; NAN: none */
};

static struct bins bins_of(const struct run *run, const struct quantity *q, long last,
                           struct arena *a) {
    struct bins b = {.width = (last + POINTS - 1) / POINTS};
    b.width = b.width < 1 ? 1 : b.width;
    b.n = (int)(last / b.width) + 1;
    b.x = ARENA_ARRAY(a, double, b.n);
    b.y = ARENA_ARRAY(a, double, b.n);
    int *count = ARENA_ARRAY(a, int, b.n);
    for (long i = 0; i < run->n_steps; i++) {
        const struct step_row *row = &run->steps[i];
        double value = q->of(row);
        long bin = row->step / b.width;
        if (!isfinite(value) || bin < 0 || bin >= b.n)
            continue;
        b.x[bin] += (double)row->step;
        b.y[bin] += value;
        count[bin]++;
    }
    for (int i = 0; i < b.n; i++) {
        b.x[i] = count[i] ? b.x[i] / count[i] : NAN;
        b.y[i] = count[i] ? b.y[i] / count[i] : NAN;
    }
    return b;
}

/* Closes up over bins without a value: not every step is looked at. */
static int close_up(struct bins *b) {
    int n = 0;
    for (int i = 0; i < b->n; i++)
        if (isfinite(b->y[i])) {
            b->x[n] = b->x[i];
            b->y[n++] = b->y[i];
        }
    return b->n = n;
}

static int belongs(const struct run *run, const struct group *g) {
    return run->n_steps > 0 && !strcmp(run->dataset, g->dataset);
}

/* A run with --limit trained all of its steps, and so did one that was stopped while it was judged:
 * rows come behind the last step. */
static int is_trained(const struct run *run) {
    return run_is_complete(run) || !strcmp(run->status, "partial") ||
           (!strcmp(run->status, "interrupted") && run->n_evals > 0);
}

struct spread {
    double *x, *mean, *least, *most;
    int n, runs;
};

/* Over the runs that are trained, where all of them have a value. */
static struct spread spread_over(const struct bins *bins, const int *trained, int n,
                                 struct arena *a) {
    struct spread s = {.n = n ? bins[0].n : 0};
    s.x = ARENA_ARRAY(a, double, s.n);
    s.mean = ARENA_ARRAY(a, double, s.n);
    s.least = ARENA_ARRAY(a, double, s.n);
    s.most = ARENA_ARRAY(a, double, s.n);
    for (int i = 0; i < n; i++)
        s.runs += trained[i];
    for (int k = 0; k < s.n; k++) {
        s.least[k] = INFINITY;
        s.most[k] = -INFINITY;
        for (int i = 0; i < n; i++) {
            if (!trained[i])
                continue;
            s.x[k] += bins[i].x[k] / s.runs;
            s.mean[k] += bins[i].y[k] / s.runs;
            s.least[k] = fmin(s.least[k], bins[i].y[k]);
            s.most[k] = fmax(s.most[k], bins[i].y[k]);
        }
    }
    int kept = 0;
    for (int k = 0; k < s.n; k++)
        if (isfinite(s.mean[k]) && s.runs) {
            s.x[kept] = s.x[k];
            s.mean[kept] = s.mean[k];
            s.least[kept] = s.least[k];
            s.most[kept++] = s.most[k];
        }
    s.n = kept;
    return s;
}

/* Where a run that is not trained to its end ended, or since when its features are collapsed. */
static int mark_trouble(struct panel *panel, int look, const struct run *run,
                        const struct bins *b) {
    long since = -1;
    if (run->finding && sscanf(run->finding, "collapsed since step %ld", &since) != 1)
        since = -1;
    if (!b->n || (is_trained(run) && since < 0))
        return 0;
    int at = b->n - 1;
    while (since >= 0 && at > 0 && b->x[at - 1] >= (double)since)
        at--;
    panel_cross(panel, look, b->x[at], b->y[at]);
    return 1;
}

/* Where the mean ends, or the first seed where there is none. */
static void put_name(struct panel *panel, int look, const char *name, const struct spread *s,
                     const struct bins *first) {
    if (s->n)
        panel_name(panel, look, s->x[s->n - 1], s->mean[s->n - 1], name);
    else if (first->n)
        panel_name(panel, look, first->x[first->n - 1], first->y[first->n - 1], name);
}

/* Every seed thin, the mean of those that are trained thick.  A panel of its own (name: NULL) has a
 * band between the least and the most of them, one with others a name unless it is "".  Returns the
 * steps in a point; 0: nothing was drawn. */
static long draw_group(struct panel *panel, const struct group *g, const struct quantity *q,
                       const char *name, int *crosses, struct arena *a) {
    const struct summary_row *row = g->row;
    struct bins *bins = ARENA_ARRAY(a, struct bins, row->n_runs);
    int *trained = ARENA_ARRAY(a, int, row->n_runs), n = 0;
    const struct run **run = ARENA_ARRAY(a, const struct run *, row->n_runs);
    for (int i = 0; i < row->n_runs && n < SEEDS_MOST; i++)
        if (belongs(row->run[i], g)) {
            run[n] = row->run[i];
            trained[n] = is_trained(run[n]);
            bins[n] = bins_of(run[n], q, g->last, a);
            n++;
        }
    const struct spread s = spread_over(bins, trained, n, a);
    long width = n ? bins[0].width : 0, points = 0;
    if (s.runs > 1 && !name)
        panel_band(panel, row->id, s.x, s.least, s.most, s.n);
    for (int i = 0; i < n; i++) {
        points += close_up(&bins[i]);
        panel_curve(panel, s.runs == 1 && trained[i] ? MARK_THICK : MARK_THIN, row->id, bins[i].x,
                    bins[i].y, bins[i].n);
        if (bins[i].n == 1)
            panel_seed(panel, row->id, bins[i].x[0], bins[i].y[0]);
    }
    if (s.runs > 1)
        panel_curve(panel, MARK_THICK, row->id, s.x, s.mean, s.n);
    if (name && *name && n)
        put_name(panel, row->id, name, &s, &bins[0]);
    for (int i = 0; i < n; i++)
        *crosses += mark_trouble(panel, row->id, run[i], &bins[i]);
    return points ? width : 0;
}

static int find_groups(const struct summary *s, struct group **groups) {
    int most = 0, n = 0;
    for (int r = 0; r < s->n_rows; r++)
        most += s->row[r].n_runs;
    struct group *g = *groups = ARENA_ARRAY(s->a, struct group, most);
    for (int r = 0, first = 0; r < s->n_rows; r++, first = n)
        for (int i = 0; i < s->row[r].n_runs; i++) {
            const struct run *run = s->row[r].run[i];
            int k = first;
            if (!run->n_steps)
                continue;
            while (k < n && strcmp(g[k].dataset, run->dataset))
                k++;
            if (k == n)
                g[n++] = (struct group){&s->row[r], run->dataset, 1};
            if (run->steps[run->n_steps - 1].step > g[k].last)
                g[k].last = run->steps[run->n_steps - 1].step;
        }
    return n;
}

static int has_any(const struct group *g, const struct quantity *q) {
    for (int i = 0; i < g->row->n_runs; i++)
        if (belongs(g->row->run[i], g))
            for (long k = 0; k < g->row->run[i]->n_steps; k++)
                if (isfinite(q->of(&g->row->run[i]->steps[k])))
                    return 1;
    return 0;
}

static const char *say_points(const char *text, long width, int crosses, struct arena *a) {
    if (width > 1)
        text = arena_printf(a, "%s A point is the mean of up to %ld steps.", text, width);
    if (crosses)
        text = arena_printf(
            a,
            "%s Cross: the run ended there too early, or its features are collapsed from "
            "there on.",
            text);
    return text;
}

static int by_method(const struct report_input *in, const char *name, const struct quantity *q,
                     const char *text, FILE *dat) {
    const struct summary *s = in->summary;
    struct panels p = panels_new(s->a);
    struct group *g;
    long width = 0;
    int n = find_groups(s, &g), several = 0, crosses = 0;
    for (int i = 1; i < n; i++)
        several |= strcmp(g[i].dataset, g[0].dataset) && !s->several_datasets;
    for (int i = 0; i < n; i++) {
        if (!has_any(&g[i], q))
            continue;
        const char *rest = summary_short_label(s, g[i].row, -1, -1);
        rest += strlen(text_clean(g[i].row->method, s->a));
        struct panel *panel =
            panels_add(&p, g[i].row->method,
                       arena_printf(s->a, "%s%s%s", *rest ? rest + 1 : "",
                                    *rest && several ? " · " : "", several ? g[i].dataset : ""),
                       "step", q->label);
        if (!panel)
            continue;
        panel->y.may_be_log = 1;
        long w = draw_group(panel, &g[i], q, NULL, &crosses, s->a);
        width = w > width ? w : width;
    }
    int marks = panels_put(&p, name, dat);
    if (!marks)
        return 0;
    text = say_points(text, width, crosses, s->a);
    figure_caption_flagged(in, arena_printf(s->a, "%s%s", text, panels_left_out(&p)),
                           FLAG_COMPARISON & ~FLAG_VERSION, dat);
    return marks;
}

int figure_loss(const void *input, FILE *dat) {
    static const struct quantity loss = {"", "", "loss", loss_of};
    return by_method(
        input, "loss", &loss,
        "Training loss. Thin: pretraining seeds; thick: the mean of those that are "
        "trained to their end, band: from the least to the most of them. Losses of different "
        "methods cannot be compared.",
        dat);
}

int figure_gradients(const void *input, FILE *dat) {
    static const struct quantity norm = {"", "", "gradient norm", norm_of};
    return by_method(
        input, "gradients", &norm,
        "Euclidean norm of the gradient before clipping. Thin: pretraining seeds; "
        "thick: the mean of those that are trained to their end, band: from the least to "
        "the most of them.",
        dat);
}

int figure_collapse(const void *input, FILE *dat) {
    static const struct quantity quantities[] = {
        {"spread of features", "1: all ways, 0: all the same", "feature_std", spread_of},
        {"effective rank", "RankMe; 1: on a line", "effective_rank", rank_of},
        {"entropy of predictions", "in nats; 0: certain", "entropy", entropy_of}};
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    struct panels p = panels_new(s->a);
    struct group *g;
    long width = 0;
    int n = find_groups(s, &g), crosses = 0;
    int drawn = n < SERIES_MOST ? n : SERIES_MOST;
    p.tall = 1.8;
    for (size_t i = 0; i < sizeof quantities / sizeof *quantities; i++) {
        const struct quantity *q = &quantities[i];
        struct panel *panel = NULL;
        for (int k = 0; k < drawn; k++) {
            if (!has_any(&g[k], q))
                continue;
            if (!panel)
                panel = panels_add(&p, q->title, q->second, "step", "");
            panel->y.may_be_log = q->of == rank_of;
            panels_key(&p, g[k].row->id, summary_lettered_label(s, g[k].row));
            long w = draw_group(panel, &g[k], q, summary_letter(s, g[k].row), &crosses, s->a);
            width = w > width ? w : width;
        }
    }
    int marks = panels_put(&p, "collapse", dat);
    if (!marks)
        return 0;
    const char *text = say_points(
        "What features are like while they are trained. Thin: pretraining seeds; thick: their "
        "mean.",
        width, crosses, s->a);
    if (n > drawn)
        text = arena_printf(s->a, "%s %d more methods or settings are left out.", text, n - drawn);
    figure_caption_flagged(in, text, FLAG_COMPARISON & ~FLAG_VERSION, dat);
    return marks;
}
