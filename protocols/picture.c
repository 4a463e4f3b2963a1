#include "protocols/picture.h"

#include "core/file.h"
#include "core/log.h"
#include "methods/show.h"
#include "nn/checkpoint.h"
#include "protocols/suite.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct work {
    struct cell cell;
    struct show show;
    struct record *records; /* (n) */
    int n_records;
    long step; /* of the checkpoint */
};

static int is_folder(const char *path) {
    struct stat info;
    return !stat(path, &info) && S_ISDIR(info.st_mode);
}

/* The checkpoint's file and configuration; the latter goes into s. */
static int read_checkpoint(struct settings *s, const struct picture *p, struct arena *a,
                           const char **path, long *step, struct error *err) {
    char *config;
    int folder = is_folder(p->checkpoint);
    *path = folder ? arena_printf(a, "%s/checkpoint.safetensors", p->checkpoint) : p->checkpoint;
    if (folder && !file_exists(*path))
        return error_set(err, STATUS_USAGE,
                         "%s holds no checkpoint.safetensors: name a checkpoint, or the folder of "
                         "a run that was pretrained",
                         p->checkpoint);
    int status = checkpoint_config(*path, a, &config, step, err);
    return status ? status : options_load_text(&s->options, config, *path, err);
}

/* Status 2 where there is nothing to see, with the methods that can be seen. */
static int check_method(const struct method *m, struct error *err) {
    char names[256] = "";
    if (m->show)
        return 0;
    for (int i = 0; methods[i]; i++)
        if (methods[i]->show)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                     *names ? ", " : "", methods[i]->name);
    return error_set(err, STATUS_USAGE, "%s has no picture%s; there are pictures of: %s", m->name,
                     m->trains ? "" : ": it predicts nothing", names);
}

static int read_records(struct work *w, int count, struct error *err) {
    const struct dataset *d = w->cell.data;
    struct show *s = &w->show;
    s->n = count < d->count[SPLIT_TEST] ? count : (int)d->count[SPLIT_TEST];
    if (!s->n)
        return error_set(err, STATUS_USAGE, "%s has no test images", d->spec);
    s->records = w->records = ARENA_ARRAY(&s->arena, struct record, s->n);
    int status = 0;
    for (; w->n_records < s->n && !status; w->n_records++)
        status = dataset_read(d, SPLIT_TEST, w->n_records, &w->records[w->n_records], err);
    return status;
}

/* Epoch 0's view of every image; every branch stays. */
static void fill_stage(struct work *w, struct show_graph *g) {
    const struct cell *c = &w->cell;
    const struct builder *b = g->b;
    struct loader_slot slot[METHOD_INPUTS + 1];
    int n_slots = trainer_slots(b, slot);
    for (int k = 0; k < n_slots; k++)
        g->slots[k] = ARENA_ARRAY(&w->show.arena, float, slot[k].per_sample *(size_t)w->show.n);
    for (int i = 0; i < w->show.n; i++) {
        void *at[METHOD_INPUTS + 1];
        for (int k = 0; k < n_slots; k++)
            at[k] = (float *)g->all[k] + slot[k].per_sample * (size_t)i;
        struct rng view = rng_at((struct rng_key){c->seed, RNG_VIEW}, 0, (uint32_t)i);
        trainer_prepare(c->method, settings_method(&c->settings, c->method), b, &w->show.records[i],
                        i, 0, &view, at);
    }
    float *drop = b->drop ? g->all[b->n_inputs] : NULL;
    for (size_t i = 0; drop && i < b->drop->per_sample * (size_t)w->show.n; i++)
        drop[i] = 1;
}

static struct exec_config exec_config(const struct work *w) {
    const struct cell *c = &w->cell;
    return (struct exec_config){.kernels = c->context->kernels,
                                .device = c->context->device,
                                .threads = c->context->threads,
                                .batch = w->show.n,
                                .chunk = c->settings.plan.chunk,
                                .lanes = c->settings.plan.lanes};
}

static int open_stage(struct work *w, int i, struct error *err) {
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
static int open_encoder(struct work *w, struct error *err) {
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
        struct rng view = rng_at((struct rng_key){c->seed, RNG_VIEW}, 0, (uint32_t)i);
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

static void describe(struct work *w) {
    const struct cell *c = &w->cell;
    char patch[16] = "";
    if (c->backbone.kind == BACKBONE_VIT)
        snprintf(patch, sizeof patch, "/%d", c->backbone.vit.patch);
    sheet_head(&w->show.sheet,
               arena_printf(&w->show.arena, "%s, %s%s on %s, seed %llu, step %ld of %ld",
                            c->method->name, c->backbone.name, patch, c->data->name,
                            (unsigned long long)c->seed, w->step, c->steps));
}

static int draw(struct work *w, const struct picture *p, struct error *err) {
    struct show *s = &w->show;
    int status = 0;
    TRY(read_records(w, p->count, err));
    for (int i = 0; i < w->cell.method->n_stages; i++)
        TRY(open_stage(w, i, err));
    TRY(open_encoder(w, err));
    describe(w);
    TRY(w->cell.method->show(s, err));
    struct canvas c = sheet_draw(&s->sheet, &s->arena);
    const struct canvas_note notes[] = {
        {"Title", s->sheet.head}, {"Description", s->said}, {"Software", "ssvbench"}};
    TRY(canvas_write_png(&c, p->out, notes, sizeof notes / sizeof *notes, err));
    fputs(s->said, p->lines);
    log_message(LOG_INFO, "%s: %d image%s, %d x %d pixels in %s", s->sheet.head, s->n,
                s->n == 1 ? "" : "s", c.width, c.height, p->out);
out:
    return status;
}

static void close_work(struct work *w) {
    for (int i = 0; i < METHOD_STAGES; i++)
        trainer_close(&w->show.graphs[i].trainer);
    exec_close(w->show.graphs[SHOW_ENCODER].exec);
    for (int i = 0; i < w->n_records; i++)
        record_free(&w->records[i]);
    sheet_free(&w->show.sheet);
    arena_free(&w->show.arena);
    cell_close(&w->cell);
}

static int make(const struct settings *s, const struct picture *p, const char *path, long step,
                const struct suite_lists *l, const struct dataset *d, const struct context *context,
                struct arena *a, struct error *err) {
    struct work *w = ARENA_NEW(a, struct work);
    const struct method *m = l->methods[0];
    int status =
        cell_build(&w->cell, s, m, d, l->seeds[0], context, CELL_VALUES | CELL_EVALUATING, err);
    if (status)
        return status;
    w->step = step;
    w->show.method = m;
    w->show.said = arena_strdup(&w->show.arena, "");
    w->show.part = "";
    w->show.self = settings_method(&w->cell.settings, m);
    w->show.data = d;
    w->show.norm = &w->cell.norm;
    w->show.backbone = &w->cell.backbone;
    w->show.kernels = context->kernels;
    TRY(checkpoint_weights(path, &w->cell.model, err));
    TRY(draw(w, p, err));
out:
    close_work(w);
    return status;
}

int picture_make(struct settings *s, const struct picture *p, const struct context *context,
                 struct error *err) {
    struct arena a = {0};
    struct suite_lists l = {0};
    struct dataset data = {0};
    const char *path;
    long step = 0;
    int status = 0;
    TRY(read_checkpoint(s, p, &a, &path, &step, err));
    TRY(suite_read_lists(&l, s, err));
    if (l.n_methods != 1 || l.n_seeds != 1 || l.n_data != 1) {
        status =
            error_set(err, STATUS_USAGE,
                      "a picture is of one method, seed and dataset: %s says more than one", path);
        goto out;
    }
    TRY(check_method(l.methods[0], err));
    TRY(dataset_open(&data, l.data[0], err));
    status = make(s, p, path, step, &l, &data, context, &a, err);
    dataset_close(&data);
out:
    suite_free_lists(&l);
    arena_free(&a);
    return status;
}
