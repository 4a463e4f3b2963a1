/* What is made of kept times of kernels: CSV, the table of changes, the data of both figures. */
#include "reports/kernels.h"

#include "core/file.h"
#include "core/log.h"
#include "tests/place.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FILES = 16, SLOWER_FROM = 9 };

static void add(struct kernel_times *t, const char *kernel, const char *shape, double seconds) {
    struct kernel_row r = {.flops = 2e6,
                           .bytes = 1e5,
                           .distance = 1e-7,
                           .warm = seconds,
                           .q1 = seconds / 2,
                           .q3 = 2 * seconds,
                           .cold = NAN,
                           .joules = NAN,
                           .percent_of_roof = 50};
    snprintf(r.kernel, sizeof r.kernel, "%s", kernel);
    snprintf(r.dims, sizeof r.dims, "m, \"n\" k");
    snprintf(r.shape, sizeof r.shape, "%s", shape);
    snprintf(r.backend, sizeof r.backend, "cpu");
    kernel_times_add(t, &r, &(struct kernel_samples){.n_warm = 1, .warm = &r.warm});
}

/* gemm becomes 1.5 times as slow at one file, adamw only wavers, conv2d_forward is new in the last.
 */
static struct kernel_history make(struct place *here, int n) {
    struct kernel_history h = {.file = ARENA_ARRAY(&here->arena, struct kernel_times, n), .n = n};
    for (int i = 0; i < n; i++) {
        struct kernel_times *t = &h.file[i];
        kernel_times_init(t);
        t->threads = 1;
        t->peak_flops = 1e11;
        t->n_levels = 2;
        t->level_bytes[0] = 1 << 14, t->level_bytes[1] = 1 << 28;
        t->level_per_second[0] = 1e11, t->level_per_second[1] = 1e10;
        snprintf(t->machine.created_utc, sizeof t->machine.created_utc, "2026-01-%02dT00:00:00Z",
                 i + 1);
        double waver = 1 + 0.01 * (i % 3);
        add(t, "gemm", "8x8x8", 1e-5 * waver * (i < SLOWER_FROM ? 1 : 1.5));
        add(t, "adamw", "100", 3e-6 * waver);
        if (i == n - 1)
            add(t, "conv2d_forward", "1x2", 2e-3);
    }
    return h;
}

static void finish(struct kernel_history *h) {
    for (int i = 0; i < h->n; i++)
        kernel_times_free(&h->file[i]);
}

/* What is written to a stream. */
static char *text_of(int (*print)(const struct kernel_history *, FILE *, struct error *),
                     const struct kernel_history *h, struct place *here) {
    char *text, *kept;
    size_t bytes;
    struct error err = {0};
    FILE *f = open_memstream(&text, &bytes);
    assert_non_null(f);
    assert_int_equal(print(h, f, &err), 0);
    fclose(f);
    kept = arena_strdup(&here->arena, text);
    free(text);
    return kept;
}

static int count(const char *text, const char *word) {
    int n = 0;
    for (const char *s = text; (s = strstr(s, word)); s += strlen(word))
        n++;
    return n;
}

static void csv_has_every_number(void **state) {
    struct place *here = *state;
    struct kernel_history h = make(here, FILES);
    const char *text = text_of(kernels_csv, &h, here);
    assert_int_equal(count(text, "\r\n"), 1 + 2 * FILES + 1);
    assert_int_equal(count(text, ",\"m, \"\"n\"\" k\","), 2 * FILES + 1);
    assert_non_null(strstr(text,
                           ",conv2d_forward,\"m, \"\"n\"\" k\",1x2,cpu,0,2000000,100000,1e-07,"
                           "0.002,0.001,0.004,,,50\r\n"));
    finish(&h);
}

static void the_table_names_changes(void **state) {
    struct place *here = *state;
    struct kernel_history h = make(here, FILES);
    const char *text = text_of(kernels_history_table, &h, here),
               *gemm = strstr(text, "\ngemm 8x8x8");
    assert_non_null(gemm);
    assert_int_equal(count(text, "2026-01-"), 1);
    assert_non_null(strstr(gemm, "2026-01-10"));
    assert_non_null(strstr(gemm, " x1.5"));
    assert_int_equal(count(text, "\n"), 4);
    finish(&h);
}

static char *read_data(struct place *here, const char *name) {
    char *data;
    size_t n;
    struct error err = {0};
    if (file_read(in(here, name), &here->arena, &data, &n, &err))
        fail_msg("%s", err.message);
    return data;
}

static void figures_are_drawn(void **state) {
    struct place *here = *state;
    struct error err = {0};
    if (system("gnuplot --version >/dev/null 2>&1"))
        skip();
    struct kernel_history h = make(here, FILES);
    if (kernels_figures(&h, here->folder, &err))
        fail_msg("%s", err.message);
    const char *roofline = read_data(here, "figures/roofline.dat");
    assert_non_null(strstr(roofline, "\n0\t100\tmultiply-adds\n1\t100\ta loop over 16 KiB\n"
                                     "1\t10\tover 256 MiB\n"));
    assert_non_null(strstr(roofline, "\n20\t1\t0.5\t2\t0\t1\tconv2d_forward\n"));
    const char *kernels = read_data(here, "figures/kernels.dat");
    assert_non_null(strstr(kernels, "\tgemm 8x8x8\t10.1 us\t"));
    assert_non_null(strstr(kernels, "kernels that moved most; 1 changed"));
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "figures/kernels.png" : "figures/roofline.png";
        assert_int_equal(strncmp(read_data(here, name), "\x89PNG", 4), 0);
    }
    finish(&h);
}

static void one_file_has_no_history(void **state) {
    struct place *here = *state;
    struct error err = {0};
    if (system("gnuplot --version >/dev/null 2>&1"))
        skip();
    struct kernel_history h = make(here, 1);
    assert_int_equal(kernels_figures(&h, here->folder, &err), 0);
    assert_true(file_exists(in(here, "figures/roofline.svg")));
    assert_false(file_exists(in(here, "figures/kernels.dat")));
    finish(&h);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    log_setup(LOG_WARN);
    const struct CMUnitTest tests[] = {
        CASE(csv_has_every_number),
        CASE(the_table_names_changes),
        CASE(figures_are_drawn),
        CASE(one_file_has_no_history),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
