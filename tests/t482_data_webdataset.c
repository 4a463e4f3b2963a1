/* Tar shards: samples, splits, labels, captions, compression, names, damage. */
#include "core/log.h"
#include "core/rng.h"
#include "tests/photo_files.h"
#include "tests/tar_bytes.h"

#include <archive.h>
#include <archive_entry.h>

enum { SIDE = 18 };

static void tar_put(struct place *here, const char *name, struct tar *t) {
    tar_end(t);
    put(here, name, t->data, t->bytes);
}

static struct tar tar_of(struct place *here) {
    return (struct tar){.arena = &here->arena};
}

/* The image `number`, made once as a file, into the archive. */
static void add_image(struct place *here, struct tar *t, const char *name, int number) {
    const char *file = arena_printf(&here->arena, "made/%d%s", number, strrchr(name, '.'));
    size_t bytes;
    put_photo(here, file, SIDE, SIDE + number % 7, number);
    uint8_t *data = get_file(here, file, &bytes);
    tar_add(t, name, data, bytes);
}

static char *sample_name(struct place *here, const char *key, const char *ending) {
    return arena_printf(&here->arena, "%s.%s", key, ending);
}

/* Samples first..first+n-1, keys FOLDER/NNN: label and image in the order that tar --sort gives. */
static void put_shard(struct place *here, const char *name, const char *folder, int first, int n) {
    struct tar t = tar_of(here);
    for (int i = first; i < first + n; i++) {
        const char *key = arena_printf(&here->arena, "%s%03d", folder, i);
        tar_add_text(&t, sample_name(here, key, "cls"), arena_printf(&here->arena, "%d\n", i % 3));
        add_image(here, &t, sample_name(here, key, i % 2 ? "png" : "jpg"), i);
    }
    tar_put(here, name, &t);
}

static void expect(struct place *here, const struct dataset *d, enum split split, long i,
                   int number, int label) {
    struct record r = {0};
    reads(d, split, i, &r);
    expect_photo(here, &r,
                 arena_printf(&here->arena, "made/%d.%s", number, number % 2 ? "png" : "jpg"),
                 d->height);
    assert_int_equal(r.label, label);
    record_free(&r);
}

static char *shards(struct place *here, const char *rest) {
    return arena_printf(&here->arena, "webdataset:%s/%s", here->folder, rest);
}

static char *with_test(struct place *here, const char *pattern, const char *test) {
    return arena_printf(&here->arena, "webdataset:%s/%s,test=%s/%s", here->folder, pattern,
                        here->folder, test);
}

static void reads_shards_of_a_pattern(void **state) {
    struct place *here = *state;
    struct dataset d;
    put_shard(here, "a-08.tar", "x/y.z/", 0, 4);
    put_shard(here, "a-09.tar", "", 4, 3);
    put_shard(here, "a-10.tar", "./", 7, 3);
    put_shard(here, "t-{1}.tar", "", 10, 5); /* braces of one are that one */
    assert_int_equal(rename(in(here, "t-{1}.tar"), in(here, "t-1.tar")), 0);
    opens(&d, with_test(here, "a-{08..10}.tar", "t-{1}.tar"));
    assert_string_equal(d.name, "webdataset");
    assert_int_equal(d.classes, 3);
    assert_int_equal(d.height, SIDE);
    assert_int_equal(d.count[SPLIT_TRAIN], 10);
    assert_int_equal(d.count[SPLIT_TEST], 5);
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < 10; i++)
            expect(here, &d, SPLIT_TRAIN, i, i, i % 3);
        for (int i = 0; i < 5; i++)
            expect(here, &d, SPLIT_TEST, i, 10 + i, (10 + i) % 3);
    }
    dataset_close(&d);
    opens(&d, arena_printf(&here->arena, "%s,test=2,train=4,captions=class",
                           with_test(here, "a-{09,08}.tar", "t-1.tar")));
    assert_int_equal(d.count[SPLIT_TRAIN], 4);
    assert_int_equal(d.count[SPLIT_TEST], 2);
    assert_int_equal(d.has_caption, 1);
    expect(here, &d, SPLIT_TRAIN, 0, 4, 1);
    expect(here, &d, SPLIT_TRAIN, 3, 0, 0);
    dataset_close(&d);
}

static void a_folder_splits_by_names(void **state) {
    struct place *here = *state;
    struct dataset d;
    make_folder(here, "set");
    put_shard(here, "set/train-1.tar", "", 0, 4);
    put_shard(here, "set/train-0.tar", "", 4, 3);
    put_shard(here, "set/val-0.tar", "", 7, 2);
    put_text(here, "set/notes.txt", "no archive");
    opens(&d, shards(here, "set"));
    assert_int_equal(d.count[SPLIT_TRAIN], 7);
    assert_int_equal(d.count[SPLIT_TEST], 2);
    expect(here, &d, SPLIT_TRAIN, 0, 4, 1);
    dataset_close(&d);
    put_shard(here, "set/test-0.tar", "", 9, 3);
    opens(&d, shards(here, "set"));
    assert_int_equal(d.count[SPLIT_TRAIN], 7);
    assert_int_equal(d.count[SPLIT_TEST], 3);
    dataset_close(&d);
    opens(&d, with_test(here, "set", "set/val-{0..0}.tar")); /* all of the folder, then */
    assert_int_equal(d.count[SPLIT_TRAIN], 12);
    dataset_close(&d);
}

/* As `data convert` and the hub name them; what has "train" within a word is not of it. */
static void a_name_may_stand_before_the_split(void **state) {
    struct place *here = *state;
    struct dataset d;
    make_folder(here, "set");
    put_shard(here, "set/packed-train-0.tar", "", 0, 7);
    put_shard(here, "set/packed_validation.0.tar", "", 7, 2);
    put_shard(here, "set/constrained.tar", "", 9, 4);
    opens(&d, shards(here, "set"));
    assert_int_equal(d.count[SPLIT_TRAIN], 7);
    assert_int_equal(d.count[SPLIT_TEST], 2);
    dataset_close(&d);
}

static void a_hash_of_the_key_splits(void **state) {
    struct place *here = *state;
    struct dataset d;
    enum { IMAGES = 60 };
    long test = 0;
    put_shard(here, "a.tar", "k/", 0, IMAGES);
    for (int i = 0; i < IMAGES; i++)
        test += is_in_share(arena_printf(&here->arena, "k/%03d", i), 0.2);
    opens(&d, shards(here, "a.tar,test_share=0.2"));
    assert_int_equal(d.count[SPLIT_TEST], test);
    assert_int_equal(d.count[SPLIT_TRAIN], IMAGES - test);
    dataset_close(&d);
    refuses(arena_printf(&here->arena, "%s,test_share=0.2", with_test(here, "a.tar", "a.tar")),
            "two test splits");
}

static void texts_are_captions_and_labels(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    struct tar t = tar_of(here);
    tar_add_as(&t, "set/", '5', "", 0);
    add_image(here, &t, "set/a.jpg", 0);
    tar_add_text(&t, "set/a.txt", "  a dog \n\nanother dog\r\n");
    tar_add_text(&t, "set/a.json", "{\"label\": \"dog\", \"caption\": null, \"other\": [1]}");
    tar_add_text(&t, "set/b.json", "{\"label\": 7, \"captions\": [\"one\", \" gr\\u00fcn \"]}");
    tar_add_text(&t, "set/c.TXT", "said by the text");
    tar_add_text(&t, "set/b.txt", "not read");
    add_image(here, &t, "set/b.JPG", 2);
    tar_add_text(&t, "set/c.json", "{\"label\": \"not read\", \"caption\": \"said by json\"}");
    tar_add_text(&t, "set/c.cls", " cat\n");
    add_image(here, &t, "set/c.jpg", 4);
    tar_add_text(&t, "set/a.seg.png", "another member");
    tar_add_text(&t, "set/.hidden", "");
    tar_add_text(&t, "README", "");
    tar_put(here, "a.tar", &t);
    put_shard(here, "t.tar", "", 10, 1);
    refuses(with_test(here, "a.tar", "t.tar"), "t.tar: 010", "no caption, but others do");
    opens(&d, with_test(here, "a.tar", "a.tar"));
    assert_int_equal(d.count[SPLIT_TRAIN], 3);
    assert_int_equal(d.classes, 3);
    assert_string_equal(d.class_names[0], "7");
    assert_string_equal(d.class_names[1], "cat");
    assert_int_equal(d.has_caption, 1);
    reads(&d, SPLIT_TRAIN, 0, &r);
    assert_int_equal(r.label, 2);
    assert_int_equal(r.n_captions, 2);
    assert_string_equal(record_caption(&r, 0), "a dog");
    assert_string_equal(record_caption(&r, 1), "another dog");
    reads(&d, SPLIT_TRAIN, 1, &r);
    assert_int_equal(r.label, 0);
    assert_int_equal(r.n_captions, 2);
    assert_string_equal(record_caption(&r, 1), "gr\xc3\xbcn");
    reads(&d, SPLIT_TRAIN, 2, &r);
    assert_int_equal(r.label, 1);
    assert_int_equal(r.n_captions, 1);
    assert_string_equal(r.caption, "said by json");
    record_free(&r);
    dataset_close(&d);
    refuses(arena_printf(&here->arena, "%s,captions=class", with_test(here, "a.tar", "a.tar")),
            "captions already");
}

/* One sample of three is wrong in some way. */
static void faulty_samples_fail_or_are_left_out(void **state) {
    static const struct {
        const char *ending, *text, *message;
    } cases[] = {{NULL, NULL, "no label, but others do"},
                 {"cls", "\n", "one label expected"},
                 {"cls", "1\n2", "one label expected"},
                 {"cls", "\xff", "no UTF-8"},
                 {"json", "{\"label\": 1", "line 1"},
                 {"json", "[1]", "an object expected"},
                 {"json", "{\"label\": 1.5}", "neither a whole number nor a name"},
                 {"json", "{\"label\": -1}", "neither a whole number nor a name"},
                 {"json", "{\"label\": 1, \"caption\": [1]}", "no text"},
                 {"json", "{\"label\": 1, \"caption\": \" \"}", "empty"},
                 {"png", "", "second image"}};
    struct place *here = *state;
    struct dataset d;
    put_shard(here, "t.tar", "", 0, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tar t = tar_of(here);
        add_image(here, &t, "1.jpg", 2);
        add_image(here, &t, "2.jpg", 4);
        tar_add_text(&t, "1.cls", "1");
        if (cases[i].ending)
            tar_add_text(&t, sample_name(here, "2", cases[i].ending), cases[i].text);
        if (cases[i].ending && !strcmp(cases[i].ending, "png"))
            tar_add_text(&t, "2.cls", "1");
        tar_put(here, "a.tar", &t);
        refuses(with_test(here, "a.tar", "t.tar"), "a.tar: 2: ", cases[i].message);
        opens(&d, arena_printf(&here->arena, "%s,bad=skip", with_test(here, "a.tar", "t.tar")));
        assert_int_equal(d.count[SPLIT_TRAIN], 1);
        assert_int_equal(d.n_bad, 1);
        assert_string_equal(d.bad_names[0], "2.jpg");
        dataset_close(&d);
    }
    struct tar t = tar_of(here);
    tar_add_text(&t, "1.cls", "1");
    tar_add_text(&t, "2.cls", "1");
    tar_add_text(&t, "2.jpg", "no image at all");
    add_image(here, &t, "3.jpg", 4);
    tar_add_text(&t, "3.cls", "1");
    tar_put(here, "a.tar", &t);
    refuses(with_test(here, "a.tar", "t.tar"), "a.tar: 1: it has no image");
    opens(&d, arena_printf(&here->arena, "%s,bad=skip", with_test(here, "a.tar", "t.tar")));
    assert_int_equal(d.n_bad, 2);
    assert_string_equal(d.bad_names[0], "1");
    assert_string_equal(d.bad_names[1], "2.jpg");
    dataset_close(&d);
}

/* The file NAME, compressed, as NAME.ENDING. */
static void pack(struct place *here, const char *name, const char *ending, int filter) {
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    size_t bytes;
    uint8_t *data = get_file(here, name, &bytes);
    assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, in(here, sample_name(here, name, ending))),
                     ARCHIVE_OK);
    archive_entry_set_filetype(e, AE_IFREG);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, data, bytes), (la_ssize_t)bytes);
    archive_entry_free(e);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

static void compression_changes_nothing(void **state) {
    static const struct {
        const char *ending;
        int filter;
    } kinds[] = {{"gz", ARCHIVE_FILTER_GZIP},
                 {"xz", ARCHIVE_FILTER_XZ},
                 {"zst", ARCHIVE_FILTER_ZSTD},
                 {"bz2", ARCHIVE_FILTER_BZIP2},
                 {"lz4", ARCHIVE_FILTER_LZ4}};
    struct place *here = *state;
    struct dataset d;
    char hash[65];
    put_shard(here, "a.tar", "k/", 0, 6);
    put_shard(here, "t.tar", "k/", 6, 2);
    hash_of(with_test(here, "a.tar", "t.tar"), hash);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        pack(here, "a.tar", kinds[i].ending, kinds[i].filter);
        const char *packed = sample_name(here, "a.tar", kinds[i].ending);
        opens(&d, with_test(here, packed, "t.tar"));
        assert_string_equal(d.root_hash, hash);
        for (int k = 0; k < 6; k++)
            expect(here, &d, SPLIT_TRAIN, k, k, k % 3);
        dataset_close(&d);
        refuses(arena_printf(&here->arena, "%s,cache=0", with_test(here, packed, "t.tar")), packed,
                "cache=0 MiB", "unpack the shards");
        assert_int_equal(truncate(in(here, packed), 900), 0);
        refuses(with_test(here, packed, "t.tar"), packed, "cannot read this archive");
    }
    opens(&d, arena_printf(&here->arena, "%s,cache=0", with_test(here, "a.tar", "t.tar")));
    expect(here, &d, SPLIT_TRAIN, 5, 5, 2);
    dataset_close(&d);
}

/* Names that a ustar head has no room for; the test runs in the C locale. */
static void long_and_foreign_names(void **state) {
    struct place *here = *state;
    struct dataset d;
    char *folder = arena_alloc(&here->arena, 300);
    memset(folder, 'd', 280);
    for (int pax = 0; pax < 2; pax++) {
        struct archive *a = archive_write_new();
        assert_int_equal(pax ? archive_write_set_format_pax(a) : archive_write_set_format_gnutar(a),
                         ARCHIVE_OK);
        assert_int_equal(archive_write_open_filename(a, in(here, "a.tar")), ARCHIVE_OK);
        for (int i = 0; i < 4; i++) {
            size_t bytes;
            struct tar unused = tar_of(here);
            add_image(here, &unused, "x.jpg", 2 * i);
            uint8_t *data =
                get_file(here, arena_printf(&here->arena, "made/%d.jpg", 2 * i), &bytes);
            struct archive_entry *e = archive_entry_new();
            archive_entry_set_pathname(e,
                                       i % 2 ? arena_printf(&here->arena, "%s/%d.jpg", folder, i)
                                             : arena_printf(&here->arena, "gr\xc3\xbcn %d.jpg", i));
            archive_entry_set_size(e, (la_int64_t)bytes);
            archive_entry_set_filetype(e, AE_IFREG);
            archive_entry_set_perm(e, 0644);
            assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
            assert_int_equal(archive_write_data(a, data, bytes), (la_ssize_t)bytes);
            archive_entry_free(e);
        }
        assert_int_equal(archive_write_free(a), ARCHIVE_OK);
        opens(&d, with_test(here, "a.tar", "a.tar"));
        assert_int_equal(d.count[SPLIT_TRAIN], 4);
        for (int i = 0; i < 4; i++)
            expect(here, &d, SPLIT_TRAIN, i, 2 * i, -1);
        dataset_close(&d);
    }
}

static void wrong_patterns_are_refused(void **state) {
    struct place *here = *state;
    put_shard(here, "a.tar", "", 0, 2);
    refuses("webdataset", "needs shards", "PATTERN");
    refuses(shards(here, "a-{3..1}.tar"), "counts upwards");
    refuses(shards(here, "a-{x..z}.tar"), "counts upwards");
    refuses(shards(here, "a-{0..9999999}.tar"), "more than 1000000 shards");
    refuses(shards(here, "a-{1..2}.tar"), "a-1.tar", "No such file");
    refuses(with_test(here, "a.tar", "b.tar"), "b.tar", "No such file");
    make_folder(here, "empty");
    refuses(shards(here, "empty"), "empty", "no archive");
    refuses(with_test(here, "{empty,a.tar}", "a.tar"), "empty", "found a folder");
    put_text(here, "no.tar", "this is a text that is long enough to be taken for anything");
    refuses(shards(here, "no.tar"), "no.tar", "cannot read this archive");
    struct tar t = tar_of(here);
    tar_add_text(&t, "a.dat", "x");
    tar_put(here, "other.tar", &t);
    refuses(shards(here, "other.tar"), "other.tar", "no sample");
}

static void a_changed_shard_is_noticed(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    struct error err = {0};
    put_shard(here, "a.tar", "", 0, 6);
    opens(&d, arena_printf(&here->arena, "%s,cache=0", with_test(here, "a.tar", "a.tar")));
    reads(&d, SPLIT_TRAIN, 5, &r);
    put_shard(here, "a.tar", "", 0, 7);
    assert_int_equal(dataset_read(&d, SPLIT_TRAIN, 5, &r, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "changed since it was opened"));
    drop(here, "a.tar");
    assert_int_equal(dataset_read(&d, SPLIT_TRAIN, 5, &r, &err), STATUS_USAGE);
    record_free(&r);
    dataset_close(&d);
}

/* Cut off anywhere, or with bytes changed, a shard opens or is refused in one line. */
static void any_damage_is_survived(void **state) {
    struct place *here = *state;
    put_shard(here, "a.tar", "", 0, 5);
    put_shard(here, "t.tar", "", 5, 2);
    size_t bytes, opened = 0;
    const uint8_t *whole = get_file(here, "a.tar", &bytes);
    uint8_t *copy = arena_alloc(&here->arena, bytes);
    const int rounds = getenv("SSV_LONG") ? 20000 : 300;
    for (int i = 0; i < rounds; i++) {
        struct rng r = rng_at((struct rng_key){77, RNG_TEST}, 0, (uint32_t)i);
        struct dataset d;
        struct error err = {0};
        size_t keep = i % 2 ? bytes : rng_below(&r, (uint32_t)bytes);
        memcpy(copy, whole, bytes);
        for (uint32_t k = i % 2 ? 1 + rng_below(&r, 4) : 0; k; k--) {
            size_t at = rng_below(&r, (uint32_t)bytes);
            copy[rng_below(&r, 2) ? at : at / TAR_BLOCK * TAR_BLOCK + at % 160] =
                (uint8_t)rng_u32(&r);
        }
        put(here, "a.tar", copy, keep);
        int status = dataset_open(&d, with_test(here, "a.tar", "t.tar"), &err);
        if (status) {
            assert_int_equal(status, STATUS_USAGE);
            assert_null(strchr(err.message, '\n'));
            continue;
        }
        opened++;
        dataset_close(&d);
    }
    assert_true(opened > 0 && opened < (size_t)rounds);
}

int main(void) {
    log_setup(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_shards_of_a_pattern, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_splits_by_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_may_stand_before_the_split, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hash_of_the_key_splits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_are_captions_and_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(faulty_samples_fail_or_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(compression_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_and_foreign_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_patterns_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_changed_shard_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_damage_is_survived, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("webdataset", tests, NULL, NULL);
}
