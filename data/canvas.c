#include "data/canvas.h"

#include "core/file.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { RGB = 3 };

static uint8_t *at(const struct canvas *c, int x, int y) {
    return c->pixels + ((size_t)y * (size_t)c->width + (size_t)x) * RGB;
}

struct canvas canvas_make(struct arena *a, int width, int height, struct color fill) {
    CHECK(width > 0 && height > 0, "a canvas of %d x %d", width, height);
    struct canvas c = {width, height,
                       ARENA_ARRAY(a, uint8_t, (size_t)width * (size_t)height * RGB)};
    canvas_fill(&c, 0, 0, width, height, fill);
    return c;
}

static uint8_t to_byte(double x) {
    return x > 0 ? (uint8_t)lround((x < 1 ? x : 1) * 255) : 0; /* not a number: 0 */
}

struct canvas canvas_from_image(struct arena *a, int channels, int height, int width,
                                const float *image) {
    struct canvas c = canvas_make(a, width, height, BLACK);
    size_t n = (size_t)height * (size_t)width;
    for (size_t i = 0; i < n; i++) {
        double grey = 0;
        for (int k = 0; k < channels; k++)
            grey += (double)image[(size_t)k * n + i] / channels;
        for (size_t k = 0; k < RGB; k++)
            c.pixels[i * RGB + k] = to_byte(channels == RGB ? (double)image[k * n + i] : grey);
    }
    return c;
}

struct canvas canvas_resize(struct arena *a, const struct canvas *c, int width, int height) {
    struct canvas e = canvas_make(a, width, height, BLACK);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            memcpy(at(&e, x, y),
                   at(c, (int)((long)x * c->width / width), (int)((long)y * c->height / height)),
                   RGB);
    return e;
}

struct color color_scale(double x) {
    /* between these, linear; as light as they are apart */
    static const struct color stops[] = {
        {0, 0, 0}, {80, 18, 123}, {182, 54, 121}, {251, 136, 97}, {252, 253, 191}};
    enum { LAST = sizeof stops / sizeof *stops - 1 };
    x = x > 0 ? (x < 1 ? x : 1) * LAST : 0; /* not a number: 0 */
    int i = x < LAST ? (int)x : LAST - 1;
    const uint8_t from[] = {stops[i].r, stops[i].g, stops[i].b};
    const uint8_t to[] = {stops[i + 1].r, stops[i + 1].g, stops[i + 1].b};
    uint8_t out[RGB];
    for (int k = 0; k < RGB; k++)
        out[k] = to_byte((from[k] + (x - i) * (to[k] - from[k])) / 255);
    return (struct color){out[0], out[1], out[2]};
}

struct color color_on(struct color ground) {
    return 299 * ground.r + 587 * ground.g + 114 * ground.b > 1000 * 140 ? BLACK : WHITE;
}

/* The part from..from+length of 0..limit-1. */
static void clip(int *from, int *length, int limit) {
    int end = *from + *length < limit ? *from + *length : limit;
    *from = *from > 0 ? *from : 0;
    *length = end > *from ? end - *from : 0;
}

void canvas_fill(struct canvas *c, int x, int y, int width, int height, struct color color) {
    clip(&x, &width, c->width);
    clip(&y, &height, c->height);
    for (int j = y; j < y + height; j++)
        for (int i = x; i < x + width; i++)
            memcpy(at(c, i, j), &color, RGB);
}

void canvas_frame(struct canvas *c, int x, int y, int width, int height, int thick,
                  struct color color) {
    canvas_fill(c, x, y, width, thick, color);
    canvas_fill(c, x, y + height - thick, width, thick, color);
    canvas_fill(c, x, y, thick, height, color);
    canvas_fill(c, x + width - thick, y, thick, height, color);
}

void canvas_paste(struct canvas *c, int x, int y, const struct canvas *from) {
    int left = x, top = y, width = from->width, height = from->height;
    clip(&left, &width, c->width);
    clip(&top, &height, c->height);
    for (int j = top; width && j < top + height; j++)
        memcpy(at(c, left, j), at(from, left - x, j - y), (size_t)width * RGB);
}

/* ---- PNG ---- */

struct encoder {
    png_structp png;
    png_infop info;
    png_bytep *rows; /* (height) */
    png_textp texts;
    unsigned char *data;
    size_t bytes, room;
    jmp_buf failed;
    char reason[128];
};

/* libpng's way out: it must not return. */
static void on_error(png_structp png, png_const_charp message) {
    struct encoder *e = png_get_error_ptr(png);
    snprintf(e->reason, sizeof e->reason, "%s", message);
    longjmp(e->failed, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void on_bytes(png_structp png, png_bytep data, size_t n) {
    struct encoder *e = png_get_io_ptr(png);
    if (e->bytes + n > e->room) {
        size_t room = 2 * (e->bytes + n);
        unsigned char *more = realloc(e->data, room);
        if (!more)
            png_error(png, "out of memory");
        e->data = more;
        e->room = room;
    }
    memcpy(e->data + e->bytes, data, n);
    e->bytes += n;
}

static int is_ascii(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text >= 128)
            return 0;
    return 1;
}

/* Returns 0 when libpng gave up. */
static int encode(struct encoder *e, const struct canvas *c, int n_notes) {
    enum { LEVEL = 6, DEPTH = 8 };
    if (setjmp(e->failed))
        return 0;
    e->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, e, on_error, on_warning);
    e->info = e->png ? png_create_info_struct(e->png) : NULL;
    if (!e->info) {
        strcpy(e->reason, "out of memory");
        return 0;
    }
    png_set_write_fn(e->png, e, on_bytes, NULL);
    png_set_compression_level(e->png, LEVEL);
    png_set_IHDR(e->png, e->info, (png_uint_32)c->width, (png_uint_32)c->height, DEPTH,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_sRGB(e->png, e->info, PNG_sRGB_INTENT_PERCEPTUAL);
    png_set_text(e->png, e->info, e->texts, n_notes);
    png_set_rows(e->png, e->info, e->rows);
    png_write_png(e->png, e->info, PNG_TRANSFORM_IDENTITY, NULL);
    return 1;
}

int canvas_write_png(const struct canvas *c, const char *path, const struct canvas_note *notes,
                     int n_notes, struct error *err) {
    struct arena a = {0};
    struct encoder *e = ARENA_NEW(&a, struct encoder);
    int status = 0;
    e->rows = ARENA_ARRAY(&a, png_bytep, c->height);
    for (int y = 0; y < c->height; y++)
        e->rows[y] = at(c, 0, y);
    e->texts = ARENA_ARRAY(&a, png_text, n_notes + 1);
    for (int i = 0; i < n_notes; i++) /* tEXt is Latin-1, iTXt is UTF-8 */
        e->texts[i] = (png_text){.compression = is_ascii(notes[i].text) ? PNG_TEXT_COMPRESSION_NONE
                                                                        : PNG_ITXT_COMPRESSION_NONE,
                                 .key = arena_strdup(&a, notes[i].key),
                                 .text = arena_strdup(&a, notes[i].text),
                                 .text_length = strlen(notes[i].text)};
    if (encode(e, c, n_notes))
        status = file_write_atomic(path, e->data, e->bytes, err);
    else
        status = error_set(err, STATUS_MACHINE, "%s: libpng: %s", path, e->reason);
    png_destroy_write_struct(&e->png, &e->info);
    free(e->data);
    arena_free(&a);
    return status;
}
