/* What keeps runs from being one comparison: each kind alone, and where it is said. */
#include "reports/flags.h"
#include "reports/report.h"

#include "core/file.h"
#include "core/log.h"

#include "tests/place.h"
#include "tests/report_runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Two methods with three seeds, between which nothing is wrong. */
static void add_fair(struct runs *runs) {
    for (int m = 0; m < 2; m++)
        for (int s = 0; s < 3; s++) {
            struct run *r = add_result(runs, m ? "mae" : "dino", s, "linear", 0.4 + 0.1 * m);
            r->budget = "flops:1e12";
            r->achieved_flops = 1e12 * (1 - 0.01 * m);
            r->achieved_images = 1000 * (1 + m); /* equal FLOPs are other numbers of images */
            r->versions = m ? "pretraining 2, mae 1" : "pretraining 2, dino 3";
            r->code_commit = "0123456789abcdef";
            r->env_cpu = "a processor";
            r->env_device = "cpu";
            r->env_cores = 2;
        }
    struct run *floor = add_result(runs, "random", 0, "linear", 0.2);
    floor->budget = "none";
    floor->versions = "pretraining 2, random 1";
    floor->code_commit = "0123456789abcdef";
    floor->env_cpu = "a processor";
    floor->env_cores = 2;
}

/* The text of the only flag. */
static const char *only_flag(struct runs *runs, enum report_flag_kind kind) {
    struct report_flag *flag;
    int n = report_flags(runs->run, runs->n, &flag, &runs->arena);
    assert_int_equal(n, 1);
    assert_int_equal(flag[0].kind, kind);
    assert_null(strchr(flag[0].text, '\n'));
    return flag[0].text;
}

static void test_fair(void **state) {
    struct runs runs = {0};
    struct report_flag *flag;
    (void)state;
    add_fair(&runs);
    assert_int_equal(report_flags(runs.run, runs.n, &flag, &runs.arena), 0);
    assert_int_equal(report_flags(runs.run, 0, &flag, &runs.arena), 0);
    arena_free(&runs.arena);
}

static void status(struct run *r, const char *text) {
    snprintf(r->status, sizeof r->status, "%s", text);
}

static void test_status(void **state) {
    struct runs runs = {0};
    (void)state;
    add_fair(&runs);
    status(runs.run[1], "partial");
    assert_string_equal(only_flag(&runs, FLAG_PARTIAL), "1 of 7 runs is partial (--limit)");
    status(runs.run[1], "interrupted");
    status(runs.run[2], "failed");
    status(runs.run[3], "failed");
    assert_string_equal(only_flag(&runs, FLAG_UNFINISHED),
                        "3 of 7 runs are not complete (interrupted, failed)");
    for (int i = 1; i < 4; i++)
        status(runs.run[i], "skipped"); /* a pair without meaning is no run that is missing */
    struct report_flag *flag;
    assert_int_equal(report_flags(runs.run, runs.n, &flag, &runs.arena), 0);
    arena_free(&runs.arena);
}

static void test_budget(void **state) {
    struct runs runs = {0};
    (void)state;
    add_fair(&runs);
    runs.run[0]->budget = "epochs:8";
    runs.run[0]->achieved_epochs = 8;
    assert_non_null(strstr(only_flag(&runs, FLAG_BUDGET), "(epochs:8, flops:1e12)"));
    runs.run[0]->budget = "flops:1e12"; /* the same in words, another in what was reached */
    runs.run[0]->achieved_flops = 0.9e12;
    assert_non_null(strstr(only_flag(&runs, FLAG_BUDGET), "from 9e+11 to 1e+12"));
    status(runs.run[0], "failed"); /* which says it already */
    only_flag(&runs, FLAG_UNFINISHED);
    arena_free(&runs.arena);
}

static void test_version(void **state) {
    struct runs runs = {0};
    (void)state;
    add_fair(&runs);
    runs.run[4]->versions = "pretraining 2, mae 2";
    assert_non_null(strstr(only_flag(&runs, FLAG_VERSION), ": mae"));
    runs.run[4]->versions = NULL; /* written before there were any */
    snprintf(runs.run[4]->evals[0].protocol_version, 16, "2+00000000");
    assert_non_null(strstr(only_flag(&runs, FLAG_VERSION), ": linear"));
    arena_free(&runs.arena);
}

static void test_code_and_machine(void **state) {
    struct runs runs = {0};
    struct report_flag *flag;
    (void)state;
    add_fair(&runs);
    runs.run[0]->code_commit = "fedcba9876543210";
    assert_non_null(strstr(only_flag(&runs, FLAG_CODE), "fedcba987654, 0123456789ab"));
    runs.run[0]->code_commit = runs.run[1]->code_commit;
    runs.run[0]->code_dirty = 1;
    assert_non_null(strstr(only_flag(&runs, FLAG_CODE), "1 of 7 runs"));
    runs.run[0]->code_dirty = 0;
    runs.run[0]->env_device = "NVIDIA \x1b[31m H100";
    const char *text = only_flag(&runs, FLAG_HARDWARE);
    assert_non_null(strstr(text, "a processor, 2 cores"));
    assert_null(strchr(text, '\x1b')); /* clean */
    assert_int_equal(FLAG_HARDWARE & FLAG_COMPARISON, 0);
    runs.run[0]->finding = "collapsed since step 1 of 2";
    assert_int_equal(report_flags(runs.run, runs.n, &flag, &runs.arena), 2);
    assert_int_equal(flag[0].kind, FLAG_FINDING);
    arena_free(&runs.arena);
}

/* On the figures that compare, and that of time only where time is an axis. */
static void test_on_figures(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct error err = {0};
    add_fair(&runs);
    status(runs.run[1], "partial");
    runs.run[0]->env_cpu = "another processor";
    char *path = arena_strdup(&here->arena, getenv("PATH")), *main_dat = NULL, *budget_dat = NULL;
    size_t bytes;
    setenv("PATH", here->folder, 1);
    assert_int_equal(report_figures(runs.run, runs.n, here->folder, NULL, &err), STATUS_MACHINE);
    setenv("PATH", path, 1);
    assert_int_equal(file_read(in(here, "figures/main.dat"), &here->arena, &main_dat, &bytes, &err),
                     0);
    assert_int_equal(
        file_read(in(here, "figures/budget.dat"), &here->arena, &budget_dat, &bytes, &err), 0);
    assert_non_null(strstr(main_dat, "\t! 1 of 7 runs is partial (--limit).\t1\n"));
    assert_null(strstr(main_dat, "several machines"));
    assert_non_null(strstr(budget_dat, "several machines"));
    /* Means with such a run are open: the last column of their blocks. */
    assert_non_null(strstr(main_dat, "\t3\t1\n"));
    arena_free(&runs.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fair),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_code_and_machine),
        cmocka_unit_test_setup_teardown(test_on_figures, set_up, tear_down),
    };
    log_setup(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
