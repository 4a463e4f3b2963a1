/* Differences over images and aggregates over tasks: against enumeration of every draw, direct
 * convolution, SciPy, and simulations of what the intervals cover. */
#include "core/rng.h"
#include "results/aggregate.h"
#include "results/image_difference.h"
#include "results/significance.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/golden/statistics.h"

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

static void near(double got, double want, double absolute) {
    if (!(fabs(got - want) <= absolute))
        fail_msg("%.17g instead of %.17g", got, want);
}

static void expect_difference(struct image_difference d, const double *golden) {
    near(d.mean, golden[0], 1e-15);
    near(d.lo, golden[1], 1e-15);
    near(d.hi, golden[2], 1e-15);
    near(d.p, golden[3], 1e-12);
}

/* Six images: all 6^6 draws and all 2^6 signs.  Many: by convolution. */
static void test_image_difference(void **state) {
    (void)state;
    expect_difference(image_difference(golden_images, COUNT(golden_images), 3, 0.95),
                      golden_image_difference);
    int32_t many[2000];
    int n = 0;
    for (int v = 0; v < COUNT(golden_many_counts); v++)
        for (int i = 0; i < golden_many_counts[v]; i++)
            many[n++] = v - 2;
    expect_difference(image_difference(many, n, 2, 0.95), golden_many);
    for (int i = 0; i < n; i++) /* on a coarser lattice, which is the same thing */
        many[i] *= 7;
    expect_difference(image_difference(many, n, 14, 0.95), golden_many);
}

static void test_image_difference_is_mcnemar(void **state) {
    (void)state;
    static const struct {
        int only_a, only_b, n;
    } cases[] = {{3, 9, 20}, {0, 6, 6}, {130, 97, 10000}, {40, 41, 81}, {1, 0, 1}};
    for (int c = 0; c < COUNT(cases); c++) {
        static int32_t d[10000];
        for (int i = 0; i < cases[c].n; i++)
            d[i] = i < cases[c].only_a ? 1 : i < cases[c].only_a + cases[c].only_b ? -1 : 0;
        near(image_difference(d, cases[c].n, 1, 0.95).p,
             mcnemar(cases[c].only_a, cases[c].only_b).exact, 1e-12);
    }
    const int32_t same[] = {0, 0, 0}, all[] = {1, 1, 1};
    struct image_difference none = image_difference(same, 3, 1, 0.95);
    assert_true(none.p == 1 && none.mean == 0 && none.lo == 0 && none.hi == 0);
    struct image_difference one = image_difference(all, 3, 1, 0.95);
    assert_true(one.lo == 1 && one.hi == 1);
    near(one.p, 0.25, 1e-15);
}

/* Turned around, everything changes its sign; a million images are a normal distribution. */
static void test_image_difference_properties(void **state) {
    (void)state;
    enum { N = 1000000 };
    int32_t *d = malloc(N * sizeof *d);
    double squares = 0, sum = 0;
    assert_non_null(d);
    for (int i = 0; i < N; i++) {
        d[i] = (i * 7 % 23) / 4 - 2; /* -2..3 */
        sum += d[i] / 3.0;
        squares += d[i] * d[i] / 9.0;
    }
    struct image_difference a = image_difference(d, N, 3, 0.9);
    double mean = sum / N, error = sqrt((squares / N - mean * mean) / N);
    near(a.mean, mean, 1e-12);
    near(a.lo, mean - 1.6449 * error, 0.01 * error);
    near(a.hi, mean + 1.6449 * error, 0.01 * error);
    for (int i = 0; i < 1000; i++)
        d[i] = -d[i];
    struct image_difference turned = image_difference(d, 1000, 3, 0.9);
    for (int i = 0; i < 1000; i++)
        d[i] = -d[i];
    struct image_difference straight = image_difference(d, 1000, 3, 0.9);
    near(turned.mean, -straight.mean, 1e-15);
    near(turned.lo, -straight.hi, 1.1 / 3000);
    near(turned.p, straight.p, 1e-12);
    free(d);
}

static void test_right_answers(void **state) {
    (void)state;
    const int16_t pred[] = {0, 1, 2, 0, 2, 2}, label[] = {0, 2, 2};
    int32_t right[3] = {0};
    count_right(pred, 2, label, 3, right);
    assert_int_equal(right[0], 2);
    assert_int_equal(right[1], 1);
    assert_int_equal(right[2], 2);
}

static void test_aggregates(void **state) {
    (void)state;
    for (int n = 1; n <= COUNT(golden_iqm); n++)
        near(interquartile_mean(golden_iqm_x, n), golden_iqm[n - 1], 1e-12);
    assert_true(isnan(interquartile_mean(NULL, 0)));
    const struct scores left = {3, 4, golden_left}, right = {3, 4, golden_right};
    const struct scores *both[] = {&left, &right};
    double ranks[2], per_run[3];
    near(improvement(&left, &right), golden_improvement[0], 1e-15);
    near(improvement(&right, &left), 1 - golden_improvement[0], 1e-15);
    near(improvement(&left, &left), 0.5, 1e-15);
    mean_ranks(both, 2, ranks);
    near(ranks[0], golden_ranks[0], 1e-15);
    near(ranks[1], golden_ranks[1], 1e-15);
    assert_int_equal(scores_run_iqm(&left, per_run), 3);
    near(per_run[0], (52 + 49) / 2.0, 1e-12); /* of 42, 49, 52, 54 */
}

/* A run without all tasks counts in the whole, and brings no number of its own. */
static void test_gaps(void **state) {
    (void)state;
    const double x[] = {10, 20, NAN, 40, 50, 60}, nothing[] = {NAN, NAN};
    const struct scores s = {3, 2, x}, none = {1, 2, nothing};
    double per_run[3];
    near(scores_iqm(&s), (20 + 40 + 50) / 3.0, 1e-12);
    assert_int_equal(scores_run_iqm(&s, per_run), 2);
    assert_true(isnan(scores_iqm(&none)));
    assert_true(isnan(improvement(&s, &none)));
    struct interval i = iqm_bootstrap(&none, RESAMPLE_RUNS, 100, 0.95, 0);
    assert_true(isnan(i.lo) && isnan(i.hi));
    i = iqm_bootstrap(&s, RESAMPLE_TASKS, 1000, 0.95, 0);
    assert_true(i.lo >= 10 && i.hi <= 60 && i.lo < i.hi);
}

/* Two runs and two tasks have few draws: the middle of many is what all of them give. */
static void test_bootstrap_draws(void **state) {
    (void)state;
    enum { STREAMS = 400 };
    const struct scores s = {2, 2, golden_small};
    const double *golden[] = {golden_small_tasks, golden_small_runs};
    for (int how = 0; how < 2; how++) {
        double sum = 0;
        for (int i = 0; i < STREAMS; i++) /* one draw each: lo and hi are that draw */
            sum += iqm_bootstrap(&s, (enum resampling)how, 1, 0.95, (uint64_t)i).lo;
        near(sum / STREAMS, golden[how][0], 5 * sqrt(golden[how][1] / STREAMS));
    }
    struct interval a = iqm_bootstrap(&s, RESAMPLE_TASKS, 500, 0.95, 7),
                    b = iqm_bootstrap(&s, RESAMPLE_TASKS, 500, 0.95, 7);
    assert_true(a.lo == b.lo && a.hi == b.hi && a.mean == 25 && a.lo >= 10 && a.hi <= 50);
    const struct scores left = {3, 4, golden_left}, right = {3, 4, golden_right};
    struct interval p = improvement_bootstrap(&left, &right, RESAMPLE_TASKS, 2000, 0.95, 0);
    assert_true(p.lo >= 0 && p.lo < p.mean && p.mean < p.hi && p.hi <= 1);
}

/* ---- simulations ---- */

static int rounds(void) {
    return getenv("SSV_LONG") ? 5000 : 1000;
}

/* Over images the bootstrap covers what it says, within what the percentile method loses. */
static void test_images_cover(void **state) {
    (void)state;
    enum { IMAGES = 300 };
    long covered = 0, wrong = 0;
    const int tries = rounds();
    for (int i = 0; i < tries; i++) {
        struct rng r = rng_at((struct rng_key){2, RNG_TEST}, (uint32_t)i, 0);
        int32_t d[IMAGES], fair[IMAGES];
        for (int k = 0; k < IMAGES; k++) {
            double u = rng_uniform(&r);
            d[k] = u < 0.15 ? 1 : u < 0.20 ? -1 : 0; /* a true difference of 0.1 */
            fair[k] = u < 0.10 ? 1 : u < 0.20 ? -1 : 0;
        }
        struct image_difference x = image_difference(d, IMAGES, 1, 0.95);
        covered += x.lo <= 0.1 && 0.1 <= x.hi;
        wrong += image_difference(fair, IMAGES, 1, 0.95).p <= 0.05;
    }
    double bound = 5 * sqrt(0.05 * 0.95 / tries);
    near((double)covered / tries, 0.95, bound + 0.01);
    assert_true((double)wrong / tries <= 0.05 + bound);
}

/* What docs/statistics.md says of few runs: of networks that are evaluated on all tasks a
 * t-interval over the runs' own interquartile means covers 95 %, resampling three of them does not.
 */
static void test_runs_cover(void **state) {
    (void)state;
    enum { RUNS = 3, TASKS = 8 };
    long t = 0, whole = 0, within = 0;
    const int tries = rounds();
    for (int i = 0; i < tries; i++) {
        struct rng r = rng_at((struct rng_key){3, RNG_TEST}, (uint32_t)i, 0);
        double x[RUNS * TASKS], per_run[RUNS];
        for (int k = 0; k < RUNS; k++) {
            double run = rng_normal(&r); /* a good seed is good at everything */
            for (int task = 0; task < TASKS; task++)
                x[k * TASKS + task] = run + 0.5 * rng_normal(&r);
        }
        const struct scores s = {RUNS, TASKS, x};
        struct interval m = mean_interval(per_run, scores_run_iqm(&s, per_run), 0.95);
        struct interval w = iqm_bootstrap(&s, RESAMPLE_RUNS, 200, 0.95, (uint64_t)i);
        struct interval b = iqm_bootstrap(&s, RESAMPLE_TASKS, 200, 0.95, (uint64_t)i);
        t += m.lo <= 0 && 0 <= m.hi;
        whole += w.lo <= 0 && 0 <= w.hi;
        within += b.lo <= 0 && 0 <= b.hi;
    }
    near((double)t / tries, 0.95, 5 * sqrt(0.05 * 0.95 / tries));
    assert_true((double)whole / tries < 0.85);
    assert_true(within < whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_image_difference),
        cmocka_unit_test(test_image_difference_is_mcnemar),
        cmocka_unit_test(test_image_difference_properties),
        cmocka_unit_test(test_right_answers),
        cmocka_unit_test(test_aggregates),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_bootstrap_draws),
        cmocka_unit_test(test_images_cover),
        cmocka_unit_test(test_runs_cover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
