/* moments.h -- the optimizer's state shared among ranks: each keeps the moments of some tensors.
 *
 * ZeRO's first stage (Rajbhandari et al. 2020, section 5.1): a rank moves the tensors that it keeps
 * the moments of and sends them to the others, which so have the weights that they would have
 * computed themselves.  Every group is cut at borders of tensors into one slice for each rank.
 * Gradients are on all ranks, so norms and clipping are those of one process, bit for bit.
 *
 *     s = moments_open(&arena, c, &model);     the model is allocated and its moments are zeros
 *     state.mine = moments_mine(s);            optimizer_step moves these alone
 *     moments_send_values(s, groups);          and now all have all
 *
 * What a rank does not keep has address space in the model, but no memory.
 */
#ifndef SSV_NN_MOMENTS_H
#define SSV_NN_MOMENTS_H

#include "core/communicator.h"
#include "nn/model.h"

struct moments;

/* Lies in a, as long as the model does. */
struct moments *moments_open(struct arena *a, struct communicator *c, struct model *m);
/* (m->n_facts) whether the moments of a tensor are this rank's. */
const char *moments_mine(const struct moments *s);
/* Everybody's slices of the weights to all, of the groups whose bits are set; 0: of every group
 * that is not held. */
void moments_send_values(const struct moments *s, unsigned groups);
/* All moments to rank 0, which has a checkpoint to write; and what it read from one to those that
 * keep it. */
void moments_collect(const struct moments *s);
void moments_hand_out(const struct moments *s);
/* Gives the memory of moments that are not this rank's back. */
void moments_drop(const struct moments *s);
size_t moments_spared(const struct moments *s); /* bytes of them */

#endif
