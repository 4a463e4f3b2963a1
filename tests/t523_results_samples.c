/* samples.h5: what is written is read, and of what is no such file one line says why. */
#include "results/samples.h"

#include "core/file.h"
#include "results/run.h"

#include "tests/place.h"

#include <hdf5.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 3, H = 4, W = 5, TILES = 2, HEADS = 2, PLACES = 6, FEATURES = 7, DIM = 4, CLASSES = 3 };

struct content {
    uint8_t input[N * H * W * 3], tile[TILES * N * H * W * 3];
    uint8_t truth[N * H * W], predicted[N * H * W];
    float attention[N * HEADS * PLACES], x[FEATURES * DIM], cosine[4];
    double pca[2 * FEATURES], tsne[2 * FEATURES];
    int16_t label[FEATURES];
};

static const char *const classes[] = {"disc", "ring", "caf\xc3\xa9"};
static const char *const tiles[] = {"visible", "predicted and visible"};
static const char *const captions[] = {"a disc", "a very long caption of a ring"};

/* Everything that a file can have. */
static struct samples make(struct content *c) {
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < sizeof c->tile; i++)
        c->tile[i] = (uint8_t)(7 * i);
    for (size_t i = 0; i < sizeof c->input; i++)
        c->input[i] = (uint8_t)(i * i);
    for (int i = 0; i < N * H * W; i++) {
        c->truth[i] = i % 5 == 4 ? SAMPLES_MASK_IGNORE : (uint8_t)(i % CLASSES);
        c->predicted[i] = (uint8_t)(i / 2 % CLASSES);
    }
    for (int i = 0; i < N * HEADS * PLACES; i++)
        c->attention[i] = (float)i / 100;
    for (int i = 0; i < FEATURES; i++) {
        c->label[i] = (int16_t)(i % (CLASSES + 1) - 1);
        for (int k = 0; k < DIM; k++)
            c->x[i * DIM + k] = (float)(i - k) / 3;
        for (int k = 0; k < 2; k++) {
            c->pca[2 * i + k] = i / 7.0 - k;
            c->tsne[2 * i + k] = i / 3.0 + k;
        }
    }
    for (int i = 0; i < 4; i++)
        c->cosine[i] = 0.25F * (float)i;
    const struct sample_pictures p = {N, H, W, c->input, c->label};
    return (struct samples){
        .run_id = "mae-s0",
        .dataset = "shapes",
        .asked = 16,
        .n_classes = CLASSES,
        .class_name = classes,
        .pictures = p,
        .tiles = {TILES, tiles, c->tile},
        .attention = {HEADS, 2, 3, c->attention},
        .features = {"layer6.cls", FEATURES, DIM, c->x, c->label, {0.5, 0.25}, c->pca, c->tsne},
        .similarity = {2, c->cosine, captions},
        .segment = {"streets",
                    "1.0+1234",
                    1,
                    {N, H, W, c->input, NULL},
                    c->truth,
                    c->predicted,
                    CLASSES,
                    classes}};
}

static void what_is_written_is_read(void **state) {
    struct place *here = *state;
    struct content c;
    struct samples s = make(&c), r;
    struct error err;
    const char *path = in(here, "samples.h5");
    assert_int_equal(samples_write(&s, path, &err), 0);
    assert_int_equal(samples_read(&r, path, &err), 0);
    assert_string_equal(r.run_id, "mae-s0");
    assert_string_equal(r.dataset, "shapes");
    assert_int_equal(r.asked, 16);
    assert_int_equal(r.n_classes, CLASSES);
    assert_string_equal(r.class_name[2], classes[2]);
    assert_true(r.pictures.n == N && r.pictures.height == H && r.pictures.width == W);
    assert_memory_equal(r.pictures.rgb, c.input, sizeof c.input);
    assert_memory_equal(r.pictures.label, c.label, N * sizeof *c.label);
    assert_int_equal(r.tiles.n, TILES);
    assert_string_equal(r.tiles.name[1], tiles[1]);
    assert_memory_equal(r.tiles.rgb, c.tile, sizeof c.tile);
    assert_true(r.attention.heads == HEADS && r.attention.height == 2 && r.attention.width == 3);
    assert_memory_equal(r.attention.weight, c.attention, sizeof c.attention);
    assert_true(r.features.n == FEATURES && r.features.dim == DIM);
    assert_string_equal(r.features.representation, "layer6.cls");
    assert_memory_equal(r.features.x, c.x, sizeof c.x);
    assert_memory_equal(r.features.pca, c.pca, sizeof c.pca);
    assert_memory_equal(r.features.tsne, c.tsne, sizeof c.tsne);
    assert_true(r.features.explained[0] == 0.5 && r.features.explained[1] == 0.25);
    assert_int_equal(r.similarity.n, 2);
    assert_string_equal(r.similarity.caption[1], captions[1]);
    assert_memory_equal(r.similarity.cosine, c.cosine, sizeof c.cosine);
    assert_string_equal(r.segment.dataset, "streets");
    assert_int_equal(r.segment.background, 1);
    assert_int_equal(r.segment.n_classes, CLASSES);
    assert_memory_equal(r.segment.truth, c.truth, sizeof c.truth);
    assert_memory_equal(r.segment.predicted, c.predicted, sizeof c.predicted);
    samples_free(&r);
    assert_null(r.pictures.rgb);
}

static void parts_may_be_missing(void **state) {
    struct place *here = *state;
    struct samples s = {.run_id = "random-s0", .dataset = "d", .asked = 4}, r;
    struct error err;
    const char *path = in(here, "samples.h5");
    assert_int_equal(samples_write(&s, path, &err), 0);
    assert_int_equal(samples_read(&r, path, &err), 0);
    assert_true(!r.pictures.rgb && !r.tiles.n && !r.attention.weight && !r.features.x);
    assert_true(!r.similarity.n && !r.segment.truth && !r.n_classes);
    samples_free(&r);
}

static void equal_contents_are_equal_files(void **state) {
    struct place *here = *state;
    struct content c;
    struct samples s = make(&c);
    struct error err;
    char *one, *two;
    size_t n, m;
    assert_int_equal(samples_write(&s, in(here, "one"), &err), 0);
    sleep(1); /* no time of day is in it */
    assert_int_equal(samples_write(&s, in(here, "two"), &err), 0);
    assert_int_equal(file_read(in(here, "one"), &here->arena, &one, &n, &err), 0);
    assert_int_equal(file_read(in(here, "two"), &here->arena, &two, &m, &err), 0);
    assert_int_equal(n, m);
    assert_memory_equal(one, two, n);
}

static void refused(const char *path, const char *why) {
    struct samples r;
    struct error err;
    assert_int_equal(samples_read(&r, path, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, path));
    if (!strstr(err.message, why))
        fail_msg("no \"%s\" in: %s", why, err.message);
    assert_null(strchr(err.message, '\n'));
    assert_null(r.pictures.rgb);
}

static void set_text(const char *path, const char *name, const char *text) {
    hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t a = H5Aopen(f, name, H5P_DEFAULT), type = H5Aget_type(a);
    assert_true(H5Awrite(a, type, &text) >= 0);
    H5Tclose(type);
    H5Aclose(a);
    H5Fclose(f);
}

static void other_files_are_refused_in_one_line(void **state) {
    struct place *here = *state;
    struct content c;
    struct samples s = make(&c);
    struct error err;
    const char *path = in(here, "samples.h5");
    char *bytes;
    size_t n;
    refused(path, "No such file");
    assert_int_equal(file_write_atomic(path, "text", 4, &err), 0);
    refused(path, "delete it and run again");
    assert_int_equal(samples_write(&s, path, &err), 0);
    assert_int_equal(file_read(path, &here->arena, &bytes, &n, &err), 0);
    assert_int_equal(file_write_atomic(path, bytes, n / 2, &err), 0);
    refused(path, "delete it and run again");
    bytes[n / 2] ^= 1;
    assert_int_equal(file_write_atomic(path, bytes, n, &err), 0);
    refused(path, "its checksum does not fit");

    struct run run;
    run_init(&run);
    assert_int_equal(run_write(&run, here->folder, &err), 0);
    refused(in(here, "run.h5"), "not pictures and features of a run");
    run_free(&run);

    assert_int_equal(samples_write(&s, path, &err), 0);
    set_text(path, "format_version", "2.0");
    refused(path, "use a newer ssvbench");
}

/* What indexes something is checked when it is read. */
static void numbers_that_cannot_be_are_refused(void **state) {
    struct place *here = *state;
    struct content c;
    struct samples s = make(&c);
    struct error err;
    const char *path = in(here, "samples.h5");
    c.label[1] = CLASSES;
    assert_int_equal(samples_write(&s, path, &err), 0);
    refused(path, "class 3 of 3");
    s = make(&c);
    c.predicted[5] = CLASSES;
    assert_int_equal(samples_write(&s, path, &err), 0);
    refused(path, "/segment/predicted");
    s = make(&c);
    c.tsne[3] = 1 / 0.0;
    assert_int_equal(samples_write(&s, path, &err), 0);
    refused(path, "a point is not finite");
    s = make(&c);
    s.similarity.n = 1;
    s.pictures.n = N;
    s.tiles.n = 1; /* two names of one tile */
    assert_int_equal(samples_write(&s, path, &err), 0);
    hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(H5Ldelete(f, "/method/tile", H5P_DEFAULT) >= 0);
    H5Fclose(f);
    refused(path, "/method/tile");
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_PLACE(what_is_written_is_read),
        IN_PLACE(parts_may_be_missing),
        IN_PLACE(equal_contents_are_equal_files),
        IN_PLACE(other_files_are_refused_in_one_line),
        IN_PLACE(numbers_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
