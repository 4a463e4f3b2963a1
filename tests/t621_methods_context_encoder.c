/* The context encoder: losses and gradients against PyTorch (tests/golden/context_encoder.py), what
 * is hidden and what is predicted, and who learns from which loss. */
#include "tests/method_fixture.h"

#include "tests/golden/context_encoder.h"

enum { N = 3, CHANNELS = 3, PIXELS_MOST = 96 * 96 };
enum { PIXELS, ADVERSARIAL, REAL, FAKE, OBJECTIVES };

static const char *const random_region[] = {"context_encoder.decoder_width=40", NULL};
static const char *const adversary[] = {
    "context_encoder.mask=centre", "context_encoder.adversarial=on",
    "context_encoder.decoder_width=40", "context_encoder.discriminator_width=5", NULL};

static struct backbone resnet(void) {
    return (struct backbone){.name = "resnet",
                             .kind = BACKBONE_RESNET,
                             .image = 32,
                             .channels = CHANNELS,
                             .dim = 8,
                             .resnet = {.width = 4, .blocks = {1, 1}, .small_stem = 1}};
}

static struct backbone alexnet(void) {
    return (struct backbone){.name = "alexnet",
                             .kind = BACKBONE_ALEXNET,
                             .image = 32,
                             .channels = CHANNELS,
                             .dim = 4,
                             .alexnet = {.width = {4, 5, 6, 5, 4}, .small = 1}};
}

static struct fixture *open_on(const struct backbone *b, const char *const *options,
                               const struct kernels *k) {
    struct fixture *f = malloc(sizeof *f);
    fixture_open(f, &method_context_encoder, 0, b, N, NULL, options, k);
    return f;
}

static void close_one(struct fixture *f) {
    fixture_close(f);
    free(f);
}

/* Entry i of a batch of pictures, as fixture_fill has it. */
static float pixel(size_t i) {
    return (float)sin(0.37 * (double)i + 0.2);
}

static void centre_equals_pytorch(void **state) {
    (void)state;
    const struct backbone b = resnet();
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = open_on(&b, adversary, *k);
        fixture_fill(f, "images", 0.37, 0.2);
        float *masked = fixture_slot(f, "masked");
        for (int i = 0; i < N * CHANNELS * 32 * 32; i++) {
            int y = i / 32 % 32, x = i % 32;
            int hidden = y >= 9 && y < 23 && x >= 9 && x < 23;
            masked[i] = hidden ? 0 : pixel((size_t)i);
        }
        fixture_near("loss", fixture_run(f), centre_loss, 1e-5 * centre_loss);
        fixture_compare(f, centre_gradients, sizeof centre_gradients / sizeof *centre_gradients);
        close_one(f);
    }
}

static void random_equals_pytorch(void **state) {
    (void)state;
    enum { SIDE = 16, AREA = SIDE * SIDE };
    const struct backbone b = fixture_vit();
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct fixture *f = open_on(&b, random_region, *k);
        fixture_fill(f, "images", 0.37, 0.2);
        float *masked = fixture_slot(f, "masked"), *weight = fixture_slot(f, "weight");
        for (int n = 0; n < N; n++)
            for (int i = 0; i < AREA; i++) {
                int hidden = (7 * i + 3 * n) % 4 == 0;
                weight[n * AREA + i] = hidden ? 4.0f / AREA : 0;
                for (int j = 0; j < CHANNELS; j++) {
                    int at = (n * CHANNELS + j) * AREA + i;
                    masked[at] = hidden ? 0 : pixel((size_t)at);
                }
            }
        fixture_near("loss", fixture_run(f), random_loss, 1e-5 * random_loss);
        fixture_compare(f, random_gradients, sizeof random_gradients / sizeof *random_gradients);
        close_one(f);
    }
}

/* What prepare makes of a record. */
struct prepared {
    float masked[CHANNELS * PIXELS_MOST], images[CHANNELS * PIXELS_MOST], weight[PIXELS_MOST];
};

static void draw(struct record *r, int side, uint32_t seed) {
    struct error err;
    struct rng rng = rng_at((struct rng_key){seed, RNG_TEST}, 0, 0);
    memset(r, 0, sizeof *r);
    assert_int_equal(record_reserve(r, side, side, CHANNELS, 0, &err), 0);
    for (int i = 0; i < side * side * CHANNELS; i++)
        r->pixels[i] = (uint8_t)(1 + rng_below(&rng, 255)); /* never the mean, which is 0 then */
}

static void prepare(const struct settings *s, const struct record *r, int side, uint32_t sample,
                    struct prepared *p) {
    const struct normalization norm = {.std = {1, 1, 1, 1}};
    const struct backbone b = {.image = side, .channels = CHANNELS};
    struct rng view = rng_at((struct rng_key){1, RNG_VIEW}, 0, sample);
    struct rng mask = rng_at((struct rng_key){1, RNG_MASK}, 0, sample);
    const struct sample one = {.record = r,
                               .norm = &norm,
                               .backbone = &b,
                               .view = &view,
                               .mask = &mask,
                               .slots = (void *const[]){p->masked, p->images, p->weight}};
    method_context_encoder.stages[0].prepare(settings_method(s, &method_context_encoder), &one);
}

static void choose(struct settings *s, const char *key, const char *value) {
    struct error err;
    assert_int_equal(options_assign(&s->options, key, value, FROM_FLAG, &err), 0);
}

static void settings_for(struct settings *s, const char *mask) {
    settings_init(s);
    choose(s, "context_encoder.mask", mask);
}

/* The square less its band is hidden, and nothing else. */
static void the_centre_is_hidden_exactly(void **state) {
    (void)state;
    static const struct {
        int side, first, last;
    } cases[] = {{16, 5, 10}, {32, 9, 22}, {64, 18, 45}, {96, 27, 68}};
    struct prepared *p = malloc(sizeof *p);
    struct settings s;
    settings_for(&s, "centre");
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct record r;
        int side = cases[c].side, first = cases[c].first, last = cases[c].last;
        draw(&r, side, 3);
        prepare(&s, &r, side, 0, p);
        assert_int_equal(first + last, side - 1); /* as far from either border */
        for (int i = 0; i < CHANNELS * side * side; i++) {
            int y = i / side % side, x = i % side;
            if (y >= first && y <= last && x >= first && x <= last)
                assert_true(p->masked[i] == 0 && p->images[i] > 0);
            else
                assert_true(p->masked[i] == p->images[i]);
        }
        record_free(&r);
    }
    settings_free(&s);
    free(p);
}

/* Between 20 and 30 %, one mask for all channels, weights that sum to 1, another mask for each
 * sample, every place as likely as any other. */
static void random_regions_are_as_large_as_said(void **state) {
    (void)state;
    enum { SIDE = 32, AREA = SIDE * SIDE, SAMPLES = 1000 };
    static int often[AREA];
    struct prepared *p = malloc(sizeof *p);
    struct settings s;
    struct record r;
    settings_for(&s, "random");
    draw(&r, SIDE, 4);
    float before[AREA] = {0};
    double total = 0;
    for (uint32_t n = 0; n < SAMPLES; n++) {
        int count = 0;
        double sum = 0;
        prepare(&s, &r, SIDE, n, p);
        for (int i = 0; i < AREA; i++) {
            int hidden = p->weight[i] > 0;
            count += hidden;
            often[i] += hidden;
            sum += (double)p->weight[i];
            for (int j = 0; j < CHANNELS; j++)
                assert_true(p->masked[j * AREA + i] == (hidden ? 0 : p->images[j * AREA + i]));
        }
        assert_in_range(count, AREA / 5 + 1, AREA * 3 / 10);
        fixture_near("sum of weights", sum, 1, 1e-5);
        assert_memory_not_equal(before, p->weight, sizeof before);
        memcpy(before, p->weight, sizeof before);
        total += count;
    }
    double mean = total / AREA, sd = sqrt(mean * (1 - mean / SAMPLES));
    for (int i = 0; i < AREA; i++)
        fixture_near("times hidden", often[i], mean, 5 * sd);
    record_free(&r);
    settings_free(&s);
    free(p);
}

/* Records that differ where the region hides them give the same features to the last bit. */
static void features_know_nothing_of_what_is_hidden(void **state) {
    (void)state;
    static const char *const masks[] = {"random", "centre"};
    struct prepared *p = malloc(2 * sizeof *p);
    for (int m = 0; m < 2; m++) {
        const struct backbone b = resnet();
        const char mask[] = "context_encoder.mask=%s";
        char option[64];
        snprintf(option, sizeof option, mask, masks[m]);
        const char *const options[] = {option, NULL};
        struct fixture *f = open_on(&b, options, kernels_ref());
        struct record r[2];
        struct settings s;
        settings_for(&s, masks[m]);
        choose(&s, "context_encoder.min_area", "1");
        choose(&s, "context_encoder.flip", "off");
        for (int i = 0; i < 2; i++)
            draw(&r[i], b.image, 5);
        prepare(&s, &r[0], b.image, 7, &p[0]);
        int changed = 0, area = b.image * b.image;
        for (int i = 0; i < area; i++)
            for (int j = 0; j < CHANNELS; j++)
                if (p[0].masked[j * area + i] == 0 && ++changed)
                    r[1].pixels[i * CHANNELS + j] ^= 0x55;
        assert_true(changed > area / 5);
        size_t size = (size_t)f->builder.slots[0].per_sample * sizeof(float);
        size_t features = f->builder.watched[WATCH_FEATURES]->per_sample * N;
        real *first = malloc(features * sizeof *first);
        for (int i = 0; i < 2; i++) {
            prepare(&s, &r[i], b.image, 7, &p[i]);
            for (int n = 0; n < N; n++) {
                memcpy((char *)fixture_slot(f, "masked") + (size_t)n * size, p[i].masked, size);
                memcpy((char *)fixture_slot(f, "images") + (size_t)n * size, p[i].images, size);
            }
            fixture_run(f);
            const real *x = exec_output(f->trainer.exec, f->builder.watched[WATCH_FEATURES]);
            if (i)
                assert_memory_equal(first, x, features * sizeof *first);
            memcpy(first, x, features * sizeof *first);
            record_free(&r[i]);
        }
        assert_memory_not_equal(p[0].images, p[1].images, size);
        free(first);
        settings_free(&s);
        close_one(f);
    }
    free(p);
}

static struct param *find(const struct fixture *f, const char *group, const char *name) {
    struct model *m = (struct model *)&f->model;
    for (struct param *p = m->groups[model_group(m, group)].first; p; p = p->next)
        if (!strcmp(p->name, name))
            return p;
    fail_msg("no %s.%s", group, name);
    return NULL;
}

static void zero(struct fixture *f, const char *group, const char *name) {
    const struct param *p = find(f, group, name);
    memset(f->model.value + p->offset, 0, p->count * sizeof(real));
    f->model.version++;
}

/* With a prediction of zeros, a single pixel of 1 shows its weight: a square of 8 with a band of 1
 * has 28 pixels of 10 and 36 of 1. */
static void overlap_counts_ten_times(void **state) {
    (void)state;
    enum { SIDE = 16 };
    static const struct {
        int y, x;
        double weight;
    } cases[] = {{4, 4, 10},  {4, 8, 10}, {11, 11, 10}, {7, 11, 10}, {5, 5, 1},
                 {10, 10, 1}, {8, 8, 1},  {3, 4, 0},    {8, 12, 0},  {0, 0, 0}};
    static const char *const options[] = {"context_encoder.mask=centre", NULL};
    const struct backbone b = fixture_vit();
    struct fixture *f = open_on(&b, options, kernels_ref());
    zero(f, "decoder", "up2.weight");
    zero(f, "decoder", "up2.bias");
    float *images = fixture_slot(f, "images");
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        memset(images, 0, sizeof *images * N * CHANNELS * SIDE * SIDE);
        for (int j = 0; j < N * CHANNELS; j++)
            images[(j * SIDE + cases[c].y) * SIDE + cases[c].x] = 1;
        fixture_near("weight", fixture_run(f), cases[c].weight / (28 * 10 + 36), 1e-7);
    }
    close_one(f);
}

static double size_of(const struct fixture *f, const char *group) {
    const struct group *g = &f->model.groups[model_group((struct model *)&f->model, group)];
    double size = 0;
    for (size_t i = 0; i < g->count; i++)
        size += fabs((double)exec_gradient(f->trainer.exec)[g->offset + i]);
    return size;
}

static void fill(struct fixture *f) {
    fixture_fill(f, "masked", 0.31, 0.4);
    fixture_fill(f, "images", 0.37, 0.2);
}

static void each_side_learns_from_its_own_loss(void **state) {
    (void)state;
    static const char *const generator[] = {"encoder", "decoder"};
    const struct backbone b = resnet();
    struct fixture *f = open_on(&b, adversary, kernels_ref());
    fill(f);
    assert_int_equal(f->builder.n_objectives, OBJECTIVES);
    for (int i = 0; i < OBJECTIVES; i++) {
        for (int j = 0; j < OBJECTIVES; j++)
            exec_weigh(f->trainer.exec, f->builder.objectives[j].tensor, i == j);
        fixture_run(f);
        int of_generator = i == PIXELS || i == ADVERSARIAL;
        for (int j = 0; j < 2; j++)
            assert_int_equal(size_of(f, generator[j]) != 0, of_generator);
        assert_int_equal(size_of(f, "discriminator") != 0, !of_generator);
    }
    close_one(f);
}

static void a_discriminator_without_opinion_loses_ln_2(void **state) {
    (void)state;
    const struct backbone b = resnet();
    struct fixture *f = open_on(&b, adversary, kernels_ref());
    fill(f);
    zero(f, "discriminator", "fc.weight");
    zero(f, "discriminator", "fc.bias");
    fixture_run(f);
    for (int i = ADVERSARIAL; i < OBJECTIVES; i++)
        fixture_near(f->builder.objectives[i].name,
                     exec_loss(f->trainer.exec, f->builder.objectives[i].tensor, N), log(2), 1e-6);
    close_one(f);
}

/* Adam's first step moves every entry by the rate. */
static void the_discriminator_is_ten_times_slower(void **state) {
    (void)state;
    const struct backbone b = resnet();
    struct fixture *f = open_on(&b, adversary, kernels_ref());
    const struct param *p[] = {find(f, "decoder", "up2.bias"), find(f, "discriminator", "fc.bias")};
    double moved[2];
    fill(f);
    for (int i = 0; i < 2; i++)
        moved[i] = (double)f->model.value[p[i]->offset];
    f->trainer.optimizer[0].b1 = 0.5; /* so that a later step is a first one for both */
    assert_true(trainer_step(&f->trainer, f->slots, N, 0)); /* warm-up begins with rate 0 */
    for (int i = 0; i < 2; i++)
        assert_true((double)f->model.value[p[i]->offset] == moved[i]);
    assert_true(trainer_step(&f->trainer, f->slots, N, 10));
    for (int i = 0; i < 2; i++)
        moved[i] = fabs((double)f->model.value[p[i]->offset] - moved[i]);
    assert_true(moved[0] > 0 && f->trainer.lr > 0);
    fixture_near("ratio", moved[0] / moved[1], 10, 1);
    close_one(f);
}

static void every_pair_takes_a_step(void **state) {
    (void)state;
    const struct backbone backbones[] = {fixture_vit(), resnet(), alexnet()};
    static const char *const masks[] = {"context_encoder.mask=random",
                                        "context_encoder.mask=centre"};
    static const char *const adversarial[] = {"context_encoder.adversarial=off",
                                              "context_encoder.adversarial=on"};
    for (int i = 0; i < 12; i++) {
        const char *const options[] = {masks[i / 2 % 2], adversarial[i % 2], NULL};
        struct fixture *f = open_on(&backbones[i / 4], options, *kernels_all());
        fill(f);
        if (i / 2 % 2 == 0)
            fixture_fill(f, "weight", 0.1, 0.3);
        assert_int_equal(f->builder.n_objectives, i % 2 ? OBJECTIVES : 1);
        assert_true(trainer_step(&f->trainer, f->slots, N, 5));
        assert_true(size_of(f, "encoder") > 0 && size_of(f, "decoder") > 0);
        close_one(f);
    }
}

/* Either end of the weight leaves one of the generator's losses without any. */
static void a_loss_may_weigh_nothing(void **state) {
    (void)state;
    static const char *const weights[] = {"context_encoder.adversarial_weight=0",
                                          "context_encoder.adversarial_weight=1"};
    const struct backbone vit = fixture_vit();
    for (int i = 0; i < 2; i++) {
        const char *const options[] = {"context_encoder.mask=centre",
                                       "context_encoder.adversarial=on", weights[i], NULL};
        struct fixture *f = open_on(&vit, options, kernels_ref());
        fill(f);
        trainer_gradient(&f->trainer, f->slots, N, 5);
        double sum = 0;
        for (int j = 0; j < f->builder.n_objectives; j++)
            sum += f->builder.objectives[j].weight * f->trainer.parts[j] /
                   (f->builder.objectives[j].own > 0 ? f->builder.objectives[j].own : 1);
        fixture_near("loss", f->trainer.loss, sum, 1e-5 * sum);
        assert_true(size_of(f, "encoder") > 0 && size_of(f, "discriminator") > 0);
        close_one(f);
    }
}

static void a_band_that_hides_nothing_is_named(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    struct backbone small = vit;
    small.image = small.vit.image = 8;
    const char *const options[] = {"context_encoder.mask=centre", "context_encoder.overlap=0.4",
                                   NULL};
    struct error err;
    struct fixture *f = malloc(sizeof *f);
    assert_int_equal(fixture_build(f, &method_context_encoder, 0, &small, NULL, options, &err),
                     STATUS_USAGE);
    assert_non_null(strstr(err.message, "context_encoder.overlap"));
    close_one(f);
    f = open_on(&vit, options, kernels_ref());
    close_one(f);
}

static void a_size_that_doubling_misses_is_named(void **state) {
    (void)state;
    struct backbone b = fixture_vit();
    b.image = b.vit.image = 15;
    b.vit.patch = 5;
    struct error err;
    struct fixture *f = malloc(sizeof *f);
    assert_int_equal(fixture_build(f, &method_context_encoder, 0, &b, NULL, NULL, &err),
                     STATUS_USAGE);
    assert_non_null(strstr(err.message, "15 pixels"));
    close_one(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(centre_equals_pytorch),
        cmocka_unit_test(random_equals_pytorch),
        cmocka_unit_test(the_centre_is_hidden_exactly),
        cmocka_unit_test(random_regions_are_as_large_as_said),
        cmocka_unit_test(features_know_nothing_of_what_is_hidden),
        cmocka_unit_test(overlap_counts_ten_times),
        cmocka_unit_test(each_side_learns_from_its_own_loss),
        cmocka_unit_test(a_discriminator_without_opinion_loses_ln_2),
        cmocka_unit_test(the_discriminator_is_ten_times_slower),
        cmocka_unit_test(every_pair_takes_a_step),
        cmocka_unit_test(a_loss_may_weigh_nothing),
        cmocka_unit_test(a_band_that_hides_nothing_is_named),
        cmocka_unit_test(a_size_that_doubling_misses_is_named),
    };
    return cmocka_run_group_tests_name("context encoder", tests, NULL, NULL);
}
