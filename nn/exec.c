#include "core/clock.h"
#include "nn/away.h"
#include "nn/exec_internal.h"
#include "nn/replay.h"

#include <omp.h>
#include <string.h>

enum { EXTENT_NUMBERS = 5 };

static int open_buckets(struct exec *x, size_t bucket, struct error *err) {
    struct communicator *c = x->config.ranks;
    int *first = ARENA_ARRAY(&x->arena, int, c->size + 1);
    for (int p = 0; p <= c->size; p++)
        first[p] = ranks_first_lane(x->ranks, p);
    const struct buckets_config config = {.c = c,
                                          .device = x->config.device,
                                          .kernels = x->config.kernels,
                                          .lanes = &x->gradients,
                                          .first_lane = first,
                                          .threads = x->config.threads,
                                          .bucket = bucket};
    return buckets_open(&x->buckets, &x->arena, &config, err);
}

static int allocate(struct exec *x, struct error *err) {
    const struct graph *g = x->g;
    const struct exec_config *c = &x->config;
    size_t arena = g->chunk_per_sample * (size_t)c->chunk, batch = (size_t)c->batch;
    const size_t bucket = c->bucket ? c->bucket : buckets_usual(communicator_size(c->ranks));
    if (g->train)
        lanes_open(&x->gradients, &x->arena, g,
                   &(struct lanes_config){x->begin, x->end, c->owners, x->ranks ? bucket : 0});
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
        {&x->sums, g->sum_count * (size_t)(x->lanes + 1), "sums of outputs"},
        {&x->gradient, g->train ? lanes_reals(&x->gradients) : 0, "gradients"},
    };
    int status = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        TRY(memory_get(c->device, all[i].slab, all[i].reals * sizeof(real), all[i].what, err));
    x->gradients.data = x->gradient.data;
    if (x->ranks)
        TRY(open_buckets(x, bucket, err));
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
                                        .batch = x->config.batch};
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
    struct slab *const slabs[] = {&x->activations, &x->crossing,  &x->outputs,  &x->packed,
                                  &x->shared,      &x->workspace, &x->gradient, &x->sums};
    for (size_t i = 0; i < sizeof slabs / sizeof *slabs; i++)
        memory_put(x->config.device, slabs[i]);
    buckets_close(x->buckets);
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
    int first, end;
    exec_share(x, n, &first, &end);
    if (x->away && x->config.ahead)
        away_announce(x->away, input, data, &(struct away_samples){n, first, end});
}

void exec_weigh(struct exec *x, const struct tensor *objective, double weight) {
    CHECK(objective->objective, "%s is not an objective", objective->name);
    x->weights[objective->number] = weight;
}

static const real *output_there(const struct exec *x, const struct tensor *t) {
    CHECK(t->output, "%s is not an output", t->name);
    real *rows = (real *)x->outputs.data + t->output_offset * (size_t)x->config.batch;
    if (x->ranks)
        ranks_gather_output(x->ranks, t, rows);
    return rows;
}

const real *exec_output(const struct exec *x, const struct tensor *t) {
    const real *there = output_there(x, t);
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
    exec_phases(task->x, task->e);
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

static void send_inputs(struct exec *x, int n) {
    struct away_samples own = {.n = n};
    exec_share(x, n, &own.first, &own.end);
    away_send(x->away, x->bound, &own);
}

static double run(struct exec *x, const struct extent *e) {
    CHECK(e->n > 0 && e->n <= x->config.batch, "%d samples in a graph for %d", e->n,
          x->config.batch);
    double start = clock_seconds();
    if (x->away)
        send_inputs(x, e->n);
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
           x->sums.bytes + (x->ranks ? ranks_bytes(x->ranks) + buckets_bytes(x->buckets) : 0);
}
