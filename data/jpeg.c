#include "data/jpeg.h"

#include "core/file.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum { MOST_PIXELS = 1 << 26, CHANNELS = 3 };

struct decoder {
    struct jpeg_error_mgr manager; /* first: libjpeg hands out a pointer to it */
    jmp_buf back;
    struct jpeg_decompress_struct info;
    const char *path;
    struct error *err;
};

/* In place of exit(). */
static _Noreturn void fail(j_common_ptr info) {
    struct decoder *d = (struct decoder *)info->err;
    char message[JMSG_LENGTH_MAX];
    d->manager.format_message(info, message);
    error_set(d->err, STATUS_USAGE, "%s: cannot decode this JPEG: %s", d->path, message);
    longjmp(d->back, 1);
}

/* Level -1 is a warning: mostly that pixels were made up.  These are about nothing that is seen. */
static void warn(j_common_ptr info, int level) {
    int code = info->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_JFIF_MAJOR &&
        code != JWRN_BOGUS_ICC && code != JWRN_ADOBE_XFORM)
        fail(info);
}

static void say_nothing(j_common_ptr info) {
    (void)info;
}

static int check(struct decoder *d) {
    const struct jpeg_decompress_struct *i = &d->info;
    if ((uint64_t)i->image_width * i->image_height > MOST_PIXELS)
        return error_set(d->err, STATUS_USAGE,
                         "%s: a JPEG of %u x %u pixels is more than this program takes, %d",
                         d->path, i->image_width, i->image_height, MOST_PIXELS);
    if (i->jpeg_color_space != JCS_GRAYSCALE && i->jpeg_color_space != JCS_YCbCr &&
        i->jpeg_color_space != JCS_RGB)
        return error_set(d->err, STATUS_USAGE,
                         "%s: a JPEG of %d channels that is neither grey nor RGB: convert it",
                         d->path, i->num_components);
    return 0;
}

/* What happens between setjmp and longjmp lives in *d and *out. */
static int decode(struct decoder *d, const char *data, size_t bytes, struct arena *a,
                  struct pixels *out) {
    if (setjmp(d->back))
        return STATUS_USAGE;
    jpeg_create_decompress(&d->info);
    jpeg_mem_src(&d->info, (const unsigned char *)data, (unsigned long)bytes);
    jpeg_read_header(&d->info, TRUE);
    int status = check(d);
    if (status)
        return status;
    d->info.out_color_space = JCS_RGB;
    jpeg_start_decompress(&d->info);
    out->height = (int)d->info.output_height;
    out->width = (int)d->info.output_width;
    size_t row = (size_t)out->width * CHANNELS;
    out->rgb = arena_alloc(a, row * (size_t)out->height);
    while (d->info.output_scanline < d->info.output_height) {
        JSAMPROW line = out->rgb + row * d->info.output_scanline;
        jpeg_read_scanlines(&d->info, &line, 1);
    }
    jpeg_finish_decompress(&d->info);
    return 0;
}

int jpeg_read(const char *path, struct arena *a, struct pixels *out, struct error *err) {
    struct arena scratch = {0};
    struct decoder d = {.path = path, .err = err};
    char *data;
    size_t bytes;
    int status = 0;
    TRY(file_read(path, &scratch, &data, &bytes, err));
    if (bytes < 2 || memcmp(data, "\xff\xd8", 2) != 0) {
        status = error_set(err, STATUS_USAGE, "%s: not a JPEG file%s", path,
                           bytes ? "" : ": it is empty");
        goto out;
    }
    d.info.err = jpeg_std_error(&d.manager);
    d.manager.error_exit = fail;
    d.manager.emit_message = warn;
    d.manager.output_message = say_nothing;
    status = decode(&d, data, bytes, a, out);
    jpeg_destroy_decompress(&d.info);
out:
    arena_free(&scratch);
    return status;
}
