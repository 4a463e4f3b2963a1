/* suite_files.h -- suites from text; behind cmocka.h. */
#ifndef SSV_TESTS_SUITE_FILES_H
#define SSV_TESTS_SUITE_FILES_H

#include "core/file.h"
#include "protocols/suite.h"
#include "tests/place.h"

#include <string.h>

#define DATA "shapes:size=16,train=64,test=32"

static const struct machine nowhere = {.out = "nowhere"};

static inline void write_file(const char *path, const char *text) {
    struct error err;
    assert_int_equal(file_write_atomic(path, text, strlen(text), &err), 0);
}

/* The settings of a suite file, good.ini; to be freed. */
static inline struct settings *loaded(struct place *here, const char *text) {
    const char *path = arena_printf(&here->arena, "%s/good.ini", here->folder);
    struct settings *s = calloc(1, sizeof *s);
    struct error err;
    settings_init(s);
    settings_check_input(s);
    write_file(path, text);
    if (suite_load(s, path, &err))
        fail_msg("%s", err.message);
    return s;
}

#endif
