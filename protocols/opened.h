/* opened.h -- an encoder from a file, without a run around it: what writes features or other files
 * of it.
 *
 * A checkpoint of this program, or the folder of its run, brings method, backbone and data along;
 * any other safetensors file is the method `weights`.
 */
#ifndef SSV_PROTOCOLS_OPENED_H
#define SSV_PROTOCOLS_OPENED_H

#include "protocols/suite.h"

/* Settings of one run of the weights in a file, of the family `as` ("": recognised). */
int settings_take_weights(struct settings *s, const char *file, const char *as, struct error *err);

struct opened {
    struct arena arena;
    const char *file;
    int ours; /* it is a checkpoint of this program */
    struct suite_lists lists;
    struct dataset data; /* of the checkpoint; otherwise as given */
    struct cell cell;
    int has_cell;
};

/* data: of the images that weights of others are to see.  *o must not move and is to be closed in
 * any case. */
int opened_open(struct opened *o, struct settings *s, const char *file, const char *data,
                unsigned extras, const struct context *context, struct error *err);
void opened_close(struct opened *o);

#endif
