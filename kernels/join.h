/* join.h -- lets the devices of all ranks send to each other without the processor's memory. */
#ifndef SSV_KERNELS_JOIN_H
#define SSV_KERNELS_JOIN_H

#include "core/communicator.h"
#include "kernels/device.h"

/* All ranks call it, each with its device; afterwards d->joined is the number of ranks on all of
 * them, or with status 3 on none, and *err is why: a library that one of them lacks, two ranks on
 * one device, what the library says. */
int devices_join(struct device *d, struct communicator *c, struct error *err);

#endif
