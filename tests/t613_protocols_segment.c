/* Scores of masks and of attention against NumPy and PyTorch, against cases counted by hand, and
 * against what they must be whatever the numbers. */
#include "core/rng.h"
#include "protocols/segmentation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/golden/segmentation.h"

static void near(double value, double want) {
    if (!(fabs(value - want) < 1e-7) && !(isnan(value) && isnan(want)))
        fail_msg("%.12g, not %.12g", value, want);
}

static struct rng dice(uint32_t n) {
    return rng_at((struct rng_key){613, RNG_TEST}, 0, n);
}

/* ---- golden ---- */

static void masks_equal_numpy(void **state) {
    (void)state;
    static uint8_t mask[GOLDEN_HEIGHT * GOLDEN_WIDTH];
    int64_t confusion[GOLDEN_CLASSES * GOLDEN_CLASSES] = {0};
    double iou[GOLDEN_CLASSES], miou, accuracy;
    logits_to_mask(golden_logits, (struct grid){GOLDEN_GRID_H, GOLDEN_GRID_W}, GOLDEN_CLASSES,
                   GOLDEN_HEIGHT, GOLDEN_WIDTH, mask);
    assert_memory_equal(mask, golden_predicted, sizeof mask);
    confusion_add(confusion, GOLDEN_CLASSES, golden_truth, mask, sizeof mask);
    confusion_scores(confusion, GOLDEN_CLASSES, iou, &miou, &accuracy);
    for (int c = 0; c < GOLDEN_CLASSES; c++)
        near(iou[c], golden_iou[c]);
    near(miou, golden_miou);
    near(accuracy, golden_accuracy);
}

static void attention_equals_numpy(void **state) {
    (void)state;
    enum { PLACES = GOLDEN_GRID_H * GOLDEN_GRID_W };
    uint8_t kept[GOLDEN_HEADS * PLACES];
    int32_t count[PLACES * GOLDEN_CLASSES];
    for (int h = 0; h < GOLDEN_HEADS; h++)
        attention_keep(golden_attention + h * PLACES, PLACES, 0.6, kept + h * PLACES);
    assert_memory_equal(kept, golden_kept, sizeof kept);
    mask_histogram(golden_truth, GOLDEN_HEIGHT, GOLDEN_WIDTH, GOLDEN_CLASSES,
                   (struct grid){GOLDEN_GRID_H, GOLDEN_GRID_W}, count);
    for (int background = 0; background < 2; background++) {
        struct jaccard j =
            attention_jaccard(kept, GOLDEN_HEADS, count, PLACES, GOLDEN_CLASSES, background);
        near(j.best_head, golden_jaccard[background][0]);
        near(j.mean_head, golden_jaccard[background][1]);
        near(j.objects, golden_jaccard[background][2]);
    }
}

/* ---- by hand ---- */

#define I MASK_IGNORE

/* Predicted below truth.  Class 0: 3 right of 5 in either; 1: 2 of 5; 2: one pixel, not found, none
 * taken for it; 3: not there, predicted once; 4: neither. */
static void scores_counted_by_hand(void **state) {
    (void)state;
    static const uint8_t truth[] = {0, 0, 0, 0, 1, 1, 1, 2, I, I, 1};
    static const uint8_t predicted[] = {0, 0, 0, 1, 1, 1, 0, 1, 4, 2, 3};
    int64_t confusion[25] = {0};
    double iou[5], miou, accuracy;
    confusion_add(confusion, 5, truth, predicted, 6);
    confusion_add(confusion, 5, truth + 6, predicted + 6, 5); /* in parts, as images come */
    confusion_scores(confusion, 5, iou, &miou, &accuracy);
    near(iou[0], 3.0 / 5);
    near(iou[1], 2.0 / 6);
    near(iou[2], 0);
    near(iou[3], 0);
    near(iou[4], NAN);
    near(miou, (3.0 / 5 + 2.0 / 6) / 4);
    near(accuracy, 5.0 / 9);
}

static void nothing_known_has_no_score(void **state) {
    (void)state;
    static const uint8_t truth[] = {I, I, I}, predicted[] = {0, 1, 1};
    int64_t confusion[4] = {0};
    double iou[2], miou, accuracy;
    confusion_add(confusion, 2, truth, predicted, 3);
    confusion_scores(confusion, 2, iou, &miou, &accuracy);
    near(iou[0], NAN);
    near(iou[1], NAN);
    near(miou, NAN);
    near(accuracy, NAN);
}

/* A mask of 4 x 4 under 2 x 2 places.  Head 0 keeps the upper left place, head 1 both left ones.
 * Object 1 is the upper left place but for an ignored pixel, object 2 one pixel at the lower right.
 */
static void jaccard_counted_by_hand(void **state) {
    (void)state;
    static const uint8_t mask[] = {1, 1, 0, 0, 1, I, 0, 0, 0, 0, I, 0, 0, 0, 0, 2};
    static const uint8_t kept[] = {1, 0, 0, 0, 1, 0, 1, 0};
    static const int32_t want[] = {0, 3, 0, 4, 0, 0, 4, 0, 0, 2, 0, 1};
    int32_t count[12];
    mask_histogram(mask, 4, 4, 3, (struct grid){2, 2}, count);
    assert_memory_equal(count, want, sizeof count);
    struct jaccard j = attention_jaccard(kept, 2, count, 4, 3, 1);
    assert_int_equal(j.objects, 2);
    near(j.best_head, (3.0 / 3 + 0) / 2);
    near(j.mean_head, ((3.0 / 3 + 3.0 / 7) / 2 + 0) / 2);
    j = attention_jaccard(kept, 2, count, 4, 3, 0); /* class 0 is an object of 10 pixels too */
    assert_int_equal(j.objects, 3);
    near(j.best_head, (4.0 / 13 + 1 + 0) / 3);
    near(j.mean_head, ((0.0 / 13 + 4.0 / 13) / 2 + (3.0 / 3 + 3.0 / 7) / 2 + 0) / 3);
}

static void an_image_without_an_object_has_no_jaccard(void **state) {
    (void)state;
    static const uint8_t masks[2][4] = {{0, 0, 0, 0}, {I, I, I, I}}, kept[] = {1};
    for (int i = 0; i < 2; i++) {
        int32_t count[2];
        mask_histogram(masks[i], 2, 2, 2, (struct grid){1, 1}, count);
        struct jaccard j = attention_jaccard(kept, 1, count, 1, 2, 1);
        assert_int_equal(j.objects, 0);
        near(j.best_head, NAN);
        near(j.mean_head, NAN);
    }
}

/* Left nothing is known, right a pixel of background and one of the object. */
static void one_pixel_can_be_found(void **state) {
    (void)state;
    static const uint8_t mask[] = {I, 0, I, 1}, kept[] = {0, 1, 1, 0};
    int32_t count[4];
    mask_histogram(mask, 2, 2, 2, (struct grid){1, 2}, count);
    struct jaccard j = attention_jaccard(kept, 2, count, 2, 2, 1);
    near(j.best_head, 1.0 / 2);
    near(j.mean_head, 1.0 / 4);
}

/* ---- properties ---- */

static void keeps_the_fewest_places_with_the_mass(void **state) {
    (void)state;
    static const float flat[] = {0.1F, 0.1F, 0.1F, 0.1F, 0.1F}, one[] = {0, 0, 5, 0, 0};
    static const float tie[] = {1, 3, 3, 3};
    uint8_t kept[64];
    attention_keep(flat, 5, 0.5, kept);
    assert_memory_equal(kept, ((uint8_t[]){1, 1, 1, 0, 0}), 5);
    attention_keep(one, 5, 0.6, kept);
    assert_memory_equal(kept, ((uint8_t[]){0, 0, 1, 0, 0}), 5);
    attention_keep(tie, 4, 0.6, kept); /* 6 of 10 are enough */
    assert_memory_equal(kept, ((uint8_t[]){0, 1, 1, 0}), 4);
    for (uint32_t round = 0; round < 200; round++) {
        struct rng r = dice(round);
        float a[64];
        double all = 0, mass = 0, least = INFINITY, most = 0;
        for (int i = 0; i < 64; i++)
            all += (double)(a[i] = (float)pow(rng_uniform(&r), 4));
        attention_keep(a, 64, 0.6, kept);
        for (int i = 0; i < 64; i++) {
            mass += kept[i] ? (double)a[i] : 0;
            least = kept[i] ? fmin(least, (double)a[i]) : least;
            most = kept[i] ? most : fmax(most, (double)a[i]);
        }
        assert_true(mass >= 0.6 * all && mass - least < 0.6 * all && least >= most);
    }
}

/* Logits that say what the places are come back as the places, blocks where the sides divide. */
static void sure_logits_come_back(void **state) {
    (void)state;
    enum { GRID = 4, CLASSES = 3 };
    for (int side = GRID; side <= 5 * GRID; side += GRID) {
        struct rng r = dice((uint32_t)(1000 + side));
        float logits[GRID * GRID * CLASSES] = {0};
        uint8_t mask[400], truth[400];
        for (int p = 0; p < GRID * GRID; p++)
            logits[p * CLASSES + (int)rng_below(&r, CLASSES)] = 1;
        for (int i = 0; i < side * side; i++) {
            const float *z =
                logits + (i / side * GRID / side * GRID + i % side * GRID / side) * CLASSES;
            truth[i] = z[0] > 0 ? 0 : z[1] > 0 ? 1 : 2;
        }
        logits_to_mask(logits, (struct grid){GRID, GRID}, CLASSES, side, side, mask);
        int32_t count[GRID * GRID * CLASSES];
        mask_histogram(truth, side, side, CLASSES, (struct grid){GRID, GRID}, count);
        for (int i = 0; i < GRID * GRID * CLASSES; i++)
            assert_int_equal(count[i], logits[i] > 0 ? side * side / (GRID * GRID) : 0);
        if (side == GRID)
            assert_memory_equal(mask, truth, (size_t)(side * side));
    }
}

/* All pixels are counted once, whatever the sizes. */
static void every_known_pixel_is_in_one_place(void **state) {
    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        struct rng r = dice(2000 + round);
        int height = 1 + (int)rng_below(&r, 20), width = 1 + (int)rng_below(&r, 20);
        struct grid g = {1 + (int)rng_below(&r, 9), 1 + (int)rng_below(&r, 9)};
        uint8_t mask[400];
        int32_t count[81 * 4], seen[4] = {0}, want[4] = {0};
        for (int i = 0; i < height * width; i++) {
            uint32_t c = rng_below(&r, 5);
            mask[i] = (uint8_t)(c == 4 ? I : c);
            if (c < 4)
                want[c]++;
        }
        mask_histogram(mask, height, width, 4, g, count);
        for (int i = 0; i < g.height * g.width * 4; i++)
            seen[i % 4] += count[i];
        assert_memory_equal(seen, want, sizeof want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_equal_numpy),
        cmocka_unit_test(attention_equals_numpy),
        cmocka_unit_test(scores_counted_by_hand),
        cmocka_unit_test(nothing_known_has_no_score),
        cmocka_unit_test(jaccard_counted_by_hand),
        cmocka_unit_test(an_image_without_an_object_has_no_jaccard),
        cmocka_unit_test(one_pixel_can_be_found),
        cmocka_unit_test(keeps_the_fewest_places_with_the_mass),
        cmocka_unit_test(sure_logits_come_back),
        cmocka_unit_test(every_known_pixel_is_in_one_place),
    };
    return cmocka_run_group_tests_name("segmentation scores", tests, NULL, NULL);
}
