/* The data of what a probe of each layer reaches, from the candidates of searches. */
#include "reports/figures_internal.h"
#include "reports/panels_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 64 };

static const struct kind {
    const char *prefix, *label;
} kinds[] = {{"layer", "layer"}, {"stage", "stage"}, {"conv", "convolution"}};
static const struct pool {
    const char *suffix, *label;
} pools[] = {{".cls", "CLS token"}, {".mean", "mean of the places"}};
enum { KINDS = sizeof kinds / sizeof *kinds, POOLS = sizeof pools / sizeof *pools };

/* The number in "layer3.cls"; -1: it is of another kind or pooling. */
static int layer_of(const char *name, const struct kind *kind, const struct pool *pool) {
    char *end;
    const size_t prefix = strlen(kind->prefix);
    if (strncmp(name, kind->prefix, prefix) != 0)
        return -1;
    long n = strtol(name + prefix, &end, 10);
    return end > name + prefix && n >= 0 && n < LAYERS && !strcmp(end, pool->suffix) ? (int)n : -1;
}

/* The best validation accuracy of each layer, in %; NAN: it was not tried.  Where a protocol makes
 * several searches they are of different questions.  Returns the number of layers. */
static int best_of(const struct eval *e, const struct kind *kind, const struct pool *pool,
                   double best[LAYERS]) {
    int n = 0;
    for (int i = 0; i < LAYERS; i++)
        best[i] = NAN;
    for (int i = 0; e && i < e->n_grid; i++) {
        int layer = *e->grid[i].search ? -1 : layer_of(e->grid[i].representation, kind, pool);
        double value = 100 * e->grid[i].val_top1;
        if (layer < 0 || !isfinite(value))
            continue;
        n += isnan(best[layer]);
        best[layer] = fmax(best[layer], value);
    }
    return n;
}

static int has_layers(const struct eval *e) {
    double best[LAYERS];
    for (int i = 0; i < KINDS * POOLS; i++)
        if (best_of(e, &kinds[i / POOLS], &pools[i % POOLS], best) > 1)
            return 1;
    return 0;
}

/* Over the seeds of the row; returns how many have two layers or more. */
static int draw_row(struct panel *panel, const struct summary *s, const struct summary_row *row,
                    const struct summary_column *c, const struct kind *kind,
                    const struct pool *pool) {
    double x[LAYERS], sum[LAYERS] = {0}, lo[LAYERS], hi[LAYERS], one[LAYERS];
    int count[LAYERS] = {0}, runs = 0;
    for (int i = 0; i < LAYERS; i++) {
        x[i] = i;
        lo[i] = INFINITY;
        hi[i] = -INFINITY;
    }
    for (int i = 0; i < row->n_runs; i++) {
        if (best_of(summary_eval(s, row->run[i], c), kind, pool, one) < 2)
            continue;
        runs++;
        for (int k = 0; k < LAYERS; k++)
            if (isfinite(one[k])) {
                sum[k] += one[k];
                lo[k] = fmin(lo[k], one[k]);
                hi[k] = fmax(hi[k], one[k]);
                count[k]++;
            }
    }
    for (int k = 0; k < LAYERS; k++)
        sum[k] = count[k] ? sum[k] / count[k] : NAN;
    if (runs > 1)
        panel_band(panel, row->id, x, lo, hi, LAYERS);
    panel_curve(panel, MARK_THICK, row->id, x, sum, LAYERS);
    int last = -1;
    for (int k = 0; k < LAYERS; k++) {
        panel_mean(panel, row->id, x[k], sum[k], 0);
        last = count[k] ? k : last;
    }
    if (last >= 0 && *summary_letter(s, row))
        panel_name(panel, row->id, x[last], sum[last], summary_letter(s, row));
    return runs;
}

/* A tick for each layer that is there, or for some of them. */
static void mark_layers(struct panel *panel) {
    const int most = 9;
    int seen[LAYERS] = {0}, n = 0;
    for (int i = 0; i < panel->n_marks; i++)
        if (panel->mark[i].kind == MARK_MEAN && !seen[(int)panel->mark[i].x]++)
            n++;
    int every = (n + most - 1) / most;
    panel->x.tick = ARENA_ARRAY(panel->a, struct panel_tick, n + 1);
    for (int k = 0; k < LAYERS; k++)
        if (seen[k] && k % every == 0)
            panel->x.tick[panel->x.n_ticks++] =
                (struct panel_tick){k, arena_printf(panel->a, "%d", k)};
}

static int any(const struct summary *s, const struct summary_column *c, const struct kind *kind,
               const struct pool *pool) {
    double best[LAYERS];
    for (int r = 0; r < s->n_rows; r++)
        for (int i = 0; i < s->row[r].n_runs; i++)
            if (best_of(summary_eval(s, s->row[r].run[i], c), kind, pool, best) > 1)
                return 1;
    return 0;
}

int figure_layers(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    struct panels p = panels_new(s->a);
    int *row = ARENA_ARRAY(s->a, int, s->n_rows), left_out = 0, most_left = 0, bands = 0;
    p.tall = 1.8;
    for (int c = 0; c < s->n_columns; c++)
        for (int i = 0; i < KINDS * POOLS; i++) {
            const struct kind *kind = &kinds[i / POOLS];
            const struct pool *pool = &pools[i % POOLS];
            const struct summary_column *column = &s->column[c];
            if (!any(s, column, kind, pool))
                continue;
            struct panel *panel =
                panels_add(&p, arena_printf(s->a, "%s · %s", column->protocol, column->dataset),
                           pool->label, kind->label, "validation accuracy, %");
            if (!panel)
                continue;
            int n = summary_best(s, c, has_layers, SERIES_MOST, row, &left_out);
            most_left = left_out > most_left ? left_out : most_left;
            for (int k = 0; k < n; k++) {
                const struct summary_row *r = &s->row[row[k]];
                int runs = draw_row(panel, s, r, column, kind, pool);
                if (runs)
                    panels_key(&p, r->id, summary_lettered_label(s, r));
                bands |= runs > 1;
            }
            mark_layers(panel);
        }
    int marks = panels_put(&p, "layers", dat);
    if (!marks)
        return 0;
    const char *text = arena_printf(
        s->a,
        "The best validation accuracy that a probe of each layer reached in the search, mean over "
        "pretraining seeds%s.%s%s",
        bands ? "; band: from the least to the most of them" : "", summary_left_out(s, most_left),
        panels_left_out(&p));
    figure_caption_flagged(in, text, FLAG_COMPARISON, dat);
    return marks;
}
