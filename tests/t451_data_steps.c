/* Every step of a view against torchvision on float images, and whole views
 * (tests/golden/steps.py); resizing against its definition; identities and ranges. */
#include "data/augment.h"

#include "tests/golden/steps.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LARGEST = 3 * 64 * 64 };

static const struct normalization norm = {{0.48, 0.45, 0.40, 0.3}, {0.25, 0.26, 0.27, 0.2}};
static const struct normalization unit = {{0.5, 0.4, 0.3, 0.2}, {1, 1, 1, 1}};

static float noise(int k) {
    return (float)((k * 37 + k * k % 101) % 256) / 255;
}

static float tie(int k) { /* (3,27): all colours of 0, 1/2 and 1 */
    static const int digit[] = {9, 3, 1};
    return (float)(k % 27 / digit[k / 27] % 3) / 2;
}

static float constant(int k) {
    return k < 15 ? 0.2F : k < 30 ? 0.7F : 0.4F;
}

static float black(int k) {
    (void)k;
    return 0;
}

static float white(int k) {
    (void)k;
    return 1;
}

static const struct {
    int channels, height, width;
    float (*value)(int k);
} images[] = {
    [IMAGE_NOISE] = {3, 3, 5, noise},       [IMAGE_TIES] = {3, 3, 9, tie},
    [IMAGE_CONSTANT] = {3, 3, 5, constant}, [IMAGE_BLACK] = {3, 3, 5, black},
    [IMAGE_WHITE] = {3, 3, 5, white},       [IMAGE_ONE_CHANNEL] = {1, 3, 5, noise},
    [IMAGE_LARGER] = {3, 7, 9, noise},
};

static struct image image_of(int which, float *pixels) {
    struct image image = {images[which].channels, images[which].height, images[which].width,
                          pixels};
    for (int i = 0; i < image.channels * image.height * image.width; i++)
        pixels[i] = images[which].value(i);
    return image;
}

static void apply(const struct image *image, int operation, double a, int b) {
    static void (*const with_one_parameter[])(const struct image *, double) = {
        [OPERATION_BRIGHTNESS] = image_brightness, [OPERATION_CONTRAST] = image_contrast,
        [OPERATION_SATURATION] = image_saturation, [OPERATION_HUE] = image_hue,
        [OPERATION_SOLARIZE] = image_solarize,
    };
    if (operation == OPERATION_GREY)
        image_grey(image);
    else if (operation == OPERATION_BLUR)
        image_blur(image, a, b);
    else if (operation == OPERATION_NORMALIZE)
        image_normalize(image, &norm);
    else
        with_one_parameter[operation](image, a);
}

static void steps_equal_torchvision(void **state) {
    (void)state;
    float pixels[LARGEST];
    for (size_t n = 0; n < sizeof golden_steps / sizeof *golden_steps; n++) {
        const struct golden_step *g = &golden_steps[n];
        struct image image = image_of(g->image, pixels);
        int plane = image.height * image.width;
        apply(&image, g->operation, g->a, g->b);
        for (int i = 0; i < image.channels * plane; i++) {
            double expected = g->expected[g->flat ? i / plane : i];
            if (!(fabs(pixels[i] - expected) < 2e-6 * fmax(1, fabs(expected))))
                fail_msg("case %zu, operation %d, element %d: %.8g instead of %.8g", n,
                         g->operation, i, pixels[i], expected);
        }
    }
}

static struct record make_record(int height, int width, int channels, struct rng *rng) {
    struct error err;
    struct record r = {0};
    assert_int_equal(record_reserve(&r, height, width, channels, 0, &err), 0);
    for (int i = 0; i < height * width * channels; i++)
        r.pixels[i] = (uint8_t)(rng ? rng_below(rng, 256) : (uint32_t)(i * 37 + i * i % 101));
    return r;
}

static void views_equal_torchvision(void **state) {
    (void)state;
    float out[LARGEST];
    struct record r = make_record(11, 13, 3, NULL);
    for (size_t n = 0; n < sizeof golden_renders / sizeof *golden_renders; n++) {
        const struct golden_render *g = &golden_renders[n];
        struct view_plan plan = {.box = {g->box[0], g->box[1], g->box[2], g->box[3]},
                                 .flip = g->flip,
                                 .interpolation = INTERPOLATION_BICUBIC,
                                 .jitter = 1,
                                 .grey = g->grey,
                                 .sigma = g->sigma,
                                 .blur_radius = g->radius,
                                 .solarize = g->solarize};
        for (int i = 0; i < JITTER_OPERATIONS; i++)
            plan.order[i] = g->order[i], plan.factor[i] = g->factor[i];
        view_render(&r, &norm, &plan, g->size, out);
        for (int i = 0; i < 3 * g->size * g->size; i++)
            if (!(fabs(out[i] - g->expected[i]) < 1e-5))
                fail_msg("case %zu, element %d: %.8g instead of %.8g", n, i, out[i],
                         g->expected[i]);
    }
    record_free(&r);
}

/* The definition, in two dimensions: what a pixel of the view is. */
static double kernel(double x, int interpolation) {
    x = fabs(x);
    if (interpolation == INTERPOLATION_BILINEAR)
        return fmax(0, 1 - x);
    return x < 1 ? 1.5 * x * x * x - 2.5 * x * x + 1
                 : (x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0);
}

static double weighted(double begin, double extent, int size, int i, int s, int how) {
    double step = extent / size, scale = fmax(step, 1);
    return kernel((s - (begin + (i + 0.5) * step - 0.5)) / scale, how);
}

static double defined(const struct record *r, const struct crop_box *b, int size, int how, int y,
                      int x, int c, double mean) {
    double sum = 0, total = 0;
    for (int t = (int)floor(b->top); t < b->top + b->height; t++)
        for (int s = (int)floor(b->left); s < b->left + b->width; s++) {
            int inside = t >= 0 && s >= 0 && t < r->height && s < r->width;
            double p = inside ? r->pixels[(t * r->width + s) * r->channels + c] / 255.0 : mean;
            double w = weighted(b->top, b->height, size, y, t, how) *
                       weighted(b->left, b->width, size, x, s, how);
            sum += w * p;
            total += w;
        }
    return sum / total;
}

/* Whatever the box (up to 31 source pixels a step): also one that is fractional, partly outside, or
 * wider than a row of sums. */
static void resizing_is_what_it_is_defined_to_be(void **state) {
    (void)state;
    enum { CASES = 300 };
    float out[4 * 40 * 40];
    for (uint32_t n = 0; n < CASES; n++) {
        struct rng rng = rng_at((struct rng_key){1, RNG_TEST}, 0, n);
        int wide = n % 30 == 0, channels = 1 + (int)rng_below(&rng, 4);
        int height = 1 + (int)rng_below(&rng, wide ? 3 : 40);
        int width = wide ? 9000 : 1 + (int)rng_below(&rng, 40);
        int size = wide ? 300 : 2 + (int)rng_below(&rng, 39), how = (int)rng_below(&rng, 2);
        int flip = (int)rng_below(&rng, 2), tiny = wide ? 40 : size; /* rows that are looked at */
        struct record r = make_record(height, width, channels, &rng);
        struct crop_box box = {0, 0, height, width};
        if (n % 3 && !wide)
            box = (struct crop_box){rng_range(&rng, -5, height - 0.5),
                                    rng_range(&rng, -5, width - 0.5),
                                    rng_range(&rng, 1, height + 2), rng_range(&rng, 1, width + 2)};
        float *view = wide ? malloc(sizeof *view * 4 * 300 * 300) : out;
        image_from_box(&r, &unit, &box, flip, how, size, view);
        for (int i = 0; i < 60; i++) {
            int y = (int)rng_below(&rng, (uint32_t)tiny), x = (int)rng_below(&rng, (uint32_t)size);
            int c = (int)rng_below(&rng, (uint32_t)channels);
            double v = defined(&r, &box, size, how, y, flip ? size - 1 - x : x, c, unit.mean[c]);
            if (!(fabs(view[(c * size + y) * size + x] - fmin(fmax(v, 0), 1)) < 1e-5))
                fail_msg("case %u, (%d,%d,%d): %g instead of %g", n, c, y, x,
                         view[(c * size + y) * size + x], v);
        }
        if (wide)
            free(view);
        record_free(&r);
    }
}

static void fill(struct image *image, uint32_t sample) {
    struct rng rng = rng_at((struct rng_key){2, RNG_TEST}, 0, sample);
    for (int i = 0; i < image->channels * image->height * image->width; i++) {
        double x = rng_range(&rng, -0.2, 1.2); /* a third of all at the ends */
        image->pixels[i] = (float)fmin(fmax(x, 0), 1);
    }
}

static void neutral_parameters_change_nothing(void **state) {
    (void)state;
    float pixels[3 * 17 * 19], before[3 * 17 * 19];
    struct image image = {3, 17, 19, pixels};
    static const struct {
        int operation;
        double a;
    } neutral[] = {{OPERATION_BRIGHTNESS, 1}, {OPERATION_CONTRAST, 1}, {OPERATION_SATURATION, 1},
                   {OPERATION_HUE, 0},        {OPERATION_BLUR, 3},     {OPERATION_SOLARIZE, 1.01}};
    fill(&image, 0);
    memcpy(before, pixels, sizeof pixels);
    for (size_t i = 0; i < sizeof neutral / sizeof *neutral; i++) {
        apply(&image, neutral[i].operation, neutral[i].a, 0);
        assert_memory_equal(pixels, before, sizeof pixels);
    }
    const struct normalization none = {.std = {1, 1, 1}};
    image_normalize(&image, &none);
    assert_memory_equal(pixels, before, sizeof pixels);
}

static void steps_stay_between_0_and_1(void **state) {
    (void)state;
    enum { SIDE = 33 };
    float pixels[4 * SIDE * SIDE];
    static const struct {
        int operation;
        double a;
        int b;
    } steps[] = {
        {OPERATION_BRIGHTNESS, 1.9, 0}, {OPERATION_CONTRAST, 0, 0},   {OPERATION_CONTRAST, 1.9, 0},
        {OPERATION_SATURATION, 0, 0},   {OPERATION_SATURATION, 5, 0}, {OPERATION_HUE, 0.123, 0},
        {OPERATION_HUE, -0.5, 0},       {OPERATION_GREY, 0, 0},       {OPERATION_BLUR, 0.01, 5},
        {OPERATION_BLUR, 4, 32},        {OPERATION_BLUR, 1e6, 3},     {OPERATION_SOLARIZE, 0.5, 0},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (int channels = 1; channels <= 4; channels++) {
            struct image image = {channels, SIDE, SIDE, pixels};
            fill(&image, (uint32_t)i);
            apply(&image, steps[i].operation, steps[i].a, steps[i].b);
            for (int k = 0; k < channels * SIDE * SIDE; k++)
                if (!(pixels[k] >= 0 && pixels[k] <= 1))
                    fail_msg("step %zu, %d channels: %.9g", i, channels, pixels[k]);
        }
}

/* The weights of a kernel sum to a little more than 1 half of the time. */
static void a_blur_of_white_is_not_brighter(void **state) {
    (void)state;
    float pixels[3 * 20 * 20];
    struct image image = {3, 20, 20, pixels};
    for (int i = 1; i < 60; i++) {
        for (int k = 0; k < 3 * 20 * 20; k++)
            pixels[k] = 1;
        image_blur(&image, 0.1 * i, 19);
        for (int k = 0; k < 3 * 20 * 20; k++)
            assert_true(pixels[k] <= 1 && pixels[k] > 1 - 1e-6);
    }
}

/* By definition: with other than three channels there is no colour to change. */
static void colour_steps_need_colour(void **state) {
    (void)state;
    float pixels[4 * 15], before[4 * 15];
    for (int channels = 1; channels <= 4; channels++) {
        struct image image = {channels, 3, 5, pixels};
        size_t bytes = (size_t)channels * 15 * sizeof *pixels;
        for (int operation = OPERATION_BRIGHTNESS; operation <= OPERATION_GREY; operation++) {
            int colour = operation >= OPERATION_SATURATION && operation <= OPERATION_GREY;
            fill(&image, 7);
            memcpy(before, pixels, bytes);
            apply(&image, operation, operation == OPERATION_HUE ? 0.3 : 0.6, 0);
            assert_int_equal(!memcmp(pixels, before, bytes), colour && channels != 3);
        }
    }
}

static void a_blur_keeps_the_sum_and_is_symmetric(void **state) {
    (void)state;
    enum { SIDE = 41, MIDDLE = 20 };
    static float pixels[SIDE * SIDE];
    struct image image = {1, SIDE, SIDE, pixels};
    memset(pixels, 0, sizeof pixels);
    pixels[MIDDLE * SIDE + MIDDLE] = 1;
    image_blur(&image, 1.5, 19);
    double sum = 0, variance = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            sum += pixels[y * SIDE + x];
            variance += pixels[y * SIDE + x] * (x - MIDDLE) * (x - MIDDLE);
            assert_true(pixels[y * SIDE + x] == pixels[y * SIDE + (SIDE - 1 - x)]);
            assert_true(fabs(pixels[y * SIDE + x] - pixels[x * SIDE + y]) < 1e-8);
        }
    assert_true(fabs(sum - 1) < 1e-5);
    assert_true(fabs(variance - 1.5 * 1.5) < 1e-4);
}

static void solarizing_inverts_the_upper_half_of_bytes(void **state) {
    (void)state;
    float pixels[256];
    struct image image = {1, 16, 16, pixels};
    for (int i = 0; i < 256; i++)
        pixels[i] = (float)i / 255;
    image_solarize(&image, 0.5);
    for (int i = 0; i < 256; i++)
        assert_true(fabs(pixels[i] * 255 - (i < 128 ? i : 255 - i)) < 1e-4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_equal_torchvision),
        cmocka_unit_test(views_equal_torchvision),
        cmocka_unit_test(resizing_is_what_it_is_defined_to_be),
        cmocka_unit_test(neutral_parameters_change_nothing),
        cmocka_unit_test(steps_stay_between_0_and_1),
        cmocka_unit_test(a_blur_of_white_is_not_brighter),
        cmocka_unit_test(colour_steps_need_colour),
        cmocka_unit_test(a_blur_keeps_the_sum_and_is_symmetric),
        cmocka_unit_test(solarizing_inverts_the_upper_half_of_bytes),
    };
    return cmocka_run_group_tests_name("view steps", tests, NULL, NULL);
}
