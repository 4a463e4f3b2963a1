/* Views against torchvision, position embeddings against PyTorch (tests/golden/views.py). */
#include "data/augment.h"
#include "nn/vit.h"

#include "tests/golden/views.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { HEIGHT = 11, WIDTH = 13, CHANNELS = 3, LARGEST = 32 };

static const struct normalization identity = {.std = {1 / 255.0, 1 / 255.0, 1 / 255.0, 1}};

static void fill(struct record *r) {
    struct error err;
    *r = (struct record){0};
    assert_int_equal(record_reserve(r, HEIGHT, WIDTH, CHANNELS, 0, &err), 0);
    for (int i = 0; i < HEIGHT * WIDTH * CHANNELS; i++)
        r->pixels[i] = (uint8_t)((i * 37 + i * i % 101) % 256);
}

static void crops_equal_torchvision(void **state) {
    (void)state;
    struct record r;
    float out[CHANNELS * LARGEST * LARGEST];
    fill(&r);
    for (size_t n = 0; n < sizeof golden_views / sizeof *golden_views; n++) {
        const struct golden_view *g = &golden_views[n];
        const struct crop_box box = {g->top, g->left, g->height, g->width};
        view_crop(&r, &identity, &box, g->flip, g->size, out);
        for (int i = 0; i < CHANNELS * g->size * g->size; i++)
            if (!(fabs(out[i] - g->pixels[i]) < 1e-3))
                fail_msg("case %zu, element %d: %g instead of %g", n, i, out[i], g->pixels[i]);
    }
    record_free(&r);
}

static void normalization_is_per_channel(void **state) {
    (void)state;
    struct record r;
    float plain[CHANNELS * 64], normal[CHANNELS * 64];
    const struct normalization norm = {.mean = {0.1, 0.2, 0.3}, .std = {0.5, 0.25, 2}};
    fill(&r);
    view_plain(&r, &identity, 8, plain);
    view_plain(&r, &norm, 8, normal);
    for (int c = 0; c < CHANNELS; c++)
        for (int i = c * 64; i < c * 64 + 64; i++)
            assert_true(fabs(normal[i] - (plain[i] / 255 - norm.mean[c]) / norm.std[c]) < 1e-5);
    record_free(&r);
}

static void a_shift_moves_pixels_and_shows_the_mean(void **state) {
    (void)state;
    struct record r;
    float out[CHANNELS * 11 * 11];
    const struct normalization norm = {.mean = {0.5, 0.5, 0.5}, .std = {1, 1, 1}};
    fill(&r);
    r.width = 11; /* square, so that a view has the size of the image */
    const struct crop_box box = {-2, 3, 11, 11};
    view_crop(&r, &norm, &box, 0, 11, out);
    for (int y = 0; y < 11; y++)
        for (int x = 0; x < 11; x++) {
            int sy = y - 2, sx = x + 3;
            double expected =
                sy < 0 || sx >= 11 ? 0 : r.pixels[(sy * 11 + sx) * CHANNELS] / 255.0 - 0.5;
            assert_true(fabs(out[y * 11 + x] - expected) < 1e-5);
        }
    record_free(&r);
}

static void random_boxes_keep_their_promises(void **state) {
    (void)state;
    enum { DRAWS = 2000 };
    struct record r;
    double area = 0;
    fill(&r);
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct rng rng = rng_at((struct rng_key){0, RNG_TEST}, 0, i);
        struct crop_box b = random_resized_box(&r, 0.2, 1, &rng);
        assert_true(b.top >= 0 && b.left >= 0 && b.height >= 1 && b.width >= 1);
        assert_true(b.top + b.height <= HEIGHT && b.left + b.width <= WIDTH);
        assert_true(b.width / b.height < 1.8 && b.height / b.width < 1.8); /* rounding included */
        area += b.height * b.width / (HEIGHT * WIDTH) / DRAWS;
        struct crop_box s = random_shift_box(&r, 4, &rng);
        assert_true(fabs(s.top) <= 4 && fabs(s.left) <= 4 && s.height == HEIGHT);
    }
    assert_true(area > 0.45 && area < 0.65);
    record_free(&r);
}

static void positions_interpolate_like_pytorch(void **state) {
    (void)state;
    static const struct {
        int to;
        const double *golden;
    } cases[] = {{7, positions_4_to_7}, {3, positions_4_to_3}};
    float in[17 * 6], out[50 * 6];
    for (int i = 0; i < 17 * 6; i++)
        in[i] = (float)sin(0.3 * i + 0.5);
    for (size_t n = 0; n < 2; n++) {
        interpolate_positions(4, cases[n].to, 6, in, out);
        for (int i = 0; i < (1 + cases[n].to * cases[n].to) * 6; i++)
            assert_true(fabs(out[i] - cases[n].golden[i]) < 1e-5);
    }
    interpolate_positions(4, 4, 6, in, out);
    for (int i = 0; i < 17 * 6; i++)
        assert_true(fabs(out[i] - in[i]) < 1e-6);
}

static void sine_cosine_positions_are_orthonormal_pairs(void **state) {
    (void)state;
    enum { GRID = 5, DIM = 12 };
    float p[(1 + GRID * GRID) * DIM];
    sincos_positions(GRID, DIM, p);
    for (int i = 0; i < DIM; i++)
        assert_true(p[i] == 0);
    for (int n = 1; n <= GRID * GRID; n++) {
        const float *row = p + n * DIM;
        for (int q = 0; q < DIM / 4; q++) {
            assert_true(fabs(row[q] * row[q] + row[3 + q] * row[3 + q] - 1) < 1e-6);
            assert_true(fabs(row[6 + q] * row[6 + q] + row[9 + q] * row[9 + q] - 1) < 1e-6);
        }
        assert_true(fabs(row[0] - sin((n - 1) % GRID)) < 1e-6); /* the column comes first */
        assert_true(fabs(row[6] - sin((n - 1) / GRID)) < 1e-6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_equal_torchvision),
        cmocka_unit_test(normalization_is_per_channel),
        cmocka_unit_test(a_shift_moves_pixels_and_shows_the_mean),
        cmocka_unit_test(random_boxes_keep_their_promises),
        cmocka_unit_test(positions_interpolate_like_pytorch),
        cmocka_unit_test(sine_cosine_positions_are_orthonormal_pairs),
    };
    return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
