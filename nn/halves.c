/* halves.c -- which values are stored in 16 bits: those whose operation can make them so and that
 * are only read by operations that can take them so.  The residuals of a ViT, which are sums over
 * all of it, are not among them, nor what the caller reads; those of a ResNet, which a ReLU cuts in
 * every block, are.
 */
#include "nn/plan_internal.h"

/* The source whose gradient starts as that of t, or NULL. */
static struct tensor *alias_of(const struct tensor *t) {
    int alias = t->op->alias_src;
    return alias < 0 || alias >= t->n_src ? NULL : t->src[alias];
}

/* A gradient that starts as another tensor's is stored as that one.  With several lanes rows are
 * of a whole number of reals, so that each lane's first one begins where a real does. */
static int may_be(const struct graph *g, const struct tensor *t) {
    return is_value(t) && t->op->halves & HALVES_OUT && !t->output && !t->objective &&
           (g->one_lane || t->per_sample % 2 == 0) &&
           (!alias_of(t) || t->op->halves & 1u << t->op->alias_src);
}

static void leave_out_sources(const struct tensor *t) {
    for (int s = 0; s < t->n_src; s++)
        if (t->src[s] && !(is_value(t) && t->op->halves & 1u << s))
            t->src[s]->half = 0;
}

/* One of two that can only be together is alone: it is not, either. */
static int part(const struct tensor *with, struct tensor *alone) {
    if (!alone->half || with->half)
        return 0;
    alone->half = 0;
    return 1;
}

static int take_apart(struct tensor *t) {
    const unsigned halves = t->op->halves;
    struct tensor *alias = alias_of(t);
    int changed = halves & HALVES_OUT_AS_SOURCE ? part(t->src[0], t) : 0;
    changed |= halves & HALVES_SOURCE_AS_OUT ? part(t, t->src[0]) : 0;
    if (halves & HALVES_ALIAS_AS_OUT && alias)
        changed |= part(t, alias) | part(alias, t);
    return changed;
}

void find_halves(struct graph *g) {
    int changed = g->halves;
    for (int i = 0; i < g->n; i++)
        g->tensors[i]->half = g->halves && may_be(g, g->tensors[i]);
    for (int i = 0; i < g->n && g->halves; i++)
        leave_out_sources(g->tensors[i]);
    while (changed) {
        changed = 0;
        for (int i = 0; i < g->n; i++)
            if (is_value(g->tensors[i]))
                changed |= take_apart(g->tensors[i]);
    }
}
