#include "results/arrays.h"

#include "core/file.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

static hid_t open_group(hid_t file, const char *name) {
    if (H5Lexists(file, name, H5P_DEFAULT) > 0)
        return H5Gopen2(file, name, H5P_DEFAULT);
    return H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
}

static int put(hid_t file, const struct named_array *a) {
    hsize_t dims[ARRAY_DIMS];
    for (int i = 0; i < a->ndim; i++)
        dims[i] = (hsize_t)a->dim[i];
    hid_t group = open_group(file, a->group);
    hid_t space = a->ndim ? H5Screate_simple(a->ndim, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(how, 0); /* equal contents, equal files */
    hid_t set = H5Dcreate2(group, a->name, a->is_index ? H5T_STD_I32LE : H5T_IEEE_F32LE, space,
                           H5P_DEFAULT, how, H5P_DEFAULT);
    int bad = set < 0 || H5Dwrite(set, a->is_index ? H5T_NATIVE_INT32 : H5T_NATIVE_FLOAT, H5S_ALL,
                                  H5S_ALL, H5P_DEFAULT, a->data) < 0;
    H5Dclose(set);
    H5Pclose(how);
    H5Sclose(space);
    H5Gclose(group);
    return bad;
}

int arrays_write(const char *path, const struct named_array *list, int n, struct error *err) {
    char unfinished[PATH_ROOM];
    if ((size_t)snprintf(unfinished, sizeof unfinished, "%s.tmp", path) >= sizeof unfinished)
        return error_set(err, STATUS_USAGE, "the path of a result is too long: %.200s...", path);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fcreate(unfinished, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    int bad = file < 0;
    for (int i = 0; i < n && !bad; i++) {
        CHECK(list[i].ndim <= ARRAY_DIMS, "%s has %d dimensions", list[i].name, list[i].ndim);
        bad = put(file, &list[i]);
    }
    if (file >= 0)
        bad |= H5Fclose(file) < 0;
    if (bad)
        return file_blame_writing(path, unfinished, err);
    int status = file_commit(unfinished, path, err);
    if (status)
        unlink(unfinished);
    return status;
}

/* The dataset of a file that is open, or a negative number with the reason in *err. */
static hid_t open_set(hid_t file, const char *path, const char *group, const char *name,
                      struct error *err) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", group, name);
    hid_t set = -1;
    if (H5Lexists(file, group, H5P_DEFAULT) > 0 && H5Lexists(file, full, H5P_DEFAULT) > 0)
        set = H5Dopen2(file, full, H5P_DEFAULT);
    if (set < 0)
        error_set(err, STATUS_USAGE, "%s: holds no dataset %s", path, full);
    return set;
}

static hid_t open_file(const char *path, struct error *err) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0)
        error_set(err, STATUS_USAGE, "%s: not an HDF5 file, or it cannot be read", path);
    return file;
}

int arrays_rows(const char *path, const char *group, const char *name, int *rows,
                struct error *err) {
    hsize_t dims[H5S_MAX_RANK] = {0};
    hid_t file = open_file(path, err), set = -1;
    if (file < 0)
        return err->status;
    int status = 0;
    if ((set = open_set(file, path, group, name, err)) < 0) {
        status = err->status;
    } else {
        hid_t space = H5Dget_space(set);
        int rank = H5Sget_simple_extent_dims(space, dims, NULL);
        if (rank < 1 || dims[0] < 1 || dims[0] > 65536)
            status = error_set(err, STATUS_USAGE, "%s: %s/%s has no samples, or too many", path,
                               group, name);
        *rows = (int)dims[0];
        H5Sclose(space);
        H5Dclose(set);
    }
    H5Fclose(file);
    return status;
}

int arrays_read(const char *path, const char *group, const char *name, int is_index, size_t count,
                void *out, struct error *err) {
    hid_t file = open_file(path, err), set = -1;
    if (file < 0)
        return err->status;
    int status = 0;
    if ((set = open_set(file, path, group, name, err)) < 0) {
        status = err->status;
    } else {
        hid_t space = H5Dget_space(set);
        hssize_t points = H5Sget_simple_extent_npoints(space);
        if (points < 0 || (size_t)points != count)
            status =
                error_set(err, STATUS_USAGE, "%s: %s/%s has %lld entries, not the %zu expected",
                          path, group, name, (long long)points, count);
        else if (H5Dread(set, is_index ? H5T_NATIVE_INT32 : H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL,
                         H5P_DEFAULT, out) < 0)
            status = error_set(err, STATUS_USAGE, "%s: %s/%s cannot be read as numbers", path,
                               group, name);
        H5Sclose(space);
        H5Dclose(set);
    }
    H5Fclose(file);
    return status;
}
