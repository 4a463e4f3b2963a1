/* Published weights: small networks of every family, made by the libraries that the weights are for
 * (tests/golden/families.py), give the same features of every layer, logits, and texts; what does
 * not fit is refused.
 *
 * With SSV_PARITY=FOLDER the networks of tests/golden/parity.py, in their real sizes, instead. */
#include "core/file.h"
#include "nn/exec.h"
#include "results/arrays.h"
#include "weights/family.h"

#include <dirent.h>
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

struct subject {
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

static void build(struct subject *s) {
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

static int open_subject(struct subject *s, const char *path, const struct network_options *o,
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

static void close_subject(struct subject *s) {
    exec_close(s->run);
    exec_close(s->read);
    graph_free(&s->images);
    if (s->text)
        graph_free(&s->texts);
    coverage_free(&s->coverage);
    source_close(s->source);
    model_free(&s->model);
}

/* The end token is the highest id, which is where the texts of the script have it. */
static void run(struct subject *s, const float *pixels, const int32_t *tokens, int n) {
    struct arena a = {0};
    exec_bind(s->run, s->pixels, pixels);
    exec_run(s->run, n);
    if (s->text) {
        int context = s->network.text.context;
        int32_t *end = ARENA_ARRAY(&a, int32_t, n);
        for (int i = 0; i < n; i++)
            for (int t = 0; t < context; t++)
                if (tokens[i * context + t] > tokens[i * context + end[i]])
                    end[i] = t;
        exec_bind(s->read, s->tokens, tokens);
        exec_bind(s->read, s->end, end);
        exec_run(s->read, n);
    }
    arena_free(&a);
}

static const float *result(const struct subject *s, const char *name, int *width) {
    const struct tensor *t = NULL;
    if (!strcmp(name, "logits"))
        t = s->logits;
    else if (!strcmp(name, "projection"))
        t = s->projection;
    else if (!strcmp(name, "text")) {
        *width = (int)s->text->per_sample;
        return exec_output(s->read, s->text);
    }
    for (int i = 0; i < s->encoded.n_representations && !t; i++)
        if (!strcmp(s->encoded.representation_name[i], name))
            t = s->encoded.representation[i];
    if (!t)
        fail_msg("there is no %s", name);
    *width = (int)t->per_sample;
    return exec_output(s->run, t);
}

/* ---- against the small ones ---- */

struct folder {
    char name[64], path[NAME];
};

static int setup(void **state) {
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

static int teardown(void **state) {
    struct folder *f = *state;
    unlink(f->path);
    int failed = rmdir(f->name);
    free(f);
    return failed;
}

static struct network_options options_of(const struct golden_network *g, char image[32]) {
    snprintf(image, 32, "%dx%d", g->height, g->width);
    return (struct network_options){
        .as = g->as, .image = image, .heads = g->heads, .text_heads = g->text_heads};
}

static void fill_inputs(const struct subject *s, float *pixels, int32_t *tokens) {
    const struct text *t = &s->network.text;
    size_t n = N * s->pixels->per_sample;
    for (size_t i = 0; i < n; i++)
        pixels[i] = (float)chirp(i, 0);
    for (int i = 0; i < N && t->vocabulary; i++)
        for (int j = 0; j < t->context; j++)
            tokens[i * t->context + j] =
                j == t->context - 2 - i ? t->vocabulary - 1 : (7 * i + 3 * j) % (t->vocabulary - 1);
}

/* Relative to the largest of the array. */
static void compare(const char *network, const struct golden_array *want, const float *got,
                    int width) {
    int each = (want->width + want->step - 1) / want->step;
    double scale = 0, worst = 0;
    assert_int_equal(width, want->width);
    for (int i = 0; i < N * each; i++)
        scale = fmax(scale, fabs(want->values[i]));
    for (int i = 0; i < N; i++)
        for (int k = 0; k < each; k++)
            worst = fmax(
                worst, fabs(want->values[i * each + k] - (double)got[i * width + k * want->step]));
    if (!(worst <= 2e-5 * scale))
        fail_msg("%s: %s differs by %g of %g", network, want->name, worst, scale);
}

static void test_golden(void **state) {
    const struct folder *folder = *state;
    for (int i = 0; i < COUNT(golden_networks); i++) {
        const struct golden_network *g = &golden_networks[i];
        struct subject s;
        struct error err = {0};
        struct arena a = {0};
        char image[32];
        const struct network_options o = options_of(g, image);
        write_file(g, folder->path, -1, NULL);
        if (open_subject(&s, folder->path, &o, N, &err))
            fail_msg("%s: %s", g->name, err.message);
        assert_string_equal(s.network.family->name, g->family);
        assert_int_equal(s.coverage.unused + s.coverage.missing + s.coverage.mismatched, 0);
        assert_int_equal(s.coverage.loaded + s.coverage.spared, g->n_tensors);
        float *pixels = ARENA_ARRAY(&a, float, N *s.pixels->per_sample);
        int32_t *tokens = ARENA_ARRAY(&a, int32_t, N * 1024);
        fill_inputs(&s, pixels, tokens);
        run(&s, pixels, tokens, N);
        for (int k = 0; k < g->n_arrays; k++) {
            int width = 0;
            const float *got = result(&s, g->arrays[k].name, &width);
            compare(g->name, &g->arrays[k], got, width);
        }
        close_subject(&s);
        arena_free(&a);
    }
}

/* ---- no silent gap ---- */

static void refuse(const char *path, const struct network_options *o, const char *says) {
    struct subject s;
    struct error err = {0};
    assert_int_equal(open_subject(&s, path, o, 1, &err), STATUS_USAGE);
    if (!strstr(err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    close_subject(&s);
}

/* Whatever single tensor is gone or has another name, the file is refused. */
static void test_every_tensor_counts(void **state) {
    const struct folder *folder = *state;
    static const char *const tried[] = {"timm", "hf_vit", "beit_shared", "open_clip", "cifar_b"};
    for (size_t k = 0; k < sizeof tried / sizeof *tried; k++)
        for (int i = 0; i < COUNT(golden_networks); i++) {
            const struct golden_network *g = &golden_networks[i];
            char image[32];
            const struct network_options o = options_of(g, image);
            if (strcmp(g->name, tried[k]) != 0)
                continue;
            for (int t = 0; t < g->n_tensors; t++) {
                struct subject s;
                struct error err = {0};
                if (ends_with(g->tensors[t].name, "num_batches_tracked"))
                    continue;
                write_file(g, folder->path, t, t % 2 ? "another" : NULL);
                if (open_subject(&s, folder->path, &o, 1, &err) != STATUS_USAGE)
                    fail_msg("%s without %s was taken", g->name, g->tensors[t].name);
                close_subject(&s);
            }
        }
}

static void test_refusals(void **state) {
    const struct folder *folder = *state;
    const struct golden_network *g = &golden_networks[0];
    char image[32];
    struct network_options o = options_of(g, image);
    write_file(g, folder->path, g->n_tensors - 2, "surplus"); /* the classifier's weight */
    refuse(folder->path, &o, "2 without a place (surplus, ...)");
    o.ignore = "nothing, sur*";
    refuse(folder->path, &o, "1 without a place (head.bias); --weights.ignore");
    o.ignore = "sur* head.*";
    struct subject s;
    struct error err = {0};
    assert_int_equal(open_subject(&s, folder->path, &o, 1, &err), 0);
    assert_int_equal(s.coverage.spared, 2);
    assert_null(s.logits);
    close_subject(&s);
    o.ignore = NULL;
    write_file(g, folder->path, g->n_tensors - 1, "surplus"); /* its bias */
    refuse(folder->path, &o, "1 parameters without a tensor");
    write_file(g, folder->path, -1, NULL);
    o = options_of(g, image);
    o.as = "timm-vlt";
    refuse(folder->path, &o, "did you mean \"timm-vit\"?");
    o.as = "open-clip";
    refuse(folder->path, &o, "not weights of open-clip");
    o = options_of(g, image);
    o.heads = 0;
    refuse(folder->path, &o, "--weights.heads");
    o = options_of(g, image);
    o.image = "17";
    refuse(folder->path, &o, "multiples");
    o.image = "256";
    refuse(folder->path, &o, "4097 tokens, more than attention takes here");
    o.image = "16y16";
    refuse(folder->path, &o, "16y16");
    o = options_of(g, image);
    o.mean = "0.5,0.5";
    refuse(folder->path, &o, "three numbers");
    o.mean = NULL;
    o.std = "0.5,0,0.5";
    refuse(folder->path, &o, "above 0");
    o = options_of(g, image);
    o.prefix = "module.";
    refuse(folder->path, &o, "no family");
}

static void test_not_finite(void **state) {
    const struct folder *folder = *state;
    const struct golden_network *g = &golden_networks[0];
    char image[32], *bytes;
    const struct network_options o = options_of(g, image);
    struct arena a = {0};
    struct error err = {0};
    size_t n;
    write_file(g, folder->path, -1, NULL);
    assert_int_equal(file_read(folder->path, &a, &bytes, &n, &err), 0);
    memcpy(bytes + n - 4, &(const float){NAN}, sizeof(float));
    assert_int_equal(file_write_atomic(folder->path, bytes, n, &err), 0);
    refuse(folder->path, &o, "not finite");
    arena_free(&a);
}

/* ---- in their real sizes ---- */

/* FOLDER/NAME.safetensors with NAME.h5: images, tokens, and under /features what is expected. */
static void check_real(const char *folder, const char *name) {
    struct subject s;
    struct error err = {0};
    struct arena a = {0};
    char path[NAME], h5[NAME];
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    snprintf(h5, sizeof h5, "%s/%s.h5", folder, name);
    struct st_file *f;
    if (st_open(&f, path, &err))
        fail_msg("%s", err.message);
    const char *as = st_meta(f, "as"), *image = st_meta(f, "image");
    const struct network_options o = {.as = as ? arena_strdup(&a, as) : "",
                                      .image = image ? arena_strdup(&a, image) : ""};
    st_close(f);
    int n, worst_at = 0;
    if (arrays_rows(h5, "inputs", "images", &n, &err) || open_subject(&s, path, &o, n, &err))
        fail_msg("%s: %s", name, err.message);
    size_t count = (size_t)n * s.pixels->per_sample;
    float *pixels = ARENA_ARRAY(&a, float, count);
    int32_t *tokens = ARENA_ARRAY(&a, int32_t, n * 1024);
    assert_int_equal(arrays_read(h5, "inputs", "images", 0, count, pixels, &err), 0);
    if (s.text)
        assert_int_equal(arrays_read(h5, "inputs", "tokens", 1,
                                     (size_t)(n * s.network.text.context), tokens, &err),
                         0);
    run(&s, pixels, tokens, n);
    double worst = 0;
    static const char *const heads[] = {"logits", "projection", "text"};
    int all = s.encoded.n_representations, compared = 0;
    for (int i = 0; i < all + 3; i++) {
        const char *of = i < all ? s.encoded.representation_name[i] : heads[i - all];
        int width = 0;
        if ((i == all && !s.logits) || (i == all + 1 && !s.projection) || (i == all + 2 && !s.text))
            continue;
        const float *got = result(&s, of, &width);
        size_t numbers = (size_t)(n * width);
        float *want = ARENA_ARRAY(&a, float, numbers);
        if (arrays_read(h5, "features", of, 0, numbers, want, &err))
            fail_msg("%s: %s", name, err.message);
        double scale = 0, off = 0;
        for (size_t k = 0; k < numbers; k++) {
            scale = fmax(scale, fabs((double)want[k]));
            off = fmax(off, fabs((double)want[k] - (double)got[k]));
        }
        compared++;
        if (off / scale > worst) {
            worst = off / scale;
            worst_at = i;
        }
    }
    print_message("%-28s %-12s %2d arrays, worst %.1e (%s), ready in %.2f s\n", name,
                  s.network.name, compared, worst,
                  worst_at < all ? s.encoded.representation_name[worst_at] : heads[worst_at - all],
                  s.seconds);
    if (!(worst <= 1e-4))
        fail_msg("%s differs", name);
    close_subject(&s);
    arena_free(&a);
}

static void test_real_sizes(void **state) {
    (void)state;
    const char *folder = getenv("SSV_PARITY");
    struct dirent **entry;
    int n = folder ? scandir(folder, &entry, NULL, alphasort) : 0, seen = 0;
    if (!folder)
        skip();
    for (int i = 0; i < n; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s", entry[i]->d_name);
        if (ends_with(name, ".safetensors")) {
            name[strlen(name) - strlen(".safetensors")] = '\0';
            check_real(folder, name);
            seen++;
        }
        free(entry[i]);
    }
    free(entry);
    assert_true(seen > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_tensor_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_finite, setup, teardown),
        cmocka_unit_test(test_real_sizes),
    };
    const struct CMUnitTest in_real_sizes[] = {cmocka_unit_test(test_real_sizes)};
    return getenv("SSV_PARITY") ? cmocka_run_group_tests(in_real_sizes, NULL, NULL)
                                : cmocka_run_group_tests(tests, NULL, NULL);
}
