/* shapes_internal.h -- the parts of the synthetic dataset; nobody outside data/ includes it.
 *
 * A scene (shapes_scene.c) says what is in a picture, in units of its width, so that the same scene
 * can be drawn (shapes_draw.c) at any size.  Outlines and their exact coverage of pixels are in
 * shapes_outline.c.
 */
#ifndef SSV_DATA_SHAPES_INTERNAL_H
#define SSV_DATA_SHAPES_INTERNAL_H

#include "data/dataset.h"

enum {
    SHAPE_CLASSES = 10,
    SHAPE_SMALLEST = 16,
    SHAPE_LARGEST = 256,
    SHAPE_POINTS = 136, /* of the longest outline */
    CLUTTER_MOST = 7,
};

/* What is drawn from one sample's randomness; each has numbers of its own, so that more of one does
 * not shift another. */
enum shape_stream { STREAM_LABEL, STREAM_SCENE, STREAM_PIXELS, STREAM_NOISE, STREAMS = 64 };

enum shape_texture { PLAIN, STRIPED, CHECKERED, DOTTED, MARBLED, SHAPE_TEXTURES };

struct point {
    float x, y;
};

/* Places an outline: image = matrix * outline + centre, in widths of the image. */
struct placement {
    float matrix[2][2];
    struct point centre;
};

struct clutter {
    int outline; /* of clutter_outline */
    struct placement at;
    float colour[3], opacity;
};

struct shape_scene {
    uint64_t seed;
    enum split split;
    uint32_t index;
    int label;
    struct placement at; /* of the object */
    float radius;
    enum shape_texture texture;
    float period, phase[2]; /* of the texture, in units of the outline */
    float colour[2][3];     /* the object's, by the texture */
    float ground[3][3];     /* the background's: two that mix, one in patches */
    float frequency[2];     /* cells of the coarsest noise across and down */
    float persistence;      /* share of the amplitude that the next octave has */
    struct point light;     /* illumination gradient */
    struct point shadow;    /* offset */
    float shadow_opacity, exposure;
    struct clutter clutter[CLUTTER_MOST];
    int n_clutter;
    char caption[256];
};

extern const char *const shape_names[SHAPE_CLASSES];

void shape_scene_make(struct shape_scene *s, uint64_t seed, enum split split, long index);
struct rng shape_rng(uint64_t seed, enum split split, unsigned stream, uint32_t index);

/* pixels (size, size, 3), mask (size, size): 1 + label where the object covers half a pixel or
 * more.  Status 3 when there is no memory. */
int shape_scene_draw(const struct shape_scene *s, int size, uint8_t *pixels, uint8_t *mask,
                     struct error *err);

/* The outline of a class, or of a piece of clutter, closed, around the origin and within about 1 of
 * it.  Returns the number of points. */
int shape_outline(int label, struct point out[SHAPE_POINTS]);
int clutter_outline(int kind, struct point out[SHAPE_POINTS]);
enum { CLUTTER_KINDS = 3 };

/* How much of each pixel a polygon covers. */
struct coverage {
    int size;                     /* of the image, in pixels */
    float *value;                 /* (size, size + 2), valid within the box */
    int top, bottom, left, right; /* the box: rows top..bottom-1, columns left..right-1 */
};

/* points (n) in pixels.  Parts of the polygon that overlap count once when they wind alike. */
void coverage_polygon(struct coverage *c, const struct point *points, int n);

#endif
