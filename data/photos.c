#include "data/photos.h"

#include "core/log.h"
#include "core/sha256.h"
#include "data/decode.h"
#include "data/resize.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CHANNELS = 3,
    DEFAULT_SIZE = 96,
    BLOCK = 256, /* photos that are looked at before their outcome is taken */
    MOST_PIXELS = 1 << 26,
    MEASURED = 2000,
    BAD_NAMED = 20,
    SHOWN_FROM = 5000 /* photos; fewer are not worth a progress line */
};

/* ---- names ---- */

/* 16 bytes of it are used: 8 for the split, 8 for the order. */
static uint64_t word_of(const char *name, int which) {
    struct sha256_ctx hash;
    uint8_t digest[SHA256_DIGEST_SIZE];
    uint64_t word = 0;
    sha256_init(&hash);
    sha256_update(&hash, strlen(name), (const uint8_t *)name);
    sha256_digest(&hash, SHA256_DIGEST_SIZE, digest);
    for (int i = 0; i < 8; i++)
        word = word << 8 | digest[8 * which + i];
    return word;
}

enum split photos_split_of(const char *name, long test_share) {
    const uint64_t parts = (uint64_t)pow(10, PHOTOS_TEST_SHARE_DECIMALS);
    return (word_of(name, 0) >> 32) * parts >> 32 < (uint64_t)test_share ? SPLIT_TEST : SPLIT_TRAIN;
}

uint64_t photos_order_of(const char *name) {
    return word_of(name, 1);
}

int photos_is_image(const char *extension) {
    static const char *const known[] = {"jpg", "jpeg", "png", "webp"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcasecmp(extension, known[i]))
            return 1;
    return 0;
}

struct photos_options photos_options_of(const long *values) {
    return (struct photos_options){.wanted = {values[SPLIT_TRAIN], values[SPLIT_TEST]},
                                   .size = values[PHOTOS_SIZE],
                                   .keep = values[PHOTOS_KEEP],
                                   .cache = (size_t)values[PHOTOS_CACHE] << 20,
                                   .cache_files = (int)values[PHOTOS_CACHED],
                                   .skip_bad = (int)values[PHOTOS_BAD]};
}

/* ---- opening ---- */

/* What tells a file from another that stands in its place: it is read with every image, so it looks
 * at some words only, which in compressed images all depend on what is in front of them. */
static uint64_t mark_of(const void *bytes, size_t n) {
    enum { WORDS = 64 };
    const uint64_t odd = 0x9e3779b97f4a7c15;
    const char *at = bytes;
    uint64_t mark = n, word;
    for (size_t i = 0; n >= sizeof word && i < WORDS; i++) {
        memcpy(&word, at + (n - sizeof word) * i / (WORDS - 1), sizeof word);
        mark = (mark ^ word) * odd;
        mark ^= mark >> 29;
    }
    return mark;
}

struct outcome { /* of looking at one photo */
    int height, width;
    uint64_t mark;
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct error err; /* status 0: it is good */
};

struct survey {
    struct dataset *d;
    const struct photos_options *o;
    struct sha256_ctx hash; /* of the photos that are used */
    int side, sides_differ; /* the shorter side, so far */
    int largest;            /* the largest of them */
    double longest;         /* the largest ratio of the sides, and whose */
    const struct photo *strip;
    double kept; /* pixels of the largest image, so far, where keep says what is kept */
    const char **bad;
    struct outcome *outcomes; /* (BLOCK) */
    struct progress progress;
    long looked_at;
};

static void look_at(const struct survey *s, const struct photo *p, struct outcome *out) {
    const struct photos *photos = s->d->state;
    struct arena scratch = {0};
    struct decoded image;
    const char *name;
    const void *bytes;
    size_t n;
    struct sha256_ctx hash;
    int status = 0;
    out->err.status = 0;
    if (p->wrong)
        TRY(error_set(&out->err, STATUS_USAGE, "%s", p->wrong));
    TRY(photos->fetch(s->d, p, &scratch, &name, &bytes, &n, &out->err));
    out->mark = mark_of(bytes, n);
    sha256_init(&hash);
    sha256_update(&hash, n, bytes);
    TRY(image_probe(name, bytes, n, NULL, &scratch, &image, &out->err));
    if (photos->inspect)
        TRY(photos->inspect(s->d, p, &image, s->o->skip_bad, &hash, &out->err));
    sha256_digest(&hash, SHA256_DIGEST_SIZE, out->digest);
    out->height = image.height, out->width = image.width;
    if (s->o->skip_bad)
        TRY(image_decode(name, bytes, n, NULL, &scratch, &image, &out->err));
out:
    out->err.status = status;
    arena_free(&scratch);
}

static void leave_out(struct survey *s, const struct photo *p, const char *why) {
    struct dataset *d = s->d;
    log_message(d->n_bad < BAD_NAMED ? LOG_WARN : LOG_DEBUG, "left out: %s", why);
    if (d->n_bad < BAD_NAMED)
        s->bad[d->n_bad_names++] = p->name;
    d->n_bad++;
}

static void hash_text(struct sha256_ctx *hash, const char *text) {
    sha256_update(hash, strlen(text) + 1, (const uint8_t *)text);
}

/* A JPEG that is decoded at a fraction of its size, where the sides are rounded up, may come out
 * longer by one; and rows of fewer pixels than an encoder gets are padded (methods/views.c). */
static double pixels_at_most(double shorter, double longer) {
    return shorter * longer + shorter + longer;
}

static void take(struct survey *s, const struct photo *p, const struct outcome *seen) {
    char label[24];
    int shorter = seen->height < seen->width ? seen->height : seen->width;
    int longer = seen->height + seen->width - shorter;
    s->sides_differ |= s->side && s->side != shorter;
    s->side = shorter;
    s->largest = shorter > s->largest ? shorter : s->largest;
    if ((double)longer / shorter > s->longest) {
        s->longest = (double)longer / shorter;
        s->strip = p;
    }
    double by = s->o->keep && shorter > s->o->keep ? (double)s->o->keep / shorter : 1;
    s->kept =
        fmax(s->kept, pixels_at_most((double)lround(shorter * by), (double)lround(longer * by)));
    snprintf(label, sizeof label, "%d %d", p->label, p->n_captions);
    hash_text(&s->hash, p->name);
    hash_text(&s->hash, label);
    for (int i = 0; i < p->n_captions; i++)
        hash_text(&s->hash, p->captions[i]);
    sha256_update(&s->hash, sizeof seen->digest, seen->digest);
}

/* All photos of the split, or until there are as many good ones as are wanted. */
static int survey_split(struct survey *s, enum split split, struct error *err) {
    struct photos *photos = s->d->state;
    struct photo *all = photos->photo[split];
    long n = photos->n[split], good = 0, wanted = s->o->wanted[split];
    for (long first = 0; first < n && (!wanted || good < wanted); first += BLOCK) {
        long block = n - first < BLOCK ? n - first : BLOCK;
        if (wanted && !s->o->skip_bad && wanted - good < block)
            block = wanted - good;
#pragma omp parallel for schedule(dynamic, 8)
        for (long i = 0; i < block; i++)
            look_at(s, &all[first + i], &s->outcomes[i]);
        for (long i = 0; i < block && (!wanted || good < wanted); i++) {
            const struct outcome *seen = &s->outcomes[i];
            if (seen->err.status && (!s->o->skip_bad || seen->err.status != STATUS_USAGE)) {
                *err = seen->err;
                return err->status;
            }
            if (seen->err.status) {
                leave_out(s, &all[first + i], seen->err.message);
                continue;
            }
            take(s, &all[first + i], seen);
            all[good] = all[first + i];
            all[good++].mark = seen->mark;
        }
        s->looked_at += block;
        if (s->progress.total >= SHOWN_FROM)
            progress_update(&s->progress, s->looked_at, "");
    }
    return good ? dataset_limit(s->d, split, wanted, good, err)
                : error_set(err, STATUS_USAGE, "dataset %s: the split %s has no image%s",
                            s->d->spec, split_names[split], n ? " that is not bad" : "");
}

static void finish_hash(struct survey *s) {
    struct dataset *d = s->d;
    uint8_t photos[SHA256_DIGEST_SIZE];
    struct sha256_ctx hash;
    sha256_digest(&s->hash, SHA256_DIGEST_SIZE, photos);
    dataset_hash_begin(&hash, d);
    for (int i = 0; i < d->classes; i++)
        hash_text(&hash, d->class_names[i]);
    sha256_update(&hash, sizeof photos, photos);
    if (s->o->keep) {
        char keep[32];
        snprintf(keep, sizeof keep, "keep %ld", s->o->keep);
        hash_text(&hash, keep);
    }
    sha256_end(&hash, d->root_hash);
}

static int survey(struct survey *s, struct error *err) {
    struct dataset *d = s->d;
    const struct photos *photos = d->state;
    int status = 0;
    long total = 0;
    for (int i = 0; i < SPLITS; i++)
        total += s->o->wanted[i] && !s->o->skip_bad ? s->o->wanted[i] : photos->n[i];
    progress_begin(&s->progress, "looking at images", total);
    for (int i = 0; i < SPLITS; i++)
        TRY(survey_split(s, (enum split)i, err));
    if (s->progress.total >= SHOWN_FROM)
        progress_end(&s->progress);
    int own = !s->sides_differ && s->side <= DEFAULT_SIZE && s->side >= DATASET_SMALLEST;
    d->height = d->width = s->o->size ? (int)s->o->size : own ? s->side : DEFAULT_SIZE;
    d->reduced = !s->o->size && !s->o->keep && s->largest > d->height;
    if (s->o->keep && s->o->keep < d->height)
        return error_set(err, STATUS_USAGE, "dataset %s: keep=%ld is less than the size, %d",
                         d->name, s->o->keep, d->height);
    if (!s->o->keep && s->longest * d->height * d->height > MOST_PIXELS)
        return error_set(err, STATUS_USAGE, "%s: it is too long a strip for size=%d",
                         s->strip->name, d->height);
    d->most_pixels = s->o->keep ? (long)s->kept
                     : s->longest == 1
                         ? d->height * d->height
                         : (long)pixels_at_most(d->height, ceil(s->longest * d->height));
    if (d->n_bad)
        log_message(LOG_WARN, "%s: bad images left out: %ld", d->spec, d->n_bad);
out:
    return status;
}

int photos_open(struct dataset *d, const struct photos_options *o, struct error *err) {
    struct photos *photos = d->state;
    struct arena scratch = {0};
    struct survey s = {.d = d,
                       .o = o,
                       .bad = ARENA_ARRAY(&d->arena, const char *, BAD_NAMED),
                       .outcomes = ARENA_ARRAY(&scratch, struct outcome, BLOCK)};
    int status = 0;
    sha256_init(&s.hash);
    d->channels = CHANNELS;
    d->measured = MEASURED;
    d->bad_names = s.bad;
    photos->keep = o->keep;
    photos->cache_files = o->cache_files;
    TRY(survey(&s, err));
    finish_hash(&s);
    image_cache_open(&photos->cache, d->count[SPLIT_TRAIN] + d->count[SPLIT_TEST], o->cache,
                     &d->arena);
out:
    arena_free(&scratch);
    return status;
}

/* ---- reading ---- */

/* The file of a photo, from the cache where it is kept. */
static int get_file(const struct dataset *d, const struct photo *p, long place, struct arena *a,
                    const char **name, const void **bytes, size_t *n, struct error *err) {
    struct photos *photos = d->state;
    const struct cached_image *cached = image_cache_get(&photos->cache, place);
    if (photos->cache_files && cached) {
        *name = p->name;
        *bytes = cached->pixels;
        *n = (size_t)cached->width;
        return 0;
    }
    int status = photos->fetch(d, p, a, name, bytes, n, err);
    if (status)
        return status;
    if (mark_of(*bytes, *n) != p->mark)
        return error_set(err, STATUS_USAGE, "%s: it has changed since it was opened", *name);
    if (photos->cache_files && *n <= INT_MAX)
        image_cache_put(&photos->cache, place, 1, (int)*n, 1, *bytes);
    return 0;
}

/* A decoded image as it is kept. */
static int resize(const struct dataset *d, const struct decoded *image, int side,
                  struct record *out, struct error *err) {
    const struct photos *photos = d->state;
    int shorter = image->height < image->width ? image->height : image->width;
    int whole = photos->keep && shorter <= photos->keep;
    double by = whole ? 1 : (double)side / shorter;
    int status = record_reserve(out, (int)lround(image->height * by),
                                (int)lround(image->width * by), CHANNELS, 0, err);
    if (status)
        return status;
    if (whole)
        memcpy(out->pixels, image->rgb, (size_t)image->height * (size_t)image->width * CHANNELS);
    else
        resize_whole(image->rgb, image->height, image->width, CHANNELS, out->height, out->width,
                     out->pixels);
    return 0;
}

static int decode_pixels(const struct dataset *d, const struct photo *p, long place,
                         struct record *out, struct error *err) {
    struct photos *photos = d->state;
    const int side = photos->keep ? (int)photos->keep : d->height;
    const struct decode_options o = {.least_side = photos->decode_whole ? 0 : side};
    struct arena scratch = {0};
    struct decoded image;
    const char *name;
    const void *bytes;
    size_t n;
    int status = 0;
    TRY(get_file(d, p, place, &scratch, &name, &bytes, &n, err));
    TRY(image_decode(name, bytes, n, &o, &scratch, &image, err));
    TRY(resize(d, &image, side, out, err));
    if ((long)out->height * out->width > d->most_pixels)
        TRY(error_set(err, STATUS_USAGE, "%s: it has changed since it was opened", name));
    if (!photos->cache_files)
        image_cache_put(&photos->cache, place, out->height, out->width, CHANNELS, out->pixels);
out:
    arena_free(&scratch);
    return status;
}

static int read_pixels(const struct dataset *d, const struct photo *p, long place,
                       struct record *out, struct error *err) {
    const struct photos *photos = d->state;
    const struct cached_image *cached = image_cache_get(&photos->cache, place);
    if (!cached || photos->cache_files)
        return decode_pixels(d, p, place, out, err);
    int status = record_reserve(out, cached->height, cached->width, CHANNELS, 0, err);
    if (!status)
        memcpy(out->pixels, cached->pixels,
               (size_t)cached->height * (size_t)cached->width * CHANNELS);
    return status;
}

int photos_read(const struct dataset *d, enum split split, long index, struct record *out,
                struct error *err) {
    const struct photos *photos = d->state;
    const struct photo *p = &photos->photo[split][index];
    long place = split == SPLIT_TRAIN ? index : d->count[SPLIT_TRAIN] + index;
    int status = out->no_pixels ? record_reserve(out, 1, 1, CHANNELS, 0, err)
                                : read_pixels(d, p, place, out, err);
    if (status)
        return status;
    out->label = p->label;
    if (p->n_captions)
        record_set_captions(out, p->captions, p->n_captions);
    else
        record_set_class_caption(out, d);
    return 0;
}

int photos_probe(const struct dataset *d, enum split split, long index, struct decoded *out,
                 struct error *err) {
    const struct photos *photos = d->state;
    struct arena scratch = {0};
    const char *name;
    const void *bytes;
    size_t n;
    int status = photos->fetch(d, &photos->photo[split][index], &scratch, &name, &bytes, &n, err);
    if (!status)
        status = image_probe(name, bytes, n, NULL, NULL, out, err);
    arena_free(&scratch);
    return status;
}

void photos_close(struct dataset *d) {
    struct photos *photos = d->state;
    if (photos)
        image_cache_close(&photos->cache);
}
