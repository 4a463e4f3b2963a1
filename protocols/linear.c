/* linear.c -- a linear classifier on frozen features.
 *
 * Every representation (CLS and mean patch token of every layer) times every rate and weight decay
 * is trained on the fitting part of the training images and scored on the validation part; the best
 * one (ties: the first) is fitted again on all training images and meets the test split once.
 * Features are standardised before the head unless batch_norm is off: He et al. 2022, appendix A.1,
 * put a batch norm without affine there.
 */
#include "protocols/probe.h"
#include "protocols/protocol.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct linear {
    int epochs, batch, batch_norm, probe_seeds;
    double val_share, momentum;
};

static const struct option_def options[] = {
    OPTION_INT(struct linear, epochs, 30, 1, 10000, "passes over the features"),
    OPTION_INT(struct linear, batch, 256, 1, 65536, "features in a step"),
    OPTION_BOOL(struct linear, batch_norm, 1, "standardise features before the head"),
    OPTION_INT(struct linear, probe_seeds, 1, 1, 64, "fits of the chosen head, each another order"),
    OPTION_REAL(struct linear, val_share, 0.1, 0.01, 0.9, "share of training images to select on"),
    OPTION_REAL(struct linear, momentum, 0.9, 0, 0.999, "Nesterov momentum"),
    OPTION_END};

static const double rates[] = {0.01, 0.03, 0.1, 0.3, 1};
static const double decays[] = {0, 1e-3, 1e-2};
enum { RATES = sizeof rates / sizeof *rates, DECAYS = sizeof decays / sizeof *decays };

static struct linear_options probe_options(const struct linear *o, int threads) {
    return (struct linear_options){.epochs = o->epochs,
                                   .batch = o->batch,
                                   .batch_norm = o->batch_norm,
                                   .lr = rates,
                                   .weight_decay = decays,
                                   .n_lr = RATES,
                                   .n_wd = DECAYS,
                                   .momentum = o->momentum,
                                   .threads = threads};
}

/* Scores every candidate into e->grid; returns the row of the best. */
static int search(const struct linear *o, const struct protocol_input *in,
                  const struct selection *part, struct eval *e, int *best, struct error *err) {
    const struct feature_set *f = in->features;
    struct linear_options po = probe_options(o, in->threads);
    e->grid = ARENA_ARRAY(in->arena, struct grid_row, f->n_representations * RATES * DECAYS);
    *best = 0;
    for (int r = 0; r < f->n_representations; r++) {
        struct arena scratch = {0};
        struct features fit = {.n = part->n_fit, .dim = f->dim[r], .classes = f->classes};
        struct features val = {.n = part->n_val, .dim = f->dim[r], .classes = f->classes};
        int32_t *labels;
        fit.x = selection_rows(f, r, part->fit, part->n_fit, &scratch, &labels);
        fit.label = labels;
        val.x = selection_rows(f, r, part->val, part->n_val, &scratch, &labels);
        val.label = labels;
        struct head_score scores[RATES * DECAYS];
        int status = linear_search(in->kernels, &fit, &val, &po, in->probe_seed, scores, err);
        arena_free(&scratch);
        if (status)
            return status;
        for (int i = 0; i < RATES * DECAYS; i++) {
            struct grid_row *row = &e->grid[e->n_grid];
            *row = (struct grid_row){.lr = scores[i].lr,
                                     .weight_decay = scores[i].weight_decay,
                                     .k = NAN,
                                     .temperature = NAN,
                                     .val_top1 = scores[i].val_top1};
            snprintf(row->representation, sizeof row->representation, "%s", f->names[r]);
            if (row->val_top1 > e->grid[*best].val_top1)
                *best = e->n_grid;
            e->n_grid++;
        }
    }
    e->grid[*best].chosen = 1;
    return 0;
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    const struct linear *o = self;
    const struct feature_set *f = in->features;
    struct selection part;
    selection_make(&part, in, o->val_share, e);
    if (!part.n_val || !part.n_fit)
        return error_set(err, STATUS_USAGE,
                         "linear.val_share %g leaves nothing to select on or to fit: %d training "
                         "images are too few",
                         o->val_share, f->train.n);
    int best, status = search(o, in, &part, e, &best, err);
    if (status)
        return status;
    eval_reserve(e, in, o->probe_seeds);
    struct linear_options po = probe_options(o, in->threads);
    po.lr = &e->grid[best].lr;
    po.weight_decay = &e->grid[best].weight_decay;
    po.n_lr = po.n_wd = 1;
    int r = best / (RATES * DECAYS);
    struct features train = {f->train.x[r], f->train.label, f->train.n, f->dim[r], f->classes};
    struct features test = {f->test.x[r], f->test.label, f->test.n, f->dim[r], f->classes};
    struct arena scratch = {0};
    float *logits = ARENA_ARRAY(&scratch, float, (size_t)test.n *(size_t)f->classes);
    for (int i = 0; i < o->probe_seeds && !status; i++) {
        status = linear_fit_predict(in->kernels, &train, &test, &po, in->probe_seed + (uint64_t)i,
                                    logits, err);
        if (!status)
            eval_fill(e, i, f, logits);
    }
    arena_free(&scratch);
    return status;
}

const struct protocol protocol_linear = {.name = "linear",
                                         .title = "Linear probe",
                                         .version = "1.0",
                                         .uses_labels = 1,
                                         .options = options,
                                         .state_size = sizeof(struct linear),
                                         .run = run};
