#include "results/samples.h"

#include "results/h5_internal.h"

#include <math.h>
#include <string.h>

#define DIMS(...) ((const hsize_t[]){__VA_ARGS__})
enum { RGB = 3, POINT = 2 };

/* ---- writing ---- */

static void put_names(struct h5 *h, hid_t at, const char *name, int n, const char *const *names) {
    if (n)
        h5_end(h5_put_string_scale(h, at, name, (hsize_t)n, names));
}

static void put_pictures(struct h5 *h, hid_t at, const char *name,
                         const struct sample_pictures *p) {
    const hsize_t n = (hsize_t)p->n;
    h5_put_block(h, at, name, ELEMENT_BYTE, 4, DIMS(n, (hsize_t)p->height, (hsize_t)p->width, RGB),
                 p->rgb);
    h5_put_block(h, at, "label", ELEMENT_INT16, 1, DIMS(n), p->label);
}

static void put_tiles(struct h5 *h, const struct samples *s) {
    const struct sample_tiles *t = &s->tiles;
    if (!t->rgb)
        return;
    hid_t at = h5_new_group(h, h->file, "method");
    put_names(h, at, "name", t->n, t->name);
    h5_put_block(h, at, "tile", ELEMENT_BYTE, 5,
                 DIMS((hsize_t)t->n, (hsize_t)s->pictures.n, (hsize_t)s->pictures.height,
                      (hsize_t)s->pictures.width, RGB),
                 t->rgb);
    h5_end(at);
}

static void put_attention(struct h5 *h, const struct samples *s) {
    const struct sample_attention *t = &s->attention;
    if (!t->weight)
        return;
    hid_t at = h5_new_group(h, h->file, "attention");
    h5_put_block(
        h, at, "class_token", ELEMENT_FLOAT, 4,
        DIMS((hsize_t)s->pictures.n, (hsize_t)t->heads, (hsize_t)t->height, (hsize_t)t->width),
        t->weight);
    h5_end(at);
}

static void put_features(struct h5 *h, const struct sample_features *f) {
    if (!f->x)
        return;
    const hsize_t n = (hsize_t)f->n;
    hid_t at = h5_new_group(h, h->file, "features");
    h5_put_attributes(h, at, schema_sample_features, f);
    h5_put_block(h, at, "x", ELEMENT_FLOAT, 2, DIMS(n, (hsize_t)f->dim), f->x);
    h5_put_block(h, at, "label", ELEMENT_INT16, 1, DIMS(n), f->label);
    h5_put_block(h, at, "pca", ELEMENT_REAL, 2, DIMS(n, POINT), f->pca);
    h5_put_block(h, at, "tsne", ELEMENT_REAL, 2, DIMS(n, POINT), f->tsne);
    h5_end(at);
}

static void put_similarity(struct h5 *h, const struct sample_similarity *x) {
    if (!x->cosine)
        return;
    hid_t at = h5_new_group(h, h->file, "similarity");
    put_names(h, at, "caption", x->n, x->caption);
    h5_put_block(h, at, "cosine", ELEMENT_FLOAT, 2, DIMS((hsize_t)x->n, (hsize_t)x->n), x->cosine);
    h5_end(at);
}

static void put_segment(struct h5 *h, const struct sample_segment *g) {
    const struct sample_pictures *p = &g->pictures;
    if (!p->rgb)
        return;
    const hsize_t dims[] = {(hsize_t)p->n, (hsize_t)p->height, (hsize_t)p->width};
    hid_t at = h5_new_group(h, h->file, "segment");
    h5_put_attributes(h, at, schema_sample_segment, g);
    put_names(h, at, "class", g->n_classes, g->class_name);
    put_pictures(h, at, "input", p);
    h5_put_block(h, at, "truth", ELEMENT_BYTE, 3, dims, g->truth);
    h5_put_block(h, at, "predicted", ELEMENT_BYTE, 3, dims, g->predicted);
    h5_end(at);
}

int samples_write(const struct samples *s, const char *path, struct error *err) {
    struct h5 h;
    h5_create(&h, path, err);
    h5_put_text_attribute(&h, h.file, "format", SAMPLES_FORMAT);
    h5_put_text_attribute(&h, h.file, "format_version", SAMPLES_FORMAT_VERSION);
    h5_put_attributes(&h, h.file, schema_samples, s);
    hid_t at = h5_new_group(&h, h.file, "pictures");
    put_names(&h, at, "class", s->n_classes, s->class_name);
    put_pictures(&h, at, "input", &s->pictures);
    h5_end(at);
    put_tiles(&h, s);
    put_attention(&h, s);
    put_features(&h, &s->features);
    put_similarity(&h, &s->similarity);
    put_segment(&h, &s->segment);
    return h5_save(&h);
}

/* ---- reading ---- */

/* An array whose extent is known.  rank at most MAX_RANK. */
static const void *get(struct h5 *h, hid_t at, const char *name, enum element type, int rank,
                       const hsize_t *wanted) {
    hsize_t dims[MAX_RANK] = {0};
    const void *values = h5_get_block(h, at, name, type, rank, dims);
    for (int i = 0; i < rank && values; i++)
        if (dims[i] != wanted[i]) {
            h5_wrong(h, at, name, "its axis %d has length %llu, not %llu", i,
                     (unsigned long long)dims[i], (unsigned long long)wanted[i]);
            return NULL;
        }
    return values;
}

/* The same, and it has to be there. */
static const void *need(struct h5 *h, hid_t at, const char *name, enum element type, int rank,
                        const hsize_t *wanted) {
    const void *values = get(h, at, name, type, rank, wanted);
    if (!values)
        h5_wrong(h, at, name, "it is missing or empty");
    return values;
}

static const int16_t *get_labels(struct h5 *h, hid_t at, int n, int classes) {
    const int16_t *label = get(h, at, "label", ELEMENT_INT16, 1, DIMS((hsize_t)n));
    for (int i = 0; label && i < n; i++)
        if (label[i] < -1 || label[i] >= classes)
            h5_wrong(h, at, "label", "class %d of %d", label[i], classes);
    return label;
}

static void get_pictures(struct h5 *h, hid_t at, int classes, struct sample_pictures *p) {
    hsize_t dims[MAX_RANK] = {0};
    p->rgb = h5_get_block(h, at, "input", ELEMENT_BYTE, 4, dims);
    if (!p->rgb)
        return;
    if (dims[3] != RGB)
        h5_wrong(h, at, "input", "it has %llu colours", (unsigned long long)dims[3]);
    p->n = (int)dims[0];
    p->height = (int)dims[1];
    p->width = (int)dims[2];
    p->label = get_labels(h, at, p->n, classes);
}

static void get_tiles(struct h5 *h, struct samples *s) {
    if (!h5_has(h, h->file, "method"))
        return;
    struct sample_tiles *t = &s->tiles;
    hid_t at = h5_group(h, h->file, "method");
    t->name = h5_get_strings(h, at, "name", &t->n);
    t->rgb = need(h, at, "tile", ELEMENT_BYTE, 5,
                  DIMS((hsize_t)t->n, (hsize_t)s->pictures.n, (hsize_t)s->pictures.height,
                       (hsize_t)s->pictures.width, RGB));
    h5_end(at);
}

static void check_finite(struct h5 *h, hid_t at, const char *name, const float *x, size_t n) {
    for (size_t i = 0; x && i < n; i++)
        if (!isfinite(x[i])) {
            h5_wrong(h, at, name, "a number is not finite");
            return;
        }
}

static void get_attention(struct h5 *h, struct samples *s) {
    if (!h5_has(h, h->file, "attention"))
        return;
    struct sample_attention *t = &s->attention;
    hsize_t dims[MAX_RANK] = {0};
    hid_t at = h5_group(h, h->file, "attention");
    t->weight = h5_get_block(h, at, "class_token", ELEMENT_FLOAT, 4, dims);
    if (!t->weight || dims[0] != (hsize_t)s->pictures.n)
        h5_wrong(h, at, "class_token", "it is not of %d pictures", s->pictures.n);
    t->heads = (int)dims[1];
    t->height = (int)dims[2];
    t->width = (int)dims[3];
    if (!h->status)
        check_finite(h, at, "class_token", t->weight, dims[0] * dims[1] * dims[2] * dims[3]);
    h5_end(at);
}

static void get_features(struct h5 *h, struct samples *s) {
    if (!h5_has(h, h->file, "features"))
        return;
    struct sample_features *f = &s->features;
    hsize_t dims[MAX_RANK] = {0};
    hid_t at = h5_group(h, h->file, "features");
    h5_get_attributes(h, at, schema_sample_features, f);
    f->x = h5_get_block(h, at, "x", ELEMENT_FLOAT, 2, dims);
    if (!f->x)
        h5_wrong(h, at, "x", "it is missing or empty");
    f->n = (int)dims[0];
    f->dim = (int)dims[1];
    f->label = get_labels(h, at, f->n, s->n_classes);
    f->pca = get(h, at, "pca", ELEMENT_REAL, 2, DIMS(dims[0], POINT));
    f->tsne = get(h, at, "tsne", ELEMENT_REAL, 2, DIMS(dims[0], POINT));
    if (!h->status)
        check_finite(h, at, "x", f->x, dims[0] * dims[1]);
    for (int i = 0; i < POINT * f->n && !h->status; i++)
        if ((f->pca && !isfinite(f->pca[i])) || (f->tsne && !isfinite(f->tsne[i])))
            h5_wrong(h, at, "", "a point is not finite");
    h5_end(at);
}

static void get_similarity(struct h5 *h, struct samples *s) {
    if (!h5_has(h, h->file, "similarity"))
        return;
    struct sample_similarity *x = &s->similarity;
    hid_t at = h5_group(h, h->file, "similarity");
    x->caption = h5_get_strings(h, at, "caption", &x->n);
    const hsize_t n = (hsize_t)x->n;
    if (x->n > s->pictures.n)
        h5_wrong(h, at, "caption", "%d captions of %d pictures", x->n, s->pictures.n);
    x->cosine = need(h, at, "cosine", ELEMENT_FLOAT, 2, DIMS(n, n));
    if (!h->status)
        check_finite(h, at, "cosine", x->cosine, n * n);
    h5_end(at);
}

static const uint8_t *get_masks(struct h5 *h, hid_t at, const char *name,
                                const struct sample_segment *g) {
    const struct sample_pictures *p = &g->pictures;
    const uint8_t *mask = need(h, at, name, ELEMENT_BYTE, 3,
                               DIMS((hsize_t)p->n, (hsize_t)p->height, (hsize_t)p->width));
    size_t pixels = (size_t)p->n * (size_t)p->height * (size_t)p->width;
    for (size_t i = 0; mask && i < pixels; i++)
        if (mask[i] != SAMPLES_MASK_IGNORE && mask[i] >= g->n_classes) {
            h5_wrong(h, at, name, "class %d of %d", mask[i], g->n_classes);
            return NULL;
        }
    return mask;
}

static void get_segment(struct h5 *h, struct samples *s) {
    if (!h5_has(h, h->file, "segment"))
        return;
    struct sample_segment *g = &s->segment;
    hid_t at = h5_group(h, h->file, "segment");
    h5_get_attributes(h, at, schema_sample_segment, g);
    g->class_name = h5_get_strings(h, at, "class", &g->n_classes);
    get_pictures(h, at, 0, &g->pictures);
    g->truth = get_masks(h, at, "truth", g);
    g->predicted = get_masks(h, at, "predicted", g);
    h5_end(at);
}

int samples_read(struct samples *s, const char *path, struct error *err) {
    struct h5 h;
    memset(s, 0, sizeof *s);
    h5_open(&h, path, &s->arena, err);
    h5_check_format(&h, SAMPLES_FORMAT, SAMPLES_FORMAT_VERSION, "pictures and features of a run");
    h5_get_attributes(&h, h.file, schema_samples, s);
    hid_t at = h5_group(&h, h.file, "pictures");
    s->class_name = h5_get_strings(&h, at, "class", &s->n_classes);
    get_pictures(&h, at, s->n_classes, &s->pictures);
    h5_end(at);
    get_tiles(&h, s);
    get_attention(&h, s);
    get_features(&h, s);
    get_similarity(&h, s);
    get_segment(&h, s);
    int status = h5_close(&h);
    if (status)
        samples_free(s);
    return status;
}

void samples_free(struct samples *s) {
    arena_free(&s->arena);
    memset(s, 0, sizeof *s);
}
