/* Features of an image are a function of the image and the weights: of no batch that it was in, no
 * piece of a batch that a thread took, and no number of threads. */
#include "tests/subject_fixture.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(features_are_an_images_own)};
    return cmocka_run_group_tests_name("features", tests, NULL, NULL);
}
