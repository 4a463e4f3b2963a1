/* dense.h -- what a frozen encoder says of every place of an image, and where its class token
 * looks.
 *
 *     TRY(dense_open(&d, in, memory, err));
 *     TRY(dense_each(d, SPLIT_TRAIN, index, n, 16, visit, &self, err));
 *     dense_close(d);
 *
 * Places are the patch tokens of a ViT after the final norm or the cells of a convnet's last map.
 * Features of training images are computed once and kept if all of them fit into the memory given,
 * and computed each time otherwise; they are the same.
 */
#ifndef SSV_PROTOCOLS_DENSE_H
#define SSV_PROTOCOLS_DENSE_H

#include "protocols/protocol.h"
#include "protocols/segmentation.h"

struct dense_shape {
    struct grid grid;
    int places, dim;
    int heads; /* of the last block, of every part of a split network; 0: no attention */
};

struct dense_batch {
    int n;
    const int32_t *index;   /* (n) images in the split */
    const float *const *x;  /* (n) features (places, dim) of each */
    const float *attention; /* (n, heads, places) from the class token; NULL: none, or unwanted */
};

/* Returns a status. */
typedef int dense_visit(void *to, const struct dense_batch *batch, struct error *err);

struct dense;

int dense_open(struct dense **out, const struct protocol_input *in, size_t memory,
               struct error *err);
const struct dense_shape *dense_shape_of(const struct dense *d);
/* Images index (n) of a split in this order, or its first n where that is NULL, `batch` at a time.
 * Attention is for test images.  Status 2 when a feature is NaN or infinite: the encoder diverged.
 */
int dense_each(struct dense *d, enum split split, const int32_t *index, int n, int batch,
               dense_visit *visit, void *to, struct error *err);
void dense_close(struct dense *d); /* NULL: nothing */

#endif
