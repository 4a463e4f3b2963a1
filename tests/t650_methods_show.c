/* Pictures of methods: the parts that move pixels, attention looked at once more, and a whole
 * picture of MAE taken apart again. */
#include "methods/show.h"
#include "nn/checkpoint.h"
#include "protocols/picture.h"

#include "tests/place.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct kctx one_thread = {.threads = 1};

static float noise(int k) {
    return (float)sin(1.7 * k + k % 11);
}

static void unstandardizing_undoes_the_kernel(void **state) {
    (void)state;
    enum { ROWS = 5, COLS = 12 };
    real x[ROWS * COLS], y[ROWS * COLS];
    for (int i = 0; i < ROWS * COLS; i++)
        x[i] = i / COLS == 3 ? 0.25F : (i / COLS + 1) * noise(i) - 0.5F * (i / COLS);
    for (int cols = 1; cols <= COLS; cols += 11) {
        kernels_ref()->standardize_rows(&one_thread, ROWS, cols, 1e-6F, x, y);
        show_unstandardize(ROWS, cols, 1e-6, x, y);
        for (int i = 0; i < ROWS * cols; i++)
            assert_true(fabs((double)x[i] - (double)y[i]) < 2e-6);
    }
    real two[] = {1, -1}, like[] = {3, 5}; /* mean 4, unbiased deviation sqrt 2 */
    show_unstandardize(1, 2, 0, like, two);
    assert_true(fabs((double)two[0] - (4 + sqrt(2.0))) < 1e-6);
    assert_true(fabs((double)two[1] - (4 - sqrt(2.0))) < 1e-6);
}

static void patches_take_their_places(void **state) {
    (void)state;
    enum { CHANNELS = 3, SIDE = 12, PATCH = 4, GRID = SIDE / PATCH, N = 3 };
    enum { COLS = CHANNELS * PATCH * PATCH };
    static const int32_t index[N] = {7, 0, 5};
    float image[CHANNELS * SIDE * SIDE], before[CHANNELS * SIDE * SIDE];
    real rows[N * COLS];
    for (int i = 0; i < CHANNELS * SIDE * SIDE; i++)
        image[i] = before[i] = noise(i);
    for (int i = 0; i < N * COLS; i++)
        rows[i] = (real)(100 + i);
    show_paste_patches(kernels_ref(), CHANNELS, SIDE, PATCH, N, index, rows, image);
    for (int i = 0; i < CHANNELS * SIDE * SIDE; i++) {
        int c = i / (SIDE * SIDE), y = i / SIDE % SIDE, x = i % SIDE, from = -1;
        for (int j = 0; j < N; j++)
            if (index[j] == y / PATCH * GRID + x / PATCH)
                from = j * COLS + c * PATCH * PATCH + y % PATCH * PATCH + x % PATCH;
        assert_true(image[i] == (from < 0 ? before[i] : rows[from]));
    }
}

static struct color pixel(const struct canvas *c, int x, int y) {
    struct color color;
    memcpy(&color, c->pixels + 3 * (y * c->width + x), 3);
    return color;
}

static int same(struct color a, struct color b) {
    return a.r == b.r && a.g == b.g && a.b == b.b;
}

static void blanks_cover_whole_patches(void **state) {
    (void)state;
    struct arena a = {0};
    static const int32_t index[] = {1, 3};
    struct canvas c = canvas_make(&a, 24, 24, WHITE); /* 8 x 8 pixels, three times as large */
    show_blank_patches(&c, 8, 4, 2, index, PALE);
    for (int i = 0; i < 24 * 24; i++)
        assert_true(same(pixel(&c, i % 24, i / 24), i % 24 >= 12 ? PALE : WHITE));
    arena_free(&a);
}

static void tiles_have_their_colours_back(void **state) {
    (void)state;
    static const struct normalization norm = {{0.5, 0.4, 0.2}, {0.25, 0.2, 0.1}};
    static const struct backbone backbone = {.channels = 3};
    struct show s = {.norm = &norm, .backbone = &backbone};
    float image[3 * 2 * 2] = {0, 1, 2, -2, 0, 1, 3, -2, 0, 1, 8, -2};
    struct canvas c = show_tile(&s, 2, image);
    assert_int_equal(c.width, 160);
    assert_int_equal(show_side(32), 160);
    assert_int_equal(show_side(28), 168);
    assert_int_equal(show_side(224), 224);
    assert_true(same(pixel(&c, 79, 79), (struct color){128, 102, 51}));
    assert_true(same(pixel(&c, 80, 79), (struct color){191, 153, 77}));
    assert_true(same(pixel(&c, 79, 80), (struct color){255, 255, 255}));
    assert_true(same(pixel(&c, 159, 159), (struct color){0, 0, 0}));
    arena_free(&s.arena);
}

/* Probabilities times v must be what the graph computed. */
static void check_attention(int views, int causal, int with_bias) {
    enum { GRID = 2, TOKENS = 1 + GRID * GRID, HEADS = 2, DIM = 6, D = DIM / HEADS, N = 3 };
    struct model m;
    struct graph g;
    struct exec *x;
    struct error err;
    model_init(&m);
    graph_init(&g, &m);
    int group = model_group(&m, "encoder");
    const int dim[] = {views, TOKENS, 3 * DIM};
    struct tensor *qkv = graph_input(&g, "input", views ? 3 : 2, views ? dim : dim + 1);
    const struct linear_spec spec = {.group = group, .out = 3 * DIM, .init = INIT_XAVIER};
    qkv = op_linear(&g, "qkv", qkv, &spec, NULL);
    struct tensor *bias =
        with_bias ? op_relative_bias(&g, "table", group, GRID, GRID, HEADS) : NULL;
    struct tensor *t = op_attention(&g, "attn", qkv, HEADS, causal, bias);
    graph_output(&g, qkv);
    graph_output(&g, t);
    graph_plan(&g);
    assert_int_equal(model_allocate(&m, 0, 0, &err), 0);
    for (size_t i = 0; i < m.count; i++)
        m.value[i] = noise((int)i);
    m.version++;
    const struct exec_config config = {.kernels = kernels_ref(), .threads = 1, .batch = N};
    assert_int_equal(exec_open(&x, &g, &config, &err), 0);
    int v = views ? views : 1, rows = v * HEADS * TOKENS;
    float in[N * 2 * TOKENS * 3 * DIM];
    for (int i = 0; i < N * v * TOKENS * 3 * DIM; i++)
        in[i] = noise(3 * i);
    exec_bind(x, g.tensors[0], in);
    exec_run(x, N);
    real p[2 * HEADS * TOKENS * TOKENS];
    for (int n = 0; n < N; n++) {
        const real *q = exec_output(x, qkv) + (size_t)n * qkv->per_sample;
        const real *y = exec_output(x, t) + (size_t)n * t->per_sample;
        attention_probabilities(t, q, bias ? exec_shared(x, bias) : NULL, p);
        for (int r = 0; r < rows; r++) {
            int view = r / (HEADS * TOKENS), head = r / TOKENS % HEADS, token = r % TOKENS;
            double sum = 0, want[D] = {0};
            for (int j = 0; j < TOKENS; j++) {
                double share = (double)p[r * TOKENS + j];
                const real *value = q + ((view * TOKENS + j) * 3 + 2) * DIM + head * D;
                sum += share;
                assert_true(!causal || j <= token || share == 0);
                for (int k = 0; k < D; k++)
                    want[k] += share * (double)value[k];
            }
            assert_true(fabs(sum - 1) < 1e-5);
            real one[HEADS * TOKENS];
            if (!views) {
                attention_of_token(t, q, bias ? exec_shared(x, bias) : NULL, token, one);
                for (int j = 0; j < TOKENS; j++)
                    assert_true(fabs((double)(one[head * TOKENS + j] - p[r * TOKENS + j])) < 1e-6);
            }
            for (int k = 0; k < D; k++)
                assert_true(
                    fabs(want[k] - (double)y[(view * TOKENS + token) * DIM + head * D + k]) < 1e-5);
        }
    }
    exec_close(x);
    graph_free(&g);
    model_free(&m);
}

static void attention_is_what_the_graph_used(void **state) {
    (void)state;
    check_attention(0, 0, 0);
    check_attention(0, 1, 0);
    check_attention(0, 0, 1);
    check_attention(2, 0, 1);
}

/* ---- a whole picture ---- */

/* A checkpoint of drawn weights, and its picture. */
static struct canvas make_picture(struct place *here, const char *options, int threads,
                                  const char *name) {
    struct settings *drawn = ARENA_NEW(&here->arena, struct settings);
    struct settings *fresh = ARENA_NEW(&here->arena, struct settings);
    struct cell *cell = ARENA_NEW(&here->arena, struct cell);
    struct dataset data;
    struct error err = {0};
    const char *spec = "shapes:size=16,train=8,test=4";
    const struct context context = {.kernels = kernels_cpu(), .threads = threads};
    char *text = arena_printf(&here->arena,
                              "methods = mae\nseeds = 3\npatch = 4\nbatch = 4\n"
                              "data = %s\n%s",
                              spec, options);
    const char *path = in(here, "weights.safetensors");
    settings_init(drawn);
    assert_int_equal(options_load_text(&drawn->options, text, "test", &err), 0);
    assert_int_equal(dataset_open(&data, spec, &err), 0);
    assert_int_equal(cell_build(cell, drawn, method_find("mae"), &data, 3, &context, 0, &err), 0);
    text = settings_run_text(&cell->settings, cell->method, &here->arena);
    assert_int_equal(checkpoint_save(path, &cell->model, NULL, 5, text, "", &err), 0);
    cell_close(cell);
    dataset_close(&data);
    settings_free(drawn);

    char *said = NULL;
    size_t bytes;
    FILE *lines = open_memstream(&said, &bytes);
    const struct picture picture = {path, in(here, name), 3, lines};
    settings_init(fresh);
    int status = picture_make(fresh, &picture, &context, &err);
    if (status)
        fail_msg("%s", err.message);
    settings_free(fresh);
    fclose(lines);
    assert_int_equal(strncmp(said, "image 0: squared error of 12 hidden patches ", 44), 0);
    assert_non_null(strstr(said, "\nimage 2: "));
    free(said);
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, picture.out));
    image.format = PNG_FORMAT_RGB;
    struct canvas c = canvas_make(&here->arena, (int)image.width, (int)image.height, BLACK);
    assert_true(png_image_finish_read(&image, NULL, c.pixels, 0, NULL));
    return c;
}

enum { COLUMNS = 4, ROWS = 3, TILE = 160, PATCH = 40, GRID = 4 };
enum { INPUT, VISIBLE, PREDICTED, BOTH };

/* Where tile (row, column) begins: above are the head on one line and titles on two. */
static const uint8_t *tile(const struct canvas *c, int row, int column) {
    int x = SHEET_GUTTER + column * (TILE + SHEET_GUTTER);
    int y = 2 * SHEET_GUTTER + SHEET_GUTTER / 2 + 3 * TEXT_HEIGHT * SHEET_SCALE +
            row * (TILE + SHEET_GUTTER);
    return c->pixels + 3 * ((ptrdiff_t)y * c->width + x);
}

/* Whether a patch is the same in two tiles; b NULL: whether it is blank. */
static int equal_patch(const struct canvas *c, const uint8_t *a, const uint8_t *b, int patch) {
    ptrdiff_t from = 3 * ((ptrdiff_t)(patch / GRID) * PATCH * c->width + patch % GRID * PATCH);
    const struct color pale = PALE;
    for (int y = 0; y < PATCH; y++)
        for (int x = 0; x < PATCH; x++) {
            ptrdiff_t at = from + 3 * ((ptrdiff_t)y * c->width + x);
            if (memcmp(a + at, b ? b + at : &pale.r, 3) != 0)
                return 0;
        }
    return 1;
}

static void mae_pastes_predictions_where_nothing_was_visible(void **state) {
    struct place *here = *state;
    struct canvas c = make_picture(here, "", 1, "a.png");
    assert_int_equal(c.width, COLUMNS * TILE + 5 * SHEET_GUTTER);
    for (int row = 0; row < ROWS; row++) {
        const uint8_t *t[COLUMNS];
        int hidden = 0, changed = 0;
        for (int j = 0; j < COLUMNS; j++)
            t[j] = tile(&c, row, j);
        for (int p = 0; p < GRID * GRID; p++) {
            int blank = equal_patch(&c, t[VISIBLE], NULL, p);
            hidden += blank;
            assert_int_equal(equal_patch(&c, t[PREDICTED], NULL, p), !blank);
            assert_true(equal_patch(&c, t[BOTH], t[blank ? PREDICTED : INPUT], p));
            assert_int_equal(equal_patch(&c, t[VISIBLE], t[INPUT], p), !blank);
            changed += !equal_patch(&c, t[BOTH], t[INPUT], p);
        }
        assert_int_equal(hidden, 12);
        assert_true(changed > 6);
    }
}

static void pictures_do_not_depend_on_threads(void **state) {
    struct place *here = *state;
    struct canvas a = make_picture(here, "", 1, "a.png"), b = make_picture(here, "", 3, "b.png");
    assert_memory_equal(a.pixels, b.pixels, (size_t)a.width * (size_t)a.height * 3);
}

/* With predictions in pixels nothing of the input is reused, and the note is gone. */
static void only_standardised_predictions_say_so(void **state) {
    struct place *here = *state;
    struct canvas a = make_picture(here, "", 1, "a.png");
    struct canvas b = make_picture(here, "[mae]\nnorm_pix = false\n", 1, "b.png");
    assert_int_equal(a.height - b.height, 2 * TEXT_HEIGHT * SHEET_SCALE);
    assert_memory_equal(tile(&a, 0, INPUT), tile(&b, 0, INPUT), (size_t)3 * TILE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unstandardizing_undoes_the_kernel),
        cmocka_unit_test(patches_take_their_places),
        cmocka_unit_test(blanks_cover_whole_patches),
        cmocka_unit_test(tiles_have_their_colours_back),
        cmocka_unit_test(attention_is_what_the_graph_used),
        cmocka_unit_test_setup_teardown(mae_pastes_predictions_where_nothing_was_visible, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(pictures_do_not_depend_on_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_standardised_predictions_say_so, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
