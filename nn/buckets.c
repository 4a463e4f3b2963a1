/* buckets.c -- the sum of gradients over ranks.
 *
 * A rank sums its own lanes as far as the tree goes; what that gives travels in buckets, on the
 * levels of a route (nn/route.h) to those that add, and back to all.  That is a reduce-scatter and
 * an all-gather: per rank and weight, little more than two numbers sent where the number of ranks
 * is a power of two, whatever it is.  No engine's own reduction is used, since their order of
 * adding depends on algorithm and number of ranks.
 *
 * Buckets are one behind the other: while one is on its way to those that add, the one before it is
 * added, and what was added of that before is on its way to all (nn/transit.h).  What is added to
 * what is the same whatever the size of a bucket, and whenever it is sent.
 *
 * Where ranks own weights (nn/moments.h), a bucket has some of what each rank owns instead of equal
 * slices; it goes straight there, and what was added stays.
 *
 * Threads meet in three counters a segment and in `summing`.  A thread counts a lane in `passed`
 * when everything that it wrote for the segment is written, and who reads the full count there sees
 * all of that; the parts of the sum are dealt out by `taken`, each to one thread, and counted in
 * `summed` when they are done, so that the main thread, which sends when all are, sees them.  All
 * are sequentially consistent: there are a few of them between two operations on many numbers.
 * Nobody touches what a segment holds between its last lane and its sum, nor before the next run
 * what was written back: no operation that is still to come gives to it.
 */
#include "nn/buckets.h"

#include "nn/transit.h"

#include <stdatomic.h>

enum { REMEMBERED = TRANSIT_STAGES * TRANSIT_SETS }; /* buckets */

/* Lanes of this rank; parts of the sum of these. */
struct progress {
    atomic_int passed, taken, summed;
};

struct buckets {
    struct communicator *c;
    struct device *device;
    const struct kernels *kernels;
    const struct lanes *l;
    struct transit way;
    size_t usual; /* reals in a bucket that were asked for */
    struct bucket remembered[REMEMBERED];
    long done[TRANSIT_STAGES + 1]; /* buckets that have had a step */
    /* of the phase */
    int to_owners, end;        /* behind its last segment */
    struct bucket next;        /* to be sent */
    int parts;                 /* in which the own lanes of a segment are summed */
    struct progress *progress; /* (n_segments) */
    atomic_int summing;        /* in segments before it no part is left */
};

/* ---- opening ---- */

/* A rank sends each other one an R-th of a bucket.  At 128 KiB what a message costs by itself,
 * some microseconds, is about what its bytes do at tens of GB/s, so that of 64 ranks on buckets
 * grow with their number.  From 256 ranks on they do not: a bucket of 32 MiB is one of eleven of a
 * ViT-B's, and with the ones before and behind it on their way takes 0.2 to 0.3 GiB of each rank;
 * larger ones would leave little to send before the way back is over. */
size_t buckets_usual(int ranks) {
    enum { MESSAGE = 1 << 15, LEAST = 1 << 21, MOST = 1 << 23 };
    const size_t reals = (size_t)MESSAGE * (size_t)ranks;
    return reals < LEAST ? LEAST : reals > MOST ? MOST : reals;
}

static size_t round_to_line(size_t reals) {
    return (reals + ROUTE_LINE - 1) / ROUTE_LINE * ROUTE_LINE;
}

static int own_lanes(const struct buckets *b) {
    return b->l->end - b->l->begin;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Equal parts of so many reals, none of twice the usual: a segment that is a bit more than a bucket
 * is one. */
static size_t in_parts(const struct buckets *b, size_t reals) {
    size_t n = reals / b->usual;
    return round_to_line(n ? (reals + n - 1) / n : reals);
}

/* Parts for all threads, of a cache line at least; none where no lanes meet here. */
static int count_parts(const struct buckets *b, int threads) {
    int own;
    const struct branch *branch = transit_own(&b->way, &own);
    for (int i = 0; i < own; i++)
        if (branch[i].lanes > 1)
            return threads;
    return 0;
}

int buckets_open(struct buckets **out, struct arena *a, const struct buckets_config *config,
                 struct error *err) {
    struct communicator *c = config->c;
    const int lanes = config->first_lane[c->size];
    CHECK(lanes > 0 && !(lanes & (lanes - 1)), "%d lanes on several ranks", lanes);
    struct buckets *b = *out = ARENA_NEW(a, struct buckets);
    *b = (struct buckets){.c = c,
                          .device = config->device,
                          .kernels = config->kernels,
                          .l = config->lanes,
                          .usual = round_to_line(config->bucket),
                          .progress =
                              ARENA_ARRAY(a, struct progress, config->lanes->n_segments + 1)};
    b->way = (struct transit){
        .c = c, .device = b->device, .kernels = b->kernels, .l = b->l, .most = ROUTE_LINE};
    for (int i = 0; i < b->l->n_segments; i++)
        b->way.most = larger(b->way.most, in_parts(b, b->l->segments[i].count));
    int status = transit_open(&b->way, a, config->first_lane, err);
    b->parts = count_parts(b, config->threads);
    return status;
}

size_t buckets_bytes(const struct buckets *b) {
    return transit_bytes(&b->way);
}

void buckets_close(struct buckets *b) {
    if (b)
        transit_close(&b->way);
}

/* ---- the own lanes ---- */

static void look_at_segment(struct buckets *b, int segment) {
    b->next =
        (struct bucket){.segment = segment, .whose = b->to_owners ? LANES_OF_NONE : LANES_OF_ANY};
}

void buckets_begin(struct buckets *b, int phase, int to_owners) {
    const int first = b->l->first_segment[phase];
    b->end = b->l->first_segment[phase + 1];
    b->to_owners = to_owners;
    look_at_segment(b, first);
    atomic_store(&b->summing, first);
    for (int i = first; i < b->end; i++) {
        atomic_store(&b->progress[i].passed, 0);
        atomic_store(&b->progress[i].taken, 0);
        atomic_store(&b->progress[i].summed, 0);
    }
}

int buckets_pass(struct buckets *b, int s, int position) {
    while (s < b->end && b->l->segments[s].last <= position)
        atomic_fetch_add(&b->progress[s++].passed, 1);
    return s;
}

static int is_passed(const struct buckets *b, int segment) {
    return atomic_load(&b->progress[segment].passed) == own_lanes(b);
}

/* Lanes pass segments one after the other. */
int buckets_are_passed(const struct buckets *b) {
    return b->next.segment >= b->end || is_passed(b, b->end - 1);
}

/* The part of the sum that is this thread's now, or -1. */
static int take_part(struct buckets *b, int *segment) {
    int i = atomic_load(&b->summing);
    while (i < b->end && is_passed(b, i)) {
        int part = atomic_fetch_add(&b->progress[i].taken, 1);
        *segment = i;
        if (part < b->parts)
            return part;
        atomic_compare_exchange_strong(&b->summing, &i, i + 1);
        i = atomic_load(&b->summing);
    }
    return -1;
}

int buckets_help(struct buckets *b, const struct kctx *c) {
    int segment, own, part = take_part(b, &segment);
    const struct branch *branch = transit_own(&b->way, &own);
    if (part < 0)
        return 0;
    const struct lanes_row row = {segment, LANES_OF_ANY};
    const size_t all = b->l->segments[segment].count;
    const size_t one = round_to_line((all + (size_t)b->parts - 1) / (size_t)b->parts);
    const size_t begin = (size_t)part * one;
    if (begin < all)
        for (int i = 0; i < own; i++)
            lanes_add(b->l, b->kernels, c, branch[i].first, branch[i].lanes, row, begin, one);
    atomic_fetch_add(&b->progress[segment].summed, 1);
    return 1;
}

static int is_summed(const struct buckets *b, int segment) {
    return is_passed(b, segment) && atomic_load(&b->progress[segment].summed) == b->parts;
}

/* ---- what is done when ---- */

/* What the busiest rank owns of a segment. */
static size_t owned_most(const struct buckets *b, int segment) {
    size_t most = 0;
    for (int p = 0; p < b->c->size; p++)
        most = larger(most, lanes_completed(b->l, (struct lanes_row){segment, p}));
    return most;
}

/* b->next with its size, when its segment is summed: of each segment what nobody owns, then what
 * ranks own.  0: there is none now. */
static int find_next(struct buckets *b) {
    struct bucket *k = &b->next;
    while (k->segment < b->end && is_summed(b, k->segment)) {
        const struct lanes_row row = {k->segment, k->whose};
        size_t all = k->to_owners ? owned_most(b, k->segment) : lanes_completed(b->l, row);
        size_t most = k->to_owners ? transit_owned(&b->way) : in_parts(b, all);
        if (k->begin < all) {
            k->count = smaller(all - k->begin, smaller(most, b->way.most));
            return 1;
        }
        if (b->to_owners && !k->to_owners)
            *k = (struct bucket){.segment = k->segment, .to_owners = 1};
        else
            look_at_segment(b, k->segment + 1);
    }
    return 0;
}

static int last_step(const struct buckets *b) {
    return transit_last_step(&b->way);
}

static int is_under_way(const struct buckets *b) {
    return b->done[last_step(b)] < b->done[0];
}

static struct bucket *remembered(struct buckets *b, long bucket) {
    return &b->remembered[bucket % REMEMBERED];
}

/* Whether there is a bucket for a step, and in the exchange behind it a place for that. */
static int is_possible(struct buckets *b, int step) {
    if (step < last_step(b) && b->done[step] - b->done[step + 1] == TRANSIT_SETS)
        return 0;
    return step ? b->done[step] < b->done[step - 1] : find_next(b);
}

/* Whether what a step of its next bucket needs has come.  Between devices that send to each other
 * it is their queues that wait, and what is asked of these must not depend on what has come: NCCL
 * wants the same order on all ranks.  There a bucket's turn for a step comes when the next one has
 * had the step before: so while one is added another one travels. */
static int has_come(struct buckets *b, int step) {
    const long bucket = b->done[step];
    if (!step)
        return 1;
    if (carrier_is_queued(b->way.carrier))
        return bucket < b->done[step - 1] - 1;
    return transit_arrived(&b->way, remembered(b, bucket), bucket, step);
}

static void do_step(struct buckets *b, const struct kctx *c, int step) {
    const long bucket = b->done[step]++;
    struct bucket *k = remembered(b, bucket);
    if (!step) {
        *k = b->next;
        b->next.begin += k->count;
    }
    transit_step(&b->way, c, k, bucket, step);
}

/* One step; 0: none can be done without waiting.  Whoever sends a bucket has done all that is
 * possible for those before: so on devices the order does not depend on when a bucket is complete.
 */
static int advance(struct buckets *b, const struct kctx *c) {
    for (int step = last_step(b); step >= 0; step--)
        if (is_possible(b, step) && has_come(b, step)) {
            do_step(b, c, step);
            return 1;
        }
    return 0;
}

/* The first step that is possible, which makes room for the next bucket.  Nobody waits in a circle:
 * a step s is waited for when there is no room in all exchanges before it, with a bucket 2 s before
 * the next one; who has sent that next one has done step s - 1 of the one waited for, and whoever
 * is further behind waits for less. */
static void wait_for_one(struct buckets *b, const struct kctx *c) {
    int step = 1;
    while (!is_possible(b, step))
        step++;
    do_step(b, c, step);
}

void buckets_move(struct buckets *b, const struct kctx *c) {
    if (is_under_way(b))
        communicator_move(b->c);
    while (advance(b, c))
        ;
}

void buckets_send(struct buckets *b, const struct kctx *c) {
    for (int i = b->next.segment; i < b->end; i++)
        atomic_store(&b->progress[i].passed, own_lanes(b));
    while (buckets_help(b, c))
        ;
    buckets_move(b, c);
    while (find_next(b)) {
        wait_for_one(b, c);
        buckets_move(b, c);
    }
}

void buckets_finish(struct buckets *b, const struct kctx *c) {
    while (is_under_way(b))
        wait_for_one(b, c);
}
