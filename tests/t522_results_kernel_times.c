/* Times of kernels in a file: what was written is read, what is broken is refused, machines that
 * differ are told apart. */
#include "results/kernel_times.h"

#include "core/file.h"
#include "tests/place.h"

#include <hdf5.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const double samples[] = {3e-6, 1e-6, 2e-6, 4e-6};

static void fill(struct kernel_times *t) {
    kernel_times_init(t);
    t->shapes = "quick";
    t->filter = "gemm|µ";
    t->threads = 2;
    t->seed = 7;
    t->seconds = 0.05;
    t->peak_flops = 1.5e11;
    t->n_levels = 2;
    t->level_bytes[0] = 16384, t->level_bytes[1] = 1 << 28;
    t->level_per_second[0] = 1e11, t->level_per_second[1] = 1e10;
    for (int i = 0; i < 100; i++) { /* more than there is room for at first */
        struct kernel_row r = {.kernel = "gemm",
                               .dims = "m n k",
                               .backend = "cpu-avx2",
                               .calls = i,
                               .flops = 1e6 + i,
                               .bytes = 2e5,
                               .distance = i % 2 ? NAN : 1e-7,
                               .warm = 2e-6,
                               .q1 = 1e-6,
                               .q3 = 3e-6,
                               .cold = NAN,
                               .joules = 0.25,
                               .percent_of_roof = 91.5};
        const struct kernel_samples s = {.n_warm = 1 + i % 4,
                                         .warm = samples,
                                         .n_cold = i % 3,
                                         .cold = samples,
                                         .n_launches = i % 2 ? 0 : 4,
                                         .launch = samples};
        snprintf(r.shape, sizeof r.shape, "%dx2x3", i);
        kernel_times_add(t, &r, &s);
    }
}

static void expect_same(const double *x, int n, const double *y, int m) {
    assert_int_equal(n, m);
    assert_true(!n || !memcmp(x, y, (size_t)n * sizeof *x));
}

static void what_was_written_is_read(void **state) {
    struct place *here = *state;
    struct kernel_times t, u;
    struct error err = {0};
    const char *path = in(here, "k.h5");
    fill(&t);
    assert_int_equal(kernel_times_write(&t, path, &err), 0);
    if (kernel_times_read(&u, path, &err))
        fail_msg("%s", err.message);
    assert_int_equal(u.n, t.n);
    assert_string_equal(u.shapes, "quick");
    assert_string_equal(u.filter, "gemm|µ");
    assert_int_equal(u.threads, 2);
    assert_int_equal(u.seed, 7);
    assert_true(u.seconds == 0.05 && u.peak_flops == 1.5e11);
    assert_int_equal(u.n_levels, 2);
    assert_true(u.level_bytes[1] == 1 << 28 && u.level_per_second[1] == 1e10);
    assert_string_equal(u.machine.env_cpu, t.machine.env_cpu);
    assert_string_equal(u.machine.created_utc, t.machine.created_utc);
    for (int i = 0; i < t.n; i++) {
        const struct kernel_row *a = &t.rows[i], *b = &u.rows[i];
        assert_string_equal(a->kernel, b->kernel);
        assert_string_equal(a->shape, b->shape);
        assert_int_equal(a->calls, b->calls);
        assert_true(a->flops == b->flops && a->warm == b->warm && a->q3 == b->q3 &&
                    b->joules == 0.25);
        assert_true(isnan(b->cold) && isnan(b->distance) == i % 2);
        const struct kernel_samples *x = &t.samples[i], *y = &u.samples[i];
        expect_same(x->warm, x->n_warm, y->warm, y->n_warm);
        expect_same(x->cold, x->n_cold, y->cold, y->n_cold);
        expect_same(x->launch, x->n_launches, y->launch, y->n_launches);
    }
    assert_int_equal(kernel_times_find(&u, "gemm 42x2x3 cpu-avx2"), 42);
    assert_int_equal(kernel_times_find(&u, "gemm 42x2x3 ref"), -1);
    kernel_times_free(&t);
    kernel_times_free(&u);
}

static void nothing_is_a_result_too(void **state) {
    struct place *here = *state;
    struct kernel_times t, u;
    struct error err = {0};
    const char *path = in(here, "none.h5");
    kernel_times_init(&t);
    assert_int_equal(kernel_times_write(&t, path, &err), 0);
    assert_int_equal(kernel_times_read(&u, path, &err), 0);
    assert_int_equal(u.n, 0);
    kernel_times_free(&t);
    kernel_times_free(&u);
    assert_int_equal(kernel_times_write(&t, in(here, "nowhere/k.h5"), &err), STATUS_MACHINE);
}

static void broken_files_are_refused(void **state) {
    struct place *here = *state;
    struct kernel_times t, u;
    struct error err = {0};
    const char *path = in(here, "broken.h5");
    char *data;
    size_t bytes;
    fill(&t);
    assert_int_equal(kernel_times_write(&t, path, &err), 0);
    kernel_times_free(&t);
    assert_int_equal(file_read(path, &here->arena, &data, &bytes, &err), 0);
    for (size_t i = 0; i < 200; i++) {
        size_t at = i * 2654435761U % bytes;
        data[at] = (char)(data[at] ^ 1 << i % 8);
        assert_int_equal(file_write_atomic(path, data, bytes, &err), 0);
        assert_int_equal(kernel_times_read(&u, path, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, "broken.h5"));
        assert_null(u.machine.arena.head);
        data[at] = (char)(data[at] ^ 1 << i % 8);
    }
    assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    assert_int_equal(kernel_times_read(&u, in(here, "nowhere.h5"), &err), STATUS_USAGE);
}

/* Numbers that no clock measures, and that figures could not be drawn of. */
static void what_no_clock_says_is_refused(void **state) {
    struct place *here = *state;
    const double odd[] = {0, -1, NAN, INFINITY};
    for (int i = 0; i < 8; i++) {
        struct kernel_times t, u;
        struct error err = {0};
        fill(&t);
        *(i < 4 ? &t.rows[7].warm : &t.level_per_second[1]) = odd[i % 4];
        assert_int_equal(kernel_times_write(&t, in(here, "odd.h5"), &err), 0);
        assert_int_equal(kernel_times_read(&u, in(here, "odd.h5"), &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, i < 4 ? "row 7" : "level 1"));
        kernel_times_free(&t);
    }
}

static void machines_are_told_apart(void **state) {
    (void)state;
    struct kernel_times here, there;
    struct arena a = {0};
    kernel_times_init(&here);
    kernel_times_init(&there);
    assert_null(kernel_times_differ(&there, &here, &a));
    there.machine.env_cflags = "-O0"; /* what may be under test */
    assert_null(kernel_times_differ(&there, &here, &a));
    there.machine.env_cores++;
    assert_non_null(strstr(kernel_times_differ(&there, &here, &a), "processors: "));
    there.machine.env_cpu = "Elbrus";
    assert_non_null(strstr(kernel_times_differ(&there, &here, &a), "cpu: Elbrus, here "));
    there.machine.env_cpu = NULL;
    assert_non_null(strstr(kernel_times_differ(&there, &here, &a), "cpu: unknown, here "));
    arena_free(&a);
    kernel_times_free(&here);
    kernel_times_free(&there);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(what_was_written_is_read),      CASE(nothing_is_a_result_too),
        CASE(broken_files_are_refused),      cmocka_unit_test(machines_are_told_apart),
        CASE(what_no_clock_says_is_refused),
    };
    return cmocka_run_group_tests_name("kernel times", tests, NULL, NULL);
}
