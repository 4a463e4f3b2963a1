/* The data of the figures of runs, as numbers; and one drawing of all of them at once. */
#include "reports/report.h"

#include "core/file.h"
#include "core/log.h"

#include "tests/figure_data.h"
#include "tests/place.h"
#include "tests/report_runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { SEEDS = 3 };

static const char *const class_names[] = {"cat", "dog", "\"owl\"", "emu"};
enum { FEW = sizeof class_names / sizeof *class_names };

static int draw(struct place *here, const struct runs *runs, const char *only, const char *format,
                const char *pair, struct error *err) {
    const struct report_options o = {NULL, only, format, pair};
    return report_figures(runs->run, runs->n, here->folder, &o, err);
}

static char *path_of(struct place *here, const char *name) {
    return arena_printf(&here->arena, "%s/figures/%s", here->folder, name);
}

static char *content(struct place *here, const char *name) {
    char *data = NULL;
    size_t bytes = 0;
    struct error err = {0};
    assert_int_equal(file_read(path_of(here, name), &here->arena, &data, &bytes, &err), 0);
    return arena_strdup(&here->arena, data);
}

/* Draws nothing: the data are written before gnuplot is started. */
static char *data_of(struct place *here, const struct runs *runs, const char *name) {
    struct error err = {0};
    char *path = arena_strdup(&here->arena, getenv("PATH"));
    setenv("PATH", here->folder, 1);
    int status = draw(here, runs, name, "svg", NULL, &err);
    setenv("PATH", path, 1);
    if (status != STATUS_MACHINE)
        fail_msg("%s: status %d, %s", name, status, err.message);
    return content(here, arena_printf(&here->arena, "%s.dat", name));
}

/* ---- runs ---- */

enum { LOOK_RANDOM = 1, LOOK_SUPERVISED, LOOK_MAE, LOOK_SIMCLR };

/* Accuracy of class k is top1 + 0.02 k - 0.03; of what is wrong all is taken for class 0. */
static void add_classes(struct runs *runs, struct eval *e) {
    e->n_classes = FEW;
    e->class_name = class_names;
    e->top1_per_class = ARENA_ARRAY(&runs->arena, double, FEW);
    e->confusion = ARENA_ARRAY(&runs->arena, int32_t, FEW * FEW);
    e->n_samples = 100 * FEW;
    e->label = ARENA_ARRAY(&runs->arena, int16_t, e->n_samples);
    for (int i = 0; i < e->n_samples; i++)
        e->label[i] = (int16_t)(i % FEW);
    for (int k = 0; k < FEW; k++) {
        e->top1_per_class[k] = e->top1[0] + 0.02 * k - 0.03;
        int right = (int)lround(100 * e->top1_per_class[k]);
        e->confusion[k * FEW + k] += right;
        e->confusion[k * FEW] += 100 - right;
    }
}

static void add_layers(struct runs *runs, struct eval *e, double best) {
    static const char *const names[] = {"layer1.cls", "layer2.cls", "layer2.cls", "layer2.both",
                                        "last2.cls"};
    e->n_grid = sizeof names / sizeof *names;
    e->grid = ARENA_ARRAY(&runs->arena, struct grid_row, e->n_grid);
    for (int i = 0; i < e->n_grid; i++) {
        snprintf(e->grid[i].representation, sizeof e->grid[i].representation, "%s", names[i]);
        e->grid[i].val_top1 = i == 2 ? best : i == 1 ? best - 0.1 : 0.1;
    }
}

static void add_lowshot(struct runs *runs, struct run *r, double top1) {
    static const struct {
        const char *name;
        double share;
    } rows[] = {{"top1_1shot", 0.4}, {"top1_1shot", 0.6},
                {"top1_5shot", 0.8}, {"top1_5shot.sd_corrected", 0.02},
                {"top1_10pct", 0.9}, {"top1_10pct.sd_corrected", 0.01}};
    static const int64_t seed[] = {0};
    struct eval *e = add_outcome(r, "lowshot", "shapes", OUTCOME_OK, "");
    e->n_seeds = 1;
    e->seed = seed;
    e->n_metrics = sizeof rows / sizeof *rows;
    e->metrics = ARENA_ARRAY(&runs->arena, struct metric_row, e->n_metrics);
    for (int i = 0; i < e->n_metrics; i++) {
        int is_error = strstr(rows[i].name, ".sd") != NULL;
        snprintf(e->metrics[i].name, sizeof e->metrics[i].name, "%s", rows[i].name);
        e->metrics[i].value = is_error ? rows[i].share : top1 * rows[i].share;
    }
}

static struct run *add_all(struct runs *runs, const char *method, int seed, double top1) {
    struct run *r = add_result(runs, method, seed, "linear", top1);
    double tuned = top1 + 0.2, zero = top1 - 0.1;
    add_classes(runs, &r->evals[0]);
    add_layers(runs, &r->evals[0], top1);
    add_eval(runs, r, "finetune", "shapes", &tuned, 1);
    if (!strcmp(method, "simclr"))
        add_classes(runs, add_eval(runs, r, "zeroshot", "shapes", &zero, 1));
    add_lowshot(runs, r, top1);
    if (strcmp(method, "random") != 0) {
        r->budget = "epochs:8";
        r->achieved_epochs = 8;
        r->achieved_images = 1000;
        r->achieved_flops = 1e12 * (1 + seed);
        r->achieved_seconds = 10;
        add_steps(runs, r, 40, 0.5);
        for (long i = 0; i < r->n_steps; i++) {
            r->steps[i].grad_norm = 1 + seed;
            r->steps[i].feature_std = i % 10 ? NAN : 0.9;
            r->steps[i].effective_rank = i % 10 ? NAN : 20;
            r->steps[i].entropy = NAN;
        }
    }
    return r;
}

/* Seeds differ by a point: the mean is that of seed 1. */
static void add_methods(struct runs *runs) {
    static const struct {
        const char *name;
        double top1;
    } m[] = {{"random", 0.3}, {"supervised", 0.5}, {"mae", 0.4}, {"simclr", 0.6}};
    for (size_t i = 0; i < sizeof m / sizeof *m; i++)
        for (int s = 0; s < SEEDS; s++)
            add_all(runs, m[i].name, s, m[i].top1 + 0.01 * (s - 1));
}

/* ---- tests ---- */

static void test_budget(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct line means[32], seeds[64], rules[8];
    add_methods(&runs);
    const char *dat = data_of(here, &runs, "budget");
    int n = block(&here->arena, dat, "means", means, 32);
    assert_int_equal(n, 3 * 3); /* panels x methods that train */
    assert_float_equal(number(find(means, n, 1, LOOK_MAE, 2e12), 3), 40, 1e-6);
    assert_float_equal(number(find(means, n, 2, LOOK_SIMCLR, 1000), 3), 60, 1e-6);
    assert_float_equal(number(find(means, n, 3, LOOK_SUPERVISED, 10), 3), 50, 1e-6);
    n = block(&here->arena, dat, "seeds", seeds, 64);
    assert_int_equal(n, 9 * SEEDS);
    assert_float_equal(number(find(seeds, n, 1, LOOK_MAE, 3e12), 3), 41, 1e-6);
    n = block(&here->arena, dat, "rules", rules, 8);
    assert_int_equal(n, 3);
    assert_float_equal(number(&rules[0], 3), 30, 1e-6); /* random */
    assert_non_null(strstr(dat, "\tmae\n"));
    arena_free(&runs.arena);
}

static void test_loss(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct line thick[512], crosses[8], bands[512];
    for (int s = 0; s <= SEEDS; s++) { /* the last was stopped while it was judged */
        struct run *r = add_all(&runs, "mae", s, 0.4);
        for (long i = 0; i < r->n_steps; i++)
            r->steps[i].loss = s < SEEDS ? 1 + s : 2;
        snprintf(r->status, sizeof r->status, s < SEEDS ? "complete" : "interrupted");
    }
    struct run *stopped = add_all(&runs, "mae", SEEDS + 1, 0.4);
    stopped->n_steps = 10;
    stopped->n_evals = 0;
    snprintf(stopped->status, sizeof stopped->status, "interrupted");
    const char *dat = data_of(here, &runs, "loss");
    int n = block(&here->arena, dat, "thick", thick, 512);
    assert_int_equal(n, 40); /* the mean of those that are trained, at each step */
    for (int i = 0; i < n; i++)
        assert_float_equal(number(&thick[i], 3), 2, 1e-9);
    n = block(&here->arena, dat, "bands", bands, 512);
    assert_float_equal(number(&bands[n - 1], 3), 1, 1e-9);
    assert_float_equal(number(&bands[n - 1], 5), 3, 1e-9);
    n = block(&here->arena, dat, "crosses", crosses, 8);
    assert_int_equal(n, 1);
    assert_float_equal(number(&crosses[0], 2), 10, 1e-9);
    dat = data_of(here, &runs, "gradients");
    assert_int_equal(block(&here->arena, dat, "thick", thick, 512), 40);
    assert_float_equal(number(&thick[0], 3), 2.5, 1e-9);
    arena_free(&runs.arena);
}

static void test_collapse(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct line crosses[8], panels[8];
    struct run *r = add_all(&runs, "simclr", 0, 0.4);
    r->finding = "collapsed since step 21 of 40: effective rank 1.00, feature std 0.0000";
    const char *dat = data_of(here, &runs, "collapse");
    assert_int_equal(block(&here->arena, dat, "panels", panels, 8), 2); /* no entropy */
    assert_int_equal(block(&here->arena, dat, "crosses", crosses, 8), 2);
    assert_float_equal(number(&crosses[0], 2), 21, 1e-9);
    assert_non_null(strstr(dat, "collapsed"));
    r->config = "[simclr]\ntemperature = 0.5\n"; /* settings of one method are told apart */
    add_all(&runs, "simclr", 1, 0.4)->config = "[simclr]\ntemperature = 0.1\n";
    dat = data_of(here, &runs, "collapse");
    assert_non_null(strstr(dat, "a: simclr temperature=0."));
    assert_true(block(&here->arena, dat, "names", crosses, 8) >= 2);
    r->steps[0].effective_rank = 1e308; /* no axis goes there, nor on for ever */
    assert_non_null(strstr(data_of(here, &runs, "collapse"), "collapsed"));
    arena_free(&runs.arena);
}

/* The best of several candidates counts, concatenations have no layer. */
static void test_layers(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct line means[32];
    add_methods(&runs);
    const char *dat = data_of(here, &runs, "layers");
    int n = block(&here->arena, dat, "means", means, 32);
    assert_int_equal(n, 4 * 2);
    assert_float_equal(number(find(means, n, 1, LOOK_MAE, 1), 3), 10, 1e-6);
    assert_float_equal(number(find(means, n, 1, LOOK_MAE, 2), 3), 40, 1e-6);
    arena_free(&runs.arena);
}

/* Of several runs the interval is over them, of one it is over its draws. */
static void test_lowshot(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct line means[64], bars[64];
    add_methods(&runs);
    add_all(&runs, "dino", 0, 0.5);
    const char *dat = data_of(here, &runs, "lowshot");
    int n = block(&here->arena, dat, "means", means, 64);
    assert_float_equal(number(find(means, n, 1, LOOK_MAE, 1), 3), 20, 1e-6);
    assert_float_equal(number(find(means, n, 1, LOOK_MAE, 5), 3), 32, 1e-6);
    assert_float_equal(number(find(means, n, 2, LOOK_MAE, 10), 3), 36, 1e-6);
    n = block(&here->arena, dat, "bars", bars, 64);
    const double half = 4.302652729911275 * 0.8 / sqrt(3); /* t(0.975, 2) s / sqrt(n) */
    const struct line *bar = find(bars, n, 1, LOOK_MAE, 5);
    assert_float_equal(number(bar, 3), 32 - half, 1e-4);
    assert_float_equal(number(bar, 5), 32 + half, 1e-4);
    bar = find(bars, n, 1, 5, 5); /* dino's one seed */
    assert_float_equal(number(bar, 3), 38, 1e-4);
    assert_float_equal(number(bar, 5), 42, 1e-4);
    assert_non_null(strstr(dat, "single seed"));
    arena_free(&runs.arena);
}

static void test_transfer_and_zeroshot(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct line means[32], rules[4], names[32];
    add_methods(&runs);
    const char *dat = data_of(here, &runs, "transfer");
    int n = block(&here->arena, dat, "means", means, 32);
    assert_int_equal(n, 4);
    assert_float_equal(number(find(means, n, 1, LOOK_SIMCLR, 60), 3), 80, 1e-6);
    n = block(&here->arena, dat, "rules", rules, 4);
    assert_int_equal(n, 1);
    assert_float_equal(number(&rules[0], 2), number(&rules[0], 3), 1e-9);
    assert_float_equal(number(&rules[0], 4), number(&rules[0], 5), 1e-9);
    dat = data_of(here, &runs, "zeroshot");
    n = block(&here->arena, dat, "means", means, 32);
    assert_int_equal(n, FEW);
    assert_float_equal(number(find(means, n, 1, LOOK_SIMCLR, 57), 3), 47, 1e-5);
    n = block(&here->arena, dat, "names", names, 32);
    assert_int_equal(n, FEW);
    arena_free(&runs.arena);
}

static void test_confusion(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct line cells[128];
    add_methods(&runs);
    const char *dat = data_of(here, &runs, "confusion");
    int n = block(&here->arena, dat, "cells", cells, 128), seen = 0;
    for (int i = 0; i < n; i++) /* panel 1: random; the class 3 is right 33 times of 100 */
        if (number(&cells[i], 0) == 1 && number(&cells[i], 2) == 3) {
            double value = number(&cells[i], 3);
            assert_float_equal(value, number(&cells[i], 1) == 3 ? 33 : 67, 1e-6);
            seen++;
        }
    assert_int_equal(seen, 2);
    assert_non_null(strstr(dat, "'owl'"));
    arena_free(&runs.arena);
}

/* Best self-supervised method against `supervised`, or what --pair says. */
static void test_classes(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct error err = {0};
    struct line bars[16] = {{{NULL}, 0}};
    add_methods(&runs);
    for (int i = 0; i < runs.n; i++) /* mae loses the class 0 to everybody */
        if (!strcmp(runs.run[i]->method, "mae"))
            runs.run[i]->evals[0].top1_per_class[0] = 0.01;
    const char *dat = data_of(here, &runs, "classes");
    assert_non_null(strstr(dat, "simclr − supervised"));
    int n = block(&here->arena, dat, "bars", bars, 16);
    assert_int_equal(n, FEW);
    assert_float_equal(number(&bars[0], 2), 10, 1e-6);
    assert_float_equal(number(&bars[0], 3), 10 - 4.302653 * sqrt(2. / 36), 1e-3); /* rounding */
    assert_non_null(strstr(dat, "points · n = 3"));
    assert_int_equal(draw(here, &runs, "classes", "svg", "mae,sinclr", &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "did you mean \"simclr\"?"));
    assert_int_equal(draw(here, &runs, "classes", "svg", "mae", &err), STATUS_USAGE);
    char *path = arena_strdup(&here->arena, getenv("PATH"));
    setenv("PATH", here->folder, 1);
    assert_int_equal(draw(here, &runs, "classes", "svg", "mae,random", &err), STATUS_MACHINE);
    setenv("PATH", path, 1);
    dat = content(here, "classes.dat");
    assert_non_null(strstr(dat, "mae − random"));
    assert_int_equal(block(&here->arena, dat, "bars", bars, 16), FEW);
    assert_string_equal(bars[FEW - 1].field[7], "cat"); /* from the largest to the least */
    assert_float_equal(number(&bars[FEW - 1], 2), 1 - 27, 1e-6);
    runs.run[0]->evals[0].top1_per_class[0] = 0.99;
    assert_int_equal(draw(here, &runs, "classes", "svg", "mae,random", &err), 0);
    dat = content(here, "classes.dat");
    assert_int_equal(block(&here->arena, dat, "bars", bars, 16), FEW);
    assert_float_equal(number(&bars[FEW - 1], 3), -100, 1e-6); /* nothing is further away */
    assert_non_null(strstr(dat, "cut at 100 points"));
    arena_free(&runs.arena);
}

static void add_grid(struct runs *runs) {
    for (int ratio = 0; ratio < 3; ratio++)
        for (int depth = 1; depth <= 2; depth++)
            for (int s = 0; s < 2; s++) {
                struct run *r =
                    add_result(runs, "mae", s, "linear", 0.1 * ratio + 0.02 * depth + 0.01 * s);
                r->config = arena_printf(&runs->arena,
                                         "epochs = 4\n[mae]\nmask_ratio = %g\ndecoder_depth = %d\n"
                                         "target = %s\n",
                                         0.25 * (ratio + 1), depth, "pixels");
            }
}

/* A curve for each value of the other setting; settings that are all the same are none. */
static void test_variants_and_pairs(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct line means[64], cells[64], keys[16], panels[8] = {{{NULL}, 0}};
    add_grid(&runs);
    const char *dat = data_of(here, &runs, "variants");
    assert_int_equal(block(&here->arena, dat, "panels", panels, 8), 2);
    assert_string_equal(panels[0].field[7], "mae.decoder_depth");
    assert_string_equal(panels[1].field[7], "mae.mask_ratio");
    int n = block(&here->arena, dat, "means", means, 64);
    assert_int_equal(n, 6 + 6);
    assert_int_equal(block(&here->arena, dat, "legend", keys, 16), 2 + 3);
    for (int i = 0; i < n; i++)
        if (number(&means[i], 0) == 2 && number(&means[i], 2) == 0.75)
            assert_true(fabs(number(&means[i], 3) - 22.5) < 1e-6 ||
                        fabs(number(&means[i], 3) - 24.5) < 1e-6);
    dat = data_of(here, &runs, "pairs");
    n = block(&here->arena, dat, "cells", cells, 64);
    assert_int_equal(n, 3 * 2 + 2); /* and the mean of each row, apart */
    for (int i = 0; i < n; i++)
        assert_float_equal(number(&cells[i], 3),
                           0.5 + 10 * (number(&cells[i], 1) > 3 ? 1 : number(&cells[i], 1)) +
                               2 * (number(&cells[i], 2) + 1),
                           1e-3);
    /* A pair of values without a result is an empty cell of the one grid. */
    runs.run[0]->n_evals = runs.run[1]->n_evals = 0;
    dat = data_of(here, &runs, "pairs");
    assert_int_equal(block(&here->arena, dat, "panels", panels, 8), 1);
    arena_free(&runs.arena);
}

/* Fewer runs than half of the grid are no grid, and more than twelve panels are not drawn. */
static void test_limits(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct error err = {0};
    struct line panels[64];
    for (int i = 0; i < 5; i++) {
        struct run *r = add_result(&runs, "mae", 0, "linear", 0.5);
        r->config = arena_printf(&runs.arena, "batch = %d\n[mae]\ndecoder_depth = %d\n", i, i);
    }
    assert_int_equal(draw(here, &runs, "pairs", "svg", NULL, &err), STATUS_FINDING);
    runs.n = 0;
    for (int i = 0; i < 20; i++)
        add_all(&runs, arena_printf(&runs.arena, "method_%02d", i), 0, 0.3);
    const char *dat = data_of(here, &runs, "loss");
    assert_int_equal(block(&here->arena, dat, "panels", panels, 64), 12);
    assert_non_null(strstr(dat, "8 more panels are left out."));
    arena_free(&runs.arena);
}

/* Names, formats, what has nothing to draw, what was drawn before. */
static void test_choice(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct error err = {0};
    add_result(&runs, "mae", 0, "linear", 0.4);
    assert_int_equal(draw(here, &runs, "mian", "svg", NULL, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "did you mean \"main\"?"));
    assert_non_null(strstr(err.message, "confusion"));
    assert_int_equal(draw(here, &runs, "main", "svg,gif", NULL, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "gif"));
    assert_false(file_exists(path_of(here, "main.dat")));
    assert_int_equal(draw(here, &runs, "lowshot", "svg", NULL, &err), STATUS_FINDING);
    if (system("gnuplot --version >/dev/null 2>&1"))
        skip();
    assert_int_equal(draw(here, &runs, "main,loss", "svg", NULL, &err), STATUS_FINDING);
    assert_true(file_exists(path_of(here, "main.svg")));
    assert_false(file_exists(path_of(here, "main.png")));
    assert_false(file_exists(path_of(here, "loss.gp")));
    arena_free(&runs.arena);
}

static long changed_at(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mtim.tv_nsec ^ info.st_mtim.tv_sec;
}

/* An image is left alone until its data, its script, the look or it itself is another. */
static void test_fresh_images(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct error err = {0};
    const char *svg = path_of(here, "main.svg");
    if (system("gnuplot --version >/dev/null 2>&1"))
        skip();
    add_result(&runs, "mae", 0, "linear", 0.4);
    assert_int_equal(draw(here, &runs, "main", "svg", NULL, &err), 0);
    long before = changed_at(svg);
    assert_int_equal(draw(here, &runs, "main", "svg", NULL, &err), 0);
    assert_int_equal(changed_at(svg), before);

    const char *look = content(here, "style.gp");
    look = arena_printf(&here->arena, "%s\nINK = '#123456'\n", look);
    assert_int_equal(file_write_atomic(path_of(here, "style.gp"), look, strlen(look), &err), 0);
    assert_int_equal(draw(here, &runs, "main", "svg", NULL, &err), 0);
    assert_int_not_equal(changed_at(svg), before);

    assert_int_equal(file_write_atomic(svg, "", 0, &err), 0);
    assert_int_equal(draw(here, &runs, "main", "svg", NULL, &err), 0);
    assert_non_null(strstr(content(here, "main.svg"), "</svg>"));
    before = changed_at(svg);

    add_result(&runs, "mae", 1, "linear", 0.5);
    assert_int_equal(draw(here, &runs, "main", "svg", NULL, &err), 0);
    assert_int_not_equal(changed_at(svg), before);
    assert_int_equal(file_write_atomic(path_of(here, ".rendered"), "\x01nonsense\n", 10, &err), 0);
    assert_int_equal(draw(here, &runs, "main", "svg", NULL, &err), 0);
    arena_free(&runs.arena);
}

/* gnuplot has nothing to say about any of them, of many runs or of one. */
static void test_all_are_drawn(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct error err = {0};
    static const char *const names[] = {"main",   "classes",   "transfer", "lowshot",  "zeroshot",
                                        "layers", "confusion", "budget",   "variants", "pairs",
                                        "loss",   "gradients", "collapse"};
    if (system("gnuplot --version >/dev/null 2>&1"))
        skip();
    add_methods(&runs);
    add_grid(&runs);
    snprintf(runs.run[4]->status, sizeof runs.run[4]->status, "partial");
    if (draw(here, &runs, NULL, "svg", NULL, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *svg = content(here, arena_printf(&here->arena, "%s.svg", names[i]));
        assert_non_null(strstr(svg, "</svg>"));
        assert_non_null(strstr(svg, "is partial (--limit)"));
    }
    runs.n = 0;
    add_all(&runs, "simclr", 0, 0.6);
    add_all(&runs, "random", 0, 0.3)->evals[0].confusion = NULL;
    if (draw(here, &runs, NULL, "svg", NULL, &err))
        fail_msg("%s", err.message);
    arena_free(&runs.arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_budget),        TEST(test_loss),    TEST(test_collapse),
        TEST(test_layers),        TEST(test_lowshot), TEST(test_transfer_and_zeroshot),
        TEST(test_confusion),     TEST(test_classes), TEST(test_variants_and_pairs),
        TEST(test_limits),        TEST(test_choice),  TEST(test_fresh_images),
        TEST(test_all_are_drawn),
    };
    log_setup(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
