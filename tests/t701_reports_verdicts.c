/* Verdicts of families against SciPy and statsmodels, what is marked as the best, and the tables of
 * compare and leaderboard. */
#include "core/rng.h"
#include "reports/difference_internal.h"
#include "reports/leaderboard.h"
#include "reports/verdicts.h"
#include "reports/versus.h"
#include "results/significance.h"

#include "tests/report_runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/golden/statistics.h"

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

static void near(double got, double want, double relative) {
    if (!(fabs(got - want) <= relative * fmax(fabs(want), 1e-3)))
        fail_msg("%.17g instead of %.17g", got, want);
}

static void add_seeds(struct runs *runs, const char *method, int first, const double *percent,
                      int n) {
    for (int i = 0; i < n; i++)
        add_result(runs, method, first + i, "linear", percent[i] / 100);
}

static int row_of(const struct summary *s, const char *method) {
    for (int r = 0; r < s->n_rows; r++)
        if (!strcmp(s->row[r].method, method))
            return r;
    fail_msg("no row of %s", method);
    return -1;
}

static const struct verdict *against_random(const struct summary *s, const struct verdicts *v,
                                            const char *method) {
    for (int i = 0; i < v->n; i++)
        if (v->list[i].a == row_of(s, method))
            return &v->list[i];
    fail_msg("no verdict of %s", method);
    return NULL;
}

static void golden_runs(struct runs *runs) {
    static const char *const methods[] = {"mae", "simclr", "dino"};
    for (int m = 0; m < 3; m++)
        add_seeds(runs, methods[m], 0, golden_family + 4 * m, 4);
    add_seeds(runs, "random", 0, golden_floor, 4);
}

static void test_family(void **state) {
    (void)state;
    static const char *const methods[] = {"mae", "simclr", "dino"};
    static const enum verdict_word words[] = {VERDICT_A_BETTER, VERDICT_EQUIVALENT,
                                              VERDICT_UNDECIDED};
    struct runs runs = {0};
    golden_runs(&runs);
    const struct summary s = summary_of(runs.run, runs.n, &runs.arena);
    const struct verdicts v = verdicts_against_random(&s, 1);
    assert_int_equal(v.n, 3);
    for (int m = 0; m < 3; m++) {
        const struct verdict *d = against_random(&s, &v, methods[m]);
        near(d->difference.value, golden_verdicts[m].difference, 1e-10);
        near(d->interval.lo, golden_verdicts[m].lo, 1e-9);
        near(d->interval.hi, golden_verdicts[m].hi, 1e-9);
        near(d->p, golden_verdicts[m].p, 1e-9);
        near(d->adjusted, golden_verdicts[m].adjusted, 1e-9);
        near(d->equivalence, golden_verdicts[m].equivalence, 1e-9);
        near(d->mean_a - d->mean_b, d->difference.value, 1e-9);
        near(d->detectable, smallest_detectable(d->difference, d->level, 0.8), 1e-12);
        assert_int_equal(d->word, words[m]);
        assert_true(d->paired && d->n_a == 4);
    }
    /* What is apart by less than the margin is not better, however sure that is. */
    const struct verdicts wide = verdicts_against_random(&s, 30);
    assert_int_equal(against_random(&s, &wide, "mae")->word, VERDICT_EQUIVALENT);
    const struct verdicts close = verdicts_against_random(&s, 21.5);
    assert_int_equal(against_random(&s, &close, "mae")->word, VERDICT_UNDECIDED);
    assert_true(*against_random(&s, &close, "mae")->why);
    /* The methods among themselves: three pairs, none with random. */
    const struct verdicts among = verdicts_among_methods(&s, 1);
    assert_int_equal(among.n, 3);
    for (int i = 0; i < among.n; i++) {
        assert_true(strcmp(s.row[among.list[i].a].method, "random") &&
                    strcmp(s.row[among.list[i].b].method, "random"));
        int with_mae = among.list[i].a == row_of(&s, "mae");
        assert_int_equal(among.list[i].word, with_mae ? VERDICT_A_BETTER : VERDICT_UNDECIDED);
    }
    arena_free(&runs.arena);
}

/* In pairs from two shared seeds on, Welch's where there are fewer. */
static void test_pairs(void **state) {
    (void)state;
    static const struct {
        int first, n, paired, n_a, n_b;
    } cases[] = {
        {0, 3, 1, 3, 3}, {1, 3, 1, 2, 2}, {2, 3, 0, 3, 3}, {7, 2, 0, 2, 3}, {2, 1, 1, 1, 1}};
    const double low[] = {30, 31, 33}, high[] = {50, 52, 51};
    for (int i = 0; i < COUNT(cases); i++) {
        struct runs runs = {0};
        add_seeds(&runs, "random", 0, low, 3);
        add_seeds(&runs, "mae", cases[i].first, high, cases[i].n);
        const struct summary s = summary_of(runs.run, runs.n, &runs.arena);
        const struct verdicts v = verdicts_against_random(&s, 1);
        assert_int_equal(v.n, 1);
        assert_int_equal(v.list->paired, cases[i].paired);
        assert_int_equal(v.list->n_a, cases[i].n_a);
        assert_int_equal(v.list->n_b, cases[i].n_b);
        arena_free(&runs.arena);
    }
}

static void test_nothing_can_be_said(void **state) {
    (void)state;
    struct runs runs = {0};
    add_result(&runs, "random", 0, "linear", 0.3);
    add_result(&runs, "mae", 0, "linear", 0.9);
    add_run(&runs, "simclr", 0);
    const struct summary s = summary_of(runs.run, runs.n, &runs.arena);
    const struct verdicts v = verdicts_against_random(&s, 1);
    const struct verdict *one = against_random(&s, &v, "mae");
    assert_int_equal(one->word, VERDICT_UNDECIDED);
    assert_string_equal(one->why, "one seed");
    assert_true(isnan(one->p) && isnan(one->adjusted) && isnan(one->detectable));
    near(one->difference.value, 60, 1e-12);
    const struct verdict *none = against_random(&s, &v, "simclr");
    assert_string_equal(none->why, "no value");
    assert_int_equal(none->word, VERDICT_UNDECIDED);
    const enum top *top = summary_tops(&s);
    assert_int_equal(top[row_of(&s, "mae")], TOP_UNKNOWN);
    assert_int_equal(top[row_of(&s, "simclr")], TOP_NOT);
    arena_free(&runs.arena);
}

/* Seeds that agree to the last of 1000 images: a difference is known to the rounding of its values,
 * and one of less than that is not found. */
static void test_no_spread(void **state) {
    (void)state;
    const double low[] = {30, 30, 30}, high[] = {50, 50, 50}, next[] = {30.1, 30.1, 30.1};
    struct runs runs = {0};
    add_seeds(&runs, "random", 0, low, 3);
    add_seeds(&runs, "mae", 0, high, 3);
    add_seeds(&runs, "dino", 0, next, 3);
    const struct summary s = summary_of(runs.run, runs.n, &runs.arena);
    const struct verdicts v = verdicts_against_random(&s, 0);
    const struct verdict *far = against_random(&s, &v, "mae");
    near(far->difference.error, sqrt(2 * 0.1 * 0.1 / 12 / 3), 1e-9);
    assert_true(far->p > 0 && far->p < 1e-4 && far->word == VERDICT_A_BETTER);
    assert_true(against_random(&s, &v, "dino")->p > 0.04);
    const struct summary_cell *mae = summary_at(&s, row_of(&s, "mae"), 0);
    const struct summary_cell *random = summary_at(&s, row_of(&s, "random"), 0);
    const double t = 4.302652729911275; /* of 2 degrees of freedom, at 97.5 % */
    struct summary_difference d;
    assert_int_equal(summary_difference(&s, mae, random, &d), 1);
    near(d.interval.hi - d.interval.mean, t * sqrt(2 * 0.1 * 0.1 / 12 / 3), 1e-9);
    near(mae->level.mean - mae->level.lo, t * sqrt(0.1 * 0.1 / 12 / 3), 1e-9);
    for (int i = 0; i < runs.n; i++)
        runs.run[i]->evals[0].n_samples = 0; /* how fine values are is not known */
    const struct summary unknown = summary_of(runs.run, runs.n, &runs.arena);
    const struct verdicts u = verdicts_against_random(&unknown, 0);
    assert_string_equal(against_random(&unknown, &u, "mae")->why, "no spread");
    arena_free(&runs.arena);
}

/* Recalls and accuracies of few labels are shares of the images, too; of another number it is not
 * known how fine it is, and differences that are all alike are no spread but the sums' rounding. */
static void test_no_spread_of_metrics(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double error; /* of a difference over two seeds, in images / sqrt(2 / 3) */
    } cases[] = {{"mean_r1", 0.25}, {"top1_1pct", 0.25 * M_SQRT2}, {"miou", 0}};
    static const double value[2][2] = {{0.035, 0.02}, {0.04, 0.025}};
    static const int64_t seed[] = {0, 0};
    for (int c = 0; c < COUNT(cases); c++) {
        struct runs runs = {0};
        for (int m = 0; m < 2; m++)
            for (int s = 0; s < 2; s++) {
                struct run *r = add_run(&runs, m ? "mae" : "random", s);
                struct eval *e = add_outcome(r, "retrieval", "shapes", OUTCOME_OK, "");
                e->metrics = ARENA_NEW(&runs.arena, struct metric_row);
                snprintf(e->metrics->name, sizeof e->metrics->name, "%s", cases[c].name);
                e->metrics->value = value[m][s];
                e->n_metrics = e->n_seeds = 1;
                e->seed = seed;
                e->n_samples = 100;
            }
        const struct summary s = summary_of(runs.run, runs.n, &runs.arena);
        const struct verdicts v = verdicts_against_random(&s, 1);
        assert_int_equal(v.n, 1);
        near(v.list->difference.value, 0.5, 1e-9);
        near(v.list->difference.error, cases[c].error * sqrt(2. / 3), 1e-9);
        assert_int_equal(v.list->word, VERDICT_UNDECIDED);
        if (!cases[c].error)
            assert_string_equal(v.list->why, "no spread");
        arena_free(&runs.arena);
    }
}

/* Beside a pair of the same degrees of freedom, too. */
static void test_no_spread_detects_nothing(void **state) {
    (void)state;
    struct verdict family[2] = {{.difference = {1, 0.5, 3, 4}, .p = 0.14},
                                {.difference = {0, 0, 3, 4}, .p = NAN}};
    verdicts_settle(family, 2, 1);
    assert_true(family[0].detectable > 0);
    assert_true(isnan(family[1].detectable));
}

/* Several settings of random: none is the one to compare with. */
static void test_baseline(void **state) {
    (void)state;
    struct runs runs = {0};
    struct run *r = add_result(&runs, "random", 0, "linear", 0.3);
    add_result(&runs, "mae", 0, "linear", 0.5);
    struct summary s = summary_of(runs.run, runs.n, &runs.arena);
    assert_int_equal(summary_baseline(&s, &s.row[row_of(&s, "mae")]), row_of(&s, "random"));
    snprintf(r->backbone, sizeof r->backbone, "resnet18");
    s = summary_of(runs.run, runs.n, &runs.arena);
    assert_int_equal(summary_baseline(&s, &s.row[row_of(&s, "mae")]), -1);
    assert_int_equal(verdicts_against_random(&s, 1).n, 0);
    arena_free(&runs.arena);
}

static void test_tops(void **state) {
    (void)state;
    const double far[] = {30, 31, 32}, close[] = {50, 54, 51}, best[] = {53, 52, 55},
                 labels[] = {90, 91, 92};
    struct runs runs = {0};
    add_seeds(&runs, "random", 0, far, 3);
    add_seeds(&runs, "mae", 0, close, 3);
    add_seeds(&runs, "dino", 0, best, 3);
    add_seeds(&runs, "supervised", 0, labels, 3);
    struct summary s = summary_of(runs.run, runs.n, &runs.arena);
    const enum top *top = summary_tops(&s);
    assert_int_equal(top[row_of(&s, "random")], TOP_NOT);
    assert_int_equal(top[row_of(&s, "mae")], TOP_TIED);
    assert_int_equal(top[row_of(&s, "dino")], TOP_TIED);
    assert_int_equal(top[row_of(&s, "supervised")], TOP_NOT);
    arena_free(&runs.arena);
    runs.n = 0;
    golden_runs(&runs);
    s = summary_of(runs.run, runs.n, &runs.arena);
    top = summary_tops(&s);
    assert_int_equal(top[row_of(&s, "mae")], TOP_BEST);
    assert_int_equal(top[row_of(&s, "dino")], TOP_NOT);
    arena_free(&runs.arena);
}

/* Six methods that are equally good in truth: that one of them is called worse than the best
 * happens, since the best was picked, more often than in a test of two; but no method by itself
 * in more than 5 %. */
static void test_equal_methods_are_tied(void **state) {
    (void)state;
    enum { METHODS = 6, SEEDS = 3 };
    static const char *const names[METHODS] = {"mae", "simclr", "dino", "beit", "clip", "split"};
    const int tries = getenv("SSV_LONG") ? 20000 : 500;
    long wrong = 0, any = 0;
    for (int i = 0; i < tries; i++) {
        struct rng rng = rng_at((struct rng_key){4, RNG_TEST}, (uint32_t)i, 0);
        struct runs runs = {0};
        for (int m = 0; m < METHODS; m++) {
            double x[SEEDS];
            for (int k = 0; k < SEEDS; k++)
                x[k] = 50 + 2 * rng_normal(&rng);
            add_seeds(&runs, names[m], 0, x, SEEDS);
        }
        const struct summary s = summary_of(runs.run, runs.n, &runs.arena);
        const enum top *top = summary_tops(&s);
        int left_out = 0;
        for (int r = 0; r < s.n_rows; r++)
            left_out += top[r] == TOP_NOT;
        wrong += left_out;
        any += left_out > 0;
        arena_free(&runs.arena);
    }
    double share = (double)wrong / tries / METHODS, families = (double)any / tries;
    if (share > 0.05 || families > 0.15)
        fail_msg("called worse than the best: %.3f of the methods, in %.3f of the tables", share,
                 families);
}

/* ---- tables ---- */

static char *printed(const struct listing *l) {
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    listing_write(l, LISTING_TEXT, out);
    fclose(out);
    return text;
}

static void expect_text(char *text, const char *expected) {
    const char *body = strstr(text, "\n\n");
    assert_non_null(body);
    assert_string_equal(body + 2, expected);
    free(text);
}

static void test_listing(void **state) {
    (void)state;
    struct runs runs = {0};
    golden_runs(&runs);
    snprintf(runs.run[0]->status, sizeof runs.run[0]->status, "partial");
    const struct summary s = summary_of(runs.run, runs.n, &runs.arena);
    const struct verdicts v = verdicts_against_random(&s, 1);
    const struct listing l = verdicts_listing(&s, &v, "verdicts", "Against random", "a column");
    expect_text(printed(&l), "task            A        B        A - B [interval]       p          "
                             "adjusted p   test           "
                             "verdict      detectable\n"
                             "linear shapes   simclr   random    +0.1 [-0.4, +0.6]     0.423      "
                             "0.435        paired, n=4    "
                             "equivalent   0.6\n"
                             "linear shapes   dino     random    +1.8 [-3.1, +6.7]     0.217      "
                             "0.435        paired, n=4    "
                             "undecided    6.4\n"
                             "linear shapes   mae      random   +21.3 [+18.1, +24.5]   < 0.0001   "
                             "0.0002       paired, n=4*   "
                             "A better     4.2\n");
    arena_free(&runs.arena);
}

/* Predictions of n images with label 0: A right on the first `a`, B on the last `b`. */
static void predict(struct runs *runs, struct run *r, int n, int from, int to) {
    struct eval *e = &r->evals[0];
    e->pred = ARENA_ARRAY(&runs->arena, int16_t, n);
    e->label = ARENA_ARRAY(&runs->arena, int16_t, n);
    for (int i = 0; i < n; i++)
        e->pred[i] = !(i >= from && i < to);
    e->n_samples = n;
}

static char *versus(const struct versus_side *a, const struct versus_side *b) {
    char *text = NULL;
    size_t bytes;
    struct error err = {0};
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    if (report_versus(a, b, 1, out, &err))
        fail_msg("%s", err.message);
    fclose(out);
    return text;
}

/* Any number of blanks is as good as one: columns are as wide as they need be. */
static void expect_line(const char *text, const char *line) {
    char *squeezed = calloc(strlen(text) + 1, 1);
    size_t n = 0;
    for (const char *c = text; *c; c++)
        if (*c != ' ' || !n || squeezed[n - 1] != ' ')
            squeezed[n++] = *c;
    if (!strstr(squeezed, line))
        fail_msg("no \"%s\" in\n%s", line, text);
    free(squeezed);
}

static void test_versus(void **state) {
    (void)state;
    struct runs runs = {0};
    for (int s = 0; s < 2; s++) {
        predict(&runs, add_result(&runs, "mae", s, "linear", 0.6 + 0.01 * s), 10, 0, 6);
        predict(&runs, add_result(&runs, "dino", s, "linear", 0.5), 10, 3 + s, 8);
    }
    const double knn = 0.4;
    add_eval(&runs, runs.run[0], "knn", "shapes", &knn, 1);
    const struct versus_side a = {"mae", "mae", runs.run, runs.n},
                             b = {"dino", "dino", runs.run, runs.n};
    char *text = versus(&a, &b);
    /* A right on 0..5, B on 3..7 and 4..7 */
    expect_line(text, "linear shapes 0 10 3 3 2 2 ");
    expect_line(text, "linear shapes 1 10 2 4 2 2 ");
    expect_line(text, "linear shapes mean of 2 10 ");
    expect_line(text, "knn shapes 40.0 - ");
    expect_line(text, "A: mae; B: dino\n");
    free(text);
    /* Two folders, each of one run: nothing of seeds, something of images. */
    const struct versus_side left = {"x", NULL, runs.run, 1}, right = {"y", NULL, runs.run + 1, 1};
    text = versus(&left, &right);
    expect_line(text, "A: mae (x); B: dino (y)\n");
    expect_line(text, "one seed: nothing is known of other seeds");
    expect_line(text, "linear shapes 0 10 3 3 2 2 ");
    free(text);
    /* Other images: not compared, and said. */
    runs.run[1]->evals[0].label[3] = 1;
    text = versus(&left, &right);
    expect_line(text, "1 evaluation left out: made on other test images");
    free(text);
    struct error err = {0};
    const struct versus_side wrong = {"dinoo", "dinoo", runs.run, runs.n};
    assert_int_equal(report_versus(&a, &wrong, 1, stdout, &err), STATUS_USAGE);
    expect_line(err.message, "did you mean \"dino\"?; there are: \"dino\", \"mae\"");
    assert_int_equal(report_versus(&a, &a, 1, stdout, &err), STATUS_USAGE);
    arena_free(&runs.arena);
}

/* A row of the table by its label, where a method has several; a method stands for all of its rows
 * with the same backbone and data. */
static void test_versus_of_settings(void **state) {
    (void)state;
    struct runs runs = {0};
    for (int s = 0; s < 2; s++) {
        add_result(&runs, "mae", s, "linear", 0.6 + 0.01 * s)->config = "epochs = 4\n";
        add_result(&runs, "mae", s, "linear", 0.7 + 0.02 * s)->config = "epochs = 20\n";
        add_result(&runs, "dino", s, "linear", 0.5 + 0.03 * s)->config = "epochs = 4\n";
    }
    for (int i = 1; i < runs.n; i += 3) { /* what the tables call it */
        runs.run[i]->budget = "epochs:20";
        runs.run[i - 1]->budget = "epochs:4";
    }
    const struct versus_side few = {"", "mae, epochs=4", runs.run, runs.n},
                             many = {"", "mae, epochs=20", runs.run, runs.n},
                             all = {"", "mae", runs.run, runs.n},
                             dino = {"", "dino", runs.run, runs.n};
    char *text = versus(&many, &few);
    expect_line(text, "A: mae, epochs=20; B: mae, epochs=4\n");
    expect_line(text, "linear shapes 71.0 60.5 +10.5 ");
    expect_line(text, "budgets differ: epochs:20 of A, epochs:4 of B\n");
    expect_line(text, "No task has predictions of both for the same images.\n");
    free(text);
    text = versus(&all, &dino);
    expect_line(text, "A: mae, epochs=4; B: dino\n");
    expect_line(text, "A: mae, epochs=20; B: dino\n");
    free(text);
    snprintf(runs.run[0]->evals[0].protocol_version, 16, "2+00000000");
    const struct versus_side old = {"x", NULL, runs.run + 2, 1}, now = {"y", NULL, runs.run, 1};
    text = versus(&old, &now);
    expect_line(text, "the protocol's versions differ, 1+00000000 and 2+00000000");
    free(text);
    arena_free(&runs.arena);
}

static void test_leaderboard(void **state) {
    (void)state;
    struct runs runs = {0};
    static const struct {
        const char *method;
        double linear, knn;
    } methods[] = {{"random", 0.3, 0.2}, {"mae", 0.6, 0.5}, {"dino", 0.6, 0.51}};
    for (int m = 0; m < 3; m++)
        for (int s = 0; s < 3; s++) {
            const double knn = methods[m].knn + 0.01 * ((s * 2 + m) % 3);
            struct run *r = add_result(&runs, methods[m].method, s, "linear",
                                       methods[m].linear + 0.01 * ((s + m) % 3));
            add_eval(&runs, r, "knn", "shapes", &knn, 1);
            if (m == 2)
                add_eval(&runs, r, "zeroshot", "shapes", &knn, 1);
        }
    add_result(&runs, "beit", 0, "linear", 0.7);
    add_result(&runs, "mae", 3, "linear", 0.1); /* a gap at kNN */
    const struct summary s = summary_of(runs.run, runs.n, &runs.arena);
    const struct listing l = leaderboard_listing(&s, 0);
    assert_int_equal(l.n_rows, 3);
    assert_string_equal(l.cell[1].text, "dino");
    assert_string_equal(l.cell[l.n_columns + 1].text, "mae");
    assert_string_equal(l.cell[2 * l.n_columns + 1].text, "random");
    assert_true(l.cell[2].marked && l.cell[l.n_columns + 2].marked);
    assert_false(l.cell[2 * l.n_columns + 2].marked);
    near(l.cell[8].value, 1, 1e-12); /* each run is better than each of random */
    assert_true(isnan(l.cell[2 * l.n_columns + 8].value));
    near(l.cell[11].value, 1.25, 1e-12); /* dino: first at kNN, first with mae at linear */
    char *text = printed(&l);
    expect_line(text, "2 tasks: linear shapes, knn shapes");
    expect_line(text, "fewer than half of the methods have a value: zeroshot shapes");
    expect_line(text, "mae: 1 of 4 seeds left out, without a value for every task\n");
    expect_line(text, "without a rank: beit, which has no value of knn shapes");
    free(text);
    arena_free(&runs.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_family),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_nothing_can_be_said),
        cmocka_unit_test(test_no_spread),
        cmocka_unit_test(test_no_spread_of_metrics),
        cmocka_unit_test(test_no_spread_detects_nothing),
        cmocka_unit_test(test_baseline),
        cmocka_unit_test(test_tops),
        cmocka_unit_test(test_equal_methods_are_tied),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_versus),
        cmocka_unit_test(test_versus_of_settings),
        cmocka_unit_test(test_leaderboard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
