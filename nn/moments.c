#include "nn/moments.h"

struct moments {
    struct communicator *c;
    struct model *m;
    int *owner;                                  /* (m->n_facts) */
    char *mine;                                  /* (m->n_facts) */
    struct communicator_block *slices;           /* (m->n_groups,size) of each slab, in bytes */
    struct communicator_block *nothing, *others; /* (size) all empty */
    struct communicator_block *moved;            /* (size) */
    struct moments_slice *own;                   /* (m->n_groups) */
    size_t *places;                              /* (m->n_facts) */
};

/* The slice of a group that a tensor's middle lies in. */
static int owner_of(const struct moments *s, const struct group *g, const struct param *p) {
    size_t middle = p->offset - g->offset + p->count / 2;
    int rank = (int)((double)middle / (double)g->count * s->c->size);
    return rank < s->c->size ? rank : s->c->size - 1;
}

static struct communicator_block *slices_of(const struct moments *s, int group) {
    return s->slices + (size_t)group * (size_t)s->c->size;
}

static void place_own(struct moments *s) {
    size_t place = 0;
    for (int i = 0; i < s->m->n_groups; i++) {
        const struct communicator_block *slice = &slices_of(s, i)[s->c->rank];
        s->own[i] = (struct moments_slice){.offset = slice->offset / sizeof(real),
                                           .place = place,
                                           .count = slice->bytes / sizeof(real)};
        place += s->own[i].count;
    }
    for (int i = 0; i < s->m->n_facts; i++) {
        const struct param_fact *f = &s->m->facts[i];
        const struct moments_slice *own = &s->own[f->group];
        s->places[i] = s->mine[i] ? own->place + (f->offset - own->offset) : 0;
    }
}

struct moments *moments_open(struct arena *a, struct communicator *c, struct model *m) {
    CHECK(c && m->m, "moments of %d ranks", communicator_size(c));
    struct moments *s = ARENA_NEW(a, struct moments);
    *s = (struct moments){.c = c,
                          .m = m,
                          .owner = ARENA_ARRAY(a, int, m->n_facts + 1),
                          .mine = ARENA_ARRAY(a, char, m->n_facts + 1),
                          .slices = ARENA_ARRAY(a, struct communicator_block,
                                                (size_t)m->n_groups * (size_t)c->size + 1),
                          .nothing = ARENA_ARRAY(a, struct communicator_block, c->size),
                          .others = ARENA_ARRAY(a, struct communicator_block, c->size),
                          .moved = ARENA_ARRAY(a, struct communicator_block, c->size),
                          .own = ARENA_ARRAY(a, struct moments_slice, m->n_groups + 1),
                          .places = ARENA_ARRAY(a, size_t, m->n_facts + 1)};
    int n = 0;
    for (int i = 0; i < m->n_groups; i++)
        for (const struct param *p = m->groups[i].first; p; p = p->next) {
            int owner = owner_of(s, &m->groups[i], p);
            struct communicator_block *slice = &slices_of(s, i)[owner];
            if (!slice->bytes)
                slice->offset = p->offset * sizeof(real);
            slice->bytes += p->count * sizeof(real);
            s->owner[n] = owner;
            s->mine[n++] = owner == c->rank;
        }
    place_own(s);
    return s;
}

const char *moments_mine(const struct moments *s) {
    return s->mine;
}

const int *moments_owners(const struct moments *s) {
    return s->owner;
}

void moments_share_squares(const struct moments *s, double *squares) {
    struct arena scratch = {0};
    int n = s->m->n_facts, size = s->c->size, placed = 0;
    double *by_owner = ARENA_ARRAY(&scratch, double, n + 1);
    struct communicator_block *blocks = ARENA_ARRAY(&scratch, struct communicator_block, size);
    int *at = ARENA_ARRAY(&scratch, int, n + 1);
    for (int p = 0; p < size; p++) {
        blocks[p].offset = (size_t)placed * sizeof(double);
        for (int i = 0; i < n; i++)
            if (s->owner[i] == p) {
                by_owner[placed] = squares[i];
                at[i] = placed++;
            }
        blocks[p].bytes = (size_t)placed * sizeof(double) - blocks[p].offset;
    }
    communicator_gather(s->c, by_owner, blocks);
    for (int i = 0; i < n; i++)
        squares[i] = by_owner[at[i]];
    arena_free(&scratch);
}

/* Counted from the group's beginning on, so that a carrier needs room for one group only. */
void moments_send_values(const struct moments *s, struct carrier *carrier, real *values,
                         unsigned groups) {
    for (int i = 0; i < s->m->n_groups; i++) {
        const struct group *g = &s->m->groups[i];
        if (groups ? !(groups >> i & 1u) : g->held)
            continue;
        for (int p = 0; p < s->c->size; p++) {
            s->moved[p] = slices_of(s, i)[p];
            if (s->moved[p].bytes)
                s->moved[p].offset -= g->offset * sizeof(real);
        }
        carrier_gather(carrier, values + g->offset, s->moved);
    }
}

size_t moments_carried(const struct moments *s) {
    size_t most = 0;
    for (int i = 0; i < s->m->n_groups; i++)
        most = s->m->groups[i].count > most ? s->m->groups[i].count : most;
    return most * sizeof(real);
}

const struct moments_slice *moments_slices(const struct moments *s) {
    return s->own;
}

size_t moments_reals(const struct moments *s) {
    size_t all = 0;
    for (int i = 0; i < s->m->n_groups; i++)
        all += s->own[i].count;
    return all;
}

const size_t *moments_places(const struct moments *s) {
    return s->places;
}

/* One block from a rank to another one; the others exchange nothing. */
static void pass(const struct moments *s, int from, int to, const void *send, void *receive,
                 size_t bytes) {
    const int sends = s->c->rank == from, receives = s->c->rank == to;
    s->others[sends ? to : from].bytes = sends || receives ? bytes : 0;
    communicator_exchange(s->c, send, sends ? s->others : s->nothing, receive,
                          receives ? s->others : s->nothing);
    s->others[sends ? to : from].bytes = 0;
}

const real *moments_fetch(const struct moments *s, const real *slab, int i, real *room) {
    const struct param_fact *f = &s->m->facts[i];
    if (s->owner[i])
        pass(s, s->owner[i], 0, slab + f->offset, room, f->count * sizeof(real));
    return s->c->rank ? NULL : s->owner[i] ? room : slab + f->offset;
}

void moments_hand_on(const struct moments *s, real *slab, int i, const real *from) {
    const struct param_fact *f = &s->m->facts[i];
    if (s->owner[i])
        pass(s, 0, s->owner[i], from, slab + f->offset, f->count * sizeof(real));
}

size_t moments_room(const struct moments *s) {
    size_t most = 0;
    for (int i = 0; i < s->m->n_facts; i++)
        most = s->m->facts[i].count > most ? s->m->facts[i].count : most;
    return most;
}

struct communicator *moments_ranks(const struct moments *s) {
    return s->c;
}

size_t moments_spared(const struct moments *s) {
    size_t bytes = 0;
    for (int i = 0; i < s->m->n_groups; i++)
        for (int p = 0; p < s->c->size; p++)
            bytes += p == s->c->rank ? 0 : 2 * slices_of(s, i)[p].bytes;
    return bytes;
}
