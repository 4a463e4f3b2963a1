/* gather.h -- everybody's block of one buffer, for all.
 *
 * On one machine each rank's goes straight to all others.  On M machines of G ranks in a row it
 * goes in two levels, which are exchanges: to the ranks of the same number on all machines, and
 * then, with what came from those, to the ranks of its own machine.  So a block is sent to each
 * other machine once, and a rank sends G - 1 + M - 1 messages instead of R - 1.  (The other way
 * round than gradients go, nn/route.h, so that it is the small part that leaves a machine.)
 *
 * What is sent on is one message to each, so those blocks have to be one behind the other: all lie
 * in a second buffer by the numbers of their ranks, and are copied from there.
 */
#ifndef SSV_NN_GATHER_H
#define SSV_NN_GATHER_H

#include "core/arena.h"
#include "core/communicator.h"
#include "kernels/device.h"

struct gather;

/* device: where buffers are; NULL: in the processor's memory.  bytes: of a buffer at most.  *out
 * lies in a; status 3 when there is no memory, *out is to be closed then, too. */
int gather_open(struct gather **out, struct arena *a, struct communicator *c, struct device *device,
                size_t bytes, struct error *err);
/* blocks (size) of data, which each rank has filled its own of; some may be empty. */
void gather_blocks(struct gather *g, void *data, const struct communicator_block *blocks);
size_t gather_bytes(const struct gather *g); /* of its own buffers */
void gather_close(struct gather *g);         /* NULL: nothing */

#endif
