/* Any bytes to pixels: data/decode.h. */
#include "data/decode.h"

#include "tests/fuzz/png_mutator.h"
#include "tests/golden/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const struct decode_options ways[] = {{.most_pixels = 1 << 18},
                                                 {.most_pixels = 1 << 18, .least_side = 1}};
    for (int i = 0; i < 2; i++) {
        struct arena a = {0};
        struct decoded d, head;
        struct error err = {0}, head_err = {0};
        int status = image_decode("x", data, n, &ways[i], &a, &d, &err);
        int head_status = image_probe("x", data, n, &ways[i], NULL, &head, &head_err);
        fuzz_status(status, &err);
        fuzz_status(head_status, &head_err);
        if (!status) {
            fuzz_look(d.rgb, (size_t)d.height * (size_t)d.width * 3);
            CHECK(!head_status, "%s", head_err.message);
            head.rgb = d.rgb;
            CHECK(!memcmp(&head, &d, sizeof d), "the head tells something else");
        }
        arena_free(&a);
    }
    return 0;
}

static void seed_made(const char *corpus, struct arena *a) {
    const uint8_t *pixels = smooth_pixels(a, 16, 16, 4);
    for (int way = JPEG_BASELINE; way <= JPEG_SCANS; way++) {
        struct jpeg_kind kind = {3, JCS_YCbCr, 2, 2, (enum jpeg_way)way, 0};
        struct file_bytes f = make_jpeg(a, kind, 16, 16, pixels);
        fuzz_seed(corpus, arena_printf(a, "jpeg_way_%d", way), f.data, f.n);
    }
    for (int bits = 1; bits <= 16; bits *= 2) {
        struct png_form form = {PNG_COLOR_TYPE_GRAY, bits, PNG_INTERLACE_ADAM7, bits % 3 == 1, 0};
        struct file_bytes f = make_png(a, form, 8, 8, pixels, 16);
        fuzz_seed(corpus, arena_printf(a, "png_bits_%d", bits), f.data, f.n);
    }
}

static void fuzz_seeds(const char *corpus) {
    struct arena a = {0};
    for (size_t i = 0; i < sizeof golden_images / sizeof *golden_images; i++)
        fuzz_seed(corpus, golden_images[i].name, golden_images[i].file, golden_images[i].bytes);
    seed_made(corpus, &a);
    arena_free(&a);
}
