/* Logistic regression against scikit-learn and against what defines its minimum. */
#include "core/arena.h"
#include "protocols/probe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/golden/logistic.h"

static struct arena arena;

static int setup(void **state) {
    (void)state;
    return kernels_cpu() ? 0 : -1; /* the BLAS on one thread */
}

static int teardown(void **state) {
    (void)state;
    arena_free(&arena);
    return 0;
}

/* Gaussians around the axes, every feature nearly the sum of the others as networks have it. */
static struct features correlated(int n, int dim, int classes, uint32_t stream) {
    float *x = ARENA_ARRAY(&arena, float, n *dim);
    int32_t *label = ARENA_ARRAY(&arena, int32_t, n);
    for (int i = 0; i < n; i++) {
        struct rng r = rng_at((struct rng_key){631, RNG_TEST}, stream, (uint32_t)i);
        double common = 0;
        label[i] = i % classes;
        for (int d = 0; d < dim; d++) {
            double own = rng_normal(&r) + (d == label[i]);
            common += own;
            x[i * dim + d] = (float)(common + 0.05 * own);
        }
    }
    return (struct features){.x = x, .label = label, .n = n, .dim = dim, .classes = classes};
}

static struct logistic_options options(const struct features *f, int scaled) {
    float *mean = ARENA_ARRAY(&arena, float, f->dim), *rstd = ARENA_ARRAY(&arena, float, f->dim);
    features_measure(f, LOGISTIC_EPS, mean, rstd);
    for (int d = 0; d < f->dim && !scaled; d++)
        rstd[d] = 1;
    return (struct logistic_options){
        .mean = mean, .rstd = rstd, .max_iterations = 1000, .threads = 2, .tolerance = 1e-8};
}

static double *fit(const struct features *f, const struct logistic_options *o, double c,
                   struct logistic_result *r) {
    struct error err;
    double *w = ARENA_ARRAY(&arena, double, logistic_size(f));
    if (logistic_fit(f, o, c, w, r, &err))
        fail_msg("%s", err.message);
    return w;
}

static void test_golden(void **state) {
    (void)state;
    enum { N_CASES = sizeof logistic_cases / sizeof *logistic_cases };
    int32_t label[LOGISTIC_N];
    float z[LOGISTIC_TEST * LOGISTIC_CLASSES];
    for (int i = 0; i < LOGISTIC_N; i++)
        label[i] = i % LOGISTIC_CLASSES;
    struct features train = {logistic_train[0], label, LOGISTIC_N, LOGISTIC_DIM, LOGISTIC_CLASSES};
    struct features test = {logistic_other[0], NULL, LOGISTIC_TEST, LOGISTIC_DIM, LOGISTIC_CLASSES};
    for (int i = 0; i < N_CASES; i++) {
        struct logistic_options o = options(&train, logistic_cases[i].scaled);
        struct logistic_result r;
        const double *w = fit(&train, &o, logistic_cases[i].c, &r);
        assert_true(r.converged && r.slope <= o.tolerance && r.iterations > 0);
        assert_true(fabs(r.objective - logistic_cases[i].objective) < 1e-8);
        logistic_logits(&test, &o, w, z);
        for (int j = 0; j < LOGISTIC_TEST; j++) {
            double sum = 0;
            for (int c = 0; c < LOGISTIC_CLASSES; c++)
                sum += exp((double)z[j * LOGISTIC_CLASSES + c]);
            for (int c = 0; c < LOGISTIC_CLASSES; c++) {
                double got = (double)z[j * LOGISTIC_CLASSES + c] - log(sum);
                if (!(fabs(got - logistic_cases[i].log_probability[j][c]) < 1e-5))
                    fail_msg("case %d, sample %d, class %d: %.8g", i, j, c, got);
            }
        }
    }
}

/* Any step away from the solution costs; the reported value is the objective's at the solution. */
static void test_it_is_the_minimum(void **state) {
    (void)state;
    struct features f = correlated(700, 9, 3, 1);
    struct logistic_options o = options(&f, 1);
    struct logistic_result r;
    const double c = 0.3, *w = fit(&f, &o, c, &r);
    assert_true(r.converged);
    for (int trial = 0; trial < 40; trial++) {
        double *moved = ARENA_ARRAY(&arena, double, logistic_size(&f)), squares = 0, loss = 0;
        struct rng random = rng_at((struct rng_key){631, RNG_TEST}, 2, (uint32_t)trial);
        for (int i = 0; i < 3 * 10; i++) {
            moved[i] = w[i] + (trial ? 1e-3 * rng_normal(&random) : 0);
            squares += i < 27 ? moved[i] * moved[i] : 0;
        }
        for (int i = 0; i < f.n; i++) {
            double z[3], sum = 0;
            for (int k = 0; k < 3; k++) {
                z[k] = moved[27 + k];
                for (int d = 0; d < 9; d++)
                    z[k] += moved[k * 9 + d] * ((double)f.x[i * 9 + d] - (double)o.mean[d]) *
                            (double)o.rstd[d];
                sum += exp(z[k]);
            }
            loss += log(sum) - z[f.label[i]];
        }
        double objective = (loss + squares / (2 * c)) / f.n;
        assert_true(trial ? objective > r.objective : fabs(objective - r.objective) < 1e-12);
    }
}

static void test_threads_change_nothing(void **state) {
    (void)state;
    struct features train = correlated(5003, 130, 7, 3), val = correlated(301, 130, 7, 4);
    const double c[] = {10, 0.001, 0.1};
    struct logistic_options o = options(&train, 1);
    struct logistic_result r;
    int right[3][3], lost = 0;
    const double *w[3];
    struct error err;
    o.tolerance = 1e-5;
    for (int t = 0; t < 3; t++) {
        o.threads = t + 1;
        w[t] = fit(&train, &o, 0.1, &r);
        assert_int_equal(logistic_sweep(&train, &val, &o, c, 3, right[t], &lost, &err), 0);
        assert_memory_equal(w[0], w[t], sizeof(double) * logistic_size(&train));
        assert_memory_equal(right[0], right[t], sizeof right[0]);
    }
    assert_int_equal(lost, 0);
}

/* Whatever was fitted before it, a C has one minimum. */
static void test_sweep_is_single_fits(void **state) {
    (void)state;
    struct features train = correlated(600, 12, 4, 5), val = correlated(500, 12, 4, 6);
    const double c[] = {1, 100, 0.0001, 0.01};
    struct logistic_options o = options(&train, 1);
    struct logistic_result r;
    struct error err;
    int right[4], lost = 0;
    float *z = ARENA_ARRAY(&arena, float, val.n * 4);
    assert_int_equal(logistic_sweep(&train, &val, &o, c, 4, right, &lost, &err), 0);
    assert_int_equal(lost, 0);
    for (int i = 0; i < 4; i++) {
        double top1;
        logistic_logits(&val, &o, fit(&train, &o, c[i], &r), z);
        score_predictions(z, val.label, val.n, 4, NULL, &top1, NULL, NULL, NULL);
        assert_int_equal(right[i], lround(top1 * val.n));
    }
}

/* Strongly correlated features need few iterations; too few are said to be. */
static void test_convergence_is_reported(void **state) {
    (void)state;
    struct features train = correlated(3000, 100, 5, 7);
    struct logistic_options o = options(&train, 1);
    struct logistic_result r;
    struct error err;
    int right[1], lost = 0;
    const double c = 10;
    fit(&train, &o, c, &r);
    assert_true(r.converged && r.iterations < 100);
    double objective = r.objective;
    o.max_iterations = 2;
    fit(&train, &o, c, &r);
    assert_true(!r.converged && r.slope > o.tolerance && r.iterations == 2);
    assert_true(r.objective > objective && r.objective < log(5)); /* better than where it began */
    assert_int_equal(logistic_sweep(&train, &train, &o, &c, 1, right, &lost, &err), 0);
    assert_int_equal(lost, 1);
}

/* Fewer samples than features, one class, constant and equal features: all have a minimum. */
static void test_odd_shapes(void **state) {
    (void)state;
    struct features f = correlated(6, 40, 3, 8);
    struct logistic_options o = options(&f, 1);
    struct logistic_result r;
    fit(&f, &o, 1, &r);
    assert_true(r.converged && r.objective < log(3));
    float *flat = ARENA_ARRAY(&arena, float, 6 * 40);
    for (int i = 0; i < 6 * 40; i++)
        flat[i] = 3;
    f.x = flat;
    o = options(&f, 1);
    fit(&f, &o, 1e6, &r);
    assert_true(r.converged && fabs(r.objective - log(3)) < 1e-9);
    f.classes = 1;
    f.label = ARENA_ARRAY(&arena, int32_t, 6);
    fit(&f, &o, 1, &r);
    assert_true(r.converged && r.objective == 0);
}

static void test_bad_input_is_refused(void **state) {
    (void)state;
    struct features f = correlated(20, 3, 2, 9), broken = f;
    struct logistic_options o = options(&f, 1), bad = o;
    struct logistic_result r;
    struct error err;
    double w[32] = {0};
    float x[60];
    memcpy(x, f.x, sizeof x);
    x[7] = NAN;
    broken.x = x;
    assert_int_equal(logistic_fit(&broken, &o, 1, w, &r, &err), 2);
    assert_string_equal(err.message,
                        "the train set: feature 1 of sample 2 is nan: the encoder diverged");
    assert_int_equal(logistic_fit(&f, &o, 0, w, &r, &err), 2);
    bad.tolerance = 0;
    assert_int_equal(logistic_fit(&f, &bad, 1, w, &r, &err), 2);
    bad = o, bad.max_iterations = 0;
    assert_int_equal(logistic_fit(&f, &bad, 1, w, &r, &err), 2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_golden),
        TEST(test_it_is_the_minimum),
        TEST(test_threads_change_nothing),
        TEST(test_sweep_is_single_fits),
        TEST(test_convergence_is_reported),
        TEST(test_odd_shapes),
        TEST(test_bad_input_is_refused),
    };
    return cmocka_run_group_tests_name("logistic", tests, setup, NULL);
}
