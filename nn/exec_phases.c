/* exec_phases.c -- lanes and their chunks through the phases of a graph, forth and back. */
#include "core/clock.h"
#include "nn/exec_internal.h"

#include <omp.h>

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

/* What happens at one position: an operation, or none. */
static void run_position(const struct exec *x, struct chunk *c, int i, int n_batch,
                         struct op_time *times) {
    const struct graph *g = x->g;
    c->position = i;
    for (const struct again *a = g->again[i]; a; a = a->next_at)
        run_forward(x, c, a->t, times);
    const struct tensor *t = at_position(g, i);
    if (t->kind != TENSOR_VALUE)
        return;
    if (i < g->n)
        run_forward(x, c, t, times);
    else if (t->needs_grad)
        run_backward(x, c, t, n_batch, times);
}

static struct dealt dealt(const struct exec *x, int n) {
    return (struct dealt){.n = n, .chunk = x->config.chunk, .lanes = x->lanes};
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
    const struct dealt d = dealt(x, e->n);
    if (x->g->train && e->first)
        lanes_clear(&x->gradients, x->config.kernels, &c->ctx, lane, phase,
                    dealt_first(&d, lane) == dealt_first(&d, lane + 1));
}

/* Between two operations of a chunk of this rank's: what all lanes have completed is summed, by
 * whoever comes by, and sent, by the thread that MPI may be called by. */
static void attend(struct exec *x, struct worker *w) {
    buckets_help(x->buckets, &w->chunk.ctx);
    if (w == x->workers)
        buckets_move(x->buckets, &w->chunk.ctx);
}

/* A chunk through one phase; behind the last of a lane nothing more is given to what it passed. */
static void run_chunk(struct exec *x, struct worker *w, const struct phase *p, int n_batch,
                      int is_last) {
    for (int i = p->first; i <= p->last; i++) {
        run_position(x, &w->chunk, i, n_batch, w->times);
        if (!x->buckets)
            continue;
        if (is_last)
            w->segment = buckets_pass(x->buckets, w->segment, i);
        attend(x, w);
    }
}

static void run_lane(struct exec *x, struct worker *w, int phase, int lane,
                     const struct extent *e) {
    const struct dealt d = dealt(x, e->n);
    const struct phase *p = &x->g->phases[phase];
    const int first = dealt_first(&d, lane), end = dealt_first(&d, lane + 1);
    choose_lane(x, &w->chunk, lane);
    clear_lane(x, &w->chunk, lane, phase, e);
    w->segment = x->buckets ? x->gradients.first_segment[phase] : 0;
    for (int at = first; at < end; at += d.chunk) {
        w->chunk.first = at;
        w->chunk.n = end - at < d.chunk ? end - at : d.chunk;
        w->chunk.fresh = e->first && at == first;
        run_chunk(x, w, p, e->n_total, e->last && at + d.chunk >= end);
    }
    if (x->buckets && e->last) /* without a chunk it passes all at once */
        buckets_pass(x->buckets, w->segment, p->last);
}

/* The main thread's lanes are over: it sends what those of others complete. */
static void await_lanes(struct exec *x, const struct extent *e) {
    double start = clock_seconds();
    while (x->buckets && e->last && !buckets_are_passed(x->buckets)) {
        attend(x, x->workers);
        clock_rest(clock_seconds() - start);
    }
}

static void run_lanes(struct exec *x, int phase, const struct extent *e) {
#pragma omp parallel num_threads(x->config.threads)
    {
        struct worker *w = &x->workers[omp_get_thread_num()];
#pragma omp for schedule(dynamic, 1) nowait
        for (int lane = x->begin; lane < x->end; lane++)
            run_lane(x, w, phase, lane, e);
        if (w == x->workers)
            await_lanes(x, e);
    }
}

/* A part (width) of each lane; those of others come from them. */
static void gather_lanes(struct exec *x, const struct chunk *whole, const struct tensor *t,
                         void (*make)(const struct chunk *, const struct tensor *, real *),
                         size_t width, real *parts) {
    const struct dealt *dealt = &whole->whole.dealt;
#pragma omp parallel for num_threads(x->config.threads) schedule(static)
    for (int lane = x->begin; lane < x->end; lane++) {
        struct chunk c = *whole;
        c.ctx = x->workers[omp_get_thread_num()].chunk.ctx;
        c.first = dealt_first(dealt, lane);
        c.n = dealt_first(dealt, lane + 1) - (int)c.first;
        make(&c, t, parts + width * (size_t)lane);
    }
    if (x->ranks)
        ranks_gather_parts(x->ranks, width, parts);
}

/* What each lane is to an operation on the whole batch. */
static void make_parts(struct exec *x, struct chunk *whole, const struct tensor *t) {
    const int back = whole->position >= x->g->n;
    void (*const make)(const struct chunk *, const struct tensor *, real *) =
        back ? t->op->lane_backward : t->op->lane_forward;
    real *parts = back ? chunk_grad_src(whole, t, 0) : chunk_result(whole, t);
    CHECK(t->src[0]->per_sample == t->per_sample && x->lanes <= x->config.batch && !t->acc[0],
          "%s: what lanes are to it", t->name);
    gather_lanes(x, whole, t, make, t->per_sample, parts);
    whole->whole.parts = parts;
}

static void run_whole(struct exec *x, int phase, const struct extent *e) {
    struct chunk whole = x->workers[0].chunk;
    int end;
    whole.ctx.threads = x->config.threads;
    whole.first = 0;
    whole.n = e->n;
    whole.updates = e->updates;
    whole.fresh = 0;
    whole.position = x->g->phases[phase].first;
    whole.whole = (struct whole){.dealt = dealt(x, e->n)};
    exec_share(x, e->n, &whole.whole.first, &end);
    whole.whole.own = end - whole.whole.first;
    choose_lane(x, &whole, 0);
    for (int lane = x->begin; lane < x->end; lane++)
        clear_lane(x, &whole, lane, phase, e);
    const struct tensor *t = at_position(x->g, whole.position);
    if (t->op->lane_forward && x->lanes > 1)
        make_parts(x, &whole, t);
    else if (x->ranks)
        ranks_gather_sources(x->ranks, &whole, t);
    run_position(x, &whole, whole.position, e->n, x->workers[0].times);
}

static struct kctx with_all_threads(const struct exec *x) {
    struct kctx c = x->workers[0].chunk.ctx;
    c.threads = x->config.threads;
    return c;
}

/* What this phase was the last to give to. */
static void add_lanes(struct exec *x, int phase) {
    double start = clock_seconds();
    const struct kctx c = with_all_threads(x);
    const struct lanes *l = &x->gradients;
    if (x->buckets)
        buckets_send(x->buckets, &c);
    for (int i = l->first_segment[phase]; i < l->first_segment[phase + 1] && !x->buckets; i++)
        lanes_add(l, x->config.kernels, &c, 0, x->lanes, (struct lanes_row){i, LANES_OF_ANY}, 0,
                  l->segments[i].count);
    x->seconds_reduce += clock_seconds() - start;
}

/* What is still on its way between ranks. */
static void finish_lanes(struct exec *x) {
    double start = clock_seconds();
    const struct kctx c = with_all_threads(x);
    if (x->buckets)
        buckets_finish(x->buckets, &c);
    x->seconds_reduce += clock_seconds() - start;
}

static void run_phase(struct exec *x, int phase, const struct extent *e) {
    const int completes = x->g->train && e->last;
    if (x->buckets && completes)
        buckets_begin(x->buckets, phase, x->config.owners && e->updates);
    if (x->g->phases[phase].whole)
        run_whole(x, phase, e);
    else
        run_lanes(x, phase, e);
    if (completes)
        add_lanes(x, phase);
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

void exec_phases(struct exec *x, const struct extent *e) {
    for (int i = 0; i < x->g->n_phases; i++)
        run_phase(x, i, e);
    if (!x->g->train || !e->last)
        return;
    finish_lanes(x);
    finish_shared(x);
}

/* ---- sums of outputs ---- */

static int columns(const struct tensor *t) {
    return t->dim[t->ndim - 1];
}

static void sum_columns(const struct chunk *c, const struct tensor *t, real *part) {
    const int cols = columns(t), rows = c->n * (int)(t->per_sample / (size_t)cols);
    c->k->fill(&c->ctx, (size_t)cols, 0, part);
    c->k->column_sum(&c->ctx, rows, cols, chunk_value(c, t), part);
}

const real *exec_column_sums(struct exec *x, const struct tensor *t, int n) {
    CHECK(t->summed && n <= x->config.batch, "%s is not summed", t->name);
    struct chunk whole = x->workers[0].chunk;
    const int cols = columns(t);
    real *sums = x->sums.data, *parts = sums + cols;
    whole.whole = (struct whole){.dealt = dealt(x, n)};
    gather_lanes(x, &whole, t, sum_columns, (size_t)cols, parts);
    whole.k->fill(&whole.ctx, (size_t)cols, 0, sums);
    whole.k->column_sum(&whole.ctx, x->lanes, cols, parts, sums);
    return sums;
}
