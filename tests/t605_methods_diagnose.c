/* Signs of collapse, against cases whose answers are known. */
#include "methods/diagnose.h"
#include "protocols/collapse.h"
#include "tests/method_fixture.h"

static void near(double value, double want) {
    if (!(fabs(value - want) <= 1e-6 * (1 + fabs(want))))
        fail_msg("%.9g instead of %.9g", value, want);
}

static void spread(void **state) {
    (void)state;
    float same[6 * 4], axes[4 * 4] = {0}, line[5 * 4];
    for (int i = 0; i < 24; i++)
        same[i] = (float)(i % 4);
    for (int i = 0; i < 4; i++)
        axes[i * 4 + i] = 3;
    for (int i = 0; i < 20; i++)
        line[i] = (float)((i / 4 - 2) * (1 + i % 4));
    near(feature_std(6, 4, same), 0);
    near(effective_rank(6, 4, same), 0);
    /* each column holds one 1 and three 0: variance 3/16 */
    near(feature_std(4, 4, axes), sqrt(3.0 / 16) * 2);
    near(effective_rank(4, 4, axes), 3);
    near(effective_rank(5, 4, line), 1);
}

/* Two directions with singular values 2 and 1: p = 2/3, 1/3. */
static void rank_of_unequal_directions(void **state) {
    (void)state;
    const float x[] = {2, 0, -2, 0, 0, 1, 0, -1};
    double p = 2.0 / 3, q = 1.0 / 3;
    near(effective_rank(4, 2, x), exp(-p * log(p) - q * log(q)));
}

static void entropies(void **state) {
    (void)state;
    const float uniform[] = {5, 5, 5, -1, -1, -1}, sure[] = {100, 0, 0, 100};
    double mean, of_mean;
    prediction_entropy(2, 3, uniform, &mean, &of_mean);
    near(mean, log(3));
    near(of_mean, log(3));
    prediction_entropy(2, 2, sure, &mean, &of_mean);
    near(mean, 0);
    near(of_mean, log(2));
}

static void since_when(void **state) {
    (void)state;
    enum { N = 40 };
    struct step_row row[N];
    for (int i = 0; i < N; i++)
        row[i] = (struct step_row){.step = i + 1,
                                   .loss = 5,
                                   .feature_std = i % 2 ? 0.5 : NAN,
                                   .effective_rank = i % 2 ? 20 : NAN};
    assert_int_equal(collapse_since(row, N, 0), 0);
    for (int i = 31; i < N; i += 2)
        row[i].effective_rank = 1.2;
    assert_int_equal(collapse_since(row, N, 0), 32);
    assert_int_equal(collapse_since(row, 38, 0), 0); /* four rows are too few */
    row[35].effective_rank = 3;
    assert_int_equal(collapse_since(row, N, 0), 0); /* it recovered once */
    row[35].effective_rank = 1.2;
    for (int i = 29; i < N; i += 2)
        row[i].feature_std = 0.001;
    assert_int_equal(collapse_since(row, N, 0), 30);
    assert_int_equal(collapse_since(row, N, 5.004), 2); /* the loss never left */
}

/* Two rows lie on a line and one has no spread, however good the encoder is. */
static void few_rows_say_nothing(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    for (int n = 1; n <= COLLAPSE_LEAST; n++) {
        struct fixture *f = malloc(sizeof *f);
        struct step_row row = {.feature_std = NAN, .effective_rank = NAN};
        fixture_open(f, &method_supervised, 0, &vit, n, NULL, NULL, kernels_ref());
        fixture_fill(f, "images", 0.37, 0.2);
        fixture_run(f);
        collapse_look(&f->trainer, n, &row);
        assert_int_equal(isnan(row.feature_std), n < COLLAPSE_LEAST);
        assert_int_equal(isnan(row.effective_rank), n < COLLAPSE_LEAST);
        fixture_close(f);
        free(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread),
        cmocka_unit_test(rank_of_unequal_directions),
        cmocka_unit_test(entropies),
        cmocka_unit_test(since_when),
        cmocka_unit_test(few_rows_say_nothing),
    };
    return cmocka_run_group_tests_name("diagnose", tests, NULL, NULL);
}
