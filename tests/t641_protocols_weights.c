/* A classifier that came with weights, on the test split: known answers; rows that say why there is
 * no result; images prepared as PIL does it. */
#include "data/preprocess.h"
#include "nn/safetensors.h"
#include "tests/golden/preprocess.h"
#include "tests/subject_fixture.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { CLASSIFY = 0, WIDTH = 4 };

/* A CIFAR ResNet-8 of width 4 whose convolutions are 0 but for the stem, which passes channels on:
 * the logits are those of the mean colours. */
struct drawn {
    struct arena arena;
    struct st_tensor list[64];
    int n;
};

static float *add(struct drawn *d, const char *name, int ndim, int64_t a, int64_t b, int64_t k,
                  float value) {
    struct st_tensor *t = &d->list[d->n++];
    *t = (struct st_tensor){
        .name = arena_strdup(&d->arena, name), .dtype = "F32", .ndim = ndim, .dim = {a, b, k, k}};
    size_t count = 1;
    for (int i = 0; i < ndim; i++)
        count *= (size_t)t->dim[i];
    float *x = ARENA_ARRAY(&d->arena, float, count);
    for (size_t i = 0; i < count; i++)
        x[i] = value;
    t->data = x;
    t->bytes = count * sizeof *x;
    return x;
}

static void add_norm(struct drawn *d, const char *name, int width) {
    static const struct {
        const char *part;
        float value;
    } parts[] = {{"weight", 1}, {"bias", 0}, {"running_mean", 0}, {"running_var", 1}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        add(d, arena_printf(&d->arena, "%s.%s", name, parts[i].part), 1, width, 0, 0,
            parts[i].value);
}

/* Class c wants much of colour c % 3, the first three classes more than the others. */
static void write_network(const char *path, int classes) {
    struct drawn d = {.n = 0};
    struct error err;
    float *stem = add(&d, "conv1.weight", 4, WIDTH, 3, 3, 0);
    for (int c = 0; c < 3; c++)
        stem[(c * 3 + c) * 9 + 4] = 1;
    add_norm(&d, "bn1", WIDTH);
    for (int s = 0; s < 3; s++) {
        int in = s ? WIDTH << (s - 1) : WIDTH, out = WIDTH << s;
        for (int k = 1; k <= 2; k++) {
            const char *block = arena_printf(&d.arena, "layer%d.0", s + 1);
            add(&d, arena_printf(&d.arena, "%s.conv%d.weight", block, k), 4, out, k == 1 ? in : out,
                3, 0);
            add_norm(&d, arena_printf(&d.arena, "%s.bn%d", block, k), out);
        }
    }
    float *fc = add(&d, "linear.weight", 2, classes, 4 * WIDTH, 0, 0);
    for (int c = 0; c < classes; c++)
        fc[c * 4 * WIDTH + 6 + c % 3] =
            c < 3 ? 1 : 0.5F; /* two shortcuts put 2 + 4 zeros in front */
    add(&d, "linear.bias", 1, classes, 0, 0, 0);
    if (st_write(path, d.list, d.n, NULL, 0, &err))
        fail_msg("%s", err.message);
    arena_free(&d.arena);
}

struct fixture {
    struct settings *settings;
    struct dataset data;
    struct context context;
    struct cell cell;
    struct arena arena;
    char path[128];
};

static void open_fixture(struct fixture *f, int classes) {
    const char *base = getenv("TMPDIR");
    struct error err = {0};
    memset(f, 0, sizeof *f);
    snprintf(f->path, sizeof f->path, "%.80s/t641.%d.safetensors", base ? base : "/tmp",
             (int)getpid());
    write_network(f->path, classes);
    f->settings = calloc(1, sizeof *f->settings);
    f->context = (struct context){.kernels = kernels_cpu(), .threads = 2, .loader_threads = 1};
    settings_init(f->settings);
    const char *data = "shapes:size=16,train=4,test=40";
    const char *text = arena_printf(&f->arena,
                                    "methods = weights\nbackbone = own\nseeds = 0\ndata = %s\n"
                                    "[weights]\nfile = %s\nmean = 0,0,0\nstd = 1,1,1\n"
                                    "image = 16\n",
                                    data, f->path);
    if (options_load_text(&f->settings->options, text, "test", &err) ||
        dataset_open(&f->data, data, &err) ||
        cell_build(&f->cell, f->settings, method_find("weights"), &f->data, 0, &f->context, 0,
                   &err))
        fail_msg("%s", err.message);
}

static void close_fixture(struct fixture *f) {
    cell_close(&f->cell);
    dataset_close(&f->data);
    settings_free(f->settings);
    free(f->settings);
    arena_free(&f->arena);
    unlink(f->path);
}

static void judge(struct fixture *f, struct eval *e) {
    struct error err;
    const struct protocol_input in = {.subject = &f->cell.subject,
                                      .features = &f->cell.features,
                                      .kernels = f->context.kernels,
                                      .threads = 2,
                                      .arena = &f->arena};
    memset(e, 0, sizeof *e);
    assert_string_equal(protocols[CLASSIFY]->name, "classify");
    if (protocols[CLASSIFY]->run(NULL, &in, e, &err))
        fail_msg("%s", err.message);
}

/* The colour of which an image has most, in every fourth row and column: a shortcut takes every
 * second place. */
static int main_colour(const struct record *r) {
    long sum[3] = {0};
    for (int y = 0; y < r->height; y += 4)
        for (int x = 0; x < r->width; x += 4)
            for (int c = 0; c < 3; c++)
                sum[c] += r->pixels[(y * r->width + x) * 3 + c];
    int best = sum[1] > sum[0];
    return sum[2] > sum[best] ? 2 : best;
}

static void test_known_answers(void **state) {
    (void)state;
    struct fixture f;
    struct record r = {0};
    struct error err;
    struct eval e;
    open_fixture(&f, 10);
    assert_int_equal(f.data.classes, 10);
    judge(&f, &e);
    assert_int_equal(e.outcome, OUTCOME_OK);
    assert_int_equal(e.n_samples, 40);
    int right = 0;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(dataset_read(&f.data, SPLIT_TEST, i, &r, &err), 0);
        assert_int_equal(e.pred[i], main_colour(&r));
        assert_int_equal(e.label[i], r.label);
        right += e.pred[i] == r.label;
    }
    assert_float_equal(e.top1[0], right / 40.0, 1e-12);
    assert_string_equal(e.selected_on, "none");
    record_free(&r);
    close_fixture(&f);
}

static void test_another_number_of_classes(void **state) {
    (void)state;
    struct fixture f;
    struct eval e;
    open_fixture(&f, 5);
    judge(&f, &e);
    assert_int_equal(e.outcome, OUTCOME_SKIPPED);
    assert_string_equal(e.reason, "the classifier knows 5 classes, shapes has 10");
    close_fixture(&f);
}

static void test_no_classifier(void **state) {
    (void)state;
    struct subject_fixture f;
    struct eval e = {.outcome = OUTCOME_OK};
    struct error err;
    subject_open(&f, "random", "vit-micro", "train=4,test=4", 1);
    assert_int_equal(protocols[CLASSIFY]->run(NULL, &f.in, &e, &err), 0);
    assert_int_equal(e.outcome, OUTCOME_SKIPPED);
    assert_non_null(strstr(e.reason, "no classifier"));
    subject_close(&f);
}

/* The whole way from a record to the input, by PIL, torchvision and timm
 * (tests/golden/preprocess.py). */
static void test_preprocess(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof preparations / sizeof *preparations; i++) {
        const struct preparation *p = &preparations[i];
        struct arena a = {0};
        size_t bytes = (size_t)(p->height * p->width * 3);
        struct record r = {.height = p->height,
                           .width = p->width,
                           .channels = 3,
                           .pixels = ARENA_ARRAY(&a, uint8_t, bytes)};
        for (size_t k = 0; k < bytes; k++)
            r.pixels[k] = (uint8_t)(k * k * 31 + k * 17 + (k >> 5) * 91);
        const struct preprocessing how = {.height = p->to_height,
                                          .width = p->to_width,
                                          .crop = p->crop,
                                          .fit = p->squash ? FIT_SQUASH : FIT_CROP,
                                          .crop_down = p->crop_down,
                                          .interpolation = p->bicubic ? INTERPOLATION_BICUBIC
                                                                      : INTERPOLATION_BILINEAR,
                                          .norm = {{0}, {1, 1, 1, 1}}};
        size_t plane = (size_t)(p->to_height * p->to_width);
        float *out = ARENA_ARRAY(&a, float, 3 * plane);
        preprocess(&r, &how, out);
        for (size_t k = 0; k < 3 * plane; k++) {
            int got = (int)lrintf(255 * out[k % 3 * plane + k / 3]);
            if (got != p->bytes[k])
                fail_msg("preparation %zu, byte %zu: %d, not %d", i, k, got, p->bytes[k]);
        }
        arena_free(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_another_number_of_classes),
        cmocka_unit_test(test_no_classifier),
        cmocka_unit_test(test_preprocess),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
