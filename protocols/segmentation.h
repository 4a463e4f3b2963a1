/* segmentation.h -- scores of masks and of attention: plain numbers in, plain numbers out.
 *
 * A mask (height, width) holds a class in each pixel or MASK_IGNORE (data/dataset.h), which counts
 * nowhere.  A grid (grid_h, grid_w) of places, tokens or the cells of a feature map, lies over the
 * mask: pixel (y, x) belongs to place (floor((y + 1/2) grid_h / height), floor((x + 1/2) grid_w /
 * width)), which is nearest upsampling, and repeating every place where the sides divide.
 */
#ifndef SSV_PROTOCOLS_SEGMENTATION_H
#define SSV_PROTOCOLS_SEGMENTATION_H

#include "data/dataset.h"

struct grid {
    int height, width;
};

/* Pixels of each class in each place: count (grid, classes). */
void mask_histogram(const uint8_t *mask, int height, int width, int classes, struct grid grid,
                    int32_t *count);

/* Logits (grid, classes), upsampled bilinearly with half-pixel centres (PyTorch's interpolate
 * without align_corners), and the largest in each pixel, the lower class among equals: out (height,
 * width). */
void logits_to_mask(const float *logits, struct grid grid, int classes, int height, int width,
                    uint8_t *out);

/* Adds n pixels to confusion (classes true, classes predicted), those with a true class. */
void confusion_add(int64_t *confusion, int classes, const uint8_t *truth, const uint8_t *predicted,
                   size_t n);
/* IoU of a class = pixels of it that were found / pixels that are of it or were taken for it; NAN
 * for a class that neither is there nor was predicted.  miou is the mean over the others;
 * pixel_accuracy the share of pixels that are right.  Both NAN without any pixel.  iou (classes)
 * may be NULL. */
void confusion_scores(const int64_t *confusion, int classes, double *iou, double *miou,
                      double *pixel_accuracy);

/* Caron et al. 2021 (arXiv:2104.14294), section 4.2.2 and appendix, and the authors' code: the
 * fewest places that hold at least `share` of the attention's mass, from the largest on (the first
 * among equals): kept (n) of 0/1. */
void attention_keep(const float *attention, int n, double share, uint8_t *kept);

/* How well heads find the objects of one image, by the Jaccard index of the kept places and the
 * object: what is kept of it / what is kept or of it, in pixels.  An object is all pixels of one
 * class; class 0 is none where has_background. */
struct jaccard {
    double best_head; /* of each object, that of the head which finds it best (an oracle) */
    double mean_head; /* the mean over heads; both are means over objects, NAN without one */
    int objects;
};
struct jaccard attention_jaccard(const uint8_t *kept /* (heads, places) */, int heads,
                                 const int32_t *count /* (places, classes), mask_histogram */,
                                 int places, int classes, int has_background);

#endif
