/* CIFAR-100's binary layout: two labels a record, both checked, either the one that counts. */
#include "tests/data_files.h"

enum { RECORD = 3074, FINE = 100, COARSE = 20 };

static uint8_t value(long file, long record, long byte) {
    return (uint8_t)(file * 31 + record * 11 + byte * 7 + byte / 1024 * 3);
}

static int fine_of(long file, long record) {
    return (int)(file * 50 + record * 9) % FINE;
}

static int coarse_of(long file, long record) {
    return (int)(file + record * 3) % COARSE;
}

static uint8_t *put_records(struct place *here, const char *name, long file, long n) {
    uint8_t *all = arena_alloc(&here->arena, (size_t)n * RECORD);
    for (long r = 0; r < n; r++) {
        all[r * RECORD] = (uint8_t)coarse_of(file, r);
        all[r * RECORD + 1] = (uint8_t)fine_of(file, r);
        for (long b = 0; b < 3072; b++)
            all[r * RECORD + 2 + b] = value(file, r, b);
    }
    put(here, name, all, (size_t)n * RECORD);
    return all;
}

static void expect_pixels(const struct record *r, long file, long record) {
    assert_int_equal(r->height, 32);
    assert_int_equal(r->width, 32);
    assert_int_equal(r->channels, 3);
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 32; x++)
            for (int c = 0; c < 3; c++)
                assert_int_equal(r->pixels[(y * 32 + x) * 3 + c],
                                 value(file, record, c * 1024 + y * 32 + x));
}

/* Of a class's words, as the prompts of zeroshot have them. */
static const char *caption_of(struct place *here, const struct dataset *d, int label) {
    char *text = arena_printf(&here->arena, "a photo of a %s", d->class_names[label]);
    for (char *c = text; *c; c++)
        *c = *c == '_' ? ' ' : *c;
    return text;
}

static void either_label_counts(void **state) {
    struct place *here = *state;
    struct dataset fine, coarse;
    struct record r = {0};
    put_records(here, "train.bin", 1, 6);
    put_records(here, "test.bin", 2, 3);
    opens(&fine, spec(here, "cifar100", ",captions=class"));
    opens(&coarse, spec(here, "cifar100", ",captions=class,labels=coarse,train=5"));
    assert_int_equal(fine.classes, FINE);
    assert_int_equal(coarse.classes, COARSE);
    assert_string_equal(fine.class_names[0], "apple");
    assert_string_equal(fine.class_names[99], "worm");
    assert_string_equal(coarse.class_names[0], "aquatic_mammals");
    assert_string_equal(coarse.class_names[19], "vehicles_2");
    assert_int_equal(fine.count[SPLIT_TRAIN], 6);
    assert_int_equal(coarse.count[SPLIT_TRAIN], 5);
    assert_int_equal(fine.count[SPLIT_TEST], 3);
    assert_string_not_equal(fine.root_hash, coarse.root_hash);
    for (long i = 0; i < 5; i++) {
        reads(&fine, SPLIT_TRAIN, i, &r);
        assert_int_equal(r.label, fine_of(1, i));
        assert_string_equal(r.caption, caption_of(here, &fine, r.label));
        expect_pixels(&r, 1, i);
        reads(&coarse, SPLIT_TRAIN, i, &r);
        assert_int_equal(r.label, coarse_of(1, i));
        assert_string_equal(r.caption, caption_of(here, &coarse, r.label));
        expect_pixels(&r, 1, i);
    }
    reads(&fine, SPLIT_TEST, 2, &r);
    expect_pixels(&r, 2, 2);
    record_free(&r);
    dataset_close(&coarse);
    dataset_close(&fine);
}

/* The names of both lists, in the order of the archive's files: sorted, none twice. */
static void names_are_in_order(void **state) {
    struct place *here = *state;
    put_records(here, "train.bin", 1, 6);
    put_records(here, "test.bin", 2, 3);
    for (int k = 0; k < 2; k++) {
        struct dataset d;
        opens(&d, spec(here, "cifar100", k ? ",labels=coarse" : ""));
        for (int i = 1; i < d.classes; i++)
            assert_true(strcmp(d.class_names[i - 1], d.class_names[i]) < 0);
        dataset_close(&d);
    }
}

static void names_of_classes_come_from_their_file(void **state) {
    struct place *here = *state;
    struct dataset d;
    const char *text = "";
    put_records(here, "train.bin", 1, 6);
    put_records(here, "test.bin", 2, 3);
    for (int i = 0; i < COARSE; i++)
        text = arena_printf(&here->arena, "%sc%d\n", text, i);
    put(here, "coarse_label_names.txt", text, strlen(text));
    opens(&d, spec(here, "cifar100", ",labels=coarse"));
    assert_string_equal(d.class_names[7], "c7");
    dataset_close(&d);
    opens(&d, spec(here, "cifar100", ",labels=fine"));
    assert_string_equal(d.class_names[7], "beetle");
    dataset_close(&d);
    put(here, "fine_label_names.txt", text, strlen(text));
    refuses(spec(here, "cifar100", ""), "fine_label_names.txt", "100 names", "found 20");
}

static void wrong_files_are_refused(void **state) {
    struct place *here = *state;
    uint8_t *all = put_records(here, "train.bin", 1, 6);
    refuses(spec(here, "cifar100", ""), "test.bin is missing", "CIFAR-100 binary version");
    put_records(here, "test.bin", 2, 3);
    refuses(spec(here, "cifar100", ",labels=both"), "labels=both", "fine|coarse");
    refuses(spec(here, "cifar10", ",labels=fine"), "no argument \"labels\"");
    put(here, "train.bin", all, 3 * RECORD + 5);
    refuses(spec(here, "cifar100", ""), "train.bin", "offset 9222", "3074 bytes", "found 5 bytes",
            "no CIFAR-100");
    all[2 * RECORD] = COARSE;
    put(here, "train.bin", all, 6 * RECORD);
    refuses(spec(here, "cifar100", ""), "train.bin", "offset 6148", "label 0 to 19", "found 20");
    all[2 * RECORD] = 0;
    all[4 * RECORD + 1] = FINE;
    put(here, "train.bin", all, 6 * RECORD);
    refuses(spec(here, "cifar100", ",labels=coarse"), "train.bin", "offset 12297", "label 0 to 99");
    drop(here, "train.bin");
    refuses(spec(here, "cifar100", ""), "train.bin is missing");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(either_label_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_are_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_of_classes_come_from_their_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_files_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
