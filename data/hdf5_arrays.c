/* hdf5_arrays.c -- the part of the HDF5 reader that calls HDF5. */
#include "data/file_part.h"
#include "data/hdf5_internal.h"
#include "data/utf8.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_STRINGS = 500 * 1000 * 1000 };

static int wrong(const struct hdf5_file *f, const char *name, const char *what, struct error *err) {
    return error_set(err, STATUS_USAGE, "%s: %s: %s", f->path, name, what);
}

int hdf5_open(struct hdf5_file *f, const char *path, size_t memory, struct arena *a,
              struct error *err) {
    *f = (struct hdf5_file){.path = path, .id = -1, .fd = -1, .left = memory, .arena = a};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    int status = file_part_open(path, &f->fd, &f->size, err);
    if (status)
        return status;
    f->id = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    return f->id >= 0 ? 0
                      : error_set(err, STATUS_USAGE,
                                  "%s: cannot open it as HDF5: it is cut off, damaged or no HDF5 "
                                  "file",
                                  path);
}

void hdf5_done(struct hdf5_file *f) {
    if (f->id >= 0)
        H5Fclose(f->id);
    f->id = -1;
}

void hdf5_close(struct hdf5_file *f) {
    hdf5_done(f);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

/* Each part of the path has to be there. */
int hdf5_has(const struct hdf5_file *f, const char *name) {
    struct arena scratch = {0};
    char *path = arena_strdup(&scratch, name);
    int has = 1;
    for (char *c = path; has; c++) {
        char end = *c;
        if (end && end != '/')
            continue;
        *c = '\0';
        has = H5Lexists(f->id, path, H5P_DEFAULT) > 0 &&
              H5Oexists_by_name(f->id, path, H5P_DEFAULT) > 0;
        *c = end;
        if (!end)
            break;
    }
    arena_free(&scratch);
    return has;
}

/* The rank, or -1; dims (most) are filled. */
static int shape_of(hid_t space, int most, hsize_t *dims) {
    int rank = space >= 0 && H5Sget_simple_extent_type(space) == H5S_SIMPLE
                   ? H5Sget_simple_extent_ndims(space)
                   : -1;
    return rank < 1 || rank > most || H5Sget_simple_extent_dims(space, dims, NULL) != rank ? -1
                                                                                           : rank;
}

static hid_t open_array(const struct hdf5_file *f, const char *name, int least, int most, int *rank,
                        hsize_t *dims, struct error *err) {
    hid_t set = hdf5_has(f, name) ? H5Dopen2(f->id, name, H5P_DEFAULT) : -1;
    if (set < 0) {
        wrong(f, name, "this array is missing", err);
        return -1;
    }
    hid_t space = H5Dget_space(set);
    *rank = shape_of(space, most, dims);
    if (space >= 0)
        H5Sclose(space);
    if (*rank >= least)
        return set;
    H5Dclose(set);
    error_set(err, STATUS_USAGE, "%s: %s: an array of %d to %d dimensions expected", f->path, name,
              least, most);
    return -1;
}

/* ---- bytes ---- */

static int is_byte(hid_t set) {
    hid_t type = H5Dget_type(set);
    int is = type >= 0 && H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) == 1 &&
             H5Tget_sign(type) == H5T_SGN_NONE;
    if (type >= 0)
        H5Tclose(type);
    return is;
}

/* In one piece of this very file? */
static int is_contiguous(const struct hdf5_file *f, hid_t set, const struct hdf5_bytes *b) {
    hid_t how = H5Dget_create_plist(set);
    haddr_t at = H5Dget_offset(set);
    int is = how >= 0 && H5Pget_layout(how) == H5D_CONTIGUOUS && H5Pget_external_count(how) == 0 &&
             at != HADDR_UNDEF && H5Dget_storage_size(set) == b->dims[0] * b->one &&
             at <= f->size && b->dims[0] * b->one <= f->size - at;
    if (how >= 0)
        H5Pclose(how);
    return is;
}

static int load(struct hdf5_file *f, hid_t set, struct hdf5_bytes *b, struct error *err) {
    size_t all = (size_t)b->dims[0] * b->one;
    if (all > f->left)
        return error_set(err, STATUS_USAGE,
                         "%s: %s: it is stored in chunks or compressed, so it is loaded into "
                         "memory, and its %zu MiB are more than what is left of cache=: give more, "
                         "or store it contiguously (h5repack -l CONTI)",
                         f->path, b->name, all >> 20);
    f->left -= all;
    int status = slab_alloc(&b->memory, all, b->name, err);
    if (!status &&
        H5Dread(set, H5T_NATIVE_UCHAR, H5S_ALL, H5S_ALL, H5P_DEFAULT, b->memory.data) < 0)
        status =
            wrong(f, b->name, "HDF5 cannot read it: damaged, or by a filter that is missing", err);
    return status;
}

/* The first record as HDF5 reads it: is what we read the same? */
static int is_read_rightly(const struct hdf5_file *f, hid_t set, const struct hdf5_bytes *b) {
    const hsize_t start[HDF5_MOST_RANK] = {0};
    hsize_t count[HDF5_MOST_RANK];
    struct error ignored;
    struct slab both = {0};
    int same = 0;
    for (int i = 0; i < b->rank; i++)
        count[i] = i ? b->dims[i] : 1;
    hid_t from = H5Dget_space(set), to = H5Screate_simple(b->rank, count, NULL);
    if (from >= 0 && to >= 0 && !slab_alloc(&both, 2 * b->one, b->name, &ignored)) {
        uint8_t *theirs = both.data, *ours = theirs + b->one;
        same = H5Sselect_hyperslab(from, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
               H5Dread(set, H5T_NATIVE_UCHAR, to, from, H5P_DEFAULT, theirs) >= 0 &&
               !hdf5_bytes_read(f, b, 0, ours, &ignored) && !memcmp(theirs, ours, b->one);
    }
    slab_free(&both);
    if (from >= 0)
        H5Sclose(from);
    if (to >= 0)
        H5Sclose(to);
    return same;
}

int hdf5_bytes_open(struct hdf5_file *f, const char *name, int least_rank, int most_rank,
                    struct hdf5_bytes *out, struct error *err) {
    *out = (struct hdf5_bytes){.name = arena_strdup(f->arena, name)};
    hid_t set = open_array(f, name, least_rank, most_rank, &out->rank, out->dims, err);
    size_t one = 1, all;
    int status = 0;
    if (set < 0)
        return err->status;
    for (int i = 1; i < out->rank && !status; i++)
        if (!out->dims[i] || out->dims[i] > INT_MAX ||
            __builtin_mul_overflow(one, (size_t)out->dims[i], &one))
            status = wrong(f, name, "a record's size is beyond reason, or nothing", err);
    if (!status && (!out->dims[0] || out->dims[0] > LONG_MAX ||
                    __builtin_mul_overflow(one, (size_t)out->dims[0], &all)))
        status = wrong(f, name, "the number of records is beyond reason, or 0", err);
    if (!status && !is_byte(set))
        status = wrong(f, name, "unsigned integers of 8 bits expected", err);
    if (!status) {
        out->one = one;
        out->at = is_contiguous(f, set, out) ? H5Dget_offset(set) : 0;
        if (!out->at || !is_read_rightly(f, set, out))
            status = load(f, set, out, err);
    }
    H5Dclose(set);
    return status;
}

int hdf5_bytes_read(const struct hdf5_file *f, const struct hdf5_bytes *b, long i, void *out,
                    struct error *err) {
    if (!b->memory.data)
        return file_part_read(f->fd, f->path, b->at + (uint64_t)i * b->one, out, b->one, err);
    memcpy(out, (const uint8_t *)b->memory.data + (size_t)i * b->one, b->one);
    return 0;
}

void hdf5_bytes_close(struct hdf5_bytes *b) {
    slab_free(&b->memory);
}

/* ---- numbers ---- */

int hdf5_numbers(const struct hdf5_file *f, const char *name, long n, long long **out,
                 struct error *err) {
    hsize_t length;
    int rank, status = 0;
    hid_t set = open_array(f, name, 1, 1, &rank, &length, err);
    if (set < 0)
        return err->status;
    hid_t type = H5Dget_type(set);
    if (type < 0 || H5Tget_class(type) != H5T_INTEGER)
        status = wrong(f, name, "whole numbers expected", err);
    else if (length != (hsize_t)n)
        status =
            error_set(err, STATUS_USAGE, "%s: %s: %ld expected, as there are images, found %llu",
                      f->path, name, n, (unsigned long long)length);
    if (!status) {
        *out = ARENA_ARRAY(f->arena, long long, n);
        if (H5Dread(set, H5T_NATIVE_LLONG, H5S_ALL, H5S_ALL, H5P_DEFAULT, *out) < 0)
            status = wrong(f, name, "HDF5 cannot read it", err);
    }
    if (type >= 0)
        H5Tclose(type);
    H5Dclose(set);
    return status;
}

/* ---- strings ---- */

/* `read` is H5Aread, or H5Dread for all of a dataset. */
static herr_t read_all(hid_t source, int is_attribute, hid_t type, void *out) {
    return is_attribute ? H5Aread(source, type, out)
                        : H5Dread(source, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
}

/* Copies of n strings in the file's arena. */
static int take_strings(const struct hdf5_file *f, const char *name, hid_t source, int is_attribute,
                        long n, const char **out, struct error *err) {
    hid_t type = is_attribute ? H5Aget_type(source) : H5Dget_type(source);
    hid_t space = is_attribute ? H5Aget_space(source) : H5Dget_space(source), memory = -1;
    int status = 0, varies = 0;
    char **texts = NULL, *fixed = NULL;
    size_t size = 0;
    if (type < 0 || space < 0 || H5Tget_class(type) != H5T_STRING) {
        status = wrong(f, name, "strings expected", err);
        goto out;
    }
    varies = H5Tis_variable_str(type) > 0;
    memory = H5Tcopy(H5T_C_S1);
    size = varies ? H5T_VARIABLE : H5Tget_size(type) + 1; /* one more for a final NUL */
    H5Tset_size(memory, size);
    H5Tset_cset(memory, H5Tget_cset(type));
    if (varies)
        texts = calloc((size_t)n, sizeof *texts);
    else
        fixed = calloc((size_t)n, size);
    if (!texts && !fixed) {
        status = error_set(err, STATUS_MACHINE, "%s: %s: no memory", f->path, name);
        goto out;
    }
    if (read_all(source, is_attribute, memory, varies ? (void *)texts : fixed) < 0)
        status = wrong(f, name, "HDF5 cannot read it", err);
    for (long i = 0; i < n && !status; i++) {
        const char *text = varies ? texts[i] ? texts[i] : "" : fixed + (size_t)i * size;
        if (!is_utf8(text))
            status =
                error_set(err, STATUS_USAGE, "%s: %s: string %ld is no UTF-8", f->path, name, i);
        else
            out[i] = arena_strdup(f->arena, text);
    }
    if (texts)
        H5Dvlen_reclaim(memory, space, H5P_DEFAULT, texts);
out:
    free(texts);
    free(fixed);
    if (memory >= 0)
        H5Tclose(memory);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

int hdf5_strings(const struct hdf5_file *f, const char *name, long n, long *per,
                 const char *const **out, struct error *err) {
    hsize_t dims[2] = {0, 1};
    int rank, status = 0;
    hid_t set = open_array(f, name, 1, 2, &rank, dims, err);
    if (set < 0)
        return err->status;
    if (dims[0] != (hsize_t)n || !dims[1] || dims[1] > (hsize_t)(MOST_STRINGS / n)) {
        status = error_set(err, STATUS_USAGE,
                           "%s: %s: %ld or (%ld,k) strings expected, as there are images", f->path,
                           name, n, n);
    } else {
        *per = (long)dims[1];
        const char **strings = ARENA_ARRAY(f->arena, const char *, n **per);
        status = take_strings(f, name, set, 0, n * *per, strings, err);
        *out = strings;
    }
    H5Dclose(set);
    return status;
}

int hdf5_string_attribute(const struct hdf5_file *f, const char *name, const char *const **out,
                          int *n, struct error *err) {
    *out = NULL;
    *n = 0;
    if (H5Aexists(f->id, name) <= 0)
        return 0;
    hid_t attribute = H5Aopen(f->id, name, H5P_DEFAULT);
    hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    hsize_t length = 0;
    int status = 0;
    if (shape_of(space, 1, &length) != 1 || !length || length > INT_MAX / 2) {
        status = wrong(f, name, "this attribute should be a list of strings", err);
    } else {
        const char **strings = ARENA_ARRAY(f->arena, const char *, length);
        *n = (int)length;
        status = take_strings(f, name, attribute, 1, *n, strings, err);
        *out = strings;
    }
    if (space >= 0)
        H5Sclose(space);
    if (attribute >= 0)
        H5Aclose(attribute);
    return status;
}
