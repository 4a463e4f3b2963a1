/* device.h -- a place to compute that is not the processor: its memory, its kernels.
 *
 * Work is done in the order in which it is asked for.  What the processor may look at is only what
 * was copied out.
 */
#ifndef SSV_KERNELS_DEVICE_H
#define SSV_KERNELS_DEVICE_H

#include "core/error.h"
#include "kernels/kernels.h"

/* How products and convolutions are computed: by kernels of our own, or by the vendor's libraries
 * with full single precision, or with operands rounded to 19 or 16 bits; sums are in float. */
enum device_math { DEVICE_OWN, DEVICE_FP32, DEVICE_TF32, DEVICE_BF16, DEVICE_MATHS };

/* Of a slab, for what is done with many tensors in one go. */
struct device_range {
    size_t offset, count;                      /* reals */
    real a, b;                                 /* squares: of a x + b y */
    real scale, lr, decay, correct1, correct2; /* adamw: as the kernel's gscale, lr, wd, c1, c2 */
};

enum { DEVICE_PIECE = 1 << 14 }; /* reals of a range that are one entry of a list */

/* Entries of a range of so many reals in the lists that squares and adamw send; and bytes of so
 * many entries. */
static inline size_t device_pieces(size_t count) {
    return (count + DEVICE_PIECE - 1) / DEVICE_PIECE;
}

static inline size_t device_list_bytes(size_t pieces) {
    return pieces * (sizeof(struct device_range) + sizeof(double));
}

/* Bytes: what nobody has, all that there is, and what the device keeps for itself, which whoever
 * comes next can use too: work memory of products and convolutions, lists of squares and adamw. */
struct device_memory {
    size_t unused, all;
    size_t products, convolutions, lists;
};

/* A convolution as kernels/kernels.h has three; pointers say how they are aligned. */
enum device_conv_kind { DEVICE_CONV, DEVICE_CONV_BACKWARD_DATA, DEVICE_CONV_BACKWARD_WEIGHT };
struct device_conv {
    enum device_conv_kind kind;
    int n, acc;
    int half; /* x, w and y are in 16 bits; the gradient of w is not */
    const struct conv_shape *shape;
    const void *x, *w, *y; /* or their gradients */
};

/* Attention without probabilities as kernels/kernels.h has two. */
struct device_attention {
    int backward;
    int n, t, heads, d;
    int half;                              /* qkv, y and their gradients are in 16 bits */
    int masked;                            /* causal, or with a bias */
    const void *qkv, *lse, *y, *dy, *dqkv; /* the last two of the way back */
};

struct communicator_block; /* core/communicator.h */

/* Ranks whose devices shall send to each other by themselves. */
enum { DEVICE_IDENTITY = 16, DEVICE_INVITATION = 128 };
struct device_party {
    int rank, size;
    double seconds;                     /* how long another one may let this one wait */
    char invitation[DEVICE_INVITATION]; /* what rank 0's invite wrote */
};

struct device {
    const char *name;               /* "cuda:0" */
    const char *description;        /* "NVIDIA H100 80GB HBM3, 79.2 GiB" */
    const struct kernels *kernels;  /* their pointers are to this memory */
    int halves;                     /* it wants activations in 16 bits: graph.halves */
    const char *note;               /* what had to be done without, "": nothing */
    void *queue;                    /* kctx.device for them */
    char identity[DEVICE_IDENTITY]; /* in every process and on every machine that of this device */
    int joined;                     /* ranks that exchange and gather send to, this one too; or 0 */
    /* Zeros, aligned to 256 bytes.  Status 3 with the sizes when there is not enough. */
    int (*allocate)(struct device *d, void **out, size_t bytes, const char *what,
                    struct error *err);
    void (*release)(struct device *d, void *memory); /* of NULL: nothing */
    void (*memory)(struct device *d, struct device_memory *out);
    /* The work memory of a library for it, which is planned now and allocated when it is done for
     * the first time; 0: none. */
    size_t (*conv_bytes)(struct device *d, const struct device_conv *conv);
    size_t (*attention_bytes)(struct device *d, const struct device_attention *a); /* the same */
    /* Room for lists of so many pieces, so that squares and adamw allocate nothing. */
    int (*lists)(struct device *d, size_t pieces, struct error *err);
    /* Both return when it is done, and with it all that was asked for before. */
    void (*copy_in)(struct device *d, void *to, const void *from, size_t bytes);
    void (*copy_out)(struct device *d, void *to, const void *from, size_t bytes);
    void (*copy)(struct device *d, void *to, const void *from,
                 size_t bytes); /* of its own memory */
    /* Copies beside the work: a send begins when all that was asked for before the last mark is
     * done, and what is asked for behind a receive when all that was sent is there.  `from` must
     * not change before. */
    void (*send)(struct device *d, void *to, const void *from, size_t bytes);
    void (*mark)(struct device *d);
    void (*receive)(struct device *d);
    /* Whole pages of the processor's memory that the device reads by itself: a send from there
     * returns at once, from elsewhere when it has been read.  Status 3 when it cannot be.  unpin
     * waits for what was sent. */
    int (*pin)(struct device *d, void *memory, size_t bytes, struct error *err);
    void (*unpin)(struct device *d, void *memory);
    /* Status 3 with what is missing for a join; invitation: NULL where only that is asked. */
    int (*invite)(struct device *d, char *invitation, struct error *err);
    /* All of a party at the same time, each with another device; then all call the same exchange,
     * gather and arrive, as core/communicator.h has them, in the same order.  They go on beside the
     * work: what is sent is read when all that was asked for before is done, and what is asked for
     * behind an arrive has what came.  Who waits for other ranks is let go after the party's
     * seconds, and check says so; then the memory may hold anything, and nothing is sent any
     * more. */
    int (*join)(struct device *d, const struct device_party *party, struct error *err);
    void (*leave)(struct device *d); /* nothing where none was joined */
    /* slot: 0..COMMUNICATOR_SLOTS */
    void (*exchange)(struct device *d, int slot, const void *send,
                     const struct communicator_block *to, void *receive,
                     const struct communicator_block *from);
    void (*gather)(struct device *d, int slot, void *data, const struct communicator_block *blocks);
    void (*arrive)(struct device *d, int slot);
    /* sums[i] (n): the sum of squares of a x + b y over range i; y may be NULL.  Waits. */
    void (*squares)(struct device *d, int n, const struct device_range *range, const real *x,
                    const real *y, double *sums);
    /* kernels->adamw over every range. */
    void (*adamw)(struct device *d, int n, const struct device_range *range, real *value,
                  const real *gradient, real *m, real *v, real b1, real b2, real eps);
    /* From record on (0; else it cannot) what is asked for is kept instead of done, until recorded
     * returns what replay does it with, as often as one likes; NULL: it cannot be kept.  Nothing is
     * copied, allocated or waited for in between. */
    int (*record)(struct device *d);
    void *(*recorded)(struct device *d);
    void (*replay)(struct device *d, void *recording);
    void (*forget)(struct device *d, void *recording); /* NULL: nothing */
    void (*wait)(struct device *d);                    /* until all that was asked for is done */
    int (*idle)(struct device *d);                     /* it is, or nothing of it will be */
    /* Status 3 with the first thing that went wrong since the last call. */
    int (*check)(struct device *d, struct error *err);
};

#endif
