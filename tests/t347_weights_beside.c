/* What lies beside published weights and no tensor tells: how images are prepared, of what shape
 * they are, and which network it is. */
#include "tests/weights_fixture.h"

static void write_beside(const struct folder *folder, const char *file, const char *text,
                         char path[NAME]) {
    struct error err = {0};
    snprintf(path, NAME, "%s/%s", folder->name, file);
    if (file_write_atomic(path, text, strlen(text), &err))
        fail_msg("%s", err.message);
}

/* What a processor does where the user says nothing: the size, numbers of another scale, one number
 * for all channels, a crop whose odd pixel is at the end. */
static void test_a_processor(void **state) {
    const struct folder *folder = *state;
    static const struct {
        const char *network, *text;
        enum fitting fit;
        int height, width, crop_down;
        double mean, std;
    } cases[] = {
        {"hf_dinov3", "{\"size\": {\"height\": 24, \"width\": 16}, \"do_center_crop\": null}",
         FIT_SQUASH, 24, 16, 0, 0.456, 0.224},
        {"hf_dinov3", "{\"size\": 24, \"image_mean\": 0.25, \"image_std\": 0.5}", FIT_SQUASH, 24,
         24, 0, 0.25, 0.5},
        {"hf_dinov2",
         "{\"size\": {\"shortest_edge\": 32}, \"do_center_crop\": true, "
         "\"crop_size\": {\"height\": 28, \"width\": 28}, \"rescale_factor\": 0.0078431372549019}",
         FIT_CROP, 28, 28, 1, 0.456 / 2, 0.224 / 2},
        {"hf_dinov2", "{\"do_rescale\": false, \"do_normalize\": false}", FIT_CROP, 224, 224, 1, 0,
         1 / 255.0},
        {"hf_dinov2",
         "{\"size\": {\"height\": 28, \"width\": 28}, \"do_center_crop\": true, "
         "\"crop_size\": 28}",
         FIT_SQUASH, 28, 28, 1, 0.456, 0.224}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct golden_network *g = golden(cases[i].network);
        char image[32], path[NAME];
        struct network_options o = options_of(g, image);
        struct loaded s;
        struct error err = {0};
        o.image = NULL;
        write_file(g, folder->path, -1, NULL);
        write_beside(folder, "preprocessor_config.json", cases[i].text, path);
        if (open_subject(&s, folder->path, &o, 1, &err))
            fail_msg("case %zu: %s", i, err.message);
        const struct preprocessing *p = &s.network.preprocessing;
        assert_int_equal(p->fit, cases[i].fit);
        assert_int_equal(p->height, cases[i].height);
        assert_int_equal(p->width, cases[i].width);
        assert_int_equal(s.network.backbone.image, cases[i].height);
        assert_int_equal(p->crop_down, cases[i].crop_down);
        assert_true(fabs(p->norm.mean[1] - cases[i].mean) < 1e-9);
        assert_true(fabs(p->norm.std[1] - cases[i].std) < 1e-9);
        close_subject(&s);
        unlink(path);
    }
}

static void test_refusals(void **state) {
    const struct folder *folder = *state;
    static const struct {
        const char *network, *file, *text, *says;
    } cases[] = {
        {"hf_vit", "preprocessor_config.json", "{\"do_resize\": false}", "(do_resize)"},
        {"hf_vit", "preprocessor_config.json",
         "{\"size\": {\"height\": 32, \"width\": 32}, \"do_center_crop\": true, "
         "\"crop_size\": 16}",
         "squeezed to a fixed height and width"},
        {"hf_vit", "preprocessor_config.json",
         "{\"size\": 16, \"do_center_crop\": true, \"crop_size\": 32}", "larger than the image"},
        {"hf_vit", "preprocessor_config.json", "{\"size\": {\"shortest_edge\": 16}}",
         "without a crop"},
        {"timm", "config.json", "{\"pretrained_cfg\": {\"crop_mode\": \"border\"}}",
         "crop_mode beside it is \"border\""},
        {"timm", "config.json",
         "{\"pretrained_cfg\": {\"crop_mode\": \"squash\", \"crop_pct\": 0.9}}", "(crop_pct)"},
        {"timm", "config.json", "{\"global_pool\": \"avgmax\"}", "--weights.pool"},
        {"timm", "config.json", "{\"model_args\": {\"act_layer\": \"silu\"}}",
         "model_args.act_layer beside it is \"silu\""},
        {"timm_dinov3", "config.json", "{\"model_args\": {\"rope_grid_offset\": 0}}",
         "model_args.rope_grid_offset"},
        {"torchvision_basic", "config.json", "{\"architecture\": \"resnetblur18\"}", "a blur"},
        {"torchvision_basic", "config.json", "{\"model_args\": {\"output_stride\": 16}}",
         "output_stride beside it is \"16\""},
        {"beit", "config.json", "{\"architecture\": \"eva02_enormous_patch14_clip_224\"}",
         "rotary"},
        {"hf_dinov3", "config.json", "{\"layer_norm_eps\": -1}", "layer_norm_eps beside it is -1"},
        {"timm", "config.json", "{\"model_args\": {\"num_heads\": 1e300}}", "--weights.heads"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct golden_network *g = golden(cases[i].network);
        char image[32], path[NAME];
        struct network_options o = options_of(g, image);
        struct loaded s;
        struct error err = {0};
        if (strstr(cases[i].text, "num_heads"))
            o.heads = 0;
        write_file(g, folder->path, -1, NULL);
        write_beside(folder, cases[i].file, cases[i].text, path);
        assert_int_equal(open_subject(&s, folder->path, &o, 1, &err), STATUS_USAGE);
        if (!strstr(err.message, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].says);
        close_subject(&s);
        unlink(path);
    }
}

/* 16 patches are those of 4 x 4, unless the images were of another shape. */
static void test_images_that_are_not_square(void **state) {
    const struct folder *folder = *state;
    static const char *const texts[] = {"{\"model_args\": {\"img_size\": [8, 32]}}",
                                        "{\"image_size\": [8, 32]}",
                                        "{\"model_args\": {\"img_size\": [12, 32]}}"};
    static const int height[] = {8, 8, 16}, width[] = {32, 32, 16};
    const struct golden_network *g = golden("timm");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char image[32], path[NAME];
        struct network_options o = options_of(g, image);
        struct loaded s;
        struct error err = {0};
        o.image = NULL;
        write_file(g, folder->path, -1, NULL);
        write_beside(folder, "config.json", texts[i], path);
        if (open_subject(&s, folder->path, &o, 1, &err))
            fail_msg("case %zu: %s", i, err.message);
        assert_int_equal(s.network.preprocessing.height, height[i]);
        assert_int_equal(s.network.preprocessing.width, width[i]);
        assert_int_equal(s.network.own_rows, height[i] / 4);
        assert_int_equal(s.network.own_cols, width[i] / 4);
        assert_int_equal(s.coverage.resampled, 0);
        close_subject(&s);
        unlink(path);
    }
}

/* Of CLIP's image tower alone the file says what it is without a part of its name. */
static void test_an_image_tower_alone(void **state) {
    const struct folder *folder = *state;
    static const char *const texts[] = {
        "{\"hidden_act\": \"gelu\", \"num_attention_heads\": 2, \"layer_norm_eps\": 0.01}",
        "{\"vision_config\": {\"hidden_size\": 32, \"hidden_act\": \"gelu\", "
        "\"num_attention_heads\": 2, \"layer_norm_eps\": 0.01}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct golden_tensor list[128];
        struct golden_network g = *golden("hf_clip");
        struct loaded s;
        struct error err = {0};
        char image[32], path[NAME];
        int n = 0;
        assert_true(g.n_tensors <= COUNT(list));
        for (int k = 0; k < g.n_tensors; k++)
            if (!strncmp(g.tensors[k].name, "vis", 3))
                list[n++] = g.tensors[k];
        g.tensors = list;
        g.n_tensors = n;
        struct network_options o = options_of(&g, image);
        o.heads = o.text_heads = 0;
        write_file(&g, folder->path, -1, NULL);
        write_beside(folder, "config.json", texts[i], path);
        if (open_subject(&s, folder->path, &o, 1, &err))
            fail_msg("case %zu: %s", i, err.message);
        assert_int_equal(s.network.backbone.vit.act, ACT_GELU);
        assert_int_equal(s.network.backbone.vit.heads, 2);
        assert_true(s.network.backbone.vit.norm_eps == 0.01);
        close_subject(&s);
        unlink(path);
    }
}

/* BEiT's names with gates are EVA-02's, whose angles are in no tensor. */
static void test_gates_of_eva(void **state) {
    const struct folder *folder = *state;
    struct arena a = {0};
    struct golden_tensor *list;
    struct golden_network g = changeable(golden("beit"), &a, &list);
    struct loaded s;
    struct error err = {0};
    char image[32];
    for (int i = 0; i < g.n_tensors; i++)
        if (strstr(list[i].name, "mlp.fc1"))
            list[i].dim[0] *= 2;
    const struct network_options o = options_of(&g, image);
    write_file(&g, folder->path, -1, NULL);
    assert_int_equal(open_subject(&s, folder->path, &o, 1, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "EVA-02"));
    close_subject(&s);
    arena_free(&a);
}

/* Hugging Face writes its registers where there are none: a tensor of no entries. */
static void test_no_registers(void **state) {
    const struct folder *folder = *state;
    struct arena a = {0};
    struct golden_tensor *list;
    struct golden_network g = changeable(golden("hf_dinov3"), &a, &list);
    struct loaded s;
    struct error err = {0};
    char image[32];
    for (int i = 0; i < g.n_tensors; i++)
        if (strstr(list[i].name, "register_tokens"))
            list[i].dim[1] = 0;
    const struct network_options o = options_of(&g, image);
    write_file(&g, folder->path, -1, NULL);
    if (open_subject(&s, folder->path, &o, 1, &err))
        fail_msg("%s", err.message);
    assert_int_equal(s.network.backbone.vit.registers, 0);
    close_subject(&s);
    arena_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_processor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_images_that_are_not_square, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_image_tower_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gates_of_eva, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_registers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
