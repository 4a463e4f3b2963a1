/* stl10.c -- STL-10 (Coates, Lee and Ng 2011) in its official binary layout.
 *
 * train_X.bin (5,000 images), test_X.bin (8,000) and unlabeled_X.bin (100,000): 3 x 96 x 96 bytes
 * each, channel by channel, and in a channel column by column.  train_y.bin and test_y.bin: a byte
 * each, 1 to 10.  class_names.txt, one a line, if it is there.
 *
 * A dataset has one training split, so what it is has to be said: split=labeled, the default, or
 * split=unlabeled, which trains on unlabeled_X.bin and has no labels at all, in either split (the
 * test images stay the test images).  Protocols that need labels are skipped there.
 *
 * Images stay in their files: the unlabelled split alone has 2.6 GiB.  root_hash is over the whole
 * content of what is used.
 */
#include "data/file_part.h"
#include "data/planes_internal.h"

#include <unistd.h>

enum { SIDE = 96, CHANNELS = 3, IMAGE = CHANNELS * SIDE * SIDE, CLASSES = 10 };

static const char *const standard_names[CLASSES] = {"airplane", "bird",  "car",    "cat",  "deer",
                                                    "dog",      "horse", "monkey", "ship", "truck"};

struct stl10 {
    struct stl10_images {
        const char *path;
        int fd;
    } images[SPLITS];        /* records of (CHANNELS, x SIDE, y SIDE) */
    uint8_t *labels[SPLITS]; /* (count), 1 to CLASSES; NULL: none */
};

static int read_labels(struct dataset *d, enum split split, const struct record_file *f,
                       long images, struct error *err) {
    struct stl10 *s = d->state;
    long n;
    int status = 0;
    TRY(records_count(f, &n, err));
    if (n != images)
        return error_set(err, STATUS_USAGE,
                         "%s: %ld labels expected, as there are images, found "
                         "%ld",
                         f->path, images, n);
    uint8_t *labels = s->labels[split] = ARENA_ARRAY(&d->arena, uint8_t, n);
    TRY(records_read(f, n, labels, err));
    for (long i = 0; i < n; i++)
        if (labels[i] < 1 || labels[i] > CLASSES)
            return error_set(err, STATUS_USAGE, "%s: offset %ld: label 1 to %d expected, found %d",
                             f->path, i, CLASSES, labels[i]);
out:
    return status;
}

static int open_split(struct dataset *d, enum split split, const char *folder, const char *name,
                      int labelled, long wanted, struct error *err) {
    struct arena *a = &d->arena;
    const struct record_file images = {arena_printf(a, "%s/%s_X.bin", folder, name), IMAGE,
                                       "STL-10"},
                             labels = {arena_printf(a, "%s/%s_y.bin", folder, name), 1, "STL-10"};
    struct stl10 *s = d->state;
    uint64_t size;
    long available;
    int status = 0;
    TRY(records_count(&images, &available, err));
    if (!available)
        return error_set(err, STATUS_USAGE,
                         "%s is missing: stl10:FOLDER needs train_X.bin, train_y.bin, test_X.bin, "
                         "test_y.bin and for split=unlabeled unlabeled_X.bin, from the archive "
                         "stl10_binary",
                         images.path);
    TRY(dataset_limit(d, split, wanted, available, err));
    s->images[split].path = images.path;
    TRY(file_part_open(images.path, &s->images[split].fd, &size, err));
    if (labelled)
        TRY(read_labels(d, split, &labels, available, err));
out:
    return status;
}

static int hash_content(struct dataset *d, struct error *err) {
    const struct stl10 *s = d->state;
    struct sha256_ctx hash;
    int status = 0;
    dataset_hash_begin(&hash, d);
    for (int i = 0; i < SPLITS; i++) {
        TRY(file_part_hash(s->images[i].fd, s->images[i].path, (uint64_t)d->count[i] * IMAGE, &hash,
                           err));
        if (s->labels[i])
            sha256_update(&hash, (size_t)d->count[i], s->labels[i]);
    }
    sha256_end(&hash, d->root_hash);
out:
    return status;
}

static int open_stl10(struct dataset *d, const char *argument, struct error *err) {
    enum { SPLIT = SPLITS, CAPTIONS, KEYS };
    static const struct dataset_key keys[KEYS] = {
        [SPLIT_TRAIN] = DATASET_TRAIN_KEY,
        [SPLIT_TEST] = DATASET_TEST_KEY,
        [SPLIT] = {.key = "split", .words = "labeled|unlabeled"},
        [CAPTIONS] = DATASET_CAPTIONS_KEY};
    long values[KEYS];
    char *folder;
    int status = 0;
    struct stl10 *s = d->state = ARENA_NEW(&d->arena, struct stl10);
    for (int i = 0; i < SPLITS; i++)
        s->images[i].fd = -1;
    TRY(dataset_arguments(d, argument, keys, KEYS, values, NULL, &folder, err));
    int labelled = !values[SPLIT];
    if (!folder[0])
        return error_set(err, STATUS_USAGE, "dataset stl10 needs a folder: stl10:%s",
                         d->source->argument_help);
    TRY(open_split(d, SPLIT_TRAIN, folder, labelled ? "train" : "unlabeled", labelled,
                   values[SPLIT_TRAIN], err));
    TRY(open_split(d, SPLIT_TEST, folder, "test", labelled, values[SPLIT_TEST], err));
    d->height = d->width = SIDE;
    d->channels = CHANNELS;
    d->classes = labelled ? CLASSES : 0;
    d->class_names = standard_names;
    TRY(class_names_read(d, arena_printf(&d->arena, "%s/class_names.txt", folder), CLASSES,
                         &d->class_names, err));
    TRY(hash_content(d, err));
    TRY(dataset_captions_of_classes(d, values[CAPTIONS], err));
out:
    return status;
}

static int read_stl10(const struct dataset *d, enum split split, long index, struct record *out,
                      struct error *err) {
    const struct stl10 *s = d->state;
    const struct stl10_images *f = &s->images[split];
    uint8_t planes[IMAGE];
    int status = 0;
    TRY(record_reserve(out, SIDE, SIDE, CHANNELS, 0, err));
    TRY(file_part_read(f->fd, f->path, (uint64_t)index * IMAGE, planes, IMAGE, err));
    planes_to_pixels(planes, SIDE, CHANNELS, 1, out->pixels);
    out->label = s->labels[split] ? s->labels[split][index] - 1 : -1;
    record_set_class_caption(out, d);
out:
    return status;
}

static void close_stl10(struct dataset *d) {
    struct stl10 *s = d->state;
    for (int i = 0; s && i < SPLITS; i++)
        if (s->images[i].fd >= 0)
            close(s->images[i].fd);
}

const struct dataset_source dataset_stl10 = {
    .name = "stl10",
    .title = "STL-10 (Coates et al. 2011) in the official binary layout",
    .argument_help = "FOLDER[,split=unlabeled,train=N,test=N,captions=class]",
    .open = open_stl10,
    .read = read_stl10,
    .close = close_stl10,
};
