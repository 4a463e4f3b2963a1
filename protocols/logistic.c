/* logistic.c -- multinomial logistic regression on frozen features by L-BFGS.
 *
 * The classifier of CLIP's linear evaluation (Radford et al. 2021, arXiv:2103.00020, appendix A.3)
 * and of DINOv2's: no rate, no order of samples, one optimum.  C is swept on the fitting part of
 * the training images from the strongest regularisation to the weakest, each fit starting from the
 * one before; representation and C are chosen on the validation part (ties: the first), and the
 * chosen one is fitted from zeros on all training images and meets the test split once.
 *
 * The objective is scikit-learn's (probe.h).  Features are standardised by the images that are
 * fitted unless `standardise` is off; CLIP and DINOv2 do not, but a layer's features differ in
 * size.
 *
 * A fit that does not reach the tolerance in max_iterations still counts with where it got to;
 * there is a warning, `converged` of the result is 0, and `search_converged` says how many of the
 * sweep did.
 */
#include "core/log.h"
#include "protocols/representations.h"

#include <math.h>
#include <stdio.h>

struct logistic {
    int standardise, max_iterations;
    double val_share, tolerance;
    const char *representations, *c;
};

static const struct option_def options[] = {
    OPTION_REAL(struct logistic, val_share, 0.1, 0.01, 0.9,
                "share of training images to select on"),
    OPTION_TEXT(struct logistic, representations, "last", REPRESENTATION_CHOICES,
                REPRESENTATION_HELP),
    OPTION_REALS(struct logistic, c, "1e-5 0.0001 0.001 0.01 0.1 1 10", 1e-12, 1e12,
                 "C: the objective is the sum of losses + |W|^2 / (2 C)"),
    OPTION_BOOL(struct logistic, standardise, 1, "standardise features before the head"),
    OPTION_INT(struct logistic, max_iterations, 1000, 1, 1000000, "of L-BFGS, for each fit"),
    OPTION_REAL(struct logistic, tolerance, 1e-5, 1e-8, 1,
                "largest derivative of the mean objective where a fit ends"),
    OPTION_END};

/* With the statistics of f, in arena. */
static struct logistic_options fit_options(const struct logistic *o, const struct features *f,
                                           int threads, struct arena *a) {
    float *mean = ARENA_ARRAY(a, float, f->dim), *rstd = ARENA_ARRAY(a, float, f->dim);
    features_measure(f, LOGISTIC_EPS, mean, rstd);
    for (int d = 0; d < f->dim && !o->standardise; d++)
        rstd[d] = 1;
    return (struct logistic_options){.mean = mean,
                                     .rstd = rstd,
                                     .max_iterations = o->max_iterations,
                                     .threads = threads,
                                     .tolerance = o->tolerance};
}

static void add_row(struct eval *e, const char *representation, double c, double val_top1) {
    struct grid_row *row = &e->grid[e->n_grid++];
    *row = (struct grid_row){.head = "lbfgs",
                             .lr = NAN,
                             .weight_decay = 1 / c,
                             .k = NAN,
                             .temperature = NAN,
                             .val_top1 = val_top1};
    snprintf(row->representation, sizeof row->representation, "%s", representation);
}

/* Scores every C on one representation into e->grid. */
static int search(const struct logistic *o, const double *c, int n, const struct protocol_input *in,
                  const struct selection *part, const struct representation *what, struct eval *e,
                  int *lost, struct error *err) {
    const struct feature_set *f = in->features;
    struct rows fit = {.slab = {0}}, val = {.slab = {0}};
    struct arena scratch = {0};
    int right[OPTION_LIST], status = 0;
    TRY(rows_open(&fit, f, &f->train, what, part->fit, part->n_fit, err));
    TRY(rows_open(&val, f, &f->train, what, part->val, part->n_val, err));
    const struct logistic_options lo = fit_options(o, &fit.features, in->threads, &scratch);
    TRY(logistic_sweep(&fit.features, &val.features, &lo, c, n, right, lost, err));
    for (int i = 0; i < n; i++)
        add_row(e, what->name, c[i], (double)right[i] / part->n_val);
out:
    rows_close(&fit);
    rows_close(&val);
    arena_free(&scratch);
    return status;
}

static int refit(const struct logistic *o, double c, const struct protocol_input *in,
                 const struct representation *what, struct eval *e, struct logistic_result *result,
                 struct error *err) {
    const struct feature_set *f = in->features;
    struct rows train = {.slab = {0}}, test = {.slab = {0}};
    struct arena scratch = {0};
    int status = 0;
    eval_reserve(e, in, 1);
    float *logits = ARENA_ARRAY(&scratch, float, (size_t)f->test.n *(size_t)f->classes);
    TRY(rows_open(&train, f, &f->train, what, NULL, 0, err));
    TRY(rows_open(&test, f, &f->test, what, NULL, 0, err));
    TRY(features_check(&test.features, "test", 0, err));
    double *w = ARENA_ARRAY(&scratch, double, logistic_size(&train.features));
    const struct logistic_options lo = fit_options(o, &train.features, in->threads, &scratch);
    TRY(logistic_fit(&train.features, &lo, c, w, result, err));
    logistic_logits(&test.features, &lo, w, logits);
    eval_fill(e, 0, f, logits);
out:
    rows_close(&train);
    rows_close(&test);
    arena_free(&scratch);
    return status;
}

static void record(const struct logistic *o, const struct protocol_input *in, struct eval *e,
                   int lost, const struct logistic_result *r) {
    const struct metric_row rows[] = {
        {"converged", e->seed[0], r->converged},
        {"search_converged", e->seed[0], 1 - (double)lost / e->n_grid}};
    e->n_metrics = sizeof rows / sizeof *rows;
    e->metrics = ARENA_ARRAY(in->arena, struct metric_row, e->n_metrics);
    for (int i = 0; i < e->n_metrics; i++)
        e->metrics[i] = rows[i];
    if (lost)
        log_message(
            LOG_WARN,
            "logistic: %d of %d fits of the search did not converge in %d iterations: raise "
            "logistic.max_iterations",
            lost, e->n_grid, o->max_iterations);
    if (!r->converged)
        log_message(
            LOG_WARN,
            "logistic: the final fit stopped after %d iterations with a derivative of %.2g, "
            "above the tolerance %g: raise logistic.max_iterations",
            r->iterations, r->slope, o->tolerance);
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    const struct logistic *o = self;
    struct selection part;
    struct representation *what;
    struct logistic_result result;
    double c[OPTION_LIST];
    int n_c = options_numbers(o->c, c), lost = 0, best = 0, status = 0;
    int n = representations_list(in->features, o->representations, in->arena, &what);
    TRY(selection_make(&part, in, o->val_share, "logistic", e, err));
    e->grid = ARENA_ARRAY(in->arena, struct grid_row, n * n_c);
    for (int r = 0; r < n; r++)
        TRY(search(o, c, n_c, in, &part, &what[r], e, &lost, err));
    best = grid_choose(e->grid, e->n_grid);
    TRY(refit(o, c[best % n_c], in, &what[best / n_c], e, &result, err));
    record(o, in, e, lost, &result);
out:
    return status;
}

static int wants(const void *self, const struct feature_set *f, char *wanted) {
    const struct logistic *o = self;
    return representations_want(f, o->representations, wanted);
}

const struct protocol protocol_logistic = {.name = "logistic",
                                           .title = "Logistic regression",
                                           .version = "1.0",
                                           .uses_labels = 1,
                                           .wants = wants,
                                           .options = options,
                                           .state_size = sizeof(struct logistic),
                                           .run = run};
