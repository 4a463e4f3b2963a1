/* run.h5: everything comes back, the old file survives a failed write, and runs are found.
 *
 * With an argument the program writes a sample run.h5 into that folder, for t530.
 */
#include "core/log.h"
#include "tests/results_sample.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- comparison ---- */

static void same_text(const char *a, const char *b) {
    assert_int_equal(!a, !b);
    if (a)
        assert_string_equal(a, b);
}

static void same_reals(const double *a, const double *b, size_t n) {
    assert_int_equal(!a, !b);
    for (size_t i = 0; a && i < n; i++)
        assert_true(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])));
}

static void same_bytes(const void *a, const void *b, size_t n) {
    assert_int_equal(!a, !b);
    if (a && n)
        assert_memory_equal(a, b, n);
}

static void same_eval(const struct eval *a, const struct eval *b) {
    size_t seeds = (size_t)a->n_seeds, classes = (size_t)a->n_classes, n = (size_t)a->n_samples;
    assert_string_equal(a->protocol, b->protocol);
    assert_string_equal(a->dataset, b->dataset);
    assert_int_equal(a->outcome, b->outcome);
    assert_string_equal(a->reason, b->reason);
    assert_string_equal(a->selected_on, b->selected_on);
    assert_string_equal(a->protocol_version, b->protocol_version);
    assert_string_equal(a->split_sha256, b->split_sha256);
    assert_true(a->wall_s == b->wall_s);
    assert_int_equal(a->n_seeds, b->n_seeds);
    assert_int_equal(a->n_classes, b->n_classes);
    assert_int_equal(a->n_samples, b->n_samples);
    assert_int_equal(a->n_grid, b->n_grid);
    assert_int_equal(a->n_metrics, b->n_metrics);
    if (seeds)
        same_bytes(a->seed, b->seed, seeds * sizeof *a->seed);
    for (size_t i = 0; i < classes; i++)
        assert_string_equal(a->class_name[i], b->class_name[i]);
    same_reals(a->top1, b->top1, seeds);
    same_reals(a->top5, b->top5, seeds);
    same_reals(a->top1_per_class, b->top1_per_class, seeds * classes);
    same_bytes(a->confusion, b->confusion, seeds * classes * classes * sizeof *a->confusion);
    same_bytes(a->pred, b->pred, seeds * n * sizeof *a->pred);
    same_bytes(a->label, b->label, n * sizeof *a->label);
    for (int i = 0; i < a->n_grid; i++) {
        assert_string_equal(a->grid[i].search, b->grid[i].search);
        assert_string_equal(a->grid[i].representation, b->grid[i].representation);
        assert_string_equal(a->grid[i].head, b->grid[i].head);
        same_reals(&a->grid[i].lr, &b->grid[i].lr, 5); /* lr .. val_top1 lie in a row */
        assert_int_equal(a->grid[i].chosen, b->grid[i].chosen);
    }
    for (int i = 0; i < a->n_metrics; i++) {
        assert_string_equal(a->metrics[i].name, b->metrics[i].name);
        assert_true(a->metrics[i].seed == b->metrics[i].seed);
        same_reals(&a->metrics[i].value, &b->metrics[i].value, 1);
    }
}

static void same_run(const struct run *a, const struct run *b) {
    const char *const texts[][2] = {{a->run_id, b->run_id},
                                    {a->status, b->status},
                                    {a->method, b->method},
                                    {a->backbone, b->backbone},
                                    {a->dataset, b->dataset},
                                    {a->created_utc, b->created_utc},
                                    {a->config, b->config},
                                    {a->argv, b->argv},
                                    {a->log, b->log},
                                    {a->config_sha256, b->config_sha256},
                                    {a->env_cpu, b->env_cpu},
                                    {a->env_isa, b->env_isa},
                                    {a->env_mem, b->env_mem},
                                    {a->env_kernel, b->env_kernel},
                                    {a->env_cflags, b->env_cflags},
                                    {a->env_compiler, b->env_compiler},
                                    {a->env_libs, b->env_libs},
                                    {a->env_blas, b->env_blas},
                                    {a->env_device, b->env_device},
                                    {a->code_commit, b->code_commit}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        same_text(texts[i][0], texts[i][1]);
    assert_true(a->seed == b->seed && a->parameters == b->parameters);
    assert_true(a->step_gflops == b->step_gflops && a->step_peak_bytes == b->step_peak_bytes);
    assert_int_equal(a->env_cores, b->env_cores);
    assert_int_equal(a->code_dirty, b->code_dirty);
    assert_int_equal(a->n_steps, b->n_steps);
    for (long i = 0; i < a->n_steps; i++) {
        assert_true(a->steps[i].step == b->steps[i].step);
        same_reals(&a->steps[i].epoch, &b->steps[i].epoch, 9 + 2 * STEP_PARTS); /* epoch .. norm */
    }
    assert_int_equal(a->n_evals, b->n_evals);
    for (int i = 0; i < a->n_evals; i++) {
        const struct eval *e = run_find_eval(b, a->evals[i].protocol, a->evals[i].dataset);
        assert_non_null(e);
        same_eval(&a->evals[i], e);
    }
    assert_int_equal(a->n_data, b->n_data);
    for (int i = 0; i < a->n_data; i++) {
        int k = 0;
        while (k < b->n_data && strcmp(a->data[i].name, b->data[k].name) != 0)
            k++;
        assert_true(k < b->n_data && a->data[i].n == b->data[k].n);
        assert_string_equal(a->data[i].root_hash, b->data[k].root_hash);
        assert_string_equal(a->data[i].split_sha256, b->data[k].split_sha256);
    }
}

/* ---- what is written comes back ---- */

static void test_round_trip(void **state) {
    struct place *here = *state;
    char *dir = folder(here, "round"), *path = in_folder(here, dir, "run.h5");
    struct run r, back, again;
    add_journal(dir, STEPS);
    make_run(&r);
    write_run(&r, dir);
    assert_int_equal(r.n_steps, STEPS);
    read_run(&back, path);
    same_run(&r, &back);
    /* What was read can be written; without a journal its steps stay. */
    char *other = folder(here, "round-again");
    write_run(&back, other);
    read_run(&again, in_folder(here, other, "run.h5"));
    same_run(&r, &again);
    assert_false(file_exists(in_folder(here, dir, "run.h5.tmp")));
    run_free(&r);
    run_free(&back);
    run_free(&again);
    run_free(&again); /* of an empty run: nothing */
}

static void test_bare_run(void **state) {
    struct place *here = *state;
    char *dir = folder(here, "bare");
    struct run r = {0}, back; /* no environment, no texts, nothing */
    write_run(&r, dir);
    read_run(&back, in_folder(here, dir, "run.h5"));
    same_run(&r, &back);
    assert_null(back.config);
    run_free(&back);
    run_init(&r);
    assert_true(r.env_cores > 0 && r.env_cpu && r.env_libs && r.env_blas && r.code_commit);
    assert_string_equal(r.status, "running");
    run_free(&r);
}

/* An evaluation is copied whole, and replaced by a later one of the same name. */
static void test_add_eval(void **state) {
    (void)state;
    struct arena a = {0};
    struct run r;
    run_init(&r);
    struct eval e = make_eval("linear", "shapes", &a), f = make_eval("linear", "shapes", &a);
    run_add_eval(&r, &e);
    e.top1[0] = 0.125; /* the caller's own */
    assert_true(run_find_eval(&r, "linear", "shapes")->top1[0] == 0.5);
    run_add_eval(&r, &e);
    assert_int_equal(r.n_evals, 1);
    assert_true(run_find_eval(&r, "linear", "shapes")->top1[0] == 0.125);
    snprintf(f.dataset, sizeof f.dataset, "other");
    run_add_eval(&r, &f);
    assert_int_equal(r.n_evals, 2);
    assert_null(run_find_eval(&r, "knn", "shapes"));
    arena_free(&a);
    same_eval(run_find_eval(&r, "linear", "other"), &r.evals[1]);
    run_free(&r);
}

static void test_shown_value(void **state) {
    (void)state;
    struct run r;
    make_run(&r);
    const struct eval *linear = run_find_eval(&r, "linear", "shapes");
    const struct eval *retrieval = run_find_eval(&r, "retrieval", "shapes");
    const struct eval *diverged = run_find_eval(&r, "knn", "shapes");
    assert_string_equal(eval_shown(linear), "top1");
    assert_true(eval_value(linear, 1) == 0.5625);
    assert_string_equal(eval_shown(retrieval), "mean_r1");
    assert_true(isnan(eval_value(retrieval, 0)));  /* seed 4 */
    assert_true(eval_value(retrieval, 1) == 0.25); /* seed 3 */
    assert_string_equal(eval_shown(diverged), "");
    assert_true(isnan(eval_value(diverged, 0)));
    run_free(&r);
}

/* Text far beyond an attribute's 64 KiB; arrays that are cut into chunks; many evaluations. */
static void test_large(void **state) {
    struct place *here = *state;
    char *dir = folder(here, "large");
    struct run r, back;
    enum { BYTES = 3 << 20, MANY = 20, BIG_CLASSES = 300, BIG_SAMPLES = 70000 };
    make_run(&r);
    char *text = arena_alloc(&r.arena, BYTES + 1);
    for (int i = 0; i < BYTES; i++)
        text[i] = (char)('!' + i % 90);
    r.log = text;
    r.config = arena_printf(&r.arena, "%.*s", 100000, text);
    r.env_cflags = r.config;
    for (int i = 0; i < MANY; i++) {
        const struct eval e =
            make_eval("linear", arena_printf(&r.arena, "set %d", i * 7 % MANY), &r.arena);
        run_add_eval(&r, &e);
    }
    struct eval big = make_eval("big", "set", &r.arena);
    const char **names = ARENA_ARRAY(&r.arena, const char *, BIG_CLASSES);
    for (int i = 0; i < BIG_CLASSES; i++)
        names[i] = arena_printf(&r.arena, "%*d", 1 + i * 13 % 400, i);
    big.class_name = names;
    big.n_classes = BIG_CLASSES;
    big.n_samples = BIG_SAMPLES;
    big.n_grid = 5000;
    big.confusion = ARENA_ARRAY(&r.arena, int32_t, SEEDS * BIG_CLASSES * BIG_CLASSES);
    big.pred = ARENA_ARRAY(&r.arena, int16_t, SEEDS * BIG_SAMPLES);
    big.label = ARENA_ARRAY(&r.arena, int16_t, BIG_SAMPLES);
    big.top1_per_class = NULL; /* an array that is not there */
    big.grid = ARENA_ARRAY(&r.arena, struct grid_row, big.n_grid);
    for (int i = 0; i < SEEDS * BIG_SAMPLES; i++)
        big.pred[i] = (int16_t)(i * 7919LL % BIG_CLASSES);
    for (int i = 0; i < big.n_grid; i++)
        big.grid[i].lr = i;
    run_add_eval(&r, &big);
    add_journal(dir, 6000);
    write_run(&r, dir);
    read_run(&back, in_folder(here, dir, "run.h5"));
    same_run(&r, &back);
    assert_int_equal(back.n_steps, 6000);
    for (int i = 1; i < back.n_evals; i++) /* sorted */
        assert_true(strcmp(back.evals[i - 1].protocol, back.evals[i].protocol) < 0 ||
                    strcmp(back.evals[i - 1].dataset, back.evals[i].dataset) < 0);
    run_free(&r);
    run_free(&back);
}

/* Written at every checkpoint with a growing journal: the room for the steps does not add up. */
static void test_rewriting(void **state) {
    struct place *here = *state;
    char *dir = folder(here, "rewriting");
    struct run r, back;
    make_run(&r);
    add_journal(dir, 1000);
    write_run(&r, dir);
    size_t before = r.arena.total;
    for (int i = 0; i < 20; i++)
        write_run(&r, dir);
    assert_int_equal(r.arena.total, before);
    add_journal(dir, 1001); /* repeats all */
    write_run(&r, dir);
    read_run(&back, in_folder(here, dir, "run.h5"));
    assert_int_equal(back.n_steps, 1001);
    run_free(&back);
    run_free(&r);
}

/* Steps that a new, emptied or cut journal does not have stay; those that it has are its own. */
static void test_journal_begins_late(void **state) {
    struct place *here = *state;
    char *dir = folder(here, "late"), *path = in_folder(here, dir, "journal.jsonl");
    struct run r, back;
    struct error err;
    make_run(&r);
    add_journal(dir, 40);
    write_run(&r, dir);
    assert_int_equal(file_write_atomic(path, "", 0, &err), 0);
    write_run(&r, dir);
    assert_int_equal(r.n_steps, 40);
    static const char late[] = "{\"type\":\"step\",\"step\":31,\"loss\":7}\n"
                               "{\"type\":\"step\",\"step\":32,\"loss\":6}\n";
    assert_int_equal(file_write_atomic(path, late, sizeof late - 1, &err), 0);
    write_run(&r, dir);
    read_run(&back, in_folder(here, dir, "run.h5"));
    assert_int_equal(back.n_steps, 40);
    assert_true(back.steps[29].step == 30 && back.steps[29].loss == 1.0 / 30);
    assert_true(back.steps[30].step == 31 && back.steps[30].loss == 7);
    assert_true(back.steps[32].step == 33 && back.steps[32].loss == 1.0 / 33);
    assert_true(back.steps[39].step == 40);
    run_free(&back);
    run_free(&r);
}

static void test_broken_journal(void **state) {
    struct place *here = *state;
    char *dir = folder(here, "broken-journal"), *path = in_folder(here, dir, "journal.jsonl");
    struct error err;
    struct run r;
    make_run(&r);
    write_run(&r, dir);
    assert_int_equal(file_write_atomic(path, "oh\n", 3, &err), 0);
    assert_int_equal(run_write(&r, dir, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, path));
    run_free(&r);
}

/* ---- what fails leaves the old file ---- */

static void test_full_disk(void **state) {
    struct place *here = *state;
    char *path = sample(here, "full"), *dir = in_folder(here, here->folder, "full"), *old, *now;
    size_t old_bytes, now_bytes;
    struct error err;
    assert_int_equal(file_read(path, &here->arena, &old, &old_bytes, &err), 0);
    for (rlim_t most = 0; most < old_bytes; most += old_bytes / 5) {
        fflush(NULL);
        pid_t child = fork();
        if (!child) {
            struct run r;
            signal(SIGXFSZ, SIG_IGN);
            make_run(&r);
            const struct rlimit limit = {most, most};
            if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
                _exit(100);
            int failed = run_write(&r, dir, &err);
            int open = (int)H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL);
            run_free(&r);
            _exit(open || !strstr(err.message, path) ? 101 : failed);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), STATUS_MACHINE);
        assert_int_equal(file_read(path, &here->arena, &now, &now_bytes, &err), 0);
        assert_int_equal(now_bytes, old_bytes);
        assert_memory_equal(now, old, old_bytes);
        assert_false(file_exists(in_folder(here, dir, "run.h5.tmp")));
    }
}

static void test_no_folder(void **state) {
    struct place *here = *state;
    struct run r;
    struct error err;
    make_run(&r);
    char *dir = in_folder(here, here->folder, "missing");
    assert_int_equal(run_write(&r, dir, &err), STATUS_MACHINE);
    assert_non_null(strstr(err.message, dir));
    assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    run_free(&r);
}

/* ---- finding runs ---- */

static void test_scan(void **state) {
    struct place *here = *state;
    sample(here, "scan/b");
    sample(here, "scan/a/deep/er");
    char *link = in_folder(here, here->folder, "scan/a/link"), *broken = sample(here, "scan/c");
    put(broken, "x", 1);
    put(in_folder(here, here->folder, "scan/a/run.h5.tmp"), "x", 1);
    assert_int_equal(symlink("..", link), 0); /* a circle */
    const char *const folders[] = {in_folder(here, here->folder, "scan"),
                                   in_folder(here, here->folder, "scan/b/"),
                                   in_folder(here, here->folder, "scan/b/run.h5")};
    struct arena a = {0};
    struct run **runs;
    struct error err;
    int n, n_bad, error_fd = dup(STDERR_FILENO), null_fd = open("/dev/null", O_WRONLY);
    log_setup(LOG_ERROR);
    dup2(null_fd, STDERR_FILENO);
    int status = runs_scan(folders, 3, &a, &runs, &n, &n_bad, &err);
    dup2(error_fd, STDERR_FILENO);
    close(error_fd);
    close(null_fd);
    assert_int_equal(status, 0);
    assert_int_equal(n, 2);
    assert_int_equal(n_bad, 1);
    for (int i = 0; i < n; i++) {
        assert_string_equal(runs[i]->method, "mae");
        run_free(runs[i]);
    }
    const char *const missing = in_folder(here, here->folder, "nowhere"), *const empty =
                                                                              folder(here, "0");
    assert_int_equal(runs_scan(&missing, 1, &a, &runs, &n, &n_bad, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, missing));
    assert_int_equal(runs_scan(&empty, 1, &a, &runs, &n, &n_bad, &err), 0);
    assert_int_equal(n + n_bad, 0);
    arena_free(&a);
}

/* For t530: the numbers that tests/t530_open.py expects. */
static int write_sample(const char *dir) {
    struct run r;
    struct error err;
    make_run(&r);
    add_journal(dir, STEPS);
    int status = run_write(&r, dir, &err);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    run_free(&r);
    return status;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return write_sample(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bare_run),
        cmocka_unit_test(test_add_eval),
        cmocka_unit_test(test_shown_value),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_rewriting),
        cmocka_unit_test(test_journal_begins_late),
        cmocka_unit_test(test_broken_journal),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_scan),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
