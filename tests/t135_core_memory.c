/* What is free is what the machine has, or what control groups leave of it; and where addresses are
 * limited, room is there before it is needed. */
#include "core/memory.h"

#include "core/file.h"
#include "kernels/kernels.h"

#include "tests/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static void put(struct place *here, const char *path, const char *content) {
    struct error err = {0};
    char *file = in(here, path), *end = strrchr(file, '/');
    *end = '\0';
    assert_int_equal(make_folders(file, &err), 0);
    *end = '/';
    assert_int_equal(file_write_atomic(file, content, strlen(content), &err), 0);
}

static void test_machine(void **state) {
    struct place *here = *state;
    assert_int_equal(memory_available_in(in(here, "nothing")), 0);
    put(here, "machine/proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    8192 kB\n");
    assert_int_equal(memory_available_in(in(here, "machine")), 8 * MIB);
    put(here, "machine/proc/self/cgroup", "0::/\n");
    put(here, "machine/sys/fs/cgroup/memory.max", "max\n");
    put(here, "machine/sys/fs/cgroup/memory.current", "1048576\n");
    assert_int_equal(memory_available_in(in(here, "machine")), 8 * MIB);
    assert_true(memory_available() > 0);
}

/* The job has no limit of its own, the user above it has: 4 MiB, of which 3 are used, 1 for files
 * that can go. */
static void test_second_version(void **state) {
    struct place *here = *state;
    put(here, "two/proc/meminfo", "MemAvailable: 8192 kB\n");
    put(here, "two/proc/self/cgroup", "0::/user/job\n");
    put(here, "two/sys/fs/cgroup/user/job/memory.max", "max\n");
    put(here, "two/sys/fs/cgroup/user/job/memory.current", "1048576\n");
    put(here, "two/sys/fs/cgroup/user/memory.max", "4194304\n");
    put(here, "two/sys/fs/cgroup/user/memory.current", "3145728\n");
    put(here, "two/sys/fs/cgroup/user/memory.stat", "anon 5\ninactive_file 1048576\n");
    assert_int_equal(memory_available_in(in(here, "two")), 2 * MIB);
    put(here, "two/sys/fs/cgroup/user/memory.current", "8388608\n"); /* more than it may have */
    assert_int_equal(memory_available_in(in(here, "two")), 1);       /* 0 is unknown */
}

/* In a container the group has a name of outside, and is mounted as if it were all. */
static void test_first_version(void **state) {
    struct place *here = *state;
    put(here, "one/proc/meminfo", "MemAvailable: 8192 kB\n");
    put(here, "one/proc/self/cgroup", "5:cpu:/box\n4:memory:/docker/box\n0::/\n");
    put(here, "one/sys/fs/cgroup/memory/memory.limit_in_bytes", "4194304\n");
    put(here, "one/sys/fs/cgroup/memory/memory.usage_in_bytes", "2097152\n");
    put(here, "one/sys/fs/cgroup/memory/memory.stat",
        "inactive_file 7\ntotal_inactive_file 1048576\n");
    assert_int_equal(memory_available_in(in(here, "one")), 3 * MIB);
    put(here, "one/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(memory_available_in(in(here, "one")), 8 * MIB);
}

static int room_within(size_t more, int threads) {
    long pages = 0;
    struct error err = {0};
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld", &pages) != 1)
        return -1;
    const size_t most = (size_t)pages * (size_t)sysconf(_SC_PAGESIZE) + more;
    const struct rlimit limit = {most, most};
    if (setrlimit(RLIMIT_AS, &limit))
        return -1;
    return kernels_room(threads, &err);
}

/* OpenBLAS would ask for its buffers again and again, and end with SIGKILL alone. */
static void test_addresses(void **state) {
    (void)state;
    static const struct {
        size_t more;
        int threads, status;
    } cases[] = {{64 * MIB, 1, STATUS_MACHINE}, {300 * MIB, 8, STATUS_MACHINE}, {900 * MIB, 2, 0}};
    fflush(NULL);
    for (int i = 0; i < 3; i++) {
        int status;
        pid_t child = fork();
        if (!child)
            _exit(room_within(cases[i].more, cases[i].threads));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), cases[i].status);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_second_version),
        cmocka_unit_test(test_first_version),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
