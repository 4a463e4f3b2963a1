/* loader.h -- batches, prepared by threads, in an order that no thread can change.
 *
 * The caller describes the slots of a batch (name, 4-byte elements per sample) and a prepare
 * function that turns one record into one sample's part of every slot.  Threads fill the batches of
 * a ring; loader_next hands them out in order.  What a sample gets depends on (seed, epoch, sample)
 * only, so the output is the same for 1 or 16 threads, and after a resume.
 */
#ifndef SSV_DATA_LOADER_H
#define SSV_DATA_LOADER_H

#include "core/rng.h"
#include "data/dataset.h"

enum { LOADER_SLOTS = 25 };

struct loader_slot {
    const char *name;
    size_t per_sample; /* elements of 4 bytes: float or int32_t */
};

/* slots[s] points at this sample's part of slot s.  rng is fresh for (seed, RNG_VIEW, epoch,
 * sample).  Must be thread-safe; must write every element.  Returns a status. */
typedef int loader_prepare(const void *self, const struct record *record, long sample, int epoch,
                           struct rng *rng, void *const slots[], struct error *err);

/* Who is told of the memory that batches lie in, whole pages: a device that copies them.  Where it
 * cannot be pinned there is one warning. */
struct loader_pins {
    void *self;
    int (*pin)(void *self, void *memory, size_t bytes, struct error *err); /* NULL: nobody */
    void (*unpin)(void *self, void *memory);
};

struct loader_config {
    const struct dataset *data;
    enum split split;
    const int32_t *subset; /* (subset_n) indices into the split; NULL: all of it */
    long subset_n;
    int batch;
    const char *wanted; /* (batch) only these rows of a batch are filled; NULL: all */
    int shuffle;        /* a permutation per epoch, rng_shuffled by (seed, RNG_ORDER, epoch) */
    int masks;          /* records come with their masks, where the dataset has any */
    int drop_last;      /* else the last batch of an epoch has fewer samples */
    uint64_t seed;
    int threads;      /* >= 1 */
    int epochs;       /* after the last one loader_next returns an empty batch */
    long start_batch; /* global batch number to begin with: resume */
    const struct loader_slot *slots;
    int n_slots;
    loader_prepare *prepare;
    const void *self;
    struct loader_pins pins;
};

struct batch {
    long number;               /* global, from 0 */
    int epoch, n;              /* n samples; 0: the end */
    void *slots[LOADER_SLOTS]; /* slot s: (batch, per_sample), rows from n on, or not wanted, are
                                  zero */
    int32_t *index;            /* (n) indices into the split */
    double waited;             /* seconds that loader_next had to wait for it */
    int retries;               /* images that were read again after the machine failed */
};

struct loader;

int loader_open(struct loader **out, const struct loader_config *config, struct error *err);
/* The batch is valid until the next call.  An error from a reader or prepare (a broken file) comes
 * out here, for the batch it belongs to.  A reader's status 3 (the disk, the network) is one after
 * three more readings only, in the course of 2.6 s. */
int loader_next(struct loader *l, struct batch *batch, struct error *err);
/* The batch that loader_next will give after the one that it gave last, when it is ready; 0: it is
 * not, or there is none.  Does not wait.  Its slots are valid until the call behind that one. */
int loader_peek(struct loader *l, struct batch *batch);
long loader_batches_per_epoch(const struct loader_config *config);
void loader_close(struct loader *l); /* stops the threads, waits for them; NULL: nothing */

#endif
