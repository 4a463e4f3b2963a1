/* transit.h -- the way of buckets of gradients between ranks, step by step.
 *
 * A bucket travels on the levels of a route (nn/route.h), down to those that add it and up again.
 * Step 0 asks for an exchange; each of the others waits for what the step before asked for, does
 * something with what came, and asks for the next exchange; the last one writes the sum to the
 * first lane.  What stays with its owners has step 1 as the last.  Buckets have numbers, from 0 on,
 * and all ranks the same ones; in each exchange there may be TRANSIT_SETS of them:
 *
 *     transit_step(t, ctx, &bucket, number, step)      bucket `number - TRANSIT_SETS` has had
 *                                                      step + 1, and this one step - 1
 */
#ifndef SSV_NN_TRANSIT_H
#define SSV_NN_TRANSIT_H

#include "nn/carrier.h"
#include "nn/lanes.h"
#include "nn/route.h"

/* Exchanges of a bucket, at most. */
enum { TRANSIT_SETS = 2, TRANSIT_STAGES = 2 * ROUTE_LEVELS };

/* Some of a segment: `count` reals from number `begin` on of all that is `whose`; or, with
 * `to_owners`, as many at most of what each rank owns, which goes straight there and stays. */
struct bucket {
    int segment, whose, to_owners;
    size_t begin, count;
};

struct transit {
    struct communicator *c;
    struct carrier *carrier;
    struct device *device; /* where gradients are; NULL: the processor's memory */
    const struct kernels *kernels;
    const struct lanes *l;
    size_t most;                                     /* reals in the largest bucket */
    struct route usual, straight;                    /* the latter for what ranks own */
    struct communicator_block *to, *from;            /* (size) */
    struct slab out[ROUTE_LEVELS], in[ROUTE_LEVELS]; /* TRANSIT_SETS of each for each level */
    struct slab sum;                                 /* TRANSIT_SETS for each level */
    real **sums;                                     /* (lanes) */
};

/* c, device, kernels, l and most are set; first_lane (size + 1) of each rank.  Tables in a. */
int transit_open(struct transit *t, struct arena *a, const int *first_lane, struct error *err);
/* This rank's lanes as far as the tree goes, whose sums it sends. */
const struct branch *transit_own(const struct transit *t, int *n);
/* Of a bucket, reals that one rank owns, at most. */
size_t transit_owned(const struct transit *t);
int transit_last_step(const struct transit *t);
void transit_step(struct transit *t, const struct kctx *c, const struct bucket *k, long number,
                  int step);
/* Whether a step, not the first, would not wait for another rank (carrier_arrived). */
int transit_arrived(struct transit *t, const struct bucket *k, long number, int step);
size_t transit_bytes(const struct transit *t);
void transit_close(struct transit *t);

#endif
