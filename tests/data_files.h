/* data_files.h -- a folder of small files for the tests of data/. */
#ifndef SSV_TESTS_DATA_FILES_H
#define SSV_TESTS_DATA_FILES_H

#include "core/file.h"
#include "data/dataset.h"

#include "tests/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

/* Names that end in .gz are compressed. */
static inline void put(struct place *here, const char *name, const void *data, size_t bytes) {
    const char *path = in(here, name), *dot = strrchr(name, '.');
    if (dot && !strcmp(dot, ".gz")) {
        gzFile f = gzopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(gzwrite(f, data, (unsigned)bytes), (int)bytes);
        assert_int_equal(gzclose(f), Z_OK);
        return;
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

static inline void drop(struct place *here, const char *name) {
    unlink(in(here, name));
}

/* NAME:FOLDER[,rest] */
static inline char *spec(struct place *here, const char *name, const char *rest) {
    return arena_printf(&here->arena, "%s:%s%s", name, here->folder, rest);
}

static inline void opens(struct dataset *d, const char *text) {
    struct error err = {0};
    int status = dataset_open(d, text, &err);
    if (status)
        fail_msg("%s: %s", text, err.message);
}

/* Status 2, and one line that holds every one of the words. */
#define refuses(text, ...) refuses_with(text, (const char *[]){__VA_ARGS__, NULL})

static inline void refuses_with(const char *text, const char *const *words) {
    struct dataset d;
    struct error err = {0};
    assert_int_equal(dataset_open(&d, text, &err), STATUS_USAGE);
    assert_int_equal(err.status, STATUS_USAGE);
    assert_null(strchr(err.message, '\n'));
    for (int i = 0; words[i]; i++)
        if (!strstr(err.message, words[i]))
            fail_msg("%s: \"%s\" is not in: %s", text, words[i], err.message);
}

static inline void reads(const struct dataset *d, enum split split, long i, struct record *r) {
    struct error err = {0};
    int status = dataset_read(d, split, i, r, &err);
    if (status)
        fail_msg("image %ld: %s", i, err.message);
}

#endif
