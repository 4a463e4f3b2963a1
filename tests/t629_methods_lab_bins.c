/* The bins of colours that split-brain predicts, against all colours of 8-bit sRGB
 * (tests/golden/lab_bins.py) and against a search. */
#include "data/lab.h"
#include "methods/lab_bins.h"

#include "core/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/golden/lab_bins.h"

static void near(const char *what, double value, double wanted, double tolerance) {
    if (!(fabs(value - wanted) <= tolerance))
        fail_msg("%s: %.9g instead of %.9g", what, value, wanted);
}

static void bins_cover_every_color(void **state) {
    (void)state;
    struct arena a = {0};
    for (size_t g = 0; g < sizeof occupied / sizeof *occupied; g++) {
        struct lab_bins bins;
        lab_bins_make(&bins, occupied[g].grid, 100, &a);
        assert_int_equal(bins.n_ab, occupied[g].bins);
        struct rng rng = rng_at((struct rng_key){1, RNG_TEST}, 0, 0);
        for (int i = 0; i < 20000; i++) {
            const uint8_t rgb[] = {(uint8_t)rng_below(&rng, 256), (uint8_t)rng_below(&rng, 256),
                                   (uint8_t)rng_below(&rng, 256)};
            float lab[3];
            rgb8_to_lab_image(rgb, 1, lab);
            const float *c =
                bins.centre + 2 * lab_bins_of_ab(&bins, (double)lab[1], (double)lab[2]);
            double half = bins.grid / 2 + 1e-3;
            near("a", (double)c[0], (double)lab[1], half);
            near("b", (double)c[1], (double)lab[2], half);
        }
    }
    arena_free(&a);
}

/* Also where there is no colour. */
static void bins_are_the_nearest(void **state) {
    (void)state;
    struct arena arena = {0};
    struct lab_bins bins;
    lab_bins_make(&bins, 10, 100, &arena);
    struct rng rng = rng_at((struct rng_key){2, RNG_TEST}, 0, 0);
    for (int i = 0; i < 3000; i++) {
        double a = rng_range(&rng, -300, 300), b = rng_range(&rng, -300, 300), least = INFINITY;
        if (i % 2)
            a /= 3, b /= 3;
        int bin = lab_bins_of_ab(&bins, a, b);
        for (int j = 0; j < bins.n_ab; j++)
            least = fmin(least,
                         hypot((double)bins.centre[2 * j] - a, (double)bins.centre[2 * j + 1] - b));
        near("distance",
             hypot((double)bins.centre[2 * bin] - a, (double)bins.centre[2 * bin + 1] - b), least,
             1e-9);
    }
    arena_free(&arena);
}

static void bins_find_their_centres(void **state) {
    (void)state;
    struct arena a = {0};
    struct lab_bins bins;
    lab_bins_make(&bins, 10, 50, &a);
    for (int i = 0; i < bins.n_ab; i++)
        assert_int_equal(
            lab_bins_of_ab(&bins, (double)bins.centre[2 * i], (double)bins.centre[2 * i + 1]), i);
    for (int i = 0; i < bins.n_l; i++)
        assert_int_equal(lab_bins_of_l(&bins, lab_bins_l(&bins, i)), i);
    for (double l = 0; l <= 100; l += 0.37)
        near("L", lab_bins_l(&bins, lab_bins_of_l(&bins, l)), l, 1 + 1e-9);
    assert_int_equal(lab_bins_of_l(&bins, -0.01), 0);
    assert_int_equal(lab_bins_of_l(&bins, 100.01), 49);
    arena_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bins_cover_every_color),
        cmocka_unit_test(bins_are_the_nearest),
        cmocka_unit_test(bins_find_their_centres),
    };
    return cmocka_run_group_tests_name("lab_bins", tests, NULL, NULL);
}
