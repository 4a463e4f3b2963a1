#include "nn/checkpoint.h"

#include "nn/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECKPOINT_NAME "ssvbench-checkpoint "
#define CHECKPOINT_FORMAT CHECKPOINT_NAME "1"

#ifdef SSV_F64
#define REAL_NAME "F64"
#else
#define REAL_NAME "F32"
#endif

enum { STATES = 3 };

/* The three slabs and what their tensors' names start with. */
static const char *const prefixes[STATES] = {"", "optim.m.", "optim.v."};

static real *slab_of(const struct model *m, int state) {
    real *const slabs[STATES] = {m->value, m->m, m->v};
    return slabs[state];
}

/* Convolutions are (out,kh,kw,in) in memory and (out,in,kh,kw) in the file, as PyTorch has them.  A
 * file's data need not be aligned. */
static void reorder(const struct param *p, const void *from, void *to, int to_file) {
    size_t in = (size_t)p->dim[3], window = (size_t)p->dim[1] * (size_t)p->dim[2];
    const char *source = from;
    char *result = to;
    for (size_t o = 0; o < (size_t)p->dim[0]; o++)
        for (size_t k = 0; k < window; k++)
            for (size_t i = 0; i < in; i++) {
                size_t last = (o * window + k) * in + i, first = (o * in + i) * window + k;
                memcpy(result + sizeof(real) * (to_file ? first : last),
                       source + sizeof(real) * (to_file ? last : first), sizeof(real));
            }
}

/* A parameter with the file's shape and the model's data. */
static struct st_tensor describe(struct arena *a, const struct model *m, const struct param *p,
                                 int state) {
    struct st_tensor t = {
        .name = arena_printf(a, "%s%s.%s", prefixes[state], m->groups[p->group].name, p->name),
        .dtype = REAL_NAME,
        .ndim = p->ndim,
        .data = slab_of(m, state) + p->offset,
        .bytes = p->count * sizeof(real)};
    static const int same[MAX_DIM] = {0, 1, 2, 3, 4}, moved[MAX_DIM] = {0, 3, 1, 2};
    const int *from = p->channels_last ? moved : same;
    for (int i = 0; i < p->ndim; i++)
        t.dim[i] = p->dim[from[i]];
    return t;
}

/* What a tensor of the file is in the model. */
struct entry {
    const struct param *param;
    int state, fact;
};

struct contents {
    struct st_tensor *tensors; /* (n) */
    struct entry *entries;     /* (n) */
    int n;
};

/* In the order of the file. */
static struct contents list_all(struct arena *a, const struct model *m, int states) {
    struct contents all = {.n = 0};
    all.tensors = ARENA_ARRAY(a, struct st_tensor, states * m->n_facts + 1);
    all.entries = ARENA_ARRAY(a, struct entry, states * m->n_facts + 1);
    for (int state = 0; state < states && slab_of(m, state); state++) {
        int fact = 0;
        for (int i = 0; i < m->n_groups; i++)
            for (const struct param *p = m->groups[i].first; p; p = p->next) {
                all.tensors[all.n] = describe(a, m, p, state);
                all.entries[all.n++] = (struct entry){p, state, fact++};
            }
    }
    return all;
}

/* A file that is being written, tensor by tensor. */
struct writing {
    const struct model *m;
    const struct moments *moments; /* NULL: all are here */
    struct contents all;
    int next;             /* what is before it need not be asked for any more */
    struct slab room;     /* for another rank's moments */
    struct slab in_order; /* for a convolution in the file's order */
};

static int is_elsewhere(const struct writing *w, int i) {
    return w->moments && w->all.entries[i].state;
}

/* A tensor in the model's order; all ranks ask for what is not here in the same order. */
static const real *fetch(struct writing *w, int i) {
    const struct entry *e = &w->all.entries[i];
    const real *slab = slab_of(w->m, e->state);
    w->next = i + 1;
    return is_elsewhere(w, i) ? moments_fetch(w->moments, slab, e->fact, w->room.data)
                              : slab + e->param->offset;
}

static const void *get(void *self, int i) {
    struct writing *w = self;
    const struct param *p = w->all.entries[i].param;
    const real *x = fetch(w, i);
    if (!p->channels_last)
        return x;
    reorder(p, x, w->in_order.data, 1);
    return w->in_order.data;
}

/* When the disk is full, say, the others have not finished sending. */
static void fetch_rest(struct writing *w) {
    for (int i = w->next; i < w->all.n; i++)
        if (is_elsewhere(w, i))
            fetch(w, i);
}

static int open_writing(struct writing *w, struct error *err) {
    size_t turned = 0, others = w->moments ? moments_room(w->moments) : 0;
    int status = 0;
    for (int i = 0; i < w->all.n; i++) {
        const struct param *p = w->all.entries[i].param;
        if (p->channels_last || is_elsewhere(w, i))
            w->all.tensors[i].data = NULL; /* `get` has it */
        if (p->channels_last)
            turned = p->count > turned ? p->count : turned;
    }
    TRY(slab_alloc(&w->in_order, turned * sizeof(real), "a convolution in a checkpoint's order",
                   err));
    TRY(slab_alloc(&w->room, others * sizeof(real), "a tensor's moments for a checkpoint", err));
out:
    return status;
}

static int write_all(struct writing *w, struct arena *a, const char *path, long step,
                     const char *config, const char *run, struct error *err) {
    const struct st_source source = {get, w};
    const struct st_meta meta[] = {{"format", CHECKPOINT_FORMAT},
                                   {"step", arena_printf(a, "%ld", step)},
                                   {ST_HASH, NULL},
                                   {"run", run},
                                   {"config", config}};
    return st_write_from(path, w->all.tensors, w->all.n, meta, sizeof meta / sizeof *meta, &source,
                         err);
}

int checkpoint_save(const char *path, const struct model *m, const struct moments *moments,
                    long step, const char *config, const char *run, struct error *err) {
    struct communicator *ranks = moments ? moments_ranks(moments) : NULL;
    struct arena a = {0};
    struct writing w = {.m = m, .moments = moments};
    int status = 0;
    w.all = list_all(&a, m, STATES);
    if (!communicator_rank(ranks))
        status = open_writing(&w, err);
    TRY(communicator_agree(ranks, WAIT_LIMITED, status, err));
    if (!communicator_rank(ranks))
        status = write_all(&w, &a, path, step, config, run, err);
    fetch_rest(&w);
out:
    slab_free(&w.in_order);
    slab_free(&w.room);
    arena_free(&a);
    return status;
}

int checkpoint_is(const struct st_file *f) {
    const char *format = st_meta(f, "format");
    return format && !strcmp(format, CHECKPOINT_FORMAT);
}

static int read_step(const struct st_file *f, const char *path, long *step, struct error *err) {
    const char *format = st_meta(f, "format"), *text = st_meta(f, "step");
    if (format && !checkpoint_is(f) && !strncmp(format, CHECKPOINT_NAME, strlen(CHECKPOINT_NAME)))
        return error_set(err, STATUS_USAGE,
                         "%s: %.40s; this program reads " CHECKPOINT_FORMAT ": use the ssvbench "
                         "that wrote it",
                         path, format);
    if (!format || strcmp(format, CHECKPOINT_FORMAT) || !text || !st_meta(f, "config"))
        return error_set(err, STATUS_USAGE,
                         "%s: a safetensors file, but not a checkpoint of this "
                         "program (its metadata says no \"" CHECKPOINT_FORMAT "\")",
                         path);
    char *end;
    *step = strtol(text, &end, 10);
    if (*end || end == text || *step < 0)
        return error_set(err, STATUS_USAGE, "%s: step \"%s\" is not a number", path, text);
    return 0;
}

/* The file's tensor of that name, with the model's type and shape. */
static int find_one(const struct st_file *f, const char *path, const struct st_tensor *want,
                    const struct st_tensor **out, struct error *err) {
    const struct st_tensor *have = *out = st_find(f, want->name);
    if (!have)
        return error_set(err, STATUS_USAGE,
                         "%s: holds no tensor %s: it belongs to another method or "
                         "backbone",
                         path, want->name);
    if (strcmp(have->dtype, want->dtype) || have->ndim != want->ndim ||
        memcmp(have->dim, want->dim, sizeof *want->dim * (size_t)want->ndim))
        return error_set(err, STATUS_USAGE,
                         "%s: tensor %s has another type or shape than this "
                         "configuration asks for",
                         path, want->name);
    return 0;
}

static int check_finite(const char *path, const struct param *p, const struct st_tensor *t,
                        struct error *err) {
    for (size_t i = 0; i < p->count; i++) {
        real x;
        memcpy(&x, (const char *)t->data + i * sizeof x, sizeof x);
        if (!isfinite(x))
            return error_set(err, STATUS_USAGE,
                             "%s: tensor %s holds a value that is not finite at "
                             "%zu",
                             path, t->name, i);
    }
    return 0;
}

static void copy_in(const struct param *p, const void *from, real *to) {
    if (p->channels_last)
        reorder(p, from, to, 0);
    else
        memcpy(to, from, p->count * sizeof *to);
}

/* All is looked at, and what is kept here is copied. */
static int load_all(const struct st_file *f, const char *path, struct model *m, int states,
                    const struct moments *moments, struct error *err) {
    struct arena a = {0};
    const struct contents all = list_all(&a, m, states);
    int status = 0;
    for (int i = 0; i < all.n; i++) {
        const struct entry *e = &all.entries[i];
        const struct st_tensor *have;
        TRY(find_one(f, path, &all.tensors[i], &have, err));
        TRY(check_finite(path, e->param, have, err));
        if (!e->state || !moments || moments_mine(moments)[e->fact])
            copy_in(e->param, have->data, slab_of(m, e->state) + e->param->offset);
        st_release(f, have);
    }
    m->version++;
out:
    arena_free(&a);
    return status;
}

int checkpoint_load(const char *path, struct model *m, const struct moments *moments, long *step,
                    struct error *err) {
    struct st_file *f = NULL;
    int status = 0;
    TRY(st_open(&f, path, err));
    TRY(read_step(f, path, step, err));
    TRY(st_check(f, err));
    TRY(load_all(f, path, m, STATES, moments, err));
out:
    st_close(f);
    return status;
}

int checkpoint_check_run(const char *path, const char *run, struct error *err) {
    struct st_file *f = NULL;
    long step;
    int status = 0;
    TRY(st_open(&f, path, err));
    TRY(read_step(f, path, &step, err));
    const char *its = st_meta(f, "run"); /* older ones do not say it */
    if (its && strcmp(its, run))
        TRY(error_set(err, STATUS_USAGE,
                      "%s: of another run (%.8s, not %.8s: other settings, seed, data or code): "
                      "bring this run's back, or remove it to have it made again",
                      path, its, run));
out:
    st_close(f);
    return status;
}

int checkpoint_weights(const char *path, struct model *m, struct error *err) {
    struct st_file *f = NULL;
    int status = 0;
    TRY(st_open(&f, path, err));
    TRY(st_check(f, err));
    TRY(load_all(f, path, m, 1, NULL, err));
out:
    st_close(f);
    return status;
}

/* Rank 0's part of handing on: whether the file is the one that was loaded. */
static int open_again(struct st_file **f, const char *path, const struct contents *all,
                      struct slab *in_order, size_t reals, struct error *err) {
    const struct st_tensor *have;
    int status = 0;
    TRY(st_open(f, path, err));
    for (int i = 0; i < all->n; i++)
        TRY(find_one(*f, path, &all->tensors[i], &have, err));
    TRY(slab_alloc(in_order, reals * sizeof(real), "a tensor's moments from a checkpoint", err));
out:
    return status;
}

int checkpoint_hand_on(const char *path, struct model *m, const struct moments *moments,
                       struct error *err) {
    struct communicator *ranks = moments_ranks(moments);
    struct arena a = {0};
    struct slab in_order = {0};
    struct st_file *f = NULL;
    const struct contents all = list_all(&a, m, STATES);
    int status = 0;
    if (!communicator_rank(ranks))
        status = open_again(&f, path, &all, &in_order, moments_room(moments), err);
    TRY(communicator_agree(ranks, WAIT_LONG, status, err));
    for (int i = 0; i < all.n; i++) {
        const struct entry *e = &all.entries[i];
        if (!e->state || (f && moments_mine(moments)[e->fact]))
            continue;
        const struct st_tensor *have = f ? st_find(f, all.tensors[i].name) : NULL;
        if (f)
            copy_in(e->param, have->data, in_order.data);
        moments_hand_on(moments, slab_of(m, e->state), e->fact, in_order.data);
        if (f)
            st_release(f, have);
    }
out:
    slab_free(&in_order);
    st_close(f);
    arena_free(&a);
    return status;
}

struct st_tensor *checkpoint_tensors(const struct model *m, const real *values, struct arena *a,
                                     int *n) {
    *n = 0;
    for (int i = 0; i < m->n_groups; i++)
        *n += m->groups[i].n_params;
    struct st_tensor *list = ARENA_ARRAY(a, struct st_tensor, *n), *t = list;
    for (int i = 0; i < m->n_groups; i++)
        for (const struct param *p = m->groups[i].first; p; p = p->next, t++) {
            *t = describe(a, m, p, 0);
            real *copy = ARENA_ARRAY(a, real, p->count);
            if (p->channels_last)
                reorder(p, values + p->offset, copy, 1);
            else
                memcpy(copy, values + p->offset, p->count * sizeof *copy);
            t->data = copy;
        }
    return list;
}

int checkpoint_config(const char *path, struct arena *a, char **config, long *step,
                      struct error *err) {
    struct st_file *f = NULL;
    int status = 0;
    TRY(st_open(&f, path, err));
    TRY(read_step(f, path, step, err));
    *config = arena_strdup(a, st_meta(f, "config"));
out:
    st_close(f);
    return status;
}
