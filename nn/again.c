/* again.c -- what is computed a second time instead of kept.
 *
 * Between a value and its last reader on the way back lie, in a graph with barriers, nearly all of
 * the step, and memory for the whole batch.  What is cheap is given up instead after its last
 * reader on the way forth and computed again, chunk by chunk, in each phase of the way back that
 * reads it: the output of batch norm from its input, and the output of the next block from that.
 * After Chen et al. 2016 (arXiv:1604.06174), but for what costs next to nothing only. */
#include "nn/plan_internal.h"

/* As many values may depend on each other before one is kept. */
enum { DEPTH = 3 };

static int reads(const struct tensor *user, const struct tensor *t) {
    for (int s = 0; s < user->n_src; s++)
        if (user->src[s] == t && user->op->backward_reads & 1u << s)
            return 1;
    return user == t && t->op->backward_reads & BACKWARD_READS_OUT;
}

static int reads_back(const struct tensor *user, const struct tensor *t) {
    return is_value(user) && user->needs_grad && reads(user, t);
}

/* Whether every phase that reads t on the way back can make it first. */
static int can_be_made(const struct graph *g, const struct tensor *t) {
    const struct phase *own = phase_at(g, t->number);
    if (!is_value(t) || !t->op->cheap || t->output || !t->needs_grad)
        return 0;
    for (int i = t->number; i < g->n; i++) {
        const struct tensor *user = g->tensors[i];
        if (!reads_back(user, t))
            continue;
        const struct phase *p = phase_at(g, way_back(g, user));
        if (p->whole || p == own)
            return 0;
    }
    return 1;
}

/* For each tensor how many values one after the other are made again for it; 0: it is kept. */
static int *find_depths(struct graph *g) {
    int *depth = ARENA_ARRAY(&g->arena, int, g->n + 1);
    for (int i = 0; i < g->n; i++) {
        const struct tensor *t = g->tensors[i];
        if (!can_be_made(g, t))
            continue;
        depth[i] = 1;
        for (int s = 0; s < t->n_src; s++)
            if (t->src[s] && depth[t->src[s]->number] >= depth[i])
                depth[i] = depth[t->src[s]->number] + 1;
        if (depth[i] > DEPTH)
            depth[i] = 0;
    }
    return depth;
}

/* t is read at this position: it is there from the first such position of the phase on. */
static void make_for(struct graph *g, struct tensor *t, int position) {
    const struct phase *p = phase_at(g, position);
    struct again *a = t->again;
    while (a && a->last != p->last)
        a = a->next_of;
    if (!a) {
        a = ARENA_NEW(&g->arena, struct again);
        *a = (struct again){.t = t, .first = position, .last = p->last, .next_of = t->again};
        t->again = a;
    }
    if (position < a->first)
        a->first = position;
}

static void find_readers(struct graph *g, struct tensor *t) {
    for (int i = t->number; i < g->n; i++) {
        const struct tensor *user = g->tensors[i];
        if (reads_back(user, t))
            make_for(g, t, way_back(g, user));
        int is_source = 0;
        for (int s = 0; s < user->n_src; s++)
            is_source |= user->src[s] == t;
        for (const struct again *a = user->again; a && is_source; a = a->next_of)
            make_for(g, t, a->first);
    }
}

/* From the last tensor to the first, since what one is made again from is a reader of its sources;
 * these come before it in the lists of a position. */
int find_again(struct graph *g) {
    const int *depth = find_depths(g);
    int n = 0;
    for (int i = g->n - 1; i >= 0; i--)
        if (depth[i])
            find_readers(g, g->tensors[i]);
    for (int i = g->n - 1; i >= 0; i--)
        for (struct again *a = g->tensors[i]->again; a; a = a->next_of) {
            a->next_at = g->again[a->first];
            g->again[a->first] = a;
            n++;
        }
    return n;
}
