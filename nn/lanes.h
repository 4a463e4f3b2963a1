/* lanes.h -- the gradients of the weights while a run is on.
 *
 * Each lane collects what its chunks give; then the lanes are summed as a fixed tree.  The first
 * has the model's layout, with the gradients of shared values behind it, and ends as the gradient.
 * The others hold a gradient only from the first phase that gives to it until the last, so that in
 * a graph with many phases, such as a ResNet's, what one stage needed is the next one's.
 *
 * What a phase is the last to give to becomes complete bit by bit on its way back: in segments, of
 * which a lane gives nothing more to one when its last chunk has passed the segment's position.
 */
#ifndef SSV_NN_LANES_H
#define SSV_NN_LANES_H

#include "nn/graph.h"

struct lane_range;

/* Whose numbers are meant, beside a rank's own (0 and above): those that no rank owns, or all. */
enum { LANES_OF_NONE = -1, LANES_OF_ANY = -2 };

/* Some of what a phase is the last to give to; all of a phase's, where nobody asks for less. */
struct lane_segment {
    int phase;
    int last; /* the schedule position of the last operation that gives to it */
    size_t count;
};

struct lanes {
    real *data;
    int begin, end;            /* the lanes that are here */
    size_t first, spare;       /* reals of the first lane, of each of the others */
    struct lane_range *ranges; /* (n_ranges) runs of reals that live equally long */
    int n_ranges, n_segments;
    struct lane_segment *segments; /* (n_segments) in the order of their positions */
    int *first_segment;            /* (g->n_phases + 1) of each phase; of the last: their number */
    size_t *places[2]; /* (g->n) of the gradient of a tensor: in the first lane, in the others */
};

struct lanes_config {
    int begin, end; /* the lanes that are here, maybe none */
    /* (model->n_facts) the rank that a tensor's gradient is for; NULL: none owns any.  The gradient
     * of a shared value is for who owns all that it is made from, or for nobody in particular. */
    const int *owner;
    size_t segment; /* reals in a segment, more only where one operation has; 0: any number */
};

/* For a planned graph with a gradient, whose model is allocated; tables in a.  Their memory,
 * l->data (lanes_reals), is the caller's: zeros.  There is room for the first lane's gradient in
 * any case. */
void lanes_open(struct lanes *l, struct arena *a, const struct graph *g,
                const struct lanes_config *config);
size_t lanes_reals(const struct lanes *l);
real *lanes_gradient(const struct lanes *l, int lane);
const size_t *lanes_places(const struct lanes *l, int lane);
/* Zeros in a lane for what this phase is the first to give to: all, or only what its first chunk
 * does not write anyway (chunk_adds). */
void lanes_clear(const struct lanes *l, const struct kernels *k, const struct kctx *c, int lane,
                 int phase, int all);
/* Of a segment, all that is `whose`, in a row. */
struct lanes_row {
    int segment, whose;
};
/* How many reals that is, and count of them from number `begin` on: as the sum of n lanes in the
 * first of these, out of a lane, or into the first one. */
size_t lanes_completed(const struct lanes *l, struct lanes_row row);
void lanes_add(const struct lanes *l, const struct kernels *k, const struct kctx *c, int first,
               int n, struct lanes_row row, size_t begin, size_t count);
void lanes_read(const struct lanes *l, const struct kernels *k, const struct kctx *c, int lane,
                struct lanes_row row, size_t begin, size_t count, real *out);
void lanes_write(const struct lanes *l, const struct kernels *k, const struct kctx *c,
                 struct lanes_row row, size_t begin, size_t count, const real *in);

#endif
