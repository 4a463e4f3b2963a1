/* segment_finetune.c -- a class for every pixel from an encoder that is trained further, with a
 * small decoder.
 *
 * The decoder doubles the grid of places (patch tokens after the final norm, the last map of a
 * convnet) twice, or as often as the image has room for: a transposed convolution of 2 x 2 with
 * stride 2, a layer norm over channels, GELU; then a linear layer gives each place its logits.  It
 * is the simplest of the upsampling decoders of Zheng et al. 2021 (SETR, arXiv:2012.15840, section
 * 3.2, progressive upsampling), with layer norm for batch norm, so that no image depends on the
 * others of its batch.
 *
 * Encoder and decoder are trained together by AdamW with layer-wise rates for ViTs (Bao et al.
 * 2022, arXiv:2106.08254, section 3.3, who fine-tune for segmentation so) on random crops, mirrored
 * half of the time, of image and mask together.  A place learns the class of the pixel in its
 * middle; those that are ignored have no loss.  Each rate is tried on the fitting part of the
 * training images, the highest mIoU on validation images (ties: the first) is trained again on all
 * and meets the test split once: the whole image, logits upsampled bilinearly to the mask's own
 * resolution.
 */
#include "protocols/segment_rows.h"
#include "protocols/tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct segment_finetune {
    int batch, decoder_width, probe_seeds;
    double epochs, weight_decay, warmup, layer_decay, drop_path, min_area, val_share;
};

static const struct option_def options[] = {
    OPTION_REAL(struct segment_finetune, epochs, 10, 0.01, 10000, "passes over the images"),
    OPTION_INT(struct segment_finetune, batch, 16, 1, 65536, "images in a step"),
    OPTION_INT(struct segment_finetune, decoder_width, 64, 1, 4096, "channels of the decoder"),
    OPTION_INT(struct segment_finetune, probe_seeds, 1, 1, 64, "trainings at the chosen rate"),
    OPTION_REAL(struct segment_finetune, weight_decay, 0.05, 0, 10, "of AdamW"),
    OPTION_REAL(struct segment_finetune, warmup, 0.1, 0, 1, "share of the steps with rising rate"),
    OPTION_REAL(struct segment_finetune, layer_decay, 0.75, 0.01, 1,
                "of the rate, from a ViT's block to the one before it; 1: none"),
    OPTION_REAL(struct segment_finetune, drop_path, 0, 0, 0.9,
                "share of dropped branches in a ViT's last block"),
    OPTION_REAL(struct segment_finetune, min_area, 0.25, 0.01, 1,
                "smallest share of an image in a crop"),
    OPTION_REAL(struct segment_finetune, val_share, 0.1, 0.01, 0.9,
                "share of training images to select on"),
    OPTION_END};

/* For 256 images in a step. */
static const double rates[] = {1e-3, 4e-3, 1.6e-2};
enum { RATES = sizeof rates / sizeof *rates, DOUBLINGS = 2 };

struct work {
    const struct segment_finetune *o;
    const struct protocol_input *in;
    int classes;
    struct grid *grid; /* of the decoder's output, known once it is built */
};

/* ---- the network ---- */

/* (h,w,D): the last map, or the tokens behind the class token in their square. */
static struct tensor *map_of(const struct builder *b, const struct encoded *e) {
    struct graph *g = b->g;
    if (e->map)
        return e->map;
    int places = vit_patch_end(&b->backbone->vit, e->tokens) - 1, side = (int)lround(sqrt(places));
    struct arena scratch = {0};
    int32_t *row = ARENA_ARRAY(&scratch, int32_t, places);
    CHECK(side * side == places, "%d places are no square", places);
    for (int i = 0; i < places; i++)
        row[i] = 1 + i;
    struct tensor *x =
        op_gather(g, "places", e->tokens, graph_const_index(g, "behind_cls", places, row), NULL);
    arena_free(&scratch);
    return op_reshape(g, "map", x, 3, (const int[]){side, side, e->tokens->dim[1]});
}

static struct tensor *answer(const void *self, struct builder *b, const struct encoded *e) {
    const struct work *w = self;
    static const double norm_eps = 1e-6, init_std = 0.02;
    int group = builder_group(b, TUNE_GROUP);
    struct tensor *x = map_of(b, e);
    for (int i = 0; i < DOUBLINGS && 2 * x->dim[0] <= b->backbone->image; i++) {
        const struct conv_spec up = {.group = group,
                                     .out = w->o->decoder_width,
                                     .kernel = 2,
                                     .stride = 2,
                                     .bias = 1,
                                     .init = INIT_TRUNC_NORMAL,
                                     .scale = init_std};
        char name[2][32];
        snprintf(name[0], sizeof name[0], "up%d", i + 1);
        snprintf(name[1], sizeof name[1], "norm%d", i + 1);
        x = op_conv_transpose2d(b->g, name[0], x, &up);
        x = op_layernorm(b->g, name[1], group, x, norm_eps);
        x = op_activation(b->g, "gelu", x, ACT_GELU);
    }
    const struct linear_spec head = {
        .group = group, .out = w->classes, .init = INIT_TRUNC_NORMAL, .scale = init_std};
    *w->grid = (struct grid){x->dim[0], x->dim[1]};
    x = op_linear(b->g, "head", x, &head, NULL);
    return op_reshape(b->g, "logits", x, 2,
                      (const int[]){w->grid->height * w->grid->width, w->classes});
}

static int objective(const void *self, struct builder *b, struct tensor *answers,
                     struct error *err) {
    (void)self, (void)err;
    int places = answers->dim[0];
    struct tensor *target = builder_index(b, "classes", places);
    builder_objective(b, "pixels", op_softmax_xent(b->g, "loss", answers, target, 0), 1.0 / places);
    return 0;
}

/* ---- views ---- */

struct crop {
    int top, left, height, width, flip;
};

static void cut_out(const struct record *r, const struct crop *c, uint8_t *out) {
    size_t channels = (size_t)r->channels;
    for (int y = 0; y < c->height; y++)
        for (int x = 0; x < c->width; x++, out += channels) {
            int from = c->left + (c->flip ? c->width - 1 - x : x);
            size_t at = (size_t)(c->top + y) * (size_t)r->width + (size_t)from;
            memcpy(out, r->pixels + at * channels, channels);
        }
}

/* The class in the middle of place i of n, along a side of `pixels` of which [first, first +
 * length) are in the crop, in a mask of `annotated` pixels. */
static int middle(int i, int n, int first, int length, int pixels, int annotated) {
    double at = (first + (i + 0.5) * length / n) * annotated / pixels;
    return at < annotated ? (int)at : annotated - 1;
}

static void take_classes(const struct record *r, const struct crop *c, struct grid grid,
                         int32_t *out) {
    for (int i = 0; i < grid.height; i++) {
        int y = middle(i, grid.height, c->top, c->height, r->height, r->mask_height);
        for (int j = 0; j < grid.width; j++) {
            int column = c->flip ? grid.width - 1 - j : j;
            int x = middle(column, grid.width, c->left, c->width, r->width, r->mask_width);
            uint8_t class = r->mask[(size_t)y * (size_t)r->mask_width + (size_t)x];
            *out++ = class == MASK_IGNORE ? -1 : class;
        }
    }
}

static void prepare(const void *self, const struct subject *subject, const struct sample *s) {
    const struct work *w = self;
    const struct record *r = s->record;
    const struct crop_box box = random_resized_box(r, w->o->min_area, 1, s->view);
    const struct crop c = {(int)box.top, (int)box.left, (int)box.height, (int)box.width,
                           (int)rng_below(s->view, 2)};
    struct arena scratch = {0};
    size_t bytes = (size_t)c.height * (size_t)c.width * (size_t)r->channels;
    struct record part = {.height = c.height,
                          .width = c.width,
                          .channels = r->channels,
                          .pixels = arena_alloc(&scratch, bytes),
                          .label = -1};
    cut_out(r, &c, part.pixels);
    subject_view_whole(subject, &part, s->view, s->slots[0]);
    take_classes(r, &c, *w->grid, s->slots[1]);
    arena_free(&scratch);
}

static const struct tune_task task = {
    .name = "segment_finetune",
    .recipe = {.optimizer = OPTIMIZER_ADAMW, .b1 = 0.9, .b2 = 0.999},
    .masks = 1,
    .answer = answer,
    .objective = objective,
    .prepare = prepare};

/* ---- training and scoring ---- */

static int train(const struct work *w, const struct images *on, double lr, uint64_t seed,
                 struct tuned **out, struct error *err) {
    int is_vit = w->in->subject->backbone->kind == BACKBONE_VIT;
    const struct tune_config config = {.in = w->in,
                                       .task = &task,
                                       .self = w,
                                       .seed = seed,
                                       .subset = on->index,
                                       .n = on->n,
                                       .epochs = w->o->epochs,
                                       .batch = w->o->batch,
                                       .lr = lr,
                                       .weight_decay = w->o->weight_decay,
                                       .warmup = w->o->warmup,
                                       .layer_decay = is_vit ? w->o->layer_decay : 1,
                                       .drop_path = w->o->drop_path};
    return tune_train(out, &config, err);
}

struct scoring {
    const struct work *work;
    enum split split;
    int64_t *confusion; /* (classes, classes) */
    struct record record;
};

static int score_some(void *to, const int32_t *index, int n, const float *answers,
                      struct error *err) {
    struct scoring *s = to;
    const struct work *w = s->work;
    size_t one = (size_t)w->grid->height * (size_t)w->grid->width * (size_t)w->classes;
    int status = 0;
    for (int i = 0; i < n; i++) {
        TRY(dataset_read(w->in->subject->data, s->split, index[i], &s->record, err));
        confusion_of_logits(s->confusion, &s->record, answers + (size_t)i * one, *w->grid,
                            w->classes);
    }
out:
    return status;
}

/* Into confusion (classes, classes), which is cleared first; on all ranks. */
static int score(const struct work *w, struct tuned *t, enum split split,
                 const struct images *images, int64_t *confusion, struct error *err) {
    struct scoring s = {.work = w, .split = split, .confusion = confusion};
    memset(confusion, 0, sizeof *confusion * (size_t)w->classes * (size_t)w->classes);
    int status = tune_each(t, split, images->index, images->n, score_some, &s, err);
    if (!status)
        communicator_add(w->in->ranks, confusion, (size_t)w->classes * (size_t)w->classes);
    record_free(&s.record);
    return status;
}

/* Scores every rate into e->grid; *best is the row of the best. */
static int search(const struct work *w, const struct image_parts *parts, int64_t *confusion,
                  struct eval *e, int *best, struct error *err) {
    int status = 0;
    e->grid = ARENA_ARRAY(w->in->arena, struct grid_row, RATES);
    e->n_grid = RATES;
    *best = 0;
    for (int i = 0; i < RATES; i++) {
        struct tuned *t;
        double miou = 0, accuracy;
        TRY(train(w, &parts->fit, rates[i], w->in->probe_seed, &t, err));
        if (!tune_diverged(t)) {
            status = score(w, t, SPLIT_TRAIN, &parts->val, confusion, err);
            confusion_scores(confusion, w->classes, NULL, &miou, &accuracy);
        }
        tune_close(t);
        if (status)
            goto out;
        e->grid[i] = (struct grid_row){.representation = "decoder",
                                       .lr = rates[i],
                                       .weight_decay = w->o->weight_decay,
                                       .k = NAN,
                                       .temperature = NAN,
                                       .val_top1 = isnan(miou) ? 0 : miou};
        if (e->grid[i].val_top1 > e->grid[*best].val_top1)
            *best = i;
    }
    e->grid[*best].chosen = 1;
out:
    return status;
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    struct grid grid;
    const struct work w = {
        .o = self, .in = in, .classes = in->subject->data->mask_classes, .grid = &grid};
    struct image_parts parts;
    struct tuned *t = NULL;
    int best, status = 0;
    int64_t *confusion = ARENA_ARRAY(in->arena, int64_t, w.classes * w.classes);
    TRY(image_parts_make(&parts, in, task.name, w.o->val_share, e, err));
    TRY(search(&w, &parts, confusion, e, &best, err));
    segment_reserve(e, in, w.o->probe_seeds, 0);
    for (int i = 0; i < e->n_seeds; i++) {
        tune_close(t);
        t = NULL;
        TRY(train(&w, &parts.train, rates[best], (uint64_t)e->seed[i], &t, err));
        if (tune_diverged(t)) {
            eval_diverged(e, "the training");
            goto out;
        }
        TRY(score(&w, t, SPLIT_TEST, &parts.test, confusion, err));
        segment_fill(e, i, confusion);
    }
    TRY(segment_counted(e, in->subject->data, err));
out:
    tune_close(t);
    return status;
}

const struct protocol protocol_segment_finetune = {.name = "segment_finetune",
                                                   .title = "Segmentation, fine-tuned with a small "
                                                            "decoder",
                                                   .version = "1.1",
                                                   .uses_masks = 1,
                                                   .no_features = 1,
                                                   .square = 1,
                                                   .shared = 1,
                                                   .options = options,
                                                   .state_size = sizeof(struct segment_finetune),
                                                   .run = run};
