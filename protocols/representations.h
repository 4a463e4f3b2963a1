/* representations.h -- what a classifier on frozen features may be given.
 *
 * An encoder brings representations by name, "layer6.cls", "layer6.mean", "stage4.mean".  From them
 * come concatenations:
 *
 *     layer6.both   CLS and mean patch token of a layer (BEiT's linear probe)
 *     last4.cls     CLS of the last four layers (Caron et al. 2021, DINO, appendix A)
 *     last4.both    the same and the mean patch token of the last layer (Oquab et al. 2023, DINOv2)
 *     last2.mean    the means of the last two stages, where there is no CLS token
 *
 * A concatenation is a list of parts until its rows are asked for; one at a time is in memory.
 */
#ifndef SSV_PROTOCOLS_REPRESENTATIONS_H
#define SSV_PROTOCOLS_REPRESENTATIONS_H

#include "protocols/probe.h"
#include "protocols/protocol.h"

enum { REPRESENTATION_PARTS = 5 };

struct representation {
    char name[32];
    int n_parts, part[REPRESENTATION_PARTS]; /* representations of the feature set, in order */
    int dim;                                 /* of all parts */
};

/* What a protocol's option `representations` offers, for the choices and the help of OPTION_TEXT.
 * "final" holds what the last layer or stage alone gives. */
#define REPRESENTATION_CHOICES "all|plain|last|final"
#define REPRESENTATION_HELP                                                                        \
    "features: plain: none joined; final: of the last layer; last: also the last ones joined"

/* Those of f that `which` names, in a fixed order, in arena; returns their number. */
int representations_list(const struct feature_set *f, const char *which, struct arena *a,
                         struct representation **out);

/* Marks those of f that such a list is made of: wanted (n_representations).  Returns the width of
 * the widest in the list. */
int representations_want(const struct feature_set *f, const char *which, char *wanted);

/* One representation of some rows of a split. */
struct rows {
    struct features features; /* what probes take */
    struct slab slab;
};
/* Rows `index` (n) of the split, or all when NULL.  Status 3 when there is not enough memory. */
int rows_open(struct rows *r, const struct feature_set *f, const struct feature_split *split,
              const struct representation *what, const int32_t *index, int n, struct error *err);
void rows_close(struct rows *r); /* of zeros: nothing */

#endif
