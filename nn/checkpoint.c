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

static struct st_tensor describe(struct arena *a, const struct model *m, const struct param *p,
                                 int state) {
    struct st_tensor t = {
        .name = arena_printf(a, "%s%s.%s", prefixes[state], m->groups[p->group].name, p->name),
        .dtype = REAL_NAME,
        .ndim = p->ndim,
        .data = slab_of(m, state) + p->offset,
        .bytes = p->count * sizeof(real)};
    for (int i = 0; i < p->ndim; i++)
        t.dim[i] = p->dim[i];
    return t;
}

int checkpoint_save(const char *path, const struct model *m, long step, const char *config,
                    struct error *err) {
    struct arena a = {0};
    int n = 0, total = 0;
    for (int i = 0; i < m->n_groups; i++)
        total += STATES * m->groups[i].n_params;
    struct st_tensor *tensors = ARENA_ARRAY(&a, struct st_tensor, total);
    for (int state = 0; state < STATES; state++)
        for (int i = 0; i < m->n_groups && slab_of(m, state); i++)
            for (const struct param *p = m->groups[i].first; p; p = p->next)
                tensors[n++] = describe(&a, m, p, state);
    const struct st_meta meta[] = {
        {"format", CHECKPOINT_FORMAT}, {"step", arena_printf(&a, "%ld", step)}, {"config", config}};
    int status = st_write(path, tensors, n, meta, sizeof meta / sizeof *meta, err);
    arena_free(&a);
    return status;
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

static int load_one(const struct st_file *f, const char *path, const struct st_tensor *want,
                    struct error *err) {
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
                TRY(load_one(f, path, &want, err));
            }
    m->version++;
out:
    st_close(f);
    arena_free(&a);
    return status;
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
