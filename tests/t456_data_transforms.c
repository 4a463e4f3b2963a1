/* Single augmentations and pairs: against numpy (tests/golden/transforms.py), and what each may and
 * may not change. */
#include "data/transforms.h"

#include "tests/golden/transforms.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE };

static const struct normalization norm = {{0.48, 0.45, 0.40, 0.3}, {0.25, 0.26, 0.27, 0.2}};
static const struct normalization unit = {{0.5, 0.5, 0.5, 0.5}, {1, 1, 1, 1}};

static float value(int k) {
    return (float)((k * 37 + k * k % 101) % 256) / 255;
}

static struct rng draws(int n) {
    return rng_at((struct rng_key){7, RNG_TEST}, 0, (uint32_t)n);
}

static void steps_equal_numpy(void **state) {
    (void)state;
    float pixels[3 * 5 * 7];
    for (size_t n = 0; n < sizeof golden_transforms / sizeof *golden_transforms; n++) {
        const struct golden_transform *g = &golden_transforms[n];
        struct image image = {g->channels, g->height, g->width, pixels};
        int count = g->channels * g->height * g->width;
        for (int i = 0; i < count; i++)
            pixels[i] = value(i);
        if (g->quarters)
            image_rotate(&image, g->quarters);
        else
            image_sobel(&image);
        for (int i = 0; i < count; i++)
            if (!(fabs(pixels[i] - g->expected[i]) < 2e-6))
                fail_msg("case %zu, element %d: %.8g instead of %.8g", n, i, pixels[i],
                         g->expected[i]);
    }
}

static struct record picture(uint8_t *bytes) {
    struct record r = {.height = SIDE, .width = SIDE, .channels = 3, .pixels = bytes};
    for (int i = 0; i < PIXELS; i++)
        bytes[i] = (uint8_t)((i * 7 + i / 96 * 13) % 200 + 20);
    return r;
}

static void view(enum transform first, enum transform second, int n, float *out) {
    uint8_t bytes[PIXELS];
    const struct record r = picture(bytes);
    struct rng rng = draws(n);
    view_transformed(&r, &unit, &view_recipe_simclr, first, second, &rng, SIDE, out);
}

static void nothing_is_the_plain_view(void **state) {
    (void)state;
    static float plain[PIXELS], out[PIXELS];
    uint8_t bytes[PIXELS];
    const struct record r = picture(bytes);
    view_plain(&r, &unit, SIDE, plain);
    view(TRANSFORM_NONE, TRANSFORM_NONE, 1, out);
    for (int i = 0; i < PIXELS; i++)
        assert_true(fabs(out[i] - plain[i]) < 1e-6);
}

/* Among a few draws each transform changes the image, and differently when drawn again where it is
 * random at all. */
static void each_changes_the_image(void **state) {
    (void)state;
    static float plain[PIXELS], out[4][PIXELS];
    view(TRANSFORM_NONE, TRANSFORM_NONE, 1, plain);
    for (enum transform t = TRANSFORM_CROP; t < TRANSFORMS; t++) {
        int changed = 0, different = 0;
        for (int n = 0; n < 4; n++) {
            view(t, TRANSFORM_NONE, n, out[n]);
            changed += memcmp(out[n], plain, sizeof plain) != 0;
            different += n && memcmp(out[n], out[0], sizeof plain) != 0;
        }
        if (changed < 2 || (different > 0) != (t != TRANSFORM_SOBEL))
            fail_msg("transform %d: changed %d times, different %d times", t, changed, different);
    }
}

static void the_same_twice_is_once(void **state) {
    (void)state;
    static float once[PIXELS], twice[PIXELS];
    for (enum transform t = TRANSFORM_CROP; t < TRANSFORMS; t++) {
        view(t, TRANSFORM_NONE, 3, once);
        view(t, t, 3, twice);
        assert_memory_equal(once, twice, sizeof once);
    }
}

static void values_stay_in_range(void **state) {
    (void)state;
    static float out[PIXELS];
    for (enum transform first = TRANSFORM_NONE; first < TRANSFORMS; first++)
        for (enum transform second = TRANSFORM_NONE; second < TRANSFORMS; second++) {
            view(first, second, 5, out);
            for (int i = 0; i < PIXELS; i++)
                if (!(out[i] >= -0.5 - 1e-6 && out[i] <= 0.5 + 1e-6))
                    fail_msg("%d, %d: %g", first, second, out[i]);
        }
}

/* A quarter of the image at most; whole where the centre is inside, in the mean colour. */
static void a_cutout_has_the_mean_colour(void **state) {
    (void)state;
    static float pixels[PIXELS];
    const struct image image = {3, SIDE, SIDE, pixels};
    int whole = 0;
    for (int n = 0; n < 40; n++) {
        for (int i = 0; i < PIXELS; i++)
            pixels[i] = 1;
        struct rng rng = draws(n);
        image_cutout(&image, &norm, &rng);
        int cut = 0;
        for (int i = 0; i < SIDE * SIDE; i++) {
            cut += pixels[i] < 1;
            for (int c = 0; c < 3; c++)
                assert_true(pixels[c * SIDE * SIDE + i] ==
                            (pixels[i] < 1 ? (float)norm.mean[c] : 1));
        }
        assert_in_range(cut, SIDE * SIDE / 16, SIDE * SIDE / 4);
        whole += cut == SIDE * SIDE / 4;
    }
    assert_in_range(whole, 3, 25); /* (17/32)^2 of them, 11 on average */
}

static void noise_has_its_deviation(void **state) {
    (void)state;
    static float pixels[PIXELS];
    const struct image image = {3, SIDE, SIDE, pixels};
    double squares = 0, sum = 0;
    for (int i = 0; i < PIXELS; i++)
        pixels[i] = 0.5F;
    struct rng rng = draws(1);
    image_noise(&image, 0.05, &rng);
    for (int i = 0; i < PIXELS; i++) {
        sum += pixels[i] - 0.5;
        squares += (pixels[i] - 0.5) * (pixels[i] - 0.5);
    }
    assert_true(fabs(sum / PIXELS) < 5 * 0.05 / sqrt(PIXELS));
    assert_true(fabs(sqrt(squares / PIXELS) / 0.05 - 1) < 5 / sqrt(2.0 * PIXELS));
}

static void choices_are_in_order(void **state) {
    (void)state;
    assert_int_equal(transform_named("none"), TRANSFORM_NONE);
    assert_int_equal(transform_named("crop"), TRANSFORM_CROP);
    assert_int_equal(transform_named("sobel"), TRANSFORM_SOBEL);
    assert_int_equal(transform_named("rotate"), TRANSFORM_ROTATE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_equal_numpy),       cmocka_unit_test(nothing_is_the_plain_view),
        cmocka_unit_test(each_changes_the_image),  cmocka_unit_test(the_same_twice_is_once),
        cmocka_unit_test(values_stay_in_range),    cmocka_unit_test(a_cutout_has_the_mean_colour),
        cmocka_unit_test(noise_has_its_deviation), cmocka_unit_test(choices_are_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
