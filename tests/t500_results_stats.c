/* Quantiles and intervals against 40-digit arithmetic, and their properties. */
#include "results/distributions.h"
#include "results/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/golden/stats.h"

enum { N_A = sizeof golden_a / sizeof *golden_a, N_B = sizeof golden_b / sizeof *golden_b };

static void near(double got, double want, double relative) {
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("%.17g instead of %.17g", got, want);
}

static void test_quantiles(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof golden_quantiles / sizeof *golden_quantiles; i++) {
        double p = golden_quantiles[i].p, df = golden_quantiles[i].df, t = golden_quantiles[i].t;
        near(student_t_quantile(p, df), t, 1e-11);
    }
}

/* df = 1 and 2 have closed forms; an infinite df is the normal distribution. */
static void test_quantile_properties(void **state) {
    (void)state;
    const double pi = acos(-1.0);
    for (double p = 0.013; p < 1; p += 0.0371) {
        near(student_t_quantile(p, 1), -1 / tan(pi * p), 1e-12);
        near(student_t_quantile(p, 2), (2 * p - 1) / sqrt(2 * p * (1 - p)), 1e-12);
        near(0.5 * erfc(-student_t_quantile(p, INFINITY) * sqrt(0.5)), p, 1e-13);
        double last = -INFINITY;
        for (double q = p; q < 1; q += 0.1) { /* grows with p */
            double t = student_t_quantile(q, 7.5);
            assert_true(t > last);
            last = t;
        }
    }
    assert_true(student_t_quantile(0.5, 3) == 0);
    near(student_t_quantile(0.25, 3), -student_t_quantile(0.75, 3), 1e-15);
    assert_true(isfinite(student_t_quantile(1e-300, 1)));
    assert_true(student_t_quantile(5e-324, 1) == -INFINITY); /* past the largest double */
    /* On both sides of where one formula gives way to another. */
    near(student_t_quantile(0.99, 0.999999e7), student_t_quantile(0.99, 1.000001e7), 1e-10);
    near(student_t_quantile(0.75 - 1e-13, 5), student_t_quantile(0.75 + 1e-13, 5), 1e-12);
}

static void expect(struct interval i, const double want[3], int n) {
    near(i.mean, want[0], 1e-12);
    near(i.lo, want[1], 1e-12);
    near(i.hi, want[2], 1e-12);
    assert_int_equal(i.n, n);
}

static void test_intervals(void **state) {
    (void)state;
    expect(mean_interval(golden_a, N_A, 0.95), golden_mean_95, N_A);
    expect(mean_interval(golden_a, N_A, 0.99), golden_mean_99, N_A);
    expect(paired_difference(golden_a, golden_paired, N_A, 0.95), golden_difference_95, N_A);
    expect(paired_difference(golden_a, golden_paired, N_A, 0.99), golden_difference_99, N_A);
    expect(welch_difference(golden_a, N_A, golden_b, N_B, 0.95), golden_welch_95, N_A + N_B);
    expect(welch_difference(golden_a, N_A, golden_b, N_B, 0.99), golden_welch_99, N_A + N_B);
}

static void expect_unknown(struct interval i, double mean, int n) {
    assert_true(isnan(mean) ? isnan(i.mean) : i.mean == mean);
    assert_true(isnan(i.lo) && isnan(i.hi));
    assert_int_equal(i.n, n);
}

static void test_too_few(void **state) {
    (void)state;
    const double x[] = {0.25, NAN}, y[] = {0.5};
    expect_unknown(mean_interval(x, 0, 0.95), NAN, 0);
    expect_unknown(mean_interval(NULL, 0, 0.95), NAN, 0);
    expect_unknown(mean_interval(x, 1, 0.95), 0.25, 1);
    expect_unknown(mean_interval(x, 2, 0.95), NAN, 2);
    expect_unknown(paired_difference(x, y, 1, 0.95), -0.25, 1);
    expect_unknown(welch_difference(golden_a, N_A, y, 1, 0.95), golden_mean_95[0] - 0.5, N_A + 1);
}

static void test_no_spread(void **state) {
    (void)state;
    const double x[] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, y[] = {0.4, 0.4};
    struct interval i = mean_interval(x, 7, 0.95);
    assert_true(i.mean == 0.1 && i.lo == 0.1 && i.hi == 0.1);
    i = paired_difference(x, x, 7, 0.95);
    assert_true(i.mean == 0 && i.lo == 0 && i.hi == 0);
    i = welch_difference(y, 2, x, 7, 0.95);
    assert_true(i.lo == i.mean && i.hi == i.mean);
    near(i.mean, 0.3, 1e-15);
}

/* Values far from zero with little spread keep their digits; shifts and signs carry over. */
static void test_shift_and_sign(void **state) {
    (void)state;
    double far[N_A], negative[N_A];
    for (int i = 0; i < N_A; i++) {
        far[i] = 4096 + i * 0x1p-20;
        negative[i] = -golden_a[i];
    }
    struct interval f = mean_interval(far, N_A, 0.95);
    near(f.mean, 4096 + 2 * 0x1p-20, 1e-16);
    near(f.hi - f.lo, 2 * 0x1p-20 * sqrt(2.5 / 5) * student_t_quantile(0.975, 4), 1e-6);
    struct interval a = mean_interval(golden_a, N_A, 0.9), n = mean_interval(negative, N_A, 0.9);
    near(n.lo, -a.hi, 1e-14);
    near(n.hi, -a.lo, 1e-14);
}

static void test_wilson(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof golden_wilson / sizeof *golden_wilson; i++) {
        long k = golden_wilson[i].k, n = golden_wilson[i].n;
        struct interval w = wilson_interval(k, n, golden_wilson[i].level);
        near(w.mean, golden_wilson[i].mean, 1e-15);
        if (k)
            near(w.lo, golden_wilson[i].lo, 1e-11);
        else
            assert_true(w.lo == 0);
        if (k < n)
            near(w.hi, golden_wilson[i].hi, 1e-12);
        else
            assert_true(w.hi == 1);
        assert_true(w.lo < w.hi);
    }
    expect_unknown(wilson_interval(0, 0, 0.95), NAN, 0);
}

static void test_median(void **state) {
    (void)state;
    double odd[] = {5, -1, 3}, even[] = {4, 1, 3, 2}, one[] = {7}, unknown[] = {1, NAN, 2};
    double large[] = {1.7e308, 1.7e308};
    assert_true(median(odd, 3) == 3);
    assert_true(odd[0] == -1 && odd[2] == 5); /* sorted */
    assert_true(median(even, 4) == 2.5);
    assert_true(median(one, 1) == 7);
    assert_true(median(large, 2) == 1.7e308);
    assert_true(isnan(median(unknown, 3)));
    assert_true(isnan(median(NULL, 0)));
}

/* By hand, and Nadeau and Bengio's form: splits of n1 + n2 samples at random have n2 / (n1 + n2) of
 * their test samples in common. */
static void test_resampled_variance(void **state) {
    (void)state;
    const double x[] = {1, 2, 3, 4};
    near(resampled_variance(x, 4, 0), 5.0 / 12, 1e-15);
    near(resampled_variance(x, 4, 0.2), 5.0 / 6, 1e-15);
    for (double n1 = 10; n1 < 1000; n1 *= 3)
        near(resampled_variance(x, 4, 50 / (n1 + 50)), (0.25 + 50 / n1) * 5 / 3, 1e-12);
    assert_true(isnan(resampled_variance(x, 4, 1)));
    assert_true(isnan(resampled_variance(x, 1, 0.5)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_quantile_properties),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_too_few),
        cmocka_unit_test(test_no_spread),
        cmocka_unit_test(test_shift_and_sign),
        cmocka_unit_test(test_resampled_variance),
        cmocka_unit_test(test_wilson),
        cmocka_unit_test(test_median),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
