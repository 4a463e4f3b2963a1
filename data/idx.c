/* idx.c -- IDX files: MNIST and its kin, plain or compressed by gzip.
 *
 * Layout (yann.lecun.com/exdb/mnist): big-endian words magic, count[, height, width], then bytes.
 * The magic of images is 0x00000803 (bytes, three dimensions), that of labels 0x00000801.
 *
 * Four files: {train,t10k}-{images-idx3,labels-idx1}-ubyte, or with a '.' before idx, or either
 * with .gz behind.  zlib reads plain files as they are, so there is one way to read.
 */
#include "core/file.h"
#include "core/sha256.h"
#include "data/dataset_internal.h"

#include <string.h>
#include <sys/stat.h>

#include <zlib.h>

enum {
    IMAGES_MAGIC = 0x803,
    LABELS_MAGIC = 0x801,
    LARGEST_SIDE = 1024,
    SHARE = 1 << 18,
    DEFLATE_LIMIT = 1040, /* no byte of a deflate stream stands for more */
};

static const char fashion_folder[] = "/usr/share/datasets/fashion-mnist";
static const char *const fashion_classes[] = {"t-shirt", "trouser", "pullover", "dress", "coat",
                                              "sandal",  "shirt",   "sneaker",  "bag",   "boot"};

struct idx_split {
    struct slab images, labels; /* (n, height, width), (n) bytes */
};

struct idx {
    struct idx_split split[SPLITS];
    int height, width; /* in the files, without padding */
};

struct idx_file {
    gzFile gz;
    const char *path;
    uint64_t offset; /* in the uncompressed bytes */
};

/* The '.' variants are what unpacking the original archives under Windows made of the names. */
static char *find_file(struct arena *a, const char *folder, const char *split, const char *kind) {
    static const char *const ends[] = {"", ".gz"};
    for (int i = 0; i < 4; i++) {
        char *path = arena_printf(a, "%s/%s-%s-ubyte%s", folder, split, kind, ends[i / 2]);
        if (i % 2)
            path[strlen(path) - strlen(ends[i / 2]) - strlen("-idxN-ubyte")] = '.';
        if (file_exists(path))
            return path;
    }
    return NULL;
}

static int open_file(struct idx_file *f, struct dataset *d, const char *folder, const char *split,
                     const char *kind, struct error *err) {
    f->path = find_file(&d->arena, folder, split, kind);
    if (!f->path && d->source == &dataset_fashion_mnist)
        return error_set(err, STATUS_USAGE,
                         "%s/%s-%s-ubyte.gz is missing: install the Debian package "
                         "dataset-fashion-mnist, or name the folder: fashion-mnist:FOLDER",
                         folder, split, kind);
    if (!f->path)
        return error_set(err, STATUS_USAGE,
                         "%s/%s-%s-ubyte is missing, with and without .gz: %s:FOLDER needs the "
                         "four files {train,t10k}-{images-idx3,labels-idx1}-ubyte",
                         folder, split, kind, d->name);
    f->offset = 0;
    f->gz = gzopen(f->path, "rb");
    if (!f->gz)
        return error_set(err, STATUS_USAGE, "%s: cannot open it", f->path);
    gzbuffer(f->gz, SHARE);
    return 0;
}

static const char *stream_note(const struct idx_file *f) {
    return gzdirect(f->gz) ? "" : " of the unpacked bytes";
}

static int take(struct idx_file *f, uint8_t *out, size_t bytes, const char *what,
                struct error *err) {
    while (bytes) {
        unsigned n = (unsigned)(bytes < SHARE ? bytes : SHARE);
        int got = gzread(f->gz, out, n), code;
        if (got > 0)
            f->offset += (unsigned)got;
        if (got != (int)n) {
            const char *reason = gzerror(f->gz, &code);
            int ended = code == Z_OK || code == Z_BUF_ERROR;
            return error_set(err, STATUS_USAGE,
                             "%s: offset %llu%s: %zu bytes of %s expected, found %s%s", f->path,
                             (unsigned long long)f->offset, stream_note(f),
                             bytes - (got > 0 ? (size_t)got : 0), what,
                             ended ? "the end of the file" : "broken data: ", ended ? "" : reason);
        }
        bytes -= n;
        out += n;
    }
    return 0;
}

/* Walks over what is not wanted, so that a broken file is found out all the same. */
static int skip(struct idx_file *f, size_t bytes, const char *what, struct error *err) {
    uint8_t scratch[4096];
    while (bytes) {
        size_t n = bytes < sizeof scratch ? bytes : sizeof scratch;
        int status = take(f, scratch, n, what, err);
        if (status)
            return status;
        bytes -= n;
    }
    return 0;
}

/* Reading past the end is also what makes zlib compare the checksum. */
static int expect_end(struct idx_file *f, struct error *err) {
    uint8_t byte;
    int got = gzread(f->gz, &byte, 1), code;
    const char *reason = gzerror(f->gz, &code);
    if (got > 0)
        return error_set(err, STATUS_USAGE,
                         "%s: offset %llu%s: the end of the file expected, found more bytes than "
                         "its header announces",
                         f->path, (unsigned long long)f->offset, stream_note(f));
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
        return error_set(err, STATUS_USAGE, "%s: offset %llu%s: broken data: %s", f->path,
                         (unsigned long long)f->offset, stream_note(f), reason);
    return 0;
}

static int take_word(struct idx_file *f, const char *what, uint32_t min, uint32_t max,
                     uint32_t *word, struct error *err) {
    uint8_t b[4];
    uint64_t at = f->offset;
    int status = take(f, b, sizeof b, what, err);
    if (status)
        return status;
    *word = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    if (*word >= min && *word <= max)
        return 0;
    if (min == max)
        return error_set(err, STATUS_USAGE, "%s: offset %llu: %s 0x%08x expected, found 0x%08x",
                         f->path, (unsigned long long)at, what, min, *word);
    return error_set(err, STATUS_USAGE, "%s: offset %llu: %s of %u to %u expected, found %u",
                     f->path, (unsigned long long)at, what, min, max, *word);
}

/* Before room is made for what the header announces: could the file hold it? */
static int check_length(struct idx_file *f, uint64_t expected, struct error *err) {
    struct stat info;
    if (stat(f->path, &info))
        return error_set(err, STATUS_USAGE, "%s: cannot read its size", f->path);
    uint64_t size = (uint64_t)info.st_size;
    int plain = gzdirect(f->gz);
    if (plain ? S_ISREG(info.st_mode) && size != expected : expected / DEFLATE_LIMIT > size)
        return error_set(err, STATUS_USAGE,
                         "%s: %llu bytes expected after its header at offset %llu%s, found %s%llu",
                         f->path, (unsigned long long)(expected - f->offset),
                         (unsigned long long)f->offset, stream_note(f),
                         plain ? "" : "a packed file of ",
                         (unsigned long long)(plain ? size - f->offset : size));
    return 0;
}

static int read_images(struct dataset *d, const char *folder, enum split split, const char *prefix,
                       long wanted, uint32_t *total, struct error *err) {
    struct idx *x = d->state;
    struct idx_file f = {0};
    uint32_t magic, height, width;
    int status = 0;
    TRY(open_file(&f, d, folder, prefix, "images-idx3", err));
    TRY(take_word(&f, "magic number", IMAGES_MAGIC, IMAGES_MAGIC, &magic, err));
    TRY(take_word(&f, "number of images", 1, DATASET_MAX_IMAGES, total, err));
    TRY(take_word(&f, "height", 1, LARGEST_SIDE, &height, err));
    TRY(take_word(&f, "width", 1, LARGEST_SIDE, &width, err));
    if (split == SPLIT_TRAIN)
        x->height = (int)height, x->width = (int)width;
    if ((int)height != x->height || (int)width != x->width) {
        status =
            error_set(err, STATUS_USAGE, "%s: offset 8: images of %d x %d expected, found %u x %u",
                      f.path, x->height, x->width, height, width);
        goto out;
    }
    size_t one = (size_t)height * width;
    TRY(check_length(&f, f.offset + (uint64_t)one * *total, err));
    TRY(dataset_limit(d, split, wanted, (long)*total, err));
    size_t kept = one * (size_t)d->count[split];
    TRY(slab_alloc(&x->split[split].images, kept, d->name, err));
    TRY(take(&f, x->split[split].images.data, kept, "pixels", err));
    TRY(skip(&f, one * *total - kept, "pixels", err));
    TRY(expect_end(&f, err));
out:
    if (f.gz)
        gzclose(f.gz);
    return status;
}

/* Classes are fixed beforehand, or 0: what the training labels say. */
static int read_labels(struct dataset *d, const char *folder, enum split split, const char *prefix,
                       uint32_t total, struct error *err) {
    struct idx *x = d->state;
    struct slab *labels = &x->split[split].labels;
    struct idx_file f = {0};
    uint32_t magic, n;
    int status = 0, highest = 0;
    TRY(open_file(&f, d, folder, prefix, "labels-idx1", err));
    TRY(take_word(&f, "magic number", LABELS_MAGIC, LABELS_MAGIC, &magic, err));
    TRY(take_word(&f, "number of labels", 1, DATASET_MAX_IMAGES, &n, err));
    if (n != total) {
        status = error_set(err, STATUS_USAGE,
                           "%s: offset 4: %u labels expected, as there are images, found %u",
                           f.path, total, n);
        goto out;
    }
    TRY(check_length(&f, f.offset + n, err));
    TRY(slab_alloc(labels, n, d->name, err));
    TRY(take(&f, labels->data, n, "labels", err));
    TRY(expect_end(&f, err));
    const uint8_t *label = labels->data;
    for (uint32_t i = 0; i < n; i++) {
        highest = label[i] > highest ? label[i] : highest;
        if (d->classes && label[i] >= d->classes) {
            status = error_set(err, STATUS_USAGE, "%s: offset %u: label 0 to %d expected, found %d",
                               f.path, 8 + i, d->classes - 1, label[i]);
            goto out;
        }
    }
    if (!d->classes && !highest) {
        status =
            error_set(err, STATUS_USAGE,
                      "%s: offset 8: labels of two classes or more expected, found only 0", f.path);
        goto out;
    }
    if (!d->classes)
        d->classes = highest + 1;
out:
    if (f.gz)
        gzclose(f.gz);
    return status;
}

static int set_padding(struct dataset *d, const struct idx *x, long pad, struct error *err) {
    int largest = x->height > x->width ? x->height : x->width;
    if (pad && pad < largest)
        return error_set(err, STATUS_USAGE, "dataset %s: pad=%ld is less than the images' %d x %d",
                         d->name, pad, x->height, x->width);
    if (!pad && x->height == 28 && x->width == 28)
        pad = 32;
    d->height = pad ? (int)pad : x->height;
    d->width = pad ? (int)pad : x->width;
    d->channels = 1;
    return 0;
}

static void name_classes(struct dataset *d) {
    const char **names = ARENA_ARRAY(&d->arena, const char *, d->classes);
    for (int i = 0; i < d->classes; i++)
        names[i] = d->source == &dataset_fashion_mnist ? fashion_classes[i]
                                                       : arena_printf(&d->arena, "%d", i);
    d->class_names = names;
}

static int open_folder(struct dataset *d, const char *folder, const long *values,
                       struct error *err) {
    static const char *const prefix[SPLITS] = {"train", "t10k"};
    struct idx *x = d->state;
    struct sha256_ctx hash;
    int status = 0;
    for (int s = 0; s < SPLITS; s++) {
        uint32_t total;
        TRY(read_images(d, folder, (enum split)s, prefix[s], values[s], &total, err));
        TRY(read_labels(d, folder, (enum split)s, prefix[s], total, err));
    }
    TRY(set_padding(d, x, values[SPLITS], err));
    name_classes(d);
    dataset_hash_begin(&hash, d);
    for (int s = 0; s < SPLITS; s++) {
        sha256_update(&hash, x->split[s].images.bytes, x->split[s].images.data);
        sha256_update(&hash, (size_t)d->count[s], x->split[s].labels.data);
    }
    sha256_end(&hash, d->root_hash);
out:
    return status;
}

static int open_idx(struct dataset *d, const char *argument, struct error *err) {
    enum { PAD = SPLITS, CAPTIONS, KEYS };
    static const struct dataset_key keys[KEYS] = {
        [SPLIT_TRAIN] = DATASET_TRAIN_KEY,
        [SPLIT_TEST] = DATASET_TEST_KEY,
        [PAD] = {.key = "pad", .min = 1, .max = LARGEST_SIDE},
        [CAPTIONS] = DATASET_CAPTIONS_KEY};
    long values[KEYS];
    char *folder;
    int status = 0, fashion = d->source == &dataset_fashion_mnist;
    d->state = ARENA_NEW(&d->arena, struct idx);
    TRY(dataset_arguments(d, argument, keys, KEYS, values, NULL, &folder, err));
    if (!folder[0] && !fashion)
        return error_set(err, STATUS_USAGE, "dataset idx needs a folder: idx:%s",
                         d->source->argument_help);
    if (fashion)
        d->classes = sizeof fashion_classes / sizeof *fashion_classes;
    TRY(open_folder(d, folder[0] ? folder : fashion_folder, values, err));
    TRY(dataset_captions_of_classes(d, values[CAPTIONS], err));
out:
    return status;
}

static int read_idx(const struct dataset *d, enum split split, long index, struct record *out,
                    struct error *err) {
    const struct idx *x = d->state;
    size_t height = (size_t)x->height, width = (size_t)x->width, row = (size_t)d->width;
    const uint8_t *image =
        (const uint8_t *)x->split[split].images.data + height * width * (size_t)index;
    int status = record_reserve(out, d->height, d->width, 1, 0, err);
    if (status)
        return status;
    if (d->height != x->height || d->width != x->width)
        memset(out->pixels, 0, row * (size_t)d->height);
    size_t top = ((size_t)d->height - height) / 2, left = (row - width) / 2;
    for (size_t y = 0; y < height; y++)
        memcpy(out->pixels + (top + y) * row + left, image + y * width, width);
    out->label = ((const uint8_t *)x->split[split].labels.data)[index];
    record_set_class_caption(out, d);
    return 0;
}

static void close_idx(struct dataset *d) {
    struct idx *x = d->state;
    for (int s = 0; x && s < SPLITS; s++) {
        slab_free(&x->split[s].images);
        slab_free(&x->split[s].labels);
    }
}

const struct dataset_source dataset_idx = {
    .name = "idx",
    .title = "MNIST and its kin: IDX files, plain or .gz",
    .argument_help = "FOLDER[,train=N,test=N,pad=N,captions=class]",
    .open = open_idx,
    .read = read_idx,
    .close = close_idx,
};

const struct dataset_source dataset_fashion_mnist = {
    .name = "fashion-mnist",
    .title = "Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747), 28 x 28 padded to 32",
    .argument_help = "[FOLDER,train=N,test=N,pad=N,captions=class]",
    .open = open_idx,
    .read = read_idx,
    .close = close_idx,
};
