/* retrieval.h -- from features to the rows of the protocol `retrieval`. */
#ifndef SSV_PROTOCOLS_RETRIEVAL_H
#define SSV_PROTOCOLS_RETRIEVAL_H

#include "protocols/probe.h"
#include "protocols/protocol.h"

/* texts->label (texts->n): the row of images that each belongs to, ascending.  limit: the first
 * images only; 0: all. */
int retrieval_rows(const struct features *images, const struct features *texts, int limit,
                   const struct protocol_input *in, struct eval *e, struct error *err);

#endif
