#include "nn/away.h"

#include "core/log.h"

#include <stdlib.h>
#include <string.h>

enum { OUTPUTS, SHARED, GRADIENT, RESULTS };

struct samples {
    const void *at; /* NULL: none */
    struct away_samples which;
};

/* An input.  What comes next is copied to a place of its own while a run reads the other, and from
 * there to where kernels find it, before the next run: recordings of runs know that place, and the
 * device's memory is some fifty times as fast as the way there. */
struct crossing {
    const void *from;
    struct slab to, ahead;
    struct samples announced; /* to be sent to `ahead` */
    struct samples sent;      /* there, or on the way */
};

struct away {
    struct device *device;
    struct communicator *ranks; /* who do the same with theirs; NULL: one process */
    const struct graph *g;
    int batch;
    struct slab values;
    long version; /* of the values there */
    int settled;  /* the values there are the ones that count */
    int gradient_is_old;
    char *output_is_old;       /* (g->n) */
    struct crossing *inputs;   /* (g->n) */
    struct slab back[RESULTS]; /* the processor's */
};

int memory_get(struct device *d, struct slab *out, size_t bytes, const char *what,
               struct error *err) {
    if (!d)
        return slab_alloc(out, bytes, what, err);
    *out = (struct slab){.bytes = bytes};
    return d->allocate(d, &out->data, bytes, what, err);
}

void memory_put(struct device *d, struct slab *s) {
    if (!d)
        slab_free(s);
    else
        d->release(d, s->data);
    *s = (struct slab){0};
}

/* Indices and numbers are equally large. */
_Static_assert(sizeof(int32_t) <= sizeof(real), "an index fits where a number does");

static size_t element(const struct tensor *t) {
    return t->kind == TENSOR_INDEX ? sizeof(int32_t) : sizeof(real);
}

static int open_tensor(struct away *w, const struct tensor *t, int ahead, const void **bound,
                       struct error *err) {
    struct slab *to = &w->inputs[t->number].to, *next = &w->inputs[t->number].ahead;
    int batch = w->batch;
    size_t n = t->per_sample * (t->constant ? 1 : (size_t)batch);
    int is_input = t->kind == TENSOR_INPUT || t->kind == TENSOR_INDEX || t->constant;
    if (!is_input)
        return 0;
    int status = memory_get(w->device, to, n * element(t), t->name, err);
    if (!status && ahead && !t->constant)
        status = memory_get(w->device, next, n * element(t), t->name, err);
    if (status)
        return status;
    if (t->constant)
        w->device->copy_in(w->device, to->data, t->constant, n * element(t));
    bound[t->number] = t->constant ? to->data : NULL;
    return 0;
}

int away_open(struct away **out, struct device *d, struct communicator *ranks, struct arena *a,
              const struct graph *g, int batch, int ahead, const void **bound, struct error *err) {
    struct away *w = *out = ARENA_NEW(a, struct away);
    const size_t back[RESULTS] = {g->output_per_sample * (size_t)batch, g->shared_count,
                                  g->train ? g->model->count : 0};
    int status = 0;
    w->device = d;
    w->ranks = ranks;
    w->g = g;
    w->version = -1;
    w->batch = batch;
    w->output_is_old = ARENA_ARRAY(a, char, g->n + 1);
    w->inputs = ARENA_ARRAY(a, struct crossing, g->n + 1);
    TRY(memory_get(d, &w->values, g->model->count * sizeof(real), "weights", err));
    for (int i = 0; i < g->n; i++)
        TRY(open_tensor(w, g->tensors[i], ahead, bound, err));
    for (int i = 0; i < RESULTS; i++)
        TRY(slab_alloc(&w->back[i], back[i] * sizeof(real), "results of a device", err));
out:
    return status;
}

real *away_values(const struct away *w) {
    return w->values.data;
}

void away_bind(struct away *w, const struct tensor *input, const void *data) {
    struct crossing *c = &w->inputs[input->number];
    c->from = data;
    c->announced.at = NULL;
    if (c->sent.at != data)
        c->sent.at = NULL;
}

void away_announce(struct away *w, const struct tensor *input, const void *data,
                   const struct away_samples *samples) {
    struct crossing *c = &w->inputs[input->number];
    CHECK(c->ahead.data, "no room for what comes after %s", input->name);
    c->announced = (struct samples){data, *samples};
}

/* The bytes of some samples, and where they begin. */
static size_t extent_of(const struct tensor *t, const struct away_samples *s, size_t *first) {
    size_t one = t->per_sample * element(t);
    *first = one * (size_t)s->first;
    return one * (size_t)(s->end - s->first);
}

/* What was sent ahead was sent for this run when it is what is bound now.  A run that looks at the
 * last batch again leaves it alone. */
static void send(struct away *w, struct crossing *c, const struct tensor *t,
                 const struct away_samples *samples) {
    struct device *d = w->device;
    size_t first, bytes = extent_of(t, samples, &first);
    char *to = (char *)c->to.data + first;
    if (c->sent.at == c->from && c->sent.which.n == samples->n) {
        d->receive(d);
        d->copy(d, to, (const char *)c->ahead.data + first, bytes);
    } else {
        d->copy_in(d, to, (const char *)c->from + first, bytes);
    }
    if (c->sent.at == c->from)
        c->sent.at = NULL;
}

void away_send(struct away *w, const void **bound, const struct away_samples *samples) {
    const struct model *m = w->g->model;
    for (int i = 0; i < w->g->n; i++) {
        const struct tensor *t = w->g->tensors[i];
        struct crossing *c = &w->inputs[i];
        if (!c->from || t->constant)
            continue;
        send(w, c, t, samples);
        bound[i] = c->to.data;
    }
    if (!w->settled && w->version != m->version)
        w->device->copy_in(w->device, w->values.data, m->value, m->count * sizeof(real));
    w->version = m->version;
    w->device->mark(w->device);
}

void away_send_ahead(struct away *w) {
    for (int i = 0; i < w->g->n; i++) {
        const struct tensor *t = w->g->tensors[i];
        struct crossing *c = &w->inputs[i];
        if (!c->announced.at)
            continue;
        size_t first, bytes = extent_of(t, &c->announced.which, &first);
        w->device->send(w->device, (char *)c->ahead.data + first,
                        (const char *)c->announced.at + first, bytes);
        c->sent = c->announced;
        c->announced.at = NULL;
    }
}

static void end_if_failed(struct away *w) {
    struct error err;
    if (!w->device->check(w->device, &err))
        return;
    log_message(LOG_ERROR, "%s", err.message);
    if (w->device->joined)
        communicator_agree(w->ranks, WAIT_LIMITED, err.status, &err);
    exit(STATUS_MACHINE);
}

static void fetch(struct away *w, int which, const real *from) {
    if (from && w->back[which].bytes)
        w->device->copy_out(w->device, w->back[which].data, from, w->back[which].bytes);
}

void away_fetch(struct away *w, const struct away_results *from) {
    const struct model *m = w->g->model;
    memset(w->output_is_old, 1, (size_t)w->g->n);
    fetch(w, SHARED, from->shared);
    w->gradient_is_old = 1;
    for (int i = 0; from->updated && !w->settled && i < w->g->n; i++) {
        const struct param *p = w->g->tensors[i]->param;
        if (p && p->statistic)
            w->device->copy_out(w->device, m->value + p->offset, (real *)w->values.data + p->offset,
                                p->count * sizeof(real));
    }
    end_if_failed(w);
}

const real *away_output(struct away *w, const real *from, const struct tensor *t) {
    size_t offset = t->output_offset * (size_t)w->batch;
    real *here = (real *)w->back[OUTPUTS].data + offset;
    if (w->output_is_old[t->number])
        w->device->copy_out(w->device, here, from + offset,
                            t->per_sample * (size_t)w->batch * sizeof *here);
    w->output_is_old[t->number] = 0;
    return here;
}

const real *away_shared(const struct away *w) {
    return w->back[SHARED].data;
}

const real *away_gradient(struct away *w, const real *from) {
    if (w->gradient_is_old)
        fetch(w, GRADIENT, from);
    w->gradient_is_old = 0;
    return w->back[GRADIENT].data;
}

void away_settle(struct away *w) {
    w->settled = 1;
}

void away_fetch_values(struct away *w) {
    const struct model *m = w->g->model;
    if (w->settled)
        w->device->copy_out(w->device, m->value, w->values.data, m->count * sizeof(real));
    end_if_failed(w);
}

void away_get(struct away *w, const struct param *p) {
    const real *from = w->values.data;
    w->device->copy_out(w->device, w->g->model->value + p->offset, from + p->offset,
                        p->count * sizeof(real));
}

void away_put(struct away *w, const struct param *p) {
    real *to = w->values.data;
    w->device->copy_in(w->device, to + p->offset, w->g->model->value + p->offset,
                       p->count * sizeof(real));
}

void away_close(struct away *w) {
    if (!w)
        return;
    memory_put(w->device, &w->values);
    for (int i = 0; i < w->g->n; i++) {
        memory_put(w->device, &w->inputs[i].to);
        memory_put(w->device, &w->inputs[i].ahead);
    }
    for (int i = 0; i < RESULTS; i++)
        slab_free(&w->back[i]);
}
