/* Exact nearest neighbours: similarities of 256 training and 64 test samples at a time by one
 * product, and a heap of the best so far per test sample.
 *
 * The training samples are the rows of gemm_packed: a row does not depend on the other rows nor on
 * its place (kernels.h), so equal training samples get equal similarities and their order by index
 * is exact.  The last block of test samples is filled up with zeros, so that all blocks are alike.
 */
#include "protocols/probe.h"

#include "core/arena.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TEST_BLOCK = 64, TRAIN_BLOCK = 256 };
static const float norm_eps = FLT_TRUE_MIN; /* nothing but a zero vector is that short */

struct neighbour {
    float similarity;
    int32_t index;
};

/* The k nearest so far, the worst at the root. */
struct heap {
    struct neighbour *at; /* (k) */
    int filled;
};

struct lane { /* what one thread writes */
    struct kctx c;
    float *query;          /* (TEST_BLOCK, dim), normalised */
    float *packed;         /* the same as gemm_packed takes it */
    float *similarity;     /* (TRAIN_BLOCK, TEST_BLOCK) */
    double *weight;        /* (k_max) */
    double *vote;          /* (classes) */
    float bar[TEST_BLOCK]; /* what a neighbour must exceed to enter the heap */
    struct heap heap[TEST_BLOCK];
};

struct search {
    const struct kernels *kernels;
    const struct features *train, *test;
    const float *key; /* (train->n, dim), normalised */
    const struct knn_grid *grid;
    int k_max, n_lanes;
    struct lane *lane; /* (n_lanes) */
    struct arena arena;
    struct slab slab;
};

static int worse(struct neighbour a, struct neighbour b) {
    return a.similarity < b.similarity || (a.similarity == b.similarity && a.index > b.index);
}

static int by_rank(const void *a, const void *b) {
    struct neighbour x = *(const struct neighbour *)a, y = *(const struct neighbour *)b;
    return worse(x, y) - worse(y, x);
}

static void swap(struct neighbour *a, struct neighbour *b) {
    struct neighbour t = *a;
    *a = *b;
    *b = t;
}

static void heap_add(struct heap *h, struct neighbour new) {
    int i = h->filled++;
    h->at[i] = new;
    for (; i > 0 && worse(h->at[i], h->at[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&h->at[i], &h->at[(i - 1) / 2]);
}

static void heap_replace_root(struct heap *h, struct neighbour new) {
    h->at[0] = new;
    for (int i = 0, child; (child = 2 * i + 1) < h->filled; i = child) {
        if (child + 1 < h->filled && worse(h->at[child + 1], h->at[child]))
            child++;
        if (!worse(h->at[child], h->at[i]))
            break;
        swap(&h->at[child], &h->at[i]);
    }
}

static void offer(struct lane *l, int column, int k, struct neighbour new) {
    struct heap *h = &l->heap[column];
    if (h->filled < k)
        heap_add(h, new);
    else
        heap_replace_root(h, new);
    if (h->filled == k)
        l->bar[column] = h->at[0].similarity;
}

/* Training samples come in the order of their index, so one that equals the worst so far loses. */
static void find_neighbours(const struct search *s, struct lane *l, int columns) {
    int dim = s->train->dim;
    for (int j = 0; j < columns; j++) {
        l->heap[j].filled = 0;
        l->bar[j] = -INFINITY;
    }
    for (int from = 0; from < s->train->n; from += TRAIN_BLOCK) {
        int rows = s->train->n - from < TRAIN_BLOCK ? s->train->n - from : TRAIN_BLOCK;
        s->kernels->gemm_packed(&l->c, rows, TEST_BLOCK, dim, s->key + (size_t)from * (size_t)dim,
                                dim, l->packed, NULL, ACT_NONE, NULL, NULL, l->similarity,
                                TEST_BLOCK);
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) {
                float similarity = l->similarity[i * TEST_BLOCK + j];
                if (similarity > l->bar[j])
                    offer(l, j, s->k_max, (struct neighbour){similarity, from + i});
            }
    }
}

/* The class with the most votes stays the one when two become equal. */
static void round_votes(const double *exact, size_t classes, float *votes) {
    size_t best = 0;
    for (size_t c = 1; c < classes; c++)
        best = exact[c] > exact[best] ? c : best;
    for (size_t c = 0; c < classes; c++) {
        votes[c] = (float)exact[c];
        if (c < best && votes[c] >= (float)exact[best])
            votes[c] = nextafterf((float)exact[best], -1);
    }
}

/* votes (n_t, n_k, classes) of one test sample. */
static void cast_votes(const struct search *s, struct lane *l, struct heap *h, float *votes) {
    const struct knn_grid *g = s->grid;
    size_t classes = (size_t)s->train->classes;
    qsort(h->at, (size_t)h->filled, sizeof *h->at, by_rank);
    for (int t = 0; t < g->n_t; t++) {
        for (int r = 0; r < h->filled; r++)
            l->weight[r] = exp(((double)h->at[r].similarity - (double)h->at[0].similarity) /
                               g->temperature[t]);
        for (int q = 0; q < g->n_k; q++, votes += classes) {
            memset(l->vote, 0, sizeof *l->vote * classes);
            for (int r = 0; r < g->k[q] && r < h->filled; r++)
                l->vote[s->train->label[h->at[r].index]] += l->weight[r];
            round_votes(l->vote, classes, votes);
        }
    }
}

static void classify_block(const struct search *s, struct lane *l, int from, float *votes) {
    int dim = s->train->dim;
    int columns = s->test->n - from < TEST_BLOCK ? s->test->n - from : TEST_BLOCK;
    size_t filled = (size_t)columns * (size_t)dim, all = (size_t)TEST_BLOCK * (size_t)dim;
    s->kernels->l2_normalize_rows(&l->c, columns, dim, norm_eps,
                                  s->test->x + (size_t)from * (size_t)dim, l->query, NULL);
    memset(l->query + filled, 0, sizeof(float) * (all - filled));
    s->kernels->gemm_pack(&l->c, 1, TEST_BLOCK, dim, l->query, dim, NULL, l->packed);
    find_neighbours(s, l, columns);
    size_t each = (size_t)s->grid->n_t * (size_t)s->grid->n_k * (size_t)s->train->classes;
    for (int j = 0; j < columns; j++)
        cast_votes(s, l, &l->heap[j], votes + (size_t)(from + j) * each);
}

static int search_open(struct search *s, int threads, struct error *err) {
    int blocks = (s->test->n + TEST_BLOCK - 1) / TEST_BLOCK;
    s->n_lanes = threads < blocks ? threads : blocks;
    s->lane = ARENA_ARRAY(&s->arena, struct lane, s->n_lanes);
    size_t dim = (size_t)s->train->dim, keys = (size_t)s->train->n * dim;
    size_t query = TEST_BLOCK * dim, similarity = (size_t)TEST_BLOCK * TRAIN_BLOCK;
    size_t packed = (s->kernels->gemm_pack_size(TEST_BLOCK, s->train->dim) + 15) / 16 * 16;
    size_t each = KERNEL_WORKSPACE + query + packed + similarity; /* all multiples of 64 bytes */
    int status = slab_alloc(&s->slab, sizeof(float) * (each * (size_t)s->n_lanes + keys),
                            "the k-NN search", err);
    if (status)
        return status;
    float *at = s->slab.data;
    for (int i = 0; i < s->n_lanes; i++, at += each) {
        struct lane *l = &s->lane[i];
        l->c = (struct kctx){.threads = 1, .workspace = at};
        l->query = at + KERNEL_WORKSPACE;
        l->packed = l->query + query;
        l->similarity = l->packed + packed;
        l->weight = ARENA_ARRAY(&s->arena, double, s->k_max);
        l->vote = ARENA_ARRAY(&s->arena, double, s->train->classes);
        for (int j = 0; j < TEST_BLOCK; j++)
            l->heap[j].at = ARENA_ARRAY(&s->arena, struct neighbour, s->k_max);
    }
    s->kernels->l2_normalize_rows(&s->lane[0].c, s->train->n, s->train->dim, norm_eps, s->train->x,
                                  at, NULL);
    s->key = at;
    return 0;
}

/* Also how many neighbours the largest k needs. */
static int grid_check(struct search *s, int threads, struct error *err) {
    const struct knn_grid *g = s->grid;
    if (threads < 1)
        return error_set(err, STATUS_USAGE, "k-NN: %d threads: use at least 1", threads);
    for (int t = 0; t < g->n_t; t++)
        if (!(g->temperature[t] > 0))
            return error_set(err, STATUS_USAGE, "k-NN: temperature %g: use one above 0",
                             g->temperature[t]);
    for (int q = 0; q < g->n_k; q++) {
        if (g->k[q] < 1)
            return error_set(err, STATUS_USAGE, "k-NN: k = %d: use at least 1", g->k[q]);
        int clamped = g->k[q] < s->train->n ? g->k[q] : s->train->n;
        s->k_max = clamped > s->k_max ? clamped : s->k_max;
    }
    return 0;
}

int knn_votes(const struct kernels *kn, const struct features *train, const struct features *test,
              const struct knn_grid *grid, int threads, float *votes, struct error *err) {
    int status = 0;
    struct search s = {.kernels = kn, .train = train, .test = test, .grid = grid};
    CHECK(test->dim == train->dim, "%d features against %d", test->dim, train->dim);
    TRY(features_check(train, "train", 1, err));
    TRY(features_check(test, "test", 0, err));
    TRY(grid_check(&s, threads, err));
    if (!s.k_max || !grid->n_t)
        goto out;
    TRY(search_open(&s, threads, err));
    atomic_int next = 0;
#pragma omp parallel for num_threads(s.n_lanes) schedule(static, 1)
    for (int i = 0; i < s.n_lanes; i++)
        for (int from; (from = TEST_BLOCK * atomic_fetch_add(&next, 1)) < test->n;)
            classify_block(&s, &s.lane[i], from, votes);
out:
    slab_free(&s.slab);
    arena_free(&s.arena);
    return status;
}
