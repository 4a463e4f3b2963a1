#include "kernels/cuda/dnn.h"

#include "kernels/cuda/dnn_attention.h"

#include <cuda_runtime_api.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ERROR = 1001, LAST_ERROR = 9999 }; /* cuDNN's; CUDA's are below and above */

struct entry {
    struct dnn_problem problem;
    struct dnn_plan plan; /* .plan NULL: there is none */
};

struct outgrown {
    void *memory;
    struct outgrown *next;
};

struct dnn {
    struct dnn_library library;
    struct dnn_site site;
    struct entry *entry;
    int entries, room, last; /* last: the one used last */
    void *workspace;
    size_t workspace_bytes;
    int recorded;           /* a recording uses it */
    struct outgrown *older; /* what recordings use of before */
    size_t older_bytes;
    struct lack { /* entries that have no plan */
        int count;
        char first[160];
    } convolutions, attentions;
    char note[512];
};

int dnn_open(struct dnn **out, void *stream, int tf32, struct error *err) {
    struct dnn *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d)
        return error_set(err, STATUS_MACHINE, "no memory");
    int status = dnn_library_open(&d->library, err);
    if (status) {
        free(d);
        return status;
    }
    d->site = (struct dnn_site){.library = &d->library, .tf32 = tf32};
    cudnnStatus_t error = d->library.cudnnCreate(&d->site.handle);
    if (!error)
        error = d->library.cudnnSetStream(d->site.handle, (cudaStream_t)stream);
    if (error) {
        error_set(err, STATUS_MACHINE, "no cuDNN: it does not start: %s",
                  d->library.cudnnGetErrorString(error));
        dnn_close(d);
        return STATUS_MACHINE;
    }
    *out = d;
    return 0;
}

void dnn_close(struct dnn *d) {
    if (!d)
        return;
    for (int i = 0; i < d->entries; i++)
        dnn_plan_end(&d->entry[i].plan);
    free(d->entry);
    cudaFree(d->workspace);
    while (d->older) {
        struct outgrown *o = d->older;
        d->older = o->next;
        cudaFree(o->memory);
        free(o);
    }
    if (d->site.handle)
        d->library.cudnnDestroy(d->site.handle);
    dnn_library_close(&d->library);
    free(d);
}

const char *dnn_error(const struct dnn *d, int error) {
    if (error < FIRST_ERROR || error > LAST_ERROR)
        return NULL;
    return d->library.cudnnGetErrorString((cudnnStatus_t)error);
}

const char *dnn_note(const struct dnn *d) {
    return d->note;
}

static void say_first(struct lack *l, const struct dnn_problem *p, const char *why) {
    static const char *const kinds[DNN_KINDS] = {"forward", "backward_data", "backward_weight",
                                                 "forward", "backward"};
    const struct conv_shape *s = &p->shape;
    if (p->kind < DNN_CONVOLUTIONS)
        snprintf(l->first, sizeof l->first, "%s %d %d %d %d %d %d %d %d %d%s: %s", kinds[p->kind],
                 p->n, s->h, s->w, s->in, s->out, s->kh, s->kw, s->stride, s->pad,
                 p->halves ? ", 16 bits" : "", why);
    else
        snprintf(l->first, sizeof l->first, "%s %d %d %d %d%s%s: %s", kinds[p->kind], p->n,
                 p->tokens, p->heads, p->columns, p->causal ? ", causal" : "",
                 p->biased ? ", biased" : "", why);
}

/* This one is computed without cuDNN from now on. */
static void leave(struct dnn *d, struct entry *e, const char *why) {
    struct lack *l = e->problem.kind < DNN_CONVOLUTIONS ? &d->convolutions : &d->attentions;
    int n = 0;
    dnn_plan_end(&e->plan);
    if (!l->count++)
        say_first(l, &e->problem, why);
    if (d->convolutions.count)
        n = snprintf(d->note, sizeof d->note, "own kernels for %d convolutions, the first (%s) %s",
                     d->convolutions.count, "kind n h w in out kh kw stride pad",
                     d->convolutions.first);
    if (d->attentions.count)
        snprintf(d->note + n, sizeof d->note - (size_t)n,
                 "%sown kernels for %d attentions, the first (kind n t heads d) %s", n ? "; " : "",
                 d->attentions.count, d->attentions.first);
}

/* Networks repeat one sequence of these: the search begins behind the last one found. */
static struct entry *find(struct dnn *d, const struct dnn_problem *p) {
    for (int i = 1; i <= d->entries; i++) {
        int at = (d->last + i) % d->entries;
        if (!memcmp(&d->entry[at].problem, p, sizeof *p)) {
            d->last = at;
            return &d->entry[at];
        }
    }
    return NULL;
}

static struct entry *add(struct dnn *d, const struct dnn_problem *p) {
    enum { FIRST_ROOM = 64 };
    if (d->entries == d->room) {
        int room = d->room ? 2 * d->room : FIRST_ROOM;
        struct entry *larger = realloc(d->entry, (size_t)room * sizeof *larger);
        CHECK(larger, "no memory for %d plans", room);
        d->entry = larger;
        d->room = room;
    }
    d->last = d->entries++;
    struct entry *e = &d->entry[d->last];
    e->problem = *p;
    cudnnStatus_t status = dnn_plan_make(&e->plan, &d->site, p);
    if (status)
        leave(d, e, d->library.cudnnGetErrorString(status));
    return e;
}

void dnn_record(struct dnn *d) {
    d->recorded = d->workspace != NULL;
}

/* cudaFree waits for what is computed with the smaller one; a recording will use it again. */
static void outgrow(struct dnn *d) {
    struct outgrown *o = d->recorded ? malloc(sizeof *o) : NULL;
    CHECK(o || !d->recorded, "no memory");
    if (o) {
        *o = (struct outgrown){d->workspace, d->older};
        d->older = o;
        d->older_bytes += d->workspace_bytes;
    } else {
        cudaFree(d->workspace);
    }
    d->recorded = 0;
    d->workspace = NULL;
    d->workspace_bytes = 0;
}

static int reserve(struct dnn *d, size_t bytes) {
    if (bytes <= d->workspace_bytes)
        return 1;
    outgrow(d);
    if (cudaMalloc(&d->workspace, bytes) != cudaSuccess) {
        cudaGetLastError(); /* the own kernel needs none */
        return 0;
    }
    d->workspace_bytes = bytes;
    return 1;
}

/* What a plan is given, by the ids of its tensors. */
struct arguments {
    int n;
    int64_t ids[DNN_ATTENTION_ARGUMENTS];
    const void *data[DNN_ATTENTION_ARGUMENTS];
};

static void give(struct arguments *a, int64_t id, const void *data) {
    a->ids[a->n] = id;
    a->data[a->n++] = data;
}

static int execute(struct dnn *d, const struct dnn_plan *plan, const struct arguments *a) {
    const struct dnn_library *l = &d->library;
    cudnnBackendDescriptor_t pack;
    cudnnStatus_t error =
        l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    if (error)
        return (int)error;
    error = l->cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
                                        a->n, a->ids);
    if (!error)
        error = l->cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                            CUDNN_TYPE_VOID_PTR, a->n, a->data);
    if (!error)
        error = l->cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
                                            CUDNN_TYPE_VOID_PTR, 1, &d->workspace);
    if (!error)
        error = l->cudnnBackendFinalize(pack);
    if (!error)
        error = l->cudnnBackendExecute(d->site.handle, plan->plan, pack);
    l->cudnnBackendDestroyDescriptor(pack);
    return (int)error;
}

static int is_empty(const struct dnn_problem *p) {
    const struct conv_shape *s = &p->shape;
    if (p->kind >= DNN_CONVOLUTIONS)
        return !p->n || !p->tokens || !p->heads || !p->columns;
    return !p->n || !s->h || !s->w || !s->in || !s->out || !conv_out_h(s) || !conv_out_w(s);
}

enum { WIDE = 16 };

static int common_alignment(int n, const void *const *data) {
    uintptr_t bits = 0;
    for (int i = 0; i < n; i++)
        bits |= (uintptr_t)data[i];
    return bits % WIDE ? bits % sizeof(float) ? 2 : (int)sizeof(float) : WIDE;
}

/* Where the gradient of weights is left in 16 bits: behind the plan's own memory. */
static size_t narrow_offset(const struct dnn_plan *plan) {
    return (plan->workspace + WIDE - 1) / WIDE * WIDE;
}

static size_t needed(const struct entry *e) {
    const struct dnn_problem *p = &e->problem;
    const struct conv_shape *s = &p->shape;
    size_t weights = (size_t)s->out * (size_t)s->kh * (size_t)s->kw * (size_t)s->in;
    if (p->kind != DNN_BACKWARD_WEIGHT || !p->halves)
        return e->plan.workspace;
    return narrow_offset(&e->plan) + weights * sizeof(uint16_t);
}

/* NULL: it is not done here. */
static struct entry *plan(struct dnn *d, struct dnn_problem problem, int n,
                          const void *const *data) {
    if (is_empty(&problem))
        return NULL;
    problem.alignment = common_alignment(n, data);
    struct entry *e = find(d, &problem);
    if (!e)
        e = add(d, &problem);
    /* An H200 found engines that were chosen for 4 bytes to want more. */
    if (e->plan.plan && problem.alignment < WIDE)
        leave(d, e, "not aligned to 16 bytes");
    return e->plan.plan ? e : NULL;
}

/* x, w, y: as the ids of dnn_plan.h are in order.  narrow: where weights of 16 bits were left. */
static int run(struct dnn *d, struct dnn_problem problem, const void *x, const void *w,
               const void *y, const void **narrow) {
    const void *data[DNN_ARGUMENTS] = {x, narrow ? NULL : w, y};
    struct entry *e = plan(d, problem, DNN_ARGUMENTS, data);
    if (!e)
        return -1;
    if (!reserve(d, needed(e))) {
        leave(d, e, "no memory for its workspace");
        return -1;
    }
    struct arguments a = {0};
    if (narrow)
        data[DNN_W - DNN_X] = *narrow = (char *)d->workspace + narrow_offset(&e->plan);
    for (int i = 0; i < DNN_ARGUMENTS; i++)
        give(&a, DNN_X + i, data[i]);
    return execute(d, &e->plan, &a);
}

/* All arguments are of 16 bits. */
static unsigned halves_of(int half) {
    return half ? (1u << DNN_ARGUMENTS) - 1 : 0;
}

static struct dnn_problem problem_of(enum dnn_kind kind, int n, const struct conv_shape *s,
                                     int half, int acc) {
    return (struct dnn_problem){
        .kind = kind, .n = n, .shape = *s, .acc = acc, .halves = halves_of(half)};
}

int dnn_conv_forward(struct dnn *d, int n, const struct conv_shape *s, int half, const void *x,
                     const void *w, void *y) {
    return run(d, problem_of(DNN_FORWARD, n, s, half, 0), x, w, y, NULL);
}

int dnn_conv_backward_data(struct dnn *d, int n, const struct conv_shape *s, int half,
                           const void *dy, const void *w, int acc, void *dx) {
    return run(d, problem_of(DNN_BACKWARD_DATA, n, s, half, acc), dx, w, dy, NULL);
}

/* dw stays out of the way of the result in 16 bits, which its own kernel adds to it. */
int dnn_conv_backward_weight(struct dnn *d, int n, const struct conv_shape *s, int half,
                             const void *x, const void *dy, float *dw, const void **narrow) {
    *narrow = NULL;
    return run(d, problem_of(DNN_BACKWARD_WEIGHT, n, s, half, !half), x, dw, dy,
               half ? narrow : NULL);
}

size_t dnn_conv_bytes(struct dnn *d, const struct device_conv *conv) {
    static const enum dnn_kind kinds[] = {[DEVICE_CONV] = DNN_FORWARD,
                                          [DEVICE_CONV_BACKWARD_DATA] = DNN_BACKWARD_DATA,
                                          [DEVICE_CONV_BACKWARD_WEIGHT] = DNN_BACKWARD_WEIGHT};
    const int half = conv->half, weight = conv->kind == DEVICE_CONV_BACKWARD_WEIGHT;
    const void *const data[DNN_ARGUMENTS] = {conv->x, half && weight ? NULL : conv->w, conv->y};
    const struct entry *e = plan(
        d, problem_of(kinds[conv->kind], conv->n, conv->shape, half, weight ? !half : conv->acc),
        DNN_ARGUMENTS, data);
    return e ? needed(e) : 0;
}

static int may_attend(const struct device_attention *a) {
    return a->half && a->d <= DNN_MOST_COLUMNS && a->d % DNN_COLUMNS_STEP == 0;
}

/* Parts of an array of rows that are a multiple of 16 bytes lie as it does. */
static struct entry *plan_attention(struct dnn *d, const struct device_attention *a) {
    const void *const data[] = {a->qkv, a->lse, a->y, a->dy, a->dqkv, a->bias};
    const struct dnn_problem problem = {.kind =
                                            a->backward ? DNN_ATTENTION_BACKWARD : DNN_ATTENTION,
                                        .n = a->n,
                                        .tokens = a->t,
                                        .heads = a->heads,
                                        .columns = a->d,
                                        .causal = a->causal != 0,
                                        .biased = a->bias != NULL,
                                        .halves = 1};
    return may_attend(a) ? plan(d, problem, sizeof data / sizeof *data, data) : NULL;
}

int dnn_attention(struct dnn *d, const struct device_attention *a, float scale) {
    static const float one = 1, below = -INFINITY;
    const int64_t part = (int64_t)a->heads * a->d;
    const uint16_t *x = a->qkv, *dx = a->dqkv;
    struct arguments to = {0};
    struct entry *e = plan_attention(d, a);
    if (!e)
        return -1;
    if (!reserve(d, needed(e))) {
        leave(d, e, "no memory for its workspace");
        return -1;
    }
    for (int i = 0; i < 3; i++)
        give(&to, DNN_Q + i, x + i * part);
    give(&to, DNN_O, a->y);
    give(&to, DNN_STATS, a->lse);
    give(&to, DNN_SCALE, &scale);
    if (a->bias)
        give(&to, DNN_BIAS, a->bias);
    if (a->causal)
        give(&to, DNN_BELOW, &below);
    for (int i = 0; i < 3 && a->backward; i++)
        give(&to, DNN_DQ + i, dx + i * part);
    if (a->backward) {
        give(&to, DNN_ONE, &one);
        give(&to, DNN_DO, a->dy);
    }
    return execute(d, &e->plan, &to);
}

size_t dnn_attention_bytes(struct dnn *d, const struct device_attention *a) {
    const struct entry *e = plan_attention(d, a);
    return e ? needed(e) : 0;
}

size_t dnn_workspace(const struct dnn *d) {
    return d->workspace_bytes + d->older_bytes;
}
