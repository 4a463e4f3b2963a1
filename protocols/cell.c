#include "protocols/cell_internal.h"

#include "core/file.h"
#include "core/log.h"
#include "core/sha256.h"
#include "methods/views.h"
#include "nn/checkpoint.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct builder new_builder(struct cell *c, struct graph *g, int stage) {
    graph_init(g, &c->model);
    return (struct builder){.g = g,
                            .model = &c->model,
                            .backbone = &c->backbone,
                            .data = c->data,
                            .norm = &c->norm,
                            .prefix = "",
                            .weight = 1,
                            .arena = &c->arena,
                            .classes = c->data->classes,
                            .seed = c->seed,
                            .encoder = model_group(&c->model, "encoder"),
                            .stage = stage,
                            .batch = c->settings.plan.batch,
                            .runtime = c->runtime};
}

static void output_all(struct graph *g) {
    for (int i = 0; i < g->n; i++)
        if (g->tensors[i]->kind == TENSOR_VALUE && !g->tensors[i]->output)
            graph_output(g, g->tensors[i]);
}

static struct subject describe_subject(struct cell *c) {
    return (struct subject){.name = c->run.run_id,
                            .method = c->method,
                            .self = settings_method(&c->settings, c->method),
                            .model = &c->model,
                            .backbone = &c->backbone,
                            .norm = &c->norm,
                            .data = c->judged,
                            .encoded = &c->encoded,
                            .images = c->encode_images,
                            .encode = &c->encode,
                            .seed = c->seed,
                            .loader_threads = c->context->loader_threads,
                            .chunk = c->settings.plan.chunk,
                            .lanes = c->settings.plan.lanes,
                            .stop = c->context->stop};
}

struct protocol_input cell_input(const struct cell *c, struct arena *a) {
    return (struct protocol_input){.subject = &c->subject,
                                   .features = &c->features,
                                   .kernels = c->context->kernels,
                                   .device = c->context->device,
                                   .threads = c->context->threads,
                                   .split_seed = (uint64_t)c->settings.judging.split_seed,
                                   .probe_seed = (uint64_t)c->settings.judging.probe_seed,
                                   .arena = a};
}

static void represent(struct cell *c, struct tensor *t, const char *name) {
    if (!t)
        return;
    int last = c->encoded.n_representations++;
    CHECK(last < BACKBONE_LAYERS, "more than %d representations", BACKBONE_LAYERS);
    c->encoded.representation[last] = t;
    snprintf(c->encoded.representation_name[last], BACKBONE_NAME, "%s", name);
}

/* What stands on the encoder's features: a projection, a classifier. */
static void add_heads(struct cell *c, unsigned extras) {
    const void *self = settings_method(&c->settings, c->method);
    struct builder *b = &c->encode_builder;
    if (c->method->project)
        represent(c, c->method->project(self, b, &c->encoded), METHOD_PROJECTION);
    if (c->method->classify)
        c->encoded.logits = c->method->classify(self, b, &c->encoded);
    if (extras & CELL_LOGITS)
        represent(c, c->encoded.logits, "logits");
    else if (c->encoded.logits)
        graph_output(b->g, c->encoded.logits);
}

/* The graph that protocols see. */
static void build_encoder(struct cell *c, unsigned extras) {
    struct graph *g = &c->encode;
    c->encode_builder = new_builder(c, g, 0);
    g->evaluating = 1;
    g->away = c->context->device != NULL;
    c->encode_images = builder_images(&c->encode_builder, "images", 0, 0);
    c->subject = describe_subject(c);
    subject_encode(&c->subject, &c->encode_builder, c->encode_images, ENCODE_LAYERS, &c->encoded);
    c->subject.runtime = c->encode_builder.runtime;
    add_heads(c, extras);
    struct feature_set *f = &c->features;
    f->n_representations = c->encoded.n_representations;
    f->classes = c->judged->classes;
    for (int i = 0; i < f->n_representations; i++) {
        struct tensor *t = c->encoded.representation[i];
        graph_output(g, t);
        f->dim[i] = (int)t->per_sample;
        snprintf(f->names[i], sizeof f->names[i], "%s", c->encoded.representation_name[i]);
    }
    if (extras & CELL_EVALUATING)
        output_all(g);
    graph_plan(g);
}

/* The graph of a method's text tower. */
static void build_text_encoder(struct cell *c) {
    const struct method *m = c->method;
    if (!m->encode_text)
        return;
    int last = m->n_stages - 1;
    c->text_builder = new_builder(c, &c->encode_text, last < 0 ? 0 : last);
    if (last >= 0)
        c->text_builder.runtime = c->stages[last].builder.runtime;
    c->encode_text.evaluating = 1;
    c->encode_text.away = c->context->device != NULL;
    const void *self = settings_method(&c->settings, m);
    struct tensor *features = m->encode_text(self, &c->text_builder);
    if (!features)
        return;
    graph_output(&c->encode_text, features);
    graph_plan(&c->encode_text);
    c->text = (struct text_coder){.graph = &c->encode_text,
                                  .builder = &c->text_builder,
                                  .features = features,
                                  .fill = m->text,
                                  .self = self};
    c->subject.text = &c->text;
}

static int fill_model(struct cell *c, struct error *err) {
    const struct method *m = c->method;
    if (!m->weights)
        return model_allocate(&c->model, c->seed, m->trains, err);
    int status = model_allocate_blank(&c->model, err);
    if (status)
        return status;
    return m->weights(settings_method(&c->settings, m), c->runtime, &c->model, err);
}

/* The content of a file that weights come from is one of the settings that name a run. */
static int stamp(struct cell *c, char sha256[SHA256_HEX + 1], struct error *err) {
    return c->method->stamp
               ? c->method->stamp(settings_method(&c->settings, c->method), sha256, err)
               : 0;
}

/* Hashing a file takes as long as loading it; where there is none, all threads are left to draw. */
static int fill_and_stamp(struct cell *c, struct error *err) {
    char sha256[SHA256_HEX + 1];
    struct error of_stamp = {0};
    int status = 0, stamped = 0;
#pragma omp parallel sections num_threads(2) if (c->method->stamp && c->context->threads > 1)
    {
#pragma omp section
        status = fill_model(c, err);
#pragma omp section
        stamped = stamp(c, sha256, &of_stamp);
    }
    if (stamped) {
        *err = of_stamp;
        return stamped;
    }
    if (status || !c->method->stamp)
        return status;
    const char *key = arena_printf(&c->arena, "%s.sha256", c->method->name);
    return options_assign(&c->settings.options, key, sha256, FROM_FLAG, err);
}

/* Whether the views of training are made on the device; who looks into the graphs finds images. */
static int renders(const struct cell *c, unsigned extras) {
    return c->context->device && !extras && !strcmp(c->settings.machine.views, "device") &&
           !views_of_its_own(c->method, settings_method(&c->settings, c->method));
}

static int build(struct cell *c, unsigned extras, struct error *err) {
    const int away = renders(c, extras);
    model_init(&c->model);
    int status = 0;
    for (int i = 0; i < c->method->n_stages; i++) {
        struct stage_plan *s = &c->stages[i];
        s->builder = new_builder(c, &s->graph, i);
        s->builder.renders = away;
        s->graph.away = c->context->device != NULL;
        s->graph.halves = c->context->device && c->context->device->halves;
        s->graph.one_lane =
            communicator_size(c->context->ranks) == 1 && c->settings.plan.lanes <= 1;
        s->graph.recompute = c->settings.machine.recompute;
        s->graph.keep_cheap = s->graph.away && !c->settings.machine.recompute_norms;
        s->graph.evaluating = (extras & CELL_EVALUATING) != 0;
        TRY(c->method->stages[i].build(settings_method(&c->settings, c->method), &s->builder, err));
        if (extras)
            output_all(&s->graph);
        graph_plan(&s->graph);
    }
    build_encoder(c, extras);
    build_text_encoder(c);
    TRY(fill_and_stamp(c, err));
out:
    return status;
}

int cell_build(struct cell *c, const struct settings *suite, const struct method *method,
               const struct dataset *data, uint64_t seed, const struct context *context,
               unsigned extras, struct error *err) {
    memset(c, 0, sizeof *c);
    c->context = context;
    c->data = c->judged = data;
    c->method = method;
    c->seed = seed;
    c->lock = c->journal.fd = -1;
    int status = 0;
    const char *why;
    TRY(cell_resolve(c, suite, &why, err));
    if (why) {
        status = error_set(err, STATUS_USAGE, "%s", why);
        goto out;
    }
    TRY(build(c, extras, err));
    TRY(cell_count_steps(c, err));
out:
    if (status)
        cell_close(c);
    return status;
}

struct trainer_config cell_trainer(struct cell *c, int stage) {
    const struct plan *p = &c->settings.plan;
    int last = stage == c->method->n_stages - 1; /* the one that the user's rates are for */
    return (struct trainer_config){.method = c->method,
                                   .self = settings_method(&c->settings, c->method),
                                   .builder = &c->stages[stage].builder,
                                   .exec = {.kernels = c->context->kernels,
                                            .device = c->context->device,
                                            .ahead = c->context->device != NULL,
                                            .threads = c->context->threads,
                                            .batch = p->batch,
                                            .chunk = p->chunk,
                                            .lanes = p->lanes,
                                            .profile = c->context->machine->profile,
                                            .bucket = (size_t)c->context->machine->bucket,
                                            .ranks = c->context->ranks},
                                   .moments = c->moments,
                                   .accumulate = p->accumulate,
                                   .lr = last ? p->lr : -1,
                                   .weight_decay = last ? p->weight_decay : -1,
                                   .warmup = last ? p->warmup : -1,
                                   .total = c->stages[stage].steps,
                                   .per_epoch = c->data->count[SPLIT_TRAIN] / p->batch};
}

int cell_load(struct cell *c, long *done, struct error *err) {
    int status = 0;
    if (!file_exists(c->checkpoint))
        return 0;
    TRY(checkpoint_check_run(c->checkpoint, c->hash, err));
    TRY(checkpoint_load(c->checkpoint, &c->model, c->moments, done, err));
out:
    return status;
}

int cell_save(struct cell *c, const char *status_text, struct error *err) {
    if (!strcmp(status_text, "complete") && c->settings.plan.limit)
        status_text = "partial"; /* not to be taken for the whole data's */
    snprintf(c->run.status, sizeof c->run.status, "%s", status_text);
    if (communicator_rank(c->context->ranks))
        return 0;
    cell_record_achieved(c);
    return run_write(&c->run, c->folder, err);
}

void cell_close(struct cell *c) {
    for (int i = 0; i < SPLITS; i++)
        slab_free(&c->feature_slab[i]);
    if (c->journal.fd >= 0)
        journal_close(&c->journal);
    for (int i = 0; i < METHOD_STAGES; i++)
        graph_free(&c->stages[i].graph);
    graph_free(&c->encode);
    graph_free(&c->encode_text);
    model_free(&c->model);
    run_free(&c->run);
    settings_free(&c->settings);
    if (c->lock >= 0)
        close(c->lock);
    arena_free(&c->arena);
}
