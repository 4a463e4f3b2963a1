/* resize.h -- photographs of any size to squares of one size, or whole to another size.
 *
 * Bilinear with antialiasing, half-pixel centres; in whole numbers with one rounding at the end:
 * the same bytes everywhere.  in (height, width, channels).
 */
#ifndef SSV_DATA_RESIZE_H
#define SSV_DATA_RESIZE_H

#include <stdint.h>

/* The shorter side becomes `size`, of the longer one the middle stays: torchvision's Resize(size)
 * and CenterCrop(size).  out (size, size, channels). */
void resize_square(const uint8_t *in, int height, int width, int channels, int size, uint8_t *out);
/* All of it.  out (to_height, to_width, channels). */
void resize_whole(const uint8_t *in, int height, int width, int channels, int to_height,
                  int to_width, uint8_t *out);

#endif
