#include "nn/safetensors.h"

#include "core/arena.h"
#include "core/sha256.h"
#include "nn/safetensors_format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct st_file {
    struct arena arena; /* owns names, metadata and the file itself */
    const char *path;
    unsigned char *map; /* (size) */
    size_t size;
    const unsigned char *data; /* after the header */
    size_t data_bytes;
    struct st_tensor *tensors; /* (n), in the order of the header */
    int n;
    struct st_meta *meta; /* (n_meta) */
    int n_meta;
};

static const struct st_dtype dtypes[] = {
    {"F64", 8}, {"I64", 8}, {"U64", 8},  {"F32", 4},     {"I32", 4},
    {"U32", 4}, {"F16", 2}, {"BF16", 2}, {"I16", 2},     {"U16", 2},
    {"I8", 1},  {"U8", 1},  {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1},
};

const struct st_dtype *st_dtype_find(const char *name) {
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (name && strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    return NULL;
}

#define UNSOUND(f, err, ...) unsound((f)->path, err, __VA_ARGS__)

static int unsound(const char *path, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Every refusal reads "PATH: REASON; what to do". */
static int unsound(const char *path, struct error *err, const char *format, ...) {
    char reason[256];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return error_set(err, STATUS_USAGE,
                     "%s: not a sound safetensors file: %s; it is damaged or was cut short: use "
                     "another checkpoint",
                     path, reason);
}

static int map_file(struct st_file *f, const char *path, struct error *err) {
    int status = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused, not waited for */
    if (fd < 0)
        return error_set(err, STATUS_USAGE, "%s: cannot open the checkpoint: %s; check the path",
                         path, strerror(errno));
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        TRY(error_set(err, STATUS_USAGE, "%s: not a regular file; check the path", path));
    if (info.st_size < ST_LENGTH_BYTES)
        TRY(unsound(path, err, "%" PRIdMAX " bytes are too few", (intmax_t)info.st_size));
    f->size = (size_t)info.st_size;
    void *map = mmap(NULL, f->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        TRY(error_set(err, STATUS_MACHINE, "%s: cannot map %zu bytes: %s; free some memory", path,
                      f->size, strerror(errno)));
    f->map = map;
out:
    close(fd);
    return status;
}

/* A zip archive, or a pickle of protocol 2 and up, as torch.save writes; as the length of a header
 * it would be larger than any. */
static int is_pickle(const struct st_file *f) {
    const unsigned char *m = f->map;
    const int is_length = !m[4] && !m[5] && !m[6] && !m[7];
    return !is_length && (!memcmp(m, "PK\3\4", 4) || (m[0] == 0x80 && m[1] >= 2 && m[1] <= 5));
}

static int read_header(struct st_file *f, json_t **header, struct error *err) {
    uint64_t length = 0;
    if (is_pickle(f))
        return error_set(err, STATUS_USAGE,
                         "%s: a pickle of PyTorch, which is a program and is not run here: "
                         "tools/pth_to_safetensors.py makes a safetensors file of it",
                         f->path);
    for (int i = 0; i < ST_LENGTH_BYTES; i++)
        length |= (uint64_t)f->map[i] << 8 * i;
    if (length > ST_HEADER_MAX && f->map[0] == '{')
        return error_set(err, STATUS_USAGE,
                         "%s: JSON without tensors, such as the index of a checkpoint in several "
                         "files: make one safetensors file of these and name that",
                         f->path);
    if (length > ST_HEADER_MAX || length > f->size - ST_LENGTH_BYTES)
        return UNSOUND(f, err, "a header of %" PRIu64 " bytes in a file of %zu", length, f->size);
    json_error_t problem;
    *header = json_loadb((const char *)f->map + ST_LENGTH_BYTES, (size_t)length,
                         JSON_REJECT_DUPLICATES, &problem);
    if (!*header)
        return UNSOUND(f, err, "header byte %d: %s", problem.position, problem.text);
    if (!json_is_object(*header))
        return UNSOUND(f, err, "the header is not a JSON object");
    f->data = f->map + ST_LENGTH_BYTES + length;
    f->data_bytes = f->size - ST_LENGTH_BYTES - (size_t)length;
    return 0;
}

static int read_metadata(struct st_file *f, json_t *object, struct error *err) {
    if (!object)
        return 0;
    if (!json_is_object(object))
        return UNSOUND(f, err, "%s is not a JSON object", ST_METADATA);
    f->meta = ARENA_ARRAY(&f->arena, struct st_meta, json_object_size(object));
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        if (!json_is_string(value))
            return UNSOUND(f, err, "metadata %.80s is not text", key);
        f->meta[f->n_meta++] =
            (struct st_meta){.key = arena_strdup(&f->arena, key),
                             .value = arena_strdup(&f->arena, json_string_value(value))};
    }
    return 0;
}

/* dim, ndim and bytes from the shape, without believing it. */
static int read_shape(const struct st_file *f, const json_t *shape, size_t element,
                      struct st_tensor *t, struct error *err) {
    if (!json_is_array(shape) || json_array_size(shape) > ST_MAX_DIM)
        return UNSOUND(f, err, "tensor %.80s: the shape is not a list of at most %d sizes", t->name,
                       ST_MAX_DIM);
    t->ndim = (int)json_array_size(shape);
    t->bytes = element;
    for (int d = 0; d < t->ndim; d++) {
        const json_t *size = json_array_get(shape, (size_t)d);
        t->dim[d] = json_is_integer(size) ? json_integer_value(size) : -1;
        if (t->dim[d] < 0)
            return UNSOUND(f, err, "tensor %.80s: size %d is not a whole number from 0", t->name,
                           d + 1);
        if (__builtin_mul_overflow(t->bytes, (size_t)t->dim[d], &t->bytes))
            return UNSOUND(f, err, "tensor %.80s: the sizes multiply to more than memory holds",
                           t->name);
    }
    return 0;
}

static int read_tensor(struct st_file *f, const char *name, const json_t *entry,
                       struct st_tensor *t, struct error *err) {
    t->name = arena_strdup(&f->arena, name);
    const struct st_dtype *type = st_dtype_find(json_string_value(json_object_get(entry, "dtype")));
    if (!type)
        return UNSOUND(f, err, "tensor %.80s: no known dtype", t->name);
    t->dtype = type->name;
    int status = read_shape(f, json_object_get(entry, "shape"), type->size, t, err);
    if (status)
        return status;
    const json_t *range = json_object_get(entry, "data_offsets");
    const json_t *begin = json_array_get(range, 0), *end = json_array_get(range, 1);
    if (json_array_size(range) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return UNSOUND(f, err, "tensor %.80s: data_offsets is not two whole numbers", t->name);
    json_int_t b = json_integer_value(begin), e = json_integer_value(end);
    if (b < 0 || e < b || (uint64_t)e > f->data_bytes)
        return UNSOUND(f, err, "tensor %.80s: its bytes %lld to %lld are not among the %zu there",
                       t->name, (long long)b, (long long)e, f->data_bytes);
    if ((uint64_t)(e - b) != t->bytes)
        return UNSOUND(f, err, "tensor %.80s: %lld bytes, dtype and shape need %zu", t->name,
                       (long long)(e - b), t->bytes);
    t->data = f->data + b;
    return 0;
}

static int by_place(const void *x, const void *y) {
    const struct st_tensor *a = x, *b = y;
    if (a->data != b->data)
        return (const unsigned char *)a->data < (const unsigned char *)b->data ? -1 : 1;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

/* The ranges must follow each other from the first byte to the last: a byte that two tensors share
 * or that none owns is a sign of damage (and a place to hide things). */
static int check_ranges(struct st_file *f, struct error *err) {
    struct st_tensor *sorted = ARENA_ARRAY(&f->arena, struct st_tensor, f->n + 1);
    memcpy(sorted, f->tensors, sizeof *sorted * (size_t)f->n);
    qsort(sorted, (size_t)f->n, sizeof *sorted, by_place);
    const unsigned char *at = f->data;
    for (int i = 0; i < f->n; i++) {
        const unsigned char *begin = sorted[i].data;
        if (begin != at)
            return UNSOUND(f, err, "tensor %.80s %s", sorted[i].name,
                           begin < at ? "overlaps the one before it"
                                      : "starts after bytes that no tensor owns");
        at += sorted[i].bytes;
    }
    if (at != f->data + f->data_bytes)
        return UNSOUND(f, err, "%zu bytes at the end belong to no tensor",
                       (size_t)(f->data + f->data_bytes - at));
    return 0;
}

/* Other writers need not align their data as ours does. */
static void align_tensors(struct st_file *f) {
    for (int i = 0; i < f->n; i++) {
        struct st_tensor *t = &f->tensors[i];
        if ((uintptr_t)t->data % st_dtype_find(t->dtype)->size && t->bytes)
            t->data = memcpy(arena_alloc(&f->arena, t->bytes), t->data, t->bytes);
    }
}

int st_open(struct st_file **out, const char *path, struct error *err) {
    int status = 0;
    struct arena a = {0};
    struct st_file *f = ARENA_NEW(&a, struct st_file);
    json_t *header = NULL;
    *out = NULL;
    f->path = arena_strdup(&a, path);
    f->arena = a;
    TRY(map_file(f, path, err));
    TRY(read_header(f, &header, err));
    TRY(read_metadata(f, json_object_get(header, ST_METADATA), err));
    f->tensors = ARENA_ARRAY(&f->arena, struct st_tensor, json_object_size(header) + 1);
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        if (strcmp(name, ST_METADATA) == 0)
            continue;
        TRY(read_tensor(f, name, entry, &f->tensors[f->n], err));
        f->n++;
    }
    TRY(check_ranges(f, err));
    align_tensors(f);
    *out = f;
out:
    json_decref(header);
    if (status)
        st_close(f);
    return status;
}

int st_check(const struct st_file *f, struct error *err) {
    char hex[SHA256_HEX + 1];
    const char *stored = st_meta(f, ST_HASH);
    if (!stored)
        return 0;
    sha256_hex(f->data, f->data_bytes, hex);
    return strcmp(stored, hex) ? error_set(err, STATUS_USAGE,
                                           "%s: damaged: its tensors are not those that were "
                                           "written (their hash differs); remove it to have it "
                                           "made again, or bring a copy back",
                                           f->path)
                               : 0;
}

int st_count(const struct st_file *f) {
    return f->n;
}

const struct st_tensor *st_get(const struct st_file *f, int i) {
    CHECK(i >= 0 && i < f->n, "tensor %d of %d", i, f->n);
    return &f->tensors[i];
}

const struct st_tensor *st_find(const struct st_file *f, const char *name) {
    for (int i = 0; i < f->n; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i];
    return NULL;
}

const char *st_meta(const struct st_file *f, const char *key) {
    for (int i = 0; i < f->n_meta; i++)
        if (strcmp(f->meta[i].key, key) == 0)
            return f->meta[i].value;
    return NULL;
}

void st_release(const struct st_file *f, const struct st_tensor *t) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), map = (uintptr_t)f->map;
    uintptr_t from = (uintptr_t)t->data, to = from + t->bytes;
    if (from < map || to > map + f->size)
        return; /* an aligned copy */
    from = (from + page - 1) / page * page;
    to = to / page * page;
    if (from < to)
        madvise((char *)f->map + (from - map), to - from, MADV_DONTNEED);
}

void st_close(struct st_file *f) {
    if (!f)
        return;
    if (f->map)
        munmap(f->map, f->size);
    struct arena a = f->arena; /* the file itself lives in it */
    arena_free(&a);
}
