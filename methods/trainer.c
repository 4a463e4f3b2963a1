#include "methods/trainer.h"

#include "core/log.h"
#include "methods/views.h"
#include "nn/away.h"

#include <math.h>
#include <string.h>

static unsigned groups_named(const struct builder *b, const char *names) {
    unsigned bits = 0;
    char copy[256], *rest = NULL;
    CHECK(strlen(names) < sizeof copy, "groups \"%s\"", names);
    strcpy(copy, names);
    for (char *name = strtok_r(copy, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
        bits |= 1u << builder_group((struct builder *)b, name);
    return bits;
}

/* Groups with a gradient in this stage: what another stage trains is not decayed here, nor moved by
 * the momentum that it was left with. */
static unsigned groups_trained(const struct builder *b) {
    unsigned bits = 0;
    for (int i = 0; i < b->g->n; i++)
        if (b->g->tensors[i]->kind == TENSOR_PARAM && b->g->tensors[i]->needs_grad)
            bits |= 1u << b->g->tensors[i]->param->group;
    CHECK(bits, "nothing to train in stage %d", b->stage);
    return bits;
}

static struct optimizer make_optimizer(const struct recipe *r, double weight_decay) {
    return (struct optimizer){.kind = r->optimizer,
                              .b1 = r->b1,
                              .b2 = r->b2,
                              .eps = 1e-8,
                              .momentum = r->momentum,
                              .trust = 0.001,
                              .weight_decay = weight_decay,
                              .clip = r->clip,
                              .clip_each = r->clip_each};
}

/* Before anything is made for such a part. */
static int check_parts(const struct trainer_config *c, struct error *err) {
    if (c->accumulate > 1 && c->exec.batch % c->accumulate)
        return error_set(err, STATUS_USAGE, "a batch of %d does not fall into %d equal parts",
                         c->exec.batch, c->accumulate);
    return 0;
}

static int check_accumulation(const struct trainer *t, struct error *err) {
    const struct trainer_config *c = &t->config;
    if (c->accumulate > 1 && (c->method->mixes_samples || exec_mixes_samples(t->exec)))
        return error_set(err, STATUS_USAGE,
                         "accumulate %d: %s compares the samples of a batch, or its backbone has "
                         "batch norm, so parts of a batch are not the batch",
                         c->accumulate, c->method->name);
    return 0;
}

/* Of each part of a batch that is run, those that the executor reads here; and what these are mixed
 * with. */
static void find_mine(struct trainer *t) {
    const struct trainer_config *c = &t->config;
    int parts = c->accumulate > 1 ? c->accumulate : 1, one = c->exec.batch / parts, first, end;
    if (communicator_size(c->exec.ranks) == 1)
        return;
    t->mine = ARENA_ARRAY(c->builder->arena, char, c->exec.batch);
    exec_share(t->exec, one, &first, &end);
    for (int p = 0; p < parts; p++)
        memset(t->mine + p * one + first, 1, (size_t)(end - first));
    t->wanted = ARENA_ARRAY(c->builder->arena, char, c->exec.batch);
    for (int i = 0; i < c->exec.batch; i++)
        t->wanted[i] = t->mine[i] || (t->stage->mix && t->mine[c->exec.batch - 1 - i]);
}

/* Of all that an optimizer may go through on a device; mine: NULL, all tensors. */
static size_t pieces(const struct model *m, const char *mine) {
    size_t n = 0;
    for (int i = 0; i < m->n_facts; i++)
        n += !mine || mine[i] ? device_pieces(m->facts[i].count) : 0;
    return n;
}

/* The optimizer's state on a device, and the way of weights from those that keep it. */
static int open_state(struct trainer *t, struct error *err) {
    const struct trainer_config *c = &t->config;
    const struct model *m = c->builder->model;
    const size_t reals = c->moments ? moments_reals(c->moments) : m->count;
    int status = 0;
    for (int i = 0; i < 2 && c->exec.device; i++)
        TRY(memory_get(c->exec.device, &t->moments[i], reals * sizeof(real), "optimizer state",
                       err));
    if (c->exec.device)
        TRY(c->exec.device->lists(c->exec.device,
                                  pieces(m, c->moments ? moments_mine(c->moments) : NULL), err));
    if (c->moments)
        TRY(carrier_open(&t->carrier, c->builder->arena, c->exec.ranks, c->exec.device,
                         moments_carried(c->moments), 0, err));
out:
    return status;
}

int trainer_open(struct trainer *t, const struct trainer_config *config, struct error *err) {
    *t = (struct trainer){.config = *config, .mixed = {-1, -1}};
    struct builder *b = config->builder;
    t->stage = &config->method->stages[b->stage];
    t->main = stage_recipe(t->stage, config->self);
    t->recipe[0] = &t->main;
    t->recipe[1] = t->stage->second;
    t->n_optimizers = t->recipe[1] ? 2 : 1;
    struct trainer_config *c = &t->config;
    if (c->lr < 0)
        c->lr = t->recipe[0]->lr;
    if (c->weight_decay < 0)
        c->weight_decay = t->recipe[0]->weight_decay;
    if (c->warmup < 0)
        c->warmup = t->recipe[0]->warmup;
    t->optimizer[0] = make_optimizer(t->recipe[0], c->weight_decay);
    t->optimizer[0].groups = groups_trained(b);
    if (t->recipe[1]) {
        unsigned second = groups_named(b, t->recipe[1]->groups);
        t->optimizer[1] = make_optimizer(t->recipe[1], t->recipe[1]->weight_decay);
        t->optimizer[1].groups = second;
        t->optimizer[0].groups &= ~second;
    }
    t->noted = c->exec.device ? strlen(c->exec.device->note) : 0;
    struct exec_config part = c->exec;
    part.batch /= c->accumulate > 1 ? c->accumulate : 1;
    part.owners = c->moments ? moments_owners(c->moments) : NULL;
    int status = check_parts(c, err);
    if (!status)
        status = exec_open(&t->exec, b->g, &part, err);
    if (!status)
        status = open_state(t, err);
    if (!status)
        status = check_accumulation(t, err);
    if (!status)
        find_mine(t);
    for (int i = 0; i < b->n_scalars && !status; i++)
        exec_bind(t->exec, b->scalars[i], &b->scalar_value[i]);
    return status;
}

static int there(const struct trainer *t, struct exec_there *out) {
    return t->exec && exec_there(t->exec, out);
}

/* Between the model and a device that the optimizer runs on. */
static void copy_moments(const struct trainer *t, struct device *d, int back) {
    const struct model *m = t->config.builder->model;
    const struct moments *shared = t->config.moments;
    const struct moments_slice all = {.count = m->count};
    const struct moments_slice *slice = shared ? moments_slices(shared) : &all;
    real *const here[] = {m->m, m->v};
    for (int i = 0; i < (shared ? m->n_groups : 1); i++)
        for (int k = 0; k < 2 && slice[i].count; k++) {
            real *at = here[k] + slice[i].offset, *there = t->moments[k].data;
            size_t bytes = slice[i].count * sizeof(real);
            if (back)
                d->copy_out(d, at, there + slice[i].place, bytes);
            else
                d->copy_in(d, there + slice[i].place, at, bytes);
        }
}

void trainer_fetch(struct trainer *t) {
    struct exec_there on;
    if (!t->settled || !there(t, &on))
        return;
    copy_moments(t, on.device, 1);
    exec_fetch_values(t->exec); /* ends the program when the device failed */
}

/* What the device had to do without only shows when it computes. */
static void say_note(const struct trainer *t) {
    const struct device *d = t->config.exec.device;
    if (t->exec && d && strlen(d->note) > t->noted)
        log_message(LOG_WARN, "%s: %s", d->name, d->note);
}

static void say_unrendered(const struct trainer *t) {
    if (t->exec && t->unrendered)
        log_message(LOG_WARN,
                    "%s: of %ld images the views were made on the processor: their pixels weigh "
                    "more than their views; a dataset's keep=N makes images smaller",
                    t->config.exec.device ? t->config.exec.device->name : t->config.method->name,
                    t->unrendered);
}

void trainer_close(struct trainer *t) {
    say_note(t);
    say_unrendered(t);
    if (t->exec)
        trainer_fetch(t);
    for (int i = 0; i < 2; i++)
        memory_put(t->config.exec.device, &t->moments[i]);
    carrier_close(t->carrier);
    t->carrier = NULL;
    t->settled = 0;
    exec_close(t->exec);
    t->exec = NULL;
}

static struct kctx context(const struct trainer *t) {
    return (struct kctx){.threads = t->config.exec.threads, .watch = t->config.exec.watch};
}

static struct step describe(const struct trainer *t, int n, long done) {
    return (struct step){.b = t->config.builder,
                         .kernels = t->config.exec.kernels,
                         .exec = t->exec,
                         .n = n,
                         .done = done,
                         .total = t->config.total,
                         .per_epoch = t->config.per_epoch,
                         .ctx = context(t),
                         .ranks = t->config.exec.ranks,
                         .mine = t->mine,
                         .weight_decay = t->config.weight_decay};
}

int trainer_fit(struct trainer *t, struct error *err) {
    struct step s = describe(t, 0, 0);
    return t->stage->fit ? t->stage->fit(t->config.self, &s, err) : 0;
}

void trainer_start(struct trainer *t) {
    struct step s = describe(t, 0, 0);
    if (t->stage->start)
        t->stage->start(t->config.self, &s);
}

/* The rate of recipe r: its own base, moved by what the user chose for the main one. */
static double rate(const struct trainer *t, int r, long done) {
    const struct trainer_config *c = &t->config;
    const struct recipe *recipe = t->recipe[r];
    double base = r && t->recipe[0]->lr > 0 ? recipe->lr * c->lr / t->recipe[0]->lr : c->lr;
    base *= c->exec.batch / 256.0;
    double warmup = r ? recipe->warmup : c->warmup;
    return schedule_cosine(done, c->total, lround(warmup * (double)c->total), base,
                           base * recipe->lr_end);
}

/* Samples first.. of a batch for the coming run; or, n of them, for the one behind it. */
static void bind(struct trainer *t, void *const *slots, int first, int n_ahead) {
    const struct tensor *inputs[METHOD_SLOTS];
    int n = trainer_inputs(t->config.builder, inputs);
    for (int i = 0; i < n; i++) {
        const char *at = (char *)slots[i] + inputs[i]->per_sample * sizeof(real) * (size_t)first;
        if (n_ahead)
            exec_ahead(t->exec, inputs[i], at, n_ahead);
        else
            exec_bind(t->exec, inputs[i], at);
    }
}

/* A batch is mixed once, when somebody first hears of it. */
static void mix(struct trainer *t, void *const *slots, int n, long done) {
    if (!t->stage->mix || t->mixed[done & 1] == done)
        return;
    struct step s = describe(t, n, done);
    s.slots = slots;
    t->stage->mix(t->config.self, &s);
    t->mixed[done & 1] = done;
}

void trainer_ahead(struct trainer *t, void *const *slots, int n, long done) {
    const struct tensor *inputs[METHOD_SLOTS];
    mix(t, slots, n, done);
    memcpy(t->ahead, slots, sizeof *slots * (size_t)trainer_inputs(t->config.builder, inputs));
    t->n_ahead = n;
}

/* Slots hold 4-byte elements, which is what a real is where there are slots. */
static void run_parts(struct trainer *t, void *const *slots, int n) {
    struct builder *b = t->config.builder;
    int parts = t->config.accumulate > 1 ? t->config.accumulate : 1, one = n / parts;
    t->loss = 0;
    memset(t->parts, 0, sizeof t->parts);
    for (int p = 0; p < parts; p++) {
        bind(t, slots, p * one, 0);
        if (p < parts - 1)
            bind(t, slots, (p + 1) * one, one);
        else if (t->n_ahead)
            bind(t, t->ahead, 0, t->n_ahead / parts);
        t->loss += parts == 1 ? exec_run(t->exec, n)
                              : exec_run_part(t->exec, one, n, p == 0, p == parts - 1);
        for (int i = 0; i < b->n_objectives; i++)
            t->parts[i] +=
                b->objectives[i].own * exec_loss(t->exec, b->objectives[i].tensor, one) / parts;
    }
    t->n_ahead = 0;
}

size_t step_count(const struct step *s, int slot) {
    const int32_t *index = s->slots[slot];
    size_t per_sample = s->b->slots[slot].per_sample, count = 0;
    for (int row = 0; row < s->n; row++)
        for (size_t i = 0; i < per_sample && (!s->mine || s->mine[row]); i++)
            count += index[(size_t)row * per_sample + i] >= 0;
    return (size_t)communicator_sum(s->ranks, (double)count);
}

static struct step run_gradient(struct trainer *t, void *const *slots, int n, long done) {
    struct builder *b = t->config.builder;
    struct step s = describe(t, n, done);
    s.lr = rate(t, 0, done);
    s.slots = slots;
    mix(t, slots, n, done);
    if (t->stage->before)
        t->stage->before(t->config.self, &s);
    for (int i = 0; i < b->n_objectives; i++)
        exec_weigh(t->exec, b->objectives[i].tensor, b->objectives[i].weight);
    run_parts(t, slots, n);
    return s;
}

void trainer_gradient(struct trainer *t, void *const *slots, int n, long done) {
    run_gradient(t, slots, n, done);
}

/* Weights, gradient and optimizer state where the step was run, and s's kernels for them; on a
 * device they stay there from the first step on. */
static struct optim_state place(struct trainer *t, struct step *s) {
    const struct model *m = t->config.builder->model;
    struct exec_there on;
    s->values = m->value;
    const char *mine = t->config.moments ? moments_mine(t->config.moments) : NULL;
    if (!there(t, &on)) {
        struct optim_state here = model_optim_state(m, exec_gradient(t->exec));
        here.mine = mine;
        return here;
    }
    if (!t->settled) {
        copy_moments(t, on.device, 0);
        exec_settle(t->exec);
        t->settled = 1;
    }
    struct optim_state state = model_optim_state(m, on.gradient);
    s->values = state.value = on.values;
    state.m = t->moments[0].data;
    state.v = t->moments[1].data;
    state.device = on.device;
    state.mine = mine;
    state.places = mine ? moments_places(t->config.moments) : NULL;
    s->kernels = on.device->kernels;
    s->ctx = on.ctx;
    return state;
}

/* 0 when loss or gradient is not finite; then no optimizer has moved anything. */
static int move(struct trainer *t, const struct step *s, const struct optim_state *state,
                long done) {
    struct arena scratch = {0};
    double *squares[TRAINER_OPTIMIZERS] = {NULL};
    int finite = isfinite(t->loss);
    for (int i = 0; i < t->n_optimizers; i++) {
        squares[i] =
            optimizer_squares(&scratch, &t->optimizer[i], s->kernels, &s->ctx, state, done + 1);
        if (t->config.moments)
            moments_share_squares(t->config.moments, squares[i]);
        double norm = optimizer_norm(state, squares[i]);
        finite = finite && isfinite(norm);
        t->grad_norm = i ? t->grad_norm : norm;
    }
    for (int i = 0; i < t->n_optimizers && finite; i++)
        optimizer_step(&t->optimizer[i], s->kernels, &s->ctx, state, squares[i],
                       i ? rate(t, i, done) : s->lr, done + 1);
    for (int i = 0; i < t->n_optimizers && finite && t->config.moments; i++)
        moments_send_values(t->config.moments, t->carrier, state->value, t->optimizer[i].groups);
    arena_free(&scratch);
    return finite;
}

int trainer_step(struct trainer *t, void *const *slots, int n, long done) {
    struct step s = run_gradient(t, slots, n, done);
    t->unrendered += views_ready(s.b, slots, n, t->mine);
    t->lr = s.lr;
    t->optimizer[0].weight_decay = s.weight_decay;
    const struct optim_state state = place(t, &s);
    if (!move(t, &s, &state, done))
        return 0;
    t->config.builder->model->version++;
    if (t->stage->after)
        t->stage->after(t->config.self, &s);
    return 1;
}

static double encoder_norm(const struct trainer *t) {
    const struct builder *b = t->config.builder;
    const struct kctx ctx = context(t);
    double squares = 0;
    for (int i = 0; i < b->model->n_groups; i++) {
        const struct group *g = &b->model->groups[i];
        if (builder_evaluates(b, i))
            squares += t->config.exec.kernels->sum_squares(&ctx, g->count,
                                                           exec_gradient(t->exec) + g->offset);
    }
    return sqrt(squares);
}

void trainer_part_norms(struct trainer *t, int n, double norms[METHOD_OBJECTIVES]) {
    struct builder *b = t->config.builder;
    for (int i = 0; i < b->n_objectives; i++) {
        for (int j = 0; j < b->n_objectives; j++)
            exec_weigh(t->exec, b->objectives[j].tensor, i == j ? b->objectives[j].weight : 0);
        exec_probe(t->exec, n);
        norms[i] = encoder_norm(t);
    }
    for (int j = 0; j < b->n_objectives; j++)
        exec_weigh(t->exec, b->objectives[j].tensor, b->objectives[j].weight);
}

/* Huang et al. 2016: a branch is left out with a probability that rises linearly with the depth;
 * one that stays is scaled so that its expectation does not change. */
static void draw_drops(const struct builder *b, struct rng *rng, float *out) {
    int n = backbone_drops(b->backbone), depth = n / 2;
    for (int i = 0; i < n; i++) {
        int block = i / 2;
        double share = depth > 1 ? (double)block / (depth - 1) : 1;
        double keep = 1 - b->backbone->vit.drop_path * share;
        out[i] = rng_uniform(rng) < keep ? (float)(1 / keep) : 0;
    }
}

void trainer_prepare(const struct method *m, const void *self, const struct builder *b,
                     const struct record *record, long sample, int epoch, struct rng *view,
                     void *const *slots) {
    struct rng mask =
        rng_at((struct rng_key){b->seed, RNG_MASK}, (uint32_t)epoch, (uint32_t)sample);
    const struct sample s = {.record = record,
                             .norm = b->norm,
                             .backbone = b->backbone,
                             .runtime = b->runtime,
                             .view = view,
                             .mask = &mask,
                             .renders = b->renders,
                             .slots = slots};
    m->stages[b->stage].prepare(self, &s);
    if (b->pixels)
        views_pack(b, record, slots);
    if (b->drop) {
        struct rng drop =
            rng_at((struct rng_key){b->seed, RNG_DROP}, (uint32_t)epoch, (uint32_t)sample);
        draw_drops(b, &drop, slots[b->n_inputs]);
    }
}

int trainer_inputs(const struct builder *b, const struct tensor *inputs[METHOD_SLOTS]) {
    int n = 0;
    for (; n < b->n_inputs; n++)
        inputs[n] = b->inputs[n];
    if (b->drop)
        inputs[n++] = b->drop;
    if (b->pixels)
        inputs[n++] = b->pixels;
    return n;
}

int trainer_slots(const struct builder *b, struct loader_slot slots[METHOD_SLOTS]) {
    const struct tensor *inputs[METHOD_SLOTS];
    int n = trainer_inputs(b, inputs);
    for (int i = 0; i < n; i++)
        slots[i] = (struct loader_slot){inputs[i]->name, inputs[i]->per_sample};
    return n;
}
