#include "protocols/cell.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int assign(struct cell *c, const char *key, const char *value, struct error *err) {
    return options_assign(&c->settings.options, key, value, FROM_FLAG, err);
}

/* The suite's settings narrowed to this cell, every "automatic" replaced by its number. */
static int resolve(struct cell *c, const struct settings *suite, struct error *err) {
    struct settings *s = &c->settings;
    int last = c->method->n_stages - 1;
    struct recipe recipe = {.lr = 0};
    settings_init(s);
    settings_use(s, c->method);
    int status = 0;
    TRY(options_load_text(&s->options, options_text(&suite->options, &c->arena), "settings", err));
    TRY(assign(c, "methods", c->method->name, err));
    TRY(assign(c, "data", c->data->spec, err));
    TRY(assign(c, "protocols", "", err)); /* they decide no weight: other ones, the same run */
    TRY(assign(c, "seeds", arena_printf(&c->arena, "%llu", (unsigned long long)c->seed), err));
    if (last >= 0)
        recipe = stage_recipe(&c->method->stages[last], settings_method(s, c->method));
    if (!strcmp(s->plan.preset, "paper") && c->method->paper_recipe)
        recipe = *c->method->paper_recipe;
    if (s->plan.lr < 0)
        s->plan.lr = recipe.lr;
    if (s->plan.weight_decay < 0)
        s->plan.weight_decay = recipe.weight_decay;
    if (s->plan.warmup < 0)
        s->plan.warmup = recipe.warmup;
    if (!s->plan.image)
        s->plan.image = c->data->height;
    if (!c->method->trains) /* nothing that only training reads may split the runs */
        s->plan.epochs = 0.001, s->plan.batch = 1;
out:
    return status;
}

static int check_pair(const struct cell *c, struct error *err) {
    if (!(c->method->backbones & (unsigned)c->backbone.kind))
        return error_set(err, STATUS_USAGE, "%s does not run on %s: see `ssvbench list methods`",
                         c->method->name, c->backbone.name);
    if (c->method->uses_labels && !c->data->classes)
        return error_set(err, STATUS_USAGE, "%s needs labels, and %s has none", c->method->name,
                         c->data->name);
    if (c->method->uses_captions && !c->data->has_caption)
        return error_set(err, STATUS_USAGE, "%s needs captions, and %s has none", c->method->name,
                         c->data->name);
    return 0;
}

static int choose_backbone(struct cell *c, struct error *err) {
    const struct plan *p = &c->settings.plan;
    const struct backbone_options o = {
        .image = p->image,
        .channels = c->data->channels,
        .patch = p->patch,
        .position = strcmp(p->position, "learned") ? POSITION_SINCOS : POSITION_LEARNED,
        .pool = strcmp(p->pool, "mean") ? POOL_CLS : POOL_MEAN,
        .drop_path = p->drop_path,
        .layer_scale = p->layer_scale,
        .relative_positions = p->relative_positions};
    int status = backbone_make(&c->backbone, p->backbone, &o, err);
    if (status) {
        error_prefix(err, "%s", c->data->name);
        return status;
    }
    memcpy(c->norm.mean, c->data->mean, sizeof c->norm.mean);
    memcpy(c->norm.std, c->data->std, sizeof c->norm.std);
    return check_pair(c, err);
}

/* A share of all steps, at least one of them where it is not 0; one is left for each later stage.
 */
static long share_of(double share, long total, long left, int later) {
    long steps = lround(share * (double)total);
    if (share > 0 && steps < 1)
        steps = 1;
    return steps < left - later ? steps : left - later;
}

static int count_steps(struct cell *c, struct error *err) {
    const struct plan *p = &c->settings.plan;
    if (!c->method->trains)
        return 0;
    long per_epoch = c->data->count[SPLIT_TRAIN] / p->batch;
    if (!per_epoch)
        return error_set(err, STATUS_USAGE, "%s has %ld training images, fewer than a batch of %d",
                         c->data->name, c->data->count[SPLIT_TRAIN], p->batch);
    c->steps = lround(p->epochs * (double)per_epoch);
    if (c->steps < c->method->n_stages)
        c->steps = c->method->n_stages;
    const void *self = settings_method(&c->settings, c->method);
    long first = 0;
    for (int i = 0; i < c->method->n_stages; i++) {
        struct stage_plan *s = &c->stages[i];
        s->first = first;
        s->steps = c->steps - first; /* the last one gets what is left */
        int later = c->method->n_stages - 1 - i;
        if (c->method->stages[i].share && later)
            s->steps =
                share_of(c->method->stages[i].share(self), c->steps, c->steps - first, later);
        first += s->steps;
    }
    return 0;
}

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
                            .batch = c->settings.plan.batch};
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
                            .data = c->data,
                            .encoded = &c->encoded,
                            .images = c->encode_images,
                            .encode = &c->encode,
                            .seed = c->seed,
                            .loader_threads = c->context->loader_threads,
                            .chunk = c->settings.plan.chunk,
                            .stop = c->context->stop};
}

/* The graph that protocols see. */
static void build_encoder(struct cell *c, unsigned extras) {
    struct graph *g = &c->encode;
    c->encode_builder = new_builder(c, g, 0);
    g->evaluating = 1;
    c->encode_images = builder_images(&c->encode_builder, "images", 0, 0);
    c->subject = describe_subject(c);
    subject_encode(&c->subject, &c->encode_builder, c->encode_images, 1, &c->encoded);
    c->subject.runtime = c->encode_builder.runtime;
    if (c->method->project) {
        int last = c->encoded.n_representations++;
        CHECK(last < BACKBONE_LAYERS, "more than %d representations", BACKBONE_LAYERS);
        c->encoded.representation[last] = c->method->project(
            settings_method(&c->settings, c->method), &c->encode_builder, &c->encoded);
        snprintf(c->encoded.representation_name[last], BACKBONE_NAME, "%s", METHOD_PROJECTION);
    }
    struct feature_set *f = &c->features;
    f->n_representations = c->encoded.n_representations;
    f->classes = c->data->classes;
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
    c->text_builder = new_builder(c, &c->encode_text, m->n_stages - 1);
    c->text_builder.runtime = c->stages[m->n_stages - 1].builder.runtime;
    c->encode_text.evaluating = 1;
    const void *self = settings_method(&c->settings, m);
    struct tensor *features = m->encode_text(self, &c->text_builder);
    graph_output(&c->encode_text, features);
    graph_plan(&c->encode_text);
    c->text = (struct text_coder){.graph = &c->encode_text,
                                  .builder = &c->text_builder,
                                  .features = features,
                                  .fill = m->text,
                                  .self = self};
    c->subject.text = &c->text;
}

static int build(struct cell *c, unsigned extras, struct error *err) {
    model_init(&c->model);
    int status = 0;
    for (int i = 0; i < c->method->n_stages; i++) {
        struct stage_plan *s = &c->stages[i];
        s->builder = new_builder(c, &s->graph, i);
        s->graph.evaluating = (extras & CELL_EVALUATING) != 0;
        TRY(c->method->stages[i].build(settings_method(&c->settings, c->method), &s->builder, err));
        if (extras)
            output_all(&s->graph);
        graph_plan(&s->graph);
    }
    build_encoder(c, extras);
    build_text_encoder(c);
    TRY(model_allocate(&c->model, c->seed, c->method->trains, err));
out:
    return status;
}

static int claim_folder(struct cell *c, struct error *err) {
    int status = make_folders(c->folder, err);
    if (status)
        return status;
    const char *path = arena_printf(&c->arena, "%s/lock", c->folder);
    c->lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (c->lock < 0)
        return error_set(err, STATUS_MACHINE, "%s: %s", path, strerror(errno));
    if (flock(c->lock, LOCK_EX | LOCK_NB))
        return error_set(err, STATUS_USAGE,
                         "%s is being written by another process: wait for it or choose another "
                         "--out",
                         c->folder);
    return 0;
}

/* The numbers of a run may come from two versions of the program; then the reader should know. */
static void compare_code(const struct cell *c) {
    struct run now;
    run_init(&now);
    const char *before = c->run.code_commit ? c->run.code_commit : "unknown";
    const char *here = now.code_commit ? now.code_commit : "unknown";
    if (strcmp(before, here))
        log_message(LOG_WARN, "%s was begun by commit %.10s and goes on with %.10s", c->run.run_id,
                    before, here);
    run_free(&now);
}

static void describe(struct cell *c, const char *hash) {
    struct run *r = &c->run;
    snprintf(r->method, sizeof r->method, "%s", c->method->name);
    if (c->backbone.kind == BACKBONE_VIT)
        snprintf(r->backbone, sizeof r->backbone, "%s/%d", c->backbone.name, c->backbone.vit.patch);
    else
        snprintf(r->backbone, sizeof r->backbone, "%s", c->backbone.name);
    snprintf(r->dataset, sizeof r->dataset, "%s", c->data->name);
    snprintf(r->config_sha256, sizeof r->config_sha256, "%s", hash);
    r->seed = (int64_t)c->seed;
    r->config = arena_strdup(&r->arena, settings_run_text(&c->settings, c->method, &c->arena));
    r->parameters = (long)model_parameters(&c->model);
    r->objectives = arena_strdup(&r->arena, "");
    int last = c->method->n_stages - 1;
    for (int i = 0; last >= 0 && i < c->stages[last].builder.n_objectives; i++)
        r->objectives = arena_printf(&r->arena, "%s%s%s", r->objectives, i ? " " : "",
                                     c->stages[last].builder.objectives[i].name);
    r->n_data = 1;
    struct run_data_source *d = &r->data[0];
    snprintf(d->name, sizeof d->name, "%s", c->data->name);
    snprintf(d->root_hash, sizeof d->root_hash, "%s", c->data->root_hash);
    d->n = c->data->count[SPLIT_TRAIN];
    char *argv = arena_strdup(&c->arena, "");
    for (int i = 0; i < c->context->argc; i++)
        argv = arena_printf(&c->arena, "%s%s\n", argv, c->context->argv[i]);
    r->argv = arena_strdup(&r->arena, argv);
}

int cell_build(struct cell *c, const struct settings *suite, const struct method *method,
               const struct dataset *data, uint64_t seed, const struct context *context,
               unsigned extras, struct error *err) {
    memset(c, 0, sizeof *c);
    c->context = context;
    c->data = data;
    c->method = method;
    c->seed = seed;
    c->lock = c->journal.fd = -1;
    int status = 0;
    TRY(resolve(c, suite, err));
    TRY(choose_backbone(c, err));
    TRY(count_steps(c, err));
    TRY(build(c, extras, err));
out:
    if (status)
        cell_close(c);
    return status;
}

int cell_open(struct cell *c, const struct settings *suite, const struct method *method,
              const struct dataset *data, uint64_t seed, const struct context *context,
              struct error *err) {
    int status = cell_build(c, suite, method, data, seed, context, 0, err);
    if (status)
        return status;
    char hash[65];
    const char *text = settings_pretrain_text(&c->settings, method, &c->arena);
    text = arena_printf(&c->arena, "%s\n# %s\n", text, data->root_hash);
    for (int i = 0; i < method->n_stages; i++)
        if (c->stages[i].builder.fingerprint)
            text = arena_printf(&c->arena, "%s# %s\n", text, c->stages[i].builder.fingerprint);
    sha256_hex(text, strlen(text), hash);
    const char *id =
        arena_printf(&c->arena, "%s-%s-%s-s%llu-%.8s", method->name, c->settings.plan.backbone,
                     data->name, (unsigned long long)seed, hash);
    c->folder = arena_printf(&c->arena, "%s/%s", context->machine->out, id);
    c->checkpoint = arena_printf(&c->arena, "%s/checkpoint.safetensors", c->folder);
    TRY(claim_folder(c, err));
    const char *h5 = arena_printf(&c->arena, "%s/run.h5", c->folder);
    if (file_exists(h5)) {
        TRY(run_read(&c->run, h5, err));
        compare_code(c);
    } else {
        run_init(&c->run);
        snprintf(c->run.run_id, sizeof c->run.run_id, "%s", id);
    }
    describe(c, hash);
    TRY(journal_open(&c->journal, arena_printf(&c->arena, "%s/journal.jsonl", c->folder), err));
out:
    if (status)
        cell_close(c);
    return status;
}

int cell_save(struct cell *c, const char *status_text, struct error *err) {
    snprintf(c->run.status, sizeof c->run.status, "%s", status_text);
    return run_write(&c->run, c->folder, err);
}

/* Why a protocol cannot judge this run; NULL: it can. */
static const char *unfit(struct cell *c, const struct protocol *p) {
    if (p->uses_labels && !c->data->classes)
        return arena_printf(&c->arena, "%s has no labels", c->data->name);
    if (p->uses_captions && !c->data->has_caption)
        return arena_printf(&c->arena, "%s has no captions", c->data->name);
    if (p->uses_masks && !c->data->has_mask)
        return arena_printf(&c->arena, "%s has no masks", c->data->name);
    return NULL;
}

int cell_evaluate(struct cell *c, int number, struct error *err) {
    const struct protocol *p = protocols[number];
    struct arena scratch = {0};
    char hash[65], version[16];
    const char *options = settings_protocol_text(&c->settings, number, &scratch);
    sha256_hex(options, strlen(options), hash);
    snprintf(version, sizeof version, "%s+%.8s", p->version, hash);
    const struct eval *old = run_find_eval(&c->run, p->name, c->data->name);
    int status = 0;
    if (old && !strcmp(old->protocol_version, version))
        goto out;
    struct eval e = {0};
    snprintf(e.protocol, sizeof e.protocol, "%s", p->name);
    snprintf(e.dataset, sizeof e.dataset, "%s", c->data->name);
    snprintf(e.protocol_version, sizeof e.protocol_version, "%s", version);
    e.class_name = c->data->class_names;
    double start = clock_seconds();
    const char *why = unfit(c, p);
    if (!strcmp(c->run.status, "failed")) {
        e.outcome = OUTCOME_DIVERGED;
        snprintf(e.reason, sizeof e.reason, "pretraining diverged");
    } else if (why) {
        e.outcome = OUTCOME_SKIPPED;
        snprintf(e.reason, sizeof e.reason, "%s", why);
        log_message(LOG_WARN, "%s: %s skipped: %s", c->run.run_id, p->name, why);
    } else {
        if (!p->no_features)
            TRY(cell_extract(c, err));
        const struct protocol_input in = {.subject = &c->subject,
                                          .features = &c->features,
                                          .kernels = c->context->kernels,
                                          .threads = c->context->threads,
                                          .split_seed = 0,
                                          .probe_seed = 0,
                                          .arena = &scratch};
        TRY(p->run(c->settings.protocol[number], &in, &e, err));
        log_message(LOG_INFO, "%s: %s %s %.2f %%", c->run.run_id, p->name,
                    e.top1 ? "top-1" : eval_shown(&e), 100 * eval_value(&e, 0));
    }
    e.wall_s = clock_seconds() - start;
    run_add_eval(&c->run, &e);
out:
    arena_free(&scratch);
    return status;
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
