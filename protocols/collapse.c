#include "protocols/collapse.h"

#include "methods/diagnose.h"

#include <math.h>

int collapse_due(int every, long step, long steps) {
    return step > 0 && (step % every == 0 || step == steps);
}

/* (N,..,D) as rows of D */
static const float *rows_of(const struct trainer *t, const struct tensor *x, int n, int *rows,
                            int *cols) {
    *cols = x->dim[x->ndim - 1];
    *rows = n * (int)(x->per_sample / (size_t)*cols);
    if (*rows > DIAGNOSE_ROWS)
        *rows = DIAGNOSE_ROWS;
    return exec_output(t->exec, x);
}

void collapse_look(const struct trainer *t, int n, struct step_row *row) {
    const struct builder *b = t->config.builder;
    int rows, cols;
    if (b->watched[WATCH_FEATURES]) {
        const float *x = rows_of(t, b->watched[WATCH_FEATURES], n, &rows, &cols);
        if (rows >= COLLAPSE_LEAST) {
            row->feature_std = feature_std(rows, cols, x);
            row->effective_rank = effective_rank(rows, cols, x);
        }
    }
    if (b->watched[WATCH_LOGITS]) {
        double of_mean;
        const float *x = rows_of(t, b->watched[WATCH_LOGITS], n, &rows, &cols);
        prediction_entropy(rows, cols, x, &row->entropy, &of_mean);
    }
}

static int is_collapsed(const struct step_row *r, double uniform) {
    return r->effective_rank < 1.5 || r->feature_std < 0.01 ||
           (uniform > 0 && fabs(r->loss - uniform) < 1e-3 * uniform);
}

long collapse_since(const struct step_row *rows, long n, double uniform) {
    long since = 0;
    int found = 0;
    for (long i = n - 1; i >= 0; i--) {
        if (isnan(rows[i].feature_std)) /* not looked at */
            continue;
        if (!is_collapsed(&rows[i], uniform))
            break;
        since = rows[i].step;
        found++;
    }
    return found >= COLLAPSE_ROWS ? since : 0;
}

const char *collapse_finding(const struct step_row *rows, long n, double uniform, long steps,
                             struct arena *a) {
    const long since = collapse_since(rows, n, uniform);
    return since ? arena_printf(a,
                                "collapsed since step %ld of %ld: effective rank %.2f, feature std "
                                "%.4f",
                                since, steps, rows[n - 1].effective_rank, rows[n - 1].feature_std)
                 : "";
}
