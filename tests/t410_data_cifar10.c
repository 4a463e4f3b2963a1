/* CIFAR-10's binary layout, whole, in part, cut off and wrong. */
#include "core/sha256.h"

#include "tests/data_files.h"

#include <math.h>

enum { RECORD = 3073 };

static uint8_t value(long file, long record, long byte) {
    return (uint8_t)(file * 41 + record * 7 + byte * 13 + byte / 1024 * 5);
}

/* A record is a function of (file, record); its label is (file + record) % 10. */
static uint8_t *records(struct place *here, long file, long n) {
    uint8_t *all = arena_alloc(&here->arena, (size_t)n * RECORD + 1);
    for (long r = 0; r < n; r++) {
        all[r * RECORD] = (uint8_t)((file + r) % 10);
        for (long b = 0; b < 3072; b++)
            all[r * RECORD + 1 + b] = value(file, r, b);
    }
    return all;
}

static void put_batch(struct place *here, const char *name, long file, long n) {
    put(here, name, records(here, file, n), (size_t)n * RECORD);
}

static void expect_record(const struct dataset *d, enum split split, long i, long file, long r) {
    struct record out = {0};
    reads(d, split, i, &out);
    assert_int_equal(out.label, (file + r) % 10);
    assert_int_equal(out.height, 32);
    assert_int_equal(out.width, 32);
    assert_int_equal(out.channels, 3);
    assert_null(out.mask);
    assert_string_equal(out.caption, "");
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 32; x++)
            for (int c = 0; c < 3; c++)
                assert_int_equal(out.pixels[(y * 32 + x) * 3 + c],
                                 value(file, r, c * 1024 + y * 32 + x));
    record_free(&out);
}

static void test_any_files_of_the_five(void **state) {
    struct place *here = *state;
    struct dataset d;
    put_batch(here, "data_batch_2.bin", 2, 7);
    put_batch(here, "data_batch_5.bin", 5, 3);
    put_batch(here, "test_batch.bin", 9, 4);
    opens(&d, spec(here, "cifar10", ""));
    assert_string_equal(d.name, "cifar10");
    assert_int_equal(d.count[SPLIT_TRAIN], 10);
    assert_int_equal(d.count[SPLIT_TEST], 4);
    assert_int_equal(d.classes, 10);
    assert_string_equal(d.class_names[0], "airplane");
    assert_string_equal(d.class_names[9], "truck");
    assert_int_equal(d.has_mask, 0);
    expect_record(&d, SPLIT_TRAIN, 0, 2, 0);
    expect_record(&d, SPLIT_TRAIN, 6, 2, 6);
    expect_record(&d, SPLIT_TRAIN, 7, 5, 0);
    expect_record(&d, SPLIT_TRAIN, 9, 5, 2);
    expect_record(&d, SPLIT_TEST, 3, 9, 3);
    double sum = 0;
    for (long k = 0; k < 10; k++)
        for (long b = 1024; b < 2048; b++)
            sum += value(k < 7 ? 2 : 5, k < 7 ? k : k - 7, b);
    assert_true(fabs(d.mean[1] - sum / 10240 / 255) < 1e-9);
    dataset_close(&d);
}

static void test_limits_take_the_first_images(void **state) {
    struct place *here = *state;
    struct dataset d, all;
    put_batch(here, "data_batch_1.bin", 1, 5);
    put_batch(here, "data_batch_2.bin", 2, 5);
    put_batch(here, "test_batch.bin", 9, 4);
    opens(&d, spec(here, "cifar10", ",train=6,test=1"));
    assert_int_equal(d.count[SPLIT_TRAIN], 6);
    assert_int_equal(d.count[SPLIT_TEST], 1);
    assert_int_equal(d.measured, 6);
    expect_record(&d, SPLIT_TRAIN, 5, 2, 0);
    opens(&all, spec(here, "cifar10", ",train=10"));
    assert_string_not_equal(d.root_hash, all.root_hash);
    dataset_close(&all);
    dataset_close(&d);
    refuses(spec(here, "cifar10", ",train=11"), "train=11", "10 images");
    refuses(spec(here, "cifar10", ",test=5"), "test=5", "4 images");
    refuses(spec(here, "cifar10", ",trian=5"), "did you mean \"train\"?", "train, test");
}

/* root_hash = SHA-256 of a line with name, size and counts, then the bytes used. */
static void test_root_hash_is_of_the_bytes_used(void **state) {
    struct place *here = *state;
    struct dataset d;
    put_batch(here, "data_batch_1.bin", 1, 2);
    put_batch(here, "test_batch.bin", 9, 3);
    opens(&d, spec(here, "cifar10", ",test=1"));
    const char *line = "cifar10 32 x 32 x 3, 2 + 1 images, 10 classes\n";
    size_t head = strlen(line);
    uint8_t *all = arena_alloc(&here->arena, head + 3 * RECORD);
    memcpy(all, line, head);
    memcpy(all + head, records(here, 1, 2), 2 * RECORD);
    memcpy(all + head + 2 * RECORD, records(here, 9, 1), RECORD);
    char expected[65];
    sha256_hex(all, head + 3 * RECORD, expected);
    assert_string_equal(d.root_hash, expected);
    dataset_close(&d);
}

static void test_class_names(void **state) {
    struct place *here = *state;
    struct dataset d;
    const char *names = "a0\na1\r\na2\na3\na4\na5\na6\na7\na8\na nine\n\n",
               *path = "batches.meta.txt";
    put_batch(here, "data_batch_1.bin", 1, 2);
    put_batch(here, "test_batch.bin", 9, 2);
    put(here, path, names, strlen(names));
    opens(&d, spec(here, "cifar10", ""));
    assert_string_equal(d.class_names[1], "a1");
    assert_string_equal(d.class_names[9], "a nine");
    dataset_close(&d);
    put(here, path, names, 8);
    refuses(spec(here, "cifar10", ""), path, "offset 8", "10 names", "found 3");
    put(here, path, "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n", 22);
    refuses(spec(here, "cifar10", ""), path, "offset 20", "more");
    put(here, path, "a\nb\n\x01z\n", 7);
    refuses(spec(here, "cifar10", ""), path, "offset 4", "no name");
}

static void test_broken_files(void **state) {
    struct place *here = *state;
    uint8_t *all = records(here, 1, 5);
    put_batch(here, "data_batch_1.bin", 1, 5);
    put_batch(here, "test_batch.bin", 9, 4);

    put(here, "data_batch_1.bin", all, 4 * RECORD + 100);
    refuses(spec(here, "cifar10", ""), "data_batch_1.bin", "offset 12292", "3073 bytes expected",
            "found 100 bytes");
    put(here, "data_batch_1.bin", all, 0);
    refuses(spec(here, "cifar10", ""), "data_batch_1.bin", "offset 0", "found 0 bytes");
    all[3 * RECORD] = 10;
    put(here, "data_batch_1.bin", all, 5 * RECORD);
    refuses(spec(here, "cifar10", ""), "data_batch_1.bin", "offset 9219", "label 0 to 9",
            "found 10");
    put_batch(here, "data_batch_1.bin", 1, 5);
    drop(here, "test_batch.bin");
    refuses(spec(here, "cifar10", ""), "test_batch.bin is missing");
    put_batch(here, "test_batch.bin", 9, 4);
    drop(here, "data_batch_1.bin");
    refuses(spec(here, "cifar10", ""), "data_batch_1.bin is missing", "CIFAR-10 binary version");
    assert_int_equal(system(arena_printf(&here->arena, "mkdir '%s'", in(here, "data_batch_1.bin"))),
                     0);
    refuses(spec(here, "cifar10", ""), "data_batch_1.bin", "a file expected");
    refuses("cifar10:/nowhere/at/all", "/nowhere/at/all/data_batch_1.bin is missing");
}

static void test_a_folder_with_odd_letters(void **state) {
    struct place *here = *state;
    struct dataset d;
    const char *odd = in(here, "a,b=c,d");
    assert_int_equal(system(arena_printf(&here->arena, "mkdir '%s'", odd)), 0);
    put_batch(here, "a,b=c,d/data_batch_1.bin", 1, 5);
    put_batch(here, "a,b=c,d/test_batch.bin", 9, 4);
    /* ",b=" is taken for an argument; nothing else about the name matters. */
    refuses(arena_printf(&here->arena, "cifar10:%s", odd), "no argument \"b\"");
    assert_int_equal(system(arena_printf(&here->arena, "mv '%s' '%s'", odd, in(here, "a,B=c:d"))),
                     0);
    opens(&d, arena_printf(&here->arena, "cifar10:%s,train=3", in(here, "a,B=c:d")));
    assert_int_equal(d.count[SPLIT_TRAIN], 3);
    dataset_close(&d);
}

static void test_the_default_folder_is_below_home(void **state) {
    struct place *here = *state;
    setenv("HOME", here->folder, 1);
    refuses("cifar10", here->folder, ".cache/ssvbench-data/cifar10-bin/data_batch_1.bin");
    refuses("cifar10:train=5", ".cache/ssvbench-data/cifar10-bin");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_files_of_the_five, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits_take_the_first_images, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_hash_is_of_the_bytes_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_class_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_folder_with_odd_letters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_default_folder_is_below_home, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
