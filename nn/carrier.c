#include "nn/carrier.h"

#include "core/clock.h"

#include <string.h>

/* The processor's memory, laid out as the device's, while an exchange in a slot is under way; the
 * last slot is for what is waited for at once. */
struct staging {
    struct slab out, in;
    char *receive;                   /* the device's */
    struct communicator_block *from; /* (size) without the own one */
};

struct carrier {
    struct communicator *c;
    struct device *device;
    struct staging staging[COMMUNICATOR_SLOTS + 1];
    struct communicator_block *to; /* (size) without the own one */
};

int carrier_is_queued(const struct carrier *k) {
    return k->device && k->device->joined == k->c->size;
}

static int is_staged(const struct carrier *k) {
    return k->device && !carrier_is_queued(k);
}

int carrier_open(struct carrier **out, struct arena *a, struct communicator *c,
                 struct device *device, size_t bytes, int slots, struct error *err) {
    struct carrier *k = *out = ARENA_NEW(a, struct carrier);
    *k = (struct carrier){
        .c = c, .device = device, .to = ARENA_ARRAY(a, struct communicator_block, c->size)};
    int status = 0;
    for (int i = 0; i <= COMMUNICATOR_SLOTS && is_staged(k); i++) {
        struct staging *s = &k->staging[i];
        s->from = ARENA_ARRAY(a, struct communicator_block, c->size);
        if (i >= slots && i < COMMUNICATOR_SLOTS)
            continue;
        TRY(slab_alloc(&s->out, bytes, "what a device sends to other ranks", err));
        TRY(slab_alloc(&s->in, bytes, "what other ranks send to a device", err));
    }
out:
    return status;
}

static void without_own(const struct carrier *k, const struct communicator_block *blocks,
                        struct communicator_block *out) {
    memcpy(out, blocks, sizeof *out * (size_t)k->c->size);
    out[k->c->rank].bytes = 0;
}

/* A copy waits for the device, and MPI moves large messages on in its calls only. */
static void await_device(const struct carrier *k) {
    const double start = clock_seconds();
    while (!k->device->idle(k->device)) {
        communicator_move(k->c);
        clock_rest(clock_seconds() - start);
    }
}

/* What goes to several ranks is copied once. */
static void copy_out(const struct carrier *k, char *to, const char *from,
                     const struct communicator_block *blocks) {
    const struct communicator_block *last = NULL;
    for (int p = 0; p < k->c->size; p++) {
        const struct communicator_block *one = &blocks[p];
        if (!one->bytes || (last && one->offset == last->offset && one->bytes == last->bytes))
            continue;
        k->device->copy_out(k->device, to + one->offset, from + one->offset, one->bytes);
        last = one;
    }
}

static void copy_in(const struct carrier *k, char *to, const char *from,
                    const struct communicator_block *blocks) {
    for (int p = 0; p < k->c->size; p++)
        if (blocks[p].bytes)
            k->device->copy_in(k->device, to + blocks[p].offset, from + blocks[p].offset,
                               blocks[p].bytes);
}

/* What a rank keeps does not leave its device. */
static void keep_own(const struct carrier *k, const char *send,
                     const struct communicator_block *from, char *receive,
                     const struct communicator_block *to) {
    CHECK(from->bytes == to->bytes, "a rank's own block");
    k->device->copy(k->device, receive + to->offset, send + from->offset, from->bytes);
}

/* ---- without joined devices ---- */

static struct staging *stage(struct carrier *k, int slot, void *receive,
                             const struct communicator_block *from) {
    struct staging *s = &k->staging[slot];
    s->receive = receive;
    without_own(k, from, s->from);
    await_device(k);
    return s;
}

static void unstage(struct carrier *k, int slot) {
    const struct staging *s = &k->staging[slot];
    await_device(k);
    copy_in(k, s->receive, s->in.data, s->from);
}

static void stage_exchange(struct carrier *k, int slot, const void *send,
                           const struct communicator_block *to, void *receive,
                           const struct communicator_block *from) {
    struct staging *s = stage(k, slot, receive, from);
    without_own(k, to, k->to);
    copy_out(k, s->out.data, send, k->to);
    if (slot < COMMUNICATOR_SLOTS)
        communicator_start(k->c, slot, s->out.data, k->to, s->in.data, s->from);
    else
        communicator_exchange(k->c, s->out.data, k->to, s->in.data, s->from);
}

static void stage_gather(struct carrier *k, int slot, void *data,
                         const struct communicator_block *blocks) {
    struct staging *s = stage(k, slot, data, blocks);
    const struct communicator_block *own = &blocks[k->c->rank];
    if (own->bytes)
        k->device->copy_out(k->device, (char *)s->in.data + own->offset,
                            (const char *)data + own->offset, own->bytes);
    if (slot < COMMUNICATOR_SLOTS)
        communicator_start_gather(k->c, slot, s->in.data, blocks);
    else
        communicator_gather(k->c, s->in.data, blocks);
}

/* ---- whatever there is ---- */

void carrier_start(struct carrier *k, int slot, const void *send,
                   const struct communicator_block *to, void *receive,
                   const struct communicator_block *from) {
    int rank = k->c->rank;
    if (!k->device) {
        communicator_start(k->c, slot, send, to, receive, from);
        return;
    }
    if (to[rank].bytes)
        keep_own(k, send, &to[rank], receive, &from[rank]);
    if (is_staged(k)) {
        stage_exchange(k, slot, send, to, receive, from);
        return;
    }
    k->device->exchange(k->device, slot, send, to, receive, from);
    for (int p = 0; p < k->c->size; p++)
        k->c->sent += p == rank ? 0 : (double)to[p].bytes;
}

void carrier_start_gather(struct carrier *k, int slot, void *data,
                          const struct communicator_block *blocks) {
    if (!k->device) {
        communicator_start_gather(k->c, slot, data, blocks);
    } else if (is_staged(k)) {
        stage_gather(k, slot, data, blocks);
    } else {
        k->device->gather(k->device, slot, data, blocks);
        k->c->sent += (double)blocks[k->c->rank].bytes * (k->c->size - 1);
    }
}

void carrier_finish(struct carrier *k, int slot) {
    if (carrier_is_queued(k)) {
        k->device->arrive(k->device, slot);
        return;
    }
    if (slot < COMMUNICATOR_SLOTS)
        communicator_finish(k->c, slot);
    if (k->device)
        unstage(k, slot);
}

int carrier_arrived(struct carrier *k, int slot) {
    return carrier_is_queued(k) || communicator_arrived(k->c, slot);
}

void carrier_exchange(struct carrier *k, const void *send, const struct communicator_block *to,
                      void *receive, const struct communicator_block *from) {
    if (!k->device) {
        communicator_exchange(k->c, send, to, receive, from);
        return;
    }
    carrier_start(k, COMMUNICATOR_SLOTS, send, to, receive, from);
    carrier_finish(k, COMMUNICATOR_SLOTS);
}

void carrier_gather(struct carrier *k, void *data, const struct communicator_block *blocks) {
    if (!k->device) {
        communicator_gather(k->c, data, blocks);
        return;
    }
    carrier_start_gather(k, COMMUNICATOR_SLOTS, data, blocks);
    carrier_finish(k, COMMUNICATOR_SLOTS);
}

size_t carrier_bytes(const struct carrier *k) {
    size_t bytes = 0;
    for (int i = 0; i <= COMMUNICATOR_SLOTS; i++)
        bytes += k->staging[i].out.bytes + k->staging[i].in.bytes;
    return bytes;
}

void carrier_close(struct carrier *k) {
    for (int i = 0; k && i <= COMMUNICATOR_SLOTS; i++) {
        slab_free(&k->staging[i].out);
        slab_free(&k->staging[i].in);
    }
}
