#include "core/rng.h"

#include "core/error.h"
#include "core/rng_internal.h"

void philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    philox_rounds(counter, key, out);
}

struct rng rng_at(struct rng_key key, uint32_t epoch, uint32_t sample) {
    return (struct rng){.key = {(uint32_t)key.seed, key.purpose},
                        .counter = {0, sample, epoch, (uint32_t)(key.seed >> 32)},
                        .used = RNG_WORDS};
}

uint32_t rng_u32(struct rng *r) {
    if (r->used == RNG_WORDS) {
        philox4x32_10(r->counter, r->key, r->block);
        r->counter[0]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

double rng_uniform(struct rng *r) {
    uint32_t high = rng_u32(r);
    return rng_uniform_of(high, rng_u32(r));
}

double rng_range(struct rng *r, double lo, double hi) {
    return lo + (hi - lo) * rng_uniform(r);
}

uint32_t rng_below(struct rng *r, uint32_t n) {
    CHECK(n > 0, "rng_below of an empty range");
    uint32_t limit = -n % n; /* 2^32 mod n: reject the short last stretch */
    for (;;) {
        uint64_t product = (uint64_t)rng_u32(r) * n;
        if ((uint32_t)product >= limit)
            return (uint32_t)(product >> 32);
    }
}

/* x of left + right bits; the halves change places, and widths, an even number of times. */
static uint32_t feistel(struct rng_key key, uint32_t epoch, int left, int right, uint32_t x) {
    enum { ROUNDS = 6 };
    const uint32_t words[2] = {(uint32_t)key.seed, key.purpose};
    uint32_t high = (uint32_t)((uint64_t)x >> right), low = x & (uint32_t)((1ULL << right) - 1);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint32_t counter[4] = {round, low, epoch, (uint32_t)(key.seed >> 32)};
        uint32_t random[4];
        philox4x32_10(counter, words, random);
        uint32_t mixed = high ^ (random[0] & (uint32_t)((1ULL << left) - 1));
        int width = left;
        high = low, low = mixed;
        left = right, right = width;
    }
    return (uint32_t)((uint64_t)high << right) | low;
}

uint32_t rng_shuffled(struct rng_key key, uint32_t epoch, uint32_t n, uint32_t i) {
    enum { FEWEST_BITS = 8 }; /* halves of fewer than 4 bits mix badly */
    CHECK(i < n, "element %u of a permutation of %u", i, n);
    int bits = FEWEST_BITS;
    while (bits < 32 && (1ULL << bits) < n)
        bits++;
    do
        i = feistel(key, epoch, bits - bits / 2, bits / 2, i);
    while (i >= n);
    return i;
}

void rng_permutation(struct rng *r, int32_t *out, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = rng_below(r, i + 1);
        out[i] = out[j];
        out[j] = (int32_t)i;
    }
}
