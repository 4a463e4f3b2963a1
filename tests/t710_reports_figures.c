/* Figures: what is written, what is kept, and what is said when gnuplot fails or is missing. */
#include "reports/report.h"

#include "core/file.h"
#include "core/log.h"
#include "core/sha256.h"
#include "reports/text_internal.h"

#include "tests/place.h"
#include "tests/report_runs.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "# sha256 of the lines below, as ssvbench wrote them: "

static char *figure(struct place *here, const char *name) {
    return arena_printf(&here->arena, "%s/figures/%s", here->folder, name);
}

static char *content(struct place *here, const char *name) {
    char *data = NULL;
    size_t bytes = 0;
    struct error err = {0};
    assert_int_equal(file_read(figure(here, name), &here->arena, &data, &bytes, &err), 0);
    return arena_strdup(&here->arena, data);
}

static void put(struct place *here, const char *name, const char *text) {
    struct error err = {0};
    assert_int_equal(file_write_atomic(figure(here, name), text, strlen(text), &err), 0);
}

static void need_gnuplot(void) {
    if (system("gnuplot --version >/dev/null 2>&1"))
        skip();
}

static void expect_figures(struct place *here, const struct runs *runs) {
    struct error err = {0};
    if (report_figures(runs->run, runs->n, here->folder, NULL, &err))
        fail_msg("%s", err.message);
}

static void expect_formats(struct place *here, const char *name) {
    static const struct {
        const char *suffix, *start, *holds;
    } formats[] = {
        {"png", "\x89PNG\r\n\x1a\n", NULL},
        {"pdf", "%PDF-", NULL},
        {"svg", "<?xml", "</svg>"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const char *data =
            content(here, arena_printf(&here->arena, "%s.%s", name, formats[i].suffix));
        assert_memory_equal(data, formats[i].start, strlen(formats[i].start));
        if (formats[i].holds)
            assert_non_null(strstr(data, formats[i].holds));
    }
}

static int n_temporary(struct place *here) {
    int n = 0;
    struct dirent *entry;
    DIR *folder = opendir(arena_printf(&here->arena, "%s/figures", here->folder));
    assert_non_null(folder);
    while ((entry = readdir(folder)))
        n += strstr(entry->d_name, ".tmp") != NULL;
    closedir(folder);
    return n;
}

static void add_methods(struct runs *runs) {
    static const char *const names[] = {"random", "my_method", "supervised"};
    for (int m = 0; m < 3; m++)
        for (int s = 0; s < 3; s++) {
            struct run *r = add_result(runs, names[m], s, "linear", 0.2 + 0.2 * m + 0.01 * s);
            if (m)
                add_steps(runs, r, 300, 0.5);
        }
}

static void test_both_figures(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    need_gnuplot();
    add_methods(&runs);
    expect_figures(here, &runs);
    expect_formats(here, "main");
    expect_formats(here, "loss");
    assert_int_equal(n_temporary(here), 0);
    const char *svg = content(here, "main.svg"), *dat = content(here, "main.dat");
    assert_non_null(strstr(svg, "my_method")); /* and not my with a subscript */
    assert_non_null(strstr(svg, "95 % t-interval"));
    assert_non_null(strstr(svg, "n = 3"));
    assert_non_null(strstr(svg, "chance 10 %"));
    assert_non_null(strstr(dat, "\n1\t0\t1\t20\t0\n1\t0\t1\t21\t1\n1\t0\t1\t22\t2\n"));
    assert_non_null(strstr(dat, "\n1\t0\t1\t21\t18.5159\t23.4841\t3\t0\n"));
    const char *loss = content(here, "loss.dat");
    assert_null(strstr(loss, "random"));
    assert_non_null(strstr(content(here, "loss.svg"), "A point is the mean"));
    arena_free(&runs.arena);
}

/* Retrieval has no classes, and guessing pixels does not give an mIoU of one in their number, so no
 * panel has a line of chance. */
static void test_no_chance(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    need_gnuplot();
    static const struct {
        const char *protocol, *data, *metric;
        int classes;
    } panels[] = {{"retrieval", "captions", "mean_r1", 0}, {"segment", "masks", "miou", 11}};
    for (int s = 0; s < 3; s++) {
        struct run *r = add_run(&runs, "clip", s);
        for (int i = 0; i < 2; i++) {
            struct eval *e = add_outcome(r, panels[i].protocol, panels[i].data, OUTCOME_OK, "");
            e->metrics = ARENA_NEW(&runs.arena, struct metric_row);
            e->n_metrics = 1;
            e->metrics[0] = (struct metric_row){.seed = 0, .value = 0.1 + 0.01 * s};
            snprintf(e->metrics[0].name, sizeof e->metrics[0].name, "%s", panels[i].metric);
            e->seed = ARENA_NEW(&runs.arena, int64_t);
            e->n_seeds = 1;
            e->n_classes = panels[i].classes;
        }
    }
    expect_figures(here, &runs);
    expect_formats(here, "main");
    assert_non_null(strstr(content(here, "main.dat"), "miou"));
    assert_null(strstr(content(here, "main.svg"), "chance"));
    for (int s = 0; s < 3; s++) /* of few labels it is what it is of all */
        snprintf(runs.run[s]->evals[1].metrics[0].name,
                 sizeof runs.run[s]->evals[1].metrics[0].name, "top1_1pct");
    expect_figures(here, &runs);
    assert_non_null(strstr(content(here, "main.svg"), "chance 9.09 %"));
    arena_free(&runs.arena);
}

/* What belongs to nobody's shell, format string or subscript, beside cells of every kind.  Nothing
 * may make gnuplot say a word. */
static void test_awkward_results(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    need_gnuplot();
    static const char *const names[] = {
        "a \"b\" `touch evil` 'c'\\n %d $x @y #z {q}_^", "m\xc3\xa9thode",
        "\xe5\xaf\xb9\xe6\xaf\x94",
        "quite_a_long_name_for_a_method_that_fits_no_margin_at_all_really"};
    const double top1[] = {0, 1, 0.5, 0.501};
    for (int m = 0; m < 4; m++)
        for (int s = 0; s < 1 + m % 2; s++) {
            struct run *r = add_result(&runs, names[m], s, "linear", top1[m]);
            snprintf(r->dataset, sizeof r->dataset, "other data");
            add_outcome(r, "knn", "shapes", OUTCOME_DIVERGED, "loss is NaN");
            if (m == 1 && s == 1)
                snprintf(r->backbone, sizeof r->backbone, "resnet_50");
            if (m == 2)
                snprintf(r->status, sizeof r->status, "interrupted");
            if (m > 1)
                add_steps(&runs, r, 1 + s, m == 3 ? 0.001 : 2);
        }
    runs.run[runs.n - 1]->steps[0].loss = NAN;
    expect_figures(here, &runs);
    expect_formats(here, "main");
    assert_int_equal(access(figure(here, "evil"), F_OK), -1);
    const char *svg = content(here, "main.svg");
    assert_non_null(strstr(svg, "m\xc3\xa9thode"));
    assert_non_null(strstr(svg, "diverged"));
    assert_non_null(strstr(svg, "resnet_50"));
    arena_free(&runs.arena);
}

static void test_nothing_to_draw(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct error err = {0};
    assert_int_equal(report_figures(runs.run, 0, here->folder, NULL, &err), STATUS_USAGE);
    add_outcome(add_run(&runs, "mae", 0), "knn", "shapes", OUTCOME_FAILED, "no memory");
    expect_figures(here, &runs);
    assert_false(file_exists(figure(here, "main.dat")));
    assert_false(file_exists(figure(here, "loss.gp")));
    arena_free(&runs.arena);
}

/* An edited script is used and kept, to the byte; ours from another version is replaced. */
static void test_edited_scripts(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    char hash[65];
    need_gnuplot();
    add_result(&runs, "mae", 0, "knn", 0.5);
    const char *older = "print 'from an older version'\n";
    sha256_hex(older, strlen(older), hash);
    struct error err = {0};
    assert_int_equal(make_folders(figure(here, ""), &err), 0);
    put(here, "main.gp", arena_printf(&here->arena, "%s%s\n%s", HEAD, hash, older));
    expect_figures(here, &runs);
    char *script = content(here, "main.gp");
    assert_null(strstr(script, "older version"));
    assert_int_equal(strncmp(script, HEAD, strlen(HEAD)), 0);

    assert_non_null(strstr(script, "unset multiplot\n"));
    size_t before = (size_t)(strstr(script, "unset multiplot\n") - script);
    script = arena_printf(&here->arena,
                          "%.*sset label 'edited by hand' at screen 0.5, 0.5\nplot "
                          "DATA index 'means' using 4:2\n%s",
                          (int)before, script, script + before);
    put(here, "main.gp", script);
    expect_figures(here, &runs);
    assert_string_equal(content(here, "main.gp"), script);
    assert_non_null(strstr(content(here, "main.svg"), "edited by hand"));
    arena_free(&runs.arena);
}

/* The old picture stays, nothing temporary does, and gnuplot's own words are in the message. */
static void test_broken_script(void **state) {
    struct place *here = *state;
    static const struct {
        const char *script, *says;
    } broken[] = {
        {"plot nonsense(x)\n", "nonsense"},
        {"name = 'main'; W = 4; H = 2\nload 'style.gp'\nplot 'no-such-file.dat'\n", "no-such-file"},
        {"exit status 7\n", "status 7"},
        {"x = 1\n", "made no figure"},
    };
    struct runs runs = {0};
    need_gnuplot();
    add_result(&runs, "mae", 0, "knn", 0.5);
    struct error err = {0};
    assert_int_equal(make_folders(figure(here, ""), &err), 0);
    put(here, "main.svg", "the old picture");
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        put(here, "main.gp", broken[i].script);
        assert_int_equal(report_figures(runs.run, runs.n, here->folder, NULL, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, broken[i].says));
        assert_non_null(strstr(err.message, "main.gp"));
        assert_null(strchr(err.message, '\n'));
        assert_string_equal(content(here, "main.svg"), "the old picture");
        assert_int_equal(n_temporary(here), 0);
    }
    arena_free(&runs.arena);
}

static void test_gnuplot_missing(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct error err = {0};
    add_methods(&runs);
    char *path = arena_strdup(&here->arena, getenv("PATH"));
    setenv("PATH", here->folder, 1);
    int status = report_figures(runs.run, runs.n, here->folder, NULL, &err);
    setenv("PATH", path, 1);
    assert_int_equal(status, STATUS_MACHINE);
    assert_non_null(strstr(err.message, "gnuplot is not in PATH"));
    static const char *const kept[] = {"main.dat", "main.gp", "loss.dat", "loss.gp", "style.gp"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        assert_true(strlen(content(here, kept[i])) > 0);
    assert_false(file_exists(figure(here, "main.svg")));
    arena_free(&runs.arena);
}

static void test_unwritable_folder(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct error err = {0};
    add_methods(&runs);
    const char *file = arena_printf(&here->arena, "%s/file", here->folder);
    assert_int_equal(file_write_atomic(file, "", 0, &err), 0);
    assert_int_equal(report_figures(runs.run, runs.n, file, NULL, &err), STATUS_MACHINE);
    assert_non_null(strstr(err.message, file));
    arena_free(&runs.arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Names give way, values do not while there is room for them. */
static void test_settings_that_do_not_fit(void **state) {
    static const struct {
        int columns;
        const char *text;
    } cut[] = {{60, "mae mae.mask_ratio=0.75 decoder_depth=2 epochs=1"},
               {40, "mae mask_rati=0.75 decoder_d=2 epochs=1"},
               {26, "mae mas=0.75 dec=2 epo=1"},
               {22, "mae ma=0.75 de=2 ep=1"},
               {12, "mae m.. ep=1"}};
    struct arena a = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++)
        assert_string_equal(text_cut_settings("mae mae.mask_ratio=0.75 decoder_depth=2 epochs=1",
                                              cut[i].columns, &a),
                            cut[i].text);
    assert_string_equal(text_cut_settings("a = b, c=d", 8, &a), "a =..c=d");
    arena_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_both_figures),
        TEST(test_no_chance),
        TEST(test_awkward_results),
        TEST(test_nothing_to_draw),
        TEST(test_edited_scripts),
        TEST(test_broken_script),
        TEST(test_gnuplot_missing),
        TEST(test_unwritable_folder),
        TEST(test_settings_that_do_not_fit),
    };
    log_setup(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
