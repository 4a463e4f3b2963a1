#include "nn/transit.h"

#include "nn/away.h"

#include <string.h>

enum { SETS = TRANSIT_SETS };

_Static_assert(TRANSIT_STAGES *SETS <= COMMUNICATOR_SLOTS,
               "each bucket in each exchange has a slot");

/* Of a bucket, what a rank gets on a level: some of a row, seen from the bucket's begin on. */
struct part {
    struct lanes_row row;
    struct span span;
};

/* ---- opening ---- */

const struct branch *transit_own(const struct transit *t, int *n) {
    const struct level *v = &t->straight.levels[0];
    *n = level_branches(v, v->own);
    return v->branches + v->first_branch[v->own];
}

size_t transit_owned(const struct transit *t) {
    return route_slice((struct span){0, t->most}, t->c->size, 0).count;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Reals for a level of a route on which `count` arrive, and how many this rank goes on with. */
static size_t measure(const struct level *v, size_t count, size_t *out, size_t *in) {
    const size_t slice = route_slice((struct span){0, count}, v->size, 0).count;
    *out = larger(*out, (size_t)level_branches(v, v->own) * (size_t)v->size * slice);
    *in = larger(*in, (size_t)v->first_branch[v->size] * slice);
    return slice;
}

static int open_memory(struct transit *t, struct arena *a, struct error *err) {
    size_t out[ROUTE_LEVELS] = {0}, in[ROUTE_LEVELS] = {0}, most = t->most, count = t->most;
    int status = 0;
    measure(&t->straight.levels[0], t->most, &out[0], &in[0]);
    for (int l = 0; l < t->usual.n; l++)
        count = measure(&t->usual.levels[l], count, &out[l], &in[l]);
    for (int l = 0; l < t->usual.n; l++) {
        TRY(memory_get(t->device, &t->out[l], SETS * out[l] * sizeof(real),
                       "gradients for other ranks", err));
        TRY(memory_get(t->device, &t->in[l], SETS * in[l] * sizeof(real),
                       "gradients of other ranks", err));
        most = larger(most, larger(out[l], in[l]));
    }
    TRY(memory_get(t->device, &t->sum, (size_t)t->usual.n * SETS * t->most * sizeof(real),
                   "gradients of all ranks", err));
    TRY(carrier_open(&t->carrier, a, t->c, t->device, most * sizeof(real), 2 * t->usual.n * SETS,
                     err));
out:
    return status;
}

int transit_open(struct transit *t, struct arena *a, const int *first_lane, struct error *err) {
    t->to = ARENA_ARRAY(a, struct communicator_block, t->c->size);
    t->from = ARENA_ARRAY(a, struct communicator_block, t->c->size);
    t->sums = ARENA_ARRAY(a, real *, first_lane[t->c->size]);
    route_straight(&t->straight, a, t->c, first_lane);
    route_by_machines(&t->usual, a, t->c, first_lane);
    return open_memory(t, a, err);
}

size_t transit_bytes(const struct transit *t) {
    size_t bytes = t->sum.bytes + carrier_bytes(t->carrier);
    for (int l = 0; l < t->usual.n; l++)
        bytes += t->out[l].bytes + t->in[l].bytes;
    return bytes;
}

void transit_close(struct transit *t) {
    for (int l = 0; l < t->usual.n; l++) {
        memory_put(t->device, &t->out[l]);
        memory_put(t->device, &t->in[l]);
    }
    memory_put(t->device, &t->sum);
    carrier_close(t->carrier);
}

/* ---- the way ---- */

static const struct route *route_of(const struct transit *t, const struct bucket *k) {
    return k->to_owners ? &t->straight : &t->usual;
}

/* Down all levels, and up again but for what stays with its owner. */
static int stages_of(const struct transit *t, const struct bucket *k) {
    return k->to_owners ? 1 : 2 * t->usual.n;
}

/* For a bucket's exchange. */
static int slot_of(long number, int stage) {
    return stage * SETS + (int)(number % SETS);
}

/* Of equal places in memory, which buckets take in turn. */
static real *place_of(const struct slab *s, int places, long number) {
    return (real *)s->data + s->bytes / sizeof(real) / (size_t)places * (size_t)(number % places);
}

static real *place_of_sum(const struct transit *t, long number) {
    return place_of(&t->sum, t->usual.n * SETS, number);
}

/* What this rank has of a bucket above a level. */
static struct span held_above(const struct transit *t, const struct bucket *k, int level) {
    struct span s = {0, k->count};
    for (int l = 0; l < level; l++)
        s = route_slice(s, t->usual.levels[l].size, t->usual.levels[l].own);
    return s;
}

/* What the i-th rank of a level gets there. */
static struct part part_of(const struct transit *t, const struct bucket *k, int level, int i) {
    if (!k->to_owners)
        return (struct part){{k->segment, k->whose},
                             route_slice(held_above(t, k, level), t->usual.levels[level].size, i)};
    const struct lanes_row row = {k->segment, i};
    size_t all = lanes_completed(t->l, row), left = all > k->begin ? all - k->begin : 0;
    return (struct part){row, {0, left < k->count ? left : k->count}};
}

static void clear_blocks(struct transit *t) {
    memset(t->to, 0, sizeof *t->to * (size_t)t->c->size);
    memset(t->from, 0, sizeof *t->from * (size_t)t->c->size);
}

static struct communicator_block block(size_t first, size_t count) {
    return (struct communicator_block){first * sizeof(real), count * sizeof(real)};
}

/* What this rank holds of a bucket, on its way to those of a level: the branches of its own lanes,
 * or what it added on the level before. */
static void send_down(struct transit *t, const struct kctx *c, const struct bucket *k, long number,
                      int level) {
    const struct level *v = &route_of(t, k)->levels[level];
    const size_t mine = part_of(t, k, level, v->own).span.count;
    const size_t above = held_above(t, k, level).begin;
    real *out = place_of(&t->out[level], SETS, number);
    size_t at = 0;
    clear_blocks(t);
    for (int i = 0; i < v->size; i++) {
        const struct part part = part_of(t, k, level, i);
        const size_t first = at;
        const int p = v->first + i * v->stride;
        for (int j = 0; j < level_branches(v, v->own); j++, at += part.span.count)
            if (level)
                t->kernels->axpby(c, part.span.count, 1, t->sums[j] + (part.span.begin - above), 0,
                                  out + at);
            else
                lanes_read(t->l, t->kernels, c, v->branches[v->first_branch[v->own] + j].first,
                           part.row, k->begin + part.span.begin, part.span.count, out + at);
        t->to[p] = block(first, at - first);
        t->from[p] = block((size_t)v->first_branch[i] * mine, (size_t)level_branches(v, i) * mine);
    }
    carrier_start(t->carrier, slot_of(number, level), out, t->to,
                  place_of(&t->in[level], SETS, number), t->from);
}

/* What this rank has the sum of below a level, on its way to those of the level. */
static void send_up(struct transit *t, const struct bucket *k, long number, int level) {
    const struct level *v = &t->usual.levels[level];
    const int slot = slot_of(number, 2 * t->usual.n - 1 - level);
    const struct span own = part_of(t, k, level, v->own).span;
    real *sum = place_of_sum(t, number);
    clear_blocks(t);
    for (int i = 0; i < v->size; i++) {
        const struct span part = part_of(t, k, level, i).span;
        const int p = v->first + i * v->stride;
        if (v->size < t->c->size && i == v->own)
            continue;
        t->to[p] = block(own.begin, own.count);
        t->from[p] = block(part.begin, part.count);
    }
    if (v->size == t->c->size)
        carrier_start_gather(t->carrier, slot, sum, t->from);
    else
        carrier_start(t->carrier, slot, sum, t->to, sum, t->from);
}

/* A level's branches, which have come; then those of the next level get what they are together, or,
 * behind the last one, those of this level the sum, or its owner keeps it. */
static void add_down(struct transit *t, const struct kctx *c, const struct bucket *k, long number,
                     int level) {
    const struct route *r = route_of(t, k);
    const struct level *v = &r->levels[level];
    const struct part mine = part_of(t, k, level, v->own);
    level_add(v, t->kernels, c, mine.span.count, place_of(&t->in[level], SETS, number), t->sums);
    if (level + 1 < r->n) {
        send_down(t, c, k, number, level + 1);
    } else if (k->to_owners) {
        lanes_write(t->l, t->kernels, c, mine.row, k->begin, mine.span.count, t->sums[0]);
    } else {
        t->kernels->axpby(c, mine.span.count, 1, t->sums[0], 0,
                          place_of_sum(t, number) + mine.span.begin);
        send_up(t, k, number, level);
    }
}

int transit_last_step(const struct transit *t) {
    return 2 * t->usual.n;
}

void transit_step(struct transit *t, const struct kctx *c, const struct bucket *k, long number,
                  int step) {
    const int levels = route_of(t, k)->n, stages = stages_of(t, k);
    if (step > stages)
        return;
    if (step)
        carrier_finish(t->carrier, slot_of(number, step - 1));
    if (!step)
        send_down(t, c, k, number, 0);
    else if (step <= levels)
        add_down(t, c, k, number, step - 1);
    else if (step < stages)
        send_up(t, k, number, stages - 1 - step);
    else
        lanes_write(t->l, t->kernels, c, (struct lanes_row){k->segment, k->whose}, k->begin,
                    k->count, place_of_sum(t, number));
}

int transit_arrived(struct transit *t, const struct bucket *k, long number, int step) {
    return step > stages_of(t, k) || carrier_arrived(t->carrier, slot_of(number, step - 1));
}
