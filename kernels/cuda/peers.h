/* peers.h -- the devices of other ranks, by NCCL.
 *
 * Only its sends, receives and broadcasts are used, which move bytes: sums have our own order.
 * NCCL does not say for whom it waits, nor does it stop waiting, so every wait for the stream is by
 * peers_wait, which gives up when nothing comes for so long.
 */
#ifndef SSV_KERNELS_CUDA_PEERS_H
#define SSV_KERNELS_CUDA_PEERS_H

#include "kernels/device.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

struct peers;

/* As struct device has invite and join; stream: the device's work.  *out stays NULL with status
 * 3. */
int peers_invite(char *invitation, struct error *err);
int peers_join(struct peers **out, const struct device_party *party, cudaStream_t stream,
               struct error *err);
void peers_leave(struct peers *p); /* NULL: nothing */
/* As struct device has them.  NULL, or what went wrong: then nothing is sent any more. */
const char *peers_exchange(struct peers *p, int slot, const void *send,
                           const struct communicator_block *to, void *receive,
                           const struct communicator_block *from);
const char *peers_gather(struct peers *p, int slot, void *data,
                         const struct communicator_block *blocks);
const char *peers_arrive(struct peers *p, int slot);
/* cudaStreamSynchronize; *says is what went wrong between the ranks, or NULL. */
cudaError_t peers_wait(struct peers *p, const char **says);

#ifdef __cplusplus
}
#endif

#endif
