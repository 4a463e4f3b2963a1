/* Times of steps: what was written is read, what is broken is refused; the table, the CSV and the
 * data of the figure. */
#include "reports/steps.h"
#include "reports/steps_internal.h"

#include "core/file.h"
#include "tests/place.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void fill(struct step_times *t, double speed) {
    static const char *const names[] = {"mae/vit-tiny/32px-p4", "clip/vit-micro/32px-p4"};
    step_times_init(t);
    t->threads = 2;
    t->seconds = 5;
    t->peak_flops = 2e11;
    for (int s = 0; s < 2; s++)
        for (int b = 512; b >= 16; b /= 2) { /* the figure sorts them */
            struct step_time r = {.batch = b,
                                  .images_per_s = speed * (s + 1) * b / (b + 10.0),
                                  .q1 = 0.9 * speed * (s + 1) * b / (b + 10.0),
                                  .q3 = s ? NAN : 1.1 * speed * b / (b + 10.0),
                                  .gflops = 100,
                                  .percent = 50,
                                  .peak_bytes = 1 << 28,
                                  .resident = 1 << 29,
                                  .first_s = 0.5,
                                  .n = 40};
            snprintf(r.step, sizeof r.step, "%s", names[s]);
            step_times_add(t, &r);
        }
}

static void what_was_written_is_read(void **state) {
    struct place *here = *state;
    const char *path = in(here, "steps.h5");
    struct step_times a, b;
    struct error err;
    fill(&a, 100);
    assert_int_equal(step_times_write(&a, path, &err), 0);
    if (step_times_read(&b, path, &err))
        fail_msg("%s", err.message);
    assert_int_equal(b.n, a.n);
    assert_int_equal(b.threads, 2);
    assert_true(b.peak_flops == a.peak_flops && b.seconds == a.seconds);
    assert_string_equal(b.machine.env_cpu, a.machine.env_cpu);
    for (int i = 0; i < a.n; i++) {
        const struct step_time *x = &a.rows[i], *y = &b.rows[i];
        assert_string_equal(x->step, y->step);
        assert_true(x->batch == y->batch && x->images_per_s == y->images_per_s && x->n == y->n);
        assert_true(x->q1 == y->q1 && (isnan(x->q3) ? isnan(y->q3) : x->q3 == y->q3));
    }
    step_times_free(&a);
    step_times_free(&b);
}

static void what_is_no_such_file_is_refused(void **state) {
    struct place *here = *state;
    const char *path = in(here, "other.h5");
    struct step_times t;
    struct error err;
    assert_int_equal(step_times_read(&t, path, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(file_write_atomic(path, "not HDF5", 8, &err), 0);
    assert_int_equal(step_times_read(&t, path, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, path));
    struct run r;
    run_init(&r);
    assert_int_equal(run_write(&r, here->folder, &err), 0);
    const char *run = in(here, "run.h5");
    assert_int_equal(step_times_read(&t, run, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "bench steps --out"));
    run_free(&r);
}

static void a_row_without_speed_is_refused(void **state) {
    struct place *here = *state;
    const char *path = in(here, "zero.h5");
    struct step_times t;
    struct error err;
    fill(&t, 100);
    t.rows[3].images_per_s = 0;
    assert_int_equal(step_times_write(&t, path, &err), 0);
    step_times_free(&t);
    assert_int_equal(step_times_read(&t, path, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "row 3"));
}

static char *printed(int (*print)(const struct step_files *, FILE *, struct error *),
                     const struct step_files *f, struct place *here) {
    char *text, *kept;
    size_t bytes;
    struct error err;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    assert_int_equal(print(f, out, &err), 0);
    fclose(out);
    kept = arena_strdup(&here->arena, text);
    free(text);
    return kept;
}

static int lines_of(const char *text) {
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void tables_have_a_line_for_each(void **state) {
    struct place *here = *state;
    struct step_times t[2];
    const struct step_files f = {t, 2};
    fill(&t[0], 100);
    fill(&t[1], 200);
    assert_int_equal(lines_of(printed(steps_csv, &f, here)), 1 + 2 * 12);
    const char *table = printed(steps_table, &f, here);
    assert_int_equal(lines_of(table), 2 * (2 + 12) + 1);
    assert_non_null(strstr(table, "mae/vit-tiny/32px-p4"));
    step_times_free(&t[0]);
    step_times_free(&t[1]);
}

/* Points of a line go up in the batch; a missing quartile is the median. */
static void the_figure_has_a_line_for_each_step_and_file(void **state) {
    (void)state;
    struct step_times t[2];
    const struct step_files f = {t, 2};
    fill(&t[0], 100);
    fill(&t[1], 200);
    char *text;
    size_t bytes;
    FILE *dat = open_memstream(&text, &bytes);
    assert_non_null(dat);
    assert_int_equal(figure_throughput(&f, dat), 2);
    fclose(dat);
    const char *line = strstr(text, "third\n") + strlen("third\n");
    int seen[2][2] = {{0}}, n = 0, last = 0;
    for (; n < 24; line = strchr(line, '\n') + 1) {
        int panel, file, batch;
        double rate, low, high;
        if (*line == '\n') {
            last = 0;
            continue;
        }
        assert_int_equal(
            sscanf(line, "%d %d %d %lf %lf %lf", &panel, &file, &batch, &rate, &low, &high), 6);
        assert_true(batch > last);
        last = batch;
        assert_true(fabs(rate - (file == 1 ? 100 : 200) * panel * batch / (batch + 10.0)) <
                    1e-3 * rate);
        assert_true(panel == 2 ? high == rate : high > rate);
        seen[panel - 1][file - 1]++;
        n++;
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(seen[i / 2][i % 2], 6);
    free(text);
    step_times_free(&t[0]);
    step_times_free(&t[1]);
}

int main(void) {
#define HERE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        HERE(what_was_written_is_read),
        HERE(what_is_no_such_file_is_refused),
        HERE(a_row_without_speed_is_refused),
        HERE(tables_have_a_line_for_each),
        HERE(the_figure_has_a_line_for_each_step_and_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
