/* beit_fixture.h -- BEiT on the tiny ViT, with pictures that the program draws. */
#ifndef SSV_TESTS_BEIT_FIXTURE_H
#define SSV_TESTS_BEIT_FIXTURE_H

#include "tests/method_fixture.h"

#include "methods/beit_internal.h"

enum { SIDE = 16, PATCH = 4, GRID = 4, PATCHES = 16, MOST = 6, CODES = 6 };
enum { PIXELS = 3 * SIDE * SIDE, PATCH_PIXELS = 3 * PATCH * PATCH };

__attribute__((unused)) static struct fixture *open_fixture(int stage, const char *const *options,
                                                            const struct dataset *data, int batch,
                                                            const struct kernels *k) {
    static struct backbone vit; /* the builder keeps its address */
    vit = fixture_vit();
    struct fixture *f = malloc(sizeof *f);
    assert_non_null(f);
    fixture_open(f, &method_beit, stage, &vit, batch, data, options, k);
    return f;
}

__attribute__((unused)) static void close_fixture(struct fixture *f) {
    fixture_close(f);
    free(f);
}

__attribute__((unused)) static void open_shapes(struct dataset *d, int images) {
    struct error err;
    char spec[64];
    snprintf(spec, sizeof spec, "shapes:size=%d,train=%d,test=1", SIDE, images);
    assert_int_equal(dataset_open(d, spec, &err), 0);
}

/* Sample number `first + i` of the training split becomes sample i of the batch. */
__attribute__((unused)) static void prepare_batch(struct fixture *f, const struct dataset *d,
                                                  int epoch, int first) {
    struct error err;
    struct record r = {0};
    for (int i = 0; i < f->batch; i++) {
        long index = (first + i) % d->count[SPLIT_TRAIN];
        void *slots[METHOD_SLOTS];
        for (int s = 0; s < f->builder.n_inputs; s++)
            slots[s] = (float *)f->slots[s] + f->builder.slots[s].per_sample * (size_t)i;
        assert_int_equal(dataset_read(d, SPLIT_TRAIN, index, &r, &err), 0);
        struct rng view = rng_at((struct rng_key){1, RNG_VIEW}, (uint32_t)epoch, (uint32_t)index);
        trainer_prepare(&method_beit, settings_method(&f->settings, &method_beit), &f->builder, &r,
                        index, epoch, &view, slots);
    }
    record_free(&r);
}

/* Nearest centre of each patch, standardised, by brute force. */
__attribute__((unused)) static void nearest_words(const struct fixture *f, const float *image,
                                                  int32_t token[PATCHES]) {
    int group = model_group((struct model *)&f->model, "tokenizer");
    const struct param *w = f->model.groups[group].first;
    for (int p = 0; p < PATCHES; p++) {
        double x[PATCH_PIXELS], mean = 0, variance = 0, best = INFINITY;
        for (int i = 0; i < PATCH_PIXELS; i++) {
            int c = i / (PATCH * PATCH), y = i / PATCH % PATCH, z = i % PATCH;
            x[i] = image[(c * SIDE + p / GRID * PATCH + y) * SIDE + p % GRID * PATCH + z];
            mean += x[i] / PATCH_PIXELS;
        }
        for (int i = 0; i < PATCH_PIXELS; i++)
            variance += (x[i] - mean) * (x[i] - mean) / (PATCH_PIXELS - 1);
        for (int k = 0; k < w->dim[0]; k++) {
            double distance = 0;
            for (int i = 0; i < PATCH_PIXELS; i++) {
                double word = f->model.value[w->offset + (size_t)(k * PATCH_PIXELS + i)];
                double e = (x[i] - mean) / sqrt(variance + 0.01) - word;
                distance += e * e;
            }
            if (distance < best) {
                best = distance;
                token[p] = k;
            }
        }
    }
}

#endif
