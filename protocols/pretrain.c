/* pretrain.c -- the one training loop, for every method.
 *
 * With several ranks all of them go through it: each has the weights and a part of every batch, and
 * what decides anything is the same on all, or comes from the first one.  That one alone keeps the
 * folder.  What goes wrong on one rank, a full disk as well as a broken image, is agreed on before
 * the next step, so that nobody waits for a rank that has left.
 */
#include "protocols/cell_internal.h"
#include "protocols/collapse.h"
#include "protocols/pinned.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "nn/checkpoint.h"
#include "nn/ranks.h"
#include "results/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct training {
    struct cell *cell;
    struct stage_plan *stage;
    struct trainer trainer;
    struct loader *loader;
    long done;                /* steps of the whole pretraining */
    struct step_row *watched; /* (steps / watch_every + 1) the rows that were looked at */
    long n_watched;
    int stopped;         /* for a collapse */
    int asked;           /* for room */
    double saved_at;     /* clock */
    double sent, waited; /* the communicator's, before the first step */
    struct progress progress;
};

static struct communicator *ranks_of(const struct training *t) {
    return t->cell->context->ranks;
}

static int leads(const struct training *t) {
    return !communicator_rank(ranks_of(t));
}

static int note(struct training *t, const char *what, const char *detail, struct error *err) {
    return leads(t) ? journal_event(&t->cell->journal, what, detail, err) : 0;
}

static int prepare_sample(const void *self, const struct record *record, long sample, int epoch,
                          struct rng *rng, void *const slots[], struct error *err) {
    (void)err;
    const struct training *t = self;
    const struct cell *c = t->cell;
    trainer_prepare(c->method, settings_method(&c->settings, c->method), &t->stage->builder, record,
                    sample, epoch, rng, slots);
    return 0;
}

static int open_stage(struct training *t, int stage, struct error *err) {
    struct cell *c = t->cell;
    const struct plan *p = &c->settings.plan;
    const struct trainer_config trainer = cell_trainer(c, stage);
    t->stage = &c->stages[stage];
    int status = 0;
    TRY(trainer_open(&t->trainer, &trainer, err));
    struct loader_slot slots[METHOD_SLOTS];
    const struct loader_config loader = {
        .data = c->data,
        .split = SPLIT_TRAIN,
        .batch = p->batch,
        .wanted = t->trainer.wanted,
        .shuffle = 1,
        .drop_last = 1,
        .seed = c->seed,
        .threads = c->context->loader_threads,
        .epochs = (int)ceil((double)c->steps / (double)trainer.per_epoch) + 1,
        .start_batch = t->done,
        .slots = slots,
        .n_slots = trainer_slots(&t->stage->builder, slots),
        .prepare = prepare_sample,
        .self = t,
        .pins = pinned_by(c->context->device)};
    TRY(loader_open(&t->loader, &loader, err));
    if (t->done == t->stage->first) {
        TRY(trainer_fit(&t->trainer, err));
        trainer_start(&t->trainer);
    }
    c->run.step_gflops = t->stage->step_flops * 1e-9;
    c->run.step_peak_bytes =
        (double)(exec_peak_bytes(t->trainer.exec) - (c->moments ? moments_spared(c->moments) : 0));
out:
    return status;
}

static void close_stage(struct training *t) {
    if (t->trainer.exec && t->cell->context->machine->profile && leads(t))
        exec_profile(t->trainer.exec, stderr);
    loader_close(t->loader);
    t->loader = NULL;
    trainer_close(&t->trainer);
}

/* A finding is a function of the rows, so a run that was interrupted finds the same. */
static int find_collapse(struct training *t) {
    struct cell *c = t->cell;
    c->run.finding = collapse_finding(t->watched, t->n_watched, t->stage->builder.uniform_loss,
                                      c->steps, &c->run.arena);
    return *c->run.finding != '\0';
}

static int save(struct training *t, const char *what, struct error *err) {
    struct cell *c = t->cell;
    char detail[64];
    int status = 0;
    if (t->stage)
        find_collapse(t);
    trainer_fetch(&t->trainer);
    if (leads(t) || c->moments)
        TRY(checkpoint_save(c->checkpoint, &c->model, c->moments, t->done, c->run.config, c->hash,
                            err));
    if (!leads(t))
        return 0;
    snprintf(detail, sizeof detail, "{\"step\": %ld}", t->done);
    TRY(journal_event(&c->journal, what, detail, err));
    TRY(journal_sync(&c->journal, err));
    TRY(cell_save(c, "running", err));
    t->saved_at = clock_seconds();
out:
    return status;
}

/* What is more than the loss: the parts of it, and every watch_every steps the rest. */
static int look(struct training *t, int n, struct step_row *row, struct error *err) {
    const struct builder *b = &t->stage->builder;
    int parts = b->n_objectives < STEP_PARTS ? b->n_objectives : STEP_PARTS;
    for (int i = 0; i < parts && b->n_objectives > 1; i++)
        row->part[i] = t->trainer.parts[i];
    if (!collapse_due(t->cell->settings.plan.watch_every, t->done, t->cell->steps))
        return 0;
    int seen = n / t->cell->settings.plan.accumulate; /* of which the values are still there */
    collapse_look(&t->trainer, seen, row);
    if (b->n_objectives > 1) {
        double norms[METHOD_OBJECTIVES];
        trainer_part_norms(&t->trainer, seen, norms);
        memcpy(row->norm, norms, sizeof *norms * (size_t)parts);
    }
    t->watched[t->n_watched++] = *row;
    if (ranks_of(t))
        exec_fetch_values(t->trainer.exec);
    return ranks_compare(ranks_of(t), &t->cell->model, err);
}

/* `status`: what has gone wrong on this rank so far.  Of a rank that failed, or was asked to stop,
 * all hear here. */
static int next_batch(struct training *t, int status, struct batch *batch, struct error *err) {
    struct cell *c = t->cell;
    if (!status && c->context->stop && *c->context->stop)
        status = error_set(err, STATUS_INTERRUPTED, "%s stopped at step %ld of %ld", c->run.run_id,
                           t->done, c->steps);
    if (!status)
        status = loader_next(t->loader, batch, err);
    return communicator_agree(ranks_of(t), WAIT_LIMITED, status, err);
}

/* One step since `start`; *finite is 0 when the gradient was not. */
static int step(struct training *t, const struct batch *batch, double start, int *finite,
                struct error *err) {
    struct cell *c = t->cell;
    CHECK(batch->n == c->settings.plan.batch && batch->number == t->done,
          "batch %ld of %d at step %ld", batch->number, batch->n, t->done);
    *finite = pinned_step(&t->trainer, t->loader, batch, t->done - t->stage->first);
    c->done = ++t->done;
    double seconds = clock_seconds() - start;
    c->train_seconds += seconds;
    c->waited_seconds += batch->waited;
    struct step_row row = {.step = t->done,
                           .epoch =
                               (double)t->done * batch->n / (double)c->data->count[SPLIT_TRAIN],
                           .loss = t->trainer.loss,
                           .lr = t->trainer.lr,
                           .grad_norm = t->trainer.grad_norm,
                           .img_per_s = batch->n / seconds,
                           .wall_s = seconds,
                           .wait_s = batch->waited,
                           .feature_std = NAN,
                           .effective_rank = NAN,
                           .entropy = NAN,
                           .part = {NAN, NAN, NAN, NAN},
                           .norm = {NAN, NAN, NAN, NAN}};
    int status = look(t, batch->n, &row, err);
    char detail[96];
    snprintf(detail, sizeof detail, "loss %.4f  %.0f img/s", row.loss, row.img_per_s);
    progress_update(&t->progress, t->done, detail);
    if (status || !leads(t))
        return status;
    if (batch->retries) {
        snprintf(detail, sizeof detail, "{\"step\": %ld, \"images\": %d}", t->done, batch->retries);
        TRY(journal_event(&c->journal, "read again", detail, err));
    }
    status = journal_step(&c->journal, &row, err);
out:
    return status;
}

static int save_interrupted(struct training *t, struct error *err) {
    struct error saving;
    int status = save(t, "interrupted", &saving);
    if (!status)
        return STATUS_INTERRUPTED;
    *err = saving;
    return status;
}

static int train_stage(struct training *t, int *finite, struct error *err) {
    struct cell *c = t->cell;
    int status = 0;
    long end = t->stage->first + t->stage->steps;
    while (t->done < end && *finite && !t->stopped) {
        struct batch batch = {.n = 0};
        double start = clock_seconds();
        status = next_batch(t, status, &batch, err);
        if (status)
            return status == STATUS_INTERRUPTED ? save_interrupted(t, err) : status;
        status = step(t, &batch, start, finite, err);
        if (c->settings.plan.stop_on_collapse && find_collapse(t)) {
            log_message(LOG_WARN, "%s: %s; stopped", c->run.run_id, c->run.finding);
            t->stopped = 1;
        } else if (cell_save_is_due(c, !status && *finite && t->done < c->steps, t->saved_at)) {
            struct error saving;
            int saved = save(t, "checkpoint", &saving);
            if (saved)
                *err = saving;
            status = saved ? saved : status;
        }
    }
    return communicator_agree(ranks_of(t), WAIT_LIMITED, status, err);
}

/* What the ranks' work together cost this one. */
static void say_sent(const struct training *t, long steps) {
    const struct communicator *c = ranks_of(t);
    const struct device *d = t->cell->context->device;
    if (!c || steps <= 0)
        return;
    if (d && d->joined)
        log_message(LOG_INFO, "%s: %d ranks; the first one's device sent %.0f bytes a step",
                    t->cell->run.run_id, c->size, (c->sent - t->sent) / (double)steps);
    else
        log_message(LOG_INFO,
                    "%s: %d ranks; the first one sent %.0f bytes a step, and waited for others "
                    "%.1f of %.1f s",
                    t->cell->run.run_id, c->size, (c->sent - t->sent) / (double)steps,
                    c->waited - t->waited, t->cell->train_seconds);
}

/* Below a tenth nothing is gained by other settings. */
static void say_starved(const struct cell *c) {
    double share = c->train_seconds > 0 ? c->waited_seconds / c->train_seconds : 0;
    log_message(share >= 0.1 ? LOG_WARN : LOG_DEBUG,
                "%s starved %.0f %% of the training time: more --loader_threads, or a dataset's "
                "cache=MiB, feed it better",
                c->run.run_id, 100 * share);
}

static int ask_room(struct training *t, struct error *err) {
    if (t->asked)
        return 0;
    t->asked = 1;
    return cell_ask_room(t->cell, err);
}

static int train(struct training *t, struct error *err) {
    struct cell *c = t->cell;
    int status = 0, finite = 1;
    long before = t->done;
    TRY(ask_room(t, err));
    if (c->no_room)
        return 0;
    t->saved_at = clock_seconds();
    if (ranks_of(t)) {
        t->sent = ranks_of(t)->sent;
        t->waited = ranks_of(t)->waited;
    }
    for (int i = 0; i < c->method->n_stages && finite && !t->stopped; i++) {
        if (t->done >= c->stages[i].first + c->stages[i].steps)
            continue;
        TRY(communicator_agree(ranks_of(t), WAIT_LONG, open_stage(t, i, err), err));
        TRY(train_stage(t, &finite, err));
        close_stage(t);
    }
    if (finite) {
        say_starved(c);
        say_sent(t, t->done - before);
        TRY(save(t, t->stopped ? "collapsed" : "trained", err));
        if (*c->run.finding && !t->stopped)
            log_message(LOG_WARN, "%s: %s", c->run.run_id, c->run.finding);
        return 0;
    }
    log_message(LOG_WARN, "%s diverged at step %ld: the loss or its gradient is not finite",
                c->run.run_id, t->done);
    TRY(note(t, "diverged", NULL, err));
    TRY(cell_save(c, "failed", err));
out:
    return status;
}

/* ---- a budget in seconds ---- */

/* The median time of a step of the stage, its data included. */
static int time_stage(struct training *t, int stage, double *seconds, struct error *err) {
    enum { WARM_UP = 2, TIMED = 9 };
    struct cell *c = t->cell;
    double took[TIMED];
    int status = 0;
    t->done = c->stages[stage].first;
    TRY(communicator_agree(ranks_of(t), WAIT_LONG, open_stage(t, stage, err), err));
    for (int i = 0; i < WARM_UP + TIMED; i++) {
        struct batch batch = {.n = 0};
        double start = clock_seconds();
        TRY(next_batch(t, 0, &batch, err));
        pinned_step(&t->trainer, t->loader, &batch, i);
        if (i >= WARM_UP)
            took[i - WARM_UP] = clock_seconds() - start;
    }
    *seconds = median(took, TIMED);
    communicator_broadcast(ranks_of(t), WAIT_LIMITED, seconds, sizeof *seconds);
out:
    close_stage(t);
    return status;
}

/* Time is no function of the settings: steps are timed once, before the first one, and the number
 * that results is in the journal, where a run that goes on finds it.  The schedule needs to know it
 * from the start.  The weights are put back as they were. */
static int find_steps(struct training *t, struct error *err) {
    struct cell *c = t->cell;
    double cost[METHOD_STAGES] = {0}, known = NAN;
    struct slab drawn = {0};
    char detail[96];
    int status = 0;
    if (leads(t))
        status = journal_find(c->journal.path, "budget", "steps", &known, err);
    if (isnan(known) && run_is_whole(&c->run)) /* the journal is gone */
        known = c->run.achieved_images / c->settings.plan.batch;
    TRY(communicator_agree(ranks_of(t), WAIT_LONG, status, err));
    communicator_broadcast(ranks_of(t), WAIT_LIMITED, &known, sizeof known);
    if (!isnan(known) || c->context->steps) {
        cell_set_steps(c, isnan(known) ? c->context->steps : lround(known));
    } else {
        TRY(ask_room(t, err));
        if (c->no_room)
            return 0;
        TRY(slab_alloc(&drawn, c->model.count * sizeof(real), "the weights before steps are timed",
                       err));
        memcpy(drawn.data, c->model.value, drawn.bytes);
        for (int i = 0; i < c->method->n_stages && !status; i++)
            status = time_stage(t, i, &cost[i], err);
        memcpy(c->model.value, drawn.data, drawn.bytes);
        cell_forget_moments(c);
        c->model.version++;
        t->done = 0;
        if (!status)
            status = cell_pay_steps(c, cost, err);
        if (status)
            goto out;
        log_message(LOG_INFO, "%s: %s is %ld steps here", c->run.run_id, c->run.budget, c->steps);
    }
    if (isnan(known)) {
        snprintf(detail, sizeof detail, "{\"steps\": %ld, \"step_s\": [%.6g, %.6g]}", c->steps,
                 cost[0], cost[1]);
        TRY(note(t, "budget", detail, err));
        if (leads(t))
            status = journal_sync(&c->journal, err);
    }
out:
    slab_free(&drawn);
    return status;
}

/* What the steps so far took and showed; of those that the journal has not, what the results say.
 */
static int take_steps(struct training *t, struct error *err) {
    struct cell *c = t->cell;
    struct run *r = &c->run;
    int status = run_take_steps(r, c->journal.path, err);
    while (r->n_steps && r->steps[r->n_steps - 1].step > t->done)
        r->n_steps--;
    c->train_seconds = r->n_steps ? 0 : r->achieved_seconds;
    c->waited_seconds = r->n_steps ? 0 : r->waited_seconds;
    for (long i = 0; i < r->n_steps && !status; i++) {
        c->train_seconds += r->steps[i].wall_s;
        c->waited_seconds += isnan(r->steps[i].wait_s) ? 0 : r->steps[i].wait_s;
        if (collapse_due(c->settings.plan.watch_every, r->steps[i].step, c->steps) &&
            !isnan(r->steps[i].feature_std))
            t->watched[t->n_watched++] = r->steps[i];
    }
    return status;
}

/* Continues where the folder's checkpoint stands; without one, at the beginning. */
static int resume(struct training *t, struct error *err) {
    struct cell *c = t->cell;
    int status = 0;
    TRY(cell_load(c, &t->done, err));
    if (t->done > c->steps)
        return error_set(err, STATUS_USAGE, "%s stands at step %ld of %ld: it is not of this run",
                         c->checkpoint, t->done, c->steps);
    TRY(journal_rewind(&c->journal, t->done, err));
    TRY(take_steps(t, err));
    char detail[64];
    snprintf(detail, sizeof detail, "{\"steps\": %ld, \"ranks\": %d}", c->steps,
             communicator_size(ranks_of(t)));
    if (t->done < c->steps)
        TRY(journal_event(&c->journal, t->done ? "resume" : "start", detail, err));
out:
    return status;
}

/* What the first rank found in the folder, on all. */
static int share_state(struct training *t, struct error *err) {
    struct cell *c = t->cell;
    struct communicator *ranks = ranks_of(t);
    long found[2] = {t->done, t->n_watched};
    communicator_broadcast(ranks, WAIT_LIMITED, found, sizeof found);
    c->done = t->done = found[0];
    t->n_watched = found[1];
    communicator_broadcast(ranks, WAIT_LIMITED, t->watched,
                           sizeof *t->watched * (size_t)t->n_watched);
    return t->done > 0 && t->done < c->steps ? cell_share_model(c, err) : 0;
}

static int begin(struct training *t, struct error *err) {
    struct cell *c = t->cell;
    int status = 0;
    cell_share_moments(c);
    if (c->method->trains && c->budget.kind == BUDGET_SECONDS)
        TRY(communicator_agree(ranks_of(t), WAIT_LIMITED, find_steps(t, err), err));
    if (c->no_room)
        goto out;
    t->watched =
        ARENA_ARRAY(&c->arena, struct step_row, c->steps / c->settings.plan.watch_every + 2);
    if (leads(t))
        status = resume(t, err);
    TRY(communicator_agree(ranks_of(t), WAIT_LONG, status, err));
    TRY(share_state(t, err));
out:
    return status;
}

enum { GOES_ON, FAILED, STOPPED };

/* Whether the folder's run is over, though it may have steps left. */
static int is_over(const struct cell *c) {
    if (!strcmp(c->run.status, "failed"))
        return FAILED;
    int stops = c->settings.plan.stop_on_collapse && c->run.finding && *c->run.finding;
    return stops ? STOPPED : GOES_ON;
}

int cell_pretrain(struct cell *c, struct error *err) {
    struct training t = {.cell = c};
    int status = 0, state = is_over(c);
    communicator_broadcast(c->context->ranks, WAIT_LONG, &state, sizeof state);
    if (state == FAILED)
        snprintf(c->run.status, sizeof c->run.status, "failed");
    if (state == STOPPED) {
        status = leads(&t) ? checkpoint_weights(c->checkpoint, &c->model, err) : 0;
        TRY(communicator_agree(c->context->ranks, WAIT_LONG, status, err));
    }
    if (state != GOES_ON)
        goto over;
    TRY(begin(&t, err));
    if (c->no_room)
        goto out;
    if (!c->steps) {
        c->moments = NULL;                                      /* all are zeros */
        if (!c->method->weights && !file_exists(c->checkpoint)) /* those are where they were */
            TRY(save(&t, "drawn", err));
        goto out;
    }
    if (t.done == c->steps) { /* of a run.h5 that is gone the finding is made again */
        t.stage = &c->stages[c->method->n_stages - 1];
        if (!c->run.finding)
            find_collapse(&t);
        goto out;
    }
    progress_begin(&t.progress, c->run.run_id, c->steps);
    progress_update(&t.progress, t.done, "");
    status = train(&t, err);
    progress_end(&t.progress);
out:
    close_stage(&t);
    return status;
over: /* what it achieved stays as it is stored */
    c->done = lround(c->run.achieved_images / c->settings.plan.batch);
    c->train_seconds = c->run.achieved_seconds;
    c->waited_seconds = c->run.waited_seconds;
    return 0;
}
