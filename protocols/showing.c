#include "protocols/showing.h"

#include "nn/checkpoint.h"

#include <stdlib.h>

static int read_records(struct showing *w, int first, int count, struct error *err) {
    const struct dataset *d = w->cell.data;
    struct show *s = &w->show;
    long there = d->count[SPLIT_TEST] - first;
    s->n = count < there ? count : (int)there;
    w->first = first;
    if (s->n < 1)
        return error_set(err, STATUS_USAGE, "%s has no test images", d->spec);
    s->records = w->records = ARENA_ARRAY(&s->arena, struct record, s->n);
    int status = 0;
    for (; w->n_records < s->n && !status; w->n_records++)
        status = dataset_read(d, SPLIT_TEST, first + w->n_records, &w->records[w->n_records], err);
    return status;
}

/* Epoch 0's view of every image; every branch stays. */
static void fill_stage(struct showing *w, struct show_graph *g) {
    const struct cell *c = &w->cell;
    const struct builder *b = g->b;
    struct loader_slot slot[METHOD_SLOTS];
    int n_slots = trainer_slots(b, slot);
    for (int k = 0; k < n_slots; k++)
        g->slots[k] = ARENA_ARRAY(&w->show.arena, float, slot[k].per_sample *(size_t)w->show.n);
    for (int i = 0; i < w->show.n; i++) {
        void *at[METHOD_SLOTS];
        for (int k = 0; k < n_slots; k++)
            at[k] = (float *)g->all[k] + slot[k].per_sample * (size_t)i;
        struct rng view = rng_at((struct rng_key){c->seed, RNG_VIEW}, 0, (uint32_t)(w->first + i));
        trainer_prepare(c->method, settings_method(&c->settings, c->method), b, &w->show.records[i],
                        w->first + i, 0, &view, at);
    }
    float *drop = b->drop ? g->all[b->n_inputs] : NULL;
    for (size_t i = 0; drop && i < b->drop->per_sample * (size_t)w->show.n; i++)
        drop[i] = 1;
}

static struct exec_config exec_config(const struct showing *w) {
    const struct cell *c = &w->cell;
    return (struct exec_config){.kernels = c->context->kernels,
                                .device = c->context->device,
                                .threads = c->context->threads,
                                .batch = w->show.n,
                                .chunk = c->settings.plan.chunk,
                                .lanes = c->settings.plan.lanes};
}

static int open_stage(struct showing *w, int i, struct error *err) {
    struct cell *c = &w->cell;
    struct stage_plan *stage = &c->stages[i];
    struct show_graph *g = &w->show.graphs[i];
    g->b = &stage->builder;
    if (!stage->graph.n) /* a stage that only measures */
        return 0;
    const struct trainer_config config = {.method = c->method,
                                          .self = settings_method(&c->settings, c->method),
                                          .builder = g->b,
                                          .exec = exec_config(w),
                                          .lr = -1,
                                          .weight_decay = -1,
                                          .warmup = -1,
                                          .total = stage->steps,
                                          .per_epoch =
                                              c->data->count[SPLIT_TRAIN] / c->settings.plan.batch};
    int status = trainer_open(&g->trainer, &config, err);
    if (status)
        return status;
    g->exec = g->trainer.exec;
    g->last = stage->graph.n;
    g->slots = g->all;
    g->done = w->step - stage->first;
    g->done = g->done < 0 ? 0 : g->done < stage->steps ? g->done : stage->steps;
    fill_stage(w, g);
    return 0;
}

/* The encoder sees plain views, as in every protocol. */
static int open_encoder(struct showing *w, struct error *err) {
    struct cell *c = &w->cell;
    struct show_graph *g = &w->show.graphs[SHOW_ENCODER];
    const void *self = settings_method(&c->settings, c->method);
    g->b = &c->encode_builder;
    const struct exec_config config = exec_config(w);
    int status = exec_open(&g->exec, &c->encode, &config, err);
    if (status)
        return status;
    size_t pixels = c->encode_images->per_sample;
    g->last = c->encode.n;
    g->slots = g->all;
    g->slots[0] = ARENA_ARRAY(&w->show.arena, float, pixels *(size_t)w->show.n);
    for (int i = 0; i < w->show.n; i++) {
        float *out = (float *)g->slots[0] + pixels * (size_t)i;
        struct rng view = rng_at((struct rng_key){c->seed, RNG_VIEW}, 0, (uint32_t)(w->first + i));
        const struct sample s = {.record = &w->records[i],
                                 .norm = &c->norm,
                                 .backbone = &c->backbone,
                                 .runtime = g->b->runtime,
                                 .view = &view};
        if (c->method->view)
            c->method->view(self, &s, out);
        else
            view_plain(s.record, s.norm, c->backbone.image, out);
    }
    return 0;
}

int showing_draw(struct showing *w, struct error *err) {
    int status = 0;
    for (int i = 0; i < w->cell.method->n_stages; i++)
        TRY(open_stage(w, i, err));
    TRY(open_encoder(w, err));
    status = w->cell.method->show(&w->show, err);
out:
    return status;
}

static void describe(struct showing *w, const struct showing_of *what) {
    w->step = what->step;
    w->show.method = what->method;
    w->show.said = arena_strdup(&w->show.arena, "");
    w->show.part = "";
    w->show.self = settings_method(&w->cell.settings, what->method);
    w->show.data = what->data;
    w->show.norm = &w->cell.norm;
    w->show.backbone = &w->cell.backbone;
    w->show.kernels = what->context->kernels;
}

int showing_open(struct showing **out, const struct showing_of *what, struct error *err) {
    struct showing *w = *out = calloc(1, sizeof *w);
    if (!w)
        return error_set(err, STATUS_MACHINE, "out of memory");
    int status = cell_build(&w->cell, what->settings, what->method, what->data, what->seed,
                            what->context, CELL_VALUES | CELL_EVALUATING, err);
    if (status) { /* it is closed already */
        free(w);
        *out = NULL;
        return status;
    }
    describe(w, what);
    TRY(checkpoint_weights(what->checkpoint, &w->cell.model, err));
    status = read_records(w, what->first, what->count, err);
out:
    return status;
}

void showing_close(struct showing *w) {
    if (!w)
        return;
    for (int i = 0; i < METHOD_STAGES; i++)
        trainer_close(&w->show.graphs[i].trainer);
    exec_close(w->show.graphs[SHOW_ENCODER].exec);
    for (int i = 0; i < w->n_records; i++)
        record_free(&w->records[i]);
    sheet_free(&w->show.sheet);
    arena_free(&w->show.arena);
    cell_close(&w->cell);
    free(w);
}
