/* The signed-rank test against an independent one, and what must be true of any. */
#include "results/signed_rank.h"

#include "core/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/golden/signed_rank.h"

enum { GOLDEN = sizeof golden / sizeof *golden };

static void near(double a, double b) {
    assert_true(a == b || fabs(a - b) < 1e-12);
}

static void golden_cases(void **state) {
    (void)state;
    for (int i = 0; i < GOLDEN; i++) {
        struct signed_rank r = signed_rank(golden[i].x, golden[i].n, 0.95);
        near(r.p, golden[i].p);
        near(r.shift, golden[i].shift);
        if (golden[i].tied)
            continue;
        near(r.lo, golden[i].lo);
        near(r.hi, golden[i].hi);
    }
}

/* Turned around, the test is the same and the interval is turned around; moved, it moves. */
static void moves_with_the_data(void **state) {
    (void)state;
    struct rng rng = rng_at((struct rng_key){1, RNG_TEST}, 0, 0);
    for (int n = 6; n <= SIGNED_RANK_MOST; n += 7) {
        double x[SIGNED_RANK_MOST], minus[SIGNED_RANK_MOST], moved[SIGNED_RANK_MOST];
        for (int i = 0; i < n; i++) {
            x[i] = rng_normal(&rng) + 0.2;
            minus[i] = -x[i];
            moved[i] = x[i] + 3;
        }
        struct signed_rank a = signed_rank(x, n, 0.9), b = signed_rank(minus, n, 0.9);
        struct signed_rank c = signed_rank(moved, n, 0.9);
        near(a.p, b.p);
        near(a.lo, -b.hi);
        near(a.hi, -b.lo);
        near(a.shift, -b.shift);
        near(a.lo + 3, c.lo);
        near(a.hi + 3, c.hi);
        assert_true(a.lo <= a.shift && a.shift <= a.hi);
        assert_true((a.p <= 0.1) == (a.lo > 0 || a.hi < 0));
    }
}

/* Of draws around 0 no more are called than the level says. */
static void false_alarms(void **state) {
    (void)state;
    enum { TRIALS = 4000, N = 10 };
    int called = 0;
    struct rng rng = rng_at((struct rng_key){2, RNG_TEST}, 0, 0);
    for (int t = 0; t < TRIALS; t++) {
        double x[N];
        for (int i = 0; i < N; i++)
            x[i] = rng_normal(&rng);
        called += signed_rank(x, N, 0.95).p <= 0.05;
    }
    assert_true(called > 0.03 * TRIALS && called < 0.06 * TRIALS);
}

static void adjusted(void **state) {
    (void)state;
    enum { N = sizeof p_values / sizeof *p_values };
    double got[N];
    adjust_p(p_values, N, got);
    for (int i = 0; i < N; i++)
        near(got[i], p_adjusted[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden_cases),
                                       cmocka_unit_test(moves_with_the_data),
                                       cmocka_unit_test(false_alarms), cmocka_unit_test(adjusted)};
    return cmocka_run_group_tests_name("signed rank", tests, NULL, NULL);
}
