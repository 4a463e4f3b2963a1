/* dataset_internal.h -- what the readers share; nobody outside data/ includes it. */
#ifndef SSV_DATA_DATASET_INTERNAL_H
#define SSV_DATA_DATASET_INTERNAL_H

#include "core/sha256.h"
#include "data/dataset.h"

#include <sys/types.h>

enum { DATASET_MAX_IMAGES = 100 * 1000 * 1000 };

/* One KEY=NUMBER, KEY=WORD or KEY=TEXT that a specification may hold. */
struct dataset_key {
    const char *key;
    long by_default, min, max; /* readers of files: train and test are 0, all images */
    const char *words;         /* "test|val": the value is 0 for the first, 1 for the next, ... */
    int decimals;              /* digits behind the point: 0.25 is 250 where there are 3 */
    int is_text;               /* what is no number is taken as it is */
};

#define DATASET_TRAIN_KEY                                                                          \
    { .key = "train", .min = 1, .max = DATASET_MAX_IMAGES }
#define DATASET_TEST_KEY                                                                           \
    { .key = "test", .min = 1, .max = DATASET_MAX_IMAGES }

/* For readers of labelled images: "a photo of a <class name>", when asked for. */
enum { CAPTIONS_NONE, CAPTIONS_CLASS };
#define DATASET_CAPTIONS_KEY                                                                       \
    { .key = "captions", .by_default = CAPTIONS_NONE, .words = "none|class" }

/* For readers of images of any size: the shorter side, and MiB of them that stay in memory. */
enum { DATASET_SMALLEST = 8, DATASET_LARGEST = 1024 };
#define DATASET_SIZE_KEY(usual)                                                                    \
    { .key = "size", .by_default = (usual), .min = DATASET_SMALLEST, .max = DATASET_LARGEST }
#define DATASET_CACHE_KEY                                                                          \
    { .key = "cache", .by_default = 512, .min = 0, .max = 1 << 24 }

/* For tables with a column split: which of them the test split is. */
#define DATASET_SPLIT_KEY                                                                          \
    { .key = "split", .words = "test|val" }

/* Takes "FOLDER,key=1,key=2" apart: values[i] belongs to keys[i], and so does texts[i], which is
 * NULL where there was no text; texts may be NULL when no key takes one.  *folder, in d's arena, is
 * "" when the argument names none; folder == NULL: this dataset takes none.  A part that does not
 * look like key=value belongs to the folder, so that its name may hold commas and equal signs; a
 * comma within braces separates nothing. */
int dataset_arguments(struct dataset *d, const char *argument, const struct dataset_key *keys,
                      int n_keys, long *values, const char **texts, char **folder,
                      struct error *err);

/* For a name that is none of these: "; did you mean "x"? There are: x, y" or ". There are: x, y".
 */
const char *dataset_others(struct arena *a, const char *name, const char *intro,
                           const char *const *names, int n);

/* d->count[split] = wanted, or all that there are when wanted is 0; status 2 when there are fewer.
 */
int dataset_limit(struct dataset *d, enum split split, long wanted, long available,
                  struct error *err);

/* For tables: the rows of either split (d->count), by the split that each of the n rows names:
 * train, and test or, when val_is_test, val; other rows are left out.  split NULL: the first row
 * and every tenth after it are the test split.  wanted (SPLITS) as above; path is the table's. */
int dataset_choose_rows(struct dataset *d, const char *path, const char *const *split, long n,
                        const long *wanted, int val_is_test, long *rows[SPLITS], struct error *err);

/* Begins d->root_hash with everything but the bytes: name, size and counts.  The reader adds those
 * with sha256_update and ends with sha256_end(hash, d->root_hash). */
void dataset_hash_begin(struct sha256_ctx *hash, const struct dataset *d);

/* The caption of each class when `captions` is CAPTIONS_CLASS, CLIP's first template (Radford et
 * al. 2021, section 3.1.4), of its words; status 2 without classes, or when there are captions
 * already.  Readers hand them to record_set_class_caption, which does nothing without. */
int dataset_captions_of_classes(struct dataset *d, long captions, struct error *err);
void record_set_class_caption(struct record *r, const struct dataset *d);
/* After record_reserve: captions (n) live as long as the dataset. */
void record_set_captions(struct record *r, const char *const *captions, int n);

extern const struct dataset_source dataset_shapes, dataset_cifar10, dataset_cifar100, dataset_stl10,
    dataset_idx, dataset_fashion_mnist, dataset_folder, dataset_list_of_files, dataset_webdataset,
    dataset_hdf5, dataset_captions, dataset_segmentation;

/* Of a file that a table names: from the table's folder on, unless it begins with a slash. */
static inline char *dataset_path(struct arena *a, const char *folder, const char *name) {
    return name[0] == '/' ? arena_strdup(a, name) : arena_printf(a, "%s/%s", folder, name);
}

#endif
