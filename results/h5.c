#include "results/h5_internal.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 256, REASON = 512 };

/* HDF5 describes a failure from the outermost call to the innermost; the innermost knows why. */
static herr_t innermost(unsigned n, const H5E_error2_t *e, void *data) {
    char *reason = data;
    if (n == 0 && e->desc)
        snprintf(reason, REASON, ": %s", e->desc);
    return 0;
}

static void record(struct h5 *h, hid_t at, const char *name, const char *what, const char *reason) {
    if (h->status)
        return;
    char group[NAME] = "";
    if (at >= 0 && H5Iget_name(at, group, sizeof group) < 0)
        group[0] = '\0';
    const char *slash = group[0] && group[strlen(group) - 1] != '/' ? "/" : "";
    const char *advice =
        h->failed_as == STATUS_USAGE
            ? "; the file is damaged or not of this program: restore it, or delete "
              "it and run again"
            : "";
    const char *space = group[0] || name[0] ? " " : "";
    h->status = error_set(h->err, h->failed_as, "%s: %s%s%s%s%s%s%s", h->path, what, space, group,
                          slash, name, reason, advice);
}

void h5_failed(struct h5 *h, hid_t at, const char *name, const char *what) {
    char reason[REASON] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, reason);
    record(h, at, name, what, reason);
}

void h5_wrong(struct h5 *h, hid_t at, const char *name, const char *format, ...) {
    char reason[REASON] = ": ";
    va_list args;
    va_start(args, format);
    vsnprintf(reason + 2, sizeof reason - 2, format, args);
    va_end(args);
    record(h, at, name, "wrong", reason);
}

void h5_end(hid_t id) {
    if (id < 0)
        return;
    switch (H5Iget_type(id)) {
    case H5I_GROUP:
        H5Gclose(id);
        break;
    case H5I_DATASET:
        H5Dclose(id);
        break;
    case H5I_DATATYPE:
        H5Tclose(id);
        break;
    case H5I_DATASPACE:
        H5Sclose(id);
        break;
    case H5I_ATTR:
        H5Aclose(id);
        break;
    case H5I_GENPROP_LST:
        H5Pclose(id);
        break;
    default:
        CHECK(0, "an HDF5 identifier of type %d", (int)H5Iget_type(id));
    }
}

hid_t h5_memory_type(enum element type) {
    switch (type) {
    case ELEMENT_BYTE:
        return H5T_NATIVE_UINT8;
    case ELEMENT_INT16:
        return H5T_NATIVE_INT16;
    case ELEMENT_INT32:
        return H5T_NATIVE_INT32;
    case ELEMENT_INT64:
        return H5T_NATIVE_INT64;
    case ELEMENT_FLOAT:
        return H5T_NATIVE_FLOAT;
    default:
        return H5T_NATIVE_DOUBLE;
    }
}

hid_t h5_string_type(size_t size) {
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type < 0 || H5Tset_size(type, size) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0 ||
        H5Tset_strpad(type, size == H5T_VARIABLE ? H5T_STR_NULLTERM : H5T_STR_NULLPAD) < 0) {
        h5_end(type);
        return -1;
    }
    return type;
}

hid_t h5_column_type(const struct member *m) {
    switch (m->kind) {
    case MEMBER_CHARS:
        return h5_string_type(m->size);
    case MEMBER_INTEGER:
        return H5Tcopy(m->size == sizeof(int64_t) ? H5T_NATIVE_INT64 : H5T_NATIVE_INT32);
    default:
        return H5Tcopy(H5T_NATIVE_DOUBLE);
    }
}
