#include "nn/safetensors.h"

#include "core/arena.h"
#include "core/file.h"
#include "core/sha256.h"
#include "nn/safetensors_format.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format stores little-endian data");

/* Larger elements first, so that every tensor is aligned to its element in a mapped file. */
static const size_t element_sizes[] = {8, 4, 2, 1};
enum { N_SIZES = sizeof element_sizes / sizeof element_sizes[0] };

static const struct st_dtype *tensor_check(const struct st_tensor *t) {
    CHECK(t->name && strcmp(t->name, ST_METADATA) != 0, "a tensor needs a name of its own");
    const struct st_dtype *type = st_dtype_find(t->dtype);
    CHECK(type, "tensor %s: no dtype %s", t->name, t->dtype);
    CHECK(t->ndim >= 0 && t->ndim <= ST_MAX_DIM, "tensor %s: %d dimensions", t->name, t->ndim);
    size_t bytes = type->size;
    for (int d = 0; d < t->ndim; d++)
        bytes *= (size_t)t->dim[d];
    CHECK(bytes == t->bytes, "tensor %s: %zu bytes, the shape needs %zu", t->name, t->bytes, bytes);
    return type;
}

static json_t *tensor_entry(const struct st_tensor *t, size_t offset) {
    json_t *shape = json_array();
    for (int d = 0; d < t->ndim; d++)
        json_array_append_new(shape, json_integer(t->dim[d]));
    json_int_t first = (json_int_t)offset, last = first + (json_int_t)t->bytes;
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->dtype, "shape", shape, "data_offsets",
                     first, last);
}

/* Where it stands the hash is written when all bytes are known. */
static const char no_hash[] = "0000000000000000000000000000000000000000000000000000000000000000";
_Static_assert(sizeof no_hash == SHA256_HEX + 1, "as long as a hash");

static int add_metadata(json_t *header, const struct st_meta *meta, int n_meta, const char *path,
                        struct error *err) {
    json_t *object = json_object();
    json_object_set_new(header, ST_METADATA, object);
    for (int i = 0; i < n_meta; i++) {
        CHECK(!json_object_get(object, meta[i].key), "metadata %s given twice", meta[i].key);
        CHECK(meta[i].value || !strcmp(meta[i].key, ST_HASH), "metadata %s is NULL", meta[i].key);
        const char *value = meta[i].value ? meta[i].value : no_hash;
        if (json_object_set_new(object, meta[i].key, json_string(value)) != 0)
            return error_set(err, STATUS_USAGE,
                             "%s: metadata entry %d is not valid UTF-8 text: change the option or "
                             "file name that holds it",
                             path, i + 1);
    }
    return 0;
}

/* The padded header, owned by `a`; order (n) receives the tensors as their data is stored. */
static int make_header(struct arena *a, const char *path, const struct st_tensor *tensors, int n,
                       const struct st_meta *meta, int n_meta, int *order, char **text,
                       size_t *bytes, struct error *err) {
    int status = 0, placed = 0;
    size_t offset = 0, *offsets = ARENA_ARRAY(a, size_t, n);
    char *dump = NULL;
    json_t *header = json_object();
    for (int s = 0; s < N_SIZES; s++)
        for (int i = 0; i < n; i++)
            if (tensor_check(&tensors[i])->size == element_sizes[s]) {
                offsets[i] = offset;
                offset += tensors[i].bytes;
                order[placed++] = i;
            }
    CHECK(placed == n, "%d of %d tensors have a known element size", placed, n);
    if (n_meta)
        TRY(add_metadata(header, meta, n_meta, path, err));
    for (int i = 0; i < n; i++) {
        CHECK(!json_object_get(header, tensors[i].name), "tensor %s given twice", tensors[i].name);
        if (json_object_set_new(header, tensors[i].name, tensor_entry(&tensors[i], offsets[i])) !=
            0)
            TRY(error_set(err, STATUS_MACHINE, "%s: cannot store the name of tensor %d", path, i));
    }
    dump = json_dumps(header, JSON_COMPACT);
    if (!dump)
        TRY(error_set(err, STATUS_MACHINE, "%s: no memory for the header", path));
    size_t length = strlen(dump);
    *bytes = (length + ST_HEADER_ALIGN - 1) / ST_HEADER_ALIGN * ST_HEADER_ALIGN;
    CHECK(*bytes <= ST_HEADER_MAX, "%s: a header of %zu bytes", path, *bytes);
    *text = arena_alloc(a, *bytes + 1);
    memset(*text, ' ', *bytes);
    memcpy(*text, dump, length);
    (*text)[*bytes] = '\0';
out:
    free(dump);
    json_decref(header);
    return status;
}

static int write_all(int fd, const char *path, const void *data, size_t bytes, struct error *err) {
    const unsigned char *p = data;
    while (bytes) {
        ssize_t written = write(fd, p, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return error_set(err, STATUS_MACHINE,
                             "%s: cannot write the checkpoint: %s; make room or use another folder",
                             path, strerror(errno));
        p += written;
        bytes -= (size_t)written;
    }
    return 0;
}

/* A file that is written, and the hash of the tensors so far. */
struct output {
    int fd;
    const char *path;
    struct sha256_ctx hash;
};

static int write_tensor(struct output *o, const struct st_tensor *tensors, int i,
                        const struct st_source *source, struct error *err) {
    const struct st_tensor *t = &tensors[i];
    const void *data = t->data || !source ? t->data : source->get(source->self, i);
    CHECK(data || !t->bytes, "tensor %s has no data", t->name);
    sha256_update(&o->hash, t->bytes, data);
    return write_all(o->fd, o->path, data, t->bytes, err);
}

/* Into the header's place for it, if there is one. */
static int write_hash(struct output *o, const char *header, struct error *err) {
    char hex[SHA256_HEX + 1];
    const char *place = strstr(header, no_hash);
    if (!place)
        return 0;
    sha256_end(&o->hash, hex);
    if (lseek(o->fd, ST_LENGTH_BYTES + (place - header), SEEK_SET) < 0)
        return error_set(err, STATUS_MACHINE, "%s: cannot write it: %s", o->path, strerror(errno));
    return write_all(o->fd, o->path, hex, SHA256_HEX, err);
}

int st_write(const char *path, const struct st_tensor *tensors, int n, const struct st_meta *meta,
             int n_meta, struct error *err) {
    return st_write_from(path, tensors, n, meta, n_meta, NULL, err);
}

int st_write_from(const char *path, const struct st_tensor *tensors, int n,
                  const struct st_meta *meta, int n_meta, const struct st_source *source,
                  struct error *err) {
    int status = 0, fd = -1;
    struct arena a = {0};
    char *header = NULL, *tmp = arena_printf(&a, "%s.tmp", path);
    struct output o = {.path = tmp};
    int *order = ARENA_ARRAY(&a, int, n);
    size_t bytes = 0;
    TRY(make_header(&a, path, tensors, n, meta, n_meta, order, &header, &bytes, err));

    unlink(tmp); /* left by a crash, or a link to somewhere else */
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        TRY(error_set(err, STATUS_MACHINE,
                      "%s: cannot create it: %s; check that the folder is "
                      "there and writable",
                      tmp, strerror(errno)));
    unsigned char length[ST_LENGTH_BYTES];
    for (int i = 0; i < ST_LENGTH_BYTES; i++)
        length[i] = (unsigned char)((uint64_t)bytes >> 8 * i);
    TRY(write_all(fd, tmp, length, sizeof length, err));
    TRY(write_all(fd, tmp, header, bytes, err));
    o.fd = fd;
    sha256_init(&o.hash);
    for (int i = 0; i < n; i++)
        TRY(write_tensor(&o, tensors, order[i], source, err));
    TRY(write_hash(&o, header, err));
    int closed = close(fd);
    fd = -1;
    if (closed != 0)
        TRY(error_set(err, STATUS_MACHINE, "%s: cannot write it: %s", tmp, strerror(errno)));
    TRY(file_commit(tmp, path, err));
out:
    if (fd >= 0)
        close(fd);
    if (status)
        unlink(tmp);
    arena_free(&a);
    return status;
}
