/* plan_internal.h -- what the files that plan a graph share. */
#ifndef SSV_NN_PLAN_INTERNAL_H
#define SSV_NN_PLAN_INTERNAL_H

#include "nn/graph.h"

/* place.c.  Gives n buffers of these sizes their offsets, so that no two that are alive at the same
 * time meet; returns the end of the last.  The pieces change their order. */
struct piece {
    struct buffer *buffer;
    size_t size;
};

size_t place(struct arena *a, struct piece *pieces, int n);

/* halves.c.  Which values are stored in 16 bits, where g->halves asks for that. */
void find_halves(struct graph *g);

/* plan_passes.c.  Of a graph whose lives are known: which passes over memory are saved where they
 * are dear, tensor->handed, left and leaves. */
void find_passes(struct graph *g);

/* again.c.  Decides which values are computed again on the way back and where: fills tensor->again
 * and g->again, and returns how many. */
int find_again(struct graph *g);

/* Where t is found at this position instead of where it was kept, or NULL. */
static inline struct again *again_at(const struct tensor *t, int position) {
    struct again *a = t->again;
    while (a && (position < a->first || a->last < position))
        a = a->next_of;
    return a;
}

/* A life reaches to a position; that of t's value, where it is found on the way back. */
void extend_life(struct buffer *b, int position);
void extend_read_back(struct tensor *t, int position);

/* The phase in which something runs at this position, such as the ends of every life. */
const struct phase *phase_at(const struct graph *g, int position);

/* Buffers begin at multiples of a cache line. */
static inline size_t round_up(size_t reals) {
    enum { ALIGN_REALS = 16 };
    return (reals + ALIGN_REALS - 1) / ALIGN_REALS * ALIGN_REALS;
}

static inline int is_value(const struct tensor *t) {
    return t && t->kind == TENSOR_VALUE;
}

/* Source 0 is in 16 bits, and its own value is not. */
static inline int is_narrowed(const struct tensor *t) {
    return t->src[0]->half && !t->half;
}

/* The position at which t hands its gradient on. */
static inline int way_back(const struct graph *g, const struct tensor *t) {
    return 2 * g->n - 1 - t->number;
}

#endif
