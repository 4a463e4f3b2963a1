/* pinned.h -- batches where a device reads them by itself. */
#ifndef SSV_PROTOCOLS_PINNED_H
#define SSV_PROTOCOLS_PINNED_H

#include "data/loader.h"
#include "kernels/device.h"

/* For loader_config: a loader that is closed before the device.  NULL: nobody pins anything. */
struct loader_pins pinned_by(struct device *d);

#endif
