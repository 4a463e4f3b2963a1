/* Tables of images and labels, as CSV and TSV, and what tables have in common. */
#include "core/log.h"
#include "tests/photo_files.h"

#include <sys/stat.h>

static void put_images(struct place *here, int n) {
    for (int i = 0; i < n; i++)
        put_photo(here, arena_printf(&here->arena, "%d.jpg", i), 16, 16 + i % 5, i);
}

static char *list(struct place *here, const char *name, const char *rest) {
    return arena_printf(&here->arena, "list:%s%s", in(here, name), rest);
}

static void expect(struct place *here, const struct dataset *d, enum split split, long i,
                   int number, int label) {
    struct record r = {0};
    reads(d, split, i, &r);
    expect_photo(here, &r, arena_printf(&here->arena, "%d.jpg", number), d->height);
    assert_int_equal(r.label, label);
    record_free(&r);
}

static void names_are_sorted(void **state) {
    struct place *here = *state;
    struct dataset d;
    put_images(here, 5);
    put_text(here, "a.csv",
             arena_printf(&here->arena,
                          "id,label,path,split\n"
                          "1,zebra,0.jpg,train\n"
                          "2,\"ant, red\",1.jpg,test\n"
                          "3,7,%s,train\n"
                          "4,other,4.jpg,extra\n"
                          "5,ant,3.jpg,val\n",
                          in(here, "2.jpg")));
    opens(&d, list(here, "a.csv", ""));
    assert_string_equal(d.name, "list");
    assert_int_equal(d.classes, 3);
    assert_string_equal(d.class_names[0], "7");
    assert_string_equal(d.class_names[1], "ant, red");
    assert_string_equal(d.class_names[2], "zebra");
    assert_int_equal(d.count[SPLIT_TRAIN], 2);
    assert_int_equal(d.count[SPLIT_TEST], 1);
    assert_int_equal(d.height, 16);
    expect(here, &d, SPLIT_TRAIN, 0, 0, 2);
    expect(here, &d, SPLIT_TRAIN, 1, 2, 0);
    expect(here, &d, SPLIT_TEST, 0, 1, 1);
    dataset_close(&d);
    opens(&d, list(here, "a.csv", ",split=val"));
    assert_string_equal(d.class_names[1], "ant");
    expect(here, &d, SPLIT_TEST, 0, 3, 1);
    dataset_close(&d);
}

static void numbers_are_classes(void **state) {
    struct place *here = *state;
    struct dataset d;
    put_images(here, 4);
    put_text(here, "a.tsv",
             "image\tlabel\tsplit\n0.jpg\t3\ttrain\n1.jpg\t0\ttest\n2.jpg\t03\ttrain\n");
    opens(&d, list(here, "a.tsv", ",captions=class"));
    assert_int_equal(d.classes, 4);
    assert_string_equal(d.class_names[2], "2");
    expect(here, &d, SPLIT_TRAIN, 0, 0, 3);
    expect(here, &d, SPLIT_TRAIN, 1, 2, 3);
    expect(here, &d, SPLIT_TEST, 0, 1, 0);
    dataset_close(&d);
    put_text(here, "b.csv", "path,label\n0.jpg,1\n1.jpg,99999999999999999999\n");
    refuses(list(here, "b.csv", ""), "b.csv: line 3", "99999999999999999999", "131071");
}

static void without_labels(void **state) {
    struct place *here = *state;
    struct dataset d;
    put_images(here, 3);
    put_text(here, "a.csv", "path\n0.jpg\n1.jpg\n2.jpg\n");
    opens(&d, list(here, "a.csv", ""));
    assert_int_equal(d.classes, 0);
    assert_int_equal(d.count[SPLIT_TEST], 1); /* the first, and every tenth */
    expect(here, &d, SPLIT_TEST, 0, 0, -1);
    expect(here, &d, SPLIT_TRAIN, 0, 1, -1);
    dataset_close(&d);
    put_text(here, "a.csv", "path,label\n0.jpg,x\n1.jpg,x\n2.jpg,x\n");
    opens(&d, list(here, "a.csv", ""));
    assert_int_equal(d.classes, 0);
    expect(here, &d, SPLIT_TRAIN, 1, 2, -1);
    dataset_close(&d);
}

static void a_share_by_hash(void **state) {
    struct place *here = *state;
    struct dataset d;
    const char *text = "path,label\n";
    enum { IMAGES = 40 };
    long test = 0;
    put_images(here, IMAGES);
    for (int i = 0; i < IMAGES; i++) {
        const char *name = arena_printf(&here->arena, "%d.jpg", i);
        text = arena_printf(&here->arena, "%s%s,%d\n", text, name, i % 2);
        test += is_in_share(name, 0.3);
    }
    put_text(here, "a.csv", text);
    opens(&d, list(here, "a.csv", ",test_share=0.3"));
    assert_int_equal(d.count[SPLIT_TEST], test);
    assert_int_equal(d.count[SPLIT_TRAIN], IMAGES - test);
    for (long i = 0, k = 0; i < IMAGES; i++) /* in the order of the table */
        if (!is_in_share(arena_printf(&here->arena, "%ld.jpg", i), 0.3))
            expect(here, &d, SPLIT_TRAIN, k++, (int)i, i % 2);
    dataset_close(&d);
    put_text(here, "b.csv", "path,label,split\n0.jpg,1,train\n1.jpg,0,test\n");
    refuses(list(here, "b.csv", ",test_share=0.3"), "has a column split");
}

static void bad_rows(void **state) {
    struct place *here = *state;
    struct dataset d;
    put_images(here, 4);
    put_text(here, "a.csv", "path,label,split\n0.jpg,1,train\n,0,test\n");
    refuses(list(here, "a.csv", ""), "a.csv: line 3", "path is empty");
    put_text(here, "a.csv", "path,label,split\n0.jpg,1,train\n1.jpg,,test\n");
    refuses(list(here, "a.csv", ""), "a.csv: line 3", "label is empty");
    put_text(here, "a.csv", "path,label,split\n0.jpg,1,train\n\n0.jpg,0,test\n");
    refuses(list(here, "a.csv", ""), "a.csv: line 4", "0.jpg is there already, in line 2");
    put_text(here, "a.csv", "file,label\n0.jpg,1\n");
    refuses(list(here, "a.csv", ""), "a.csv: line 1", "\"path\" is missing");
    put_text(here, "a.csv", "path,image\n0.jpg,1\n");
    refuses(list(here, "a.csv", ""), "a.csv: line 1", "twice");
    put_text(here, "a.csv", "path,label,split\n0.jpg,1,train\n9.jpg,0,train\n1.jpg,0,test\n");
    refuses(list(here, "a.csv", ""), "a.csv: line 3", "9.jpg", "No such file");
    assert_int_equal(mkfifo(in(here, "9.jpg"), 0600), 0);
    refuses(list(here, "a.csv", ""), "a.csv: line 3", "9.jpg", "a pipe, socket or device");
    drop(here, "9.jpg");
    opens(&d, list(here, "a.csv", ",bad=skip"));
    assert_int_equal(d.n_bad, 1);
    assert_string_equal(d.bad_names[0], "9.jpg");
    assert_int_equal(d.count[SPLIT_TRAIN], 1);
    dataset_close(&d);
    refuses("list", "needs a table");
    refuses(list(here, "none.csv", ""), "none.csv", "cannot open it");
}

/* In TSV a quote is a letter; both must be UTF-8. */
static void kinds_of_tables(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    put_images(here, 4);
    put_text(here, "captions.tsv",
             "\xef\xbb\xbfpath\tcaption\tsplit\r\n"
             "0.jpg\ta \"big\" dog, \"x\ttrain\r\n"
             "0.jpg\t\"gr\xc3\xbcn\ttrain\r\n"
             "1.jpg\tcat\ttest\r\n");
    opens(&d, spec(here, "captions", ",size=16"));
    reads(&d, SPLIT_TRAIN, 0, &r);
    assert_int_equal(r.n_captions, 2);
    assert_string_equal(record_caption(&r, 0), "a \"big\" dog, \"x");
    assert_string_equal(record_caption(&r, 1), "\"gr\xc3\xbcn");
    dataset_close(&d);
    opens(&d, arena_printf(&here->arena, "captions:%s,size=16", in(here, "captions.tsv")));
    assert_int_equal(d.count[SPLIT_TEST], 1);
    dataset_close(&d);
    put_text(here, "captions.tsv", "path\tcaption\n0.jpg\ta\tb\n");
    refuses(spec(here, "captions", ""), "captions.tsv: line 2", "2 fields expected, found 3");
    put_text(here, "captions.csv", "path,caption\n0.jpg,gr\xfcn\n1.jpg,x\n");
    refuses(spec(here, "captions", ""), "captions.csv: line 2", "byte 9", "0xfc", "no UTF-8");
    put_text(here, "captions.csv", "path,caption\n0.jpg,\"two\nlines \xc3\"\n1.jpg,x\n");
    refuses(spec(here, "captions", ""), "captions.csv: line 3", "byte 7", "0xc3", "no UTF-8");
    record_free(&r);
}

int main(void) {
    log_setup(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_sorted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_are_classes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_share_by_hash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kinds_of_tables, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
