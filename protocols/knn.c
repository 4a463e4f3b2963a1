/* knn.c -- cosine k-nearest neighbours with weights exp(similarity / T), Wu et al. 2018
 * (arXiv:1805.01978), section 3.4.
 *
 * Representation, k and T are chosen on the validation part (neighbours from the fitting part;
 * ties: the first in the table's order); the test split is then classified once with neighbours
 * from all training images.
 */
#include "protocols/representations.h"

#include <math.h>
#include <stdio.h>

struct knn {
    double val_share;
    const char *representations, *k, *temperatures;
};

static const struct option_def options[] = {
    OPTION_REAL(struct knn, val_share, 0.1, 0.01, 0.9, "share of training images to select on"),
    OPTION_TEXT(struct knn, representations, "plain", REPRESENTATION_CHOICES, REPRESENTATION_HELP),
    OPTION_INTS(struct knn, k, "1 5 10 20 50 100 200", 1, 1000000, "numbers of neighbours"),
    OPTION_REALS(struct knn, temperatures, "0.02 0.07 0.1 0.2 1", 0.001, 100,
                 "T of the weights exp(similarity / T)"),
    OPTION_END};

struct choices {
    int k[OPTION_LIST];
    double temperature[OPTION_LIST];
    struct knn_grid grid; /* of these */
};

static void fill_choices(const struct knn *o, struct choices *c) {
    double k[OPTION_LIST];
    c->grid.n_k = options_numbers(o->k, k);
    c->grid.n_t = options_numbers(o->temperatures, c->temperature);
    for (int i = 0; i < c->grid.n_k; i++)
        c->k[i] = (int)k[i];
    c->grid.k = c->k;
    c->grid.temperature = c->temperature;
}

/* Adds one candidate to e->grid; its votes of sample i start at votes[i * stride]. */
static void add_candidate(struct eval *e, const struct features *val, const float *votes,
                          size_t stride, float *scores, int k, double temperature,
                          const char *representation) {
    size_t classes = (size_t)val->classes;
    struct grid_row *row = &e->grid[e->n_grid++];
    *row = (struct grid_row){.lr = NAN, .weight_decay = NAN, .k = k, .temperature = temperature};
    snprintf(row->representation, sizeof row->representation, "%s", representation);
    for (size_t i = 0; i < (size_t)val->n; i++)
        for (size_t c = 0; c < classes; c++)
            scores[i * classes + c] = votes[i * stride + c];
    score_predictions(scores, val->label, val->n, val->classes, NULL, &row->val_top1, NULL, NULL,
                      NULL);
}

/* Adds one representation's candidates. */
static int search(const struct choices *c, const struct protocol_input *in,
                  const struct selection *part, const struct representation *what, struct eval *e,
                  struct error *err) {
    const struct feature_set *f = in->features;
    const struct knn_grid *g = &c->grid;
    struct rows fit = {.slab = {0}}, val = {.slab = {0}};
    struct slab slab = {0};
    size_t classes = (size_t)f->classes, n = (size_t)part->n_val;
    size_t stride = (size_t)g->n_t * (size_t)g->n_k * classes;
    int status = 0;
    TRY(rows_open(&fit, f, &f->train, what, part->fit, part->n_fit, err));
    TRY(rows_open(&val, f, &f->train, what, part->val, part->n_val, err));
    TRY(slab_alloc(&slab, sizeof(float) * n * (stride + classes), "the votes of neighbours", err));
    float *votes = slab.data, *scores = votes + n * stride;
    TRY(knn_votes(in->kernels, &fit.features, &val.features, g, in->threads, votes, err));
    for (int t = 0; t < g->n_t; t++)
        for (int q = 0; q < g->n_k; q++)
            add_candidate(e, &val.features, votes + (size_t)(t * g->n_k + q) * classes, stride,
                          scores, g->k[q], g->temperature[t], what->name);
out:
    rows_close(&fit);
    rows_close(&val);
    slab_free(&slab);
    return status;
}

static int classify(const struct knn_grid *chosen, const struct protocol_input *in,
                    const struct representation *what, struct eval *e, struct error *err) {
    const struct feature_set *f = in->features;
    struct rows train = {.slab = {0}}, test = {.slab = {0}};
    struct arena scratch = {0};
    int status = 0;
    eval_reserve(e, in, 1);
    float *votes = ARENA_ARRAY(&scratch, float, (size_t)f->test.n *(size_t)f->classes);
    TRY(rows_open(&train, f, &f->train, what, NULL, 0, err));
    TRY(rows_open(&test, f, &f->test, what, NULL, 0, err));
    TRY(knn_votes(in->kernels, &train.features, &test.features, chosen, in->threads, votes, err));
    eval_fill(e, 0, f, votes);
out:
    rows_close(&train);
    rows_close(&test);
    arena_free(&scratch);
    return status;
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    const struct knn *o = self;
    struct selection part;
    struct representation *what;
    struct choices c;
    int n = representations_list(in->features, o->representations, in->arena, &what), status = 0;
    fill_choices(o, &c);
    int each = c.grid.n_t * c.grid.n_k, best = 0;
    TRY(selection_make(&part, in, o->val_share, "knn", e, err));
    e->grid = ARENA_ARRAY(in->arena, struct grid_row, n * each);
    for (int r = 0; r < n; r++)
        TRY(search(&c, in, &part, &what[r], e, err));
    best = grid_choose(e->grid, e->n_grid);
    const struct knn_grid chosen = {.k = &c.k[best % each % c.grid.n_k],
                                    .temperature = &c.temperature[best % each / c.grid.n_k],
                                    .n_k = 1,
                                    .n_t = 1};
    TRY(classify(&chosen, in, &what[best / each], e, err));
out:
    return status;
}

static int wants(const void *self, const struct feature_set *f, char *wanted) {
    const struct knn *o = self;
    return representations_want(f, o->representations, wanted);
}

const struct protocol protocol_knn = {.name = "knn",
                                      .title = "k-nearest neighbours",
                                      .version = "2.0",
                                      .uses_labels = 1,
                                      .wants = wants,
                                      .options = options,
                                      .state_size = sizeof(struct knn),
                                      .run = run};
