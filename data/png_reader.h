/* png_reader.h -- what is the same in every use of libpng: bytes in memory, errors as statuses. */
#ifndef SSV_DATA_PNG_READER_H
#define SSV_DATA_PNG_READER_H

#include "core/error.h"

#include <setjmp.h>
#include <stdint.h>

#include <png.h>

struct png_reader {
    png_structp png;
    png_infop info;
    jmp_buf back;
    const char *name; /* for messages */
    const uint8_t *data;
    size_t bytes, at;
    struct error *err;
    uint32_t height, width;
    int color, bits; /* PNG_COLOR_TYPE_..., bit depth */
    /* Called with the head read; libpng's errors end it, so that whatever it needs after one lives
     * behind self. */
    int (*body)(struct png_reader *r, void *self);
};

/* Status 2 with the name, and with the offset where libpng stopped, when it is no PNG, cut off,
 * damaged, or has more than `most` pixels. */
int png_reader_run(struct png_reader *r, long most, void *self);
int png_is(const uint8_t *data, size_t bytes);

#endif
