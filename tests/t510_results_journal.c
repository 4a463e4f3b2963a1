/* The journal: whole lines whatever kills the writer, and what they say. */
#include "core/arena.h"
#include "core/file.h"
#include "results/journal.h"

#include "tests/place.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void put(const char *path, const char *text) {
    struct error err = {0};
    assert_int_equal(file_write_atomic(path, text, strlen(text), &err), 0);
}

static char *get(struct place *here, const char *path) {
    char *text;
    size_t bytes;
    struct error err = {0};
    assert_int_equal(file_read(path, &here->arena, &text, &bytes, &err), 0);
    return text;
}

static void open_journal(struct journal *j, const char *path) {
    struct error err = {0};
    if (journal_open(j, path, &err))
        fail_msg("%s", err.message);
}

static long read_steps(struct place *here, const char *path, struct step_row **rows) {
    struct error err = {0};
    long n;
    if (journal_read(path, &here->arena, rows, &n, &err))
        fail_msg("%s", err.message);
    return n;
}

/* Every field differs, many with no short decimal. */
static struct step_row row_of(long step) {
    double x = (double)step;
    return (struct step_row){.step = step,
                             .epoch = x / 3,
                             .loss = 1 / (x + 0.1),
                             .lr = 1e-4 / (x + 7),
                             .grad_norm = sqrt(x),
                             .img_per_s = 1234.5,
                             .wall_s = x * 1e-9,
                             .feature_std = -x * 1e300,
                             .effective_rank = 0.1 * x,
                             .entropy = x / 7,
                             .part = {x / 11, -x, 0, 1},
                             .norm = {1 / (x + 3), 2, 3, x}};
}

static void expect_row(const struct step_row *got, long step) {
    const struct step_row want = row_of(step);
    assert_memory_equal(got, &want, sizeof want);
}

static void add_steps(struct journal *j, long first, long last) {
    struct error err = {0};
    for (long i = first; i <= last; i++) {
        const struct step_row row = row_of(i);
        assert_int_equal(journal_step(j, &row, &err), 0);
    }
}

static void test_round_trip(void **state) {
    struct place *here = *state;
    char *path = in(here, "round");
    struct journal j;
    struct error err = {0};
    struct step_row *rows, odd = row_of(101);
    odd.loss = NAN;
    odd.lr = INFINITY;
    odd.grad_norm = -INFINITY;
    odd.wall_s = 5e-324;
    open_journal(&j, path);
    add_steps(&j, 1, 100);
    assert_int_equal(journal_step(&j, &odd, &err), 0);
    assert_int_equal(journal_sync(&j, &err), 0);
    assert_int_equal(read_steps(here, path, &rows), 101); /* while it is open */
    for (int i = 0; i < 100; i++)
        expect_row(&rows[i], i + 1);
    assert_true(isnan(rows[100].loss) && isnan(rows[100].lr) && isnan(rows[100].grad_norm));
    assert_true(rows[100].wall_s == 5e-324);
    journal_close(&j);
    assert_int_equal(j.fd, -1);
    journal_close(&j);
}

static void test_text_of_a_step(void **state) {
    struct place *here = *state;
    char *path = in(here, "text");
    struct journal j;
    struct error err = {0};
    const struct step_row row = {.step = 3,
                                 .epoch = 0.1,
                                 .loss = NAN,
                                 .lr = 1e-4,
                                 .grad_norm = 2,
                                 .img_per_s = 1e6,
                                 .wall_s = 1.0 / 3,
                                 .feature_std = INFINITY,
                                 .effective_rank = 1e22,
                                 .wait_s = 0,
                                 .entropy = NAN, /* what is not known is left out */
                                 .part = {NAN, 0.5, NAN, NAN},
                                 .norm = {NAN, NAN, NAN, NAN}};
    open_journal(&j, path);
    assert_int_equal(journal_step(&j, &row, &err), 0);
    assert_string_equal(
        get(here, path),
        "{\"type\":\"step\",\"step\":3,\"epoch\":0.1,\"loss\":null,\"lr\":0.0001,"
        "\"grad_norm\":2,\"img_per_s\":1000000,\"wall_s\":0.3333333333333333,"
        "\"feature_std\":null,\"effective_rank\":1e+22,\"wait_s\":0,\"loss_2\":0.5}\n");
    journal_close(&j);
}

static const char *member(json_t *event, const char *name) {
    const char *text = json_string_value(json_object_get(event, name));
    return text ? text : "";
}

static void test_events(void **state) {
    struct place *here = *state;
    char *path = in(here, "events"), *line, *rest = NULL;
    static const char *const details[] = {NULL, "{\"step\": 12, \"what\": \"mine\"}",
                                          "{\"loss\": nan}", "not JSON\n\"at all\"", "[1]"};
    enum { N = sizeof details / sizeof *details };
    struct journal j;
    struct error err = {0};
    struct step_row *rows;
    json_t *event[N];
    open_journal(&j, path);
    for (int i = 0; i < N; i++)
        assert_int_equal(journal_event(&j, "check\"point", details[i], &err), 0);
    journal_close(&j);
    assert_int_equal(read_steps(here, path, &rows), 0);
    char *text = get(here, path);
    for (int i = 0; i < N; i++) {
        line = strtok_r(i ? NULL : text, "\n", &rest);
        assert_non_null(line);
        event[i] = json_loads(line, 0, NULL);
        assert_string_equal(member(event[i], "type"), "event");
        assert_string_equal(member(event[i], "what"), "check\"point");
        assert_int_equal(strlen(member(event[i], "utc")), strlen("2026-01-01T00:00:00Z"));
    }
    assert_null(strtok_r(NULL, "\n", &rest));
    assert_int_equal(json_integer_value(json_object_get(event[1], "step")), 12);
    for (int i = 2; i < N; i++)
        assert_string_equal(member(event[i], "detail"), details[i]);
    for (int i = 0; i < N; i++)
        json_decref(event[i]);
}

/* Cut at every byte of its last line, the journal opens, holds the lines before and goes on. */
static void test_torn_line(void **state) {
    struct place *here = *state;
    char *path = in(here, "torn");
    struct journal j;
    struct step_row *rows;
    open_journal(&j, path);
    add_steps(&j, 1, 3);
    journal_close(&j);
    char *whole = get(here, path), *before = arena_strdup(&here->arena, whole);
    before[strlen(before) - 1] = '\0';
    strrchr(before, '\n')[1] = '\0';
    for (size_t n = strlen(before); n < strlen(whole); n++) {
        put(path, arena_printf(&here->arena, "%.*s", (int)n, whole));
        assert_int_equal(read_steps(here, path, &rows), 2); /* a reader does not mind */
        open_journal(&j, path);
        assert_string_equal(get(here, path), before);
        add_steps(&j, 3, 3);
        journal_close(&j);
        assert_string_equal(get(here, path), whole);
    }
}

/* No newline at all, in a file longer than what is looked at in one go. */
static void test_torn_first_line(void **state) {
    struct place *here = *state;
    char *path = in(here, "first"), *junk = arena_alloc(&here->arena, 100001);
    struct journal j;
    memset(junk, 'x', 100000);
    put(path, junk);
    open_journal(&j, path);
    assert_string_equal(get(here, path), "");
    journal_close(&j);
    put(path, arena_printf(&here->arena, "{}\n%s", junk));
    open_journal(&j, path);
    assert_string_equal(get(here, path), "{}\n");
    journal_close(&j);
}

static void test_rewind(void **state) {
    struct place *here = *state;
    char *path = in(here, "rewind");
    struct journal j;
    struct error err = {0};
    struct step_row *rows;
    open_journal(&j, path);
    assert_int_equal(journal_event(&j, "start", NULL, &err), 0);
    add_steps(&j, 1, 9);
    assert_int_equal(journal_event(&j, "checkpoint", "{\"step\":9}", &err), 0);
    char *before = get(here, path);
    assert_int_equal(journal_rewind(&j, 9, &err), 0);
    assert_string_equal(get(here, path), before);
    assert_int_equal(journal_rewind(&j, 4, &err), 0);
    assert_int_equal(read_steps(here, path, &rows), 4);
    assert_non_null(strstr(get(here, path), "checkpoint"));
    add_steps(&j, 5, 6); /* into the new file */
    assert_int_equal(journal_sync(&j, &err), 0);
    assert_int_equal(read_steps(here, path, &rows), 6);
    for (int i = 0; i < 6; i++)
        expect_row(&rows[i], i + 1);
    assert_int_equal(journal_rewind(&j, 0, &err), 0);
    assert_int_equal(read_steps(here, path, &rows), 0);
    journal_close(&j);
    assert_false(file_exists(in(here, "rewind.tmp")));
}

static void test_reading(void **state) {
    struct place *here = *state;
    char *path = in(here, "reading");
    struct step_row *rows;
    struct error err = {0};
    long n;
    assert_int_equal(read_steps(here, in(here, "missing"), &rows), 0);
    put(path, "");
    assert_int_equal(read_steps(here, path, &rows), 0);
    put(path, "{\"type\":\"step\",\"step\":1,\"loss\":2}\n"     /* other columns are unknown */
              "{\"type\":\"step\",\"step\":2,\"loss\":\"x\"}\n" /* replaced by the next */
              "{\"type\":\"step\",\"step\":2,\"loss\":3,\"new\":[1]}\n"
              "{\"type\":\"other\",\"step\":7}\n{\"step\":8}\n[]\n{\"type\":3}\n"
              "{\"type\":\"step\",\"step\":\"9\"}\n"
              "{\"type\":\"step\",\"step\":10,\"lo");
    assert_int_equal(read_steps(here, path, &rows), 2);
    assert_true(rows[0].step == 1 && rows[0].loss == 2 && isnan(rows[0].lr));
    assert_true(rows[1].step == 2 && rows[1].loss == 3);
    put(path, "{}\n{\"type\":\"step\",}\n{}\n");
    assert_int_equal(journal_read(path, &here->arena, &rows, &n, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, "line 2"));
    assert_null(strchr(err.message, '\n'));
}

static void test_wrong_paths(void **state) {
    struct place *here = *state;
    struct journal j;
    struct error err = {0};
    char *missing = in(here, "missing/journal"), *name = arena_alloc(&here->arena, 5001);
    memset(name, 'n', 5000);
    assert_int_equal(journal_open(&j, missing, &err), STATUS_MACHINE);
    assert_non_null(strstr(err.message, missing));
    assert_int_equal(journal_open(&j, here->folder, &err), STATUS_MACHINE);
    assert_int_equal(journal_open(&j, "/dev/null", &err), STATUS_USAGE);
    assert_int_equal(journal_open(&j, in(here, name), &err), STATUS_USAGE);
    assert_int_equal(j.fd, -1);
    journal_close(&j);
}

/* A disk that fills up in the middle of a line: status 3, and no part of the line stays. */
static void test_full_disk(void **state) {
    struct place *here = *state;
    char *path = in(here, "full");
    struct step_row *rows;
    pid_t child = fork();
    if (!child) {
        struct journal j;
        struct error err = {0};
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = {3000, 3000};
        int status = setrlimit(RLIMIT_FSIZE, &limit) < 0 || journal_open(&j, path, &err) ? 100 : 0;
        for (long i = 1; i < 100 && !status; i++) {
            const struct step_row row = row_of(i);
            status = journal_step(&j, &row, &err);
        }
        _exit(strstr(err.message, path) ? status : 101);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), STATUS_MACHINE);
    char *text = get(here, path);
    assert_true(strlen(text) > 2500 && text[strlen(text) - 1] == '\n');
    long n = read_steps(here, path, &rows);
    for (long i = 0; i < n; i++)
        expect_row(&rows[i], i + 1);
}

/* ---- kill -9 ---- */

/* Writes steps from where the journal ends, with events and rewinds in between, until it is killed.
 */
static void write_for_ever(const char *path) {
    struct journal j;
    struct error err;
    struct arena a = {0};
    struct step_row *rows;
    long n;
    if (journal_open(&j, path, &err) || journal_read(path, &a, &rows, &n, &err))
        _exit(100);
    for (long step = n + 1;; step++) {
        const struct step_row row = row_of(step);
        if (journal_step(&j, &row, &err))
            _exit(101);
        if (step % 50 == 0 && journal_event(&j, "checkpoint", "{\"a\":1}", &err))
            _exit(102);
        if (step % 120 == 0) {
            step -= 20;
            if (journal_rewind(&j, step, &err))
                _exit(103);
        }
        if (step > 2000 && (step = 0, journal_rewind(&j, 0, &err)))
            _exit(104);
    }
}

/* Whole lines with the steps 1, 2, 3... */
static long check_steps(struct place *here, const char *path) {
    struct step_row *rows;
    long n = read_steps(here, path, &rows);
    for (long i = 0; i < n; i++)
        expect_row(&rows[i], i + 1);
    return n;
}

static void test_kill(void **state) {
    struct place *here = *state;
    char *path = in(here, "killed");
    int kills = getenv("SSV_LONG") ? 500 : 60, reads = 0;
    long steps = 0;
    for (int i = 0; i < kills; i++) {
        pid_t child = fork();
        if (!child)
            write_for_ever(path);
        /* Between a tenth of a millisecond and twenty; another process reads meanwhile. */
        const struct timespec pause = {0, 100000 + (long)i * 7919 % 97 * 200000};
        nanosleep(&pause, NULL);
        check_steps(here, path);
        reads++;
        int status;
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct journal j;
        open_journal(&j, path);
        journal_close(&j);
        steps += check_steps(here, path);
    }
    assert_int_equal(reads, kills);
    assert_true(steps > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_text_of_a_step),
        cmocka_unit_test(test_events),          cmocka_unit_test(test_torn_line),
        cmocka_unit_test(test_torn_first_line), cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_reading),         cmocka_unit_test(test_wrong_paths),
        cmocka_unit_test(test_full_disk),       cmocka_unit_test(test_kill),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
