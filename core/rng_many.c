/* rng_many.c -- numbers of a stream many at a time: uniform, and normal by Box and Muller.
 *
 * Logarithm, sine and cosine are written out, in operations that IEEE 754 defines to the bit: a
 * mathematics library may change its last digits, and it takes one number at a time.  Compiled
 * without contraction, so that the loop is the same numbers as vector code.
 */
#include "core/rng.h"

#include "core/clones.h"
#include "core/rng_internal.h"

#include <math.h>
#include <string.h>

enum { MANTISSA = 52, BLOCK = 64 };
static const double pi = 3.14159265358979323846;

static inline uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double double_of(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* c[0] + c[1] q + ... + c[n-1] q^(n-1) */
static inline double polynomial(double q, const double *c, int n) {
    double sum = c[n - 1];
    for (int i = n - 2; i >= 0; i--)
        sum = sum * q + c[i];
    return sum;
}

/* Of 0 < u <= 1, normal: u = 2^k m with m between the roots of 1/2 and 2; with s = (m-1)/(m+1),
 * log m = 2 (s + s^3/3 + s^5/5 + ...), where s^2 < 0.03. */
static inline double logarithm(double u) {
    static const double series[] = {1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11, 1.0 / 13,
                                    1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21, 1.0 / 23};
    const double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45;
    const double unit = 0x1p52; /* an integer in its last bits is that much more */
    const uint64_t one = bits_of(1), lowest = bits_of(0x1.6a09e667f3bcdp-1);
    uint64_t exponent = (bits_of(u) + (one - lowest)) >> MANTISSA;
    double k = double_of(bits_of(unit) | exponent) - (unit + 1023);
    double m = double_of(bits_of(u) - (exponent << MANTISSA) + one);
    double s = (m - 1) / (m + 1), q = s * s;
    return k * ln2_high + (2 * s * q * polynomial(q, series, 11) + (k * ln2_low + 2 * s));
}

/* Of 2 pi v, 0 <= v < 1: v is some quarters of a turn and at most an eighth more or less, whose
 * sine and cosine are series. */
static inline double cosine_of_turn(double v) {
    static const double sine_series[] = {1,
                                         -1.0 / 6,
                                         1.0 / 120,
                                         -1.0 / 5040,
                                         1.0 / 362880,
                                         -1.0 / 39916800,
                                         1.0 / 6227020800,
                                         -1.0 / 1307674368000,
                                         1.0 / 355687428096000};
    static const double cosine_series[] = {1,
                                           -1.0 / 2,
                                           1.0 / 24,
                                           -1.0 / 720,
                                           1.0 / 40320,
                                           -1.0 / 3628800,
                                           1.0 / 479001600,
                                           -1.0 / 87178291200,
                                           1.0 / 20922789888000,
                                           -1.0 / 6402373705728000};
    const double unit = 0x1.8p52; /* nothing behind the point has room beside it */
    double rounded = 4 * v + unit;
    double x = 2 * pi * (v - (rounded - unit) / 4), q = x * x;
    uint64_t sine = bits_of(x * polynomial(q, sine_series, 9));
    uint64_t cosine = bits_of(polynomial(q, cosine_series, 10));
    uint64_t quarters = bits_of(rounded), odd = -(quarters & 1);
    uint64_t negative = ((quarters + 1) & 2) << 62;
    return double_of(((sine & odd) | (cosine & ~odd)) ^ negative);
}

static inline double box_muller(double u, double v) {
    return sqrt(-2 * logarithm(u)) * cosine_of_turn(v);
}

double rng_normal(struct rng *r) {
    double u = 1 - rng_uniform(r);
    return box_muller(u, rng_uniform(r));
}

/* Block i of those that a stream at the beginning of one has next. */
static inline void words_of(const struct rng *r, uint32_t i, uint32_t word[RNG_WORDS]) {
    const uint32_t counter[RNG_WORDS] = {r->counter[0] + i, r->counter[1], r->counter[2],
                                         r->counter[3]};
    philox_rounds(counter, r->key, word);
}

VECTOR_CLONES
static void uniform_blocks(const struct rng *r, double *restrict out) {
    const struct rng local = *r;
    for (uint32_t i = 0; i < BLOCK / 2; i++) {
        uint32_t word[RNG_WORDS];
        words_of(&local, i, word);
        out[2 * i] = rng_uniform_of(word[0], word[1]);
        out[2 * i + 1] = rng_uniform_of(word[2], word[3]);
    }
}

VECTOR_CLONES
static void normal_blocks(const struct rng *r, double *restrict out) {
    const struct rng local = *r;
    for (uint32_t i = 0; i < BLOCK; i++) {
        uint32_t word[RNG_WORDS];
        words_of(&local, i, word);
        out[i] = box_muller(1 - rng_uniform_of(word[0], word[1]), rng_uniform_of(word[2], word[3]));
    }
}

/* BLOCK numbers take `words` blocks of words. */
static void many(struct rng *r, double *out, size_t n, uint32_t words,
                 void (*block)(const struct rng *r, double *restrict out),
                 double (*one)(struct rng *r)) {
    size_t i = 0;
    for (; r->used == RNG_WORDS && n - i >= BLOCK; i += BLOCK) {
        block(r, out + i);
        r->counter[0] += words;
    }
    for (; i < n; i++)
        out[i] = one(r);
}

void rng_uniforms(struct rng *r, double *out, size_t n) {
    many(r, out, n, BLOCK / 2, uniform_blocks, rng_uniform);
}

void rng_normals(struct rng *r, double *out, size_t n) {
    many(r, out, n, BLOCK, normal_blocks, rng_normal);
}
