/* compound.h -- several methods at once over one encoder: "mae:1+simclr:0.1".
 *
 * The loss is the weighted sum of the parts' losses.  Each part has its own views, heads and groups
 * ("simclr.head"); the encoder is one.  Optimizer and schedule are those of the first part.
 */
#ifndef SSV_METHODS_COMPOUND_H
#define SSV_METHODS_COMPOUND_H

#include "methods/method.h"

enum { COMPOUND_PARTS = 4 };

struct compound {
    const struct method *part[COMPOUND_PARTS];
    double weight[COMPOUND_PARTS];
    int n;
    struct method method; /* what the runner sees */
    struct recipe second; /* of the part that has one, its groups renamed */
};

/* What a compound's functions get as self. */
struct compound_options {
    const struct compound *compound;
    const void *self[COMPOUND_PARTS]; /* the parts' options */
};

/* "NAME" or "NAME:WEIGHT+NAME:WEIGHT...", a weight is 1 when left out.  The result lives as long as
 * `a`. Status 2 for names that there are not, weights that are not positive, and methods that
 * cannot share an encoder. */
int method_parse(const char *text, struct arena *a, const struct method **out, struct error *err);

#endif
