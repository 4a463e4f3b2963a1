/* The emulator shows the mistakes that it is there for. */
#include "tests/cuda/emulator.h"
#include "tests/cuda/faults.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 64 };

static void run(int order, enum fault fault, float out[THREADS]) {
    for (int i = 0; i < THREADS; i++)
        out[i] = 1;
    emulated_schedule((enum emulated_order)order, 3);
    fault_run(fault, out);
}

static int is_reversed(const float out[THREADS]) {
    int right = 1;
    for (int i = 0; i < THREADS; i++)
        right &= out[i] == (float)(THREADS - 1 - i);
    return right;
}

/* A race is one of the orders having other numbers. */
static void test_races_show(void **state) {
    (void)state;
    float out[THREADS];
    int wrong = 0;
    for (int order = 0; order < EMULATED_ORDERS; order++) {
        run(order, FAULT_NONE, out);
        assert_true(is_reversed(out));
        run(order, FAULT_RACE, out);
        wrong += !is_reversed(out);
    }
    assert_true(wrong > 0);
}

static void test_shared_memory_begins_as_nan(void **state) {
    (void)state;
    float out[THREADS];
    run(EMULATED_FORWARD, FAULT_NONE, out);
    run(EMULATED_FORWARD, FAULT_UNSET, out);
    for (int i = 0; i < THREADS; i++)
        assert_true(isnan(out[i]));
}

/* The program ends with a line that says so. */
static void ends(enum fault fault, const char *words) {
    int pipes[2];
    char line[256];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (!child) {
        float out[THREADS];
        dup2(pipes[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        run(EMULATED_FORWARD, fault, out);
        _exit(0);
    }
    close(pipes[1]);
    FILE *f = fdopen(pipes[0], "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    fclose(f);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    if (!strstr(line, words))
        fail_msg("fault %d: %s", (int)fault, line);
}

static void test_what_cannot_go_on_ends(void **state) {
    (void)state;
    ends(FAULT_DIVERGENT, "some threads returned, others wait in __syncthreads");
    ends(FAULT_MISSING_LANE, "a lane in the mask of an exchange has returned");
    ends(FAULT_NOT_IN_MASK, "a lane exchanges values without being in the mask");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_races_show),
        cmocka_unit_test(test_shared_memory_begins_as_nan),
        cmocka_unit_test(test_what_cannot_go_on_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
