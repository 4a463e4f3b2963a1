/* dataset_internal.h -- what the readers share; nobody outside data/ includes it. */
#ifndef SSV_DATA_DATASET_INTERNAL_H
#define SSV_DATA_DATASET_INTERNAL_H

#include "data/dataset.h"

#include <sys/types.h>

#include <sha2.h>

enum { DATASET_MAX_IMAGES = 100 * 1000 * 1000 };

/* One KEY=NUMBER or KEY=WORD that a specification may hold. */
struct dataset_key {
    const char *key;
    long by_default, min, max; /* readers of files: train and test are 0, all images */
    const char *words;         /* "test|val": the value is 0 for the first, 1 for the next, ... */
};

/* For readers of labelled images: "a photo of a <class name>", when asked for. */
enum { CAPTIONS_NONE, CAPTIONS_CLASS };
#define DATASET_CAPTIONS_KEY                                                                       \
    { "captions", CAPTIONS_NONE, 0, 0, "none|class" }

/* Takes "FOLDER,key=1,key=2" apart: values[i] belongs to keys[i].  *folder, in d's arena, is ""
 * when the argument names none; folder == NULL: this dataset takes none.  A part that does not look
 * like key=value belongs to the folder, so that its name may hold commas and equal signs. */
int dataset_arguments(struct dataset *d, const char *argument, const struct dataset_key *keys,
                      int n_keys, long *values, char **folder, struct error *err);

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
 * with SHA256Update and ends with SHA256End(hash, d->root_hash). */
void dataset_hash_begin(SHA2_CTX *hash, const struct dataset *d);

/* The caption of each class, CLIP's first template (Radford et al. 2021, section 3.1.4); readers
 * hand it to record_set_class_caption, which does nothing without it. */
void dataset_caption_classes(struct dataset *d);
void record_set_class_caption(struct record *r, const struct dataset *d);
/* After record_reserve: captions (n) live as long as the dataset. */
void record_set_captions(struct record *r, const char *const *captions, int n);

extern const char *const split_names[SPLITS];

extern const struct dataset_source dataset_shapes, dataset_cifar10, dataset_idx,
    dataset_fashion_mnist, dataset_captions, dataset_segmentation;

#endif
