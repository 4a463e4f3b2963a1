/* route.h -- between which ranks a bucket of gradients travels, and what of the tree each adds.
 *
 * The lanes of a rank, or of several in a row, are whole branches of the tree that sums all lanes:
 * of 16 lanes on two ranks one each, on three ranks 4+1, 1+2+2 and 2+4.  On a level of a route some
 * ranks cut what each of them holds of a bucket, its branches' sums, into a slice for each; a rank
 * gets its slice of all branches and goes on with the tree, as far as these make larger ones.  What
 * that gives is cut again on the next level, and behind the last one a rank has the whole sum of
 * its slice.  The sums go back the same way, from the last level to the first.
 *
 * Straight ahead there is one level of all ranks.  By machines there are two: the ranks of a
 * machine, then those of the same number on all machines, so that of a machine's lanes only their
 * sum is sent to others, in as many messages as there are machines.  What is added to what is the
 * same.  (As the 2D-torus all-reduce of Mikami et al. 2018, arXiv:1811.05233, but for the order of
 * adding, which is a ring's there.)
 */
#ifndef SSV_NN_ROUTE_H
#define SSV_NN_ROUTE_H

#include "core/arena.h"
#include "core/communicator.h"
#include "kernels/kernels.h"

enum { ROUTE_LEVELS = 2, ROUTE_LINE = 16 }; /* reals in a cache line */

struct branch { /* lanes that are summed before others join them */
    int first, lanes;
};

struct level {
    int first, stride, size, own; /* ranks first + i stride; this one is the own-th of them */
    struct branch *branches;      /* (first_branch[size]) of all of them, in the order of lanes */
    int *first_branch;            /* (size + 1) of each of them */
    int sums;                     /* what the branches are added up to */
};

struct route {
    int n;
    struct level levels[ROUTE_LEVELS];
};

/* first_lane (size + 1) of each rank; tables in a. */
void route_straight(struct route *r, struct arena *a, const struct communicator *c,
                    const int *first_lane);
/* Ranks of each machine where they follow each other in groups of equal size, two or more, of one
 * machine each, and there are several machines; 1: otherwise. */
int route_ranks_of_machine(const struct communicator *c);
/* Straight, too, where those are 1. */
void route_by_machines(struct route *r, struct arena *a, const struct communicator *c,
                       const int *first_lane);

struct span {
    size_t begin, count;
};

/* The i-th of n slices, as equal as cache lines allow; the last ones may be empty. */
struct span route_slice(struct span s, int n, int i);

int level_branches(const struct level *v, int i); /* of the i-th rank */
/* runs: a run of n reals for each branch, which are added in place; sums (branches) are the runs
 * with the level's sums then.  Returns v->sums. */
int level_add(const struct level *v, const struct kernels *k, const struct kctx *c, size_t n,
              real *runs, real **sums);

#endif
