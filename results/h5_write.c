#include "results/h5_internal.h"

#include "core/file.h"
#include "results/h5_trailer_internal.h"

#include <hdf5_hl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* From here on an array is cut into chunks and compressed; below, chunks only cost. */
enum { LARGE = 32 << 10, CHUNK = 1 << 20, DEFLATE = 4, GROWTH = 1 << 20, TABLE_CHUNK = 1024 };
enum { MAX_COLUMNS = 32 };

/* HDF5 keeps the file in memory that these functions give it.  What closing the file would free is
 * the finished file.  (H5Fget_file_image of 1.10 leaves a superblock with a wrong checksum.) */

static void *image_malloc(size_t bytes, H5FD_file_image_op_t op, void *data) {
    (void)op, (void)data;
    return malloc(bytes);
}

static void *image_realloc(void *image, size_t bytes, H5FD_file_image_op_t op, void *data) {
    (void)op, (void)data;
    return realloc(image, bytes);
}

static herr_t image_free(void *image, H5FD_file_image_op_t op, void *data) {
    struct h5 *h = data;
    if (op == H5FD_FILE_IMAGE_OP_FILE_CLOSE && !h->image)
        h->image = image;
    else
        free(image);
    return 0;
}

static void *data_copy(void *data) {
    return data;
}

static herr_t data_free(void *data) {
    (void)data;
    return 0;
}

/* Of a new object of that class, without the times of day: equal contents are equal files. */
static hid_t creation(hid_t class) {
    hid_t how = H5Pcreate(class);
    if (how >= 0)
        H5Pset_obj_track_times(how, 0);
    return how;
}

void h5_create(struct h5 *h, const char *path, struct error *err) {
    *h = (struct h5){.file = -1, .path = path, .err = err, .failed_as = STATUS_MACHINE};
    H5FD_file_image_callbacks_t memory = {.image_malloc = image_malloc,
                                          .image_realloc = image_realloc,
                                          .image_free = image_free,
                                          .udata_copy = data_copy,
                                          .udata_free = data_free,
                                          .udata = h};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), how = creation(H5P_FILE_CREATE);
    if (access < 0 || how < 0 || H5Pset_fapl_core(access, GROWTH, 0) < 0 ||
        H5Pset_file_image_callbacks(access, &memory) < 0 ||
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0 ||
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) < 0 ||
        (h->file = H5Fcreate(IMAGE_NAME, H5F_ACC_TRUNC, how, access)) < 0)
        h5_failed(h, -1, "", "cannot build the file");
    h5_end(how);
    h5_end(access);
}

/* Closes the file and appends the trailer.  Returns the size, 0 after a failure. */
static size_t finish(struct h5 *h, size_t room) {
    if (H5Fclose(h->file) < 0 || !h->image) {
        h5_failed(h, -1, "", "cannot build the file");
        return 0;
    }
    size_t bytes = h5_stored_end(h->image, room);
    CHECK(bytes && bytes <= room, "%zu of %zu bytes", bytes, room);
    char *longer = realloc(h->image, bytes + H5_TRAILER);
    if (!longer) {
        h5_wrong(h, -1, "", "out of memory (%zu bytes)", bytes);
        return 0;
    }
    h->image = longer;
    h5_make_trailer(longer, bytes, longer + bytes);
    return bytes + H5_TRAILER;
}

int h5_save(struct h5 *h) {
    hsize_t room = 0;
    if (!h->status) {
        /* H5F_CLOSE_STRONG would close what was left open, and not say so. */
        ssize_t open = H5Fget_obj_count(h->file, H5F_OBJ_ALL);
        CHECK(open == 1, "%zd HDF5 objects are open in %s", open, h->path);
        if (H5Fflush(h->file, H5F_SCOPE_GLOBAL) < 0 || H5Fget_filesize(h->file, &room) < 0)
            h5_failed(h, -1, "", "cannot build the file");
    }
    if (!h->status) {
        size_t bytes = finish(h, (size_t)room);
        if (!h->status)
            h->status = file_write_atomic(h->path, h->image, bytes, h->err);
    } else if (h->file >= 0) {
        H5Fclose(h->file);
    }
    free(h->image);
    h->image = NULL;
    return h->status;
}

hid_t h5_new_group(struct h5 *h, hid_t at, const char *name) {
    if (h->status)
        return -1;
    hid_t how = creation(H5P_GROUP_CREATE);
    hid_t group = H5Gcreate2(at, name, H5P_DEFAULT, how, H5P_DEFAULT);
    if (group < 0)
        h5_failed(h, at, name, "cannot write");
    h5_end(how);
    return group;
}

/* ---- attributes and text ---- */

static void put_attribute(struct h5 *h, hid_t at, const char *name, hid_t file_type,
                          hid_t memory_type, const void *value) {
    if (h->status)
        return;
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(at, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, memory_type, value) < 0)
        h5_failed(h, at, name, "cannot write");
    h5_end(attribute);
    h5_end(space);
}

void h5_put_text_attribute(struct h5 *h, hid_t at, const char *name, const char *text) {
    hid_t type = h5_string_type(H5T_VARIABLE);
    put_attribute(h, at, name, type, type, &text);
    h5_end(type);
}

void h5_put_integer_attribute(struct h5 *h, hid_t at, const char *name, long long value) {
    put_attribute(h, at, name, H5T_STD_I64LE, H5T_NATIVE_LLONG, &value);
}

void h5_put_attributes(struct h5 *h, hid_t at, const struct member *members, const void *object) {
    for (const struct member *m = members; m->name; m++) {
        const char *field = (const char *)object + m->offset, *text;
        switch (m->kind) {
        case MEMBER_CHARS:
            h5_put_text_attribute(h, at, m->name, field);
            break;
        case MEMBER_STRING:
            memcpy(&text, field, sizeof text);
            if (text)
                h5_put_text_attribute(h, at, m->name, text);
            break;
        case MEMBER_INTEGER:
            if (m->size == sizeof(int64_t))
                put_attribute(h, at, m->name, H5T_STD_I64LE, H5T_NATIVE_INT64, field);
            else
                put_attribute(h, at, m->name, H5T_STD_I32LE, H5T_NATIVE_INT32, field);
            break;
        case MEMBER_REAL:
            put_attribute(h, at, m->name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, field);
            break;
        }
    }
}

void h5_put_text(struct h5 *h, hid_t at, const char *name, const char *text) {
    if (h->status || !text)
        return;
    hid_t type = h5_string_type(H5T_VARIABLE), space = H5Screate(H5S_SCALAR);
    hid_t set = H5Dcreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (set < 0 || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text) < 0)
        h5_failed(h, at, name, "cannot write");
    h5_end(set);
    h5_end(space);
    h5_end(type);
}

/* ---- arrays ---- */

static hid_t file_type(enum element type) {
    switch (type) {
    case ELEMENT_BYTE:
        return H5T_STD_U8LE;
    case ELEMENT_INT16:
        return H5T_STD_I16LE;
    case ELEMENT_INT32:
        return H5T_STD_I32LE;
    case ELEMENT_INT64:
        return H5T_STD_I64LE;
    case ELEMENT_FLOAT:
        return H5T_IEEE_F32LE;
    default:
        return H5T_IEEE_F64LE;
    }
}

/* Whole rows to a chunk while they fit. */
static herr_t chunk_and_compress(hid_t layout, int rank, const hsize_t *dims, size_t element) {
    hsize_t chunk[MAX_RANK], bytes = element;
    for (int i = 0; i < rank; i++) {
        chunk[i] = dims[i];
        bytes *= dims[i];
    }
    if (bytes < LARGE)
        return 0;
    for (int i = 0; i < rank; i++)
        while (bytes > CHUNK && chunk[i] > 1) {
            bytes /= chunk[i];
            chunk[i] = (chunk[i] + 1) / 2;
            bytes *= chunk[i];
        }
    if (H5Pset_chunk(layout, rank, chunk) < 0)
        return -1;
    if (H5Zfilter_avail(H5Z_FILTER_DEFLATE) <= 0)
        return 0;
    return H5Pset_shuffle(layout) < 0 || H5Pset_deflate(layout, DEFLATE) < 0 ? -1 : 0;
}

/* Returns the open dataset. */
static hid_t put_dataset(struct h5 *h, hid_t at, const char *name, hid_t stored, hid_t in_memory,
                         int rank, const hsize_t *dims, const void *values) {
    if (h->status)
        return -1;
    hid_t space = H5Screate_simple(rank, dims, NULL), layout = creation(H5P_DATASET_CREATE);
    hid_t set = -1;
    if (space >= 0 && layout >= 0 &&
        chunk_and_compress(layout, rank, dims, H5Tget_size(stored)) >= 0)
        set = H5Dcreate2(at, name, stored, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    if (set < 0 || (H5Sget_simple_extent_npoints(space) > 0 &&
                    H5Dwrite(set, in_memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)) {
        h5_failed(h, at, name, "cannot write");
        h5_end(set);
        set = -1;
    }
    h5_end(layout);
    h5_end(space);
    return set;
}

static hid_t make_scale(struct h5 *h, hid_t at, const char *name, hid_t set) {
    if (!h->status && H5DSset_scale(set, name) < 0)
        h5_failed(h, at, name, "cannot make a scale of");
    return set;
}

hid_t h5_put_scale(struct h5 *h, hid_t at, const char *name, enum element type, hsize_t n,
                   const void *values) {
    return make_scale(
        h, at, name,
        put_dataset(h, at, name, file_type(type), h5_memory_type(type), 1, &n, values));
}

/* Of one length, since HDF5 compresses no strings of variable length. */
hid_t h5_put_string_scale(struct h5 *h, hid_t at, const char *name, hsize_t n,
                          const char *const *values) {
    if (h->status)
        return -1;
    size_t width = 1;
    for (hsize_t i = 0; i < n; i++)
        width = strlen(values[i]) > width ? strlen(values[i]) : width;
    char *text = calloc((size_t)n + 1, width);
    if (!text) {
        h5_wrong(h, at, name, "out of memory");
        return -1;
    }
    for (hsize_t i = 0; i < n; i++)
        memcpy(text + i * width, values[i], strlen(values[i]));
    hid_t type = h5_string_type(width);
    hid_t set = make_scale(h, at, name, put_dataset(h, at, name, type, type, 1, &n, text));
    h5_end(type);
    free(text);
    return set;
}

void h5_put_array(struct h5 *h, hid_t at, const char *name, enum element type, int rank,
                  const hid_t *scales, const void *values) {
    if (h->status || !values)
        return;
    hsize_t dims[MAX_RANK] = {0};
    CHECK(rank <= MAX_RANK, "rank %d", rank);
    for (int i = 0; i < rank; i++) {
        hid_t space = H5Dget_space(scales[i]);
        if (space < 0 || H5Sget_simple_extent_dims(space, &dims[i], NULL) != 1)
            h5_failed(h, at, name, "no length for an axis of");
        h5_end(space);
    }
    hid_t set = put_dataset(h, at, name, file_type(type), h5_memory_type(type), rank, dims, values);
    for (int i = 0; i < rank && !h->status; i++)
        if (H5DSattach_scale(set, scales[i], (unsigned)i) < 0)
            h5_failed(h, at, name, "cannot attach a scale to");
    h5_end(set);
}

void h5_put_block(struct h5 *h, hid_t at, const char *name, enum element type, int rank,
                  const hsize_t *dims, const void *values) {
    if (h->status || !values)
        return;
    CHECK(rank <= MAX_RANK, "rank %d", rank);
    h5_end(put_dataset(h, at, name, file_type(type), h5_memory_type(type), rank, dims, values));
}

/* ---- tables ---- */

/* H5TBmake_table takes the columns as they are in memory, so their types are the machine's own; the
 * file records which those are. */
void h5_put_table(struct h5 *h, hid_t at, const char *name, const struct member *columns,
                  size_t row_bytes, long n, const void *rows) {
    if (h->status)
        return;
    const char *names[MAX_COLUMNS];
    size_t offsets[MAX_COLUMNS];
    hid_t types[MAX_COLUMNS];
    hsize_t n_columns = 0;
    for (const struct member *m = columns; m->name; m++, n_columns++) {
        CHECK(n_columns < MAX_COLUMNS && m->kind != MEMBER_STRING, "column %s", m->name);
        names[n_columns] = m->name;
        offsets[n_columns] = m->offset;
        types[n_columns] = h5_column_type(m);
    }
    hsize_t chunk = n < 1 ? 1 : n < TABLE_CHUNK ? (hsize_t)n : TABLE_CHUNK;
    int compress = (size_t)n * row_bytes >= LARGE;
    if (H5TBmake_table(name, at, name, n_columns, (hsize_t)n, row_bytes, names, offsets, types,
                       chunk, NULL, compress, rows) < 0)
        h5_failed(h, at, name, "cannot write");
    for (hsize_t i = 0; i < n_columns; i++)
        h5_end(types[i]);
}
