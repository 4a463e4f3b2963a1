/* The data of the loss curves: a panel for each method and dataset, a thin line for each seed. */
#include "reports/figures_internal.h"
#include "reports/text_internal.h"

#include <math.h>
#include <string.h>

#define LOG_FROM 20.0 /* largest loss over smallest */

enum { POINTS = 150, TITLE = 32, CAPTION = 124 };

/* The runs of one row on one pretraining dataset. */
struct panel {
    const struct summary_row *row;
    const char *dataset;
    double smallest, largest, last; /* losses and step, of what is drawn */
    int logarithmic;
};

/* Where a run that is not complete ended. */
struct end {
    int panel, id;
    double step, loss;
};

struct curves {
    const struct summary *s;
    struct panel *panel;
    int n_panels;
    long longest_bin;
    int logarithmic;
    struct end *end;
    int n_ends;
};

static void find_panels(struct curves *c) {
    const struct summary *s = c->s;
    int most = 0;
    for (int r = 0; r < s->n_rows; r++)
        most += s->row[r].n_runs;
    c->panel = ARENA_ARRAY(s->a, struct panel, most);
    c->end = ARENA_ARRAY(s->a, struct end, most);
    for (int r = 0; r < s->n_rows; r++)
        for (int i = 0; i < s->row[r].n_runs; i++) {
            const struct run *run = s->row[r].run[i];
            int found = run->n_steps == 0;
            for (int p = 0; p < c->n_panels; p++)
                found |=
                    c->panel[p].row == &s->row[r] && !strcmp(c->panel[p].dataset, run->dataset);
            if (!found)
                c->panel[c->n_panels++] =
                    (struct panel){&s->row[r], run->dataset, INFINITY, -INFINITY, 1, 0};
        }
}

/* Means of equal bins of steps: as many points as can be seen, and less noise. */
static void put_curve(struct curves *c, int number, const struct run *run, FILE *dat) {
    struct panel *panel = &c->panel[number - 1];
    long bin = (run->n_steps + POINTS - 1) / POINTS;
    double last_step = NAN, last_loss = NAN;
    if (bin > c->longest_bin)
        c->longest_bin = bin;
    for (long i = 0; i < run->n_steps; i += bin) {
        double step = 0, loss = 0;
        int n = 0;
        for (long j = i; j < i + bin && j < run->n_steps; j++)
            if (isfinite(run->steps[j].loss)) {
                step += (double)run->steps[j].step;
                loss += run->steps[j].loss;
                n++;
            }
        if (!n)
            continue;
        last_step = step / n;
        last_loss = loss / n;
        panel->smallest = fmin(panel->smallest, last_loss);
        panel->largest = fmax(panel->largest, last_loss);
        panel->last = fmax(panel->last, (double)run->steps[i].step);
        fprintf(dat, "%d\t%d\t%.7g\t%.6g\n", number, panel->row->id, last_step, last_loss);
    }
    if (!run_is_complete(run) && isfinite(last_step))
        c->end[c->n_ends++] = (struct end){number, panel->row->id, last_step, last_loss};
    fputc('\n', dat);
}

static void put_curves(struct curves *c, FILE *dat) {
    fputs("# curves\n# panel\tlook\tstep\tloss\n", dat);
    for (int p = 0; p < c->n_panels; p++) {
        const struct summary_row *row = c->panel[p].row;
        for (int i = 0; i < row->n_runs; i++)
            if (row->run[i]->n_steps && !strcmp(row->run[i]->dataset, c->panel[p].dataset))
                put_curve(c, p + 1, row->run[i], dat);
    }
}

static void put_panel(struct panel *panel, int number, const char *label, FILE *dat,
                      struct arena *a) {
    enum { TICKS = 5 };
    const double margin = 0.05;
    double lo = panel->smallest, hi = panel->largest;
    panel->logarithmic = lo > 0 && hi / lo > LOG_FROM;
    double pad = fmax(margin * (hi - lo), margin * margin * fabs(hi) + 1e-9);
    fprintf(dat, "%d\t%d\t%g\t%g\t", number, panel->logarithmic, panel->last,
            figure_step(panel->last, TICKS));
    if (panel->logarithmic)
        fprintf(dat, "%g\t%g\t0\t", lo / (1 + margin), hi * (1 + margin));
    else
        fprintf(dat, "%g\t%g\t%g\t", lo - pad, hi + pad, figure_step(hi - lo + 2 * pad, TICKS));
    fprintf(dat, "%s\n", figure_text(label, TITLE, a));
}

/* Several datasets: each has a panel, so each title needs its name. */
static void put_panels(struct curves *c, FILE *dat) {
    int datasets = 0;
    for (int p = 1; p < c->n_panels; p++)
        datasets |= strcmp(c->panel[p].dataset, c->panel[0].dataset);
    fputs("\n# panels\n# number\tlogarithmic\tlast step\tstep of x\tfrom\tto\tstep of y\ttitle\n",
          dat);
    for (int p = 0; p < c->n_panels; p++) {
        const char *label = summary_label(c->s, c->panel[p].row, " · ");
        if (datasets && !c->s->several_datasets)
            label = arena_printf(c->s->a, "%s · %s", label, c->panel[p].dataset);
        put_panel(&c->panel[p], p + 1, label, dat, c->s->a);
        c->logarithmic |= c->panel[p].logarithmic;
    }
}

/* A block must not be empty: the panel 0 is never drawn. */
static void put_ends(const struct curves *c, FILE *dat) {
    fputs("\n\n# ends\n# panel\tlook\tstep\tloss\n0\t1\t0\t0\n", dat);
    for (int i = 0; i < c->n_ends; i++)
        fprintf(dat, "%d\t%d\t%.7g\t%.6g\n", c->end[i].panel, c->end[i].id, c->end[i].step,
                c->end[i].loss);
}

int figure_loss(const struct summary *s, FILE *dat) {
    struct curves c = {.s = s};
    find_panels(&c);
    if (!c.n_panels)
        return 0;
    fputs(
        "# What loss.gp draws; written again by each report.  Columns are separated by tabs.\n\n\n",
        dat);
    put_curves(&c, dat);
    put_panels(&c, dat);
    put_ends(&c, dat);
    const char *text =
        "Training loss, a line for each pretraining seed. Losses of different methods cannot be "
        "compared.";
    if (c.longest_bin > 1)
        text =
            arena_printf(s->a, "%s A point is the mean of up to %ld steps.", text, c.longest_bin);
    if (c.logarithmic)
        text = arena_printf(s->a,
                            "%s Axes are logarithmic where losses span more than a factor of %g.",
                            text, LOG_FROM);
    if (c.n_ends)
        text = arena_printf(s->a, "%s Cross: the run ended there without being complete.", text);
    figure_caption(text, CAPTION, dat, s->a);
    return c.n_panels;
}
