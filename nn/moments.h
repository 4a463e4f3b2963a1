/* moments.h -- the optimizer's state shared among ranks: each keeps the moments of some tensors.
 *
 * ZeRO's first stage (Rajbhandari et al. 2020, section 5.1): a rank moves the tensors that it keeps
 * the moments of and sends them to the others, which so have the weights that they would have
 * computed themselves.  Every group is cut at borders of tensors into one slice for each rank.
 * It gets the sum of these tensors' gradients alone; what is made of all gradients, norms and
 * clipping, is made of the sum of squares of each tensor, which its owner sends to the others, and
 * so is that of one process, bit for bit.
 *
 *     s = moments_open(&arena, c, &model);     the model is allocated and its moments are zeros
 *     config.owners = moments_owners(s);       exec_run leaves a rank the gradients of its own
 *     state.mine = moments_mine(s);            optimizer_squares, optimizer_step: of these alone
 *     moments_share_squares(s, squares);       between the two
 *     moments_send_values(s, carrier, values, groups);    and now all have all
 *
 * What a rank does not keep has address space in the model, but no memory: nobody touches it.  On a
 * device there is none either: a slab there has this rank's slices one behind the other.
 */
#ifndef SSV_NN_MOMENTS_H
#define SSV_NN_MOMENTS_H

#include "nn/carrier.h"
#include "nn/model.h"

struct moments;

/* Lies in a, as long as the model does. */
struct moments *moments_open(struct arena *a, struct communicator *c, struct model *m);
/* (m->n_facts) whose the moments of a tensor are, and whether they are this rank's. */
const int *moments_owners(const struct moments *s);
const char *moments_mine(const struct moments *s);
/* squares (m->n_facts): each rank has those of its own, and then all have all. */
void moments_share_squares(const struct moments *s, double *squares);
/* Everybody's slices of the weights, values (m->count), to all, of the groups whose bits are set;
 * 0: of every group that is not held.  carrier: of their memory, for moments_carried bytes. */
void moments_send_values(const struct moments *s, struct carrier *carrier, real *values,
                         unsigned groups);
size_t moments_carried(const struct moments *s);

/* Of one group, what this rank keeps: reals from `offset` on of the model's slabs, from `place` on
 * of a slab that has nothing else. */
struct moments_slice {
    size_t offset, place, count;
};
const struct moments_slice *moments_slices(const struct moments *s); /* (m->n_groups) */
size_t moments_reals(const struct moments *s);                       /* of such a slab */
/* (m->n_facts) where a tensor's moments are in it, if they are. */
const size_t *moments_places(const struct moments *s);
/* Of tensor number i (of m->n_facts) what lies in a slab of moments, m->m or m->v, to rank 0, which
 * has a checkpoint to write: where it lies there, in `room` (moments_room) unless it is its own.
 * NULL on others. */
const real *moments_fetch(const struct moments *s, const real *slab, int i, real *room);
size_t moments_room(const struct moments *s); /* reals */
/* `from`, which rank 0 read from a checkpoint, into the slab of another rank that keeps it. */
void moments_hand_on(const struct moments *s, real *slab, int i, const real *from);
size_t moments_spared(const struct moments *s); /* bytes that this rank does not keep */
struct communicator *moments_ranks(const struct moments *s);

#endif
