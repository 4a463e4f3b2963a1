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
    const struct recipe *recipe = &c->method->recipe;
    settings_init(s);
    int status = 0;
    TRY(options_load_text(&s->options, options_text(&suite->options, &c->arena), "settings", err));
    TRY(assign(c, "methods", c->method->name, err));
    TRY(assign(c, "data", c->data->spec, err));
    TRY(assign(c, "seeds", arena_printf(&c->arena, "%llu", (unsigned long long)c->seed), err));
    if (s->plan.lr < 0)
        s->plan.lr = recipe->lr;
    if (s->plan.weight_decay < 0)
        s->plan.weight_decay = recipe->weight_decay;
    if (s->plan.warmup < 0)
        s->plan.warmup = recipe->warmup;
    if (!s->plan.image)
        s->plan.image = c->data->height;
    if (!c->method->trains) /* nothing that only training reads may split the runs */
        s->plan.epochs = 0.001, s->plan.batch = 1;
out:
    return status;
}

static int shape_backbone(struct cell *c, struct error *err) {
    const struct plan *p = &c->settings.plan;
    c->vit = (struct vit){.image = p->image,
                          .channels = c->data->channels,
                          .patch = p->patch,
                          .position =
                              strcmp(p->position, "learned") ? POSITION_SINCOS : POSITION_LEARNED};
    vit_by_name(&c->vit, p->backbone);
    if (p->image % p->patch)
        return error_set(err, STATUS_USAGE,
                         "patches of %d do not fill images of %d pixels (%s): choose a patch that "
                         "divides the side",
                         p->patch, p->image, c->data->name);
    if (2 * c->vit.depth > MAX_REPRESENTATIONS)
        return error_set(err, STATUS_USAGE, "%s has too many layers to evaluate", p->backbone);
    memcpy(c->norm.mean, c->data->mean, sizeof c->norm.mean);
    memcpy(c->norm.std, c->data->std, sizeof c->norm.std);
    if (!c->method->trains)
        return 0;
    long per_epoch = c->data->count[SPLIT_TRAIN] / p->batch;
    if (!per_epoch)
        return error_set(err, STATUS_USAGE, "%s has %ld training images, fewer than a batch of %d",
                         c->data->name, c->data->count[SPLIT_TRAIN], p->batch);
    c->steps = lround(p->epochs * (double)per_epoch);
    if (c->steps < 1)
        c->steps = 1;
    return 0;
}

/* The graph that protocols see: CLS and mean patch token of every layer, the last one after the
 * final norm. */
static void build_encoder(struct cell *c, int group) {
    struct graph *g = &c->encode;
    const int dim[] = {c->vit.channels, c->vit.image, c->vit.image};
    int tokens = vit_tokens(&c->vit), n = 0;
    struct tensor *layers[MAX_REPRESENTATIONS];
    graph_init(g, &c->model);
    c->encode_images = graph_input(g, "images", 3, dim);
    struct tensor *last = vit_encode(g, group, &c->vit, c->encode_images, layers);
    layers[c->vit.depth - 1] = last;
    struct feature_set *f = &c->features;
    for (int i = 0; i < c->vit.depth; i++)
        for (int mean = 0; mean < 2; mean++) {
            struct tensor *t = mean ? op_mean_rows(g, "mean", layers[i], 1, tokens)
                                    : op_mean_rows(g, "cls", layers[i], 0, 1);
            graph_output(g, t);
            c->representations[n] = t;
            snprintf(f->names[n], sizeof f->names[n], "layer%d.%s", i + 1, mean ? "mean" : "cls");
            n++;
        }
    f->n_representations = n;
    f->dim = c->vit.dim;
    f->classes = c->data->classes;
    graph_plan(g);
}

static int build(struct cell *c, struct error *err) {
    model_init(&c->model);
    int encoder = model_group(&c->model, "encoder");
    c->builder = (struct builder){.g = &c->train,
                                  .model = &c->model,
                                  .vit = &c->vit,
                                  .classes = c->data->classes,
                                  .encoder = encoder};
    int status = 0;
    graph_init(&c->train, &c->model);
    TRY(c->method->build(settings_method(&c->settings, c->method), &c->builder, err));
    graph_plan(&c->train);
    build_encoder(c, encoder);
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
    snprintf(r->backbone, sizeof r->backbone, "%s/%d", c->settings.plan.backbone, c->vit.patch);
    snprintf(r->dataset, sizeof r->dataset, "%s", c->data->name);
    snprintf(r->config_sha256, sizeof r->config_sha256, "%s", hash);
    r->seed = (int64_t)c->seed;
    r->config = arena_strdup(&r->arena, settings_run_text(&c->settings, c->method, &c->arena));
    r->parameters = (long)model_parameters(&c->model);
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

int cell_open(struct cell *c, const struct settings *suite, const struct method *method,
              const struct dataset *data, uint64_t seed, const struct context *context,
              struct error *err) {
    memset(c, 0, sizeof *c);
    c->context = context;
    c->data = data;
    c->method = method;
    c->seed = seed;
    c->lock = c->journal.fd = -1;
    int status = 0;
    TRY(resolve(c, suite, err));
    TRY(shape_backbone(c, err));
    TRY(build(c, err));
    char hash[65];
    const char *text = settings_pretrain_text(&c->settings, method, &c->arena);
    text = arena_printf(&c->arena, "%s\n# %s\n", text, data->root_hash);
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
    if (!strcmp(c->run.status, "failed")) {
        e.outcome = OUTCOME_DIVERGED;
        snprintf(e.reason, sizeof e.reason, "pretraining diverged");
    } else {
        TRY(cell_extract(c, err));
        const struct protocol_input in = {.features = &c->features,
                                          .kernels = c->context->kernels,
                                          .threads = c->context->threads,
                                          .split_seed = 0,
                                          .probe_seed = 0,
                                          .arena = &scratch};
        TRY(p->run(c->settings.protocol[number], &in, &e, err));
        log_message(LOG_INFO, "%s: %s top-1 %.2f %%", c->run.run_id, p->name, 100 * e.top1[0]);
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
    graph_free(&c->train);
    graph_free(&c->encode);
    model_free(&c->model);
    run_free(&c->run);
    settings_free(&c->settings);
    if (c->lock >= 0)
        close(c->lock);
    arena_free(&c->arena);
}
