/* beit_internal.h -- the parts of BEiT that a test can hold by themselves; nobody but beit*.c and
 * its test includes it. */
#ifndef SSV_METHODS_BEIT_INTERNAL_H
#define SSV_METHODS_BEIT_INTERNAL_H

#include "core/error.h"
#include "core/rng.h"
#include "kernels/kernels.h"

/* Blockwise masking (beit_mask.c): Bao et al. 2022, algorithm 1. */

struct block_masking {
    int grid;      /* patches on a side */
    int most;      /* patches that may be masked, 1..grid^2 - 1 */
    int least;     /* patches that a block is drawn to have, at least */
    double aspect; /* height by width of a block: log-uniform in [aspect, 1 / aspect] */
};

struct mask_block { /* in patches */
    int top, left, height, width;
    double area, aspect; /* as drawn, before rounding to whole patches */
    int room;            /* patches that could still be masked before it */
};

/* masked (grid^2) becomes 0 or 1; returns the number of ones, 1..most.  blocks (most), unless NULL,
 * receives what was masked in this order, n_blocks of them. */
int block_mask(const struct block_masking *m, struct rng *rng, int32_t *masked,
               struct mask_block *blocks, int *n_blocks);

/* Visual words (beit_words.c): k-means. */

struct words_config {
    const struct kernels *kernels;
    int threads;
    uint64_t seed;
    int words, iterations; /* at most so many; fewer once nothing changes */
};

/* words (words,dim) for the rows of x (n,dim), n >= 1.  spread (iterations + 1), unless NULL,
 * receives the mean squared distance of a row to its word before each iteration and at the end.
 * iterations: how many there were.  Status 3 when memory is short. */
int words_fit(const struct words_config *c, int n, int dim, const real *x, real *words,
              double *spread, int *iterations, struct error *err);

#endif
