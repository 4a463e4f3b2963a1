/* convert.c -- which format, and tar shards. */
#include "data/convert.h"

#include "core/file.h"
#include "core/log.h"
#include "data/convert_internal.h"
#include "data/dataset_internal.h"
#include "data/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <png.h>

enum { SHARD = 10000 };

struct writer {
    const struct dataset *d;
    struct archive *archive;
    const char *tmp, *path; /* of the shard */
    struct arena arena;     /* for one sample */
    stop_flag *stop;
    struct error *err;
};

static int failed(const struct writer *w) {
    return file_blame_writing(w->path, w->tmp, w->err);
}

static int add(struct writer *w, const char *name, const void *data, size_t bytes) {
    struct archive_entry *e = archive_entry_new();
    int status = 0;
    if (!e)
        return error_set(w->err, STATUS_MACHINE, "%s: no memory", w->tmp);
    archive_entry_set_pathname(e, name);
    archive_entry_set_size(e, (la_int64_t)bytes);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_mtime(e, 0, 0);
    if (archive_write_header(w->archive, e) != ARCHIVE_OK ||
        archive_write_data(w->archive, data, bytes) != (la_ssize_t)bytes)
        status = failed(w);
    archive_entry_free(e);
    return status;
}

static int add_image(struct writer *w, const char *key, const struct record *r) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)r->width,
                       .height = (png_uint_32)r->height,
                       .format = r->channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    if (r->channels != 1 && r->channels != 3)
        return error_set(w->err, STATUS_USAGE, "%s: %d channels are neither grey nor RGB: use .h5",
                         w->path, r->channels);
    uint8_t *png = arena_alloc(&w->arena, bytes);
    if (!png_image_write_to_memory(&image, png, &bytes, 0, r->pixels, 0, NULL))
        return error_set(w->err, STATUS_MACHINE, "%s: libpng: %s", w->path, image.message);
    return add(w, arena_printf(&w->arena, "%s.png", key), png, bytes);
}

static int add_texts(struct writer *w, const char *key, const struct record *r) {
    struct arena *a = &w->arena;
    const char *text = "";
    int status = 0;
    if (r->label >= 0) {
        const char *name = w->d->class_names[r->label];
        TRY(add(w, arena_printf(a, "%s.cls", key), name, strlen(name)));
    }
    for (int i = 0; i < r->n_captions; i++) {
        char *line = arena_strdup(a, record_caption(r, i));
        for (char *c = line; *c; c++)
            if (*c == '\n' || *c == '\r')
                *c = ' '; /* a line is a caption */
        text = arena_printf(a, "%s%s\n", text, line);
    }
    if (text[0])
        TRY(add(w, arena_printf(a, "%s.txt", key), text, strlen(text)));
out:
    return status;
}

static int add_sample(struct writer *w, enum split split, long i, struct record *r) {
    const char *key = arena_printf(&w->arena, "%s/%08ld", split_names[split], i);
    int status = convert_stopped(w->stop, w->path, w->err);
    if (!status)
        status = dataset_read(w->d, split, i, r, w->err);
    if (!status)
        status = add_texts(w, key, r);
    if (!status)
        status = add_image(w, key, r);
    arena_free(&w->arena);
    return status;
}

static int write_shard(struct writer *w, enum split split, long first, long n) {
    struct record r = {0};
    int status = 0;
    w->archive = archive_write_new();
    if (!w->archive)
        return error_set(w->err, STATUS_MACHINE, "%s: no memory", w->tmp);
    if (archive_write_set_format_ustar(w->archive) != ARCHIVE_OK ||
        archive_write_open_filename(w->archive, w->tmp) != ARCHIVE_OK)
        status = failed(w);
    for (long i = first; i < first + n && !status; i++)
        status = add_sample(w, split, i, &r);
    if (!status && archive_write_close(w->archive) != ARCHIVE_OK)
        status = failed(w);
    archive_write_free(w->archive);
    record_free(&r);
    return status;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A name that two classes have, or NULL. */
static const char *repeated_name(const struct dataset *d) {
    const char **names = calloc((size_t)d->classes + 1, sizeof *names), *twice = NULL;
    CHECK(names, "no memory for %d names", d->classes);
    for (int i = 0; i < d->classes; i++)
        names[i] = d->class_names[i];
    qsort(names, (size_t)d->classes, sizeof *names, by_bytes);
    for (int i = 1; i < d->classes && !twice; i++)
        twice = strcmp(names[i - 1], names[i]) ? NULL : names[i];
    free(names);
    return twice;
}

/* A .cls is text of one line, of which digits are a number; names are put in order. */
static int check_names(const struct dataset *d, const char *path, struct error *err) {
    int numbers = 0, sorted = 1;
    for (int i = 0; i < d->classes; i++) {
        const char *name = d->class_names[i];
        const size_t n = strlen(name);
        numbers += n > 0 && name[strspn(name, "0123456789")] == '\0';
        sorted &= !i || strcmp(d->class_names[i - 1], name) < 0;
        if (!n || isspace((unsigned char)name[0]) || isspace((unsigned char)name[n - 1]) ||
            strpbrk(name, "\r\n"))
            return error_set(err, STATUS_USAGE,
                             "%s: the class name \"%.60s\" would not be read back from tar shards: "
                             "rename it, or use .h5",
                             path, name);
    }
    const char *twice = repeated_name(d);
    if (twice)
        return error_set(err, STATUS_USAGE,
                         "%s: two classes are called \"%.60s\" and would be one in tar shards: "
                         "rename one, or use .h5",
                         path, twice);
    for (int i = 0; i < d->classes && numbers == d->classes; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        if (strcmp(d->class_names[i], number))
            return error_set(
                err, STATUS_USAGE,
                "%s: class names that are all digits are numbers from 0 in tar shards, "
                "and class %d is called \"%.60s\": rename them, or use .h5",
                path, i, d->class_names[i]);
    }
    if (numbers < d->classes && !sorted)
        log_message(LOG_WARN,
                    "%s: classes will be in the order of their names there, which is another one",
                    path);
    return 0;
}

static long shards_of(const struct dataset *d, int split) {
    return (d->count[split] + SHARD - 1) / SHARD;
}

static const char *name_of(struct arena *a, const char *path, int split, long shard) {
    const int stem = (int)(strlen(path) - strlen(".tar"));
    return arena_printf(a, "%.*s-%s-%06ld.tar", stem, path, split_names[split], shard);
}

/* Shards behind the last one would be read with the new ones. */
static int check_place(const struct dataset *d, const char *path, struct error *err) {
    struct arena a = {0};
    int status = 0;
    for (int s = 0; s < SPLITS && !status; s++) {
        const char *next = name_of(&a, path, s, shards_of(d, s));
        if (file_exists(next))
            status = error_set(err, STATUS_USAGE,
                               "%s: it is of an earlier conversion with more shards: remove those, "
                               "or choose another name",
                               next);
    }
    arena_free(&a);
    return status;
}

/* All of them as .tmp, which get their names when the last one is whole. */
static int write_shards(const struct dataset *d, const char *path, struct writer *w) {
    struct arena a = {0};
    const long train = shards_of(d, SPLIT_TRAIN), n = train + shards_of(d, SPLIT_TEST);
    const char **paths = ARENA_ARRAY(&a, const char *, n),
               **tmps = ARENA_ARRAY(&a, const char *, n);
    long begun = 0, done = 0;
    int status = 0;
    for (; begun < n && !status; begun++) {
        const int s = begun < train ? SPLIT_TRAIN : SPLIT_TEST;
        const long shard = s == SPLIT_TRAIN ? begun : begun - train, first = shard * SHARD;
        w->path = paths[begun] = name_of(&a, path, s, shard);
        w->tmp = tmps[begun] = arena_printf(&a, "%s.tmp", w->path);
        status = write_shard(w, (enum split)s, first,
                             d->count[s] - first < SHARD ? d->count[s] - first : SHARD);
    }
    for (; done < n && !status; done += !status)
        status = file_commit(tmps[done], paths[done], w->err);
    for (long i = done; i < begun; i++)
        unlink(tmps[i]);
    arena_free(&a);
    return status;
}

/* As shards.h takes them. */
static const char *pattern_of(const struct dataset *d, const char *path, int split,
                              struct arena *a) {
    const long last = shards_of(d, split) - 1;
    return last ? arena_printf(a, "%.*s-%s-{000000..%06ld}.tar",
                               (int)(strlen(path) - strlen(".tar")), path, split_names[split], last)
                : name_of(a, path, split, 0);
}

static void say_how_to_read(const struct dataset *d, const char *path) {
    struct arena a = {0};
    log_message(LOG_INFO, "to be read as webdataset:%s,test=%s",
                pattern_of(d, path, SPLIT_TRAIN, &a), pattern_of(d, path, SPLIT_TEST, &a));
    arena_free(&a);
}

int convert_to_tar(const struct dataset *d, const char *path, stop_flag *stop, struct error *err) {
    struct writer w = {.d = d, .stop = stop, .err = err};
    int status = 0;
    if (d->has_mask)
        return error_set(err, STATUS_USAGE, "%s: tar shards hold no masks: use .h5", path);
    TRY(check_names(d, path, err));
    TRY(check_place(d, path, err));
    TRY(write_shards(d, path, &w));
    say_how_to_read(d, path);
out:
    return status;
}

/* Neither format is read with names that are no UTF-8, as folders can have them. */
static int check_text(const struct dataset *d, const char *path, struct error *err) {
    for (int i = 0; i < d->classes; i++)
        if (!is_utf8(d->class_names[i]))
            return error_set(err, STATUS_USAGE,
                             "%s: the class name \"%.60s\" is no UTF-8: rename it", path,
                             d->class_names[i]);
    return 0;
}

int dataset_convert(const struct dataset *d, const char *out, stop_flag *stop, struct error *err) {
    static const struct {
        const char *ending;
        int (*write)(const struct dataset *d, const char *path, stop_flag *stop, struct error *err);
    } formats[] = {{".h5", convert_to_hdf5}, {".hdf5", convert_to_hdf5}, {".tar", convert_to_tar}};
    size_t n = strlen(out);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        size_t m = strlen(formats[i].ending);
        if (n > m && !strcmp(out + n - m, formats[i].ending)) {
            int status = check_text(d, out, err);
            return status ? status : formats[i].write(d, out, stop, err);
        }
    }
    return error_set(err, STATUS_USAGE, "%s: the ending says the format: .h5 or .tar", out);
}
