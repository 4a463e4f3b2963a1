#include "kernels/counting.h"

#include "core/arena.h"
#include "kernels/watch.h"

#include <stdlib.h>

/* Addresses without memory behind them, so that arithmetic with them is as with real ones. */
struct counted {
    struct slab slab;
    struct counted *next;
};

struct counting {
    struct device base; /* first */
    struct device *real;
    struct device_memory kept; /* by the real device: now, or when all of this is done */
    size_t room, allocated;
    struct kernels kernels;
    struct counted *pieces;
};

static struct counting *own(struct device *d) {
    return (struct counting *)d;
}

/* A device hands out a byte where none is asked for. */
static int allocate(struct device *d, void **out, size_t bytes, const char *what,
                    struct error *err) {
    struct counting *k = own(d);
    struct counted *piece = calloc(1, sizeof *piece);
    *out = NULL;
    if (!piece)
        return error_set(err, STATUS_MACHINE, "no memory");
    bytes = bytes ? bytes : 1;
    int status = slab_alloc(&piece->slab, bytes, what, err);
    if (status) {
        free(piece);
        return status;
    }
    *out = piece->slab.data;
    k->allocated += bytes;
    piece->next = k->pieces;
    k->pieces = piece;
    return 0;
}

static void release(struct device *d, void *memory) {
    struct counting *k = own(d);
    struct counted **at = &k->pieces;
    while (*at && (*at)->slab.data != memory)
        at = &(*at)->next;
    struct counted *piece = *at;
    if (!piece)
        return;
    *at = piece->next;
    k->allocated -= piece->slab.bytes;
    slab_free(&piece->slab);
    free(piece);
}

static void ask_memory(struct device *d, struct device_memory *out) {
    own(d)->real->memory(own(d)->real, out);
}

static size_t conv_bytes(struct device *d, const struct device_conv *conv) {
    struct counting *k = own(d);
    size_t bytes = k->real->conv_bytes(k->real, conv);
    k->kept.convolutions = bytes > k->kept.convolutions ? bytes : k->kept.convolutions;
    return bytes;
}

static size_t attention_bytes(struct device *d, const struct device_attention *a) {
    struct counting *k = own(d);
    size_t bytes = k->real->attention_bytes(k->real, a);
    k->kept.convolutions = bytes > k->kept.convolutions ? bytes : k->kept.convolutions;
    return bytes;
}

static int lists(struct device *d, size_t pieces, struct error *err) {
    (void)err;
    size_t bytes = device_list_bytes(pieces), *kept = &own(d)->kept.lists;
    *kept = bytes > *kept ? bytes : *kept;
    return 0;
}

static void copy(struct device *d, void *to, const void *from, size_t bytes) {
    (void)d, (void)to, (void)from, (void)bytes;
}

static void nothing(struct device *d) {
    (void)d;
}

static int idle(struct device *d) {
    (void)d;
    return 1;
}

static int pin(struct device *d, void *memory, size_t bytes, struct error *err) {
    (void)d, (void)memory, (void)bytes, (void)err;
    return 0;
}

static void squares(struct device *d, int n, const struct device_range *range, const real *x,
                    const real *y, double *sums) {
    (void)d, (void)range, (void)x, (void)y;
    for (int i = 0; i < n; i++)
        sums[i] = 0;
}

static void adamw(struct device *d, int n, const struct device_range *range, real *value,
                  const real *gradient, real *m, real *v, real b1, real b2, real eps) {
    (void)d, (void)n, (void)range, (void)value, (void)gradient, (void)m, (void)v;
    (void)b1, (void)b2, (void)eps;
}

static int record(struct device *d) {
    (void)d;
    return 1;
}

static void *recorded(struct device *d) {
    (void)d;
    return NULL;
}

static void replay(struct device *d, void *recording) {
    (void)d, (void)recording;
}

static int check(struct device *d, struct error *err) {
    (void)d, (void)err;
    return 0;
}

/* ---- the kernels that libraries may want memory for ---- */

static void conv2d_forward(const struct kctx *c, int n, const struct conv_shape *s, const real *x,
                           const real *packed, const real *bias, real *y) {
    kernels_watching()->conv2d_forward(c, n, s, x, packed, bias, y);
    conv_bytes(c->device,
               &(struct device_conv){DEVICE_CONV, n, 0, c->halves != 0, s, x, packed, y});
}

static void conv2d_backward_data(const struct kctx *c, int n, const struct conv_shape *s,
                                 const real *dy, const real *packed, const real *bias, int acc,
                                 real *dx) {
    kernels_watching()->conv2d_backward_data(c, n, s, dy, packed, bias, acc, dx);
    conv_bytes(c->device, &(struct device_conv){DEVICE_CONV_BACKWARD_DATA, n, acc, c->halves != 0,
                                                s, dx, packed, dy});
}

static void conv2d_backward_weight(const struct kctx *c, int n, const struct conv_shape *s,
                                   const real *x, const real *dy, real *dw) {
    kernels_watching()->conv2d_backward_weight(c, n, s, x, dy, dw);
    conv_bytes(c->device, &(struct device_conv){DEVICE_CONV_BACKWARD_WEIGHT, n, 1, c->halves != 0,
                                                s, x, dw, dy});
}

static void attention_flash_forward(const struct kctx *c, int n, int t, int heads, int d,
                                    real scale, int causal, const real *bias, const real *qkv,
                                    real *lse, real *y) {
    kernels_watching()->attention_flash_forward(c, n, t, heads, d, scale, causal, bias, qkv, lse,
                                                y);
    attention_bytes(c->device, &(struct device_attention){0, n, t, heads, d, c->halves != 0, causal,
                                                          bias, qkv, lse, y, NULL, NULL, NULL});
}

static void attention_flash_backward(const struct kctx *c, int n, int t, int heads, int d,
                                     real scale, int causal, const real *bias, const real *qkv,
                                     const real *lse, const real *y, const real *dy, real *dqkv,
                                     real *dbias) {
    kernels_watching()->attention_flash_backward(c, n, t, heads, d, scale, causal, bias, qkv, lse,
                                                 y, dy, dqkv, dbias);
    attention_bytes(c->device, &(struct device_attention){1, n, t, heads, d, c->halves != 0, causal,
                                                          bias, qkv, lse, y, dy, dqkv, dbias});
}

int counting_open(struct counting **out, struct device *there, struct error *err) {
    struct counting *k = *out = calloc(1, sizeof *k);
    if (!k)
        return error_set(err, STATUS_MACHINE, "no memory");
    k->real = there;
    there->memory(there, &k->kept);
    k->room = k->kept.unused + k->kept.products + k->kept.convolutions + k->kept.lists;
    k->kernels = *kernels_watching();
    k->kernels.conv2d_forward = conv2d_forward;
    k->kernels.conv2d_backward_data = conv2d_backward_data;
    k->kernels.conv2d_backward_weight = conv2d_backward_weight;
    k->kernels.attention_flash_forward = attention_flash_forward;
    k->kernels.attention_flash_backward = attention_flash_backward;
    k->base = (struct device){.name = there->name,
                              .description = there->description,
                              .kernels = &k->kernels,
                              .note = there->note,
                              .queue = k,
                              .halves = there->halves,
                              .allocate = allocate,
                              .release = release,
                              .memory = ask_memory,
                              .conv_bytes = conv_bytes,
                              .attention_bytes = attention_bytes,
                              .lists = lists,
                              .copy_in = copy,
                              .copy_out = copy,
                              .copy = copy,
                              .send = copy,
                              .mark = nothing,
                              .receive = nothing,
                              .pin = pin,
                              .unpin = replay,
                              .squares = squares,
                              .adamw = adamw,
                              .record = record,
                              .recorded = recorded,
                              .replay = replay,
                              .forget = replay,
                              .wait = nothing,
                              .idle = idle,
                              .check = check};
    return 0;
}

struct device *counting_device(struct counting *k) {
    return &k->base;
}

size_t counting_bytes(const struct counting *k) {
    return k->allocated + k->kept.products + k->kept.convolutions + k->kept.lists;
}

size_t counting_room(const struct counting *k) {
    return k->room;
}

void counting_close(struct counting *k) {
    while (k && k->pieces)
        release(&k->base, k->pieces->slab.data);
    free(k);
}
