#include "protocols/protocol.h"

#include "core/sha256.h"
#include "protocols/probe.h"

#include <stdio.h>
#include <string.h>

const struct protocol *const protocols[] = {&protocol_classify,
                                            &protocol_linear,
                                            &protocol_logistic,
                                            &protocol_knn,
                                            &protocol_lowshot,
                                            &protocol_finetune,
                                            &protocol_zeroshot,
                                            &protocol_retrieval,
                                            &protocol_segment,
                                            &protocol_segment_finetune,
                                            NULL};

void eval_reserve(struct eval *e, const struct protocol_input *in, int n_seeds) {
    struct arena *a = in->arena;
    const struct feature_set *f = in->features;
    size_t seeds = (size_t)n_seeds, classes = (size_t)f->classes, samples = (size_t)f->test.n;
    e->n_seeds = n_seeds;
    e->n_classes = f->classes;
    e->n_samples = f->test.n;
    int64_t *seed = ARENA_ARRAY(a, int64_t, seeds);
    for (int i = 0; i < n_seeds; i++)
        seed[i] = (int64_t)in->probe_seed + i;
    e->seed = seed;
    e->top1 = ARENA_ARRAY(a, double, seeds);
    e->top5 = ARENA_ARRAY(a, double, seeds);
    e->top1_per_class = ARENA_ARRAY(a, double, seeds *classes);
    e->confusion = ARENA_ARRAY(a, int32_t, seeds * classes * classes);
    e->pred = ARENA_ARRAY(a, int16_t, seeds * samples);
    e->label = ARENA_ARRAY(a, int16_t, samples);
    for (size_t i = 0; i < samples; i++)
        e->label[i] = (int16_t)f->test.label[i];
    snprintf(e->selected_on, sizeof e->selected_on, "val");
    e->outcome = OUTCOME_OK;
}

void eval_fill(struct eval *e, int row, const struct feature_set *f, const float *scores) {
    size_t r = (size_t)row, classes = (size_t)e->n_classes;
    score_predictions(scores, f->test.label, f->test.n, f->classes,
                      e->pred + r * (size_t)e->n_samples, &e->top1[r], &e->top5[r],
                      e->top1_per_class + r * classes, e->confusion + r * classes * classes);
}

void eval_diverged(struct eval *e, const char *what) {
    e->outcome = OUTCOME_DIVERGED;
    snprintf(e->reason, sizeof e->reason, "%s diverged", what);
    e->n_seeds = e->n_classes = e->n_samples = e->n_metrics = 0;
    e->top1 = e->top5 = e->top1_per_class = NULL;
    e->confusion = NULL;
    e->pred = e->label = NULL;
    e->metrics = NULL;
}

int selection_make(struct selection *s, const struct protocol_input *in, double val_share,
                   const char *protocol, struct eval *e, struct error *err) {
    const struct feature_split *train = &in->features->train;
    size_t n = (size_t)train->n;
    uint8_t *is_val = ARENA_ARRAY(in->arena, uint8_t, n);
    stratified_split(train->label, train->n, in->features->classes, val_share, in->split_seed,
                     is_val);
    *s = (struct selection){.fit = ARENA_ARRAY(in->arena, int32_t, n),
                            .val = ARENA_ARRAY(in->arena, int32_t, n)};
    for (int i = 0; i < train->n; i++) {
        if (is_val[i])
            s->val[s->n_val++] = i;
        else
            s->fit[s->n_fit++] = i;
    }
    sha256_hex(is_val, n, e->split_sha256);
    if (s->n_val && s->n_fit)
        return 0;
    /* A class of two has one on either side. */
    return error_set(err, STATUS_USAGE,
                     "%s.val_share %g leaves nothing to select on or to fit: no class has two of "
                     "the %d training images: add some, or leave %s out",
                     protocol, val_share, train->n, protocol);
}

int grid_choose(struct grid_row *grid, int n) {
    int best = 0;
    for (int i = 1; i < n; i++)
        best = grid[i].val_top1 > grid[best].val_top1 ? i : best;
    grid[best].chosen = 1;
    return best;
}
