/* pinned.h -- batches where a device reads them by itself. */
#ifndef SSV_PROTOCOLS_PINNED_H
#define SSV_PROTOCOLS_PINNED_H

#include "data/loader.h"
#include "kernels/device.h"
#include "methods/trainer.h"

/* For loader_config: a loader that is closed before the device.  NULL: nobody pins anything. */
struct loader_pins pinned_by(struct device *d);

/* trainer_step with the batch that the loader gave last; what comes next is on its way to the
 * device meanwhile. */
int pinned_step(struct trainer *t, struct loader *loader, const struct batch *batch, long done);

#endif
