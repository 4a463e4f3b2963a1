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
 * Images may be of any size: their shorter side becomes size=N pixels, nothing is cropped.  Masks
 * stay as they were annotated.  Sizes, bad files and root_hash: see photos.h.  A mask is a part of
 * its photo: it is hashed with it, and one that is bad makes the photo bad.
 */
#include "core/file.h"
#include "core/sha256.h"
#include "data/decode.h"
#include "data/photos.h"
#include "data/png.h"
#include "data/segmentation_internal.h"

#include <string.h>

enum key { SIZE = SPLITS, SPLIT, CACHE, CACHED, BAD, KEYS };

struct segmentation {
    struct photos photos;
    const char *folder;
    struct mask_classes classes;
    struct table index;
    struct mask_size {
        int height, width;
    } * size; /* (rows of index) of those that were looked at */
};

static char *path_of(const struct segmentation *s, long row, int column, struct arena *a) {
    return dataset_path(a, s->folder, table_field(&s->index, row, column));
}

static int wrong_in(const struct segmentation *s, long row, struct error *err) {
    return error_prefix(err, "%s: line %ld", s->index.path, s->index.lines[row]);
}

static int fetch(const struct dataset *d, const struct photo *p, struct arena *a, const char **name,
                 const void **bytes, size_t *n, struct error *err) {
    const struct segmentation *s = d->state;
    char *data;
    *name = path_of(s, p->place, INDEX_IMAGE, a);
    if (file_read_stored(*name, a, &data, n, err))
        return wrong_in(s, p->place, err);
    *bytes = data;
    return 0;
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

/* Colours without a meaning are an error. */
static int decode_mask(const struct segmentation *s, const char *path, const void *data, size_t n,
                       struct arena *a, struct index_image *out, struct error *err) {
    int status = png_decode_index(path, data, n, a, out, err);
    if (!status && out->rgb && !s->classes.n_colours)
        status = error_set(err, STATUS_USAGE,
                           "%s: this mask is RGB, and %s has no columns red, green, blue that say "
                           "what its colours mean",
                           path, s->classes.table.path);
    return status;
}

/* Its mask: of the same size, once the image is upright. */
static int inspect(const struct dataset *d, const struct photo *p, const struct decoded *head,
                   int whole, struct sha256_ctx *hash, struct error *err) {
    struct segmentation *s = d->state;
    struct arena scratch = {0};
    const char *path = path_of(s, p->place, INDEX_MASK, &scratch);
    struct index_image m;
    char *data;
    size_t n;
    int status = 0;
    TRY(file_read_stored(path, &scratch, &data, &n, err));
    sha256_update(hash, strlen(path + strlen(s->folder)),
                  (const uint8_t *)path + strlen(s->folder));
    sha256_update(hash, n, (const uint8_t *)data);
    TRY(whole ? decode_mask(s, path, data, n, &scratch, &m, err)
              : png_decode_size(path, data, n, &m, err));
    if (m.height != head->height || m.width != head->width)
        TRY(error_set(err, STATUS_USAGE, "%s: %d x %d pixels%s, but its mask %s has %d x %d",
                      table_field(&s->index, p->place, INDEX_IMAGE), head->width, head->height,
                      head->orientation == 1 ? "" : ", turned upright",
                      table_field(&s->index, p->place, INDEX_MASK), m.width, m.height));
    s->size[p->place] = (struct mask_size){m.height, m.width};
out:
    arena_free(&scratch);
    return status ? wrong_in(s, p->place, err) : 0;
}

static int read_tables(struct dataset *d, int val_is_test, struct error *err) {
    static const long all[SPLITS] = {0};
    struct segmentation *s = d->state;
    struct arena *a = &d->arena;
    long *rows[SPLITS];
    int status = 0;
    const char *index = arena_printf(a, "%s/index.csv", s->folder);
    TRY(mask_classes_read(&s->classes, arena_printf(a, "%s/classes.csv", s->folder), a, err));
    TRY(mask_index_read(&s->index, index, a, err));
    const char **split = ARENA_ARRAY(a, const char *, s->index.n_rows);
    for (long i = 0; i < s->index.n_rows; i++)
        split[i] = table_field(&s->index, i, INDEX_SPLIT);
    TRY(dataset_choose_rows(d, index, split, s->index.n_rows, all, val_is_test, rows, err));
    s->size = ARENA_ARRAY(a, struct mask_size, s->index.n_rows);
    for (int i = 0; i < SPLITS; i++) {
        s->photos.n[i] = d->count[i];
        s->photos.photo[i] = ARENA_ARRAY(a, struct photo, d->count[i]);
        for (long k = 0; k < d->count[i]; k++)
            s->photos.photo[i][k] =
                (struct photo){.name = table_field(&s->index, rows[i][k], INDEX_IMAGE),
                               .place = rows[i][k],
                               .label = -1};
    }
out:
    return status;
}

/* What the values of masks mean belongs to the content. */
static void hash_classes(struct dataset *d) {
    const struct segmentation *s = d->state;
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, strlen(d->root_hash), (const uint8_t *)d->root_hash);
    sha256_update(&hash, s->classes.table.bytes, (const uint8_t *)s->classes.table.text);
    sha256_end(&hash, d->root_hash);
}

static int open_segmentation(struct dataset *d, const char *argument, struct error *err) {
    static const struct dataset_key keys[KEYS] = {[SPLIT_TRAIN] = DATASET_TRAIN_KEY,
                                                  [SPLIT_TEST] = DATASET_TEST_KEY,
                                                  [SIZE] = DATASET_SIZE_KEY(0),
                                                  [SPLIT] = DATASET_SPLIT_KEY,
                                                  [CACHE] = DATASET_CACHE_KEY,
                                                  [CACHED] = PHOTOS_CACHED_KEY,
                                                  [BAD] = PHOTOS_BAD_KEY};
    struct segmentation *s = d->state = ARENA_NEW(&d->arena, struct segmentation);
    long values[KEYS];
    char *folder;
    int status = 0;
    TRY(dataset_arguments(d, argument, keys, KEYS, values, NULL, &folder, err));
    if (!folder[0])
        return error_set(err, STATUS_USAGE, "dataset segmentation needs a folder: segmentation:%s",
                         d->source->argument_help);
    const struct photos_options o = {.wanted = {values[SPLIT_TRAIN], values[SPLIT_TEST]},
                                     .size = values[SIZE],
                                     .cache = (size_t)values[CACHE] << 20,
                                     .cache_files = (int)values[CACHED],
                                     .skip_bad = (int)values[BAD]};
    s->folder = folder;
    s->photos.fetch = fetch;
    s->photos.inspect = inspect;
    s->photos.decode_whole = 1; /* a pixel of a mask is to lie where it lies in the image */
    TRY(read_tables(d, (int)values[SPLIT], err));
    d->has_mask = 1;
    d->mask_classes = s->classes.n;
    d->mask_names = s->classes.names;
    TRY(photos_open(d, &o, err));
    hash_classes(d);
out:
    return status;
}

static int read_mask(const struct segmentation *s, long row, struct record *out,
                     struct error *err) {
    struct arena scratch = {0};
    const char *path = path_of(s, row, INDEX_MASK, &scratch);
    struct index_image m;
    char *data;
    size_t bytes;
    int status = 0;
    TRY(file_read_stored(path, &scratch, &data, &bytes, err));
    TRY(decode_mask(s, path, data, bytes, &scratch, &m, err));
    if (m.height != s->size[row].height || m.width != s->size[row].width)
        TRY(error_set(err, STATUS_USAGE, "%s: it has changed since it was opened", path));
    TRY(record_reserve_mask(out, m.height, m.width, err));
    size_t pixels = (size_t)m.height * (size_t)m.width;
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
    int status = photos_read(d, split, index, out, err);
    if (!status && !out->no_mask && !out->no_pixels)
        status = read_mask(s, s->photos.photo[split][index].place, out, err);
    return status;
}

const struct dataset_source dataset_segmentation = {
    .name = "segmentation",
    .title = "images with a class for every pixel: index.csv, classes.csv, images and PNG masks",
    .argument_help = "FOLDER[,size=N,bad=skip,train=N,test=N,split=val,cache=MiB,cached=files]",
    .open = open_segmentation,
    .read = read_segmentation,
    .close = photos_close,
    .probe = photos_probe,
    .skips_bad = 1,
};
