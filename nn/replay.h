/* replay.h -- a run of a graph on a device, kept after it was asked for twice alike and then asked
 * for in one go: a launch takes longer than many a kernel.
 *
 * Alike means the same numbers that the processor hands over with the launches: sizes, weights of
 * objectives, scalars.  Where they change in every run nothing is kept.
 */
#ifndef SSV_NN_REPLAY_H
#define SSV_NN_REPLAY_H

#include "core/arena.h"
#include "kernels/device.h"

struct replay;

/* For runs that differ in `count` numbers. */
struct replay *replay_open(struct arena *a, struct device *d, int count);
double *replay_numbers(struct replay *r); /* (count) of the run to come, to be filled in */
/* Does the run, by run(self) or by what was kept of it.  version: counts what run counts there. */
void replay_run(struct replay *r, void (*run)(void *self), void *self, long *version);
void replay_close(struct replay *r); /* NULL: nothing */

#endif
