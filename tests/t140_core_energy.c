/* Counters of energy, on files that look like the system's. */
#include "core/energy.h"

#include "core/file.h"
#include "tests/place.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void set(struct place *here, int package, const char *name, const char *value) {
    struct error err = {0};
    const char *folder = in(here, arena_printf(&here->arena, "intel-rapl:%d", package));
    assert_int_equal(make_folders(folder, &err), 0);
    assert_int_equal(file_write_atomic(arena_printf(&here->arena, "%s/%s", folder, name), value,
                                       strlen(value), &err),
                     0);
}

static void packages_are_summed(void **state) {
    struct place *here = *state;
    struct energy e;
    set(here, 0, "energy_uj", "1000000\n");
    set(here, 2, "energy_uj", "5\n");
    energy_begin(&e, here->folder);
    set(here, 0, "energy_uj", "3500000\n");
    set(here, 2, "energy_uj", "500005\n");
    assert_true(fabs(energy_end(&e) - 3.0) < 1e-12);
}

static void a_counter_begins_again(void **state) {
    struct place *here = *state;
    struct energy e;
    set(here, 0, "energy_uj", "9000000\n");
    set(here, 0, "max_energy_range_uj", "10000000\n");
    energy_begin(&e, here->folder);
    set(here, 0, "energy_uj", "1000000\n");
    assert_true(fabs(energy_end(&e) - 2.0) < 1e-12);
}

static void nothing_is_counted(void **state) {
    struct place *here = *state;
    struct energy e;
    energy_begin(&e, in(here, "nowhere"));
    assert_true(isnan(energy_end(&e)));
    set(here, 0, "energy_uj", "not a number\n");
    energy_begin(&e, here->folder);
    assert_true(isnan(energy_end(&e)));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(packages_are_summed),
        CASE(a_counter_begins_again),
        CASE(nothing_is_counted),
    };
    return cmocka_run_group_tests_name("energy", tests, NULL, NULL);
}
