/* Views made in the graph, from tasks and pixels, are those that view_render makes: by the kernels
 * of ref, and by those of a device through its emulator; of any image, any plan, any size. */
#include "kernels/cuda/runtime.h"
#include "kernels/views.h"
#include "methods/views.h"
#include "tests/cuda/emulator.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH = 3, SLOTS = 2, ROUNDS = 24, ALL = 2 * ROUNDS };
enum { LARGE_VIEWS = 2, SMALL_VIEWS = 3 };

/* Of normalised views: roundings of floats, a few of them, by a deviation of 1/4.  What differs
 * most is a hue, whose slopes are six times as steep as its colours are small. */
static const double tolerance = 1e-5;

static const struct normalization norm = {{0.48, 0.45, 0.40, 0.3}, {0.25, 0.26, 0.27, 0.25}};

static const struct view_recipe own = {.min_area = 0.02,
                                       .max_area = 1,
                                       .flip = 0.5,
                                       .jitter_p = 0.7,
                                       .brightness = 1,
                                       .contrast = 1,
                                       .saturation = 1,
                                       .hue = 0.5,
                                       .grey = 0.2,
                                       .blur_p = 0.6,
                                       .blur_min = 0.01,
                                       .blur_max = 2.3,
                                       .solarize = 0.3};

static const struct view_recipe *const recipes[] = {
    &own,
    &view_recipe_simclr,
    &view_recipe_simclr_cifar,
    &view_recipe_dino_global_1,
    &view_recipe_dino_global_2,
    &view_recipe_dino_local,
    &view_recipe_mae,
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

static struct rng rng_of(int round, int sample) {
    return rng_at((struct rng_key){5, RNG_TEST}, (uint32_t)round, (uint32_t)sample);
}

/* Two slots of views and what they are made of. */
struct made {
    struct arena arena;
    struct model model;
    struct graph graph;
    struct backbone backbone;
    struct dataset data;
    struct builder builder;
    struct exec *exec;
    void *slots[METHOD_SLOTS];
    int side[SLOTS];
    struct record records[BATCH];
};

/* Images of many sizes; smooth ones, and noise. */
static struct record draw_record(int channels, int most, int sample, struct rng *rng) {
    struct error err;
    struct record r = {0};
    int height = 1 + (int)rng_below(rng, (uint32_t)most);
    int width = 1 + (int)rng_below(rng, (uint32_t)most);
    assert_int_equal(record_reserve(&r, height, width, channels, 0, &err), 0);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                r.pixels[(y * width + x) * channels + c] =
                    sample ? (uint8_t)rng_below(rng, 256)
                           : (uint8_t)(127 + 127 * sin(0.1 * x + 0.07 * y + c));
    return r;
}

static void open_made(struct made *m, int round, struct device *d) {
    static const int channels[] = {3, 3, 1, 3, 4};
    struct rng rng = rng_of(round, BATCH);
    struct error err;
    const struct exec_config config = {
        .kernels = d ? d->kernels : kernels_ref(), .device = d, .threads = 1, .batch = BATCH};
    memset(m, 0, sizeof *m);
    int many = channels[round % 5], most = 1 + (int)rng_below(&rng, 90);
    m->side[0] = 1 + (int)rng_below(&rng, 70);
    m->side[1] = 1 + (int)rng_below(&rng, 30);
    m->backbone = (struct backbone){.channels = many, .image = m->side[0]};
    m->data = (struct dataset){.height = most, .width = most, .channels = many};
    model_init(&m->model);
    graph_init(&m->graph, &m->model);
    m->builder = (struct builder){.g = &m->graph,
                                  .model = &m->model,
                                  .backbone = &m->backbone,
                                  .data = &m->data,
                                  .norm = &norm,
                                  .arena = &m->arena,
                                  .renders = 1};
    graph_output(&m->graph, builder_images(&m->builder, "large", LARGE_VIEWS, m->side[0]));
    graph_output(&m->graph, builder_images(&m->builder, "small", SMALL_VIEWS, m->side[1]));
    graph_plan(&m->graph);
    assert_int_equal(model_allocate(&m->model, 0, 0, &err), 0);
    assert_int_equal(exec_open(&m->exec, &m->graph, &config, &err), 0);
    for (int i = 0; i < BATCH; i++)
        m->records[i] = draw_record(many, most, i, &rng);
    const struct tensor *const inputs[] = {m->builder.inputs[0], m->builder.inputs[1],
                                           m->builder.pixels};
    for (int i = 0; i < 3; i++)
        m->slots[i] = ARENA_ARRAY(&m->arena, int32_t, inputs[i]->per_sample * BATCH);
}

static void close_made(struct made *m) {
    exec_close(m->exec);
    graph_free(&m->graph);
    model_free(&m->model);
    for (int i = 0; i < BATCH; i++)
        record_free(&m->records[i]);
    arena_free(&m->arena);
}

/* Tasks hold floats. */
static double quarters(double x) {
    return rint(4 * x) / 4;
}

/* What a method's prepare does: views of both slots, one of them a plain box that may reach beyond
 * the image. */
static void prepare(const struct sample *s, const struct made *m, int round) {
    for (int i = 0; i < LARGE_VIEWS; i++)
        sample_view(s, 0, i, m->side[0], recipes[(round + i) % RECIPES]);
    const struct record *r = s->record;
    const struct crop_box box = {quarters(rng_range(s->view, -0.6, 0.3) * r->height),
                                 quarters(rng_range(s->view, -0.6, 0.3) * r->width),
                                 quarters(1 + 1.3 * r->height), quarters(1 + 0.9 * r->width)};
    sample_crop(s, 1, 0, m->side[1], &box, round & 1);
    for (int i = 1; i < SMALL_VIEWS; i++)
        sample_view(s, 1, i, m->side[1], recipes[(round + i + 3) % RECIPES]);
}

/* expected: of both slots, as the processor makes them */
static void fill(struct made *m, int round, float *expected[SLOTS]) {
    static const int views[SLOTS] = {LARGE_VIEWS, SMALL_VIEWS};
    for (int i = 0; i < BATCH; i++) {
        struct rng here = rng_of(round, i), there = rng_of(round, i);
        void *at[METHOD_SLOTS], *plain[SLOTS];
        for (int k = 0; k < SLOTS; k++) {
            size_t one = (size_t)views[k] * (size_t)m->backbone.channels * (size_t)m->side[k] *
                         (size_t)m->side[k];
            if (!i)
                expected[k] = ARENA_ARRAY(&m->arena, float, one *BATCH);
            plain[k] = expected[k] + one * (size_t)i;
            at[k] = (int32_t *)m->slots[k] + m->builder.inputs[k]->per_sample * (size_t)i;
        }
        at[SLOTS] = (int32_t *)m->slots[SLOTS] + m->builder.pixels->per_sample * (size_t)i;
        struct sample s = {.record = &m->records[i],
                           .norm = &norm,
                           .backbone = &m->backbone,
                           .view = &here,
                           .slots = plain};
        prepare(&s, m, round);
        s.view = &there;
        s.slots = at;
        s.renders = 1;
        prepare(&s, m, round);
        views_pack(&m->builder, &m->records[i], at);
        assert_int_equal(rng_u32(&here), rng_u32(&there)); /* as much was drawn */
    }
}

static double far_apart(const struct made *m, float *const expected[SLOTS]) {
    double worst = 0;
    for (int k = 0; k < SLOTS; k++) {
        const struct tensor *t = m->builder.rendered[k];
        const real *got = exec_output(m->exec, t);
        for (size_t i = 0; i < t->per_sample * BATCH; i++) {
            double off = fabs((double)got[i] - (double)expected[k][i]);
            worst = off <= worst ? worst : off; /* of NaN that */
        }
    }
    return worst;
}

/* Returns how many images came ready. */
static int check_round(int round, struct device *d) {
    static struct made m;
    float *expected[SLOTS];
    open_made(&m, round, d);
    fill(&m, round, expected);
    exec_bind(m.exec, m.builder.inputs[0], m.slots[0]);
    exec_bind(m.exec, m.builder.inputs[1], m.slots[1]);
    exec_bind(m.exec, m.builder.pixels, m.slots[2]);
    exec_run(m.exec, BATCH);
    double far = far_apart(&m, expected);
    if (!(far < tolerance))
        fail_msg("round %d: %g away, views of %d and %d pixels, %d channels", round, far, m.side[0],
                 m.side[1], m.backbone.channels);
    int ready = views_ready(&m.builder, m.slots, BATCH, NULL);
    close_made(&m);
    return ready;
}

static void views_of_ref_are_those_of_the_processor(void **state) {
    (void)state;
    int ready = 0;
    for (int round = 0; round < ALL; round++)
        ready += check_round(round, NULL);
    assert_true(ready > 0 && ready < ALL * BATCH); /* both ways were gone */
}

static void views_of_a_device_are_too(void **state) {
    (void)state;
    struct device *d;
    struct error err;
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_OWN, &err), 0);
    for (int round = 0; round < ROUNDS; round++) {
        emulated_schedule((enum emulated_order)(round % EMULATED_ORDERS), (unsigned)round);
        check_round(round, d);
        if (d->check(d, &err))
            fail_msg("%s", err.message);
    }
    cuda_device_close(d);
}

/* As many words as the largest image has, where that is less than the views weigh. */
static void slots_are_as_large_as_they_must_be(void **state) {
    (void)state;
    static const struct {
        int height, width;
        long most;
        size_t words;
    } cases[] = {
        {10, 10, 0, 80}, /* rows of 30 bytes in 8 words */
        {10, 10, 200, (200 * 3 + 3 * 21) / 4 + 1},
        {500, 500, 0, 2 * 3 * 8 * 8},
        {10, 10, 1000000, 2 * 3 * 8 * 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct backbone backbone = {.channels = 3, .image = 8};
        struct model model;
        struct graph graph;
        struct dataset data = {.height = cases[i].height,
                               .width = cases[i].width,
                               .most_pixels = cases[i].most,
                               .channels = 3};
        model_init(&model);
        graph_init(&graph, &model);
        struct builder b = {
            .g = &graph, .backbone = &backbone, .data = &data, .norm = &norm, .renders = 1};
        builder_images(&b, "views", 2, 0);
        assert_int_equal(b.pixels->per_sample, cases[i].words);
        assert_int_equal(b.inputs[0]->per_sample, 2 * VIEW_WORDS);
        assert_int_equal(b.n_inputs, 1);
        graph_free(&graph);
        model_free(&model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_of_ref_are_those_of_the_processor),
        cmocka_unit_test(views_of_a_device_are_too),
        cmocka_unit_test(slots_are_as_large_as_they_must_be),
    };
    setenv("SSVBENCH_CUDNN", "none", 1);
    return cmocka_run_group_tests_name("views in the graph", tests, NULL, NULL);
}
