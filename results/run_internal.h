/* run_internal.h -- shared by the files that make a struct run. */
#ifndef SSV_RESULTS_RUN_INTERNAL_H
#define SSV_RESULTS_RUN_INTERNAL_H

#include "results/run.h"

void environment_fill(struct run *r); /* cpu .. device, code_commit, code_dirty; in r->arena */

/* A name as a link of an HDF5 group, where '/' and a leading '.' mean something else: those two and
 * '%' are written as in an URL. */
char *link_name(const char *name, struct arena *a);
/* Back; 0 when it does not fit into `room` bytes. */
int link_name_decode(const char *link, char *name, size_t room);

#endif
