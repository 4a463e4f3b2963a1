/* IDX files, plain and compressed, under each of their names, whole, cut off and wrong. */
#include "tests/data_files.h"

enum { SIDE_Y = 3, SIDE_X = 5, PIXELS = SIDE_Y * SIDE_X, TRAIN = 12, TEST = 6 };

static const char *const all_files[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

static uint8_t *word(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++)
        *p++ = (uint8_t)(v >> (24 - 8 * i));
    return p;
}

static uint8_t pixel(int split, int image, int at) {
    return (uint8_t)(split * 100 + image * 17 + at + 1);
}

static int label(int split, int image) {
    return (image * 3 + split) % 4;
}

/* file 0..3 of all_files */
static size_t content(int file, uint8_t out[512]) {
    int split = file / 2, n = split ? TEST : TRAIN;
    uint8_t *p = word(out, file % 2 ? 0x801 : 0x803);
    p = word(p, (uint32_t)n);
    if (file % 2) {
        for (int i = 0; i < n; i++)
            *p++ = (uint8_t)label(split, i);
        return (size_t)(p - out);
    }
    p = word(word(p, SIDE_Y), SIDE_X);
    for (int i = 0; i < n * PIXELS; i++)
        *p++ = pixel(split, i / PIXELS, i % PIXELS);
    return (size_t)(p - out);
}

static void put_all(struct place *here, const char *ending, int dotted) {
    for (int f = 0; f < 4; f++) {
        uint8_t bytes[512];
        char *name = arena_printf(&here->arena, "%s%s", all_files[f], ending);
        if (dotted)
            *strstr(name, "-idx") = '.';
        put(here, name, bytes, content(f, bytes));
    }
}

static void drop_all(struct place *here) {
    assert_int_equal(system(arena_printf(&here->arena, "rm -f '%s'/*", here->folder)), 0);
}

static void expect_images(const struct dataset *d, int side_y, int side_x) {
    struct record r = {0};
    assert_int_equal(d->height, side_y);
    assert_int_equal(d->width, side_x);
    assert_int_equal(d->channels, 1);
    int top = (side_y - SIDE_Y) / 2, left = (side_x - SIDE_X) / 2;
    for (int split = 0; split < SPLITS; split++)
        for (int i = 0; i < d->count[split]; i++) {
            reads(d, (enum split)split, i, &r);
            assert_int_equal(r.label, label(split, i));
            for (int y = 0; y < side_y; y++)
                for (int x = 0; x < side_x; x++) {
                    int v = y - top, u = x - left;
                    int in_it = v >= 0 && v < SIDE_Y && u >= 0 && u < SIDE_X;
                    assert_int_equal(r.pixels[y * side_x + x],
                                     in_it ? pixel(split, i, v * SIDE_X + u) : 0);
                }
        }
    record_free(&r);
}

static void test_every_name(void **state) {
    struct place *here = *state;
    char first[65] = "";
    for (int variant = 0; variant < 4; variant++) {
        struct dataset d;
        drop_all(here);
        put_all(here, variant / 2 ? ".gz" : "", variant % 2);
        opens(&d, spec(here, "idx", ""));
        assert_int_equal(d.count[SPLIT_TRAIN], TRAIN);
        assert_int_equal(d.count[SPLIT_TEST], TEST);
        assert_int_equal(d.classes, 4);
        assert_string_equal(d.class_names[3], "3");
        expect_images(&d, SIDE_Y, SIDE_X);
        if (first[0])
            assert_string_equal(d.root_hash, first); /* how it is stored does not matter */
        memcpy(first, d.root_hash, sizeof first);
        dataset_close(&d);
    }
}

static void test_padding_and_limits(void **state) {
    struct place *here = *state;
    struct dataset d, padded;
    put_all(here, ".gz", 0);
    opens(&d, spec(here, "idx", ",train=7,test=2"));
    assert_int_equal(d.count[SPLIT_TRAIN], 7);
    assert_int_equal(d.count[SPLIT_TEST], 2);
    expect_images(&d, SIDE_Y, SIDE_X);
    opens(&padded, spec(here, "idx", ",train=7,test=2,pad=8"));
    expect_images(&padded, 8, 8);
    assert_string_not_equal(d.root_hash, padded.root_hash);
    dataset_close(&padded);
    dataset_close(&d);
    opens(&padded, spec(here, "idx", ",pad=5"));
    expect_images(&padded, 5, 5);
    dataset_close(&padded);
    refuses(spec(here, "idx", ",pad=4"), "pad=4", "3 x 5");
    refuses(spec(here, "idx", ",train=13"), "train=13", "12 images");
    refuses(spec(here, "idx", ",tset=1"), "did you mean \"test\"?", "train, test, pad");
    refuses("idx", "needs a folder");
    refuses("idx:train=5", "needs a folder");
}

/* Puts one file that is another than it should be, and expects these words; then puts it right. */
#define broken(here, file, bytes, n, ...)                                                          \
    do {                                                                                           \
        put(here, all_files[file], bytes, n);                                                      \
        refuses(spec(here, "idx", ""), all_files[file], __VA_ARGS__);                              \
        put(here, all_files[file], right, content(file, right));                                   \
    } while (0)

static void test_broken_files(void **state) {
    struct place *here = *state;
    uint8_t b[512], right[512];
    size_t n = content(0, b);
    put_all(here, "", 0);

    broken(here, 0, b, 2, "offset 2", "2 bytes of magic number expected", "the end of the file");
    broken(here, 0, b, 13, "offset 13", "width");
    broken(here, 0, b, n - 1, "offset 16", "180 bytes expected", "found 179");
    broken(here, 0, b, n + 1, "180 bytes expected", "found 181");
    b[2] = 9;
    broken(here, 0, b, n, "offset 0", "0x00000803 expected", "0x00000903");
    content(0, b);
    word(b + 4, 0);
    broken(here, 0, b, n, "offset 4", "number of images", "found 0");
    word(b + 4, 0xffffffff);
    broken(here, 0, b, n, "offset 4", "found 4294967295");
    word(b + 4, TRAIN);
    word(b + 8, 5000);
    broken(here, 0, b, n, "offset 8", "height", "found 5000");

    n = content(2, b);
    word(b + 8, SIDE_X), word(b + 12, SIDE_Y);
    broken(here, 2, b, n, "offset 8", "3 x 5 expected", "5 x 3");

    n = content(1, b);
    word(b + 4, TRAIN - 1);
    broken(here, 1, b, n, "offset 4", "12 labels expected", "found 11");
    content(1, b);
    broken(here, 1, b, n - 3, "12 bytes expected", "found 9");
    memset(b + 8, 0, TRAIN);
    broken(here, 1, b, n, "two classes", "found only 0");
    n = content(3, b);
    b[8 + 2] = 4;
    broken(here, 3, b, n, "offset 10", "label 0 to 3 expected", "found 4");

    for (int f = 0; f < 4; f++) {
        drop(here, all_files[f]);
        refuses(spec(here, "idx", ""), all_files[f], "is missing");
        put(here, all_files[f], right, content(f, right));
    }
}

static void test_broken_gzip(void **state) {
    struct place *here = *state;
    uint8_t b[512], packed[1024];
    const char *name = "train-images-idx3-ubyte.gz";
    size_t n = content(0, b);
    put_all(here, ".gz", 0);
    FILE *f = fopen(in(here, name), "rb");
    size_t bytes = fread(packed, 1, sizeof packed, f);
    fclose(f);
    char *plain_name = in(here, name); /* raw bytes under a name that ends in .gz */
    struct {
        size_t keep, flip;
        const char *words;
    } cases[] = {{bytes / 2, 0, "the end of the file"},
                 {bytes - 4, 0, "broken data"},
                 {bytes, bytes - 8, "broken data"},
                 {bytes, 15, "broken data"}};
    for (int i = 0; i < 4; i++) {
        packed[cases[i].flip] ^= cases[i].flip ? 0x55 : 0;
        f = fopen(plain_name, "wb");
        fwrite(packed, 1, cases[i].keep, f);
        fclose(f);
        packed[cases[i].flip] ^= cases[i].flip ? 0x55 : 0;
        struct dataset d;
        struct error err = {0};
        assert_int_equal(dataset_open(&d, spec(here, "idx", ""), &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, name));
        assert_non_null(strstr(err.message, "offset"));
        if (i != 3) /* what is broken in the middle may also end early */
            assert_non_null(strstr(err.message, cases[i].words));
    }
    put(here, name, b, n - 20);
    refuses(spec(here, "idx", ""), name, "unpacked bytes", "20 bytes of pixels expected",
            "the end of the file");
    b[n] = 1;
    put(here, name, b, n + 1);
    refuses(spec(here, "idx", ""), name, "offset 196 of the unpacked bytes", "more bytes");
    /* A small file may not make room for a terabyte. */
    word(b + 4, 90000000), word(b + 8, 1000), word(b + 12, 1000);
    put(here, name, b, n);
    refuses(spec(here, "idx", ""), name, "90000000000000 bytes expected", "a packed file of");
}

static void test_fashion_mnist(void **state) {
    (void)state;
    struct dataset d;
    struct record r = {0};
    refuses("fashion-mnist:/nowhere", "/nowhere/train-images-idx3-ubyte.gz",
            "dataset-fashion-mnist");
    if (!file_exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"))
        skip();
    opens(&d, "fashion-mnist:test=100");
    assert_string_equal(d.name, "fashion-mnist");
    assert_int_equal(d.count[SPLIT_TRAIN], 60000);
    assert_int_equal(d.count[SPLIT_TEST], 100);
    assert_int_equal(d.height, 32);
    assert_int_equal(d.measured, 10000);
    assert_string_equal(d.class_names[9], "boot");
    int count[10] = {0};
    for (long i = 0; i < 60000; i++) {
        reads(&d, SPLIT_TRAIN, i, &r);
        count[r.label]++;
        if (i % 5000 == 0) {
            uint8_t rim = 0, middle = 0;
            for (int at = 0; at < 32 * 32; at++) {
                int y = at / 32, x = at % 32;
                *(y < 2 || y > 29 || x < 2 || x > 29 ? &rim : &middle) |= r.pixels[at];
            }
            assert_int_equal(rim, 0);
            assert_int_not_equal(middle, 0);
        }
    }
    for (int k = 0; k < 10; k++)
        assert_int_equal(count[k], 6000);
    reads(&d, SPLIT_TRAIN, 0, &r); /* the first image is an ankle boot, the second a t-shirt */
    assert_int_equal(r.label, 9);
    reads(&d, SPLIT_TRAIN, 1, &r);
    assert_int_equal(r.label, 0);
    record_free(&r);
    dataset_close(&d);
    opens(&d, "fashion-mnist:train=50,test=50,pad=28");
    assert_int_equal(d.height, 28);
    dataset_close(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_padding_and_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_gzip, set_up, tear_down),
        cmocka_unit_test(test_fashion_mnist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
