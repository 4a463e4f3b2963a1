/* SimCLR: its loss against the definition, both heads against PyTorch (tests/golden/simclr.py), and
 * what its views owe. */
#include "tests/method_fixture.h"

#include "tests/golden/simclr.h"

enum { N = 3 };

/* Behind a batch norm a shift of the features does nothing: its gradient is rounding, of gradients
 * of 10 and more, and is not among the golden ones. */
static void leave_out_shift(struct fixture *f) {
    struct param *p = f->model.groups[f->builder.encoder].first;
    while (strcmp(p->name, "norm.bias"))
        p = p->next;
    for (size_t i = 0; i < p->count; i++)
        fixture_near("shift", (double)exec_gradient(f->trainer.exec)[p->offset + i], 0, 1e-3);
    p->trainable = 0;
}

static void fill_as_golden(struct fixture *f) {
    float *views = fixture_slot(f, "views");
    int k = 0;
    for (int i = 0; i < N * 2 * 3 * 16 * 16; i++)
        views[i] = (float)(sin(0.37 * (i % 1009) * (i % 1009)) + 2 * cos(1.3 * (i / (16 * 16))));
    const struct group *head = &f->model.groups[builder_group(&f->builder, "head")];
    for (const struct param *p = head->first; p; p = p->next, k++)
        for (int i = 0; p->ndim == 2 && i < (int)p->count; i++)
            f->model.value[p->offset + (size_t)i] = (real)(0.5 * sin(0.37 * i * i + 1.3 * k));
    f->model.version++;
}

static void equals_pytorch(const char *const *options, double loss,
                           const struct golden_value *golden, int n) {
    struct backbone vit = fixture_vit();
    vit.vit.pool = POOL_MEAN;
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = malloc(sizeof *f);
        fixture_open(f, &method_simclr, 0, &vit, N, NULL, options, *k);
        fill_as_golden(f);
        fixture_near("loss", fixture_run(f), loss, 1e-5 * loss);
        if (!strcmp(golden[n - 1].name, "head.bn2.bias"))
            leave_out_shift(f);
        fixture_compare(f, golden, n);
        fixture_close(f);
        free(f);
    }
}

static void head_with_batch_norm_equals_pytorch(void **state) {
    (void)state;
    static const char *const options[] = {"simclr.head_dim=8", NULL};
    equals_pytorch(options, simclr_loss, simclr_gradients,
                   sizeof simclr_gradients / sizeof *simclr_gradients);
}

static void plain_head_equals_pytorch(void **state) {
    (void)state;
    static const char *const options[] = {"simclr.head_layers=3",   "simclr.head_hidden=11",
                                          "simclr.head_dim=6",      "simclr.head_norm=false",
                                          "simclr.temperature=0.2", NULL};
    equals_pytorch(options, simclr_plain_loss, simclr_plain_gradients,
                   sizeof simclr_plain_gradients / sizeof *simclr_plain_gradients);
}

/* The loss alone: z (rows,dim) is a parameter, which a constant order reads. */
struct contrast {
    int rows, dim;
    double temperature;
    double *z;         /* (rows,dim) */
    double *loss, *dz; /* (rows); (rows,dim), of the mean over the rows */
};

static void contrast_open(struct contrast *c, int samples, int dim, double temperature) {
    *c = (struct contrast){.rows = 2 * samples, .dim = dim, .temperature = temperature};
    size_t count = (size_t)c->rows * (size_t)dim;
    c->z = calloc(count, sizeof *c->z);
    c->dz = calloc(count, sizeof *c->dz);
    c->loss = calloc((size_t)c->rows, sizeof *c->loss);
    struct rng r = rng_at((struct rng_key){3, RNG_TEST}, 0, (uint32_t)samples);
    for (int i = 0; i < c->rows; i++) {
        double square = 0, *row = c->z + (size_t)i * (size_t)dim;
        for (int j = 0; j < dim; j++) {
            row[j] = rng_normal(&r);
            square += row[j] * row[j];
        }
        for (int j = 0; j < dim; j++)
            row[j] = (double)(float)(row[j] / sqrt(square));
    }
}

static void contrast_close(struct contrast *c) {
    free(c->z);
    free(c->dz);
    free(c->loss);
}

static void contrast_run(struct contrast *c, const struct kernels *k, int threads) {
    struct error err;
    struct model m;
    struct graph g;
    struct exec *x;
    int samples = c->rows / 2;
    size_t count = (size_t)c->rows * (size_t)c->dim;
    int32_t *order = calloc((size_t)c->rows, sizeof *order);
    for (int i = 0; i < c->rows; i++)
        order[i] = i;
    model_init(&m);
    graph_init(&g, &m);
    const int dim[] = {c->rows, c->dim};
    struct tensor *table = graph_param(&g, model_group(&m, "z"), "z", 2, dim, INIT_ZERO, 0);
    struct tensor *index = graph_index(&g, "order", 2);
    struct tensor *loss = op_nt_xent(&g, "loss", op_embed(&g, "z", table, index), c->temperature);
    graph_objective(&g, loss, 0.5);
    graph_plan(&g);
    assert_int_equal(model_allocate(&m, 0, 0, &err), 0);
    for (size_t i = 0; i < count; i++)
        m.value[i] = (real)c->z[i];
    const struct exec_config config = {
        .kernels = k, .threads = threads, .batch = samples, .lanes = 2};
    assert_int_equal(exec_open(&x, &g, &config, &err), 0);
    exec_bind(x, index, order);
    exec_run(x, samples);
    for (int i = 0; i < c->rows; i++)
        c->loss[i] = (double)exec_output(x, loss)[i];
    for (size_t i = 0; i < count; i++)
        c->dz[i] = (double)exec_gradient(x)[i];
    exec_close(x);
    graph_free(&g);
    model_free(&m);
    free(order);
}

static double similarity(const struct contrast *c, int i, int k) {
    double s = 0;
    for (int j = 0; j < c->dim; j++)
        s += c->z[i * c->dim + j] * c->z[k * c->dim + j];
    return s / c->temperature;
}

/* Eq. (1) and its derivative, pair by pair. */
static void contrast_by_definition(struct contrast *c) {
    for (int i = 0; i < c->rows * c->dim; i++)
        c->dz[i] = 0;
    for (int i = 0; i < c->rows; i++) {
        double sum = 0;
        for (int k = 0; k < c->rows; k++)
            sum += k == i ? 0 : exp(similarity(c, i, k));
        c->loss[i] = log(sum) - similarity(c, i, i ^ 1);
        for (int k = 0; k < c->rows; k++) {
            if (k == i)
                continue;
            double slope = exp(similarity(c, i, k)) / sum - (k == (i ^ 1));
            slope /= c->temperature * c->rows;
            for (int j = 0; j < c->dim; j++) {
                c->dz[i * c->dim + j] += slope * c->z[k * c->dim + j];
                c->dz[k * c->dim + j] += slope * c->z[i * c->dim + j];
            }
        }
    }
}

static double largest_difference(const double *a, const double *b, int n) {
    double most = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, fabs(a[i] - b[i]));
    return most;
}

/* One block of rows and several, the last one not full. */
static void loss_equals_its_definition(void **state) {
    (void)state;
    static const struct {
        int samples, dim;
        double temperature;
    } cases[] = {{2, 3, 0.5}, {32, 8, 0.5}, {33, 7, 0.1}, {75, 16, 0.05}, {100, 5, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (const struct kernels *const *k = kernels_all(); *k; k++) {
            struct contrast a, b;
            contrast_open(&a, cases[i].samples, cases[i].dim, cases[i].temperature);
            contrast_open(&b, cases[i].samples, cases[i].dim, cases[i].temperature);
            contrast_run(&a, *k, 2);
            contrast_by_definition(&b);
            assert_true(largest_difference(a.loss, b.loss, a.rows) < 1e-5);
            assert_true(largest_difference(a.dz, b.dz, a.rows * a.dim) < 1e-6);
            contrast_close(&a);
            contrast_close(&b);
        }
}

/* Row i of b is row map(i) of a: so are its loss and its gradient. */
static void moves_with(int (*map)(int i, int rows)) {
    struct contrast a, b;
    contrast_open(&a, 75, 8, 0.2);
    contrast_open(&b, 75, 8, 0.2);
    for (int i = 0; i < a.rows; i++)
        memcpy(b.z + i * b.dim, a.z + map(i, a.rows) * a.dim, sizeof *b.z * (size_t)b.dim);
    contrast_run(&a, kernels_cpu(), 1);
    contrast_run(&b, kernels_cpu(), 1);
    double spread = 0;
    for (int i = 0; i < a.rows; i++) {
        int from = map(i, a.rows);
        assert_true(fabs(b.loss[i] - a.loss[from]) < 1e-5);
        assert_true(largest_difference(b.dz + i * b.dim, a.dz + from * a.dim, a.dim) < 1e-6);
        spread = fmax(spread, fabs(a.loss[i] - a.loss[from]));
    }
    assert_true(spread > 0.1); /* or the map moved nothing */
    contrast_close(&a);
    contrast_close(&b);
}

static int other_sample(int i, int rows) {
    return 2 * (i / 2 * 7 % (rows / 2)) + i % 2;
}

static int other_view(int i, int rows) {
    (void)rows;
    return i ^ 1;
}

static void order_of_samples_and_views_is_nothing(void **state) {
    (void)state;
    moves_with(other_sample);
    moves_with(other_view);
}

/* Every view equals every other: ln(2N - 1) and nothing to do; also where a block has fewer rows
 * than usual, so that it fits. */
static void equal_views_cost_the_logarithm_of_the_others(void **state) {
    (void)state;
    static const int samples[] = {2, 40, 4200};
    for (size_t s = 0; s < sizeof samples / sizeof *samples; s++) {
        struct contrast c;
        contrast_open(&c, samples[s], 2, 0.5);
        for (int i = 0; i < c.rows; i++) {
            c.z[2 * i] = 1;
            c.z[2 * i + 1] = 0;
        }
        contrast_run(&c, kernels_cpu(), 2);
        for (int i = 0; i < c.rows; i++) {
            assert_true(fabs(c.loss[i] - log(c.rows - 1.0)) < 1e-5);
            assert_true(fabs(c.dz[2 * i + 1]) < 1e-9);
            assert_true(fabs(c.dz[2 * i]) < 1e-6);
        }
        contrast_close(&c);
    }
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    struct contrast one, more;
    contrast_open(&one, 300, 32, 0.1);
    contrast_open(&more, 300, 32, 0.1);
    contrast_run(&one, kernels_cpu(), 1);
    for (int threads = 2; threads < 5; threads++) {
        contrast_run(&more, kernels_cpu(), threads);
        assert_memory_equal(one.loss, more.loss, sizeof *one.loss * (size_t)one.rows);
        assert_memory_equal(one.dz, more.dz, sizeof *one.dz * (size_t)(one.rows * one.dim));
    }
    contrast_close(&one);
    contrast_close(&more);
}

static void one_sample_is_refused(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    for (int batch = 1; batch <= 5; batch += 4) {
        struct error err;
        struct fixture *f = malloc(sizeof *f);
        assert_int_equal(fixture_build(f, &method_simclr, 0, &vit, NULL, NULL, &err), 0);
        struct graph g;
        graph_init(&g, &f->model);
        struct builder b = {.g = &g,
                            .model = &f->model,
                            .backbone = &vit,
                            .batch = batch,
                            .encoder = f->builder.encoder,
                            .arena = &f->arena,
                            .weight = 1};
        int status =
            method_simclr.stages[0].build(settings_method(&f->settings, &method_simclr), &b, &err);
        assert_int_equal(status, batch == 1 ? STATUS_USAGE : 0);
        if (batch == 1)
            assert_non_null(strstr(err.message, "--batch"));
        else
            fixture_near("uniform loss", b.uniform_loss, log(9), 1e-12);
        graph_free(&g);
        fixture_close(f);
        free(f);
    }
}

static void optimizer_is_an_option(void **state) {
    (void)state;
    static const char *const lars[] = {"simclr.optimizer=lars", NULL};
    const struct backbone vit = fixture_vit();
    for (int i = 0; i < 2; i++) {
        struct fixture *f = malloc(sizeof *f);
        fixture_open(f, &method_simclr, 0, &vit, 256, NULL, i ? lars : NULL, kernels_cpu());
        const struct optimizer *o = &f->trainer.optimizer[0];
        assert_int_equal(o->kind, i ? OPTIMIZER_LARS : OPTIMIZER_ADAMW);
        if (i) {
            fixture_near("momentum", o->momentum, 0.9, 0);
            fixture_near("weight decay", o->weight_decay, 1e-6, 0);
            fixture_near("rate", f->trainer.config.lr, 0.3, 0);
        }
        fixture_close(f);
        free(f);
    }
}

static void prepare(const char *const *options, const struct record *r, uint32_t number,
                    float *views) {
    struct settings s;
    struct error err;
    settings_init(&s);
    for (; *options; options++) {
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)strcspn(*options, "="), *options);
        assert_int_equal(
            options_assign(&s.options, key, strchr(*options, '=') + 1, FROM_FLAG, &err), 0);
    }
    const struct backbone vit = fixture_vit();
    struct rng view = rng_at((struct rng_key){1, RNG_VIEW}, 0, number);
    const struct sample sample = {.record = r,
                                  .norm = &fixture_norm,
                                  .backbone = &vit,
                                  .view = &view,
                                  .slots = (void *const[]){views}};
    method_simclr.stages[0].prepare(settings_method(&s, &method_simclr), &sample);
    settings_free(&s);
}

/* Both views are there whole, and are different draws; without any change of colour a grey image
 * stays one value. */
static void views_are_two_draws(void **state) {
    (void)state;
    enum { PIXELS = 3 * 16 * 16, SAMPLES = 20 };
    static const char *const none[] = {NULL}, *const still[] = {"simclr.strength=0", NULL};
    static float views[2 * PIXELS];
    struct record r = {0};
    struct error err;
    assert_int_equal(record_reserve(&r, 16, 16, 3, 0, &err), 0);
    for (int i = 0; i < PIXELS; i++)
        r.pixels[i] = (uint8_t)(i * 37 % 251);
    for (uint32_t n = 0; n < SAMPLES; n++) {
        for (int i = 0; i < 2 * PIXELS; i++)
            views[i] = NAN;
        prepare(none, &r, n, views);
        int different = 0;
        for (int i = 0; i < PIXELS; i++) {
            assert_true(isfinite(views[i]) && isfinite(views[PIXELS + i]));
            different += fabsf(views[i] - views[PIXELS + i]) > 1e-3F;
        }
        assert_true(different > PIXELS / 2);
    }
    int moved = 0;
    for (int i = 0; i < PIXELS; i++)
        r.pixels[i] = 128;
    for (uint32_t n = 0; n < SAMPLES; n++) {
        prepare(still, &r, n, views);
        for (int i = 0; i < 2 * PIXELS; i++)
            assert_true(fabsf(views[i] - (128 / 255.0F - 0.5F) / 0.25F) < 1e-4F);
        prepare(none, &r, n, views);
        moved += fabsf(views[0] - views[PIXELS]) > 1e-3F;
    }
    assert_true(moved > SAMPLES / 2);
    record_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_with_batch_norm_equals_pytorch),
        cmocka_unit_test(plain_head_equals_pytorch),
        cmocka_unit_test(loss_equals_its_definition),
        cmocka_unit_test(order_of_samples_and_views_is_nothing),
        cmocka_unit_test(equal_views_cost_the_logarithm_of_the_others),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(one_sample_is_refused),
        cmocka_unit_test(optimizer_is_an_option),
        cmocka_unit_test(views_are_two_draws),
    };
    return cmocka_run_group_tests_name("SimCLR", tests, NULL, NULL);
}
