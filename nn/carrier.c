#include "nn/carrier.h"

#include <string.h>

struct carrier {
    struct communicator *c;
    struct device *device;
    struct slab out, in;                    /* the processor's, laid out as the device's */
    struct communicator_block *to, *others; /* (size) without the own one */
};

static int joined(const struct carrier *k) {
    return k->device && k->device->joined == k->c->size;
}

int carrier_open(struct carrier **out, struct arena *a, struct communicator *c,
                 struct device *device, size_t bytes, struct error *err) {
    struct carrier *k = *out = ARENA_NEW(a, struct carrier);
    *k = (struct carrier){.c = c,
                          .device = device,
                          .to = ARENA_ARRAY(a, struct communicator_block, c->size),
                          .others = ARENA_ARRAY(a, struct communicator_block, c->size)};
    int status = 0;
    if (!device || joined(k))
        return 0;
    TRY(slab_alloc(&k->out, bytes, "what a device sends to other ranks", err));
    TRY(slab_alloc(&k->in, bytes, "what other ranks send to a device", err));
out:
    return status;
}

static const struct communicator_block *without_own(const struct carrier *k,
                                                    const struct communicator_block *blocks,
                                                    struct communicator_block *out) {
    memcpy(out, blocks, sizeof *out * (size_t)k->c->size);
    out[k->c->rank].bytes = 0;
    return out;
}

static void copy_out(const struct carrier *k, const char *from,
                     const struct communicator_block *blocks) {
    char *out = k->out.data;
    for (int p = 0; p < k->c->size; p++)
        if (blocks[p].bytes)
            k->device->copy_out(k->device, out + blocks[p].offset, from + blocks[p].offset,
                                blocks[p].bytes);
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

/* In one step, without joined devices. */
static void exchange_now(struct carrier *k, const void *send, const struct communicator_block *to,
                         void *receive, const struct communicator_block *from) {
    copy_out(k, send, without_own(k, to, k->to));
    without_own(k, from, k->others);
    communicator_exchange(k->c, k->out.data, k->to, k->in.data, k->others);
    copy_in(k, receive, k->in.data, k->others);
}

static void gather_now(struct carrier *k, void *data, const struct communicator_block *blocks) {
    const struct communicator_block *own = &blocks[k->c->rank];
    if (own->bytes)
        k->device->copy_out(k->device, (char *)k->in.data + own->offset,
                            (const char *)data + own->offset, own->bytes);
    communicator_gather(k->c, k->in.data, blocks);
    copy_in(k, data, k->in.data, without_own(k, blocks, k->others));
}

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
    if (!joined(k)) {
        exchange_now(k, send, to, receive, from);
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
    } else if (!joined(k)) {
        gather_now(k, data, blocks);
    } else {
        k->device->gather(k->device, slot, data, blocks);
        k->c->sent += (double)blocks[k->c->rank].bytes * (k->c->size - 1);
    }
}

void carrier_finish(struct carrier *k, int slot) {
    if (!k->device)
        communicator_finish(k->c, slot);
    else if (joined(k))
        k->device->arrive(k->device, slot);
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
    return k->out.bytes + k->in.bytes;
}

void carrier_close(struct carrier *k) {
    if (!k)
        return;
    slab_free(&k->out);
    slab_free(&k->in);
}
