/* shapes.c -- the synthetic dataset: pictures that the program draws, the same for the same seed.
 *
 * Nothing is kept: to draw a picture of 32 x 32 takes about 40 microseconds.
 */
#include "data/dataset_internal.h"
#include "data/shapes_internal.h"

#include <limits.h>
#include <string.h>

/* Counts up whenever a picture could change; MEASURED_PIXELS are drawn to measure mean and std. */
enum { GENERATOR_VERSION = 1, MEASURED_PIXELS = 1 << 22, MEASURED_LEAST = 64 };

static int open_shapes(struct dataset *d, const char *argument, struct error *err) {
    enum { SEED = SPLITS, SIZE, KEYS };
    static const struct dataset_key keys[KEYS] = {
        [SPLIT_TRAIN] = {.key = "train", .by_default = 4000, .min = 1, .max = DATASET_MAX_IMAGES},
        [SPLIT_TEST] = {.key = "test", .by_default = 1000, .min = 1, .max = DATASET_MAX_IMAGES},
        [SEED] = {.key = "seed", .max = LONG_MAX},
        [SIZE] = {.key = "size", .by_default = 32, .min = SHAPE_SMALLEST, .max = SHAPE_LARGEST}};
    uint64_t *seed = d->state = ARENA_NEW(&d->arena, uint64_t);
    long values[KEYS];
    struct sha256_ctx hash;
    int status = 0;
    TRY(dataset_arguments(d, argument, keys, KEYS, values, NULL, NULL, err));
    for (int i = 0; i < SPLITS; i++)
        d->count[i] = values[i];
    d->height = d->width = (int)values[SIZE];
    d->channels = 3;
    d->classes = SHAPE_CLASSES;
    d->class_names = shape_names;
    const char **names = ARENA_ARRAY(&d->arena, const char *, 1 + SHAPE_CLASSES);
    names[0] = "background";
    for (int i = 0; i < SHAPE_CLASSES; i++)
        names[1 + i] = shape_names[i];
    d->has_mask = d->has_caption = 1;
    d->mask_classes = 1 + SHAPE_CLASSES; /* background, 1 + label */
    d->mask_names = names;
    long measured = MEASURED_PIXELS / (values[SIZE] * values[SIZE]);
    d->measured = measured > MEASURED_LEAST ? measured : MEASURED_LEAST;
    *seed = (uint64_t)values[SEED];
    dataset_hash_begin(&hash, d);
    const char *text =
        arena_printf(&d->arena, "generator %d, seed %ld\n", GENERATOR_VERSION, values[SEED]);
    sha256_update(&hash, strlen(text), (const uint8_t *)text);
    sha256_end(&hash, d->root_hash);
out:
    return status;
}

static int read_shapes(const struct dataset *d, enum split split, long index, struct record *out,
                       struct error *err) {
    const uint64_t *seed = d->state;
    struct shape_scene scene;
    int side = out->no_pixels ? 1 : d->height;
    int status = record_reserve(out, side, side, 3, 1, err);
    if (status)
        return status;
    shape_scene_make(&scene, *seed, split, index);
    out->label = scene.label;
    memcpy(out->caption, scene.caption, sizeof out->caption);
    out->n_captions = 1;
    return out->no_pixels ? 0 : shape_scene_draw(&scene, side, out->pixels, out->mask, err);
}

const struct dataset_source dataset_shapes = {
    .name = "shapes",
    .title = "drawn by the program: ten shapes on textured backgrounds, with masks and captions",
    .argument_help = "[size=16..256,train=N,test=N,seed=N]",
    .open = open_shapes,
    .read = read_shapes,
};
