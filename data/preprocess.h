/* preprocess.h -- from a record to a network's input as those who published it evaluate it: resize,
 * centre crop, normalise.
 *
 * The resizing is PIL's, which torchvision and timm evaluate with, bit for bit: 8 bits in and out,
 * across first, rounded, then down (Pillow 13 goes down first where that is less work, which can
 * differ by one in the last bit).
 */
#ifndef SSV_DATA_PREPROCESS_H
#define SSV_DATA_PREPROCESS_H

#include "data/augment.h"

enum fitting {
    FIT_CROP,  /* the sides keep their ratio, the middle stays: Resize and CenterCrop */
    FIT_SQUASH /* the whole image, whatever its ratio */
};

struct preprocessing {
    int height, width; /* of the input */
    double crop;       /* share of the resized image that stays, each way; FIT_CROP: 0.875 */
    enum fitting fit;
    int crop_down; /* of an odd number of pixels too many the one more goes at the end, as Hugging
                    * Face's processors have it; 0: halves are rounded to even, as torchvision's */
    int interpolation; /* enum interpolation */
    struct normalization norm;
};

/* out (channels, height, width) */
void preprocess(const struct record *r, const struct preprocessing *p, float *out);
/* All of in (height, width, channels), to_height x to_width pixels of it from (top, left) on when
 * it is all_height x all_width: out (to_height, to_width, channels). */
struct resize_part {
    int all_height, all_width, top, left, to_height, to_width;
};
void resize_part(const uint8_t *in, int height, int width, int channels, int interpolation,
                 const struct resize_part *part, uint8_t *out);

#endif
