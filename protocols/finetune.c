/* finetune.c -- the whole encoder trained on labels.
 *
 * A copy of the encoder and a linear head on it (protocols/tune.h).  Of a ViT by the recipe of He
 * et al. 2022 (arXiv:2111.06377), table 9: mean of the patch tokens and a norm of its own in front
 * of the head, AdamW, layer-wise rate decay (Clark et al. 2020), stochastic depth, mixup, CutMix,
 * label smoothing, RandAugment, random erasing.  Of a convolutional network by a plain one: crops,
 * mirrors and label smoothing, SGD with momentum.
 *
 * The base rate is chosen on the validation part of the training images, each candidate trained as
 * the final one is; the best (ties: the smaller) is fitted again on all training images and meets
 * the test split once.  One given rate needs no choice.
 *
 * Departures from the paper, all for images of 32 to 96 pixels and a budget of minutes, where a
 * network sees an image ten times and not a hundred: crops keep at least 0.35 of the image (0.08);
 * RandAugment has magnitude 5 (9); half of the batches are mixed (all); layer decay 0.75 for 6
 * blocks as for 12 (0.65 for 12); warm-up takes a tenth of the steps (a twentieth).  The encoder's
 * own final norm stays in front of the mean.
 */
#include "data/mixup.h"
#include "data/randaugment.h"
#include "protocols/probe.h"
#include "protocols/protocol.h"
#include "protocols/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct finetune {
    double epochs;
    int batch, flip, probe_seeds;
    double lr, weight_decay, warmup, layer_decay, drop_path, smoothing;
    double min_area, randaugment, erasing, mixup, cutmix, mix_share;
    double val_share;
};

#define BY_BACKBONE "; -1: by the kind of backbone"
static const struct option_def options[] = {
    OPTION_REAL(struct finetune, epochs, 10, 0.001, 10000, "passes over the training images"),
    OPTION_INT(struct finetune, batch, 64, 1, 65536, "images in a step"),
    OPTION_REAL(struct finetune, lr, -1, -1, 1000,
                "base rate for 256 images a step; -1: chosen on the validation part"),
    OPTION_REAL(struct finetune, weight_decay, -1, -1, 10, "0.05 for a ViT, else 1e-4" BY_BACKBONE),
    OPTION_REAL(struct finetune, warmup, 0.1, 0, 1, "share of the steps with rising rate"),
    OPTION_REAL(struct finetune, layer_decay, -1, -1, 1,
                "of the rate, per layer from the head down; 0.75 for a ViT, else 1" BY_BACKBONE),
    OPTION_REAL(struct finetune, drop_path, 0.1, 0, 0.9,
                "stochastic depth of a ViT: share of dropped branches in the last block"),
    OPTION_REAL(struct finetune, smoothing, 0.1, 0, 0.9, "label smoothing"),
    OPTION_REAL(struct finetune, min_area, 0.35, 0.01, 1, "smallest share of the image in a crop"),
    OPTION_BOOL(struct finetune, flip, 1, "mirror half of the views"),
    OPTION_REAL(struct finetune, randaugment, -1, -1, 10,
                "RandAugment's magnitude, 0: none; 5 for a ViT, else 0" BY_BACKBONE),
    OPTION_REAL(struct finetune, erasing, -1, -1, 1,
                "share of views with an erased rectangle; 0.25 for a ViT, else 0" BY_BACKBONE),
    OPTION_REAL(struct finetune, mixup, 0.8, 0, 1, "alpha of mixup, 0: none"),
    OPTION_REAL(struct finetune, cutmix, 1, 0, 1, "alpha of CutMix, 0: none"),
    OPTION_REAL(struct finetune, mix_share, -1, -1, 1,
                "share of batches that are mixed; 0.5 for a ViT, else 0" BY_BACKBONE),
    OPTION_INT(struct finetune, probe_seeds, 1, 1, 64,
               "fits with the chosen rate, each another head, order and views"),
    OPTION_REAL(struct finetune, val_share, 0.1, 0.01, 0.9,
                "share of training images to select on"),
    OPTION_END};

/* What the kind of backbone decides. */
static const struct kind {
    struct recipe recipe;
    double rates[3]; /* candidates, rising */
    double weight_decay, layer_decay, randaugment, erasing, mix_share;
} of_vit = {.recipe = {.optimizer = OPTIMIZER_ADAMW, .b1 = 0.9, .b2 = 0.999},
            .rates = {1e-3, 4e-3, 16e-3},
            .weight_decay = 0.05,
            .layer_decay = 0.75,
            .randaugment = 5,
            .erasing = 0.25,
            .mix_share = 0.5},
  of_convnet = {.recipe = {.optimizer = OPTIMIZER_SGD, .momentum = 0.9},
                .rates = {0.02, 0.08, 0.32},
                .weight_decay = 1e-4,
                .layer_decay = 1};
enum { RATES = sizeof of_vit.rates / sizeof *of_vit.rates };

static const struct kind *kind_of(const struct backbone *b) {
    return b->kind == BACKBONE_VIT ? &of_vit : &of_convnet;
}

static void resolve(double *option, double by_kind) {
    if (*option < 0)
        *option = by_kind;
}

/* The task, in which self is the resolved options. */

static struct tensor *answer(const void *self, struct builder *b, const struct encoded *e) {
    (void)self;
    int task = builder_group(b, TUNE_GROUP);
    struct tensor *x = e->pooled;
    if (e->tokens) {
        x = op_mean_rows(b->g, "mean", e->tokens, 1, vit_patch_end(&b->backbone->vit, e->tokens));
        x = op_layernorm(b->g, "fc_norm", task, x, 1e-6);
    }
    const struct linear_spec head = {
        .group = task, .out = b->classes, .init = INIT_TRUNC_NORMAL, .scale = 2e-5};
    return op_linear(b->g, "head", x, &head, NULL);
}

enum { IMAGES, TARGETS };

static int objective(const void *self, struct builder *b, struct tensor *logits,
                     struct error *err) {
    (void)self, (void)err;
    struct tensor *targets = builder_reals(b, "targets", b->classes);
    builder_objective(b, "labels", op_soft_xent(b->g, "loss", logits, targets, 1), 1);
    return 0;
}

static void augment(const struct finetune *o, const struct normalization *norm, struct rng *rng,
                    struct record *r) {
    uint8_t fill[4];
    struct randaugment how = randaugment_m9;
    how.magnitude = o->randaugment;
    const struct randaugment_plan plan = randaugment_draw(&how, rng);
    randaugment_fill(norm, r->channels, fill);
    randaugment_apply(&plan, fill, r);
}

static void prepare(const void *self, const struct subject *subject, const struct sample *s) {
    const struct finetune *o = self;
    struct arena scratch = {0};
    int side = subject->backbone->image;
    const struct crop_box box = random_resized_box(s->record, o->min_area, 1, s->view);
    int flip = o->flip && rng_below(s->view, 2);
    struct record r =
        record_crop(s->record, s->norm, &box, flip, INTERPOLATION_BICUBIC, side, &scratch);
    if (o->randaugment > 0)
        augment(o, s->norm, s->view, &r);
    subject_view_whole(subject, &r, s->view, s->slots[IMAGES]);
    struct erasing erasing = erasing_mae;
    erasing.probability = o->erasing;
    const struct image image = {r.channels, side, side, s->slots[IMAGES]};
    image_erase(&image, &erasing, s->view);
    smooth_target(r.label, subject->data->classes, o->smoothing, s->slots[TARGETS]);
    arena_free(&scratch);
}

static void mix(const void *self, struct step *s) {
    const struct finetune *o = self;
    const struct mixing how = {.mixup = o->mixup, .cutmix = o->cutmix, .cut_share = 0.5};
    const struct backbone *b = s->b->backbone;
    struct rng rng = rng_at((struct rng_key){s->b->seed, RNG_MIX}, 0, (uint32_t)s->done);
    if (rng_uniform(&rng) >= o->mix_share)
        return;
    const struct mix m = mix_draw(&how, b->image, b->image, &rng);
    const struct mix_batch batch = {s->n, s->mine, s->ctx.threads};
    mix_images(&m, &batch, b->channels, b->image, b->image, s->slots[IMAGES]);
    mix_targets(&m, &batch, s->b->classes, s->slots[TARGETS]);
}

/* The protocol. */

struct fits { /* what all fits of an encoder share */
    const struct protocol_input *in;
    struct finetune options; /* resolved */
    struct tune_task task;
};

/* Trained on rows `subset` (n) of the training split (NULL: all): logits (n_asked, classes) of rows
 * `asked` of a split (NULL: the first).  Those of a fit that diverged are NAN. */
static int fit_and_ask(const struct fits *f, double lr, uint64_t seed, const int32_t *subset,
                       long n, enum split split, const int32_t *asked, int n_asked, float *logits,
                       struct error *err) {
    const struct finetune *o = &f->options;
    const struct tune_config config = {.in = f->in,
                                       .task = &f->task,
                                       .self = o,
                                       .seed = seed,
                                       .subset = subset,
                                       .n = n,
                                       .epochs = o->epochs,
                                       .batch = o->batch,
                                       .lr = lr,
                                       .weight_decay = o->weight_decay,
                                       .warmup = o->warmup,
                                       .layer_decay = o->layer_decay,
                                       .drop_path = o->drop_path};
    struct tuned *t = NULL;
    int status = 0;
    TRY(tune_train(&t, &config, err));
    size_t count = (size_t)n_asked * (size_t)f->in->features->classes;
    if (tune_diverged(t))
        for (size_t i = 0; i < count; i++)
            logits[i] = NAN;
    else
        TRY(tune_answers(t, split, asked, n_asked, logits, err));
out:
    tune_close(t);
    return status;
}

static struct grid_row candidate(double lr, double weight_decay) {
    return (struct grid_row){.representation = "encoder",
                             .lr = lr,
                             .weight_decay = weight_decay,
                             .k = NAN,
                             .temperature = NAN,
                             .val_top1 = NAN};
}

/* Every candidate into e->grid. */
static int choose(const struct fits *f, const double *rates, struct eval *e, double *lr,
                  struct error *err) {
    const struct protocol_input *in = f->in;
    const struct feature_set *set = in->features;
    struct selection part;
    int status = selection_make(&part, in, f->options.val_share, "finetune", e, err);
    if (status)
        return status;
    struct arena scratch = {0};
    int32_t *labels = ARENA_ARRAY(&scratch, int32_t, part.n_val);
    for (int i = 0; i < part.n_val; i++)
        labels[i] = set->train.label[part.val[i]];
    float *logits = ARENA_ARRAY(&scratch, float, (size_t)part.n_val *(size_t)set->classes);
    int best = 0;
    for (int i = 0; i < RATES; i++) {
        struct grid_row *row = &e->grid[e->n_grid++];
        *row = candidate(rates[i], f->options.weight_decay);
        TRY(fit_and_ask(f, rates[i], in->probe_seed, part.fit, part.n_fit, SPLIT_TRAIN, part.val,
                        part.n_val, logits, err));
        score_predictions(logits, labels, part.n_val, set->classes, NULL, &row->val_top1, NULL,
                          NULL, NULL);
        best = row->val_top1 > e->grid[best].val_top1 ? i : best;
    }
    e->grid[best].chosen = 1;
    *lr = rates[best];
out:
    arena_free(&scratch);
    return status;
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    const struct kind *kind = kind_of(in->subject->backbone);
    struct fits f = {.in = in,
                     .options = *(const struct finetune *)self,
                     .task = {.name = "finetune",
                              .recipe = kind->recipe,
                              .answer = answer,
                              .objective = objective,
                              .prepare = prepare,
                              .mix = mix}};
    struct finetune *o = &f.options;
    resolve(&o->weight_decay, kind->weight_decay);
    resolve(&o->layer_decay, kind->layer_decay);
    resolve(&o->randaugment, kind->randaugment);
    resolve(&o->erasing, kind->erasing);
    resolve(&o->mix_share, kind->mix_share);
    double lr = o->lr;
    struct arena scratch = {0};
    int status = 0;
    e->grid = ARENA_ARRAY(in->arena, struct grid_row, RATES);
    if (lr < 0)
        TRY(choose(&f, kind->rates, e, &lr, err));
    eval_reserve(e, in, o->probe_seeds);
    if (o->lr >= 0) {
        e->grid[e->n_grid++] = candidate(lr, o->weight_decay);
        e->grid[0].chosen = 1;
        snprintf(e->selected_on, sizeof e->selected_on, "none");
    }
    const struct feature_set *set = in->features;
    float *logits = ARENA_ARRAY(&scratch, float, (size_t)set->test.n *(size_t)set->classes);
    for (int i = 0; i < o->probe_seeds; i++) {
        TRY(fit_and_ask(&f, lr, in->probe_seed + (uint64_t)i, NULL, set->train.n, SPLIT_TEST, NULL,
                        set->test.n, logits, err));
        if (isnan(logits[0])) {
            eval_diverged(e, "fine-tuning");
            break;
        }
        eval_fill(e, i, set, logits);
    }
out:
    arena_free(&scratch);
    return status;
}

const struct protocol protocol_finetune = {.name = "finetune",
                                           .title = "Fine-tuning",
                                           .version = "1.2",
                                           .uses_labels = 1,
                                           .square = 1,
                                           .shared = 1,
                                           .options = options,
                                           .state_size = sizeof(struct finetune),
                                           .run = run};
