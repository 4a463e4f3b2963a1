/* What networks beyond plain transformers are made of, on every backend: against PyTorch
 * (tests/golden/kernels_net.py), and the properties that it must have. */
#define KERNEL_SEED 240
#include "tests/kernel_fixture.h"

#include "tests/golden/kernels_net.h"

static void test_activations(void **state) {
    struct fixture *f = *state;
    enum { N = LENGTH(golden_act_x) };
    static const struct {
        const char *name;
        enum activation act;
        const double *y, *dx;
    } golden[] = {
        {"relu", ACT_RELU, golden_relu_y, golden_relu_dx},
        {"leaky relu", ACT_LEAKY_RELU, golden_leaky_relu_y, golden_leaky_relu_dx},
        {"quick gelu", ACT_QUICK_GELU, golden_quick_gelu_y, golden_quick_gelu_dx},
        {"tanh", ACT_TANH, golden_tanh_y, golden_tanh_dx},
        {"sigmoid", ACT_SIGMOID, golden_sigmoid_y, golden_sigmoid_dx},
    };
    const real *x = COPY(act_x), *dy = COPY(act_dy);
    EACH_BACKEND(k)
    for (size_t a = 0; a < LENGTH(golden); a++) {
        real y[N], dx[N];
        k->act_forward(&f->c, golden[a].act, N, x, y);
        k->act_backward(&f->c, golden[a].act, N, x, dy, 0, dx);
        assert_equals(k->name, golden[a].name, y, golden[a].y, N);
        assert_equals(k->name, golden[a].name, dx, golden[a].dx, N);
    }
}

enum { IMAGES = 2, TOKENS = 5, HEADS = 2, WIDTH = 3, STRIDE = 8, ROWS = IMAGES * HEADS * TOKENS };

/* p without the zeros that fill its rows */
static void assert_probabilities(const char *backend, const char *what, const real *p,
                                 const double *golden) {
    for (size_t row = 0; row < ROWS; row++)
        assert_equals(backend, what, p + row * STRIDE, golden + row * TOKENS, TOKENS);
}

static void test_causal_attention(void **state) {
    struct fixture *f = *state;
    const real *qkv = COPY(masked_qkv), *dy = COPY(masked_dy), scale = 1 / sqrtf(WIDTH);
    EACH_BACKEND(k) {
        real p[ROWS * STRIDE], y[LENGTH(golden_causal_y)], dqkv[LENGTH(golden_causal_dqkv)];
        k->attention_forward(&f->c, IMAGES, TOKENS, HEADS, WIDTH, scale, 1, NULL, qkv, p, y);
        k->attention_backward(&f->c, IMAGES, TOKENS, HEADS, WIDTH, scale, 1, qkv, p, dy, dqkv,
                              NULL);
        SAME(y, causal_y);
        SAME(dqkv, causal_dqkv);
        assert_probabilities(k->name, "causal_p", p, golden_causal_p);
        for (int row = 0; row < ROWS; row++)
            for (int j = row % TOKENS + 1; j < STRIDE; j++)
                assert_true(p[row * STRIDE + j] == 0);
    }
}

static void test_biased_attention(void **state) {
    struct fixture *f = *state;
    const real *qkv = COPY(masked_qkv), *dy = COPY(masked_dy), *bias = COPY(masked_bias);
    const real scale = 1 / sqrtf(WIDTH);
    EACH_BACKEND(k) {
        real p[ROWS * STRIDE], y[LENGTH(golden_biased_y)], dqkv[LENGTH(golden_biased_dqkv)];
        real dbias[LENGTH(golden_biased_dbias)] = {0};
        k->attention_forward(&f->c, IMAGES, TOKENS, HEADS, WIDTH, scale, 0, bias, qkv, p, y);
        k->attention_backward(&f->c, IMAGES, TOKENS, HEADS, WIDTH, scale, 0, qkv, p, dy, dqkv,
                              dbias);
        SAME(y, biased_y);
        SAME(dqkv, biased_dqkv);
        SAME(dbias, biased_dbias);
        assert_probabilities(k->name, "biased_p", p, golden_biased_p);
    }
}

/* What comes later changes nothing before it, and what the workspace holds, NaN here, nothing at
 * all. */
static void test_causal_is_blind(void **state) {
    struct fixture *f = *state;
    enum { T = 37, H = 2, D = 5, DIM = H * D, TP = (T + 7) / 8 * 8, SEEN = 20 };
    real *qkv = draw(f, T * 3 * DIM), *later = draw(f, T * 3 * DIM), *dy = draw(f, T * DIM);
    real *p = draw(f, H * T * TP), *y = draw(f, T * DIM), *y_later = draw(f, T * DIM);
    real *dqkv = draw(f, T * 3 * DIM);
    memcpy(later, qkv, sizeof *qkv * SEEN * 3 * DIM);
    EACH_BACKEND(k) {
        memset(f->c.workspace, 0xff, sizeof(real) * KERNEL_WORKSPACE);
        k->attention_forward(&f->c, 1, T, H, D, 0.7f, 1, NULL, later, p, y_later);
        memset(f->c.workspace, 0xff, sizeof(real) * KERNEL_WORKSPACE);
        k->attention_forward(&f->c, 1, T, H, D, 0.7f, 1, NULL, qkv, p, y);
        assert_memory_equal(y, y_later, sizeof *y * SEEN * DIM);
        assert_memory_not_equal(y + SEEN * DIM, y_later + SEEN * DIM, sizeof *y * DIM);
        memset(f->c.workspace, 0xff, sizeof(real) * KERNEL_WORKSPACE);
        k->attention_backward(&f->c, 1, T, H, D, 0.7f, 1, qkv, p, dy, dqkv, NULL);
        for (int i = 0; i < T * 3 * DIM; i++)
            assert_true(isfinite(dqkv[i]));
    }
}

/* All parts of a training step, as of N samples of EACH rows. */
static void test_batchnorm(void **state) {
    struct fixture *f = *state;
    enum { N = 2, EACH = 3, COLS = 5, ALL = N * EACH * COLS };
    const real *x = COPY(batchnorm_x), *gamma = COPY(batchnorm_gamma), *beta = COPY(batchnorm_beta);
    const real *residual = COPY(batchnorm_residual);
    EACH_BACKEND(k) {
        real moments[N * 2 * COLS], batch[N * 2 * COLS], sums[N * 2 * COLS], dbatch[N * 2 * COLS];
        real running_mean[COLS] = {0}, running_var[COLS] = {0}, y[ALL], dx[ALL];
        real dgamma[COLS] = {0}, dbeta[COLS] = {0}, *dres = COPY(batchnorm_dy);
        const struct dealt samples = {N, 1, N};
        const real *mean = batch, *rstd = batch + COLS, *var = running_var;
        k->batchnorm_moments(&f->c, N, EACH, COLS, x, moments);
        k->batchnorm_combine(&f->c, &samples, EACH, COLS, 1e-5, moments, N, batch, 1, running_mean,
                             running_var);
        for (int j = 0; j < COLS; j++)
            running_var[j] *= (real)(N * EACH - 1) / (N * EACH);
        k->batchnorm_apply(&f->c, N * EACH, COLS, x, mean, rstd, gamma, beta, residual, 1, y);
        k->batchnorm_backward(&f->c, N, EACH, COLS, x, mean, rstd, gamma, y, dres, 0, dx, sums);
        k->batchnorm_parameters(&f->c, N, COLS, sums, dgamma, dbeta);
        k->batchnorm_slopes(&f->c, N, COLS, rstd, gamma, sums, dbatch);
        k->batchnorm_combine_backward(&f->c, N, (double)N * EACH, COLS, dbatch, N, moments, batch,
                                      sums);
        k->batchnorm_moments_backward(&f->c, N, EACH, COLS, x, moments, sums, dx);
        SAME(var, batchnorm_var);
        SAME(y, batchnorm_y);
        SAME(dx, batchnorm_dx);
        SAME(dres, batchnorm_dres);
        SAME(dgamma, batchnorm_dgamma);
        SAME(dbeta, batchnorm_dbeta);
    }
}

static void assert_alike(const char *backend, const char *what, const real *x, const real *other,
                         int n) {
    for (int i = 0; i < n; i++)
        if (fabs((double)(x[i] - other[i])) > 1e-5 * (1 + fabs((double)other[i])))
            fail_msg("%s: %s[%d] = %.9g, in one piece %.9g", backend, what, i, x[i], other[i]);
}

/* The way back in the parts that write as little as can be: behind a residual, whose gradient holds
 * g, and with the mask made of x. */
static void test_batchnorm_parts(void **state) {
    struct fixture *f = *state;
    enum { N = 3, EACH = 11, COLS = 9, ALL = N * EACH * COLS };
    real *x = draw(f, ALL), *mean = draw(f, COLS), *gamma = draw(f, COLS), *beta = draw(f, COLS);
    real *residual = draw(f, ALL), *dy = draw(f, ALL), *moments = draw(f, N * 2 * COLS);
    real *dmoments = draw(f, N * 2 * COLS), rstd[COLS];
    for (int j = 0; j < COLS; j++)
        rstd[j] = 0.5f + (real)fabs(gamma[j]);
    EACH_BACKEND(k) {
        for (int skips = 0; skips < 2; skips++) {
            real y[ALL], g[ALL], dx[ALL], again[ALL], sums[N * 2 * COLS], own[N * 2 * COLS];
            k->batchnorm_apply(&f->c, N * EACH, COLS, x, mean, rstd, gamma, beta,
                               skips ? residual : NULL, 1, y);
            memcpy(g, dy, sizeof g);
            k->batchnorm_backward(&f->c, N, EACH, COLS, x, mean, rstd, gamma, y, g, 0, dx, sums);
            k->batchnorm_moments_backward(&f->c, N, EACH, COLS, x, moments, dmoments, dx);
            k->batchnorm_sums(&f->c, N, EACH, COLS, x, mean, rstd, gamma, beta, !skips,
                              skips ? g : dy, own);
            k->batchnorm_input_backward(&f->c, N, EACH, COLS, x, mean, rstd, gamma, beta, !skips,
                                        moments, dmoments, skips ? g : dy, again);
            assert_alike(k->name, "sums", own, sums, LENGTH(own));
            assert_alike(k->name, "dx", again, dx, ALL);
            memcpy(again, skips ? g : dy, sizeof again);
            k->batchnorm_input_backward(&f->c, N, EACH, COLS, x, mean, rstd, gamma, beta, !skips,
                                        moments, dmoments, again, again);
            assert_alike(k->name, "dx", again, dx, ALL);
        }
    }
}

/* The statistics keep their digits far from zero, where the first rows are not like the others, and
 * where nothing varies. */
static void test_batchnorm_digits(void **state) {
    struct fixture *f = *state;
    enum { N = 5000, COLS = 4 };
    real *x = draw(f, N * COLS);
    double exact_mean[COLS] = {0}, exact_var[COLS] = {0};
    for (int i = 0; i < N; i++) {
        x[i * COLS + 1] += 10000;
        x[i * COLS + 2] += i < 40 ? 300 : 0;
        x[i * COLS + 3] = 0.1f;
    }
    for (int i = 0; i < N * COLS; i++)
        exact_mean[i % COLS] += (double)x[i] / N;
    for (int i = 0; i < N * COLS; i++)
        exact_var[i % COLS] += pow(x[i] - exact_mean[i % COLS], 2) / N;
    EACH_BACKEND(k) {
        real mean[2 * COLS], *var = mean + COLS;
        k->batchnorm_moments(&f->c, 1, N, COLS, x, mean);
        for (int j = 0; j < COLS - 1; j++) {
            assert_true(fabs(mean[j] - exact_mean[j]) <
                        1e-7 * fabs(exact_mean[j]) + 1e-6 * sqrt(exact_var[j]));
            assert_true(fabs(var[j] / exact_var[j] - 1) < 1e-6);
        }
        assert_true(mean[3] == 0.1f && var[3] < 1e-12);
    }
}

enum { ROW_N = 4, ROW_COLS = 7, ROW_ALL = ROW_N * ROW_COLS };

static void test_softmax(void **state) {
    struct fixture *f = *state;
    const real *x = COPY(rows_x), *dy = COPY(rows_dy), *target = COPY(rows_target);
    const real *dloss = COPY(rows_dloss);
    EACH_BACKEND(k) {
        real y[ROW_ALL], p[ROW_ALL], dx[ROW_ALL], loss[ROW_N];
        k->softmax_rows(&f->c, ROW_N, ROW_COLS, 1.5f, x, y);
        k->softmax_rows_backward(&f->c, ROW_N, ROW_COLS, 1.5f, y, dy, 0, dx);
        SAME(y, softmax_y);
        SAME(dx, softmax_dx);
        k->soft_xent_forward(&f->c, ROW_N, ROW_COLS, 1.5f, x, target, p, loss);
        k->soft_xent_backward(&f->c, ROW_N, ROW_COLS, 1.5f, p, target, dloss, 0, dx);
        SAME(p, softmax_y);
        SAME(loss, soft_xent_y);
        SAME(dx, soft_xent_dx);
    }
}

/* Rows as long as DINO's, logits whose exp would overflow, a scale below 0; labels as targets. */
static void test_softmax_properties(void **state) {
    struct fixture *f = *state;
    enum { N = 65536, LABEL = 4321 };
    static const real scales[] = {1, 300, -300};
    real *x = draw(f, N), *p = draw(f, N), *q = draw(f, N), *target = draw(f, N), loss, other;
    memset(target, 0, sizeof *target * N);
    target[LABEL] = 1;
    EACH_BACKEND(k) {
        for (int s = 0; s < 3; s++) {
            double sum = 0;
            k->softmax_rows(&f->c, 1, N, scales[s], x, p);
            k->soft_xent_forward(&f->c, 1, N, scales[s], x, target, q, &loss);
            for (int i = 0; i < N; i++)
                sum += p[i];
            assert_true(fabs(sum - 1) < 1e-6);
            assert_true(isfinite(loss) && loss >= 0);
            assert_memory_equal(p, q, sizeof *p * N);
        }
        k->soft_xent_forward(&f->c, 1, N, 1, x, target, p, &loss);
        k->softmax_xent_forward(&f->c, 1, N, 0, x, (const int32_t[]){LABEL}, q, &other);
        assert_true(fabs(loss - other) < 1e-6 * loss);
        memcpy(q, x, sizeof *q * N);
        k->softmax_rows(&f->c, 1, N, 1, q, q);
        assert_memory_equal(p, q, sizeof *p * N);
    }
}

/* Some rows of x are shorter than eps, some longer. */
static void test_normalize(void **state) {
    struct fixture *f = *state;
    const real *x = COPY(rows_x), *dy = COPY(rows_dy);
    EACH_BACKEND(k) {
        real y[ROW_ALL], dx[ROW_ALL], norm[ROW_N];
        k->l2_normalize_rows(&f->c, ROW_N, ROW_COLS, 2.5f, x, y, norm);
        k->l2_normalize_rows_backward(&f->c, ROW_N, ROW_COLS, 2.5f, y, norm, dy, 0, dx);
        SAME(y, normalize_y);
        SAME(dx, normalize_dx);
        assert_true(fminf(norm[0], fminf(norm[1], fminf(norm[2], norm[3]))) < 2.5f);
        assert_true(fmaxf(norm[0], fmaxf(norm[1], fmaxf(norm[2], norm[3]))) > 2.5f);
    }
}

static void test_branch(void **state) {
    struct fixture *f = *state;
    const real *x = COPY(rows_x), *dy = COPY(rows_dy), *residual = COPY(rows_residual);
    const real *gamma = COPY(rows_gamma), *s = COPY(rows_s);
    EACH_BACKEND(k) {
        real y[ROW_ALL], dx[ROW_ALL], dgamma[ROW_COLS] = {0};
        k->branch_forward(&f->c, ROW_N, 1, ROW_COLS, x, gamma, s, residual, y);
        k->branch_backward(&f->c, ROW_N, 1, ROW_COLS, x, gamma, s, dy, 0, dx, dgamma);
        SAME(y, branch_y);
        SAME(dx, branch_dx);
        SAME(dgamma, branch_dgamma);
    }
}

static void test_bce(void **state) {
    struct fixture *f = *state;
    const real *x = COPY(rows_x), *dy = COPY(rows_dy), far[] = {100, -100, 1000, -1000};
    EACH_BACKEND(k) {
        real y[ROW_ALL], dx[ROW_ALL];
        k->bce_forward(&f->c, ROW_ALL, x, 0.75f, y);
        k->bce_backward(&f->c, ROW_ALL, x, 0.75f, dy, 0, dx);
        SAME(y, bce_y);
        SAME(dx, bce_dx);
        k->bce_forward(&f->c, 4, far, 0.75f, y);
        assert_true(y[0] == 25 && y[1] == 75 && y[2] == 250 && y[3] == 750);
    }
}

static void test_argmax(void **state) {
    struct fixture *f = *state;
    enum { N = 70 };
    static const int best[] = {0, 5, 17, 31, 32, 63, 64, 69};
    real x[N];
    int32_t found;
    EACH_BACKEND(k) {
        for (size_t b = 0; b < LENGTH(best); b++)
            for (int level = -1; level < 2; level++) {
                for (int i = 0; i < N; i++)
                    x[i] = (real)level - 1;
                x[best[b]] = x[N - 1] = x[(best[b] + N - 1) / 2] = (real)level;
                k->argmax_rows(&f->c, 1, N, x, &found);
                assert_int_equal(found, best[b]);
                x[best[b]] = NAN;
                k->argmax_rows(&f->c, 1, best[b] + 1, x, &found);
                assert_int_equal(found, 0);
            }
        for (int i = 0; i < N; i++)
            x[i] = -INFINITY;
        k->argmax_rows(&f->c, 1, N, x, &found);
        assert_int_equal(found, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_causal_attention),
        cmocka_unit_test(test_biased_attention),
        cmocka_unit_test(test_causal_is_blind),
        cmocka_unit_test(test_batchnorm),
        cmocka_unit_test(test_batchnorm_parts),
        cmocka_unit_test(test_batchnorm_digits),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_softmax_properties),
        cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_branch),
        cmocka_unit_test(test_bce),
        cmocka_unit_test(test_argmax),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
