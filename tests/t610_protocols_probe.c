/* Linear classifiers on frozen features against what is known of the data and against PyTorch;
 * scores and splits. */
#include "tests/golden/probe.h"
#include "tests/probe_fixture.h"

static const struct linear_options options = {
    .epochs = 10, .batch = 64, .momentum = 0.9, .threads = 2};

/* n_lr * n_wd heads, by rate, into heads. */
static int product(enum head_kind kind, const double *lr, int n_lr, const double *wd, int n_wd,
                   struct linear_head *heads) {
    for (int i = 0; i < n_lr * n_wd; i++)
        heads[i] = (struct linear_head){kind, lr[i / n_wd], wd[i % n_wd]};
    return n_lr * n_wd;
}

static float *fit(const struct kernels *k, const struct features *train,
                  const struct features *test, const struct linear_options *o,
                  const struct linear_head *head, uint64_t seed) {
    struct error err;
    float *logits = ARENA_ARRAY(&arena, float, (size_t)test->n *(size_t)test->classes);
    if (linear_fit_predict(k, train, test, o, head, seed, logits, &err))
        fail_msg("%s", err.message);
    return logits;
}

static void search(const struct kernels *k, const struct features *train,
                   const struct features *val, const struct linear_options *o,
                   const struct linear_head *heads, int n, double *val_top1) {
    struct error err;
    if (linear_search(k, train, val, o, heads, n, 5, val_top1, &err))
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
    struct linear_options o = options;
    const struct linear_head head = {HEAD_SGD, golden_rate, golden_decay};
    o.epochs = GOLDEN_EPOCHS, o.batch = GOLDEN_BATCH;
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        for (o.batch_norm = 0; o.batch_norm < 2; o.batch_norm++) {
            const float *logits = fit(*k, &train, &test, &o, &head, 1);
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
    const struct linear_head heads[] = {
        {HEAD_SGD, 0.1, 0}, {HEAD_SGD, 1, 0}, {HEAD_LARS, 10, 0}, {HEAD_LARS, 30, 1e-3}};
    double val_top1[4];
    search(fast(), &train, &val, &options, heads, 4, val_top1);
    for (int h = 0; h < 4; h++)
        assert_true(val_top1[h] > 0.995);
    assert_true(top1_of(fit(fast(), &train, &val, &options, heads, 5), &val) > 0.995);
}

/* Two unit Gaussians a distance of sqrt(2) d apart: no classifier beats Phi(d / sqrt(2)). */
static void test_linear_reaches_the_bayes_rate(void **state) {
    (void)state;
    const double distance = 1.5, bayes = 0.5 * erfc(-distance / 2);
    struct features train = gaussians(4000, 8, 2, distance, 3);
    struct features val = gaussians(20000, 8, 2, distance, 4);
    const struct linear_head heads[] = {
        {HEAD_SGD, 0.01, 0}, {HEAD_SGD, 0.1, 1e-3}, {HEAD_LARS, 3, 0}, {HEAD_LARS, 10, 0}};
    double val_top1[4];
    search(fast(), &train, &val, &options, heads, 4, val_top1);
    for (int h = 0; h < 4; h++)
        if (!(fabs(val_top1[h] - bayes) < 0.01))
            fail_msg("%s, lr %g: %g, Bayes %g", head_names[heads[h].kind], heads[h].lr, val_top1[h],
                     bayes);
}

/* Odd sizes: the batches are uneven, the last validation batch is short, the groups of heads too.
 */
static void test_linear_does_not_depend_on_threads(void **state) {
    (void)state;
    struct features train = gaussians(333, 13, 5, 1, 5), val = gaussians(211, 13, 5, 1, 6);
    const double lr[] = {0.01, 0.03, 0.1, 0.3, 1, 3, 10}, wd[] = {0, 1e-4, 1e-3, 0.01, 0.1};
    struct linear_options o = options;
    struct linear_head heads[40];
    int n = product(HEAD_SGD, lr, 7, wd, 4, heads);
    n += product(HEAD_LARS, lr, 7, wd, 1, heads + n);
    o.batch = 50;
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        double one[40], many[40];
        o.threads = 1;
        search(*k, &train, &val, &o, heads, n, one);
        const float *logits = fit(*k, &train, &val, &o, &heads[n - 1], 5);
        for (o.threads = 2; o.threads <= 8; o.threads += o.threads) {
            search(*k, &train, &val, &o, heads, n, many);
            assert_memory_equal(one, many, sizeof *one * (size_t)n);
            assert_memory_equal(logits, fit(*k, &train, &val, &o, &heads[n - 1], 5),
                                sizeof *logits * (size_t)(val.n * val.classes));
        }
    }
}

/* A head alone, in any grid, and fitted by itself gets the same validation score. */
static void test_heads_do_not_depend_on_each_other(void **state) {
    (void)state;
    struct features train = gaussians(333, 13, 5, 1, 5), val = gaussians(997, 13, 5, 1, 6);
    const double lr[] = {0.003, 0.1, 3, 1e6}, wd[] = {0, 1e-3, 0.1};
    struct linear_options o = options;
    struct linear_head heads[16];
    int n = product(HEAD_SGD, lr, 4, wd, 3, heads);
    n += product(HEAD_LARS, lr, 4, wd, 1, heads + n);
    o.batch = 50, o.batch_norm = 1;
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        double all[16], alone;
        search(*k, &train, &val, &o, heads, n, all);
        for (int h = 0; h < n; h++) {
            search(*k, &train, &val, &o, &heads[h], 1, &alone);
            assert_true(alone == all[h]);
            assert_true(top1_of(fit(*k, &train, &val, &o, &heads[h], 5), &val) == alone);
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
    const struct linear_head head = {HEAD_SGD, 0.1, 1e-3};
    struct linear_options with = options;
    with.batch_norm = 1;
    const float *a = fit(fast(), &raw[0], &raw[1], &with, &head, 1);
    const float *b = fit(fast(), &flat[0], &flat[1], &options, &head, 1);
    for (int i = 0; i < 100 * 3; i++)
        assert_true(fabs((double)(a[i] - b[i])) < 1e-3);
    const float *without = fit(fast(), &raw[0], &raw[1], &options, &head, 1);
    assert_true(top1_of(a, &raw[1]) > top1_of(without, &raw[1]));
}

static void test_divergence_scores_zero(void **state) {
    (void)state;
    struct features train = gaussians(400, 6, 3, 2, 9), val = gaussians(200, 6, 3, 2, 10);
    const double lr[] = {0.1, 1e6}, wd[] = {0, 1};
    struct linear_head heads[4];
    double val_top1[4];
    search(fast(), &train, &val, &options, heads, product(HEAD_SGD, lr, 2, wd, 2, heads), val_top1);
    assert_true(val_top1[0] > 0.8 && val_top1[1] > 0.8);
    assert_true(val_top1[2] >= 0 && val_top1[2] <= 1); /* huge, but numbers */
    assert_true(val_top1[3] == 0);
    const float *logits = fit(fast(), &train, &val, &options, &heads[3], 5);
    for (int i = 0; i < 200 * 3; i++)
        assert_true(isnan(logits[i]));
    assert_true(top1_of(logits, &val) == 0);
}

static void test_linear_depends_on_the_seed_alone(void **state) {
    (void)state;
    struct features train = gaussians(300, 6, 3, 1, 9), val = gaussians(50, 6, 3, 1, 10);
    const struct linear_head heads[] = {{HEAD_SGD, 0.1, 0}, {HEAD_LARS, 3, 0}};
    for (int h = 0; h < 2; h++) {
        const float *a = fit(fast(), &train, &val, &options, &heads[h], 1);
        const float *b = fit(fast(), &train, &val, &options, &heads[h], 1);
        const float *c = fit(fast(), &train, &val, &options, &heads[h], 1ULL << 40 | 1);
        assert_memory_equal(a, b, sizeof *a * 150);
        assert_memory_not_equal(a, c, sizeof *a * 150);
    }
}

/* Of one step with the whole set as its batch: W moves by lr trust |W| against its gradient, the
 * bias by lr times its own. */
static void test_lars_steps_by_its_norm(void **state) {
    (void)state;
    enum { N = 60, DIM = 4, CLASSES = 3 };
    struct features train = gaussians(N, DIM, CLASSES, 1, 12), probe = train;
    float at[(DIM + 1) * DIM] = {0}; /* the origin and the axes: logits are b and b + w */
    for (int d = 0; d < DIM; d++)
        at[(d + 1) * DIM + d] = 1;
    probe.x = at, probe.n = DIM + 1;
    struct linear_options o = options;
    const struct linear_head still = {HEAD_LARS, 1e-30, 0}, head = {HEAD_LARS, 256.0 / N, 0};
    o.batch = N, o.epochs = 1; /* one step, at the full rate: a ninth of it is no warm-up */
    const float *before = fit(kernels_ref(), &train, &probe, &o, &still, 3);
    const float *after = fit(kernels_ref(), &train, &probe, &o, &head, 3);
    double moved = 0, norm = 0;
    for (int i = 0; i < DIM * CLASSES; i++) {
        int c = i % CLASSES;
        double w = (double)before[CLASSES + i] - (double)before[c];
        double v = (double)after[CLASSES + i] - (double)after[c];
        norm += w * w;
        moved += (v - w) * (v - w);
    }
    assert_true(norm > 0.25 * DIM * CLASSES * 1e-4 && norm < 4 * DIM * CLASSES * 1e-4);
    assert_true(fabs(sqrt(moved) / (0.001 * sqrt(norm)) - 1) < 0.01);
    double bias = 0;
    for (int c = 0; c < CLASSES; c++)
        bias += fabs((double)after[c] - (double)before[c]);
    assert_true(bias < 0.05); /* labels are balanced, weights small: a small gradient, not scaled */
    assert_true(bias > 1e-5);
}

static void test_bad_input_is_refused(void **state) {
    (void)state;
    struct features good = gaussians(20, 3, 2, 1, 1), bad[4] = {good, good, good, good};
    float x[60];
    int32_t label[20] = {0};
    memcpy(x, good.x, sizeof x);
    x[7] = NAN, label[19] = 2;
    bad[0].x = x, bad[1].label = label, bad[2].n = 0, bad[3].classes = 0;
    const struct linear_head head = {HEAD_SGD, 0.1, 0}, negative = {HEAD_SGD, -1, 0};
    const double temperature = 0.07, cold = 0;
    const int k = 3, zero = 0;
    const struct knn_grid grid = {&k, &temperature, 1, 1}, no_k = {&zero, &temperature, 1, 1},
                          no_t = {&k, &cold, 1, 1};
    struct linear_options o = options;
    double score;
    struct error err;
    float out[20 * 2];
    for (int i = 0; i < 4; i++) {
        struct features other = good;
        other.classes = bad[i].classes;
        assert_int_equal(linear_search(fast(), &bad[i], &other, &o, &head, 1, 1, &score, &err), 2);
        assert_int_equal(linear_search(fast(), &other, &bad[i], &o, &head, 1, 1, &score, &err), 2);
        assert_int_equal(knn_votes(fast(), &bad[i], &good, &grid, 1, out, &err), 2);
    }
    assert_int_equal(linear_search(fast(), &bad[0], &good, &o, &head, 1, 1, &score, &err), 2);
    assert_string_equal(err.message,
                        "the train set: feature 1 of sample 2 is nan: the encoder diverged");
    assert_int_equal(knn_votes(fast(), &good, &good, &no_k, 1, out, &err), 2);
    assert_int_equal(knn_votes(fast(), &good, &good, &no_t, 1, out, &err), 2);
    assert_int_equal(linear_search(fast(), &good, &good, &o, &negative, 1, 1, &score, &err), 2);
    o.epochs = 0;
    assert_int_equal(linear_fit_predict(fast(), &good, &good, &o, &head, 1, out, &err), 2);
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
        TEST(test_lars_steps_by_its_norm),
        TEST(test_bad_input_is_refused),
        TEST(test_scores_add_up),
        TEST(test_split_is_stratified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
