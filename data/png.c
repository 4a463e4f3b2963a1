#include "data/png.h"

#include <stdio.h>
#include <string.h>

#include <png.h>

enum { MOST_PIXELS = 1 << 26, SIGNATURE = 8, MOST_BITS = 8 };

struct decoder {
    png_structp png;
    png_infop info;
    jmp_buf back;
    const char *path;
    const uint8_t *data;
    size_t bytes, at;
    struct error *err;
};

/* libpng's way out: it must not return. */
static _Noreturn void fail(png_structp png, png_const_charp message) {
    struct decoder *d = png_get_error_ptr(png);
    error_set(d->err, STATUS_USAGE, "%s: offset %zu: cannot decode this PNG: %s", d->path, d->at,
              message);
    longjmp(d->back, 1);
}

static void say_nothing(png_structp png, png_const_charp message) {
    (void)png, (void)message;
}

static void give(png_structp png, png_bytep out, size_t n) {
    struct decoder *d = png_get_io_ptr(png);
    if (n > d->bytes - d->at)
        png_error(png, "the file is cut off");
    memcpy(out, d->data + d->at, n);
    d->at += n;
}

static const char *kind(int color) {
    switch (color) {
    case PNG_COLOR_TYPE_PALETTE:
        return "a palette";
    case PNG_COLOR_TYPE_GRAY:
        return "grey";
    case PNG_COLOR_TYPE_GRAY_ALPHA:
        return "grey with alpha";
    case PNG_COLOR_TYPE_RGB:
        return "RGB";
    default:
        return "RGB with alpha";
    }
}

static int check(const struct decoder *d) {
    uint64_t width = png_get_image_width(d->png, d->info);
    uint64_t height = png_get_image_height(d->png, d->info);
    int color = png_get_color_type(d->png, d->info), bits = png_get_bit_depth(d->png, d->info);
    if (width * height > MOST_PIXELS)
        return error_set(d->err, STATUS_USAGE,
                         "%s: a PNG of %llu x %llu pixels is more than this program takes, %d",
                         d->path, (unsigned long long)width, (unsigned long long)height,
                         MOST_PIXELS);
    if ((color != PNG_COLOR_TYPE_PALETTE && color != PNG_COLOR_TYPE_GRAY) || bits > MOST_BITS)
        return error_set(d->err, STATUS_USAGE,
                         "%s: a palette or grey of at most %d bits expected, the class of each "
                         "pixel; this PNG is %s of %d bits",
                         d->path, MOST_BITS, kind(color), bits);
    return 0;
}

/* What happens between setjmp and longjmp lives in *d and *out.  Without an arena only the head is
 * read. */
static int decode(struct decoder *d, struct arena *a, struct index_image *out) {
    if (setjmp(d->back))
        return STATUS_USAGE;
    png_set_read_fn(d->png, d, give);
    png_set_user_limits(d->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* check() is clearer */
    png_set_benign_errors(d->png, 1);
    png_set_check_for_invalid_index(d->png, -1); /* a mask's palette may be short: see png.h */
    png_read_info(d->png, d->info);
    int status = check(d);
    if (status)
        return status;
    out->height = (int)png_get_image_height(d->png, d->info);
    out->width = (int)png_get_image_width(d->png, d->info);
    out->value = NULL;
    if (!a)
        return 0;
    png_set_packing(d->png); /* a byte a pixel, not scaled */
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    size_t width = (size_t)out->width, height = (size_t)out->height;
    png_bytep *rows = ARENA_ARRAY(a, png_bytep, height);
    out->value = arena_alloc(a, width * height);
    for (size_t y = 0; y < height; y++)
        rows[y] = out->value + y * width;
    png_read_image(d->png, rows);
    png_read_end(d->png, NULL);
    return 0;
}

static int run(const char *path, const void *data, size_t bytes, struct arena *a,
               struct index_image *out, struct error *err) {
    struct decoder d = {.path = path, .data = data, .bytes = bytes, .err = err};
    if (bytes < SIGNATURE || png_sig_cmp(data, 0, SIGNATURE))
        return error_set(err, STATUS_USAGE, "%s: not a PNG file%s", path,
                         bytes ? "" : ": it is empty");
    d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, fail, say_nothing);
    d.info = d.png ? png_create_info_struct(d.png) : NULL;
    int status = d.info ? decode(&d, a, out)
                        : error_set(err, STATUS_MACHINE, "%s: no memory to decode it", path);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    return status;
}

int png_decode_index(const char *path, const void *data, size_t bytes, struct arena *a,
                     struct index_image *out, struct error *err) {
    CHECK(a, "%s: no arena", path);
    return run(path, data, bytes, a, out, err);
}

int png_decode_size(const char *path, const void *data, size_t bytes, struct index_image *out,
                    struct error *err) {
    return run(path, data, bytes, NULL, out, err);
}
