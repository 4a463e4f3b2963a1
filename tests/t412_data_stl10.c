/* STL-10's binary layout: planes that go down a column first, labels from 1 on, the unlabelled
 * split. */
#include "core/sha256.h"

#include "tests/data_files.h"

enum { SIDE = 96, IMAGE = 3 * SIDE * SIDE };

/* As a picture: not symmetric, so that rows and columns are told apart. */
static uint8_t value(long file, long image, int y, int x, int c) {
    return (uint8_t)(file * 77 + image * 13 + y * 3 + x * 5 + c * 40 + y * x / 7);
}

static uint8_t *put_images(struct place *here, const char *name, long file, long n) {
    uint8_t *all = arena_alloc(&here->arena, (size_t)n * IMAGE), *at = all;
    for (long i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            for (int x = 0; x < SIDE; x++)
                for (int y = 0; y < SIDE; y++)
                    *at++ = value(file, i, y, x, c);
    put(here, name, all, (size_t)n * IMAGE);
    return all;
}

static void put_labels(struct place *here, const char *name, long file, long n) {
    uint8_t labels[64];
    for (long i = 0; i < n; i++)
        labels[i] = (uint8_t)(1 + (file + 3 * i) % 10);
    put(here, name, labels, (size_t)n);
}

static void put_all(struct place *here) {
    put_images(here, "train_X.bin", 1, 4);
    put_labels(here, "train_y.bin", 1, 4);
    put_images(here, "test_X.bin", 2, 3);
    put_labels(here, "test_y.bin", 2, 3);
    put_images(here, "unlabeled_X.bin", 3, 6);
}

static void expect_image(const struct dataset *d, enum split split, long i, long file, int label) {
    struct record r = {0};
    reads(d, split, i, &r);
    assert_int_equal(r.label, label);
    assert_int_equal(r.height, SIDE);
    assert_int_equal(r.width, SIDE);
    assert_int_equal(r.channels, 3);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                assert_int_equal(r.pixels[(y * SIDE + x) * 3 + c], value(file, i, y, x, c));
    record_free(&r);
}

static void reads_labelled_images(void **state) {
    struct place *here = *state;
    struct dataset d;
    put_all(here);
    opens(&d, spec(here, "stl10", ",train=3"));
    assert_int_equal(d.count[SPLIT_TRAIN], 3);
    assert_int_equal(d.count[SPLIT_TEST], 3);
    assert_int_equal(d.classes, 10);
    assert_string_equal(d.class_names[0], "airplane");
    assert_string_equal(d.class_names[9], "truck");
    for (long i = 0; i < 3; i++) {
        expect_image(&d, SPLIT_TRAIN, i, 1, (int)(1 + 3 * i) % 10);
        expect_image(&d, SPLIT_TEST, i, 2, (int)(2 + 3 * i) % 10);
    }
    dataset_close(&d);
    refuses(spec(here, "stl10", ",train=5"), "train=5", "4 images");
}

static void the_unlabelled_split_has_no_labels(void **state) {
    struct place *here = *state;
    struct dataset d;
    put_all(here);
    opens(&d, spec(here, "stl10", ",split=unlabeled"));
    assert_int_equal(d.count[SPLIT_TRAIN], 6);
    assert_int_equal(d.count[SPLIT_TEST], 3);
    assert_int_equal(d.classes, 0);
    expect_image(&d, SPLIT_TRAIN, 5, 3, -1);
    expect_image(&d, SPLIT_TEST, 1, 2, -1);
    dataset_close(&d);
    drop(here, "train_X.bin");
    drop(here, "train_y.bin");
    opens(&d, spec(here, "stl10", ",split=unlabeled"));
    dataset_close(&d);
    refuses(spec(here, "stl10", ",split=unlabeled,captions=class"), "captions=class", "no classes");
    refuses(spec(here, "stl10", ",split=both"), "labeled|unlabeled");
    drop(here, "unlabeled_X.bin");
    refuses(spec(here, "stl10", ",split=unlabeled"), "unlabeled_X.bin is missing");
}

static void the_hash_is_of_what_is_used(void **state) {
    struct place *here = *state;
    struct dataset d;
    char hash[65], line[100];
    put_all(here);
    uint8_t *images = put_images(here, "train_X.bin", 1, 4);
    uint8_t *test = put_images(here, "test_X.bin", 2, 3);
    opens(&d, spec(here, "stl10", ",train=2,test=1"));
    int head = snprintf(line, sizeof line, "stl10 96 x 96 x 3, 2 + 1 images, 10 classes\n");
    char *all = arena_alloc(&here->arena, (size_t)head + 3 * IMAGE + 3), *at = all;
    memcpy(at, line, (size_t)head), at += head;
    memcpy(at, images, 2 * IMAGE), at += 2 * IMAGE;
    *at++ = 2, *at++ = 5; /* 1 + (1 + 3i) % 10 */
    memcpy(at, test, IMAGE), at += IMAGE;
    *at++ = 3;
    sha256_hex(all, (size_t)(at - all), hash);
    assert_string_equal(d.root_hash, hash);
    dataset_close(&d);
}

static void wrong_files_are_refused(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    struct error err = {0};
    put_all(here);
    refuses("stl10", "needs a folder");
    put_labels(here, "test_y.bin", 2, 2);
    refuses(spec(here, "stl10", ""), "test_y.bin", "3 labels expected", "found 2");
    put(here, "test_y.bin", "\1\2\0", 3);
    refuses(spec(here, "stl10", ""), "test_y.bin", "offset 2", "label 1 to 10", "found 0");
    put(here, "test_y.bin", "\1\13\1", 3);
    refuses(spec(here, "stl10", ""), "test_y.bin", "offset 1", "found 11");
    drop(here, "test_y.bin");
    refuses(spec(here, "stl10", ""), "test_y.bin", "found 0");
    put_labels(here, "test_y.bin", 2, 3);
    uint8_t *all = put_images(here, "train_X.bin", 1, 4);
    put(here, "train_X.bin", all, 3 * IMAGE + 1);
    refuses(spec(here, "stl10", ""), "train_X.bin", "offset 82944", "27648 bytes", "found 1 bytes",
            "no STL-10");
    put(here, "train_X.bin", all, 4 * IMAGE);
    put(here, "class_names.txt", "a\nb\n", 4);
    refuses(spec(here, "stl10", ""), "class_names.txt", "10 names", "found 2");
    drop(here, "class_names.txt");
    opens(&d, spec(here, "stl10", ""));
    assert_int_equal(truncate(in(here, "train_X.bin"), 2 * IMAGE + 100), 0);
    reads(&d, SPLIT_TRAIN, 1, &r);
    assert_int_equal(dataset_read(&d, SPLIT_TRAIN, 2, &r, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "train_X.bin: offset 55396"));
    record_free(&r);
    dataset_close(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_labelled_images, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_unlabelled_split_has_no_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_hash_is_of_what_is_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_files_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
