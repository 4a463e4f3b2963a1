/* image_files.h -- small image files in memory, of every kind that data/decode.h knows, by the
 * libraries that also read them; and metadata put into files by hand. */
#ifndef SSV_TESTS_IMAGE_FILES_H
#define SSV_TESTS_IMAGE_FILES_H

#include "core/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>
#include <zlib.h>

struct file_bytes {
    uint8_t *data;
    size_t n;
};

static inline struct file_bytes bytes_of(struct arena *a, const void *data, size_t n) {
    struct file_bytes f = {arena_alloc(a, n), n};
    if (n)
        memcpy(f.data, data, n);
    return f;
}

/* f with n bytes in it at `at`. */
static inline struct file_bytes with_bytes(struct arena *a, struct file_bytes f, size_t at,
                                           const void *data, size_t n) {
    struct file_bytes out = {arena_alloc(a, f.n + n), f.n + n};
    memcpy(out.data, f.data, at);
    memcpy(out.data + at, data, n);
    memcpy(out.data + at + n, f.data + at, f.n - at);
    return out;
}

static inline void put_word(uint8_t *at, uint32_t word) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(word >> (24 - 8 * i));
}

static inline void put_little(uint8_t *at, uint32_t word, int bytes) {
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(word >> (8 * i));
}

/* A picture that lossy formats keep: it changes slowly, differently in each channel. */
static inline uint8_t *smooth_pixels(struct arena *a, int height, int width, int channels) {
    uint8_t *p = arena_alloc(a, (size_t)height * (size_t)width * (size_t)channels), *at = p;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                *at++ = (uint8_t)(60 + 40 * c + 60 * y / height + (c % 2 ? -30 : 30) * x / width);
    return p;
}

enum jpeg_way { JPEG_BASELINE, JPEG_PROGRESSIVE, JPEG_ARITHMETIC, JPEG_RESTARTS, JPEG_SCANS };

struct jpeg_kind {
    int channels; /* of pixels: 1 grey, 3 RGB, 4 CMYK as stored, so inverted */
    J_COLOR_SPACE space;
    int horizontal, vertical; /* sampling factors of the first component */
    enum jpeg_way way;
    int quality; /* 0: 95 */
};

#define JPEG_444 ((struct jpeg_kind){3, JCS_YCbCr, 1, 1, JPEG_BASELINE, 0})

/* pixels (height, width, kind.channels). */
static inline struct file_bytes make_jpeg(struct arena *a, struct jpeg_kind kind, int height,
                                          int width, const uint8_t *pixels) {
    static const J_COLOR_SPACE from[] = {[1] = JCS_GRAYSCALE, [3] = JCS_RGB, [4] = JCS_CMYK};
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr manager;
    jpeg_scan_info scans[4];
    unsigned char *out = NULL;
    unsigned long n = 0;
    info.err = jpeg_std_error(&manager);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &out, &n);
    info.image_height = (JDIMENSION)height;
    info.image_width = (JDIMENSION)width;
    info.input_components = kind.channels;
    info.in_color_space = from[kind.channels];
    jpeg_set_defaults(&info);
    jpeg_set_colorspace(&info, kind.space);
    jpeg_set_quality(&info, kind.quality ? kind.quality : 95, TRUE);
    for (int c = 0; c < kind.channels; c++) {
        info.comp_info[c].h_samp_factor = c % 3 ? 1 : kind.horizontal;
        info.comp_info[c].v_samp_factor = c % 3 ? 1 : kind.vertical;
        scans[c] = (jpeg_scan_info){1, {c}, 0, 63, 0, 0};
    }
    if (kind.way == JPEG_PROGRESSIVE)
        jpeg_simple_progression(&info);
    if (kind.way == JPEG_SCANS) {
        info.scan_info = scans;
        info.num_scans = kind.channels;
    }
    info.arith_code = kind.way == JPEG_ARITHMETIC;
    info.restart_interval = kind.way == JPEG_RESTARTS;
    jpeg_start_compress(&info, TRUE);
    for (int y = 0; y < height; y++) {
        JSAMPROW row = (JSAMPROW)(pixels + (size_t)y * (size_t)width * (size_t)kind.channels);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    struct file_bytes f = bytes_of(a, out, n);
    free(out);
    return f;
}

/* Right behind the start of the image. */
static inline struct file_bytes with_marker(struct arena *a, struct file_bytes jpeg, int marker,
                                            struct file_bytes data) {
    uint8_t head[4] = {0xff, (uint8_t)marker, (uint8_t)((data.n + 2) >> 8), (uint8_t)(data.n + 2)};
    return with_bytes(a, with_bytes(a, jpeg, 2, data.data, data.n), 2, head, sizeof head);
}

struct png_writing {
    struct arena *arena;
    struct file_bytes out;
};

static inline void png_take(png_structp png, png_bytep data, size_t n) {
    struct png_writing *w = png_get_io_ptr(png);
    w->out = with_bytes(w->arena, w->out, w->out.n, data, n);
}

static inline void png_taken(png_structp png) {
    (void)png;
}

struct png_form {
    int color, bits, interlace;
    int transparent; /* with a tRNS chunk */
    int spread;      /* a pixel of fewer than 8 bits takes a byte of its row, too */
};

/* rows (height, bytes_a_row) as they are stored; palette (256) of colours i * 7, 255 - i, i ^ 85.
 */
static inline struct file_bytes make_png(struct arena *a, struct png_form form, int height,
                                         int width, const uint8_t *rows, size_t bytes_a_row) {
    struct png_writing w = {.arena = a, .out = bytes_of(a, NULL, 0)};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_bytep *pointers = ARENA_ARRAY(a, png_bytep, height);
    png_color palette[256];
    png_byte alpha[2] = {0, 99};
    png_color_16 see_through = {1, 1, 1, 1, 1};
    for (int i = 0; i < 256; i++)
        palette[i] = (png_color){(png_byte)(i * 7), (png_byte)(255 - i), (png_byte)(i ^ 85)};
    for (int y = 0; y < height; y++)
        pointers[y] = (png_bytep)(rows + (size_t)y * bytes_a_row);
    png_set_write_fn(png, &w, png_take, png_taken);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, form.bits, form.color,
                 form.interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (form.color == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, 1 << form.bits);
    if (form.transparent)
        png_set_tRNS(png, info, alpha, 2, &see_through);
    png_set_rows(png, info, pointers);
    png_write_png(png, info, form.spread ? PNG_TRANSFORM_PACKING : PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    return w.out;
}

enum { BEHIND_IHDR = 33, PNG_END = 12 };

/* At BEHIND_IHDR, or png.n - PNG_END for behind the pixels. */
static inline struct file_bytes with_chunk(struct arena *a, struct file_bytes png, size_t at,
                                           const char *type, struct file_bytes data) {
    struct file_bytes chunk = {arena_alloc(a, data.n + 12), data.n + 12};
    put_word(chunk.data, (uint32_t)data.n);
    memcpy(chunk.data + 4, type, 4);
    memcpy(chunk.data + 8, data.data, data.n);
    put_word(chunk.data + 8 + data.n, (uint32_t)crc32(0, chunk.data + 4, (uInt)(data.n + 4)));
    return with_bytes(a, png, at, chunk.data, chunk.n);
}

/* The size in the head becomes another one, with a CRC that fits. */
static inline void claim_png_size(struct file_bytes png, uint32_t height, uint32_t width) {
    put_word(png.data + 16, width);
    put_word(png.data + 20, height);
    put_word(png.data + 29, (uint32_t)crc32(0, png.data + 12, 17));
}

static inline void claim_jpeg_size(struct file_bytes jpeg, unsigned height, unsigned width) {
    uint8_t *sof = jpeg.data;
    while (sof[0] != 0xff || (sof[1] != 0xc0 && sof[1] != 0xc2))
        sof++;
    put_word(sof + 5, height << 16 | width);
}

/* pixels (height, width, 3), or 4 with alpha. */
static inline struct file_bytes make_webp(struct arena *a, int lossless, int channels, int height,
                                          int width, const uint8_t *pixels) {
    uint8_t *out = NULL;
    int stride = width * channels;
    size_t n = lossless ? (channels == 3 ? WebPEncodeLosslessRGB : WebPEncodeLosslessRGBA)(
                              pixels, width, height, stride, &out)
                        : (channels == 3 ? WebPEncodeRGB : WebPEncodeRGBA)(pixels, width, height,
                                                                           stride, 95, &out);
    struct file_bytes f = bytes_of(a, out, n);
    WebPFree(out);
    return f;
}

/* A simple WebP file (RIFF head, one chunk) in the extended form, with one chunk more. */
static inline struct file_bytes with_webp_chunk(struct arena *a, struct file_bytes webp, int height,
                                                int width, const char *type,
                                                struct file_bytes data) {
    struct file_bytes chunk = {arena_alloc(a, 8 + data.n + data.n % 2), 8 + data.n + data.n % 2};
    uint8_t extended[18] = "VP8X\n\0\0\0";
    extended[8] = !strcmp(type, "EXIF") ? 8 : !strcmp(type, "XMP ") ? 4 : 0x20;
    put_little(extended + 12, (uint32_t)width - 1, 3);
    put_little(extended + 15, (uint32_t)height - 1, 3);
    memcpy(chunk.data, type, 4);
    put_little(chunk.data + 4, (uint32_t)data.n, 4);
    memcpy(chunk.data + 8, data.data, data.n);
    int is_profile = !strcmp(type, "ICCP"); /* before the pixels */
    webp = with_bytes(a, webp, is_profile ? 12 : webp.n, chunk.data, chunk.n);
    webp = with_bytes(a, webp, 12, extended, sizeof extended);
    put_little(webp.data + 4, (uint32_t)webp.n - 8, 4);
    return webp;
}

/* A TIFF block whose first directory holds three entries, orientation among them. */
static inline struct file_bytes make_exif(struct arena *a, int big_endian, int orientation) {
    static const uint8_t big[] = {'M', 'M',  0, 42, 0, 0, 0,    8, 0, 3, 1, 0, 0, 4, 0, 0, 0,
                                  1,   0,    0, 0,  9, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0,
                                  1,   0x1a, 0, 3,  0, 0, 0,    1, 0, 1, 0, 0, 0, 0, 0, 0};
    static const uint8_t little[] = {'I',  'I', 42, 0, 8, 0,    0, 0, 3, 0, 0, 1, 4, 0, 1, 0, 0,
                                     0,    9,   0,  0, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                                     0x1a, 1,   3,  0, 1, 0,    0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    struct file_bytes f = bytes_of(a, big_endian ? big : little, sizeof big);
    f.data[8 + 2 + 12 + 8 + (big_endian ? 1 : 0)] = (uint8_t)orientation;
    return f;
}

/* As the marker of a JPEG has it. */
static inline struct file_bytes make_app1(struct arena *a, struct file_bytes exif) {
    return with_bytes(a, exif, 0, "Exif\0", 6);
}

static inline struct file_bytes make_xmp(struct arena *a, int orientation, const char *before) {
    const char *text =
        arena_printf(a, "<rdf:RDF><tiff:Orientation>%d</tiff:Orientation></rdf:RDF>", orientation);
    size_t n = strlen(before) + 1;
    return with_bytes(a, bytes_of(a, text, strlen(text)), 0, before, n);
}

#endif
