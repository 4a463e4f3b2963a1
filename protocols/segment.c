/* segment.c -- a class for every pixel from a frozen encoder, and objects in its attention.
 *
 * (a) A linear head on the features of places (patch tokens after the final norm, the last map of a
 * convnet), as in Oquab et al. 2023 (DINOv2, arXiv:2304.07193), section 7.4: logits are upsampled
 * bilinearly to the resolution that the mask was annotated in, and the largest in each pixel is
 * compared with it.  Every rate times every weight decay is trained on the fitting part of the
 * training images; the highest mIoU on the validation part (ties: the first) is fitted again on all
 * training images and meets the test split once.  Features are standardised before the head unless
 * batch_norm is off: DINOv2 has a batch norm there.
 *
 * (b) How well the class token's attention in the last block finds objects: Caron et al. 2021,
 * section 4.2.2, see segmentation.h.  It needs no head; ViTs have it, convnets do not.
 *
 * Departures.  DINOv2 trains on logits upsampled bilinearly too; here every pixel has the logits of
 * its place in training, so that a place with its shares of classes stands for all its pixels
 * (pixel_heads.h).  The encoder sees the whole image, squeezed into its square input; there are no
 * sliding windows.  An object is all pixels of a class in an image: datasets do not tell objects of
 * one class apart.
 *
 * Features of training images that need more memory than `memory` are computed again in each epoch,
 * with the same result.
 */
#include "nn/optim.h"
#include "protocols/dense.h"
#include "protocols/pixel_heads.h"
#include "protocols/segment_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct segment {
    int epochs, batch, batch_norm, probe_seeds, memory;
    double val_share, momentum, mass;
};

static const struct option_def options[] = {
    OPTION_INT(struct segment, epochs, 30, 1, 10000, "passes over the features"),
    OPTION_INT(struct segment, batch, 8, 1, 65536, "images in a step"),
    OPTION_BOOL(struct segment, batch_norm, 1, "standardise features before the head"),
    OPTION_INT(struct segment, probe_seeds, 1, 1, 64,
               "fits of the chosen head, each another order"),
    OPTION_INT(struct segment, memory, 2048, 0, 1 << 24,
               "MiB for features of training images; more of them are computed in each epoch"),
    OPTION_REAL(struct segment, val_share, 0.1, 0.01, 0.9, "share of training images to select on"),
    OPTION_REAL(struct segment, momentum, 0.9, 0, 0.999, "Nesterov momentum"),
    OPTION_REAL(struct segment, mass, 0.6, 0.01, 1, "share of the attention that is kept"),
    OPTION_END};

static const double rates[] = {0.03, 0.1, 0.3, 1, 3};
static const double decays[] = {0, 1e-3, 1e-2};
enum { RATES = sizeof rates / sizeof *rates, DECAYS = sizeof decays / sizeof *decays };
enum { HEADS = RATES * DECAYS };
static const double bn_eps = 1e-6;

struct judge {
    const struct segment *o;
    const struct protocol_input *in;
    const struct dataset *data;
    struct dense *dense;
    const struct dense_shape *shape;
    int classes;
    struct arena arena;
    struct slab targets; /* (training images, places, classes) shares of a place's pixels */
    struct image_parts parts;
    float *mean, *rstd;          /* (dim) of the images that a head is fitted on */
    struct mask_pictures *masks; /* of the first seed's head; NULL: nobody asks, or not yet */
};

/* ---- training masks ---- */

static float *targets_of(const struct judge *j, int32_t image) {
    return (float *)j->targets.data + (size_t)image * (size_t)j->shape->places * (size_t)j->classes;
}

static int read_targets(struct judge *j, struct error *err) {
    size_t one = (size_t)j->shape->places * (size_t)j->classes;
    struct arena scratch = {0};
    int32_t *count = ARENA_ARRAY(&scratch, int32_t, one);
    struct record r = {0};
    int status = 0;
    TRY(slab_alloc(&j->targets, sizeof(float) * one * (size_t)j->parts.train.n, "masks of places",
                   err));
    for (int i = 0; i < j->parts.train.n; i++) {
        TRY(dataset_read(j->data, SPLIT_TRAIN, i, &r, err));
        mask_histogram(r.mask, r.mask_height, r.mask_width, j->classes, j->shape->grid, count);
        double pixels = (double)r.mask_height * r.mask_width / j->shape->places;
        for (size_t k = 0; k < one; k++)
            targets_of(j, i)[k] = (float)(count[k] / pixels);
    }
out:
    record_free(&r);
    arena_free(&scratch);
    return status;
}

/* ---- fitting ---- */

struct moments {
    const struct dense_shape *shape;
    double *sum, *squares; /* (dim) */
    double n;
};

static int add_moments(void *to, const struct dense_batch *b, struct error *err) {
    (void)err;
    struct moments *m = to;
    size_t dim = (size_t)m->shape->dim, all = (size_t)m->shape->places * dim;
    for (int i = 0; i < b->n; i++)
        for (size_t k = 0; k < all; k++) {
            double x = (double)b->x[i][k];
            m->sum[k % dim] += x;
            m->squares[k % dim] += x * x;
        }
    m->n += (double)b->n * m->shape->places;
    return 0;
}

/* Mean and 1 / sqrt(var + eps) of each feature, the variance biased. */
static int measure(struct judge *j, const struct images *on, struct error *err) {
    struct arena scratch = {0};
    int dim = j->shape->dim, status = 0;
    struct moments m = {.shape = j->shape,
                        .sum = ARENA_ARRAY(&scratch, double, dim),
                        .squares = ARENA_ARRAY(&scratch, double, dim)};
    if (!j->o->batch_norm)
        return 0;
    TRY(dense_each(j->dense, SPLIT_TRAIN, on->index, on->n, j->o->batch, add_moments, &m, err));
    j->mean = ARENA_ARRAY(&j->arena, float, dim);
    j->rstd = ARENA_ARRAY(&j->arena, float, dim);
    for (int d = 0; d < dim; d++) {
        double mean = m.sum[d] / m.n, variance = fmax(0, m.squares[d] / m.n - mean * mean);
        j->mean[d] = (float)mean;
        j->rstd[d] = (float)(1 / sqrt(variance + bn_eps));
    }
out:
    arena_free(&scratch);
    return status;
}

struct fitting {
    const struct judge *judge;
    struct pixel_heads *heads;
    const double *lr, *decay; /* (n) base rates */
    int n;
    float *target; /* (batch, places, classes) */
    long step, total;
};

static int fit_batch(void *to, const struct dense_batch *b, struct error *err) {
    (void)err;
    struct fitting *f = to;
    const struct judge *j = f->judge;
    int places = j->shape->places;
    size_t one = (size_t)places * (size_t)j->classes;
    double lr[HEADS];
    for (int i = 0; i < b->n; i++) {
        pixel_heads_load(f->heads, i * places, places, b->x[i]);
        memcpy(f->target + (size_t)i * one, targets_of(j, b->index[i]), sizeof(float) * one);
    }
    for (int i = 0; i < f->n; i++)
        lr[i] = schedule_cosine(f->step, f->total, 0, f->lr[i], 0);
    const struct pixel_heads_rates r = {
        .lr = lr, .weight_decay = f->decay, .momentum = j->o->momentum, .first = f->step == 0};
    pixel_heads_step(f->heads, b->n * places, f->target, &r);
    f->step++;
    return 0;
}

/* n heads on the images, in an order of the seed; *out also when it fails. */
static int fit_heads(struct judge *j, const struct images *on, const double *lr,
                     const double *decay, int n, uint64_t seed, struct pixel_heads **out,
                     struct error *err) {
    struct arena scratch = {0};
    int steps = (on->n + j->o->batch - 1) / j->o->batch, batch = (on->n + steps - 1) / steps;
    int32_t *order = ARENA_ARRAY(&scratch, int32_t, on->n);
    int status = 0;
    *out = NULL;
    TRY(measure(j, on, err));
    const struct pixel_heads_config config = {.kernels = j->in->kernels,
                                              .heads = n,
                                              .dim = j->shape->dim,
                                              .classes = j->classes,
                                              .rows = batch * j->shape->places,
                                              .threads = j->in->threads,
                                              .mean = j->mean,
                                              .rstd = j->rstd};
    TRY(pixel_heads_open(out, &config, err));
    struct fitting f = {.judge = j,
                        .heads = *out,
                        .lr = lr,
                        .decay = decay,
                        .n = n,
                        .target =
                            ARENA_ARRAY(&scratch, float, (size_t)config.rows *(size_t)j->classes),
                        .total = (long)j->o->epochs * ((on->n + batch - 1) / batch)};
    for (int epoch = 0; epoch < j->o->epochs; epoch++) {
        struct rng r = rng_at((struct rng_key){seed, RNG_PROBE}, (uint32_t)epoch, 0);
        rng_permutation(&r, order, (uint32_t)on->n);
        for (int i = 0; i < on->n; i++)
            order[i] = on->index[order[i]];
        TRY(dense_each(j->dense, SPLIT_TRAIN, order, on->n, batch, fit_batch, &f, err));
    }
out:
    arena_free(&scratch);
    return status;
}

/* ---- scoring ---- */

struct scoring {
    const struct judge *judge;
    enum split split;
    struct pixel_heads *heads;
    int n, threads;
    int64_t *confusion; /* (n, classes, classes) */
    struct record record;
    double best_head, mean_head; /* sums over images with an object */
    int with_objects;
    struct arena arena;
    uint8_t *kept;  /* (heads of attention, places) */
    int32_t *count; /* (places, classes) */
};

static void score_head(const struct scoring *s, int head) {
    const struct judge *j = s->judge;
    struct arena scratch = {0};
    float *logits = ARENA_ARRAY(&scratch, float, (size_t)j->shape->places *(size_t)j->classes);
    pixel_heads_logits(s->heads, head, 0, j->shape->places, logits);
    confusion_of_logits(s->confusion + (ptrdiff_t)head * j->classes * j->classes, &s->record,
                        logits, j->shape->grid, j->classes);
    arena_free(&scratch);
}

static void score_attention(struct scoring *s, const float *attention) {
    const struct judge *j = s->judge;
    const struct record *r = &s->record;
    int places = j->shape->places, heads = j->shape->heads;
    for (int h = 0; h < heads; h++)
        attention_keep(attention + (ptrdiff_t)h * places, places, j->o->mass,
                       s->kept + (ptrdiff_t)h * places);
    mask_histogram(r->mask, r->mask_height, r->mask_width, j->classes, j->shape->grid, s->count);
    const struct jaccard one =
        attention_jaccard(s->kept, heads, s->count, places, j->classes, j->data->mask_background);
    if (!one.objects)
        return;
    s->best_head += one.best_head;
    s->mean_head += one.mean_head;
    s->with_objects++;
}

/* Truth and prediction at the encoder's resolution, by the nearest pixel. */
static void keep_masks(const struct scoring *s, int image) {
    const struct judge *j = s->judge;
    const struct record *r = &s->record;
    struct arena scratch = {0};
    float *logits = ARENA_ARRAY(&scratch, float, (size_t)j->shape->places *(size_t)j->classes);
    uint8_t *mask = arena_alloc(&scratch, (size_t)r->mask_height * (size_t)r->mask_width);
    int side = j->masks->side;
    pixel_heads_logits(s->heads, 0, 0, j->shape->places, logits);
    logits_to_mask(logits, j->shape->grid, j->classes, r->mask_height, r->mask_width, mask);
    for (int i = 0; i < side * side; i++) {
        int y = (2 * (i / side) + 1) * r->mask_height / (2 * side);
        int x = (2 * (i % side) + 1) * r->mask_width / (2 * side);
        ptrdiff_t to = (ptrdiff_t)image * side * side + i, from = (ptrdiff_t)y * r->mask_width + x;
        j->masks->truth[to] = r->mask[from];
        j->masks->predicted[to] = mask[from];
    }
    arena_free(&scratch);
}

static int score_batch(void *to, const struct dense_batch *b, struct error *err) {
    struct scoring *s = to;
    const struct judge *j = s->judge;
    size_t looks = (size_t)j->shape->heads * (size_t)j->shape->places;
    int status = 0;
    for (int i = 0; i < b->n; i++) {
        TRY(dataset_read(j->data, s->split, b->index[i], &s->record, err));
        pixel_heads_load(s->heads, 0, j->shape->places, b->x[i]);
        pixel_heads_forward(s->heads, j->shape->places);
#pragma omp parallel for num_threads(s->threads) schedule(static)
        for (int h = 0; h < s->n; h++)
            score_head(s, h);
        if (j->masks && b->index[i] < j->masks->n)
            keep_masks(s, b->index[i]);
        if (b->attention)
            score_attention(s, b->attention + (size_t)i * looks);
    }
out:
    return status;
}

/* After it, also when it failed, scoring_close. */
static int score(struct scoring *s, const struct judge *j, enum split split,
                 const struct images *images, struct pixel_heads *heads, int n, struct error *err) {
    int places = j->shape->places;
    *s = (struct scoring){.judge = j, .split = split, .heads = heads, .n = n};
    s->threads = j->in->threads < n ? j->in->threads : n;
    s->confusion = ARENA_ARRAY(&s->arena, int64_t, (ptrdiff_t)n * j->classes * j->classes);
    s->kept = ARENA_ARRAY(&s->arena, uint8_t, (ptrdiff_t)j->shape->heads * places);
    s->count = ARENA_ARRAY(&s->arena, int32_t, (ptrdiff_t)places * j->classes);
    return dense_each(j->dense, split, images->index, images->n, j->o->batch, score_batch, s, err);
}

static void scoring_close(struct scoring *s) {
    record_free(&s->record);
    arena_free(&s->arena);
}

/* ---- the protocol ---- */

/* Scores every candidate into e->grid; *best is the row of the best. */
static int search(struct judge *j, struct eval *e, int *best, struct error *err) {
    double lr[HEADS], decay[HEADS];
    struct pixel_heads *heads = NULL;
    struct scoring s = {0};
    int status = 0;
    for (int i = 0; i < HEADS; i++)
        lr[i] = rates[i / DECAYS], decay[i] = decays[i % DECAYS];
    e->grid = ARENA_ARRAY(j->in->arena, struct grid_row, HEADS);
    e->n_grid = HEADS;
    *best = 0;
    TRY(fit_heads(j, &j->parts.fit, lr, decay, HEADS, j->in->probe_seed, &heads, err));
    TRY(score(&s, j, SPLIT_TRAIN, &j->parts.val, heads, HEADS, err));
    for (int i = 0; i < HEADS; i++) {
        double miou, accuracy;
        confusion_scores(s.confusion + (ptrdiff_t)i * j->classes * j->classes, j->classes, NULL,
                         &miou, &accuracy);
        e->grid[i] =
            (struct grid_row){.lr = lr[i],
                              .weight_decay = decay[i],
                              .k = NAN,
                              .temperature = NAN,
                              .val_top1 = isnan(miou) || pixel_heads_diverged(heads, i) ? 0 : miou};
        snprintf(e->grid[i].representation, sizeof e->grid[i].representation, "%s",
                 j->shape->heads ? "tokens" : "map");
        if (e->grid[i].val_top1 > e->grid[*best].val_top1)
            *best = i;
    }
    e->grid[*best].chosen = 1;
out:
    pixel_heads_close(heads);
    scoring_close(&s);
    return status;
}

static int test(struct judge *j, int best, struct eval *e, struct error *err) {
    enum { OF_ATTENTION = 2 };
    struct pixel_heads *heads = NULL;
    struct scoring s = {0};
    int status = 0;
    segment_reserve(e, j->in, j->o->probe_seeds, OF_ATTENTION);
    for (int i = 0; i < e->n_seeds; i++) {
        pixel_heads_close(heads);
        scoring_close(&s);
        TRY(fit_heads(j, &j->parts.train, &e->grid[best].lr, &e->grid[best].weight_decay, 1,
                      (uint64_t)e->seed[i], &heads, err));
        if (pixel_heads_diverged(heads, 0)) {
            eval_diverged(e, "the head");
            goto out;
        }
        j->masks = i ? NULL : j->in->masks;
        TRY(score(&s, j, SPLIT_TEST, &j->parts.test, heads, 1, err));
        segment_fill(e, i, s.confusion);
    }
    if (j->shape->heads) {
        double n = s.with_objects ? s.with_objects : (double)NAN;
        segment_add(e, "jaccard_best_head", s.best_head / n);
        segment_add(e, "jaccard_mean_head", s.mean_head / n);
    }
out:
    pixel_heads_close(heads);
    scoring_close(&s);
    return status;
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    const struct segment *o = self;
    struct judge j = {
        .o = o, .in = in, .data = in->subject->data, .classes = in->subject->data->mask_classes};
    int best, status = 0;
    TRY(image_parts_make(&j.parts, in, "segment", o->val_share, e, err));
    TRY(dense_open(&j.dense, in, (size_t)o->memory << 20, err));
    j.shape = dense_shape_of(j.dense);
    TRY(read_targets(&j, err));
    TRY(search(&j, e, &best, err));
    TRY(test(&j, best, e, err));
    TRY(segment_counted(e, j.data, err));
out:
    dense_close(j.dense);
    slab_free(&j.targets);
    arena_free(&j.arena);
    return status;
}

const struct protocol protocol_segment = {.name = "segment",
                                          .title = "Segmentation by a linear head; objects in "
                                                   "attention",
                                          .version = "1.1",
                                          .uses_masks = 1,
                                          .leaves_masks = 1,
                                          .no_features = 1,
                                          .square = 1,
                                          .options = options,
                                          .state_size = sizeof(struct segment),
                                          .run = run};
