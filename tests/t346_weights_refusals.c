/* Published weights: what does not fit is refused, and what fits is found. */
#include "tests/weights_fixture.h"

/* ---- no silent gap ---- */

static void refuse(const char *path, const struct network_options *o, const char *says) {
    struct loaded s;
    struct error err = {0};
    assert_int_equal(open_subject(&s, path, o, 1, &err), STATUS_USAGE);
    if (!strstr(err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    close_subject(&s);
}

/* Whatever single tensor is gone or has another name, the file is refused. */
static void test_every_tensor_counts(void **state) {
    const struct folder *folder = *state;
    static const char *const tried[] = {"timm",      "hf_vit",  "beit_shared",
                                        "open_clip", "cifar_b", "timm_dinov3_gated"};
    for (size_t k = 0; k < sizeof tried / sizeof *tried; k++)
        for (int i = 0; i < COUNT(golden_networks); i++) {
            const struct golden_network *g = &golden_networks[i];
            char image[32];
            const struct network_options o = options_of(g, image);
            if (strcmp(g->name, tried[k]) != 0)
                continue;
            for (int t = 0; t < g->n_tensors; t++) {
                struct loaded s;
                struct error err = {0};
                if (ends_with(g->tensors[t].name, "num_batches_tracked"))
                    continue;
                write_file(g, folder->path, t, t % 2 ? "another" : NULL);
                if (open_subject(&s, folder->path, &o, 1, &err) != STATUS_USAGE)
                    fail_msg("%s without %s was taken", g->name, g->tensors[t].name);
                close_subject(&s);
            }
        }
}

static void test_refusals(void **state) {
    const struct folder *folder = *state;
    const struct golden_network *g = &golden_networks[0];
    char image[32];
    struct network_options o = options_of(g, image);
    write_file(g, folder->path, g->n_tensors - 2, "surplus"); /* the classifier's weight */
    refuse(folder->path, &o, "2 without a place (surplus, ...)");
    o.ignore = "nothing, sur*";
    refuse(folder->path, &o, "1 without a place (head.bias); --weights.ignore");
    o.ignore = "sur* head.*";
    struct loaded s;
    struct error err = {0};
    assert_int_equal(open_subject(&s, folder->path, &o, 1, &err), 0);
    assert_int_equal(s.coverage.spared, 2);
    assert_null(s.logits);
    close_subject(&s);
    o.ignore = NULL;
    write_file(g, folder->path, g->n_tensors - 1, "surplus"); /* its bias */
    refuse(folder->path, &o, "1 parameters without a tensor");
    write_file(g, folder->path, -1, NULL);
    o = options_of(g, image);
    o.as = "timm-vlt";
    refuse(folder->path, &o, "did you mean \"timm-vit\"?");
    o.as = "open-clip";
    refuse(folder->path, &o, "not weights of open-clip");
    o = options_of(g, image);
    o.heads = 0;
    refuse(folder->path, &o, "--weights.heads");
    o = options_of(g, image);
    o.image = "17";
    refuse(folder->path, &o, "multiples");
    o.image = "1024";
    refuse(folder->path, &o, "65537 tokens, more than attention takes here");
    o.image = "16y16";
    refuse(folder->path, &o, "16y16");
    o = options_of(g, image);
    o.mean = "0.5,0.5";
    refuse(folder->path, &o, "three numbers");
    o.mean = NULL;
    o.std = "0.5,0,0.5";
    refuse(folder->path, &o, "above 0");
    o = options_of(g, image);
    o.prefix = "module.";
    refuse(folder->path, &o, "no family");
}

/* What is said of a part that the network does not have is not passed over. */
static void test_parts_that_are_not_there(void **state) {
    const struct folder *folder = *state;
    const struct golden_network *resnet = golden("cifar_b"), *vit = golden("timm");
    const struct network_options of_resnet[] = {
        {.heads = 2}, {.text_heads = 2}, {.activation = "gelu"}, {.pool = "mean"}};
    static const char *const says[] = {"weights.heads", "weights.text_heads", "weights.activation",
                                       "weights.pool"};
    write_file(resnet, folder->path, -1, NULL);
    for (size_t i = 0; i < sizeof says / sizeof *says; i++)
        refuse(folder->path, &of_resnet[i], says[i]);
    write_file(vit, folder->path, -1, NULL);
    const struct network_options of_vit = {.heads = 4, .text_heads = 2};
    refuse(folder->path, &of_vit, "weights.text_heads");
}

/* What lies beside timm's weights says what its classifier looks at. */
static void test_pooling_beside_the_file(void **state) {
    const struct folder *folder = *state;
    static const char *const texts[] = {"{\"global_pool\": \"token\"}",
                                        "{\"global_pool\": \"avg\"}",
                                        "{\"model_args\": {\"global_pool\": \"avg\"}}"};
    static const enum pool_kind want[] = {POOL_CLS, POOL_MEAN, POOL_MEAN};
    const struct golden_network *g = golden("timm");
    char image[32], config[NAME];
    const struct network_options o = options_of(g, image);
    snprintf(config, sizeof config, "%s/config.json", folder->name);
    write_file(g, folder->path, -1, NULL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct loaded s;
        struct error err = {0};
        assert_int_equal(file_write_atomic(config, texts[i], strlen(texts[i]), &err), 0);
        assert_int_equal(open_subject(&s, folder->path, &o, 1, &err), 0);
        assert_int_equal(s.network.backbone.vit.pool, want[i]);
        close_subject(&s);
    }
    unlink(config);
}

/* How images are prepared as Hugging Face's and timm's files say it. */
static void test_preparation_beside_the_file(void **state) {
    const struct folder *folder = *state;
    static const struct {
        const char *file, *text;
        enum fitting fit;
        double crop, std;
    } cases[] = {
        {"preprocessor_config.json",
         "{\"size\": 256, \"crop_size\": 224, \"do_center_crop\": true, \"resample\": 3}", FIT_CROP,
         0.875, 0.5},
        {"preprocessor_config.json",
         "{\"size\": {\"shortest_edge\": 248}, \"crop_size\": {\"height\": 224, \"width\": 224}, "
         "\"do_center_crop\": true, \"image_std\": [0.2, 0.2, 0.2]}",
         FIT_CROP, 224 / 248.0, 0.2},
        {"preprocessor_config.json",
         "{\"size\": {\"height\": 224, \"width\": 224}, \"do_center_crop\": false, "
         "\"do_normalize\": false}",
         FIT_SQUASH, 0.9, 1},
        {"config.json", "{\"pretrained_cfg\": {\"crop_pct\": 1.0, \"crop_mode\": \"squash\"}}",
         FIT_SQUASH, 1, 0.5},
        {"config.json", "{\"pretrained_cfg\": {\"crop_pct\": 0.95, \"crop_mode\": \"center\"}}",
         FIT_CROP, 0.95, 0.5}};
    const struct golden_network *g = golden("timm");
    char image[32], path[NAME];
    const struct network_options o = options_of(g, image);
    write_file(g, folder->path, -1, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct loaded s;
        struct error err = {0};
        snprintf(path, sizeof path, "%s/%s", folder->name, cases[i].file);
        assert_int_equal(file_write_atomic(path, cases[i].text, strlen(cases[i].text), &err), 0);
        assert_int_equal(open_subject(&s, folder->path, &o, 1, &err), 0);
        const struct preprocessing *p = &s.network.preprocessing;
        assert_int_equal(p->fit, cases[i].fit);
        assert_true(fabs(p->crop - cases[i].crop) < 1e-6);
        assert_true(p->norm.std[1] == cases[i].std);
        close_subject(&s);
        unlink(path);
    }
}

/* What lies beside a file and cannot be had is not passed over. */
static void test_files_beside_that_are_refused(void **state) {
    const struct folder *folder = *state;
    static const struct {
        const char *network, *file, *text, *says;
    } cases[] = {
        {"hf_vit", "config.json", "{\"hidden_act\": \"relu\"}", "hidden_act beside it is \"relu\""},
        {"hf_clip", "config.json", "{\"vision_config\": {\"hidden_act\": \"gelu_new\"}}",
         "gelu_new"},
        {"timm", "config.json", "{\"pretrained_cfg\": {\"interpolation\": \"lanczos\"}}",
         "\"lanczos\""},
        {"hf_vit", "preprocessor_config.json", "{\"resample\": 0}", "PIL's filter 0"},
        {"timm", "config.json", "{\"pretrained_cfg\": {\"crop_pct\": 1e-9}}", "share of the image"},
        {"timm", "config.json", "[]", "config.json: not a JSON object: mend it"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct golden_network *g = golden(cases[i].network);
        struct error err = {0};
        char image[32], path[NAME];
        const struct network_options o = options_of(g, image);
        snprintf(path, sizeof path, "%s/%s", folder->name, cases[i].file);
        write_file(g, folder->path, -1, NULL);
        assert_int_equal(file_write_atomic(path, cases[i].text, strlen(cases[i].text), &err), 0);
        refuse(folder->path, &o, cases[i].says);
        unlink(path);
    }
}

static void test_an_activation_that_is_told(void **state) {
    const struct folder *folder = *state;
    const struct golden_network *g = golden("hf_vit");
    static const char config[] = "{\"hidden_act\": \"gelu_new\"}";
    struct error err = {0};
    struct loaded s;
    char image[32], path[NAME];
    struct network_options o = options_of(g, image);
    snprintf(path, sizeof path, "%s/config.json", folder->name);
    write_file(g, folder->path, -1, NULL);
    assert_int_equal(file_write_atomic(path, config, sizeof config - 1, &err), 0);
    refuse(folder->path, &o, "--weights.activation");
    o.activation = "quick_gelu";
    assert_int_equal(open_subject(&s, folder->path, &o, 1, &err), 0);
    assert_int_equal(s.network.backbone.vit.act, ACT_QUICK_GELU);
    close_subject(&s);
    unlink(path);
}

/* Gates are a sigmoid's: another function beside the file is another network. */
static void test_what_gates_are(void **state) {
    const struct folder *folder = *state;
    const struct golden_network *g = golden("hf_dinov3_gated");
    static const char silu[] = "{\"hidden_act\": \"silu\"}", gelu[] = "{\"hidden_act\": \"gelu\"}";
    struct error err = {0};
    struct loaded s;
    char image[32], path[NAME];
    struct network_options o = options_of(g, image);
    snprintf(path, sizeof path, "%s/config.json", folder->name);
    write_file(g, folder->path, -1, NULL);
    assert_int_equal(file_write_atomic(path, gelu, sizeof gelu - 1, &err), 0);
    refuse(folder->path, &o, "\"gelu\" for gated MLPs");
    assert_int_equal(file_write_atomic(path, silu, sizeof silu - 1, &err), 0);
    assert_int_equal(open_subject(&s, folder->path, &o, 1, &err), 0);
    assert_true(s.network.backbone.vit.gated);
    close_subject(&s);
    o.activation = "gelu";
    refuse(folder->path, &o, "weights.activation");
    unlink(path);
}

/* What trainers put in front of names is found, whatever else they save beside it. */
static void test_prefixes(void **state) {
    const struct folder *folder = *state;
    static const char *const prefixes[] = {
        "module.",
        "backbone.",
        "encoder_q.",
        "module.encoder_q.",
        "module.online_encoder.",
        "student_backbone.",
        "_feature_blocks.",
        "classy_state_dict.base_model.model.trunk._feature_blocks."};
    const struct golden_network *g = golden("cifar_b");
    for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++) {
        struct arena a = {0};
        struct golden_tensor *tensors;
        struct golden_network copy = changeable(g, &a, &tensors);
        struct loaded s;
        struct error err = {0};
        char image[32];
        const struct network_options o = options_of(g, image);
        for (int i = 1; i < g->n_tensors; i++)
            tensors[i].name = arena_printf(&a, "%s%s", prefixes[k], tensors[i].name);
        write_file(&copy, folder->path, 0, arena_printf(&a, "%sconv1.weight", prefixes[k]));
        if (open_subject(&s, folder->path, &o, 1, &err))
            fail_msg("%s: %s", prefixes[k], err.message);
        assert_string_equal(s.source->prefix, prefixes[k]);
        close_subject(&s);
        arena_free(&a);
    }
}

/* A copy with one tensor more, of three numbers. */
static struct golden_network with_another(const struct golden_network *g, const char *name,
                                          struct arena *a, struct golden_tensor **tensors) {
    struct golden_network copy = *g;
    *tensors = ARENA_ARRAY(a, struct golden_tensor, g->n_tensors + 1);
    memcpy(*tensors, g->tensors, (size_t)g->n_tensors * sizeof **tensors);
    (*tensors)[copy.n_tensors++] =
        (struct golden_tensor){.name = name, .dtype = "F32", .ndim = 1, .dim = {3}};
    copy.tensors = *tensors;
    return copy;
}

/* DINO's checkpoints have the head of training beside the encoder, which tells them from others
 * with the same names. */
static void test_dino_by_its_head(void **state) {
    const struct folder *folder = *state;
    static const char *const networks[] = {"dino_resnet", "dino"};
    for (size_t k = 0; k < sizeof networks / sizeof *networks; k++) {
        const struct golden_network *g = golden(networks[k]);
        struct arena a = {0};
        struct golden_tensor *tensors;
        struct golden_network copy = with_another(g, "head.mlp.0.weight", &a, &tensors);
        struct loaded s;
        struct error err = {0};
        char image[32];
        struct network_options o = options_of(g, image);
        for (int i = 0; i < g->n_tensors; i++)
            if (strncmp(tensors[i].name, "backbone.", 9) != 0)
                tensors[i].name = arena_printf(&a, "backbone.%s", tensors[i].name);
        write_file(&copy, folder->path, -1, NULL);
        o.as = NULL;
        if (open_subject(&s, folder->path, &o, 1, &err))
            fail_msg("%s: %s", networks[k], err.message);
        assert_string_equal(s.network.family->name, g->family);
        close_subject(&s);
        arena_free(&a);
    }
}

/* As MoCo's third version has it on a ViT. */
static void test_projection_heads_of_vits(void **state) {
    const struct folder *folder = *state;
    const struct golden_network *g = golden("timm");
    struct arena a = {0};
    struct golden_tensor *tensors;
    struct golden_network copy = with_another(g, "head.6.weight", &a, &tensors);
    struct loaded s;
    struct error err = {0};
    char image[32];
    const struct network_options o = options_of(g, image);
    write_file(&copy, folder->path, -1, NULL);
    assert_int_equal(open_subject(&s, folder->path, &o, 1, &err), 0);
    assert_int_equal(s.coverage.spared, 1);
    close_subject(&s);
    arena_free(&a);
}

static void test_selective_kernels(void **state) {
    const struct folder *folder = *state;
    const struct golden_network *g = golden("simclr_v2");
    struct arena a = {0};
    struct golden_tensor *tensors;
    struct golden_network copy = with_another(g, "net.0.2.weight", &a, &tensors);
    char image[32];
    const struct network_options o = options_of(g, image);
    write_file(&copy, folder->path, -1, NULL);
    refuse(folder->path, &o, "selective kernels");
    arena_free(&a);
}

/* A table that is for neither the file's grid nor ours is a mismatch, not read. */
static void test_tables_of_other_grids(void **state) {
    const struct folder *folder = *state;
    const struct golden_network *g = golden("beit_larger");
    struct arena a = {0};
    struct golden_tensor *tensors;
    struct golden_network copy = changeable(g, &a, &tensors);
    char image[32];
    struct network_options o = options_of(g, image);
    for (int i = 0; i < g->n_tensors; i++)
        if (!strcmp(tensors[i].name, "blocks.1.attn.relative_position_bias_table"))
            tensors[i].dim[0] = 28; /* of a grid of 3 */
    write_file(&copy, folder->path, -1, NULL);
    refuse(folder->path, &o, "1 tensors of another shape");
    for (int i = 0; i < g->n_tensors; i++)
        if (ends_with(tensors[i].name, "relative_position_bias_table"))
            tensors[i].dim[0] = 3 * 5 + 3; /* of 2 x 3 */
    write_file(&copy, folder->path, -1, NULL);
    refuse(folder->path, &o, "no square of patches and not for 6 x 6");
    o.image = "8x12";
    struct loaded s;
    struct error err = {0};
    assert_int_equal(open_subject(&s, folder->path, &o, 1, &err), 0);
    assert_int_equal(s.coverage.resampled, 0);
    close_subject(&s);
    arena_free(&a);
}

/* The places and weights of a table by hand: knots of 3 stretched to 5 are -4, -1, 0, 1, 4 where
 * the factor is 3, which is beyond 1.5: so they are -2.5, -1, 0, 1, 2.5, and the rest is the end.
 */
static void test_relative_table_by_hand(void **state) {
    (void)state;
    float in[5 + 3], out[9 + 3];
    static const double want[] = {0, 0, 1.0 / 3, 1, 2, 3, 4 - 1.0 / 3, 4, 4, 5, 6, 7};
    for (int i = 0; i < 8; i++)
        in[i] = (float)i;
    resample_relative(1, 3, 1, in, 1, 5, out);
    for (int i = 0; i < 12; i++)
        assert_true(fabs((double)out[i] - want[i]) < 1e-5);
}

static void test_index_of_parts(void **state) {
    const struct folder *folder = *state;
    static const char index[] =
        "{\"metadata\": {}, \"weight_map\": {\"a\": \"model-00001.safetensors\"}}";
    const struct network_options o = {.heads = 0};
    struct error err = {0};
    assert_int_equal(file_write_atomic(folder->path, index, sizeof index - 1, &err), 0);
    refuse(folder->path, &o, "JSON without tensors");
}

static void test_not_finite(void **state) {
    const struct folder *folder = *state;
    const struct golden_network *g = &golden_networks[0];
    char image[32], *bytes;
    const struct network_options o = options_of(g, image);
    struct arena a = {0};
    struct error err = {0};
    size_t n;
    write_file(g, folder->path, -1, NULL);
    assert_int_equal(file_read(folder->path, &a, &bytes, &n, &err), 0);
    memcpy(bytes + n - 4, &(const float){NAN}, sizeof(float));
    assert_int_equal(file_write_atomic(folder->path, bytes, n, &err), 0);
    refuse(folder->path, &o, "not finite");
    arena_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_tensor_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts_that_are_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pooling_beside_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_preparation_beside_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_beside_that_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_activation_that_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_gates_are, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prefixes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dino_by_its_head, setup, teardown),
        cmocka_unit_test_setup_teardown(test_projection_heads_of_vits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_selective_kernels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tables_of_other_grids, setup, teardown),
        cmocka_unit_test(test_relative_table_by_hand),
        cmocka_unit_test_setup_teardown(test_index_of_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_finite, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
