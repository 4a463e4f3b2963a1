/* segmentation.c -- images with a class for every pixel: FOLDER/index.csv, FOLDER/classes.csv and
 * the files that they name, relative to FOLDER: images (JPEG, PNG, WebP) and PNG masks of the same
 * size, that of the image once it is upright (EXIF).  A mask holds ids, as palette indices or grey
 * levels, or is RGB, when classes.csv says in columns red, green, blue what colour a class has.
 *
 *     image,mask,split                              id,name,ignore
 *     images/0001.jpg,masks/0001.png,train          0,sky,0
 *     images/0002.jpg,masks/0002.png,test           11,void,1
 *
 * split is train, test, val or anything else; rows of other splits than train and test are left
 * out, unless split=val makes the val images the test split.  Of classes.csv only the columns shown
 * count.  What is marked in ignore (where there is no such column: what is named void or ignore),
 * and every value of a mask that the table does not have, becomes MASK_IGNORE; the other ids are
 * counted through in their order, so that ids without a gap from 0 on stay what they are.
 *
 * Images may be of any size.  Their shorter side is resized to size=N pixels (default 96), which is
 * what an encoder's side is by default; nothing is cropped.  Masks stay as they were annotated.  Up
 * to cache=MiB of resized images stay in memory.
 *
 * root_hash is over both tables and the whole content of the files used, so opening reads them all.
 */
#include "core/file.h"
#include "data/decode.h"
#include "data/image_cache.h"
#include "data/png.h"
#include "data/resize.h"
#include "data/segmentation_internal.h"

#include <math.h>
#include <string.h>

enum { CHANNELS = 3, DEFAULT_SIZE = 96, MOST_PIXELS = 1 << 26, MEASURED = 2000 };
enum key { SIZE = SPLITS, SPLIT, CACHE, KEYS };

struct mask_size {
    int height, width;
};

struct segmentation {
    const char *folder;
    struct mask_classes classes;
    struct table index;
    long *rows[SPLITS];              /* (count) of the index */
    struct mask_size *sizes[SPLITS]; /* (count) */
    struct image_cache cache;        /* training images, then test images */
};

static char *path_of(const struct segmentation *s, long row, int column, struct arena *a) {
    return arena_printf(a, "%s/%s", s->folder, table_field(&s->index, row, column));
}

/* The image's size in memory. */
static struct mask_size resized(const struct dataset *d, struct mask_size m) {
    int shorter = m.height < m.width ? m.height : m.width;
    double by = (double)d->height / shorter;
    return (struct mask_size){(int)lround(m.height * by), (int)lround(m.width * by)};
}

/* Its content into the hash; a mask's size out of its head. */
static int take_file(const struct segmentation *s, long row, int column, SHA2_CTX *hash,
                     struct mask_size *size, struct error *err) {
    struct arena scratch = {0};
    const char *path = path_of(s, row, column, &scratch);
    struct index_image head;
    char *data;
    size_t bytes;
    int status = 0;
    TRY(file_read(path, &scratch, &data, &bytes, err));
    const char *name =
        arena_printf(&scratch, "%s %zu\n", table_field(&s->index, row, column), bytes);
    SHA256Update(hash, (const uint8_t *)name, strlen(name));
    SHA256Update(hash, (const uint8_t *)data, bytes);
    if (column == INDEX_MASK) {
        TRY(png_decode_size(path, data, bytes, &head, err));
        *size = (struct mask_size){head.height, head.width};
    }
out:
    if (status)
        error_prefix(err, "%s: line %ld", s->index.path, s->index.lines[row]);
    arena_free(&scratch);
    return status;
}

static int take_files(struct dataset *d, int val_is_test, struct error *err) {
    struct segmentation *s = d->state;
    const char *split = val_is_test ? "val\n" : "test\n";
    SHA2_CTX hash;
    int status = 0;
    dataset_hash_begin(&hash, d);
    SHA256Update(&hash, (const uint8_t *)split, strlen(split));
    SHA256Update(&hash, (const uint8_t *)s->classes.table.text, s->classes.table.bytes);
    SHA256Update(&hash, (const uint8_t *)s->index.text, s->index.bytes);
    for (int i = 0; i < SPLITS; i++) {
        s->sizes[i] = ARENA_ARRAY(&d->arena, struct mask_size, d->count[i]);
        for (long k = 0; k < d->count[i]; k++) {
            long row = s->rows[i][k];
            TRY(take_file(s, row, INDEX_IMAGE, &hash, NULL, err));
            TRY(take_file(s, row, INDEX_MASK, &hash, &s->sizes[i][k], err));
            struct mask_size m = s->sizes[i][k];
            double longer = fmax(m.height, m.width), shorter = fmin(m.height, m.width);
            if (longer / shorter * d->height * d->height > MOST_PIXELS)
                return table_wrong(&s->index, row, err,
                                   "%d x %d pixels are too long a strip for size=%d", m.width,
                                   m.height, d->height);
        }
    }
    SHA256End(&hash, d->root_hash);
out:
    return status;
}

static int read_tables(struct dataset *d, const long *values, struct error *err) {
    struct segmentation *s = d->state;
    int status = 0;
    const char *index = arena_printf(&d->arena, "%s/index.csv", s->folder);
    TRY(mask_classes_read(&s->classes, arena_printf(&d->arena, "%s/classes.csv", s->folder),
                          &d->arena, err));
    TRY(mask_index_read(&s->index, index, &d->arena, err));
    const char **split = ARENA_ARRAY(&d->arena, const char *, s->index.n_rows);
    for (long i = 0; i < s->index.n_rows; i++)
        split[i] = table_field(&s->index, i, INDEX_SPLIT);
    TRY(dataset_choose_rows(d, index, split, s->index.n_rows, values, (int)values[SPLIT], s->rows,
                            err));
out:
    return status;
}

static int open_segmentation(struct dataset *d, const char *argument, struct error *err) {
    static const struct dataset_key keys[KEYS] = {[SPLIT_TRAIN] = DATASET_TRAIN_KEY,
                                                  [SPLIT_TEST] = DATASET_TEST_KEY,
                                                  [SIZE] = DATASET_SIZE_KEY(DEFAULT_SIZE),
                                                  [SPLIT] = DATASET_SPLIT_KEY,
                                                  [CACHE] = DATASET_CACHE_KEY};
    struct segmentation *s = d->state = ARENA_NEW(&d->arena, struct segmentation);
    long values[KEYS];
    char *folder;
    int status = 0;
    TRY(dataset_arguments(d, argument, keys, KEYS, values, NULL, &folder, err));
    if (!folder[0])
        return error_set(err, STATUS_USAGE, "dataset segmentation needs a folder: segmentation:%s",
                         d->source->argument_help);
    s->folder = folder;
    TRY(read_tables(d, values, err));
    d->height = d->width = (int)values[SIZE];
    d->channels = CHANNELS;
    d->has_mask = 1;
    d->mask_classes = s->classes.n;
    d->mask_names = s->classes.names;
    d->measured = MEASURED;
    TRY(take_files(d, (int)values[SPLIT], err));
    image_cache_open(&s->cache, d->count[SPLIT_TRAIN] + d->count[SPLIT_TEST],
                     (size_t)values[CACHE] << 20, &d->arena);
out:
    return status;
}

static int read_image(const struct dataset *d, long place, long row, struct mask_size mask,
                      struct record *out, struct error *err) {
    struct segmentation *s = d->state;
    struct arena scratch = {0};
    struct decoded p;
    int status = 0;
    const struct cached_image *cached = image_cache_get(&s->cache, place);
    if (cached) {
        memcpy(out->pixels, cached->pixels, (size_t)out->height * (size_t)out->width * CHANNELS);
    } else {
        const char *path = path_of(s, row, INDEX_IMAGE, &scratch);
        TRY(image_read(path, NULL, &scratch, &p, err));
        if (p.height != mask.height || p.width != mask.width)
            TRY(error_set(err, STATUS_USAGE, "%s: %d x %d pixels%s, but its mask %s has %d x %d",
                          path, p.width, p.height, p.orientation == 1 ? "" : ", turned upright",
                          table_field(&s->index, row, INDEX_MASK), mask.width, mask.height));
        resize_whole(p.rgb, p.height, p.width, CHANNELS, out->height, out->width, out->pixels);
        image_cache_put(&s->cache, place, out->height, out->width, CHANNELS, out->pixels);
    }
out:
    arena_free(&scratch);
    return status;
}

/* Neighbours mostly have the same one. */
static void take_colours(const struct mask_classes *classes, const uint8_t *rgb, size_t pixels,
                         uint8_t *mask) {
    uint32_t last = UINT32_MAX;
    uint8_t class = MASK_IGNORE;
    for (size_t i = 0; i < pixels; i++, rgb += 3) {
        uint32_t colour = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
        if (colour != last)
            class = mask_class_of_colour(classes, colour);
        last = colour;
        mask[i] = class;
    }
}

static int read_mask(const struct dataset *d, long row, struct mask_size size, struct record *out,
                     struct error *err) {
    const struct segmentation *s = d->state;
    struct arena scratch = {0};
    const char *path = path_of(s, row, INDEX_MASK, &scratch);
    struct index_image m;
    char *data;
    size_t bytes, pixels = (size_t)size.height * (size_t)size.width;
    int status = 0;
    TRY(file_read(path, &scratch, &data, &bytes, err));
    TRY(png_decode_index(path, data, bytes, &scratch, &m, err));
    if (m.height != size.height || m.width != size.width)
        TRY(error_set(err, STATUS_USAGE, "%s: it has changed since it was opened", path));
    if (m.rgb && !s->classes.n_colours)
        TRY(error_set(err, STATUS_USAGE,
                      "%s: this mask is RGB, and %s has no columns red, green, blue that say what "
                      "its colours mean",
                      path, s->classes.table.path));
    TRY(record_reserve_mask(out, m.height, m.width, err));
    for (size_t i = 0; i < pixels && m.value; i++)
        out->mask[i] = s->classes.class_of[m.value[i]];
    if (m.rgb)
        take_colours(&s->classes, m.rgb, pixels, out->mask);
out:
    arena_free(&scratch);
    return status;
}

static int read_segmentation(const struct dataset *d, enum split split, long index,
                             struct record *out, struct error *err) {
    const struct segmentation *s = d->state;
    struct mask_size mask = s->sizes[split][index], image = resized(d, mask);
    long row = s->rows[split][index];
    long place = split == SPLIT_TRAIN ? index : d->count[SPLIT_TRAIN] + index;
    int status = 0;
    TRY(record_reserve(out, image.height, image.width, CHANNELS, 0, err));
    TRY(read_image(d, place, row, mask, out, err));
    if (!out->no_mask)
        TRY(read_mask(d, row, mask, out, err));
    out->label = -1;
out:
    return status;
}

static void close_segmentation(struct dataset *d) {
    struct segmentation *s = d->state;
    if (s)
        image_cache_close(&s->cache);
}

const struct dataset_source dataset_segmentation = {
    .name = "segmentation",
    .title = "images with a class for every pixel: index.csv, classes.csv, images and PNG masks",
    .argument_help = "FOLDER[,size=N,train=N,test=N,split=val,cache=MiB]",
    .open = open_segmentation,
    .read = read_segmentation,
    .close = close_segmentation,
};
