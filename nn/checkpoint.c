#include "nn/checkpoint.h"

#include "nn/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECKPOINT_FORMAT "ssvbench-checkpoint 1"

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

/* Describes what is saved; with `copies` not NULL, data in the file's order goes there.  Returns
 * the number of reals that takes. */
static size_t describe_all(struct arena *a, const struct model *m, struct st_tensor *tensors,
                           real *copies) {
    size_t used = 0;
    for (int state = 0; state < STATES; state++)
        for (int i = 0; i < m->n_groups && slab_of(m, state); i++)
            for (const struct param *p = m->groups[i].first; p; p = p->next, tensors++) {
                *tensors = describe(a, m, p, state);
                if (!p->channels_last)
                    continue;
                if (copies) {
                    reorder(p, tensors->data, copies + used, 1);
                    tensors->data = copies + used;
                }
                used += p->count;
            }
    return used;
}

int checkpoint_save(const char *path, const struct model *m, long step, const char *config,
                    struct error *err) {
    struct arena a = {0};
    struct slab copies = {0};
    int status = 0, n = 0;
    for (int i = 0; i < m->n_groups; i++)
        n += (m->m ? STATES : 1) * m->groups[i].n_params;
    struct st_tensor *tensors = ARENA_ARRAY(&a, struct st_tensor, n);
    size_t reals = describe_all(&a, m, tensors, NULL);
    if (reals) {
        TRY(slab_alloc(&copies, reals * sizeof(real), "convolutions in a checkpoint's order", err));
        describe_all(&a, m, tensors, copies.data);
    }
    const struct st_meta meta[] = {
        {"format", CHECKPOINT_FORMAT}, {"step", arena_printf(&a, "%ld", step)}, {"config", config}};
    TRY(st_write(path, tensors, n, meta, sizeof meta / sizeof *meta, err));
out:
    slab_free(&copies);
    arena_free(&a);
    return status;
}

int checkpoint_is(const struct st_file *f) {
    const char *format = st_meta(f, "format");
    return format && !strcmp(format, CHECKPOINT_FORMAT);
}

static int read_step(const struct st_file *f, const char *path, long *step, struct error *err) {
    const char *format = st_meta(f, "format"), *text = st_meta(f, "step");
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

static int load_one(const struct st_file *f, const char *path, const struct param *p,
                    const struct st_tensor *want, struct error *err) {
    const struct st_tensor *have = st_find(f, want->name);
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
    if (p->channels_last)
        reorder(p, have->data, (void *)want->data, 0);
    else
        memcpy((void *)want->data, have->data, want->bytes);
    const real *x = want->data;
    for (size_t i = 0; i < want->bytes / sizeof *x; i++)
        if (!isfinite(x[i]))
            return error_set(err, STATUS_USAGE,
                             "%s: tensor %s holds a value that is not finite at "
                             "%zu",
                             path, want->name, i);
    return 0;
}

int checkpoint_load(const char *path, struct model *m, long *step, struct error *err) {
    struct arena a = {0};
    struct st_file *f = NULL;
    int status = 0;
    TRY(st_open(&f, path, err));
    TRY(read_step(f, path, step, err));
    for (int state = 0; state < STATES; state++)
        for (int i = 0; i < m->n_groups && slab_of(m, state); i++)
            for (const struct param *p = m->groups[i].first; p; p = p->next) {
                struct st_tensor want = describe(&a, m, p, state);
                TRY(load_one(f, path, p, &want, err));
            }
    m->version++;
out:
    st_close(f);
    arena_free(&a);
    return status;
}

int checkpoint_weights(const char *path, struct model *m, struct error *err) {
    struct arena a = {0};
    struct st_file *f = NULL;
    int status = 0;
    TRY(st_open(&f, path, err));
    for (int i = 0; i < m->n_groups; i++)
        for (const struct param *p = m->groups[i].first; p; p = p->next) {
            struct st_tensor want = describe(&a, m, p, 0);
            TRY(load_one(f, path, p, &want, err));
        }
    m->version++;
out:
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
