/* linear.c -- a linear classifier on frozen features.
 *
 * Every representation (representations.h) times every head of the grid is trained on the fitting
 * part of the training images and scored on the validation part; the best one (ties: the first) is
 * fitted again on all training images and meets the test split once.
 *
 * The grid: SGD as in SimCLR and DINO, each rate with each weight decay, and LARS without weight
 * decay as in MAE's probe (He et al. 2022, arXiv:2111.06377, appendix A.1, table 10), each of its
 * rates.  MAE's 0.1 belongs to 64 times the batch and to 90 epochs of ImageNet; a LARS rate says by
 * which share of their norm weights move in a step, and there are fewer steps here.  Features are
 * standardised before the head unless batch_norm is off: MAE has a batch norm without affine there.
 */
#include "protocols/representations.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct linear {
    int epochs, batch, batch_norm, probe_seeds;
    double val_share, momentum;
    const char *representations, *rates, *decays, *lars_rates;
};

static const struct option_def options[] = {
    OPTION_INT(struct linear, epochs, 30, 1, 10000, "passes over the features"),
    OPTION_INT(struct linear, batch, 256, 1, 65536, "features in a step"),
    OPTION_BOOL(struct linear, batch_norm, 1, "standardise features before the head"),
    OPTION_INT(struct linear, probe_seeds, 1, 1, 64, "fits of the chosen head, each another order"),
    OPTION_REAL(struct linear, val_share, 0.1, 0.01, 0.9, "share of training images to select on"),
    OPTION_REAL(struct linear, momentum, 0.9, 0, 0.999, "momentum, Nesterov's for SGD"),
    OPTION_TEXT(struct linear, representations, "all", REPRESENTATION_CHOICES, REPRESENTATION_HELP),
    OPTION_REALS(struct linear, rates, "0.03 0.1 0.3 1", 1e-6, 1000,
                 "learning rates of SGD heads, for 256 features a step"),
    OPTION_REALS(struct linear, decays, "0 0.001", 0, 10, "weight decays of SGD heads"),
    OPTION_REALS(struct linear, lars_rates, "10 30 100", 1e-6, 1000,
                 "learning rates of LARS heads, for 256 features a step"),
    OPTION_END};

struct grid {
    struct linear_head head[OPTION_LIST * OPTION_LIST + OPTION_LIST];
    int n;
};

static void fill_grid(const struct linear *o, struct grid *g) {
    double rate[OPTION_LIST], decay[OPTION_LIST];
    int n_rates = options_numbers(o->rates, rate), n_decays = options_numbers(o->decays, decay);
    g->n = 0;
    for (int i = 0; i < n_rates; i++)
        for (int j = 0; j < n_decays; j++)
            g->head[g->n++] = (struct linear_head){HEAD_SGD, rate[i], decay[j]};
    n_rates = options_numbers(o->lars_rates, rate);
    for (int i = 0; i < n_rates; i++)
        g->head[g->n++] = (struct linear_head){HEAD_LARS, rate[i], 0};
    CHECK(g->n, "no head in \"%s\" and \"%s\"", o->rates, o->lars_rates);
}

static void add_row(struct eval *e, const char *representation, const struct linear_head *head,
                    double val_top1) {
    struct grid_row *row = &e->grid[e->n_grid++];
    *row = (struct grid_row){.lr = head->lr,
                             .weight_decay = head->weight_decay,
                             .k = NAN,
                             .temperature = NAN,
                             .val_top1 = val_top1};
    snprintf(row->representation, sizeof row->representation, "%s", representation);
    snprintf(row->head, sizeof row->head, "%s", head_names[head->kind]);
}

/* Scores every head on one representation into e->grid. */
static int search(const struct linear_options *o, const struct grid *grid,
                  const struct protocol_input *in, const struct selection *part,
                  const struct representation *what, struct eval *e, struct error *err) {
    const struct feature_set *f = in->features;
    struct rows fit = {.slab = {0}}, val = {.slab = {0}};
    struct arena scratch = {0};
    double *val_top1 = ARENA_ARRAY(&scratch, double, grid->n);
    int status = 0;
    TRY(rows_open(&fit, f, &f->train, what, part->fit, part->n_fit, err));
    TRY(rows_open(&val, f, &f->train, what, part->val, part->n_val, err));
    TRY(linear_search(in->kernels, &fit.features, &val.features, o, grid->head, grid->n,
                      in->probe_seed, val_top1, err));
    for (int i = 0; i < grid->n; i++)
        add_row(e, what->name, &grid->head[i], val_top1[i]);
out:
    rows_close(&fit);
    rows_close(&val);
    arena_free(&scratch);
    return status;
}

/* Fits the chosen head on all training images, once for every probe seed. */
static int refit(const struct linear_options *o, int seeds, const struct linear_head *head,
                 const struct protocol_input *in, const struct representation *what, struct eval *e,
                 struct error *err) {
    const struct feature_set *f = in->features;
    struct rows train = {.slab = {0}}, test = {.slab = {0}};
    struct arena scratch = {0};
    int status = 0;
    eval_reserve(e, in, seeds);
    float *logits = ARENA_ARRAY(&scratch, float, (size_t)f->test.n *(size_t)f->classes);
    TRY(rows_open(&train, f, &f->train, what, NULL, 0, err));
    TRY(rows_open(&test, f, &f->test, what, NULL, 0, err));
    for (int i = 0; i < seeds; i++) {
        TRY(linear_fit_predict(in->kernels, &train.features, &test.features, o, head,
                               in->probe_seed + (uint64_t)i, logits, err));
        eval_fill(e, i, f, logits);
    }
out:
    rows_close(&train);
    rows_close(&test);
    arena_free(&scratch);
    return status;
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    const struct linear *o = self;
    const struct feature_set *f = in->features;
    const struct linear_options po = {.epochs = o->epochs,
                                      .batch = o->batch,
                                      .batch_norm = o->batch_norm,
                                      .momentum = o->momentum,
                                      .threads = in->threads};
    struct selection part;
    struct grid grid;
    struct representation *what;
    int n = representations_list(f, o->representations, in->arena, &what), best = 0, status = 0;
    fill_grid(o, &grid);
    TRY(selection_make(&part, in, o->val_share, "linear", e, err));
    e->grid = ARENA_ARRAY(in->arena, struct grid_row, n * grid.n);
    for (int r = 0; r < n; r++)
        TRY(search(&po, &grid, in, &part, &what[r], e, err));
    best = grid_choose(e->grid, e->n_grid);
    TRY(refit(&po, o->probe_seeds, &grid.head[best % grid.n], in, &what[best / grid.n], e, err));
out:
    return status;
}

static int wants(const void *self, const struct feature_set *f, char *wanted) {
    const struct linear *o = self;
    return representations_want(f, o->representations, wanted);
}

const struct protocol protocol_linear = {.name = "linear",
                                         .title = "Linear probe",
                                         .version = "2.0",
                                         .uses_labels = 1,
                                         .wants = wants,
                                         .options = options,
                                         .state_size = sizeof(struct linear),
                                         .run = run};
