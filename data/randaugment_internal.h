/* randaugment_internal.h -- what the files of RandAugment share: its operations.
 *
 * Each reads the pixels of `in` and writes out (height, width, channels), another buffer.
 */
#ifndef SSV_DATA_RANDAUGMENT_INTERNAL_H
#define SSV_DATA_RANDAUGMENT_INTERNAL_H

#include "data/dataset.h"

typedef void randaugment_function(const struct record *in, double argument, const uint8_t *fill,
                                  uint8_t *out);

randaugment_function randaugment_auto_contrast, randaugment_equalize, randaugment_invert,
    randaugment_posterize, randaugment_solarize, randaugment_solarize_add, randaugment_color,
    randaugment_contrast, randaugment_brightness, randaugment_sharpness, randaugment_rotate,
    randaugment_shear_x, randaugment_shear_y, randaugment_translate_x, randaugment_translate_y;

#endif
