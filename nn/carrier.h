/* carrier.h -- blocks of the memory that kernels compute in, from rank to rank.
 *
 * As core/communicator.h has it for the processor's memory.  Devices that have joined send to each
 * other by themselves, when the work before it is done.  The blocks of others go through the
 * processor's memory: copied out, exchanged, copied in.  Both copies wait for the work before, and
 * what is on its way between ranks moves on meanwhile; in halves, what a device is asked for
 * between them is done beside the exchange.
 */
#ifndef SSV_NN_CARRIER_H
#define SSV_NN_CARRIER_H

#include "core/arena.h"
#include "core/communicator.h"
#include "kernels/device.h"

struct carrier;

/* device: NULL for the processor's memory.  bytes: where the last block of whatever is sent or
 * received ends, at most.  slots: 0..slots-1 will be used; 0: nothing is exchanged in halves.  *out
 * lies in a. */
int carrier_open(struct carrier **out, struct arena *a, struct communicator *c,
                 struct device *device, size_t bytes, int slots, struct error *err);
/* communicator_exchange and communicator_gather. */
void carrier_exchange(struct carrier *k, const void *send, const struct communicator_block *to,
                      void *receive, const struct communicator_block *from);
void carrier_gather(struct carrier *k, void *data, const struct communicator_block *blocks);
/* communicator_start, communicator_start_gather and communicator_finish. */
void carrier_start(struct carrier *k, int slot, const void *send,
                   const struct communicator_block *to, void *receive,
                   const struct communicator_block *from);
void carrier_start_gather(struct carrier *k, int slot, void *data,
                          const struct communicator_block *blocks);
void carrier_finish(struct carrier *k, int slot);
/* Whether a finish would not wait for other ranks.  1 where it is the device's queue that waits. */
int carrier_arrived(struct carrier *k, int slot);
/* Joined devices: all that is asked for here has to be in the same order on all ranks. */
int carrier_is_queued(const struct carrier *k);
size_t carrier_bytes(const struct carrier *k); /* of the processor's memory */
void carrier_close(struct carrier *k);         /* NULL: nothing */

#endif
