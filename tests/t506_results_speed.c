/* Verdicts on drawn times: how often a regression is called that is none, and one found that is. */
#include "results/speed_verdict.h"

#include "core/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { KERNELS = 100, TRIALS = 20 };

/* Noise of a launch, and a machine that slows down and recovers over launches. */
static void draw(struct rng *rng, struct speed_series *s, int pairs, double slower, double noise) {
    double phase = rng_range(rng, 0, 6.28), drift = rng_range(rng, 0, 0.05);
    s->n = pairs;
    for (int i = 0; i < pairs; i++) {
        s->ours[i] = slower * exp(noise * rng_normal(rng) + drift * sin(phase + 0.3 * 2 * i));
        s->other[i] = exp(noise * rng_normal(rng) + drift * sin(phase + 0.3 * (2 * i + 1)));
    }
}

/* Of TRIALS x KERNELS pairs of series, one in `every` slowed down. */
static void count(int pairs, double slower, double noise, int every, int called[2], int total[2]) {
    static struct speed_series s[KERNELS];
    static struct speed_verdict v[KERNELS];
    struct rng rng = rng_at((struct rng_key){3, RNG_TEST}, (uint32_t)pairs, 0);
    called[0] = called[1] = total[0] = total[1] = 0;
    for (int t = 0; t < TRIALS; t++) {
        for (int i = 0; i < KERNELS; i++)
            draw(&rng, &s[i], pairs, i % every ? 1 : slower, noise);
        speed_verdicts(s, KERNELS, v);
        for (int i = 0; i < KERNELS; i++) {
            int planted = i % every == 0 && slower != 1;
            total[planted]++;
            called[planted] += v[i].speed == SPEED_SLOWER;
        }
    }
}

static void false_alarms_are_rare(void **state) {
    (void)state;
    int called[2], total[2];
    for (int pairs = 10; pairs <= 20; pairs += 10) {
        count(pairs, 1, 0.02, 5, called, total);
        assert_true(called[0] < 0.01 * total[0]);
    }
}

static void regressions_are_found(void **state) {
    (void)state;
    int called[2], total[2];
    count(20, 1.05, 0.008, 5, called, total);
    assert_true(called[1] >= 0.8 * total[1]);
    assert_true(called[0] < 0.01 * total[0]);
}

static void clear_cases(void **state) {
    (void)state;
    struct speed_series s[3];
    struct speed_verdict v[3];
    for (int k = 0; k < 3; k++) {
        s[k].n = 12;
        for (int i = 0; i < s[k].n; i++) {
            s[k].other[i] = 1 + 0.001 * i;
            s[k].ours[i] = (k == 0 ? 1 : k == 1 ? 1.1 : 0.9) * s[k].other[i];
        }
    }
    speed_verdicts(s, 3, v);
    assert_int_equal(v[0].speed, SPEED_SAME);
    assert_int_equal(v[1].speed, SPEED_SLOWER);
    assert_int_equal(v[2].speed, SPEED_FASTER);
    assert_true(fabs(v[1].ratio - 1.1) < 1e-9 && fabs(v[2].ratio - 0.9) < 1e-9);
    s[1].n = 3; /* too few for any claim */
    speed_verdicts(s + 1, 1, v);
    assert_int_equal(v[0].speed, SPEED_UNDECIDED);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(clear_cases),
                                       cmocka_unit_test(false_alarms_are_rare),
                                       cmocka_unit_test(regressions_are_found)};
    return cmocka_run_group_tests_name("speed", tests, NULL, NULL);
}
