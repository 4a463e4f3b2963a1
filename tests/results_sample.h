/* results_sample.h -- a run with something in every field, for t520 and t521. */
#ifndef SSV_TESTS_RESULTS_SAMPLE_H
#define SSV_TESTS_RESULTS_SAMPLE_H

#include "core/arena.h"
#include "core/file.h"
#include "results/run.h"

#include "tests/place.h"

#include <hdf5.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A fresh folder below the test's. */
static inline char *folder(struct place *here, const char *name) {
    struct error err;
    char *path = arena_printf(&here->arena, "%s/%s", here->folder, name);
    assert_int_equal(make_folders(path, &err), 0);
    return path;
}

static inline char *in_folder(struct place *here, const char *dir, const char *name) {
    return arena_printf(&here->arena, "%s/%s", dir, name);
}

/* ---- a run with something in every field ---- */

enum { SEEDS = 2, CLASSES = 3, SAMPLES = 20, STEPS = 5, GRID = 2 };
static const char *const class_names[] = {"Katze", "\xe7\x8a\xac",
                                          "gr\xc3\xb6\xc3\x9fte /aller/ \"Klassen\""};

static inline struct eval make_eval(const char *protocol, const char *dataset, struct arena *a) {
    struct eval e = {.n_seeds = SEEDS,
                     .n_classes = CLASSES,
                     .n_samples = SAMPLES,
                     .class_name = class_names,
                     .n_grid = GRID,
                     .wall_s = 1.25};
    snprintf(e.protocol, sizeof e.protocol, "%s", protocol);
    snprintf(e.dataset, sizeof e.dataset, "%s", dataset);
    snprintf(e.selected_on, sizeof e.selected_on, "val");
    snprintf(e.protocol_version, sizeof e.protocol_version, "1.0+abcdef01");
    snprintf(e.split_sha256, sizeof e.split_sha256, "%064d", 7);
    int64_t *seed = ARENA_ARRAY(a, int64_t, SEEDS);
    e.top1 = ARENA_ARRAY(a, double, SEEDS);
    e.top5 = ARENA_ARRAY(a, double, SEEDS);
    e.top1_per_class = ARENA_ARRAY(a, double, SEEDS *CLASSES);
    e.confusion = ARENA_ARRAY(a, int32_t, SEEDS * CLASSES * CLASSES);
    e.pred = ARENA_ARRAY(a, int16_t, SEEDS * SAMPLES);
    e.label = ARENA_ARRAY(a, int16_t, SAMPLES);
    e.grid = ARENA_ARRAY(a, struct grid_row, GRID);
    for (int s = 0; s < SEEDS; s++) {
        seed[s] = s ? INT64_MAX : -5;
        e.top1[s] = 0.5 + s / 16.0;
        e.top5[s] = NAN;
    }
    for (int i = 0; i < SEEDS * CLASSES; i++)
        e.top1_per_class[i] = i == 2 ? NAN : i / 8.0;
    for (int i = 0; i < SEEDS * CLASSES * CLASSES; i++)
        e.confusion[i] = 100 * i;
    for (int i = 0; i < SEEDS * SAMPLES; i++)
        e.pred[i] = (int16_t)(i % (CLASSES + 1) - 1);
    for (int i = 0; i < SAMPLES; i++)
        e.label[i] = (int16_t)(i % CLASSES);
    e.grid[0] = (struct grid_row){"", "cls", "lars", 0.1, 1e-4, NAN, NAN, 0.75, 1};
    e.grid[1] = (struct grid_row){"10pct/3", "layer3.mean", "", NAN, NAN, 20, 0.07, 0.625, 0};
    e.seed = seed;
    return e;
}

static inline void make_run(struct run *r) {
    run_init(r);
    snprintf(r->run_id, sizeof r->run_id, "mae-micro-shapes-s1-0123abcd");
    snprintf(r->status, sizeof r->status, "interrupted");
    snprintf(r->method, sizeof r->method, "mae");
    snprintf(r->backbone, sizeof r->backbone, "vit-micro/4");
    snprintf(r->dataset, sizeof r->dataset, "shapes:size=16,train=192");
    snprintf(r->config_sha256, sizeof r->config_sha256, "%064d", 42);
    r->seed = INT64_MIN;
    r->config = "[mae]\nmask = 0.75\n# \xe2\x9c\x93\n";
    r->argv = "ssvbench\nrun\n";
    r->log = "";
    r->parameters = 1L << 40;
    r->step_gflops = 1.0 / 3;
    r->step_peak_bytes = 1e9;
    r->n_data = 2;
    r->data[0] = (struct run_data_source){.name = "fashion/mnist", .n = 60000};
    snprintf(r->data[0].root_hash, sizeof r->data[0].root_hash, "%064d", 1);
    r->data[1] = (struct run_data_source){.name = ".hidden 100%2F", .n = -1};
    const struct eval linear = make_eval("linear", "shapes", &r->arena);
    const struct eval odd = make_eval("a/b", "..", &r->arena);
    struct eval empty = {.outcome = OUTCOME_DIVERGED, .class_name = class_names};
    snprintf(empty.protocol, sizeof empty.protocol, "knn");
    snprintf(empty.dataset, sizeof empty.dataset, "shapes");
    snprintf(empty.reason, sizeof empty.reason, "loss was NaN at step 12: \xc3\xa4");
    struct metric_row values[] = {{"mean_r1", 3, 0.25},
                                  {"mean_r1", 4, NAN},
                                  {"a name of thirty-one bytes, yes", INT64_MIN, 1}};
    struct eval retrieval = {.n_seeds = 2,
                             .n_samples = SAMPLES,
                             .seed = (const int64_t[]){4, 3},
                             .metrics = values,
                             .n_metrics = sizeof values / sizeof *values};
    snprintf(retrieval.protocol, sizeof retrieval.protocol, "retrieval");
    snprintf(retrieval.dataset, sizeof retrieval.dataset, "shapes");
    run_add_eval(r, &retrieval);
    run_add_eval(r, &odd);
    run_add_eval(r, &empty);
    run_add_eval(r, &linear);
}

static inline void add_journal(const char *dir, long steps) {
    struct journal j;
    struct error err;
    char path[4096];
    snprintf(path, sizeof path, "%s/journal.jsonl", dir);
    if (journal_open(&j, path, &err))
        fail_msg("%s", err.message);
    for (long i = 1; i <= steps; i++) {
        double x = (double)i;
        const struct step_row row = {.step = i,
                                     .epoch = x / 2,
                                     .loss = 1 / x,
                                     .lr = 1e-3,
                                     .grad_norm = x == 2 ? NAN : x,
                                     .img_per_s = 100 * x,
                                     .wall_s = 0.5,
                                     .feature_std = NAN,
                                     .effective_rank = NAN,
                                     .entropy = NAN,
                                     .part = {x, NAN, NAN, NAN},
                                     .norm = {NAN, NAN, NAN, NAN}};
        assert_int_equal(journal_step(&j, &row, &err), 0);
    }
    journal_close(&j);
}

static inline void write_run(struct run *r, const char *dir) {
    struct error err;
    if (run_write(r, dir, &err))
        fail_msg("%s", err.message);
    assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}

static inline void read_run(struct run *r, const char *path) {
    struct error err;
    if (run_read(r, path, &err))
        fail_msg("%s", err.message);
    assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}

/* run.h5 of make_run in its own folder; returns its path. */
static inline char *sample(struct place *here, const char *name) {
    struct run r;
    char *dir = folder(here, name);
    add_journal(dir, STEPS);
    make_run(&r);
    write_run(&r, dir);
    run_free(&r);
    return in_folder(here, dir, "run.h5");
}

static inline void put(const char *path, const void *data, size_t bytes) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

#endif
