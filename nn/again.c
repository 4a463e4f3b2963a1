/* again.c -- what is computed a second time instead of kept.
 *
 * Between a value and its last reader on the way back lie, in a graph with barriers, nearly all of
 * the step, and memory for the whole batch.  What is cheap is given up instead after its last
 * reader on the way forth and computed again, chunk by chunk, in each phase of the way back that
 * reads it: the output of batch norm from its input, and the output of the next block from that.
 * After Chen et al. 2016 (arXiv:1604.06174), but for what costs next to nothing only.
 *
 * A device has more memory than time for that: with graph.keep_cheap nothing is given up.  With
 * graph.recompute also what is dear, with what it saved: a phase begins its way back with its way
 * forth, and keeps what came in from the phase before.  For two towers below a contrastive loss
 * that is the gradient cache of Gao et al. 2021 (arXiv:2101.06983). */
#include "nn/plan_internal.h"

/* As many values may depend on each other before one is kept: all of them, or those of as many
 * phases. */
enum { DEPTH = 3, PHASES = 3 };

static int reads(const struct tensor *user, const struct tensor *t) {
    for (int s = 0; s < user->n_src; s++)
        if (user->src[s] == t && user->op->backward_reads & 1u << s)
            return 1;
    return user == t && t->op->backward_reads & BACKWARD_READS_OUT;
}

static int reads_back(const struct tensor *user, const struct tensor *t) {
    return is_value(user) && user->needs_grad && reads(user, t);
}

static int moves_only(const struct tensor *t) {
    double forward, backward;
    t->op->flops(t, &forward, &backward);
    return forward == 0;
}

static int may_be_given_up(const struct graph *g, const struct tensor *t) {
    if (!is_value(t) || t->output || t->op->whole)
        return 0;
    return t->op->cheap ? t->needs_grad : g->recompute && (t->needs_grad || moves_only(t));
}

/* Whether every phase that reads t on the way back can make it first. */
static int can_be_made(const struct graph *g, const struct tensor *t) {
    if (!may_be_given_up(g, t))
        return 0;
    const struct phase *own = phase_at(g, t->number);
    if (t->needs_grad && phase_at(g, way_back(g, t)) == own)
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

/* By how much t is deeper than what it is made from. */
static int step_up(const struct graph *g, const struct tensor *source, const struct tensor *t) {
    return !g->recompute || phase_at(g, source->number) != phase_at(g, t->number);
}

/* For each tensor how many values, or phases, one after the other are made again for it; 0: it is
 * kept. */
static int *find_depths(struct graph *g) {
    int *depth = ARENA_ARRAY(&g->arena, int, g->n + 1);
    for (int i = 0; i < g->n; i++) {
        const struct tensor *t = g->tensors[i];
        if (!can_be_made(g, t))
            continue;
        depth[i] = 1;
        for (int s = 0; s < t->n_src; s++) {
            int below = t->src[s] ? depth[t->src[s]->number] : 0;
            if (below && below + step_up(g, t->src[s], t) > depth[i])
                depth[i] = below + step_up(g, t->src[s], t);
        }
        if (depth[i] > (g->recompute ? PHASES : DEPTH))
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

static int saves(const struct tensor *t) {
    size_t n = 0;
    for (int k = 0; k < MAX_SAVED; k++)
        n += t->saved_per_sample[k];
    return n > 0;
}

static void find_readers(struct graph *g, struct tensor *t) {
    if (g->recompute && saves(t) && t->needs_grad)
        make_for(g, t, way_back(g, t));
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
