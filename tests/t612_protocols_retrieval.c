/* Retrieval against cases worked out by hand, against a plain count, and with ties. */
#include "core/rng.h"
#include "protocols/retrieval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KS = 3 };
static const int places[KS] = {1, 2, 10};

static void recall(const struct kernels *k, const float *images, int n_images, const float *texts,
                   const int32_t *image_of, int n_texts, int dim, int threads, double to_image[KS],
                   double to_text[KS]) {
    struct error err;
    const struct features i = {.x = images, .n = n_images, .dim = dim, .classes = 1};
    const struct features t = {
        .x = texts, .label = image_of, .n = n_texts, .dim = dim, .classes = 1};
    if (retrieval_recall(k, &i, &t, places, KS, threads, to_image, to_text, &err))
        fail_msg("%s", err.message);
}

static void near(double value, double want) {
    if (!(fabs(value - want) < 1e-12))
        fail_msg("%.15g instead of %.15g", value, want);
}

/* Cosines, by row of texts:          image 0   1    2
 *     text 0, of image 0                1.0  0.0  0.0    its image is first
 *     text 1, of image 0                0.6  0.8  0.0    second
 *     text 2, of image 1                0.0  0.6  0.8    second
 *     text 3, of image 2                0.8  0.6  0.0    third
 * Images: 0 finds text 0 (1.0) first; 1 finds text 1 (0.8) before its own at 0.6, which ties with
 * text 3; 2 finds text 2 (0.8), then its own, text 3, at 0.0, which ties with texts 0 and 1. */
static void by_hand(void **state) {
    (void)state;
    static const float images[] = {2, 0, 0, 0, 1, 0, 0, 0, 5}; /* lengths do not matter */
    static const float texts[] = {3, 0, 0, 3, 4, 0, 0, 3, 4, 4, 3, 0};
    static const int32_t image_of[] = {0, 0, 1, 2};
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        double to_image[KS], to_text[KS];
        recall(*k, images, 3, texts, image_of, 4, 3, 2, to_image, to_text);
        near(to_image[0], 1.0 / 4);
        near(to_image[1], 3.0 / 4);
        near(to_image[2], 1);
        near(to_text[0], 1.0 / 3);
        /* Among the first two: image 0 surely; image 1 takes one of the tie of two: 1/2; image 2
         * has one place left for a tie of three: 1/3. */
        near(to_text[1], (1 + 0.5 + 1.0 / 3) / 3);
        near(to_text[2], 1);
    }
}

/* An encoder that answers the same to everything scores chance. */
static void no_answer_is_chance(void **state) {
    (void)state;
    enum { IMAGES = 70, EACH = 3, TEXTS = IMAGES * EACH, DIM = 4 };
    static float images[IMAGES * DIM], texts[TEXTS * DIM];
    static int32_t image_of[TEXTS];
    for (int constant = 0; constant < 2; constant++) { /* zeros have no direction: ties too */
        for (int i = 0; i < IMAGES * DIM; i++)
            images[i] = constant ? (float)(i % DIM) + 0.3F : 0;
        for (int i = 0; i < TEXTS * DIM; i++)
            texts[i] = (float)(i % DIM) - 1.1F;
        for (int i = 0; i < TEXTS; i++)
            image_of[i] = i / EACH;
        double to_image[KS], to_text[KS];
        recall(kernels_cpu(), images, IMAGES, texts, image_of, TEXTS, DIM, 1, to_image, to_text);
        for (int q = 0; q < KS; q++) {
            double miss = 1;
            for (int i = 0; i < places[q]; i++)
                miss *= (double)(TEXTS - EACH - i) / (TEXTS - i);
            near(to_image[q], (double)places[q] / IMAGES);
            near(to_text[q], 1 - miss);
        }
    }
}

/* ---- against a plain count ---- */

enum { IMAGES = 150, TEXTS = 400, DIM = 16 };

struct set {
    float images[IMAGES * DIM], texts[TEXTS * DIM];
    int32_t image_of[TEXTS];
};

/* Entries -1 and 1: every length is 4, cosines are exact and tie often.  Some images have no text.
 */
static void draw(struct set *s) {
    struct rng r = rng_at((struct rng_key){612, RNG_TEST}, 0, 0);
    for (int i = 0; i < IMAGES * DIM; i++)
        s->images[i] = rng_below(&r, 2) ? 1 : -1;
    for (int i = 0; i < TEXTS * DIM; i++)
        s->texts[i] = rng_below(&r, 2) ? 1 : -1;
    for (int i = 0; i < TEXTS; i++)
        s->image_of[i] = (int32_t)rng_below(&r, IMAGES - 10);
}

static int product(const struct set *s, int image, int text) {
    int sum = 0;
    for (int d = 0; d < DIM; d++)
        sum += (int)(s->images[image * DIM + d] * s->texts[text * DIM + d]);
    return sum;
}

/* The probability of a hit, over all places that the first right one of a tie can have. */
static double chance_of_hit(int nearer, int equal, int right, int k) {
    double none = 1, hit = 0;
    for (int place = 0; place <= equal; place++) {
        int left = equal - place + right; /* not yet placed */
        if (nearer + place < k)
            hit += none * right / left;
        none *= (double)(equal - place) / left;
    }
    return hit;
}

static void count(const struct set *s, double to_image[KS], double to_text[KS]) {
    int asked = 0;
    memset(to_image, 0, sizeof(double) * KS);
    memset(to_text, 0, sizeof(double) * KS);
    for (int t = 0; t < TEXTS; t++) {
        int nearer = 0, equal = 0;
        for (int i = 0; i < IMAGES; i++) {
            int ahead = product(s, i, t) - product(s, s->image_of[t], t);
            nearer += ahead > 0;
            equal += !ahead && i != s->image_of[t];
        }
        for (int q = 0; q < KS; q++)
            to_image[q] += chance_of_hit(nearer, equal, 1, places[q]) / TEXTS;
    }
    for (int i = 0; i < IMAGES; i++) {
        int best = -1, nearer = 0, equal = 0, right = 0;
        for (int t = 0; t < TEXTS; t++)
            if (s->image_of[t] == i && (best < 0 || product(s, i, t) > product(s, i, best)))
                best = t;
        if (best < 0)
            continue;
        asked++;
        for (int t = 0; t < TEXTS; t++) {
            int ahead = product(s, i, t) - product(s, i, best), own = s->image_of[t] == i;
            nearer += ahead > 0;
            equal += !ahead && !own;
            right += !ahead && own;
        }
        for (int q = 0; q < KS; q++)
            to_text[q] += chance_of_hit(nearer, equal, right, places[q]);
    }
    assert_true(asked > 100 && asked <= IMAGES - 10);
    for (int q = 0; q < KS; q++)
        to_text[q] /= asked;
}

static void equals_a_plain_count(void **state) {
    (void)state;
    struct set *s = malloc(sizeof *s);
    draw(s);
    double want_image[KS], want_text[KS], to_image[KS], to_text[KS], again[2 * KS];
    count(s, want_image, want_text);
    recall(kernels_cpu(), s->images, IMAGES, s->texts, s->image_of, TEXTS, DIM, 1, to_image,
           to_text);
    recall(kernels_cpu(), s->images, IMAGES, s->texts, s->image_of, TEXTS, DIM, 7, again,
           again + KS);
    assert_memory_equal(to_image, again, sizeof to_image);
    assert_memory_equal(to_text, again + KS, sizeof to_text);
    for (int q = 0; q < KS; q++) {
        near(to_image[q], want_image[q]);
        near(to_text[q], want_text[q]);
    }
    free(s);
}

/* ---- the protocol ---- */

static void metrics_are_named_and_limited(void **state) {
    (void)state;
    struct set *s = malloc(sizeof *s);
    struct arena a = {0};
    struct error err;
    draw(s);
    for (int i = 0; i < TEXTS; i++)
        s->image_of[i] = i * IMAGES / TEXTS; /* as a dataset gives them */
    const struct features images = {.x = s->images, .n = IMAGES, .dim = DIM, .classes = 1};
    const struct features texts = {
        .x = s->texts, .label = s->image_of, .n = TEXTS, .dim = DIM, .classes = 1};
    const struct protocol_input in = {.kernels = kernels_cpu(), .threads = 2, .arena = &a};
    static const char *const names[] = {"mean_r1",           "text_to_image_r1", "text_to_image_r5",
                                        "text_to_image_r10", "image_to_text_r1", "image_to_text_r5",
                                        "image_to_text_r10"};
    double all[7];
    for (int limit = 0; limit <= 30; limit += 30) {
        struct eval e = {.outcome = OUTCOME_OK};
        assert_int_equal(retrieval_rows(&images, &texts, limit, &in, &e, &err), 0);
        assert_int_equal(e.n_metrics, 7);
        assert_int_equal(e.n_samples, limit ? limit : IMAGES);
        assert_null(e.top1);
        for (int i = 0; i < 7; i++) {
            assert_string_equal(e.metrics[i].name, names[i]);
            assert_true(e.metrics[i].seed == e.seed[0]);
            if (limit && (i == 3 || i == 6)) /* fewer to search among */
                assert_true(e.metrics[i].value > all[i]);
            all[i] = e.metrics[i].value;
        }
        near(all[0], (all[1] + all[4]) / 2);
        assert_true(all[1] < all[2] && all[2] < all[3] && all[4] < all[5] && all[5] < all[6]);
    }
    double to_image[KS], to_text[KS];
    recall(kernels_cpu(), s->images, 30, s->texts, s->image_of, 80, DIM, 1, to_image, to_text);
    near(all[1], to_image[0]); /* 80 texts belong to the first 30 images */
    near(all[6], to_text[2]);
    arena_free(&a);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(no_answer_is_chance),
        cmocka_unit_test(equals_a_plain_count),
        cmocka_unit_test(metrics_are_named_and_limited),
    };
    return cmocka_run_group_tests_name("retrieval", tests, NULL, NULL);
}
