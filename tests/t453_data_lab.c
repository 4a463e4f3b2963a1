/* Lab against scikit-image (tests/golden/lab.py) and published anchors; there and back. */
#include "core/rng.h"
#include "data/lab.h"

#include "tests/golden/lab.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { COLOURS = sizeof golden_lab / sizeof *golden_lab, MANY = 1000 };

static void colours_equal_scikit_image(void **state) {
    (void)state;
    uint8_t pixels[COLOURS * 3];
    float lab[3 * COLOURS];
    for (int i = 0; i < COLOURS * 3; i++)
        pixels[i] = golden_lab[i / 3].rgb[i % 3];
    rgb8_to_lab_image(pixels, COLOURS, lab);
    for (int i = 0; i < COLOURS; i++)
        for (int c = 0; c < 3; c++)
            if (!(fabs(lab[c * COLOURS + i] - golden_lab[i].lab[c]) < 1e-3))
                fail_msg("(%d, %d, %d), component %d: %.7g instead of %.7g", golden_lab[i].rgb[0],
                         golden_lab[i].rgb[1], golden_lab[i].rgb[2], c, lab[c * COLOURS + i],
                         golden_lab[i].lab[c]);
}

/* As tables give them, to two digits. */
static void anchors_are_the_published_ones(void **state) {
    (void)state;
    static const struct {
        float rgb[3];
        double lab[3], tolerance;
    } anchors[] = {
        {{1, 1, 1}, {100, 0, 0}, 1e-3},
        {{0, 0, 0}, {0, 0, 0}, 1e-5},
        {{1, 0, 0}, {53.24, 80.09, 67.20}, 5e-3},
        {{0, 1, 0}, {87.73, -86.18, 83.18}, 5.1e-3},
        {{0, 0, 1}, {32.30, 79.19, -107.86}, 5e-3},
    };
    for (size_t i = 0; i < sizeof anchors / sizeof *anchors; i++) {
        float lab[3];
        rgb_to_lab_image(anchors[i].rgb, 1, lab);
        for (int c = 0; c < 3; c++)
            if (!(fabs(lab[c] - anchors[i].lab[c]) < anchors[i].tolerance))
                fail_msg("anchor %zu, component %d: %.7g", i, c, lab[c]);
    }
}

static void greys_have_no_colour_and_rise(void **state) {
    (void)state;
    uint8_t pixels[256 * 3];
    float lab[3 * 256];
    for (int i = 0; i < 256 * 3; i++)
        pixels[i] = (uint8_t)(i / 3);
    rgb8_to_lab_image(pixels, 256, lab);
    for (int i = 0; i < 256; i++) {
        assert_true(fabs(lab[256 + i]) < 3e-4 && fabs(lab[512 + i]) < 3e-4);
        assert_true(i == 0 || lab[i] > lab[i - 1] + 0.1);
    }
}

static void fill(float *rgb, int n, uint32_t sample) {
    struct rng rng = rng_at((struct rng_key){0, RNG_TEST}, 0, sample);
    for (int i = 0; i < 3 * n; i++)
        rgb[i] = (float)pow(rng_uniform(&rng), 3); /* dark ones are the difficult ones */
}

static void there_and_back_is_the_same(void **state) {
    (void)state;
    float rgb[3 * MANY], lab[3 * MANY], back[3 * MANY];
    fill(rgb, MANY, 0);
    rgb_to_lab_image(rgb, MANY, lab);
    lab_to_rgb_image(lab, MANY, back);
    for (int i = 0; i < 3 * MANY; i++)
        assert_true(fabs(back[i] - rgb[i]) < 5e-5);
}

/* A pixel's result depends neither on where it stands nor on whether the places are the same. */
static void images_of_any_size_and_in_place(void **state) {
    (void)state;
    static const int sizes[] = {1, 2, 255, 256, 257, 777};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int n = sizes[k];
        float rgb[3 * MANY], lab[3 * MANY + 1], one[3];
        fill(rgb, n, (uint32_t)k);
        lab[3 * n] = 7;
        rgb_to_lab_image(rgb, (size_t)n, lab);
        assert_true(lab[3 * n] == 7);
        for (int i = 0; i < n; i++) {
            const float pixel[] = {rgb[i], rgb[n + i], rgb[2 * n + i]};
            rgb_to_lab_image(pixel, 1, one);
            for (int c = 0; c < 3; c++)
                assert_true(one[c] == lab[c * n + i]);
        }
        rgb_to_lab_image(rgb, (size_t)n, rgb);
        assert_memory_equal(rgb, lab, (size_t)(3 * n) * sizeof *rgb);
    }
}

static void colours_outside_srgb_are_clipped(void **state) {
    (void)state;
    float lab[3 * MANY], rgb[3 * MANY];
    struct rng rng = rng_at((struct rng_key){0, RNG_TEST}, 0, 9);
    for (int i = 0; i < 3 * MANY; i++)
        lab[i] = (float)(i < MANY ? rng_range(&rng, -5, 105) : rng_range(&rng, -128, 128));
    lab_to_rgb_image(lab, MANY, rgb);
    for (int i = 0; i < 3 * MANY; i++)
        assert_true(rgb[i] >= 0 && rgb[i] <= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_equal_scikit_image),
        cmocka_unit_test(anchors_are_the_published_ones),
        cmocka_unit_test(greys_have_no_colour_and_rise),
        cmocka_unit_test(there_and_back_is_the_same),
        cmocka_unit_test(images_of_any_size_and_in_place),
        cmocka_unit_test(colours_outside_srgb_are_clipped),
    };
    return cmocka_run_group_tests_name("lab", tests, NULL, NULL);
}
