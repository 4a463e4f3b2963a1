/* The data of the confusion matrices: a panel for each row of the summary. */
#include "reports/figures_internal.h"
#include "reports/heat_internal.h"

#include <math.h>
#include <string.h>

static int has_confusion(const struct eval *e) {
    return e && e->confusion && e->class_name && e->n_classes > 1;
}

/* Counts of all seeds of the row (classes, classes); NULL: no run has any.  Runs with other classes
 * than the first one are another data set under the same name: they do not count. */
static double *sum_of(const struct summary *s, const struct summary_row *row,
                      const struct summary_column *column, const struct eval **first, int *runs) {
    double *sum = NULL;
    *first = NULL;
    *runs = 0;
    for (int i = 0; i < row->n_runs; i++) {
        const struct eval *e = summary_eval(s, row->run[i], column);
        if (!has_confusion(e) || (*first && e->n_classes != (*first)->n_classes))
            continue;
        const int cells = e->n_classes * e->n_classes;
        if (!*first) {
            *first = e;
            sum = ARENA_ARRAY(s->a, double, cells);
        }
        for (int k = 0; k < cells * e->n_seeds; k++)
            sum[k % cells] += e->confusion[k];
        ++*runs;
    }
    return sum;
}

static void draw(struct heat *h, const struct summary *s, int r, int c, int starts) {
    const struct summary_column *column = &s->column[c];
    const struct eval *e;
    int runs;
    const double *sum = sum_of(s, &s->row[r], column, &e, &runs);
    struct heat_panel *p = sum ? heat_add(h, e->n_classes, e->n_classes) : NULL;
    if (!p)
        return;
    const int n = e->n_classes;
    for (int y = 0; y < n; y++) {
        double all = 0;
        for (int x = 0; x < n; x++)
            all += sum[y * n + x];
        for (int x = 0; x < n; x++)
            p->value[y * n + x] = all > 0 ? 100 * sum[y * n + x] / all : NAN;
    }
    p->title = summary_short_label(s, &s->row[r], -1, -1);
    p->second = arena_printf(s->a, "%s · %s%s", column->protocol, column->dataset,
                             runs > 1 ? arena_printf(s->a, " · n = %d", runs) : "");
    p->row_name = p->column_name = e->class_name;
    p->row_label = "true class";
    p->column_label = "predicted class";
    p->starts = starts;
}

int figure_confusion(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    int *column = ARENA_ARRAY(s->a, int, s->n_columns), *row = ARENA_ARRAY(s->a, int, s->n_rows);
    struct heat h = {.a = s->a,
                     .hi = 100,
                     .label = "% of the true class",
                     .format = "%.0f",
                     .said = 0.5,
                     .cell_most = 0.36,
                     .dark_is_large = 1};
    int n = summary_primary(s, has_confusion, column), left_out, most_left = 0;
    for (int i = 0; i < n; i++) {
        int rows = summary_best(s, column[i], has_confusion, HEAT_PANELS, row, &left_out);
        most_left = left_out > most_left ? left_out : most_left;
        for (int k = 0; k < rows; k++)
            draw(&h, s, row[k], column[i], i && !k);
    }
    if (!heat_put(&h, "confusion", dat))
        return 0;
    const char *text = arena_printf(
        s->a,
        "Of what belongs to each true class (rows), what share was taken for each class (columns): "
        "test images, or pixels of a segmentation; all seeds together.%s%s",
        summary_left_out(s, most_left), heat_left_out(&h));
    figure_caption_flagged(in, text, FLAG_COMPARISON, dat);
    return h.n;
}
