/* list.c -- a table of images (JPEG, PNG, WebP) and their labels: list:FILE.csv or FILE.tsv.
 *
 *     path,label,split
 *     cats/1.jpg,cat,train
 *     /elsewhere/2.png,dog,test
 *
 * Paths are relative to the table's folder; the column may be called image.  Labels are whole
 * numbers, and the highest says how many classes there are, or names, in the order of their bytes.
 * Without a column label, or with the same one everywhere, there are no labels.  split is train,
 * test, val or anything else, as in captions.c; without the column the first image and every tenth
 * after it are the test split, or with test_share=0.1 a tenth by a hash of the path.  Images are in
 * the order of the table.
 *
 * Sizes, bad files and root_hash: see photos.h.
 */
#include "core/file.h"
#include "data/intern.h"
#include "data/labels.h"
#include "data/photos.h"
#include "data/table.h"

#include <string.h>

enum { SPLIT = PHOTOS_KEYS, SHARE, KEYS };
enum column { PATH, LABEL, SPLIT_NAME, COLUMNS };

static const char *const columns[COLUMNS] = {"path|image", "label", "split"};

struct list {
    struct photos photos;
    struct table table;
    const char *folder; /* of the table */
};

static int check_rows(const struct table *t, struct error *err) {
    struct arena scratch = {0};
    struct intern paths = {.arena = &scratch};
    int status = 0;
    for (long row = 0; row < t->n_rows; row++) {
        const char *path = table_field(t, row, PATH);
        if (!path[0] || (t->at[LABEL] >= 0 && !table_field(t, row, LABEL)[0]))
            TRY(table_wrong(t, row, err, "the %s is empty", path[0] ? "label" : "path"));
        long first = intern_add(&paths, path, strlen(path));
        if (first != row)
            TRY(table_wrong(t, row, err, "the image %s is there already, in line %ld", path,
                            t->lines[first]));
    }
out:
    arena_free(&scratch);
    return status;
}

/* By the table, or by test_share. */
static int choose(struct dataset *d, const long *values, long *rows[SPLITS], long n[SPLITS],
                  struct error *err) {
    const struct table *t = &((struct list *)d->state)->table;
    const char **split = ARENA_ARRAY(&d->arena, const char *, t->n_rows);
    const long all[SPLITS] = {0};
    int status = 0, has_split = t->at[SPLIT_NAME] >= 0;
    if (has_split && values[SHARE])
        return error_set(err, STATUS_USAGE,
                         "%s: it has a column split, so test_share= would be a second one",
                         t->path);
    for (long i = 0; i < t->n_rows; i++)
        split[i] = has_split ? table_field(t, i, SPLIT_NAME)
                             : split_names[photos_split_of(table_field(t, i, PATH), values[SHARE])];
    TRY(dataset_choose_rows(d, t->path, has_split || values[SHARE] ? split : NULL, t->n_rows, all,
                            (int)values[SPLIT], rows, err));
    for (int s = 0; s < SPLITS; s++)
        n[s] = d->count[s];
out:
    return status;
}

/* Of the rows of both splits; those of others do not make a class. */
static int number_rows(struct dataset *d, long *const rows[SPLITS], const long n[SPLITS],
                       int *number_of, struct error *err) {
    const struct table *t = &((struct list *)d->state)->table;
    struct arena scratch = {0};
    long used = n[SPLIT_TRAIN] + n[SPLIT_TEST], at = 0, wrong = 0;
    const char **labels = ARENA_ARRAY(&scratch, const char *, used);
    long *row = ARENA_ARRAY(&scratch, long, used);
    int *numbers = ARENA_ARRAY(&scratch, int, used);
    for (int s = 0; s < SPLITS; s++)
        for (long i = 0; i < n[s]; i++, at++) {
            row[at] = rows[s][i];
            labels[at] = table_field(t, rows[s][i], LABEL);
        }
    int status = labels_number(d, labels, used, numbers, &wrong, err);
    if (status)
        error_prefix(err, "%s: line %ld", t->path, t->lines[row[wrong]]);
    for (long i = 0; i < used; i++)
        number_of[row[i]] = numbers[i];
    arena_free(&scratch);
    return status;
}

static int list_photos(struct dataset *d, const long *values, struct error *err) {
    struct list *l = d->state;
    long *rows[SPLITS] = {NULL}, n[SPLITS] = {0};
    int *number = ARENA_ARRAY(&d->arena, int, l->table.n_rows), status = 0;
    TRY(choose(d, values, rows, n, err));
    TRY(number_rows(d, rows, n, number, err));
    for (int s = 0; s < SPLITS; s++) {
        l->photos.photo[s] = ARENA_ARRAY(&d->arena, struct photo, n[s]);
        l->photos.n[s] = n[s];
        for (long i = 0; i < n[s]; i++)
            l->photos.photo[s][i] = (struct photo){.name = table_field(&l->table, rows[s][i], PATH),
                                                   .place = rows[s][i],
                                                   .label = number[rows[s][i]]};
    }
out:
    return status;
}

static int fetch(const struct dataset *d, const struct photo *p, struct arena *a, const char **name,
                 const void **bytes, size_t *n, struct error *err) {
    const struct list *l = d->state;
    char *data;
    *name = dataset_path(a, l->folder, p->name);
    int status = file_read_stored(*name, a, &data, n, err);
    if (status)
        return error_prefix(err, "%s: line %ld", l->table.path, l->table.lines[p->place]);
    *bytes = data;
    return 0;
}

static int open_list(struct dataset *d, const char *argument, struct error *err) {
    static const struct dataset_key keys[KEYS] = {
        PHOTOS_COMMON_KEYS, [SPLIT_TEST] = DATASET_TEST_KEY, [SPLIT] = DATASET_SPLIT_KEY,
        [SHARE] = PHOTOS_TEST_SHARE_KEY};
    struct list *l = d->state = ARENA_NEW(&d->arena, struct list);
    long values[KEYS];
    char *path;
    int status = 0;
    TRY(dataset_arguments(d, argument, keys, KEYS, values, NULL, &path, err));
    if (!path[0])
        return error_set(err, STATUS_USAGE, "dataset list needs a table: list:%s",
                         d->source->argument_help);
    const struct photos_options o = photos_options_of(values);
    const char *slash = strrchr(path, '/');
    l->folder = slash ? arena_printf(&d->arena, "%.*s", (int)(slash - path), path) : ".";
    l->photos.fetch = fetch;
    TRY(table_read(&l->table, path, columns, COLUMNS, LABEL, &d->arena, err));
    TRY(check_rows(&l->table, err));
    TRY(list_photos(d, values, err));
    TRY(photos_open(d, &o, err));
    TRY(dataset_captions_of_classes(d, values[PHOTOS_CAPTIONS], err));
out:
    return status;
}

const struct dataset_source dataset_list_of_files = {
    .name = "list",
    .title = "a table path,label[,split] of JPEG, PNG and WebP images, .csv or .tsv",
    .argument_help =
        "FILE[,split=val,test_share=F,size=N,keep=N,bad=skip,train=N,test=N,cache=MiB,cached=files,"
        "captions=class]",
    .open = open_list,
    .read = photos_read,
    .close = photos_close,
    .probe = photos_probe,
    .skips_bad = 1,
};
