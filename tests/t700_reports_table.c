/* Table and CSV: every number below was worked out by hand from t(0.975, 2) = 4.3027 and
 * t(0.975, 1) = 12.7062. */
#include "reports/report.h"

#include "tests/report_runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static char *captured(const struct runs *runs,
                      int (*report)(struct run *const *, int, FILE *, struct error *)) {
    char *text = NULL;
    size_t bytes;
    struct error err = {0};
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    assert_int_equal(report(runs->run, runs->n, out, &err), 0);
    fclose(out);
    return text;
}

/* The table without its two or three lines of head. */
static void expect_table(struct runs *runs, const char *expected) {
    char *text = captured(runs, report_table);
    const char *body = strstr(text, "method ");
    assert_non_null(body);
    assert_string_equal(body, expected);
    free(text);
    arena_free(&runs->arena);
}

#define DIFFERENCE                                                                                 \
    "\nDifference to random in points: mean [95 % t-interval], paired by pretraining seed (n "     \
    "pairs);\n\"n=a vs b\": no shared seeds, Welch\n\n"

#define VERDICTS                                                                                   \
    "\nAgainst random, adjusted for all methods of a column (Holm), margin 1 point;\n"             \
    "undecided: (true difference that as many seeds find with a power of 0.8)\n\n"

static void test_whole_table(void **state) {
    (void)state;
    struct runs runs = {0};
    for (int s = 2; s >= 0; s--) {
        add_result(&runs, "supervised", s, "linear", 0.9 + 0.01 * s);
        add_result(&runs, "mae", s, "linear", 0.5 + 0.02 * s);
        add_result(&runs, "random", s, "linear", 0.3 + 0.01 * s);
    }
    char *text = captured(&runs, report_table);
    assert_string_equal(
        text, "Top-1 accuracy in %: mean [95 % t-interval], n = pretraining seeds\n"
              "vit-micro/8, pretrained on shapes\n"
              "\n"
              "method       linear shapes\n"
              "random       31.0 [28.5, 33.5] n=3\n"
              "mae          52.0 [47.0, 57.0] n=3\n"
              "supervised   91.0 [88.5, 93.5] n=3\n" DIFFERENCE "method       linear shapes\n"
              "mae          +21.0 [+18.5, +23.5] n=3\n"
              "supervised   +60.0 [+59.9, +60.1] n=3\n" VERDICTS "method       linear shapes\n"
              "mae          better\n"
              "supervised   better\n");
    free(text);
    arena_free(&runs.arena);
}

/* Three probe seeds of one encoder are one value, and one value has no interval. */
static void test_probe_seeds_are_not_replicates(void **state) {
    (void)state;
    struct runs runs = {0};
    const double probes[] = {0.5, 0.6, 0.7};
    add_eval(&runs, add_run(&runs, "mae", 0), "linear", "shapes", probes, 3);
    expect_table(&runs, "method   linear shapes\n"
                        "mae      60.0 n=1\n");
}

static void test_unshared_seeds(void **state) {
    (void)state;
    struct runs runs = {0};
    add_result(&runs, "random", 0, "knn", 0.30);
    add_result(&runs, "random", 1, "knn", 0.34);
    add_result(&runs, "mae", 5, "knn", 0.50);
    add_result(&runs, "mae", 6, "knn", 0.54);
    /* Welch: equal variances of 8, so df = 2 and the half width 4.3027 sqrt(8/2 + 8/2). */
    expect_table(&runs, "method   knn shapes\n"
                        "random   32.0 [6.6, 57.4] n=2\n"
                        "mae      52.0 [26.6, 77.4] n=2\n" DIFFERENCE "method   knn shapes\n"
                        "mae      +20.0 [+7.8, +32.2] n=2 vs 2\n" VERDICTS "method   knn shapes\n"
                        "mae      better\n");
}

static void test_gaps_say_why(void **state) {
    (void)state;
    struct runs runs = {0};
    for (int s = 0; s < 3; s++) {
        struct run *r = add_result(&runs, "random", s, "linear", 0.3 + 0.01 * s);
        add_outcome(r, "knn", "shapes", OUTCOME_SKIPPED, "too\nfew\033[31m images");
        if (s == 2)
            snprintf(r->status, sizeof r->status, "interrupted");
        r = add_run(&runs, "mae", s);
        if (s == 1) {
            snprintf(r->status, sizeof r->status, "failed");
            add_outcome(r, "linear", "shapes", OUTCOME_DIVERGED, "loss is NaN at step 7");
        } else {
            const double top1 = 0.5 + 0.01 * s;
            add_eval(&runs, r, "linear", "shapes", &top1, 1);
        }
    }
    expect_table(&runs, "method   linear shapes               knn shapes\n"
                        "random   31.0 [28.5, 33.5] n=3*      skipped (1)\n"
                        "mae      51.0 [38.3, 63.7] n=2 (2)   not evaluated (3)\n" DIFFERENCE
                        "method   linear shapes               knn shapes\n"
                        "mae      +20.0 [+19.6, +20.4] n=2*   no value\n" VERDICTS
                        "method   linear shapes   knn shapes\n"
                        "mae      better          no value\n"
                        "\n"
                        "(1) random, seeds 0, 1, 2: skipped: too?few?[31m images\n"
                        "(2) mae, seed 1: diverged: loss is NaN at step 7\n"
                        "(3) mae, seed 1: not evaluated: the run's status is \"failed\"\n"
                        "* not complete: random-s2 (interrupted)\n");
}

/* Wilson: z^2 / (n + z^2) = 3.8415 / 1003.8415. */
static void test_no_certainty_at_the_ends(void **state) {
    (void)state;
    struct runs runs = {0};
    for (int s = 0; s < 3; s++) {
        add_result(&runs, "random", s, "knn", 0);
        add_result(&runs, "mae", s, "knn", 0.98 + 0.01 * s);
        add_result(&runs, "supervised", s, "knn", 1);
    }
    expect_table(
        &runs, "method       knn shapes\n"
               "random         0.0 [0.0, 0.4] n=3 (1)\n"
               "mae           99.0 [96.5, 100.0] n=3 (2)\n"
               "supervised   100.0 [99.6, 100.0] n=3 (1)\n" DIFFERENCE "method       knn shapes\n"
               "mae           +99.0 [+96.5, +101.5] n=3\n"
               "supervised   +100.0 n=3\n" VERDICTS "method       knn shapes\n"
               "mae          better\n"
               "supervised   better\n"
               "\n"
               "(1) every seed is at 0 or 100 %: Wilson's 95 % interval over the 1000 test images\n"
               "(2) the interval is cut at 0 or 100 %\n");
}

static void test_wide_and_broken_names(void **state) {
    (void)state;
    struct runs runs = {0};
    add_result(&runs, "m\xc3\xa9thode", 0, "knn", 0.4);
    add_result(&runs, "\xe5\xaf\xb9\xe6\xaf\x94", 0, "knn", 0.5);
    add_result(&runs, "bad\xff\xc3", 0, "knn", 0.6);
    add_result(&runs, "e\xcc\x81t\xc3\xa9", 0, "knn", 0.7);
    expect_table(&runs,
                 "method    knn shapes\n"
                 "m\xc3\xa9thode   40.0 n=1\n"
                 "\xe5\xaf\xb9\xe6\xaf\x94      50.0 n=1\n"
                 "bad??     60.0 n=1\n"
                 "e\xcc\x81t\xc3\xa9       70.0 n=1\n"
                 "\nThe best has one seed, so nothing is said of what is best: knn shapes\n");
}

static void set(struct run *r, const char *backbone, const char *dataset, const char *config) {
    snprintf(r->backbone, sizeof r->backbone, "%s", backbone);
    snprintf(r->dataset, sizeof r->dataset, "%s", dataset);
    r->config = config;
}

/* The same seed of the same method four times: other backbones, data and settings are other rows;
 * settings that decide nothing, or are another method's, are not. */
static void test_nothing_is_mixed(void **state) {
    (void)state;
    struct runs runs = {0};
    set(add_result(&runs, "mae", 0, "knn", 0.40), "vit-micro/8", "shapes", "epochs = 4\nthreads=1");
    set(add_result(&runs, "mae", 1, "knn", 0.42), "vit-micro/8", "shapes",
        "epochs = 4\nthreads=2\n[beit]\nx = 1\n");
    set(add_result(&runs, "mae", 0, "knn", 0.50), "vit-micro/8", "shapes",
        "epochs = 20\n[mae]\nmask_ratio = 0.6\n");
    set(add_result(&runs, "mae", 0, "knn", 0.60), "vit-tiny/8", "shapes", "epochs = 4\n");
    set(add_result(&runs, "mae", 0, "knn", 0.70), "vit-tiny/8", "cifar10", "epochs = 4\n");
    expect_table(&runs,
                 "method                                                   knn shapes\n"
                 "mae, vit-micro/8, shapes, epochs=4 mae.mask_ratio=?      41.0 [28.3, 53.7] n=2\n"
                 "mae, vit-micro/8, shapes, epochs=20 mae.mask_ratio=0.6   50.0 n=1\n"
                 "mae, vit-tiny/8, cifar10                                 70.0 n=1\n"
                 "mae, vit-tiny/8, shapes                                  60.0 n=1\n"
                 "\nThe best has one seed, so nothing is said of what is best: knn shapes\n");
}

/* Evaluated on the dataset of their pretraining, methods keep one row over several datasets. */
static void test_datasets_in_columns(void **state) {
    (void)state;
    struct runs runs = {0};
    for (int d = 0; d < 2; d++) {
        const char *dataset = d ? "cifar10" : "shapes";
        const double top1 = d ? 0.2 : 0.6;
        struct run *r = add_run(&runs, "mae", 0);
        set(r, "vit-micro/8", dataset, d ? "image = 32\n" : "image = 64\n");
        add_eval(&runs, r, "linear", dataset, &top1, 1);
        add_eval(&runs, r, "knn", dataset, &top1, 1);
    }
    expect_table(&runs, "method   linear cifar10   linear shapes   knn cifar10   knn shapes\n"
                        "mae      20.0 n=1         60.0 n=1        20.0 n=1      60.0 n=1\n");
}

static void test_versions_of_a_protocol(void **state) {
    (void)state;
    struct runs runs = {0};
    add_result(&runs, "mae", 0, "knn", 0.4);
    struct run *r = add_result(&runs, "mae", 1, "knn", 0.5);
    snprintf(r->evals[0].protocol_version, sizeof r->evals[0].protocol_version, "2");
    expect_table(&runs, "method   knn shapes 1+00000000   knn shapes 2\n"
                        "mae      40.0 n=1 (1)            50.0 n=1 (2)\n"
                        "\n"
                        "(1) mae, seed 1: not evaluated\n"
                        "(2) mae, seed 0: not evaluated\n");
}

static void test_a_copied_run_counts_once(void **state) {
    (void)state;
    struct runs runs = {0};
    struct run *r = add_result(&runs, "mae", 3, "knn", 0.4);
    snprintf(r->status, sizeof r->status, "running");
    r = add_result(&runs, "mae", 3, "knn", 0.5);
    snprintf(r->run_id, sizeof r->run_id, "copy");
    expect_table(&runs, "method   knn shapes\n"
                        "mae      50.0 n=1\n"
                        "mae-s3 and copy have the same method, data, settings and seed: the second "
                        "counts\n");
}

static void test_nothing_evaluated(void **state) {
    (void)state;
    struct runs runs = {0};
    char *text = captured(&runs, report_table);
    assert_string_equal(text, "0 runs, none evaluated\n");
    free(text);
    add_run(&runs, "mae", 0);
    text = captured(&runs, report_table);
    assert_string_equal(text, "1 run, none evaluated\n");
    free(text);
    arena_free(&runs.arena);
}

#define CSV_HEAD                                                                                   \
    "run_id,method,backbone,dataset,pretrain_seed,protocol,probe_dataset,probe_seed,top1,top5,"    \
    "outcome,reason,run_status,finding,metric,value,budget,achieved_epochs,achieved_images,"       \
    "achieved_flops,achieved_seconds\r\n"

static void test_csv(void **state) {
    (void)state;
    struct runs runs = {0};
    const double top1[] = {0.1, 1.0 / 3};
    struct run *r = add_run(&runs, "mae", -4);
    snprintf(r->backbone, sizeof r->backbone, "a \"b\", c");
    add_eval(&runs, r, "linear", "shapes", top1, 2)->top5[1] = 0.75;
    add_outcome(r, "knn", "line\nbreak", OUTCOME_FAILED, "no memory, \"sorry\"");
    add_run(&runs, "random", 0);
    char *text = captured(&runs, report_csv);
    assert_string_equal(
        text, CSV_HEAD
        "mae-s-4,mae,\"a \"\"b\"\", c\",shapes,-4,linear,shapes,0,0.1,,ok,,complete,,,,,,,,\r\n"
        "mae-s-4,mae,\"a \"\"b\"\", c\",shapes,-4,linear,shapes,1,0.3333333333333333,0.75,ok,,"
        "complete,,,,,,,,\r\n"
        "mae-s-4,mae,\"a \"\"b\"\", c\",shapes,-4,knn,\"line\nbreak\",,,,failed,"
        "\"no memory, \"\"sorry\"\"\",complete,,,,,,,,\r\n");
    free(text);
    arena_free(&runs.arena);
}

/* A protocol without classes shows its first metric, and names it. */
static void test_metrics(void **state) {
    (void)state;
    struct runs runs = {0};
    const double top1 = 0.5;
    struct run *clip = add_run(&runs, "clip", 0);
    add_eval(&runs, clip, "linear", "shapes", &top1, 1);
    struct metric_row values[] = {{"mean_r1", 0, 0.25}, {"text_to_image_r1", 0, 0.125}};
    const int64_t seed = 0;
    struct eval *e = add_outcome(clip, "retrieval", "shapes", OUTCOME_OK, "");
    e->n_seeds = 1;
    e->seed = &seed;
    e->metrics = values;
    e->n_metrics = 2;
    add_outcome(add_run(&runs, "random", 0), "retrieval", "shapes", OUTCOME_SKIPPED,
                "random has no text tower");
    char *text = captured(&runs, report_table);
    assert_non_null(strstr(text, "Top-1 accuracy, or what a column names, in %: mean"));
    assert_non_null(strstr(text, "linear shapes   retrieval mean_r1 shapes\n"));
    assert_non_null(strstr(text, "50.0 n=1        25.0 n=1\n"));
    assert_non_null(strstr(text, "skipped: random has no text tower\n"));
    free(text);
    text = captured(&runs, report_csv);
    assert_string_equal(
        text,
        CSV_HEAD "clip-s0,clip,vit-micro/8,shapes,0,linear,shapes,0,0.5,,ok,,complete,,,,,,,,\r\n"
                 "clip-s0,clip,vit-micro/8,shapes,0,retrieval,shapes,0,,,ok,,complete,,mean_r1,"
                 "0.25,,,,,\r\n"
                 "clip-s0,clip,vit-micro/8,shapes,0,retrieval,shapes,0,,,ok,,complete,,"
                 "text_to_image_r1,0.125,,,,,\r\n"
                 "random-s0,random,vit-micro/8,shapes,0,retrieval,shapes,,,,skipped,random "
                 "has no text tower,complete,,,,,,,,\r\n");
    free(text);
    arena_free(&runs.arena);
}

/* Budgets that differ within a row are not passed for equal, and runs without one have no line. */
static void test_budgets(void **state) {
    (void)state;
    struct runs runs = {0};
    add_result(&runs, "random", 0, "knn", 0.1)->budget = "none";
    for (int seed = 0; seed < 2; seed++) {
        struct run *mae = add_result(&runs, "mae", seed, "knn", 0.5);
        mae->budget = "flops:1e+12";
        mae->achieved_epochs = 1 + seed;
        mae->achieved_images = 100 + 100 * seed;
        mae->achieved_flops = 9e11;
        mae->achieved_seconds = 3;
        struct run *dino = add_result(&runs, "dino", seed, "knn", 0.5);
        dino->budget = seed ? "seconds:9" : "flops:1e+12";
        dino->achieved_images = 50;
    }
    char *table = captured(&runs, report_table), *csv = captured(&runs, report_csv);
    const char *block = strstr(table, "\nPretraining: the budget");
    assert_non_null(block);
    assert_null(strstr(block, "random"));
    assert_non_null(
        strstr(block, "\nmae      flops:1e+12      1.50         150      9e+11       3.0\n"));
    assert_non_null(
        strstr(block, "\ndino     several          0.00          50          0       0.0\n"));
    assert_non_null(strstr(csv, ",,,flops:1e+12,2,200,900000000000,3\r\n"));
    free(table);
    free(csv);
    arena_free(&runs.arena);
}

/* A number from a collapsed encoder never stands alone. */
static void test_findings(void **state) {
    (void)state;
    struct runs runs = {0};
    add_result(&runs, "dino", 0, "knn", 0.1)->finding = "collapsed since step 40 of 90";
    add_result(&runs, "dino", 1, "knn", 0.5);
    char *table = captured(&runs, report_table), *csv = captured(&runs, report_csv);
    assert_non_null(strstr(table, "! dino-s0: collapsed since step 40 of 90\n"));
    assert_null(strstr(table, "! dino-s1"));
    assert_non_null(strstr(csv, ",complete,collapsed since step 40 of 90,,,,,,,\r\n"));
    free(table);
    free(csv);
    arena_free(&runs.arena);
}

static void test_full_disk(void **state) {
    (void)state;
    struct runs runs = {0};
    add_result(&runs, "mae", 0, "knn", 0.5);
    int (*const reports[])(struct run *const *, int, FILE *, struct error *) = {report_table,
                                                                                report_csv};
    for (int i = 0; i < 2; i++) {
        struct error err = {0};
        FILE *full = fopen("/dev/full", "w");
        if (!full)
            skip();
        assert_int_equal(reports[i](runs.run, runs.n, full, &err), STATUS_MACHINE);
        assert_non_null(strstr(err.message, "No space left"));
        fclose(full);
    }
    arena_free(&runs.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_table),
        cmocka_unit_test(test_probe_seeds_are_not_replicates),
        cmocka_unit_test(test_unshared_seeds),
        cmocka_unit_test(test_gaps_say_why),
        cmocka_unit_test(test_no_certainty_at_the_ends),
        cmocka_unit_test(test_wide_and_broken_names),
        cmocka_unit_test(test_nothing_is_mixed),
        cmocka_unit_test(test_datasets_in_columns),
        cmocka_unit_test(test_versions_of_a_protocol),
        cmocka_unit_test(test_a_copied_run_counts_once),
        cmocka_unit_test(test_nothing_evaluated),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
