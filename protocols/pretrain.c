/* pretrain.c -- the one training loop, for every method. */
#include "protocols/cell.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "nn/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct training {
    struct cell *cell;
    struct exec *exec;
    struct loader *loader;
    struct optimizer optimizer;
    double base_lr; /* after scaling by the batch */
    long warmup, done;
    double saved_at; /* clock */
    struct progress progress;
};

static int prepare_sample(const void *self, const struct record *record, long sample, int epoch,
                          struct rng *rng, void *const slots[], struct error *err) {
    (void)err;
    const struct cell *c = self;
    struct rng mask =
        rng_at((struct rng_key){c->seed, RNG_MASK}, (uint32_t)epoch, (uint32_t)sample);
    const struct sample s = {record, &c->norm, &c->vit, rng, &mask, slots};
    c->method->prepare(settings_method(&c->settings, c->method), &s);
    return 0;
}

static int open_training(struct training *t, struct error *err) {
    struct cell *c = t->cell;
    const struct plan *p = &c->settings.plan;
    const struct recipe *r = &c->method->recipe;
    const struct exec_config config = {.kernels = c->context->kernels,
                                       .threads = c->context->threads,
                                       .batch = p->batch,
                                       .chunk = p->chunk,
                                       .lanes = p->lanes,
                                       .profile = c->context->machine->profile};
    const struct loader_config loader = {.data = c->data,
                                         .split = SPLIT_TRAIN,
                                         .batch = p->batch,
                                         .shuffle = 1,
                                         .drop_last = 1,
                                         .seed = c->seed,
                                         .threads = c->context->loader_threads,
                                         .epochs = (int)ceil(p->epochs) + 1,
                                         .start_batch = t->done,
                                         .slots = c->builder.slots,
                                         .n_slots = c->builder.n_inputs,
                                         .prepare = prepare_sample,
                                         .self = c};
    t->optimizer = (struct optimizer){.kind = r->optimizer,
                                      .b1 = r->b1,
                                      .b2 = r->b2,
                                      .eps = 1e-8,
                                      .momentum = r->momentum,
                                      .trust = 0.001,
                                      .weight_decay = p->weight_decay,
                                      .clip = r->clip};
    t->base_lr = p->lr * p->batch / 256;
    t->warmup = lround(p->warmup * (double)c->steps);
    int status = 0;
    TRY(exec_open(&t->exec, &c->train, &config, err));
    TRY(loader_open(&t->loader, &loader, err));
    c->run.step_gflops = exec_flops(t->exec, p->batch) * 1e-9;
    c->run.step_peak_bytes = (double)exec_peak_bytes(t->exec);
out:
    return status;
}

static int save(struct training *t, const char *what, struct error *err) {
    struct cell *c = t->cell;
    char detail[64];
    int status = 0;
    TRY(checkpoint_save(c->checkpoint, &c->model, t->done, c->run.config, err));
    snprintf(detail, sizeof detail, "{\"step\": %ld}", t->done);
    TRY(journal_event(&c->journal, what, detail, err));
    TRY(journal_sync(&c->journal, err));
    TRY(cell_save(c, "running", err));
    t->saved_at = clock_seconds();
out:
    return status;
}

/* One step; *finite is 0 when the gradient was not. */
static int step(struct training *t, int *finite, struct error *err) {
    struct cell *c = t->cell;
    struct batch batch;
    double start = clock_seconds();
    int status = loader_next(t->loader, &batch, err);
    if (status)
        return status;
    CHECK(batch.n == c->settings.plan.batch && batch.number == t->done,
          "batch %ld of %d at step %ld", batch.number, batch.n, t->done);
    for (int i = 0; i < c->builder.n_inputs; i++)
        exec_bind(t->exec, c->builder.inputs[i], batch.slots[i]);
    double loss = exec_run(t->exec, batch.n);
    double lr = schedule_cosine(t->done, c->steps, t->warmup, t->base_lr, 0);
    struct model *m = &c->model;
    const struct optim_state state = model_optim_state(m, exec_gradient(t->exec));
    const struct kctx ctx = {.threads = c->context->threads};
    double norm = optimizer_step(&t->optimizer, c->context->kernels, &ctx, &state, lr, t->done + 1);
    m->version++;
    *finite = isfinite(norm) && isfinite(loss);
    t->done++;
    double seconds = clock_seconds() - start;
    const struct step_row row = {.step = t->done,
                                 .epoch = (double)t->done * batch.n /
                                          (double)c->data->count[SPLIT_TRAIN],
                                 .loss = loss,
                                 .lr = lr,
                                 .grad_norm = norm,
                                 .img_per_s = batch.n / seconds,
                                 .wall_s = seconds,
                                 .feature_std = NAN,
                                 .effective_rank = NAN};
    char detail[96];
    snprintf(detail, sizeof detail, "loss %.4f  %.0f img/s", loss, row.img_per_s);
    progress_update(&t->progress, t->done, detail);
    return journal_step(&c->journal, &row, err);
}

static int train(struct training *t, struct error *err) {
    struct cell *c = t->cell;
    int status = 0, finite = 1;
    t->saved_at = clock_seconds();
    while (t->done < c->steps && finite) {
        if (c->context->stop && *c->context->stop) {
            TRY(save(t, "interrupted", err));
            return error_set(err, STATUS_INTERRUPTED, "%s stopped at step %ld of %ld",
                             c->run.run_id, t->done, c->steps);
        }
        TRY(step(t, &finite, err));
        if (clock_seconds() - t->saved_at >= c->context->machine->checkpoint_seconds &&
            t->done < c->steps && finite)
            TRY(save(t, "checkpoint", err));
    }
    if (finite)
        return save(t, "trained", err);
    log_message(LOG_WARN, "%s diverged at step %ld: the loss or its gradient is not finite",
                c->run.run_id, t->done);
    TRY(journal_event(&c->journal, "diverged", NULL, err));
    TRY(cell_save(c, "failed", err));
out:
    return status;
}

/* Continues where the folder's checkpoint stands; without one, at the beginning. */
static int resume(struct training *t, struct error *err) {
    struct cell *c = t->cell;
    int status = 0;
    if (file_exists(c->checkpoint))
        TRY(checkpoint_load(c->checkpoint, &c->model, &t->done, err));
    if (t->done > c->steps)
        return error_set(err, STATUS_USAGE, "%s stands at step %ld of %ld: it is not of this run",
                         c->checkpoint, t->done, c->steps);
    TRY(journal_rewind(&c->journal, t->done, err));
    if (t->done < c->steps)
        TRY(journal_event(&c->journal, t->done ? "resume" : "start", NULL, err));
out:
    return status;
}

int cell_pretrain(struct cell *c, struct error *err) {
    struct training t = {.cell = c};
    int status = 0;
    if (!strcmp(c->run.status, "failed"))
        return 0;
    TRY(resume(&t, err));
    if (!c->steps) {
        if (!file_exists(c->checkpoint))
            TRY(save(&t, "drawn", err));
        goto out;
    }
    if (t.done == c->steps)
        goto out;
    TRY(open_training(&t, err));
    progress_begin(&t.progress, c->run.run_id, c->steps);
    progress_update(&t.progress, t.done, "");
    status = train(&t, err);
    progress_end(&t.progress);
    if (!status && c->context->machine->profile)
        exec_profile(t.exec, stderr);
out:
    loader_close(t.loader);
    exec_close(t.exec);
    return status;
}
