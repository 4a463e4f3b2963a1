/* DINO: loss and gradients against PyTorch (tests/golden/dino.py), and what teacher, centre,
 * schedules and the frozen layer owe. */
#include "tests/method_fixture.h"

#include "tests/golden/dino.h"

enum { N = 3, K = 12, STEPS = 100, EPOCH = 10 }; /* of the fixture's trainer */

static const char *const small[] = {"dino.prototypes=12",
                                    "dino.head_hidden=10",
                                    "dino.bottleneck=6",
                                    "dino.local_crops=2",
                                    "dino.teacher_temperature_start=0.05",
                                    NULL};

static const char *const teacher_of[][2] = {
    {"encoder", "teacher"}, {"head", "teacher_head"}, {"prototypes", "teacher_prototypes"}};
enum { PARTS = 3 };

/* As in the golden script. */
static void fill_crops(const struct fixture *f, const char *name, int side, double shift) {
    int s = fixture_slot_number(f, name), n = (int)f->builder.slots[s].per_sample * N;
    for (int i = 0; i < n; i++)
        ((float *)f->slots[s])[i] = (float)(sin(0.37 * (i % 1009) * (i % 1009)) +
                                            2 * cos(1.3 * (i / (side * side)) + shift));
}

static void fill_heads(struct fixture *f) {
    for (int g = 0; g < f->model.n_groups; g++) {
        const char *name = f->model.groups[g].name;
        int k = 0, head = strstr(name, "head") || strstr(name, "prototypes");
        for (const struct param *p = f->model.groups[g].first; head && p; p = p->next, k++)
            for (int i = 0; p->ndim == 2 && i < (int)p->count; i++)
                f->model.value[p->offset + (size_t)i] = (real)(0.5 * sin(0.37 * i * i + 1.3 * k));
    }
    f->model.version++;
}

static struct fixture *open_on(const struct backbone *backbone, const char *const *more,
                               const struct kernels *k) {
    const char *options[16];
    int n = 0;
    for (; small[n]; n++)
        options[n] = small[n];
    for (; more && *more; more++)
        options[n++] = *more;
    options[n] = NULL;
    struct fixture *f = malloc(sizeof *f);
    fixture_open(f, &method_dino, 0, backbone, N, NULL, options, k);
    fill_heads(f);
    fill_crops(f, "globals", 16, 0);
    if (f->builder.n_inputs > 1)
        fill_crops(f, "locals", 8, 0);
    return f;
}

static struct fixture *open_dino(const char *const *more, const struct kernels *k) {
    static struct backbone vit;
    vit = fixture_vit();
    vit.vit.pool = POOL_MEAN;
    return open_on(&vit, more, k);
}

static void close_dino(struct fixture *f) {
    fixture_close(f);
    free(f);
}

static const struct group *group_of(const struct fixture *f, const char *name) {
    return &f->model.groups[model_group((struct model *)&f->model, name)];
}

static real *values_of(const struct fixture *f, const char *group) {
    return f->model.value + group_of(f, group)->offset;
}

static double *copy_of(const struct fixture *f, const char *group) {
    size_t n = group_of(f, group)->count;
    double *copy = calloc(n, sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = (double)values_of(f, group)[i];
    return copy;
}

static int equals(const struct fixture *f, const char *group, const double *copy) {
    for (size_t i = 0; i < group_of(f, group)->count; i++)
        if ((double)values_of(f, group)[i] != copy[i])
            return 0;
    return 1;
}

static const struct tensor *output_named(const struct fixture *f, const char *name) {
    for (int i = 0; i < f->graph.n; i++)
        if (f->graph.tensors[i]->output && !strcmp(f->graph.tensors[i]->name, name))
            return f->graph.tensors[i];
    fail_msg("no output %s", name);
    return NULL;
}

static int step(struct fixture *f, long done) {
    return trainer_step(&f->trainer, f->slots, N, done);
}

/* As in the golden script. */
static void make_teacher(struct fixture *f) {
    for (int g = 0; g < PARTS; g++)
        for (const struct param *p = group_of(f, teacher_of[g][1])->first; p; p = p->next)
            for (size_t i = 0; i < p->count; i++) {
                real *w = &f->model.value[p->offset + i];
                *w = (real)(0.8 * (double)*w + 0.03 * cos(0.5 * (double)i));
            }
    for (int i = 0; i < K; i++)
        values_of(f, "centre")[i] = (real)(0.1 * sin(i));
    f->model.version++;
}

static void equals_pytorch(void **state) {
    (void)state;
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = open_dino(NULL, *k);
        make_teacher(f);
        fixture_near("loss", fixture_run(f), dino_loss, 1e-5 * dino_loss);
        fixture_compare(f, dino_gradients, sizeof dino_gradients / sizeof *dino_gradients);
        close_dino(f);
    }
}

/* Behind a batch norm a shift does nothing: its gradient is rounding, of gradients of about 1. */
static void leave_out_shift(const struct fixture *f, const char *group, const char *name) {
    struct param *p = group_of(f, group)->first;
    while (strcmp(p->name, name) != 0)
        p = p->next;
    for (size_t i = 0; i < p->count; i++)
        fixture_near("shift", (double)exec_gradient(f->trainer.exec)[p->offset + i], 0, 1e-5);
    p->trainable = 0;
}

static void equals_pytorch_with_batch_norm(void **state) {
    (void)state;
    static const char *const options[] = {"dino.head_norm=yes", NULL};
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = open_dino(options, *k);
        make_teacher(f);
        fixture_near("loss", fixture_run(f), dino_norm_loss, 1e-5 * dino_norm_loss);
        leave_out_shift(f, "encoder", "norm.bias");
        leave_out_shift(f, "head", "fc1.bias");
        leave_out_shift(f, "head", "fc2.bias");
        fixture_compare(f, dino_norm_gradients,
                        sizeof dino_norm_gradients / sizeof *dino_norm_gradients);
        close_dino(f);
    }
}

static void nothing_flows_into_teacher_and_centre(void **state) {
    (void)state;
    struct fixture *f = open_dino(NULL, kernels_cpu());
    make_teacher(f);
    fixture_run(f);
    static const char *const held[] = {"teacher", "teacher_head", "teacher_prototypes", "centre"};
    for (size_t h = 0; h < sizeof held / sizeof *held; h++) {
        const struct group *g = group_of(f, held[h]);
        assert_true(g->held && g->count > 0);
        for (size_t i = 0; i < g->count; i++)
            assert_true(exec_gradient(f->trainer.exec)[g->offset + i] == 0);
    }
    close_dino(f);
}

/* At the start a copy in a place of its own, for every parameter. */
static void teacher_starts_as_the_student(void **state) {
    (void)state;
    struct fixture *f = open_dino(NULL, kernels_cpu());
    make_teacher(f);
    trainer_start(&f->trainer);
    for (int g = 0; g < PARTS; g++) {
        const struct group *s = group_of(f, teacher_of[g][0]), *t = group_of(f, teacher_of[g][1]);
        assert_int_equal(s->n_params, t->n_params);
        assert_true(s->count == t->count);
        assert_true(s->offset + s->count <= t->offset || t->offset + t->count <= s->offset);
        assert_memory_equal(f->model.value + s->offset, f->model.value + t->offset,
                            s->count * sizeof(real));
    }
    /* Moving the student leaves the teacher alone. */
    double *before = copy_of(f, "teacher");
    values_of(f, "encoder")[3] += 1;
    assert_true(equals(f, "teacher", before));
    free(before);
    close_dino(f);
}

/* teacher = m teacher + (1 - m) student behind the optimizer's step. */
static void teacher_follows_with_a_rising_momentum(void **state) {
    (void)state;
    static const struct {
        long done;
        double momentum;
    } cases[] = {{0, 0.6}, {STEPS / 4, 1 - 0.4 * (1 + 0.70710678118654752) / 2}, {STEPS / 2, 0.8}};
    static const char *const options[] = {"dino.momentum=0.6", NULL};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct fixture *f = open_dino(options, kernels_cpu());
        make_teacher(f);
        double *before[PARTS], moved = 0;
        for (int g = 0; g < PARTS; g++)
            before[g] = copy_of(f, teacher_of[g][1]);
        assert_true(step(f, cases[c].done));
        for (int g = 0; g < PARTS; g++) {
            const real *s = values_of(f, teacher_of[g][0]), *t = values_of(f, teacher_of[g][1]);
            for (size_t i = 0; i < group_of(f, teacher_of[g][1])->count; i++) {
                double m = cases[c].momentum, want = m * before[g][i] + (1 - m) * (double)s[i];
                assert_true(fabs((double)t[i] - want) < 1e-6);
                moved = fmax(moved, fabs((double)t[i] - before[g][i]));
            }
            free(before[g]);
        }
        assert_true(moved > 1e-3);
        close_dino(f);
    }
    struct fixture *f = open_dino(options, kernels_cpu()); /* momentum 1: not a bit */
    make_teacher(f);
    double *before = copy_of(f, "teacher");
    assert_true(step(f, STEPS));
    assert_true(equals(f, "teacher", before));
    free(before);
    close_dino(f);
}

/* The loss of a step is that with the centre of before; then the centre has moved. */
static void centre_moves_after_use(void **state) {
    (void)state;
    struct fixture *f = open_dino(NULL, kernels_cpu());
    make_teacher(f);
    const struct tensor *outputs = output_named(f, "outputs");
    for (long done = 0; done < 2; done++) {
        double *before = copy_of(f, "centre"), expected = fixture_run(f), moved = 0;
        assert_true(step(f, done));
        /* the temperature of step 1 is another one */
        if (!done)
            assert_true(f->trainer.loss == expected);
        const real *x = exec_output(f->trainer.exec, outputs);
        for (int k = 0; k < K; k++) {
            double mean = 0;
            for (int i = 0; i < 2 * N; i++)
                mean += (double)x[i * K + k] / (2 * N);
            double want = 0.9 * before[k] + 0.1 * mean;
            fixture_near("centre", (double)values_of(f, "centre")[k], want, 1e-6);
            moved = fmax(moved, fabs(want - before[k]));
        }
        assert_true(moved > 1e-3);
        free(before);
    }
    /* What the next batch is centred with is the moved one. */
    const struct tensor *centred = f->builder.watched[WATCH_LOGITS];
    fixture_run(f);
    double sharpening = (double)f->builder.scalar_value[0];
    for (int i = 0; i < 2 * N * K; i++) {
        double want = (double)exec_output(f->trainer.exec, outputs)[i] -
                      (double)values_of(f, "centre")[i % K];
        fixture_near("centred", (double)exec_output(f->trainer.exec, centred)[i], sharpening * want,
                     1e-4);
    }
    close_dino(f);
}

/* With one direction for all prototypes, teacher and student are uniform: ln K, however many crops
 * there are. */
static void uniform_outputs_cost_the_logarithm(void **state) {
    (void)state;
    static const char *const crops[] = {"dino.local_crops=0", "dino.local_crops=1",
                                        "dino.local_crops=5"};
    for (size_t c = 0; c < sizeof crops / sizeof *crops; c++) {
        const char *const options[] = {crops[c], NULL};
        struct fixture *f = open_dino(options, kernels_cpu());
        for (int i = 0; i < K * 6; i++)
            values_of(f, "prototypes")[i] = values_of(f, "teacher_prototypes")[i] = 1;
        f->model.version++;
        fixture_near("loss", fixture_run(f), log(K), 1e-5);
        fixture_near("uniform loss", f->builder.uniform_loss, log(K), 1e-12);
        close_dino(f);
    }
}

static void last_layer_stands_still_at_first(void **state) {
    (void)state;
    struct fixture *f = open_dino(NULL, kernels_cpu());
    trainer_start(&f->trainer);
    double *first = copy_of(f, "prototypes"), *encoder = copy_of(f, "encoder");
    for (long done = 0; done < 4; done++)
        assert_true(step(f, done));
    assert_true(f->trainer.optimizer[0].weight_decay > 0.03);
    assert_true(equals(f, "prototypes", first) && !equals(f, "encoder", encoder));

    /* Another process goes on from there: no start, the same weights and optimizer state. */
    struct fixture *later = open_dino(NULL, kernels_cpu());
    memcpy(later->model.value, f->model.value, 3 * f->model.count * sizeof(real));
    later->model.version++;
    for (long done = 4; done < EPOCH; done++) {
        assert_true(step(f, done) && step(later, done));
        assert_true(equals(f, "prototypes", first) && equals(later, "prototypes", first));
    }
    assert_true(step(f, EPOCH) && step(later, EPOCH));
    assert_true(!equals(f, "prototypes", first));
    assert_memory_equal(f->model.value, later->model.value, 3 * f->model.count * sizeof(real));
    free(first);
    free(encoder);
    close_dino(f);
    close_dino(later);
}

static void schedules_have_their_ends(void **state) {
    (void)state;
    static const char *const options[] = {"dino.teacher_temperature=0.09",
                                          "dino.temperature_warmup=0.2", NULL};
    static const struct {
        long done;
        double decay, temperature;
    } cases[] = {
        {0, 0.04, 0.05}, {10, -1, 0.07}, {20, -1, 0.09}, {50, 0.22, 0.09}, {100, 0.4, 0.09}};
    struct fixture *f = open_dino(options, kernels_cpu());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(step(f, cases[i].done));
        if (cases[i].decay >= 0)
            fixture_near("weight decay", f->trainer.optimizer[0].weight_decay, cases[i].decay,
                         1e-9);
        fixture_near("temperature", 1 / (double)f->builder.scalar_value[0], cases[i].temperature,
                     1e-7);
    }
    assert_true(f->trainer.optimizer[0].clip == 3 && f->trainer.optimizer[0].clip_each);
    close_dino(f);
}

/* Small crops matter to the student alone. */
static void teacher_sees_large_crops_only(void **state) {
    (void)state;
    struct fixture *f = open_dino(NULL, kernels_cpu());
    const struct tensor *outputs = output_named(f, "outputs");
    size_t bytes = 2 * N * K * sizeof(real);
    real *before = malloc(bytes);
    double loss = fixture_run(f), parts[2], again[2];
    for (int i = 0; i < 2; i++)
        parts[i] = exec_loss(f->trainer.exec, f->builder.objectives[i].tensor, N);
    memcpy(before, exec_output(f->trainer.exec, outputs), bytes);
    fill_crops(f, "locals", 8, 1);
    assert_true(fixture_run(f) != loss);
    for (int i = 0; i < 2; i++)
        again[i] = exec_loss(f->trainer.exec, f->builder.objectives[i].tensor, N);
    assert_memory_equal(before, exec_output(f->trainer.exec, outputs), bytes);
    assert_true(parts[0] == again[0] && parts[1] != again[1]);
    fill_crops(f, "globals", 16, 1);
    fixture_run(f);
    assert_memory_not_equal(before, exec_output(f->trainer.exec, outputs), bytes);
    free(before);
    close_dino(f);
}

/* A teacher with batch norm keeps the statistics of what it has seen itself: small crops, which
 * move its student's, change nothing. */
static void statistics_are_the_teachers_own(void **state) {
    (void)state;
    static const char *const without[] = {"dino.local_crops=0", NULL};
    const struct backbone_options o = {.image = 16, .channels = 3, .patch = 4};
    struct backbone resnet;
    struct error err;
    assert_int_equal(backbone_make(&resnet, "resnet-micro", &o, &err), 0);
    struct fixture *with = open_on(&resnet, NULL, kernels_cpu());
    struct fixture *globals_only = open_on(&resnet, without, kernels_cpu());
    int statistics = 0, student_differs = 0;
    for (int i = 0; i < 2; i++) {
        trainer_start(i ? &globals_only->trainer : &with->trainer);
        assert_true(step(i ? globals_only : with, 0));
    }
    const struct param *s = group_of(with, "encoder")->first;
    const struct param *t = group_of(with, "teacher")->first;
    for (; t; t = t->next, s = s->next) {
        assert_string_equal(t->name, s->name);
        if (!t->statistic)
            continue;
        const struct model *a = &with->model, *b = &globals_only->model;
        size_t teacher =
            group_of(globals_only, "teacher")->offset - group_of(with, "teacher")->offset;
        assert_memory_equal(a->value + t->offset, b->value + t->offset + teacher,
                            t->count * sizeof(real));
        student_differs +=
            memcmp(a->value + s->offset, b->value + s->offset, s->count * sizeof(real)) != 0;
        statistics++;
    }
    assert_true(statistics >= 20 && student_differs == statistics);
    close_dino(with);
    close_dino(globals_only);
}

static void wrong_options_are_named(void **state) {
    (void)state;
    static const struct {
        const char *options[4];
        int relative, status;
        const char *named;
    } cases[] = {{{"dino.local_side=7"}, 0, STATUS_USAGE, "local_side"},
                 {{"dino.local_side=20"}, 0, STATUS_USAGE, "local_side"},
                 {{NULL}, 1, STATUS_USAGE, "relative"},
                 {{"dino.local_area=0.5"}, 0, STATUS_USAGE, "global_area"},
                 {{"dino.local_area=0.5", "dino.global_area=0.5"}, 0, 0, NULL},
                 {{"dino.local_area=0.5", "dino.local_crops=0"}, 0, 0, NULL},
                 {{"dino.local_crops=0"}, 1, 0, NULL},
                 {{"dino.local_side=12"}, 0, 0, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        struct backbone vit = fixture_vit();
        struct fixture *f = malloc(sizeof *f);
        vit.vit.relative_positions = cases[i].relative;
        int status = fixture_build(f, &method_dino, 0, &vit, NULL, cases[i].options, &err);
        assert_int_equal(status, cases[i].status);
        if (status)
            assert_non_null(strstr(err.message, cases[i].named));
        fixture_close(f);
        free(f);
    }
}

static void protocols_see_whom_they_are_told_to(void **state) {
    (void)state;
    static const char *const who[] = {"teacher", "student"};
    for (int i = 0; i < 2; i++) {
        char option[32];
        snprintf(option, sizeof option, "dino.evaluate=%s", who[i]);
        const char *const options[] = {option, NULL};
        struct fixture *f = open_dino(options, kernels_cpu());
        struct graph g;
        struct encoded e;
        graph_init(&g, &f->model);
        struct builder b = f->builder;
        b.g = &g;
        b.n_inputs = 0;
        struct tensor *images = builder_images(&b, "images", 0, 0);
        method_dino.encode(settings_method(&f->settings, &method_dino), &b, images, &e);
        assert_int_equal(b.encoder, model_group(&f->model, i ? "encoder" : "teacher"));
        for (int t = 0; t < g.n; t++)
            if (g.tensors[t]->param)
                assert_int_equal(g.tensors[t]->param->group, b.encoder);
        assert_int_equal(e.n_representations, 4);
        graph_free(&g);
        close_dino(f);
    }
}

/* Every crop is written whole; large ones differ from each other, small ones too. */
static void crops_are_different_draws(void **state) {
    (void)state;
    enum { LARGE = 3 * 16 * 16, SMALL = 3 * 8 * 8 };
    static float large[2 * LARGE], little[2 * SMALL];
    struct record r = {0};
    struct error err;
    assert_int_equal(record_reserve(&r, 16, 16, 3, 0, &err), 0);
    for (int i = 0; i < LARGE; i++)
        r.pixels[i] = (uint8_t)(i * 37 % 251);
    struct fixture *f = open_dino(NULL, kernels_cpu());
    for (uint32_t n = 0; n < 20; n++) {
        int large_differ = 0, small_differ = 0;
        for (int i = 0; i < 2 * LARGE; i++)
            large[i] = NAN;
        for (int i = 0; i < 2 * SMALL; i++)
            little[i] = NAN;
        struct rng view = rng_at((struct rng_key){1, RNG_VIEW}, 0, n);
        const struct sample sample = {.record = &r,
                                      .norm = &fixture_norm,
                                      .backbone = f->builder.backbone,
                                      .runtime = f->builder.runtime,
                                      .view = &view,
                                      .slots = (void *const[]){large, little}};
        method_dino.stages[0].prepare(settings_method(&f->settings, &method_dino), &sample);
        for (int i = 0; i < LARGE; i++) {
            assert_true(isfinite(large[i]) && isfinite(large[LARGE + i]));
            large_differ += fabsf(large[i] - large[LARGE + i]) > 1e-3F;
        }
        for (int i = 0; i < SMALL; i++) {
            assert_true(isfinite(little[i]) && isfinite(little[SMALL + i]));
            small_differ += fabsf(little[i] - little[SMALL + i]) > 1e-3F;
        }
        assert_true(large_differ > LARGE / 2 && small_differ > SMALL / 2);
    }
    close_dino(f);
    record_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pytorch),
        cmocka_unit_test(equals_pytorch_with_batch_norm),
        cmocka_unit_test(nothing_flows_into_teacher_and_centre),
        cmocka_unit_test(teacher_starts_as_the_student),
        cmocka_unit_test(teacher_follows_with_a_rising_momentum),
        cmocka_unit_test(centre_moves_after_use),
        cmocka_unit_test(uniform_outputs_cost_the_logarithm),
        cmocka_unit_test(last_layer_stands_still_at_first),
        cmocka_unit_test(schedules_have_their_ends),
        cmocka_unit_test(teacher_sees_large_crops_only),
        cmocka_unit_test(statistics_are_the_teachers_own),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(protocols_see_whom_they_are_told_to),
        cmocka_unit_test(crops_are_different_draws),
    };
    return cmocka_run_group_tests_name("DINO", tests, NULL, NULL);
}
