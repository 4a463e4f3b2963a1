/* buckets.c -- the sum of gradients over ranks.
 *
 * A rank's lanes fall into pieces, whole branches of the tree that sums all lanes: of 16 lanes on
 * two ranks one each, on three ranks 4+1, 1+2+2 and 2+4.  A rank sums its own pieces; of each piece
 * every rank then gets an equal slice of the weights, goes on with the tree there, and sends the
 * result to all.  That is a reduce-scatter and an all-gather: per rank and weight, little more than
 * two numbers sent where the number of ranks is a power of two, whatever it is.  No engine's own
 * reduction is used, since their order of adding depends on algorithm and number of ranks.
 *
 * That is done in buckets, one behind the other: while one is on its way to those that add, the one
 * before it is added, and what was added of that before is on its way to all.  What is added to
 * what is the same whatever the size of a bucket, and whenever it is sent.
 *
 * Where ranks own weights (nn/moments.h), a bucket has some of what each rank owns instead of equal
 * slices, and what was added stays there.
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

#include "nn/away.h"
#include "nn/carrier.h"

#include <stdatomic.h>
#include <string.h>

/* Reals in a cache line.  Buckets whose numbers have a place in memory in each of the two halves of
 * their way, and those that are remembered. */
enum { LINE = 16, SETS = 2, REMEMBERED = 2 * SETS };

struct branch { /* lanes that are summed before others join them */
    int first, lanes;
};

/* Some of a segment: `count` reals from number `begin` on of all that is `whose`; or, with
 * `to_owners`, as many at most of what each rank owns. */
struct bucket {
    int segment, whose, to_owners;
    size_t begin, count;
};

/* The part of a bucket that one rank adds. */
struct part {
    struct lanes_row row;
    size_t begin, count;
};

/* Lanes of this rank; parts of the sum of these. */
struct progress {
    atomic_int passed, taken, summed;
};

struct buckets {
    struct communicator *c;
    struct carrier *carrier;
    struct device *device;
    const struct kernels *kernels;
    const struct lanes *l;
    struct branch *branches; /* (n_branches) of all ranks, in the order of lanes */
    int n_branches, lanes;
    int *first_branch;                        /* (size + 1) of each rank */
    struct communicator_block *blocks, *from; /* (size) */
    size_t usual, bucket;                     /* reals in a bucket, at most */
    struct slab out, in, sum;                 /* SETS of each */
    struct bucket remembered[REMEMBERED];
    long sent, added, written; /* buckets: the last one has come this far */
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

/* The largest branches that first..end-1 consist of. */
static void find_branches(struct buckets *b, int first, int end) {
    while (first < end) {
        int lanes = 1;
        while (first % (2 * lanes) == 0 && first + 2 * lanes <= end)
            lanes *= 2;
        b->branches[b->n_branches++] = (struct branch){first, lanes};
        first += lanes;
    }
}

static size_t round_to_line(size_t reals) {
    return (reals + LINE - 1) / LINE * LINE;
}

/* Rank p's slice of a bucket begins here. */
static size_t slice(const struct buckets *b, size_t count, int p) {
    size_t at = round_to_line((count + (size_t)b->c->size - 1) / (size_t)b->c->size) * (size_t)p;
    return at < count ? at : count;
}

static const struct branch *own_branches(const struct buckets *b, int *n) {
    const int first = b->first_branch[b->c->rank];
    *n = b->first_branch[b->c->rank + 1] - first;
    return b->branches + first;
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

static int open_memory(struct buckets *b, struct arena *a, struct error *err) {
    const size_t part = slice(b, b->bucket, 1) * sizeof(real); /* of each rank, at most */
    int own, status = 0;
    own_branches(b, &own);
    const size_t out = (size_t)own * (size_t)b->c->size * part;
    const size_t in = (size_t)b->n_branches * part;
    const size_t sum = b->bucket * sizeof(real);
    TRY(memory_get(b->device, &b->out, SETS * out, "gradients for other ranks", err));
    TRY(memory_get(b->device, &b->in, SETS * in, "gradients of other ranks", err));
    TRY(memory_get(b->device, &b->sum, SETS * sum, "gradients of all ranks", err));
    TRY(carrier_open(&b->carrier, a, b->c, b->device, larger(larger(out, in), sum), 2 * SETS, err));
out:
    return status;
}

/* Parts for all threads, of a cache line at least; none where no lanes meet here. */
static int count_parts(const struct buckets *b, int threads) {
    int own;
    const struct branch *branch = own_branches(b, &own);
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
                          .lanes = lanes,
                          .branches = ARENA_ARRAY(a, struct branch, lanes),
                          .first_branch = ARENA_ARRAY(a, int, c->size + 1),
                          .blocks = ARENA_ARRAY(a, struct communicator_block, c->size),
                          .from = ARENA_ARRAY(a, struct communicator_block, c->size),
                          .progress =
                              ARENA_ARRAY(a, struct progress, config->lanes->n_segments + 1)};
    for (int p = 0; p < c->size; p++) {
        find_branches(b, config->first_lane[p], config->first_lane[p + 1]);
        b->first_branch[p + 1] = b->n_branches;
    }
    b->parts = count_parts(b, config->threads);
    b->usual = round_to_line(config->bucket);
    b->bucket = LINE;
    for (int i = 0; i < b->l->n_segments; i++)
        b->bucket = larger(b->bucket, in_parts(b, b->l->segments[i].count));
    return open_memory(b, a, err);
}

size_t buckets_bytes(const struct buckets *b) {
    return b->out.bytes + b->in.bytes + b->sum.bytes + carrier_bytes(b->carrier);
}

void buckets_close(struct buckets *b) {
    if (!b)
        return;
    memory_put(b->device, &b->out);
    memory_put(b->device, &b->in);
    memory_put(b->device, &b->sum);
    carrier_close(b->carrier);
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
    const struct branch *branch = own_branches(b, &own);
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

/* ---- the lanes of all ranks ---- */

/* Goes on with the tree over what lies in `in`, a run of n reals for each branch; the sum is its
 * first run. */
static void add_branches(const struct buckets *b, const struct kctx *c, real *in, size_t n) {
    struct arena scratch = {0};
    struct branch *open = ARENA_ARRAY(&scratch, struct branch, b->n_branches);
    real **at = ARENA_ARRAY(&scratch, real *, b->n_branches);
    int depth = 0;
    for (int i = 0; i < b->n_branches; i++) {
        at[depth] = in + (size_t)i * n;
        open[depth++] = b->branches[i];
        while (depth > 1 && open[depth - 2].lanes == open[depth - 1].lanes) {
            depth--;
            b->kernels->axpby(c, n, 1, at[depth], 1, at[depth - 1]);
            open[depth - 1].lanes *= 2;
        }
    }
    CHECK(depth == 1 && open[0].lanes == b->lanes, "a tree of %d lanes", b->lanes);
    arena_free(&scratch);
}

static real *place_of(const struct slab *s, long bucket) {
    return (real *)s->data + s->bytes / sizeof(real) / SETS * (size_t)(bucket % SETS);
}

/* For the first half of a bucket's way, and for the second one. */
static int slot_of(long bucket, int second) {
    return (int)(bucket % SETS) + (second ? SETS : 0);
}

_Static_assert(2 * SETS <= COMMUNICATOR_SLOTS, "each bucket on its way has a slot");

static struct bucket *remembered(struct buckets *b, long bucket) {
    return &b->remembered[bucket % REMEMBERED];
}

static struct part part_of(const struct buckets *b, const struct bucket *k, int p) {
    if (k->to_owners) {
        const struct lanes_row row = {k->segment, p};
        size_t all = lanes_completed(b->l, row), left = all > k->begin ? all - k->begin : 0;
        return (struct part){row, k->begin, left < k->count ? left : k->count};
    }
    size_t first = slice(b, k->count, p), end = slice(b, k->count, p + 1);
    return (struct part){{k->segment, k->whose}, k->begin + first, end - first};
}

/* What the own branches hold of a bucket, on its way to those that add it. */
static void send_bucket(struct buckets *b, const struct kctx *c, const struct bucket *k) {
    int own;
    const struct branch *branch = own_branches(b, &own);
    real *out = place_of(&b->out, b->sent);
    const size_t n = part_of(b, k, b->c->rank).count * sizeof(real);
    size_t at = 0;
    for (int p = 0; p < b->c->size; p++) {
        const struct part part = part_of(b, k, p);
        int branches = b->first_branch[p + 1] - b->first_branch[p];
        size_t first = at;
        for (int i = 0; i < own; i++, at += part.count)
            lanes_read(b->l, b->kernels, c, branch[i].first, part.row, part.begin, part.count,
                       out + at);
        b->blocks[p] =
            (struct communicator_block){first * sizeof(real), (at - first) * sizeof(real)};
        b->from[p] =
            (struct communicator_block){(size_t)b->first_branch[p] * n, (size_t)branches * n};
    }
    carrier_start(b->carrier, slot_of(b->sent, 0), out, b->blocks, place_of(&b->in, b->sent),
                  b->from);
    *remembered(b, b->sent++) = *k;
}

/* A sum, on its way to all. */
static void send_sum(struct buckets *b, const struct kctx *c, long bucket, const real *own) {
    const size_t count = remembered(b, bucket)->count;
    real *sum = place_of(&b->sum, bucket);
    for (int p = 0; p < b->c->size; p++) {
        size_t first = slice(b, count, p), end = slice(b, count, p + 1);
        b->blocks[p] =
            (struct communicator_block){first * sizeof(real), (end - first) * sizeof(real)};
        if (p == b->c->rank)
            b->kernels->axpby(c, end - first, 1, own, 0, sum + first);
    }
    carrier_start_gather(b->carrier, slot_of(bucket, 1), sum, b->blocks);
}

/* This rank's part of a bucket. */
static void add_bucket(struct buckets *b, const struct kctx *c) {
    const long i = b->added++;
    const struct bucket *k = remembered(b, i);
    const struct part mine = part_of(b, k, b->c->rank);
    real *in = place_of(&b->in, i);
    carrier_finish(b->carrier, slot_of(i, 0));
    add_branches(b, c, in, mine.count);
    if (k->to_owners)
        lanes_write(b->l, b->kernels, c, mine.row, mine.begin, mine.count, in);
    else
        send_sum(b, c, i, in);
}

static void write_bucket(struct buckets *b, const struct kctx *c) {
    const long i = b->written++;
    const struct bucket *k = remembered(b, i);
    if (k->to_owners)
        return;
    carrier_finish(b->carrier, slot_of(i, 1));
    lanes_write(b->l, b->kernels, c, (struct lanes_row){k->segment, k->whose}, k->begin, k->count,
                place_of(&b->sum, i));
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
        size_t most = k->to_owners ? slice(b, b->bucket, 1) : in_parts(b, all);
        if (k->begin < all) {
            k->count = smaller(all - k->begin, smaller(most, b->bucket));
            return 1;
        }
        if (b->to_owners && !k->to_owners)
            *k = (struct bucket){.segment = k->segment, .to_owners = 1};
        else
            look_at_segment(b, k->segment + 1);
    }
    return 0;
}

static int can_be_sent(struct buckets *b) {
    return b->sent - b->added < SETS && find_next(b);
}

static int can_be_added(const struct buckets *b) {
    return b->added < b->sent && b->added - b->written < SETS;
}

/* Whether a bucket's numbers have come.  Between devices that send to each other it is their queues
 * that wait, and what is asked of these must not depend on what has come: NCCL wants the same order
 * on all ranks.  There a bucket's turn comes when the next one is on its way: so each is sent
 * before the one before it is added, and that before the one behind is sent. */
static int has_come(const struct buckets *b, long bucket, int second) {
    if (carrier_is_queued(b->carrier))
        return bucket < (second ? b->added : b->sent) - 1;
    return (second && b->remembered[bucket % REMEMBERED].to_owners) ||
           carrier_arrived(b->carrier, slot_of(bucket, second));
}

/* One of these; 0: none can be done without waiting. */
static int advance(struct buckets *b, const struct kctx *c) {
    if (can_be_sent(b)) {
        send_bucket(b, c, &b->next);
        b->next.begin += b->next.count;
    } else if (can_be_added(b) && has_come(b, b->added, 0)) {
        add_bucket(b, c);
    } else if (b->written < b->added && has_come(b, b->written, 1)) {
        write_bucket(b, c);
    } else {
        return 0;
    }
    return 1;
}

/* Nobody waits in a circle: for a bucket to come all have to send it, and for its sum all to add
 * it, and whoever is behind waits for less than that. */
static void wait_for_one(struct buckets *b, const struct kctx *c) {
    if (can_be_added(b))
        add_bucket(b, c);
    else
        write_bucket(b, c);
}

void buckets_move(struct buckets *b, const struct kctx *c) {
    if (b->written < b->sent)
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
    while (b->written < b->sent)
        wait_for_one(b, c);
}
