/* Arrays in HDF5 files: kinds of storage and of strings, what may be missing, what is wrong. */
#include "core/log.h"
#include "tests/data_files.h"

#include <hdf5.h>

enum { HEIGHT = 6, WIDTH = 5, TRAIN = 7, TEST = 3 };

struct made {
    hid_t file;
    int chunked;
};

static uint8_t pixel(int split, long i, long k) {
    return (uint8_t)(split * 101 + i * 17 + k * 3);
}

static struct made make(struct place *here, const char *name) {
    struct made m = {.file = H5Fcreate(in(here, name), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)};
    assert_true(m.file >= 0);
    return m;
}

static void finish(struct made *m) {
    assert_true(H5Fclose(m->file) >= 0);
}

static void put_array(const struct made *m, const char *name, hid_t type, int rank,
                      const hsize_t *dims, hid_t memory, const void *data) {
    hid_t links = H5Pcreate(H5P_LINK_CREATE), how = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(rank, dims, NULL);
    H5Pset_create_intermediate_group(links, 1);
    if (m->chunked) {
        H5Pset_chunk(how, rank, dims);
        H5Pset_deflate(how, 3);
    }
    hid_t set = H5Dcreate2(m->file, name, type, space, links, how, H5P_DEFAULT);
    assert_true(set >= 0);
    assert_true(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(how);
    H5Pclose(links);
}

static void put_images(struct place *here, const struct made *m, int split, long n, int channels) {
    const char *name = split ? "test/images" : "train/images";
    const hsize_t dims[] = {(hsize_t)n, HEIGHT, WIDTH, (hsize_t)channels};
    const long one = (long)HEIGHT * WIDTH * (channels ? channels : 1);
    uint8_t *all = arena_alloc(&here->arena, (size_t)(n * one));
    for (long i = 0; i < n * one; i++)
        all[i] = pixel(split, i / one, i % one);
    put_array(m, name, H5T_STD_U8LE, channels ? 4 : 3, dims, H5T_NATIVE_UCHAR, all);
}

static void put_labels(const struct made *m, const char *name, hid_t type, long n, long first) {
    long long labels[16];
    const hsize_t dims[] = {(hsize_t)n};
    for (long i = 0; i < n; i++)
        labels[i] = (first + i) % 4;
    put_array(m, name, type, 1, dims, H5T_NATIVE_LLONG, labels);
}

static void put_masks(struct place *here, const struct made *m, const char *name, long n,
                      int highest) {
    const hsize_t dims[] = {(hsize_t)n, HEIGHT, WIDTH};
    const long one = (long)HEIGHT * WIDTH;
    uint8_t *all = arena_alloc(&here->arena, (size_t)(n * one));
    for (long i = 0; i < n * one; i++)
        all[i] = i % 11 == 10 ? MASK_IGNORE : (uint8_t)(i % (highest + 1));
    put_array(m, name, H5T_STD_U8LE, 3, dims, H5T_NATIVE_UCHAR, all);
}

/* fixed: strings of that many bytes, padded with blanks of 0. */
static void put_strings(struct place *here, const struct made *m, const char *name, int rank,
                        const hsize_t *dims, size_t fixed, const char *const *texts) {
    hid_t type = H5Tcopy(H5T_C_S1);
    long n = (long)(rank > 1 ? dims[0] * dims[1] : dims[0]);
    H5Tset_size(type, fixed ? fixed : H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    char *packed = arena_alloc(&here->arena, (size_t)n * (fixed + 1));
    for (long i = 0; i < n && fixed; i++)
        memcpy(packed + (size_t)i * fixed, texts[i],
               strlen(texts[i]) < fixed ? strlen(texts[i]) : fixed);
    put_array(m, name, type, rank, dims, type, fixed ? (const void *)packed : texts);
    H5Tclose(type);
}

static void put_names(const struct made *m, const char *name, int n, const char *const *texts) {
    const hsize_t dims[] = {(hsize_t)n};
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, dims, NULL);
    H5Tset_size(type, H5T_VARIABLE);
    hid_t attribute = H5Acreate2(m->file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, type, texts) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

static char *file(struct place *here, const char *rest) {
    return arena_printf(&here->arena, "hdf5:%s/%s", here->folder, rest);
}

static void expect_images(const struct dataset *d, int channels) {
    struct record r = {0};
    for (int s = 0; s < SPLITS; s++)
        for (long i = 0; i < d->count[s]; i++) {
            reads(d, (enum split)s, i, &r);
            assert_int_equal(r.height, HEIGHT);
            assert_int_equal(r.width, WIDTH);
            assert_int_equal(r.channels, channels);
            for (long k = 0; k < (long)HEIGHT * WIDTH * channels; k++)
                assert_int_equal(r.pixels[k], pixel(s, i, k));
            assert_int_equal(r.label, d->classes ? (s * 2 + i) % 4 : -1);
        }
    record_free(&r);
}

static void put_plain(struct place *here, const struct made *m) {
    put_images(here, m, 0, TRAIN, 3);
    put_images(here, m, 1, TEST, 3);
    put_labels(m, "train/labels", H5T_STD_I32LE, TRAIN, 0);
    put_labels(m, "test/labels", H5T_STD_U8LE, TEST, 2);
}

/* The same content has the same hash, however it is stored. */
static void contiguous_and_compressed_are_the_same(void **state) {
    struct place *here = *state;
    char hash[2][65];
    for (int chunked = 0; chunked < 2; chunked++) {
        struct dataset d;
        struct made m = make(here, "a.h5");
        m.chunked = chunked;
        put_plain(here, &m);
        finish(&m);
        opens(&d, file(here, "a.h5"));
        assert_string_equal(d.name, "hdf5");
        assert_int_equal(d.count[SPLIT_TRAIN], TRAIN);
        assert_int_equal(d.count[SPLIT_TEST], TEST);
        assert_int_equal(d.classes, 4);
        assert_string_equal(d.class_names[3], "3");
        assert_int_equal(d.has_mask, 0);
        assert_int_equal(d.has_caption, 0);
        expect_images(&d, 3);
        memcpy(hash[chunked], d.root_hash, 65);
        dataset_close(&d);
        if (chunked)
            refuses(file(here, "a.h5,cache=0"), "train/images", "h5repack -l CONTI");
        opens(&d, file(here, chunked ? "a.h5,train=2" : "a.h5,train=2,cache=0"));
        assert_int_equal(d.count[SPLIT_TRAIN], 2);
        expect_images(&d, 3);
        assert_string_not_equal(d.root_hash, hash[0]);
        dataset_close(&d);
    }
    assert_string_equal(hash[0], hash[1]);
}

static void everything_but_images_may_be_missing(void **state) {
    struct place *here = *state;
    for (int channels = 0; channels < 2; channels++) {
        struct dataset d;
        struct made m = make(here, "a.h5");
        put_images(here, &m, 0, TRAIN, channels);
        put_images(here, &m, 1, TEST, channels);
        finish(&m);
        opens(&d, file(here, "a.h5"));
        assert_int_equal(d.classes, 0);
        expect_images(&d, 1);
        dataset_close(&d);
    }
    refuses(file(here, "a.h5,captions=class"), "no classes");
}

static void names_masks_and_captions(void **state) {
    static const char *const classes[] = {"cat", "dog", "gr\xc3\xbcn", "unseen", "more"};
    static const char *const captions[2 * TRAIN] = {"a", "b",  "c",  "d",  "e",  "f", "gr\xc3\xbcn",
                                                    "h", "ii", "jj", "kk", "ll", "m", "n"};
    struct place *here = *state;
    for (int fixed = 0; fixed < 2; fixed++) {
        const char *const parts[] = {fixed ? "background" : "ground", "sky"};
        struct dataset d;
        struct record r = {0};
        struct made m = make(here, "a.h5");
        put_plain(here, &m);
        put_names(&m, "class_names", 5, classes);
        put_names(&m, "mask_names", 2, parts);
        put_masks(here, &m, "train/masks", TRAIN, 1);
        put_masks(here, &m, "test/masks", TEST, 1);
        put_strings(here, &m, "train/captions", 2, (const hsize_t[]){TRAIN, 2}, fixed ? 5 : 0,
                    captions);
        put_strings(here, &m, "test/captions", 1, (const hsize_t[]){TEST}, fixed ? 7 : 0, captions);
        finish(&m);
        opens(&d, file(here, "a.h5"));
        assert_int_equal(d.classes, 5);
        assert_string_equal(d.class_names[2], "gr\xc3\xbcn");
        assert_int_equal(d.has_mask, 1);
        assert_int_equal(d.mask_classes, 2);
        assert_string_equal(d.mask_names[1], "sky");
        assert_int_equal(d.mask_background, fixed); /* by its name */
        reads(&d, SPLIT_TRAIN, 3, &r);
        assert_int_equal(r.n_captions, 2);
        assert_string_equal(record_caption(&r, 0), "gr\xc3\xbcn");
        assert_string_equal(record_caption(&r, 1), "h");
        assert_int_equal(r.mask_height, HEIGHT);
        assert_int_equal(r.mask_width, WIDTH);
        for (long k = 0; k < (long)HEIGHT * WIDTH; k++) {
            long i = 3L * HEIGHT * WIDTH + k;
            assert_int_equal(r.mask[k], i % 11 == 10 ? MASK_IGNORE : i % 2);
        }
        reads(&d, SPLIT_TEST, 2, &r);
        assert_int_equal(r.n_captions, 1);
        assert_string_equal(r.caption, "c");
        record_free(&r);
        dataset_close(&d);
        refuses(file(here, "a.h5,captions=class"), "captions already");
    }
    struct made m = make(here, "a.h5");
    put_plain(here, &m);
    put_names(&m, "mask_names", 2, classes);
    put_masks(here, &m, "train/masks", TRAIN, 1);
    put_masks(here, &m, "test/masks", TEST, 2);
    finish(&m);
    refuses(file(here, "a.h5"), "value 2", "mask_names has 2 names");
}

static void the_other_split_may_be_val(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct made m = make(here, "a.h5");
    put_plain(here, &m);
    assert_true(H5Lmove(m.file, "test", m.file, "val", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    finish(&m);
    opens(&d, file(here, "a.h5,split=val"));
    expect_images(&d, 3);
    dataset_close(&d);
    refuses(file(here, "a.h5"), "holds no test/images", "split=val");
}

static void wrong_arrays_are_refused(void **state) {
    static const char *const one_class[] = {"x"};
    static const char *const captions[TRAIN] = {"a", "b", "c", "", "e", "f", "g"};
    static const char *const latin[TRAIN] = {"a", "b", "c", "\xfc", "e", "f", "g"};
    struct place *here = *state;
    const hsize_t turned[] = {TRAIN, 3, HEIGHT, WIDTH}, small[] = {TEST, HEIGHT, WIDTH - 1, 3};
    uint8_t *zeros = arena_alloc(&here->arena, 10000);
    for (int k = 0; k < 11; k++) {
        static const char *const expected[][2] = {
            {"train/images", "holds no"},
            {"train/images", "channels seem to come before"},
            {"test/images", "found 6 x 4 x 3"},
            {"train/images", "unsigned integers of 8 bits"},
            {"labels", "one of the splits only"},
            {"train/labels", "7 expected, as there are images, found 6"},
            {"train/labels", "0 to 0 expected, found 1"},
            {"train/captions", "image 3 has an empty caption"},
            {"train/captions", "string 3 is no UTF-8"},
            {"train/masks", "(7, rows, columns) expected"},
            {"train/labels", "whole numbers expected"}};
        struct made m = make(here, "a.h5");
        if (k != 0 && k != 1 && k != 3)
            put_images(here, &m, 0, TRAIN, 3);
        if (k == 1)
            put_array(&m, "train/images", H5T_STD_U8LE, 4, turned, H5T_NATIVE_UCHAR, zeros);
        if (k == 3)
            put_array(&m, "train/images", H5T_STD_I8LE, 4, turned, H5T_NATIVE_UCHAR, zeros);
        if (k == 2)
            put_array(&m, "test/images", H5T_STD_U8LE, 4, small, H5T_NATIVE_UCHAR, zeros);
        else
            put_images(here, &m, 1, TEST, 3);
        if (k == 4 || k == 5 || k == 6)
            put_labels(&m, "train/labels", H5T_STD_I64BE, k == 5 ? 6 : TRAIN, 0);
        if (k == 5 || k == 6 || k == 10)
            put_labels(&m, "test/labels", H5T_STD_I64BE, TEST, 0);
        if (k == 10)
            put_labels(&m, "train/labels", H5T_IEEE_F32LE, TRAIN, 0);
        if (k == 6)
            put_names(&m, "class_names", 1, one_class);
        if (k == 7 || k == 8) {
            const hsize_t n[] = {TRAIN, TEST};
            put_strings(here, &m, "train/captions", 1, n, k == 7 ? 0 : 4,
                        k == 7 ? captions : latin);
            put_strings(here, &m, "test/captions", 1, n + 1, 0, captions);
        }
        if (k == 9) {
            put_masks(here, &m, "train/masks", TRAIN - 1, 1);
            put_masks(here, &m, "test/masks", TEST, 1);
        }
        finish(&m);
        refuses(file(here, "a.h5"), expected[k][0], expected[k][1]);
    }
    refuses("hdf5", "needs a file");
    refuses(file(here, "none.h5"), "none.h5", "cannot open it");
    put(here, "text.h5", "no HDF5", 7);
    refuses(file(here, "text.h5"), "text.h5", "cannot open it as HDF5");
}

static void a_file_cut_off_is_refused(void **state) {
    struct place *here = *state;
    struct made m = make(here, "a.h5");
    struct dataset d;
    struct record r = {0};
    struct error err = {0};
    put_plain(here, &m);
    finish(&m);
    char *data;
    size_t bytes;
    assert_int_equal(file_read(in(here, "a.h5"), &here->arena, &data, &bytes, &err), 0);
    for (size_t keep = 0; keep < bytes; keep += 97) {
        put(here, "b.h5", data, keep);
        refuses(file(here, "b.h5"), "b.h5");
    }
    opens(&d, file(here, "a.h5")); /* cut off while it is open */
    assert_int_equal(truncate(in(here, "a.h5"), 100), 0);
    assert_int_equal(dataset_read(&d, SPLIT_TRAIN, TRAIN - 1, &r, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "a.h5: offset"));
    record_free(&r);
    dataset_close(&d);
}

int main(void) {
    log_setup(LOG_ERROR);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(contiguous_and_compressed_are_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(everything_but_images_may_be_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_masks_and_captions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_other_split_may_be_val, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_arrays_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_cut_off_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("hdf5", tests, NULL, NULL);
}
