/* convert_hdf5.c -- one packed HDF5 file.  Images are written one by one, so any number fits. */
#include "core/file.h"
#include "core/log.h"
#include "data/convert_internal.h"
#include "data/dataset_internal.h"
#include "data/resize.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hdf5.h>

enum { MOST_CAPTIONS = 64 };

struct writer {
    const struct dataset *d;
    const char *path, *tmp; /* what is written is tmp, until it is finished */
    hid_t file;
    int height, width;           /* of all images, if they have one size */
    int mask_height, mask_width; /* of all masks */
    int square;                  /* sizes differ: the middle of each image */
    int captions;                /* an image */
    stop_flag *stop;
    struct error *err;
};

static int failed(const struct writer *w) {
    return file_blame_writing(w->path, w->tmp, w->err);
}

/* 0 when a size that was seen before is another one. */
static int same_size(int *height, int *width, int h, int w) {
    if (!*height) {
        *height = h;
        *width = w;
    }
    return *height == h && *width == w;
}

/* What all images have in common, by reading them once. */
static int look(struct writer *w) {
    const struct dataset *d = w->d;
    struct record r = {0};
    int status = 0;
    for (int s = 0; s < SPLITS; s++)
        for (long i = 0; i < d->count[s]; i++) {
            TRY(convert_stopped(w->stop, w->path, w->err));
            TRY(dataset_read(d, (enum split)s, i, &r, w->err));
            w->square |= !same_size(&w->height, &w->width, r.height, r.width);
            if (d->has_mask && (w->square || !same_size(&w->mask_height, &w->mask_width,
                                                        r.mask_height, r.mask_width)))
                TRY(error_set(
                    w->err, STATUS_USAGE,
                    "%s: image %ld of %s, %d x %d, or its mask, %d x %d, has not the size "
                    "of those before it, which HDF5's arrays need",
                    w->path, i, split_names[s], r.width, r.height, r.mask_width, r.mask_height));
            w->captions = r.n_captions > w->captions ? r.n_captions : w->captions;
        }
    if (w->captions > MOST_CAPTIONS)
        TRY(error_set(w->err, STATUS_USAGE, "%s: an image has %d captions, more than %d", w->path,
                      w->captions, MOST_CAPTIONS));
    if (w->square) {
        w->height = w->width = d->height;
        log_message(LOG_INFO, "%s: images of different size become squares of %d pixels", w->path,
                    d->height);
    }
out:
    record_free(&r);
    return status;
}

static hid_t string_type(void) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

struct array { /* of a split, a record a row */
    hid_t set, space, row, type;
    int rank;
    hsize_t dims[4];
};

static int begin(struct writer *w, struct array *x, const char *name, hid_t stored, hid_t type,
                 int rank, const hsize_t *dims) {
    hsize_t one[4] = {1};
    *x = (struct array){.rank = rank, .type = type};
    for (int i = 0; i < rank; i++) {
        x->dims[i] = dims[i];
        if (i)
            one[i] = dims[i];
    }
    x->space = H5Screate_simple(rank, dims, NULL);
    x->row = H5Screate_simple(rank, one, NULL);
    x->set = H5Dcreate2(w->file, name, stored, x->space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    return x->set < 0 ? failed(w) : 0;
}

static int put(struct writer *w, struct array *x, long i, const void *data) {
    const hsize_t start[4] = {(hsize_t)i};
    hsize_t count[4] = {1};
    for (int k = 1; k < x->rank; k++)
        count[k] = x->dims[k];
    return H5Sselect_hyperslab(x->space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
                   H5Dwrite(x->set, x->type, x->row, x->space, H5P_DEFAULT, data) < 0
               ? failed(w)
               : 0;
}

static void end(struct array *x) {
    if (x->set > 0)
        H5Dclose(x->set);
    if (x->space > 0)
        H5Sclose(x->space);
    if (x->row > 0)
        H5Sclose(x->row);
}

struct arrays {
    struct array images, labels, masks, captions;
};

static int begin_split(struct writer *w, enum split split, hid_t text, struct arrays *x) {
    const struct dataset *d = w->d;
    struct arena a = {0};
    const char *group = split_names[split];
    const hsize_t dims[] = {(hsize_t)d->count[split], (hsize_t)w->height, (hsize_t)w->width,
                            (hsize_t)d->channels};
    const hsize_t masks[] = {dims[0], (hsize_t)w->mask_height, (hsize_t)w->mask_width};
    const hsize_t captions[] = {dims[0], (hsize_t)w->captions};
    int status = 0;
    hid_t made = H5Gcreate2(w->file, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (made < 0)
        TRY(failed(w));
    H5Gclose(made);
    TRY(begin(w, &x->images, arena_printf(&a, "%s/images", group), H5T_STD_U8LE, H5T_NATIVE_UCHAR,
              4, dims));
    if (d->classes)
        TRY(begin(w, &x->labels, arena_printf(&a, "%s/labels", group), H5T_STD_I32LE,
                  H5T_NATIVE_INT, 1, dims));
    if (d->has_mask)
        TRY(begin(w, &x->masks, arena_printf(&a, "%s/masks", group), H5T_STD_U8LE, H5T_NATIVE_UCHAR,
                  3, masks));
    if (d->has_caption)
        TRY(begin(w, &x->captions, arena_printf(&a, "%s/captions", group), text, text, 2,
                  captions));
out:
    arena_free(&a);
    return status;
}

/* Where an image has fewer captions than others, empty ones fill the row up. */
static int put_record(struct writer *w, struct arrays *x, long i, const struct record *r,
                      uint8_t *square) {
    const struct dataset *d = w->d;
    const char *captions[MOST_CAPTIONS];
    int status = 0;
    if (w->square)
        resize_square(r->pixels, r->height, r->width, d->channels, d->height, square);
    TRY(put(w, &x->images, i, w->square ? square : r->pixels));
    if (d->classes)
        TRY(put(w, &x->labels, i, &r->label));
    if (d->has_mask)
        TRY(put(w, &x->masks, i, r->mask));
    for (int k = 0; k < w->captions && d->has_caption; k++)
        captions[k] = k < r->n_captions ? record_caption(r, k) : "";
    if (d->has_caption)
        TRY(put(w, &x->captions, i, captions));
out:
    return status;
}

static int write_split(struct writer *w, enum split split) {
    const struct dataset *d = w->d;
    struct record r = {0};
    struct arrays x = {0};
    struct arena a = {0};
    hid_t text = string_type();
    uint8_t *square = arena_alloc(&a, (size_t)d->height * (size_t)d->width * (size_t)d->channels);
    int status = 0;
    TRY(begin_split(w, split, text, &x));
    for (long i = 0; i < d->count[split]; i++) {
        TRY(convert_stopped(w->stop, w->path, w->err));
        TRY(dataset_read(d, split, i, &r, w->err));
        TRY(put_record(w, &x, i, &r, square));
    }
out:
    end(&x.images), end(&x.labels), end(&x.masks), end(&x.captions);
    H5Tclose(text);
    record_free(&r);
    arena_free(&a);
    return status;
}

static int write_names(struct writer *w, const char *name, const char *const *names, int n) {
    const hsize_t length = (hsize_t)n;
    if (!n)
        return 0;
    hid_t type = string_type(), space = H5Screate_simple(1, &length, NULL);
    hid_t attribute = H5Acreate2(w->file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int status = attribute < 0 || H5Awrite(attribute, type, names) < 0 ? failed(w) : 0;
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    return status;
}

int convert_to_hdf5(const struct dataset *d, const char *path, stop_flag *stop, struct error *err) {
    struct arena a = {0};
    const char *tmp = arena_printf(&a, "%s.tmp", path);
    struct writer w = {.d = d, .path = path, .tmp = tmp, .file = -1, .stop = stop, .err = err};
    hid_t access = -1;
    int status = 0;
    TRY(look(&w));
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    access = H5Pcreate(H5P_FILE_ACCESS); /* 1.8 has room for any number of names */
    if (access < 0 || H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) < 0)
        TRY(error_set(err, STATUS_MACHINE, "%s: HDF5 has no memory for it", path));
    w.file = H5Fcreate(tmp, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    if (w.file < 0)
        TRY(failed(&w));
    TRY(write_names(&w, "class_names", d->class_names, d->classes));
    TRY(write_names(&w, "mask_names", d->mask_names, d->mask_classes));
    for (int s = 0; s < SPLITS; s++)
        TRY(write_split(&w, (enum split)s));
    herr_t closed = H5Fclose(w.file);
    w.file = -1;
    if (closed < 0)
        TRY(failed(&w));
    TRY(file_commit(tmp, path, err));
out:
    if (w.file >= 0)
        H5Fclose(w.file);
    if (access >= 0)
        H5Pclose(access);
    if (status)
        unlink(tmp);
    arena_free(&a);
    return status;
}
