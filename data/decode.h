/* decode.h -- the bytes of an image file to RGB pixels, whatever format they are in.
 *
 *     struct decoded d;
 *     TRY(image_decode(path, bytes, n, NULL, &scratch, &d, err));
 *     use(d.rgb, d.height, d.width);
 *
 * Formats: JPEG (libjpeg-turbo), PNG (libpng), WebP (libwebp), told apart by their first bytes,
 * never by a name.  Pixels are those of Pillow's ImageOps.exif_transpose(image).convert("RGB"):
 *
 *   grey                 R = G = B
 *   alpha, transparency  dropped, not blended: the colours as stored, in torchvision too
 *   palette              its colours; an index that it does not have is black
 *   16 bits              to 8 by rounding, v 255 / 65535; Pillow cuts the lower byte off instead
 *   CMYK, YCCK (JPEG)    taken as inverted, as Adobe writes them, Adobe's marker or not, then
 *                        R = (255 - C) (255 - K) / 255; no profile takes part
 *   profile, gamma       ignored; has_profile tells of an ICC profile
 *   orientation          applied; from EXIF or, where that says nothing, from XMP
 *   several images       the first one (animated WebP and PNG, multi-picture JPEG)
 *
 * What a damaged file lacks is never made up: where a decoder would warn of corrupt data and go on,
 * this fails.  Thread-safe.
 */
#ifndef SSV_DATA_DECODE_H
#define SSV_DATA_DECODE_H

#include "core/arena.h"
#include "core/error.h"

#include <stdint.h>

struct decode_options {
    long most_pixels; /* larger images are refused; 0: 1 << 26 */
    /* A JPEG may be decoded at 1/8, 1/4 or 1/2 of its size (libjpeg-turbo's scaling) as long as its
     * shorter side stays at least this; 0: whole. */
    int least_side;
};

/* Also what an audit wants to know. */
struct decoded {
    int height, width;           /* after orientation */
    uint8_t *rgb;                /* (height, width, 3), owned by the arena */
    int file_height, file_width; /* as stored in the file */
    const char *format;          /* "jpeg", "png", "webp" */
    int orientation;             /* EXIF 1..8; applied */
    int was_grey, had_alpha, was_cmyk, was_16_bit, was_palette;
    int is_progressive; /* or an interlaced PNG */
    int has_profile;    /* ICC */
};

/* name is for messages; o NULL: all defaults.  Status 2 with the name, the offset where it is known
 * and why: no image of a known format, cut off, corrupt, or too large, which is found out before
 * memory is asked for.  After an error the arena is as it was. */
int image_decode(const char *name, const void *bytes, size_t n, const struct decode_options *o,
                 struct arena *a, struct decoded *out, struct error *err);
/* The same from the head of the file, without pixels: rgb is NULL and nothing is taken from a,
 * which may be NULL.  What the head does not tell, damage behind it, is not found. */
int image_probe(const char *name, const void *bytes, size_t n, const struct decode_options *o,
                struct arena *a, struct decoded *out, struct error *err);
/* image_decode of a whole file. */
int image_read(const char *path, const struct decode_options *o, struct arena *a,
               struct decoded *out, struct error *err);

#endif
