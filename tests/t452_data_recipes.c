/* Random views: what is drawn, how often, in which order, and that views are what they should be.
 */
#include "data/augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { DRAWS = 24000, HEIGHT = 21, WIDTH = 26 };

static const struct normalization norm = {{0.48, 0.45, 0.40, 0.3}, {0.25, 0.26, 0.27, 0.2}};

static const struct view_recipe *const recipes[] = {
    &view_recipe_simclr,     &view_recipe_simclr_cifar, &view_recipe_dino_global_1,
    &view_recipe_dino_local, &view_recipe_mae,          &view_recipe_dino_global_2,
    &view_recipe_supervised,
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

static struct rng rng_of(uint32_t sample) {
    return rng_at((struct rng_key){3, RNG_TEST}, 0, sample);
}

static struct record make_record(int height, int width, int channels, uint32_t sample) {
    struct error err;
    struct record r = {0};
    struct rng rng = rng_of(sample);
    assert_int_equal(record_reserve(&r, height, width, channels, 0, &err), 0);
    for (int i = 0; i < height * width * channels; i++)
        r.pixels[i] = (uint8_t)rng_below(&rng, 256);
    return r;
}

static struct view_plan draw(const struct record *r, const struct view_recipe *v, uint32_t sample) {
    struct rng rng = rng_of(sample);
    return view_draw(r, v, &rng, 32);
}

static void assert_same_box(const struct crop_box *a, const struct crop_box *b) {
    assert_true(a->top == b->top && a->left == b->left);
    assert_true(a->height == b->height && a->width == b->width);
}

static void assert_same_plan(const struct view_plan *a, const struct view_plan *b) {
    assert_same_box(&a->box, &b->box);
    assert_int_equal(a->flip, b->flip);
    assert_int_equal(a->jitter, b->jitter);
    assert_memory_equal(a->order, b->order, sizeof a->order);
    assert_memory_equal(a->factor, b->factor, sizeof a->factor);
    assert_int_equal(a->grey, b->grey);
    assert_true(a->sigma == b->sigma);
    assert_int_equal(a->blur_radius, b->blur_radius);
    assert_int_equal(a->solarize, b->solarize);
}

static void draws_depend_on_the_rng_and_the_size_only(void **state) {
    (void)state;
    struct record a = make_record(HEIGHT, WIDTH, 3, 0), b = make_record(HEIGHT, WIDTH, 1, 1);
    int different = 0;
    for (uint32_t i = 0; i < 200; i++) {
        const struct view_recipe *v = recipes[i % RECIPES];
        struct view_plan one = draw(&a, v, i), same = draw(&b, v, i), other = draw(&a, v, i + 1);
        assert_same_plan(&one, &same);
        different += one.box.top != other.box.top || one.box.left != other.box.left ||
                     one.box.height != other.box.height;
    }
    assert_true(different > 150);
    record_free(&a);
    record_free(&b);
}

/* The order in which draws are made is part of every result: seeds mean something by it. */
static void draws_come_in_the_order_of_the_recipe(void **state) {
    (void)state;
    const struct view_recipe *v = &view_recipe_simclr;
    struct record r = make_record(HEIGHT, WIDTH, 3, 0);
    for (uint32_t i = 0; i < 100; i++) {
        struct view_plan plan = draw(&r, v, i);
        struct rng rng = rng_of(i);
        struct crop_box box = random_resized_box(&r, 0.08, 1, &rng);
        int32_t order[4];
        assert_same_box(&plan.box, &box);
        assert_int_equal(plan.flip, rng_uniform(&rng) >= 0.5);
        assert_int_equal(plan.jitter, rng_uniform(&rng) >= 1 - 0.8);
        rng_permutation(&rng, order, 4);
        assert_memory_equal(plan.order, order, sizeof order);
        for (int f = JITTER_BRIGHTNESS; f <= JITTER_SATURATION; f++)
            assert_true(plan.factor[f] == rng_range(&rng, 1 - 0.8, 1 + 0.8));
        assert_true(plan.factor[JITTER_HUE] == rng_range(&rng, -0.2, 0.2));
        assert_int_equal(plan.grey, rng_uniform(&rng) >= 1 - 0.2);
        assert_int_equal(plan.sigma > 0, rng_uniform(&rng) >= 0.5);
        double sigma = rng_range(&rng, 0.1, 2);
        assert_true(plan.sigma == 0 || plan.sigma == sigma);
        assert_int_equal(plan.solarize, 0);
    }
    record_free(&r);
}

static void a_recipe_without_steps_draws_the_others_alike(void **state) {
    (void)state;
    struct record r = make_record(HEIGHT, WIDTH, 3, 0);
    struct view_recipe less = view_recipe_dino_global_2;
    less.jitter_p = less.blur_p = less.flip = 0;
    for (uint32_t i = 0; i < 100; i++) {
        struct view_plan all = draw(&r, &view_recipe_dino_global_2, i), some = draw(&r, &less, i);
        assert_int_equal(some.jitter, 0);
        assert_int_equal(some.flip, 0);
        assert_true(some.sigma == 0);
        all.jitter = all.flip = all.blur_radius = 0;
        all.sigma = 0;
        assert_same_plan(&all, &some);
    }
    record_free(&r);
}

/* The same boxes and mirrors as those of methods that drew them by hand. */
static void half_of_all_mirrors_is_one_bit(void **state) {
    (void)state;
    struct record r = make_record(HEIGHT, WIDTH, 3, 0);
    for (uint32_t i = 0; i < 500; i++) {
        struct view_plan plan = draw(&r, &view_recipe_mae, i);
        struct rng rng = rng_of(i);
        struct crop_box box = random_resized_box(&r, 0.2, 1, &rng);
        assert_same_box(&plan.box, &box);
        assert_int_equal(plan.flip, rng_below(&rng, 2));
    }
    record_free(&r);
}

static void all_orders_are_equally_frequent(void **state) {
    (void)state;
    int count[256] = {0}, seen = 0;
    double expected = DRAWS / 24.0, sigma = sqrt(expected * 23 / 24);
    struct record r = make_record(HEIGHT, WIDTH, 3, 0);
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct view_plan p = draw(&r, &view_recipe_simclr, i);
        count[p.order[0] * 64 + p.order[1] * 16 + p.order[2] * 4 + p.order[3]]++;
    }
    for (int i = 0; i < 256; i++) {
        seen += count[i] > 0;
        assert_true(count[i] == 0 || fabs(count[i] - expected) < 5 * sigma);
    }
    assert_int_equal(seen, 24);
    record_free(&r);
}

static void assert_share(int count, double probability) {
    double sigma = sqrt(DRAWS * probability * (1 - probability));
    if (!(fabs(count - DRAWS * probability) <= 5 * sigma))
        fail_msg("%d of %d with probability %g", count, DRAWS, probability);
}

static void steps_are_as_frequent_as_the_recipe_says(void **state) {
    (void)state;
    struct record r = make_record(HEIGHT, WIDTH, 3, 0);
    for (int k = 0; k < RECIPES; k++) {
        const struct view_recipe *v = recipes[k];
        int flip = 0, jitter = 0, grey = 0, blur = 0, solarize = 0;
        for (uint32_t i = 0; i < DRAWS; i++) {
            struct view_plan p = draw(&r, v, i);
            flip += p.flip, jitter += p.jitter, grey += p.grey;
            blur += p.sigma > 0, solarize += p.solarize;
        }
        assert_share(flip, v->flip);
        assert_share(jitter, v->jitter_p);
        assert_share(grey, v->grey);
        assert_share(blur, v->blur_p);
        assert_share(solarize, v->solarize);
    }
    record_free(&r);
}

static void assert_uniform(const double x[DRAWS], double lo, double hi) {
    double mean = 0, square = 0, middle = (lo + hi) / 2, width = hi - lo;
    for (int i = 0; i < DRAWS; i++) {
        assert_true(x[i] >= lo && x[i] <= hi);
        mean += (x[i] - middle) / DRAWS;
        square += (x[i] - middle) * (x[i] - middle) / DRAWS;
    }
    assert_true(fabs(mean) < 5 * width / sqrt(12.0 * DRAWS));
    assert_true(fabs(square - width * width / 12) < 5 * width * width / sqrt(180.0 * DRAWS));
}

static void strengths_are_uniform(void **state) {
    (void)state;
    static double factor[JITTER_OPERATIONS][DRAWS], sigma[DRAWS];
    struct record r = make_record(HEIGHT, WIDTH, 3, 0);
    struct view_recipe v = view_recipe_dino_global_1; /* always blurs */
    v.contrast = 1.5;                                 /* never less than 0 */
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct view_plan p = draw(&r, &v, i);
        for (int f = 0; f < JITTER_OPERATIONS; f++)
            factor[f][i] = p.factor[f];
        sigma[i] = p.sigma;
    }
    assert_uniform(factor[JITTER_BRIGHTNESS], 0.6, 1.4);
    assert_uniform(factor[JITTER_CONTRAST], 0, 2.5);
    assert_uniform(factor[JITTER_SATURATION], 0.8, 1.2);
    assert_uniform(factor[JITTER_HUE], -0.1, 0.1);
    assert_uniform(sigma, 0.1, 2);
    record_free(&r);
}

static void kernels_are_as_wide_as_the_papers_say(void **state) {
    (void)state;
    static const struct {
        int size, radius;
    } simclr[] = {{224, 11}, {96, 4}, {64, 3}, {32, 1}, {19, 0}}; /* size / 10, made odd */
    struct view_recipe v = view_recipe_simclr, wide = view_recipe_dino_global_1;
    struct record r = make_record(HEIGHT, WIDTH, 3, 0);
    v.blur_p = 1;
    for (uint32_t i = 0; i < 50; i++) {
        for (size_t n = 0; n < sizeof simclr / sizeof *simclr; n++) {
            struct rng rng = rng_of(i);
            assert_int_equal(view_draw(&r, &v, &rng, simclr[n].size).blur_radius, simclr[n].radius);
        }
        struct view_plan p = draw(&r, &wide, i);
        assert_true(p.blur_radius >= 3 * p.sigma && p.blur_radius < 3 * p.sigma + 1);
        struct rng rng = rng_of(i);
        assert_true(view_draw(&r, &wide, &rng, 3).blur_radius <= 2);
    }
    record_free(&r);
}

/* Any recipe, any number of channels, any size: the same view twice, finite, within [0, 1] before
 * normalisation; and each element written. */
static void views_are_images(void **state) {
    (void)state;
    static const int sizes[] = {1, 2, 9, 33};
    float out[4 * 33 * 33], again[4 * 33 * 33];
    for (uint32_t i = 0; i < 400; i++) {
        int channels = 1 + (int)i / 7 % 4, size = sizes[i / 28 % 4], n = channels * size * size;
        struct record r = make_record(HEIGHT, WIDTH, channels, i);
        struct rng one = rng_of(i), two = rng_of(i);
        struct view_plan plan = view_draw(&r, recipes[i % RECIPES], &two, size);
        memset(out, 0xFF, sizeof out); /* NaN */
        view_random(&r, &norm, recipes[i % RECIPES], &one, size, out);
        view_render(&r, &norm, &plan, size, again);
        assert_memory_equal(out, again, (size_t)n * sizeof *out);
        assert_int_equal(rng_u32(&one), rng_u32(&two));
        for (int k = 0; k < n; k++) {
            double x = out[k] * norm.std[k / (size * size)] + norm.mean[k / (size * size)];
            assert_true(x > -1e-6 && x < 1 + 1e-6);
        }
        record_free(&r);
    }
}

static void a_recipe_of_nothing_is_the_plain_view(void **state) {
    (void)state;
    const struct view_recipe nothing = {.min_area = 1, .max_area = 1};
    float out[3 * 16 * 16], plain[3 * 16 * 16];
    struct record r = make_record(WIDTH, WIDTH, 3, 0);
    for (uint32_t i = 0; i < 20; i++) {
        struct rng rng = rng_of(i);
        view_random(&r, &norm, &nothing, &rng, 16, out);
        view_plain(&r, &norm, 16, plain);
        for (int k = 0; k < 3 * 16 * 16; k++)
            assert_true(fabs(out[k] - plain[k]) < 1e-5);
    }
    record_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_depend_on_the_rng_and_the_size_only),
        cmocka_unit_test(draws_come_in_the_order_of_the_recipe),
        cmocka_unit_test(a_recipe_without_steps_draws_the_others_alike),
        cmocka_unit_test(half_of_all_mirrors_is_one_bit),
        cmocka_unit_test(all_orders_are_equally_frequent),
        cmocka_unit_test(steps_are_as_frequent_as_the_recipe_says),
        cmocka_unit_test(strengths_are_uniform),
        cmocka_unit_test(kernels_are_as_wide_as_the_papers_say),
        cmocka_unit_test(views_are_images),
        cmocka_unit_test(a_recipe_of_nothing_is_the_plain_view),
    };
    return cmocka_run_group_tests_name("view recipes", tests, NULL, NULL);
}
