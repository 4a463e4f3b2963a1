/* JPEG files, whole and broken; squares as Pillow makes them (tests/golden/resize.py). */
#include "core/rng.h"
#include "data/decode.h"
#include "data/image_cache.h"
#include "data/resize.h"
#include "tests/data_files.h"
#include "tests/jpeg_files.h"

#include <math.h>

#include "tests/golden/resize.h"

static void squares_equal_pillow(void **state) {
    (void)state;
    for (size_t n = 0; n < sizeof golden_squares / sizeof *golden_squares; n++) {
        const struct golden_square *g = &golden_squares[n];
        struct arena a = {0};
        int pixels = g->height * g->width * 3, off = 0;
        uint8_t *in = arena_alloc(&a, (size_t)pixels), out[8 * 8 * 3];
        for (int i = 0; i < pixels; i++)
            in[i] = (uint8_t)(i * 37 + (long)i * i % 101 + i / 50);
        resize_square(in, g->height, g->width, 3, g->size, out);
        for (int i = 0; i < g->size * g->size * 3; i++) {
            if (abs(out[i] - g->pixels[i]) > 1)
                fail_msg("case %zu, byte %d: %d instead of %d", n, i, out[i], g->pixels[i]);
            off += out[i] != g->pixels[i];
        }
        assert_true(off * 4 < g->size * g->size * 3);
        arena_free(&a);
    }
}

static void one_colour_stays_that_colour(void **state) {
    (void)state;
    static uint8_t in[97 * 61], out[61 * 61];
    for (int value = 0; value < 256; value += 5)
        for (int size = 1; size < 61; size += 7) {
            memset(in, value, sizeof in);
            memset(out, ~value, sizeof out);
            resize_square(in, 97, 61, 1, size, out);
            for (int i = 0; i < size * size; i++)
                assert_int_equal(out[i], value);
        }
}

static void a_turned_image_gives_a_turned_square(void **state) {
    (void)state;
    static uint8_t in[31 * 19], turned[19 * 31], a[12 * 12], b[12 * 12];
    for (int y = 0; y < 31; y++)
        for (int x = 0; x < 19; x++)
            turned[x * 31 + y] = in[y * 19 + x] = (uint8_t)(y * 41 + x * x * 7);
    resize_square(in, 31, 19, 1, 12, a);
    resize_square(turned, 19, 31, 1, 12, b);
    for (int y = 0; y < 12; y++)
        for (int x = 0; x < 12; x++)
            assert_true(abs(a[y * 12 + x] - b[x * 12 + y]) <= 1); /* sums are rounded once */
}

static void reads_smooth_pixels_back(void **state) {
    struct place *here = *state;
    struct error err = {0};
    struct decoded p;
    for (int channels = 1; channels <= 3; channels += 2) {
        put_jpeg(here, "a.jpg", 20, 33, channels, 95, 3);
        if (image_read(in(here, "a.jpg"), NULL, &here->arena, &p, &err))
            fail_msg("%s", err.message);
        assert_int_equal(p.height, 20);
        assert_int_equal(p.width, 33);
        for (int y = 0; y < 20; y++)
            for (int x = 0; x < 33; x++)
                for (int c = 0; c < 3; c++)
                    assert_true(abs(p.rgb[(y * 33 + x) * 3 + c] -
                                    smooth(3, y, x, channels == 1 ? 0 : c)) < 12);
    }
}

static void refuses_jpeg(struct place *here, const char *name, const char *words) {
    struct error err = {0};
    struct decoded p;
    assert_int_equal(image_read(in(here, name), NULL, &here->arena, &p, &err), STATUS_USAGE);
    if (!strstr(err.message, name) || !strstr(err.message, words))
        fail_msg("\"%s\" is not in: %s", words, err.message);
    assert_null(strchr(err.message, '\n'));
}

static void refuses_what_is_no_whole_jpeg(void **state) {
    struct place *here = *state;
    uint8_t *data;
    size_t n = put_jpeg(here, "a.jpg", 40, 40, 3, 90, 1);
    refuses_jpeg(here, "nowhere.jpg", "cannot open it");
    put(here, "empty.jpg", "", 0);
    refuses_jpeg(here, "empty.jpg", "it is empty");
    put(here, "b.jpg", "\x89PNG\r\n", 6);
    refuses_jpeg(here, "b.jpg", "begins with 89 50 4e 47");
    data = get_file(here, "a.jpg", &n);
    for (size_t keep = 2; keep < n; keep += 7) {
        put(here, "cut.jpg", data, keep);
        refuses_jpeg(here, "cut.jpg", "cannot decode");
    }
    /* A header that claims 65,500 x 65,500: the size is behind the marker, length and precision. */
    uint8_t *sof = data;
    while (sof[0] != 0xff || sof[1] != 0xc0)
        sof++;
    memcpy(sof + 5, "\xff\xdc\xff\xdc", 4);
    put(here, "huge.jpg", data, n);
    refuses_jpeg(here, "huge.jpg", "65500 x 65500");
}

static void survives_any_damage(void **state) {
    struct place *here = *state;
    size_t n = put_jpeg(here, "a.jpg", 30, 40, 3, 80, 2);
    uint8_t *data = get_file(here, "a.jpg", &n);
    uint8_t *copy = arena_alloc(&here->arena, n);
    int whole = 0, rounds = getenv("SSV_LONG") ? 100000 : 1000;
    for (int i = 0; i < rounds; i++) {
        struct rng r = rng_at((struct rng_key){5, RNG_TEST}, 0, (uint32_t)i);
        struct arena a = {0};
        struct decoded p = {0};
        struct error err = {0};
        memcpy(copy, data, n);
        for (uint32_t k = 1 + rng_below(&r, 3); k; k--)
            copy[2 + rng_below(&r, (uint32_t)n - 2)] = (uint8_t)rng_u32(&r);
        put(here, "damaged.jpg", copy, n);
        int status = image_read(in(here, "damaged.jpg"), NULL, &a, &p, &err);
        assert_true(status ? status == STATUS_USAGE && err.message[0] : p.height > 0);
        whole += !status;
        arena_free(&a);
    }
    assert_true(whole > 0 && whole < rounds); /* much of the damage changes pixels only */
}

static void a_cache_keeps_what_it_has_room_for(void **state) {
    struct place *here = *state;
    struct image_cache c;
    static const int width[] = {10, 7, 10, 20, 9, 1};
    uint8_t pixels[2 * 20];
    image_cache_open(&c, 6, 2 * (10 + 7 + 10 + 9), &here->arena);
    for (int i = 0; i < 6; i++) {
        memset(pixels, i + 1, sizeof pixels);
        assert_null(image_cache_get(&c, i));
        image_cache_put(&c, i, 1, width[i], 2, pixels);
        memset(pixels, 99, sizeof pixels);
        image_cache_put(&c, i, 1, width[i], 2, pixels); /* comes too late, or is too large again */
    }
    for (int i = 0; i < 6; i++) {
        const struct cached_image *image = image_cache_get(&c, i);
        int fits = i != 3 && i != 5;
        assert_int_equal(image != NULL, fits);
        if (!fits)
            continue;
        assert_int_equal(image->height, 1);
        assert_int_equal(image->width, width[i]);
        for (int k = 0; k < 2 * width[i]; k++)
            assert_int_equal(image->pixels[k], i + 1);
    }
    image_cache_close(&c);
    image_cache_open(&c, 1, 0, &here->arena);
    image_cache_put(&c, 0, 1, 1, 1, pixels);
    assert_null(image_cache_get(&c, 0));
    image_cache_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squares_equal_pillow),
        cmocka_unit_test(one_colour_stays_that_colour),
        cmocka_unit_test(a_turned_image_gives_a_turned_square),
        cmocka_unit_test_setup_teardown(reads_smooth_pixels_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_whole_jpeg, set_up, tear_down),
        cmocka_unit_test_setup_teardown(survives_any_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cache_keeps_what_it_has_room_for, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("jpeg", tests, NULL, NULL);
}
