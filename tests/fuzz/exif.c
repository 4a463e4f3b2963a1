/* Any metadata to an orientation: data/exif.h. */
#include "data/exif.h"

#include "tests/fuzz/fuzz.h"
#include "tests/image_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    int found[] = {exif_orientation(data, n), xmp_orientation(data, n),
                   raw_profile_orientation(data, n)};
    for (int i = 0; i < 3; i++)
        CHECK(found[i] >= 0 && found[i] <= 8, "orientation %d", found[i]);
    return 0;
}

static void fuzz_seeds(const char *corpus) {
    struct arena a = {0};
    struct file_bytes big = make_exif(&a, 1, 6), xmp = make_xmp(&a, 3, "");
    struct file_bytes little = make_app1(&a, make_exif(&a, 0, 5));
    fuzz_seed(corpus, "big", big.data, big.n);
    fuzz_seed(corpus, "little", little.data, little.n);
    fuzz_seed(corpus, "xmp", xmp.data, xmp.n);
    FUZZ_SEED_TEXT(corpus, "raw",
                   "\nexif\n 26\n4d4d002a00000008\n0001011200030000000100060000000000000000\n");
    arena_free(&a);
}
