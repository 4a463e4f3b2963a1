/* views.h -- the orders that the kernel render_views takes: one for each view of each image.
 *
 * A view is a box of an image, resized, mirrored, and changed in colour step by step.  The steps
 * and their order are those of data/augment.h, whose view_render is the same on the processor.
 */
#ifndef SSV_KERNELS_VIEWS_H
#define SSV_KERNELS_VIEWS_H

#include <stddef.h>
#include <stdint.h>

enum {
    VIEW_CHANNELS = 4,   /* of an image, at most */
    VIEW_SIDE = 1024,    /* pixels of a view's side, at most */
    VIEW_BLUR = 15,      /* radius, at most */
    VIEW_SHRINKING = 31, /* as far does a filter widen; beyond, pixels are left out */
    VIEW_TAPS = 4 * VIEW_SHRINKING
};

enum view_operation { VIEW_BRIGHTNESS, VIEW_CONTRAST, VIEW_SATURATION, VIEW_HUE, VIEW_OPERATIONS };

/* All members have 4 bytes: it lies among indices, wherever these begin. */
struct view_task {
    float top, left, height, width; /* the box, in pixels of the image; may reach beyond it */
    int32_t image_height, image_width;
    /* What is there of the image: from this row and column on, rows that are row_words indices
     * apart, a byte a channel, channels together.  All that the box needs must be there. */
    int32_t first_row, first_column, row_words;
    /* Not negative: nothing is to be done; the view itself begins at this index, in floats. */
    int32_t ready;
    int32_t flip, cubic; /* mirrored; Keys' filter with a = -1/2 instead of the triangle */
    int32_t jitter;      /* whether: */
    int32_t order[VIEW_OPERATIONS]; /* operations, first one first */
    float factor[VIEW_OPERATIONS];  /* by operation; of the hue in turns, in [-0.5, 0.5] */
    int32_t grey;
    float sigma;    /* of the blur, in pixels of the view; 0: none */
    int32_t radius; /* of its kernel: less than the side, at most VIEW_BLUR */
    int32_t solarize;
};

enum { VIEW_WORDS = sizeof(struct view_task) / sizeof(int32_t) };

struct view_shape {
    int views, channels, side; /* of an image; of both; of a view */
    int words;                 /* indices that an image has */
};

/* Pieces that a view is resized in by a device. */
enum { VIEW_TILE_ACROSS = 32, VIEW_TILE_DOWN = 8 };

static inline int view_tiles(int side) {
    int across = (side + VIEW_TILE_ACROSS - 1) / VIEW_TILE_ACROSS;
    return across * ((side + VIEW_TILE_DOWN - 1) / VIEW_TILE_DOWN);
}

/* Reals of a view, and of scratch that an image's take. */
static inline size_t view_reals(const struct view_shape *s) {
    return (size_t)s->channels * (size_t)s->side * (size_t)s->side;
}

static inline size_t view_scratch(const struct view_shape *s) {
    return (size_t)s->views * (view_reals(s) + (size_t)view_tiles(s->side));
}

#endif
