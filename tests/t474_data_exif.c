/* Where a file may say how the camera was held, what counts first, and what is broken about it. */
#include "data/decode.h"
#include "data/exif.h"
#include "tests/data_files.h"
#include "tests/image_files.h"

static int orientation_of(struct arena *a, struct file_bytes f) {
    struct decoded d;
    struct error err = {0};
    if (image_decode("x", f.data, f.n, NULL, a, &d, &err))
        fail_msg("%s", err.message);
    return d.orientation;
}

static void exif_comes_before_xmp(void **state) {
    struct arena *a = &((struct place *)*state)->arena;
    struct file_bytes jpeg = make_jpeg(a, JPEG_444, 4, 4, smooth_pixels(a, 4, 4, 3));
    struct file_bytes xmp = make_xmp(a, 8, "http://ns.adobe.com/xap/1.0/");
    struct file_bytes both = with_marker(a, jpeg, 0xe1, xmp);
    assert_int_equal(orientation_of(a, both), 8);
    both = with_marker(a, both, 0xe1, make_app1(a, make_exif(a, 0, 3)));
    assert_int_equal(orientation_of(a, both), 3);
    struct file_bytes png = make_png(a, (struct png_form){PNG_COLOR_TYPE_GRAY, 8, 0, 0, 0}, 4, 4,
                                     smooth_pixels(a, 4, 4, 1), 4);
    xmp = make_xmp(a, 5, ""); /* the NUL behind "" is that of the translated keyword */
    xmp = with_bytes(a, xmp, 0, "XML:com.adobe.xmp\0\0\0en", 23);
    both = with_chunk(a, png, BEHIND_IHDR, "iTXt", xmp);
    assert_int_equal(orientation_of(a, both), 5);
    both = with_chunk(a, both, both.n - PNG_END, "eXIf", make_exif(a, 1, 4));
    assert_int_equal(orientation_of(a, both), 4);
    both.data[both.n - PNG_END - 1] ^= 1; /* its checksum */
    assert_int_equal(orientation_of(a, both), 5);
}

/* tEXt and zTXt, as ImageMagick writes them. */
static void exif_in_a_text_of_a_png(void **state) {
    struct arena *a = &((struct place *)*state)->arena;
    struct file_bytes exif = make_app1(a, make_exif(a, 1, 6));
    struct file_bytes png = make_png(a, (struct png_form){PNG_COLOR_TYPE_GRAY, 8, 0, 0, 0}, 4, 4,
                                     smooth_pixels(a, 4, 4, 1), 4);
    char *text = arena_printf(a, "\nexif\n%8zu\n", exif.n);
    for (size_t i = 0; i < exif.n; i++)
        text = arena_printf(a, "%s%02x%s", text, exif.data[i], i % 36 == 35 ? "\n" : "");
    struct file_bytes plain = bytes_of(a, text, strlen(text));
    plain = with_bytes(a, plain, 0, "Raw profile type exif", 22);
    assert_int_equal(orientation_of(a, with_chunk(a, png, BEHIND_IHDR, "tEXt", plain)), 6);
    uint8_t packed[4096];
    uLongf n = sizeof packed;
    assert_int_equal(compress(packed, &n, (const Bytef *)text, strlen(text)), Z_OK);
    struct file_bytes z = with_bytes(a, bytes_of(a, packed, n), 0, "Raw profile type exif\0", 23);
    assert_int_equal(orientation_of(a, with_chunk(a, png, BEHIND_IHDR, "zTXt", z)), 6);
    z.n -= 12; /* what can be unpacked counts */
    orientation_of(a, with_chunk(a, png, BEHIND_IHDR, "zTXt", z));
}

static void broken_exif_says_nothing(void **state) {
    struct arena *a = &((struct place *)*state)->arena;
    for (int big = 0; big < 2; big++) {
        struct file_bytes e = make_exif(a, big, 6);
        assert_int_equal(exif_orientation(e.data, e.n), 6);
        for (size_t keep = 0; keep < e.n; keep++) {
            struct file_bytes cut = bytes_of(a, e.data, keep);
            assert_int_equal(exif_orientation(cut.data, keep), keep < 34 ? 0 : 6);
        }
        assert_int_equal(exif_orientation(make_exif(a, big, 0).data, e.n), 1);
        assert_int_equal(exif_orientation(make_exif(a, big, 9).data, e.n), 1);
        e.data[big ? 25 : 24] = 5; /* a fraction */
        assert_int_equal(exif_orientation(e.data, e.n), 0);
        memset(e.data + 4, 0xff, 4); /* a directory far away */
        assert_int_equal(exif_orientation(e.data, e.n), 0);
    }
    assert_int_equal(xmp_orientation("tiff:Orientation", 16), 0);
    assert_int_equal(xmp_orientation("tiff:Orientation='", 18), 0);
    assert_int_equal(xmp_orientation("tiff:Orientation='9 tiff:Orientation=\"2", 39), 2);
    assert_int_equal(raw_profile_orientation("\n\n\n4", 4), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(exif_comes_before_xmp),
        CASE(exif_in_a_text_of_a_png),
        CASE(broken_exif_says_nothing),
    };
    return cmocka_run_group_tests_name("exif", tests, NULL, NULL);
}
