/* BEiT's two stages over one model, and the visual words that k-means finds. */
#include "tests/beit_fixture.h"

/* ---- stages ---- */

/* Both stages over one model, as the runner has them. */
struct both {
    struct settings settings;
    struct arena arena;
    struct model model;
    struct backbone vit;
    struct normalization norm; /* of the data, as the runner has it */
    struct graph graph[2];
    struct builder builder[2];
    struct trainer trainer;
    struct fixture view; /* of the stage that trains, for prepare_batch */
};

static void open_both(struct both *b, const struct dataset *d, const char *const *options) {
    struct error err;
    memset(b, 0, sizeof *b);
    settings_init(&b->settings);
    for (; *options; options += 2)
        assert_int_equal(
            options_assign(&b->settings.options, options[0], options[1], FROM_FLAG, &err), 0);
    model_init(&b->model);
    b->vit = fixture_vit();
    memcpy(b->norm.mean, d->mean, sizeof b->norm.mean);
    memcpy(b->norm.std, d->std, sizeof b->norm.std);
    for (int s = 0; s < 2; s++) {
        graph_init(&b->graph[s], &b->model);
        b->builder[s] = (struct builder){.g = &b->graph[s],
                                         .model = &b->model,
                                         .backbone = &b->vit,
                                         .data = d,
                                         .norm = &b->norm,
                                         .prefix = "",
                                         .weight = 1,
                                         .arena = &b->arena,
                                         .classes = 10,
                                         .seed = 1,
                                         .encoder = model_group(&b->model, "encoder"),
                                         .stage = s};
        assert_int_equal(method_beit.stages[s].build(settings_method(&b->settings, &method_beit),
                                                     &b->builder[s], &err),
                         0);
        graph_plan(&b->graph[s]);
    }
    assert_int_equal(model_allocate(&b->model, 1, 1, &err), 0);
}

static void open_stage(struct both *b, int stage, int batch, long total) {
    struct error err;
    const struct trainer_config config = {
        .method = &method_beit,
        .self = settings_method(&b->settings, &method_beit),
        .builder = &b->builder[stage],
        .exec = {.kernels = kernels_cpu(), .threads = 2, .batch = batch, .chunk = 4},
        .lr = -1,
        .weight_decay = -1,
        .warmup = -1,
        .total = total,
        .per_epoch = total};
    assert_int_equal(trainer_open(&b->trainer, &config, &err), 0);
    assert_int_equal(trainer_fit(&b->trainer, &err), 0);
    trainer_start(&b->trainer);
    b->view =
        (struct fixture){.settings = b->settings, .builder = b->builder[stage], .batch = batch};
    struct loader_slot slots[METHOD_SLOTS];
    int n = trainer_slots(&b->builder[stage], slots);
    for (int i = 0; i < n; i++)
        b->view.slots[i] = ARENA_ARRAY(&b->arena, float, slots[i].per_sample *(size_t)batch);
}

static void train(struct both *b, const struct dataset *d, long from, long to) {
    for (long s = from; s < to; s++) {
        prepare_batch(&b->view, d, (int)s, (int)s * b->view.batch);
        assert_true(trainer_step(&b->trainer, b->view.slots, b->view.batch, s));
    }
}

static void close_both(struct both *b) {
    trainer_close(&b->trainer);
    for (int s = 0; s < 2; s++)
        graph_free(&b->graph[s]);
    model_free(&b->model);
    settings_free(&b->settings);
    arena_free(&b->arena);
    free(b);
}

/* Which groups of the model differ from a copy of its values, as bits. */
static unsigned groups_changed(const struct model *m, const real *before) {
    unsigned changed = 0;
    for (int g = 0; g < m->n_groups; g++) {
        const struct group *group = &m->groups[g];
        if (memcmp(m->value + group->offset, before + group->offset, group->count * sizeof *before))
            changed |= 1u << g;
    }
    return changed;
}

static void each_stage_trains_its_own(void **state) {
    (void)state;
    enum { BATCH = 8, STEPS = 4 };
    static const char *const options[][5] = {
        {"beit.codebook", "20", NULL},
        {"beit.codebook", "20", "beit.tokenizer", "kmeans", NULL},
    };
    struct dataset d;
    open_shapes(&d, 100);
    for (int words = 0; words < 2; words++) {
        struct both *b = malloc(sizeof *b);
        assert_non_null(b);
        open_both(b, &d, options[words]);
        unsigned tokenizer = 1u << model_group(&b->model, "tokenizer");
        unsigned rest =
            1u << model_group(&b->model, "encoder") | 1u << model_group(&b->model, "head");
        real *before = ARENA_ARRAY(&b->arena, real, b->model.count);
        for (int s = words; s < 2; s++) {
            open_stage(b, s, BATCH, 3 * STEPS);
            memcpy(before, b->model.value, b->model.count * sizeof *before);
            train(b, &d, STEPS, 2 * STEPS);
            assert_int_equal(groups_changed(&b->model, before), s ? rest : tokenizer);
            const struct group *frozen = &b->model.groups[model_group(&b->model, "tokenizer")];
            for (size_t i = 0; s && i < frozen->count; i++)
                assert_true(exec_gradient(b->trainer.exec)[frozen->offset + i] == 0);
            if (!s)
                trainer_close(&b->trainer);
        }
        close_both(b);
    }
    dataset_close(&d);
}

/* exp(entropy) of how often each row of logits chooses each token. */
static double perplexity(const real *logits, int rows, int classes) {
    double count[256] = {0}, entropy = 0;
    assert_in_range(classes, 1, 256);
    for (int i = 0; i < rows; i++, logits += classes) {
        int best = 0;
        for (int k = 1; k < classes; k++)
            best = logits[k] > logits[best] ? k : best;
        count[best]++;
    }
    for (int k = 0; k < classes; k++)
        if (count[k] > 0)
            entropy -= count[k] / rows * log(count[k] / rows);
    return exp(entropy);
}

static void tokenizer_uses_its_codebook(void **state) {
    (void)state;
    enum { BATCH = 32, STEPS = 100, CODEBOOK = 64 };
    static const char *const options[] = {"beit.codebook", "64", "beit.tokenizer_width", "32",
                                          NULL};
    struct dataset d;
    open_shapes(&d, 1000);
    struct both *b = malloc(sizeof *b);
    assert_non_null(b);
    open_both(b, &d, options);
    open_stage(b, 0, BATCH, STEPS);
    train(b, &d, 0, 1);
    double first = b->trainer.loss;
    train(b, &d, 1, STEPS);
    const real *logits = exec_output(b->trainer.exec, b->builder[0].watched[WATCH_LOGITS]);
    double used = perplexity(logits, BATCH * PATCHES, CODEBOOK);
    print_message("perplexity %.1f of %d, loss %.3f from %.3f\n", used, CODEBOOK, b->trainer.loss,
                  first);
    assert_true(used > 8);
    assert_true(b->trainer.loss < 0.7 * first);
    close_both(b);
    dataset_close(&d);
}

/* ---- visual words ---- */

enum { ROWS = 1500, DIM = 12, WORDS = 20 };

static real *draw_rows(struct arena *a, int clusters, double distance) {
    real *x = ARENA_ARRAY(a, real, ROWS * DIM);
    for (int i = 0; i < ROWS; i++) {
        struct rng r = rng_at((struct rng_key){624, RNG_TEST}, 0, (uint32_t)i);
        struct rng centre = rng_at((struct rng_key){624, RNG_TEST}, 1, (uint32_t)(i % clusters));
        for (int d = 0; d < DIM; d++)
            x[i * DIM + d] = (real)(rng_normal(&r) + distance * rng_normal(&centre));
    }
    return x;
}

static double mean_nearest(const real *x, int rows, const real *words, int n_words) {
    double sum = 0;
    for (int i = 0; i < rows; i++) {
        double best = INFINITY;
        for (int k = 0; k < n_words; k++) {
            double distance = 0;
            for (int d = 0; d < DIM; d++) {
                double e = (double)x[i * DIM + d] - (double)words[k * DIM + d];
                distance += e * e;
            }
            best = fmin(best, distance);
        }
        sum += best;
    }
    return sum / rows;
}

static void words_come_nearer(void **state) {
    (void)state;
    enum { ITERATIONS = 30 };
    struct arena a = {0};
    struct error err;
    const real *x = draw_rows(&a, 40, 1);
    real words[3][WORDS * DIM];
    for (int t = 0; t < 3; t++) {
        const struct words_config c = {.kernels = kernels_cpu(),
                                       .threads = 1 + t,
                                       .seed = 5,
                                       .words = WORDS,
                                       .iterations = ITERATIONS};
        double spread[ITERATIONS + 1];
        int n;
        assert_int_equal(words_fit(&c, ROWS, DIM, x, words[t], spread, &n, &err), 0);
        assert_in_range(n, 3, ITERATIONS);
        for (int i = 1; i <= n; i++)
            assert_true(spread[i] <= spread[i - 1] * (1 + 1e-6));
        assert_true(spread[n] < 0.9 * spread[0]);
        fixture_near("spread", spread[n], mean_nearest(x, ROWS, words[t], WORDS), 1e-5 * spread[n]);
        assert_memory_equal(words[0], words[t], sizeof words[0]);
    }
    struct words_config other = {
        .kernels = kernels_cpu(), .threads = 1, .seed = 6, .words = WORDS, .iterations = 0};
    assert_int_equal(words_fit(&other, ROWS, DIM, x, words[1], NULL, NULL, &err), 0);
    assert_memory_not_equal(words[0], words[1], sizeof words[0]);
    arena_free(&a);
}

/* Clusters far apart are found, one word each, whatever the seed: k-means++ does not put two seeds
 * into one while another has none. */
static void words_find_clusters(void **state) {
    (void)state;
    struct arena a = {0};
    struct error err;
    const real *x = draw_rows(&a, WORDS, 40);
    for (uint64_t seed = 0; seed < 5; seed++) {
        real words[WORDS * DIM];
        const struct words_config c = {
            .kernels = kernels_cpu(), .threads = 2, .seed = seed, .words = WORDS, .iterations = 20};
        assert_int_equal(words_fit(&c, ROWS, DIM, x, words, NULL, NULL, &err), 0);
        fixture_near("spread", mean_nearest(x, ROWS, words, WORDS), DIM, 0.05 * DIM);
    }
    arena_free(&a);
}

/* More words than different rows: every row is a word. */
static void words_may_be_too_many(void **state) {
    (void)state;
    struct arena a = {0};
    struct error err;
    real *x = draw_rows(&a, WORDS, 1), words[WORDS * DIM];
    for (int i = 7 * DIM; i < 50 * DIM; i++)
        x[i] = x[i % (7 * DIM)];
    const struct words_config c = {
        .kernels = kernels_cpu(), .threads = 2, .seed = 1, .words = WORDS, .iterations = 20};
    assert_int_equal(words_fit(&c, 50, DIM, x, words, NULL, NULL, &err), 0);
    assert_true(mean_nearest(x, 50, words, WORDS) < 1e-10);
    arena_free(&a);
}

/* What fit leaves is a linear layer whose largest output is the nearest word, on real patches well
 * used, and the same for any number of threads. */
static void words_are_fitted_to_patches(void **state) {
    (void)state;
    static const char *const options[] = {"beit.tokenizer=kmeans", "beit.codebook=64", NULL};
    enum { K = 64 };
    struct dataset d;
    struct error err;
    open_shapes(&d, 400);
    real words[2][K * PATCH_PIXELS];
    for (int t = 0; t < 2; t++) {
        struct fixture *f = open_fixture(1, options, &d, 32, kernels_cpu());
        f->trainer.config.exec.threads = 1 + 2 * t;
        assert_int_equal(trainer_fit(&f->trainer, &err), 0);
        int group = model_group(&f->model, "tokenizer"), count[K] = {0};
        const struct param *w = f->model.groups[group].first, *bias = w->next;
        assert_int_equal(w->count, K * PATCH_PIXELS);
        memcpy(words[t], f->model.value + w->offset, sizeof words[t]);
        for (int k = 0; k < K; k++) {
            double half = 0;
            for (int i = 0; i < PATCH_PIXELS; i++)
                half += pow((double)words[t][k * PATCH_PIXELS + i], 2) / 2;
            fixture_near("bias", (double)f->model.value[bias->offset + (size_t)k], -half,
                         1e-5 * half + 1e-6);
        }
        double entropy = 0;
        prepare_batch(f, &d, 0, 0);
        for (int n = 0; n < f->batch; n++) {
            int32_t token[PATCHES];
            nearest_words(f, (float *)fixture_slot(f, "images") + n * PIXELS, token);
            for (int p = 0; p < PATCHES; p++)
                count[token[p]]++;
        }
        for (int k = 0; k < K; k++)
            if (count[k])
                entropy -= count[k] / 512.0 * log(count[k] / 512.0);
        assert_true(exp(entropy) > 24);
        close_fixture(f);
    }
    assert_memory_equal(words[0], words[1], sizeof words[0]);
    dataset_close(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_stage_trains_its_own), cmocka_unit_test(tokenizer_uses_its_codebook),
        cmocka_unit_test(words_come_nearer),         cmocka_unit_test(words_find_clusters),
        cmocka_unit_test(words_may_be_too_many),     cmocka_unit_test(words_are_fitted_to_patches),
    };
    return cmocka_run_group_tests_name("beit's stages", tests, NULL, NULL);
}
