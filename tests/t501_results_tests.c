/* Tests of differences against SciPy, statsmodels and whole-number arithmetic; and simulations of
 * what they promise: how often an interval covers, how often a test is wrong. */
#include "core/rng.h"
#include "results/distributions.h"
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
enum { N_A = COUNT(golden_a), N_B = COUNT(golden_b) };

static void near(double got, double want, double relative) {
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("%.17g instead of %.17g", got, want);
}

static void test_t_tails(void **state) {
    (void)state;
    for (int i = 0; i < COUNT(golden_two_sided); i++) {
        double t = golden_two_sided[i].t, df = golden_two_sided[i].df;
        near(student_t_two_sided(t, df), golden_two_sided[i].two_sided, 1e-10);
        near(student_t_two_sided(-t, df), golden_two_sided[i].two_sided, 1e-10);
        near(student_t_above(t, df) + student_t_above(-t, df), 1, 1e-15);
    }
    for (double df = 1; df < 1e9; df *= 7) /* the inverse of the quantile */
        for (double p = 1e-6; p < 0.5; p *= 3)
            near(student_t_above(student_t_quantile(1 - p, df), df), p, 1e-9);
    for (double t = 1e-12; t < 1e12; t *= 10) /* the closed form; SciPy loses digits below 0.001 */
        near(student_t_two_sided(t, 1), 2 / acos(-1.0) * atan(1 / t), 1e-13);
    assert_true(student_t_two_sided(0, 3) == 1);
    assert_true(student_t_two_sided(INFINITY, 3) == 0);
    assert_true(isnan(student_t_two_sided(NAN, 3)));
    near(normal_upper(0.025), 1.959963984540054, 1e-14);
}

static void test_differences(void **state) {
    (void)state;
    struct estimate paired = paired_estimate(golden_a, golden_paired, N_A);
    near(difference_p(paired), golden_p[0], 1e-10);
    near(difference_p(welch_estimate(golden_a, N_A, golden_b, N_B)), golden_p[1], 1e-10);
    near(difference_p(paired_estimate(golden_paired, golden_a, N_A)), golden_p[0], 1e-10);
    for (int i = 0; i < COUNT(golden_tost); i++)
        near(equivalence_p(paired, golden_tost[i].margin), golden_tost[i].p, 1e-10);
    /* p is 0.05 just where the 95 % interval ends at 0, and the test of equivalence is at 0.05
     * where the 90 % interval ends at the margin. */
    struct interval i = estimate_interval(paired, 1 - golden_p[0]);
    near(i.hi, 2 * i.mean, 1e-9);
    i = estimate_interval(paired, 0.9);
    near(equivalence_p(paired, i.hi), 0.05, 1e-9);
}

/* One run, or no spread at all: no p, rather than 0. */
static void test_nothing_known(void **state) {
    (void)state;
    const double same[] = {1, 2, 3}, more[] = {2, 3, 4};
    const struct estimate none[] = {paired_estimate(golden_a, golden_paired, 1),
                                    paired_estimate(more, same, 3),
                                    welch_estimate(golden_a, 1, golden_b, N_B)};
    for (int i = 0; i < COUNT(none); i++) {
        assert_true(isnan(difference_p(none[i])));
        assert_true(isnan(equivalence_p(none[i], 1)));
        assert_true(isnan(smallest_detectable(none[i], 0.95, 0.8)));
    }
}

static void test_power(void **state) {
    (void)state;
    for (int i = 0; i < COUNT(golden_power); i++)
        near(student_t_power(golden_power[i].shift, golden_power[i].critical, golden_power[i].df),
             golden_power[i].power, 1e-10);
    for (int i = 0; i < COUNT(golden_shift); i++)
        near(student_t_shift(0.8, golden_shift[i].level, golden_shift[i].df), golden_shift[i].shift,
             1e-9);
    struct estimate e = paired_estimate(golden_a, golden_paired, N_A);
    double gap = smallest_detectable(e, 0.95, 0.8);
    near(gap, e.error * golden_shift[9].shift, 1e-9);
    assert_true(smallest_detectable(e, 0.99, 0.8) > gap);
    assert_true(smallest_detectable(e, 0.95, 0.9) > gap);
}

static void test_holm(void **state) {
    (void)state;
    enum { N = COUNT(golden_holm_p) };
    double p[N + 1], adjusted[N + 1], level[N + 1];
    holm(golden_holm_p, N, adjusted);
    for (int i = 0; i < N; i++)
        near(adjusted[i], golden_holm[i], 1e-14);
    for (int i = 0; i < N; i++)
        p[i + (i >= 3)] = golden_holm_p[i];
    p[3] = NAN; /* what was not tested costs the others nothing */
    holm(p, N + 1, adjusted);
    assert_true(isnan(adjusted[3]));
    for (int i = 0; i < N; i++)
        near(adjusted[i + (i >= 3)], golden_holm[i], 1e-14);
    /* An interval leaves out 0 just where Holm says so: p is below 1 - its level. */
    for (double alpha = 0.001; alpha < 0.6; alpha *= 1.3) {
        holm_levels(p, N + 1, alpha, level);
        for (int i = 0; i <= N; i++)
            if (i != 3)
                assert_true((p[i] <= 1 - level[i] + 1e-15) == (adjusted[i] <= alpha + 1e-15));
    }
    const double one[] = {0.03};
    holm_levels(one, 1, 0.05, level);
    near(level[0], 0.95, 1e-15);
}

static void test_mcnemar(void **state) {
    (void)state;
    for (int i = 0; i < COUNT(golden_mcnemar); i++) {
        long a = golden_mcnemar[i].only_a, b = golden_mcnemar[i].only_b;
        struct mcnemar m = mcnemar(a, b), turned = mcnemar(b, a);
        near(m.exact, golden_mcnemar[i].exact, 1e-10);
        near(m.mid, golden_mcnemar[i].mid, 1e-10);
        assert_true(m.exact == turned.exact && m.mid == turned.mid);
    }
    /* A billion images, where factorials are far beyond a double: the normal limit. */
    struct mcnemar large = mcnemar(499950000, 500050000);
    near(large.exact, erfc(100000 / sqrt(1e9) * sqrt(0.5)), 1e-3);
    assert_true(isfinite(mcnemar(2000000000, 2000000001).exact));
}

/* ---- simulations ---- */

static int rounds(void) {
    return getenv("SSV_LONG") ? 400000 : 20000;
}

/* A count of `tries` with that probability: 5 standard deviations, one in 1.7 million. */
static void expect_share(const char *what, long count, long tries, double p) {
    double bound = 5 * sqrt(p * (1 - p) / (double)tries);
    double share = (double)count / (double)tries;
    if (fabs(share - p) > bound)
        fail_msg("%s: %.4f of %ld instead of %.4f +- %.4f", what, share, tries, p, bound);
}

/* No more often than p, and not so rarely that it would say nothing. */
static void expect_at_most(const char *what, long count, long tries, double least, double p) {
    double bound = 5 * sqrt(p * (1 - p) / (double)tries);
    double share = (double)count / (double)tries;
    if (share > p + bound || share < least)
        fail_msg("%s: %.4f of %ld, not in [%.4f, %.4f]", what, share, tries, least, p + bound);
}

static struct rng round_rng(int round, uint32_t what) {
    return rng_at((struct rng_key){1, RNG_TEST}, (uint32_t)round, what);
}

/* Seeds of two methods with a common part, as pairs have it, and spreads of 1 and `spread`. */
static void draw(struct rng *r, double *a, double *b, int n, double common, double spread) {
    for (int i = 0; i < n; i++) {
        double shared = common * rng_normal(r);
        a[i] = shared + rng_normal(r);
        b[i] = shared + spread * rng_normal(r);
    }
}

static void test_t_intervals_cover(void **state) {
    (void)state;
    static const int sizes[] = {2, 3, 5, 10};
    for (int k = 0; k < COUNT(sizes); k++) {
        const int n = sizes[k], tries = rounds();
        long mean = 0, paired = 0, called = 0, naive = 0;
        for (int i = 0; i < tries; i++) {
            struct rng r = round_rng(i, (uint32_t)n);
            double a[10], b[10];
            draw(&r, a, b, n, 2, 0.5);
            struct interval m = mean_interval(a, n, 0.95);
            struct estimate e = paired_estimate(a, b, n);
            struct interval d = estimate_interval(e, 0.95);
            mean += m.lo <= 0 && 0 <= m.hi;
            paired += d.lo <= 0 && 0 <= d.hi;
            called += difference_p(e) < 0.05;
            naive += fabs(e.value) <= 1.96 * e.error;
        }
        expect_share("t-interval of a mean", mean, tries, 0.95);
        expect_share("t-interval of paired differences", paired, tries, 0.95);
        assert_int_equal(called, tries - paired);
        assert_true(n > 5 || (double)naive < 0.90 * tries); /* what +-1.96 would have given */
    }
}

/* Welch's is approximate: within a point and a half, but for two seeds, where it is wide. */
static void test_welch_covers(void **state) {
    (void)state;
    static const struct {
        int na, nb;
        double spread, least, most;
    } cases[] = {{3, 3, 1, 0.945, 0.985}, {3, 3, 3, 0.935, 0.965},  {3, 5, 2, 0.935, 0.965},
                 {5, 5, 1, 0.945, 0.970}, {5, 10, 3, 0.940, 0.960}, {2, 3, 1, 0.930, 0.990}};
    for (int k = 0; k < COUNT(cases); k++) {
        long covered = 0;
        const int tries = rounds();
        for (int i = 0; i < tries; i++) {
            struct rng r = round_rng(i, 100 + (uint32_t)k);
            double a[10], b[10], unused[10];
            draw(&r, a, unused, cases[k].na, 0, 1);
            draw(&r, unused, b, cases[k].nb, 0, cases[k].spread);
            struct interval d = welch_difference(a, cases[k].na, b, cases[k].nb, 0.95);
            covered += d.lo <= 0 && 0 <= d.hi;
        }
        double share = (double)covered / tries;
        if (share < cases[k].least || share > cases[k].most)
            fail_msg("Welch, %d and %d, spread %g: %.4f", cases[k].na, cases[k].nb, cases[k].spread,
                     share);
    }
}

/* Wilson's, exactly: the sum over all counts that cover.  On the average over p it is at its
 * level; +-1.96 standard errors is not. */
static void test_wilson_covers(void **state) {
    (void)state;
    const int n = 100;
    double mean = 0, worst = 1, naive = 0;
    int points = 0;
    for (double p = 0.01; p < 1; p += 0.00371, points++) {
        double covered = 0, wald = 0;
        for (int k = 0; k <= n; k++) {
            double mass = exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) +
                              (n - k) * log1p(-p));
            struct interval w = wilson_interval(k, n, 0.95);
            double at = (double)k / n;
            covered += w.lo <= p && p <= w.hi ? mass : 0;
            wald += fabs(p - at) <= 1.96 * sqrt(at * (1 - at) / n) ? mass : 0;
        }
        mean += covered;
        naive += wald;
        worst = fmin(worst, covered);
    }
    assert_true(fabs(mean / points - 0.95) < 0.006);
    assert_true(worst > 0.85);
    assert_true(naive / points < 0.945);
}

/* Ten pairs, of which six are equal in truth: one wrong call or more in 5 % at most, where tests
 * without adjustment have 26 %.  Equivalence: never claimed more than in 5 % at the margin. */
static void test_families(void **state) {
    (void)state;
    enum { PAIRS = 10, EQUAL = 6, SEEDS = 4 };
    long wrong = 0, wrong_alone = 0, found = 0, equivalent = 0;
    const int tries = rounds() / 4;
    for (int i = 0; i < tries; i++) {
        struct rng r = round_rng(i, 200);
        double p[PAIRS], adjusted[PAIRS];
        int any = 0, any_alone = 0;
        for (int k = 0; k < PAIRS; k++) {
            double a[SEEDS], b[SEEDS];
            draw(&r, a, b, SEEDS, 1, 1);
            for (int s = 0; s < SEEDS && k >= EQUAL; s++)
                a[s] += 20;
            struct estimate e = paired_estimate(a, b, SEEDS);
            p[k] = difference_p(e);
            e.value += 1; /* a true difference of the margin */
            equivalent += k == 0 && equivalence_p(e, 1) < 0.05;
        }
        holm(p, PAIRS, adjusted);
        for (int k = 0; k < PAIRS; k++) {
            any |= k < EQUAL && adjusted[k] <= 0.05;
            any_alone |= k < EQUAL && p[k] <= 0.05;
            found += k >= EQUAL && adjusted[k] <= 0.05;
        }
        wrong += any;
        wrong_alone += any_alone;
    }
    expect_at_most("a wrong call among ten", wrong, tries, 0.01, 0.05);
    expect_share("without adjustment", wrong_alone, tries, 1 - pow(0.95, EQUAL));
    expect_at_most("equivalent at the margin", equivalent, tries, 0, 0.05);
    assert_true((double)found > 0.9 * (PAIRS - EQUAL) * tries);
}

/* A difference of the smallest detectable size, were the spread known, is found in 80 %. */
static void test_detectable_is_found(void **state) {
    (void)state;
    enum { SEEDS = 3 };
    long found = 0;
    const int tries = rounds();
    double gap = sqrt(2.0 / SEEDS) * student_t_shift(0.8, 0.95, SEEDS - 1);
    for (int i = 0; i < tries; i++) {
        struct rng r = round_rng(i, 300);
        double a[SEEDS], b[SEEDS];
        draw(&r, a, b, SEEDS, 1, 1);
        struct estimate e = paired_estimate(a, b, SEEDS);
        e.value += gap;
        found += difference_p(e) < 0.05;
    }
    expect_share("power", found, tries, 0.8);
}

/* Exact: rejected in at most 5 %.  Mid: close to it. */
static void test_mcnemar_is_wrong_rarely(void **state) {
    (void)state;
    double exact = 0, mid = 0;
    const int n = 40;
    for (int k = 0; k <= n; k++) {
        struct mcnemar m = mcnemar(k, n - k);
        exact += m.exact <= 0.05 ? fair_binomial_point(k, n) : 0;
        mid += m.mid <= 0.05 ? fair_binomial_point(k, n) : 0;
    }
    assert_true(exact <= 0.05 && exact > 0.02);
    assert_true(mid >= exact && mid < 0.055);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t_tails),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_holm),
        cmocka_unit_test(test_mcnemar),
        cmocka_unit_test(test_t_intervals_cover),
        cmocka_unit_test(test_welch_covers),
        cmocka_unit_test(test_wilson_covers),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_detectable_is_found),
        cmocka_unit_test(test_mcnemar_is_wrong_rarely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
