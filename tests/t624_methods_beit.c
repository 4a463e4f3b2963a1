/* BEiT: both stages against PyTorch (tests/golden/beit.py), masks against an independent
 * simulation, and what tokens, words and masks owe. */
#include "tests/beit_fixture.h"

#include "tests/golden/beit.h"

enum { N = 3 };

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#define TINY "beit.codebook=6", "beit.tokenizer_width=5"

static const char *const dvae_options[] = {TINY, "beit.temperature=0.7", "beit.kl_weight=0.3",
                                           NULL};
static const char *const mim_options[] = {TINY, NULL};
static const char *const words_options[] = {TINY, "beit.tokenizer=kmeans", NULL};

static void scale_tokenizer(struct fixture *f, real factor) {
    int group = model_group(&f->model, "tokenizer");
    for (const struct param *p = f->model.groups[group].first; p; p = p->next)
        for (size_t i = 0; i < p->count && p->ndim > 1; i++)
            f->model.value[p->offset + i] *= factor;
    f->model.version++;
}

/* Sample n masks the MOST - n patches (5 j + n) mod 16. */
static void write_masks(struct fixture *f) {
    int32_t *visible = fixture_slot(f, "visible"), *masked = fixture_slot(f, "masked");
    int32_t *tokens = fixture_slot(f, "masked_tokens");
    for (int n = 0; n < f->batch; n++) {
        for (int i = 0; i < PATCHES; i++)
            visible[n * PATCHES + i] = i;
        for (int j = 0; j < MOST; j++) {
            int place = (5 * j + n) % PATCHES, used = j < MOST - n;
            masked[n * MOST + j] = used ? place : -1;
            tokens[n * MOST + j] = used ? place + 1 : -1;
            if (used)
                visible[n * PATCHES + place] = -1;
        }
    }
}

static void run(struct fixture *f) {
    trainer_gradient(&f->trainer, f->slots, f->batch, 0);
}

static void dvae_equals_pytorch(void **state) {
    (void)state;
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = open_fixture(0, dvae_options, NULL, N, *k);
        scale_tokenizer(f, 6);
        fixture_fill(f, "images", 0.37, 0.2);
        fixture_fill(f, "noise", 0.61, 0.4);
        float *noise = fixture_slot(f, "noise");
        for (int i = 0; i < N * PATCHES * CODES; i++)
            noise[i] *= 2;
        run(f);
        fixture_near("loss", f->trainer.loss, dvae_loss, 1e-5 * dvae_loss);
        fixture_compare(f, dvae_gradients, COUNT(dvae_gradients));
        close_fixture(f);
    }
}

static void mim_equals_pytorch(void **state) {
    (void)state;
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = open_fixture(1, mim_options, NULL, N, *k);
        scale_tokenizer(f, 6);
        fixture_fill(f, "images", 0.37, 0.2);
        write_masks(f);
        run(f);
        fixture_near("loss", f->trainer.loss, mim_dvae_loss, 1e-5 * mim_dvae_loss);
        fixture_compare(f, mim_dvae_gradients, COUNT(mim_dvae_gradients));
        close_fixture(f);
        f = open_fixture(1, words_options, NULL, N, *k);
        fixture_fill(f, "images", 0.37, 0.2);
        write_masks(f);
        run(f);
        fixture_near("loss of words", f->trainer.loss, mim_words_loss, 1e-5 * mim_words_loss);
        close_fixture(f);
    }
}

/* ---- masks ---- */

static void blocks_keep_the_bounds(void **state) {
    (void)state;
    static const struct block_masking masks[] = {
        {2, 1, 1, 0.3},    {2, 3, 3, 0.3}, {3, 3, 1, 0.3},    {4, 6, 1, 0.3},   {8, 25, 5, 0.3},
        {12, 57, 12, 0.3}, {8, 40, 20, 1}, {14, 75, 16, 0.3}, {14, 78, 16, 0.5}};
    enum { CASES = sizeof masks / sizeof *masks, DRAWS = 3000, LARGEST = 14 * 14 };
    for (int c = 0; c < CASES; c++)
        for (uint32_t s = 0; s < DRAWS; s++) {
            const struct block_masking *m = &masks[c];
            struct rng rng = rng_at((struct rng_key){3, RNG_MASK}, (uint32_t)c, s);
            struct mask_block blocks[LARGEST];
            int32_t masked[LARGEST], covered[LARGEST] = {0};
            int n_blocks, count = block_mask(m, &rng, masked, blocks, &n_blocks), ones = 0;
            int patches = m->grid * m->grid, sum = 0;
            assert_in_range(count, 1, m->most);
            for (int i = 0; i < n_blocks; i++) {
                const struct mask_block *b = &blocks[i];
                assert_true(b->top >= 0 && b->left >= 0 && b->height >= 1 && b->width >= 1);
                assert_true(b->top + b->height <= m->grid && b->left + b->width <= m->grid);
                assert_int_equal(b->room, m->most - sum);
                assert_true(b->area >= fmin(m->least, b->room) &&
                            b->area <= fmax(m->least, b->room));
                assert_true(b->aspect >= m->aspect * 0.999999 && b->aspect <= 1.000001 / m->aspect);
                assert_int_equal(b->height, lround(sqrt(b->area * b->aspect)));
                assert_int_equal(b->width, lround(sqrt(b->area / b->aspect)));
                for (int y = b->top; y < b->top + b->height; y++)
                    for (int x = b->left; x < b->left + b->width; x++) {
                        sum += !covered[y * m->grid + x];
                        covered[y * m->grid + x] = 1;
                    }
            }
            for (int i = 0; i < patches; i++) {
                assert_true(masked[i] == 0 || masked[i] == 1);
                ones += masked[i];
                if (n_blocks)
                    assert_int_equal(masked[i], covered[i]);
            }
            assert_int_equal(ones, count);
        }
}

/* A share out of n draws against one out of other_n: 5 standard deviations of their difference. */
static void same_share(const char *what, double share, int n, double other, int other_n) {
    double p = (share * n + other * other_n) / ((double)n + other_n);
    fixture_near(what, share, other, 5 * sqrt(p * (1 - p) * (1.0 / n + 1.0 / other_n)) + 1e-12);
}

static void masks_are_distributed_as(const struct block_masking *m, const double *counts,
                                     const double *places, double neighbours, int draws) {
    enum { DRAWS = 20000, LARGEST = 14 * 14 };
    int seen[LARGEST + 1] = {0}, at[LARGEST] = {0};
    double together = 0, square = 0;
    for (uint32_t s = 0; s < DRAWS; s++) {
        struct rng rng = rng_at((struct rng_key){4, RNG_MASK}, 0, s);
        int32_t masked[LARGEST];
        seen[block_mask(m, &rng, masked, NULL, NULL)]++;
        int pairs = 0;
        for (int i = 0; i < m->grid * m->grid; i++) {
            at[i] += masked[i];
            pairs += (i + 1) % m->grid && masked[i] && masked[i + 1];
        }
        together += pairs;
        square += (double)pairs * pairs;
    }
    for (int i = 0; i <= m->most; i++)
        same_share("count", (double)seen[i] / DRAWS, DRAWS, counts[i], draws);
    for (int i = 0; i < m->grid * m->grid; i++)
        same_share("place", (double)at[i] / DRAWS, DRAWS, places[i], draws);
    double mean = together / DRAWS, variance = square / DRAWS - mean * mean;
    fixture_near("neighbours", mean, neighbours, 5 * sqrt(variance * (1.0 / DRAWS + 1.0 / draws)));
}

static void masks_are_distributed_as_simulated(void **state) {
    (void)state;
    const struct block_masking small = {4, 6, 1, 0.3}, paper = {14, 75, 16, 0.3};
    masks_are_distributed_as(&small, grid4_counts, grid4_places, grid4_neighbours, grid4_draws);
    masks_are_distributed_as(&paper, grid14_counts, grid14_places, grid14_neighbours, grid14_draws);
}

static void slots_agree(void **state) {
    (void)state;
    enum { BATCH = 64 };
    struct dataset d;
    open_shapes(&d, BATCH);
    struct fixture *f = open_fixture(1, words_options, &d, BATCH, kernels_ref());
    prepare_batch(f, &d, 0, 0);
    const int32_t *visible = fixture_slot(f, "visible"), *masked = fixture_slot(f, "masked");
    const int32_t *tokens = fixture_slot(f, "masked_tokens");
    int different = 0;
    for (int n = 0; n < BATCH; n++) {
        int hidden[PATCHES] = {0}, count = 0;
        for (int j = 0; j < MOST; j++) {
            int32_t place = masked[n * MOST + j];
            assert_int_equal(tokens[n * MOST + j], place < 0 ? -1 : place + 1);
            assert_true(place >= 0 || j > 0); /* one at least, unused ones at the end */
            assert_true(place < 0 || !j || masked[n * MOST + j - 1] >= 0);
            if (place < 0)
                continue;
            assert_in_range(place, 0, PATCHES - 1);
            assert_int_equal(hidden[place], 0);
            hidden[place] = 1;
            count++;
        }
        assert_true(count >= 1);
        for (int i = 0; i < PATCHES; i++) {
            assert_int_equal(visible[n * PATCHES + i], hidden[i] ? -1 : i);
            different += n > 0 && visible[n * PATCHES + i] != visible[(n - 1) * PATCHES + i];
        }
    }
    assert_true(different > BATCH);
    close_fixture(f);
    dataset_close(&d);
}

/* ---- tokens ---- */

static double loss_of(const real *logits, int classes, int target) {
    double sum = 0;
    for (int k = 0; k < classes; k++)
        sum += exp((double)logits[k] - (double)logits[target]);
    return log(sum);
}

/* The loss that the predictions would have for the tokens of the whole image. */
static double expected_loss(const struct fixture *f, int classes) {
    const real *logits = exec_output(f->trainer.exec, f->builder.watched[WATCH_LOGITS]);
    const int32_t *masked = fixture_slot(f, "masked");
    const float *images = fixture_slot(f, "images");
    double sum = 0;
    int count = 0;
    for (int n = 0; n < f->batch; n++) {
        int32_t token[PATCHES];
        nearest_words(f, images + n * PIXELS, token);
        for (int j = 0; j < MOST; j++)
            if (masked[n * MOST + j] >= 0) {
                sum += loss_of(logits + (n * MOST + j) * classes, classes,
                               token[masked[n * MOST + j]]);
                count++;
            }
    }
    return sum / count;
}

/* What is hidden decides the target and nothing else. */
static void masked_pixels_are_not_seen(void **state) {
    (void)state;
    enum { BATCH = 12, WORDS = 32, LOGITS = BATCH * MOST * WORDS };
    static const char *const options[] = {"beit.tokenizer=kmeans", "beit.codebook=32", NULL};
    struct dataset d;
    struct error err;
    open_shapes(&d, 200);
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = open_fixture(1, options, &d, BATCH, *k);
        assert_int_equal(trainer_fit(&f->trainer, &err), 0);
        prepare_batch(f, &d, 0, 0);
        run(f);
        static real before[LOGITS];
        const real *logits = exec_output(f->trainer.exec, f->builder.watched[WATCH_LOGITS]);
        memcpy(before, logits, sizeof before);
        double loss = f->trainer.loss;
        fixture_near("loss", loss, expected_loss(f, WORDS), 1e-5 * loss);

        const int32_t *visible = fixture_slot(f, "visible");
        float *images = fixture_slot(f, "images");
        for (int i = 0; i < BATCH * PIXELS; i++) {
            int y = i / SIDE % SIDE, x = i % SIDE, n = i / PIXELS;
            if (visible[n * PATCHES + y / PATCH * GRID + x / PATCH] < 0)
                images[i] = (float)sin(1.7 * i * i);
        }
        run(f);
        assert_memory_equal(before, logits, sizeof before);
        fixture_near("loss of others", f->trainer.loss, expected_loss(f, WORDS), 1e-5 * loss);
        assert_true(fabs(f->trainer.loss - loss) > 1e-3 * loss);

        /* One pixel of every patch that is seen, of the first image. */
        for (int i = 0; i < PATCHES; i++)
            if (visible[i] >= 0)
                images[i / GRID * PATCH * SIDE + i % GRID * PATCH] += 1;
        run(f);
        assert_memory_not_equal(before, logits, sizeof(real) * MOST * WORDS);
        close_fixture(f);
    }
    dataset_close(&d);
}

/* A word for each patch is the most that there can be, and one for all patches of one number. */
static void no_more_words_than_patches(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    const struct {
        const char *patches;
        int status;
    } cases[] = {{"beit.words_patches=39", STATUS_USAGE}, {"beit.words_patches=40", 0}};
    struct dataset d;
    open_shapes(&d, 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        struct fixture *f = malloc(sizeof *f);
        const char *const options[] = {"beit.tokenizer=kmeans", "beit.codebook=40",
                                       cases[i].patches, NULL};
        assert_int_equal(fixture_build(f, &method_beit, 0, &vit, &d, options, &err),
                         cases[i].status);
        if (cases[i].status)
            assert_non_null(strstr(err.message, "more words than the 39 patches"));
        close_fixture(f);
    }
    struct backbone grey = vit;
    grey.channels = grey.vit.channels = grey.vit.patch = 1;
    const char *const options[] = {"beit.tokenizer=kmeans", NULL};
    struct error err;
    struct fixture *f = malloc(sizeof *f);
    assert_int_equal(fixture_build(f, &method_beit, 0, &grey, &d, options, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "larger --patch"));
    close_fixture(f);
    dataset_close(&d);
}

static void wrong_options_are_named(void **state) {
    (void)state;
    static const struct {
        int stage;
        const char *option, *name;
    } wrong[] = {{1, "beit.mask_ratio=0.01", "mask_ratio"},
                 {1, "beit.mask_block=0.9", "mask_block"},
                 {0, "beit.tokenizer=dvae", "patch"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err;
        struct backbone vit = fixture_vit();
        if (!wrong[i].stage)
            vit.vit.patch = 1;
        struct fixture *f = malloc(sizeof *f);
        const char *const options[] = {wrong[i].option, NULL};
        assert_int_equal(fixture_build(f, &method_beit, wrong[i].stage, &vit, NULL, options, &err),
                         STATUS_USAGE);
        assert_non_null(strstr(err.message, wrong[i].name));
        close_fixture(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dvae_equals_pytorch),
        cmocka_unit_test(mim_equals_pytorch),
        cmocka_unit_test(blocks_keep_the_bounds),
        cmocka_unit_test(masks_are_distributed_as_simulated),
        cmocka_unit_test(slots_agree),
        cmocka_unit_test(masked_pixels_are_not_seen),
        cmocka_unit_test(no_more_words_than_patches),
        cmocka_unit_test(wrong_options_are_named),
    };
    return cmocka_run_group_tests_name("beit", tests, NULL, NULL);
}
