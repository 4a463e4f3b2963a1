/* showing.h -- a method's graphs with the weights of a checkpoint, run on a few test images.
 *
 *     TRY(showing_open(&w, &what, err));
 *     TRY(showing_draw(w, err));             the method's hook fills w->show (methods/show.h)
 *     showing_close(w);
 */
#ifndef SSV_PROTOCOLS_SHOWING_H
#define SSV_PROTOCOLS_SHOWING_H

#include "methods/show.h"
#include "protocols/cell.h"

struct showing_of {
    const struct settings *settings;
    const struct method *method; /* that has `show` */
    const struct dataset *data;
    uint64_t seed;
    const struct context *context;
    const char *checkpoint; /* file */
    long step;              /* of the checkpoint */
    int first, count;       /* images; fewer where the test split has fewer */
};

struct showing {
    struct cell cell;
    struct show show;
    struct record *records; /* (n_records) */
    int n_records, first;
    long step;
};

/* *out is to be closed in any case. */
int showing_open(struct showing **out, const struct showing_of *what, struct error *err);
int showing_draw(struct showing *w, struct error *err);
void showing_close(struct showing *w); /* NULL: nothing */

#endif
