/* decode_png.c -- PNG, by libpng; its metadata, of which a decoded image needs two facts, by a walk
 * over the chunks, since they may stand behind the pixels. */
#include "data/decode_internal.h"
#include "data/exif.h"
#include "data/png_reader.h"

#include <string.h>

#include <zlib.h>

enum {
    SIGNATURE = 8,
    CHUNK_FRAME = 12,   /* length, type and, behind the data, a CRC */
    MOST_TEXT = 1 << 20 /* unpacked, of what may say how the camera was held */
};

struct chunk {
    const uint8_t *type, *data; /* (4), (bytes) */
    size_t bytes;
};

struct meta {
    int exif, raw_exif, xmp; /* orientations, 0 for none */
    int saw_raw, saw_xmp;    /* only the first of each is unpacked */
    int has_profile;
    struct arena scratch;
};

static uint32_t word(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* 0 at the end, or where the file is broken: libpng says how. */
static int next_chunk(const struct decode_job *job, size_t *at, struct chunk *c) {
    if (job->bytes - *at < CHUNK_FRAME)
        return 0;
    const uint8_t *head = job->data + *at;
    size_t bytes = word(head);
    if (bytes > job->bytes - *at - CHUNK_FRAME)
        return 0;
    *c = (struct chunk){head + 4, head + 8, bytes};
    *at += CHUNK_FRAME + bytes;
    return 1;
}

static int is(const struct chunk *c, const char *type) {
    return !memcmp(c->type, type, 4);
}

static int is_sound(const struct chunk *c) {
    return crc32(0, c->type, (uInt)(4 + c->bytes)) == word(c->data + c->bytes);
}

/* What can be unpacked of it, up to MOST_TEXT. */
static struct chunk unpacked(struct meta *m, struct chunk text) {
    z_stream z = {.next_in = (Bytef *)text.data, .avail_in = (uInt)text.bytes};
    uint8_t *out = arena_alloc(&m->scratch, MOST_TEXT);
    if (inflateInit(&z) != Z_OK)
        return (struct chunk){0};
    z.next_out = out;
    z.avail_out = MOST_TEXT;
    inflate(&z, Z_FINISH);
    struct chunk result = {.data = out, .bytes = MOST_TEXT - z.avail_out};
    inflateEnd(&z);
    return result;
}

/* Passes over a text that ends with a NUL; 0: it does not end. */
static int pass_text(struct chunk *c) {
    const uint8_t *nul = memchr(c->data, 0, c->bytes);
    if (!nul)
        return 0;
    c->bytes -= (size_t)(nul + 1 - c->data);
    c->data = nul + 1;
    return 1;
}

static void pass(struct chunk *c, size_t n) {
    c->data += n;
    c->bytes -= n;
}

/* tEXt: keyword, text.  zTXt: keyword, method, packed.  iTXt: keyword, is packed, method, language,
 * translated keyword, text. */
static void take_text(struct meta *m, struct chunk c) {
    static const char raw[] = "Raw profile type exif", xmp[] = "XML:com.adobe.xmp";
    struct chunk text = c;
    int is_raw = c.bytes > sizeof raw && !memcmp(c.data, raw, sizeof raw);
    int is_xmp = c.bytes > sizeof xmp && !memcmp(c.data, xmp, sizeof xmp);
    int *seen = is_raw ? &m->saw_raw : &m->saw_xmp;
    if ((!is_raw && !is_xmp) || *seen || !is_sound(&c))
        return;
    *seen = 1;
    pass_text(&text);
    int international = is(&c, "iTXt"), packed = is(&c, "zTXt");
    size_t marks = international ? 2 : packed ? 1 : 0;
    if (text.bytes < marks)
        return;
    packed |= international && text.data[0];
    pass(&text, marks);
    if (international && (!pass_text(&text) || !pass_text(&text)))
        return;
    if (packed)
        text = unpacked(m, text);
    if (is_raw)
        m->raw_exif = raw_profile_orientation(text.data, text.bytes);
    else
        m->xmp = xmp_orientation(text.data, text.bytes);
}

static void take_meta(const struct decode_job *job) {
    struct meta m = {0};
    struct chunk c;
    for (size_t at = SIGNATURE; next_chunk(job, &at, &c) && !is(&c, "IEND");) {
        if (is(&c, "eXIf") && !m.exif && is_sound(&c))
            m.exif = exif_orientation(c.data, c.bytes);
        else if (is(&c, "iCCP"))
            m.has_profile |= c.bytes && is_sound(&c);
        else if (is(&c, "tEXt") || is(&c, "zTXt") || is(&c, "iTXt"))
            take_text(&m, c);
    }
    job->out->orientation = m.exif ? m.exif : m.raw_exif ? m.raw_exif : m.xmp ? m.xmp : 1;
    job->out->has_profile = m.has_profile;
    arena_free(&m.scratch);
}

static int read_pixels(struct png_reader *r, const struct decode_job *job) {
    png_set_palette_to_rgb(r->png);
    png_set_expand_gray_1_2_4_to_8(r->png);
    png_set_scale_16(r->png);
    png_set_gray_to_rgb(r->png);
    png_set_strip_alpha(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    size_t row = png_get_rowbytes(r->png, r->info);
    CHECK(row == (size_t)r->width * RGB, "%s: rows of %zu bytes", r->name, row);
    png_bytep *rows = ARENA_ARRAY(job->arena, png_bytep, r->height);
    job->out->rgb = arena_alloc(job->arena, row * r->height);
    for (size_t y = 0; y < r->height; y++)
        rows[y] = job->out->rgb + y * row;
    png_read_image(r->png, rows);
    png_read_end(r->png, NULL);
    return 0;
}

static int decode(struct png_reader *r, void *self) {
    const struct decode_job *job = self;
    struct decoded *out = job->out;
    out->height = out->file_height = (int)r->height;
    out->width = out->file_width = (int)r->width;
    out->was_palette = r->color == PNG_COLOR_TYPE_PALETTE;
    out->was_grey = !(r->color & PNG_COLOR_MASK_COLOR);
    out->had_alpha =
        r->color & PNG_COLOR_MASK_ALPHA || png_get_valid(r->png, r->info, PNG_INFO_tRNS);
    out->was_16_bit = r->bits == 16;
    out->is_progressive = png_get_interlace_type(r->png, r->info) != PNG_INTERLACE_NONE;
    take_meta(job);
    return job->only_head ? 0 : read_pixels(r, job);
}

static int decode_png(struct decode_job *job) {
    struct png_reader r = {
        .name = job->name, .data = job->data, .bytes = job->bytes, .err = job->err, .body = decode};
    return png_reader_run(&r, job->options.most_pixels, job);
}

const struct image_format image_png = {"png", png_is, decode_png};
