#include "protocols/tune.h"

#include "protocols/each.h"
#include "protocols/pinned.h"

#include "core/log.h"
#include "methods/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_BATCH = 64, MANY = 10000 }; /* images whose answers take a while */

struct tuned {
    struct arena arena;
    struct tune_config config;
    const struct subject *subject;
    struct method method; /* the task as the trainer knows it */
    struct backbone backbone;
    struct model model;
    struct graph train, answer;
    struct builder train_builder, answer_builder;
    struct tensor *images, *answers; /* of the answering graph */
    int diverged;
    double loss;
};

static struct builder new_builder(struct tuned *t, struct graph *g, int batch) {
    const struct subject *s = t->subject;
    graph_init(g, &t->model);
    return (struct builder){.g = g,
                            .model = &t->model,
                            .backbone = &t->backbone,
                            .data = s->data,
                            .norm = s->norm,
                            .prefix = "",
                            .weight = 1,
                            .arena = &t->arena,
                            .classes = s->data->classes,
                            .seed = t->config.seed,
                            .encoder = model_group(&t->model, "encoder"),
                            .batch = batch};
}

static const real *weights_of(const struct model *m, const char *group, const struct param *like) {
    for (int g = 0; g < m->n_groups; g++)
        for (const struct param *p = m->groups[g].first; p; p = p->next)
            if (!strcmp(m->groups[g].name, group) && !strcmp(p->name, like->name)) {
                CHECK(p->count == like->count, "%s.%s has another size", group, p->name);
                return m->value + p->offset;
            }
    CHECK(0, "%s.%s is not in the pretrained model", group, like->name);
    return NULL;
}

/* Overwrites what the encoder drew with the subject's weights. */
static void copy_weights(struct tuned *t) {
    int task = model_group(&t->model, TUNE_GROUP);
    for (int g = 0; g < t->model.n_groups; g++)
        for (const struct param *p = t->model.groups[g].first; g != task && p; p = p->next)
            memcpy(t->model.value + p->offset,
                   weights_of(t->subject->model, t->model.groups[g].name, p),
                   sizeof(real) * p->count);
    t->model.version++;
}

/* The number behind `prefix` in a name, -1: it starts otherwise. */
static int number_after(const char *name, const char *prefix) {
    size_t n = strlen(prefix);
    int number, length = 0;
    if (strncmp(name, prefix, n) || sscanf(name + n, "%d%n", &number, &length) != 1 ||
        name[n + (size_t)length] != '.')
        return -1;
    return number;
}

int tune_layer(const struct backbone *b, const char *parameter, int *n) {
    int number;
    switch (b->kind) {
    case BACKBONE_VIT:
        *n = b->vit.depth;
        if ((number = number_after(parameter, "blocks.")) >= 0)
            return number + 1;
        return strncmp(parameter, "norm.", 5) ? 0 : *n + 1;
    case BACKBONE_RESNET:
        *n = 4;
        if ((number = number_after(parameter, "layer")) >= 0)
            return number;
        return strncmp(parameter, "attnpool.", 9) ? 0 : *n + 1;
    case BACKBONE_ALEXNET:
        *n = 5;
        if ((number = number_after(parameter, "conv")) >= 0 ||
            (number = number_after(parameter, "bn")) >= 0)
            return number;
        return 0;
    }
    return *n = 0;
}

/* Bao et al. 2022, and before them Clark et al. 2020 (arXiv:2003.10555): the rate of layer l of n
 * is decay^(n + 1 - l), of what embeds decay^(n + 1), of the head 1. */
static void decay_layers(struct tuned *t) {
    int task = model_group(&t->model, TUNE_GROUP);
    for (int g = 0; g < t->model.n_groups; g++)
        for (const struct param *p = t->model.groups[g].first; g != task && p; p = p->next)
            for (int f = 0; f < t->model.n_facts; f++)
                if (t->model.facts[f].offset == p->offset) {
                    int n, layer = tune_layer(&t->backbone, p->name, &n);
                    t->model.facts[f].lr_scale = (real)pow(t->config.layer_decay, n + 1 - layer);
                }
}

static int build(struct tuned *t, struct error *err) {
    const struct tune_task *task = t->config.task;
    struct encoded e;
    model_init(&t->model);
    t->train_builder = new_builder(t, &t->train, t->config.batch);
    subject_encode(t->subject, &t->train_builder, builder_images(&t->train_builder, "images", 0, 0),
                   ENCODE_TOKENS, &e);
    struct tensor *answers = task->answer(t->config.self, &t->train_builder, &e);
    int status = task->objective(t->config.self, &t->train_builder, answers, err);
    if (status)
        return status;
    const struct device *device = t->config.in->device;
    t->train.away = t->train.keep_cheap = device != NULL;
    t->train.halves = device && device->halves;
    t->train.one_lane = !t->config.in->ranks && t->subject->lanes <= 1;
    graph_plan(&t->train);

    t->answer_builder = new_builder(t, &t->answer, ANSWER_BATCH);
    t->answer.evaluating = 1;
    t->answer.away = t->train.away;
    t->images = builder_images(&t->answer_builder, "images", 0, 0);
    subject_encode(t->subject, &t->answer_builder, t->images, ENCODE_TOKENS, &e);
    t->answers = task->answer(t->config.self, &t->answer_builder, &e);
    graph_output(&t->answer, t->answers);
    graph_plan(&t->answer);

    if ((status = model_allocate(&t->model, t->config.seed, 1, err)))
        return status;
    copy_weights(t);
    decay_layers(t);
    return 0;
}

/* What the trainer calls gets the task's options through the builder's runtime. */
static void mix(const void *self, struct step *s) {
    const struct tuned *t = self;
    t->config.task->mix(t->config.self, s);
}

static void prepare(const void *self, const struct sample *s) {
    const struct tuned *t = self;
    t->config.task->prepare(t->config.self, t->subject, s);
}

static int prepare_sample(const void *self, const struct record *record, long sample, int epoch,
                          struct rng *rng, void *const slots[], struct error *err) {
    (void)err;
    const struct tuned *t = self;
    trainer_prepare(&t->method, t, &t->train_builder, record, sample, epoch, rng, slots);
    return 0;
}

static int next_batch(const struct tuned *t, struct loader *loader, struct batch *batch,
                      struct error *err) {
    int status = subject_stopped(t->subject, t->config.task->name, err);
    return status ? status : loader_next(loader, batch, err);
}

static int train_steps(struct tuned *t, struct trainer *trainer, struct loader *loader, long steps,
                       struct error *err) {
    char label[96], detail[48];
    struct progress progress;
    int status = 0;
    snprintf(label, sizeof label, "%s of %s", t->config.task->name, t->subject->name);
    progress_begin(&progress, label, steps);
    for (long done = 0; done < steps && !t->diverged; done++) {
        struct batch batch;
        TRY(communicator_agree(t->config.in->ranks, WAIT_LIMITED,
                               next_batch(t, loader, &batch, err), err));
        t->diverged = !pinned_step(trainer, loader, &batch, done);
        t->loss = trainer->loss;
        snprintf(detail, sizeof detail, "loss %.4f", t->loss);
        progress_update(&progress, done + 1, detail);
    }
out:
    progress_end(&progress);
    return status;
}

static int train(struct tuned *t, struct error *err) {
    const struct tune_config *c = &t->config;
    long per_epoch = c->n / c->batch, steps = lround(c->epochs * (double)per_epoch);
    if (steps < 1)
        steps = 1;
    const struct trainer_config config = {.method = &t->method,
                                          .self = t,
                                          .builder = &t->train_builder,
                                          .exec = {.kernels = c->in->kernels,
                                                   .device = c->in->device,
                                                   .ahead = c->in->device != NULL,
                                                   .threads = c->in->threads,
                                                   .batch = c->batch,
                                                   .chunk = t->subject->chunk,
                                                   .lanes = t->subject->lanes,
                                                   .ranks = c->in->ranks},
                                          .lr = c->lr,
                                          .weight_decay = c->weight_decay,
                                          .warmup = c->warmup,
                                          .total = steps,
                                          .per_epoch = per_epoch};
    struct trainer trainer = {0};
    struct loader *loader = NULL;
    int status = trainer_open(&trainer, &config, err);
    struct loader_slot slots[METHOD_SLOTS];
    const struct loader_config loading = {.data = t->subject->data,
                                          .split = SPLIT_TRAIN,
                                          .wanted = trainer.wanted,
                                          .subset = c->subset,
                                          .subset_n = c->subset ? c->n : 0,
                                          .batch = c->batch,
                                          .shuffle = 1,
                                          .drop_last = 1,
                                          .masks = c->task->masks,
                                          .seed = c->seed,
                                          .threads = t->subject->loader_threads,
                                          .epochs = (int)(steps / per_epoch) + 1,
                                          .slots = slots,
                                          .n_slots = trainer_slots(&t->train_builder, slots),
                                          .prepare = prepare_sample,
                                          .self = t,
                                          .pins = pinned_by(c->in->device)};
    if (!status)
        status = loader_open(&loader, &loading, err);
    TRY(communicator_agree(c->in->ranks, WAIT_LONG, status, err));
    TRY(train_steps(t, &trainer, loader, steps, err));
    log_message(LOG_INFO, "%s: %s at rate %g, seed %llu: loss %.9g after %ld steps",
                t->subject->name, c->task->name, c->lr, (unsigned long long)c->seed, t->loss,
                steps);
out:
    loader_close(loader);
    trainer_close(&trainer);
    return status;
}

int tune_train(struct tuned **out, const struct tune_config *config, struct error *err) {
    struct arena arena = {0};
    struct tuned *t = ARENA_NEW(&arena, struct tuned);
    t->arena = arena;
    t->config = *config;
    t->subject = config->in->subject;
    t->backbone = *t->subject->backbone;
    t->backbone.vit.drop_path = config->drop_path;
    if (!config->subset)
        t->config.n = t->subject->data->count[SPLIT_TRAIN];
    int status = 0;
    if (t->config.n < 1)
        TRY(error_set(err, STATUS_USAGE, "%s: no training image for %s", t->subject->name,
                      config->task->name));
    if (t->config.batch > t->config.n)
        t->config.batch = (int)t->config.n;
    t->method = (struct method){.name = config->task->name,
                                .trains = 1,
                                .backbones = BACKBONE_ANY,
                                .n_stages = 1,
                                .stages = {{.name = config->task->name,
                                            .recipe = config->task->recipe,
                                            .prepare = prepare,
                                            .mix = config->task->mix ? mix : NULL}}};
    TRY(communicator_agree(config->in->ranks, WAIT_LONG, build(t, err), err));
    TRY(train(t, err));
out:
    if (status) {
        tune_close(t);
        t = NULL;
    }
    *out = t;
    return status;
}

int tune_diverged(const struct tuned *t) {
    return t->diverged;
}

double tune_loss(const struct tuned *t) {
    return t->loss;
}

size_t tune_width(const struct tuned *t) {
    return t->answers->per_sample;
}

const struct model *tune_model(const struct tuned *t) {
    return &t->model;
}

struct visit {
    const struct tuned *t;
    tune_visit *visit;
    void *to;
};

static int visit_answers(void *to, const struct each_batch *b, struct error *err) {
    const struct visit *v = to;
    return v->visit(v->to, b->index, b->n, exec_output(b->x, v->t->answers), err);
}

int tune_each(struct tuned *t, enum split split, const int32_t *subset, long n, tune_visit *visit,
              void *to, struct error *err) {
    char during[96];
    struct visit v = {t, visit, to};
    snprintf(during, sizeof during, "%s on %s images", t->config.task->name,
             split == SPLIT_TRAIN ? "training" : "test");
    const struct each e = {.in = t->config.in,
                           .graph = &t->answer,
                           .images = t->images,
                           .during = during,
                           .shows = n >= MANY,
                           .whole = t->config.task->masks,
                           .split = split,
                           .subset = subset,
                           .n = n,
                           .batch = ANSWER_BATCH};
    return each_image(&e, visit_answers, &v, err);
}

struct destination {
    float *at;
    size_t width;
};

static int copy_answers(void *to, const int32_t *index, int n, const float *answers,
                        struct error *err) {
    (void)index, (void)err;
    struct destination *d = to;
    memcpy(d->at, answers, sizeof *answers * d->width * (size_t)n);
    d->at += d->width * (size_t)n;
    return 0;
}

int tune_answers(struct tuned *t, enum split split, const int32_t *subset, long n, float *out,
                 struct error *err) {
    struct communicator *ranks = t->config.in->ranks;
    struct arena scratch = {0};
    const int size = communicator_size(ranks);
    const size_t width = tune_width(t);
    long *first = ARENA_ARRAY(&scratch, long, size + 1);
    for (int p = 0; p <= size; p++)
        first[p] = communicator_share(ranks, n, ANSWER_BATCH, p);
    struct destination d = {out + (size_t)first[communicator_rank(ranks)] * width, width};
    int status = 0;
    TRY(tune_each(t, split, subset, n, copy_answers, &d, err));
    struct communicator_block *blocks = ARENA_ARRAY(&scratch, struct communicator_block, size);
    for (int p = 0; p < size; p++)
        blocks[p] =
            (struct communicator_block){(size_t)first[p] * width * sizeof *out,
                                        (size_t)(first[p + 1] - first[p]) * width * sizeof *out};
    communicator_gather(ranks, out, blocks);
out:
    arena_free(&scratch);
    return status;
}

void tune_close(struct tuned *t) {
    if (!t)
        return;
    graph_free(&t->train);
    graph_free(&t->answer);
    model_free(&t->model);
    struct arena arena = t->arena; /* t lies in its own arena */
    arena_free(&arena);
}
