#include "data/image_cache.h"

#include <stdlib.h>
#include <string.h>

void image_cache_open(struct image_cache *c, long images, size_t most, struct arena *a) {
    c->places = arena_alloc(a, sizeof *c->places * (size_t)images);
    c->images = images;
    c->most = most;
    atomic_init(&c->used, 0);
}

const struct cached_image *image_cache_get(const struct image_cache *c, long image) {
    return atomic_load_explicit(&c->places[image], memory_order_acquire);
}

/* Takes the room first, and gives it back where there is too little of it, no memory, or another
 * thread that decoded the same image. */
void image_cache_put(struct image_cache *c, long image, int height, int width, int channels,
                     const uint8_t *pixels) {
    struct cached_image *nobody = NULL;
    size_t bytes = (size_t)height * (size_t)width * (size_t)channels;
    if (image_cache_get(c, image))
        return;
    int fits = atomic_fetch_add(&c->used, bytes) + bytes <= c->most;
    struct cached_image *copy = fits ? malloc(sizeof *copy + bytes) : NULL;
    if (copy) {
        copy->height = height, copy->width = width;
        memcpy(copy->pixels, pixels, bytes);
        if (atomic_compare_exchange_strong(&c->places[image], &nobody, copy))
            return;
    }
    free(copy);
    atomic_fetch_sub(&c->used, bytes);
}

void image_cache_close(struct image_cache *c) {
    for (long i = 0; i < c->images; i++)
        free(atomic_load_explicit(&c->places[i], memory_order_relaxed));
    *c = (struct image_cache){0};
}
