#include "data/dataset.h"

#include "data/dataset_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MEASURED_IMAGES = 10000, MAX_CHANNELS = 4 };
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

const char *const split_names[SPLITS] = {"train", "test"};

const struct dataset_source *const dataset_sources[] = {&dataset_shapes,
                                                        &dataset_fashion_mnist,
                                                        &dataset_idx,
                                                        &dataset_cifar10,
                                                        &dataset_cifar100,
                                                        &dataset_stl10,
                                                        &dataset_folder,
                                                        &dataset_list_of_files,
                                                        &dataset_webdataset,
                                                        &dataset_hdf5,
                                                        &dataset_captions,
                                                        &dataset_segmentation,
                                                        NULL};

void record_free(struct record *r) {
    free(r->pixels);
    free(r->mask);
    *r = (struct record){0};
}

/* The old content is of no use, so it is not copied. */
static int reserve(uint8_t **buffer, size_t *capacity, size_t bytes, struct error *err) {
    if (*capacity >= bytes)
        return 0;
    free(*buffer);
    *buffer = malloc(bytes);
    *capacity = *buffer ? bytes : 0;
    return *buffer ? 0
                   : error_set(err, STATUS_MACHINE, "no memory for an image of %zu bytes", bytes);
}

int record_reserve(struct record *r, int height, int width, int channels, int with_mask,
                   struct error *err) {
    CHECK(height > 0 && width > 0 && channels > 0 && channels <= MAX_CHANNELS, "%d x %d x %d",
          height, width, channels);
    int status = 0;
    size_t area = (size_t)height * (size_t)width;
    TRY(reserve(&r->pixels, &r->pixels_capacity, area * (size_t)channels, err));
    r->height = height, r->width = width, r->channels = channels;
    r->mask_height = r->mask_width = 0;
    if (with_mask)
        TRY(record_reserve_mask(r, height, width, err));
    r->caption[0] = '\0';
    r->captions = NULL;
    r->n_captions = 0;
out:
    return status;
}

int record_reserve_mask(struct record *r, int height, int width, struct error *err) {
    CHECK(height > 0 && width > 0, "%d x %d", height, width);
    size_t area = (size_t)height * (size_t)width;
    r->mask_height = height, r->mask_width = width;
    return reserve(&r->mask, &r->mask_capacity, area, err);
}

void record_set_captions(struct record *r, const char *const *captions, int n) {
    CHECK(n > 0, "%d captions", n);
    size_t bytes = strlen(captions[0]);
    if (bytes >= sizeof r->caption)
        for (bytes = sizeof r->caption - 1; bytes && ((uint8_t)captions[0][bytes] & 0xc0) == 0x80;)
            bytes--; /* never within a character of UTF-8 */
    memcpy(r->caption, captions[0], bytes);
    r->caption[bytes] = '\0';
    r->captions = captions;
    r->n_captions = n;
}

const char *record_caption(const struct record *r, int i) {
    CHECK(i >= 0 && i < r->n_captions, "caption %d of %d", i, r->n_captions);
    return r->captions ? r->captions[i] : r->caption;
}

int dataset_limit(struct dataset *d, enum split split, long wanted, long available,
                  struct error *err) {
    if (wanted > available)
        return error_set(err, STATUS_USAGE,
                         "dataset %s: %s=%ld is more than the %ld images that there are", d->name,
                         split_names[split], wanted, available);
    d->count[split] = wanted ? wanted : available;
    return 0;
}

/* SPLITS: neither. */
static int split_of(const char *const *split, long row, int val_is_test) {
    enum { TEST_EVERY = 10 };
    if (!split)
        return row % TEST_EVERY ? SPLIT_TRAIN : SPLIT_TEST;
    if (!strcmp(split[row], "train"))
        return SPLIT_TRAIN;
    return !strcmp(split[row], val_is_test ? "val" : "test") ? SPLIT_TEST : SPLITS;
}

int dataset_choose_rows(struct dataset *d, const char *path, const char *const *split, long n,
                        const long *wanted, int val_is_test, long *rows[SPLITS],
                        struct error *err) {
    long available[SPLITS] = {0};
    int status = 0;
    if (val_is_test && !split)
        return error_set(err, STATUS_USAGE, "%s: split=val needs a column split", path);
    for (int s = 0; s < SPLITS; s++)
        rows[s] = ARENA_ARRAY(&d->arena, long, n);
    for (long i = 0; i < n; i++) {
        int s = split_of(split, i, val_is_test);
        if (s < SPLITS)
            rows[s][available[s]++] = i;
    }
    for (int s = 0; s < SPLITS; s++) {
        if (!available[s])
            return error_set(err, STATUS_USAGE, "%s: %s", path,
                             !split             ? "one image is too few for two splits"
                             : s == SPLIT_TRAIN ? "no row is of the split train"
                             : val_is_test      ? "no row is of the split val"
                                                : "no row is of the split test");
        TRY(dataset_limit(d, (enum split)s, wanted[s], available[s], err));
    }
out:
    return status;
}

void dataset_hash_begin(struct sha256_ctx *hash, const struct dataset *d) {
    char text[160];
    int n = snprintf(text, sizeof text, "%s %d x %d x %d, %ld + %ld images, %d classes\n",
                     d->source->name, d->height, d->width, d->channels, d->count[SPLIT_TRAIN],
                     d->count[SPLIT_TEST], d->classes);
    sha256_init(hash);
    sha256_update(hash, (size_t)n, (const uint8_t *)text);
}

char *class_words(const char *name, struct arena *a) {
    char *words = arena_strdup(a, name);
    for (char *c = words; *c; c++)
        *c = *c == '_' ? ' ' : *c;
    return words;
}

int dataset_captions_of_classes(struct dataset *d, long captions, struct error *err) {
    if (captions != CAPTIONS_CLASS)
        return 0;
    if (d->has_caption || !d->classes)
        return error_set(err, STATUS_USAGE, "dataset %s: captions=class, but there are %s", d->name,
                         d->classes ? "captions already" : "no classes");
    const char **texts = ARENA_ARRAY(&d->arena, const char *, d->classes);
    for (int i = 0; i < d->classes; i++)
        texts[i] =
            arena_printf(&d->arena, "a photo of a %s", class_words(d->class_names[i], &d->arena));
    d->class_captions = texts;
    d->has_caption = 1;
    return 0;
}

void record_set_class_caption(struct record *r, const struct dataset *d) {
    if (d->class_captions)
        record_set_captions(r, d->class_captions + r->label, 1);
}

/* Sums of whole numbers: no order, no number of threads and no compiler changes them. */
struct sums {
    uint64_t pixels, sum[MAX_CHANNELS], squares[MAX_CHANNELS];
};

static void add_image(struct sums *to, const struct record *r, size_t channels) {
    size_t one = (size_t)r->height * (size_t)r->width;
    to->pixels += one;
    for (size_t c = 0; c < channels; c++) {
        uint64_t s = 0, q = 0;
        for (size_t p = c; p < one * channels; p += channels) {
            s += r->pixels[p];
            q += (uint64_t)r->pixels[p] * r->pixels[p];
        }
        to->sum[c] += s;
        to->squares[c] += q;
    }
}

static void add_sums(struct sums *to, const struct sums *from, size_t channels) {
    to->pixels += from->pixels;
    for (size_t c = 0; c < channels; c++) {
        to->sum[c] += from->sum[c];
        to->squares[c] += from->squares[c];
    }
}

/* The error is that of the first image that has one. */
static int sum_images(const struct dataset *d, long n, struct sums *total, struct error *err) {
    size_t channels = (size_t)d->channels;
    long failed = n;
    int status = 0;
#pragma omp parallel
    {
        struct record r = {.no_mask = 1};
        struct sums own = {0};
        struct error e;
#pragma omp for schedule(static)
        for (long i = 0; i < n; i++) {
            int bad = dataset_read(d, SPLIT_TRAIN, i, &r, &e);
            if (!bad) {
                add_image(&own, &r, channels);
                continue;
            }
#pragma omp critical(sum_images)
            if (i < failed) {
                failed = i;
                status = bad;
                *err = e;
            }
        }
#pragma omp critical(sum_images)
        add_sums(total, &own, channels);
        record_free(&r);
    }
    return status;
}

static int measure(struct dataset *d, struct error *err) {
    struct sums total = {0};
    long n = d->count[SPLIT_TRAIN], most = d->measured ? d->measured : MEASURED_IMAGES;
    d->measured = n < most ? n : most;
    int status = sum_images(d, d->measured, &total, err);
    if (status)
        return status;
    double pixels = (double)total.pixels;
    for (int c = 0; c < d->channels; c++) {
        double mean = (double)total.sum[c] / pixels;
        double variance = (double)total.squares[c] / pixels - mean * mean;
        d->mean[c] = mean / 255;
        d->std[c] = sqrt(variance > 1 ? variance : 1) / 255; /* a channel of one value */
    }
    return 0;
}

static const struct dataset_source *find_source(const char *name) {
    for (int i = 0; dataset_sources[i]; i++)
        if (!strcmp(dataset_sources[i]->name, name))
            return dataset_sources[i];
    return NULL;
}

static int unknown_name(struct dataset *d, const char *name, struct error *err) {
    const char *names[sizeof dataset_sources / sizeof *dataset_sources];
    int n = 0;
    for (; dataset_sources[n]; n++)
        names[n] = dataset_sources[n]->name;
    return error_set(err, STATUS_USAGE, "there is no dataset \"%s\"%s", name,
                     dataset_others(&d->arena, name, "There are", names, n));
}

/* Length of "NAME=" at the beginning of a specification, 0 when it has none. */
static size_t name_length(const char *spec) {
    size_t n = strcspn(spec, ":=");
    return spec[n] == '=' ? n + 1 : 0;
}

/* d->name, unless the source is to give it its own. */
static int take_name(struct dataset *d, const char *spec, struct error *err) {
    size_t n = name_length(spec);
    if (!n)
        return 0;
    if (n == 1 || n > sizeof d->name || strspn(spec, NAME_LETTERS) != n - 1)
        return error_set(
            err, STATUS_USAGE,
            "\"%.*s\" is no name for a dataset: letters, digits and ._- make one of up "
            "to %zu",
            (int)n - 1, spec, sizeof d->name - 1);
    memcpy(d->name, spec, n - 1);
    return 0;
}

int dataset_open(struct dataset *d, const char *spec, struct error *err) {
    int status = 0;
    *d = (struct dataset){0};
    if (strlen(spec) >= sizeof d->spec)
        return error_set(err, STATUS_USAGE, "the name of a dataset has at most %zu letters",
                         sizeof d->spec - 1);
    snprintf(d->spec, sizeof d->spec, "%s", spec);
    TRY(take_name(d, spec, err));
    spec += name_length(spec);
    const char *colon = strchr(spec, ':');
    char *name = arena_strdup(&d->arena, spec);
    if (colon)
        name[colon - spec] = '\0';
    d->source = find_source(name);
    if (!d->source) {
        status = unknown_name(d, name, err);
        goto out;
    }
    if (!d->name[0])
        snprintf(d->name, sizeof d->name, "%s", d->source->name);
    TRY(d->source->open(d, colon ? colon + 1 : "", err));
    CHECK(d->count[SPLIT_TRAIN] > 0 && d->count[SPLIT_TEST] > 0 && d->classes >= 0 &&
              d->channels <= MAX_CHANNELS && d->root_hash[0],
          "reader %s", d->name);
    d->mask_background = d->mask_classes && !strcmp(d->mask_names[0], "background");
    TRY(measure(d, err));
out:
    if (status)
        dataset_close(d);
    return status;
}

int dataset_read(const struct dataset *d, enum split split, long index, struct record *out,
                 struct error *err) {
    CHECK(index >= 0 && index < d->count[split], "%s image %ld of %ld", split_names[split], index,
          d->count[split]);
    return d->source->read(d, split, index, out, err);
}

/* NULL: there is no such source. */
static const struct dataset_source *source_of(const char *spec) {
    spec += name_length(spec);
    size_t n = strcspn(spec, ":");
    for (int i = 0; dataset_sources[i]; i++)
        if (!strncmp(dataset_sources[i]->name, spec, n) && !dataset_sources[i]->name[n])
            return dataset_sources[i];
    return NULL;
}

int dataset_skips_bad(const char *spec) {
    const struct dataset_source *source = source_of(spec);
    return source && source->skips_bad;
}

int dataset_has_source(const char *spec) {
    return source_of(spec) != NULL;
}

void dataset_close(struct dataset *d) {
    if (d->source && d->source->close)
        d->source->close(d);
    arena_free(&d->arena);
    *d = (struct dataset){0};
}

void dataset_list(FILE *out) {
    for (int i = 0; dataset_sources[i]; i++)
        fprintf(out, "  %-14s %s\n  %-14s %s:%s\n", dataset_sources[i]->name,
                dataset_sources[i]->title, "", dataset_sources[i]->name,
                dataset_sources[i]->argument_help);
}
