/* features.h -- features of every layer, into a file.
 *
 * Of each split /SPLIT/REPRESENTATION (n, width) as protocols see them ("layer6.cls",
 * "stage4.mean", "projection"), and of a classifier that came with the weights /SPLIT/logits;
 * /SPLIT/label (n) where the data have labels.  Rows are in the order of the split.
 */
#ifndef SSV_PROTOCOLS_FEATURES_H
#define SSV_PROTOCOLS_FEATURES_H

#include "protocols/suite.h"

struct features_wanted {
    const char *data; /* specification */
    const char
        *weights;    /* safetensors of others; a checkpoint of this program, or a run's folder */
    const char *as;  /* family of weights of others; "": recognised */
    const char *out; /* HDF5 */
};

/* The method is `weights` with the options in *s, or that of the checkpoint.  Status 2 for a file
 * that is neither, 3 where there is no room. */
int features_write(struct settings *s, const struct features_wanted *w,
                   const struct context *context, struct error *err);

#endif
