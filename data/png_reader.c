#include "data/png_reader.h"

#include "data/decode_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    SIGNATURE = 8,
    DEFLATE_LIMIT = 1040 /* no byte of a deflate stream stands for more */
};

/* libpng's way out: it must not return. */
static _Noreturn void fail(png_structp png, png_const_charp message) {
    struct png_reader *r = png_get_error_ptr(png);
    error_set(r->err, STATUS_USAGE, "%s: offset %zu: cannot decode this PNG: %s", r->name, r->at,
              message);
    longjmp(r->back, 1);
}

static void say_nothing(png_structp png, png_const_charp message) {
    (void)png, (void)message;
}

static void give(png_structp png, png_bytep out, size_t n) {
    struct png_reader *r = png_get_io_ptr(png);
    if (n > r->bytes - r->at)
        png_error(png, "the file is cut off");
    memcpy(out, r->data + r->at, n);
    r->at += n;
}

static int check(const struct png_reader *r, long most) {
    int status = decode_check_size(r->name, "PNG", r->width, r->height, most, r->err);
    uint64_t row = png_get_rowbytes(r->png, r->info);
    if (!status && row * r->height / DEFLATE_LIMIT > r->bytes)
        return error_set(r->err, STATUS_USAGE,
                         "%s: cannot decode this PNG: it is cut off, for %zu bytes do not hold "
                         "%u x %u pixels",
                         r->name, r->bytes, r->width, r->height);
    return status;
}

/* What happens between setjmp and longjmp lives in *r and *self. */
static int run(struct png_reader *r, long most, void *self) {
    if (setjmp(r->back))
        return STATUS_USAGE;
    png_set_read_fn(r->png, r, give);
    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* check() is clearer */
    png_set_benign_errors(r->png, 1);
    png_set_check_for_invalid_index(r->png, -1); /* a mask's palette may be short: see png.h */
    /* Of what is not needed for pixels (time, text, profiles) nothing is parsed. */
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(r->png, r->info);
    r->width = png_get_image_width(r->png, r->info);
    r->height = png_get_image_height(r->png, r->info);
    r->color = png_get_color_type(r->png, r->info);
    r->bits = png_get_bit_depth(r->png, r->info);
    int status = check(r, most);
    return status ? status : r->body(r, self);
}

int png_is(const uint8_t *data, size_t bytes) {
    return bytes >= SIGNATURE && !png_sig_cmp(data, 0, SIGNATURE);
}

int png_reader_run(struct png_reader *r, long most, void *self) {
    if (!png_is(r->data, r->bytes))
        return error_set(r->err, STATUS_USAGE, "%s: not a PNG file%s", r->name,
                         r->bytes ? "" : ": it is empty");
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, fail, say_nothing);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    int status = r->info ? run(r, most, self)
                         : error_set(r->err, STATUS_MACHINE, "%s: no memory to decode it", r->name);
    png_destroy_read_struct(&r->png, &r->info, NULL);
    return status;
}
