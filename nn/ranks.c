#include "nn/ranks.h"

#include "nn/gather.h"
#include "nn/plan_internal.h"

#include <string.h>

struct ranks {
    struct communicator *c;
    struct gather *gather;
    const struct graph *g;
    int lanes, n, chunk;
    struct communicator_block *blocks; /* (size) */
    char *output_is_old;               /* (g->n) */
};

int ranks_first_lane(const struct ranks *r, int rank) {
    return (int)((long)r->lanes * rank / r->c->size);
}

/* Of one sample: an index is as large as a real. */
static size_t row_bytes(const struct tensor *t) {
    return t->per_sample * (t->half ? sizeof(uint16_t) : sizeof(real));
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Of a sample, of whatever rows may be gathered at a time. */
static size_t row_bytes_most(const struct graph *g) {
    size_t most = 0;
    for (int i = 0; i < g->n; i++) {
        const struct tensor *t = g->tensors[i];
        if (t->kind != TENSOR_VALUE)
            continue;
        if ((t->output && !t->summed) || t->op->whole)
            most = larger(most, row_bytes(t));
        for (int s = 0; s < t->n_src && t->op->whole; s++)
            most = larger(most, t->src[s] ? row_bytes(t->src[s]) : 0);
    }
    return most;
}

int ranks_open(struct ranks **out, struct arena *a, const struct ranks_config *config,
               struct error *err) {
    struct communicator *c = config->c;
    const struct graph *g = config->g;
    const int lanes = config->lanes;
    CHECK(g->train && lanes > 0 && !(lanes & (lanes - 1)), "%d lanes on several ranks", lanes);
    struct ranks *r = *out = ARENA_NEW(a, struct ranks);
    *r = (struct ranks){.c = c,
                        .g = g,
                        .lanes = lanes,
                        .chunk = config->chunk,
                        .blocks = ARENA_ARRAY(a, struct communicator_block, c->size),
                        .output_is_old = ARENA_ARRAY(a, char, g->n + 1)};
    return gather_open(&r->gather, a, c, config->device,
                       larger(row_bytes_most(g) * (size_t)config->batch,
                              g->sum_count * sizeof(real) * (size_t)lanes),
                       err);
}

size_t ranks_bytes(const struct ranks *r) {
    return gather_bytes(r->gather);
}

void ranks_close(struct ranks *r) {
    if (r)
        gather_close(r->gather);
}

/* ---- rows ---- */

void ranks_begin(struct ranks *r, int n) {
    r->n = n;
    memset(r->output_is_old, 1, (size_t)r->g->n);
}

int ranks_first_row(const struct ranks *r, int n, int rank) {
    const struct dealt dealt = {.n = n, .chunk = r->chunk, .lanes = r->lanes};
    return dealt_first(&dealt, ranks_first_lane(r, rank));
}

/* rows (n, as t's) of the run, of which each rank has filled its own. */
static void gather_rows(struct ranks *r, const struct tensor *t, real *rows) {
    size_t bytes = row_bytes(t);
    for (int p = 0; p < r->c->size; p++) {
        size_t first = (size_t)ranks_first_row(r, r->n, p),
               end = (size_t)ranks_first_row(r, r->n, p + 1);
        r->blocks[p] = (struct communicator_block){first * bytes, (end - first) * bytes};
    }
    gather_blocks(r->gather, rows, r->blocks);
}

void ranks_gather_output(struct ranks *r, const struct tensor *t, real *rows) {
    CHECK(!t->summed, "rows of %s, which ranks keep", t->name);
    if (r->output_is_old[t->number] && !t->op->whole)
        gather_rows(r, t, rows);
    r->output_is_old[t->number] = 0;
}

void ranks_gather_parts(struct ranks *r, size_t width, real *parts) {
    const size_t bytes = width * sizeof(real);
    for (int p = 0; p < r->c->size; p++) {
        size_t first = (size_t)ranks_first_lane(r, p), end = (size_t)ranks_first_lane(r, p + 1);
        r->blocks[p] = (struct communicator_block){first * bytes, (end - first) * bytes};
    }
    gather_blocks(r->gather, parts, r->blocks);
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
