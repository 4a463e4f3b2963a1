/* Context prediction against PyTorch (tests/golden/context_prediction.py), and what patches owe to
 * the geometry and to the colours of their image. */
#include "tests/method_fixture.h"

#include "tests/golden/context_prediction.h"

enum { N = 3, CHANNELS = 3, POSITIONS = 8 };
enum { HEIGHT = 40, WIDTH = 32, PATCH = 12, STEP = 18, JITTER = 1 }; /* of 3/8, 1/2 and 0.073 */
enum { PIXELS = PATCH * PATCH, FLOATS = CHANNELS * PIXELS };

static struct backbone fixture_resnet(void) {
    return (struct backbone){.name = "resnet",
                             .kind = BACKBONE_RESNET,
                             .image = 16,
                             .channels = CHANNELS,
                             .dim = 8,
                             .resnet = {.width = 4, .blocks = {1, 1}, .small_stem = 1}};
}

#define HEAD "context_prediction.hidden=8"
#define UNCHANGED "context_prediction.side=12", "context_prediction.color=none"
#define GOLDEN(name)                                                                               \
    name##_loss, name##_gradients, sizeof name##_gradients / sizeof *name##_gradients

static void equals_pytorch(void **state) {
    (void)state;
    const struct {
        struct backbone backbone;
        const char *options[3];
        double loss;
        const struct golden_value *gradients;
        int n;
    } cases[] = {{fixture_vit(), {HEAD, "context_prediction.norm=0"}, GOLDEN(vit)},
                 {fixture_resnet(), {HEAD}, GOLDEN(resnet)}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (const struct kernels *const *k = kernels_all(); *k; k++) {
            struct fixture *f = malloc(sizeof *f);
            fixture_open(f, &method_context_prediction, 0, &cases[i].backbone, N, NULL,
                         cases[i].options, *k);
            fixture_fill(f, "patches", 0.37, 0.2);
            for (int j = 0; j < N; j++)
                ((int32_t *)fixture_slot(f, "position"))[j] = 3 * j % POSITIONS;
            fixture_near("loss", fixture_run(f), cases[i].loss, 1e-5 * cases[i].loss);
            fixture_compare(f, cases[i].gradients, cases[i].n);
            fixture_close(f);
            free(f);
        }
}

/* Whoever gives all eight answers the same weight has the loss that collapse is measured by. */
static void ignorance_has_its_loss(void **state) {
    (void)state;
    struct fixture *f = malloc(sizeof *f);
    const struct backbone vit = fixture_vit();
    fixture_open(f, &method_context_prediction, 0, &vit, N, NULL, NULL, kernels_all()[0]);
    fixture_fill(f, "patches", 0.37, 0.2);
    for (int g = 0; g < f->model.n_groups; g++)
        for (const struct param *p = f->model.groups[g].first; p; p = p->next)
            if (!strncmp(p->name, "fc9.", 4))
                memset(f->model.value + p->offset, 0, p->count * sizeof(real));
    f->model.version++;
    fixture_near("loss", fixture_run(f), f->builder.uniform_loss, 1e-6);
    fixture_close(f);
    free(f);
}

/* ---- what prepare writes ---- */

struct drawn {
    struct fixture fixture;
    struct backbone vit;
    struct record record;
    struct normalization norm;
    float patches[2][FLOATS];
    int32_t position;
};

static struct drawn *drawn_open(const char *const *options, int channels) {
    struct drawn *d = calloc(1, sizeof *d);
    struct error err;
    d->vit = fixture_vit();
    d->vit.channels = d->vit.vit.channels = channels;
    d->norm = fixture_norm;
    if (fixture_build(&d->fixture, &method_context_prediction, 0, &d->vit, NULL, options, &err))
        fail_msg("%s", err.message);
    assert_int_equal(record_reserve(&d->record, HEIGHT, WIDTH, channels, 0, &err), 0);
    return d;
}

static void drawn_close(struct drawn *d) {
    record_free(&d->record);
    graph_free(&d->fixture.graph);
    model_free(&d->fixture.model);
    settings_free(&d->fixture.settings);
    arena_free(&d->fixture.arena);
    free(d);
}

static void draw(struct drawn *d, uint32_t sample) {
    struct rng view = rng_at((struct rng_key){7, RNG_VIEW}, 0, sample), mask = view;
    const struct sample s = {.record = &d->record,
                             .norm = &d->norm,
                             .backbone = &d->vit,
                             .runtime = d->fixture.builder.runtime,
                             .view = &view,
                             .mask = &mask,
                             .slots = (void *const[]){d->patches, &d->position}};
    method_context_prediction.stages[0].prepare(
        settings_method(&d->fixture.settings, &method_context_prediction), &s);
}

/* Red tells the row of a pixel, green its column. */
static void paint_places(struct record *r) {
    for (int i = 0; i < r->height; i++)
        for (int j = 0; j < r->width; j++) {
            uint8_t *p = r->pixels + r->channels * (i * r->width + j);
            p[0] = (uint8_t)(6 * i);
            p[1] = (uint8_t)(6 * j);
            p[2] = 128;
        }
}

static void paint_noise(struct record *r) {
    struct rng rng = rng_at((struct rng_key){8, RNG_TEST}, 0, 0);
    for (int i = 0; i < r->height * r->width * r->channels; i++)
        r->pixels[i] = (uint8_t)rng_below(&rng, 256);
}

/* The first row and column of a patch, from its colours; every other pixel is where it belongs. */
static void place_of(const float *patch, int at[2]) {
    for (int c = 0; c < 2; c++) {
        at[c] = (int)lround((0.25 * (double)patch[c * PIXELS] + 0.5) * 255 / 6);
        for (int i = 0; i < PIXELS; i++) {
            int want = at[c] + (c ? i % PATCH : i / PATCH);
            fixture_near("a pixel", (0.25 * (double)patch[c * PIXELS + i] + 0.5) * 255 / 6, want,
                         1e-3);
        }
    }
}

/* -1, 0 or 1 for an offset within the jitter of that many steps. */
static int steps_of(int offset) {
    for (int steps = -1; steps <= 1; steps++)
        if (abs(offset - steps * STEP) <= 2 * JITTER)
            return steps;
    fail_msg("patches are %d pixels apart", offset);
    return 0;
}

static void positions_follow_from_the_boxes(void **state) {
    (void)state;
    enum { DRAWS = 8000, EACH = DRAWS / POSITIONS, FIVE_SIGMA = 148 };
    struct drawn *d = drawn_open((const char *const[]){UNCHANGED, NULL}, CHANNELS);
    const int size[2] = {HEIGHT, WIDTH};
    int count[POSITIONS] = {0}, least[2] = {99, 99}, most[2] = {0}, closest = 99, farthest = 0;
    paint_places(&d->record);
    for (uint32_t sample = 0; sample < DRAWS; sample++) {
        int at[2][2], steps[2];
        draw(d, sample);
        for (int i = 0; i < 2; i++) {
            place_of(d->patches[i], at[i]);
            for (int axis = 0; axis < 2; axis++) {
                assert_in_range(at[i][axis], 0, size[axis] - PATCH);
                least[axis] = at[i][axis] < least[axis] ? at[i][axis] : least[axis];
                most[axis] = at[i][axis] > most[axis] ? at[i][axis] : most[axis];
            }
        }
        for (int axis = 0; axis < 2; axis++) {
            int offset = at[1][axis] - at[0][axis];
            steps[axis] = steps_of(offset);
            if (steps[axis]) {
                closest = abs(offset) < closest ? abs(offset) : closest;
                farthest = abs(offset) > farthest ? abs(offset) : farthest;
            }
        }
        int place = 3 * (steps[0] + 1) + steps[1] + 1; /* of the 3x3 arrangement */
        assert_int_not_equal(place, 4);
        assert_int_equal(d->position, place - (place > 4));
        count[d->position]++;
    }
    for (int i = 0; i < POSITIONS; i++)
        assert_in_range(count[i], EACH - FIVE_SIGMA, EACH + FIVE_SIGMA);
    for (int axis = 0; axis < 2; axis++) { /* the whole image is used, and the whole jitter */
        assert_int_equal(least[axis], 0);
        assert_int_equal(most[axis], size[axis] - PATCH);
    }
    assert_int_equal(closest, STEP - 2 * JITTER);
    assert_int_equal(farthest, STEP + 2 * JITTER);
    drawn_close(d);
}

/* Where the second patch lies above or below, the first is anywhere along the row, equally often
 * but for the jitter at both ends. */
static void places_are_uniform(void **state) {
    (void)state;
    enum { DRAWS = 16000, PLACES = WIDTH - PATCH + 1 };
    struct drawn *d = drawn_open((const char *const[]){UNCHANGED, NULL}, CHANNELS);
    int count[PLACES] = {0}, n = 0;
    paint_places(&d->record);
    for (uint32_t sample = 0; sample < DRAWS; sample++) {
        int at[2];
        draw(d, sample);
        place_of(d->patches[0], at);
        if (d->position != 1 && d->position != 6)
            continue;
        count[at[1]]++;
        n++;
    }
    for (int i = 0; i < PLACES; i++) {
        int ways = 3 - (i < 2 ? 2 - i : 0) - (i > PLACES - 3 ? i - (PLACES - 3) : 0);
        double share = ways / 3.0 / (PLACES - 2), sigma = sqrt(n * share * (1 - share));
        fixture_near("patches at a column", count[i], n * share, 5 * sigma);
    }
    drawn_close(d);
}

static double mean_of(const float *x) {
    double sum = 0;
    for (int i = 0; i < PIXELS; i++)
        sum += (double)x[i] / PIXELS;
    return sum;
}

static double deviation_of(const float *x) {
    double mean = mean_of(x), sum = 0;
    for (int i = 0; i < PIXELS; i++)
        sum += ((double)x[i] - mean) * ((double)x[i] - mean) / PIXELS;
    return sqrt(sum);
}

/* One channel stays, less its mean; of the others nothing but noise a hundred times fainter. */
static void drop_keeps_one_channel(void **state) {
    (void)state;
    enum { DRAWS = 1500 };
    struct drawn *d =
        drawn_open((const char *const[]){"context_prediction.side=12", NULL}, CHANNELS);
    struct drawn *whole = drawn_open((const char *const[]){UNCHANGED, NULL}, CHANNELS);
    int count[CHANNELS] = {0}, same = 0;
    paint_noise(&d->record);
    paint_noise(&whole->record);
    for (uint32_t sample = 0; sample < DRAWS; sample++) {
        int kept[2] = {-1, -1};
        draw(d, sample);
        draw(whole, sample);
        for (int i = 0; i < 2; i++) {
            for (int c = 0; c < CHANNELS; c++)
                if (deviation_of(d->patches[i] + c * PIXELS) > 0.1) {
                    assert_int_equal(kept[i], -1);
                    kept[i] = c;
                }
            assert_int_not_equal(kept[i], -1);
            count[kept[i]]++;
            const float *x = d->patches[i] + kept[i] * PIXELS;
            const float *y = whole->patches[i] + kept[i] * PIXELS;
            double mean = mean_of(y), deviation = deviation_of(y);
            for (int j = 0; j < PIXELS; j++)
                fixture_near("a pixel", (double)x[j], (double)y[j] - mean, 1e-5);
            for (int c = 0; c < CHANNELS; c++)
                if (c != kept[i]) {
                    const float *noise = d->patches[i] + c * PIXELS;
                    fixture_near("noise", mean_of(noise), 0, 5 * 0.01 * deviation / PATCH);
                    fixture_near("its deviation", deviation_of(noise), 0.01 * deviation,
                                 5 * 0.01 * deviation / sqrt(2.0 * PIXELS));
                }
        }
        same += kept[0] == kept[1];
    }
    for (int c = 0; c < CHANNELS; c++) /* 5 standard deviations */
        assert_in_range(count[c], DRAWS * 2 / 3 - 130, DRAWS * 2 / 3 + 130);
    assert_in_range(same, DRAWS / 3 - 92, DRAWS / 3 + 92); /* each patch draws its own */
    drawn_close(d);
    drawn_close(whole);
}

/* In units that all channels share, what remains is orthogonal to a = (-1, 2, -1), and what is gone
 * is a multiple of it. */
static void projection_removes_green_against_magenta(void **state) {
    (void)state;
    static const double a[CHANNELS] = {-1, 2, -1};
    struct drawn *d = drawn_open((const char *const[]){"context_prediction.side=12",
                                                       "context_prediction.color=project", NULL},
                                 CHANNELS);
    struct drawn *whole = drawn_open((const char *const[]){UNCHANGED, NULL}, CHANNELS);
    d->norm = whole->norm =
        (struct normalization){.mean = {0.4, 0.5, 0.6}, .std = {0.2, 0.25, 0.36}};
    const double scale = (0.2 + 0.25 + 0.36) / 3;
    paint_noise(&d->record);
    paint_noise(&whole->record);
    for (uint32_t sample = 0; sample < 20; sample++) {
        draw(d, sample);
        draw(whole, sample);
        for (int i = 0; i < 2 * PIXELS; i++) {
            double along = 0, gone[CHANNELS];
            for (int c = 0; c < CHANNELS; c++) {
                int at = c * PIXELS + i % PIXELS;
                double y = (double)d->patches[i / PIXELS][at];
                along += a[c] * y;
                gone[c] = (double)whole->patches[i / PIXELS][at] * d->norm.std[c] - scale * y;
            }
            fixture_near("along a", along, 0, 1e-5);
            fixture_near("gone", gone[0], gone[2], 1e-5);
            fixture_near("gone", gone[1], -2 * gone[0], 1e-5);
        }
    }
    drawn_close(d);
    drawn_close(whole);
}

static double roughness(const float *x) {
    double sum = 0;
    for (int i = 0; i < PIXELS; i++)
        if (i % PATCH)
            sum += fabs((double)x[i] - (double)x[i - 1]);
    return sum;
}

/* Patches lose detail, some nearly all of it, and keep their colour. */
static void downsampling_takes_detail(void **state) {
    (void)state;
    enum { DRAWS = 100 };
    struct drawn *d = drawn_open(
        (const char *const[]){UNCHANGED, "context_prediction.downsample=1", NULL}, CHANNELS);
    double least = INFINITY, most = 0, shift = 0, whole = 0;
    paint_noise(&d->record);
    for (int j = 0; j < HEIGHT * WIDTH; j++)
        d->record.pixels[CHANNELS * j] = 200;
    for (uint32_t sample = 0; sample < DRAWS; sample++) {
        draw(d, sample);
        for (int i = 0; i < 2; i++) {
            for (int j = 0; j < PIXELS; j++)
                fixture_near("red", (double)d->patches[i][j], (200 / 255.0 - 0.5) / 0.25, 1e-5);
            double left = roughness(d->patches[i] + PIXELS);
            least = fmin(least, left);
            most = fmax(most, left);
            shift += mean_of(d->patches[i] + PIXELS);
        }
    }
    drawn_close(d);
    d = drawn_open((const char *const[]){UNCHANGED, NULL}, CHANNELS);
    paint_noise(&d->record);
    for (uint32_t sample = 0; sample < DRAWS; sample++) {
        draw(d, sample);
        for (int i = 0; i < 2; i++) {
            whole += roughness(d->patches[i] + PIXELS) / (2 * DRAWS);
            shift -= mean_of(d->patches[i] + PIXELS);
        }
    }
    assert_true(most < 0.9 * whole);
    assert_true(least < 0.1 * whole);
    fixture_near("colour", shift / (2 * DRAWS), 0, 0.05);
    drawn_close(d);
}

/* Images keep sizes of their own (keep=N), and shares of a side become whole pixels in each. */
static void patches_of_any_image_lie_inside(void **state) {
    (void)state;
    enum { LARGEST = 140, DRAWS = 40 };
    struct drawn *d = drawn_open((const char *const[]){UNCHANGED, NULL}, CHANNELS);
    struct error err;
    d->norm.mean[0] = d->norm.mean[1] = d->norm.mean[2] = 0; /* what lies outside is 0 */
    for (int side = 1; side <= LARGEST; side++) {
        assert_int_equal(record_reserve(&d->record, side, side + side % 3, CHANNELS, 0, &err), 0);
        memset(d->record.pixels, 255, (size_t)(CHANNELS * side * (side + side % 3)));
        for (uint32_t sample = 0; sample < DRAWS; sample++) {
            draw(d, sample);
            for (int i = 0; i < FLOATS; i++) {
                fixture_near("a pixel", (double)d->patches[0][i], 4, 1e-4);
                fixture_near("a pixel", (double)d->patches[1][i], 4, 1e-4);
            }
        }
    }
    drawn_close(d);
}

static void grey_images_stay_as_they_are(void **state) {
    (void)state;
    struct drawn *d = drawn_open((const char *const[]){"context_prediction.side=12", NULL}, 1);
    struct drawn *whole = drawn_open((const char *const[]){UNCHANGED, NULL}, 1);
    paint_noise(&d->record);
    paint_noise(&whole->record);
    draw(d, 0);
    draw(whole, 0);
    assert_memory_equal(d->patches, whole->patches, 2 * PIXELS * sizeof(float));
    assert_true(deviation_of(d->patches[0]) > 0.5);
    drawn_close(d);
    drawn_close(whole);
}

/* ---- training ---- */

static void fill_batch(struct fixture *f, struct drawn *d, long step) {
    float *patches = fixture_slot(f, "patches");
    int32_t *position = fixture_slot(f, "position");
    for (int i = 0; i < f->batch; i++) {
        draw(d, (uint32_t)(step * f->batch + i));
        memcpy(patches + i * 2 * FLOATS, d->patches, sizeof d->patches);
        position[i] = d->position;
    }
}

/* Where brightness tells the place, a small net soon knows how two new patches lie. */
static void a_gradient_is_predictable(void **state) {
    (void)state;
    enum { BATCH = 32, STEPS = 60 };
    struct drawn *d = drawn_open((const char *const[]){UNCHANGED, NULL}, CHANNELS);
    struct fixture *f = malloc(sizeof *f);
    fixture_open(f, &method_context_prediction, 0, &d->vit, BATCH, NULL,
                 (const char *const[]){UNCHANGED, "context_prediction.hidden=32", NULL},
                 kernels_all()[0]);
    f->trainer.config.lr = 0.08;
    f->trainer.config.total = STEPS;
    paint_places(&d->record);
    for (long step = 0; step < STEPS; step++) {
        fill_batch(f, d, step);
        assert_int_equal(trainer_step(&f->trainer, f->slots, BATCH, step), 1);
    }
    fill_batch(f, d, STEPS);
    assert_true(fixture_run(f) < 0.7 * log(POSITIONS));
    fixture_close(f);
    free(f);
    drawn_close(d);
}

static void wrong_options_are_named(void **state) {
    (void)state;
    static const char *const wrong[][2] = {
        {"context_prediction.side=10", "context_prediction.side 10"},
        {"context_prediction.patch=0.03", "context_prediction.patch"},
        {"context_prediction.patch=0.45", "take 1.1907 of the side"},
        {"context_prediction.gap=2", "take 1.55475 of the side"}};
    const struct backbone vit = fixture_vit();
    const struct dataset data = {.height = WIDTH, .width = HEIGHT};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err;
        struct fixture *f = malloc(sizeof *f);
        const char *const options[] = {wrong[i][0], NULL};
        assert_int_equal(
            fixture_build(f, &method_context_prediction, 0, &vit, &data, options, &err),
            STATUS_USAGE);
        if (!strstr(err.message, wrong[i][1]))
            fail_msg("%s", err.message);
        fixture_close(f);
        free(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pytorch),
        cmocka_unit_test(ignorance_has_its_loss),
        cmocka_unit_test(positions_follow_from_the_boxes),
        cmocka_unit_test(places_are_uniform),
        cmocka_unit_test(drop_keeps_one_channel),
        cmocka_unit_test(projection_removes_green_against_magenta),
        cmocka_unit_test(downsampling_takes_detail),
        cmocka_unit_test(patches_of_any_image_lie_inside),
        cmocka_unit_test(grey_images_stay_as_they_are),
        cmocka_unit_test(a_gradient_is_predictable),
        cmocka_unit_test(wrong_options_are_named),
    };
    return cmocka_run_group_tests_name("context_prediction", tests, NULL, NULL);
}
