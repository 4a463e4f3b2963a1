/* Folders of images: classes, splits, sizes, order, bad files, the hash. */
#include "core/log.h"
#include "core/sha256.h"
#include "tests/photo_files.h"

#include <sys/stat.h>

enum { SIDE = 20 };

/* Images of a class are numbered on; the other kind of file is passed over. */
static void put_class(struct place *here, const char *folder, int n, int number) {
    for (int i = 0; i < n; i++)
        put_photo(here, arena_printf(&here->arena, "%s/%d.%s", folder, i, i % 2 ? "png" : "JPG"),
                  SIDE, SIDE + 5 * i, number + i);
    put_text(here, arena_printf(&here->arena, "%s/readme.txt", folder), "no image");
    put_text(here, arena_printf(&here->arena, "%s/.hidden.jpg", folder), "no image");
}

static void put_splits(struct place *here, const char *test) {
    put_class(here, "train/dog", 3, 0);
    put_class(here, "train/Cat", 2, 10);
    put_class(here, "train/10", 2, 20);
    put_class(here, "train/9/deeper/still", 2, 30);
    put_class(here, arena_printf(&here->arena, "%s/dog", test), 2, 40);
    put_class(here, arena_printf(&here->arena, "%s/9", test), 1, 50);
}

static uint64_t order_of(const char *name) {
    char hex[65];
    sha256_hex(name, strlen(name), hex);
    hex[32] = '\0';
    return strtoull(hex + 16, NULL, 16);
}

static int by_order(const void *a, const void *b) {
    uint64_t x = order_of(*(const char *const *)a), y = order_of(*(const char *const *)b);
    return (x > y) - (x < y);
}

/* Names below `folder` with their classes, in any order; the reader's is that of a hash. */
static void expect_split(struct place *here, const struct dataset *d, enum split split,
                         const char *folder, const char **names, long n) {
    struct record r = {0};
    qsort(names, (size_t)n, sizeof *names, by_order);
    assert_int_equal(d->count[split], n);
    for (long i = 0; i < n; i++) {
        reads(d, split, i, &r);
        expect_photo(here, &r, arena_printf(&here->arena, "%s/%s", folder, names[i]), d->height);
        const char *label = d->class_names[r.label];
        assert_memory_equal(label, names[i], strlen(label));
        assert_int_equal(names[i][strlen(label)], '/');
        assert_null(r.mask);
        assert_int_equal(r.n_captions, 0);
    }
    record_free(&r);
}

static void reads_both_splits(void **state) {
    struct place *here = *state;
    struct dataset d;
    const char *train[] = {"dog/0.JPG",           "dog/1.png", "dog/2.JPG", "Cat/0.JPG",
                           "Cat/1.png",           "10/0.JPG",  "10/1.png",  "9/deeper/still/0.JPG",
                           "9/deeper/still/1.png"};
    const char *test[] = {"dog/0.JPG", "dog/1.png", "9/0.JPG"};
    put_splits(here, "test");
    opens(&d, spec(here, "folder", ""));
    assert_string_equal(d.name, "folder");
    assert_int_equal(d.classes, 4);
    assert_string_equal(d.class_names[0], "10"); /* by bytes: digits, large letters, small ones */
    assert_string_equal(d.class_names[1], "9");
    assert_string_equal(d.class_names[2], "Cat");
    assert_string_equal(d.class_names[3], "dog");
    assert_int_equal(d.height, SIDE);
    assert_int_equal(d.width, SIDE);
    assert_int_equal(d.n_bad, 0);
    for (int again = 0; again < 2; again++) { /* the second time out of the cache */
        expect_split(here, &d, SPLIT_TRAIN, "train", train, 9);
        expect_split(here, &d, SPLIT_TEST, "test", test, 3);
    }
    dataset_close(&d);
    opens(&d, spec(here, "folder", ",cache=0,train=4,size=11"));
    expect_split(here, &d, SPLIT_TRAIN, "train", train, 4); /* sorted by now: the first */
    dataset_close(&d);
    refuses(spec(here, "folder", ",train=10"), "train=10", "9 images");
}

static void the_other_split_may_be_val(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    put_splits(here, "val");
    opens(&d, spec(here, "folder", ",captions=class"));
    assert_int_equal(d.count[SPLIT_TEST], 3);
    reads(&d, SPLIT_TEST, 0, &r);
    assert_string_equal(r.caption,
                        arena_printf(&here->arena, "a photo of a %s", d.class_names[r.label]));
    record_free(&r);
    dataset_close(&d);
    put_class(here, "test/dog", 5, 60);
    opens(&d, spec(here, "folder", ""));
    assert_int_equal(d.count[SPLIT_TEST], 5);
    dataset_close(&d);
    opens(&d, spec(here, "folder", ",split=val"));
    assert_int_equal(d.count[SPLIT_TEST], 3);
    dataset_close(&d);
    refuses(spec(here, "folder", ",test_share=0.1"), "test is there", "test_share=");
    put_class(here, "test/new", 1, 70);
    refuses(spec(here, "folder", ""), "test/new/0.JPG", "class new has no image for training");
}

static void a_hash_of_the_name_splits(void **state) {
    struct place *here = *state;
    struct dataset d;
    enum { IMAGES = 60 };
    put_class(here, "a", IMAGES, 0);
    put_class(here, "b", IMAGES, 0);
    for (int k = 0; k < 3; k++) {
        const double share[] = {0.1, 0.25, 0.1};
        long test = 0;
        for (int i = 0; i < 2 * IMAGES; i++)
            test += is_in_share(arena_printf(&here->arena, "%c/%d.%s", 'a' + i / IMAGES, i % IMAGES,
                                             i % 2 ? "png" : "JPG"),
                                share[k]);
        opens(&d, spec(here, "folder",
                       k == 0   ? ""
                       : k == 1 ? ",test_share=0.25"
                                : ",test_share=0.1"));
        assert_int_equal(d.count[SPLIT_TEST], test);
        assert_int_equal(d.count[SPLIT_TRAIN], 2 * IMAGES - test);
        assert_in_range(test, 2 * IMAGES * share[k] / 3, 2 * IMAGES * share[k] * 2);
        dataset_close(&d);
    }
    refuses(spec(here, "folder", ",test_share=0"), "test_share=0", "1e-06 to 0.999999");
    refuses(spec(here, "folder", ",test_share=1"), "out of range");
    refuses(spec(here, "folder", ",test_share=-0.1"), "not a number");
    refuses(spec(here, "folder", ",test_share=0.1234567"), "not a number");
    refuses(spec(here, "folder", ",split=val"), "needs the folders train and val");
    put_class(here, "train/x", 1, 0);
    refuses(spec(here, "folder", ""), "neither test nor val", "test_share=0.1");
}

static void images_without_classes_have_no_labels(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    put_class(here, "train", 4, 0);
    put_class(here, "test", 2, 10);
    opens(&d, spec(here, "folder", ""));
    assert_int_equal(d.classes, 0);
    reads(&d, SPLIT_TRAIN, 3, &r);
    assert_int_equal(r.label, -1);
    dataset_close(&d);
    refuses(spec(here, "folder", ",captions=class"), "captions=class", "no classes");
    put_class(here, "train/a", 1, 20);
    refuses(spec(here, "folder", ""), "some images lie in folders");
    put_class(here, "one/only", 30, 20);
    opens(&d, arena_printf(&here->arena, "folder:%s,test_share=0.3", in(here, "one")));
    assert_int_equal(d.classes, 0);
    reads(&d, SPLIT_TEST, 0, &r);
    assert_int_equal(r.label, -1);
    record_free(&r);
    dataset_close(&d);
}

static void sizes(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    const char *text = spec(here, "folder", "");
    put_photo(here, "train/a/0.jpg", 20, 31, 0);
    put_photo(here, "train/b/1.jpg", 47, 20, 1);
    put_photo(here, "test/b/2.jpg", 20, 20, 2);
    opens(&d, text);
    assert_int_equal(d.height, 20); /* what they have in common: nothing is resized */
    dataset_close(&d);
    put_photo(here, "test/b/3.jpg", 21, 40, 3);
    opens(&d, text);
    assert_int_equal(d.height, 96);
    reads(&d, SPLIT_TRAIN, 0, &r);
    assert_int_equal(r.height < r.width ? r.height : r.width, 96);
    dataset_close(&d);
    drop(here, "test/b/3.jpg");
    opens(&d, spec(here, "folder", ",size=10"));
    assert_int_equal(d.height, 10);
    assert_int_equal(dataset_most_pixels(&d), 24 * 10 + 24 + 10);
    for (long i = 0; i < 2; i++) {
        reads(&d, SPLIT_TRAIN, i, &r);
        int is_b = r.label == 1;
        assert_int_equal(r.height, is_b ? 24 : 10); /* 47 / 2 rounded up */
        assert_int_equal(r.width, is_b ? 10 : 16);
    }
    record_free(&r);
    dataset_close(&d);
    for (int i = 0; i < 3; i++)
        put_photo(
            here,
            arena_printf(&here->arena, "%s",
                         (const char *[]){"train/a/0.jpg", "train/b/1.jpg", "test/b/2.jpg"}[i]),
            100, 130, i);
    opens(&d, text); /* a common size, but a large one */
    assert_int_equal(d.height, 96);
    dataset_close(&d);
    put_photo(here, "train/b/4.png", 1, 9000, 4);
    refuses(text, "b/4.png", "too long a strip");
}

static void more_can_be_kept_than_encoders_get(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    struct decoded p;
    struct error err = {0};
    char with[65], without[65];
    put_photo(here, "train/a/0.png", 40, 60, 0); /* shrunk to 30 x 45 */
    put_photo(here, "train/b/1.png", 28, 50, 1); /* as it is */
    put_photo(here, "test/b/2.png", 9, 12, 2);   /* as it is, though less than the size */
    opens(&d, spec(here, "folder", ",size=16,keep=30"));
    assert_int_equal(d.height, 16);
    assert_int_equal(dataset_most_pixels(&d), 28 * 50 + 28 + 50);
    for (long i = 0; i < 2; i++) {
        reads(&d, SPLIT_TRAIN, i, &r);
        assert_int_equal(r.height, r.label ? 28 : 30);
        assert_int_equal(r.width, r.label ? 50 : 45);
        if (!r.label)
            continue;
        assert_int_equal(image_read(in(here, "train/b/1.png"), NULL, &here->arena, &p, &err), 0);
        assert_memory_equal(r.pixels, p.rgb, 28 * 50 * 3);
    }
    reads(&d, SPLIT_TEST, 0, &r);
    assert_int_equal(r.height, 9);
    record_free(&r);
    dataset_close(&d);
    hash_of(spec(here, "folder", ",size=16,keep=30"), with);
    hash_of(spec(here, "folder", ",size=16"), without);
    assert_string_not_equal(with, without);
    refuses(spec(here, "folder", ",size=16,keep=15"), "keep=15", "less than the size, 16");
}

/* Room is made for the largest image of the opening (methods/views.c), and no other is let in. */
static void no_image_is_larger_than_the_largest(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    struct error err = {0};
    put_photo(here, "train/a/0.jpg", 136, 173, 0); /* decoded at a quarter: 34 x 44 */
    put_photo(here, "train/b/1.jpg", 136, 173, 1);
    put_photo(here, "test/b/2.jpg", 136, 173, 2);
    opens(&d, spec(here, "folder", ",size=33,cache=0"));
    reads(&d, SPLIT_TRAIN, 0, &r);
    assert_int_equal(r.height, 33);
    assert_int_equal(r.width, 43); /* 42 of the whole one */
    assert_true(dataset_most_pixels(&d) >= 33 * 43);
    put_photo(here, "train/a/0.jpg", 136, 300, 0);
    put_photo(here, "train/b/1.jpg", 136, 300, 1);
    assert_int_equal(dataset_read(&d, SPLIT_TRAIN, 0, &r, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "it has changed since it was opened"));
    record_free(&r);
    dataset_close(&d);
}

/* A run that read one file and then another would say that it saw the first. */
static void an_image_in_the_place_of_another_is_noticed(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    struct error err = {0};
    put_photo(here, "train/a/0.jpg", 40, 40, 0);
    put_photo(here, "train/b/1.jpg", 40, 40, 1);
    put_photo(here, "test/b/2.jpg", 40, 40, 2);
    opens(&d, spec(here, "folder", ",size=16,cache=0"));
    put_photo(here, "train/a/0.jpg", 40, 40, 0); /* the same again */
    put_photo(here, "train/b/1.jpg", 40, 40, 3);
    reads(&d, SPLIT_TRAIN, 0, &r);
    assert_int_equal(dataset_read(&d, SPLIT_TRAIN, 1, &r, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "1.jpg: it has changed since it was opened"));
    record_free(&r);
    dataset_close(&d);
}

static void a_large_photo_is_nearly_what_it_would_be_resized(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    struct decoded p;
    struct error err = {0};
    put_photo(here, "train/a/0.jpg", 640, 800, 0);
    put_photo(here, "train/b/1.jpg", 640, 800, 1);
    put_photo(here, "test/b/2.jpg", 640, 800, 2);
    opens(&d, spec(here, "folder", ",size=32"));
    reads(&d, SPLIT_TRAIN, 0, &r);
    const char *name = in(here, r.label ? "train/b/1.jpg" : "train/a/0.jpg");
    assert_int_equal(image_read(name, NULL, &here->arena, &p, &err), 0);
    uint8_t *whole = arena_alloc(&here->arena, 32 * 40 * 3);
    resize_whole(p.rgb, 640, 800, 3, 32, 40, whole);
    assert_int_equal(r.height, 32);
    assert_int_equal(r.width, 40);
    for (int i = 0; i < 32 * 40 * 3; i++) /* decoded at an eighth */
        assert_in_range(whole[i] - r.pixels[i] + 8, 0, 16);
    record_free(&r);
    dataset_close(&d);
}

static void bad_files_fail_or_are_left_out(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    struct error err = {0};
    const char *skip = spec(here, "folder", ",bad=skip"), *fail = spec(here, "folder", "");
    char hash[65], without[65];
    put_splits(here, "test");
    put_photo(here, "test/dog/3.jpg", SIDE, SIDE, 80);
    cut(here, "test/dog/3.jpg");
    opens(&d, fail); /* its head is whole */
    long failed = 0;
    for (long i = 0; i < 4; i++)
        if (dataset_read(&d, SPLIT_TEST, i, &r, &err)) {
            failed++;
            assert_int_equal(err.status, STATUS_USAGE);
            assert_non_null(strstr(err.message, "test/dog/3.jpg"));
        }
    assert_int_equal(failed, 1);
    dataset_close(&d);
    put_text(here, "train/Cat/5.png", "this is text");
    refuses(fail, "train/Cat/5.png", "not a JPEG, PNG or WebP");
    put_text(here, "test/dog/7.webp", "");
    opens(&d, skip);
    assert_int_equal(d.count[SPLIT_TRAIN], 9);
    assert_int_equal(d.count[SPLIT_TEST], 3);
    assert_int_equal(d.n_bad, 3);
    assert_int_equal(d.n_bad_names, 3);
    int named = 0;
    for (int i = 0; i < 3; i++)
        named += !strcmp(d.bad_names[i], "dog/3.jpg") + 2 * !strcmp(d.bad_names[i], "Cat/5.png") +
                 4 * !strcmp(d.bad_names[i], "dog/7.webp");
    assert_int_equal(named, 7);
    for (long i = 0; i < 3; i++)
        reads(&d, SPLIT_TEST, i, &r);
    memcpy(hash, d.root_hash, sizeof hash);
    dataset_close(&d);
    refuses(spec(here, "folder", ",bad=skip,train=10"), "train=10", "9 images");
    drop(here, "test/dog/3.jpg");
    drop(here, "train/Cat/5.png");
    drop(here, "test/dog/7.webp");
    hash_of(fail, without); /* the hash is of what was used */
    assert_string_equal(hash, without);
    cut(here, "test/9/0.JPG");
    cut(here, "test/dog/0.JPG");
    cut(here, "test/dog/1.png");
    refuses(skip, "split test", "not bad");
    record_free(&r);
}

/* With train=N the outcome is that of the first N good ones. */
static void limits_count_good_images(void **state) {
    struct place *here = *state;
    struct dataset all, some;
    struct record a = {0}, b = {0};
    put_class(here, "train/a", 12, 0);
    put_class(here, "train/b", 12, 20);
    put_class(here, "test/b", 2, 40);
    for (int i = 0; i < 12; i += 2)
        cut(here, arena_printf(&here->arena, "train/a/%d.JPG", i));
    opens(&all, spec(here, "folder", ",bad=skip"));
    assert_int_equal(all.count[SPLIT_TRAIN], 18);
    assert_int_equal(all.n_bad, 6);
    for (long n = 1; n <= 18; n++) {
        opens(&some, spec(here, "folder", arena_printf(&here->arena, ",bad=skip,train=%ld", n)));
        assert_int_equal(some.count[SPLIT_TRAIN], n);
        assert_in_range(some.n_bad, 0, 6);
        reads(&all, SPLIT_TRAIN, n - 1, &a);
        reads(&some, SPLIT_TRAIN, n - 1, &b);
        assert_memory_equal(a.pixels, b.pixels, (size_t)a.height * (size_t)a.width * 3);
        dataset_close(&some);
    }
    record_free(&a);
    record_free(&b);
    dataset_close(&all);
}

static void the_hash_is_of_content_and_classes(void **state) {
    struct place *here = *state;
    char first[65], other[65];
    put_splits(here, "test");
    hash_of(spec(here, "folder", ""), first);
    hash_of(spec(here, "folder", ",train=8"), other);
    assert_string_not_equal(first, other);
    hash_of(spec(here, "folder", ",size=21"), other);
    assert_string_not_equal(first, other);
    assert_int_equal(rename(in(here, "train"), in(here, "kept")), 0);
    make_folder(here, "moved");
    assert_int_equal(rename(in(here, "kept"), in(here, "moved/train")), 0);
    assert_int_equal(rename(in(here, "test"), in(here, "moved/test")), 0);
    const char *moved = arena_printf(&here->arena, "folder:%s", in(here, "moved"));
    hash_of(moved, other);
    assert_string_equal(first, other); /* wherever it lies */
    put_photo(here, "moved/train/dog/1.png", SIDE, SIDE + 5, 99);
    hash_of(moved, other);
    assert_string_not_equal(first, other);
    put_photo(here, "moved/train/dog/1.png", SIDE, SIDE + 5, 1);
    hash_of(moved, other);
    assert_string_equal(first, other);
    assert_int_equal(rename(in(here, "moved/train/Cat"), in(here, "moved/train/Cow")), 0);
    hash_of(moved, other);
    assert_string_not_equal(first, other);
}

static void wrong_folders_are_refused(void **state) {
    struct place *here = *state;
    refuses("folder", "needs a folder", "test_share");
    refuses("folder:/nowhere/at/all", "/nowhere/at/all", "cannot open this folder");
    refuses(spec(here, "folder", ""), here->folder, "no image");
    put_splits(here, "test");
    make_folder(here, "empty");
    refuses(spec(here, "folder", ",bad=ignore"), "fail|skip");
    assert_int_equal(symlink(here->folder, in(here, "train/dog/loop")), 0);
    refuses(spec(here, "folder", ""), "folders deep");
    drop(here, "train/dog/loop");
    assert_int_equal(symlink("/nowhere", in(here, "train/dog/gone.jpg")), 0);
    refuses(spec(here, "folder", ""), "train/dog/gone.jpg", "No such file");
    drop(here, "train/dog/gone.jpg");
    assert_int_equal(mkfifo(in(here, "train/dog/pipe.jpg"), 0600), 0);
    refuses(spec(here, "folder", ""), "train/dog/pipe.jpg", "a pipe, socket or device");
}

int main(void) {
    log_setup(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_both_splits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_other_split_may_be_val, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hash_of_the_name_splits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(images_without_classes_have_no_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_can_be_kept_than_encoders_get, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_image_is_larger_than_the_largest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_image_in_the_place_of_another_is_noticed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_large_photo_is_nearly_what_it_would_be_resized, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(bad_files_fail_or_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_count_good_images, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_hash_is_of_content_and_classes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_folders_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("folder", tests, NULL, NULL);
}
