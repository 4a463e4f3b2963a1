/* Masks as PNG files: of every kind, whole, cut off, damaged and wrong. */
#include "core/rng.h"
#include "data/png.h"
#include "tests/jpeg_files.h"
#include "tests/png_files.h"

static int decode(struct place *here, const char *name, struct index_image *out,
                  struct error *err) {
    size_t bytes;
    const uint8_t *data = get_file(here, name, &bytes);
    return png_decode_index(in(here, name), data, bytes, &here->arena, out, err);
}

static void any_index_image_gives_its_indices(void **state) {
    struct place *here = *state;
    enum { HEIGHT = 11, WIDTH = 13 };
    static const int colors[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_PALETTE};
    uint8_t value[HEIGHT * WIDTH];
    for (int bits = 1; bits <= 8; bits *= 2)
        for (int c = 0; c < 2; c++)
            for (int interlace = 0; interlace < 2; interlace++) {
                struct index_image m, head;
                struct error err = {0};
                size_t bytes;
                for (int i = 0; i < HEIGHT * WIDTH; i++)
                    value[i] = (uint8_t)(i * 37 % (1 << bits));
                put_png(here, "a.png", HEIGHT, WIDTH, value,
                        (struct png_kind){colors[c], bits,
                                          interlace ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE});
                assert_int_equal(decode(here, "a.png", &m, &err), 0);
                assert_int_equal(m.height, HEIGHT);
                assert_int_equal(m.width, WIDTH);
                assert_memory_equal(m.value, value, sizeof value);
                const uint8_t *data = get_file(here, "a.png", &bytes);
                assert_int_equal(png_decode_size("a.png", data, bytes, &head, &err), 0);
                assert_int_equal(head.height, HEIGHT);
                assert_int_equal(head.width, WIDTH);
            }
}

static void wrong_kinds_are_named(void **state) {
    struct place *here = *state;
    static const struct {
        struct png_kind kind;
        const char *words;
    } cases[] = {
        {{PNG_COLOR_TYPE_RGB, 16, 0}, "is RGB of 16 bits"},
        {{PNG_COLOR_TYPE_RGB_ALPHA, 16, 0}, "is RGB with alpha of 16 bits"},
        {{PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0}, "is grey with alpha of 8 bits"},
        {{PNG_COLOR_TYPE_GRAY, 16, 0}, "is grey of 16 bits"},
    };
    const uint8_t value[6] = {0};
    struct index_image m;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        put_png(here, "a.png", 2, 3, value, cases[i].kind);
        assert_int_equal(decode(here, "a.png", &m, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, "/a.png: "));
        assert_non_null(strstr(err.message, cases[i].words));
    }
    static const char *const texts[] = {"", "GIF89a, or so", "\x89PNG\r\n"};
    for (size_t i = 0; i < 3; i++) {
        struct error err = {0};
        put(here, "b.png", texts[i], strlen(texts[i]));
        assert_int_equal(decode(here, "b.png", &m, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, "/b.png: not a PNG file"));
    }
}

/* The size in the head, with a checksum that is right. */
static void far_too_large_ones_are_refused_at_once(void **state) {
    struct place *here = *state;
    static const uint32_t sizes[][2] = {{8193, 8192}, {2000000000, 2}, {0x7fffffff, 0x7fffffff}};
    const uint8_t value[4] = {0};
    for (size_t i = 0; i < 3; i++) {
        struct index_image m;
        struct error err = {0};
        size_t n;
        put_png(here, "a.png", 2, 2, value, GREY_8);
        uint8_t *data = get_file(here, "a.png", &n);
        for (int k = 0; k < 8; k++)
            data[16 + k] = (uint8_t)(sizes[i][k / 4] >> (24 - 8 * (k % 4)));
        uint32_t crc = (uint32_t)crc32(0, data + 12, 17);
        for (int k = 0; k < 4; k++)
            data[29 + k] = (uint8_t)(crc >> (24 - 8 * k));
        put(here, "a.png", data, n);
        assert_int_equal(decode(here, "a.png", &m, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, "more than this program takes"));
    }
}

static void one_cut_off_says_where(void **state) {
    struct place *here = *state;
    uint8_t value[20 * 20];
    struct index_image m;
    size_t n;
    for (int i = 0; i < 400; i++)
        value[i] = (uint8_t)(i * i % 251);
    put_png(here, "a.png", 20, 20, value, GREY_8);
    const uint8_t *data = get_file(here, "a.png", &n);
    for (size_t keep = 8; keep < n; keep++) {
        struct error err = {0};
        assert_int_equal(png_decode_index("a.png", data, keep, &here->arena, &m, &err),
                         STATUS_USAGE);
        assert_non_null(strstr(err.message, "a.png: offset "));
        assert_null(strchr(err.message, '\n'));
    }
}

static void survives_any_damage(void **state) {
    struct place *here = *state;
    int rounds = getenv("SSV_LONG") ? 50000 : 2000, whole = 0;
    uint8_t value[20 * 20];
    size_t n;
    for (int i = 0; i < 400; i++)
        value[i] = (uint8_t)(i / 30 % 16);
    put_png(here, "a.png", 20, 20, value,
            (struct png_kind){PNG_COLOR_TYPE_PALETTE, 4, PNG_INTERLACE_ADAM7});
    const uint8_t *data = get_file(here, "a.png", &n);
    uint8_t *copy = arena_alloc(&here->arena, n);
    for (int i = 0; i < rounds; i++) {
        struct rng rng = rng_at((struct rng_key){472, RNG_TEST}, 0, (uint32_t)i);
        struct arena a = {0};
        struct index_image m;
        struct error err = {0};
        memcpy(copy, data, n);
        for (uint32_t k = 1 + rng_below(&rng, 3); k; k--)
            copy[rng_below(&rng, (uint32_t)n)] = (uint8_t)rng_u32(&rng);
        int status = png_decode_index("a.png", copy, n, &a, &m, &err);
        assert_true(status ? status == STATUS_USAGE && err.message[0] : m.height > 0);
        whole += !status;
        arena_free(&a);
    }
    assert_true(whole < rounds); /* checksums find nearly all */
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(any_index_image_gives_its_indices),
        CASE(wrong_kinds_are_named),
        CASE(far_too_large_ones_are_refused_at_once),
        CASE(one_cut_off_says_where),
        CASE(survives_any_damage),
    };
    return cmocka_run_group_tests_name("png", tests, NULL, NULL);
}
