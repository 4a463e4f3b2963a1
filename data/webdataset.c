/* webdataset.c -- tar shards in WebDataset's layout: webdataset:PATTERN or webdataset:FOLDER.
 *
 *     train-{000..146}.tar    images/000001.jpg images/000001.cls images/000001.txt ...
 *
 * Members of a shard whose paths are the same up to the first dot of their last part are a sample:
 * its image (jpg, jpeg, png, webp), label (cls) and captions (txt, a line each); webdataset_text.c
 * says what of a json counts.  Other members are passed over.  Patterns: shards.h.  Shards may be
 * compressed (gzip, xz, zstd, bzip2, lz4); their images are then unpacked into memory once, within
 * cache=MiB.  Of plain ones only an index is kept, and an image is read when it is wanted.
 *
 * Splits: test=PATTERN names the shards of the test split.  In a FOLDER where both are, shards
 * whose names begin with train, or have it behind one of "-_.", are the training split and those
 * with test (or else val) are the test split.  Otherwise test_share=0.1, the default, chooses
 * samples by a hash of the key.
 *
 * Labels are numbers or names as in list.c; when one sample has a label or captions, all have to.
 * Samples are in the order of the shards.  Sizes, bad files and root_hash: see photos.h.
 */
#include "core/log.h"
#include "data/file_part.h"
#include "data/labels.h"
#include "data/photos.h"
#include "data/shards.h"
#include "data/webdataset_internal.h"

#include <string.h>
#include <unistd.h>

enum { SHARE = PHOTOS_KEYS, KEYS };
enum { BY_SHARE = -1, UNUSED = -2 };

struct webdataset {
    struct photos photos;
    struct shard *shards; /* (n_shards) */
    int n_shards;
    struct samples samples;
};

/* ---- shards ---- */

enum { NO_WORD = 3 };
static const char *const words[NO_WORD] = {"train", "test", "val"};

/* The first of the words that the name of a shard begins with, or has behind one of "-_.": both
 * train-000.tar and packed-train-000.tar are of train. */
static int word_of(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *at = slash ? slash + 1 : path;
    for (;;) {
        for (int k = 0; k < NO_WORD; k++)
            if (!strncmp(at, words[k], strlen(words[k])))
                return k;
        at += strcspn(at, "-_.");
        if (!*at++)
            return NO_WORD;
    }
}

/* Of a folder's shards, by their names; without two kinds of names they all are BY_SHARE. */
static void split_by_names(struct webdataset *w) {
    int n[NO_WORD + 1] = {0};
    for (int i = 0; i < w->n_shards; i++)
        n[word_of(w->shards[i].path)]++;
    const int test = n[1] ? 1 : 2;
    for (int i = 0; i < w->n_shards && n[0] && n[test]; i++) {
        const int word = word_of(w->shards[i].path);
        w->shards[i].split = word == 0 ? SPLIT_TRAIN : word == test ? SPLIT_TEST : UNUSED;
    }
}

static int list_shards(struct dataset *d, const char *pattern, const char *test, long share,
                       struct error *err) {
    struct webdataset *w = d->state;
    struct shards s = {.arena = &d->arena};
    int status = 0;
    TRY(shards_add(&s, pattern, err));
    int first = s.n;
    if (test)
        TRY(shards_add(&s, test, err));
    w->shards = ARENA_ARRAY(&d->arena, struct shard, s.n);
    w->n_shards = s.n;
    for (int i = 0; i < s.n; i++)
        w->shards[i] = (struct shard){.path = s.paths[i],
                                      .split = !test       ? BY_SHARE
                                               : i < first ? SPLIT_TRAIN
                                                           : SPLIT_TEST};
    if (!test && !share && shards_is_folder(pattern))
        split_by_names(w);
    if (test && share)
        status = error_set(err, STATUS_USAGE,
                           "dataset webdataset: test=%s and test_share= are two test splits", test);
out:
    return status;
}

static int index_shards(struct dataset *d, size_t most, struct error *err) {
    struct webdataset *w = d->state;
    int status = 0;
    w->samples = (struct samples){.arena = &d->arena, .most = most};
    for (int i = 0; i < w->n_shards; i++) {
        if (w->shards[i].split == UNUSED)
            log_message(LOG_INFO, "%s: passed over, since it is neither train nor test",
                        w->shards[i].path);
        else
            TRY(shard_index(&w->samples, &w->shards[i], i, err));
    }
    if (!w->samples.n)
        status = error_set(err, STATUS_USAGE, "%s: no sample (.jpg, .jpeg, .png, .webp) is in it",
                           w->n_shards ? w->shards[0].path : d->spec);
out:
    return status;
}

/* ---- samples ---- */

struct having { /* how many have them */
    long labels, captions;
};

/* What is wrong with a sample as a whole, or NULL. */
static const char *fault(const struct sample *s, struct having all) {
    return s->wrong                         ? s->wrong
           : !s->image                      ? "it has no image"
           : all.labels && !s->label        ? "it has no label, but others do"
           : all.captions && !s->n_captions ? "it has no caption, but others do"
                                            : NULL;
}

/* Faulty ones have no number, and do not make a class. */
static int number_labels(struct dataset *d, struct having all, int *number_of, struct error *err) {
    const struct webdataset *w = d->state;
    struct arena scratch = {0};
    const long n = w->samples.n;
    const char **labels = ARENA_ARRAY(&scratch, const char *, n);
    int *numbers = ARENA_ARRAY(&scratch, int, n), status = 0;
    long *sample = ARENA_ARRAY(&scratch, long, n), used = 0, wrong = 0;
    for (long i = 0; i < n; i++) {
        number_of[i] = -1;
        if (!all.labels || fault(&w->samples.all[i], all))
            continue;
        labels[used] = w->samples.all[i].label;
        sample[used++] = i;
    }
    if (used)
        status = labels_number(d, labels, used, numbers, &wrong, err);
    if (status)
        error_prefix(err, "%s: %s", w->shards[w->samples.all[sample[wrong]].shard].path,
                     w->samples.all[sample[wrong]].key);
    for (long i = 0; i < used && !status; i++)
        number_of[sample[i]] = numbers[i];
    arena_free(&scratch);
    return status;
}

static struct photo photo_of(struct dataset *d, long place, struct having all, int label) {
    const struct webdataset *w = d->state;
    const struct sample *s = &w->samples.all[place];
    const char *wrong = fault(s, all);
    return (struct photo){.name = arena_printf(&d->arena, "%s%s%s", s->key, s->image ? "." : "",
                                               s->image ? s->image : ""),
                          .wrong = wrong ? arena_printf(&d->arena, "%s: %s: %s",
                                                        w->shards[s->shard].path, s->key, wrong)
                                         : NULL,
                          .place = place,
                          .label = label,
                          .captions = s->captions,
                          .n_captions = wrong ? 0 : s->n_captions};
}

static int list_photos(struct dataset *d, long share, struct error *err) {
    struct webdataset *w = d->state;
    struct arena scratch = {0};
    const long n = w->samples.n;
    int *number = ARENA_ARRAY(&scratch, int, n), status = 0;
    struct having all = {0};
    for (long i = 0; i < n; i++) {
        all.labels += w->samples.all[i].label != NULL;
        all.captions += w->samples.all[i].n_captions > 0;
    }
    d->has_caption = all.captions > 0;
    TRY(number_labels(d, all, number, err));
    for (int s = 0; s < SPLITS; s++)
        w->photos.photo[s] = ARENA_ARRAY(&d->arena, struct photo, n);
    for (long i = 0; i < n; i++) {
        const struct sample *one = &w->samples.all[i];
        int split = w->shards[one->shard].split;
        if (split == BY_SHARE)
            split = photos_split_of(one->key, share ? share : PHOTOS_TEST_SHARE);
        w->photos.photo[split][w->photos.n[split]++] = photo_of(d, i, all, number[i]);
    }
out:
    arena_free(&scratch);
    return status;
}

static int fetch(const struct dataset *d, const struct photo *p, struct arena *a, const char **name,
                 const void **bytes, size_t *n, struct error *err) {
    const struct webdataset *w = d->state;
    const struct sample *s = &w->samples.all[p->place];
    const struct shard *shard = &w->shards[s->shard];
    int status = 0, fd = -1;
    uint64_t size;
    *name = arena_printf(a, "%s: %s", shard->path, p->name);
    *n = s->bytes;
    *bytes = s->data;
    if (s->data)
        return 0;
    TRY(file_part_open(shard->path, &fd, &size, err));
    if (size != shard->size)
        TRY(error_set(err, STATUS_USAGE, "%s: it has changed since it was opened", shard->path));
    char *data = arena_alloc(a, s->bytes + 1);
    *bytes = data;
    TRY(file_part_read(fd, shard->path, s->at, data, s->bytes, err));
out:
    if (fd >= 0)
        close(fd);
    return status;
}

static int open_webdataset(struct dataset *d, const char *argument, struct error *err) {
    static const struct dataset_key keys[KEYS] = {
        PHOTOS_COMMON_KEYS,
        [SPLIT_TEST] = {.key = "test", .min = 1, .max = DATASET_MAX_IMAGES, .is_text = 1},
        [SHARE] = PHOTOS_TEST_SHARE_KEY};
    struct webdataset *w = d->state = ARENA_NEW(&d->arena, struct webdataset);
    const char *texts[KEYS];
    long values[KEYS];
    char *pattern;
    int status = 0;
    TRY(dataset_arguments(d, argument, keys, KEYS, values, texts, &pattern, err));
    if (!pattern[0])
        return error_set(err, STATUS_USAGE, "dataset webdataset needs shards: webdataset:%s",
                         d->source->argument_help);
    struct photos_options o = photos_options_of(values);
    w->photos.fetch = fetch;
    TRY(list_shards(d, pattern, texts[SPLIT_TEST], values[SHARE], err));
    TRY(index_shards(d, o.cache, err));
    TRY(list_photos(d, values[SHARE], err));
    o.cache -= w->samples.held;
    TRY(photos_open(d, &o, err));
    TRY(dataset_captions_of_classes(d, values[PHOTOS_CAPTIONS], err));
out:
    return status;
}

const struct dataset_source dataset_webdataset = {
    .name = "webdataset",
    .title = "tar shards: images with .cls, .txt or .json beside them, plain or compressed",
    .argument_help =
        "PATTERN|FOLDER[,test=PATTERN,test_share=F,size=N,keep=N,bad=skip,train=N,test=N,"
        "cache=MiB,cached=files,captions=class]",
    .open = open_webdataset,
    .read = photos_read,
    .close = photos_close,
    .probe = photos_probe,
    .skips_bad = 1,
};
