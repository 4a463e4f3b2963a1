/* The generator against published numbers and an independent implementation, and what the program
 * relies on: no bias, no dependence between streams, the layout that results are tied to. */
#include "core/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined __has_include
#if __has_include(<Random123/philox.h>)
#include <Random123/philox.h>
#define HAVE_RANDOM123
#endif
#endif

enum { DRAWS = 100000 };

static struct rng stream(uint64_t seed) {
    return rng_at((struct rng_key){seed, RNG_TEST}, 0, 0);
}

/* kat_vectors of Random123, philox4x32 with 10 rounds. */
static void test_known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0}, {0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t out[4];
        philox4x32_10(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

static void test_random123(void **state) {
    (void)state;
#ifdef HAVE_RANDOM123
    struct rng r = stream(1);
    for (int i = 0; i < 1000; i++) {
        uint32_t counter[4], key[2], out[4];
        for (int j = 0; j < 4; j++)
            counter[j] = rng_u32(&r);
        for (int j = 0; j < 2; j++)
            key[j] = rng_u32(&r);
        philox4x32_ctr_t c = {{counter[0], counter[1], counter[2], counter[3]}};
        philox4x32_key_t k = {{key[0], key[1]}};
        philox4x32_ctr_t expected = philox4x32_R(10, c, k);
        philox4x32_10(counter, key, out);
        assert_memory_equal(out, expected.v, sizeof out);
    }
#else
    skip();
#endif
}

/* key = (seed, purpose), counter = (draw, sample, epoch, high half of the seed). */
static void test_layout(void **state) {
    (void)state;
    uint64_t seed = 0x0123456789abcdefu;
    struct rng r = rng_at((struct rng_key){seed, RNG_MASK}, 7, 42);
    const uint32_t key[2] = {0x89abcdef, RNG_MASK};
    for (uint32_t draw = 0; draw < 5; draw++) {
        const uint32_t counter[4] = {draw, 42, 7, 0x01234567};
        uint32_t expected[4];
        philox4x32_10(counter, key, expected);
        for (int word = 0; word < 4; word++)
            assert_int_equal(rng_u32(&r), expected[word]);
    }
}

/* Purposes are written into results: a changed number changes every run. */
static void test_purposes_stay(void **state) {
    (void)state;
    assert_int_equal(RNG_INIT, 1);
    assert_int_equal(RNG_VIEW, 3);
    assert_int_equal(RNG_TEST, 8);
    assert_int_equal(RNG_BOOTSTRAP, 9);
}

/* Neighbouring streams in every direction: different words, no correlation. */
static void test_streams_are_independent(void **state) {
    (void)state;
    static const struct {
        uint64_t seed;
        uint32_t purpose, epoch, sample;
    } at[] = {
        {3, RNG_VIEW, 5, 9}, {4, RNG_VIEW, 5, 9}, {3, RNG_MASK, 5, 9},
        {3, RNG_VIEW, 6, 9}, {3, RNG_VIEW, 5, 8}, {3 + (1ull << 32), RNG_VIEW, 5, 9},
    };
    enum { N = sizeof at / sizeof at[0], WORDS = 20000 };
    struct rng r[N];
    double product[N][N] = {{0}};
    for (int i = 0; i < N; i++)
        r[i] = rng_at((struct rng_key){at[i].seed, at[i].purpose}, at[i].epoch, at[i].sample);
    for (int w = 0; w < WORDS; w++) {
        double x[N];
        for (int i = 0; i < N; i++)
            x[i] = rng_uniform(&r[i]) - 0.5;
        for (int i = 0; i < N; i++)
            for (int j = 0; j < i; j++)
                product[i][j] += x[i] * x[j];
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++)
            assert_true(fabs(product[i][j] * 12 / WORDS) < 5 / sqrt(WORDS));
}

static void test_same_stream_again(void **state) {
    (void)state;
    struct rng a = stream(11), b = stream(11);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_u32(&a), rng_u32(&b));
    b = a; /* a copy goes on from where the original stands */
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_u32(&a), rng_u32(&b));
}

static void test_uniform(void **state) {
    (void)state;
    struct rng r = stream(2);
    double sum = 0, squares = 0;
    int bins[16] = {0};
    const double steps = 9007199254740992.0; /* 2^53 */
    uint64_t bits_seen = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = rng_uniform(&r);
        assert_true(x >= 0 && x < 1);
        assert_true(x * steps == floor(x * steps));
        bits_seen |= (uint64_t)(x * steps);
        sum += x;
        squares += x * x;
        bins[(int)(x * 16)]++;
    }
    assert_true(bits_seen == (1ull << 53) - 1);
    assert_true(fabs(sum / DRAWS - 0.5) < 5 * sqrt(1.0 / 12 / DRAWS));
    assert_true(fabs(squares / DRAWS - 1.0 / 3) < 5 * sqrt(4.0 / 45 / DRAWS));
    double chi2 = 0, expected = DRAWS / 16.0;
    for (int i = 0; i < 16; i++)
        chi2 += (bins[i] - expected) * (bins[i] - expected) / expected;
    assert_true(chi2 < 15 + 5 * sqrt(30));
    for (int i = 0; i < 1000; i++) {
        double x = rng_range(&r, -3, 2);
        assert_true(x >= -3 && x < 2);
    }
}

static void test_normal(void **state) {
    (void)state;
    struct rng r = stream(3);
    double moment[5] = {0};
    int beyond = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = rng_normal(&r), power = 1;
        assert_true(isfinite(x));
        beyond += fabs(x) > 1.959963985;
        for (int m = 1; m <= 4; m++)
            moment[m] += (power *= x) / DRAWS;
    }
    /* The variance of the m-th sample moment is (E x^2m - (E x^m)^2) / n. */
    static const double expected[] = {0, 0, 1, 0, 3}, variance[] = {0, 1, 2, 15, 96};
    for (int m = 1; m <= 4; m++)
        assert_true(fabs(moment[m] - expected[m]) < 5 * sqrt(variance[m] / DRAWS));
    assert_true(fabs(beyond / (double)DRAWS - 0.05) < 5 * sqrt(0.05 * 0.95 / DRAWS));
}

/* What the library's functions say, to the last bits, and the same numbers one by one as many at a
 * time, wherever in the stream. */
static void test_normals(void **state) {
    (void)state;
    enum { MOST = 1000 };
    static const size_t counts[] = {0, 1, 63, 64, 65, 129, MOST};
    struct rng one = stream(31), many = one, plain = one;
    double x[MOST];
    for (int odd = 0; odd < 2; odd++) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            rng_normals(&many, x, counts[c]);
            for (size_t i = 0; i < counts[c]; i++) {
                double u = 1 - rng_uniform(&plain), v = rng_uniform(&plain);
                double expected = sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
                assert_true(x[i] == rng_normal(&one));
                assert_true(fabs(x[i] - expected) < 4e-15);
            }
        }
        assert_int_equal(rng_u32(&one), rng_u32(&many));
        rng_u32(&plain);
    }
}

/* Wherever in a stream, that of an odd word included. */
static void test_uniforms(void **state) {
    (void)state;
    enum { MOST = 1000 };
    static const size_t counts[] = {0, 1, 63, 64, 65, 129, MOST};
    struct rng one = stream(32), many = one;
    double x[MOST];
    for (int odd = 0; odd < 2; odd++) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            rng_uniforms(&many, x, counts[c]);
            for (size_t i = 0; i < counts[c]; i++)
                assert_true(x[i] == rng_uniform(&one));
        }
        assert_int_equal(rng_u32(&one), rng_u32(&many));
    }
}

static void test_below_small(void **state) {
    (void)state;
    struct rng r = stream(4);
    for (uint32_t n = 1; n <= 12; n++) {
        int count[12] = {0};
        for (int i = 0; i < 12000; i++) {
            uint32_t x = rng_below(&r, n);
            assert_true(x < n);
            count[x]++;
        }
        double expected = 12000.0 / n;
        for (uint32_t x = 0; x < n; x++)
            assert_true(fabs(count[x] - expected) <= 5 * sqrt(expected));
    }
}

/* 3 * 2^30 is where a generator that does not reject is worst: of its 2^32 words every third result
 * would get two, so that half of the results were multiples of three. */
static void test_below_has_no_bias(void **state) {
    (void)state;
    struct rng r = stream(5);
    const uint32_t n = 3u << 30;
    int multiples = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint32_t x = rng_below(&r, n);
        assert_true(x < n);
        multiples += x % 3 == 0;
    }
    assert_true(fabs(multiples / (double)DRAWS - 1.0 / 3) < 5 * sqrt(2.0 / 9 / DRAWS));
    for (int i = 0; i < 100; i++)
        assert_true(rng_below(&r, UINT32_MAX) < UINT32_MAX);
}

static void test_permutation(void **state) {
    (void)state;
    struct rng r = stream(6);
    for (uint32_t n = 0; n < 70; n++) {
        int32_t order[70];
        int seen[70] = {0};
        rng_permutation(&r, order, n);
        for (uint32_t i = 0; i < n; i++) {
            assert_in_range(order[i], 0, n - 1);
            assert_int_equal(seen[order[i]]++, 0);
        }
    }
}

/* All 24 orders of four things equally often. */
static void test_permutation_is_fair(void **state) {
    (void)state;
    enum { ROUNDS = 24000 };
    struct rng r = stream(7);
    int count[256] = {0}, orders = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int32_t o[4];
        rng_permutation(&r, o, 4);
        count[o[0] << 6 | o[1] << 4 | o[2] << 2 | o[3]]++;
    }
    for (int i = 0; i < 256; i++) {
        if (!count[i])
            continue;
        orders++;
        assert_true(abs(count[i] - ROUNDS / 24) < 5 * sqrt(ROUNDS / 24.0));
    }
    assert_int_equal(orders, 24);
}

static void test_shuffled_is_a_permutation(void **state) {
    (void)state;
    static unsigned char seen[70000];
    for (uint32_t n = 1; n < 70000; n += 1 + n / 3) {
        for (uint32_t epoch = 0; epoch < 3; epoch++) {
            memset(seen, 0, n);
            for (uint32_t i = 0; i < n; i++) {
                uint32_t k = rng_shuffled((struct rng_key){n, RNG_TEST}, epoch, n, i);
                assert_true(k < n);
                assert_int_equal(seen[k]++, 0);
            }
        }
    }
    for (uint32_t i = 0; i < 100; i++)
        assert_true(rng_shuffled((struct rng_key){1, RNG_TEST}, 0, UINT32_MAX, i) < UINT32_MAX);
}

/* Every element at every place equally often, and neighbours are no neighbours afterwards. */
static void test_shuffled_is_fair(void **state) {
    (void)state;
    enum { ROUNDS = 20000 };
    static const uint32_t sizes[] = {2, 3, 5, 8, 13};
    for (int s = 0; s < 5; s++) {
        uint32_t n = sizes[s];
        int at[13][13] = {{0}}, next = 0;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            uint32_t previous = n;
            for (uint32_t i = 0; i < n; i++) {
                uint32_t k = rng_shuffled((struct rng_key){77, RNG_TEST}, round, n, i);
                at[i][k]++;
                next += i && k == previous + 1;
                previous = k;
            }
        }
        double p = 1.0 / n, close = 5 * sqrt(ROUNDS * p * (1 - p));
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < n; k++)
                assert_true(fabs(at[i][k] - ROUNDS * p) < close);
        /* n - 1 pairs of places, each successive with probability 1/n */
        assert_true(fabs(next / (double)ROUNDS - (n - 1.0) / n) < 0.05);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shuffled_is_a_permutation),
        cmocka_unit_test(test_shuffled_is_fair),
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_random123),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_purposes_stay),
        cmocka_unit_test(test_streams_are_independent),
        cmocka_unit_test(test_same_stream_again),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_normal),
        cmocka_unit_test(test_normals),
        cmocka_unit_test(test_uniforms),
        cmocka_unit_test(test_below_small),
        cmocka_unit_test(test_below_has_no_bias),
        cmocka_unit_test(test_permutation),
        cmocka_unit_test(test_permutation_is_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
