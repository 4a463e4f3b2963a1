/* Change points: none in noise, those that were put in, the same every time and in any unit. */
#include "results/change_points.h"

#include "core/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { N = 60 };

static void draw(double x[N], uint32_t number) {
    struct rng r = rng_at((struct rng_key){3, RNG_TEST}, 0, number);
    for (int i = 0; i < N; i++)
        x[i] = rng_normal(&r);
}

static void noise_has_none(void **state) {
    (void)state;
    int at[N], found = 0;
    double x[N];
    for (uint32_t k = 0; k < 200; k++) {
        draw(x, k);
        found += change_points(x, N, at) > 0;
    }
    assert_true(found <= 8); /* 2 are expected; 9 or more have a chance of 1 in 4,000 */
}

static void steps_are_found(void **state) {
    (void)state;
    int at[N], right = 0;
    double x[N];
    for (uint32_t k = 0; k < 50; k++) {
        draw(x, 1000 + k);
        for (int i = 20; i < N; i++)
            x[i] += i < 45 ? 4 : -3;
        int n = change_points(x, N, at);
        right += n >= 2 && at[0] >= 19 && at[0] <= 21 && at[n - 1] >= 44 && at[n - 1] <= 46;
    }
    assert_true(right >= 45);
}

static void they_do_not_depend_on_the_unit(void **state) {
    (void)state;
    int at[N], scaled_at[N];
    double x[N], scaled[N];
    draw(x, 7);
    for (int i = 30; i < N; i++)
        x[i] += 5;
    for (int i = 0; i < N; i++)
        scaled[i] = 1000 - 0.25 * x[i]; /* a power of two: no rounding in what is compared */
    int n = change_points(x, N, at);
    assert_true(n >= 1);
    assert_int_equal(n, change_points(scaled, N, scaled_at));
    for (int i = 0; i < n; i++)
        assert_int_equal(at[i], scaled_at[i]);
}

static void short_and_constant_series(void **state) {
    (void)state;
    int at[N];
    double x[N] = {0};
    for (int n = 0; n <= N; n++)
        assert_int_equal(change_points(x, n, at), 0);
    for (int i = 3; i < 6; i++)
        x[i] = 1;
    assert_int_equal(change_points(x, 5, at), 0);
    assert_int_equal(change_points(x, 6, at), 0); /* 2 of 20 orders are as good */
    for (int i = 0; i < 12; i++)
        x[i] = i >= 6;
    assert_int_equal(change_points(x, 12, at), 1);
    assert_int_equal(at[0], 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_has_none),
        cmocka_unit_test(steps_are_found),
        cmocka_unit_test(they_do_not_depend_on_the_unit),
        cmocka_unit_test(short_and_constant_series),
    };
    return cmocka_run_group_tests_name("change points", tests, NULL, NULL);
}
