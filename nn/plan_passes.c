/* plan_passes.c -- passes over memory that a device is spared: of a few operations one does with
 * its own what another would do with the same numbers. */
#include "nn/plan_internal.h"

/* Who gives t its gradient last, or NULL. */
static struct tensor *last_giver(const struct graph *g, const struct tensor *t) {
    for (int i = t->number + 1; i < g->n; i++) {
        struct tensor *u = g->tensors[i];
        for (int s = 0; s < u->n_src && is_value(u) && u->needs_grad; s++)
            if (u->src[s] == t && !(u->op->stops & 1u << s))
                return u;
    }
    return NULL;
}

/* How many operations would hand t's gradient on in 16 bits: one alone can be the last. */
static int count_handers(const struct graph *g, const struct tensor *t) {
    int n = 0;
    for (int i = t->number + 1; i < g->n; i++) {
        const struct tensor *u = g->tensors[i];
        n += is_value(u) && u->op->halves & HALVES_HANDS_NARROW && u->src[0] == t;
    }
    return n;
}

/* What is to be copied to 16 bits and summed is, where it can be, by the kernel that finishes it: a
 * pass over memory less.  Behind an activation it is not finished. */
static void find_handed(struct graph *g) {
    for (int i = 0; i < g->n; i++) {
        struct tensor *t = g->tensors[i];
        if (!is_value(t) || !t->needs_grad || !t->op->handed_sums || !is_narrowed(t) ||
            t->saved_per_sample[0] || t->objective)
            continue;
        const struct tensor *u = last_giver(g, t);
        t->handed =
            u && u->op->halves & HALVES_HANDS_NARROW && u->src[0] == t && count_handers(g, t) == 1;
        if (t->handed)
            extend_life(&t->narrow, way_back(g, u));
    }
}

/* Whose gradient buffer t's is. */
static struct tensor *owner(struct tensor *t) {
    return t->grad_alias ? t->grad_alias : t;
}

/* Among the sources from number `first` on. */
static int reads(const struct tensor *t, const struct tensor *x, int first) {
    for (int s = first; s < t->n_src; s++)
        if (t->src[s] == x)
            return 1;
    return 0;
}

/* t, which reads source 0 as the last of two, may leave its gradient to the first, m: on the way
 * back nothing is between them but the one operation through which m reaches t, so t's own gradient
 * is still where it was, whether that is source 0's place, a residual's or its own. */
static int can_leave(const struct graph *g, const struct tensor *t, const struct tensor *m) {
    const struct tensor *x = t->src[0];
    if (!x->needs_grad || !m->needs_grad || m->src[0] != x || m->number + 2 != t->number ||
        x->objective)
        return 0;
    for (int i = 0; i < g->n; i++)
        if (g->tensors[i] != t && g->tensors[i] != m && reads(g->tensors[i], x, 0))
            return 0;
    return !reads(t, x, 1); /* not its own residual, whose gradient would be written over */
}

static void find_left(struct graph *g) {
    for (int i = 0; i < g->n; i++) {
        struct tensor *t = g->tensors[i];
        struct tensor *m = is_value(t) && t->op->finisher ? t->op->finisher(t) : NULL;
        if (!m || !t->needs_grad || !can_leave(g, t, m))
            continue;
        const int position = way_back(g, m);
        t->leaves = 1;
        m->left = t;
        extend_life(&owner(t)->grad, position);
        for (int s = 0; s < t->n_src; s++)
            if (is_value(t->src[s]) && t->op->backward_reads & 1u << s)
                extend_read_back(t->src[s], position);
    }
}

void find_passes(struct graph *g) {
    find_handed(g);
    if (g->away && g->train)
        find_left(g);
}
