#include "data/image_cache.h"

#include <string.h>

enum { EMPTY, BEING_FILLED, FULL };

int image_cache_open(struct image_cache *c, size_t bytes, long images, size_t most, struct arena *a,
                     struct error *err) {
    *c = (struct image_cache){.bytes = bytes};
    long room = (long)(most / bytes);
    int status = 0;
    long places = images < room ? images : room;
    if (!places)
        return 0;
    TRY(slab_alloc(&c->pixels, bytes * (size_t)places, "the cache of decoded images", err));
    c->states = ARENA_ARRAY(a, atomic_uchar, places);
    c->places = places;
out:
    return status;
}

int image_cache_get(const struct image_cache *c, long image, uint8_t *out) {
    if (image >= c->places || atomic_load_explicit(&c->states[image], memory_order_acquire) != FULL)
        return 0;
    memcpy(out, (const uint8_t *)c->pixels.data + c->bytes * (size_t)image, c->bytes);
    return 1;
}

/* Two threads may have decoded the same image; the first one keeps it. */
void image_cache_put(struct image_cache *c, long image, const uint8_t *pixels) {
    unsigned char empty = EMPTY;
    if (image >= c->places ||
        !atomic_compare_exchange_strong(&c->states[image], &empty, BEING_FILLED))
        return;
    memcpy((uint8_t *)c->pixels.data + c->bytes * (size_t)image, pixels, c->bytes);
    atomic_store_explicit(&c->states[image], FULL, memory_order_release);
}

void image_cache_close(struct image_cache *c) {
    slab_free(&c->pixels);
    *c = (struct image_cache){0};
}
