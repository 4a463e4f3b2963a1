/* Whole networks of the methods against PyTorch (tests/golden/networks.py), and what prepare owes.
 */
#include "tests/method_fixture.h"

#include "tests/golden/networks.h"

enum { N = 3, CHANNELS = 3, IMAGE = 16, PATCHES = 16, KEEP = 4 };

static const char *const small_decoder[] = {"mae.decoder_dim=8", "mae.decoder_depth=1",
                                            "mae.decoder_heads=2", NULL};

static void supervised_equals_pytorch(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = malloc(sizeof *f);
        fixture_open(f, &method_supervised, 0, &vit, N, NULL, NULL, *k);
        fixture_fill(f, "images", 0.37, 0.2);
        int32_t *labels = fixture_slot(f, "labels");
        for (int i = 0; i < N; i++)
            labels[i] = i * 3 % 10;
        fixture_near("loss", fixture_run(f), supervised_loss, 1e-5 * supervised_loss);
        fixture_compare(f, supervised_gradients,
                        sizeof supervised_gradients / sizeof *supervised_gradients);
        fixture_close(f);
        free(f);
    }
}

static void mae_equals_pytorch(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = malloc(sizeof *f);
        fixture_open(f, &method_mae, 0, &vit, N, NULL, small_decoder, *k);
        fixture_fill(f, "images", 0.37, 0.2);
        int32_t *all_visible = fixture_slot(f, "visible"),
                *all_restore = fixture_slot(f, "restore");
        int32_t *hidden = fixture_slot(f, "hidden"), *tokens = fixture_slot(f, "hidden_tokens");
        for (int n = 0; n < N; n++) {
            int32_t *visible = all_visible + n * (1 + KEEP);
            int32_t *restore = all_restore + n * (1 + PATCHES);
            for (int j = 1; j <= PATCHES; j++)
                restore[j] = -1;
            visible[0] = restore[0] = 0;
            for (int j = 0; j < PATCHES; j++) {
                int patch = (5 * j + n) % PATCHES;
                if (j < KEEP) {
                    visible[1 + j] = 1 + patch;
                    restore[1 + patch] = 1 + j;
                } else {
                    hidden[n * (PATCHES - KEEP) + j - KEEP] = patch;
                    tokens[n * (PATCHES - KEEP) + j - KEEP] = 1 + patch;
                }
            }
        }
        fixture_near("loss", fixture_run(f), mae_loss, 1e-5 * mae_loss);
        fixture_compare(f, mae_gradients, sizeof mae_gradients / sizeof *mae_gradients);
        fixture_close(f);
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
    const struct backbone vit = fixture_vit();
    struct record r = {0};
    assert_int_equal(record_reserve(&r, IMAGE, IMAGE, CHANNELS, 0, &err), 0);
    const struct normalization norm = {.std = {1, 1, 1, 1}};
    for (uint32_t n = 0; n < SAMPLES; n++) {
        int32_t visible[1 + KEEP], restore[1 + PATCHES], hidden[HIDE], tokens[HIDE];
        struct rng view = rng_at((struct rng_key){1, RNG_VIEW}, 0, n);
        struct rng mask = rng_at((struct rng_key){1, RNG_MASK}, 0, n);
        const struct sample sample = {.record = &r,
                                      .norm = &norm,
                                      .backbone = &vit,
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
    static const char *const wrong[][2] = {{"mae.mask_ratio=0.99", "mask_ratio"},
                                           {"mae.mask_ratio=0", "mask_ratio"},
                                           {"mae.decoder_heads=3", "decoder_heads"}};
    const struct backbone vit = fixture_vit();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err;
        struct fixture *f = malloc(sizeof *f);
        const char *const options[] = {wrong[i][0], NULL};
        assert_int_equal(fixture_build(f, &method_mae, 0, &vit, NULL, options, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, wrong[i][1]));
        fixture_close(f);
        free(f);
    }
}

/* Options of the backbone concern the encoder, or are refused. */
static void the_backbones_options_hold(void **state) {
    (void)state;
    struct backbone vit = fixture_vit();
    struct fixture *f = malloc(sizeof *f);
    struct error err;
    double loss[2];
    vit.vit.drop_path = 0.5;
    fixture_open(f, &method_mae, 0, &vit, N, NULL, small_decoder, kernels_ref());
    fixture_fill(f, "images", 0.37, 0.2);
    assert_non_null(f->builder.drop);
    float *kept = f->slots[f->builder.n_inputs];
    for (int dropped = 0; dropped < 2; dropped++) {
        for (size_t i = 0; i < N * f->builder.drop->per_sample; i++)
            kept[i] = (float)!dropped;
        loss[dropped] = fixture_run(f);
    }
    assert_true(fabs(loss[0] - loss[1]) > 1e-5);
    fixture_close(f);
    vit = fixture_vit();
    vit.channels = vit.vit.channels = vit.vit.patch = 1;
    assert_int_equal(fixture_build(f, &method_mae, 0, &vit, NULL, small_decoder, &err),
                     STATUS_USAGE);
    assert_non_null(strstr(err.message, "mae.norm_pix"));
    fixture_close(f);
    vit = fixture_vit();
    vit.vit.relative_positions = 1;
    assert_int_equal(fixture_build(f, &method_mae, 0, &vit, NULL, small_decoder, &err),
                     STATUS_USAGE);
    assert_non_null(strstr(err.message, "--relative-positions"));
    fixture_close(f);
    free(f);
}

/* The preset changes what nobody set, and nothing else. */
static void the_papers_values_are_a_preset(void **state) {
    (void)state;
    struct settings s;
    struct error err;
    settings_init(&s);
    assert_int_equal(options_assign(&s.options, "mae.decoder_depth", "3", FROM_FLAG, &err), 0);
    assert_int_equal(settings_settle(&s, &err), 0);
    char *text = options_text(&s.options, &s.options.arena);
    assert_non_null(strstr(text, "decoder_dim = 64"));
    assert_int_equal(options_assign(&s.options, "preset", "paper", FROM_FLAG, &err), 0);
    if (settings_settle(&s, &err))
        fail_msg("%s", err.message);
    text = options_text(&s.options, &s.options.arena);
    assert_non_null(strstr(text, "decoder_dim = 512"));
    assert_non_null(strstr(text, "decoder_depth = 3"));
    settings_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(supervised_equals_pytorch),
        cmocka_unit_test(mae_equals_pytorch),
        cmocka_unit_test(mae_masks_are_fair_partitions),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(the_backbones_options_hold),
        cmocka_unit_test(the_papers_values_are_a_preset),
    };
    return cmocka_run_group_tests_name("methods", tests, NULL, NULL);
}
