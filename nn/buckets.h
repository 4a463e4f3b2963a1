/* buckets.h -- the gradients of all ranks, summed while the way back is still being computed.
 *
 * The way back of a phase is cut into segments (nn/lanes.h).  When all lanes of this rank have
 * passed one, its own lanes are summed and it goes on its way, in the order of segments, which is
 * the same on all ranks; what is below is computed meanwhile.  Threads sum, the main thread alone
 * sends (core/communicator.h):
 *
 *     buckets_begin(b, phase, to_owners)   main thread, before the lanes of a phase
 *     s = buckets_pass(b, s, position)     a thread with a lane, in its last chunk, and
 *     buckets_help(b, ctx)                 any thread, between two operations of a lane
 *     buckets_move(b, ctx)                 main thread, between two operations of a lane
 *     buckets_send(b, ctx)                 main thread, when all lanes are over: what is left
 *     buckets_finish(b, ctx)               main thread, behind the last phase
 *
 * The sum is on all ranks then, or on its owner; it is lanes_add over the lanes of all ranks.
 */
#ifndef SSV_NN_BUCKETS_H
#define SSV_NN_BUCKETS_H

#include "core/communicator.h"
#include "nn/lanes.h"

struct buckets;

struct buckets_config {
    struct communicator *c;
    struct device *device; /* where gradients are; NULL: the processor's memory */
    const struct kernels *kernels;
    const struct lanes *lanes; /* of this rank, for as long */
    const int *first_lane;     /* (size + 1) of each rank; of the last: a power of two */
    int threads;               /* that help */
    size_t bucket;             /* reals on their way at a time; those of a segment, too */
};

/* A bucket for so many ranks where nobody asks for another. */
size_t buckets_usual(int ranks);

/* *out lies in a. */
int buckets_open(struct buckets **out, struct arena *a, const struct buckets_config *config,
                 struct error *err);
/* to_owners: what a rank owns (nn/lanes.h) is summed on that rank alone; on others there is
 * anything then. */
void buckets_begin(struct buckets *b, int phase, int to_owners);
/* A lane gives nothing more up to a schedule position; s: the first segment that it had not passed,
 * to begin with the phase's first.  Returns the new one. */
int buckets_pass(struct buckets *b, int s, int position);
/* Some of the sum of the own lanes; 0: there is nothing to sum now. */
int buckets_help(struct buckets *b, const struct kctx *c);
/* What can be sent, added or written is.  It never waits for another rank.  Of devices that send to
 * each other it asks the same in the same order whenever it is called, and leaves the last bucket
 * that was sent alone, so that their work never waits for one that has just begun. */
void buckets_move(struct buckets *b, const struct kctx *c);
/* All lanes have passed all of the phase. */
int buckets_are_passed(const struct buckets *b);
/* All of the phase is on its way, or there; the last buckets travel on through the next phase.
 * Waits for other ranks, if it must. */
void buckets_send(struct buckets *b, const struct kctx *c);
void buckets_finish(struct buckets *b, const struct kctx *c);
size_t buckets_bytes(const struct buckets *b);
void buckets_close(struct buckets *b); /* NULL: nothing */

#endif
