/* captions.c -- images with captions and no labels: a table and the images (JPEG, PNG, WebP) that
 * it names, relative to its folder.  captions:FOLDER means FOLDER/captions.csv or
 * FOLDER/captions.tsv, captions:FILE that table.
 *
 *     image,caption,split
 *     images/1000268201.jpg,A girl going into a wooden building .,train
 *     images/1000268201.jpg,"A child in a dress, climbing stairs .",train
 *
 * The column image may be called path.  Several rows of an image are several captions.  split is
 * train, test, val or anything else; rows of other splits than train and test are left out, unless
 * split=val makes the val images the test split.  Without the column the first image and every
 * tenth after it are the test split.
 *
 * Images of any size become squares of size=N pixels: the shorter side is resized, of the longer
 * one the middle stays.  Up to cache=MiB of them stay in memory.
 *
 * root_hash is over the table and the names and sizes in bytes of the images used, in order, not
 * over their content: a dataset of photographs takes minutes to read.
 */
#include "core/file.h"
#include "data/captions_internal.h"
#include "data/decode.h"
#include "data/image_cache.h"
#include "data/resize.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { CHANNELS = 3, DEFAULT_SIZE = 128, MEASURED = 2000 };
enum key { SIZE = SPLITS, SPLIT, CACHE, KEYS };

struct captions {
    const char *folder;
    struct caption_table table;
    long *images[SPLITS];     /* (count) of the table */
    struct image_cache cache; /* training images, then test images */
};

static int fill_splits(struct dataset *d, const char *path, const long *values, struct error *err) {
    struct captions *c = d->state;
    long n = c->table.n_images;
    const char **split = ARENA_ARRAY(&d->arena, const char *, n);
    for (long i = 0; i < n; i++)
        split[i] = c->table.images[i].split;
    return dataset_choose_rows(d, path, c->table.has_split ? split : NULL, n, values,
                               (int)values[SPLIT], c->images, err);
}

static const struct captioned *image_of(const struct captions *c, enum split split, long index) {
    return &c->table.images[c->images[split][index]];
}

/* A missing image is found now, a broken one when it is read. */
static int hash_file(const struct captions *c, const struct captioned *image, const char *table,
                     SHA2_CTX *hash, struct error *err) {
    struct arena scratch = {0};
    struct stat info;
    const char *path = arena_printf(&scratch, "%s/%s", c->folder, image->image);
    int status = 0, reason = stat(path, &info) ? errno : S_ISREG(info.st_mode) ? 0 : EISDIR;
    if (reason) {
        status = error_set(err, STATUS_USAGE, "%s: line %ld: %s: %s", table, image->line, path,
                           strerror(reason));
    } else {
        const char *text =
            arena_printf(&scratch, "%s %lld\n", image->image, (long long)info.st_size);
        SHA256Update(hash, (const uint8_t *)text, strlen(text));
    }
    arena_free(&scratch);
    return status;
}

static int hash_files(struct dataset *d, const char *table, int val_is_test, struct error *err) {
    const struct captions *c = d->state;
    const char *split = val_is_test ? "val\n" : "test\n";
    SHA2_CTX hash;
    int status = 0;
    dataset_hash_begin(&hash, d);
    SHA256Update(&hash, (const uint8_t *)split, strlen(split));
    SHA256Update(&hash, (const uint8_t *)c->table.table.text, c->table.table.bytes);
    for (int s = 0; s < SPLITS; s++)
        for (long i = 0; i < d->count[s]; i++)
            TRY(hash_file(c, image_of(c, (enum split)s, i), table, &hash, err));
    SHA256End(&hash, d->root_hash);
out:
    return status;
}

/* The table, and in c->folder where it lies. */
static const char *find_table(struct dataset *d, char *named) {
    struct captions *c = d->state;
    struct stat info;
    char *slash = strrchr(named, '/');
    if (!stat(named, &info) && S_ISREG(info.st_mode)) {
        c->folder = slash ? arena_printf(&d->arena, "%.*s", (int)(slash - named), named) : ".";
        return named;
    }
    const char *csv = arena_printf(&d->arena, "%s/captions.csv", named);
    const char *tsv = arena_printf(&d->arena, "%s/captions.tsv", named);
    c->folder = named;
    return !file_exists(csv) && file_exists(tsv) ? tsv : csv;
}

static int open_captions(struct dataset *d, const char *argument, struct error *err) {
    static const struct dataset_key keys[KEYS] = {[SPLIT_TRAIN] = DATASET_TRAIN_KEY,
                                                  [SPLIT_TEST] = DATASET_TEST_KEY,
                                                  [SIZE] = DATASET_SIZE_KEY(DEFAULT_SIZE),
                                                  [SPLIT] = DATASET_SPLIT_KEY,
                                                  [CACHE] = DATASET_CACHE_KEY};
    struct captions *c = d->state = ARENA_NEW(&d->arena, struct captions);
    long values[KEYS];
    char *folder;
    int status = 0;
    TRY(dataset_arguments(d, argument, keys, KEYS, values, NULL, &folder, err));
    if (!folder[0])
        return error_set(err, STATUS_USAGE, "dataset captions needs a folder: captions:%s",
                         d->source->argument_help);
    const char *path = find_table(d, folder);
    TRY(caption_table_read(&c->table, path, &d->arena, err));
    TRY(fill_splits(d, path, values, err));
    d->height = d->width = (int)values[SIZE];
    d->channels = CHANNELS;
    d->has_caption = 1;
    d->measured = MEASURED;
    TRY(hash_files(d, path, (int)values[SPLIT], err));
    image_cache_open(&c->cache, d->count[SPLIT_TRAIN] + d->count[SPLIT_TEST],
                     (size_t)values[CACHE] << 20, &d->arena);
out:
    return status;
}

static int read_captions(const struct dataset *d, enum split split, long index, struct record *out,
                         struct error *err) {
    struct captions *c = d->state;
    const struct captioned *image = image_of(c, split, index);
    struct arena scratch = {0};
    struct decoded p;
    long place = split == SPLIT_TRAIN ? index : d->count[SPLIT_TRAIN] + index;
    int status = 0;
    TRY(record_reserve(out, d->height, d->width, CHANNELS, 0, err));
    const struct cached_image *cached = image_cache_get(&c->cache, place);
    if (cached) {
        memcpy(out->pixels, cached->pixels, (size_t)d->height * (size_t)d->width * CHANNELS);
    } else {
        const char *path = arena_printf(&scratch, "%s/%s", c->folder, image->image);
        TRY(image_read(path, NULL, &scratch, &p, err));
        resize_square(p.rgb, p.height, p.width, CHANNELS, d->height, out->pixels);
        image_cache_put(&c->cache, place, d->height, d->width, CHANNELS, out->pixels);
    }
    out->label = -1;
    record_set_captions(out, image->captions, image->n_captions);
out:
    arena_free(&scratch);
    return status;
}

static void close_captions(struct dataset *d) {
    struct captions *c = d->state;
    if (c)
        image_cache_close(&c->cache);
}

const struct dataset_source dataset_captions = {
    .name = "captions",
    .title = "images with captions: a table captions.csv or .tsv and the image files that it names",
    .argument_help = "FOLDER|FILE[,size=N,train=N,test=N,split=val,cache=MiB]",
    .open = open_captions,
    .read = read_captions,
    .close = close_captions,
};
