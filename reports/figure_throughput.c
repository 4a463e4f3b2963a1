/* The data of the throughput figure: a panel for each step, images a second over the batch, a line
 * for each file. */
#include "reports/figures_internal.h"
#include "reports/steps_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PANELS = 24, LINES = 8, TITLE = 36, KEY = 84, CAPTION = 124, TICKS = 4 };

struct panel {
    const char *step;
    double most; /* images a second */
};

static int by_batch(const void *x, const void *y) {
    const struct step_time *const *a = x, *const *b = y;
    return ((*a)->batch > (*b)->batch) - ((*a)->batch < (*b)->batch);
}

static int find_panels(const struct step_files *f, int n_files, struct panel *panel, int *left) {
    int n = 0;
    for (int i = 0; i < n_files; i++)
        for (int k = 0; k < f->file[i].n; k++) {
            const struct step_time *r = &f->file[i].rows[k];
            int p = 0;
            while (p < n && strcmp(panel[p].step, r->step))
                p++;
            if (p == n && n == PANELS) {
                *left = 1;
                continue;
            }
            if (p == n)
                panel[n++] = (struct panel){r->step, 0};
            panel[p].most = fmax(panel[p].most, fmax(r->images_per_s, r->q3));
        }
    return n;
}

static void put_points(const struct step_files *f, int n_files, const struct panel *panel, int n,
                       FILE *dat, struct arena *a) {
    fputs("# points\n# panel\tline\tbatch\timages/s\tfirst quartile\tthird\n", dat);
    for (int p = 0; p < n; p++)
        for (int i = 0; i < n_files; i++) {
            const struct step_times *t = &f->file[i];
            const struct step_time **row = ARENA_ARRAY(a, const struct step_time *, t->n + 1);
            int rows = 0;
            for (int k = 0; k < t->n; k++)
                if (!strcmp(t->rows[k].step, panel[p].step))
                    row[rows++] = &t->rows[k];
            if (!rows)
                continue;
            qsort(row, (size_t)rows, sizeof *row, by_batch);
            for (int k = 0; k < rows; k++)
                fprintf(dat, "%d\t%d\t%" PRId64 "\t%.6g\t%.6g\t%.6g\n", p + 1, i + 1, row[k]->batch,
                        row[k]->images_per_s,
                        isfinite(row[k]->q1) ? row[k]->q1 : row[k]->images_per_s,
                        isfinite(row[k]->q3) ? row[k]->q3 : row[k]->images_per_s);
            fputc('\n', dat);
        }
}

static void put_axes(const struct step_files *f, int n_files, FILE *dat) {
    double lo = INFINITY, hi = 1;
    for (int i = 0; i < n_files; i++)
        for (int k = 0; k < f->file[i].n; k++) {
            lo = fmin(lo, (double)f->file[i].rows[k].batch);
            hi = fmax(hi, (double)f->file[i].rows[k].batch);
        }
    fprintf(dat, "\n# batches\n# smallest\tlargest\n%g\t%g\n", lo / 1.3, hi * 1.3);
}

int figure_throughput(const void *data, FILE *dat) {
    const struct step_files *f = data;
    struct arena a = {0};
    struct panel panel[PANELS];
    int n_files = f->n < LINES ? f->n : LINES, left = 0;
    int n = find_panels(f, n_files, panel, &left);
    if (!n)
        return 0;
    fputs("# What throughput.gp draws; written again by each report.  Columns are separated by "
          "tabs.\n\n\n",
          dat);
    put_points(f, n_files, panel, n, dat, &a);
    put_axes(f, n_files, dat);
    fputs("\n\n# panels\n# number\tup to\tstep of y\ttitle\n", dat);
    for (int p = 0; p < n; p++)
        fprintf(dat, "%d\t%g\t%g\t%s\n", p + 1, 1.08 * panel[p].most,
                figure_step(1.08 * panel[p].most, TICKS), figure_text(panel[p].step, TITLE, &a));
    fputs("\n\n# files\n# number\tlabel\n", dat);
    for (int i = 0; i < n_files; i++)
        fprintf(dat, "%d\t%s\n", i + 1, figure_text(steps_label(&f->file[i], &a), KEY, &a));
    const char *text = "Training steps: images a second over the batch, the median step with the "
                       "quartiles of steps as bars.";
    if (n_files < f->n)
        text = arena_printf(&a, "%s The first %d of %d files.", text, n_files, f->n);
    if (left)
        text = arena_printf(&a, "%s The first %d steps.", text, n);
    figure_caption(text, CAPTION, dat, &a);
    arena_free(&a);
    return n;
}
