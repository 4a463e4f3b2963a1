/* cifar10.c -- CIFAR-10 (Krizhevsky 2009) in its official binary layout.
 *
 * A record is a label byte and 3 x 32 x 32 bytes, channel by channel.  Training records are in
 * data_batch_1.bin to data_batch_5.bin, as many of them as are there; test records in
 * test_batch.bin; class names, one a line, in batches.meta.txt.
 */
#include "core/file.h"
#include "data/dataset_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIDE = 32, AREA = SIDE * SIDE, CHANNELS = 3, RECORD = 1 + CHANNELS * AREA, CLASSES = 10 };
enum { TRAIN_FILES = 5 };

static const char *const standard_names[CLASSES] = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

struct cifar10 {
    struct slab records[SPLITS]; /* (n, RECORD) bytes, as in the files */
};

/* Number of records by the file's length; 0 when the file is not there. */
static int count_records(const char *path, long *records, struct error *err) {
    struct stat info;
    *records = 0;
    if (stat(path, &info))
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : error_set(err, STATUS_USAGE, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return error_set(err, STATUS_USAGE, "%s: a file expected, found something else", path);
    long size = (long)info.st_size, whole = size / RECORD;
    if (!size || size % RECORD)
        return error_set(err, STATUS_USAGE,
                         "%s: offset %ld: a record of %d bytes expected, found %ld bytes: the file "
                         "is cut off or no CIFAR-10",
                         path, whole * RECORD, RECORD, size % RECORD);
    *records = whole;
    return 0;
}

/* Reads the first n records. */
static int read_records(const char *path, long n, uint8_t *out, struct error *err) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return error_set(err, STATUS_USAGE, "%s: cannot open it: %s", path, strerror(errno));
    size_t bytes = (size_t)n * RECORD, got = fread(out, 1, bytes, file);
    int reason = ferror(file) ? errno : 0;
    fclose(file);
    if (got != bytes)
        return error_set(err, STATUS_USAGE, "%s: offset %zu: %zu bytes expected, found %s", path,
                         got, bytes - got, reason ? strerror(reason) : "the end of the file");
    for (long i = 0; i < n; i++)
        if (out[i * RECORD] >= CLASSES)
            return error_set(err, STATUS_USAGE, "%s: offset %ld: label 0 to %d expected, found %d",
                             path, i * RECORD, CLASSES - 1, out[i * RECORD]);
    return 0;
}

static int read_split(struct dataset *d, enum split split, char *const *paths, int n_paths,
                      long wanted, struct error *err) {
    struct cifar10 *c = d->state;
    long records[TRAIN_FILES], available = 0, done = 0;
    int status = 0;
    for (int i = 0; i < n_paths; i++) {
        TRY(count_records(paths[i], &records[i], err));
        available += records[i];
    }
    if (!available)
        return error_set(err, STATUS_USAGE,
                         "%s is missing: cifar10:FOLDER needs data_batch_1.bin (to 5) and "
                         "test_batch.bin, from the archive \"CIFAR-10 binary version\"",
                         paths[0]);
    TRY(dataset_limit(d, split, wanted, available, err));
    TRY(slab_alloc(&c->records[split], (size_t)d->count[split] * RECORD, d->name, err));
    for (int i = 0; i < n_paths && done < d->count[split]; i++) {
        long left = d->count[split] - done, n = records[i] < left ? records[i] : left;
        if (n)
            TRY(read_records(paths[i], n, (uint8_t *)c->records[split].data + done * RECORD, err));
        done += n;
    }
out:
    return status;
}

static int is_name(const char *line) {
    for (const char *c = line; *c; c++)
        if (!isprint((unsigned char)*c))
            return 0;
    return line[0] && strlen(line) < 64;
}

static int read_names(struct dataset *d, const char *path, struct error *err) {
    const char **names = ARENA_ARRAY(&d->arena, const char *, CLASSES);
    char *text, *save = NULL;
    size_t bytes;
    int n = 0, status = 0;
    d->class_names = standard_names;
    if (!file_exists(path))
        return 0;
    TRY(file_read(path, &d->arena, &text, &bytes, err));
    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        if (n == CLASSES || !is_name(line))
            return error_set(err, STATUS_USAGE,
                             "%s: offset %ld: %d lines with one name each expected, found %s", path,
                             (long)(line - text), CLASSES,
                             n == CLASSES ? "more" : "a line that is no name");
        names[n++] = line;
    }
    if (n != CLASSES)
        return error_set(err, STATUS_USAGE,
                         "%s: offset %zu: %d names of classes expected, found %d", path, bytes,
                         CLASSES, n);
    d->class_names = names;
out:
    return status;
}

static int open_folder(struct dataset *d, const char *folder, const long *values,
                       struct error *err) {
    struct cifar10 *c = d->state;
    char *train[TRAIN_FILES], *test = arena_printf(&d->arena, "%s/test_batch.bin", folder);
    SHA2_CTX hash;
    int status = 0;
    for (int i = 0; i < TRAIN_FILES; i++)
        train[i] = arena_printf(&d->arena, "%s/data_batch_%d.bin", folder, i + 1);
    TRY(read_split(d, SPLIT_TRAIN, train, TRAIN_FILES, values[SPLIT_TRAIN], err));
    TRY(read_split(d, SPLIT_TEST, &test, 1, values[SPLIT_TEST], err));
    TRY(read_names(d, arena_printf(&d->arena, "%s/batches.meta.txt", folder), err));
    d->height = d->width = SIDE;
    d->channels = CHANNELS;
    d->classes = CLASSES;
    dataset_hash_begin(&hash, d);
    for (int s = 0; s < SPLITS; s++)
        SHA256Update(&hash, c->records[s].data, c->records[s].bytes);
    SHA256End(&hash, d->root_hash);
out:
    return status;
}

static int open_cifar10(struct dataset *d, const char *argument, struct error *err) {
    enum { CAPTIONS = SPLITS, KEYS };
    static const struct dataset_key keys[KEYS] = {
        [SPLIT_TRAIN] = {"train", 0, 1, DATASET_MAX_IMAGES, NULL},
        [SPLIT_TEST] = {"test", 0, 1, DATASET_MAX_IMAGES, NULL},
        [CAPTIONS] = DATASET_CAPTIONS_KEY};
    long values[KEYS];
    char *folder;
    int status = 0;
    d->state = ARENA_NEW(&d->arena, struct cifar10);
    TRY(dataset_arguments(d, argument, keys, KEYS, values, &folder, err));
    if (!folder[0]) {
        const char *home = getenv("HOME");
        folder = arena_printf(&d->arena, "%s/.cache/ssvbench-data/cifar10-bin", home ? home : "");
    }
    TRY(open_folder(d, folder, values, err));
    if (values[CAPTIONS] == CAPTIONS_CLASS)
        dataset_caption_classes(d);
out:
    return status;
}

static int read_cifar10(const struct dataset *d, enum split split, long index, struct record *out,
                        struct error *err) {
    const struct cifar10 *c = d->state;
    const uint8_t *record = (const uint8_t *)c->records[split].data + index * RECORD;
    int status = record_reserve(out, SIDE, SIDE, CHANNELS, 0, err);
    if (status)
        return status;
    for (int channel = 0; channel < CHANNELS; channel++)
        for (int i = 0; i < AREA; i++)
            out->pixels[i * CHANNELS + channel] = record[1 + channel * AREA + i];
    out->label = record[0];
    record_set_class_caption(out, d);
    return 0;
}

static void close_cifar10(struct dataset *d) {
    struct cifar10 *c = d->state;
    for (int s = 0; c && s < SPLITS; s++)
        slab_free(&c->records[s]);
}

const struct dataset_source dataset_cifar10 = {
    .name = "cifar10",
    .title = "CIFAR-10 (Krizhevsky 2009) in the official binary layout",
    .argument_help = "FOLDER[,train=N,test=N,captions=class]",
    .open = open_cifar10,
    .read = read_cifar10,
    .close = close_cifar10,
};
