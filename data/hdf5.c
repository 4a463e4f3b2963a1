/* hdf5.c -- arrays in an HDF5 file: hdf5:FILE.
 *
 *     train/images    (n, height, width, channels) or (n, height, width), uint8
 *     train/labels    (n), whole numbers from 0 on                          may be missing
 *     train/masks     (n, rows, columns), uint8, 255 counts nowhere         may be missing
 *     train/captions  (n) strings, or (n, k): up to k captions an image     may be missing
 *     test/...        the same, with images of the same size
 *     class_names, mask_names    attributes of the file, lists of strings   may be missing
 *
 * split=val takes the group val for the test split.  Without names, classes are called "0", "1",
 * ... up to the highest label.  In Python:
 *
 *     with h5py.File("mine.h5", "w") as f:
 *         f["train/images"], f["train/labels"] = images, labels
 *         f["test/images"], f["test/labels"] = test_images, test_labels
 *         f.attrs["class_names"] = ["cat", "dog"]
 *
 * Contiguous images and masks, which is what h5py writes unless it is told otherwise, are read from
 * their place in the file, by any number of threads; what is chunked or compressed is loaded into
 * memory, up to cache=MiB.  root_hash is over the content of all arrays that are used.
 *
 * HDF5 1.10 itself may crash on a file that was made to harm it: read such files nowhere.
 */
#include "data/dataset_internal.h"
#include "data/hdf5_internal.h"

#include <string.h>

enum { LARGEST_SIDE = 4096, MOST_CHANNELS = 4, MOST_CLASSES = 1 << 17 };
enum key { SPLIT = SPLITS, CACHE, CAPTIONS, KEYS };

struct hdf5_split {
    struct hdf5_bytes images, masks;
    long long *labels;           /* (n), or NULL */
    const char *const *captions; /* (n, per), or NULL */
    long n, per;
    const char *group;
};

struct hdf5 {
    struct hdf5_file file;
    struct hdf5_split split[SPLITS];
};

static const char *name_in(const struct hdf5 *h, const struct hdf5_split *s, const char *array) {
    return arena_printf(h->file.arena, "%s/%s", s->group, array);
}

static int open_images(struct dataset *d, struct hdf5_split *s, struct error *err) {
    struct hdf5 *h = d->state;
    struct hdf5_bytes *b = &s->images;
    int status = 0;
    TRY(hdf5_bytes_open(&h->file, name_in(h, s, "images"), 3, 4, b, err));
    hsize_t channels = b->rank == 4 ? b->dims[3] : 1;
    if (channels > MOST_CHANNELS || b->dims[1] > LARGEST_SIDE || b->dims[2] > LARGEST_SIDE ||
        b->dims[0] > DATASET_MAX_IMAGES)
        return error_set(err, STATUS_USAGE,
                         "%s: %s: (images, height, width, channels) expected, with sides up to %d "
                         "and 1 to %d channels%s",
                         h->file.path, b->name, LARGEST_SIDE, MOST_CHANNELS,
                         b->rank == 4 && b->dims[1] <= MOST_CHANNELS
                             ? "; here channels seem to come before height and width"
                             : "");
    if (!d->height) {
        d->height = (int)b->dims[1], d->width = (int)b->dims[2];
        d->channels = (int)channels;
    }
    if ((int)b->dims[1] != d->height || (int)b->dims[2] != d->width || (int)channels != d->channels)
        return error_set(err, STATUS_USAGE,
                         "%s: %s: images of %d x %d x %d expected, as in train, found %d x %d x %d",
                         h->file.path, b->name, d->height, d->width, d->channels, (int)b->dims[1],
                         (int)b->dims[2], (int)channels);
    s->n = (long)b->dims[0];
out:
    return status;
}

static int open_masks(struct dataset *d, struct hdf5_split *s, struct error *err) {
    struct hdf5 *h = d->state;
    struct hdf5_bytes *b = &s->masks;
    int status = hdf5_bytes_open(&h->file, name_in(h, s, "masks"), 3, 3, b, err);
    if (!status &&
        ((long)b->dims[0] != s->n || b->dims[1] > LARGEST_SIDE || b->dims[2] > LARGEST_SIDE))
        status = error_set(err, STATUS_USAGE,
                           "%s: %s: (%ld, rows, columns) expected, a mask for each image, with "
                           "sides up to %d",
                           h->file.path, b->name, s->n, LARGEST_SIDE);
    return status;
}

/* An image has those up to the first empty one, which fill a row up. */
static int captions_of(const struct hdf5_split *s, long image) {
    const char *const *row = s->captions + image * s->per;
    int n = 0;
    while (n < s->per && row[n][0])
        n++;
    return n;
}

static int check_captions(const struct hdf5 *h, const struct hdf5_split *s, struct error *err) {
    for (long i = 0; i < s->n; i++)
        for (long k = captions_of(s, i); k < s->per; k++)
            if (!captions_of(s, i) || s->captions[i * s->per + k][0])
                return error_set(err, STATUS_USAGE,
                                 "%s: %s: image %ld has an empty caption in front of others, or no "
                                 "other",
                                 h->file.path, name_in(h, s, "captions"), i);
    return 0;
}

/* What one split has, both have. */
static int open_split(struct dataset *d, enum split split, struct error *err) {
    static const char *const optional[] = {"labels", "masks", "captions"};
    struct hdf5 *h = d->state;
    struct hdf5_split *s = &h->split[split];
    int status = 0, has[3];
    if (!hdf5_has(&h->file, name_in(h, s, "images")))
        return error_set(err, STATUS_USAGE, "%s: holds no %s: images of both splits are needed%s",
                         h->file.path, name_in(h, s, "images"),
                         split == SPLIT_TEST ? "; split=val takes the group val for testing" : "");
    for (int i = 0; i < 3; i++) {
        const char *name = name_in(h, s, optional[i]);
        has[i] = hdf5_has(&h->file, name);
        if (has[i] != hdf5_has(&h->file, name_in(h, &h->split[SPLIT_TRAIN], optional[i])))
            return error_set(err, STATUS_USAGE, "%s: %s are in one of the splits only",
                             h->file.path, optional[i]);
    }
    TRY(open_images(d, s, err));
    if (has[0])
        TRY(hdf5_numbers(&h->file, name_in(h, s, "labels"), s->n, &s->labels, err));
    if (has[1])
        TRY(open_masks(d, s, err));
    if (has[2]) {
        TRY(hdf5_strings(&h->file, name_in(h, s, "captions"), s->n, &s->per, &s->captions, err));
        TRY(check_captions(h, s, err));
    }
    d->has_mask = has[1];
    d->has_caption = has[2];
out:
    return status;
}

static const char *const *numbered(struct arena *a, int n) {
    const char **names = ARENA_ARRAY(a, const char *, n);
    for (int i = 0; i < n; i++)
        names[i] = arena_printf(a, "%d", i);
    return names;
}

/* Of all labels, used or not. */
static int number_classes(struct dataset *d, struct error *err) {
    struct hdf5 *h = d->state;
    long long highest = 0;
    int status = 0, named;
    if (!h->split[SPLIT_TRAIN].labels)
        return 0;
    TRY(hdf5_string_attribute(&h->file, "class_names", &d->class_names, &named, err));
    for (int s = 0; s < SPLITS; s++)
        for (long i = 0; i < h->split[s].n; i++) {
            long long label = h->split[s].labels[i];
            if (label < 0 || label >= (named ? named : MOST_CLASSES))
                return error_set(err, STATUS_USAGE,
                                 "%s: %s: entry %ld: a label of 0 to %d expected, found %lld",
                                 h->file.path, name_in(h, &h->split[s], "labels"), i,
                                 (named ? named : MOST_CLASSES) - 1, label);
            highest = label > highest ? label : highest;
        }
    d->classes = named ? named : (int)highest + 1;
    if (!named)
        d->class_names = numbered(&d->arena, d->classes);
out:
    return status;
}

/* Image by image into the hash; the highest value that is not MASK_IGNORE. */
static int hash_bytes(const struct hdf5 *h, const struct hdf5_bytes *b, long n,
                      struct sha256_ctx *hash, int *highest, struct error *err) {
    struct slab one = {0};
    int status = slab_alloc(&one, b->one, b->name, err);
    for (long i = 0; i < n && !status; i++) {
        const uint8_t *bytes = one.data;
        status = hdf5_bytes_read(&h->file, b, i, one.data, err);
        sha256_update(hash, b->one, bytes);
        for (size_t k = 0; highest && k < b->one; k++)
            if (bytes[k] != MASK_IGNORE && bytes[k] > *highest)
                *highest = bytes[k];
    }
    slab_free(&one);
    return status;
}

static void hash_texts(struct sha256_ctx *hash, const char *const *texts, long n) {
    for (long i = 0; texts && i < n; i++)
        sha256_update(hash, strlen(texts[i]) + 1, (const uint8_t *)texts[i]);
}

static int hash_split(const struct dataset *d, enum split split, struct sha256_ctx *hash,
                      int *highest, struct error *err) {
    const struct hdf5 *h = d->state;
    const struct hdf5_split *s = &h->split[split];
    long n = d->count[split];
    int status = 0;
    TRY(hash_bytes(h, &s->images, n, hash, NULL, err));
    for (long i = 0; s->labels && i < n; i++) {
        char text[24];
        snprintf(text, sizeof text, "%lld", s->labels[i]);
        sha256_update(hash, strlen(text) + 1, (const uint8_t *)text);
    }
    hash_texts(hash, s->captions, n * s->per);
    if (d->has_mask)
        TRY(hash_bytes(h, &s->masks, n, hash, highest, err));
out:
    return status;
}

/* Masks are known when they are hashed. */
static int hash_and_name_masks(struct dataset *d, struct error *err) {
    struct hdf5 *h = d->state;
    int status = 0, highest = 0, named = 0;
    struct sha256_ctx hash;
    dataset_hash_begin(&hash, d);
    hash_texts(&hash, d->class_names, d->classes);
    for (int s = 0; s < SPLITS; s++)
        TRY(hash_split(d, (enum split)s, &hash, &highest, err));
    if (d->has_mask) {
        TRY(hdf5_string_attribute(&h->file, "mask_names", &d->mask_names, &named, err));
        if (named && (highest >= named || named > MASK_IGNORE))
            return error_set(err, STATUS_USAGE,
                             "%s: masks hold the value %d, but mask_names has %d names",
                             h->file.path, highest, named);
        d->mask_classes = named ? named : highest + 1;
        if (!named)
            d->mask_names = numbered(&d->arena, d->mask_classes);
        hash_texts(&hash, d->mask_names, d->mask_classes);
    }
    sha256_end(&hash, d->root_hash);
out:
    return status;
}

static int open_file(struct dataset *d, const char *path, const long *values, struct error *err) {
    struct hdf5 *h = d->state;
    int status = 0;
    h->split[SPLIT_TRAIN].group = "train";
    h->split[SPLIT_TEST].group = values[SPLIT] ? "val" : "test";
    TRY(hdf5_open(&h->file, path, (size_t)values[CACHE] << 20, &d->arena, err));
    for (int s = 0; s < SPLITS; s++) {
        TRY(open_split(d, (enum split)s, err));
        TRY(dataset_limit(d, (enum split)s, values[s], h->split[s].n, err));
    }
    TRY(number_classes(d, err));
    TRY(hash_and_name_masks(d, err));
out:
    hdf5_done(&h->file);
    return status;
}

static int open_hdf5(struct dataset *d, const char *argument, struct error *err) {
    static const struct dataset_key keys[KEYS] = {[SPLIT_TRAIN] = DATASET_TRAIN_KEY,
                                                  [SPLIT_TEST] = DATASET_TEST_KEY,
                                                  [SPLIT] = DATASET_SPLIT_KEY,
                                                  [CACHE] = DATASET_CACHE_KEY,
                                                  [CAPTIONS] = DATASET_CAPTIONS_KEY};
    struct hdf5 *h = d->state = ARENA_NEW(&d->arena, struct hdf5);
    long values[KEYS];
    char *path;
    int status = 0;
    h->file.id = h->file.fd = -1;
    TRY(dataset_arguments(d, argument, keys, KEYS, values, NULL, &path, err));
    if (!path[0])
        return error_set(err, STATUS_USAGE, "dataset hdf5 needs a file: hdf5:%s",
                         d->source->argument_help);
    TRY(open_file(d, path, values, err));
    TRY(dataset_captions_of_classes(d, values[CAPTIONS], err));
out:
    return status;
}

static int read_hdf5(const struct dataset *d, enum split split, long index, struct record *out,
                     struct error *err) {
    const struct hdf5 *h = d->state;
    const struct hdf5_split *s = &h->split[split];
    int status = 0, with_mask = d->has_mask && !out->no_mask;
    TRY(record_reserve(out, d->height, d->width, d->channels, 0, err));
    TRY(hdf5_bytes_read(&h->file, &s->images, index, out->pixels, err));
    if (with_mask)
        TRY(record_reserve_mask(out, (int)s->masks.dims[1], (int)s->masks.dims[2], err));
    if (with_mask)
        TRY(hdf5_bytes_read(&h->file, &s->masks, index, out->mask, err));
    out->label = s->labels ? (int)s->labels[index] : -1;
    if (s->captions)
        record_set_captions(out, s->captions + index * s->per, captions_of(s, index));
    else
        record_set_class_caption(out, d);
out:
    return status;
}

static void close_hdf5(struct dataset *d) {
    struct hdf5 *h = d->state;
    for (int s = 0; h && s < SPLITS; s++) {
        hdf5_bytes_close(&h->split[s].images);
        hdf5_bytes_close(&h->split[s].masks);
    }
    if (h)
        hdf5_close(&h->file);
}

const struct dataset_source dataset_hdf5 = {
    .name = "hdf5",
    .title = "arrays in an HDF5 file: images, labels, masks, captions of train and test",
    .argument_help = "FILE[,split=val,train=N,test=N,cache=MiB,captions=class]",
    .open = open_hdf5,
    .read = read_hdf5,
    .close = close_hdf5,
};
