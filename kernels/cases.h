/* cases.h -- for each kernel the shapes to try, its arguments, its FLOPs and its bytes.
 *
 *     struct case_run r;
 *     const struct kernel_case *kc = kernel_case_at(i);  // 0, 1, ... until it is NULL
 *     case_open(&r, kc, kc->shape[s], kernels, 0, seed);
 *     case_call(&r, &ctx);               // r.buffer[] holds what it made
 *     case_restore(&r);                  // as they were opened, for another call
 *     case_close(&r);
 *
 * For a device's kernels case_send follows case_open, and case_fetch the call.  case_open_stored
 * has arrays in 16 bits there, which the call's context says, too.
 *
 * The tests compare the buffers of two backends, the benchmark repeats case_call.  What a run
 * starts from is a function of kernel, shape and seed alone, so two backends start alike.
 *
 * A new kernel gets, in the cases_*.c of its family, a function that names its buffers and makes
 * the call, and a line with shapes; a new family gets a line in `families` of cases.c.
 */
#ifndef SSV_KERNELS_CASES_H
#define SSV_KERNELS_CASES_H

#include "core/arena.h"
#include "kernels/device.h"

enum { CASE_DIMS = 12, CASE_BUFFERS = 10 };

enum case_role {
    CASE_INPUT,
    CASE_UPDATE,  /* read and written */
    CASE_OUTPUT,  /* written; holds NaN before */
    CASE_SCRATCH, /* the backend's own business */
};

struct case_buffer {
    enum case_role role;
    size_t rows, width, stride; /* elements; what lies between width and stride is not touched */
    real *data;
    int32_t *index;          /* instead of data */
    real *start;             /* what an update starts from */
    int returned;            /* written by the case itself, from what a kernel returned */
    real *there;             /* on the device, in place of data or index */
    void *memory;            /* that it lies in */
    const void *at;          /* what the case knows it by */
    int half;                /* in 16 bits there; what it starts from is rounded to them here */
    uint16_t *packed, *back; /* what it starts from, and what came back; as many words as numbers */
    int overrun;             /* found when it came back */
    double spared;           /* numbers that no call touches; twice where it reads and writes */
};

struct case_run {
    int dim[CASE_DIMS]; /* fewer of dim[kernel_case.rows] may be asked for after case_open */
    int n_buffers;
    unsigned halves; /* kctx.halves of the calls on a device */
    struct case_buffer buffer[CASE_BUFFERS];
    double flops;
    /* private */
    const struct kernel_case *kernel;
    const struct kernels *k;
    const struct kctx *c; /* NULL while buffers are made */
    int next, offset, calls;
    int only_sizes; /* buffers have no memory */
    uint64_t seed;
    struct device *device; /* where calls compute; NULL: here */
    struct arena arena;
};

struct kernel_case {
    const char *name; /* as in KERNEL_LIST; NULL ends a table */
    const char *dims; /* what the numbers of a shape are */
    int rows;         /* the dim that counts independent rows: buffer.rows of them; -1: none */
    void (*run)(struct case_run *r);
    const int (*shape)[CASE_DIMS];
    int n_shapes, n_bench; /* the last n_bench are sizes of real networks */
};

/* The i-th of all, NULL after the last. */
const struct kernel_case *kernel_case_at(int i);
/* How many numbers its shapes have: words of dims. */
int kernel_case_dims(const struct kernel_case *kernel);

/* Allocates and fills the buffers; they start `offset` reals after a multiple of 64 bytes. */
void case_open(struct case_run *r, const struct kernel_case *kernel, const int dim[CASE_DIMS],
               const struct kernels *k, int offset, uint64_t seed);
/* halves: of a device's call; ref's has the same, so that both start from the same numbers.  The
 * case has to name its arrays. */
void case_open_stored(struct case_run *r, const struct kernel_case *kernel,
                      const int dim[CASE_DIMS], unsigned halves, const struct kernels *k,
                      uint64_t seed);
/* Calls and case_restore are on d's memory from here on, which holds what this one's does. */
int case_send(struct case_run *r, struct device *d, struct error *err);
/* What is there now, to be looked at here; the device's error where it had one. */
int case_fetch(struct case_run *r, struct error *err);
void case_call(struct case_run *r, const struct kctx *c);
void case_restore(struct case_run *r);
/* |a - b| / |b| over a buffer of reals, infinite where a number is not finite; two things that are
 * 0 everywhere are equal. */
double case_distance(const struct case_buffer *a, const struct case_buffer *b);
/* After a call of both: the number of the first buffer that is not ref's, -1 when there is none.
 * What is no result and what counts is the same bits, the rest closer than the tolerance; *worst is
 * the largest distance up to there. */
int case_differs(const struct case_run *run, const struct case_run *ref, double tolerance,
                 double *worst);
/* The number of the first buffer with a write outside its rows and widths, -1 when there is none.
 */
int case_overrun(const struct case_run *r);
/* The FLOPs and bytes of a call, without its buffers. */
struct case_cost {
    double flops, bytes;
};
struct case_cost case_cost(const struct kernel_case *kernel, const int dim[CASE_DIMS],
                           unsigned halves);
/* Every input read once, every output written once, but for what is spared. */
double case_bytes(const struct case_run *r);
void case_close(struct case_run *r);

/* For the functions of cases_*.c: whether this call is the first, which prepares what a network
 * prepares once for many calls; whether buffers are being filled, and there. */
int case_is_first(const struct case_run *r);
int case_fills(const struct case_run *r);
/* The next buffer.  While they are made it is allocated and filled; in a call the same sequence of
 * calls returns what was made. */
real *case_real(struct case_run *r, enum case_role role, size_t rows, size_t width, size_t stride);
real *case_positive(struct case_run *r, enum case_role role, size_t n); /* 0.1 and up */
int32_t *case_index(struct case_run *r, size_t n, int first, int end);  /* first..end-1 */
int32_t *case_index_out(struct case_run *r, size_t rows, size_t width); /* to be written */
real *case_returned(struct case_run *r, size_t n); /* for what a kernel returns, written here */
void case_arrays(struct case_run *r, size_t n, const void *const *arrays); /* see ARRAYS */
/* So many of an array's numbers are not touched by a call, or twice as many neither read nor
 * written; of NULL none. */
void case_spare(struct case_run *r, const void *array, double numbers);

#endif
