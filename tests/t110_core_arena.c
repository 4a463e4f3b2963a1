/* Memory, errors, and what is said on stderr. */
#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int is_zero(const void *data, size_t bytes) {
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++)
        if (p[i])
            return 0;
    return 1;
}

/* Every piece is zeroed and aligned, and no later piece touches an earlier one. */
static void test_arena_pieces(void **state) {
    (void)state;
    struct arena a = {0};
    enum { PIECES = 400 };
    unsigned char *piece[PIECES];
    size_t bytes[PIECES];
    for (int i = 0; i < PIECES; i++) {
        bytes[i] = i % 50 == 49 ? 100000 : (size_t)i * 7 % 900;
        piece[i] = arena_alloc(&a, bytes[i]);
        assert_non_null(piece[i]);
        assert_int_equal((uintptr_t)piece[i] % 16, 0);
        assert_true(is_zero(piece[i], bytes[i]));
        memset(piece[i], i % 255 + 1, bytes[i]);
    }
    for (int i = 0; i < PIECES; i++)
        for (size_t b = 0; b < bytes[i]; b++)
            assert_int_equal(piece[i][b], i % 255 + 1);
    assert_true(a.total >= 8 * 100000);
    arena_free(&a);
    assert_null(a.head);
    assert_int_equal(a.total, 0);
    arena_free(&a); /* an empty one */
}

/* Memory changes hands and stays where it is; both arenas go on. */
static void test_arena_adopts(void **state) {
    (void)state;
    static const int pieces[][2] = {{0, 0}, {0, 3}, {3, 0}, {1, 1}, {5, 200}, {200, 5}};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct arena a = {0}, from = {0};
        unsigned char *given[200];
        for (int k = 0; k < pieces[i][0]; k++)
            memset(arena_alloc(&a, 1000), 1, 1000);
        for (int k = 0; k < pieces[i][1]; k++)
            memset(given[k] = arena_alloc(&from, 1000), k, 1000);
        size_t total = a.total + from.total;
        arena_adopt(&a, &from);
        assert_true(a.total == total && !from.head && !from.total);
        memset(arena_alloc(&a, 100), 0xff, 100);
        memset(arena_alloc(&from, 100), 0xff, 100);
        arena_free(&from);
        for (int k = 0; k < pieces[i][1]; k++)
            for (int b = 0; b < 1000; b++)
                assert_int_equal(given[k][b], k);
        arena_free(&a);
    }
}

static void test_arena_reused(void **state) {
    (void)state;
    struct arena a = {0};
    for (int round = 0; round < 3; round++) {
        void *p = arena_alloc(&a, 5000);
        assert_true(is_zero(p, 5000));
        memset(p, 0xff, 5000);
        arena_free(&a);
    }
}

static void test_arena_text(void **state) {
    (void)state;
    struct arena a = {0};
    char original[] = "views";
    char *copy = arena_strdup(&a, original);
    original[0] = 'V';
    assert_string_equal(copy, "views");
    assert_string_equal(arena_strdup(&a, ""), "");
    char *text = arena_printf(&a, "%0*d|%s", 3000, 7, copy);
    assert_int_equal(strlen(text), 3000 + 1 + 5);
    assert_string_equal(text + 2999, "7|views");
    double *numbers = ARENA_ARRAY(&a, double, 10);
    assert_true(numbers[9] == 0);
    arena_free(&a);
}

static void test_slab(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 4096, 4097, (2 << 20) - 1, 2 << 20, (5 << 20) + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct slab s;
        struct error err = {0};
        assert_int_equal(slab_alloc(&s, sizes[i], "test", &err), 0);
        assert_non_null(s.data);
        assert_int_equal(s.bytes, sizes[i]);
        assert_int_equal((uintptr_t)s.data % (sizes[i] >= 2 << 20 ? 2 << 20 : 64), 0);
        assert_true(is_zero(s.data, sizes[i]));
        memset(s.data, 1, sizes[i]);
        slab_free(&s);
        assert_null(s.data);
        slab_free(&s); /* a zeroed one */
    }
}

static void test_slab_too_large(void **state) {
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - (4 << 20), (size_t)1 << 60};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct slab s = {.data = &s};
        struct error err = {0};
        assert_int_equal(slab_alloc(&s, sizes[i], "the weights", &err), STATUS_MACHINE);
        assert_int_equal(err.status, STATUS_MACHINE);
        assert_non_null(strstr(err.message, "the weights"));
        slab_free(&s); /* nothing, and no crash */
    }
}

static int failing(struct error *err) {
    return error_set(err, STATUS_USAGE, "line %d", 3);
}

static int trying(struct error *err, int *cleaned) {
    int status;
    TRY(0);
    TRY(failing(err));
    status = 99;
out:
    *cleaned = 1;
    return status;
}

static void test_errors(void **state) {
    (void)state;
    struct error err = {0};
    int cleaned = 0;
    assert_int_equal(trying(&err, &cleaned), STATUS_USAGE);
    assert_int_equal(cleaned, 1);
    assert_int_equal(error_prefix(&err, "%s", "a.ini"), STATUS_USAGE);
    assert_string_equal(err.message, "a.ini: line 3");
    assert_int_equal(error_prefix(&err, "run %d", 7), STATUS_USAGE);
    assert_string_equal(err.message, "run 7: a.ini: line 3");

    error_set(&err, STATUS_USAGE, "caf\xc3\xa9\n%s", "\x1b[2J\x7f");
    assert_string_equal(err.message, "caf\xc3\xa9??[2J?");
    error_prefix(&err, "a\tb");
    assert_string_equal(err.message, "a?b: caf\xc3\xa9??[2J?");

    char longer[3000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(error_prefix(&err, "%s", longer), STATUS_USAGE);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(error_set(&err, STATUS_MACHINE, "%s", longer), STATUS_MACHINE);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    error_prefix(&err, "p");
    assert_memory_equal(err.message, "p: xxx", 6);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

/* Runs `act` in a child whose stderr is `fd` (closed here afterwards); its wait status. */
static int run_child(void (*act)(void), int fd) {
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        signal(SIGABRT, SIG_DFL); /* cmocka catches it */
        dup2(fd, STDERR_FILENO);
        act();
        _exit(0);
    }
    close(fd);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* What `act` writes to a stderr that is no terminal. */
static int said(void (*act)(void), char *out, size_t room) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int status = run_child(act, ends[1]);
    size_t used = 0;
    ssize_t n;
    while ((n = read(ends[0], out + used, room - 1 - used)) > 0)
        used += (size_t)n;
    out[used] = '\0';
    close(ends[0]);
    return status;
}

static void break_check(void) {
    int shapes = 3;
    CHECK(shapes == 3, "fine");
    CHECK(shapes == 4, "%d is not %d", shapes, 4);
}

static void test_check_aborts(void **state) {
    (void)state;
    char text[1000];
    int status = said(break_check, text, sizeof text);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "t110_core_arena.c:"));
    assert_non_null(strstr(text, "shapes == 4: 3 is not 4\n"));
}

static void say_all(void) {
    log_message(LOG_ERROR, "e%d", 1);
    log_message(LOG_WARN, "w");
    log_message(LOG_INFO, "i");
    log_message(LOG_DEBUG, "d");
    log_setup(LOG_ERROR);
    log_message(LOG_ERROR, "e2");
    log_message(LOG_WARN, "w2");
    log_setup(LOG_DEBUG);
    log_message(LOG_DEBUG, "d2");
}

static void test_log_levels(void **state) {
    (void)state;
    char text[1000];
    assert_int_equal(said(say_all, text, sizeof text), 0);
    assert_string_equal(text, "ssvbench: e1\nssvbench: warning: w\ni\nssvbench: e2\ndebug: d2\n");
}

static void walk(void) {
    struct progress p;
    progress_begin(&p, "walk", 50);
    for (int i = 1; i <= 50; i++)
        progress_update(&p, i, "loss 1");
    progress_end(&p);
}

static void test_progress_in_a_file(void **state) {
    (void)state;
    char text[1000];
    assert_int_equal(said(walk, text, sizeof text), 0);
    assert_memory_equal(text, "walk: 50 in ", 12);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line, complete */
    assert_null(strpbrk(text, "\r\033"));
}

/* A clock set back makes the 30 s pass at once. */
static void walk_slowly(void) {
    struct progress p;
    progress_begin(&p, "walk", 200);
    progress_update(&p, 100, "");
    p.shown -= 31;
    p.first_at -= 10;
    progress_update(&p, 150, "loss 1");
    progress_update(&p, 151, "loss 2");
}

static void test_progress_line(void **state) {
    (void)state;
    char text[1000];
    assert_int_equal(said(walk_slowly, text, sizeof text), 0);
    /* 50 steps in 10 s since the first update: what a resumed run did before does not count. */
    assert_string_equal(text, "walk: 150/200 75%  5/s  ETA 0:10  loss 1\n");
}

static void walk_quietly(void) {
    log_setup(LOG_WARN);
    walk_slowly();
    walk();
}

static void test_progress_quiet(void **state) {
    (void)state;
    char text[1000];
    assert_int_equal(said(walk_quietly, text, sizeof text), 0);
    assert_string_equal(text, "");
}

static void walk_on_terminal(void) {
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    struct progress p;
    progress_begin(&p, "walk", 30);
    for (int i = 1; i <= 30; i++) {
        progress_update(&p, i, "a detail that is far too long for this terminal");
        usleep(10000);
        if (i == 15)
            log_message(LOG_WARN, "half");
    }
    progress_end(&p);
}

static void test_progress_on_a_terminal(void **state) {
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master))
        skip();
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    enum { WIDTH = 40 };
    assert_int_equal(ioctl(terminal, TIOCSWINSZ, &(struct winsize){.ws_col = WIDTH}), 0);
    int kept = dup(terminal); /* what was written is lost when nobody has the terminal open */
    double before = clock_seconds();
    assert_int_equal(run_child(walk_on_terminal, terminal), 0);
    double seconds = clock_seconds() - before;
    char text[4096];
    size_t used = 0;
    assert_int_equal(fcntl(master, F_SETFL, O_NONBLOCK), 0);
    ssize_t n;
    while ((n = read(master, text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(kept);
    close(master);

    int redraws = 0;
    for (char *c = text; (c = strstr(c, "\rwalk ")); redraws++) {
        char *end = strstr(++c, "\033[K");
        assert_non_null(end);
        assert_true(end - c < WIDTH);
        assert_non_null(memchr(c, '[', (size_t)(end - c)));
    }
    assert_true(redraws >= 2 && redraws <= 2 + seconds * 10);
    assert_non_null(strstr(text, "\r\033[K\033[33mssvbench: warning: \033[0mhalf\r\n"));
    char *last = strstr(text, "walk: 30 in ");
    assert_non_null(last);
    assert_memory_equal(last - 4, "\r\033[K", 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_pieces),
        cmocka_unit_test(test_arena_adopts),
        cmocka_unit_test(test_arena_reused),
        cmocka_unit_test(test_arena_text),
        cmocka_unit_test(test_slab),
        cmocka_unit_test(test_slab_too_large),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_check_aborts),
        cmocka_unit_test(test_log_levels),
        cmocka_unit_test(test_progress_in_a_file),
        cmocka_unit_test(test_progress_line),
        cmocka_unit_test(test_progress_quiet),
        cmocka_unit_test(test_progress_on_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
