#include "results/h5_internal.h"

#include "core/file.h"
#include "results/h5_trailer_internal.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* deflate makes at most 1032 bytes of one. */
enum { DEFLATE_MOST = 1100, MAX_ATTRIBUTE = 1 << 20, MAX_NAME = 4096 };
static const long long MAX_FILE = 1LL << 30;

/* ---- the file ---- */

static char *read_image(struct h5 *h, struct arena *a, size_t *bytes) {
    struct stat info;
    if (stat(h->path, &info) == 0 && !S_ISREG(info.st_mode)) {
        h5_wrong(h, -1, "", "not a file");
        return NULL;
    }
    if (stat(h->path, &info) == 0 && info.st_size > MAX_FILE) {
        h5_wrong(h, -1, "", "%lld bytes are more than results have", (long long)info.st_size);
        return NULL;
    }
    char *image = NULL;
    h->status = file_read(h->path, a, &image, bytes, h->err);
    int damaged = 0;
    const size_t whole = *bytes;
    if (!h->status)
        *bytes = h5_check_trailer(image, whole, &damaged);
    h->has_trailer = *bytes != whole;
    if (!h->status && (damaged || !*bytes))
        h5_wrong(h, -1, "", *bytes ? "its checksum does not fit its content" : "it is empty");
    return h->status ? NULL : image;
}

void h5_open(struct h5 *h, const char *path, struct arena *a, struct error *err) {
    *h = (struct h5){.file = -1, .path = path, .arena = a, .err = err, .failed_as = STATUS_USAGE};
    struct arena scratch = {0};
    size_t bytes = 0;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    char *image = read_image(h, &scratch, &bytes);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (!image || h->status)
        goto out;
    if (access < 0 || H5Pset_fapl_core(access, 1 << 16, 0) < 0 ||
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0 ||
        H5Pset_file_image(access, image, bytes) < 0 ||
        (h->file = H5Fopen(IMAGE_NAME, H5F_ACC_RDONLY, access)) < 0)
        h5_failed(h, -1, "", "cannot open it as HDF5");
    else if (h5_stored_end(image, bytes) &&
             h5_stored_end(image, bytes) != bytes) /* what is left of a trailer */
        h5_wrong(h, -1, "", "something is behind its end");
out:
    h5_end(access);
    arena_free(&scratch);
}

int h5_close(struct h5 *h) {
    if (h->file >= 0)
        H5Fclose(h->file);
    h->file = -1;
    return h->status;
}

/* ---- groups ---- */

int h5_has(struct h5 *h, hid_t at, const char *name) {
    H5L_info_t link;
    return !h->status && H5Lexists(at, name, H5P_DEFAULT) > 0 &&
           H5Lget_info(at, name, &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_HARD;
}

hid_t h5_group(struct h5 *h, hid_t at, const char *name) {
    if (h->status)
        return -1;
    if (!h5_has(h, at, name)) {
        h5_wrong(h, at, name, "it is missing");
        return -1;
    }
    hid_t group = H5Gopen2(at, name, H5P_DEFAULT);
    if (group < 0)
        h5_failed(h, at, name, "cannot open the group");
    return group;
}

char **h5_names(struct h5 *h, hid_t at, int *n) {
    *n = 0;
    H5G_info_t info;
    if (h->status)
        return NULL;
    if (H5Gget_info(at, &info) < 0 || info.nlinks > INT_MAX) {
        h5_failed(h, at, "", "cannot list");
        return NULL;
    }
    char **names = NULL;
    int room = 0;
    for (hsize_t i = 0; i < info.nlinks; i++) {
        char name[MAX_NAME];
        ssize_t length = H5Lget_name_by_idx(at, ".", H5_INDEX_NAME, H5_ITER_INC, i, name,
                                            sizeof name, H5P_DEFAULT);
        if (length < 0 || length >= MAX_NAME) {
            h5_failed(h, at, "", "cannot list");
            return NULL;
        }
        if (*n == room) { /* grown, since the count in the file may be any number */
            char **more = ARENA_ARRAY(h->arena, char *, room = 2 * room + 4);
            if (names)
                memcpy(more, names, sizeof *names * (size_t)*n);
            names = more;
        }
        names[(*n)++] = arena_strdup(h->arena, name);
    }
    return names;
}

/* ---- attributes ---- */

static int is_single(hid_t space) {
    return space >= 0 && H5Sget_simple_extent_type(space) != H5S_NULL &&
           H5Sget_simple_extent_npoints(space) == 1;
}

/* An open attribute with one value, or -1. */
static hid_t open_attribute(struct h5 *h, hid_t at, const char *name) {
    hid_t attribute = H5Aopen(at, name, H5P_DEFAULT);
    if (attribute < 0) {
        h5_failed(h, at, name, "cannot open the attribute");
        return -1;
    }
    hid_t space = H5Aget_space(attribute);
    int single = is_single(space);
    h5_end(space);
    if (single)
        return attribute;
    h5_wrong(h, at, name, "not a single value");
    h5_end(attribute);
    return -1;
}

/* `read` is H5Aread or one like it for datasets. */
static char *read_text(struct h5 *h, hid_t at, const char *name, hid_t source, hid_t type,
                       herr_t (*read)(hid_t source, hid_t type, void *value)) {
    char *text = NULL;
    size_t size = H5Tget_size(type);
    if (H5Tget_class(type) != H5T_STRING) {
        h5_wrong(h, at, name, "not a text");
    } else if (H5Tis_variable_str(type) > 0) {
        char *value = NULL;
        if (read(source, type, &value) < 0)
            h5_failed(h, at, name, "cannot read");
        else
            text = arena_strdup(h->arena, value ? value : "");
        H5free_memory(value);
    } else if (size > MAX_ATTRIBUTE) {
        h5_wrong(h, at, name, "%zu bytes of fixed length are too many", size);
    } else {
        text = arena_alloc(h->arena, size + 1);
        if (read(source, type, text) < 0) {
            h5_failed(h, at, name, "cannot read");
            text = NULL;
        }
    }
    return text;
}

static herr_t read_attribute(hid_t source, hid_t type, void *value) {
    return H5Aread(source, type, value);
}

static herr_t read_dataset(hid_t source, hid_t type, void *value) {
    return H5Dread(source, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value);
}

char *h5_text_attribute(struct h5 *h, hid_t at, const char *name) {
    if (h->status || H5Aexists(at, name) <= 0)
        return NULL;
    hid_t attribute = open_attribute(h, at, name);
    if (attribute < 0)
        return NULL;
    hid_t type = H5Aget_type(attribute);
    char *text = read_text(h, at, name, attribute, type, read_attribute);
    h5_end(type);
    h5_end(attribute);
    return text;
}

static void get_number(struct h5 *h, hid_t at, const struct member *m, void *field) {
    hid_t attribute = open_attribute(h, at, m->name);
    if (attribute < 0)
        return;
    hid_t type = H5Aget_type(attribute), as = H5T_NATIVE_DOUBLE;
    H5T_class_t class = H5Tget_class(type);
    if (m->kind == MEMBER_INTEGER)
        as = m->size == sizeof(int64_t) ? H5T_NATIVE_INT64 : H5T_NATIVE_INT32;
    if (class != H5T_INTEGER && (class != H5T_FLOAT || m->kind == MEMBER_INTEGER))
        h5_wrong(h, at, m->name, "not %s number", m->kind == MEMBER_INTEGER ? "a whole" : "a");
    else if (H5Aread(attribute, as, field) < 0)
        h5_failed(h, at, m->name, "cannot read");
    h5_end(type);
    h5_end(attribute);
}

void h5_get_attributes(struct h5 *h, hid_t at, const struct member *members, void *object) {
    for (const struct member *m = members; m->name && !h->status; m++) {
        char *field = (char *)object + m->offset;
        int absent = H5Aexists(at, m->name) <= 0;
        if (absent && m->kind != MEMBER_STRING && !m->added)
            h5_wrong(h, at, m->name, "the attribute is missing");
        if (absent)
            continue;
        if (m->kind == MEMBER_INTEGER || m->kind == MEMBER_REAL) {
            get_number(h, at, m, field);
            continue;
        }
        const char *text = h5_text_attribute(h, at, m->name);
        if (m->kind == MEMBER_STRING)
            memcpy(field, &text, sizeof text);
        else if (text && strlen(text) < m->size)
            strcpy(field, text);
        else if (text)
            h5_wrong(h, at, m->name, "longer than %zu bytes", m->size - 1);
    }
}

/* ---- datasets ---- */

/* Only what this file itself holds: no links, no data in other files.  -1 when absent or wrong. */
static hid_t open_dataset(struct h5 *h, hid_t at, const char *name) {
    if (!h5_has(h, at, name))
        return -1;
    hid_t set = H5Dopen2(at, name, H5P_DEFAULT);
    if (set < 0) {
        h5_failed(h, at, name, "cannot open");
        return -1;
    }
    hid_t layout = H5Dget_create_plist(set);
    int here =
        layout >= 0 && H5Pget_external_count(layout) == 0 && H5Pget_layout(layout) != H5D_VIRTUAL;
    h5_end(layout);
    if (here)
        return set;
    h5_wrong(h, at, name, "its data are not in this file");
    h5_end(set);
    return -1;
}

/* Whether `points` elements can really be stored in it: else a few bytes could ask for any amount
 * of memory. */
static int is_stored(hid_t set, hsize_t points) {
    hid_t type = H5Dget_type(set);
    hsize_t size = H5Tget_size(type), most = H5Dget_storage_size(set) * DEFLATE_MOST;
    h5_end(type);
    return !points || (size && points <= most / size);
}

/* Its extent, checked; returns the number of elements, or -1. */
static long long extent_of(struct h5 *h, hid_t at, const char *name, hid_t set, int rank,
                           hsize_t *dims) {
    hid_t space = H5Dget_space(set);
    int simple = space >= 0 && H5Sget_simple_extent_type(space) == H5S_SIMPLE &&
                 H5Sget_simple_extent_ndims(space) == rank &&
                 H5Sget_simple_extent_dims(space, dims, NULL) == rank;
    h5_end(space);
    if (!simple) {
        h5_wrong(h, at, name, "it does not have %d dimension%s", rank, rank > 1 ? "s" : "");
        return -1;
    }
    hsize_t points = 1;
    for (int i = 0; i < rank; i++) {
        if (dims[i] > INT_MAX) {
            h5_wrong(h, at, name, "%llu is too long", (unsigned long long)dims[i]);
            return -1;
        }
        points = dims[i] && points > (hsize_t)INT64_MAX / dims[i] ? (hsize_t)INT64_MAX
                                                                  : points * dims[i];
    }
    if (is_stored(set, points))
        return (long long)points;
    h5_wrong(h, at, name, "it claims more values than the file holds");
    return -1;
}

static int has_class(struct h5 *h, hid_t at, const char *name, hid_t set, H5T_class_t class,
                     const char *what) {
    hid_t type = H5Dget_type(set);
    int right = type >= 0 && H5Tget_class(type) == class && H5Tis_variable_str(type) <= 0;
    h5_end(type);
    if (!right)
        h5_wrong(h, at, name, "it does not hold %s", what);
    return right;
}

static void *get_numbers(struct h5 *h, hid_t at, const char *name, enum element type, int rank,
                         hsize_t *dims, const hsize_t *wanted) {
    hid_t set = open_dataset(h, at, name);
    if (set < 0)
        return NULL;
    void *values = NULL;
    long long points = extent_of(h, at, name, set, rank, dims);
    int real = type == ELEMENT_REAL || type == ELEMENT_FLOAT;
    if (points < 0)
        goto out;
    if (!has_class(h, at, name, set, real ? H5T_FLOAT : H5T_INTEGER,
                   real ? "numbers with a fraction" : "whole numbers"))
        goto out;
    for (int i = 0; i < rank && wanted; i++)
        if (dims[i] != wanted[i]) {
            h5_wrong(h, at, name, "its axis %d has length %llu and its scale %llu", i,
                     (unsigned long long)dims[i], (unsigned long long)wanted[i]);
            goto out;
        }
    values = arena_alloc(h->arena, (size_t)points * H5Tget_size(h5_memory_type(type)));
    if (points && read_dataset(set, h5_memory_type(type), values) < 0) {
        h5_failed(h, at, name, "cannot read");
        values = NULL;
    }
out:
    h5_end(set);
    return values;
}

void *h5_get_array(struct h5 *h, hid_t at, const char *name, enum element type, int rank,
                   const hsize_t *dims) {
    hsize_t found[MAX_RANK];
    return get_numbers(h, at, name, type, rank, found, dims);
}

void *h5_get_block(struct h5 *h, hid_t at, const char *name, enum element type, int rank,
                   hsize_t *dims) {
    void *values = get_numbers(h, at, name, type, rank, dims, NULL);
    for (int i = 0; i < rank; i++)
        if (!values || !dims[i])
            return NULL;
    return values;
}

void *h5_get_vector(struct h5 *h, hid_t at, const char *name, enum element type, int *n) {
    hsize_t length = 0;
    void *values = get_numbers(h, at, name, type, 1, &length, NULL);
    *n = values ? (int)length : 0;
    return *n ? values : NULL;
}

char *h5_get_text(struct h5 *h, hid_t at, const char *name) {
    hid_t set = open_dataset(h, at, name);
    if (set < 0)
        return NULL;
    char *text = NULL;
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    if (!is_single(space))
        h5_wrong(h, at, name, "not a single value");
    else
        text = read_text(h, at, name, set, type, read_dataset);
    h5_end(space);
    h5_end(type);
    h5_end(set);
    return text;
}

const char *const *h5_get_strings(struct h5 *h, hid_t at, const char *name, int *n) {
    *n = 0;
    hid_t set = open_dataset(h, at, name);
    if (set < 0)
        return NULL;
    hsize_t length = 0;
    hid_t type = H5Dget_type(set);
    size_t width = H5Tget_size(type);
    const char **strings = NULL;
    long long points = extent_of(h, at, name, set, 1, &length);
    if (points < 0 || !has_class(h, at, name, set, H5T_STRING, "texts of one length") || !points)
        goto out;
    char *text = arena_alloc(h->arena, (size_t)points * width);
    if (read_dataset(set, type, text) < 0) {
        h5_failed(h, at, name, "cannot read");
        goto out;
    }
    strings = ARENA_ARRAY(h->arena, const char *, points);
    for (long long i = 0; i < points; i++) {
        size_t used = strnlen(text + (size_t)i * width, width);
        char *copy = arena_alloc(h->arena, used + 1);
        memcpy(copy, text + (size_t)i * width, used);
        strings[i] = copy;
    }
    *n = (int)points;
out:
    h5_end(type);
    h5_end(set);
    return strings;
}

/* ---- tables ---- */

/* The columns as they lie in a row, or -1 when the table has not all of them with the right kind;
 * rows start as zeros. */
static hid_t row_type(struct h5 *h, hid_t at, const char *name, hid_t stored,
                      const struct member *columns, size_t row_bytes) {
    hid_t row = H5Tcreate(H5T_COMPOUND, row_bytes);
    for (const struct member *m = columns; m->name && !h->status; m++) {
        int i = H5Tget_member_index(stored, m->name);
        if (i < 0 && m->added)
            continue;
        H5T_class_t class = i < 0 ? H5T_NO_CLASS : H5Tget_member_class(stored, (unsigned)i);
        hid_t as = h5_column_type(m);
        H5T_class_t wanted = H5Tget_class(as);
        if (class != wanted)
            h5_wrong(h, at, name, i < 0 ? "it has no column %s" : "its column %s has a wrong type",
                     m->name);
        else if (H5Tinsert(row, m->name, m->offset, as) < 0)
            h5_failed(h, at, name, "cannot read");
        h5_end(as);
    }
    if (!h->status)
        return row;
    h5_end(row);
    return -1;
}

void *h5_get_table(struct h5 *h, hid_t at, const char *name, const struct member *columns,
                   size_t row_bytes, int *n) {
    *n = 0;
    hid_t set = open_dataset(h, at, name);
    if (set < 0)
        return NULL;
    char *rows = NULL;
    hsize_t length = 0;
    hid_t stored = H5Dget_type(set), row = -1;
    long long points = extent_of(h, at, name, set, 1, &length);
    if (points < 0 || !has_class(h, at, name, set, H5T_COMPOUND, "a table") ||
        (row = row_type(h, at, name, stored, columns, row_bytes)) < 0 || !points)
        goto out;
    rows = arena_alloc(h->arena, (size_t)points * row_bytes);
    if (read_dataset(set, row, rows) < 0) {
        h5_failed(h, at, name, "cannot read");
        rows = NULL;
        goto out;
    }
    for (const struct member *m = columns; m->name; m++) /* a full-length text has no end */
        for (long long i = 0; i < points && m->kind == MEMBER_CHARS; i++)
            rows[(size_t)i * row_bytes + m->offset + m->size - 1] = '\0';
    *n = (int)points;
out:
    h5_end(row);
    h5_end(stored);
    h5_end(set);
    return rows;
}

/* ---- format ---- */

void h5_check_format(struct h5 *h, const char *format, const char *version, const char *what) {
    const char *its_format = h5_text_attribute(h, h->file, "format");
    const char *its_version = h5_text_attribute(h, h->file, "format_version");
    if (h->status)
        return;
    if (!its_format || strcmp(its_format, format) != 0) {
        h5_wrong(h, h->file, "format", "not %s", what);
        return;
    }
    char *end = NULL;
    long major = its_version ? strtol(its_version, &end, 10) : 0, ours = strtol(version, NULL, 10);
    if (!its_version || end == its_version || (*end && *end != '.') || major < 1)
        h5_wrong(h, h->file, "format_version", "it is %s", its_version ? its_version : "missing");
    else if (major > ours) /* not damaged: other advice */
        h->status = error_set(h->err, STATUS_USAGE,
                              "%s: format version %.20s; this program reads versions up to %ld.x: "
                              "use a newer ssvbench",
                              h->path, its_version, ours);
}
