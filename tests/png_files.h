/* png_files.h -- small PNG files for the tests of data/. */
#ifndef SSV_TESTS_PNG_FILES_H
#define SSV_TESTS_PNG_FILES_H

#include "tests/data_files.h"
#include "tests/image_files.h"

struct png_kind {
    int color, bits, interlace;
};

#define GREY_8 ((struct png_kind){PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_NONE})

/* value (height, width) of an index image; of other kinds it is the first bytes of each row. */
static inline void put_png(struct place *here, const char *name, int height, int width,
                           const uint8_t *value, struct png_kind kind) {
    struct png_form form = {kind.color, kind.bits, kind.interlace, 0, 1};
    size_t row = (size_t)width * 8;
    uint8_t *rows = arena_alloc(&here->arena, row * (size_t)height);
    for (int y = 0; y < height; y++)
        memcpy(rows + (size_t)y * row, value + y * width, (size_t)width);
    struct file_bytes f = make_png(&here->arena, form, height, width, rows, row);
    put(here, name, f.data, f.n);
}

#endif
