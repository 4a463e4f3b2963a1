/* rng_internal.h -- the words of Philox and what is made of them, for loops over many streams. */
#ifndef SSV_CORE_RNG_INTERNAL_H
#define SSV_CORE_RNG_INTERNAL_H

#include <stdint.h>

enum { RNG_WORDS = 4 }; /* that one counter gives */

static inline void philox_rounds(const uint32_t counter[RNG_WORDS], const uint32_t key[2],
                                 uint32_t out[RNG_WORDS]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* [0, 1), 53 bits */
static inline double rng_uniform_of(uint32_t high, uint32_t low) {
    return ((int32_t)(high >> 5) * 67108864.0 + (int32_t)(low >> 6)) * (1.0 / 9007199254740992.0);
}

#endif
