/* The audit counts what was put in; what was converted reads back the same. */
#include "core/log.h"
#include "core/sha256.h"
#include "data/audit.h"
#include "data/contact_sheet.h"
#include "data/convert.h"
#include "tests/photo_files.h"

static void copy(struct place *here, const char *from, const char *to) {
    size_t bytes;
    uint8_t *data = get_file(here, from, &bytes);
    put(here, to, data, bytes);
}

/* Train: 4 dogs, 2 cats, one dog twice; test: 2 dogs, of which one is a training cat's file. */
static void put_all(struct place *here) {
    for (int i = 0; i < 3; i++)
        put_photo(here, arena_printf(&here->arena, "train/dog/%d.jpg", i), 20, 30 + i, i);
    put_photo(here, "train/cat/a.png", 24, 20, 5);
    put_photo(here, "train/cat/b.jpg", 20, 40, 6);
    put_photo(here, "test/dog/c.jpg", 20, 25, 7);
    copy(here, "train/dog/1.jpg", "train/dog/again.jpg");
    copy(here, "train/cat/a.png", "test/dog/leaked.png");
}

static void counts_what_was_put_in(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct audit a;
    struct error err = {0};
    put_all(here);
    put_photo(here, "test/cat/broken.jpg", 20, 25, 7);
    cut(here, "test/cat/broken.jpg");
    opens(&d, spec(here, "folder", ""));
    assert_int_equal(audit_run(&a, &d, NULL, &err), 0);
    const struct audit_split *train = &a.split[SPLIT_TRAIN], *test = &a.split[SPLIT_TEST];
    assert_int_equal(train->n, 6);
    assert_int_equal(test->n, 3);
    assert_int_equal(train->broken, 0);
    assert_int_equal(test->broken, 1);
    assert_int_equal(a.n_broken, 1);
    assert_non_null(strstr(a.broken[0], "test/cat/broken.jpg"));
    assert_int_equal(train->duplicates, 1);
    assert_int_equal(test->duplicates, 0);
    assert_int_equal(a.overlap, 1);
    assert_int_equal(a.n_pairs, 2);
    assert_int_equal(a.pairs[0].split_a, SPLIT_TRAIN);
    assert_int_equal(a.pairs[0].split_b, SPLIT_TRAIN);
    assert_true(a.pairs[0].a < a.pairs[0].b);
    assert_int_equal(a.pairs[1].split_a, SPLIT_TRAIN);
    assert_int_equal(a.pairs[1].split_b, SPLIT_TEST);
    assert_string_equal(
        audit_json(&a, &d, &here->arena),
        "{\"train\":{\"images\":6,\"broken\":0,\"duplicates\":1,\"grey\":1,\"height\":[20,24],"
        "\"width\":[20,40],\"per_class\":[2,4],\"files\":{\"JPEG\":5,\"PNG\":1,\"grey files\":1}},"
        "\"test\":{\"images\":3,\"broken\":1,\"duplicates\":0,\"grey\":1,\"height\":[20,24],"
        "\"width\":[20,25],\"per_class\":[0,2],\"files\":{\"JPEG\":1,\"PNG\":1,\"grey files\":1}},"
        "\"also_in_training\":1}");
    assert_int_equal(train->per_class[0], 2); /* cat */
    assert_int_equal(train->per_class[1], 4);
    assert_int_equal(test->per_class[0], 0);
    assert_int_equal(test->per_class[1], 2);
    assert_int_equal(train->grey, 1);
    assert_int_equal(test->grey, 1);
    assert_int_equal(train->height[0], 20);
    assert_int_equal(train->height[1], 24);
    assert_int_equal(train->width[0], 20);
    assert_int_equal(train->width[1], 40);
    assert_int_equal(train->files, 6);
    assert_int_equal(train->property[AUDIT_JPEG], 5);
    assert_int_equal(train->property[AUDIT_PNG], 1);
    assert_int_equal(train->property[AUDIT_GREY_FILE], 1);
    assert_int_equal(train->property[AUDIT_ROTATED], 0);
    char order[65], expected[65];
    audit_class_order(&d, order);
    sha256_hex("cat\0dog", 8, expected);
    assert_string_equal(order, expected);
    audit_free(&a);
    dataset_close(&d);
}

static void expect_same(const struct dataset *a, const struct dataset *b) {
    struct record x = {0}, y = {0};
    assert_int_equal(a->classes, b->classes);
    for (int c = 0; c < a->classes; c++)
        assert_string_equal(a->class_names[c], b->class_names[c]);
    for (int s = 0; s < SPLITS; s++) {
        assert_int_equal(a->count[s], b->count[s]);
        for (long i = 0; i < a->count[s]; i++) {
            reads(a, (enum split)s, i, &x);
            reads(b, (enum split)s, i, &y);
            assert_int_equal(x.height, y.height);
            assert_int_equal(x.width, y.width);
            assert_int_equal(x.label, y.label);
            assert_int_equal(x.n_captions, y.n_captions);
            for (int k = 0; k < x.n_captions; k++)
                assert_string_equal(record_caption(&x, k), record_caption(&y, k));
            for (int p = 0; p < x.height * x.width; p++)
                for (int c = 0; c < 3; c++) /* grey comes back as RGB where it was a file */
                    assert_int_equal(x.pixels[p * x.channels + (x.channels == 3 ? c : 0)],
                                     y.pixels[p * y.channels + (y.channels == 3 ? c : 0)]);
            assert_int_equal(x.mask_height, y.mask_height);
            if (x.mask_height)
                assert_memory_equal(x.mask, y.mask, (size_t)x.height * (size_t)x.width);
        }
    }
    record_free(&x);
    record_free(&y);
}

static void convert(struct place *here, const struct dataset *d, const char *name) {
    struct error err = {0};
    if (dataset_convert(d, in(here, name), NULL, &err))
        fail_msg("%s", err.message);
}

static char *tar_spec(struct place *here, const char *stem) {
    return arena_printf(&here->arena, "webdataset:%s-train-000000.tar,test=%s-test-000000.tar",
                        in(here, stem), in(here, stem));
}

static void hdf5_holds_everything(void **state) {
    struct place *here = *state;
    struct dataset d, back;
    opens(&d, "shapes:size=24,train=30,test=10");
    convert(here, &d, "a.h5");
    opens(&back, arena_printf(&here->arena, "hdf5:%s", in(here, "a.h5")));
    expect_same(&d, &back);
    assert_int_equal(back.mask_classes, d.mask_classes);
    for (int i = 0; i < d.mask_classes; i++)
        assert_string_equal(back.mask_names[i], d.mask_names[i]);
    assert_int_equal(access(in(here, "a.h5.tmp"), F_OK), -1);
    dataset_close(&back);
    dataset_close(&d);
}

static void tar_shards_hold_images_of_any_size(void **state) {
    struct place *here = *state;
    struct dataset d, back;
    char first[65];
    size_t bytes[2];
    put_all(here);
    opens(&d, spec(here, "folder", ",captions=class"));
    convert(here, &d, "a.tar");
    opens(&back, tar_spec(here, "a"));
    expect_same(&d, &back);
    memcpy(first, back.root_hash, sizeof first);
    dataset_close(&back);
    convert(here, &d, "b.tar");
    dataset_close(&d);
    const uint8_t *a = get_file(here, "a-train-000000.tar", &bytes[0]);
    const uint8_t *b = get_file(here, "b-train-000000.tar", &bytes[1]);
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(a, b, bytes[0]);
    opens(&d, tar_spec(here, "b"));
    assert_string_equal(d.root_hash, first);
    dataset_close(&d);
}

/* A test image that cannot be read, when the training split is written already. */
static void tar_shards_are_all_there_or_none(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct error err = {0};
    put_all(here);
    cut(here, "test/dog/c.jpg");
    opens(&d, spec(here, "folder", ""));
    assert_int_equal(dataset_convert(&d, in(here, "a.tar"), NULL, &err), STATUS_USAGE);
    dataset_close(&d);
    static const char *const names[] = {"a-train-000000.tar", "a-test-000000.tar"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(access(in(here, names[i]), F_OK), -1);
        assert_int_equal(access(in(here, arena_printf(&here->arena, "%s.tmp", names[i])), F_OK),
                         -1);
    }
    /* Shards of an earlier conversion that would be read with the new ones. */
    drop(here, "test/dog/c.jpg");
    put(here, "a-train-000001.tar", "", 0);
    opens(&d, spec(here, "folder", ""));
    assert_int_equal(dataset_convert(&d, in(here, "a.tar"), NULL, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "a-train-000001.tar: it is of an earlier conversion"));
    dataset_close(&d);
}

static void images_of_any_size_become_squares(void **state) {
    struct place *here = *state;
    struct dataset d, back;
    struct record x = {0}, y = {0};
    uint8_t square[16 * 16 * 3];
    put_all(here);
    opens(&d, spec(here, "folder", ",size=16"));
    convert(here, &d, "a.hdf5");
    opens(&back, arena_printf(&here->arena, "hdf5:%s", in(here, "a.hdf5")));
    for (long i = 0; i < d.count[SPLIT_TRAIN]; i++) {
        reads(&d, SPLIT_TRAIN, i, &x);
        reads(&back, SPLIT_TRAIN, i, &y);
        resize_square(x.pixels, x.height, x.width, 3, 16, square);
        assert_int_equal(y.height, 16);
        assert_int_equal(y.width, 16);
        assert_int_equal(x.label, y.label);
        assert_memory_equal(square, y.pixels, sizeof square);
    }
    record_free(&x);
    record_free(&y);
    dataset_close(&back);
    dataset_close(&d);
}

static void what_cannot_be_written_is_refused(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct error err = {0};
    opens(&d, "shapes:size=16,train=10,test=5");
    assert_int_equal(dataset_convert(&d, in(here, "a.zip"), NULL, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, ".h5 or .tar"));
    assert_int_equal(dataset_convert(&d, in(here, "a.tar"), NULL, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "no masks"));
    assert_int_equal(dataset_convert(&d, in(here, "none/a.h5"), NULL, &err), STATUS_MACHINE);
    assert_non_null(strstr(err.message, "none/a.h5"));
    dataset_close(&d);
    put_all(here);
    opens(&d, spec(here, "folder", ""));
    assert_int_equal(dataset_convert(&d, in(here, "none/a.tar"), NULL, &err), STATUS_MACHINE);
    assert_non_null(strstr(err.message, "none/a-train-000000.tar"));
    dataset_close(&d);
}

/* A sheet is a function of the data. */
static void a_contact_sheet_is_drawn(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct decoded p;
    struct error err = {0};
    size_t bytes[2];
    put_all(here);
    opens(&d, spec(here, "folder", ",size=16"));
    assert_int_equal(contact_sheet(&d, 4, in(here, "a.png"), &err), 0);
    assert_int_equal(contact_sheet(&d, 4, in(here, "b.png"), &err), 0);
    const uint8_t *a = get_file(here, "a.png", &bytes[0]), *b = get_file(here, "b.png", &bytes[1]);
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(a, b, bytes[0]);
    assert_int_equal(image_read(in(here, "a.png"), NULL, &here->arena, &p, &err), 0);
    assert_true(p.height > 2 * 96 && p.width > 4 * 96);
    assert_int_equal(contact_sheet(&d, 4, in(here, "none/a.png"), &err), STATUS_MACHINE);
    dataset_close(&d);
    opens(&d, "shapes:size=16,train=10,test=5");
    assert_int_equal(contact_sheet(&d, 9, in(here, "a.png"), &err), 0);
    dataset_close(&d);
}

/* Images of one size that is no square, smaller than their masks. */
static void arrays_have_the_sizes_of_images_and_masks(void **state) {
    struct place *here = *state;
    struct dataset from, to;
    struct record a = {0}, b = {0};
    struct error err = {0};
    for (int i = 0; i < 3; i++) {
        put_photo(here, arena_printf(&here->arena, "%d.jpg", i), 20, 30, i);
        put_photo(here, arena_printf(&here->arena, "%d.png", i), 20, 30, i);
    }
    put_text(here, "classes.csv", "id,name\n29,a\n30,b\n31,c\n");
    put_text(here, "index.csv",
             "image,mask,split\n0.jpg,0.png,train\n1.jpg,1.png,train\n2.jpg,2.png,test\n");
    opens(&from, spec(here, "segmentation", ",size=10"));
    assert_int_equal(dataset_convert(&from, in(here, "packed.h5"), NULL, &err), 0);
    opens(&to, arena_printf(&here->arena, "hdf5:%s", in(here, "packed.h5")));
    assert_int_equal(to.height, 10);
    assert_int_equal(to.width, 15);
    assert_int_equal(to.mask_classes, 3);
    for (int s = 0; s < SPLITS; s++)
        for (long i = 0; i < from.count[s]; i++) {
            reads(&from, (enum split)s, i, &a);
            reads(&to, (enum split)s, i, &b);
            assert_memory_equal(a.pixels, b.pixels, 10 * 15 * 3);
            assert_int_equal(b.mask_height, 20);
            assert_int_equal(b.mask_width, 30);
            assert_memory_equal(a.mask, b.mask, 20 * 30);
        }
    record_free(&a);
    record_free(&b);
    dataset_close(&from);
    dataset_close(&to);
}

/* As many captions as each image has, in both formats. */
static void captions_stay_as_many(void **state) {
    struct place *here = *state;
    struct dataset from, to;
    for (int i = 0; i < 3; i++)
        put_photo(here, arena_printf(&here->arena, "%d.jpg", i), 20, 20, i);
    put_text(here, "captions.csv",
             "image,caption,split\n0.jpg,one,train\n1.jpg,first,train\n1.jpg,second,train\n"
             "1.jpg,third,train\n2.jpg,left,test\n2.jpg,right,test\n");
    opens(&from, spec(here, "captions", ",size=10"));
    convert(here, &from, "packed.h5");
    opens(&to, arena_printf(&here->arena, "hdf5:%s", in(here, "packed.h5")));
    expect_same(&from, &to);
    dataset_close(&to);
    convert(here, &from, "packed.tar");
    opens(&to, tar_spec(here, "packed"));
    expect_same(&from, &to);
    dataset_close(&to);
    dataset_close(&from);
}

/* What would come back as other classes is refused. */
static void class_names_that_tar_cannot_hold(void **state) {
    static const char *const wrong[][2] = {
        {"02", "1"}, {"a", " b"}, {"a", "b\nc"}, {"1", "2"}, {"crane", "crane"}};
    struct place *here = *state;
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        struct dataset d;
        struct error err = {0};
        opens(&d, "shapes:size=16,train=4,test=2");
        d.classes = 2;
        d.class_names = wrong[k];
        assert_int_equal(dataset_convert(&d, in(here, "x.tar"), NULL, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, "use .h5"));
        dataset_close(&d);
    }
}

/* As of a folder from a disk in Latin-1, which no reader of these formats would take back. */
static void class_names_are_utf8(void **state) {
    static const char *const names[] = {"caf\xe9", "tea"}, *const files[] = {"x.h5", "x.tar"};
    struct place *here = *state;
    struct dataset d;
    opens(&d, "shapes:size=16,train=4,test=2");
    d.has_mask = 0;
    d.classes = 2;
    d.class_names = names;
    for (int i = 0; i < 2; i++) {
        struct error err = {0};
        assert_int_equal(dataset_convert(&d, in(here, files[i]), NULL, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, "is no UTF-8"));
    }
    dataset_close(&d);
}

/* Asked to stop before the first image. */
static void conversions_stop(void **state) {
    static const char *const names[] = {"x.h5", "x.tar"};
    struct place *here = *state;
    const volatile sig_atomic_t stop = 1;
    struct dataset d;
    opens(&d, "shapes:size=16,train=4,test=2");
    d.has_mask = 0;
    for (int i = 0; i < 2; i++) {
        struct error err = {0};
        assert_int_equal(dataset_convert(&d, in(here, names[i]), &stop, &err), STATUS_INTERRUPTED);
    }
    dataset_close(&d);
}

int main(void) {
    log_setup(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_what_was_put_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hdf5_holds_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tar_shards_hold_images_of_any_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tar_shards_are_all_there_or_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(images_of_any_size_become_squares, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_contact_sheet_is_drawn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(captions_stay_as_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(class_names_that_tar_cannot_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(class_names_are_utf8, set_up, tear_down),
        cmocka_unit_test_setup_teardown(conversions_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(arrays_have_the_sizes_of_images_and_masks, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
