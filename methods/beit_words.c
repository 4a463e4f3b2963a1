/* beit_words.c -- visual words: k-means on patches.
 *
 * Seeds by k-means++ (Arthur and Vassilvitskii 2007, section 2.2), then Lloyd's iterations (Lloyd
 * 1982): every row goes to its nearest word, every word to the mean of its rows.  A word without
 * rows becomes the row that lies farthest from its own word (the first of equals).  Means are added
 * up in the order of the rows, in double, so that threads do not change a bit.
 */
#include "methods/beit_internal.h"

#include "core/arena.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 1024 }; /* rows that are compared with all words at a time */

struct fit {
    const struct words_config *c;
    struct kctx ctx;
    int n, dim;
    const real *x;    /* (n,dim) */
    real *words;      /* (words,dim) */
    real *half;       /* (words) |word|^2 / 2 */
    real *scores;     /* (BLOCK,words) */
    int32_t *nearest; /* (n) */
    double *distance; /* (n) squared, of a row to its word */
    double *sums;     /* (words,dim) */
    int *counts;      /* (words) */
};

static const real *row(const struct fit *f, int i) {
    return f->x + (size_t)i * (size_t)f->dim;
}

static real *word(const struct fit *f, int k) {
    return f->words + (size_t)k * (size_t)f->dim;
}

static double squared_distance(const real *a, const real *b, int dim) {
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < dim; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return (double)sum;
}

/* The row at which the running sum of the distances passes a uniform share of the whole. */
static int draw_far_row(const struct fit *f, struct rng *rng) {
    double total = 0, sum = 0;
    for (int i = 0; i < f->n; i++)
        total += f->distance[i];
    if (total <= 0) /* fewer different rows than words */
        return (int)rng_below(rng, (uint32_t)f->n);
    double at = rng_uniform(rng) * total;
    int last = 0;
    for (int i = 0; i < f->n; i++) {
        sum += f->distance[i];
        last = f->distance[i] > 0 ? i : last;
        if (sum > at)
            return i;
    }
    return last;
}

static void seed(struct fit *f) {
    struct rng rng = rng_at((struct rng_key){f->c->seed, RNG_INIT}, 1, 0); /* weights: epoch 0 */
    for (int i = 0; i < f->n; i++)
        f->distance[i] = INFINITY;
    for (int k = 0; k < f->c->words; k++) {
        int chosen = k ? draw_far_row(f, &rng) : (int)rng_below(&rng, (uint32_t)f->n);
        memcpy(word(f, k), row(f, chosen), sizeof(real) * (size_t)f->dim);
#pragma omp parallel for num_threads(f->c->threads) schedule(static)
        for (int i = 0; i < f->n; i++)
            f->distance[i] = fmin(f->distance[i], squared_distance(row(f, i), word(f, k), f->dim));
    }
}

/* argmin |x - w|^2 = argmax x w' - |w|^2 / 2; of equals the first. */
static int best_of(const struct fit *f, const real *scores) {
    int best = 0;
    for (int k = 1; k < f->c->words; k++)
        if (scores[k] - f->half[k] > scores[best] - f->half[best])
            best = k;
    return best;
}

/* Returns the number of rows with another word than before. */
static int assign(struct fit *f) {
    const struct kernels *kernels = f->c->kernels;
    int changed = 0, words = f->c->words;
    for (int k = 0; k < words; k++)
        f->half[k] = (real)(kernels->sum_squares(&f->ctx, (size_t)f->dim, word(f, k)) / 2);
    for (int first = 0; first < f->n; first += BLOCK) {
        int rows = f->n - first < BLOCK ? f->n - first : BLOCK;
        kernels->gemm(&f->ctx, 0, 1, rows, words, f->dim, 1, row(f, first), f->dim, f->words,
                      f->dim, 0, f->scores, words);
#pragma omp parallel for num_threads(f->c->threads) schedule(static) reduction(+ : changed)
        for (int i = 0; i < rows; i++) {
            int best = best_of(f, f->scores + (size_t)i * (size_t)words);
            changed += best != f->nearest[first + i];
            f->nearest[first + i] = best;
            f->distance[first + i] = squared_distance(row(f, first + i), word(f, best), f->dim);
        }
    }
    return changed;
}

static double mean_distance(const struct fit *f) {
    double sum = 0;
    for (int i = 0; i < f->n; i++)
        sum += f->distance[i];
    return sum / f->n;
}

static int farthest_row(const struct fit *f) {
    int best = 0;
    for (int i = 1; i < f->n; i++)
        if (f->distance[i] > f->distance[best])
            best = i;
    return best;
}

static void update(struct fit *f) {
    size_t dim = (size_t)f->dim;
    memset(f->sums, 0, sizeof *f->sums * dim * (size_t)f->c->words);
    memset(f->counts, 0, sizeof *f->counts * (size_t)f->c->words);
    for (int i = 0; i < f->n; i++) {
        double *sum = f->sums + (size_t)f->nearest[i] * dim;
        for (size_t d = 0; d < dim; d++)
            sum[d] += (double)row(f, i)[d];
        f->counts[f->nearest[i]]++;
    }
    for (int k = 0; k < f->c->words; k++) {
        real *w = word(f, k);
        for (size_t d = 0; d < dim && f->counts[k]; d++)
            w[d] = (real)(f->sums[(size_t)k * dim + d] / f->counts[k]);
        if (f->counts[k])
            continue;
        int far = farthest_row(f);
        memcpy(w, row(f, far), sizeof *w * dim);
        f->distance[far] = 0;
    }
}

int words_fit(const struct words_config *c, int n, int dim, const real *x, real *words,
              double *spread, int *iterations, struct error *err) {
    CHECK(n > 0 && dim > 0 && c->words > 0 && c->threads > 0, "%d words of %d rows of %d", c->words,
          n, dim);
    struct slab workspace = {0}, sums = {0}, scores = {0};
    struct arena a = {0};
    int status = 0, done = 0;
    size_t k = (size_t)c->words;
    struct fit f = {.c = c, .n = n, .dim = dim, .x = x, .words = words};
    TRY(slab_alloc(&workspace, sizeof(real) * KERNEL_WORKSPACE * (size_t)c->threads,
                   "workspace of k-means", err));
    TRY(slab_alloc(&sums, sizeof(double) * k * (size_t)dim, "sums of k-means", err));
    TRY(slab_alloc(&scores, sizeof(real) * k * BLOCK, "scores of k-means", err));
    f.ctx = (struct kctx){.threads = c->threads, .workspace = workspace.data};
    f.sums = sums.data;
    f.scores = scores.data;
    f.half = ARENA_ARRAY(&a, real, k);
    f.counts = ARENA_ARRAY(&a, int, k);
    f.nearest = ARENA_ARRAY(&a, int32_t, n);
    f.distance = ARENA_ARRAY(&a, double, n);
    memset(f.nearest, 0xff, sizeof *f.nearest * (size_t)n); /* -1: no word yet */
    seed(&f);
    while (assign(&f) && done < c->iterations) {
        if (spread)
            spread[done] = mean_distance(&f);
        update(&f);
        done++;
    }
    if (spread)
        spread[done] = mean_distance(&f);
    if (iterations)
        *iterations = done;
out:
    arena_free(&a);
    slab_free(&workspace);
    slab_free(&sums);
    slab_free(&scores);
    return status;
}
