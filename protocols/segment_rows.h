/* segment_rows.h -- what the protocols of segmentation share: the images that they choose on, and
 * their rows. */
#ifndef SSV_PROTOCOLS_SEGMENT_ROWS_H
#define SSV_PROTOCOLS_SEGMENT_ROWS_H

#include "protocols/protocol.h"
#include "protocols/segmentation.h"

struct images {     /* of one split */
    int32_t *index; /* (n) */
    int n;
};

struct image_parts {
    struct images fit, val, train, test; /* fit and val: a partition of train */
};

/* Runs of neighbours go to the same side, because the frames of a video are no independent images;
 * the split's hash into e.  Status 2 when nothing is left on a side; `name` is the protocol's. */
int image_parts_make(struct image_parts *p, const struct protocol_input *in, const char *name,
                     double val_share, struct eval *e, struct error *err);

/* Adds one image's logits (grid, classes) to confusion (classes, classes), in the mask's
 * resolution. */
void confusion_of_logits(int64_t *confusion, const struct record *r, const float *logits,
                         struct grid grid, int classes);

/* Room for n_seeds rows and `more` metrics that are not of classes. */
void segment_reserve(struct eval *e, const struct protocol_input *in, int n_seeds, int more);
/* The counts and scores of one seed's row. */
void segment_fill(struct eval *e, int row, const int64_t *confusion);
/* Status 2 when the rows have no score, since no pixel of the test masks counts. */
int segment_counted(const struct eval *e, const struct dataset *d, struct error *err);
/* After all rows: a further metric, of the first seed. */
void segment_add(struct eval *e, const char *name, double value);

#endif
