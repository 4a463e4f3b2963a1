/* captions.c -- images with captions and no labels: a table and the images (JPEG, PNG, WebP) that
 * it names, relative to its folder.  captions:FOLDER means FOLDER/captions.csv or
 * FOLDER/captions.tsv, captions:FILE that table.
 *
 *     image,caption,split
 *     images/1000268201.jpg,A girl going into a wooden building .,train
 *     images/1000268201.jpg,"A child in a dress, climbing stairs .",train
 *
 * The column image may be called path.  Several rows of an image are several captions.  split is
 * train, test, val or anything else; rows of other splits than train and test are left out, unless
 * split=val makes the val images the test split.  Without the column the first image and every
 * tenth after it are the test split.
 *
 * Images are in the order of the table.  Sizes, bad files and root_hash: see photos.h.
 */
#include "core/file.h"
#include "data/captions_internal.h"
#include "data/photos.h"

#include <string.h>
#include <sys/stat.h>

enum { SPLIT = PHOTOS_KEYS, KEYS };

struct captions {
    struct photos photos;
    struct caption_table table;
    const char *folder;
};

static int list_photos(struct dataset *d, const long *values, struct error *err) {
    struct captions *c = d->state;
    const struct caption_table *t = &c->table;
    const char **split = ARENA_ARRAY(&d->arena, const char *, t->n_images);
    const long all[SPLITS] = {0};
    long *rows[SPLITS] = {NULL};
    for (long i = 0; i < t->n_images; i++)
        split[i] = t->images[i].split;
    int status = dataset_choose_rows(d, t->table.path, t->has_split ? split : NULL, t->n_images,
                                     all, (int)values[SPLIT], rows, err);
    for (int s = 0; s < SPLITS && !status; s++) {
        c->photos.n[s] = d->count[s];
        c->photos.photo[s] = ARENA_ARRAY(&d->arena, struct photo, d->count[s]);
        for (long i = 0; i < d->count[s]; i++) {
            const struct captioned *image = &t->images[rows[s][i]];
            c->photos.photo[s][i] = (struct photo){.name = image->image,
                                                   .place = image->line,
                                                   .label = -1,
                                                   .captions = image->captions,
                                                   .n_captions = image->n_captions};
        }
    }
    return status;
}

static int fetch(const struct dataset *d, const struct photo *p, struct arena *a, const char **name,
                 const void **bytes, size_t *n, struct error *err) {
    const struct captions *c = d->state;
    char *data;
    *name = dataset_path(a, c->folder, p->name);
    int status = file_read_stored(*name, a, &data, n, err);
    if (status)
        return error_prefix(err, "%s: line %ld", c->table.table.path, p->place);
    *bytes = data;
    return 0;
}

/* The table, and in c->folder where it lies. */
static const char *find_table(struct dataset *d, char *named) {
    struct captions *c = d->state;
    struct stat info;
    char *slash = strrchr(named, '/');
    if (!stat(named, &info) && S_ISREG(info.st_mode)) {
        c->folder = slash ? arena_printf(&d->arena, "%.*s", (int)(slash - named), named) : ".";
        return named;
    }
    const char *csv = arena_printf(&d->arena, "%s/captions.csv", named);
    const char *tsv = arena_printf(&d->arena, "%s/captions.tsv", named);
    c->folder = named;
    return !file_exists(csv) && file_exists(tsv) ? tsv : csv;
}

static int open_captions(struct dataset *d, const char *argument, struct error *err) {
    static const struct dataset_key keys[KEYS] = {
        PHOTOS_COMMON_KEYS, [SPLIT_TEST] = DATASET_TEST_KEY, [SPLIT] = DATASET_SPLIT_KEY};
    struct captions *c = d->state = ARENA_NEW(&d->arena, struct captions);
    long values[KEYS];
    char *folder;
    int status = 0;
    TRY(dataset_arguments(d, argument, keys, KEYS, values, NULL, &folder, err));
    if (!folder[0])
        return error_set(err, STATUS_USAGE, "dataset captions needs a folder: captions:%s",
                         d->source->argument_help);
    const struct photos_options o = photos_options_of(values);
    d->has_caption = 1;
    c->photos.fetch = fetch;
    TRY(caption_table_read(&c->table, find_table(d, folder), &d->arena, err));
    TRY(list_photos(d, values, err));
    TRY(photos_open(d, &o, err));
    TRY(dataset_captions_of_classes(d, values[PHOTOS_CAPTIONS], err));
out:
    return status;
}

const struct dataset_source dataset_captions = {
    .name = "captions",
    .title = "images with captions: a table captions.csv or .tsv and the image files that it names",
    .argument_help =
        "FOLDER|FILE[,size=N,keep=N,bad=skip,train=N,test=N,split=val,cache=MiB,cached=files]",
    .open = open_captions,
    .read = photos_read,
    .close = photos_close,
    .probe = photos_probe,
    .skips_bad = 1,
};
