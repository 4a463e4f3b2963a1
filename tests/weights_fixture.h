/* weights_fixture.h -- small networks of every family of published weights, whose tensors are a
 * formula of their names (tests/golden/families.py), as files, and opened. */
#ifndef SSV_TESTS_WEIGHTS_FIXTURE_H
#define SSV_TESTS_WEIGHTS_FIXTURE_H

#include "core/file.h"
#include "nn/exec.h"
#include "weights/family.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct golden_tensor {
    const char *name, *dtype;
    int ndim;
    int64_t dim[4];
};

struct golden_array {
    const char *name;
    int width, step; /* every step-th number is there */
    const double *values;
};

struct golden_network {
    const char *name, *family, *as;
    int height, width, heads, text_heads;
    const struct golden_tensor *tensors;
    int n_tensors;
    const struct golden_array *arrays;
    int n_arrays;
};

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))
#define GOLDEN(name, family, as, height, width, heads, text_heads, at)                             \
    {                                                                                              \
        name, family, as, height, width, heads, text_heads, at##_tensors, COUNT(at##_tensors),     \
            at##_arrays, COUNT(at##_arrays)                                                        \
    }
#include "tests/golden/families.h"

enum { N = 2, NAME = 320 };

static inline const struct golden_network *golden(const char *name) {
    for (int i = 0; i < COUNT(golden_networks); i++)
        if (!strcmp(golden_networks[i].name, name))
            return &golden_networks[i];
    fail_msg("there is no %s", name);
    return NULL;
}

static double chirp(size_t i, double shift) {
    double m = (double)(i % 1009);
    return sin(0.37 * m * m + 0.7 * (double)i + shift);
}

static int key(const char *name) {
    long sum = 0;
    for (int j = 0; name[j]; j++)
        sum += (long)(j + 1) * name[j];
    return (int)(sum % 101);
}

static int ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static float value_of(const struct golden_tensor *t, size_t i) {
    int gain = ends_with(t->name, "running_var") || (t->ndim == 1 && ends_with(t->name, "weight"));
    return (float)(gain + 0.2 * chirp(i, 1.3 * key(t->name)));
}

/* ---- a file of these values ---- */

/* Round to nearest, ties to even; the values are normal and small. */
static uint16_t half_of(float x) {
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    uint32_t sign = b >> 16 & 0x8000;
    int exponent = (int)(b >> 23 & 255) - 112;
    uint32_t fraction = b & 0x7fffff, shift = 13;
    if (exponent <= 0) { /* subnormal */
        fraction |= 0x800000;
        shift = (uint32_t)(14 - exponent);
        exponent = 0;
        if (shift > 24)
            return (uint16_t)sign;
    }
    uint32_t h = ((uint32_t)exponent << 10) + (fraction >> shift);
    uint32_t rest = fraction & ((1u << shift) - 1), middle = 1u << (shift - 1);
    h += rest > middle || (rest == middle && h & 1);
    return (uint16_t)(sign | h);
}

static uint16_t brain_of(float x) {
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    return (uint16_t)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

static void fill(const struct golden_tensor *g, size_t n, void *data) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(g->dtype, "F32"))
            ((float *)data)[i] = value_of(g, i);
        else if (!strcmp(g->dtype, "F64"))
            ((double *)data)[i] = (double)value_of(g, i);
        else if (!strcmp(g->dtype, "F16"))
            ((uint16_t *)data)[i] = half_of(value_of(g, i));
        else if (!strcmp(g->dtype, "BF16"))
            ((uint16_t *)data)[i] = brain_of(value_of(g, i));
}

static size_t size_of(const char *dtype) {
    return ends_with(dtype, "64") ? 8 : ends_with(dtype, "16") ? 2 : 4;
}

/* A copy whose tensors may be changed. */
static inline struct golden_network changeable(const struct golden_network *g, struct arena *a,
                                               struct golden_tensor **tensors) {
    struct golden_network copy = *g;
    *tensors = ARENA_ARRAY(a, struct golden_tensor, g->n_tensors);
    memcpy(*tensors, g->tensors, (size_t)g->n_tensors * sizeof **tensors);
    copy.tensors = *tensors;
    return copy;
}

/* All but `left_out`, or one of them named otherwise. */
static void write_file(const struct golden_network *g, const char *path, int left_out,
                       const char *renamed) {
    struct arena a = {0};
    struct error err = {0};
    struct st_tensor *list = ARENA_ARRAY(&a, struct st_tensor, g->n_tensors);
    int n = 0;
    for (int i = 0; i < g->n_tensors; i++) {
        const struct golden_tensor *t = &g->tensors[i];
        size_t count = 1;
        if (i == left_out && !renamed)
            continue;
        struct st_tensor *s = &list[n++];
        *s = (struct st_tensor){
            .name = i == left_out ? renamed : t->name, .dtype = t->dtype, .ndim = t->ndim};
        for (int d = 0; d < t->ndim; d++)
            count *= (size_t)(s->dim[d] = t->dim[d]);
        s->bytes = count * size_of(t->dtype);
        void *data = arena_alloc(&a, s->bytes);
        fill(t, count, data);
        s->data = data;
    }
    if (st_write(path, list, n, NULL, 0, &err))
        fail_msg("%s", err.message);
    arena_free(&a);
}

/* ---- a network from a file, run ---- */

struct loaded {
    struct network network;
    struct source *source;
    struct model model;
    struct coverage coverage;
    struct graph images, texts;
    struct tensor *pixels, *tokens, *end, *logits, *projection, *text;
    struct encoded encoded;
    struct exec *run, *read;
    double seconds; /* to open and load */
};

static void build(struct loaded *s) {
    const struct network *n = &s->network;
    const struct backbone *b = &n->backbone;
    graph_init(&s->images, &s->model);
    s->images.evaluating = 1;
    int encoder = model_group(&s->model, "encoder"), head = model_group(&s->model, "head");
    s->pixels = graph_input(&s->images, "images", 3,
                            (const int[]){b->channels, b->image, backbone_wide(b)});
    backbone_encode(&s->images, encoder, b, s->pixels, NULL, ENCODE_LAYERS, &s->encoded);
    for (int i = 0; i < s->encoded.n_representations; i++)
        graph_output(&s->images, s->encoded.representation[i]);
    if ((s->logits = network_classify(&s->images, head, n, &s->encoded)))
        graph_output(&s->images, s->logits);
    if ((s->projection = network_project(&s->images, head, n, &s->encoded)))
        graph_output(&s->images, s->projection);
    graph_plan(&s->images);
    if (!n->text.vocabulary)
        return;
    graph_init(&s->texts, &s->model);
    s->texts.evaluating = 1;
    s->tokens = graph_index(&s->texts, "tokens", n->text.context);
    s->end = graph_index(&s->texts, "end", 1);
    s->text = text_encode(&s->texts, model_group(&s->model, "text"), &n->text, s->tokens, s->end);
    graph_output(&s->texts, s->text);
    graph_plan(&s->texts);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int open_subject(struct loaded *s, const char *path, const struct network_options *o,
                        int batch, struct error *err) {
    memset(s, 0, sizeof *s);
    model_init(&s->model);
    double start = now();
    int status = network_open(&s->network, &s->source, path, o, err);
    if (status)
        return status;
    build(s);
    const struct exec_config config = {
        .kernels = kernels_cpu(), .threads = 2, .batch = batch, .chunk = 1};
    TRY(model_allocate_blank(&s->model, err));
    TRY(network_load(&s->network, s->source, &s->model, o->ignore, &s->coverage, err));
    s->seconds = now() - start;
    TRY(exec_open(&s->run, &s->images, &config, err));
    if (s->text)
        TRY(exec_open(&s->read, &s->texts, &config, err));
out:
    return status;
}

static inline void close_subject(struct loaded *s) {
    exec_close(s->run);
    exec_close(s->read);
    graph_free(&s->images);
    if (s->text)
        graph_free(&s->texts);
    coverage_free(&s->coverage);
    source_close(s->source);
    model_free(&s->model);
}

/* ---- a folder for one file ---- */

struct folder {
    char name[64], path[NAME];
};

static inline int setup(void **state) {
    struct folder *f = calloc(1, sizeof *f);
    const char *base = getenv("TMPDIR");
    if (!f)
        return -1;
    snprintf(f->name, sizeof f->name, "%.40s/t345.XXXXXX",
             base && strlen(base) <= 40 ? base : "/tmp");
    if (!mkdtemp(f->name))
        return -1;
    snprintf(f->path, sizeof f->path, "%s/model.safetensors", f->name);
    *state = f;
    return 0;
}

static inline int teardown(void **state) {
    struct folder *f = *state;
    unlink(f->path);
    int failed = rmdir(f->name);
    free(f);
    return failed;
}

static inline struct network_options options_of(const struct golden_network *g, char image[32]) {
    snprintf(image, 32, "%dx%d", g->height, g->width);
    return (struct network_options){
        .as = g->as, .image = image, .heads = g->heads, .text_heads = g->text_heads};
}

#endif
