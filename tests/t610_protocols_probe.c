/* Classifiers on frozen features against what is known of the data, against PyTorch and against
 * brute force. */
#include "core/arena.h"
#include "protocols/probe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/golden/probe.h"

static struct arena arena;

static int teardown(void **state) {
    (void)state;
    arena_free(&arena);
    return 0;
}

static const struct kernels *fast(void) {
    const struct kernels *k = kernels_cpu();
    assert_non_null(k);
    return k;
}

/* Unit Gaussians around `distance` times the unit vector of each class; labels run round. */
static struct features gaussians(int n, int dim, int classes, double distance, uint32_t stream) {
    float *x = ARENA_ARRAY(&arena, float, (size_t)n *(size_t)dim);
    int32_t *label = ARENA_ARRAY(&arena, int32_t, n);
    for (int i = 0; i < n; i++) {
        struct rng r = rng_at((struct rng_key){610, RNG_TEST}, stream, (uint32_t)i);
        label[i] = i % classes;
        for (int d = 0; d < dim; d++)
            x[(size_t)i * (size_t)dim + (size_t)d] =
                (float)(rng_normal(&r) + (d == label[i] ? distance : 0));
    }
    return (struct features){.x = x, .label = label, .n = n, .dim = dim, .classes = classes};
}

static struct linear_options options(const double *lr, int n_lr, const double *wd, int n_wd) {
    return (struct linear_options){.epochs = 10,
                                   .batch = 64,
                                   .lr = lr,
                                   .weight_decay = wd,
                                   .n_lr = n_lr,
                                   .n_wd = n_wd,
                                   .momentum = 0.9,
                                   .threads = 2};
}

static float *fit(const struct kernels *k, const struct features *train,
                  const struct features *test, const struct linear_options *o, uint64_t seed) {
    struct error err;
    float *logits = ARENA_ARRAY(&arena, float, (size_t)test->n *(size_t)test->classes);
    if (linear_fit_predict(k, train, test, o, seed, logits, &err))
        fail_msg("%s", err.message);
    return logits;
}

static void search(const struct kernels *k, const struct features *train,
                   const struct features *val, const struct linear_options *o,
                   struct head_score *scores) {
    struct error err;
    if (linear_search(k, train, val, o, 5, scores, &err))
        fail_msg("%s", err.message);
}

static double top1_of(const float *scores, const struct features *f) {
    double top1;
    score_predictions(scores, f->label, f->n, f->classes, NULL, &top1, NULL, NULL, NULL);
    return top1;
}

/* ---- the linear probe ------------------------------------------------------------------------ */

static void test_linear_golden(void **state) {
    (void)state;
    static const double(*const golden[])[GOLDEN_CLASSES] = {golden_plain, golden_batch_norm};
    int32_t label[GOLDEN_N];
    for (int i = 0; i < GOLDEN_N; i++)
        label[i] = i % GOLDEN_CLASSES;
    struct features train = {golden_train[0], label, GOLDEN_N, GOLDEN_DIM, GOLDEN_CLASSES};
    struct features test = {golden_other[0], NULL, GOLDEN_TEST, GOLDEN_DIM, GOLDEN_CLASSES};
    struct linear_options o = options(&golden_rate, 1, &golden_decay, 1);
    o.epochs = GOLDEN_EPOCHS, o.batch = GOLDEN_BATCH;
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        for (o.batch_norm = 0; o.batch_norm < 2; o.batch_norm++) {
            const float *logits = fit(*k, &train, &test, &o, 1);
            for (int i = 0; i < GOLDEN_TEST * GOLDEN_CLASSES; i++) {
                double want = golden[o.batch_norm][i / GOLDEN_CLASSES][i % GOLDEN_CLASSES];
                if (!(fabs((double)logits[i] - want) < 2e-5))
                    fail_msg("%s, batch norm %d, logit %d: %.7g, not %.7g", (*k)->name,
                             o.batch_norm, i, (double)logits[i], want);
            }
        }
}

static void test_linear_separable(void **state) {
    (void)state;
    struct features train = gaussians(600, 7, 3, 9, 1), val = gaussians(300, 7, 3, 9, 2);
    const double lr[] = {0.1, 1}, wd[] = {0};
    struct linear_options o = options(lr, 2, wd, 1);
    struct head_score scores[2];
    search(fast(), &train, &val, &o, scores);
    for (int h = 0; h < 2; h++)
        assert_true(scores[h].val_top1 > 0.995);
    assert_true(top1_of(fit(fast(), &train, &val, &o, 5), &val) > 0.995);
}

/* Two unit Gaussians a distance of sqrt(2) d apart: no classifier beats Phi(d / sqrt(2)). */
static void test_linear_reaches_the_bayes_rate(void **state) {
    (void)state;
    const double distance = 1.5, bayes = 0.5 * erfc(-distance / 2);
    struct features train = gaussians(4000, 8, 2, distance, 3);
    struct features val = gaussians(20000, 8, 2, distance, 4);
    const double lr[] = {0.01, 0.1}, wd[] = {0, 1e-3};
    struct linear_options o = options(lr, 2, wd, 2);
    struct head_score scores[4];
    search(fast(), &train, &val, &o, scores);
    for (int h = 0; h < 4; h++) {
        assert_true(scores[h].lr == lr[h / 2] && scores[h].weight_decay == wd[h % 2]);
        if (!(fabs(scores[h].val_top1 - bayes) < 0.01))
            fail_msg("lr %g, wd %g: %g, Bayes %g", scores[h].lr, scores[h].weight_decay,
                     scores[h].val_top1, bayes);
    }
}

/* Odd sizes: the batches are uneven, the last validation batch is short, the groups of heads too.
 */
static void test_linear_does_not_depend_on_threads(void **state) {
    (void)state;
    enum { HEADS = 35 };
    struct features train = gaussians(333, 13, 5, 1, 5), val = gaussians(211, 13, 5, 1, 6);
    const double lr[] = {0.01, 0.03, 0.1, 0.3, 1, 3, 10}, wd[] = {0, 1e-4, 1e-3, 0.01, 0.1};
    struct linear_options o = options(lr, 7, wd, 5);
    o.batch = 50;
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct head_score one[HEADS], many[HEADS];
        o.threads = 1;
        search(*k, &train, &val, &o, one);
        const float *logits = fit(*k, &train, &val, &o, 5);
        for (o.threads = 2; o.threads <= 8; o.threads += 3) {
            search(*k, &train, &val, &o, many);
            assert_memory_equal(one, many, sizeof one);
            assert_memory_equal(logits, fit(*k, &train, &val, &o, 5),
                                sizeof *logits * (size_t)(val.n * val.classes));
        }
    }
}

/* A head alone, in any grid, and fitted by itself gets the same validation score. */
static void test_heads_do_not_depend_on_each_other(void **state) {
    (void)state;
    struct features train = gaussians(333, 13, 5, 1, 5), val = gaussians(997, 13, 5, 1, 6);
    const double lr[] = {0.003, 0.1, 3, 1e6}, wd[] = {0, 1e-3, 0.1};
    struct linear_options all = options(lr, 4, wd, 3);
    all.batch = 50, all.batch_norm = 1;
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct head_score scores[12], alone;
        search(*k, &train, &val, &all, scores);
        for (int h = 0; h < 12; h++) {
            struct linear_options o = all;
            o.lr = &lr[h / 3], o.weight_decay = &wd[h % 3], o.n_lr = o.n_wd = 1;
            search(*k, &train, &val, &o, &alone);
            assert_memory_equal(&alone, &scores[h], sizeof alone);
            assert_true(top1_of(fit(*k, &train, &val, &o, 5), &val) == alone.val_top1);
        }
    }
}

static void test_batch_norm_is_standardising(void **state) {
    (void)state;
    struct features raw[2] = {gaussians(400, 9, 3, 2, 7), gaussians(100, 9, 3, 2, 8)}, flat[2];
    double mean[9] = {0}, var[9] = {0};
    for (int s = 0; s < 2; s++) { /* features of very different sizes, far from zero */
        float *x = ARENA_ARRAY(&arena, float, raw[s].n * 9);
        for (int i = 0; i < raw[s].n * 9; i++)
            x[i] = raw[s].x[i] * (float)pow(4, i % 9 - 5) + (float)(i % 9);
        raw[s].x = x;
    }
    for (int i = 0; i < 400 * 9; i++)
        mean[i % 9] += (double)raw[0].x[i] / 400;
    for (int i = 0; i < 400 * 9; i++)
        var[i % 9] += pow((double)raw[0].x[i] - mean[i % 9], 2) / 400;
    for (int s = 0; s < 2; s++) {
        float *x = ARENA_ARRAY(&arena, float, raw[s].n * 9);
        for (int i = 0; i < raw[s].n * 9; i++)
            x[i] = (float)(((double)raw[s].x[i] - mean[i % 9]) / sqrt(var[i % 9] + 1e-6));
        flat[s] = raw[s];
        flat[s].x = x;
    }
    const double lr = 0.1, wd = 1e-3;
    struct linear_options with = options(&lr, 1, &wd, 1), without = with;
    with.batch_norm = 1;
    const float *a = fit(fast(), &raw[0], &raw[1], &with, 1);
    const float *b = fit(fast(), &flat[0], &flat[1], &without, 1);
    for (int i = 0; i < 100 * 3; i++)
        assert_true(fabs((double)(a[i] - b[i])) < 1e-3);
    assert_true(top1_of(a, &raw[1]) > top1_of(fit(fast(), &raw[0], &raw[1], &without, 1), &raw[1]));
}

static void test_divergence_scores_zero(void **state) {
    (void)state;
    struct features train = gaussians(400, 6, 3, 2, 9), val = gaussians(200, 6, 3, 2, 10);
    const double lr[] = {0.1, 1e6}, wd[] = {0, 1};
    struct linear_options o = options(lr, 2, wd, 2);
    struct head_score scores[4];
    search(fast(), &train, &val, &o, scores);
    assert_true(scores[0].val_top1 > 0.8 && scores[1].val_top1 > 0.8);
    assert_true(scores[2].val_top1 >= 0 && scores[2].val_top1 <= 1); /* huge, but numbers */
    assert_true(scores[3].val_top1 == 0);
    o = options(&lr[1], 1, &wd[1], 1);
    const float *logits = fit(fast(), &train, &val, &o, 5);
    for (int i = 0; i < 200 * 3; i++)
        assert_true(isnan(logits[i]));
    assert_true(top1_of(logits, &val) == 0);
}

static void test_linear_depends_on_the_seed_alone(void **state) {
    (void)state;
    struct features train = gaussians(300, 6, 3, 1, 9), val = gaussians(50, 6, 3, 1, 10);
    const double lr = 0.1, wd = 0;
    struct linear_options o = options(&lr, 1, &wd, 1);
    const float *a = fit(fast(), &train, &val, &o, 1), *b = fit(fast(), &train, &val, &o, 1);
    const float *c = fit(fast(), &train, &val, &o, 1ULL << 40 | 1);
    assert_memory_equal(a, b, sizeof *a * 150);
    assert_memory_not_equal(a, c, sizeof *a * 150);
}

static void test_bad_input_is_refused(void **state) {
    (void)state;
    struct features good = gaussians(20, 3, 2, 1, 1), bad[4] = {good, good, good, good};
    float x[60];
    int32_t label[20] = {0};
    memcpy(x, good.x, sizeof x);
    x[7] = NAN, label[19] = 2;
    bad[0].x = x, bad[1].label = label, bad[2].n = 0, bad[3].classes = 0;
    const double lr = 0.1, wd = 0, negative = -1;
    const int k = 3, zero = 0;
    struct linear_options o = options(&lr, 1, &wd, 1);
    struct head_score score;
    struct error err;
    float out[20 * 2];
    for (int i = 0; i < 4; i++) {
        struct features other = good;
        other.classes = bad[i].classes;
        assert_int_equal(linear_search(fast(), &bad[i], &other, &o, 1, &score, &err), 2);
        assert_int_equal(linear_search(fast(), &other, &bad[i], &o, 1, &score, &err), 2);
        assert_int_equal(knn_votes(fast(), &bad[i], &good, &k, 1, 0.07, 1, out, &err), 2);
    }
    assert_int_equal(linear_search(fast(), &bad[0], &good, &o, 1, &score, &err), 2);
    assert_string_equal(err.message,
                        "the train set: feature 1 of sample 2 is nan: the encoder diverged");
    assert_int_equal(knn_votes(fast(), &good, &good, &zero, 1, 0.07, 1, out, &err), 2);
    assert_int_equal(knn_votes(fast(), &good, &good, &k, 1, 0, 1, out, &err), 2);
    o.lr = &negative;
    assert_int_equal(linear_search(fast(), &good, &good, &o, 1, &score, &err), 2);
    o.lr = &lr, o.epochs = 0;
    assert_int_equal(linear_fit_predict(fast(), &good, &good, &o, 1, out, &err), 2);
}

/* ---- k-NN ------------------------------------------------------------------------------------ */

static double cosine(const float *a, const float *b, int dim) {
    double ab = 0, aa = 0, bb = 0;
    for (int d = 0; d < dim; d++) {
        ab += (double)a[d] * (double)b[d];
        aa += (double)a[d] * (double)a[d];
        bb += (double)b[d] * (double)b[d];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa) / sqrt(bb) : 0;
}

/* votes (classes) of the sample q by selection in double precision. */
static void brute_force(const struct features *train, const float *q, int k, double temperature,
                        double *votes) {
    double *s = ARENA_ARRAY(&arena, double, train->n), first = 0;
    for (int i = 0; i < train->n; i++)
        s[i] = cosine(train->x + (size_t)i * (size_t)train->dim, q, train->dim);
    for (int rank = 0; rank < k && rank < train->n; rank++) {
        int best = 0;
        for (int i = 1; i < train->n; i++)
            best = s[i] > s[best] ? i : best;
        first = rank ? first : s[best];
        votes[train->label[best]] += exp((s[best] - first) / temperature);
        s[best] = -2;
    }
}

static void assert_knn_of(const struct kernels *kn, const struct features *train,
                          const struct features *test, double temperature, const int *k, int n_k) {
    struct error err;
    int classes = train->classes;
    size_t bytes = sizeof(float) * (size_t)(n_k * classes * test->n);
    float *one = arena_alloc(&arena, bytes), *many = arena_alloc(&arena, bytes);
    assert_int_equal(knn_votes(kn, train, test, k, n_k, temperature, 1, one, &err), 0);
    assert_int_equal(knn_votes(kn, train, test, k, n_k, temperature, 3, many, &err), 0);
    assert_memory_equal(one, many, bytes);
    for (int i = 0; i < test->n * n_k; i++) {
        const float *query = test->x + (ptrdiff_t)(i / n_k) * test->dim;
        double *want = ARENA_ARRAY(&arena, double, classes);
        brute_force(train, query, k[i % n_k], temperature, want);
        for (int c = 0; c < classes; c++) {
            double got = (double)one[i * classes + c];
            if (!(fabs(got - want[c]) <= 1e-4 * (1 + want[c])))
                fail_msg("%s, n %d, sample %d, k %d, class %d: %g, not %g", kn->name, train->n,
                         i / n_k, k[i % n_k], c, got, want[c]);
        }
    }
}

/* Once keeping few neighbours, once all of them. */
static void assert_knn(const struct kernels *kn, const struct features *train,
                       const struct features *test, double temperature) {
    static const int k[] = {1, 20, 3, 5000};
    assert_knn_of(kn, train, test, temperature, k, 3);
    assert_knn_of(kn, train, test, temperature, k, 4);
}

static void test_knn_against_brute_force(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1}, {2, 65}, {255, 3}, {256, 64}, {257, 63}, {600, 20}};
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct features train = gaussians(sizes[i][0], 19, 3, 2, 20);
            struct features test = gaussians(sizes[i][1], 19, 3, 2, 21);
            assert_knn(*k, &train, &test, 0.07);
            train.classes = test.classes = 1;
            train.label = ARENA_ARRAY(&arena, int32_t, train.n);
            assert_knn(*k, &train, &test, 0.001); /* exp(1 / T) alone would overflow */
        }
}

/* Copies (also scaled) of few points under different labels: only the index decides, and each k
 * cuts through a tie.  A zero vector is as far from everything as everything from it. */
static void test_knn_ties_go_by_index(void **state) {
    (void)state;
    struct features points = gaussians(7, 19, 3, 2, 22), train = points, test = points;
    float *x = ARENA_ARRAY(&arena, float, 500 * 19);
    int32_t *label = ARENA_ARRAY(&arena, int32_t, 500);
    for (uint32_t i = 0; i < 500; i++) {
        struct rng r = rng_at((struct rng_key){610, RNG_TEST}, 23, i);
        uint32_t from = rng_below(&r, 7);
        float scale = rng_below(&r, 2) ? 4 : 1;
        label[i] = (int32_t)rng_below(&r, 3);
        for (uint32_t d = 0; d < 19; d++)
            x[i * 19 + d] = i % 50 == 49 ? 0 : scale * points.x[from * 19 + d];
    }
    train.x = x, train.label = label, train.n = 500;
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        assert_knn(*k, &train, &test, 0.07);
        test.x = x, test.n = 100;
        assert_knn(*k, &train, &test, 1);
        test = points;
    }
}

/* ---- scores and splits ----------------------------------------------------------------------- */

static void test_scores_add_up(void **state) {
    (void)state;
    enum { N = 500, CLASSES = 12 };
    float scores[N * CLASSES];
    int32_t label[N], confusion[CLASSES * CLASSES];
    int16_t pred[N];
    double top1, top5, per_class[CLASSES], weighted = 0;
    long right = 0, near = 0, members[CLASSES] = {0};
    struct rng r = rng_at((struct rng_key){610, RNG_TEST}, 30, 0);
    for (int i = 0; i < N; i++) {
        label[i] = (int32_t)rng_below(&r, CLASSES - 1); /* the last class has no samples */
        members[label[i]]++;
        for (int c = 0; c < CLASSES; c++)
            scores[i * CLASSES + c] = (float)rng_below(&r, 9); /* many ties */
    }
    scores[3 * CLASSES + 5] = NAN;
    score_predictions(scores, label, N, CLASSES, pred, &top1, &top5, per_class, confusion);
    for (int i = 0; i < N; i++) { /* by repeatedly taking the first largest */
        float *row = scores + (ptrdiff_t)i * CLASSES;
        for (int rank = 0; rank < 5 && i != 3; rank++) {
            int best = 0;
            for (int c = 1; c < CLASSES; c++)
                best = row[c] > row[best] ? c : best;
            row[best] = -1;
            if (rank == 0)
                assert_int_equal(pred[i], best);
            right += rank == 0 && best == label[i];
            near += best == label[i];
        }
    }
    assert_int_equal(pred[3], -1);
    assert_true(top1 == (double)right / N && top5 == (double)near / N);
    for (int c = 0; c < CLASSES; c++) {
        long row = 0;
        for (int p = 0; p < CLASSES; p++)
            row += confusion[c * CLASSES + p];
        assert_int_equal(row, members[c] - (label[3] == c));
        assert_true(members[c] ? per_class[c] == (double)confusion[c * CLASSES + c] / members[c]
                               : isnan(per_class[c]));
        weighted += members[c] ? per_class[c] * (double)members[c] / N : 0;
    }
    assert_true(fabs(weighted - top1) < 1e-12);
    /* Fewer than five classes: the label is always among the first five. */
    score_predictions(scores, (const int32_t[]){2, 0}, 2, 3, NULL, NULL, &top5, NULL, NULL);
    assert_true(top5 == 1);
}

static void test_split_is_stratified(void **state) {
    (void)state;
    enum { N = 1000, CLASSES = 5, SEEDS = 400 };
    static const int members[CLASSES] = {600, 301, 96, 2, 1};
    static const int wanted[CLASSES] = {60, 30, 10, 1, 0};
    int32_t label[N], times[N] = {0};
    uint8_t first[N], again[N];
    for (int i = 0, c = 0, used = 0; i < N; i++) { /* scattered: 7 and 1000 have no common factor */
        label[i * 7 % N] = c;
        if (++used == members[c])
            c++, used = 0;
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        int count[CLASSES] = {0};
        memset(first, 9, sizeof first);
        stratified_split(label, N, CLASSES, 0.1, seed, first);
        for (int i = 0; i < N; i++) {
            assert_true(first[i] <= 1);
            count[label[i]] += first[i];
            times[i] += first[i];
        }
        assert_memory_equal(count, wanted, sizeof count);
    }
    stratified_split(label, N, CLASSES, 0.1, SEEDS - 1, again);
    assert_memory_equal(first, again, sizeof first);
    stratified_split(label, N, CLASSES, 0.1, SEEDS, again);
    assert_memory_not_equal(first, again, sizeof first);
    for (int i = 0; i < N; i++) { /* nobody is preferred: five standard deviations */
        double share = (double)wanted[label[i]] / members[label[i]];
        assert_true(fabs(times[i] - SEEDS * share) <= 5 * sqrt(SEEDS * share * (1 - share)));
    }
    stratified_split(label, N, CLASSES, 0, 1, first);
    stratified_split(label, N, CLASSES, 1, 1, again);
    for (int i = 0; i < N; i++)
        assert_true(first[i] == 0 && again[i] == 1);
    stratified_split(label, N, CLASSES, 0.9, 1, first);
    for (int i = 0, left = 0; i < N; i++)
        if (label[i] == 3)
            assert_true((left += first[i]) <= 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_linear_golden),
        TEST(test_linear_separable),
        TEST(test_linear_reaches_the_bayes_rate),
        TEST(test_linear_does_not_depend_on_threads),
        TEST(test_heads_do_not_depend_on_each_other),
        TEST(test_batch_norm_is_standardising),
        TEST(test_divergence_scores_zero),
        TEST(test_linear_depends_on_the_seed_alone),
        TEST(test_bad_input_is_refused),
        TEST(test_knn_against_brute_force),
        TEST(test_knn_ties_go_by_index),
        TEST(test_scores_add_up),
        TEST(test_split_is_stratified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
