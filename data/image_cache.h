/* image_cache.h -- decoded images in memory, so that a second epoch does not decode them again.
 *
 * An image has a place as long as there is room, for good; what is read is the same with and
 * without, whatever threads do.
 */
#ifndef SSV_DATA_IMAGE_CACHE_H
#define SSV_DATA_IMAGE_CACHE_H

#include "core/arena.h"

#include <stdatomic.h>
#include <stdint.h>

struct cached_image {
    int height, width;
    uint8_t pixels[];
};

struct image_cache {
    _Atomic(struct cached_image *) *places; /* (images), in the arena given; NULL: not there */
    long images;
    size_t most;
    atomic_size_t used;
};

/* Room for no more than `most` bytes of pixels. */
void image_cache_open(struct image_cache *c, long images, size_t most, struct arena *a);
/* Both thread-safe. */
const struct cached_image *image_cache_get(const struct image_cache *c, long image); /* or NULL */
void image_cache_put(struct image_cache *c, long image, int height, int width, int channels,
                     const uint8_t *pixels);
void image_cache_close(struct image_cache *c); /* of a zeroed cache: nothing */

#endif
