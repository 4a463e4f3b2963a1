#include "data/image_cache.h"

#include <string.h>

enum { EMPTY, BEING_FILLED, FULL };

int image_cache_open(struct image_cache *c, const size_t *bytes, long images, size_t most,
                     struct arena *a, struct error *err) {
    *c = (struct image_cache){.begin = ARENA_ARRAY(a, size_t, images + 1)};
    int status = 0;
    long places = 0;
    for (; places < images && c->begin[places] + bytes[places] <= most; places++)
        c->begin[places + 1] = c->begin[places] + bytes[places];
    if (!places)
        return 0;
    TRY(slab_alloc(&c->pixels, c->begin[places], "the cache of decoded images", err));
    c->states = ARENA_ARRAY(a, atomic_uchar, places);
    c->places = places;
out:
    return status;
}

static uint8_t *place_of(const struct image_cache *c, long image, size_t *bytes) {
    *bytes = c->begin[image + 1] - c->begin[image];
    return (uint8_t *)c->pixels.data + c->begin[image];
}

int image_cache_get(const struct image_cache *c, long image, uint8_t *out) {
    if (image >= c->places || atomic_load_explicit(&c->states[image], memory_order_acquire) != FULL)
        return 0;
    size_t bytes;
    const uint8_t *pixels = place_of(c, image, &bytes);
    memcpy(out, pixels, bytes);
    return 1;
}

/* Two threads may have decoded the same image; the first one keeps it. */
void image_cache_put(struct image_cache *c, long image, const uint8_t *pixels) {
    unsigned char empty = EMPTY;
    if (image >= c->places ||
        !atomic_compare_exchange_strong(&c->states[image], &empty, BEING_FILLED))
        return;
    size_t bytes;
    uint8_t *place = place_of(c, image, &bytes);
    memcpy(place, pixels, bytes);
    atomic_store_explicit(&c->states[image], FULL, memory_order_release);
}

void image_cache_close(struct image_cache *c) {
    slab_free(&c->pixels);
    *c = (struct image_cache){0};
}
