/* Features of an image are a function of the image and the weights: of no batch that it was in, no
 * piece of a batch that a thread took, and no number of threads.  Those are extracted, and kept,
 * that somebody reads. */
#include "protocols/suite.h"
#include "tests/place.h"
#include "tests/subject_fixture.h"

#include <sys/stat.h>

enum { IMAGES = 10 };

/* Every representation of every image, one behind the other. */
static float *features(struct subject_fixture *f, const float *images, int batch, int chunk,
                       int threads, size_t *count) {
    const struct encoded *e = &f->cell.encoded;
    const struct exec_config config = {
        .kernels = f->context.kernels, .threads = threads, .batch = batch, .chunk = chunk};
    struct exec *x;
    struct error err;
    if (exec_open(&x, &f->cell.encode, &config, &err))
        fail_msg("%s", err.message);
    *count = 0;
    for (int r = 0; r < e->n_representations; r++)
        *count += e->representation[r]->per_sample * IMAGES;
    float *out = ARENA_ARRAY(&f->arena, float, *count);
    size_t side = f->cell.encode_images->per_sample;
    for (int first = 0; first < IMAGES; first += batch) {
        int n = IMAGES - first < batch ? IMAGES - first : batch;
        float *at = out;
        exec_bind(x, f->cell.encode_images, images + (size_t)first * side);
        exec_run(x, n);
        for (int r = 0; r < e->n_representations; r++) {
            size_t dim = e->representation[r]->per_sample;
            memcpy(at + dim * (size_t)first, exec_output(x, e->representation[r]),
                   sizeof *at * dim * (size_t)n);
            at += dim * IMAGES;
        }
    }
    exec_close(x);
    return out;
}

static void features_are_an_images_own(void **state) {
    (void)state;
    static const char *const subjects[][2] = {{"mae", "vit-micro"},
                                              {"split_brain", "vit-micro"},
                                              {"clip", "vit-micro"},
                                              {"simclr", "resnet-micro"},
                                              {"split_brain", "alexnet-micro"}};
    static const int ways[][3] = {{1, 1, 1}, {3, 2, 1}, {10, 8, 2}, {7, 3, 3}, {10, 10, 1}};
    struct subject_fixture *f = malloc(sizeof *f);
    for (size_t s = 0; s < sizeof subjects / sizeof *subjects; s++) {
        subject_open(f, subjects[s][0], subjects[s][1], "train=24,test=10", 1);
        size_t side = f->cell.encode_images->per_sample, n, all;
        float *images = ARENA_ARRAY(&f->arena, float, side *IMAGES);
        struct record r = {0};
        struct rng rng = rng_at((struct rng_key){0, RNG_VIEW}, 0, 0);
        struct error err;
        for (int i = 0; i < IMAGES; i++) {
            assert_int_equal(dataset_read(&f->data, SPLIT_TEST, i, &r, &err), 0);
            subject_view(&f->cell.subject, &r, &rng, images + side * (size_t)i);
        }
        record_free(&r);
        const float *want = features(f, images, 4, 4, 1, &all);
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            const float *got = features(f, images, ways[w][0], ways[w][1], ways[w][2], &n);
            assert_int_equal(n, all);
            for (size_t i = 0; i < n; i++)
                if (memcmp(&got[i], &want[i], sizeof *got))
                    fail_msg("%s on %s: batch %d, chunk %d, %d threads: feature %zu is %.9g, not "
                             "%.9g",
                             subjects[s][0], subjects[s][1], ways[w][0], ways[w][1], ways[w][2], i,
                             (double)got[i], (double)want[i]);
        }
        subject_close(f);
    }
    free(f);
}

static int number_of(const struct protocol *p) {
    int i = 0;
    while (protocols[i] != p)
        i++;
    return i;
}

/* A cell with a folder, whose protocols read different features. */
struct kept {
    struct settings *settings;
    struct dataset data;
    struct context context;
    struct cell *cell;
};

static void open_kept(struct kept *k, const char *out) {
    struct error err;
    char text[512];
    k->settings = calloc(1, sizeof *k->settings);
    k->cell = calloc(1, sizeof *k->cell);
    settings_init(k->settings);
    snprintf(text, sizeof text,
             "methods = random\nseeds = 0\npatch = 4\nbatch = 4\nbackbone = vit-micro\nout = %s\n"
             "[linear]\nrepresentations = final\n[knn]\nrepresentations = plain\n",
             out);
    k->context = (struct context){.kernels = kernels_cpu(),
                                  .threads = 1,
                                  .loader_threads = 1,
                                  .machine = &k->settings->machine};
    if (options_load_text(&k->settings->options, text, "test", &err) ||
        dataset_open(&k->data, "shapes:size=16,train=12,test=5", &err) ||
        cell_open(k->cell, k->settings, method_find("random"), &k->data, 0, &k->context, &err))
        fail_msg("%s", err.message);
}

static void close_kept(struct kept *k) {
    cell_close(k->cell);
    dataset_close(&k->data);
    settings_free(k->settings);
    free(k->settings);
    free(k->cell);
}

static void take(struct kept *k, const struct protocol *p) {
    struct error err;
    cell_want(k->cell, number_of(p), &k->data);
    if (cell_extract(k->cell, &err))
        fail_msg("%s", err.message);
}

/* How many representations of both splits are there, besides the labels. */
static int there(const struct kept *k) {
    const struct feature_set *f = &k->cell->features;
    struct record r = {.no_pixels = 1};
    struct error err;
    int n = 0;
    for (int i = 0; i < f->n_representations; i++) {
        assert_int_equal(!f->train.x[i], !f->test.x[i]);
        n += f->train.x[i] != NULL;
    }
    assert_int_equal(f->train.n, 12);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(dataset_read(&k->data, SPLIT_TRAIN, i, &r, &err), 0);
        assert_int_equal(f->train.label[i], r.label);
    }
    record_free(&r);
    return n;
}

static ino_t file_of(const struct kept *k) {
    struct stat s;
    char path[512];
    snprintf(path, sizeof path, "%s/features-train.safetensors", k->cell->folder);
    return stat(path, &s) ? 0 : s.st_ino;
}

static void what_is_read_is_extracted(void **state) {
    const char *out = in(*state, "out");
    struct kept k;
    open_kept(&k, out);
    const struct feature_set *f = &k.cell->features;
    const int last = f->n_representations - 1; /* the last layer's mean, CLS in front of it */
    take(&k, &protocol_finetune);
    assert_int_equal(there(&k), 0);
    assert_int_equal(file_of(&k), 0);
    take(&k, &protocol_linear);
    assert_int_equal(there(&k), 2);
    const size_t bytes = sizeof(float) * 12 * (size_t)f->dim[last];
    float *mean = malloc(bytes);
    memcpy(mean, f->train.x[last], bytes);
    const ino_t small = file_of(&k);
    assert_true(small != 0);
    take(&k, &protocol_finetune); /* needs no more */
    assert_int_equal(there(&k), 2);
    take(&k, &protocol_knn);
    assert_int_equal(there(&k), f->n_representations);
    assert_memory_equal(f->train.x[last], mean, bytes);
    const ino_t all = file_of(&k);
    assert_true(all != 0);
    close_kept(&k);
    open_kept(&k, out); /* a part of what is kept serves, and stays */
    take(&k, &protocol_linear);
    assert_int_equal(there(&k), 2);
    assert_memory_equal(k.cell->features.train.x[last], mean, bytes);
    assert_int_equal(file_of(&k), all);
    close_kept(&k);
    free(mean);
}

/* A ResNet's run that earlier versions named after what only a ViT reads can be judged. */
static void a_run_keeps_the_settings_that_name_it(void **state) {
    char text[512], folder[512], file[600];
    struct settings *s = calloc(1, sizeof *s);
    struct cell *c = calloc(1, sizeof *c);
    struct run r = {0};
    struct suite u;
    struct error err;
    settings_init(s);
    snprintf(text, sizeof text,
             "methods = random\nseeds = 0,\npatch = 4\nbackbone = resnet-micro\nchunk = 4\n"
             "data = shapes:size=16,train=40,test=20\nprotocols = knn\nsamples = 0\nout = %s\n",
             in(*state, "named"));
    struct context context = {.kernels = kernels_cpu(),
                              .threads = 1,
                              .loader_threads = 1,
                              .machine = &s->machine,
                              .stored = 1};
    if (options_load_text(&s->options, text, "test", &err) || suite_open(&u, s, &context, &err))
        fail_msg("%s", err.message);
    const struct suite_cell one = suite_cell(&u, 0);
    if (cell_open(c, one.settings, one.method, one.data, one.seed, &context, &err) ||
        cell_pretrain(c, &err) || cell_save(c, "complete", &err))
        fail_msg("%s", err.message);
    snprintf(folder, sizeof folder, "%s", c->folder);
    snprintf(file, sizeof file, "%s/run.h5", folder);
    cell_close(c);
    suite_close(&u);
    context.stored = 0;
    if (suite_evaluate_folder(s, folder, &context, &err) || run_read(&r, file, &err))
        fail_msg("%s", err.message);
    assert_int_equal(r.n_evals, 1);
    run_free(&r);
    settings_free(s);
    free(s);
    free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_an_images_own),
        cmocka_unit_test_setup_teardown(a_run_keeps_the_settings_that_name_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_read_is_extracted, set_up, tear_down)};
    return cmocka_run_group_tests_name("features", tests, NULL, NULL);
}
