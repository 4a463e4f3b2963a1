#include "data/audit.h"

#include "core/log.h"
#include "core/sha256.h"
#include "data/decode.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256, DIGEST = 16 };

const char *const audit_properties[AUDIT_PROPERTIES] = {
    [AUDIT_JPEG] = "JPEG",
    [AUDIT_PNG] = "PNG",
    [AUDIT_WEBP] = "WebP",
    [AUDIT_ROTATED] = "rotated by EXIF",
    [AUDIT_GREY_FILE] = "grey files",
    [AUDIT_ALPHA] = "with alpha",
    [AUDIT_CMYK] = "CMYK",
    [AUDIT_16_BIT] = "16 bits",
    [AUDIT_PALETTE] = "palette",
    [AUDIT_PROGRESSIVE] = "progressive or interlaced",
    [AUDIT_PROFILE] = "with a colour profile",
};

struct seen { /* one image, by a thread */
    struct error err;
    uint8_t digest[DIGEST];
    int label, height, width, is_grey;
    unsigned properties; /* a bit each; 0: not known */
};

struct entry {
    uint8_t digest[DIGEST];
    enum split split;
    long index;
};

static unsigned properties_of(const struct decoded *f) {
    const int has[AUDIT_PROPERTIES] = {[AUDIT_JPEG] = !strcmp(f->format, "jpeg"),
                                       [AUDIT_PNG] = !strcmp(f->format, "png"),
                                       [AUDIT_WEBP] = !strcmp(f->format, "webp"),
                                       [AUDIT_ROTATED] = f->orientation > 1,
                                       [AUDIT_GREY_FILE] = f->was_grey,
                                       [AUDIT_ALPHA] = f->had_alpha,
                                       [AUDIT_CMYK] = f->was_cmyk,
                                       [AUDIT_16_BIT] = f->was_16_bit,
                                       [AUDIT_PALETTE] = f->was_palette,
                                       [AUDIT_PROGRESSIVE] = f->is_progressive,
                                       [AUDIT_PROFILE] = f->has_profile};
    unsigned bits = 0;
    for (int i = 0; i < AUDIT_PROPERTIES; i++)
        bits |= has[i] ? 1U << i : 0;
    return bits;
}

static int is_grey(const struct record *r) {
    size_t n = (size_t)r->height * (size_t)r->width * (size_t)r->channels;
    for (size_t i = 0; i < n && r->channels == 3; i += 3)
        if (r->pixels[i] != r->pixels[i + 1] || r->pixels[i] != r->pixels[i + 2])
            return 0;
    return 1;
}

static void look_at(const struct dataset *d, enum split split, long index, struct seen *s) {
    struct record r = {0};
    struct decoded file;
    struct error ignored;
    uint8_t digest[SHA256_DIGEST_SIZE];
    char size[64];
    struct sha256_ctx hash;
    *s = (struct seen){.label = -1};
    if (dataset_read(d, split, index, &r, &s->err)) {
        record_free(&r);
        return;
    }
    int n = snprintf(size, sizeof size, "%d %d %d\n", r.height, r.width, r.channels);
    sha256_init(&hash);
    sha256_update(&hash, (size_t)n, (const uint8_t *)size);
    sha256_update(&hash, (size_t)r.height * (size_t)r.width * (size_t)r.channels, r.pixels);
    sha256_digest(&hash, SHA256_DIGEST_SIZE, digest);
    memcpy(s->digest, digest, DIGEST);
    s->label = r.label;
    s->height = r.height, s->width = r.width;
    s->is_grey = is_grey(&r);
    if (d->source->probe && !d->source->probe(d, split, index, &file, &ignored)) {
        s->properties = properties_of(&file);
        s->height = file.file_height, s->width = file.file_width;
    }
    record_free(&r);
}

static void widen(int range[2], int value) {
    if (!range[0] || value < range[0])
        range[0] = value;
    if (value > range[1])
        range[1] = value;
}

static void take(struct audit *a, const struct dataset *d, enum split split, const struct seen *s) {
    struct audit_split *to = &a->split[split];
    to->n++;
    if (s->err.status) {
        to->broken++;
        if (a->n_broken < AUDIT_NAMED)
            a->broken[a->n_broken++] = arena_strdup(&a->arena, s->err.message);
        return;
    }
    to->grey += s->is_grey;
    widen(to->height, s->height);
    widen(to->width, s->width);
    if (d->classes && s->label >= 0)
        to->per_class[s->label]++;
    to->files += s->properties != 0;
    for (int i = 0; i < AUDIT_PROPERTIES; i++)
        to->property[i] += s->properties >> i & 1;
}

static int by_digest(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int order = memcmp(x->digest, y->digest, DIGEST);
    if (order)
        return order;
    if (x->split != y->split)
        return x->split < y->split ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static int by_place(const void *a, const void *b) {
    const struct audit_pair *x = a, *y = b;
    if (x->split_b != y->split_b)
        return x->split_b < y->split_b ? -1 : 1;
    return (x->b > y->b) - (x->b < y->b);
}

/* Images that are the same lie side by side, training images first. */
static void find_pairs(struct audit *a, struct entry *all, long n) {
    struct arena scratch = {0};
    struct audit_pair *pairs = ARENA_ARRAY(&scratch, struct audit_pair, n + 1);
    long n_pairs = 0;
    qsort(all, (size_t)n, sizeof *all, by_digest);
    for (long i = 1, first = 0; i < n; i++) {
        if (memcmp(all[i].digest, all[first].digest, DIGEST) != 0) {
            first = i;
            continue;
        }
        a->overlap += all[i].split != all[first].split;
        a->split[all[i].split].duplicates += all[i].split == all[i - 1].split;
        pairs[n_pairs++] =
            (struct audit_pair){all[first].split, all[i].split, all[first].index, all[i].index};
    }
    qsort(pairs, (size_t)n_pairs, sizeof *pairs, by_place);
    for (long i = 0; i < n_pairs && a->n_pairs < AUDIT_NAMED; i++)
        a->pairs[a->n_pairs++] = pairs[i];
    arena_free(&scratch);
}

int audit_run(struct audit *a, const struct dataset *d, const volatile sig_atomic_t *stop,
              struct error *err) {
    *a = (struct audit){0};
    struct arena scratch = {0};
    long total = d->count[SPLIT_TRAIN] + d->count[SPLIT_TEST], n = 0, done = 0;
    struct entry *all = ARENA_ARRAY(&scratch, struct entry, total);
    struct seen *seen = ARENA_ARRAY(&scratch, struct seen, BLOCK);
    struct progress progress;
    int status = 0;
    progress_begin(&progress, "reading images", total);
    for (int s = 0; s < SPLITS; s++) {
        a->split[s].per_class = ARENA_ARRAY(&a->arena, long, d->classes + 1);
        for (long first = 0; first < d->count[s]; first += BLOCK) {
            long block = d->count[s] - first < BLOCK ? d->count[s] - first : BLOCK;
            if (stop && *stop) {
                status =
                    error_set(err, STATUS_INTERRUPTED, "stopped while %s was audited", d->name);
                goto out;
            }
#pragma omp parallel for schedule(dynamic, 8)
            for (long i = 0; i < block; i++)
                look_at(d, (enum split)s, first + i, &seen[i]);
            for (long i = 0; i < block; i++) {
                if (seen[i].err.status && seen[i].err.status != STATUS_USAGE) {
                    *err = seen[i].err;
                    status = err->status;
                    goto out;
                }
                take(a, d, (enum split)s, &seen[i]);
                if (seen[i].err.status)
                    continue;
                all[n] = (struct entry){.split = (enum split)s, .index = first + i};
                memcpy(all[n++].digest, seen[i].digest, DIGEST);
            }
            progress_update(&progress, done += block, "");
        }
    }
    progress_end(&progress);
    find_pairs(a, all, n);
out:
    arena_free(&scratch);
    return status;
}

int audit_untrained(const struct audit *a, const struct dataset *d, int *first) {
    int n = 0;
    for (int c = d->classes - 1; c >= 0; c--)
        if (!a->split[SPLIT_TRAIN].per_class[c] && a->split[SPLIT_TEST].per_class[c]) {
            *first = c;
            n++;
        }
    return n;
}

void audit_free(struct audit *a) {
    arena_free(&a->arena);
    *a = (struct audit){0};
}

void audit_class_order(const struct dataset *d, char hash[65]) {
    struct sha256_ctx sum;
    sha256_init(&sum);
    for (int i = 0; i < d->classes; i++)
        sha256_update(&sum, strlen(d->class_names[i]) + 1, (const uint8_t *)d->class_names[i]);
    sha256_end(&sum, hash);
}
