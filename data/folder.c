/* folder.c -- folders of images (JPEG, PNG, WebP), a folder a class, as torchvision's ImageFolder.
 *
 *     ROOT/train/CLASS/any/thing.jpg      ROOT/test/CLASS/...  or  ROOT/val/CLASS/...
 *     ROOT/CLASS/any/thing.jpg            test_share=0.1, the default, is the test split
 *
 * Classes are the folders right below train, or ROOT, in the order of the bytes of their names; an
 * image may lie deeper.  Images right in there, without a folder for each class, have no labels;
 * neither has anything when there is one class only.  test_share also splits a train folder that
 * has neither test nor val beside it; split=val chooses between them where both are there.  What
 * begins with a dot is passed over, and so is what has no image's ending, which is counted in the
 * log.
 *
 * Images are in the order of a hash of their path below train (test, ROOT), so that the first N of
 * them have all classes.  The same hash splits, so a new image never moves an old one.
 *
 * Sizes, bad files and root_hash: see photos.h.
 */
#include "core/file.h"
#include "core/log.h"
#include "data/labels.h"
#include "data/photos.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SPLIT = PHOTOS_KEYS, SHARE, KEYS };
enum { DEEPEST = 32 };

struct found {               /* one image */
    const char *path, *name; /* name: its part below the folder of its split */
    const char *class_name;  /* "" right in there */
    uint64_t order;
    enum split split;
    int label;
};

struct folder {
    struct photos photos;
    struct found *found; /* all of them */
    long n, room, others;
};

static struct found *add(struct dataset *d) {
    struct folder *f = d->state;
    if (f->n == f->room) {
        f->room = 2 * f->room + 256;
        struct found *more = ARENA_ARRAY(&d->arena, struct found, f->room);
        if (f->n)
            memcpy(more, f->found, (size_t)f->n * sizeof *more);
        f->found = more;
    }
    return &f->found[f->n++];
}

static const char *extension_of(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : "";
}

/* path is the folder, skip the length of what comes before names in it. */
static int walk(struct dataset *d, const char *path, size_t skip, const char *class_name,
                enum split split, int depth, struct error *err) {
    struct folder *f = d->state;
    DIR *folder = opendir(path);
    int status = 0;
    if (!folder)
        return error_set(err, STATUS_USAGE, "%s: cannot open this folder: %s", path,
                         strerror(errno));
    if (depth > DEEPEST)
        TRY(error_set(err, STATUS_USAGE,
                      "%s: more than %d folders deep; does a link lead back into it?", path,
                      DEEPEST));
    for (struct dirent *e; (e = readdir(folder));) {
        struct stat info;
        if (e->d_name[0] == '.')
            continue;
        char *inside = arena_printf(&d->arena, "%s/%s", path, e->d_name);
        /* A link to nowhere is a broken image, where it is to be one. */
        const int broken = stat(inside, &info) != 0;
        if (broken && !photos_is_image(extension_of(e->d_name)))
            TRY(error_set(err, STATUS_USAGE, "%s: %s", inside, strerror(errno)));
        if (broken)
            info.st_mode = S_IFREG;
        if (S_ISDIR(info.st_mode))
            TRY(walk(d, inside, skip, depth ? class_name : arena_strdup(&d->arena, e->d_name),
                     split, depth + 1, err));
        else if (!photos_is_image(extension_of(e->d_name)))
            f->others++;
        else
            *add(d) = (struct found){.path = inside,
                                     .name = inside + skip,
                                     .class_name = class_name,
                                     .order = photos_order_of(inside + skip),
                                     .split = split};
    }
out:
    closedir(folder);
    return status;
}

static int walk_split(struct dataset *d, const char *path, enum split split, struct error *err) {
    struct folder *f = d->state;
    long before = f->n;
    int status = walk(d, path, strlen(path) + 1, "", split, 0, err);
    if (!status && f->n == before)
        status =
            error_set(err, STATUS_USAGE, "%s: no image (.jpg, .jpeg, .png, .webp) is in it", path);
    return status;
}

/* Where the test images are: a folder, or "" for a share of the others. */
static int find_test(const char *root, int has_train, long share, int val, struct arena *a,
                     const char **test, struct error *err) {
    const char *names[] = {"test", "val"};
    *test = "";
    for (int i = 0; has_train && !*test[0] && i < 2; i++) {
        const char *path = arena_printf(a, "%s/%s", root, names[val ? 1 - i : i]);
        if (file_exists(path) && !(val && i))
            *test = path;
    }
    if (val && !*test[0])
        return error_set(err, STATUS_USAGE, "%s: split=val needs the folders train and val", root);
    if (share && *test[0])
        return error_set(err, STATUS_USAGE,
                         "%s is there, so test_share= would be a second test split", *test);
    if (has_train && !share && !*test[0])
        return error_set(err, STATUS_USAGE,
                         "%s: beside the folder train there is neither test nor val; "
                         "test_share=0.1 makes a tenth of train the test split",
                         root);
    return 0;
}

static int walk_all(struct dataset *d, const char *root, const long *values, struct error *err) {
    struct folder *f = d->state;
    struct arena *a = &d->arena;
    const char *train = arena_printf(a, "%s/train", root), *test;
    int has_train = file_exists(train), status = 0;
    long share = values[SHARE];
    TRY(find_test(root, has_train, share, (int)values[SPLIT], a, &test, err));
    TRY(walk_split(d, has_train ? train : root, SPLIT_TRAIN, err));
    if (test[0])
        TRY(walk_split(d, test, SPLIT_TEST, err));
    for (long i = 0; !test[0] && i < f->n; i++)
        f->found[i].split = photos_split_of(f->found[i].name, share ? share : PHOTOS_TEST_SHARE);
    if (f->others)
        log_message(LOG_INFO, "%s: files passed over, since they have no image's ending: %ld", root,
                    f->others);
out:
    return status;
}

static int by_order(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return strcmp(x->path, y->path);
}

/* A class that only the test split has could not be learnt. */
static int check_classes(const struct folder *f, const int *numbers, int classes,
                         struct error *err) {
    struct arena scratch = {0};
    char *trained = ARENA_ARRAY(&scratch, char, classes + 1);
    int status = 0;
    for (long i = 0; i < f->n; i++)
        trained[numbers[i]] |= f->found[i].split == SPLIT_TRAIN;
    for (long i = 0; i < f->n && !status; i++)
        if (!trained[numbers[i]])
            status = error_set(err, STATUS_USAGE, "%s: the class %s has no image for training",
                               f->found[i].path, f->found[i].class_name);
    arena_free(&scratch);
    return status;
}

static int number_classes(struct dataset *d, struct error *err) {
    struct folder *f = d->state;
    struct arena scratch = {0};
    const char **labels = ARENA_ARRAY(&scratch, const char *, f->n);
    int *numbers = ARENA_ARRAY(&scratch, int, f->n), status = 0;
    long wrong, loose = 0;
    for (long i = 0; i < f->n; i++) {
        /* A folder "7" is a name, not a number: the letter makes it one, for sorting. */
        labels[i] = arena_printf(&scratch, "/%s", f->found[i].class_name);
        loose += !f->found[i].class_name[0];
        if (loose && loose <= i)
            TRY(error_set(err, STATUS_USAGE,
                          "%s: some images lie in folders of classes and others beside them",
                          f->found[i].path));
    }
    TRY(labels_number(d, labels, f->n, numbers, &wrong, err));
    const char **names = ARENA_ARRAY(&d->arena, const char *, d->classes);
    for (int i = 0; i < d->classes; i++)
        names[i] = d->class_names[i] + 1;
    d->class_names = names;
    if (d->classes)
        TRY(check_classes(f, numbers, d->classes, err));
    for (long i = 0; i < f->n; i++)
        f->found[i].label = numbers[i];
out:
    arena_free(&scratch);
    return status;
}

static void list_photos(struct dataset *d) {
    struct folder *f = d->state;
    for (int s = 0; s < SPLITS; s++)
        f->photos.photo[s] = ARENA_ARRAY(&d->arena, struct photo, f->n);
    for (long i = 0; i < f->n; i++) {
        enum split s = f->found[i].split;
        f->photos.photo[s][f->photos.n[s]++] =
            (struct photo){.name = f->found[i].name, .place = i, .label = f->found[i].label};
    }
}

static int fetch(const struct dataset *d, const struct photo *p, struct arena *a, const char **name,
                 const void **bytes, size_t *n, struct error *err) {
    const struct folder *f = d->state;
    char *data;
    int status = file_read_stored(f->found[p->place].path, a, &data, n, err);
    *name = f->found[p->place].path;
    *bytes = data;
    return status;
}

static int open_folder(struct dataset *d, const char *argument, struct error *err) {
    static const struct dataset_key keys[KEYS] = {
        PHOTOS_COMMON_KEYS, [SPLIT_TEST] = DATASET_TEST_KEY, [SPLIT] = DATASET_SPLIT_KEY,
        [SHARE] = PHOTOS_TEST_SHARE_KEY};
    struct folder *f = d->state = ARENA_NEW(&d->arena, struct folder);
    long values[KEYS];
    char *root;
    int status = 0;
    TRY(dataset_arguments(d, argument, keys, KEYS, values, NULL, &root, err));
    if (!root[0])
        return error_set(err, STATUS_USAGE, "dataset folder needs a folder: folder:%s",
                         d->source->argument_help);
    const struct photos_options o = photos_options_of(values);
    f->photos.fetch = fetch;
    TRY(walk_all(d, root, values, err));
    qsort(f->found, (size_t)f->n, sizeof *f->found, by_order);
    TRY(number_classes(d, err));
    list_photos(d);
    TRY(photos_open(d, &o, err));
    TRY(dataset_captions_of_classes(d, values[PHOTOS_CAPTIONS], err));
out:
    return status;
}

const struct dataset_source dataset_folder = {
    .name = "folder",
    .title = "folders of JPEG, PNG and WebP images, a folder a class",
    .argument_help =
        "ROOT[,split=val,test_share=F,size=N,keep=N,bad=skip,train=N,test=N,cache=MiB,cached=files,"
        "captions=class]",
    .open = open_folder,
    .read = photos_read,
    .close = photos_close,
    .probe = photos_probe,
    .skips_bad = 1,
};
