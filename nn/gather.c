#include "nn/gather.h"

#include "nn/away.h"
#include "nn/carrier.h"
#include "nn/route.h"

#include <limits.h>
#include <string.h>

struct gather {
    struct communicator *c;
    struct device *device;
    struct carrier *carrier;
    int ranks, machines; /* of each machine; 1: straight to all */
    struct slab packed;  /* in two levels: the blocks, of rank 0 of all machines first */
    struct communicator_block *places;    /* (size) in packed */
    struct communicator_block *to, *from; /* (size) */
};

int gather_open(struct gather **out, struct arena *a, struct communicator *c, struct device *device,
                size_t bytes, struct error *err) {
    struct gather *g = *out = ARENA_NEW(a, struct gather);
    const int ranks = route_ranks_of_machine(c);
    int status = 0;
    *g = (struct gather){.c = c, .device = device, .ranks = ranks, .machines = c->size / ranks};
    if (ranks > 1) {
        g->places = ARENA_ARRAY(a, struct communicator_block, c->size);
        g->to = ARENA_ARRAY(a, struct communicator_block, c->size);
        g->from = ARENA_ARRAY(a, struct communicator_block, c->size);
        TRY(memory_get(device, &g->packed, bytes, "what ranks of all machines gather", err));
    }
    TRY(carrier_open(&g->carrier, a, c, device, bytes, 0, err));
out:
    return status;
}

static void place_blocks(struct gather *g, const struct communicator_block *blocks) {
    size_t at = 0;
    for (int number = 0; number < g->ranks; number++)
        for (int p = number; p < g->c->size; p += g->ranks) {
            g->places[p] = (struct communicator_block){at, blocks[p].bytes};
            at += blocks[p].bytes;
        }
    CHECK(at <= g->packed.bytes, "%zu bytes for all ranks", at);
}

static void clear(struct gather *g) {
    memset(g->to, 0, sizeof *g->to * (size_t)g->c->size);
    memset(g->from, 0, sizeof *g->from * (size_t)g->c->size);
}

/* The own block, to the ranks of this number. */
static void send_between(struct gather *g, void *data, const struct communicator_block *blocks) {
    const int rank = g->c->rank;
    clear(g);
    for (int p = rank % g->ranks; p < g->c->size; p += g->ranks) {
        g->to[p] = blocks[rank];
        g->from[p] = g->places[p];
    }
    carrier_exchange(g->carrier, data, g->to, g->packed.data, g->from);
}

/* Those of all ranks of a number are one. */
static struct communicator_block of_number(const struct gather *g, int number) {
    const struct communicator_block *first = &g->places[number],
                                    *last = &g->places[g->c->size - g->ranks + number];
    return (struct communicator_block){first->offset, last->offset + last->bytes - first->offset};
}

static void send_within(struct gather *g) {
    const int number = g->c->rank % g->ranks, first = g->c->rank - number;
    clear(g);
    for (int i = 0; i < g->ranks; i++)
        if (i != number) {
            g->to[first + i] = of_number(g, number);
            g->from[first + i] = of_number(g, i);
        }
    carrier_exchange(g->carrier, g->packed.data, g->to, g->packed.data, g->from);
}

static void copy_block(const struct gather *g, char *data, const struct communicator_block *block,
                       const struct communicator_block *place) {
    const char *from = (const char *)g->packed.data + place->offset;
    if (!block->bytes)
        return;
    if (g->device)
        g->device->copy(g->device, data + block->offset, from, block->bytes);
    else
        memcpy(data + block->offset, from, block->bytes);
}

static int in_reals(size_t bytes) {
    return bytes % sizeof(real) == 0 && bytes / sizeof(real) <= INT_MAX;
}

/* Whether the blocks of a number are rows of a matrix, one for each machine. */
static int are_rows(const struct gather *g, const struct communicator_block *blocks, int number) {
    const struct communicator_block *first = &blocks[number], *second = first + g->ranks;
    const size_t step = second->offset - first->offset;
    int are = in_reals(step) && in_reals(first->bytes) && !(first->offset % sizeof(real)) &&
              !(g->places[number].offset % sizeof(real));
    for (int p = number + g->ranks; p < g->c->size; p += g->ranks)
        are &= blocks[p].bytes == first->bytes &&
               blocks[p].offset - blocks[p - g->ranks].offset == step;
    return are;
}

/* On a device in one go where it can be: it takes some microseconds for each thing it is asked. */
static void copy_rows(const struct gather *g, char *data, const struct communicator_block *blocks,
                      int number) {
    const struct communicator_block *first = &blocks[number];
    const struct kctx c = {.threads = 1, .device = g->device->queue};
    const int cols = (int)(first->bytes / sizeof(real));
    const int step = (int)((first[g->ranks].offset - first->offset) / sizeof(real));
    const char *from = (const char *)g->packed.data + g->places[number].offset;
    g->device->kernels->copy_rows(&c, g->machines, cols, (const real *)(const void *)from, cols, 0,
                                  (real *)(void *)(data + first->offset), step);
}

static void unpack(const struct gather *g, char *data, const struct communicator_block *blocks) {
    for (int number = 0; number < g->ranks; number++)
        if (g->device && are_rows(g, blocks, number))
            copy_rows(g, data, blocks, number);
        else
            for (int p = number; p < g->c->size; p += g->ranks)
                copy_block(g, data, &blocks[p], &g->places[p]);
}

void gather_blocks(struct gather *g, void *data, const struct communicator_block *blocks) {
    if (g->ranks == 1) {
        carrier_gather(g->carrier, data, blocks);
        return;
    }
    place_blocks(g, blocks);
    send_between(g, data, blocks);
    send_within(g);
    unpack(g, data, blocks);
}

size_t gather_bytes(const struct gather *g) {
    return g->packed.bytes + carrier_bytes(g->carrier);
}

void gather_close(struct gather *g) {
    if (!g)
        return;
    memory_put(g->device, &g->packed);
    carrier_close(g->carrier);
}
