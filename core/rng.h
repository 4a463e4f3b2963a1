/* rng.h -- Philox4x32-10, stateless and counter based.
 *
 * Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 * key = (seed, purpose), counter = (draw, sample, epoch, high half of the seed): what a sample gets
 * depends on nothing but these, so it is the same for any number of threads, any batch it falls in,
 * and after a restart.
 */
#ifndef SSV_CORE_RNG_H
#define SSV_CORE_RNG_H

#include <stddef.h>
#include <stdint.h>

enum rng_purpose {               /* written into results: append only */
                   RNG_INIT = 1, /* initial weights; sample = hash of the parameter's name */
                   RNG_ORDER,    /* permutation of an epoch */
                   RNG_VIEW,     /* augmentation */
                   RNG_MASK,     /* masks and other per-sample draws of a method */
                   RNG_SPLIT,    /* train/validation split */
                   RNG_PROBE,    /* probe initialisation and order */
                   RNG_DATA,     /* synthetic data */
                   RNG_TEST,
                   RNG_BOOTSTRAP,
                   RNG_DROP,    /* stochastic depth */
                   RNG_TEXT,    /* which caption, and other draws about text */
                   RNG_MIX,     /* mixing of a batch; sample = its step */
                   RNG_LOWSHOT, /* labelled images of a draw; epoch: the draw, sample: the class */
};

struct rng_key {
    uint64_t seed;
    uint32_t purpose;
};

struct rng {
    uint32_t key[2], counter[4];
    uint32_t block[4];
    unsigned used; /* words of block already handed out */
};

/* The bare generator: counter and key in, 128 bits out. */
void philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

struct rng rng_at(struct rng_key key, uint32_t epoch, uint32_t sample);
uint32_t rng_u32(struct rng *r);
double rng_uniform(struct rng *r); /* [0, 1), 53 bits */
double rng_range(struct rng *r, double lo, double hi);
double rng_normal(struct rng *r); /* N(0, 1), Box-Muller */
/* What n calls of rng_uniform and of rng_normal return, in less than half the time. */
void rng_uniforms(struct rng *r, double *out, size_t n);
void rng_normals(struct rng *r, double *out, size_t n);
uint32_t rng_below(struct rng *r, uint32_t n);                 /* 0..n-1 without bias; n > 0 */
void rng_permutation(struct rng *r, int32_t *out, uint32_t n); /* Fisher-Yates of 0..n-1 */
/* Element i of the permutation of 0..n-1 that belongs to (key, epoch), without writing it down: a
 * Feistel network with Philox as its function, run again while its result is n or more (Black and
 * Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002).  For orders: of a small n not all
 * permutations occur. */
uint32_t rng_shuffled(struct rng_key key, uint32_t epoch, uint32_t n, uint32_t i);

#endif
