/* Whole files: a failure at any step leaves the old file, and says which file and why. */
#include "core/file.h"
#include "core/sha256.h"

#include "tests/place.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_file(struct place *here, const char *path, const char *content) {
    char *data;
    size_t bytes;
    struct error err = {0};
    assert_int_equal(file_read(path, &here->arena, &data, &bytes, &err), 0);
    assert_int_equal(bytes, strlen(content));
    assert_string_equal(data, content);
}

static void put(const char *path, const char *content) {
    struct error err = {0};
    assert_int_equal(file_write_atomic(path, content, strlen(content), &err), 0);
}

static void expect_failure(int status, const struct error *err, const char *path) {
    assert_int_equal(status, STATUS_MACHINE);
    assert_int_equal(err->status, STATUS_MACHINE);
    assert_non_null(strstr(err->message, path));
    assert_null(strchr(err->message, '\n'));
}

static void test_write_and_read(void **state) {
    struct place *here = *state;
    char *path = in(here, "a");
    assert_false(file_exists(path));
    put(path, "first");
    assert_true(file_exists(path));
    expect_file(here, path, "first");
    put(path, "second");
    expect_file(here, path, "second");
    put(path, "");
    expect_file(here, path, "");
    assert_false(file_exists(in(here, "a.tmp")));
}

static void test_binary_and_large(void **state) {
    struct place *here = *state;
    char *path = in(here, "large"), *data;
    size_t bytes, n = 300001;
    unsigned char *content = arena_alloc(&here->arena, n);
    for (size_t i = 0; i < n; i++)
        content[i] = (unsigned char)(i * i / 7);
    struct error err = {0};
    assert_int_equal(file_write_atomic(path, content, n, &err), 0);
    assert_int_equal(file_read(path, &here->arena, &data, &bytes, &err), 0);
    assert_int_equal(bytes, n);
    assert_memory_equal(data, content, n);
    assert_int_equal(data[n], 0);
}

/* A bare name: its folder is the present one. */
static void test_relative_path(void **state) {
    struct place *here = *state;
    int back = open(".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(chdir(here->folder), 0);
    put("relative", "x");
    expect_file(here, "relative", "x");
    assert_int_equal(fchdir(back), 0);
    close(back);
}

/* A pipe has no size, and this one is longer than the first read. */
static void test_read_pipe(void **state) {
    struct place *here = *state;
    char *path = in(here, "pipe"), *data;
    enum { BYTES = 100000 };
    assert_int_equal(mkfifo(path, 0600), 0);
    pid_t child = fork();
    if (!child) {
        int fd = open(path, O_WRONLY);
        for (int i = 0; i < BYTES; i++)
            if (write(fd, &"abcdefg"[i % 7], 1) != 1)
                _exit(1);
        _exit(0);
    }
    size_t bytes;
    struct error err = {0};
    assert_int_equal(file_read(path, &here->arena, &data, &bytes, &err), 0);
    waitpid(child, NULL, 0);
    assert_int_equal(bytes, BYTES);
    for (int i = 0; i < BYTES; i++)
        assert_int_equal(data[i], "abcdefg"[i % 7]);
    assert_int_equal(data[BYTES], 0);
}

static void test_read_failures(void **state) {
    struct place *here = *state;
    char *paths[] = {in(here, "missing"), here->folder};
    for (int i = 0; i < 2; i++) {
        char *data;
        size_t bytes;
        struct error err = {0};
        assert_int_equal(file_read(paths[i], &here->arena, &data, &bytes, &err), STATUS_USAGE);
        assert_int_equal(err.status, STATUS_USAGE);
        assert_non_null(strstr(err.message, paths[i]));
    }
}

static void test_no_folder(void **state) {
    struct place *here = *state;
    char *path = in(here, "missing/a");
    struct error err = {0};
    expect_failure(file_write_atomic(path, "x", 1, &err), &err, path);
    assert_non_null(strstr(err.message, "No such file or directory"));
}

/* The disk is full in the middle of the new file. */
static void test_write_fails_halfway(void **state) {
    struct place *here = *state;
    char *path = in(here, "kept");
    put(path, "old");
    fflush(NULL);
    pid_t child = fork();
    if (!child) {
        static char content[100000];
        struct error err = {0};
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = {50000, 50000};
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
            _exit(100);
        int status = file_write_atomic(path, content, sizeof content, &err);
        _exit(strstr(err.message, path) && strstr(err.message, "File too large") ? status : 101);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), STATUS_MACHINE);
    expect_file(here, path, "old");
    assert_false(file_exists(in(here, "kept.tmp")));
}

/* The new file is complete and cannot take its place. */
static void test_rename_fails(void **state) {
    struct place *here = *state;
    char *path = in(here, "folder"), *inside = in(here, "folder/inside");
    struct error err = {0};
    assert_int_equal(make_folders(path, &err), 0);
    put(inside, "old");
    expect_failure(file_write_atomic(path, "x", 1, &err), &err, path);
    expect_file(here, inside, "old");
    assert_false(file_exists(in(here, "folder.tmp")));
}

static void test_tmp_is_in_the_way(void **state) {
    struct place *here = *state;
    char *path = in(here, "b"), *tmp = in(here, "b.tmp"), *other = in(here, "other");
    struct error err = {0};
    put(path, "old");
    put(other, "not ours");
    assert_int_equal(symlink(other, tmp), 0); /* must not be written through */
    put(path, "new");
    expect_file(here, path, "new");
    expect_file(here, other, "not ours");
    assert_int_equal(make_folders(tmp, &err), 0);
    expect_failure(file_write_atomic(path, "x", 1, &err), &err, tmp);
    expect_file(here, path, "new");
}

/* Several processes make one file: each of them gets it written, and no rest stays. */
static void test_shared(void **state) {
    struct place *here = *state;
    enum { WRITERS = 4, TIMES = 100, BYTES = 20000 };
    char *folder = in(here, "shared"), *path = in(here, "shared/suite.ini");
    static char content[BYTES + 1];
    struct error err = {0};
    memset(content, 'x', BYTES);
    assert_int_equal(make_folders(folder, &err), 0);
    fflush(NULL);
    for (int i = 0; i < WRITERS; i++)
        if (!fork()) {
            int status = 0;
            for (int k = 0; k < TIMES && !status; k++)
                status = file_write_shared(path, content, BYTES, &err);
            _exit(status);
        }
    for (int i = 0; i < WRITERS; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    expect_file(here, path, content);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    expect_failure(file_write_shared(path, content, BYTES, &err), &err, path);
}

static void test_commit(void **state) {
    struct place *here = *state;
    char *path = in(here, "c"), *tmp = in(here, "c.tmp");
    struct error err = {0};
    put(path, "old");
    expect_failure(file_commit(tmp, path, &err), &err, tmp);
    expect_file(here, path, "old");
    put(tmp, "new");
    assert_int_equal(file_commit(tmp, path, &err), 0);
    expect_file(here, path, "new");
    assert_false(file_exists(tmp));
}

/* Nobody wants a file where /dev/null was. */
static void test_pipes_stay(void **state) {
    struct place *here = *state;
    char *path = in(here, "a_pipe");
    struct stat there;
    struct error err = {0};
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(file_write_atomic(path, "x", 1, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "pipe: a device or a pipe"));
    assert_int_equal(lstat(path, &there), 0);
    assert_true(S_ISFIFO(there.st_mode));
    assert_false(file_exists(in(here, "a_pipe.tmp")));
    unlink(path);
}

/* What would fail after the work fails before it, with the same words, and nothing is touched. */
static void test_try(void **state) {
    struct place *here = *state;
    char *path = in(here, "tried"), *nowhere = in(here, "nowhere/tried"),
         *pipe = in(here, "tried_pipe");
    struct error err = {0};
    assert_int_equal(file_try(path, &err), 0);
    assert_false(file_exists(path));
    assert_false(file_exists(in(here, "tried.tmp")));
    assert_int_equal(file_write_atomic(path, "old", 3, &err), 0);
    assert_int_equal(file_try(path, &err), 0);
    expect_file(here, path, "old");
    expect_failure(file_try(nowhere, &err), &err, nowhere);
    expect_failure(file_try(in(here, "."), &err), &err, "Is a directory");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(file_try(pipe, &err), STATUS_USAGE);
    unlink(pipe);
    unlink(path);
}

static void test_make_folders(void **state) {
    struct place *here = *state;
    struct error err = {0};
    char *deep = in(here, "x//y/z/");
    assert_int_equal(make_folders(deep, &err), 0);
    assert_int_equal(make_folders(deep, &err), 0);
    put(in(here, "x/y/z/file"), "1");
    assert_int_equal(make_folders("/", &err), 0);
    char *blocked = in(here, "x/y/z/file/more");
    expect_failure(make_folders(blocked, &err), &err, in(here, "x/y/z/file"));
    expect_failure(make_folders(in(here, "x/y/z/file"), &err), &err, "x/y/z/file");
    assert_int_equal(make_folders("", &err), STATUS_USAGE);
    char *name = arena_alloc(&here->arena, 5001);
    memset(name, 'n', 5000);
    expect_failure(make_folders(in(here, name), &err), &err, "");
}

/* FIPS 180-4 examples. */
static void test_sha256(void **state) {
    (void)state;
    static const struct {
        const char *text, *hash;
    } known[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char out[65];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        sha256_hex(known[i].text, strlen(known[i].text), out);
        assert_string_equal(out, known[i].hash);
    }
    sha256_hex(NULL, 0, out);
    assert_string_equal(out, known[0].hash);
    char *million = malloc(1000000);
    assert_non_null(million);
    memset(million, 'a', 1000000);
    sha256_hex(million, 1000000, out);
    free(million);
    assert_string_equal(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),
        cmocka_unit_test(test_binary_and_large),
        cmocka_unit_test(test_relative_path),
        cmocka_unit_test(test_read_pipe),
        cmocka_unit_test(test_read_failures),
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_write_fails_halfway),
        cmocka_unit_test(test_rename_fails),
        cmocka_unit_test(test_tmp_is_in_the_way),
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_pipes_stay),
        cmocka_unit_test(test_try),
        cmocka_unit_test(test_make_folders),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_shared),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
