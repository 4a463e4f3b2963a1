#include "kernels/join.h"

#include "core/arena.h"

#include <string.h>

/* Two ranks that would have to send to themselves. */
static int find_shared(const struct device *d, struct communicator *c, struct error *err) {
    struct arena scratch = {0};
    char(*all)[DEVICE_IDENTITY] = arena_alloc(&scratch, sizeof *all * (size_t)c->size);
    struct communicator_block *blocks = ARENA_ARRAY(&scratch, struct communicator_block, c->size);
    int status = 0;
    for (int p = 0; p < c->size; p++)
        blocks[p] = (struct communicator_block){sizeof *all * (size_t)p, sizeof *all};
    memcpy(all[c->rank], d->identity, sizeof *all);
    communicator_gather(c, all, blocks);
    for (int p = 1; p < c->size && !status; p++)
        for (int q = 0; q < p && !status; q++)
            if (!memcmp(all[p], all[q], sizeof *all))
                status = error_set(err, STATUS_MACHINE, "ranks %d and %d share a device of %s", q,
                                   p, c->host[p]);
    arena_free(&scratch);
    return status;
}

int devices_join(struct device *d, struct communicator *c, struct error *err) {
    struct device_party party = {.rank = c->rank, .size = c->size, .seconds = c->seconds};
    int status = 0;
    TRY(communicator_agree(c, WAIT_LIMITED, d->invite(d, NULL, err), err));
    TRY(find_shared(d, c, err));
    status = c->rank ? 0 : d->invite(d, party.invitation, err);
    TRY(communicator_agree(c, WAIT_LIMITED, status, err));
    communicator_broadcast(c, WAIT_LIMITED, party.invitation, sizeof party.invitation);
    /* A join waits for the others by itself, for as long. */
    TRY(communicator_agree(c, WAIT_LONG, d->join(d, &party, err), err));
out:
    if (status)
        d->leave(d);
    return status;
}
