#include "protocols/lit.h"

#include "core/log.h"
#include "methods/text_tower.h"
#include "methods/trainer.h"
#include "protocols/each.h"
#include "protocols/representations.h"
#include "protocols/texts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { IMAGE_BATCH = 256 };
enum { FEATURES, TOKENS, END, SLOTS }; /* of the training graph */

struct lit {
    struct arena arena;
    const struct protocol_input *in;
    const struct lit_options *o;
    int tuned, diverged, width;
    const float *images;     /* (test images, width) */
    struct text_coder coder; /* the method's, or that of the tower below */
    /* what is tuned */
    int dim;          /* of the frozen features */
    float *x[SPLITS]; /* (n, dim) standardised by the training split */
    struct text_list texts;
    int32_t *first, *count; /* (training images) a run of texts for each */
    int32_t *tokens, *end;  /* (texts, context), (texts) */
    struct text_tower tower;
    struct bpe bpe;
    struct param *scale;
    struct model model;
    struct graph train, text, image;
    struct builder train_builder, text_builder, image_builder;
    struct tensor *image_features;
};

/* ---- frozen features: CLS and mean of the last layer, or what there is of it ---- */

/* All of the last layer. */
static const struct representation *frozen(const struct feature_set *f, struct arena *a) {
    struct representation *list;
    int n = representations_list(f, "final", a, &list);
    CHECK(n > 0, "%d representations, none of a layer", f->n_representations);
    return &list[n - 1];
}

/* The number of METHOD_PROJECTION; n_representations: there is none. */
static int projection(const struct feature_set *f) {
    int r = 0;
    while (r < f->n_representations && strcmp(f->names[r], METHOD_PROJECTION))
        r++;
    return r;
}

/* Either is wanted: of a tower of its own the projection, and to tune one the last layer. */
int lit_wants(const void *self, const struct feature_set *f, char *wanted) {
    (void)self;
    struct arena scratch = {0};
    const struct representation *what = frozen(f, &scratch);
    const int r = projection(f);
    for (int p = 0; p < what->n_parts; p++)
        wanted[what->part[p]] = 1;
    if (r < f->n_representations)
        wanted[r] = 1;
    const int dim = what->dim;
    arena_free(&scratch);
    return dim;
}

/* Standardised by the training split. */
static int gather(struct lit *l, struct error *err) {
    const struct feature_set *f = l->in->features;
    const struct feature_split *splits[SPLITS] = {&f->train, &f->test};
    const struct representation *what = frozen(f, &l->arena);
    int status = 0;
    struct rows rows = {.slab = {0}};
    l->dim = what->dim;
    float *mean = ARENA_ARRAY(&l->arena, float, l->dim),
          *rstd = ARENA_ARRAY(&l->arena, float, l->dim);
    for (int s = 0; s < SPLITS; s++) {
        TRY(rows_open(&rows, f, splits[s], what, NULL, 0, err));
        rows.features.classes = 1; /* of no interest here, and captions have none */
        TRY(features_check(&rows.features, split_names[s], 0, err));
        if (s == SPLIT_TRAIN)
            features_measure(&rows.features, LOGISTIC_EPS, mean, rstd);
        size_t count = (size_t)splits[s]->n * (size_t)l->dim;
        l->x[s] = ARENA_ARRAY(&l->arena, float, count);
        for (size_t i = 0; i < count; i++) {
            size_t d = i % (size_t)l->dim;
            l->x[s][i] = (rows.features.x[i] - mean[d]) * rstd[d];
        }
        rows_close(&rows);
        rows = (struct rows){.slab = {0}};
    }
out:
    rows_close(&rows);
    return status;
}

/* ---- texts ---- */

static int collect_texts(struct lit *l, const struct lit_classes *classes, struct error *err) {
    const struct subject *s = l->in->subject;
    const struct feature_split *train = &l->in->features->train;
    l->first = ARENA_ARRAY(&l->arena, int32_t, train->n + 1);
    l->count = ARENA_ARRAY(&l->arena, int32_t, train->n + 1);
    if (s->data->has_caption) {
        int status = texts_read(&l->texts, s->data, SPLIT_TRAIN, err);
        for (int i = 0; i < l->texts.n; i++)
            if (!l->count[l->texts.image[i]]++)
                l->first[l->texts.image[i]] = i;
        return status;
    }
    if (!classes || !s->data->classes)
        return error_set(err, STATUS_USAGE, "%s has neither captions nor classes", s->data->name);
    for (int i = 0; i < s->data->classes * classes->n; i++)
        texts_add(&l->texts, classes->text[i], 0);
    for (int i = 0; i < train->n; i++) {
        l->first[i] = train->label[i] * classes->n;
        l->count[i] = classes->n;
    }
    return 0;
}

/* The vocabulary, and the tower's length: no longer than the texts at hand, which is what a step's
 * time depends on. */
static int tokenise(struct lit *l, const struct lit_classes *classes, struct error *err) {
    struct text_tower *t = &l->tower;
    int status = text_tower_vocabulary(t, l->texts.text, l->texts.n, &l->bpe, err);
    if (status)
        return status;
    arena_adopt(&l->arena, &l->bpe.arena);
    int longest = 3, n_classes = classes ? l->in->subject->data->classes * classes->n : 0;
    int32_t *ids = ARENA_ARRAY(&l->arena, int32_t, t->context), end;
    void *const one[] = {ids, &end};
    for (int i = 0; i < l->texts.n + n_classes; i++) {
        const char *text = i < l->texts.n ? l->texts.text[i] : classes->text[i - l->texts.n];
        int n = text_tower_fill(t, &l->bpe, text, one);
        longest = n > longest ? n : longest;
    }
    t->context = longest;
    l->tokens = ARENA_ARRAY(&l->arena, int32_t, (size_t)l->texts.n * (size_t)t->context);
    l->end = ARENA_ARRAY(&l->arena, int32_t, l->texts.n);
    for (int i = 0; i < l->texts.n; i++) {
        void *const slots[] = {l->tokens + (size_t)i * (size_t)t->context, &l->end[i]};
        text_tower_fill(t, &l->bpe, l->texts.text[i], slots);
    }
    return 0;
}

static void fill(const void *self, const void *runtime, const char *text, void *const *slots) {
    (void)runtime;
    const struct lit *l = self;
    text_tower_fill(&l->tower, &l->bpe, text, slots);
}

/* ---- graphs ---- */

static struct builder new_builder(struct lit *l, struct graph *g, int batch) {
    const struct subject *s = l->in->subject;
    graph_init(g, &l->model);
    return (struct builder){.g = g,
                            .model = &l->model,
                            .backbone = s->backbone,
                            .data = s->data,
                            .norm = s->norm,
                            .prefix = "",
                            .weight = 1,
                            .arena = &l->arena,
                            .seed = l->in->probe_seed,
                            .encoder = model_group(&l->model, "head"),
                            .batch = batch};
}

static struct tensor *project(struct lit *l, struct builder *b) {
    struct tensor *x = builder_reals(b, "features", l->dim);
    const struct linear_spec head = {.group = builder_group(b, "head"),
                                     .out = l->width,
                                     .init = INIT_NORMAL,
                                     .scale = 1 / sqrt((double)l->dim),
                                     .no_bias = 1};
    return l->o->image_head ? op_linear(b->g, "projection", x, &head, NULL) : x;
}

static int build(struct lit *l, int batch, struct error *err) {
    model_init(&l->model);
    l->train_builder = new_builder(l, &l->train, batch);
    struct builder *b = &l->train_builder;
    struct tensor *x = op_l2norm(b->g, "image_features", project(l, b), 1e-12);
    struct tensor *z = text_tower_encode(&l->tower, &l->bpe, b);
    z = op_l2norm(b->g, "text_features", z, 1e-12);
    struct tensor *scale = graph_param(b->g, builder_group(b, "head"), "logit_scale", 1,
                                       (const int[]){1}, INIT_CONSTANT, log(1 / l->o->temperature));
    l->scale = scale->param;
    builder_objective(b, "pairs", op_clip(b->g, "loss", x, z, scale), 1);
    l->train.away = l->in->device != NULL;
    graph_plan(&l->train);

    l->text_builder = new_builder(l, &l->text, 1);
    l->text.evaluating = 1;
    l->text.away = l->train.away;
    z = text_tower_encode(&l->tower, &l->bpe, &l->text_builder);
    graph_output(&l->text, z);
    graph_plan(&l->text);
    l->coder = (struct text_coder){
        .graph = &l->text, .builder = &l->text_builder, .features = z, .fill = fill, .self = l};

    l->image_builder = new_builder(l, &l->image, IMAGE_BATCH);
    l->image.evaluating = 1;
    if (l->o->image_head) {
        l->image_features = project(l, &l->image_builder);
        graph_output(&l->image, l->image_features);
        graph_plan(&l->image);
    }
    return model_allocate(&l->model, l->in->probe_seed, 1, err);
}

/* ---- training ---- */

/* As CLIP does, section 2.5: the scale stays within [0, ln 100]. */
static void clamp_scale(const void *self, struct step *s) {
    const struct lit *l = self;
    real *scale = &s->b->model->value[l->scale->offset];
    *scale = (real)fmin(fmax((double)*scale, 0), log(100));
    s->b->model->version++;
}

static const struct recipe recipe = {
    .optimizer = OPTIMIZER_ADAMW, .b1 = 0.9, .b2 = 0.98, .clip = 1};

/* A batch in the order of its epoch, and for each image one of its texts. */
static void take(const struct lit *l, const int32_t *order, int n, int epoch, void *const *slots) {
    for (int i = 0; i < n; i++) {
        int32_t image = order[i];
        struct rng r =
            rng_at((struct rng_key){l->in->probe_seed, RNG_TEXT}, (uint32_t)epoch, (uint32_t)image);
        int32_t text = l->first[image];
        if (l->count[image] > 1)
            text += (int32_t)rng_below(&r, (uint32_t)l->count[image]);
        memcpy((float *)slots[FEATURES] + (size_t)i * (size_t)l->dim,
               l->x[SPLIT_TRAIN] + (size_t)image * (size_t)l->dim, sizeof(float) * (size_t)l->dim);
        memcpy((int32_t *)slots[TOKENS] + (size_t)i * (size_t)l->tower.context,
               l->tokens + (size_t)text * (size_t)l->tower.context,
               sizeof(int32_t) * (size_t)l->tower.context);
        ((int32_t *)slots[END])[i] = l->end[text];
    }
}

/* Images that have a text; returns their number. */
static int with_texts(const struct lit *l, int32_t *out) {
    int n = 0;
    for (int i = 0; i < l->in->features->train.n; i++)
        if (l->count[i])
            out[n++] = i;
    return n;
}

static int train_steps(struct lit *l, struct trainer *t, const int32_t *usable, int n, long steps,
                       struct error *err) {
    int batch = t->config.exec.batch, per_epoch = n / batch, status = 0;
    int32_t *order = ARENA_ARRAY(&l->arena, int32_t, n),
            *picked = ARENA_ARRAY(&l->arena, int32_t, n);
    void *slots[SLOTS] = {
        [FEATURES] = ARENA_ARRAY(&l->arena, float, (size_t)batch *(size_t)l->dim),
        [TOKENS] = ARENA_ARRAY(&l->arena, int32_t, (size_t)batch * (size_t)l->tower.context),
        [END] = ARENA_ARRAY(&l->arena, int32_t, batch)};
    struct progress progress;
    char label[96], detail[48];
    snprintf(label, sizeof label, "text tower of %s", l->in->subject->name);
    progress_begin(&progress, label, steps);
    for (long done = 0; done < steps && !l->diverged; done++) {
        int epoch = (int)(done / per_epoch), at = (int)(done % per_epoch);
        if (!at) {
            struct rng r =
                rng_at((struct rng_key){l->in->probe_seed, RNG_ORDER}, (uint32_t)epoch, 0);
            rng_permutation(&r, order, (uint32_t)n);
            for (int i = 0; i < n; i++)
                picked[i] = usable[order[i]];
        }
        TRY(subject_stopped(l->in->subject, "text tuning", err));
        take(l, picked + (ptrdiff_t)at * batch, batch, epoch, slots);
        l->diverged = !trainer_step(t, slots, batch, done);
        snprintf(detail, sizeof detail, "loss %.4f", t->loss);
        progress_update(&progress, done + 1, detail);
    }
out:
    progress_end(&progress);
    return status;
}

static int train(struct lit *l, const int32_t *usable, int n, int batch, struct error *err) {
    const struct method method = {
        .name = "lit",
        .mixes_samples = 1,
        .stages = {{.name = "text", .recipe = recipe, .after = clamp_scale}},
        .n_stages = 1};
    const int per_epoch = n / batch;
    long steps = lround(l->o->epochs * per_epoch);
    steps = steps < 1 ? 1 : steps;
    const struct trainer_config config = {.method = &method,
                                          .self = l,
                                          .builder = &l->train_builder,
                                          .exec = each_exec(l->in, batch),
                                          .lr = l->o->lr,
                                          .weight_decay = l->o->weight_decay,
                                          .warmup = l->o->warmup,
                                          .total = steps,
                                          .per_epoch = per_epoch};
    struct trainer t = {0};
    int status = trainer_open(&t, &config, err);
    if (!status)
        status = train_steps(l, &t, usable, n, steps, err);
    trainer_close(&t);
    return status;
}

static int project_test_images(struct lit *l, struct error *err) {
    int n = l->in->features->test.n, status = 0;
    l->images = l->x[SPLIT_TEST];
    if (!l->o->image_head)
        return 0;
    float *out = ARENA_ARRAY(&l->arena, float, (size_t)n *(size_t)l->width);
    const struct exec_config config = each_exec(l->in, IMAGE_BATCH);
    struct exec *x = NULL;
    TRY(exec_open(&x, &l->image, &config, err));
    for (int first = 0; first < n; first += IMAGE_BATCH) {
        int some = n - first < IMAGE_BATCH ? n - first : IMAGE_BATCH;
        exec_bind(x, l->image_builder.inputs[0], l->x[SPLIT_TEST] + (size_t)first * (size_t)l->dim);
        exec_run(x, some);
        memcpy(out + (size_t)first * (size_t)l->width, exec_output(x, l->image_features),
               sizeof *out * (size_t)some * (size_t)l->width);
    }
    l->images = out;
out:
    exec_close(x);
    return status;
}

static struct text_tower tower_of(const struct lit_options *o) {
    return (struct text_tower){.dim = o->text_dim,
                               .depth = o->text_depth,
                               .heads = o->text_heads,
                               .context = o->context,
                               .act = ACT_GELU,
                               .vocabulary = o->vocabulary,
                               .vocabulary_size = o->vocabulary_size};
}

int lit_ready(const struct lit_options *o, const char *prefix, struct error *err) {
    const struct text_tower t = tower_of(o);
    struct bpe bpe = {0};
    int status = text_tower_check(&t, prefix, err);
    if (!status && *t.vocabulary)
        status = text_tower_vocabulary(&t, NULL, 0, &bpe, err);
    bpe_free(&bpe);
    return status;
}

static int tune(struct lit *l, const struct lit_classes *classes, struct error *err) {
    const struct lit_options *o = l->o;
    int status = 0;
    l->tower = tower_of(o);
    TRY(text_tower_check(&l->tower, "lit_", err));
    TRY(gather(l, err));
    l->width = l->tower.out = o->image_head ? o->dim : l->dim;
    TRY(collect_texts(l, classes, err));
    TRY(tokenise(l, classes, err));
    int32_t *usable = ARENA_ARRAY(&l->arena, int32_t, l->in->features->train.n);
    int n = with_texts(l, usable), batch = o->batch < n ? o->batch : n;
    if (batch < 2)
        return error_set(err, STATUS_USAGE, "%s: %d training images with texts are too few",
                         l->in->subject->data->name, n);
    TRY(build(l, batch, err));
    TRY(train(l, usable, n, batch, err));
    TRY(project_test_images(l, err));
out:
    return status;
}

/* Images and texts had a space of their own, and half of it is not here. */
static void warn_of_half(const struct lit *l) {
    const struct feature_set *f = l->in->features;
    for (int r = 0; r < f->n_representations; r++)
        if (!strcmp(f->names[r], METHOD_PROJECTION))
            log_message(LOG_WARN,
                        "%s: the text tower of these weights is not here (theirs needs "
                        "--weights.vocabulary), so another is tuned: this is no zero-shot result",
                        l->in->subject->name);
}

int lit_open(struct lit **out, const struct protocol_input *in, const struct lit_options *o,
             const struct lit_classes *classes, struct error *err) {
    struct arena arena = {0};
    struct lit *l = ARENA_NEW(&arena, struct lit);
    *l = (struct lit){.arena = arena, .in = in, .o = o, .tuned = !in->subject->text};
    *out = l;
    if (l->tuned) {
        warn_of_half(l);
        return tune(l, classes, err);
    }
    const struct feature_set *f = in->features;
    const int r = projection(f);
    l->coder = *in->subject->text;
    CHECK(r < f->n_representations && f->dim[r] == (int)l->coder.features->per_sample,
          "%s has no %s of images like that of texts", in->subject->method->name,
          METHOD_PROJECTION);
    l->width = f->dim[r];
    l->images = f->test.x[r];
    return 0;
}

int lit_tuned(const struct lit *l) {
    return l->tuned;
}

int lit_diverged(const struct lit *l) {
    return l->diverged;
}

int lit_width(const struct lit *l) {
    return l->width;
}

const float *lit_images(const struct lit *l) {
    return l->images;
}

int lit_texts(struct lit *l, const char *const *texts, int n, float *out, struct error *err) {
    return texts_encode(&l->coder, l->in, texts, n, out, err);
}

void lit_close(struct lit *l) {
    if (!l)
        return;
    texts_free(&l->texts);
    graph_free(&l->train);
    graph_free(&l->text);
    graph_free(&l->image);
    model_free(&l->model);
    struct arena arena = l->arena; /* l lies in its own arena */
    arena_free(&arena);
}
