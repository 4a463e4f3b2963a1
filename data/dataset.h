/* dataset.h -- where images come from.
 *
 * A dataset has two splits, train and test, of images with one channel layout, and knows its class
 * names, content hash and channel statistics.  It knows nothing of tensors, batches or methods.
 *
 *     struct dataset d;
 *     TRY(dataset_open(&d, "shapes:size=32,train=2000,test=500", err));
 *     TRY(dataset_read(&d, SPLIT_TRAIN, i, &record, err));
 *     dataset_close(&d);
 *
 * A specification is SOURCE or SOURCE:ARGUMENT; NAME=SOURCE:ARGUMENT gives the dataset a name of
 * its own, under which its results stand.
 *
 *     shapes                             drawn
 *     fashion-mnist  idx:FOLDER          IDX files
 *     cifar10:FOLDER  cifar100:FOLDER    the official binary files; labels=coarse
 *     stl10:FOLDER                       the same; split=unlabeled has no labels
 *     folder:ROOT                        images, a folder a class
 *     list:FILE                          a table path,label[,split]
 *     captions:FOLDER                    a table image,caption[,split]
 *     webdataset:PATTERN                 tar shards
 *     hdf5:FILE                          arrays
 *     segmentation:FOLDER                tables of images and masks
 *
 * The head of each reader's file says what it takes.  All take train=N and test=N, the first N
 * images of a split; those of images of any size take size=N and cache=MiB; folder, list, captions
 * and webdataset take keep=N and bad=skip (photos.h).  A second key of idx and fashion-mnist,
 * pad=N, puts the image in the middle of N x N zeros; images of 28 x 28 are padded to 32, so that
 * patches of 4 and 8 divide them, unless pad=28 says otherwise.  captions=class gives labelled
 * images a caption, "a photo of a cat".
 */
#ifndef SSV_DATA_DATASET_H
#define SSV_DATA_DATASET_H

#include "core/arena.h"
#include "core/error.h"

#include <stdint.h>
#include <stdio.h>

enum split { SPLIT_TRAIN, SPLIT_TEST, SPLITS };
extern const char *const split_names[SPLITS]; /* "train", "test" */
enum { MASK_IGNORE = 255 }; /* a pixel that belongs to no known class; it counts nowhere */

struct record {
    int height, width, channels;
    uint8_t *pixels;             /* (height, width, channels), in the record's own buffer */
    int label;                   /* 0..classes-1; -1 where the dataset has none */
    uint8_t *mask;               /* (mask_height, mask_width), 0..mask_classes-1 or MASK_IGNORE */
    int mask_height, mask_width; /* as annotated, where pixels may be made smaller; 0: no mask */
    int no_mask;                 /* set by the caller: it may be left out */
    int no_pixels;               /* set by the caller: for label and captions one pixel will do */
    char caption[256]; /* the first one, cut at a character when longer; "" when there is none */
    int n_captions;
    const char *const *captions; /* (n_captions), in the dataset's memory; NULL: caption is all */
    size_t pixels_capacity, mask_capacity;
};

/* Caption i of 0..n_captions-1, whole; valid until the record's next read. */
const char *record_caption(const struct record *r, int i);

void record_free(struct record *r);
/* Makes room and forgets the captions; for readers.  with_mask: one of the image's size.  Status 3
 * when there is no memory. */
int record_reserve(struct record *r, int height, int width, int channels, int with_mask,
                   struct error *err);
int record_reserve_mask(struct record *r, int height, int width, struct error *err);

struct decoded;        /* data/decode.h */
struct dataset_source; /* one reader's const table, see dataset.c */

struct dataset {
    char name[64];  /* "cifar10", or as given */
    char spec[512]; /* as given */
    const struct dataset_source *source;
    void *state; /* the reader's own, in arena */
    struct arena arena;
    long count[SPLITS];
    int height, width; /* of every image; where they differ, both are the shorter side of each */
    long most_pixels;  /* of an image, where sizes differ; 0: all have height * width */
    int reduced;       /* files are larger than height, and nobody asked for that size */
    int channels;
    int classes;                       /* 0: no labels */
    const char *const *class_names;    /* (classes) */
    const char *const *class_captions; /* (classes), NULL unless asked for by captions=class */
    int has_mask, has_caption;
    int mask_classes;              /* what masks tell apart; 0: there are none */
    const char *const *mask_names; /* (mask_classes) */
    int mask_background; /* class 0 of masks is named so: what belongs to no object; of all readers,
                          * set by dataset_open */
    double mean[4], std[4];       /* per channel, over [0,1] pixels of the first training images */
    long n_bad;                   /* images left out because they are broken (bad=skip) */
    const char *const *bad_names; /* (n_bad_names) the first of them */
    int n_bad_names;
    const char *audit;  /* JSON, in arena: what reading all of it found; NULL: nobody did */
    const char *broken; /* in arena: what was wrong with the first image for training; NULL */
    long measured;      /* how many: 10,000, or fewer where the reader says so in open */
    char root_hash[65]; /* SHA-256 over the content (files, or the generator's settings) */
};

struct dataset_source {
    const char *name, *title, *argument_help;
    /* Fills d from the argument ("" when none was given), except name, spec, source, mean, std,
     * mask_background.
     * When it fails, close is called as after a success.  has_caption also says that n_captions
     * of every record is at least 1. */
    int (*open)(struct dataset *d, const char *argument, struct error *err);
    /* Thread-safe. */
    int (*read)(const struct dataset *d, enum split split, long index, struct record *out,
                struct error *err);
    void (*close)(struct dataset *d); /* may be NULL */
    /* What the file of an image is like, without its pixels; thread-safe; NULL: there are no such
     * files. */
    int (*probe)(const struct dataset *d, enum split split, long index, struct decoded *out,
                 struct error *err);
    int skips_bad;
};

extern const struct dataset_source *const dataset_sources[]; /* NULL-terminated */

/* Status 2 for a wrong specification and for a missing or broken file; nothing to close then. */
int dataset_open(struct dataset *d, const char *spec, struct error *err);
int dataset_read(const struct dataset *d, enum split split, long index, struct record *out,
                 struct error *err);
/* A class's name as it stands in texts: with blanks for underscores, as in CLIP's prompts. */
char *class_words(const char *name, struct arena *a);
/* Of an image: height times width. */
static inline long dataset_most_pixels(const struct dataset *d) {
    return d->most_pixels ? d->most_pixels : (long)d->height * d->width;
}
void dataset_close(struct dataset *d);    /* of a zeroed dataset: nothing */
int dataset_skips_bad(const char *spec);  /* it takes bad=skip */
int dataset_has_source(const char *spec); /* it begins with the name of one, or NAME= and that */
void dataset_list(FILE *out);             /* names, titles and argument help, for `ssvbench list` */

#endif
