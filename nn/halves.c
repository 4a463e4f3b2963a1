/* halves.c -- which values are stored in 16 bits: those whose operation can make them so and that
 * are only read by operations that can take them so.  What is summed up over a network, such as the
 * residuals of a ViT, is not among them, nor what the caller reads.
 */
#include "nn/plan_internal.h"

/* A gradient that starts as another tensor's is stored as that one. */
static int may_be(const struct tensor *t) {
    int alias = is_value(t) ? t->op->alias_src : -1;
    return is_value(t) && t->op->halves & HALVES_OUT && !t->output && !t->objective &&
           (alias < 0 || alias >= t->n_src || !t->src[alias]);
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

void find_halves(struct graph *g) {
    int changed = g->halves;
    for (int i = 0; i < g->n; i++)
        g->tensors[i]->half = g->halves && may_be(g->tensors[i]);
    for (int i = 0; i < g->n && g->halves; i++)
        leave_out_sources(g->tensors[i]);
    while (changed) {
        changed = 0;
        for (int i = 0; i < g->n; i++) {
            struct tensor *t = g->tensors[i];
            if (is_value(t) && t->op->halves & HALVES_OUT_AS_SOURCE)
                changed |= part(t->src[0], t);
            if (is_value(t) && t->op->halves & HALVES_SOURCE_AS_OUT)
                changed |= part(t, t->src[0]);
        }
    }
}
