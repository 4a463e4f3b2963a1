/* exif.h -- how a camera was held, the only thing that is read of an image's metadata.
 *
 * A parser of its own instead of libexif: one tag of the first directory is wanted, of bytes that
 * nobody vouches for, and libexif decodes makers' notes to get there.
 *
 * Orientation (EXIF 2.3, tag 0x0112), what is to be done to the stored pixels: 1 nothing, 2 mirror
 * left-right, 3 turn by 180 degrees, 4 mirror top-bottom, 5 transpose, 6 turn by 90 clockwise,
 * 7 transpose along the other diagonal, 8 turn by 90 counter-clockwise.
 */
#ifndef SSV_DATA_EXIF_H
#define SSV_DATA_EXIF_H

#include <stddef.h>

/* Of a TIFF block, with or without "Exif\0\0" in front.  0: it does not say, or it is broken; 1 as
 * well for a value that does not exist. */
int exif_orientation(const void *block, size_t bytes);
/* Of tiff:Orientation in an XMP packet; 0: it does not say. */
int xmp_orientation(const void *packet, size_t bytes);
/* Of what ImageMagick writes into a PNG's text "Raw profile type exif": "\nexif\n  bytes\nhex". */
int raw_profile_orientation(const void *text, size_t bytes);

#endif
