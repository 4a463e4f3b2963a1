#include "data/decode.h"

#include "core/file.h"
#include "data/decode_internal.h"

#include <stdio.h>
#include <string.h>

enum { SIGNATURE_ROOM = 16, TILE = 64 };

static const struct image_format *const formats[] = {&image_jpeg, &image_png, &image_webp};

/* What people take for images, too: said in the message. */
static const struct {
    size_t offset;
    const char *bytes;
    size_t n;
    const char *what;
} others[] = {
    {0, "GIF8", 4, "a GIF image"},
    {0, "BM", 2, "a BMP image"},
    {0, "II*\0", 4, "a TIFF image"},
    {0, "MM\0*", 4, "a TIFF image"},
    {4, "ftypavi", 7, "an AVIF image"},
    {4, "ftyp", 4, "an HEIC image or a film"},
    {0, "\0\0\0\x0cjP  ", 8, "a JPEG 2000 image"},
    {0, "\0\0\0\x0cJXL ", 8, "a JPEG XL image"},
    {0, "\xff\x0a", 2, "a JPEG XL image"},
    {0, "8BPS", 4, "a Photoshop document"},
    {0, "%PDF", 4, "a PDF document"},
    {0, "PK\3\4", 4, "a zip archive"},
    {0, "\x1f\x8b", 2, "a gzip file"},
    {0, "<", 1, "a web page or an SVG drawing"},
    {0, "version https://", 16, "a Git LFS pointer, so the file was never fetched"},
};

static int unknown(const struct decode_job *job) {
    char first[3 * SIGNATURE_ROOM + 1] = "";
    if (!job->bytes)
        return error_set(job->err, STATUS_USAGE, "%s: no image: it is empty", job->name);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (job->bytes >= others[i].offset + others[i].n &&
            !memcmp(job->data + others[i].offset, others[i].bytes, others[i].n))
            return error_set(job->err, STATUS_USAGE,
                             "%s: not a JPEG, PNG or WebP file: it looks like %s", job->name,
                             others[i].what);
    for (size_t i = 0; i < job->bytes && i < 8; i++)
        snprintf(first + 3 * i, 4, " %02x", job->data[i]);
    return error_set(job->err, STATUS_USAGE, "%s: not a JPEG, PNG or WebP file: it begins with%s",
                     job->name, first);
}

int decode_check_size(const char *name, const char *title, uint64_t width, uint64_t height,
                      long most, struct error *err) {
    if (width * height > (uint64_t)most) /* both have 31 bits */
        return error_set(err, STATUS_USAGE,
                         "%s: a %s of %llu x %llu pixels is more than this program takes, %ld",
                         name, title, (unsigned long long)width, (unsigned long long)height, most);
    return 0;
}

/* Where the stored pixels (height, width) go, in pixels: from the first one, by one step right and
 * one step down in the upright image (EXIF 2.3, table of orientations). */
struct walk {
    ptrdiff_t first, right, down;
};

static struct walk walk_of(int orientation, ptrdiff_t height, ptrdiff_t width) {
    ptrdiff_t last_row = (height - 1) * width, last = last_row + width - 1;
    const struct walk walks[] = {
        [1] = {0, 1, width},         [2] = {width - 1, -1, width}, [3] = {last, -1, -width},
        [4] = {last_row, 1, -width}, [5] = {0, width, 1},          [6] = {last_row, -width, 1},
        [7] = {last, -width, -1},    [8] = {width - 1, width, -1},
    };
    return walks[orientation];
}

/* By tiles, so that a turned image's columns stay in the cache while their rows are walked. */
static uint8_t *turned(const uint8_t *in, const struct decoded *d, int height, int width,
                       struct arena *a) {
    uint8_t *out = arena_alloc(a, (size_t)d->height * (size_t)d->width * RGB);
    struct walk w = walk_of(d->orientation, height, width);
    for (int x0 = 0; x0 < d->width; x0 += TILE)
        for (int y = 0; y < d->height; y++) {
            uint8_t *to = out + ((ptrdiff_t)y * d->width + x0) * RGB;
            ptrdiff_t from = w.first + y * w.down + x0 * w.right;
            for (int x = x0; x < d->width && x < x0 + TILE; x++) {
                memcpy(to, in + from * RGB, RGB);
                to += RGB;
                from += w.right;
            }
        }
    return out;
}

/* Pixels as stored are in scratch; upright ones end in a. */
static void turn(struct arena *scratch, struct arena *a, struct decoded *d) {
    int height = d->height, width = d->width;
    if (d->orientation >= 5)
        d->height = width, d->width = height;
    if (!d->rgb)
        return;
    if (d->orientation == 1)
        arena_adopt(a, scratch);
    else
        d->rgb = turned(d->rgb, d, height, width, a);
}

static const struct image_format *format_of(const struct decode_job *job) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i]->is(job->data, job->bytes))
            return formats[i];
    return NULL;
}

static int run(struct decode_job job, const struct decode_options *o, struct arena *a) {
    struct arena scratch = {0};
    const struct image_format *format = format_of(&job);
    *job.out = (struct decoded){0};
    if (!format)
        return unknown(&job);
    if (o)
        job.options = *o;
    if (!job.options.most_pixels)
        job.options.most_pixels = DEFAULT_MOST_PIXELS;
    CHECK(job.options.most_pixels > 0 && job.options.least_side >= 0, "%ld pixels, side %d",
          job.options.most_pixels, job.options.least_side);
    job.arena = &scratch;
    int status = format->decode(&job);
    if (status) {
        *job.out = (struct decoded){0};
    } else {
        job.out->format = format->name;
        turn(&scratch, a, job.out);
    }
    arena_free(&scratch);
    return status;
}

int image_decode(const char *name, const void *bytes, size_t n, const struct decode_options *o,
                 struct arena *a, struct decoded *out, struct error *err) {
    CHECK(a, "%s: no arena", name);
    return run((struct decode_job){.name = name, .data = bytes, .bytes = n, .out = out, .err = err},
               o, a);
}

int image_probe(const char *name, const void *bytes, size_t n, const struct decode_options *o,
                struct arena *a, struct decoded *out, struct error *err) {
    (void)a;
    return run(
        (struct decode_job){
            .name = name, .data = bytes, .bytes = n, .only_head = 1, .out = out, .err = err},
        o, NULL);
}

int image_read(const char *path, const struct decode_options *o, struct arena *a,
               struct decoded *out, struct error *err) {
    struct arena scratch = {0};
    char *data;
    size_t bytes;
    int status = 0;
    TRY(file_read(path, &scratch, &data, &bytes, err));
    TRY(image_decode(path, data, bytes, o, a, out, err));
out:
    arena_free(&scratch);
    return status;
}
