/* ranks.c -- rows and gradients between ranks.
 *
 * A rank's lanes fall into pieces, whole branches of the tree that sums all lanes: of 16 lanes on
 * two ranks one each, on three ranks 4+1, 1+2+2 and 2+4.  A rank sums its own pieces; of each piece
 * every rank then gets an equal slice of the weights, goes on with the tree there, and sends the
 * result to all.  That is a reduce-scatter and an all-gather: per rank and weight, little more than
 * two numbers sent where the number of ranks is a power of two, whatever it is.  No engine's own
 * reduction is used, since their order of adding depends on algorithm and number of ranks.
 *
 * That is done in buckets, one behind the other: while one is on its way to those that add, the one
 * before it is added, and what was added of that before is on its way to all.  The last two of a
 * phase are on their way while the next phase is computed.  What is added to what is the same
 * whatever the size of a bucket.
 *
 * Where ranks own weights (nn/moments.h), a bucket has some of what each rank owns instead of equal
 * slices, and what was added stays there.
 */
#include "nn/ranks.h"

#include "nn/away.h"
#include "nn/carrier.h"
#include "nn/plan_internal.h"

#include <string.h>

/* Reals: exchanged at a time; in a cache line.  Buckets whose numbers have a place in memory, and
 * those that are remembered. */
enum { BUCKET = 1 << 21, LINE = 16, SETS = 2, REMEMBERED = SETS + 1 };

struct branch { /* lanes that are summed before others join them */
    int first, lanes;
};

/* Some of what a phase completes: `count` reals from number `begin` on of all that is `whose`; or,
 * with `to_owners`, as many at most of what each rank owns. */
struct bucket {
    int phase, whose, to_owners;
    size_t begin, count;
};

/* The part of a bucket that one rank adds. */
struct part {
    struct lanes_row row;
    size_t begin, count;
};

struct ranks {
    struct communicator *c;
    struct carrier *carrier;
    struct device *device;
    const struct graph *g;
    int lanes, n, chunk;
    struct branch *branches; /* (n_branches) of all ranks, in the order of lanes */
    int n_branches;
    int *first_branch;                        /* (size + 1) of each rank */
    struct communicator_block *blocks, *from; /* (size) */
    size_t bucket;
    struct slab out, in, sum; /* SETS of each */
    struct bucket remembered[REMEMBERED];
    long sent, added, written; /* buckets: the last one has come this far */
    char *output_is_old;       /* (g->n) */
};

int ranks_first_lane(const struct ranks *r, int rank) {
    return (int)((long)r->lanes * rank / r->c->size);
}

/* The largest branches that first..end-1 consist of. */
static void find_branches(struct ranks *r, int first, int end) {
    while (first < end) {
        int lanes = 1;
        while (first % (2 * lanes) == 0 && first + 2 * lanes <= end)
            lanes *= 2;
        r->branches[r->n_branches++] = (struct branch){first, lanes};
        first += lanes;
    }
}

static size_t round_to_line(size_t reals) {
    return (reals + LINE - 1) / LINE * LINE;
}

/* Rank p's slice of a bucket begins here. */
static size_t slice(const struct ranks *r, size_t count, int p) {
    size_t at = round_to_line((count + (size_t)r->c->size - 1) / (size_t)r->c->size) * (size_t)p;
    return at < count ? at : count;
}

static int own_branches(const struct ranks *r) {
    return r->first_branch[r->c->rank + 1] - r->first_branch[r->c->rank];
}

/* Of one sample: an index is as large as a real. */
static size_t row_bytes(const struct tensor *t) {
    return t->per_sample * (t->half ? sizeof(uint16_t) : sizeof(real));
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Of a sample, of whatever may be gathered at a time. */
static size_t row_bytes_most(const struct graph *g) {
    size_t most = 0;
    for (int i = 0; i < g->n; i++) {
        const struct tensor *t = g->tensors[i];
        if (t->kind != TENSOR_VALUE)
            continue;
        if (t->output || t->op->whole)
            most = larger(most, row_bytes(t));
        for (int s = 0; s < t->n_src && t->op->whole; s++)
            most = larger(most, t->src[s] ? row_bytes(t->src[s]) : 0);
    }
    return most;
}

static int open_buffers(struct ranks *r, struct arena *a, int batch, struct error *err) {
    const size_t part = slice(r, r->bucket, 1) * sizeof(real); /* of each rank, at most */
    const size_t out = (size_t)own_branches(r) * (size_t)r->c->size * part;
    const size_t in = (size_t)r->n_branches * part;
    const size_t sum = r->bucket * sizeof(real);
    const size_t rows = r->device ? row_bytes_most(r->g) * (size_t)batch : 0;
    int status = 0;
    TRY(memory_get(r->device, &r->out, SETS * out, "gradients for other ranks", err));
    TRY(memory_get(r->device, &r->in, SETS * in, "gradients of other ranks", err));
    TRY(memory_get(r->device, &r->sum, SETS * sum, "gradients of all ranks", err));
    TRY(carrier_open(&r->carrier, a, r->c, r->device, larger(larger(out, in), larger(sum, rows)),
                     err));
out:
    return status;
}

int ranks_open(struct ranks **out, struct arena *a, const struct ranks_config *config,
               struct error *err) {
    struct communicator *c = config->c;
    const struct graph *g = config->g;
    const int lanes = config->lanes;
    CHECK(g->train && lanes > 0 && !(lanes & (lanes - 1)), "%d lanes on several ranks", lanes);
    struct ranks *r = *out = ARENA_NEW(a, struct ranks);
    *r = (struct ranks){.c = c,
                        .device = config->device,
                        .g = g,
                        .lanes = lanes,
                        .chunk = config->chunk,
                        .branches = ARENA_ARRAY(a, struct branch, lanes),
                        .first_branch = ARENA_ARRAY(a, int, c->size + 1),
                        .blocks = ARENA_ARRAY(a, struct communicator_block, c->size),
                        .from = ARENA_ARRAY(a, struct communicator_block, c->size),
                        .output_is_old = ARENA_ARRAY(a, char, g->n + 1)};
    for (int p = 0; p < c->size; p++) {
        find_branches(r, ranks_first_lane(r, p), ranks_first_lane(r, p + 1));
        r->first_branch[p + 1] = r->n_branches;
    }
    size_t all = g->model->count + g->shared_grad_count;
    size_t most = config->bucket ? config->bucket : BUCKET;
    r->bucket = round_to_line(all < most ? all : most);
    return open_buffers(r, a, config->batch, err);
}

size_t ranks_bytes(const struct ranks *r) {
    return r->out.bytes + r->in.bytes + r->sum.bytes + carrier_bytes(r->carrier);
}

void ranks_close(struct ranks *r) {
    if (!r)
        return;
    memory_put(r->device, &r->out);
    memory_put(r->device, &r->in);
    memory_put(r->device, &r->sum);
    carrier_close(r->carrier);
}

/* ---- rows ---- */

void ranks_begin(struct ranks *r, int n) {
    r->n = n;
    memset(r->output_is_old, 1, (size_t)r->g->n);
}

int ranks_first_row(const struct ranks *r, int n, int rank) {
    long chunks = (n + r->chunk - 1) / r->chunk;
    long row = chunks * ranks_first_lane(r, rank) / r->lanes * r->chunk;
    return row < n ? (int)row : n;
}

/* rows (n, as t's) of the run, of which each rank has filled its own. */
static void gather_rows(struct ranks *r, const struct tensor *t, real *rows) {
    size_t bytes = row_bytes(t);
    for (int p = 0; p < r->c->size; p++) {
        size_t first = (size_t)ranks_first_row(r, r->n, p),
               end = (size_t)ranks_first_row(r, r->n, p + 1);
        r->blocks[p] = (struct communicator_block){first * bytes, (end - first) * bytes};
    }
    carrier_gather(r->carrier, rows, r->blocks);
}

void ranks_gather_output(struct ranks *r, const struct tensor *t, real *rows) {
    if (r->output_is_old[t->number] && !t->op->whole)
        gather_rows(r, t, rows);
    r->output_is_old[t->number] = 0;
}

/* What another operation on the whole batch made, or the executor itself, everybody has. */
void ranks_gather_sources(struct ranks *r, const struct chunk *whole, const struct tensor *t) {
    if (whole->position >= r->g->n) {
        if (!t->objective)
            gather_rows(r, t, chunk_grad_in_place(whole, t));
        return;
    }
    for (int s = 0; s < t->n_src; s++) {
        const struct tensor *u = t->src[s];
        CHECK(!u || (u->kind != TENSOR_INPUT && (u->kind != TENSOR_INDEX || u->constant)),
              "%s reads the input %s of the whole batch, of which a rank has its own part only",
              t->name, u->name);
        if (is_value(u) && !u->op->whole)
            gather_rows(r, u, chunk_result(whole, u));
    }
}

/* ---- gradients ---- */

/* Goes on with the tree over what lies in `in`, a run of n reals for each branch; the sum is its
 * first run. */
static void add_branches(const struct ranks *r, const struct kernels *k, const struct kctx *c,
                         real *in, size_t n) {
    struct arena scratch = {0};
    struct branch *open = ARENA_ARRAY(&scratch, struct branch, r->n_branches);
    real **at = ARENA_ARRAY(&scratch, real *, r->n_branches);
    int depth = 0;
    for (int i = 0; i < r->n_branches; i++) {
        at[depth] = in + (size_t)i * n;
        open[depth++] = r->branches[i];
        while (depth > 1 && open[depth - 2].lanes == open[depth - 1].lanes) {
            depth--;
            k->axpby(c, n, 1, at[depth], 1, at[depth - 1]);
            open[depth - 1].lanes *= 2;
        }
    }
    CHECK(depth == 1 && open[0].lanes == r->lanes, "a tree of %d lanes", r->lanes);
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

static struct bucket *remembered(struct ranks *r, long bucket) {
    return &r->remembered[bucket % REMEMBERED];
}

static struct part part_of(const struct ranks *r, const struct lanes *l, const struct bucket *b,
                           int p) {
    if (b->to_owners) {
        const struct lanes_row row = {b->phase, p};
        size_t all = lanes_completed(l, row), left = all > b->begin ? all - b->begin : 0;
        return (struct part){row, b->begin, left < b->count ? left : b->count};
    }
    size_t first = slice(r, b->count, p), end = slice(r, b->count, p + 1);
    return (struct part){{b->phase, b->whose}, b->begin + first, end - first};
}

/* What the own branches hold of a bucket, on its way to those that add it. */
static void send_bucket(struct ranks *r, const struct lanes *l, const struct kernels *k,
                        const struct kctx *c, const struct bucket *b) {
    int rank = r->c->rank, own = own_branches(r);
    real *out = place_of(&r->out, r->sent);
    const size_t n = part_of(r, l, b, rank).count * sizeof(real);
    size_t at = 0;
    for (int p = 0; p < r->c->size; p++) {
        const struct part part = part_of(r, l, b, p);
        int branches = r->first_branch[p + 1] - r->first_branch[p];
        size_t first = at;
        for (int i = 0; i < own; i++, at += part.count)
            lanes_read(l, k, c, r->branches[r->first_branch[rank] + i].first, part.row, part.begin,
                       part.count, out + at);
        r->blocks[p] =
            (struct communicator_block){first * sizeof(real), (at - first) * sizeof(real)};
        r->from[p] =
            (struct communicator_block){(size_t)r->first_branch[p] * n, (size_t)branches * n};
    }
    carrier_start(r->carrier, slot_of(r->sent, 0), out, r->blocks, place_of(&r->in, r->sent),
                  r->from);
    *remembered(r, r->sent++) = *b;
}

/* A sum, on its way to all. */
static void send_sum(struct ranks *r, const struct kernels *k, const struct kctx *c, long bucket,
                     const real *own) {
    const size_t count = remembered(r, bucket)->count;
    real *sum = place_of(&r->sum, bucket);
    for (int p = 0; p < r->c->size; p++) {
        size_t first = slice(r, count, p), end = slice(r, count, p + 1);
        r->blocks[p] =
            (struct communicator_block){first * sizeof(real), (end - first) * sizeof(real)};
        if (p == r->c->rank)
            k->axpby(c, end - first, 1, own, 0, sum + first);
    }
    carrier_start_gather(r->carrier, slot_of(bucket, 1), sum, r->blocks);
}

/* This rank's part of a bucket that has come. */
static void add_bucket(struct ranks *r, const struct lanes *l, const struct kernels *k,
                       const struct kctx *c) {
    const long i = r->added++;
    const struct bucket *b = remembered(r, i);
    const struct part mine = part_of(r, l, b, r->c->rank);
    real *in = place_of(&r->in, i);
    carrier_finish(r->carrier, slot_of(i, 0));
    add_branches(r, k, c, in, mine.count);
    if (b->to_owners)
        lanes_write(l, k, c, mine.row, mine.begin, mine.count, in);
    else
        send_sum(r, k, c, i, in);
}

static void write_bucket(struct ranks *r, const struct lanes *l, const struct kernels *k,
                         const struct kctx *c) {
    const long i = r->written++;
    const struct bucket *b = remembered(r, i);
    if (b->to_owners)
        return;
    carrier_finish(r->carrier, slot_of(i, 1));
    lanes_write(l, k, c, (struct lanes_row){b->phase, b->whose}, b->begin, b->count,
                place_of(&r->sum, i));
}

/* What the busiest rank owns of it. */
static size_t owned_most(const struct ranks *r, const struct lanes *l, int phase) {
    size_t most = 0;
    for (int p = 0; p < r->c->size; p++)
        most = larger(most, lanes_completed(l, (struct lanes_row){phase, p}));
    return most;
}

/* Three buckets at a time, each in another state. */
static void send_buckets(struct ranks *r, const struct lanes *l, const struct kernels *k,
                         const struct kctx *c, struct bucket b, size_t all) {
    const size_t most = b.to_owners ? slice(r, r->bucket, 1) : r->bucket;
    for (; b.begin < all; b.begin += most) {
        b.count = all - b.begin < most ? all - b.begin : most;
        send_bucket(r, l, k, c, &b);
        if (r->added < r->sent - 1)
            add_bucket(r, l, k, c);
        if (r->written < r->added - 1)
            write_bucket(r, l, k, c);
    }
}

void ranks_add(struct ranks *r, const struct lanes *l, const struct kernels *k,
               const struct kctx *c, int phase, int to_owners) {
    const struct lanes_row rest = {phase, to_owners ? LANES_OF_NONE : LANES_OF_ANY};
    int rank = r->c->rank;
    for (int i = r->first_branch[rank]; i < r->first_branch[rank + 1]; i++)
        lanes_add(l, k, c, phase, r->branches[i].first, r->branches[i].lanes);
    send_buckets(r, l, k, c, (struct bucket){.phase = phase, .whose = rest.whose},
                 lanes_completed(l, rest));
    if (to_owners)
        send_buckets(r, l, k, c, (struct bucket){.phase = phase, .to_owners = 1},
                     owned_most(r, l, phase));
}

void ranks_move(struct ranks *r) {
    if (r->written < r->sent)
        communicator_move(r->c);
}

void ranks_finish(struct ranks *r, const struct lanes *l, const struct kernels *k,
                  const struct kctx *c) {
    while (r->written < r->sent) {
        if (r->added < r->sent)
            add_bucket(r, l, k, c);
        write_bucket(r, l, k, c);
    }
}

/* ---- weights ---- */

/* A number that any other weight changes. */
static uint64_t sum_of_weights(const struct model *m) {
    uint64_t sum = 0;
    for (size_t i = 0; i < m->count; i++) {
        uint32_t bits;
        memcpy(&bits, &m->value[i], sizeof bits);
        sum += bits * (2 * (uint64_t)i + 1);
    }
    return sum;
}

int ranks_compare(struct communicator *c, const struct model *m, struct error *err) {
    uint64_t sum = c ? sum_of_weights(m) : 0;
    return communicator_compare(c, &sum, sizeof sum,
                                "has got other weights than rank 0: these machines do not compute "
                                "the same bits, so they cannot work on one run",
                                err);
}
