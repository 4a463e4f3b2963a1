/* ranks.c -- rows and gradients between ranks.
 *
 * A rank's lanes fall into pieces, whole branches of the tree that sums all lanes: of 16 lanes on
 * two ranks one each, on three ranks 4+1, 1+2+2 and 2+4.  A rank sums its own pieces; of each piece
 * every rank then gets an equal slice of the weights, goes on with the tree there, and sends the
 * result to all.  That is a reduce-scatter and an all-gather: per rank and weight, little more than
 * two numbers sent where the number of ranks is a power of two, whatever it is.  No engine's own
 * reduction is used, since their order of adding depends on algorithm and number of ranks.
 */
#include "nn/ranks.h"

#include "nn/plan_internal.h"

#include <string.h>

enum { BUCKET = 1 << 22, LINE = 16 }; /* reals: exchanged at a time; in a cache line */

struct branch { /* lanes that are summed before others join them */
    int first, lanes;
};

struct ranks {
    struct communicator *c;
    const struct graph *g;
    int lanes, n, chunk;
    struct branch *branches; /* (n_branches) of all ranks, in the order of lanes */
    int n_branches;
    int *first_branch;                        /* (size + 1) of each rank */
    struct communicator_block *blocks, *from; /* (size) */
    size_t bucket;
    struct slab out, in, sum;
    char *output_is_old; /* (g->n) */
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

int ranks_open(struct ranks **out, struct arena *a, struct communicator *c, const struct graph *g,
               int lanes, int chunk, struct error *err) {
    CHECK(g->train && lanes > 0 && !(lanes & (lanes - 1)), "%d lanes on several ranks", lanes);
    struct ranks *r = *out = ARENA_NEW(a, struct ranks);
    *r = (struct ranks){.c = c,
                        .g = g,
                        .lanes = lanes,
                        .chunk = chunk,
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
    r->bucket = all < BUCKET ? all : BUCKET;
    size_t part = slice(r, r->bucket, 1);
    int status = 0;
    TRY(slab_alloc(&r->out, (size_t)own_branches(r) * r->bucket * sizeof(real),
                   "gradients for other ranks", err));
    TRY(slab_alloc(&r->in, (size_t)r->n_branches * part * sizeof(real), "gradients of other ranks",
                   err));
    TRY(slab_alloc(&r->sum, r->bucket * sizeof(real), "gradients of all ranks", err));
out:
    return status;
}

size_t ranks_bytes(const struct ranks *r) {
    return r->out.bytes + r->in.bytes + r->sum.bytes;
}

void ranks_close(struct ranks *r) {
    if (!r)
        return;
    slab_free(&r->out);
    slab_free(&r->in);
    slab_free(&r->sum);
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

void ranks_gather(struct ranks *r, real *rows, size_t per_sample) {
    size_t bytes = per_sample * sizeof *rows;
    for (int p = 0; p < r->c->size; p++) {
        size_t first = (size_t)ranks_first_row(r, r->n, p),
               end = (size_t)ranks_first_row(r, r->n, p + 1);
        r->blocks[p] = (struct communicator_block){first * bytes, (end - first) * bytes};
    }
    communicator_gather(r->c, rows, r->blocks);
}

void ranks_gather_output(struct ranks *r, const struct tensor *t, real *rows) {
    if (r->output_is_old[t->number] && !t->op->whole)
        ranks_gather(r, rows, t->per_sample);
    r->output_is_old[t->number] = 0;
}

/* What another operation on the whole batch made, or the executor itself, everybody has. */
void ranks_gather_sources(struct ranks *r, const struct chunk *whole, const struct tensor *t) {
    if (whole->position >= r->g->n) {
        if (!t->objective)
            ranks_gather(r, chunk_grad_in_place(whole, t), t->per_sample);
        return;
    }
    for (int s = 0; s < t->n_src; s++) {
        const struct tensor *u = t->src[s];
        CHECK(!u || (u->kind != TENSOR_INPUT && (u->kind != TENSOR_INDEX || u->constant)),
              "%s reads the input %s of the whole batch, of which a rank has its own part only",
              t->name, u->name);
        if (is_value(u) && !u->op->whole)
            ranks_gather(r, chunk_result(whole, u), u->per_sample);
    }
}

/* ---- gradients ---- */

/* Goes on with the tree over what lies in `in`, a run of n reals for each branch; the sum is its
 * first run. */
static void add_branches(const struct ranks *r, const struct kernels *k, const struct kctx *c,
                         size_t n) {
    struct arena scratch = {0};
    struct branch *open = ARENA_ARRAY(&scratch, struct branch, r->n_branches);
    real **at = ARENA_ARRAY(&scratch, real *, r->n_branches);
    int depth = 0;
    for (int i = 0; i < r->n_branches; i++) {
        at[depth] = (real *)r->in.data + (size_t)i * n;
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

/* `count` reals of what a phase completes, from number `begin` on. */
static void add_bucket(struct ranks *r, const struct lanes *l, const struct kernels *k,
                       const struct kctx *c, int phase, size_t begin, size_t count) {
    int rank = r->c->rank, own = own_branches(r);
    real *out = r->out.data, *sum = r->sum.data;
    const size_t mine = slice(r, count, rank), n = slice(r, count, rank + 1) - mine;
    for (int p = 0; p < r->c->size; p++) {
        size_t first = slice(r, count, p), part = slice(r, count, p + 1) - first;
        int branches = r->first_branch[p + 1] - r->first_branch[p];
        r->blocks[p] = (struct communicator_block){(size_t)own * first * sizeof(real),
                                                   (size_t)own * part * sizeof(real)};
        r->from[p] = (struct communicator_block){(size_t)r->first_branch[p] * n * sizeof(real),
                                                 (size_t)branches * n * sizeof(real)};
        for (int i = 0; i < own; i++)
            lanes_read(l, r->branches[r->first_branch[rank] + i].first, phase, begin + first, part,
                       out + (size_t)own * first + (size_t)i * part);
    }
    communicator_exchange(r->c, out, r->blocks, r->in.data, r->from);
    add_branches(r, k, c, n);
    memcpy(sum + mine, r->in.data, n * sizeof *sum);
    for (int p = 0; p < r->c->size; p++) {
        size_t first = slice(r, count, p), end = slice(r, count, p + 1);
        r->blocks[p] =
            (struct communicator_block){first * sizeof(real), (end - first) * sizeof(real)};
    }
    communicator_gather(r->c, sum, r->blocks);
    lanes_write(l, phase, begin, count, sum);
}

void ranks_add(struct ranks *r, const struct lanes *l, const struct kernels *k,
               const struct kctx *c, int phase) {
    int rank = r->c->rank;
    size_t all = lanes_completed(l, phase);
    for (int i = r->first_branch[rank]; i < r->first_branch[rank + 1]; i++)
        lanes_add(l, k, c, phase, r->branches[i].first, r->branches[i].lanes);
    for (size_t at = 0; at < all; at += r->bucket)
        add_bucket(r, l, k, c, phase, at, all - at < r->bucket ? all - at : r->bucket);
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
