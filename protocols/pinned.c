#include "protocols/pinned.h"

static int pin(void *self, void *memory, size_t bytes, struct error *err) {
    struct device *d = self;
    return d->pin(d, memory, bytes, err);
}

static void unpin(void *self, void *memory) {
    struct device *d = self;
    d->unpin(d, memory);
}

struct loader_pins pinned_by(struct device *d) {
    return d ? (struct loader_pins){d, pin, unpin} : (struct loader_pins){NULL, NULL, NULL};
}

int pinned_step(struct trainer *t, struct loader *loader, const struct batch *batch, long done) {
    struct batch next;
    if (loader_peek(loader, &next))
        trainer_ahead(t, next.slots, next.n, done + 1);
    return trainer_step(t, batch->slots, batch->n, done);
}
