/* resize.h -- photographs of any size to squares of one size. */
#ifndef SSV_DATA_RESIZE_H
#define SSV_DATA_RESIZE_H

#include <stdint.h>

/* The shorter side becomes `size`, of the longer one the middle stays: torchvision's Resize(size)
 * and CenterCrop(size), bilinear with antialiasing.  in (height, width, channels), out (size, size,
 * channels).  In whole numbers with one rounding at the end: the same bytes everywhere. */
void resize_square(const uint8_t *in, int height, int width, int channels, int size, uint8_t *out);

#endif
