/* plan.c -- gradients and memory of a graph, decided once.
 *
 * The schedule has 2n positions for n tensors: tensor i is computed at position i and gives its
 * gradient on at position 2n-1-i.  Every buffer lives from the first position that writes it to the
 * last that reads it; buffers whose lives do not meet may share memory.
 *
 * Operations for the whole batch cut the schedule into phases.  A buffer that lives in one phase is
 * a chunk's; one that crosses a border, or that a whole operation touches, is the batch's.
 */
#include "nn/plan_internal.h"

#include <string.h>

static void choose_operations(struct graph *g) {
    for (int i = 0; i < g->n && g->away; i++)
        if (g->tensors[i]->op && g->tensors[i]->op->choose_away)
            g->tensors[i]->op->choose_away(g->tensors[i]);
}

/* A tensor needs a gradient when a parameter is among what it was made from and an objective among
 * what is made from it. */
static void find_gradients(struct graph *g) {
    char *leads = ARENA_ARRAY(&g->arena, char, g->n + 1);
    for (int i = g->n - 1; i >= 0; i--) {
        struct tensor *t = g->tensors[i];
        leads[i] |= t->objective != 0;
        if (leads[i] && t->op && t->op->backward)
            for (int s = 0; s < t->n_src; s++)
                if (t->src[s] && !(t->op->stops & 1u << s))
                    leads[t->src[s]->number] = 1;
    }
    for (int i = 0; i < g->n; i++) {
        struct tensor *t = g->tensors[i];
        t->needs_grad =
            g->train && t->kind == TENSOR_PARAM && leads[i] && !t->frozen && t->param->trainable;
        if (leads[i] && t->op && t->op->backward)
            for (int s = 0; s < t->n_src; s++)
                t->needs_grad |=
                    g->train && t->src[s] && t->src[s]->needs_grad && !(t->op->stops & 1u << s);
    }
}

/* Gradients of shared values are the lane's, like those of parameters: everybody adds. */
static void plan_shared(struct graph *g) {
    for (int i = 0; i < g->n; i++) {
        struct tensor *t = g->tensors[i];
        for (int s = 0; s < t->n_src; s++)
            t->acc[s] = t->src[s] && t->src[s]->kind != TENSOR_VALUE;
        if (t->kind != TENSOR_SHARED)
            continue;
        t->shared_offset = g->shared_count;
        g->shared_count += round_up(t->per_sample);
        for (int k = 0; k < MAX_SAVED; k++) {
            t->shared_saved_offset[k] = g->shared_count;
            g->shared_count += round_up(t->saved_per_sample[k]);
        }
        t->shared_grad_offset = g->shared_grad_count;
        g->shared_grad_count += t->needs_grad ? round_up(t->per_sample) : 0;
    }
}

static int uses(const struct tensor *t, const struct param *p) {
    for (int s = 0; s < t->n_src && t->needs_grad && t->kind == TENSOR_VALUE; s++)
        if (t->src[s] && t->src[s]->needs_grad && t->src[s]->param == p)
            return 1;
    return 0;
}

/* Of the operations that use a parameter the last one comes first on the way back: where it can, it
 * writes the gradient, so that a lane need not be cleared there. */
static void find_writers(struct graph *g) {
    for (int i = 0; i < g->n; i++) {
        struct tensor *t = g->tensors[i];
        for (int s = 0; s < t->n_src && t->op && t->op->writes; s++) {
            const struct tensor *u = t->src[s];
            if (!(t->op->writes & 1u << s) || !u || !u->param || !uses(t, u->param))
                continue;
            int first = 1;
            for (int j = i + 1; j < g->n && first; j++)
                first = !uses(g->tensors[j], u->param);
            t->writes |= first ? 1u << s : 0;
        }
    }
}

/* Whether an operation runs at a schedule position. */
static const struct tensor *at(const struct graph *g, int position) {
    int backward = position >= g->n;
    const struct tensor *t = g->tensors[backward ? 2 * g->n - 1 - position : position];
    return t->kind == TENSOR_VALUE && (!backward || t->needs_grad) ? t : NULL;
}

static void find_phases(struct graph *g) {
    int end = g->train ? 2 * g->n : g->n;
    g->phases = ARENA_ARRAY(&g->arena, struct phase, end + 1);
    for (int i = 0; i < end; i++) {
        const struct tensor *t = at(g, i);
        struct phase *last = &g->phases[g->n_phases - 1];
        if (!t)
            continue;
        if (g->n_phases && !last->whole && !t->op->whole)
            last->last = i;
        else
            g->phases[g->n_phases++] = (struct phase){i, i, t->op->whole};
    }
}

const struct phase *phase_at(const struct graph *g, int position) {
    int i = 0;
    while (position > g->phases[i].last)
        i++;
    return &g->phases[i];
}

/* Chunks go through a phase at their own pace, so what they share is taken for all of it. */
static void choose_arena(const struct graph *g, struct buffer *b) {
    const struct phase *from = phase_at(g, b->born), *to = phase_at(g, b->dies);
    b->whole = from != to || from->whole;
    if (!b->whole)
        return;
    b->born = from->first;
    b->dies = to->last;
}

void extend_life(struct buffer *b, int position) {
    if (position > b->dies)
        b->dies = position;
    if (position < b->born)
        b->born = position;
}

/* On the way back a value is found where its phase made it again, or where it was kept. */
void extend_read_back(struct tensor *t, int position) {
    struct again *a = again_at(t, position);
    extend_life(a ? &a->value : &t->value, position);
}

static void extend_saved(struct tensor *t, int position) {
    struct again *a = again_at(t, position);
    for (int k = 0; k < MAX_SAVED; k++)
        extend_life(a ? &a->saved[k] : &t->saved[k], position);
}

/* Of so many numbers of a sample that live nowhere yet. */
static struct buffer unborn(const struct graph *g, size_t numbers, int half) {
    return (struct buffer){
        .per_sample = half ? (numbers + 1) / 2 : numbers, .born = 2 * g->n, .dies = -1};
}

static void find_lives(struct graph *g) {
    int end = 2 * g->n;
    for (int i = 0; i < g->n; i++) {
        struct tensor *t = g->tensors[i];
        t->value = t->grad = unborn(g, t->per_sample, t->half);
        t->narrow = unborn(g, t->per_sample, 1);
        for (int k = 0; k < MAX_SAVED; k++)
            t->saved[k] =
                unborn(g, t->saved_per_sample[k], !k && t->half && t->op->halves & HALVES_SAVED);
        for (struct again *a = t->again; a; a = a->next_of) {
            a->value = t->value;
            memcpy(a->saved, t->saved, sizeof a->saved);
        }
    }
    for (int i = 0; i < g->n; i++) {
        struct tensor *t = g->tensors[i];
        if (t->kind != TENSOR_VALUE)
            continue;
        extend_life(&t->value, i);
        for (int s = 0; s < t->n_src; s++)
            if (is_value(t->src[s]))
                extend_life(&t->src[s]->value, i);
        extend_saved(t, i);
        if (t->op->halves & HALVES_NARROW_OUT && is_narrowed(t))
            extend_life(&t->narrow, i);
        for (struct again *a = t->again; a; a = a->next_of) {
            extend_life(&a->value, a->first);
            extend_saved(t, a->first);
            for (int s = 0; s < t->n_src; s++)
                if (is_value(t->src[s]))
                    extend_read_back(t->src[s], a->first);
        }
    }
    for (int i = g->n - 1; i >= 0; i--) {
        struct tensor *t = g->tensors[i];
        int position = end - 1 - i;
        if (t->kind != TENSOR_VALUE || !t->needs_grad)
            continue;
        CHECK(!t->objective || t->grad.dies < 0, "objective %s is used by another operation",
              t->name);
        struct tensor *owner = t->grad_alias ? t->grad_alias : t;
        extend_life(&owner->grad, position);
        /* What multiplies its gradient with its source needs both alike. */
        if (t->op->halves & HALVES_NARROW && is_narrowed(t))
            extend_life(&t->narrow, position);
        if (t->op->backward_reads & BACKWARD_READS_OUT)
            extend_read_back(t, position);
        extend_saved(t, position);
        for (int s = 0; s < t->n_src; s++) {
            struct tensor *u = t->src[s];
            if (!is_value(u))
                continue;
            if (t->op->backward_reads & 1u << s)
                extend_read_back(u, position);
            if (!u->needs_grad || t->op->stops & 1u << s)
                continue;
            /* Written before means added to; a first gradient that is this tensor's own passed on
             * unchanged is the same memory. */
            t->acc[s] = u->grad.dies >= 0 || u->grad_alias != NULL;
            if (!t->acc[s] && t->op->alias_src == s && u->half == t->half) {
                u->grad_alias = owner;
                t->acc[s] = 1;
            }
            extend_life(u->grad_alias ? &u->grad_alias->grad : &u->grad, position);
        }
    }
}

/* What lies in the chunk's arena, or in the batch's. */
struct pieces {
    struct piece *list;
    int n;
};

static void collect(const struct graph *g, struct pieces out[2], struct buffer *b) {
    if (!b->per_sample || b->dies < b->born)
        return;
    choose_arena(g, b);
    struct pieces *to = &out[b->whole];
    CHECK(to->list, "no room for buffers");
    to->list[to->n++] = (struct piece){b, round_up(b->per_sample)};
}

static void count_flops(struct graph *g, const struct tensor *t) {
    double forward, backward;
    t->op->flops(t, &forward, &backward);
    g->flops_forward += forward;
    g->flops_backward += t->needs_grad ? backward : 0;
}

void graph_plan(struct graph *g) {
    CHECK(!g->planned, "a graph is planned once");
    choose_operations(g);
    find_gradients(g);
    plan_shared(g);
    find_writers(g);
    find_phases(g);
    find_halves(g);
    g->again = ARENA_ARRAY(&g->arena, struct again *, 2 * g->n + 1);
    int n_again = g->train && (g->recompute || !g->keep_cheap) ? find_again(g) : 0;
    find_lives(g);
    find_passes(g);
    struct pieces pieces[2] = {{0}};
    for (int i = 0; i < 2; i++)
        pieces[i].list = ARENA_ARRAY(&g->arena, struct piece,
                                     g->n * (3 + MAX_SAVED) + n_again * (1 + MAX_SAVED) + 1);
    for (int i = 0; i < g->n; i++) {
        struct tensor *t = g->tensors[i];
        if (t->kind != TENSOR_VALUE)
            continue;
        if (t->output) {
            t->output_offset = g->output_per_sample;
            g->output_per_sample += t->per_sample;
        } else {
            collect(g, pieces, &t->value);
            for (struct again *a = t->again; a; a = a->next_of)
                collect(g, pieces, &a->value);
        }
        for (struct again *a = t->again; a; a = a->next_of)
            for (int k = 0; k < MAX_SAVED; k++)
                collect(g, pieces, &a->saved[k]);
        if (t->needs_grad && !t->grad_alias)
            collect(g, pieces, &t->grad);
        collect(g, pieces, &t->narrow);
        for (int k = 0; k < MAX_SAVED; k++)
            collect(g, pieces, &t->saved[k]);
        t->packed_offset = g->packed_count;
        g->packed_count += round_up(t->packed_count);
        count_flops(g, t);
    }
    g->chunk_per_sample = place(&g->arena, pieces[0].list, pieces[0].n);
    g->batch_per_sample = place(&g->arena, pieces[1].list, pieces[1].n);
    g->planned = 1;
}
