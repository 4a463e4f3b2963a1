/* How much a method is above `random`: in pairs where pretraining seeds are shared. */
#include "reports/difference_internal.h"

#include <math.h>
#include <string.h>

int summary_baseline(const struct summary *s, const struct summary_row *row) {
    int found = -1, n = 0;
    for (int r = 0; r < s->n_rows; r++) {
        const struct summary_row *other = &s->row[r];
        if (strcmp(other->method, "random") || strcmp(other->backbone, row->backbone) ||
            strcmp(other->dataset, row->dataset))
            continue;
        if (!strcmp(other->variant, row->variant))
            return r;
        found = r;
        n++;
    }
    return n > 1 ? -2 : found;
}

int cell_n_incomplete(const struct summary_cell *cell) {
    int n = 0;
    for (int i = 0; i < cell->n; i++)
        n += !run_is_complete(cell->run[i]);
    return n;
}

double cell_rounding_error(const struct summary_cell *cell, int n) {
    if (!cell->shares || cell->images <= 0)
        return 0;
    double step = 100.0 / cell->images;
    return step / sqrt(12.0 * n * cell->shares * (cell->probes > 1 ? cell->probes : 1));
}

double cells_rounding_error(const struct summary_cell *a, int na, const struct summary_cell *b,
                            int nb) {
    return hypot(cell_rounding_error(a, na), cell_rounding_error(b, nb));
}

int summary_difference(const struct summary *s, const struct summary_cell *cell,
                       const struct summary_cell *base, struct summary_difference *d) {
    double *a = ARENA_ARRAY(s->a, double, cell->n), *b = ARENA_ARRAY(s->a, double, cell->n);
    int pairs = 0;
    for (int i = 0; i < cell->n; i++)
        for (int j = 0; j < base->n; j++)
            if (cell->run[i]->seed == base->run[j]->seed) {
                a[pairs] = cell->top1[i];
                b[pairs++] = base->top1[j];
            }
    if (!cell->n || !base->n)
        return 0;
    int welch = !pairs || (pairs < 2 && cell->n > 1 && base->n > 1);
    struct estimate e = welch ? welch_estimate(cell->top1, cell->n, base->top1, base->n)
                              : paired_estimate(a, b, pairs);
    e.error = fmax(e.error, cells_rounding_error(cell, welch ? cell->n : pairs, base,
                                                 welch ? base->n : pairs));
    *d = (struct summary_difference){.interval = estimate_interval(e, REPORT_LEVEL),
                                     .pairs = welch ? 0 : pairs,
                                     .certain = cell->wilson && base->wilson,
                                     .incomplete =
                                         cell_n_incomplete(cell) || cell_n_incomplete(base)};
    return 1;
}
