#include "core/clock.h"
#include "nn/away.h"
#include "nn/exec_internal.h"
#include "nn/replay.h"

#include <omp.h>
#include <string.h>

enum { EXTENT_NUMBERS = 5 };

static int allocate(struct exec *x, struct error *err) {
    const struct graph *g = x->g;
    const struct exec_config *c = &x->config;
    size_t arena = g->chunk_per_sample * (size_t)c->chunk, batch = (size_t)c->batch;
    if (g->train)
        lanes_open(&x->gradients, &x->arena, g, c->owners, x->begin, x->end);
    const struct {
        struct slab *slab;
        size_t reals;
        const char *what;
    } all[] = {
        {&x->activations, arena * (size_t)c->threads, "activations"},
        {&x->outputs, g->output_per_sample * batch, "outputs"},
        {&x->packed, g->packed_count, "packed weights"},
        {&x->workspace, KERNEL_WORKSPACE * (size_t)c->threads, "workspace"},
        {&x->crossing, g->batch_per_sample * batch, "activations of the whole batch"},
        {&x->shared, g->shared_count, "shared values"},
        {&x->gradient, g->train ? lanes_reals(&x->gradients) : 0, "gradients"},
    };
    int status = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        TRY(memory_get(c->device, all[i].slab, all[i].reals * sizeof(real), all[i].what, err));
    x->gradients.data = x->gradient.data;
    for (int i = 0; i < g->n; i++)
        if (g->tensors[i]->constant)
            x->bound[i] = g->tensors[i]->constant;
    if (c->device)
        TRY(away_open(&x->away, c->device, c->ranks, &x->arena, g, c->batch, c->ahead, x->bound,
                      err));
    if (c->device && !c->profile && !x->ranks)
        x->replay = replay_open(&x->arena, c->device, EXTENT_NUMBERS + 2 * g->n);
    for (int i = 0; i < c->threads; i++) {
        struct worker *w = &x->workers[i];
        w->chunk = (struct chunk){
            .k = c->kernels,
            .ctx = {.threads = 1,
                    .workspace = (real *)x->workspace.data + (size_t)i * KERNEL_WORKSPACE,
                    .watch = c->watch,
                    .device = c->device ? c->device->queue : NULL},
            .g = g,
            .values = x->away ? away_values(x->away) : g->model->value,
            .bound = x->bound,
            .arena = (real *)x->activations.data + (size_t)i * arena,
            .capacity = c->chunk,
            .batch_arena = x->crossing.data,
            .shared = x->shared.data,
            .outputs = x->outputs.data,
            .batch = c->batch,
            .packed = x->packed.data};
        if (c->profile)
            w->times = ARENA_ARRAY(&x->arena, struct op_time, g->n);
    }
out:
    return status;
}

/* Those of this rank. */
static int share_lanes(struct exec *x, struct error *err) {
    struct communicator *c = x->config.ranks;
    x->end = x->lanes;
    if (communicator_size(c) == 1)
        return 0;
    const struct ranks_config shared = {.c = c,
                                        .device = x->config.device,
                                        .g = x->g,
                                        .lanes = x->lanes,
                                        .chunk = x->config.chunk,
                                        .batch = x->config.batch,
                                        .bucket = x->config.bucket};
    int status = ranks_open(&x->ranks, &x->arena, &shared, err);
    x->begin = ranks_first_lane(x->ranks, c->rank);
    x->end = ranks_first_lane(x->ranks, c->rank + 1);
    return status;
}

int exec_open(struct exec **out, struct graph *g, const struct exec_config *config,
              struct error *err) {
    CHECK(g->planned && g->model->value, "plan the graph and allocate the model first");
    CHECK(!g->halves || config->device, "16 bits are for a device");
    CHECK(config->threads > 0 && config->batch > 0 && config->kernels, "incomplete exec_config");
    struct arena arena = {0};
    struct exec *x = ARENA_NEW(&arena, struct exec);
    x->arena = arena;
    x->g = g;
    x->config = *config;
    exec_cut(x);
    CHECK(!g->halves || !g->one_lane || x->lanes == 1, "%d lanes in a graph for one", x->lanes);
    x->bound = ARENA_ARRAY(&x->arena, const void *, g->n);
    x->workers = ARENA_ARRAY(&x->arena, struct worker, x->config.threads);
    x->weights = ARENA_ARRAY(&x->arena, double, g->n);
    for (int i = 0; i < g->n; i++)
        x->weights[i] = g->tensors[i]->objective;
    int status = share_lanes(x, err);
    if (!status)
        status = allocate(x, err);
    if (status) {
        exec_close(x);
        x = NULL;
    }
    *out = x;
    return status;
}

void exec_close(struct exec *x) {
    if (!x)
        return;
    struct slab *const slabs[] = {&x->activations, &x->crossing,  &x->outputs, &x->packed,
                                  &x->shared,      &x->workspace, &x->gradient};
    for (size_t i = 0; i < sizeof slabs / sizeof *slabs; i++)
        memory_put(x->config.device, slabs[i]);
    ranks_close(x->ranks);
    replay_close(x->replay);
    away_close(x->away);
    struct arena arena = x->arena; /* x lies in its own arena */
    arena_free(&arena);
}

void exec_bind(struct exec *x, const struct tensor *input, const void *data) {
    CHECK(input->kind == TENSOR_INPUT || input->kind == TENSOR_SCALAR ||
              (input->kind == TENSOR_INDEX && !input->constant),
          "%s is not an input", input->name);
    if (x->away && input->kind != TENSOR_SCALAR)
        away_bind(x->away, input, data);
    else
        x->bound[input->number] = data;
}

void exec_ahead(struct exec *x, const struct tensor *input, const void *data, int n) {
    CHECK(n > 0 && n <= x->config.batch, "%d samples in a graph for %d", n, x->config.batch);
    if (x->away && x->config.ahead)
        away_announce(x->away, input, data, n);
}

void exec_weigh(struct exec *x, const struct tensor *objective, double weight) {
    CHECK(objective->objective, "%s is not an objective", objective->name);
    x->weights[objective->number] = weight;
}

const real *exec_output_there(const struct exec *x, const struct tensor *t) {
    CHECK(t->output, "%s is not an output", t->name);
    real *rows = (real *)x->outputs.data + t->output_offset * (size_t)x->config.batch;
    if (x->ranks)
        ranks_gather_output(x->ranks, t, rows);
    return rows;
}

const real *exec_output(const struct exec *x, const struct tensor *t) {
    const real *there = exec_output_there(x, t);
    return x->away ? away_output(x->away, x->outputs.data, t) : there;
}

const real *exec_shared(const struct exec *x, const struct tensor *t) {
    CHECK(t->kind == TENSOR_SHARED, "%s is not shared", t->name);
    const real *shared = x->away ? away_shared(x->away) : x->shared.data;
    return shared + t->shared_offset;
}

const real *exec_gradient(const struct exec *x) {
    return x->away ? away_gradient(x->away, x->gradient.data) : lanes_gradient(&x->gradients, 0);
}

/* What only the weights decide: shared values in their order, then packed matrices. */
static void prepare(struct exec *x) {
    struct graph *g = x->g;
    if (x->packed_version == g->model->version)
        return;
    struct chunk whole = x->workers[0].chunk;
    whole.n = 1;
    whole.first = 0;
    for (int i = 0; i < g->n; i++)
        if (g->tensors[i]->kind == TENSOR_SHARED)
            g->tensors[i]->op->forward(&whole, g->tensors[i]);
#pragma omp parallel for num_threads(x->config.threads) schedule(dynamic, 1)
    for (int i = 0; i < g->n; i++) {
        const struct tensor *t = g->tensors[i];
        if (t->op && t->op->prepare)
            t->op->prepare(&x->workers[omp_get_thread_num()].chunk, t,
                           (real *)x->packed.data + t->packed_offset);
    }
    x->packed_version = g->model->version;
}

/* Seconds since start, when all that was asked for is done. */
static double elapsed(const struct exec *x, double start) {
    if (x->config.device)
        x->config.device->wait(x->config.device);
    return clock_seconds() - start;
}

static void run_forward(const struct exec *x, const struct chunk *c, const struct tensor *t,
                        struct op_time *times) {
    double start = times ? clock_seconds() : 0;
    t->op->forward(c, t);
    if (times)
        times[t->number].forward += elapsed(x, start);
}

static void run_backward(const struct exec *x, const struct chunk *c, const struct tensor *t,
                         int n_batch, struct op_time *times) {
    double start = times ? clock_seconds() : 0;
    if (t->objective) {
        real *d = chunk_grad_in_place(c, t);
        c->k->fill(&c->ctx, t->per_sample * (size_t)c->n, (real)(x->weights[t->number] / n_batch),
                   d);
    }
    t->op->backward(c, t);
    if (times)
        times[t->number].backward += elapsed(x, start);
}

static const struct tensor *at_position(const struct graph *g, int i) {
    return g->tensors[i < g->n ? i : 2 * g->n - 1 - i];
}

/* One chunk, or the whole batch, through one phase. */
static void run_positions(const struct exec *x, struct chunk *c, const struct phase *p, int n_batch,
                          struct op_time *times) {
    const struct graph *g = x->g;
    for (int i = p->first; i <= p->last; i++) {
        c->position = i;
        for (const struct again *a = g->again[i]; a; a = a->next_at)
            run_forward(x, c, a->t, times);
        const struct tensor *t = at_position(g, i);
        if (t->kind != TENSOR_VALUE)
            continue;
        if (i < g->n)
            run_forward(x, c, t, times);
        else if (t->needs_grad)
            run_backward(x, c, t, n_batch, times);
    }
}

/* What a run is of: all of a batch, or a part of it. */
struct extent {
    int n, n_total, first, last;
    int updates;
};

/* The chunks of a lane: first..end-1. */
struct share {
    int first, end;
};

static struct share share_of(const struct exec *x, int lane, int n) {
    int chunks = (n + x->config.chunk - 1) / x->config.chunk;
    return (struct share){(int)((long)chunks * lane / x->lanes),
                          (int)((long)chunks * (lane + 1) / x->lanes)};
}

/* What operations give goes to this lane. */
static void choose_lane(const struct exec *x, struct chunk *c, int lane) {
    if (!x->g->train)
        return;
    c->grads = lanes_gradient(&x->gradients, lane);
    c->grad_places = lanes_places(&x->gradients, lane);
}

/* A lane without chunks is all zeros. */
static void clear_lane(const struct exec *x, const struct chunk *c, int lane, int phase,
                       const struct extent *e) {
    const struct share share = share_of(x, lane, e->n);
    if (x->g->train && e->first)
        lanes_clear(&x->gradients, x->config.kernels, &c->ctx, lane, phase,
                    share.first == share.end);
}

static void run_lane(struct exec *x, struct worker *w, int phase, int lane,
                     const struct extent *e) {
    const struct share share = share_of(x, lane, e->n);
    int chunk = x->config.chunk;
    choose_lane(x, &w->chunk, lane);
    clear_lane(x, &w->chunk, lane, phase, e);
    for (int i = share.first; i < share.end; i++) {
        w->chunk.first = (long)i * chunk;
        w->chunk.n = e->n - i * chunk < chunk ? e->n - i * chunk : chunk;
        w->chunk.fresh = e->first && i == share.first;
        run_positions(x, &w->chunk, &x->g->phases[phase], e->n_total, w->times);
        if (x->ranks && w == x->workers) /* the thread that MPI may be called by */
            ranks_move(x->ranks);
    }
}

static void run_whole(struct exec *x, int phase, const struct extent *e) {
    struct chunk whole = x->workers[0].chunk;
    whole.ctx.threads = x->config.threads;
    whole.first = 0;
    whole.n = e->n;
    whole.updates = e->updates;
    whole.fresh = 0;
    whole.position = x->g->phases[phase].first;
    choose_lane(x, &whole, 0);
    for (int lane = x->begin; lane < x->end; lane++)
        clear_lane(x, &whole, lane, phase, e);
    if (x->ranks)
        ranks_gather_sources(x->ranks, &whole, at_position(x->g, whole.position));
    run_positions(x, &whole, &x->g->phases[phase], e->n, x->workers[0].times);
}

static struct kctx with_all_threads(const struct exec *x) {
    struct kctx c = x->workers[0].chunk.ctx;
    c.threads = x->config.threads;
    return c;
}

static void add_lanes(struct exec *x, int phase, const struct extent *e) {
    double start = clock_seconds();
    const struct kctx c = with_all_threads(x);
    if (x->ranks)
        ranks_add(x->ranks, &x->gradients, x->config.kernels, &c, phase,
                  x->config.owners && e->updates);
    else
        lanes_add(&x->gradients, x->config.kernels, &c, phase, 0, x->lanes);
    x->seconds_reduce += clock_seconds() - start;
}

/* What is still on its way between ranks. */
static void finish_lanes(struct exec *x) {
    double start = clock_seconds();
    const struct kctx c = with_all_threads(x);
    if (x->ranks)
        ranks_finish(x->ranks, &x->gradients, x->config.kernels, &c);
    x->seconds_reduce += clock_seconds() - start;
}

static void run_phase(struct exec *x, int phase, const struct extent *e) {
    if (x->g->phases[phase].whole)
        run_whole(x, phase, e);
    else {
#pragma omp parallel for num_threads(x->config.threads) schedule(dynamic, 1)
        for (int lane = x->begin; lane < x->end; lane++)
            run_lane(x, &x->workers[omp_get_thread_num()], phase, lane, e);
    }
    if (x->g->train && e->last)
        add_lanes(x, phase, e);
}

/* The gradients of shared values, complete now, handed on to what they were made from. */
static void finish_shared(struct exec *x) {
    const struct graph *g = x->g;
    struct chunk whole = x->workers[0].chunk;
    whole.n = 1;
    whole.first = 0;
    choose_lane(x, &whole, 0);
    for (int i = g->n - 1; i >= 0; i--) {
        const struct tensor *t = g->tensors[i];
        if (t->kind == TENSOR_SHARED && t->needs_grad)
            t->op->backward(&whole, t);
    }
}

double exec_loss(const struct exec *x, const struct tensor *t, int n) {
    const real *value = exec_output(x, t);
    double sum = 0;
    for (size_t j = 0; j < t->per_sample * (size_t)n; j++)
        sum += (double)value[j];
    return sum / n;
}

static double total_loss(const struct exec *x, int n) {
    double loss = 0;
    for (int i = 0; i < x->g->n; i++)
        if (x->g->tensors[i]->objective && x->weights[i] != 0)
            loss += x->weights[i] * exec_loss(x, x->g->tensors[i], n);
    return loss;
}

struct task {
    struct exec *x;
    const struct extent *e;
};

static void run_phases(void *self) {
    const struct task *task = self;
    struct exec *x = task->x;
    for (int i = 0; i < x->g->n_phases; i++)
        run_phase(x, i, task->e);
    if (!x->g->train || !task->e->last)
        return;
    finish_lanes(x);
    finish_shared(x);
}

/* What launches depend on, beside places in memory. */
static void list_numbers(const struct exec *x, const struct extent *e, double *out) {
    const int of_extent[EXTENT_NUMBERS] = {e->n, e->n_total, e->first, e->last, e->updates};
    for (int i = 0; i < EXTENT_NUMBERS; i++)
        *out++ = of_extent[i];
    for (int i = 0; i < x->g->n; i++) {
        const real *scalar = x->g->tensors[i]->kind == TENSOR_SCALAR ? x->bound[i] : NULL;
        *out++ = x->weights[i];
        *out++ = scalar ? (double)*scalar : 0;
    }
}

static double run(struct exec *x, const struct extent *e) {
    CHECK(e->n > 0 && e->n <= x->config.batch, "%d samples in a graph for %d", e->n,
          x->config.batch);
    double start = clock_seconds();
    if (x->away)
        away_send(x->away, x->bound, e->n);
    if (x->ranks)
        ranks_begin(x->ranks, e->n);
    prepare(x);
    double prepared = clock_seconds();
    struct task task = {x, e};
    if (x->replay) {
        list_numbers(x, e, replay_numbers(x->replay));
        replay_run(x->replay, run_phases, &task, &x->g->model->version);
    } else
        run_phases(&task);
    if (x->away) {
        away_send_ahead(x->away);
        away_fetch(x->away,
                   &(struct away_results){.shared = x->shared.data, .updated = e->updates});
    }
    x->seconds_prepare += prepared - start;
    x->seconds_total += clock_seconds() - start;
    x->runs++;
    x->samples += e->n;
    return total_loss(x, e->n) * e->n / e->n_total;
}

double exec_run(struct exec *x, int n) {
    return run(x, &(struct extent){.n = n, .n_total = n, .first = 1, .last = 1, .updates = 1});
}

double exec_run_part(struct exec *x, int n, int n_total, int first, int last) {
    CHECK(!exec_mixes_samples(x), "the samples of this graph meet");
    const struct extent part = {
        .n = n, .n_total = n_total, .first = first, .last = last, .updates = 1};
    return run(x, &part);
}

int exec_mixes_samples(const struct exec *x) {
    for (int i = 0; i < x->g->n_phases; i++)
        if (x->g->phases[i].whole)
            return 1;
    return 0;
}

void exec_share(const struct exec *x, int n, int *first, int *end) {
    *first = 0;
    *end = n;
    if (!x->ranks)
        return;
    *first = ranks_first_row(x->ranks, n, x->config.ranks->rank);
    *end = ranks_first_row(x->ranks, n, x->config.ranks->rank + 1);
}

double exec_probe(struct exec *x, int n) {
    return run(x, &(struct extent){.n = n, .n_total = n, .first = 1, .last = 1});
}

int exec_there(const struct exec *x, struct exec_there *out) {
    if (!x->away)
        return 0;
    *out = (struct exec_there){.device = x->config.device,
                               .ctx = x->workers[0].chunk.ctx,
                               .values = away_values(x->away),
                               .gradient = x->gradient.data};
    return 1;
}

void exec_settle(struct exec *x) {
    away_settle(x->away);
}

void exec_fetch_values(struct exec *x) {
    if (x->away)
        away_fetch_values(x->away);
}

real *exec_value(const struct exec *x, const struct param *p) {
    if (x->away)
        away_get(x->away, p);
    return x->g->model->value + p->offset;
}

void exec_value_changed(const struct exec *x, const struct param *p) {
    if (x->away)
        away_put(x->away, p);
}

double exec_flops(const struct exec *x, int n) {
    return n * (x->g->flops_forward + x->g->flops_backward);
}

size_t exec_peak_bytes(const struct exec *x) {
    return x->g->model->slab.bytes + x->activations.bytes + x->crossing.bytes + x->outputs.bytes +
           x->packed.bytes + x->shared.bytes + x->gradient.bytes + x->workspace.bytes +
           (x->ranks ? ranks_bytes(x->ranks) : 0);
}
