/* counting.h -- a device that has no memory and does no work, but counts what a real one would have
 * to hand out: what a run needs is known before any of it is taken.
 *
 * What is allocated is addresses that nobody may follow; kernels are those of kernels/watch.h,
 * which tell kctx.watch of each call, and convolutions are planned by the real device.
 */
#ifndef SSV_KERNELS_COUNTING_H
#define SSV_KERNELS_COUNTING_H

#include "kernels/device.h"

struct counting;

/* In place of the real device, which is asked but not used. */
int counting_open(struct counting **out, struct device *there, struct error *err);
struct device *counting_device(struct counting *k);
/* Bytes of the real device's memory when what was done here would have been done there: what is
 * allocated now, the most that libraries want, and what the device keeps anyway. */
size_t counting_bytes(const struct counting *k);
/* Bytes that are there for it: unused ones and those that the device keeps. */
size_t counting_room(const struct counting *k);
void counting_close(struct counting *k); /* NULL: nothing */

#endif
