/* RandAugment against PIL and timm (tests/golden/randaugment.py); what is drawn; random erasing;
 * crops in 8 bits. */
#include "data/randaugment.h"

#include "tests/golden/randaugment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct normalization norm = {{0.48, 0.45, 0.40, 0.3}, {0.25, 0.26, 0.27, 0.2}};

static int value(int formula, int k, const struct record *r) {
    int noise = (k * 37 + k * k % 101) % 256, c = r->channels, column = k / c % r->width;
    switch (formula) {
    case FORMULA_NOISE:
        return noise;
    case FORMULA_NARROW:
        return 60 + noise % 97;
    case FORMULA_SKEWED:
        return noise * noise / 400;
    case FORMULA_CONSTANT:
        return k % c * 80 + 20;
    default:
        return (20 * (k / c / r->width) + 15 * column + 30 * (k % c)) % 256;
    }
}

static struct record make_record(int formula, int height, int width, int channels) {
    struct error err;
    struct record r = {0};
    assert_int_equal(record_reserve(&r, height, width, channels, 0, &err), 0);
    for (int i = 0; i < height * width * channels; i++)
        r.pixels[i] = (uint8_t)value(formula, i, &r);
    return r;
}

static void apply(struct record *r, int operation, double argument) {
    struct randaugment_plan plan = {.n = 1, .operation = {operation}, .argument = {argument}};
    randaugment_apply(&plan, golden_fill, r);
}

/* Exactly, but for rotations: PIL rounds sine and cosine to 15 digits before. */
static void operations_equal_pil(void **state) {
    (void)state;
    for (size_t n = 0; n < sizeof golden_operations / sizeof *golden_operations; n++) {
        const struct golden_operation *g = &golden_operations[n];
        struct record r = make_record(g->formula, g->height, g->width, g->channels);
        apply(&r, g->operation, g->argument);
        int sum = 0;
        for (int i = 0; i < g->height * g->width * g->channels; i++) {
            int difference = abs(r.pixels[i] - g->expected[i]);
            sum += difference;
            if (difference > g->off)
                fail_msg("case %zu, operation %d, element %d: %d instead of %d", n, g->operation, i,
                         r.pixels[i], g->expected[i]);
        }
        assert_true(sum <= 2);
        record_free(&r);
    }
}

static void arguments_equal_timm(void **state) {
    (void)state;
    for (int o = 0; o < RANDAUGMENT_OPERATIONS; o++)
        for (int negative = 0; negative < 2; negative++)
            for (size_t m = 0; m < sizeof golden_magnitudes / sizeof *golden_magnitudes; m++) {
                double a = randaugment_argument((enum randaugment_operation)o, golden_magnitudes[m],
                                                negative);
                if (!(fabs(a - golden_arguments[o][negative][m]) < 1e-12))
                    fail_msg("operation %d, magnitude %g: %g instead of %g", o,
                             golden_magnitudes[m], a, golden_arguments[o][negative][m]);
            }
}

/* Of every operation whose severity has a direction or begins at none; at 10 all change it. */
static void nothing_changes_at_magnitude_0(void **state) {
    (void)state;
    for (int o = RANDAUGMENT_ROTATE; o < RANDAUGMENT_OPERATIONS; o++)
        for (int negative = 0; negative < 2 && o != RANDAUGMENT_POSTERIZE; negative++)
            for (int channels = 1; channels <= 3; channels += 2) {
                struct record a = make_record(FORMULA_NOISE, 8, 9, channels);
                struct record b = make_record(FORMULA_NOISE, 8, 9, channels);
                enum randaugment_operation operation = (enum randaugment_operation)o;
                apply(&b, o, randaugment_argument(operation, 0, negative));
                assert_memory_equal(a.pixels, b.pixels, (size_t)(72 * channels));
                apply(&b, o, randaugment_argument(operation, 10, negative));
                assert_int_equal(memcmp(a.pixels, b.pixels, (size_t)(72 * channels)) == 0,
                                 o == RANDAUGMENT_COLOR && channels == 1);
                record_free(&a);
                record_free(&b);
            }
}

static struct rng draw_from(uint32_t sample) {
    return rng_at((struct rng_key){7, RNG_TEST}, 0, sample);
}

static void draws_have_the_stated_distribution(void **state) {
    (void)state;
    enum { DRAWS = 60000 };
    long times[RANDAUGMENT_OPERATIONS] = {0}, taken = 0, negative = 0, degrees = 0;
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct rng rng = draw_from(i);
        struct randaugment_plan plan = randaugment_draw(&randaugment_m9, &rng);
        taken += plan.n;
        for (int j = 0; j < plan.n; j++) {
            times[plan.operation[j]]++;
            if (plan.operation[j] != RANDAUGMENT_ROTATE)
                continue;
            double magnitude = fabs(plan.argument[j]) / 3;
            negative += plan.argument[j] < 0;
            sum += magnitude, squares += magnitude * magnitude;
            degrees++;
        }
    }
    assert_true(fabs((double)taken / DRAWS - 1) < 0.015); /* two layers, each with 1/2 */
    for (int o = 0; o < RANDAUGMENT_OPERATIONS; o++)
        assert_true(fabs((double)times[o] / (double)taken * RANDAUGMENT_OPERATIONS - 1) < 0.08);
    double mean = sum / (double)degrees;
    assert_true(fabs(mean - 9) < 0.05); /* those above 10 are cut: one in 44 */
    assert_true(fabs(sqrt(squares / (double)degrees - mean * mean) - 0.5) < 0.03);
    assert_true(fabs((double)negative / (double)degrees - 0.5) < 0.04);
}

static void draws_depend_on_the_key_alone(void **state) {
    (void)state;
    int differ = 0;
    for (uint32_t i = 0; i < 50; i++) {
        struct record a = make_record(FORMULA_NOISE, 16, 16, 3);
        struct record b = make_record(FORMULA_NOISE, 16, 16, 3);
        struct rng first = draw_from(i), second = draw_from(i), other = draw_from(i + 1000);
        struct randaugment_plan plan = randaugment_draw(&randaugment_m9, &first);
        struct randaugment_plan same = randaugment_draw(&randaugment_m9, &second);
        struct randaugment_plan another = randaugment_draw(&randaugment_m9, &other);
        randaugment_apply(&plan, golden_fill, &a);
        randaugment_apply(&same, golden_fill, &b);
        assert_memory_equal(a.pixels, b.pixels, 768);
        differ += memcmp(&plan, &another, sizeof plan) != 0;
        record_free(&a);
        record_free(&b);
    }
    assert_true(differ > 40);
}

static void never_and_always(void **state) {
    (void)state;
    struct randaugment o = {.layers = 3, .magnitude = 4, .probability = 0};
    for (uint32_t i = 0; i < 100; i++) {
        struct rng rng = draw_from(i);
        assert_int_equal(randaugment_draw(&o, &rng).n, 0);
    }
    o.probability = 1;
    for (uint32_t i = 0; i < 100; i++) {
        struct rng rng = draw_from(i);
        struct randaugment_plan plan = randaugment_draw(&o, &rng);
        assert_int_equal(plan.n, 3);
        for (int j = 0; j < 3; j++)
            if (plan.operation[j] == RANDAUGMENT_SOLARIZE)
                assert_true(plan.argument[j] == 256 - 102);
    }
}

static void the_fill_is_the_mean_colour(void **state) {
    (void)state;
    uint8_t fill[3];
    randaugment_fill(&norm, 3, fill);
    assert_int_equal(fill[0], 122);
    assert_int_equal(fill[1], 115);
    assert_int_equal(fill[2], 102);
}

/* An erased image of NANs: what is not NAN is the rectangle. */
static void erasing_keeps_to_its_areas(void **state) {
    (void)state;
    enum { SIDE = 32, DRAWS = 4000 };
    static float pixels[3 * SIDE * SIDE];
    struct image image = {3, SIDE, SIDE, pixels};
    int erased = 0;
    double sum = 0, squares = 0, least = 1, most = 0;
    long n = 0;
    for (uint32_t d = 0; d < DRAWS; d++) {
        struct rng rng = draw_from(d);
        for (int i = 0; i < 3 * SIDE * SIDE; i++)
            pixels[i] = NAN;
        image_erase(&image, &erasing_mae, &rng);
        int count = 0, top = SIDE, bottom = -1, left = SIDE, right = -1;
        for (int i = 0; i < SIDE * SIDE; i++) {
            assert_int_equal(isnan(pixels[i]), isnan(pixels[i + SIDE * SIDE]));
            if (isnan(pixels[i]))
                continue;
            int y = i / SIDE, x = i % SIDE;
            top = y < top ? y : top, bottom = y > bottom ? y : bottom;
            left = x < left ? x : left, right = x > right ? x : right;
            count++;
            for (int c = 0; c < 3; c++) {
                double v = pixels[i + c * SIDE * SIDE];
                sum += v, squares += v * v, n++;
            }
        }
        if (!count)
            continue;
        erased++;
        assert_int_equal(count, (bottom - top + 1) * (right - left + 1));
        least = fmin(least, count / 1024.0), most = fmax(most, count / 1024.0);
        double aspect = (double)(bottom - top + 1) / (right - left + 1);
        assert_true(aspect > 0.2 && aspect < 5); /* sides are rounded: 2 by 8 may be 0.3 */
    }
    assert_true(fabs((double)erased / DRAWS - 0.25) < 0.03);
    assert_true(least > 0.012 && least < 0.03 && most < 0.345 && most > 0.31);
    assert_true(fabs(sum / (double)n) < 0.01 && fabs(squares / (double)n - 1) < 0.01);
}

static void erasing_can_be_off_and_repeats(void **state) {
    (void)state;
    float a[3 * 64], b[3 * 64];
    struct image x = {3, 8, 8, a}, y = {3, 8, 8, b};
    struct erasing always = erasing_mae, never = erasing_mae;
    always.probability = 1, never.probability = 0;
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    struct rng rng = draw_from(1), again = draw_from(1);
    image_erase(&x, &never, &rng);
    assert_memory_equal(a, b, sizeof a);
    rng = again;
    image_erase(&x, &always, &rng);
    assert_true(memcmp(a, b, sizeof a) != 0);
    image_erase(&y, &always, &again);
    assert_memory_equal(a, b, sizeof a);
}

static void crops_are_views_in_8_bits(void **state) {
    (void)state;
    struct arena a = {0};
    struct record r = make_record(FORMULA_NOISE, 12, 12, 3);
    struct crop_box whole = {0, 0, 12, 12}, part = {2, 3, 6, 6};
    float floats[3 * 64];
    r.label = 4;
    struct record out = record_crop(&r, &norm, &part, 1, INTERPOLATION_BICUBIC, 8, &a);
    assert_true(out.label == 4 && out.height == 8 && out.width == 8 && !out.mask);
    image_from_box(&r, &norm, &part, 1, INTERPOLATION_BICUBIC, 8, floats);
    for (int i = 0; i < 64; i++)
        for (int c = 0; c < 3; c++)
            assert_true(fabs(out.pixels[3 * i + c] - 255 * (double)floats[64 * c + i]) < 0.501);
    out = record_crop(&r, &norm, &whole, 0, INTERPOLATION_BICUBIC, 12, &a);
    assert_memory_equal(out.pixels, r.pixels, 12 * 12 * 3);
    record_free(&r);
    arena_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_equal_pil),
        cmocka_unit_test(arguments_equal_timm),
        cmocka_unit_test(nothing_changes_at_magnitude_0),
        cmocka_unit_test(draws_have_the_stated_distribution),
        cmocka_unit_test(draws_depend_on_the_key_alone),
        cmocka_unit_test(never_and_always),
        cmocka_unit_test(the_fill_is_the_mean_colour),
        cmocka_unit_test(erasing_keeps_to_its_areas),
        cmocka_unit_test(erasing_can_be_off_and_repeats),
        cmocka_unit_test(crops_are_views_in_8_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
