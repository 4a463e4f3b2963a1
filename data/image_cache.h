/* image_cache.h -- decoded images in memory, so that a second epoch does not decode them again.
 *
 * The first images have a place each, as far as the room goes; the others never get one.  What is
 * read is the same with and without, whatever threads do.
 */
#ifndef SSV_DATA_IMAGE_CACHE_H
#define SSV_DATA_IMAGE_CACHE_H

#include "core/arena.h"

#include <stdatomic.h>
#include <stdint.h>

struct image_cache {
    struct slab pixels;   /* of all places, one behind the other */
    atomic_uchar *states; /* (places), in the arena given */
    size_t *begin;        /* (places + 1) in pixels */
    long places;
};

/* Room for images of bytes[i] (images) each, but for no more than `most` bytes of them. */
int image_cache_open(struct image_cache *c, const size_t *bytes, long images, size_t most,
                     struct arena *a, struct error *err);
/* Both thread-safe. */
int image_cache_get(const struct image_cache *c, long image, uint8_t *out); /* 1: it was there */
void image_cache_put(struct image_cache *c, long image, const uint8_t *pixels);
void image_cache_close(struct image_cache *c); /* of a zeroed cache: nothing */

#endif
