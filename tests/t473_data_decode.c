/* Image files of every kind to pixels: as Pillow (tests/golden/decode.py), by hand-computed values,
 * and never more than an error for files that are cut off, damaged or made up. */
#include "core/rng.h"
#include "data/decode.h"
#include "tests/data_files.h"
#include "tests/image_files.h"

#include <stdint.h>

#include "tests/golden/decode.h"

enum { HEIGHT = 21, WIDTH = 34 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void decodes(struct arena *a, struct file_bytes f, int least_side, struct decoded *out) {
    struct decode_options o = {.least_side = least_side};
    struct decoded head;
    struct error err = {0};
    if (image_decode("x", f.data, f.n, &o, a, out, &err))
        fail_msg("%s", err.message);
    assert_int_equal(image_probe("x", f.data, f.n, &o, NULL, &head, &err), 0);
    assert_null(head.rgb);
    head.rgb = out->rgb;
    assert_memory_equal(&head, out, sizeof head); /* the head tells everything but the pixels */
}

static void is_near(const struct decoded *d, const uint8_t *rgb, int tolerance, const char *name) {
    for (int i = 0; i < d->height * d->width * 3; i++)
        if (abs(d->rgb[i] - rgb[i]) > tolerance)
            fail_msg("%s: byte %d is %d instead of %d", name, i, d->rgb[i], rgb[i]);
}

static void refuses_bytes(struct file_bytes f, const struct decode_options *o, const char *words) {
    struct arena a = {0};
    struct decoded d;
    struct error err = {0};
    assert_int_equal(image_decode("that file", f.data, f.n, o, &a, &d, &err), STATUS_USAGE);
    assert_int_equal(err.status, STATUS_USAGE);
    if (!strstr(err.message, "that file: ") || !strstr(err.message, words))
        fail_msg("\"%s\" is not in: %s", words, err.message);
    assert_null(strchr(err.message, '\n'));
    assert_int_equal(a.total, 0);
    assert_null(d.rgb);
}

static void pixels_equal_pillow(void **state) {
    struct place *here = *state;
    for (size_t i = 0; i < COUNT(golden_images); i++) {
        const struct golden_image *g = &golden_images[i];
        struct file_bytes f = bytes_of(&here->arena, g->file, g->bytes);
        struct decoded d;
        decodes(&here->arena, f, 0, &d);
        assert_int_equal(d.height, g->height);
        assert_int_equal(d.width, g->width);
        is_near(&d, g->rgb, g->tolerance, g->name);
        assert_true(!strncmp(g->name, d.format, strlen(d.format)));
    }
}

/* What each stored file is said to be. */
static void tells_what_a_file_was(void **state) {
    struct place *here = *state;
    static const struct {
        const char *name;
        struct decoded is;
    } files[] = {
        {"jpeg_420", {.orientation = 1}},
        {"jpeg_grey", {.orientation = 1, .was_grey = 1}},
        {"jpeg_progressive", {.orientation = 1, .is_progressive = 1}},
        {"jpeg_cmyk", {.orientation = 1, .was_cmyk = 1}},
        {"jpeg_ycck", {.orientation = 1, .was_cmyk = 1}},
        {"jpeg_cmyk_without_adobe", {.orientation = 1, .was_cmyk = 1}},
        {"jpeg_profile", {.orientation = 1, .has_profile = 1}},
        {"jpeg_xmp", {.orientation = 6}},
        {"jpeg_exif_1", {.orientation = 1}},
        {"jpeg_exif_8", {.orientation = 8}},
        {"png_rgb", {.orientation = 1}},
        {"png_bits", {.orientation = 1, .was_grey = 1}},
        {"png_grey_alpha", {.orientation = 1, .was_grey = 1, .had_alpha = 1}},
        {"png_rgba", {.orientation = 1, .had_alpha = 1}},
        {"png_palette", {.orientation = 1, .was_palette = 1}},
        {"png_palette_alpha", {.orientation = 1, .was_palette = 1, .had_alpha = 1}},
        {"png_rgb_transparent", {.orientation = 1, .had_alpha = 1}},
        {"png_16", {.orientation = 1, .was_grey = 1, .was_16_bit = 1}},
        {"png_profile", {.orientation = 1, .has_profile = 1}},
        {"png_exif", {.orientation = 7}},
        {"webp_lossless", {.orientation = 1}},
        {"webp_lossless_alpha", {.orientation = 1, .had_alpha = 1}},
        {"webp_lossy_alpha", {.orientation = 1, .had_alpha = 1}},
        {"webp_exif", {.orientation = 8}},
        {"webp_xmp", {.orientation = 5}},
        {"webp_profile", {.orientation = 1, .has_profile = 1}},
    };
    for (size_t i = 0, g = 0; i < COUNT(files); i++, g = 0) {
        while (strcmp(golden_images[g].name, files[i].name) != 0)
            g++;
        struct decoded d, wanted = files[i].is;
        decodes(&here->arena, bytes_of(&here->arena, golden_images[g].file, golden_images[g].bytes),
                0, &d);
        wanted.height = wanted.orientation >= 5 ? 7 : 5;
        wanted.width = 12 - wanted.height;
        wanted.file_height = 5;
        wanted.file_width = 7;
        wanted.format = d.format;
        wanted.rgb = d.rgb;
        if (memcmp(&d, &wanted, sizeof d) != 0)
            fail_msg("%s is described wrongly", files[i].name);
    }
}

/* Where pixel (y, x) of the upright image (height, width) is stored. */
static void stored_place(int orientation, int height, int width, int y, int x, int *row, int *col) {
    int mirrored_y = height - 1 - y, mirrored_x = width - 1 - x;
    switch (orientation) {
    case 2:
        *row = y, *col = mirrored_x;
        break;
    case 3:
        *row = mirrored_y, *col = mirrored_x;
        break;
    case 4:
        *row = mirrored_y, *col = x;
        break;
    case 5:
        *row = x, *col = y;
        break;
    case 6:
        *row = mirrored_x, *col = y;
        break;
    case 7:
        *row = mirrored_x, *col = mirrored_y;
        break;
    case 8:
        *row = x, *col = mirrored_y;
        break;
    default:
        *row = y, *col = x;
    }
}

static struct file_bytes turned_file(struct arena *a, int format, struct file_bytes f,
                                     int orientation, int way) {
    struct file_bytes exif = make_exif(a, way, orientation);
    if (format == 0)
        return with_marker(a, f, 0xe1, make_app1(a, exif));
    if (format == 1)
        return with_chunk(a, f, way ? (size_t)BEHIND_IHDR : f.n - PNG_END, "eXIf", exif);
    return with_webp_chunk(a, f, 100, 150, "EXIF", way ? make_app1(a, exif) : exif);
}

static void all_orientations_in_all_formats(void **state) {
    struct arena *a = &((struct place *)*state)->arena;
    enum { H = 100, W = 150 }; /* more than a tile */
    uint8_t *pixels = arena_alloc(a, H * W * 3);
    for (int i = 0; i < H * W * 3; i++)
        pixels[i] = (uint8_t)(i * 31 + i / 450 * 7);
    struct file_bytes files[] = {
        make_jpeg(a, JPEG_444, H, W, smooth_pixels(a, H, W, 3)),
        make_png(a, (struct png_form){PNG_COLOR_TYPE_RGB, 8, 0, 0, 0}, H, W, pixels, W * 3),
        make_webp(a, 1, 3, H, W, pixels)};
    for (int k = 0; k < 3 * 8 * 2; k++) {
        int format = k / 16, orientation = k / 2 % 8 + 1, row, col;
        struct decoded plain, d;
        decodes(a, files[format], 0, &plain);
        assert_int_equal(plain.orientation, 1);
        decodes(a, turned_file(a, format, files[format], orientation, k % 2), 0, &d);
        assert_int_equal(d.orientation, orientation);
        assert_int_equal(d.height, orientation < 5 ? H : W);
        assert_int_equal(d.width, orientation < 5 ? W : H);
        assert_int_equal(d.file_height, H);
        assert_int_equal(d.file_width, W);
        for (int y = 0; y < d.height; y++)
            for (int x = 0; x < d.width; x++) {
                stored_place(orientation, d.height, d.width, y, x, &row, &col);
                assert_memory_equal(d.rgb + (y * d.width + x) * 3, plain.rgb + (row * W + col) * 3,
                                    3);
            }
    }
}

/* The sample of a PNG row at index i, of either depth, to 8 bits. */
static int sample(const uint8_t *row, int bits, int i, int is_index) {
    if (bits == 16)
        return ((row[2 * i] << 8 | row[2 * i + 1]) * 255 + 32767) / 65535;
    int value = row[i * bits / 8] >> (8 - bits - i * bits % 8) & ((1 << bits) - 1);
    return is_index ? value : value * 255 / ((1 << bits) - 1);
}

static void every_kind_of_png(void **state) {
    struct arena *a = &((struct place *)*state)->arena;
    static const struct {
        int color, channels;
    } colors[] = {{PNG_COLOR_TYPE_GRAY, 1},
                  {PNG_COLOR_TYPE_PALETTE, 1},
                  {PNG_COLOR_TYPE_GRAY_ALPHA, 2},
                  {PNG_COLOR_TYPE_RGB, 3},
                  {PNG_COLOR_TYPE_RGB_ALPHA, 4}};
    for (int k = 0; k < 5 * 5 * 4; k++) {
        int color = colors[k / 20].color, channels = colors[k / 20].channels;
        int bits = 1 << k / 4 % 5, interlace = k / 2 % 2, transparent = k % 2;
        int is_palette = color == PNG_COLOR_TYPE_PALETTE;
        if ((bits < 8 && channels > 1) || (bits == 16 && is_palette) ||
            (transparent && color & PNG_COLOR_MASK_ALPHA))
            continue;
        struct rng r = rng_at((struct rng_key){11, RNG_TEST}, 0, (uint32_t)k);
        size_t row = (size_t)(WIDTH * channels * bits + 7) / 8;
        uint8_t *rows = arena_alloc(a, row * HEIGHT);
        for (size_t i = 0; i < row * HEIGHT; i++)
            rows[i] = (uint8_t)rng_u32(&r);
        struct decoded d;
        struct png_form form = {color, bits, interlace, transparent, 0};
        decodes(a, make_png(a, form, HEIGHT, WIDTH, rows, row), 0, &d);
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++)
                for (int c = 0; c < 3; c++) {
                    int i = x * channels + (channels > 2 ? c : 0);
                    int value = sample(rows + (size_t)y * row, bits, i, is_palette);
                    const int entry[] = {value * 7 % 256, 255 - value, value ^ 85};
                    assert_int_equal(d.rgb[(y * WIDTH + x) * 3 + c], is_palette ? entry[c] : value);
                }
        assert_int_equal(d.is_progressive, interlace);
        assert_int_equal(d.had_alpha, transparent || channels % 2 == 0);
        assert_int_equal(d.was_16_bit, bits == 16);
    }
}

static void every_kind_of_jpeg(void **state) {
    struct arena *a = &((struct place *)*state)->arena;
    static const struct jpeg_kind kinds[] = {
        {1, JCS_GRAYSCALE, 1, 1, JPEG_BASELINE, 0}, {3, JCS_RGB, 1, 1, JPEG_BASELINE, 0},
        {3, JCS_YCbCr, 1, 1, JPEG_BASELINE, 0},     {3, JCS_YCbCr, 2, 1, JPEG_BASELINE, 0},
        {3, JCS_YCbCr, 2, 2, JPEG_RESTARTS, 0},     {3, JCS_YCbCr, 1, 2, JPEG_PROGRESSIVE, 0},
        {3, JCS_YCbCr, 2, 2, JPEG_ARITHMETIC, 0},   {3, JCS_YCbCr, 4, 1, JPEG_SCANS, 0},
        {4, JCS_CMYK, 1, 1, JPEG_BASELINE, 0},      {4, JCS_YCCK, 2, 2, JPEG_BASELINE, 0},
        {4, JCS_CMYK, 1, 1, JPEG_PROGRESSIVE, 0},   {1, JCS_GRAYSCALE, 1, 1, JPEG_PROGRESSIVE, 0}};
    for (size_t k = 0; k < COUNT(kinds); k++) {
        int n = kinds[k].channels;
        const uint8_t *pixels = smooth_pixels(a, HEIGHT, WIDTH, n);
        uint8_t *rgb = arena_alloc(a, (size_t)HEIGHT * WIDTH * 3);
        for (int i = 0; i < HEIGHT * WIDTH; i++)
            for (int c = 0; c < 3; c++) {
                double v = pixels[i * n + (n == 1 ? 0 : c)];
                rgb[i * 3 + c] = (uint8_t)(n == 4 ? v * pixels[i * 4 + 3] / 255 + 0.5 : v);
            }
        struct decoded d;
        decodes(a, make_jpeg(a, kinds[k], HEIGHT, WIDTH, pixels), 0, &d);
        is_near(&d, rgb, 8, "a JPEG");
        assert_int_equal(d.was_grey, n == 1);
        assert_int_equal(d.was_cmyk, n == 4);
        assert_int_equal(d.is_progressive, kinds[k].way == JPEG_PROGRESSIVE);
    }
}

static void a_jpeg_may_be_decoded_smaller(void **state) {
    struct arena *a = &((struct place *)*state)->arena;
    enum { H = 160, W = 200 };
    static const struct {
        int least, by;
    } cases[] = {{0, 1}, {1, 8}, {20, 8}, {21, 4}, {40, 4}, {41, 2}, {80, 2}, {81, 1}, {161, 1}};
    struct file_bytes f = make_jpeg(a, JPEG_444, H, W, smooth_pixels(a, H, W, 3));
    struct file_bytes on_its_side = turned_file(a, 0, f, 6, 0);
    struct decoded whole, d, t;
    decodes(a, f, 0, &whole);
    for (size_t i = 0; i < COUNT(cases); i++) {
        int by = cases[i].by;
        decodes(a, f, cases[i].least, &d);
        assert_int_equal(d.height, H / by);
        assert_int_equal(d.width, W / by);
        assert_int_equal(d.file_height, H);
        for (int y = 0; y < d.height; y++)
            for (int x = 0; x < d.width * 3; x++) {
                int sum = 0;
                for (int k = 0; k < by * by; k++)
                    sum += whole.rgb[((y * by + k / by) * W + x / 3 * by + k % by) * 3 + x % 3];
                assert_true(abs(d.rgb[y * d.width * 3 + x] - sum / (by * by)) <= 2);
            }
        decodes(a, on_its_side, cases[i].least, &t);
        assert_int_equal(t.height, d.width);
        assert_int_equal(t.width, d.height);
    }
}

static void names_what_is_no_image(void **state) {
    struct arena *a = &((struct place *)*state)->arena;
    static const struct {
        const char *bytes;
        size_t n;
        const char *words;
    } cases[] = {{"", 0, "it is empty"},
                 {"a", 1, "it begins with 61"},
                 {"\x89PNG\r\n\x1a", 7, "it begins with 89 50 4e 47"},
                 {"\xff\xd8", 2, "cannot decode this JPEG"},
                 {"GIF89a......", 12, "a GIF image"},
                 {"RIFF\0\0\0\0WAVE", 12, "it begins with 52 49"},
                 {"\0\0\0\x1c"
                  "ftypavif",
                  12, "an AVIF image"},
                 {"<!DOCTYPE html>", 15, "a web page"},
                 {"version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS"}};
    for (size_t i = 0; i < COUNT(cases); i++)
        refuses_bytes(bytes_of(a, cases[i].bytes, cases[i].n), NULL, cases[i].words);
}

static void huge_ones_are_refused_before_memory_is_taken(void **state) {
    struct arena *a = &((struct place *)*state)->arena;
    const uint8_t *pixels = smooth_pixels(a, 8, 8, 3);
    struct png_form form = {PNG_COLOR_TYPE_RGB, 8, 0, 0, 0};
    struct file_bytes jpeg = make_jpeg(a, JPEG_444, 8, 8, pixels);
    struct file_bytes png = make_png(a, form, 8, 8, pixels, 24);
    struct file_bytes webp = make_webp(a, 1, 3, 8, 8, pixels);
    struct decode_options o = {.most_pixels = 63};
    refuses_bytes(jpeg, &o, "a JPEG of 8 x 8 pixels is more than this program takes, 63");
    refuses_bytes(png, &o, "a PNG of 8 x 8 pixels");
    refuses_bytes(webp, &o, "a WebP of 8 x 8 pixels");
    claim_jpeg_size(jpeg, 65500, 65500);
    refuses_bytes(jpeg, NULL, "65500 x 65500 pixels is more");
    claim_png_size(png, 0x7fffffff, 0x7fffffff);
    refuses_bytes(png, NULL, "2147483647 x 2147483647 pixels is more");
    memset(webp.data + 21, 0xff, 3); /* width - 1 and height - 1, 14 bits each */
    webp.data[24] |= 0x0f;
    refuses_bytes(webp, NULL, "16384 x 16384 pixels is more");
    /* Not too many, but more than the bytes could hold. */
    claim_jpeg_size(jpeg, 8000, 8000);
    refuses_bytes(jpeg, NULL, "do not hold 8000 x 8000 pixels");
    claim_png_size(png, 8000, 8000);
    refuses_bytes(png, NULL, "do not hold 8000 x 8000 pixels");
}

/* A pass over the image each, in a few bytes. */
static void thousands_of_scans_are_refused(void **state) {
    struct arena *a = &((struct place *)*state)->arena;
    struct jpeg_kind kind = {3, JCS_YCbCr, 1, 1, JPEG_SCANS, 0};
    struct file_bytes f = make_jpeg(a, kind, 8, 8, smooth_pixels(a, 8, 8, 3));
    size_t scan = f.n;
    while (f.data[scan] != 0xff || f.data[scan + 1] != 0xda)
        scan--;
    struct file_bytes one = bytes_of(a, f.data + scan, f.n - 2 - scan);
    for (int i = 0; i < 50; i++)
        f = with_bytes(a, f, scan, one.data, one.n);
    struct decoded d;
    decodes(a, f, 0, &d);
    for (int i = 0; i < 50; i++)
        f = with_bytes(a, f, scan, one.data, one.n);
    refuses_bytes(f, NULL, "more scans");
}

static void one_cut_off_is_refused(void **state) {
    (void)state;
    struct arena a = {0};
    for (size_t i = 0; i < COUNT(golden_images); i++) {
        const struct golden_image *g = &golden_images[i];
        for (size_t keep = 0; keep < g->bytes; keep++) {
            /* A copy of its own, so that the sanitizers see a byte too far. */
            uint8_t *copy = malloc(keep + !keep);
            assert_non_null(copy);
            memcpy(copy, g->file, keep);
            refuses_bytes((struct file_bytes){copy, keep}, NULL, "");
            free(copy);
        }
    }
    arena_free(&a);
}

/* Of pixels that are there the arena has at most 4 bytes each, CMYK or rows' addresses beside RGB.
 */
static void any_damage_is_survived(void **state) {
    (void)state;
    int rounds = getenv("SSV_LONG") ? 20000 : 150, whole = 0, broken = 0;
    struct decode_options o = {.most_pixels = 1 << 20};
    for (size_t i = 0; i < COUNT(golden_images); i++)
        for (int k = 0; k < rounds; k++) {
            const struct golden_image *g = &golden_images[i];
            struct rng r = rng_at((struct rng_key){12, RNG_TEST}, (uint32_t)i, (uint32_t)k);
            struct arena a = {0};
            struct decoded d, head;
            struct error err = {0};
            uint8_t *copy = malloc(g->bytes);
            assert_non_null(copy);
            memcpy(copy, g->file, g->bytes);
            for (uint32_t n = 1 + rng_below(&r, 3); n; n--) {
                uint8_t *at = &copy[rng_below(&r, (uint32_t)g->bytes)];
                *at = rng_below(&r, 2) ? (uint8_t)rng_u32(&r)
                                       : (uint8_t)(*at ^ (1U << rng_below(&r, 8)));
            }
            o.least_side = (int)rng_below(&r, 3);
            int status = image_decode("x", copy, g->bytes, &o, &a, &d, &err);
            size_t pixels = status ? 0 : (size_t)d.height * (size_t)d.width;
            assert_true(status ? status == STATUS_USAGE && !a.total && err.message[0]
                               : pixels > 0 && a.total < 4 * pixels + 64 + 16 * (size_t)d.height);
            assert_null(strchr(err.message, '\n'));
            if (!image_probe("x", copy, g->bytes, &o, NULL, &head, &err) && !status)
                assert_int_equal(head.height * 10000 + head.width, d.height * 10000 + d.width);
            whole += !status;
            broken += !!status;
            free(copy);
            arena_free(&a);
        }
    assert_true(whole > 100 && broken > 100); /* much of the damage changes pixels only */
}

static void files_are_read_whatever_their_name(void **state) {
    struct place *here = *state;
    const struct golden_image *png = golden_images;
    while (strcmp(png->name, "png_rgb") != 0)
        png++;
    struct decoded d;
    struct error err = {0};
    put(here, "a.jpg", png->file, png->bytes);
    assert_int_equal(image_read(in(here, "a.jpg"), NULL, &here->arena, &d, &err), 0);
    assert_string_equal(d.format, "png");
    is_near(&d, png->rgb, 0, "a.jpg");
    assert_int_equal(image_read(in(here, "b.jpg"), NULL, &here->arena, &d, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "b.jpg"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(pixels_equal_pillow),
        CASE(tells_what_a_file_was),
        CASE(all_orientations_in_all_formats),
        CASE(every_kind_of_png),
        CASE(every_kind_of_jpeg),
        CASE(a_jpeg_may_be_decoded_smaller),
        CASE(names_what_is_no_image),
        CASE(huge_ones_are_refused_before_memory_is_taken),
        CASE(thousands_of_scans_are_refused),
        CASE(one_cut_off_is_refused),
        CASE(any_damage_is_survived),
        CASE(files_are_read_whatever_their_name),
    };
    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
