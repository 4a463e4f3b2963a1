/* decode_jpeg.c -- JPEG, by libjpeg-turbo: its default inverse DCT (islow) and upsampling (fancy).
 */
#include "data/decode_internal.h"
#include "data/exif.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum {
    EXIF_XMP = JPEG_APP0 + 1,
    ICC = JPEG_APP0 + 2,
    WHOLE_MARKER = 0xffff,
    /* Encoders make about ten; of thousands, which fit into a small file, each costs a pass over
     * the image. */
    MOST_SCANS = 100,
    /* An 8 x 8 block of the densest component takes at least a bit; 4, for odd sampling factors. */
    MOST_BLOCKS_A_BYTE = 8 * 4,
    SCALES = 4
};

static const char icc_head[] = "ICC_PROFILE", xmp_head[] = "http://ns.adobe.com/xap/1.0/";

struct decoder {
    struct jpeg_error_mgr manager; /* first: libjpeg hands out a pointer to it */
    jmp_buf back;
    struct jpeg_decompress_struct info;
    struct jpeg_progress_mgr progress;
    struct decode_job *job;
};

static size_t offset(const struct decoder *d) {
    const struct jpeg_source_mgr *src = d->info.src;
    return src && src->bytes_in_buffer <= d->job->bytes ? d->job->bytes - src->bytes_in_buffer : 0;
}

static _Noreturn void stop(struct decoder *d, const char *why) {
    error_set(d->job->err, STATUS_USAGE, "%s: offset %zu: cannot decode this JPEG: %s",
              d->job->name, offset(d), why);
    longjmp(d->back, 1);
}

/* In place of exit(). */
static _Noreturn void fail(j_common_ptr info) {
    struct decoder *d = (struct decoder *)info->err;
    char message[JMSG_LENGTH_MAX];
    d->manager.format_message(info, message);
    stop(d, message);
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

static void watch(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number > MOST_SCANS)
        stop((struct decoder *)info->err, "it has far more scans than any encoder makes");
}

static int begins(const struct jpeg_marker_struct *m, int marker, const char *head, size_t n) {
    return m->marker == marker && m->data_length >= n && !memcmp(m->data, head, n);
}

static void take_markers(const struct decoder *d, struct decoded *out) {
    int exif = 0, xmp = 0;
    for (const struct jpeg_marker_struct *m = d->info.marker_list; m; m = m->next) {
        if (!exif && begins(m, EXIF_XMP, "Exif\0", 6))
            exif = exif_orientation(m->data, m->data_length);
        else if (!xmp && begins(m, EXIF_XMP, xmp_head, sizeof xmp_head))
            xmp = xmp_orientation(m->data, m->data_length);
        else if (begins(m, ICC, icc_head, sizeof icc_head))
            out->has_profile = 1;
    }
    out->orientation = exif ? exif : xmp ? xmp : 1;
}

static int check(struct decoder *d) {
    const struct jpeg_decompress_struct *i = &d->info;
    const struct decode_job *job = d->job;
    int status = decode_check_size(job->name, "JPEG", i->image_width, i->image_height,
                                   job->options.most_pixels, job->err);
    if (status)
        return status;
    uint64_t blocks = ((uint64_t)i->image_width + 7) / 8 * (((uint64_t)i->image_height + 7) / 8);
    if (!i->arith_code && blocks / MOST_BLOCKS_A_BYTE > job->bytes)
        return error_set(job->err, STATUS_USAGE,
                         "%s: cannot decode this JPEG: it is cut off, for %zu bytes do not hold "
                         "%u x %u pixels",
                         job->name, job->bytes, i->image_width, i->image_height);
    if (i->jpeg_color_space == JCS_UNKNOWN)
        return error_set(job->err, STATUS_USAGE,
                         "%s: a JPEG of %d channels that is neither grey nor RGB nor CMYK: "
                         "convert it",
                         job->name, i->num_components);
    return 0;
}

/* The smallest of the sizes for which libjpeg-turbo has vector code: at others, such as 3/4, it
 * takes longer than for the whole image. */
static void choose_scale(struct decoder *d) {
    static const unsigned eighths[SCALES] = {1, 2, 4, 8};
    struct jpeg_decompress_struct *i = &d->info;
    unsigned shorter = i->image_width < i->image_height ? i->image_width : i->image_height;
    int k = d->job->options.least_side ? 0 : SCALES - 1;
    while (k < SCALES - 1 && (shorter * eighths[k] + 7) / 8 < (unsigned)d->job->options.least_side)
        k++;
    i->scale_num = eighths[k];
    i->scale_denom = 8;
}

/* a b / 255, rounded. */
static unsigned product(unsigned a, unsigned b) {
    return (a * b + 127) / 255;
}

/* in (width, 4): 255 - C, 255 - M, 255 - Y, 255 - K. */
static void from_cmyk(const uint8_t *in, size_t width, uint8_t *out) {
    for (size_t x = 0; x < width; x++, in += 4)
        for (int c = 0; c < RGB; c++)
            *out++ = (uint8_t)product(in[c], in[3]);
}

static void read_rows(struct decoder *d) {
    struct jpeg_decompress_struct *i = &d->info;
    struct decoded *out = d->job->out;
    size_t width = i->output_width, row = width * RGB;
    uint8_t *cmyk = out->was_cmyk ? arena_alloc(d->job->arena, width * 4) : NULL;
    out->rgb = arena_alloc(d->job->arena, row * i->output_height);
    while (i->output_scanline < i->output_height) {
        uint8_t *to = out->rgb + row * i->output_scanline;
        JSAMPROW line = cmyk ? cmyk : to;
        if (jpeg_read_scanlines(i, &line, 1) && cmyk)
            from_cmyk(cmyk, width, to);
    }
}

/* What happens between setjmp and longjmp lives in *d and what it points to. */
static int decode(struct decoder *d) {
    struct jpeg_decompress_struct *i = &d->info;
    struct decode_job *job = d->job;
    struct decoded *out = job->out;
    if (setjmp(d->back))
        return STATUS_USAGE;
    jpeg_create_decompress(i);
    i->progress = &d->progress;
    jpeg_save_markers(i, EXIF_XMP, WHOLE_MARKER);
    jpeg_save_markers(i, ICC, sizeof icc_head);
    jpeg_mem_src(i, job->data, (unsigned long)job->bytes);
    jpeg_read_header(i, TRUE);
    int status = check(d);
    if (status)
        return status;
    out->file_height = (int)i->image_height;
    out->file_width = (int)i->image_width;
    out->was_grey = i->jpeg_color_space == JCS_GRAYSCALE;
    out->was_cmyk = i->jpeg_color_space == JCS_CMYK || i->jpeg_color_space == JCS_YCCK;
    out->is_progressive = i->progressive_mode;
    take_markers(d, out);
    i->out_color_space = out->was_cmyk ? JCS_CMYK : JCS_RGB;
    choose_scale(d);
    jpeg_calc_output_dimensions(i);
    out->height = (int)i->output_height;
    out->width = (int)i->output_width;
    if (job->only_head)
        return 0;
    jpeg_start_decompress(i);
    read_rows(d);
    jpeg_finish_decompress(i);
    return 0;
}

static int decode_jpeg(struct decode_job *job) {
    struct decoder d = {.job = job, .progress.progress_monitor = watch};
    d.info.err = jpeg_std_error(&d.manager);
    d.manager.error_exit = fail;
    d.manager.emit_message = warn;
    d.manager.output_message = say_nothing;
    int status = decode(&d);
    jpeg_destroy_decompress(&d.info);
    return status;
}

static int is_jpeg(const uint8_t *data, size_t bytes) {
    return bytes >= 2 && data[0] == 0xff && data[1] == 0xd8;
}

const struct image_format image_jpeg = {"jpeg", is_jpeg, decode_jpeg};
