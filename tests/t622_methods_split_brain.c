/* Split-brain autoencoders against PyTorch (tests/golden/split_brain.py), their bins of colours,
 * and what each half must not see. */
#include "tests/method_fixture.h"

#include "methods/lab_bins.h"
#include "protocols/cell.h"
#include "tests/place.h"

#include "tests/golden/split_brain.h"

enum { N = 3, IMAGE = 16, PIXELS = IMAGE * IMAGE, CHANNELS = 3 };

static struct backbone fixture_resnet(void) {
    return (struct backbone){.name = "resnet",
                             .kind = BACKBONE_RESNET,
                             .image = IMAGE,
                             .channels = CHANNELS,
                             .dim = 8,
                             .resnet = {.width = 4, .blocks = {1, 1}, .small_stem = 1}};
}

static const char *const regress[] = {"split_brain.loss=regress", NULL};

#define GOLDEN(name)                                                                               \
    name##_loss, name##_gradients, sizeof name##_gradients / sizeof *name##_gradients

static void equals_pytorch(void **state) {
    (void)state;
    const struct {
        struct backbone backbone;
        const char *const *options;
        double loss;
        const struct golden_value *gradients;
        int n;
    } cases[] = {{fixture_vit(), NULL, GOLDEN(vit_classify)},
                 {fixture_vit(), regress, GOLDEN(vit_regress)},
                 {fixture_resnet(), NULL, GOLDEN(resnet_classify)}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (const struct kernels *const *k = kernels_all(); *k; k++) {
            struct fixture *f = malloc(sizeof *f);
            fixture_open(f, &method_split_brain, 0, &cases[i].backbone, N, NULL, cases[i].options,
                         *k);
            fixture_fill(f, "lab", 0.37, 0.2);
            if (cases[i].options) {
                fixture_fill(f, "ab", 0.9, 0.4);
                fixture_fill(f, "l", 0.7, 0.1);
            } else {
                int32_t *ab = fixture_slot(f, "ab"), *l = fixture_slot(f, "l");
                int places = (int)f->builder.slots[fixture_slot_number(f, "l")].per_sample;
                for (int j = 0; j < N * places; j++) {
                    ab[j] = 7 * j % 261;
                    l[j] = 3 * j % 100;
                }
            }
            fixture_near("loss", fixture_run(f), cases[i].loss, 1e-5 * cases[i].loss);
            fixture_compare(f, cases[i].gradients, cases[i].n);
            fixture_close(f);
            free(f);
        }
}

/* ---- what the halves see ---- */

/* The features that training watches, (N,dim): those of the half that sees L, then the other's. */
static void run_with(struct fixture *f, double l_shift, double ab_shift, float *features) {
    float *lab = fixture_slot(f, "lab");
    for (int i = 0; i < N * CHANNELS * PIXELS; i++) {
        double shift = i / PIXELS % CHANNELS ? ab_shift : l_shift;
        lab[i] = (float)sin(0.37 * i + shift);
    }
    fixture_run(f);
    const struct tensor *t = f->builder.watched[WATCH_FEATURES];
    memcpy(features, exec_output(f->trainer.exec, t), sizeof(float) * t->per_sample * N);
}

static void neither_half_sees_what_it_predicts(void **state) {
    (void)state;
    const struct backbone backbones[] = {fixture_vit(), fixture_resnet()};
    for (int i = 0; i < 2; i++) {
        struct fixture *f = malloc(sizeof *f);
        float first[N * 16], other_ab[N * 16], other_l[N * 16];
        fixture_open(f, &method_split_brain, 0, &backbones[i], N, NULL, NULL, kernels_all()[0]);
        int dim = backbones[i].dim, half = dim / 2;
        assert_int_equal(f->builder.watched[WATCH_FEATURES]->per_sample, dim);
        run_with(f, 0.2, 0.2, first);
        run_with(f, 0.2, 1.7, other_ab);
        run_with(f, 1.7, 0.2, other_l);
        for (int n = 0; n < N; n++) {
            size_t bytes = sizeof(float) * (size_t)half;
            const int at = n * dim;
            assert_memory_equal(first + at, other_ab + at, bytes);
            assert_memory_equal(first + at + half, other_l + at + half, bytes);
            assert_memory_not_equal(first + at, other_l + at, bytes);
            assert_memory_not_equal(first + at + half, other_ab + at + half, bytes);
        }
        fixture_close(f);
        free(f);
    }
}

struct encoding_graph {
    struct model model;
    struct graph graph;
    struct builder builder;
    struct arena arena;
    struct encoded encoded;
    struct tensor *images;
};

static void encode_with(struct encoding_graph *e, const struct method *m,
                        const struct backbone *b) {
    *e = (struct encoding_graph){0};
    model_init(&e->model);
    graph_init(&e->graph, &e->model);
    e->graph.evaluating = 1;
    e->builder = (struct builder){.g = &e->graph,
                                  .model = &e->model,
                                  .backbone = b,
                                  .norm = &fixture_norm,
                                  .prefix = "",
                                  .arena = &e->arena,
                                  .encoder = model_group(&e->model, "encoder")};
    e->images = builder_images(&e->builder, "images", 0, 0);
    if (m)
        m->encode(NULL, &e->builder, e->images, &e->encoded);
    else
        backbone_encode(&e->graph, e->builder.encoder, b, e->images, NULL, ENCODE_LAYERS,
                        &e->encoded);
    for (int i = 0; i < e->encoded.n_representations; i++)
        graph_output(&e->graph, e->encoded.representation[i]);
    graph_plan(&e->graph);
}

static void encode_free(struct encoding_graph *e) {
    graph_free(&e->graph);
    model_free(&e->model);
    arena_free(&e->arena);
}

static void assert_same_shape(const struct tensor *t, const struct tensor *u) {
    assert_int_equal(t != NULL, u != NULL);
    if (!t)
        return;
    assert_int_equal(t->ndim, u->ndim);
    assert_memory_equal(t->dim, u->dim, sizeof *t->dim * (size_t)t->ndim);
}

/* Names and widths are those of the whole backbone; the halves are two groups of their own, both
 * evaluated. */
static void halves_make_a_whole(void **state) {
    (void)state;
    const struct backbone backbones[] = {fixture_vit(), fixture_resnet()};
    for (int i = 0; i < 2; i++) {
        struct encoding_graph whole, halves;
        encode_with(&whole, NULL, &backbones[i]);
        encode_with(&halves, &method_split_brain, &backbones[i]);
        const struct encoded *w = &whole.encoded, *h = &halves.encoded;
        assert_true(w->n_representations > 1);
        assert_int_equal(w->n_representations, h->n_representations);
        for (int r = 0; r < w->n_representations; r++) {
            assert_string_equal(w->representation_name[r], h->representation_name[r]);
            assert_same_shape(w->representation[r], h->representation[r]);
        }
        assert_same_shape(w->pooled, h->pooled);
        assert_same_shape(w->tokens, h->tokens);
        assert_same_shape(w->map, h->map);
        assert_int_equal(halves.model.n_groups, 2);
        assert_true(builder_evaluates(&halves.builder, 0));
        assert_true(builder_evaluates(&halves.builder, 1));
        assert_true(builder_evaluates(&whole.builder, 0));
        assert_false(builder_evaluates(&whole.builder, 1));
        encode_free(&whole);
        encode_free(&halves);
    }
}

/* On a ViT, where evaluation changes nothing, what protocols see of the last layer is what was
 * trained: the same weights, the same channels. */
static void evaluation_shows_what_was_trained(void **state) {
    (void)state;
    struct fixture *f = malloc(sizeof *f);
    struct encoding_graph e;
    struct error err;
    const struct backbone vit = fixture_vit();
    fixture_open(f, &method_split_brain, 0, &vit, N, NULL, NULL, kernels_all()[0]);
    encode_with(&e, &method_split_brain, &vit);
    assert_int_equal(model_allocate(&e.model, 0, 0, &err), 0);
    fixture_parameters(&e.model);
    float trained[N * 16];
    run_with(f, 0.2, 0.9, trained);
    struct exec *x;
    const struct exec_config config = {.kernels = kernels_all()[0], .threads = 1, .batch = N};
    assert_int_equal(exec_open(&x, &e.graph, &config, &err), 0);
    exec_bind(x, e.images, fixture_slot(f, "lab"));
    exec_run(x, N);
    const struct encoded *last = &e.encoded;
    assert_string_equal(last->representation_name[last->n_representations - 1], "layer2.mean");
    const float *shown = exec_output(x, last->representation[last->n_representations - 1]);
    for (int i = 0; i < N * vit.dim; i++)
        fixture_near("a feature", (double)shown[i], (double)trained[i], 1e-6);
    exec_close(x);
    encode_free(&e);
    fixture_close(f);
    free(f);
}

/* ---- what prepare writes ---- */

struct prepared {
    struct fixture fixture;
    struct backbone vit;
    struct record record;
    float lab[CHANNELS * PIXELS];
    union {
        int32_t bin[2 * IMAGE];
        float color[2 * IMAGE];
    } ab, l;
};

/* On the fixture's ViT, with 4 x 4 places; the whole image unless options say otherwise. */
static struct prepared *prepared_open(const char *const *options) {
    struct prepared *p = calloc(1, sizeof *p);
    struct error err;
    p->vit = fixture_vit();
    assert_int_equal(
        fixture_build(&p->fixture, &method_split_brain, 0, &p->vit, NULL, options, &err), 0);
    assert_int_equal(record_reserve(&p->record, IMAGE, IMAGE, CHANNELS, 0, &err), 0);
    return p;
}

static void prepare(struct prepared *p, uint32_t sample) {
    struct rng view = rng_at((struct rng_key){3, RNG_VIEW}, 0, sample), mask = view;
    const struct sample s = {.record = &p->record,
                             .norm = &fixture_norm,
                             .backbone = p->fixture.builder.backbone,
                             .runtime = p->fixture.builder.runtime,
                             .view = &view,
                             .mask = &mask,
                             .slots = (void *const[]){p->lab, &p->ab, &p->l}};
    method_split_brain.stages[0].prepare(settings_method(&p->fixture.settings, &method_split_brain),
                                         &s);
}

static void prepared_close(struct prepared *p) {
    record_free(&p->record);
    graph_free(&p->fixture.graph);
    model_free(&p->fixture.model);
    settings_free(&p->fixture.settings);
    arena_free(&p->fixture.arena);
    free(p);
}

static void paint(struct record *r, int first_col, int last_col, const uint8_t rgb[3]) {
    for (int row = 0; row < r->height; row++)
        for (int col = first_col; col < last_col; col++)
            memcpy(r->pixels + 3 * (row * r->width + col), rgb, 3);
}

static const char *const whole_image[] = {"split_brain.min_area=1", "split_brain.flip=0", NULL};

/* CIE's values for sRGB's white, black and red, in the units that networks see. */
static void colors_become_their_inputs_and_bins(void **state) {
    (void)state;
    static const struct {
        uint8_t rgb[3];
        double lab[3];
        int l_bin;
        double a, b; /* of the bin */
    } anchors[] = {{{255, 255, 255}, {2, 0, 0}, 99, 0, 0},
                   {{0, 0, 0}, {-2, 0, 0}, 0, 0, 0},
                   {{255, 0, 0}, {0.1296, 5.3395, 4.4803}, 53, 80, 70},
                   {{0, 0, 255}, {-0.7081, 5.2791, -7.1907}, 32, 80, -110}};
    struct prepared *p = prepared_open(whole_image);
    struct lab_bins bins;
    lab_bins_make(&bins, 10, 100, &p->fixture.arena);
    for (size_t i = 0; i < sizeof anchors / sizeof *anchors; i++) {
        paint(&p->record, 0, IMAGE, anchors[i].rgb);
        prepare(p, 0);
        for (int c = 0; c < CHANNELS; c++)
            fixture_near("input", (double)p->lab[c * PIXELS + 5], anchors[i].lab[c], 1e-3);
        for (int j = 0; j < IMAGE; j++) {
            assert_int_equal(p->l.bin[j], anchors[i].l_bin);
            fixture_near("a", (double)bins.centre[2 * p->ab.bin[j]], anchors[i].a, 0);
            fixture_near("b", (double)bins.centre[2 * p->ab.bin[j] + 1], anchors[i].b, 0);
        }
    }
    prepared_close(p);
}

/* Left black, right white: each place has its own answer, in the order of a ViT's patches. */
static void answers_stand_at_their_places(void **state) {
    (void)state;
    struct prepared *p = prepared_open(whole_image);
    paint(&p->record, 0, 8, (const uint8_t[]){0, 0, 0});
    paint(&p->record, 8, 16, (const uint8_t[]){255, 255, 255});
    prepare(p, 0);
    for (int i = 0; i < 16; i++)
        assert_int_equal(p->l.bin[i], i % 4 < 2 ? 0 : 99);
    prepared_close(p);
}

static void draw_pixels(struct record *r, uint32_t number) {
    struct rng rng = rng_at((struct rng_key){4, RNG_TEST}, number, 0);
    for (int i = 0; i < PIXELS * CHANNELS; i++)
        r->pixels[i] = (uint8_t)rng_below(&rng, 256);
}

/* Colours to predict have the units of the inputs, and are the mean of what the other half sees of
 * the same view, mirrored and cropped as it is. */
static void answers_are_means_of_the_view(void **state) {
    (void)state;
    struct prepared *p = prepared_open(regress), *q = prepared_open(NULL);
    struct lab_bins bins;
    lab_bins_make(&bins, 10, 100, &p->fixture.arena);
    for (uint32_t sample = 0; sample < 50; sample++) {
        draw_pixels(&p->record, sample);
        draw_pixels(&q->record, sample);
        prepare(p, sample);
        prepare(q, sample);
        assert_memory_equal(p->lab, q->lab, sizeof p->lab);
        for (int i = 0; i < 16; i++) {
            double mean[CHANNELS] = {0};
            for (int c = 0; c < CHANNELS; c++)
                for (int j = 0; j < 16; j++)
                    mean[c] +=
                        (double)
                            p->lab[c * PIXELS + (i / 4 * 4 + j / 4) * IMAGE + i % 4 * 4 + j % 4] /
                        16;
            fixture_near("L", (double)p->l.color[i], mean[0], 1e-5);
            fixture_near("a", (double)p->ab.color[2 * i], mean[1], 1e-5);
            fixture_near("b", (double)p->ab.color[2 * i + 1], mean[2], 1e-5);
            assert_int_equal(q->l.bin[i], lab_bins_of_l(&bins, 50 + 25 * (double)p->l.color[i]));
            assert_int_equal(q->ab.bin[i], lab_bins_of_ab(&bins, 15 * (double)p->ab.color[2 * i],
                                                          15 * (double)p->ab.color[2 * i + 1]));
        }
    }
    prepared_close(p);
    prepared_close(q);
}

/* Protocols see what training sees of a whole image. */
static void protocols_see_lab(void **state) {
    (void)state;
    struct prepared *p = prepared_open(whole_image);
    float seen[CHANNELS * PIXELS];
    draw_pixels(&p->record, 0);
    prepare(p, 0);
    struct rng rng = rng_at((struct rng_key){3, RNG_VIEW}, 0, 0);
    const struct sample s = {.record = &p->record,
                             .norm = &fixture_norm,
                             .backbone = p->fixture.builder.backbone,
                             .view = &rng};
    method_split_brain.view(settings_method(&p->fixture.settings, &method_split_brain), &s, seen);
    assert_memory_equal(seen, p->lab, sizeof seen);
    prepared_close(p);
}

/* ---- the runner ---- */

static void images_without_color_are_refused(void **state) {
    (void)state;
    struct backbone grey = fixture_vit();
    struct fixture *f = malloc(sizeof *f);
    struct error err;
    grey.channels = grey.vit.channels = 1;
    assert_int_equal(fixture_build(f, &method_split_brain, 0, &grey, NULL, NULL, &err),
                     STATUS_USAGE);
    assert_non_null(strstr(err.message, "1 channel"));
    assert_non_null(strstr(err.message, "split_brain"));
    fixture_close(f);
    free(f);
}

/* Each loss reaches one half; the report of gradients by part looks at both. */
static void both_halves_count_as_encoder(void **state) {
    (void)state;
    struct fixture *f = malloc(sizeof *f);
    double norms[METHOD_OBJECTIVES];
    const struct backbone vit = fixture_vit();
    fixture_open(f, &method_split_brain, 0, &vit, N, NULL, NULL, kernels_all()[0]);
    run_with(f, 0.2, 0.9, (float[N * 16]){0});
    trainer_part_norms(&f->trainer, N, norms);
    for (int part = 0; part < 2; part++) {
        double square = 0;
        for (int g = 0; g < f->model.n_groups; g++) {
            const struct group *group = &f->model.groups[g];
            if (strcmp(group->name, part ? "encoder_ab" : "encoder"))
                continue;
            fixture_run(f);
            for (size_t i = 0; i < group->count; i++) {
                double d = (double)exec_gradient(f->trainer.exec)[group->offset + i];
                square += d * d;
            }
        }
        assert_true(square > 0);
        fixture_near("a norm", norms[part], sqrt(square), 1e-5 * sqrt(square));
    }
    fixture_close(f);
    free(f);
}

static void extract(struct settings *s, const struct dataset *data, int change, float *features) {
    struct cell *c = malloc(sizeof *c);
    struct error err;
    const struct context context = {
        .kernels = kernels_all()[0], .threads = 1, .loader_threads = 1, .machine = &s->machine};
    if (cell_open(c, s, &method_split_brain, data, 0, &context, &err))
        fail_msg("%s", err.message);
    for (int g = 0; g < c->model.n_groups; g++)
        if (change && !strcmp(c->model.groups[g].name, "encoder_ab"))
            c->model.value[c->model.groups[g].offset] += (real)0.5;
    cell_want(c, -1, data);
    assert_int_equal(cell_extract(c, &err), 0);
    memcpy(features, c->features.train.x[0], sizeof(float) * (size_t)c->features.dim[0]);
    cell_close(c);
    free(c);
}

/* Stored features are those of both halves. */
static void features_belong_to_both_halves(void **state) {
    struct settings *s = malloc(sizeof *s);
    struct dataset data;
    struct error err;
    float first[128], again[128], changed[128];
    settings_init(s);
    assert_int_equal(dataset_open(&data, "shapes:size=16,train=4,test=2", &err), 0);
    assert_int_equal(options_assign(&s->options, "out", in(*state, "out"), FROM_FLAG, &err), 0);
    assert_int_equal(options_assign(&s->options, "batch", "2", FROM_FLAG, &err), 0);
    extract(s, &data, 0, first);
    extract(s, &data, 0, again);
    extract(s, &data, 1, changed);
    assert_memory_equal(first, again, sizeof first);
    assert_memory_equal(first, changed, sizeof first / 2);
    assert_memory_not_equal(first, changed, sizeof first);
    dataset_close(&data);
    settings_free(s);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pytorch),
        cmocka_unit_test(neither_half_sees_what_it_predicts),
        cmocka_unit_test(halves_make_a_whole),
        cmocka_unit_test(evaluation_shows_what_was_trained),
        cmocka_unit_test(colors_become_their_inputs_and_bins),
        cmocka_unit_test(answers_stand_at_their_places),
        cmocka_unit_test(answers_are_means_of_the_view),
        cmocka_unit_test(protocols_see_lab),
        cmocka_unit_test(images_without_color_are_refused),
        cmocka_unit_test(both_halves_count_as_encoder),
        cmocka_unit_test_setup_teardown(features_belong_to_both_halves, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("split_brain", tests, NULL, NULL);
}
