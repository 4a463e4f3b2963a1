#include "protocols/once.h"

#include "core/log.h"
#include "nn/checkpoint.h"
#include "protocols/suite.h"
#include "results/arrays.h"

#include <stdio.h>
#include <string.h>

struct work {
    struct cell cell;
    struct stage_plan *stage;
    struct trainer trainer;
    void *slots[METHOD_SLOTS];
    struct loader_slot slot[METHOD_SLOTS];
    int n_slots, batch;
    struct named_array *list;
    int n, room;
};

static int choose_stage(struct work *w, const char *name, struct error *err) {
    const struct method *m = w->cell.method;
    if (!m->n_stages)
        return error_set(err, STATUS_USAGE, "%s does not train: it has no step", m->name);
    w->stage = &w->cell.stages[m->n_stages - 1];
    if (!*name)
        return 0;
    for (int i = 0; i < m->n_stages; i++)
        if (!strcmp(m->stages[i].name, name)) {
            w->stage = &w->cell.stages[i];
            return 0;
        }
    return error_set(err, STATUS_USAGE, "%s has no stage \"%s\"", m->name, name);
}

static const struct tensor *input(const struct work *w, int i) {
    const struct tensor *inputs[METHOD_SLOTS];
    trainer_inputs(&w->stage->builder, inputs);
    return inputs[i];
}

static void allocate(struct work *w) {
    w->n_slots = trainer_slots(&w->stage->builder, w->slot);
    for (int i = 0; i < w->n_slots; i++)
        w->slots[i] = ARENA_ARRAY(&w->cell.arena, float, w->slot[i].per_sample *(size_t)w->batch);
}

/* Indices from outside would otherwise be addresses. */
static int check_indices(const struct work *w, int slot, const char *path, struct error *err) {
    const struct tensor *t = input(w, slot);
    const int32_t *x = w->slots[slot];
    int limit = graph_index_limit(&w->stage->graph, t);
    for (size_t i = 0; t->kind == TENSOR_INDEX && i < t->per_sample * (size_t)w->batch; i++)
        if (x[i] < -1 || x[i] >= limit)
            return error_set(err, STATUS_USAGE, "%s: inputs/%s has %d at %zu: it must be below %d",
                             path, t->name, x[i], i, limit);
    return 0;
}

static int read_batch(struct work *w, const char *path, struct error *err) {
    int status = 0;
    for (int i = 0; i < w->n_slots; i++)
        TRY(arrays_read(path, "inputs", w->slot[i].name, input(w, i)->kind == TENSOR_INDEX,
                        w->slot[i].per_sample * (size_t)w->batch, w->slots[i], err));
    for (int i = 0; i < w->n_slots; i++)
        TRY(check_indices(w, i, path, err));
out:
    return status;
}

/* The first images of the training split, in their order, as epoch 0 sees them. */
static int make_batch(struct work *w, struct error *err) {
    struct cell *c = &w->cell;
    struct record r = {0};
    int status = 0;
    for (int i = 0; i < w->batch; i++) {
        void *at[METHOD_SLOTS];
        for (int s = 0; s < w->n_slots; s++)
            at[s] = (float *)w->slots[s] + w->slot[s].per_sample * (size_t)i;
        struct rng view = rng_at((struct rng_key){c->seed, RNG_VIEW}, 0, (uint32_t)i);
        TRY(dataset_read(c->data, SPLIT_TRAIN, i % c->data->count[SPLIT_TRAIN], &r, err));
        trainer_prepare(c->method, settings_method(&c->settings, c->method), &w->stage->builder, &r,
                        i, 0, &view, at);
    }
out:
    record_free(&r);
    return status;
}

static struct named_array *add(struct work *w, const char *group, const char *name,
                               const void *data) {
    CHECK(w->n < w->room, "%d arrays", w->n);
    w->list[w->n] = (struct named_array){.group = group, .name = name, .data = data};
    return &w->list[w->n++];
}

/* (N, the tensor's own dimensions) */
static void add_batched(struct work *w, const char *group, const char *name, const struct tensor *t,
                        const void *data) {
    struct named_array *a = add(w, group, name, data);
    a->is_index = t->kind == TENSOR_INDEX || (t->op && !strcmp(t->op->name, "argmax"));
    a->ndim = 1 + t->ndim;
    a->dim[0] = w->batch;
    for (int i = 0; i < t->ndim; i++)
        a->dim[1 + i] = t->dim[i];
}

static void add_parameters(struct work *w, const char *group, const real *values) {
    int n;
    struct st_tensor *t = checkpoint_tensors(&w->cell.model, values, &w->cell.arena, &n);
    for (int i = 0; i < n; i++) {
        struct named_array *a = add(w, group, t[i].name, t[i].data);
        a->ndim = t[i].ndim;
        memcpy(a->dim, t[i].dim, sizeof a->dim);
    }
}

static void add_losses(struct work *w) {
    const struct builder *b = &w->stage->builder;
    float *loss = ARENA_ARRAY(&w->cell.arena, float, METHOD_OBJECTIVES + 1);
    loss[0] = (float)w->trainer.loss;
    add(w, "losses", "total", loss);
    for (int i = 0; i < b->n_objectives; i++) {
        loss[1 + i] = (float)w->trainer.parts[i];
        add(w, "losses", b->objectives[i].name, &loss[1 + i]);
    }
}

static int is_named_output(const struct builder *b, const struct tensor *t) {
    int named = t->objective != 0;
    for (int i = 0; i < WATCHES; i++)
        named |= t == b->watched[i];
    return named;
}

static void collect(struct work *w, int values) {
    struct cell *c = &w->cell;
    const struct graph *g = &w->stage->graph;
    int params = 0;
    for (int i = 0; i < c->model.n_groups; i++)
        params += c->model.groups[i].n_params;
    w->room = w->n_slots + 2 * params + 2 * g->n + METHOD_OBJECTIVES + 1;
    w->list = ARENA_ARRAY(&c->arena, struct named_array, w->room);
    for (int i = 0; i < w->n_slots; i++)
        add_batched(w, "inputs", w->slot[i].name, input(w, i), w->slots[i]);
    add_parameters(w, "weights", c->model.value);
    add_parameters(w, "gradients", exec_gradient(w->trainer.exec));
    add_losses(w);
    for (int i = 0; i < g->n; i++) {
        const struct tensor *t = g->tensors[i];
        if (t->kind != TENSOR_VALUE || !t->output)
            continue;
        const char *numbered = arena_printf(&c->arena, "%03d.%s", i, t->name);
        const real *data = exec_output(w->trainer.exec, t);
        if (is_named_output(&w->stage->builder, t))
            add_batched(w, "outputs", numbered, t, data);
        if (values)
            add_batched(w, "values", numbered, t, data);
    }
}

static int run_cell(struct work *w, const struct once *o, struct error *err) {
    struct cell *c = &w->cell;
    int status = 0;
    TRY(choose_stage(w, o->stage, err));
    if (*o->weights)
        TRY(checkpoint_weights(o->weights, &c->model, err));
    allocate(w);
    TRY(*o->batch ? read_batch(w, o->batch, err) : make_batch(w, err));
    const struct plan *p = &c->settings.plan;
    const struct trainer_config config = {.method = c->method,
                                          .self = settings_method(&c->settings, c->method),
                                          .builder = &w->stage->builder,
                                          .exec = {.kernels = c->context->kernels,
                                                   .device = c->context->device,
                                                   .threads = c->context->threads,
                                                   .batch = w->batch,
                                                   .chunk = p->chunk,
                                                   .lanes = p->lanes},
                                          .lr = -1,
                                          .weight_decay = -1,
                                          .warmup = -1,
                                          .total = 1,
                                          .per_epoch = 1};
    TRY(trainer_open(&w->trainer, &config, err));
    if (!*o->weights) {
        TRY(trainer_fit(&w->trainer, err));
        trainer_start(&w->trainer);
    }
    trainer_gradient(&w->trainer, w->slots, w->batch, 0);
    collect(w, o->values);
    TRY(arrays_write(o->out, w->list, w->n, err));
    log_message(LOG_INFO, "%s: loss %.9g, %d samples, %d arrays in %s", c->method->name,
                w->trainer.loss, w->batch, w->n, o->out);
out:
    trainer_close(&w->trainer);
    return status;
}

/* A file's batch has its own size; the graph is built for that. */
static int size_batch(const struct once *o, const struct settings *s, const struct method *m,
                      const struct dataset *d, const struct context *context, int *batch,
                      struct error *err) {
    struct work w = {.batch = 1};
    int status = cell_build(&w.cell, s, m, d, 0, context, 0, err);
    if (status)
        return status;
    TRY(choose_stage(&w, o->stage, err));
    trainer_slots(&w.stage->builder, w.slot);
    TRY(arrays_rows(o->batch, "inputs", w.slot[0].name, batch, err));
out:
    cell_close(&w.cell);
    return status;
}

int once_run(const struct settings *s, const struct once *o, const struct context *context,
             struct error *err) {
    struct suite_lists l;
    struct dataset data = {0};
    struct work *w = NULL;
    struct settings sized;
    struct arena a = {0};
    int status = 0, opened = 0, batch = 0;
    settings_init(&sized);
    TRY(suite_read_lists(&l, s, err));
    if (l.n_methods != 1) {
        status = error_set(err, STATUS_USAGE, "a step is of one method: --methods NAME");
        goto out;
    }
    if (l.n_seeds != 1 && options_origin(&s->options, "seeds") != FROM_DEFAULT) {
        status = error_set(err, STATUS_USAGE, "a step is of one seed, and %s are %d: 3..3 is one",
                           s->plan.seeds, l.n_seeds);
        goto out;
    }
    TRY(dataset_open(&data, l.data[0], err));
    opened = 1;
    TRY(options_load_text(&sized.options, options_text(&s->options, &a), "settings", err));
    batch = s->plan.batch;
    sized.plan.batch = data.count[SPLIT_TRAIN] > 1 ? 2 : 1; /* some methods refuse one alone */
    if (*o->batch)
        TRY(size_batch(o, &sized, l.methods[0], &data, context, &batch, err));
    sized.plan.batch = batch;
    w = ARENA_NEW(&a, struct work);
    w->batch = batch;
    TRY(cell_build(&w->cell, &sized, l.methods[0], &data, l.seeds[0], context, o->values, err));
    status = run_cell(w, o, err);
    cell_close(&w->cell);
out:
    if (opened)
        dataset_close(&data);
    suite_free_lists(&l);
    settings_free(&sized);
    arena_free(&a);
    return status;
}
