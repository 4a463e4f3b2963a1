/* k-NN against brute force in double precision. */
#include "tests/probe_fixture.h"

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

static int predicted(const double *votes, int classes) {
    int best = 0;
    for (int c = 1; c < classes; c++)
        best = votes[c] > votes[best] ? c : best;
    return best;
}

static void assert_knn_of(const struct kernels *kn, const struct features *train,
                          const struct features *test, const struct knn_grid *g) {
    struct error err;
    int classes = train->classes, n = test->n * g->n_t * g->n_k;
    size_t bytes = sizeof(float) * (size_t)(classes * n);
    float *one = arena_alloc(&arena, bytes), *many = arena_alloc(&arena, bytes);
    int16_t *pred = ARENA_ARRAY(&arena, int16_t, n);
    int32_t *label = ARENA_ARRAY(&arena, int32_t, n);
    assert_int_equal(knn_votes(kn, train, test, g, 1, one, &err), 0);
    for (int threads = 2; threads <= 3; threads++) {
        assert_int_equal(knn_votes(kn, train, test, g, threads, many, &err), 0);
        assert_memory_equal(one, many, bytes);
    }
    score_predictions(one, label, n, classes, pred, NULL, NULL, NULL, NULL);
    for (int i = 0; i < n; i++) {
        const float *query = test->x + (ptrdiff_t)(i / g->n_k / g->n_t) * test->dim;
        int k = g->k[i % g->n_k];
        double temperature = g->temperature[i / g->n_k % g->n_t];
        double *want = ARENA_ARRAY(&arena, double, classes);
        brute_force(train, query, k, temperature, want);
        for (int c = 0; c < classes; c++) {
            double got = (double)one[i * classes + c];
            if (!(fabs(got - want[c]) <= 1e-5 / temperature * (1 + want[c])))
                fail_msg("%s, n %d, row %d, k %d, T %g, class %d: %g, not %g", kn->name, train->n,
                         i, k, temperature, c, got, want[c]);
        }
        if (pred[i] != predicted(want, classes))
            fail_msg("%s, n %d, row %d, k %d, T %g: class %d", kn->name, train->n, i, k,
                     temperature, pred[i]);
    }
}

/* Once keeping few neighbours, once all of them. */
static void assert_knn(const struct kernels *kn, const struct features *train,
                       const struct features *test, double temperature) {
    static const int k[] = {1, 20, 3, 5000};
    const double t[] = {temperature, 1};
    assert_knn_of(kn, train, test, &(struct knn_grid){k, t, 3, 1});
    assert_knn_of(kn, train, test, &(struct knn_grid){k, t, 4, 2});
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

/* A cosine does not see the scale, also where the squares of features are beyond floats. */
static void test_knn_at_any_scale(void **state) {
    (void)state;
    static const float scales[] = {1e-38F, 1e-25F, 1e-13F, 1e25F, 1e37F};
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
            struct features set[] = {gaussians(80, 19, 3, 2, 20), gaussians(70, 19, 3, 2, 21)};
            for (int i = 0; i < 2; i++) {
                float *x = ARENA_ARRAY(&arena, float, set[i].n *set[i].dim);
                for (int j = 0; j < set[i].n * set[i].dim; j++)
                    x[j] = scales[s] * set[i].x[j];
                set[i].x = x;
            }
            assert_knn(*k, &set[0], &set[1], 0.07);
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

/* Vectors of +-1 in 16 dimensions: a cosine is a multiple of 1/8, the same in float and double, so
 * neighbours, votes and predictions are, whatever ties there are. */
static void test_knn_predictions_are_exact(void **state) {
    (void)state;
    enum { DIM = 16, TRAIN = 300, TEST = 100 };
    static const int k[] = {1, 2, 5, 10, 20, 50, 100, 300};
    static const double t[] = {0.02, 0.07, 0.2, 1};
    struct features set[2] = {{.n = TRAIN}, {.n = TEST}};
    for (int s = 0; s < 2; s++) {
        struct rng r = rng_at((struct rng_key){610, RNG_TEST}, 24, (uint32_t)s);
        float *x = ARENA_ARRAY(&arena, float, set[s].n *DIM);
        int32_t *label = ARENA_ARRAY(&arena, int32_t, set[s].n);
        for (int i = 0; i < set[s].n * DIM; i++)
            x[i] = rng_below(&r, 2) ? 1 : -1;
        for (int i = 0; i < set[s].n; i++)
            label[i] = (int32_t)rng_below(&r, 4);
        set[s] = (struct features){x, label, set[s].n, DIM, 4};
    }
    for (const struct kernels *const *kn = kernels_all(); *kn; kn++)
        assert_knn_of(*kn, &set[0], &set[1], &(struct knn_grid){k, t, 8, 4});
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_knn_against_brute_force),
        TEST(test_knn_at_any_scale),
        TEST(test_knn_ties_go_by_index),
        TEST(test_knn_predictions_are_exact),
    };
    return cmocka_run_group_tests_name("k-NN", tests, NULL, NULL);
}
