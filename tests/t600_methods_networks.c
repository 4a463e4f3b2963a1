/* Whole networks of the methods against PyTorch (tests/golden/networks.py), and what prepare owes.
 */
#include "nn/exec.h"
#include "protocols/settings.h"

#include "tests/golden/networks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 3, CHANNELS = 3, IMAGE = 16, PATCHES = 16, KEEP = 4 };

static const struct backbone backbone = {.name = "vit",
                                         .kind = BACKBONE_VIT,
                                         .image = IMAGE,
                                         .channels = CHANNELS,
                                         .dim = 16,
                                         .vit = {.image = IMAGE,
                                                 .channels = CHANNELS,
                                                 .patch = 4,
                                                 .dim = 16,
                                                 .depth = 2,
                                                 .heads = 2,
                                                 .mlp = 64,
                                                 .position = POSITION_SINCOS}};

struct fixture {
    struct settings settings;
    struct model model;
    struct graph graph;
    struct builder builder;
    struct exec *exec;
    float images[N * CHANNELS * IMAGE * IMAGE];
    int32_t index[METHOD_INPUTS][N * (PATCHES + 1)];
};

static void set(struct fixture *f, const char *key, const char *value) {
    struct error err;
    assert_int_equal(options_assign(&f->settings.options, key, value, FROM_FLAG, &err), 0);
}

static void fill_parameters(struct model *m) {
    for (int g = 0; g < m->n_groups; g++) {
        int k = 0;
        for (const struct param *p = m->groups[g].first; p; p = p->next, k++) {
            size_t length = strlen(p->name);
            int gain = strstr(p->name, "norm") && !strcmp(p->name + length - 6, "weight");
            for (size_t i = 0; i < p->count; i++)
                m->value[p->offset + i] =
                    (float)(gain + 0.2 * sin(0.7 * (double)i + 1.3 * k + 0.1));
        }
    }
    m->version++;
}

static void open_fixture(struct fixture *f, const struct method *m, const struct kernels *k) {
    struct error err;
    memset(f, 0, sizeof *f);
    settings_init(&f->settings);
    set(f, "mae.decoder_dim", "8");
    set(f, "mae.decoder_depth", "1");
    set(f, "mae.decoder_heads", "2");
    model_init(&f->model);
    graph_init(&f->graph, &f->model);
    f->builder = (struct builder){.g = &f->graph,
                                  .model = &f->model,
                                  .backbone = &backbone,
                                  .prefix = "",
                                  .weight = 1,
                                  .classes = 10,
                                  .encoder = model_group(&f->model, "encoder")};
    assert_int_equal(m->stages[0].build(settings_method(&f->settings, m), &f->builder, &err), 0);
    graph_plan(&f->graph);
    assert_int_equal(model_allocate(&f->model, 0, 0, &err), 0);
    fill_parameters(&f->model);
    const struct exec_config config = {
        .kernels = k, .threads = 2, .batch = N, .chunk = 1, .lanes = 2};
    assert_int_equal(exec_open(&f->exec, &f->graph, &config, &err), 0);
    for (int i = 0; i < N * CHANNELS * IMAGE * IMAGE; i++)
        f->images[i] = (float)sin(0.37 * i + 0.2);
    exec_bind(f->exec, f->builder.inputs[0], f->images);
    for (int i = 1; i < f->builder.n_inputs; i++)
        exec_bind(f->exec, f->builder.inputs[i], f->index[i]);
}

static void close_fixture(struct fixture *f) {
    exec_close(f->exec);
    graph_free(&f->graph);
    model_free(&f->model);
    settings_free(&f->settings);
}

static void near(const char *what, double value, double golden, double tolerance) {
    if (!(fabs(value - golden) <= tolerance))
        fail_msg("%s: %.9g instead of %.9g", what, value, golden);
}

static void compare(struct fixture *f, double loss, const struct golden_gradient *golden, int n) {
    near("loss", exec_run(f->exec, N), loss, 2e-6 * loss);
    int at = 0;
    for (int g = 0; g < f->model.n_groups; g++)
        for (const struct param *p = f->model.groups[g].first; p; p = p->next, at++) {
            assert_true(at < n);
            assert_string_equal(p->name, golden[at].name);
            const float *d = exec_gradient(f->exec) + p->offset;
            double dot = 0, square = 0;
            for (size_t i = 0; i < p->count; i++) {
                dot += (double)d[i] * sin((double)i + 1);
                square += (double)d[i] * (double)d[i];
            }
            double tolerance = 2e-5 * golden[at].norm * sqrt((double)p->count) + 1e-7;
            near(p->name, dot, golden[at].dot, tolerance);
            near(p->name, sqrt(square), golden[at].norm, tolerance);
        }
    assert_int_equal(at, n);
}

static void supervised_equals_pytorch(void **state) {
    (void)state;
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = malloc(sizeof *f);
        open_fixture(f, &method_supervised, *k);
        for (int i = 0; i < N; i++)
            f->index[1][i] = i * 3 % 10;
        compare(f, supervised_loss, supervised_gradients,
                sizeof supervised_gradients / sizeof *supervised_gradients);
        close_fixture(f);
        free(f);
    }
}

static void mae_equals_pytorch(void **state) {
    (void)state;
    enum { VISIBLE = 1, RESTORE, HIDDEN, HIDDEN_TOKENS };
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = malloc(sizeof *f);
        open_fixture(f, &method_mae, *k);
        for (int n = 0; n < N; n++) {
            int32_t *visible = f->index[VISIBLE] + n * (1 + KEEP);
            int32_t *restore = f->index[RESTORE] + n * (1 + PATCHES);
            for (int j = 1; j <= PATCHES; j++)
                restore[j] = -1;
            visible[0] = restore[0] = 0;
            for (int j = 0; j < PATCHES; j++) {
                int patch = (5 * j + n) % PATCHES;
                if (j < KEEP) {
                    visible[1 + j] = 1 + patch;
                    restore[1 + patch] = 1 + j;
                } else {
                    f->index[HIDDEN][n * (PATCHES - KEEP) + j - KEEP] = patch;
                    f->index[HIDDEN_TOKENS][n * (PATCHES - KEEP) + j - KEEP] = 1 + patch;
                }
            }
        }
        compare(f, mae_loss, mae_gradients, sizeof mae_gradients / sizeof *mae_gradients);
        close_fixture(f);
        free(f);
    }
}

/* Visible and hidden patches are a partition, restore points back, and every patch is hidden as
 * often as the ratio says. */
static void mae_masks_are_fair_partitions(void **state) {
    (void)state;
    enum { SAMPLES = 4000, HIDE = PATCHES - KEEP };
    static float image[CHANNELS * IMAGE * IMAGE];
    int hidden_count[PATCHES] = {0};
    struct error err;
    struct settings s;
    settings_init(&s);
    struct record r = {0};
    assert_int_equal(record_reserve(&r, IMAGE, IMAGE, CHANNELS, 0, &err), 0);
    const struct normalization norm = {.std = {1, 1, 1, 1}};
    for (uint32_t n = 0; n < SAMPLES; n++) {
        int32_t visible[1 + KEEP], restore[1 + PATCHES], hidden[HIDE], tokens[HIDE];
        struct rng view = rng_at((struct rng_key){1, RNG_VIEW}, 0, n);
        struct rng mask = rng_at((struct rng_key){1, RNG_MASK}, 0, n);
        const struct sample sample = {.record = &r,
                                      .norm = &norm,
                                      .backbone = &backbone,
                                      .view = &view,
                                      .mask = &mask,
                                      .slots =
                                          (void *const[]){image, visible, restore, hidden, tokens}};
        method_mae.stages[0].prepare(settings_method(&s, &method_mae), &sample);
        int seen[PATCHES] = {0};
        assert_int_equal(visible[0], 0);
        assert_int_equal(restore[0], 0);
        for (int i = 0; i < KEEP; i++) {
            seen[visible[1 + i] - 1]++;
            assert_int_equal(restore[visible[1 + i]], 1 + i);
        }
        for (int i = 0; i < HIDE; i++) {
            seen[hidden[i]]++;
            hidden_count[hidden[i]]++;
            assert_int_equal(tokens[i], hidden[i] + 1);
            assert_int_equal(restore[1 + hidden[i]], -1);
        }
        for (int i = 0; i < PATCHES; i++)
            assert_int_equal(seen[i], 1);
    }
    for (int i = 0; i < PATCHES; i++) /* 0.75 +- 5 standard deviations */
        assert_in_range(hidden_count[i], 2863, 3137);
    record_free(&r);
    settings_free(&s);
}

static void wrong_options_are_named(void **state) {
    (void)state;
    static const char *const wrong[][3] = {{"mae.mask_ratio", "0.99", "mask_ratio"},
                                           {"mae.mask_ratio", "0", "mask_ratio"},
                                           {"mae.decoder_heads", "3", "decoder_heads"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err;
        struct settings s;
        struct model m;
        struct graph g;
        settings_init(&s);
        assert_int_equal(options_assign(&s.options, wrong[i][0], wrong[i][1], FROM_FLAG, &err), 0);
        model_init(&m);
        graph_init(&g, &m);
        struct builder b = {.g = &g,
                            .model = &m,
                            .backbone = &backbone,
                            .prefix = "",
                            .weight = 1,
                            .classes = 10,
                            .encoder = model_group(&m, "encoder")};
        assert_int_equal(method_mae.stages[0].build(settings_method(&s, &method_mae), &b, &err),
                         STATUS_USAGE);
        assert_non_null(strstr(err.message, wrong[i][2]));
        graph_free(&g);
        model_free(&m);
        settings_free(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(supervised_equals_pytorch),
        cmocka_unit_test(mae_equals_pytorch),
        cmocka_unit_test(mae_masks_are_fair_partitions),
        cmocka_unit_test(wrong_options_are_named),
    };
    return cmocka_run_group_tests_name("methods", tests, NULL, NULL);
}
