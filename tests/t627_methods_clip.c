/* CLIP against PyTorch (tests/golden/clip.py), its loss against two plain loops, and what its text
 * tower, its captions, its vocabulary and its scale owe. */
#include "tests/method_fixture.h"

#include "data/bpe.h"
#include "tests/golden/clip.h"
#include "tests/place.h"

enum { N = 3, CONTEXT = 6, VOCABULARY = BPE_SMALLEST, END_TOKEN = VOCABULARY - 1 };

#define TINY                                                                                       \
    "clip.dim=6", "clip.text_dim=8", "clip.text_depth=2", "clip.text_heads=2", "clip.context=6",   \
        "clip.vocabulary_size=514"

static const char *const tiny[] = {TINY, NULL};
static const char *const tiny_quick[] = {TINY, "clip.text_activation=quick_gelu", NULL};

/* ---- against PyTorch ---- */

static void open_tiny(struct fixture *f, const struct backbone *vit, const char *const *options,
                      const struct kernels *k) {
    fixture_open(f, &method_clip, 0, vit, N, NULL, options, k);
    fixture_fill(f, "images", 0.37, 0.2);
    int32_t *tokens = fixture_slot(f, "tokens"), *end = fixture_slot(f, "end");
    memcpy(tokens, clip_tokens, sizeof clip_tokens);
    for (int i = 0; i < N; i++)
        for (end[i] = 0; tokens[i * CONTEXT + end[i]] != END_TOKEN;)
            end[i]++;
}

static void equals_pytorch(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = malloc(sizeof *f);
        open_tiny(f, &vit, tiny, *k);
        fixture_near("loss", fixture_run(f), clip_loss, 1e-5 * clip_loss);
        fixture_compare(f, clip_gradients, sizeof clip_gradients / sizeof *clip_gradients);
        fixture_close(f);
        open_tiny(f, &vit, tiny_quick, *k);
        fixture_near("loss", fixture_run(f), clip_quick_loss, 1e-5 * clip_quick_loss);
        fixture_compare(f, clip_quick_gradients,
                        sizeof clip_quick_gradients / sizeof *clip_quick_gradients);
        fixture_close(f);
        free(f);
    }
}

/* ---- the loss alone: features are weights times one-hot rows, so gradients can be read ---- */

enum { D = 5, MOST = 150 };

struct pairs {
    int n;
    struct model model;
    struct graph graph;
    struct tensor *x, *z; /* features (n,D) */
    struct param *image, *text, *scale;
    struct exec *exec;
    float one_hot[MOST * MOST]; /* (n,n) */
};

static struct tensor *rows_of(struct pairs *p, struct tensor *one_hot, const char *name, int group,
                              struct param **out) {
    const struct linear_spec spec = {
        .group = group, .out = D, .init = INIT_NORMAL, .scale = 0.7, .no_bias = 1};
    struct tensor *t = op_linear(&p->graph, name, one_hot, &spec, NULL);
    *out = t->src[1]->param;
    return t;
}

static void open_pairs(struct pairs *p, int n, int threads, const struct kernels *k) {
    struct error err;
    memset(p, 0, sizeof *p);
    p->n = n;
    model_init(&p->model);
    graph_init(&p->graph, &p->model);
    int group = model_group(&p->model, "all");
    struct tensor *in = graph_input(&p->graph, "one-hot", 1, &n);
    p->x = rows_of(p, in, "image", group, &p->image);
    p->z = rows_of(p, in, "text", group, &p->text);
    struct tensor *s =
        graph_param(&p->graph, group, "scale", 1, (const int[]){1}, INIT_CONSTANT, log(3));
    p->scale = s->param;
    graph_objective(&p->graph, op_clip(&p->graph, "loss", p->x, p->z, s), 1);
    graph_plan(&p->graph);
    assert_int_equal(model_allocate(&p->model, 9, 0, &err), 0);
    const struct exec_config config = {
        .kernels = k, .threads = threads, .batch = n, .chunk = 4, .lanes = 2};
    assert_int_equal(exec_open(&p->exec, &p->graph, &config, &err), 0);
    for (int i = 0; i < n; i++)
        p->one_hot[i * n + i] = 1;
    exec_bind(p->exec, in, p->one_hot);
}

static void close_pairs(struct pairs *p) {
    exec_close(p->exec);
    graph_free(&p->graph);
    model_free(&p->model);
}

/* weight (D,n): feature d of sample i. */
static double feature(const struct pairs *p, const struct param *w, int i, int d) {
    return (double)p->model.value[w->offset + (size_t)d * (size_t)p->n + (size_t)i];
}

struct naive {
    double loss, dscale, dx[MOST][D], dz[MOST][D];
};

/* Figure 3 of the paper, word by word, and its derivative. */
static void naive_clip(const struct pairs *p, struct naive *out) {
    static double logit[MOST][MOST], g[MOST][MOST];
    int n = p->n;
    double scale = exp((double)p->model.value[p->scale->offset]);
    memset(out, 0, sizeof *out);
    memset(g, 0, sizeof g);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            logit[i][j] = 0;
            for (int d = 0; d < D; d++)
                logit[i][j] += scale * feature(p, p->image, i, d) * feature(p, p->text, j, d);
        }
    for (int i = 0; i < n; i++) {
        double row = 0, column = 0;
        for (int j = 0; j < n; j++) {
            row += exp(logit[i][j]);
            column += exp(logit[j][i]);
        }
        out->loss += (log(row) - logit[i][i] + log(column) - logit[i][i]) / 2 / n;
        for (int j = 0; j < n; j++) {
            g[i][j] += (exp(logit[i][j]) / row - (i == j)) / 2 / n;
            g[j][i] += (exp(logit[j][i]) / column - (i == j)) / 2 / n;
        }
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            out->dscale += g[i][j] * logit[i][j];
            for (int d = 0; d < D; d++) {
                out->dx[i][d] += scale * g[i][j] * feature(p, p->text, j, d);
                out->dz[j][d] += scale * g[i][j] * feature(p, p->image, i, d);
            }
        }
}

static void loss_equals_two_loops(void **state) {
    (void)state;
    static const int sizes[] = {1, 2, 7, 64, 65, MOST};
    struct pairs *p = malloc(sizeof *p);
    struct naive *want = malloc(sizeof *want);
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            open_pairs(p, sizes[s], 2, *k);
            naive_clip(p, want);
            fixture_near("loss", exec_run(p->exec, p->n), want->loss, 1e-5 * (want->loss + 0.1));
            const real *g = exec_gradient(p->exec);
            fixture_near("scale", (double)g[p->scale->offset], want->dscale, 1e-5);
            for (int i = 0; i < p->n; i++)
                for (int d = 0; d < D; d++) {
                    size_t at = (size_t)d * (size_t)p->n + (size_t)i;
                    fixture_near("image", (double)g[p->image->offset + at], want->dx[i][d], 1e-6);
                    fixture_near("text", (double)g[p->text->offset + at], want->dz[i][d], 1e-6);
                }
            close_pairs(p);
        }
    free(p);
    free(want);
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    struct pairs *one = malloc(sizeof *one), *many = malloc(sizeof *many);
    open_pairs(one, MOST, 1, kernels_cpu());
    open_pairs(many, MOST, 5, kernels_cpu());
    assert_true(exec_run(one->exec, MOST) == exec_run(many->exec, MOST));
    assert_memory_equal(exec_gradient(one->exec), exec_gradient(many->exec),
                        sizeof(real) * one->model.count);
    close_pairs(one);
    close_pairs(many);
    free(one);
    free(many);
}

/* The order of the samples, images and texts together, is nobody's business; of texts alone it is.
 */
static void loss_ignores_a_common_order(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    struct fixture *f = malloc(sizeof *f);
    open_tiny(f, &vit, tiny, kernels_cpu());
    double before = fixture_run(f);
    real *gradient = malloc(sizeof *gradient * f->model.count);
    memcpy(gradient, exec_gradient(f->trainer.exec), sizeof *gradient * f->model.count);
    for (int s = f->builder.n_inputs - 1; s >= 0; s--) { /* a rotation; the images come last */
        size_t bytes = f->builder.slots[s].per_sample * 4;
        char *data = f->slots[s], *last = malloc(bytes);
        memcpy(last, data + bytes * (N - 1), bytes);
        memmove(data + bytes, data, bytes * (N - 1));
        memcpy(data, last, bytes);
        free(last);
        if (s == 1)
            assert_true(fabs(fixture_run(f) - before) > 1e-4);
    }
    fixture_near("loss", fixture_run(f), before, 1e-6);
    const real *after = exec_gradient(f->trainer.exec);
    for (size_t i = 0; i < f->model.count; i++)
        fixture_near("gradient", (double)after[i], (double)gradient[i], 1e-6);
    free(gradient);
    fixture_close(f);
    free(f);
}

/* ---- the scale ---- */

static struct param *parameter(struct fixture *f, const char *group, const char *name) {
    for (struct param *p = f->model.groups[model_group(&f->model, group)].first; p; p = p->next)
        if (!strcmp(p->name, name))
            return p;
    fail_msg("no parameter %s.%s", group, name);
    return NULL;
}

static void scale_is_learnt_within_limits(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    struct fixture *f = malloc(sizeof *f);
    open_tiny(f, &vit, tiny, kernels_cpu());
    const struct param *p = parameter(f, "head", "logit_scale");
    real *scale = &f->model.value[p->offset];
    assert_true(p->init == INIT_CONSTANT && fabs(p->scale - log(1 / 0.07)) < 1e-12);
    static const double given[] = {30, -4}, kept[] = {4.605170186, 0};
    for (int i = 0; i < 2; i++) {
        *scale = (real)given[i];
        assert_true(trainer_step(&f->trainer, f->slots, N, 50));
        fixture_near("clamped", (double)*scale, kept[i], 1e-6);
    }
    *scale = 2;
    assert_true(trainer_step(&f->trainer, f->slots, N, 50));
    assert_true(*scale != 2 && fabs((double)*scale - 2) < 0.1);
    int decays = 0;
    for (int i = 0; i < f->model.n_facts; i++) {
        const struct param_fact *fact = &f->model.facts[i];
        assert_true(!fact->decay || fact->ndim > 1);
        decays += fact->decay;
        assert_true(fact->offset != p->offset || !fact->decay);
    }
    assert_true(decays > 10);
    fixture_close(f);
    free(f);
}

/* ---- the text tower ---- */

/* The features of the fixture's texts, (N, clip.dim), through a graph of their own as protocols
 * make one. */
static void text_features(struct fixture *f, real *out) {
    struct error err;
    struct graph g;
    struct exec *exec;
    graph_init(&g, &f->model);
    struct builder b = {.g = &g,
                        .model = &f->model,
                        .backbone = f->builder.backbone,
                        .prefix = "",
                        .arena = &f->arena,
                        .runtime = f->builder.runtime};
    struct tensor *t = method_clip.encode_text(settings_method(&f->settings, f->method), &b);
    graph_output(&g, t);
    graph_plan(&g);
    const struct exec_config config = {
        .kernels = kernels_cpu(), .threads = 1, .batch = N, .chunk = 2};
    assert_int_equal(exec_open(&exec, &g, &config, &err), 0);
    exec_bind(exec, b.inputs[0], fixture_slot(f, "tokens"));
    exec_bind(exec, b.inputs[1], fixture_slot(f, "end"));
    exec_run(exec, N);
    memcpy(out, exec_output(exec, t), sizeof *out * t->per_sample * N);
    exec_close(exec);
    graph_free(&g);
}

static void what_follows_the_end_is_not_seen(void **state) {
    (void)state;
    enum { DIM = 6, ROW = 0 };
    const struct backbone vit = fixture_vit();
    struct fixture *f = malloc(sizeof *f);
    open_tiny(f, &vit, tiny, kernels_cpu());
    int32_t *tokens = fixture_slot(f, "tokens"), *end = fixture_slot(f, "end");
    real before[N * DIM], after[N * DIM];
    text_features(f, before);
    assert_int_equal(end[ROW], 3);
    tokens[4] = 77;
    tokens[5] = END_TOKEN;
    text_features(f, after);
    assert_memory_equal(before, after, sizeof before);
    for (int i = 0; i <= end[ROW]; i++) { /* the end token itself is seen as well */
        int32_t kept = tokens[i];
        tokens[i] = 123;
        text_features(f, after);
        assert_memory_not_equal(before, after, sizeof(real) * DIM);
        assert_memory_equal(before + DIM, after + DIM, sizeof(real) * DIM * (N - 1));
        tokens[i] = kept;
    }
    fixture_close(f);
    free(f);
}

/* ---- captions ---- */

enum { SIDE = 16 };

struct example {
    float image[3 * SIDE * SIDE];
    int32_t tokens[CONTEXT], end;
};

static void prepare(const struct fixture *f, const struct record *r, uint32_t epoch,
                    struct example *out) {
    struct rng view = rng_at((struct rng_key){1, RNG_VIEW}, epoch, 0);
    struct rng mask = rng_at((struct rng_key){1, RNG_MASK}, epoch, 0);
    const struct sample s = {.record = r,
                             .norm = &fixture_norm,
                             .backbone = f->builder.backbone,
                             .runtime = f->builder.runtime,
                             .view = &view,
                             .mask = &mask,
                             .slots = (void *const[]){out->image, out->tokens, &out->end}};
    method_clip.stages[0].prepare(settings_method(&f->settings, f->method), &s);
}

static void a_caption_is_drawn_and_keeps_its_end(void **state) {
    (void)state;
    enum { EPOCHS = 3000, CAPTIONS = 3 };
    static const char *const captions[CAPTIONS] = {"a", "bc", "one that is far too long"};
    static const int32_t length[CAPTIONS] = {2, 3, CONTEXT - 1};
    int times[CAPTIONS] = {0};
    struct error err;
    const struct backbone vit = fixture_vit();
    struct fixture *f = malloc(sizeof *f);
    open_tiny(f, &vit, tiny, kernels_cpu());
    struct record r = {0};
    assert_int_equal(record_reserve(&r, SIDE, SIDE, 3, 0, &err), 0);
    struct example e, again;
    prepare(f, &r, 0, &e); /* no caption at all */
    assert_int_equal(e.end, 1);
    r.captions = captions;
    r.n_captions = CAPTIONS;
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        prepare(f, &r, epoch, &e);
        int which = 0;
        while (which < CAPTIONS - 1 && e.end != length[which])
            which++;
        times[which]++;
        assert_int_equal(e.end, length[which]);
        assert_int_equal(e.tokens[0], END_TOKEN - 1);
        assert_int_equal(e.tokens[e.end], END_TOKEN);
        for (int i = 1; i < e.end; i++)
            assert_true(e.tokens[i] < END_TOKEN - 1);
        for (int i = e.end + 1; i < CONTEXT; i++)
            assert_int_equal(e.tokens[i], 0);
    }
    for (int i = 0; i < CAPTIONS; i++) /* 1000 +- 5 standard deviations */
        assert_in_range(times[i], 871, 1129);
    prepare(f, &r, 5, &e);
    prepare(f, &r, 5, &again);
    assert_memory_equal(&e, &again, sizeof e);
    record_free(&r);
    fixture_close(f);
    free(f);
}

/* ---- the vocabulary ---- */

static const char *fingerprint(const struct dataset *d, const char *const *options,
                               struct arena *a) {
    struct error err;
    const struct backbone vit = fixture_vit();
    struct fixture *f = malloc(sizeof *f);
    if (fixture_build(f, &method_clip, 0, &vit, d, options, &err))
        fail_msg("%s", err.message);
    const char *hash = arena_strdup(a, f->builder.fingerprint);
    fixture_close(f);
    free(f);
    return hash;
}

static void vocabulary_is_of_the_captions_or_of_a_file(void **state) {
    struct place *here = *state;
    struct arena *a = &here->arena;
    struct error err;
    struct dataset d, other;
    struct bpe b;
    assert_int_equal(dataset_open(&d, "shapes:size=16,train=60,test=1", &err), 0);
    assert_int_equal(dataset_open(&other, "shapes:size=16,train=60,test=1,seed=1", &err), 0);
    static const char *const learnt[] = {"clip.vocabulary_size=600", NULL};
    static const char *const few[] = {"clip.vocabulary_size=600", "clip.vocabulary_captions=5",
                                      NULL};
    const char *hash = fingerprint(&d, learnt, a);
    assert_int_equal(strlen(hash), 64);
    assert_string_equal(hash, fingerprint(&d, learnt, a));
    assert_string_not_equal(hash, fingerprint(&other, learnt, a));
    assert_string_not_equal(hash, fingerprint(&d, few, a));
    /* The first five captions, by hand. */
    const char *captions[5];
    struct record r = {0};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(dataset_read(&d, SPLIT_TRAIN, i, &r, &err), 0);
        captions[i] = arena_strdup(a, record_caption(&r, 0));
    }
    record_free(&r);
    bpe_train(&b, captions, 5, 600);
    assert_string_equal(b.sha256, fingerprint(&d, few, a));
    char *path = in(here, "vocabulary.txt");
    assert_int_equal(bpe_write(&b, path, &err), 0);
    const char *const from_file[] = {arena_printf(a, "clip.vocabulary=%s", path),
                                     arena_printf(a, "clip.vocabulary_size=%d", b.vocabulary),
                                     NULL};
    assert_string_equal(b.sha256, fingerprint(&other, from_file, a));
    bpe_free(&b);
    dataset_close(&d);
    dataset_close(&other);
}

static void wrong_options_are_named(void **state) {
    (void)state;
    static const char *const wrong[][2] = {{"clip.text_heads=3", "text_heads"},
                                           {"clip.vocabulary=/nowhere/at.all", "/nowhere/at.all"}};
    const struct backbone vit = fixture_vit();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err;
        struct fixture *f = malloc(sizeof *f);
        const char *const options[] = {wrong[i][0], NULL};
        assert_int_equal(fixture_build(f, &method_clip, 0, &vit, NULL, options, &err),
                         STATUS_USAGE);
        assert_non_null(strstr(err.message, wrong[i][1]));
        fixture_close(f);
        free(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pytorch),
        cmocka_unit_test(loss_equals_two_loops),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(loss_ignores_a_common_order),
        cmocka_unit_test(scale_is_learnt_within_limits),
        cmocka_unit_test(what_follows_the_end_is_not_seen),
        cmocka_unit_test(a_caption_is_drawn_and_keeps_its_end),
        cmocka_unit_test_setup_teardown(vocabulary_is_of_the_captions_or_of_a_file, set_up,
                                        tear_down),
        cmocka_unit_test(wrong_options_are_named),
    };
    return cmocka_run_group_tests_name("clip", tests, NULL, NULL);
}
