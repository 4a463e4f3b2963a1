/* photos.h -- the images of a dataset that are files of any size: what folder, list, captions,
 * webdataset and segmentation share.
 *
 * A reader lists its photos and says how to get the bytes of one.  photos_open looks at all of them
 * on all processors, chooses, hashes; photos_read and photos_close are then the reader's own.
 *
 *     struct folder { struct photos photos; ... } *f = d->state;      photos come first
 *     TRY(photos_open(d, &options, err));
 *
 * Sizes: the shorter side becomes size=N pixels, nothing is cropped.  Without size=N that is 96, or
 * the shorter side that all images have in common where it is less: then nothing is resized. keep=M
 * keeps more than encoders get, so that a crop has pixels of its own: an image is what its file
 * has, made smaller only where its shorter side is more than M; what encoders get stays size=N.
 *
 * cache=MiB holds decoded and resized images or, with cached=files, the files as they are: fewer
 * bytes each, to be decoded every time, for data that lie far away.
 *
 * Bad files.  With bad=fail, the default, an image whose head cannot be read fails the opening, and
 * one that is damaged behind it fails the reading.  With bad=skip every image is decoded once when
 * the dataset is opened; those that cannot be are left out, for good, and counted and named in d
 * and in the log.  Nothing is ever put in their place.  train=N is the first N good ones.
 *
 * root_hash is over names, labels, captions and the whole content of the images that are used, in
 * order.
 */
#ifndef SSV_DATA_PHOTOS_H
#define SSV_DATA_PHOTOS_H

#include "data/dataset_internal.h"
#include "data/image_cache.h"

enum { PHOTOS_TEST_SHARE_DECIMALS = 6, PHOTOS_MOST_KEPT = 8192 };

struct photo {
    const char *name;  /* without what would change when the data are moved */
    const char *wrong; /* where and why it is bad already, or NULL */
    long place;        /* the reader's own */
    uint64_t mark;     /* of its file, as it was when the dataset was opened */
    int label;         /* -1: none */
    int n_captions;
    const char *const *captions; /* (n_captions) */
};

/* The whole file of a photo, in a or in memory of the dataset, and its name for messages, in a. */
typedef int photos_fetch(const struct dataset *d, const struct photo *p, struct arena *a,
                         const char **name, const void **bytes, size_t *n, struct error *err);

/* What a photo has beside its own file, as a mask, when the dataset is opened: its bytes into hash.
 * head: of the photo; whole: look at all of it, so that nothing is left that reading could find. */
typedef int photos_inspect(const struct dataset *d, const struct photo *p,
                           const struct decoded *head, int whole, struct sha256_ctx *hash,
                           struct error *err);

struct photos {
    struct photo *photo[SPLITS]; /* the reader's lists; afterwards (count) those that are used */
    long n[SPLITS];
    photos_fetch *fetch;
    photos_inspect *inspect; /* NULL: there is nothing else */
    int decode_whole;        /* never at a part of its size, however small it will be */
    long keep;               /* 0: the dataset's size */
    int cache_files;         /* of the files' bytes, each as an image of 1 x bytes, not of pixels */
    struct image_cache cache; /* training images, then test images */
};

struct photos_options {
    long wanted[SPLITS]; /* 0: all */
    long size, keep;     /* 0: see above */
    size_t cache;        /* bytes */
    int cache_files;
    int skip_bad;
};

/* d->state is a struct photos with lists and fetch, or begins with one; classes are set.  Fills the
 * rest of d. */
int photos_open(struct dataset *d, const struct photos_options *o, struct error *err);
int photos_read(const struct dataset *d, enum split split, long index, struct record *out,
                struct error *err);
void photos_close(struct dataset *d);
int photos_probe(const struct dataset *d, enum split split, long index, struct decoded *out,
                 struct error *err);

/* The arguments that all of them take, and what they mean. */
enum photos_key {
    PHOTOS_SIZE = SPLITS,
    PHOTOS_KEEP,
    PHOTOS_CACHE,
    PHOTOS_CACHED,
    PHOTOS_BAD,
    PHOTOS_CAPTIONS,
    PHOTOS_KEYS, /* the reader's own follow */
};
#define PHOTOS_CACHED_KEY                                                                          \
    { .key = "cached", .words = "pixels|files" }
#define PHOTOS_BAD_KEY                                                                             \
    { .key = "bad", .words = "fail|skip" }
#define PHOTOS_COMMON_KEYS                                                                         \
    [SPLIT_TRAIN] = DATASET_TRAIN_KEY, [PHOTOS_SIZE] = DATASET_SIZE_KEY(0),                        \
    [PHOTOS_KEEP] = {.key = "keep", .max = PHOTOS_MOST_KEPT}, [PHOTOS_CACHE] = DATASET_CACHE_KEY,  \
    [PHOTOS_CACHED] = PHOTOS_CACHED_KEY, [PHOTOS_BAD] = PHOTOS_BAD_KEY,                            \
    [PHOTOS_CAPTIONS] = DATASET_CAPTIONS_KEY
struct photos_options photos_options_of(const long *values);

/* For data without splits: test_share=0.1 puts a tenth of the names into the test split, whatever
 * else there is, by a hash of the name. */
#define PHOTOS_TEST_SHARE_KEY                                                                      \
    { .key = "test_share", .min = 1, .max = 999999, .decimals = PHOTOS_TEST_SHARE_DECIMALS }
enum { PHOTOS_TEST_SHARE = 100000 }; /* 0.1, where a reader needs one and nobody said so */
enum split photos_split_of(const char *name, long test_share);
/* Another hash of the name: an order that mixes the classes. */
uint64_t photos_order_of(const char *name);
/* jpg, jpeg, png, webp, in letters of any size; the dot is not part of it. */
int photos_is_image(const char *extension);

#endif
