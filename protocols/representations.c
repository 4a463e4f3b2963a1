#include "protocols/representations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int last_counts[] = {2, 4}; /* DINO joins 4; DINOv2 1 or 4 */
enum { COUNTS = sizeof last_counts / sizeof *last_counts, LAYERS = 64 };

/* What the encoder gives, by layer: indices into the feature set, -1 where there is none. */
struct layers {
    int n;
    int cls[LAYERS + 1], mean[LAYERS + 1]; /* from 1 */
};

/* The number in "layer6.cls", "stage4.mean" or "conv5.mean"; 0 of another name. */
static int layer_of(const char *name) {
    size_t word = strcspn(name, "0123456789.");
    int number = atoi(name + word);
    return word && number > 0 && number <= LAYERS && strchr(name, '.') ? number : 0;
}

static void find_layers(const struct feature_set *f, struct layers *l) {
    memset(l, -1, sizeof *l);
    l->n = 0;
    for (int r = 0; r < f->n_representations; r++) {
        int layer = layer_of(f->names[r]);
        const char *pool = layer ? strchr(f->names[r], '.') + 1 : "";
        if (!strcmp(pool, "cls"))
            l->cls[layer] = r;
        else if (!strcmp(pool, "mean"))
            l->mean[layer] = r;
        else
            continue;
        l->n = layer > l->n ? layer : l->n;
    }
}

struct list {
    const struct feature_set *f;
    struct representation *at;
    int n;
};

static struct representation *begin(struct list *l) {
    l->at[l->n] = (struct representation){.n_parts = 0};
    return &l->at[l->n++];
}

static void join(const struct list *l, struct representation *r, int part) {
    CHECK(part >= 0 && r->n_parts < REPRESENTATION_PARTS, "part %d of %s", part, r->name);
    r->part[r->n_parts++] = part;
    r->dim += l->f->dim[part];
}

static void add_plain(struct list *l, int part) {
    struct representation *r = begin(l);
    snprintf(r->name, sizeof r->name, "%s", l->f->names[part]);
    join(l, r, part);
}

static void add_both(struct list *l, const struct layers *in, int layer) {
    if (in->cls[layer] < 0 || in->mean[layer] < 0)
        return;
    const char *name = l->f->names[in->cls[layer]];
    struct representation *r = begin(l);
    snprintf(r->name, sizeof r->name, "%.*s.both", (int)strcspn(name, "."), name);
    join(l, r, in->cls[layer]);
    join(l, r, in->mean[layer]);
}

/* The last `count` layers by `pool` (cls or mean of struct layers); with_mean: and the last mean.
 */
static void add_last(struct list *l, const struct layers *in, const int *pool, const char *name,
                     int count, int with_mean) {
    for (int i = in->n - count + 1; i <= in->n; i++)
        if (i < 1 || pool[i] < 0)
            return;
    struct representation *r = begin(l);
    snprintf(r->name, sizeof r->name, "last%d.%s", count, name);
    for (int i = in->n - count + 1; i <= in->n; i++)
        join(l, r, pool[i]);
    if (with_mean)
        join(l, r, in->mean[in->n]);
}

int representations_list(const struct feature_set *f, const char *which, struct arena *a,
                         struct representation **out) {
    struct layers in;
    find_layers(f, &in);
    int all = !strcmp(which, "all"), plain = !strcmp(which, "plain"), last = !strcmp(which, "last");
    struct list l = {
        .f = f,
        .at = ARENA_ARRAY(a, struct representation, f->n_representations + in.n + 2 * COUNTS)};
    for (int r = 0; r < f->n_representations; r++) {
        int layer = layer_of(f->names[r]);
        /* What is of no layer, a projection, comes behind all of them. */
        if (all || plain || (layer == in.n && in.n) || (!layer && last) || !in.n)
            add_plain(&l, r);
    }
    for (int i = all ? 1 : in.n; !plain && i >= 1 && i <= in.n; i++)
        add_both(&l, &in, i);
    for (int i = 0; (all || last) && in.n && i < COUNTS; i++) {
        if (in.cls[in.n] < 0) {
            add_last(&l, &in, in.mean, "mean", last_counts[i], 0);
            continue;
        }
        add_last(&l, &in, in.cls, "cls", last_counts[i], 0);
        if (in.mean[in.n] >= 0)
            add_last(&l, &in, in.cls, "both", last_counts[i], 1);
    }
    *out = l.at;
    return l.n;
}

int representations_want(const struct feature_set *f, const char *which, char *wanted) {
    struct arena scratch = {0};
    struct representation *list;
    int n = representations_list(f, which, &scratch, &list), widest = 0;
    for (int i = 0; i < n; i++) {
        widest = list[i].dim > widest ? list[i].dim : widest;
        for (int p = 0; p < list[i].n_parts; p++)
            wanted[list[i].part[p]] = 1;
    }
    arena_free(&scratch);
    return widest;
}

int rows_open(struct rows *r, const struct feature_set *f, const struct feature_split *split,
              const struct representation *what, const int32_t *index, int n, struct error *err) {
    *r = (struct rows){
        .features = {.n = index ? n : split->n, .dim = what->dim, .classes = f->classes}};
    for (int p = 0; p < what->n_parts; p++)
        CHECK(split->x[what->part[p]] || !split->n, "%s was not extracted", what->name);
    if (!index && what->n_parts == 1) { /* they lie there as they are wanted */
        r->features.x = split->x[what->part[0]];
        r->features.label = split->label;
        return 0;
    }
    size_t rows = (size_t)r->features.n, dim = (size_t)what->dim;
    int status = slab_alloc(&r->slab, rows * (dim + 1) * sizeof(float), what->name, err);
    if (status)
        return status;
    float *x = r->slab.data;
    int32_t *label = (int32_t *)(void *)(x + rows * dim);
    r->features.x = x;
    r->features.label = label;
    for (size_t i = 0; i < rows; i++) {
        size_t from = index ? (size_t)index[i] : i;
        for (int p = 0; p < what->n_parts; p++) {
            size_t width = (size_t)f->dim[what->part[p]];
            memcpy(x, split->x[what->part[p]] + from * width, width * sizeof *x);
            x += width;
        }
        label[i] = split->label[from];
    }
    return 0;
}

void rows_close(struct rows *r) {
    slab_free(&r->slab);
}
