/* jpeg.h -- JPEG files to pixels, by libjpeg-turbo.
 *
 * Grey images become RGB; the orientation that a camera noted (EXIF) is not applied, nor are colour
 * profiles, as in torchvision's loaders.  CMYK is refused.
 */
#ifndef SSV_DATA_JPEG_H
#define SSV_DATA_JPEG_H

#include "core/arena.h"
#include "core/error.h"

#include <stdint.h>

struct pixels {
    int height, width;
    uint8_t *rgb; /* (height, width, 3), owned by the arena */
};

/* Status 2 with the path when the file is missing, no JPEG, cut off, damaged or far too large:
 * where libjpeg would warn that data are corrupt and go on with grey, this fails. */
int jpeg_read(const char *path, struct arena *a, struct pixels *out, struct error *err);

#endif
