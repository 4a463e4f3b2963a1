/* samples.h5 of real runs: what is in it, when it is made, and that it changes nothing. */
#include "core/file.h"
#include "data/dataset_internal.h"
#include "kernels/kernels.h"
#include "protocols/sample.h"
#include "protocols/showing.h"
#include "results/samples.h"

#include "tests/place.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { SIDE = 32, TRAIN = 16, TEST = 14, PICTURES = 5 };

struct fixture {
    struct settings settings;
    struct machine machine;
    struct context context;
    struct dataset data;
    struct cell cell;
    volatile sig_atomic_t stop;
};

static void set(struct settings *s, const char *key, const char *value) {
    struct error err;
    assert_int_equal(options_assign(&s->options, key, value, FROM_FLAG, &err), 0);
}

/* A run of a step or two, pretrained. */
static struct fixture *open(struct place *here, const char *method, int samples) {
    struct fixture *f = calloc(1, sizeof *f);
    struct error err;
    settings_init(&f->settings);
    set(&f->settings, "batch", "8");
    set(&f->settings, "epochs", "1");
    set(&f->settings, "segment.epochs", "1");
    f->machine = f->settings.machine;
    f->machine.out = here->folder;
    f->machine.samples = samples;
    f->context = (struct context){.kernels = kernels_cpu(),
                                  .threads = 1,
                                  .loader_threads = 1,
                                  .stop = &f->stop,
                                  .machine = &f->machine};
    assert_int_equal(dataset_open(&f->data, "shapes:size=32,train=16,test=14", &err), 0);
    if (cell_open(&f->cell, &f->settings, method_find(method), &f->data, 3, &f->context, &err))
        fail_msg("%s", err.message);
    assert_int_equal(cell_pretrain(&f->cell, &err), 0);
    return f;
}

static void done(struct fixture *f) {
    cell_close(&f->cell);
    dataset_close(&f->data);
    settings_free(&f->settings);
    free(f);
}

static const char *file_of(struct fixture *f) {
    return arena_printf(&f->cell.arena, "%s/samples.h5", f->cell.folder);
}

static void sample(struct fixture *f) {
    struct error err;
    if (cell_sample(&f->cell, &f->settings, &err))
        fail_msg("%s", err.message);
}

static struct samples take(struct fixture *f) {
    struct samples s;
    struct error err;
    sample(f);
    if (samples_read(&s, file_of(f), &err))
        fail_msg("%s", err.message);
    return s;
}

/* Shapes are as large as the encoder's input: pictures are the images' own pixels. */
static void pictures_are_the_first_test_images(void **state) {
    struct fixture *f = open(*state, "random", PICTURES);
    struct samples s = take(f);
    struct record r = {0};
    struct error err;
    assert_true(s.pictures.n == PICTURES && s.pictures.height == SIDE && s.pictures.width == SIDE);
    assert_string_equal(s.run_id, f->cell.run.run_id);
    assert_int_equal(s.n_classes, f->data.classes);
    for (int i = 0; i < PICTURES; i++) {
        assert_int_equal(dataset_read(&f->data, SPLIT_TEST, i, &r, &err), 0);
        assert_memory_equal(s.pictures.rgb + (ptrdiff_t)i * SIDE * SIDE * 3, r.pixels,
                            SIDE * SIDE * 3);
        assert_int_equal(s.pictures.label[i], r.label);
    }
    assert_true(!s.tiles.n && !s.similarity.n && !s.segment.truth);
    record_free(&r);
    samples_free(&s);
    done(f);
}

static int read_far(const struct dataset *d, enum split split, long index, struct record *out,
                    struct error *err) {
    int status = dataset_shapes.read(d, split, index, out, err);
    out->label += INT16_MAX - 2;
    return status;
}

/* A class whose number the file has no room for is none, not another one. */
static void labels_beyond_the_file_are_none(void **state) {
    struct fixture *f = open(*state, "random", PICTURES);
    struct dataset_source far = dataset_shapes;
    far.read = read_far;
    f->data.source = &far;
    f->data.classes += INT16_MAX;
    const char **names = ARENA_ARRAY(&f->data.arena, const char *, f->data.classes);
    for (int i = 0; i < f->data.classes; i++)
        names[i] = arena_printf(&f->data.arena, "%d", i);
    f->data.class_names = names;
    struct samples s = take(f);
    struct record r = {0};
    struct error err;
    int none = 0;
    for (int i = 0; i < PICTURES; i++) {
        assert_int_equal(dataset_read(&f->data, SPLIT_TEST, i, &r, &err), 0);
        assert_int_equal(s.pictures.label[i], r.label > INT16_MAX ? -1 : r.label);
        none += r.label > INT16_MAX;
    }
    assert_true(none > 0);
    record_free(&r);
    samples_free(&s);
    done(f);
}

/* The same numbers that protocols get. */
static void features_are_those_of_the_protocols(void **state) {
    struct fixture *f = open(*state, "random", PICTURES);
    struct samples s = take(f);
    struct error err;
    int r = 0;
    cell_want(&f->cell, -1, f->cell.data);
    assert_int_equal(cell_extract(&f->cell, &err), 0);
    assert_int_equal(s.features.n, TEST);
    while (strcmp(f->cell.features.names[r], s.features.representation))
        assert_true(++r < f->cell.features.n_representations);
    assert_non_null(strstr(s.features.representation, ".cls"));
    assert_int_equal(s.features.dim, f->cell.features.dim[r]);
    assert_memory_equal(s.features.x, f->cell.features.test.x[r],
                        sizeof(float) * TEST * (size_t)s.features.dim);
    for (int i = 0; i < TEST; i++)
        assert_int_equal(s.features.label[i], f->cell.features.test.label[i]);
    assert_non_null(s.features.pca);
    assert_non_null(s.features.tsne);
    assert_true(s.features.explained[0] >= s.features.explained[1]);
    samples_free(&s);
    done(f);
}

static void attention_is_of_the_class_token(void **state) {
    struct fixture *f = open(*state, "random", PICTURES);
    struct samples s = take(f);
    const struct sample_attention *t = &s.attention;
    int places = t->height * t->width;
    assert_int_equal(t->heads, f->cell.backbone.vit.heads);
    assert_int_equal(places, 16);
    for (int i = 0; i < PICTURES * t->heads; i++) {
        double sum = 0;
        for (int k = 0; k < places; k++) {
            assert_true(t->weight[i * places + k] > 0);
            sum += (double)t->weight[i * places + k];
        }
        assert_true(sum > 0.5 && sum < 1); /* the rest is the class token's own */
    }
    samples_free(&s);
    done(f);
}

static int kind(const struct samples *s, const char *name) {
    for (int k = 0; k < s->tiles.n; k++)
        if (!strcmp(s->tiles.name[k], name))
            return k;
    fail_msg("no tiles \"%s\"", name);
    return -1;
}

static const uint8_t *tile(const struct samples *s, int k, int i) {
    return s->tiles.rgb + (ptrdiff_t)(k * s->pictures.n + i) * SIDE * SIDE * 3;
}

/* Where something is visible the visible tile is the input; where not, the prediction is taken. */
static void tiles_of_mae_belong_together(void **state) {
    struct fixture *f = open(*state, "mae", PICTURES);
    struct samples s = take(f);
    int input = kind(&s, "input"), seen = kind(&s, "visible"), guess = kind(&s, "predicted");
    int both = kind(&s, "predicted and visible"), hidden = 0;
    static const uint8_t pale[] = {222, 222, 222};
    for (int i = 0; i < PICTURES; i++)
        for (int k = 0; k < SIDE * SIDE; k++) {
            const uint8_t *a = tile(&s, input, i) + 3 * k, *b = tile(&s, seen, i) + 3 * k;
            const uint8_t *p = tile(&s, guess, i) + 3 * k, *q = tile(&s, both, i) + 3 * k;
            if (memcmp(b, pale, 3) != 0) {
                assert_memory_equal(a, b, 3);
                assert_memory_equal(q, a, 3);
                assert_memory_equal(p, pale, 3);
            } else {
                assert_memory_equal(q, p, 3);
                hidden++;
            }
        }
    assert_int_equal(hidden, PICTURES * SIDE * SIDE * 3 / 4);
    samples_free(&s);
    done(f);
}

/* Large networks draw a few at a time: the same pictures. */
static void some_are_drawn_as_all_are(void **state) {
    static const char *const drawing[] = {"mae", "beit", "split_brain", "context_encoder"};
    for (size_t m = 0; m < sizeof drawing / sizeof *drawing; m++) {
        struct fixture *f = open(*state, drawing[m], PICTURES);
        struct samples s = take(f);
        const struct showing_of what = {.settings = &f->settings,
                                        .method = f->cell.method,
                                        .data = &f->data,
                                        .seed = f->cell.seed,
                                        .context = &f->context,
                                        .checkpoint = f->cell.checkpoint,
                                        .step = f->cell.done,
                                        .first = 3,
                                        .count = 2};
        struct showing *w;
        struct error err;
        assert_int_equal(showing_open(&w, &what, &err), 0);
        assert_int_equal(showing_draw(w, &err), 0);
        assert_int_equal(w->show.n_kinds, s.tiles.n);
        for (int k = 0; k < s.tiles.n; k++)
            for (int i = 0; i < 2; i++)
                assert_memory_equal(w->show.kinds[k].tile[i].pixels, tile(&s, k, 3 + i),
                                    SIDE * SIDE * 3);
        showing_close(w);
        samples_free(&s);
        done(f);
    }
}

static void clip_compares_pictures_with_captions(void **state) {
    struct fixture *f = open(*state, "clip", PICTURES);
    struct samples s = take(f);
    struct record r = {0};
    struct error err;
    assert_int_equal(s.similarity.n, PICTURES);
    for (int i = 0; i < PICTURES; i++) {
        assert_int_equal(dataset_read(&f->data, SPLIT_TEST, i, &r, &err), 0);
        assert_string_equal(s.similarity.caption[i], record_caption(&r, 0));
        for (int j = 0; j < PICTURES; j++)
            assert_true(fabs((double)s.similarity.cosine[i * PICTURES + j]) <= 1 + 1e-6);
    }
    record_free(&r);
    samples_free(&s);
    done(f);
}

/* The first seed's predictions; the masks of shapes are as large as the encoder's input. */
static void segment_adds_its_masks(void **state) {
    struct fixture *f = open(*state, "random", PICTURES);
    struct samples s = take(f);
    struct record r = {0};
    struct error err;
    int protocol = 0;
    while (strcmp(protocols[protocol]->name, "segment"))
        protocol++;
    samples_free(&s);
    assert_int_equal(cell_evaluate(&f->cell, protocol, &f->data, &err), 0);
    assert_int_equal(samples_read(&s, file_of(f), &err), 0);
    assert_non_null(s.features.tsne); /* what was there is there */
    assert_int_equal(s.segment.pictures.n, PICTURES);
    assert_int_equal(s.segment.n_classes, f->data.mask_classes);
    assert_string_equal(s.segment.dataset, f->data.name);
    assert_memory_equal(s.segment.pictures.rgb, s.pictures.rgb, PICTURES * SIDE * SIDE * 3);
    for (int i = 0; i < PICTURES; i++) {
        assert_int_equal(dataset_read(&f->data, SPLIT_TEST, i, &r, &err), 0);
        assert_memory_equal(s.segment.truth + (ptrdiff_t)i * SIDE * SIDE, r.mask, SIDE * SIDE);
    }
    samples_free(&s);
    f->machine.samples = PICTURES + 1; /* made again: the masks stay */
    s = take(f);
    assert_int_equal(s.pictures.n, PICTURES + 1);
    assert_int_equal(s.segment.pictures.n, PICTURES);
    record_free(&r);
    samples_free(&s);
    done(f);
}

static char *bytes_of(struct place *here, const char *path, size_t *n) {
    struct error err;
    char *bytes;
    assert_int_equal(file_read(path, &here->arena, &bytes, n, &err), 0);
    return bytes;
}

static void it_is_made_once_and_only_when_asked_for(void **state) {
    struct place *here = *state;
    struct fixture *f = open(here, "random", 0);
    sample(f);
    assert_false(file_exists(file_of(f)));
    f->machine.samples = 100; /* more than there are */
    struct samples s = take(f);
    assert_int_equal(s.pictures.n, TEST);
    assert_int_equal(s.asked, 100);
    samples_free(&s);
    size_t n, m;
    struct stat before, after;
    const char *first = bytes_of(here, file_of(f), &n);
    assert_int_equal(stat(file_of(f), &before), 0);
    sample(f);
    f->machine.samples = 3; /* fewer than there are */
    sample(f);
    assert_int_equal(stat(file_of(f), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(remove(file_of(f)), 0);
    f->machine.samples = 100;
    f->context.threads = 3;
    sample(f);
    const char *again = bytes_of(here, file_of(f), &m);
    assert_int_equal(n, m);
    assert_memory_equal(first, again, n); /* on any number of threads */
    done(f);
}

static void it_changes_nothing(void **state) {
    struct place *here = *state;
    struct fixture *f = open(here, "mae", 0);
    const char *id = arena_strdup(&here->arena, f->cell.id);
    size_t bytes = f->cell.model.slab.bytes;
    float *weights = malloc(bytes);
    memcpy(weights, f->cell.model.slab.data, bytes);
    f->machine.samples = PICTURES;
    sample(f);
    assert_memory_equal(weights, f->cell.model.slab.data, bytes);
    cell_name(&f->cell);
    assert_string_equal(id, f->cell.id);
    free(weights);
    done(f);
}

static void what_cannot_be_made_costs_no_run(void **state) {
    struct place *here = *state;
    struct fixture *f = open(here, "random", PICTURES);
    struct error err;
    assert_int_equal(mkdir(file_of(f), 0777), 0); /* nothing can be renamed over a folder */
    sample(f);
    assert_int_equal(remove(file_of(f)), 0);
    assert_int_equal(file_write_atomic(file_of(f), "not ours", 8, &err), 0);
    sample(f); /* left alone */
    size_t n;
    assert_memory_equal(bytes_of(here, file_of(f), &n), "not ours", 8);
    assert_int_equal(remove(file_of(f)), 0);
    f->stop = 1;
    assert_int_equal(cell_sample(&f->cell, &f->settings, &err), STATUS_INTERRUPTED);
    assert_false(file_exists(file_of(f)));
    done(f);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_PLACE(pictures_are_the_first_test_images),
        IN_PLACE(labels_beyond_the_file_are_none),
        IN_PLACE(features_are_those_of_the_protocols),
        IN_PLACE(attention_is_of_the_class_token),
        IN_PLACE(tiles_of_mae_belong_together),
        IN_PLACE(some_are_drawn_as_all_are),
        IN_PLACE(clip_compares_pictures_with_captions),
        IN_PLACE(segment_adds_its_masks),
        IN_PLACE(it_is_made_once_and_only_when_asked_for),
        IN_PLACE(it_changes_nothing),
        IN_PLACE(what_cannot_be_made_costs_no_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
