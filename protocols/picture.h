/* picture.h -- what a checkpoint's method does with a few test images, as one PNG file. */
#ifndef SSV_PROTOCOLS_PICTURE_H
#define SSV_PROTOCOLS_PICTURE_H

#include "protocols/cell.h"

#include <stdio.h>

struct picture {
    const char *checkpoint; /* the file, or the folder of a run */
    const char *out;        /* PNG */
    int count;              /* images, the first ones; fewer where the test split has fewer */
    FILE *lines;            /* for what is to be read, a line an image; also in the PNG's text */
};

/* Method, backbone, data and options are the checkpoint's, except where *s was told otherwise by
 * flags or the environment.  Nothing but `out` is written, last of all. */
int picture_make(struct settings *s, const struct picture *p, const struct context *context,
                 struct error *err);

#endif
