/* Figures of pictures and features: whose samples.h5 is drawn, what is in the .dat, what is left
 * out. */
#include "reports/report.h"

#include "core/file.h"
#include "core/log.h"
#include "results/samples.h"

#include "tests/place.h"
#include "tests/report_runs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N = 9, SIDE = 12, KINDS = 3, HEADS = 2, GRID = 3, POINTS = 120, DIM = 3, MOST = 20 };

static const char *const figures[] = {"reconstructions", "attention", "segmentation",
                                      "similarity",      "pca",       "tsne"};
enum { FIGURES = sizeof figures / sizeof *figures };

static void need_gnuplot(void) {
    if (system("gnuplot --version >/dev/null 2>&1"))
        skip();
}

static char *figure(struct place *here, const char *name) {
    return arena_printf(&here->arena, "%s/figures/%s", here->folder, name);
}

static char *content(struct place *here, const char *name) {
    char *data = NULL;
    size_t bytes = 0;
    struct error err = {0};
    assert_int_equal(file_read(figure(here, name), &here->arena, &data, &bytes, &err), 0);
    return data;
}

static uint8_t *bytes(struct place *here, int n, int seed, int most) {
    uint8_t *out = arena_alloc(&here->arena, (size_t)n);
    for (int i = 0; i < n; i++)
        out[i] = (uint8_t)((i * 13 + i / 3 / SIDE * 29 + seed * 71) % most);
    return out;
}

static const char *const *names(struct place *here, const char *what, int n) {
    const char **out = ARENA_ARRAY(&here->arena, const char *, n);
    for (int i = 0; i < n; i++)
        out[i] = arena_printf(&here->arena, "%s %d", what, i);
    return out;
}

static void put_features(struct place *here, struct samples *s, int classes) {
    struct arena *a = &here->arena;
    float *x = ARENA_ARRAY(a, float, POINTS *DIM);
    double *pca = ARENA_ARRAY(a, double, 2 * POINTS), *tsne = ARENA_ARRAY(a, double, 2 * POINTS);
    int16_t *label = ARENA_ARRAY(a, int16_t, POINTS);
    for (int i = 0; i < POINTS; i++) {
        label[i] = (int16_t)(i % classes);
        for (int k = 0; k < 2; k++) {
            pca[2 * i + k] = sin(i % classes + k) + 0.1 * cos(i * 1.7 + k);
            tsne[2 * i + k] = 20 * sin(2 * (i % classes) + 2 * k) + 3 * cos(i * 2.3 + k);
        }
    }
    s->features =
        (struct sample_features){"layer6.cls", POINTS, DIM, x, label, {0.5, 0.2}, pca, tsne};
}

/* Everything that a run can have. */
static struct samples make(struct place *here, int seed, int classes) {
    struct arena *a = &here->arena;
    const int area = SIDE * SIDE;
    struct samples s = {
        .run_id = "run",
        .dataset = "shapes",
        .asked = N,
        .n_classes = classes,
        .class_name = names(here, "class", classes),
        .pictures = {N, SIDE, SIDE, bytes(here, N * area * 3, 1, 256), NULL},
        .tiles = {KINDS, names(here, "kind", KINDS), bytes(here, KINDS * N * area * 3, seed, 256)}};
    float *weight = ARENA_ARRAY(a, float, N *HEADS *GRID *GRID);
    float *cosine = ARENA_ARRAY(a, float, N *N);
    for (int i = 0; i < N * HEADS * GRID * GRID; i++)
        weight[i] = (float)(1 + (i * 7 + seed) % 5) / 40;
    for (int i = 0; i < N * N; i++)
        cosine[i] = i % (N + 1) ? 0.05F * (float)((i + seed) % 7) - 0.1F : 0.6F;
    s.attention = (struct sample_attention){HEADS, GRID, GRID, weight};
    s.similarity = (struct sample_similarity){N, cosine, names(here, "a caption of image", N)};
    s.segment = (struct sample_segment){"shapes",
                                        "1",
                                        1,
                                        s.pictures,
                                        bytes(here, N * area, 2, 4),
                                        bytes(here, N * area, seed, 4),
                                        4,
                                        names(here, "thing", 4)};
    put_features(here, &s, classes);
    return s;
}

/* A run with a result, whose folder holds that. */
static struct run *add(struct place *here, struct runs *runs, const char *method, int seed,
                       const struct samples *s) {
    struct run *r = add_result(runs, method, seed, "linear", 0.5);
    struct error err = {0};
    char *folder = arena_printf(&here->arena, "%s/run%d", here->folder, runs->n);
    r->folder = folder;
    assert_int_equal(make_folders(folder, &err), 0);
    if (s && samples_write(s, arena_printf(&here->arena, "%s/samples.h5", folder), &err))
        fail_msg("%s", err.message);
    return r;
}

static void draw(struct place *here, const struct runs *runs) {
    const struct report_options o = {.format = "svg,png"};
    struct error err = {0};
    if (report_figures(runs->run, runs->n, here->folder, &o, &err))
        fail_msg("%s", err.message);
}

static int is_drawn(struct place *here, const char *name) {
    return file_exists(figure(here, arena_printf(&here->arena, "%s.svg", name)));
}

static void every_part_has_its_figure(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    need_gnuplot();
    for (int m = 0; m < 3; m++) {
        const struct samples s = make(here, m, 4);
        add(here, &runs, m == 0 ? "mae" : m == 1 ? "dino" : "clip", 0, &s);
    }
    draw(here, &runs);
    for (int i = 0; i < FIGURES; i++)
        assert_true(is_drawn(here, figures[i]));
    const char *svg = content(here, "attention.svg");
    assert_non_null(strstr(svg, "image-rendering:pixelated"));
    assert_non_null(strstr(content(here, "tsne.dat"), "\tclass 3\n"));
    assert_non_null(strstr(content(here, "segmentation.dat"), "\tthing 3\n"));
    assert_null(strstr(content(here, "segmentation.dat"), "\tthing 0\n")); /* the background */
    assert_non_null(strstr(content(here, "similarity.dat"), ": 9 of 9 captions are nearest"));
    arena_free(&runs.arena);
}

static void what_a_run_lacks_is_left_out(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    need_gnuplot();
    struct samples s = make(here, 0, 4);
    s.tiles.n = s.similarity.n = 0;
    s.tiles.rgb = s.segment.pictures.rgb = NULL;
    s.similarity.cosine = NULL;
    add(here, &runs, "mae", 0, &s);
    add(here, &runs, "random", 0, NULL);
    draw(here, &runs);
    assert_true(is_drawn(here, "main") && is_drawn(here, "attention") && is_drawn(here, "tsne"));
    assert_true(!is_drawn(here, "reconstructions") && !is_drawn(here, "segmentation") &&
                !is_drawn(here, "similarity"));
    assert_null(strstr(content(here, "attention.dat"), "random"));
    arena_free(&runs.arena);
}

/* Other seeds are not even opened, a broken file is left out, and so is one that is none. */
static void the_lowest_seed_with_a_file_is_drawn(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct error err = {0};
    need_gnuplot();
    for (int seed = 3; seed-- > 0;) {
        struct samples s = make(here, seed, 4);
        struct run *r = add(here, &runs, "mae", seed, seed ? &s : NULL);
        const char *path = arena_printf(&here->arena, "%s/samples.h5", r->folder);
        if (seed == 2)
            assert_int_equal(file_write_atomic(path, "broken", 6, &err), 0);
    }
    struct run *r = add(here, &runs, "dino", 0, NULL);
    const char *path = arena_printf(&here->arena, "%s/samples.h5", r->folder);
    assert_int_equal(file_write_atomic(path, "broken", 6, &err), 0);
    draw(here, &runs);
    const char *dat = content(here, "reconstructions.dat");
    assert_non_null(strstr(dat, "Pretraining seed 1."));
    assert_null(strstr(dat, "dino"));
    arena_free(&runs.arena);
}

/* The numbers of a line of the block's matrix. */
static int numbers(const char *dat, const char *block, int line, int *out, int most) {
    char head[64];
    snprintf(head, sizeof head, "\n# %s\n", block);
    const char *at = strstr(dat, head);
    int n = 0;
    assert_non_null(at);
    at = strchr(at + 1, '\n') + 1;
    while (line-- > 0)
        at = strchr(at, '\n') + 1;
    for (char *end; n < most && *at != '\n'; at = end + (*end == '\t')) {
        out[n++] = (int)strtol(at, &end, 10);
        if (*end == '\n')
            break;
    }
    return n;
}

static void pixels_are_those_of_the_pictures(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    int rgb[1024];
    need_gnuplot();
    const struct samples s = make(here, 5, 4);
    add(here, &runs, "mae", 0, &s);
    draw(here, &runs);
    const char *dat = content(here, "attention.dat"); /* its first row: the pictures */
    for (int y = 0; y < SIDE; y++) {
        int n = numbers(dat, "pixels", y, rgb, 1024);
        assert_int_equal(n, 8 * (SIDE + 1) - 1);
        for (int x = 0; x < n; x++) {
            const uint8_t *p = s.pictures.rgb + 3 * ((ptrdiff_t)x / (SIDE + 1) * SIDE * SIDE +
                                                     y * SIDE + x % (SIDE + 1));
            assert_int_equal(rgb[x],
                             x % (SIDE + 1) == SIDE ? 0xffffff : p[0] << 16 | p[1] << 8 | p[2]);
        }
    }
    arena_free(&runs.arena);
}

/* Large pictures are averaged down. */
static void large_pictures_become_small(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    int rgb[4096];
    enum { LARGE = 128, HALF = LARGE / 2 };
    need_gnuplot();
    struct samples s = make(here, 5, 4);
    uint8_t *large = arena_alloc(&here->arena, (size_t)N * LARGE * LARGE * 3);
    for (int i = 0; i < N * LARGE * LARGE; i++)
        large[3 * i] = i % 2 ? 100 : 50, large[3 * i + 1] = i / LARGE % 2 ? 0 : 20;
    s.pictures = (struct sample_pictures){N, LARGE, LARGE, large, NULL};
    s.tiles.n = 0;
    s.tiles.rgb = NULL;
    s.segment.pictures.rgb = NULL;
    add(here, &runs, "mae", 0, &s);
    draw(here, &runs);
    int n = numbers(content(here, "attention.dat"), "pixels", 7, rgb, 4096);
    assert_int_equal(n, 8 * (HALF + HALF / 16) - HALF / 16);
    for (int x = 0; x < HALF; x++)
        assert_int_equal(rgb[x], 75 << 16 | 10 << 8);
    arena_free(&runs.arena);
}

/* Ten methods with long names, two datasets, many classes, one class alone, a run that is not
 * complete: gnuplot has nothing to say. */
static void much_is_drawn_too(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    need_gnuplot();
    for (int m = 0; m < 10; m++) {
        struct samples s = make(here, m, m < 6 ? 4 : MOST);
        struct run *r =
            add(here, &runs, arena_printf(&here->arena, "a_method_with_a_long_name_%d", m), m, &s);
        if (m >= 6)
            snprintf(r->dataset, sizeof r->dataset, "another-dataset");
        if (m == 3)
            snprintf(r->status, sizeof r->status, "interrupted");
    }
    draw(here, &runs);
    for (int i = 0; i < FIGURES; i++)
        assert_true(is_drawn(here, figures[i]));
    assert_non_null(strstr(content(here, "pca.dat"), "Colours "));
    assert_non_null(strstr(content(here, "attention.dat"), "*: "));
    arena_free(&runs.arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_part_has_its_figure),
        TEST(what_a_run_lacks_is_left_out),
        TEST(the_lowest_seed_with_a_file_is_drawn),
        TEST(pixels_are_those_of_the_pictures),
        TEST(large_pictures_become_small),
        TEST(much_is_drawn_too),
    };
    log_setup(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
