#include "nn/lanes.h"

#include "nn/plan_internal.h"

#include <stdlib.h>
#include <string.h>

/* What no gradient goes to, such as a teacher, is in no range: it stays the zeros that it was
 * allocated as. */
struct lane_range {
    size_t offset, count; /* in the first lane */
    int written;          /* by a lane's first chunk, so never cleared */
    int owner;            /* a rank, or LANES_OF_NONE */
    int last;             /* schedule position of the last operation that gives to it */
    int segment;
    struct buffer spare; /* in the others; it lives from phase to phase */
};

static int gives(const struct tensor *t, int s, const struct param *p) {
    return t->needs_grad && t->src[s] && t->src[s]->param == p && t->src[s]->needs_grad;
}

static int phase_number(const struct graph *g, int position) {
    return (int)(phase_at(g, position) - g->phases);
}

static int end_of_last_phase(const struct graph *g) {
    return g->phases[g->n_phases - 1].last;
}

/* How the gradient of a parameter comes about.  What a shared value hands on comes after all
 * phases.
 */
static struct lane_range range_of(const struct graph *g, const struct param *p) {
    struct lane_range r = {
        .offset = p->offset, .count = p->count, .spare = {.born = g->n_phases, .dies = -1}};
    for (int i = 0; i < g->n; i++) {
        const struct tensor *t = g->tensors[i];
        for (int s = 0; s < t->n_src; s++) {
            if (!gives(t, s, p))
                continue;
            int position = is_value(t) ? way_back(g, t) : end_of_last_phase(g);
            int phase = phase_number(g, position);
            r.written |= (t->writes & 1u << s) != 0;
            r.last = position > r.last ? position : r.last;
            r.spare.born = phase < r.spare.born ? phase : r.spare.born;
            r.spare.dies = phase > r.spare.dies ? phase : r.spare.dies;
        }
    }
    return r;
}

static void add_range(struct lanes *l, const struct lane_range *r) {
    if (r->count && r->spare.dies >= 0)
        l->ranges[l->n_ranges++] = *r;
}

static int owner_of(const struct model *m, const int *owner, const struct param *p) {
    int i = 0;
    while (owner && m->facts[i].offset != p->offset)
        i++;
    return owner ? owner[i] : LANES_OF_NONE;
}

/* Of all that a shared value is made from and hands its gradient on to. */
static int owner_of_shared(const struct model *m, const int *owner, const struct tensor *t) {
    int found = LANES_OF_ANY;
    for (int s = 0; s < t->n_src; s++) {
        const struct tensor *u = t->src[s];
        if (!u || !u->needs_grad)
            continue;
        int one =
            u->kind == TENSOR_SHARED ? owner_of_shared(m, owner, u) : owner_of(m, owner, u->param);
        found = found == LANES_OF_ANY || found == one ? one : LANES_OF_NONE;
    }
    return found == LANES_OF_ANY ? LANES_OF_NONE : found;
}

static void find_ranges(struct lanes *l, struct arena *a, const struct graph *g, const int *owner) {
    const struct model *m = g->model;
    l->ranges = ARENA_ARRAY(a, struct lane_range, m->n_facts + g->n + 1);
    for (int i = 0; i < m->n_groups; i++)
        for (const struct param *p = m->groups[i].first; p; p = p->next) {
            struct lane_range r = range_of(g, p);
            r.owner = owner_of(m, owner, p);
            add_range(l, &r);
        }
    for (int i = 0; i < g->n; i++) {
        const struct tensor *t = g->tensors[i];
        if (t->kind != TENSOR_SHARED || !t->needs_grad)
            continue;
        const struct lane_range shared = {.offset = m->count + t->shared_grad_offset,
                                          .count = round_up(t->per_sample),
                                          .owner = owner_of_shared(m, owner, t),
                                          .last = end_of_last_phase(g),
                                          .spare = {.dies = g->n_phases - 1}};
        add_range(l, &shared);
    }
}

static int by_position(const void *a, const void *b) {
    const struct lane_range *const *x = a, *const *y = b;
    return (*x)->last != (*y)->last ? ((*x)->last > (*y)->last) - ((*x)->last < (*y)->last)
                                    : (*x > *y) - (*x < *y);
}

/* Ranges one behind the other on the way back, as long as they are not too many reals together;
 * what one operation completes is never parted. */
static void cut_segments(struct lanes *l, struct arena *a, const struct graph *g, size_t most) {
    struct lane_range **sorted = ARENA_ARRAY(a, struct lane_range *, l->n_ranges + 1);
    int n = 0;
    l->segments = ARENA_ARRAY(a, struct lane_segment, l->n_ranges + 1);
    l->first_segment = ARENA_ARRAY(a, int, g->n_phases + 1);
    for (int i = 0; i < l->n_ranges; i++)
        sorted[i] = &l->ranges[i];
    qsort(sorted, (size_t)l->n_ranges, sizeof *sorted, by_position);
    for (int i = 0, end; i < l->n_ranges; i = end) {
        int phase = sorted[i]->spare.dies, last = sorted[i]->last;
        size_t count = 0;
        for (end = i; end < l->n_ranges && sorted[end]->last == last; end++)
            count += sorted[end]->count;
        struct lane_segment *s = n ? &l->segments[n - 1] : NULL;
        if (!s || s->phase != phase || (most && s->count + count > most)) {
            s = &l->segments[n++];
            *s = (struct lane_segment){.phase = phase};
        }
        s->last = last;
        s->count += count;
        for (int j = i; j < end; j++)
            sorted[j]->segment = n - 1;
    }
    l->n_segments = n;
    for (int i = 0; i < n; i++)
        l->first_segment[l->segments[i].phase + 1] = i + 1;
    for (int i = 1; i <= g->n_phases; i++)
        if (l->first_segment[i] < l->first_segment[i - 1])
            l->first_segment[i] = l->first_segment[i - 1];
}

/* What lies side by side and goes the same way is one range. */
static void join_ranges(struct lanes *l) {
    int n = 0;
    for (int i = 0; i < l->n_ranges; i++) {
        const struct lane_range *r = &l->ranges[i];
        struct lane_range *last = n ? &l->ranges[n - 1] : NULL;
        if (last && last->written == r->written && last->owner == r->owner &&
            last->segment == r->segment && last->offset + last->count == r->offset &&
            last->spare.born == r->spare.born)
            last->count += r->count;
        else
            l->ranges[n++] = *r;
    }
    l->n_ranges = n;
}

static void place_ranges(struct lanes *l, struct arena *a) {
    struct piece *pieces = ARENA_ARRAY(a, struct piece, l->n_ranges + 1);
    for (int i = 0; i < l->n_ranges; i++)
        pieces[i] = (struct piece){&l->ranges[i].spare, round_up(l->ranges[i].count)};
    l->spare = place(a, pieces, l->n_ranges);
}

static void find_places(struct lanes *l, struct arena *a, const struct graph *g) {
    for (int other = 0; other < 2; other++)
        l->places[other] = ARENA_ARRAY(a, size_t, g->n + 1);
    for (int i = 0; i < g->n; i++) {
        const struct tensor *t = g->tensors[i];
        size_t at =
            t->kind == TENSOR_PARAM ? t->param->offset : g->model->count + t->shared_grad_offset;
        if (t->kind != TENSOR_PARAM && t->kind != TENSOR_SHARED)
            continue;
        l->places[0][i] = at;
        for (int j = 0; j < l->n_ranges; j++)
            if (l->ranges[j].offset <= at && at < l->ranges[j].offset + l->ranges[j].count)
                l->places[1][i] = l->ranges[j].spare.offset + (at - l->ranges[j].offset);
    }
}

void lanes_open(struct lanes *l, struct arena *a, const struct graph *g,
                const struct lanes_config *config) {
    CHECK(g->planned && g->train && config->begin >= 0 && config->end >= config->begin,
          "lanes of a graph that is not planned or not trained");
    *l = (struct lanes){.begin = config->begin,
                        .end = config->end,
                        .first = g->model->count + g->shared_grad_count};
    find_ranges(l, a, g, config->owner);
    cut_segments(l, a, g, config->segment);
    join_ranges(l);
    place_ranges(l, a);
    find_places(l, a, g);
}

/* Behind the first lane's place, whether it is here or not. */
static int first_spare(const struct lanes *l) {
    return l->begin ? l->begin : 1;
}

size_t lanes_reals(const struct lanes *l) {
    int spares = l->end - first_spare(l);
    return l->first + (spares > 0 ? (size_t)spares * l->spare : 0);
}

real *lanes_gradient(const struct lanes *l, int lane) {
    return l->data + (lane ? l->first + (size_t)(lane - first_spare(l)) * l->spare : 0);
}

const size_t *lanes_places(const struct lanes *l, int lane) {
    return l->places[lane > 0];
}

/* On a device a launch takes longer than zeros that are written over later in the phase. */
static void clear_together(const struct lanes *l, const struct kernels *k, const struct kctx *c,
                           int phase, int all) {
    const struct lane_range *first = NULL, *last = NULL;
    for (int i = 0; i <= l->n_ranges; i++) {
        const struct lane_range *r = i < l->n_ranges ? &l->ranges[i] : NULL;
        if (r && r->spare.born == phase) {
            int clears = all || !r->written;
            first = clears && !first ? r : first;
            last = clears ? r : last;
            continue;
        }
        if (first)
            k->fill(c, last->offset + last->count - first->offset, 0, l->data + first->offset);
        first = last = NULL;
    }
}

void lanes_clear(const struct lanes *l, const struct kernels *k, const struct kctx *c, int lane,
                 int phase, int all) {
    real *gradient = lanes_gradient(l, lane);
    if (c->device && !lane) {
        clear_together(l, k, c, phase, all);
        return;
    }
    for (int i = 0; i < l->n_ranges; i++) {
        const struct lane_range *r = &l->ranges[i];
        if (r->spare.born == phase && (all || !r->written))
            k->fill(c, r->count, 0, gradient + (lane ? r->spare.offset : r->offset));
    }
}

/* The first lane has a range in the order of the weights, the others where there is room. */
static real *own_range(const struct lanes *l, int lane, const struct lane_range *r) {
    return lanes_gradient(l, lane) + (lane ? r->spare.offset : r->offset);
}

static int is_in(struct lanes_row row, const struct lane_range *r) {
    return r->segment == row.segment && (row.whose == LANES_OF_ANY || row.whose == r->owner);
}

size_t lanes_completed(const struct lanes *l, struct lanes_row row) {
    size_t all = 0;
    for (int i = 0; i < l->n_ranges; i++)
        all += is_in(row, &l->ranges[i]) ? l->ranges[i].count : 0;
    return all;
}

/* What a range has of numbers begin..end-1 of a row, when `before` of these lie in front of it. */
static int overlap(const struct lane_range *r, size_t before, size_t begin, size_t end,
                   size_t *from, size_t *count) {
    size_t first = begin > before ? begin : before;
    size_t last = end < before + r->count ? end : before + r->count;
    if (first >= last)
        return 0;
    *from = first - before;
    *count = last - first;
    return 1;
}

/* A run of reals of a range, and where it is, or goes, outside. */
struct stretch {
    const struct lane_range *range;
    size_t from, at, n;
};

/* The parts of numbers begin..begin+count-1, one after the other; 0 when there are no more. */
static int next_stretch(const struct lanes *l, struct lanes_row row, size_t begin, size_t count,
                        int *range, size_t *before, struct stretch *out) {
    while (*range < l->n_ranges) {
        const struct lane_range *r = out->range = &l->ranges[(*range)++];
        size_t start = *before;
        if (!is_in(row, r))
            continue;
        *before += r->count;
        if (!overlap(r, start, begin, begin + count, &out->from, &out->n))
            continue;
        out->at = start + out->from - begin;
        return 1;
    }
    return 0;
}

static real *own_stretch(const struct lanes *l, int lane, const struct stretch *s) {
    return own_range(l, lane, s->range) + s->from;
}

void lanes_add(const struct lanes *l, const struct kernels *k, const struct kctx *c, int first,
               int n, struct lanes_row row, size_t begin, size_t count) {
    struct stretch s;
    size_t before = 0;
    for (int range = 0; n > 1 && next_stretch(l, row, begin, count, &range, &before, &s);)
        k->reduce_lanes(c, n, s.n, l->spare, own_stretch(l, first + 1, &s),
                        own_stretch(l, first, &s));
}

/* The processor does not see a device's memory. */
static void copy(const struct kernels *k, const struct kctx *c, size_t n, const real *from,
                 real *to) {
    if (c->device)
        k->axpby(c, n, 1, from, 0, to);
    else
        memcpy(to, from, n * sizeof *to);
}

void lanes_read(const struct lanes *l, const struct kernels *k, const struct kctx *c, int lane,
                struct lanes_row row, size_t begin, size_t count, real *out) {
    struct stretch s;
    size_t before = 0;
    for (int range = 0; next_stretch(l, row, begin, count, &range, &before, &s);)
        copy(k, c, s.n, own_stretch(l, lane, &s), out + s.at);
}

void lanes_write(const struct lanes *l, const struct kernels *k, const struct kctx *c,
                 struct lanes_row row, size_t begin, size_t count, const real *in) {
    struct stretch s;
    size_t before = 0;
    for (int range = 0; next_stretch(l, row, begin, count, &range, &before, &s);)
        copy(k, c, s.n, in + s.at, own_stretch(l, 0, &s));
}
