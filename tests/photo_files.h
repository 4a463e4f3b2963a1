/* photo_files.h -- trees of small images for the tests of folder, list and webdataset. */
#ifndef SSV_TESTS_PHOTO_FILES_H
#define SSV_TESTS_PHOTO_FILES_H

#include "core/sha256.h"
#include "data/decode.h"
#include "data/resize.h"

#include "tests/jpeg_files.h"
#include "tests/png_files.h"

#include <math.h>

static inline void make_folder(struct place *here, const char *name) {
    struct error err = {0};
    assert_int_equal(make_folders(in(here, name), &err), 0);
}

static inline void put_text(struct place *here, const char *name, const char *text) {
    put(here, name, text, strlen(text));
}

/* A file whose pixels differ with the number, in a folder that is made for it. */
static inline void put_photo(struct place *here, const char *name, int height, int width,
                             int number) {
    char *folder = arena_strdup(&here->arena, name), *slash = strrchr(folder, '/');
    if (slash) {
        *slash = '\0';
        make_folder(here, folder);
    }
    if (!strstr(name, ".png")) {
        put_jpeg(here, name, height, width, 3, 90, number);
        return;
    }
    uint8_t *grey = arena_alloc(&here->arena, (size_t)height * (size_t)width);
    for (int i = 0; i < height * width; i++)
        grey[i] = (uint8_t)(number * 29 + i);
    put_png(here, name, height, width, grey, GREY_8);
}

/* Cuts a file off behind its head. */
static inline void cut(struct place *here, const char *name) {
    size_t bytes;
    get_file(here, name, &bytes);
    assert_int_equal(truncate(in(here, name), (off_t)(bytes - 20)), 0);
}

/* The record is this file, its shorter side made `side`. */
static inline void expect_photo(struct place *here, const struct record *r, const char *name,
                                int side) {
    struct decoded p;
    struct error err = {0};
    if (image_read(in(here, name), NULL, &here->arena, &p, &err))
        fail_msg("%s", err.message);
    double by = (double)side / (p.height < p.width ? p.height : p.width);
    int height = (int)lround(p.height * by), width = (int)lround(p.width * by);
    size_t bytes = (size_t)height * (size_t)width * 3;
    uint8_t *pixels = arena_alloc(&here->arena, bytes);
    resize_whole(p.rgb, p.height, p.width, 3, height, width, pixels);
    assert_int_equal(r->height, height);
    assert_int_equal(r->width, width);
    assert_int_equal(r->channels, 3);
    if (memcmp(r->pixels, pixels, bytes) != 0)
        fail_msg("other pixels than those of %s", name);
}

static inline void hash_of(const char *text, char hash[65]) {
    struct dataset d;
    opens(&d, text);
    memcpy(hash, d.root_hash, 65);
    dataset_close(&d);
}

/* The first digits of SHA-256 of a name say in which split it is. */
static inline int is_in_share(const char *name, double share) {
    char hex[65];
    sha256_hex(name, strlen(name), hex);
    hex[8] = '\0';
    return (double)strtoul(hex, NULL, 16) < share * 4294967296.0;
}

#endif
