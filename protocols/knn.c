/* knn.c -- cosine k-nearest neighbours with weights exp(similarity / T), Wu et al. 2018
 * (arXiv:1805.01978), section 3.4.
 *
 * Representation and k are chosen on the validation part (neighbours from the fitting part); the
 * test split is then classified once with neighbours from all training images.
 */
#include "protocols/probe.h"
#include "protocols/protocol.h"

#include <math.h>
#include <stdio.h>

struct knn {
    double temperature, val_share;
};

static const struct option_def options[] = {
    OPTION_REAL(struct knn, temperature, 0.07, 0.001, 100, "T of the weights exp(similarity / T)"),
    OPTION_REAL(struct knn, val_share, 0.1, 0.01, 0.9, "share of training images to select on"),
    OPTION_END};

static const int neighbours[] = {1, 5, 10, 20, 50, 100, 200};
enum { KS = sizeof neighbours / sizeof *neighbours };

/* Adds one representation's candidates to e->grid. */
static int score_representation(const struct knn *o, const struct protocol_input *in,
                                const struct selection *part, int r, struct eval *e,
                                struct error *err) {
    const struct feature_set *f = in->features;
    struct arena a = {0};
    int32_t *labels;
    struct features fit = {.n = part->n_fit, .dim = f->dim[r], .classes = f->classes};
    struct features val = {.n = part->n_val, .dim = f->dim[r], .classes = f->classes};
    fit.x = selection_rows(f, r, part->fit, part->n_fit, &a, &labels);
    fit.label = labels;
    val.x = selection_rows(f, r, part->val, part->n_val, &a, &labels);
    val.label = labels;
    size_t classes = (size_t)f->classes, n = (size_t)val.n;
    float *votes = ARENA_ARRAY(&a, float, n *KS *classes);
    float *one = ARENA_ARRAY(&a, float, n *classes);
    int16_t *pred = ARENA_ARRAY(&a, int16_t, n);
    double *per_class = ARENA_ARRAY(&a, double, classes), top1, top5;
    int32_t *confusion = ARENA_ARRAY(&a, int32_t, classes * classes);
    int status = 0;
    TRY(knn_votes(in->kernels, &fit, &val, neighbours, KS, o->temperature, in->threads, votes,
                  err));
    for (int q = 0; q < KS; q++) {
        for (size_t i = 0; i < n; i++)
            for (size_t c = 0; c < classes; c++)
                one[i * classes + c] = votes[(i * KS + (size_t)q) * classes + c];
        score_predictions(one, val.label, val.n, f->classes, pred, &top1, &top5, per_class,
                          confusion);
        struct grid_row *row = &e->grid[e->n_grid++];
        *row = (struct grid_row){.lr = NAN,
                                 .weight_decay = NAN,
                                 .k = neighbours[q],
                                 .temperature = o->temperature,
                                 .val_top1 = top1};
        snprintf(row->representation, sizeof row->representation, "%s", f->names[r]);
    }
out:
    arena_free(&a);
    return status;
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    const struct knn *o = self;
    const struct feature_set *f = in->features;
    struct arena a = {0};
    struct selection part;
    int status = 0, best = 0;
    selection_make(&part, in, o->val_share, e);
    if (!part.n_val || !part.n_fit)
        return error_set(err, STATUS_USAGE,
                         "knn.val_share %g leaves nothing to select on: %d training images are too "
                         "few",
                         o->val_share, f->train.n);
    e->grid = ARENA_ARRAY(in->arena, struct grid_row, f->n_representations * KS);
    for (int r = 0; r < f->n_representations; r++)
        TRY(score_representation(o, in, &part, r, e, err));
    for (int i = 1; i < e->n_grid; i++)
        best = e->grid[i].val_top1 > e->grid[best].val_top1 ? i : best;
    e->grid[best].chosen = 1;
    eval_reserve(e, in, 1);
    int r = best / KS, k = neighbours[best % KS];
    struct features train = {f->train.x[r], f->train.label, f->train.n, f->dim[r], f->classes};
    struct features test = {f->test.x[r], f->test.label, f->test.n, f->dim[r], f->classes};
    float *votes = ARENA_ARRAY(&a, float, (size_t)test.n *(size_t)f->classes);
    TRY(knn_votes(in->kernels, &train, &test, &k, 1, o->temperature, in->threads, votes, err));
    eval_fill(e, 0, f, votes);
out:
    arena_free(&a);
    return status;
}

const struct protocol protocol_knn = {.name = "knn",
                                      .title = "k-nearest neighbours",
                                      .version = "1.0",
                                      .uses_labels = 1,
                                      .options = options,
                                      .state_size = sizeof(struct knn),
                                      .run = run};
