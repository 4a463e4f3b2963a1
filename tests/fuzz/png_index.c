/* Any bytes to the classes of a mask: data/png.h. */
#include "data/png.h"

#include "tests/fuzz/png_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct arena a = {0};
    struct index_image image = {0}, head = {0};
    struct error err = {0};
    int status = png_decode_size("x", data, n, &head, &err);
    fuzz_status(status, &err);
    if (!status && (long)head.height * head.width > 1 << 18)
        return 0; /* sound, but slow */
    status = png_decode_index("x", data, n, &a, &image, &err);
    fuzz_status(status, &err);
    if (!status) {
        CHECK(image.height == head.height && image.width == head.width, "another size");
        CHECK(!image.value != !image.rgb, "ids and colours, or neither");
        size_t pixels = (size_t)image.height * (size_t)image.width;
        fuzz_look(image.value ? image.value : image.rgb, image.value ? pixels : 3 * pixels);
    }
    arena_free(&a);
    return 0;
}

static void fuzz_seeds(const char *corpus) {
    struct arena a = {0};
    const uint8_t *pixels = smooth_pixels(&a, 16, 16, 4);
    for (int k = 0; k < 20; k++) {
        struct png_form form = {k % 2 ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY, 1 << k / 4,
                                k / 2 % 2, 0, 0};
        if (k >= 16) {
            form.color = k % 2 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGB_ALPHA;
            form.bits = 8;
        }
        struct file_bytes f = make_png(&a, form, 9, 9, pixels, k >= 16 ? 64 : 16);
        fuzz_seed(corpus, arena_printf(&a, "%d", k), f.data, f.n);
    }
    arena_free(&a);
}
