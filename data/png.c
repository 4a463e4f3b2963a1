#include "data/png.h"

#include "data/decode_internal.h"
#include "data/png_reader.h"

enum { MOST_BITS = 8 };

struct index_job {
    struct arena *arena; /* NULL: only the head is read */
    struct index_image *out;
};

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

static int decode(struct png_reader *r, void *self) {
    struct index_job *job = self;
    struct index_image *out = job->out;
    int is_rgb = r->color == PNG_COLOR_TYPE_RGB || r->color == PNG_COLOR_TYPE_RGB_ALPHA;
    if ((!is_rgb && r->color != PNG_COLOR_TYPE_PALETTE && r->color != PNG_COLOR_TYPE_GRAY) ||
        r->bits > MOST_BITS)
        return error_set(r->err, STATUS_USAGE,
                         "%s: a palette, grey or RGB of at most %d bits expected, the class of "
                         "each pixel; this PNG is %s of %d bits",
                         r->name, MOST_BITS, kind(r->color), r->bits);
    *out = (struct index_image){.height = (int)r->height, .width = (int)r->width};
    if (!job->arena)
        return 0;
    png_set_packing(r->png); /* a byte a pixel, not scaled */
    if (is_rgb)
        png_set_strip_alpha(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    size_t row = (size_t)r->width * (is_rgb ? 3 : 1);
    png_bytep *rows = ARENA_ARRAY(job->arena, png_bytep, r->height);
    uint8_t *pixels = arena_alloc(job->arena, row * r->height);
    *(is_rgb ? &out->rgb : &out->value) = pixels;
    for (size_t y = 0; y < r->height; y++)
        rows[y] = pixels + y * row;
    png_read_image(r->png, rows);
    png_read_end(r->png, NULL);
    return 0;
}

static int run(const char *path, const void *data, size_t bytes, struct arena *a,
               struct index_image *out, struct error *err) {
    struct index_job job = {a, out};
    struct png_reader r = {.name = path, .data = data, .bytes = bytes, .err = err, .body = decode};
    return png_reader_run(&r, DEFAULT_MOST_PIXELS, &job);
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
