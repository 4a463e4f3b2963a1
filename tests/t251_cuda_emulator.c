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
static void ends(void (*run_it)(int fault), int fault, const char *words) {
    int pipes[2];
    char line[256];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (!child) {
        dup2(pipes[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        run_it(fault);
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
        fail_msg("fault %d: %s", fault, line);
}

static void run_kernel(int fault) {
    float out[THREADS];
    run(EMULATED_FORWARD, (enum fault)fault, out);
}

static void run_copies(int fault) {
    fault_copies((enum copy_fault)fault);
}

static void test_what_cannot_go_on_ends(void **state) {
    (void)state;
    ends(run_kernel, FAULT_DIVERGENT, "some threads returned, others wait in __syncthreads");
    ends(run_kernel, FAULT_MISSING_LANE, "a lane in the mask of an exchange has returned");
    ends(run_kernel, FAULT_NOT_IN_MASK, "a lane exchanges values without being in the mask");
    ends(run_copies, COPY_FAULT_UNPINNED,
         "memory is unpinned while a copy from it is still to come");
}

/* A wait that is missing is one of the two, late copies or early ones, having other numbers. */
static void test_waits_that_are_missing_show(void **state) {
    (void)state;
    static const enum emulated_copies shows[] = {[COPY_FAULT_NOT_AWAITED] = EMULATED_LATE,
                                                 [COPY_FAULT_TOO_EARLY] = EMULATED_EARLY,
                                                 [COPY_FAULT_CHANGED] = EMULATED_LATE};
    for (int when = 0; when < EMULATED_COPIES; when++) {
        emulated_copying((enum emulated_copies)when);
        assert_true(fault_copies(COPY_FAULT_NONE) == 12);
    }
    for (int fault = COPY_FAULT_NOT_AWAITED; fault <= COPY_FAULT_CHANGED; fault++) {
        emulated_copying(shows[fault]);
        assert_false(fault_copies((enum copy_fault)fault) == 12);
    }
    emulated_copying(EMULATED_LATE);
}

static void test_captures_take_launches_alone(void **state) {
    (void)state;
    for (int fault = CAPTURE_FAULT_NONE; fault < CAPTURE_FAULTS; fault++)
        if (fault_capture((enum capture_fault)fault) != (fault == CAPTURE_FAULT_NONE))
            fail_msg("fault %d", fault);
}

static void test_much_shared_memory_is_asked_for(void **state) {
    (void)state;
    enum { UNASKED = 48 << 10, MORE = UNASKED + 64, TOO_MUCH = 228 << 10 };
    assert_int_equal(fault_shared(UNASKED, 0), 0);
    assert_int_not_equal(fault_shared(MORE, 0), 0);
    assert_int_not_equal(fault_shared(MORE, UNASKED), 0);
    assert_int_equal(fault_shared(MORE, MORE), 0);
    assert_int_not_equal(fault_shared(TOO_MUCH, TOO_MUCH), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_races_show),
        cmocka_unit_test(test_shared_memory_begins_as_nan),
        cmocka_unit_test(test_what_cannot_go_on_ends),
        cmocka_unit_test(test_waits_that_are_missing_show),
        cmocka_unit_test(test_captures_take_launches_alone),
        cmocka_unit_test(test_much_shared_memory_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
