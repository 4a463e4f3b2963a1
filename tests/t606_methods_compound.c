/* Combined objectives: the gradient is the weighted sum, everything else stays apart; and a batch
 * in parts. */
#include "tests/method_fixture.h"

enum { N = 3 };
static const double weight = 0.3;

/* Inputs that do not depend on the order in which a network asked for them. */
static void fill_all(struct fixture *f) {
    for (int s = 0; s < f->builder.n_inputs; s++) {
        const struct tensor *t = f->builder.inputs[s];
        const int is_label = !strcmp(t->name, "labels");
        for (size_t i = 0; i < t->per_sample * N; i++)
            if (t->kind == TENSOR_INPUT)
                ((float *)f->slots[s])[i] = (float)sin(0.37 * (double)i + 0.2);
            else
                ((int32_t *)f->slots[s])[i] = (int32_t)(i % (is_label ? 10 : 4));
    }
}

static double run(struct fixture *f, const char *text, struct arena *a) {
    const struct method *m;
    struct error err;
    const struct backbone vit = fixture_vit();
    static struct backbone kept;
    kept = vit;
    if (method_parse(text, a, &m, &err))
        fail_msg("%s", err.message);
    fixture_open(f, m, 0, &kept, N, NULL, NULL, kernels_ref());
    /* Groups come in another order, and so would the weights: by name alone they are the same. */
    fill_all(f);
    return fixture_run(f);
}

static const float *encoder_gradient(const struct fixture *f, size_t *count) {
    const struct group *g = &f->model.groups[f->builder.encoder];
    *count = g->count;
    return exec_gradient(f->trainer.exec) + g->offset;
}

static void gradients_add_up(void **state) {
    (void)state;
    struct arena a = {0};
    struct fixture *f = calloc(3, sizeof *f);
    char both[64];
    snprintf(both, sizeof both, "mae+supervised:%g", weight);
    double mae = run(&f[0], "mae", &a), supervised = run(&f[1], "supervised", &a);
    double loss = run(&f[2], both, &a);
    fixture_near("loss", loss, mae + weight * supervised, 1e-6 * loss);
    size_t n[3];
    const float *g[3];
    for (int i = 0; i < 3; i++)
        g[i] = encoder_gradient(&f[i], &n[i]);
    assert_int_equal(n[0], n[2]);
    double size = 0, difference = 0;
    for (size_t i = 0; i < n[0]; i++) {
        double want = (double)g[0][i] + weight * (double)g[1][i];
        size += want * want;
        difference += ((double)g[2][i] - want) * ((double)g[2][i] - want);
    }
    assert_true(size > 0 && difference <= 1e-10 * size);

    /* each part's share of the gradient, and nothing of it left behind */
    double norms[METHOD_OBJECTIVES], square[2] = {0};
    trainer_part_norms(&f[2].trainer, N, norms);
    for (size_t i = 0; i < n[0]; i++) {
        square[0] += (double)g[0][i] * (double)g[0][i];
        square[1] += weight * weight * (double)g[1][i] * (double)g[1][i];
    }
    fixture_near("norm of mae", norms[0], sqrt(square[0]), 1e-5 * norms[0]);
    fixture_near("norm of supervised", norms[1], sqrt(square[1]), 1e-5 * norms[1]);
    assert_true(fixture_run(&f[2]) == loss);
    for (int i = 0; i < 3; i++)
        fixture_close(&f[i]);
    free(f);
    arena_free(&a);
}

/* Two parts of a batch are the batch, up to the order of sums. */
static void parts_of_a_batch_add_up(void **state) {
    (void)state;
    enum { WHOLE = 8 };
    const struct backbone vit = fixture_vit();
    struct error err;
    struct fixture *f = calloc(2, sizeof *f);
    for (int i = 0; i < 2; i++) {
        fixture_open(&f[i], &method_supervised, 0, &vit, WHOLE, NULL, NULL, kernels_ref());
        fixture_fill(&f[i], "images", 0.37, 0.2);
        int32_t *labels = fixture_slot(&f[i], "labels");
        for (int n = 0; n < WHOLE; n++)
            labels[n] = n % 10;
        if (i) {
            struct trainer_config config = f[i].trainer.config;
            trainer_close(&f[i].trainer);
            config.accumulate = 2;
            assert_int_equal(trainer_open(&f[i].trainer, &config, &err), 0);
        }
        trainer_gradient(&f[i].trainer, f[i].slots, WHOLE, 0);
    }
    fixture_near("loss", f[1].trainer.loss, f[0].trainer.loss, 1e-6 * f[0].trainer.loss);
    fixture_near("part", f[1].trainer.parts[0], f[0].trainer.parts[0], 1e-6);
    double size = 0, difference = 0;
    for (size_t i = 0; i < f[0].model.count; i++) {
        double a = (double)exec_gradient(f[0].trainer.exec)[i];
        double b = (double)exec_gradient(f[1].trainer.exec)[i];
        size += a * a;
        difference += (a - b) * (a - b);
    }
    assert_true(size > 0 && difference <= 1e-10 * size);
    struct trainer refused;
    struct trainer_config config = f[0].trainer.config;
    const int unequal[] = {3, 2 * WHOLE};
    for (int i = 0; i < 2; i++) {
        config.accumulate = unequal[i];
        assert_int_equal(trainer_open(&refused, &config, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, "equal parts"));
        trainer_close(&refused);
    }
    for (int i = 0; i < 2; i++)
        fixture_close(&f[i]);
    free(f);
}

static void groups_have_their_parts_names(void **state) {
    (void)state;
    struct arena a = {0};
    struct fixture *f = calloc(1, sizeof *f);
    run(f, "supervised:2+mae:1", &a);
    const char *const want[] = {"encoder", "supervised.head", "mae.decoder"};
    assert_int_equal(f->model.n_groups, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(f->model.groups[i].name, want[i]);
    assert_string_equal(f->builder.objectives[0].name, "supervised:labels");
    assert_string_equal(f->builder.objectives[1].name, "mae:pixels");
    fixture_close(f);
    free(f);
    arena_free(&a);
}

/* Each part's views are those that it would have alone. */
static void parts_draw_for_themselves(void **state) {
    (void)state;
    enum { SIDE = 16, IMAGE = 3 * SIDE * SIDE };
    struct arena a = {0};
    struct error err;
    struct record r = {0};
    assert_int_equal(record_reserve(&r, SIDE, SIDE, 3, 0, &err), 0);
    for (int i = 0; i < IMAGE; i++)
        r.pixels[i] = (uint8_t)(i * 7 % 251);
    struct fixture *f = calloc(2, sizeof *f);
    run(&f[0], "mae", &a);
    run(&f[1], "supervised+mae", &a);
    float images[2][IMAGE];
    for (int i = 0; i < 2; i++) {
        struct rng view = rng_at((struct rng_key){1, RNG_VIEW}, 0, 5);
        trainer_prepare(f[i].method, f[i].trainer.config.self, &f[i].builder, &r, 5, 0, &view,
                        f[i].slots);
        int last = i; /* the second images of the sum are those of mae */
        for (int s = 0; s < f[i].builder.n_inputs; s++)
            if (!strcmp(f[i].builder.slots[s].name, "images") && last-- == 0)
                memcpy(images[i], f[i].slots[s], sizeof images[i]);
    }
    assert_memory_equal(images[0], images[1], sizeof images[0]);
    record_free(&r);
    for (int i = 0; i < 2; i++)
        fixture_close(&f[i]);
    free(f);
    arena_free(&a);
}

/* Rate, decay and warm-up of a sum are the first part's, those of the paper as well. */
static void the_first_part_has_the_recipe(void **state) {
    (void)state;
    struct arena a = {0};
    struct error err;
    const struct method *m;
    assert_int_equal(method_parse("mae:1+simclr:0.1", &a, &m, &err), 0);
    assert_ptr_equal(m->paper_recipe, method_mae.paper_recipe);
    assert_int_equal(method_parse("simclr+mae", &a, &m, &err), 0);
    assert_ptr_equal(m->paper_recipe, method_simclr.paper_recipe);
    arena_free(&a);
}

static void what_cannot_be_is_named(void **state) {
    (void)state;
    static const char *const wrong[][2] = {{"mae+mae", "twice"},
                                           {"mae:0+supervised", "weight"},
                                           {"mae:1x+supervised", "weight"},
                                           {"mae+random", "train"},
                                           {"mae+supervise", "supervised"},
                                           {"+", "is missing"},
                                           {"mae:nan", "weight"},
                                           {"mae+", "is missing"},
                                           {"+mae", "is missing"},
                                           {"mae++supervised", "is missing"},
                                           {":1", "no method"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct arena a = {0};
        struct error err;
        const struct method *m;
        assert_int_equal(method_parse(wrong[i][0], &a, &m, &err), STATUS_USAGE);
        if (!strstr(err.message, wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], err.message);
        arena_free(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_add_up),
        cmocka_unit_test(parts_of_a_batch_add_up),
        cmocka_unit_test(groups_have_their_parts_names),
        cmocka_unit_test(parts_draw_for_themselves),
        cmocka_unit_test(the_first_part_has_the_recipe),
        cmocka_unit_test(what_cannot_be_is_named),
    };
    return cmocka_run_group_tests_name("compound", tests, NULL, NULL);
}
