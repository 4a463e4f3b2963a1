/* sample_parts.c -- each part of samples.h5, from the cell's own graphs. */
#include "protocols/dense.h"
#include "protocols/each.h"
#include "protocols/sample.h"
#include "protocols/showing.h"
#include "protocols/texts.h"
#include "results/pca.h"
#include "results/tsne.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FEATURES_MOST = 1000, PAIRS_MOST = 32, BATCH = 64, ITERATIONS = 1000, RGB = 3 };
static const double PERPLEXITY = 30, MEMORY = 1 << 30;

/* ---- pictures ---- */

/* Colours back in place: (channels,height,width) normalised -> (height,width,3). */
static void to_bytes(const struct cell *c, float *image, uint8_t *rgb) {
    struct arena scratch = {0};
    int height = c->backbone.image, width = backbone_wide(&c->backbone);
    int channels = c->backbone.channels, area = height * width;
    for (int k = 0; k < channels; k++)
        for (int i = 0; i < area; i++) {
            float *x = &image[k * area + i];
            *x = (float)(*x * c->norm.std[k] + c->norm.mean[k]);
        }
    struct canvas canvas = canvas_from_image(&scratch, channels, height, width, image);
    memcpy(rgb, canvas.pixels, (size_t)area * RGB);
    arena_free(&scratch);
}

/* None where a file of samples has no number for it. */
static int16_t kept_label(int label) {
    return (int16_t)(label <= INT16_MAX ? label : -1);
}

int sample_images(const struct cell *c, const struct dataset *d, int n, struct sample_pictures *p,
                  struct arena *a, struct error *err) {
    const int height = c->backbone.image, width = backbone_wide(&c->backbone);
    const size_t area = (size_t)height * (size_t)width;
    float *image = ARENA_ARRAY(a, float, area *(size_t)c->backbone.channels);
    uint8_t *rgb = arena_alloc(a, (size_t)n * area * RGB);
    int16_t *label = ARENA_ARRAY(a, int16_t, n);
    struct record r = {.no_mask = 1};
    int status = 0;
    for (int i = 0; i < n; i++) {
        TRY(dataset_read(d, SPLIT_TEST, i, &r, err));
        if (height == width)
            view_plain(&r, &c->norm, height, image);
        else /* published weights, which need no dice */
            subject_view_whole(&c->subject, &r, NULL, image);
        to_bytes(c, image, rgb + (size_t)i * area * RGB);
        label[i] = kept_label(r.label);
    }
    *p = (struct sample_pictures){
        .n = n, .height = height, .width = width, .rgb = rgb, .label = d->classes ? label : NULL};
out:
    record_free(&r);
    return status;
}

int sample_pictures(struct cell *c, int n, struct samples *s, struct error *err) {
    s->n_classes = c->data->classes;
    s->class_name = c->data->class_names;
    return sample_images(c, c->data, n, &s->pictures, &s->arena, err);
}

/* ---- what the method makes of them ---- */

static void begin_tiles(const struct show *show, size_t one, int n, struct samples *s) {
    const char **names = ARENA_ARRAY(&s->arena, const char *, show->n_kinds);
    for (int k = 0; k < show->n_kinds; k++)
        names[k] = arena_strdup(&s->arena, show->kinds[k].name);
    s->tiles =
        (struct sample_tiles){.n = show->n_kinds,
                              .name = names,
                              .rgb = arena_alloc(&s->arena, (size_t)show->n_kinds * n * one)};
}

/* Of images first.. of n. */
static void take_tiles(const struct show *show, int side, int first, int n, struct samples *s) {
    const size_t one = (size_t)side * (size_t)side * RGB;
    if (!s->tiles.rgb)
        begin_tiles(show, one, n, s);
    for (int k = 0; k < show->n_kinds; k++)
        for (int i = 0; i < show->n; i++) {
            const struct canvas *t = &show->kinds[k].tile[i];
            CHECK(t->width == side && t->height == side, "%s: %d x %d pixels", show->kinds[k].name,
                  t->width, t->height);
            memcpy((uint8_t *)s->tiles.rgb + (size_t)(k * n + first + i) * one, t->pixels, one);
        }
}

/* So many images at a time that all values of a stage and their gradients, which a picture may
 * want, take about MEMORY bytes. */
static int images_at_once(const struct cell *c, int n) {
    double most = 1;
    for (int i = 0; i < c->method->n_stages; i++) {
        double reals = 0;
        for (int k = 0; k < c->stages[i].graph.n; k++)
            if (c->stages[i].graph.tensors[k]->kind == TENSOR_VALUE)
                reals += (double)c->stages[i].graph.tensors[k]->per_sample;
        most = fmax(most, 2 * sizeof(real) * reals);
    }
    return most * n <= MEMORY ? n : (int)fmax(1, MEMORY / most);
}

int sample_tiles(struct cell *c, const struct settings *suite, int n, struct samples *s,
                 struct error *err) {
    if (!c->method->show || !c->method->shows_kinds)
        return 0;
    struct context known = *c->context;
    known.steps = c->steps; /* a budget in seconds came to */
    struct showing_of what = {.settings = suite,
                              .method = c->method,
                              .data = c->data,
                              .seed = c->seed,
                              .context = &known,
                              .checkpoint = c->checkpoint,
                              .step = c->done};
    struct showing *w = NULL;
    int status = 0, some = images_at_once(c, n);
    for (int first = 0; first < n; first += some) {
        TRY(subject_stopped(&c->subject, SAMPLES_FILE, err));
        what.first = first;
        what.count = n - first < some ? n - first : some;
        TRY(showing_open(&w, &what, err));
        TRY(showing_draw(w, err));
        take_tiles(&w->show, c->backbone.image, first, n, s);
        showing_close(w);
        w = NULL;
    }
out:
    if (status)
        s->tiles = (struct sample_tiles){.n = 0};
    showing_close(w);
    return status;
}

/* ---- attention ---- */

struct looks {
    const struct dense_shape *shape;
    float *weight; /* (n, heads, places) */
};

static int take_attention(void *to, const struct dense_batch *b, struct error *err) {
    (void)err;
    struct looks *l = to;
    size_t one = (size_t)l->shape->heads * (size_t)l->shape->places;
    for (int i = 0; i < b->n; i++)
        memcpy(l->weight + (size_t)b->index[i] * one, b->attention + (size_t)i * one,
               one * sizeof *l->weight);
    return 0;
}

int sample_attention(struct cell *c, int n, struct samples *s, struct error *err) {
    if (c->backbone.kind != BACKBONE_VIT)
        return 0;
    struct arena scratch = {0};
    const struct protocol_input in = cell_input(c, &scratch);
    struct dense *dense = NULL;
    int status = 0;
    TRY(dense_open(&dense, &in, 0, err));
    struct looks l = {.shape = dense_shape_of(dense)};
    l.weight =
        ARENA_ARRAY(&s->arena, float, (ptrdiff_t)n *l.shape->heads *(ptrdiff_t)l.shape->places);
    TRY(dense_each(dense, SPLIT_TEST, NULL, n, n < BATCH ? n : BATCH, take_attention, &l, err));
    s->attention = (struct sample_attention){.heads = l.shape->heads,
                                             .height = l.shape->grid.height,
                                             .width = l.shape->grid.width,
                                             .weight = l.weight};
out:
    dense_close(dense);
    arena_free(&scratch);
    return status;
}

/* ---- features ---- */

/* The last layer's, of the token that heads got in pretraining, or the mean of a map. */
static int representation_of(const struct cell *c) {
    const char *end = strcmp(c->settings.plan.pool, "mean") ? ".cls" : ".mean";
    int last = c->features.n_representations - 1;
    while (last > 0 && !strcmp(c->features.names[last], METHOD_PROJECTION))
        last--;
    for (int r = last; r >= 0 && r > last - 2; r--)
        if (strlen(c->features.names[r]) > strlen(end) &&
            !strcmp(c->features.names[r] + strlen(c->features.names[r]) - strlen(end), end))
            return r;
    return last;
}

static int projection_of(const struct cell *c) {
    int r = c->features.n_representations - 1;
    while (r >= 0 && strcmp(c->features.names[r], METHOD_PROJECTION))
        r--;
    return r;
}

struct taken { /* of a representation; r < 0: not wanted */
    int r, n;
    float *x; /* (n, dim) */
};

struct taking {
    const struct cell *c;
    const struct taken *of; /* (n_of) */
    int n_of;
    int16_t *label; /* (n) */
};

static int take(void *to, const struct each_batch *b, struct error *err) {
    (void)err;
    const struct taking *t = to;
    const int at = (int)b->at;
    for (int k = 0; k < t->n_of; k++) {
        const struct taken *of = &t->of[k];
        size_t dim = of->r < 0 ? 0 : (size_t)t->c->features.dim[of->r];
        int some = of->n - at < b->n ? of->n - at : b->n;
        if (dim && some > 0)
            memcpy(of->x + (size_t)at * dim, exec_output(b->x, t->c->encoded.representation[of->r]),
                   sizeof(float) * dim * (size_t)some);
    }
    for (int i = 0; i < b->n; i++)
        t->label[at + i] = kept_label(b->label[i]);
    return 0;
}

/* The first n test images. */
static int encode(struct cell *c, int n, struct taking *t, struct error *err) {
    const struct protocol_input in = cell_input(c, NULL);
    const struct each e = {.in = &in,
                           .graph = &c->encode,
                           .images = c->encode_images,
                           .during = SAMPLES_FILE,
                           .split = SPLIT_TEST,
                           .n = n,
                           .batch = BATCH};
    return each_image(&e, take, t, err);
}

static int check_finite(const struct cell *c, const float *x, size_t n, struct error *err) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return error_set(err, STATUS_USAGE, "%s: a feature is not finite", c->run.run_id);
    return 0;
}

static void project(const struct cell *c, struct sample_features *f, struct arena *a) {
    const struct tsne_options o = {PERPLEXITY, ITERATIONS, c->context->threads};
    double *two = ARENA_ARRAY(a, double, 2 * f->n), *map = ARENA_ARRAY(a, double, 2 * f->n);
    if (f->n > 2 && f->dim > 1 && !pca(f->x, f->n, f->dim, 2, two, f->explained))
        f->pca = two;
    if (f->pca && !tsne(f->x, f->n, f->dim, &o, map))
        f->tsne = map;
}

static double length_of(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* Cosines of images (n, width) and their first captions. */
static int compare(const struct cell *c, int n, const float *images, struct samples *s,
                   struct error *err) {
    const size_t width = c->text.features->per_sample;
    struct arena scratch = {0};
    const struct protocol_input in = cell_input(c, &scratch);
    const char **caption = ARENA_ARRAY(&s->arena, const char *, n);
    float *cosine = ARENA_ARRAY(&s->arena, float, n *n);
    float *texts = ARENA_ARRAY(&scratch, float, (size_t)n *width);
    struct record r = {.no_mask = 1, .no_pixels = 1};
    int status = 0;
    for (int i = 0; i < n; i++) {
        TRY(dataset_read(c->data, SPLIT_TEST, i, &r, err));
        caption[i] = arena_strdup(&s->arena, record_caption(&r, 0));
    }
    TRY(texts_encode(&c->text, &in, caption, n, texts, err));
    for (int i = 0; i < n * n; i++) {
        const float *x = images + (size_t)(i / n) * width, *y = texts + (size_t)(i % n) * width;
        double dot = 0, lengths = length_of(x, width) * length_of(y, width);
        for (size_t k = 0; k < width; k++)
            dot += (double)x[k] * (double)y[k];
        cosine[i] = (float)(lengths > 0 ? dot / lengths : 0);
    }
    TRY(check_finite(c, cosine, (size_t)n * (size_t)n, err));
    s->similarity = (struct sample_similarity){.n = n, .cosine = cosine, .caption = caption};
out:
    record_free(&r);
    arena_free(&scratch);
    return status;
}

int sample_features(struct cell *c, int n, struct samples *s, struct error *err) {
    const int pairs = n < PAIRS_MOST ? n : PAIRS_MOST, has_text = c->subject.text != NULL;
    const long all = c->data->count[SPLIT_TEST];
    struct sample_features f = {.n = all < FEATURES_MOST ? (int)all : FEATURES_MOST};
    struct taken t[] = {{representation_of(c), f.n, NULL},
                        {has_text && c->data->has_caption ? projection_of(c) : -1, pairs, NULL}};
    int16_t *label = ARENA_ARRAY(&s->arena, int16_t, f.n);
    struct taking taking = {c, t, 2, label};
    int status = 0;
    CHECK(t[0].r >= 0, "%s: no representation", c->run.run_id);
    f.dim = c->features.dim[t[0].r];
    snprintf(f.representation, sizeof f.representation, "%s", c->features.names[t[0].r]);
    for (int k = 0; k < 2; k++)
        if (t[k].r >= 0)
            t[k].x = ARENA_ARRAY(&s->arena, float, (ptrdiff_t)t[k].n * c->features.dim[t[k].r]);
    TRY(encode(c, f.n, &taking, err));
    TRY(check_finite(c, t[0].x, (size_t)f.n * (size_t)f.dim, err));
    f.x = t[0].x;
    f.label = c->data->classes ? label : NULL;
    project(c, &f, &s->arena);
    s->features = f;
    if (t[1].r >= 0)
        status = compare(c, pairs, t[1].x, s, err);
out:
    return status;
}
