/* decode_webp.c -- WebP, lossy and lossless, by libwebp; of an animation the first frame, on black
 * where it does not cover the canvas. */
#include "data/decode_internal.h"
#include "data/exif.h"

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

enum { RIFF_HEAD = 12 };

static int wrong(const struct decode_job *job, const char *why) {
    return error_set(job->err, STATUS_USAGE, "%s: cannot decode this WebP: %s", job->name, why);
}

/* An orientation out of the chunk, 0 for none. */
static int from_chunk(const WebPDemuxer *file, const char *type,
                      int (*read)(const void *bytes, size_t n)) {
    WebPChunkIterator chunk;
    int orientation = 0;
    if (WebPDemuxGetChunk(file, type, 1, &chunk))
        orientation = read(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
    return orientation;
}

static const char *reason(VP8StatusCode code) {
    static const char *const texts[] = {
        [VP8_STATUS_OUT_OF_MEMORY] = "out of memory",
        [VP8_STATUS_INVALID_PARAM] = "wrong parameters",
        [VP8_STATUS_BITSTREAM_ERROR] = "corrupt data",
        [VP8_STATUS_UNSUPPORTED_FEATURE] = "a feature that libwebp does not have",
        [VP8_STATUS_SUSPENDED] = "the file is cut off",
        [VP8_STATUS_USER_ABORT] = "aborted",
        [VP8_STATUS_NOT_ENOUGH_DATA] = "the file is cut off",
    };
    const char *text = (size_t)code < sizeof texts / sizeof *texts ? texts[code] : NULL;
    return text ? text : "an unknown error";
}

static int read_frame(const struct decode_job *job, const WebPIterator *frame) {
    struct decoded *out = job->out;
    size_t row = (size_t)out->width * RGB;
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return error_set(job->err, STATUS_MACHINE, "%s: another libwebp than at compile time",
                         job->name);
    if (frame->x_offset < 0 || frame->y_offset < 0 || frame->width > out->width - frame->x_offset ||
        frame->height > out->height - frame->y_offset)
        return wrong(job, "a frame lies outside of the image");
    out->rgb = arena_alloc(job->arena, row * (size_t)out->height);
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out->rgb + (size_t)frame->y_offset * row + frame->x_offset * RGB;
    config.output.u.RGBA.stride = (int)row;
    config.output.u.RGBA.size = row * (size_t)frame->height - (size_t)frame->x_offset * RGB;
    VP8StatusCode code = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
    return code == VP8_STATUS_OK ? 0 : wrong(job, reason(code));
}

static int decode(const struct decode_job *job, const WebPDemuxer *file, WebPIterator *frame) {
    struct decoded *out = job->out;
    uint32_t height = WebPDemuxGetI(file, WEBP_FF_CANVAS_HEIGHT);
    uint32_t width = WebPDemuxGetI(file, WEBP_FF_CANVAS_WIDTH);
    int status =
        decode_check_size(job->name, "WebP", width, height, job->options.most_pixels, job->err);
    if (status)
        return status;
    if (!WebPDemuxGetFrame(file, 1, frame))
        return wrong(job, "it holds no image");
    int exif = from_chunk(file, "EXIF", exif_orientation);
    int xmp = exif ? 0 : from_chunk(file, "XMP ", xmp_orientation);
    out->height = out->file_height = (int)height;
    out->width = out->file_width = (int)width;
    out->orientation = exif ? exif : xmp ? xmp : 1;
    out->had_alpha = frame->has_alpha;
    out->has_profile = (WebPDemuxGetI(file, WEBP_FF_FORMAT_FLAGS) & ICCP_FLAG) != 0;
    return job->only_head ? 0 : read_frame(job, frame);
}

static int decode_webp(struct decode_job *job) {
    WebPData data = {job->data, job->bytes};
    WebPDemuxState state;
    WebPDemuxer *file = WebPDemuxPartial(&data, &state);
    WebPIterator frame = {0};
    int status = 0;
    if (!file || state == WEBP_DEMUX_PARSE_ERROR)
        status = wrong(job, "its chunks are corrupt");
    else if (state != WEBP_DEMUX_DONE)
        status = wrong(job, "the file is cut off");
    else
        status = decode(job, file, &frame);
    WebPDemuxReleaseIterator(&frame);
    WebPDemuxDelete(file);
    return status;
}

static int is_webp(const uint8_t *data, size_t bytes) {
    return bytes >= RIFF_HEAD && !memcmp(data, "RIFF", 4) && !memcmp(data + 8, "WEBP", 4);
}

const struct image_format image_webp = {"webp", is_webp, decode_webp};
