/* communicator.h -- the processes ("ranks") that do one job together.
 *
 * Everywhere a pointer to a communicator may be NULL: this process is alone, and nothing is sent.
 *
 *     TRY(communicator_open(&c, err));                NULL where no launcher started several
 *     status = communicator_agree(c, WAIT_LONG, status, err);
 *     communicator_gather(c, data, blocks);
 *     communicator_close(c);
 *
 * All ranks call the same functions in the same order.  What is sent goes from each rank straight
 * to each other one, so the one that is waited for is known by name: when it has not answered for
 * `seconds`, or when the launcher lost it, the job ends with one line that says which, and exit
 * code 3.  A waiting rank sleeps after a moment and leaves its processor to others.
 *
 * The engine is MPI, in a library that is opened when a launcher started more than one process:
 * libssvbench_mpi.so beside the program, or where $SSVBENCH_MPI_PLUGIN says; "none" there: every
 * process is alone, whatever started it.
 */
#ifndef SSV_CORE_COMMUNICATOR_H
#define SSV_CORE_COMMUNICATOR_H

#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

struct communicator_block { /* of a buffer: one rank's part */
    size_t offset, bytes;
};

/* Exchanges that may be on their way at a time, beside one that is waited for at once. */
enum { COMMUNICATOR_SLOTS = 8 };

struct communicator {
    int rank, size;
    const char *engine;      /* "Open MPI 4.1.4" */
    const char *const *host; /* (size) where each rank runs */
    double seconds;          /* how long another rank may let this one wait */
    /* What this rank sent to others, in all, and how long it waited for them. */
    double sent, waited;
    /* Begins an exchange in a free slot, 0..COMMUNICATOR_SLOTS.  Block p of `to` goes to rank p,
     * block p of `from` comes from it; p = rank is left alone, empty blocks are not sent. */
    void (*start)(struct communicator *c, int slot, const void *send,
                  const struct communicator_block *to, void *receive,
                  const struct communicator_block *from);
    /* -1 when everything is there, `send` may be changed and the slot is free, else the rank that
     * has not answered for so many seconds; 0: as it is now.  May be called again. */
    int (*finish)(struct communicator *c, int slot, double seconds);
    void (*move)(struct communicator *c);              /* what is on its way, a bit further */
    void (*abort)(struct communicator *c, int status); /* ends all ranks */
    void (*close)(struct communicator *c);
};

enum { COMMUNICATOR_ABI = 4 }; /* counts up with struct communicator and struct error */

struct communicator_plugin {
    int abi;
    int (*open)(struct communicator **out, struct error *err);
};
extern const struct communicator_plugin *communicator_plugin(void);

/* How many processes a launcher (Open MPI's mpirun, another one with PMI, srun with PMIx) says that
 * it started for this job, and which of them this one is; both can be NULL. */
int communicator_launched(int *rank, int *first_on_its_machine);
/* *c is NULL where one process was started.  Status 3: several were, and they cannot find each
 * other; one line a machine is enough then (communicator_launched). */
int communicator_open(struct communicator **c, struct error *err);
/* Waits until all are here, however long that takes. */
void communicator_close(struct communicator *c);

/* Of a copy of a communicator, for counting what a step needs: nothing is sent, and what others
 * would have sent is whatever lies there. */
void communicator_mute(struct communicator *copy);

int communicator_rank(const struct communicator *c);
int communicator_size(const struct communicator *c);

/* Whether others are late or busy with something that may take hours. */
enum communicator_patience { WAIT_LIMITED, WAIT_LONG };

/* to, from (size): a block each. */
void communicator_exchange(struct communicator *c, const void *send,
                           const struct communicator_block *to, void *receive,
                           const struct communicator_block *from);
/* The same in two halves, in a slot (0..COMMUNICATOR_SLOTS - 1), between which this rank does
 * something else: `send` stays as it is and `receive` is not looked at until the second one; the
 * blocks may change.  Slots are finished in any order. */
void communicator_start(struct communicator *c, int slot, const void *send,
                        const struct communicator_block *to, void *receive,
                        const struct communicator_block *from);
void communicator_finish(struct communicator *c, int slot);
/* Whether a finish would not wait: it has come, and a finish has to follow anyway. */
int communicator_arrived(struct communicator *c, int slot);
/* Called now and then while something is on its way: a network may get on only in calls of ours. */
void communicator_move(struct communicator *c);
/* Everybody's block (size) of data, which each rank has filled its own of. */
void communicator_gather(struct communicator *c, void *data,
                         const struct communicator_block *blocks);
/* The first half of it; the second one is communicator_finish. */
void communicator_start_gather(struct communicator *c, int slot, void *data,
                               const struct communicator_block *blocks);
/* Rank 0's data. */
void communicator_broadcast(struct communicator *c, enum communicator_patience patience, void *data,
                            size_t bytes);
/* The status of the first rank with one, and its message, for all; 0 when all have 0. */
int communicator_agree(struct communicator *c, enum communicator_patience patience, int status,
                       struct error *err);
/* Of numbers whose sum is exact, such as counts, over all ranks. */
double communicator_sum(struct communicator *c, double own);
/* Sums of n counts over all ranks, in place; the same on all. */
void communicator_add(struct communicator *c, int64_t *counts, size_t n);
/* Of n things that ranks share, a whole number of `grain` each but for the last, the first one of a
 * rank's; rank = size: n. */
long communicator_share(const struct communicator *c, long n, int grain, int rank);
/* The most grains that a rank has. */
long communicator_rounds(const struct communicator *c, long n, int grain);
/* Status 3, on all ranks, when these few bytes are not the same on all of them; the message begins
 * with the rank that differs from rank 0 and goes on with `what`. */
int communicator_compare(struct communicator *c, const void *bytes, size_t n, const char *what,
                         struct error *err);

#endif
