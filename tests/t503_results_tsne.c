/* Eigenvectors, principal components and t-SNE: against NumPy and scikit-learn, and their
 * properties. */
#include "core/rng.h"
#include "results/eigen.h"
#include "results/pca.h"
#include "results/tsne.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/golden/tsne.h"

static void near(double got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.17g instead of %.17g", got, want);
}

/* ---- eigenvectors ---- */

enum { MOST = 40 };

/* a v = value v, v orthonormal, values falling. */
static void check_eigen(const double *a, int n) {
    double copy[MOST * MOST], value[MOST], v[MOST * MOST], size = 0;
    memcpy(copy, a, sizeof *a * (size_t)(n * n));
    for (int i = 0; i < n * n; i++)
        size = fmax(size, fabs(a[i]));
    assert_int_equal(eigen_symmetric(copy, n, value, v), 0);
    for (int i = 0; i < n; i++) {
        assert_true(!i || value[i] <= value[i - 1]);
        for (int j = 0; j < n; j++) {
            double dot = 0, image = 0;
            for (int k = 0; k < n; k++) {
                dot += v[i * n + k] * v[j * n + k];
                image += a[j * n + k] * v[i * n + k];
            }
            near(dot, i == j, 1e-12);
            near(image, value[i] * v[i * n + j], 1e-12 * n * size);
        }
    }
}

static void eigenvectors_are_what_they_are_called(void **state) {
    (void)state;
    static const int sizes[] = {1, 2, 3, 7, 40};
    double a[MOST * MOST];
    struct rng r = rng_at((struct rng_key){3, RNG_TEST}, 0, 0);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int n = sizes[s];
        for (int i = 0; i < n; i++)
            for (int j = 0; j <= i; j++)
                a[i * n + j] = a[j * n + i] = rng_normal(&r);
        check_eigen(a, n);
        memset(a, 0, sizeof a); /* all values the same */
        check_eigen(a, n);
        for (int i = 0; i < n; i++)
            a[i * n + i] = i % 3; /* repeated ones, in no order */
        check_eigen(a, n);
        for (int i = 0; i < n * n; i++)
            a[i] = 1; /* of rank one */
        check_eigen(a, n);
    }
    double bad[] = {1, NAN, NAN, 1}, value[2], v[4];
    assert_int_equal(eigen_symmetric(bad, 2, value, v), 1);
}

/* ---- principal components ---- */

static void components_are_those_of_the_svd(void **state) {
    (void)state;
    enum { K = 3 };
    double scores[GOLDEN_N * K], explained[K];
    assert_int_equal(pca(golden_x, GOLDEN_N, GOLDEN_DIM, K, scores, explained), 0);
    for (int i = 0; i < GOLDEN_N * K; i++)
        near(scores[i], golden_scores[i], 1e-9);
    for (int k = 0; k < K; k++)
        near(explained[k], golden_explained[k], 1e-12);
    assert_int_equal(pca(golden_x, GOLDEN_WIDE, GOLDEN_DIM, K, scores, explained), 0);
    for (int i = 0; i < GOLDEN_WIDE * K; i++)
        near(scores[i], golden_wide_scores[i], 1e-9);
    for (int k = 0; k < K; k++)
        near(explained[k], golden_wide_explained[k], 1e-12);
}

static void nothing_to_see_is_said(void **state) {
    (void)state;
    float same[20 * 3] = {0}, broken[20 * 3];
    double y[40] = {7}, explained[2];
    const struct tsne_options o = {5, 10, 1};
    for (int i = 0; i < 60; i++)
        broken[i] = i == 31 ? NAN : (float)(i % 7);
    assert_int_equal(pca(same, 20, 3, 2, y, explained), 1);
    assert_int_equal(pca(broken, 20, 3, 2, y, explained), 1);
    assert_int_equal(tsne(same, 20, 3, &o, y), 1);
    assert_int_equal(tsne(broken, 20, 3, &o, y), 1);
    assert_int_equal(tsne(golden_x, TSNE_LEAST - 1, GOLDEN_DIM, &o, y), 1);
    assert_true(y[0] == 7);
}

/* ---- t-SNE ---- */

static void affinities_are_scikit_learns(void **state) {
    (void)state;
    double x[GOLDEN_N * GOLDEN_DIM], sum = 0;
    float p[GOLDEN_N * GOLDEN_N];
    for (int i = 0; i < GOLDEN_N * GOLDEN_DIM; i++)
        x[i] = (double)golden_x[i];
    tsne_affinities(x, GOLDEN_N, GOLDEN_DIM, golden_perplexity, 1, p);
    for (int i = 0; i < GOLDEN_N * GOLDEN_N; i++) {
        near((double)p[i], golden_p[i], 1e-5 * golden_p[i] + 2e-7);
        assert_true(p[i] == p[i % GOLDEN_N * GOLDEN_N + i / GOLDEN_N]);
        sum += (double)p[i];
    }
    near(sum, 1, 1e-6);
}

static void cost_and_gradient_are_scikit_learns(void **state) {
    (void)state;
    float p[GOLDEN_N * GOLDEN_N];
    double gradient[2 * GOLDEN_N];
    for (int i = 0; i < GOLDEN_N * GOLDEN_N; i++)
        p[i] = (float)golden_p[i];
    near(tsne_divergence(p, GOLDEN_N, golden_y), golden_cost[0], 1e-6);
    tsne_gradient(p, GOLDEN_N, golden_y, 1, 1, gradient);
    for (int i = 0; i < 2 * GOLDEN_N; i++)
        near(gradient[i], golden_gradient[i], 1e-6);
}

/* The gradient is that of the cost, whatever the number of rows is: lanes are eight. */
static void the_gradient_goes_up(void **state) {
    (void)state;
    enum { N = 19 };
    const double h = 1e-5;
    struct rng r = rng_at((struct rng_key){4, RNG_TEST}, 0, 0);
    for (int n = 12; n <= N; n++) {
        double x[N * 3], y[2 * N], gradient[2 * N];
        float p[N * N];
        rng_normals(&r, x, (size_t)(3 * n));
        rng_normals(&r, y, (size_t)(2 * n));
        tsne_affinities(x, n, 3, 4, 1, p);
        tsne_gradient(p, n, y, 1, 1, gradient);
        for (int i = 0; i < 2 * n; i++) {
            double at = y[i];
            y[i] = at + h;
            double more = tsne_divergence(p, n, y);
            y[i] = at - h;
            near(gradient[i], (more - tsne_divergence(p, n, y)) / (2 * h), 1e-6);
            y[i] = at;
        }
    }
}

enum { POINTS = 90, WIDE = 60, GROUPS = 3 };

/* Three groups far apart, with more features than the components that are kept. */
static void make_groups(float *x) {
    struct rng r = rng_at((struct rng_key){5, RNG_TEST}, 0, 0);
    for (int i = 0; i < POINTS * WIDE; i++)
        x[i] = (float)(rng_normal(&r) + (i % WIDE % GROUPS == i / WIDE % GROUPS ? 4 : 0));
}

static void groups_stay_together_on_any_number_of_threads(void **state) {
    (void)state;
    static float x[POINTS * WIDE];
    double y[2 * POINTS], again[2 * POINTS], middle[2] = {0};
    make_groups(x);
    const struct tsne_options one = {20, 400, 1}, two = {20, 400, 2}, five = {20, 400, 5};
    assert_int_equal(tsne(x, POINTS, WIDE, &one, y), 0);
    assert_int_equal(tsne(x, POINTS, WIDE, &two, again), 0);
    assert_memory_equal(y, again, sizeof y);
    assert_int_equal(tsne(x, POINTS, WIDE, &five, again), 0);
    assert_memory_equal(y, again, sizeof y);
    for (int i = 0; i < POINTS; i++) {
        int nearest = -1;
        double best = INFINITY;
        for (int j = 0; j < POINTS; j++) {
            double d = hypot(y[2 * i] - y[2 * j], y[2 * i + 1] - y[2 * j + 1]);
            if (j != i && d < best) {
                best = d;
                nearest = j;
            }
        }
        assert_int_equal(nearest % GROUPS, i % GROUPS);
        middle[0] += y[2 * i];
        middle[1] += y[2 * i + 1];
    }
    near(middle[0], 0, 1e-9);
    near(middle[1], 0, 1e-9);
}

/* Enough rows for several threads. */
static void threads_change_no_bit(void **state) {
    (void)state;
    enum { MANY = 700 };
    static float p[MANY * MANY];
    static double x[3 * MANY], y[2 * MANY], one[2 * MANY], some[2 * MANY];
    static float again[MANY * MANY];
    struct rng r = rng_at((struct rng_key){6, RNG_TEST}, 0, 0);
    rng_normals(&r, x, 3 * MANY);
    rng_normals(&r, y, 2 * MANY);
    tsne_affinities(x, MANY, 3, 30, 1, p);
    tsne_affinities(x, MANY, 3, 30, 3, again);
    assert_memory_equal(p, again, sizeof p);
    tsne_gradient(p, MANY, y, 12, 1, one);
    for (int threads = 2; threads < 8; threads++) {
        tsne_gradient(p, MANY, y, 12, threads, some);
        assert_memory_equal(one, some, sizeof one);
    }
}

/* From the same affinities, descending lowers the cost. */
static void descending_lowers_the_cost(void **state) {
    (void)state;
    static float x[POINTS * WIDE], p[POINTS * POINTS];
    static double wide[POINTS * 2];
    double early[2 * POINTS], late[2 * POINTS], explained[2];
    make_groups(x);
    const struct tsne_options few = {20, 300, 1}, many = {20, 1000, 1};
    assert_int_equal(tsne(x, POINTS, WIDE, &few, early), 0);
    assert_int_equal(tsne(x, POINTS, WIDE, &many, late), 0);
    assert_int_equal(pca(x, POINTS, WIDE, 2, wide, explained), 0);
    double all[POINTS * WIDE];
    for (int i = 0; i < POINTS * WIDE; i++)
        all[i] = (double)x[i];
    tsne_affinities(all, POINTS, WIDE, 20, 1, p);
    double first = tsne_divergence(p, POINTS, early), last = tsne_divergence(p, POINTS, late);
    assert_true(last <= first);
    assert_true(last < 0.9 * tsne_divergence(p, POINTS, wide));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eigenvectors_are_what_they_are_called),
        cmocka_unit_test(components_are_those_of_the_svd),
        cmocka_unit_test(nothing_to_see_is_said),
        cmocka_unit_test(affinities_are_scikit_learns),
        cmocka_unit_test(cost_and_gradient_are_scikit_learns),
        cmocka_unit_test(the_gradient_goes_up),
        cmocka_unit_test(groups_stay_together_on_any_number_of_threads),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(descending_lowers_the_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
