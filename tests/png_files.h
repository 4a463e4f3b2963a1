/* png_files.h -- small PNG files for the tests of data/, by libpng. */
#ifndef SSV_TESTS_PNG_FILES_H
#define SSV_TESTS_PNG_FILES_H

#include "tests/data_files.h"

#include <png.h>

struct png_kind {
    int color, bits, interlace;
};

#define GREY_8 ((struct png_kind){PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_NONE})

/* value (height, width) of an index image; of other kinds it is the first bytes of each row. */
static inline void put_png(struct place *here, const char *name, int height, int width,
                           const uint8_t *value, struct png_kind kind) {
    FILE *f = fopen(in(here, name), "wb");
    assert_non_null(f);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_bytep *rows = ARENA_ARRAY(&here->arena, png_bytep, height);
    png_color palette[256];
    for (int i = 0; i < 256; i++) /* colours that say nothing */
        palette[i] = (png_color){(png_byte)(i * 7), (png_byte)(255 - i), 3};
    for (int y = 0; y < height; y++) {
        rows[y] = arena_alloc(&here->arena, (size_t)width * 8);
        memcpy(rows[y], value + y * width, (size_t)width);
    }
    png_init_io(png, f);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, kind.bits, kind.color,
                 kind.interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (kind.color == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, 1 << kind.bits);
    png_set_rows(png, info, rows);
    png_write_png(png, info, PNG_TRANSFORM_PACKING, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(f);
}

#endif
