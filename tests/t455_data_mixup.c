/* Mixup and CutMix: by hand, what sums to 1, the box behind lambda, and how lambda is spread. */
#include "data/mixup.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct rng draw_from(uint32_t sample) {
    return rng_at((struct rng_key){3, RNG_TEST}, 0, sample);
}

/* n images of one channel, 2 x 3, image i all i + 1; the blend of the first with the last. */
static void blends_by_hand(void **state) {
    (void)state;
    float x[3 * 6], t[3 * 4];
    for (int i = 0; i < 18; i++)
        x[i] = (float)(i / 6 + 1);
    for (int i = 0; i < 3; i++)
        smooth_target(i, 4, 0.2, t + (size_t)i * 4);
    struct mix m = {.lambda = 0.75};
    mix_images(&m, &(struct mix_batch){.n = 3, .threads = 1}, 1, 2, 3, x);
    mix_targets(&m, &(struct mix_batch){.n = 3, .threads = 1}, 4, t);
    static const double image[] = {0.75 * 1 + 0.25 * 3, 2, 0.75 * 3 + 0.25 * 1};
    /* 0.8 on the label, 0.05 everywhere */
    static const double target[3][4] = {
        {0.65, 0.05, 0.25, 0.05}, {0.05, 0.85, 0.05, 0.05}, {0.25, 0.05, 0.65, 0.05}};
    for (int i = 0; i < 18; i++)
        assert_true(fabs(x[i] - image[i / 6]) < 1e-6);
    for (int i = 0; i < 12; i++)
        assert_true(fabs(t[i] - target[i / 4][i % 4]) < 1e-6);
}

/* Two images of two channels, 3 x 4; rows 1..2 and columns 0..1 change sides. */
static void cuts_by_hand(void **state) {
    (void)state;
    float x[2 * 24], t[] = {1, 0, 0, 1};
    for (int i = 0; i < 48; i++)
        x[i] = (float)i;
    struct mix m = {.lambda = 1 - 4 / 12.0, .cut = 1, .top = 1, .bottom = 3, .left = 0, .right = 2};
    mix_images(&m, &(struct mix_batch){.n = 2, .threads = 1}, 2, 3, 4, x);
    mix_targets(&m, &(struct mix_batch){.n = 2, .threads = 1}, 2, t);
    for (int i = 0; i < 48; i++) {
        int row = i / 4 % 3, column = i % 4, inside = row >= 1 && column < 2;
        assert_true(x[i] == (float)(inside ? (i + 24) % 48 : i));
    }
    static const double target[] = {2 / 3.0, 1 / 3.0, 1 / 3.0, 2 / 3.0};
    for (int i = 0; i < 4; i++)
        assert_true(fabs(t[i] - target[i]) < 1e-6);
}

/* Whatever is drawn: a cut moves exactly the share of pixels that lambda lacks. */
static void lambda_is_the_true_area(void **state) {
    (void)state;
    enum { HEIGHT = 9, WIDTH = 12, AREA = HEIGHT * WIDTH };
    const struct mixing o = {.cutmix = 1};
    double least = 1, most = 0;
    for (uint32_t d = 0; d < 2000; d++) {
        struct rng rng = draw_from(d);
        float x[3 * AREA], t[] = {1, 0, 0, 1, 1, 0};
        for (int i = 0; i < 3 * AREA; i++)
            x[i] = (float)(i / AREA);
        struct mix m = mix_draw(&o, HEIGHT, WIDTH, &rng);
        assert_true(m.cut && m.top >= 0 && m.bottom <= HEIGHT && m.left >= 0 && m.right <= WIDTH);
        mix_images(&m, &(struct mix_batch){.n = 3, .threads = 1}, 1, HEIGHT, WIDTH, x);
        mix_targets(&m, &(struct mix_batch){.n = 3, .threads = 1}, 2, t);
        int from_last = 0;
        for (int i = 0; i < AREA; i++)
            from_last += x[i] == 2;
        assert_true(fabs(1 - m.lambda - (double)from_last / AREA) < 1e-12);
        assert_true(fabs(t[0] - 1) < 1e-6 && fabs(t[3] - 1) < 1e-6); /* rows 0 and 2: class 0 */
        least = fmin(least, m.lambda), most = fmax(most, m.lambda);
    }
    assert_true(least < 0.2 && most > 0.99);
}

static void targets_sum_to_1(void **state) {
    (void)state;
    enum { N = 5, CLASSES = 7 };
    for (uint32_t d = 0; d < 200; d++) {
        struct rng rng = draw_from(d);
        float t[N * CLASSES];
        for (int i = 0; i < N; i++)
            smooth_target((int)rng_below(&rng, CLASSES), CLASSES, 0.1, t + (size_t)i * CLASSES);
        struct mix m = mix_draw(&mixing_mae, 8, 8, &rng);
        mix_targets(&m, &(struct mix_batch){.n = N, .threads = 1}, CLASSES, t);
        for (int i = 0; i < N; i++) {
            double sum = 0;
            for (int c = 0; c < CLASSES; c++) {
                assert_true(t[i * CLASSES + c] > 0);
                sum += t[i * CLASSES + c];
            }
            assert_true(fabs(sum - 1) < 1e-6);
        }
    }
}

/* Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)); Beta(1, 1) is uniform. */
static void lambda_is_a_beta(void **state) {
    (void)state;
    static const double alphas[] = {1, 0.8, 0.2, 0.01};
    enum { DRAWS = 40000 };
    for (size_t k = 0; k < sizeof alphas / sizeof *alphas; k++) {
        double a = alphas[k], sum = 0, squares = 0;
        int low = 0;
        for (uint32_t d = 0; d < DRAWS; d++) {
            struct rng rng = draw_from(d);
            double x = draw_beta(a, &rng);
            assert_true(x >= 0 && x <= 1);
            sum += x, squares += x * x;
            low += x < 0.25;
        }
        double mean = sum / DRAWS, variance = squares / DRAWS - mean * mean;
        assert_true(fabs(mean - 0.5) < 0.01);
        assert_true(fabs(variance * 4 * (2 * a + 1) - 1) < 0.03);
        if (a == 1)
            assert_true(fabs((double)low / DRAWS - 0.25) < 0.01);
    }
}

static void options_choose_the_kind(void **state) {
    (void)state;
    enum { DRAWS = 2000 };
    const struct mixing none = {0}, blend = {.mixup = 0.8}, cut = {.cutmix = 1};
    int cuts = 0;
    for (uint32_t d = 0; d < DRAWS; d++) {
        struct rng a = draw_from(d), b = a, c = a, e = a, again = a;
        struct mix m = mix_draw(&mixing_mae, 16, 16, &a);
        struct mix same = mix_draw(&mixing_mae, 16, 16, &again);
        assert_true(m.lambda == same.lambda && m.cut == same.cut && m.top == same.top);
        cuts += m.cut;
        assert_true(mix_draw(&none, 16, 16, &b).lambda == 1);
        assert_true(!mix_draw(&blend, 16, 16, &c).cut && mix_draw(&cut, 16, 16, &e).cut);
    }
    assert_true(abs(cuts - DRAWS / 2) < 90);
}

static void lambda_1_changes_nothing(void **state) {
    (void)state;
    float x[] = {1, 2, 3, 4}, y[] = {1, 2, 3, 4};
    struct mix m = {.lambda = 1};
    mix_images(&m, &(struct mix_batch){.n = 2, .threads = 1}, 1, 1, 2, x);
    mix_targets(&m, &(struct mix_batch){.n = 2, .threads = 1}, 2, x);
    assert_memory_equal(x, y, sizeof x);
}

/* What a rank asks for it gets as if it had asked for all; of the rest nothing is touched. */
static void some_pairs_are_those_of_all(void **state) {
    (void)state;
    enum { N = 5, COUNT = 4 };
    static const char mine[N] = {0, 1, 0, 0, 0};
    for (int cut = 0; cut < 2; cut++) {
        const struct mix m = {.lambda = 0.75, .cut = cut, .bottom = 1, .right = 1};
        float all[N * COUNT], some[N * COUNT], before[N * COUNT];
        for (int i = 0; i < N * COUNT; i++)
            all[i] = some[i] = before[i] = (float)i;
        mix_images(&m, &(struct mix_batch){N, NULL, 2}, 1, 2, 2, all);
        mix_images(&m, &(struct mix_batch){N, mine, 2}, 1, 2, 2, some);
        assert_memory_not_equal(all, before, sizeof all);
        assert_memory_equal(some + COUNT, all + COUNT, 3 * COUNT * sizeof *all);
        assert_memory_equal(some, before, COUNT * sizeof *all);
        assert_memory_equal(some + 4 * COUNT, before + 4 * COUNT, COUNT * sizeof *all);
        mix_targets(&m, &(struct mix_batch){N, mine, 1}, COUNT, before);
        assert_true(before[0] == 0 && before[COUNT] != COUNT && before[4 * COUNT] == 4 * COUNT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blends_by_hand),           cmocka_unit_test(cuts_by_hand),
        cmocka_unit_test(lambda_is_the_true_area),  cmocka_unit_test(targets_sum_to_1),
        cmocka_unit_test(lambda_is_a_beta),         cmocka_unit_test(options_choose_the_kind),
        cmocka_unit_test(lambda_1_changes_nothing), cmocka_unit_test(some_pairs_are_those_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
