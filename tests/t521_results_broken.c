/* Of a broken run.h5 nothing gets in: status 2, one line that names the file, nothing left open. */
#include "tests/results_sample.h"

#include <hdf5_hl.h>
#include <unistd.h>

/* ---- broken files ---- */

static void expect_refused(const char *path, const char *why) {
    struct run r;
    struct error err = {0};
    int status = run_read(&r, path, &err);
    if (status != STATUS_USAGE)
        fail_msg("%s: status %d %s", path, status, err.message);
    if (!strstr(err.message, path) || !strstr(err.message, why) || strchr(err.message, '\n'))
        fail_msg("\"%s\" does not say \"%s\"", err.message, why);
    assert_null(r.arena.head);
    assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    run_free(&r);
}

static void test_not_a_run(void **state) {
    struct place *here = *state;
    char *dir = folder(here, "not"), *path = in_folder(here, dir, "run.h5");
    expect_refused(path, "No such file");
    expect_refused(dir, "not a file");
    put(path, "", 0);
    expect_refused(path, "empty");
    put(path, "hello\n", 6);
    expect_refused(path, "HDF5");
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    expect_refused(path, "not the results of a run");
    assert_int_equal(truncate(path, (off_t)3 << 30), 0); /* sparse: nothing is read */
    expect_refused(path, "bytes");
}

static void test_truncated(void **state) {
    struct place *here = *state;
    char *path = sample(here, "truncated"), *data;
    size_t bytes, step = getenv("SSV_LONG") ? 7 : 131, trailer = 86;
    struct error err;
    assert_int_equal(file_read(path, &here->arena, &data, &bytes, &err), 0);
    for (size_t n = 0; n<bytes; n += bytes - n> 2 * trailer ? step : 1) {
        if (n == bytes - trailer)
            continue; /* all of it but the checksum: what a program that edits the file leaves */
        put(path, data, n);
        expect_refused(path, "");
    }
    put(path, data, bytes - trailer);
    struct run r;
    read_run(&r, path);
    run_free(&r);
}

static void test_flipped(void **state) {
    struct place *here = *state;
    char *path = sample(here, "flipped"), *data;
    size_t bytes;
    struct error err;
    assert_int_equal(file_read(path, &here->arena, &data, &bytes, &err), 0);
    int rounds = getenv("SSV_LONG") ? 5000 : 300;
    for (int i = 0; i < rounds; i++) {
        size_t at = (size_t)i * 2654435761U % bytes;
        char bit = (char)(1 << i % 8);
        data[at] = (char)(data[at] ^ bit);
        put(path, data, bytes);
        expect_refused(path, "");
        data[at] = (char)(data[at] ^ bit);
    }
    put(path, data, bytes);
    struct run r;
    read_run(&r, path);
    run_free(&r);
}

/* ---- files that HDF5 finds in order and we do not ---- */

static void delete (hid_t at, const char *name) {
    assert_true(H5Ldelete(at, name, H5P_DEFAULT) >= 0);
}

static void put_text_attribute(hid_t at, const char *name, const char *text) {
    if (H5Aexists(at, name) > 0)
        H5Adelete(at, name);
    assert_true(H5LTset_attribute_string(at, ".", name, text) >= 0);
}

static void newer_major(hid_t f) {
    put_text_attribute(f, "format_version", "2.0");
}

static void no_version(hid_t f) {
    H5Adelete(f, "format_version");
}

static void odd_version(hid_t f) {
    put_text_attribute(f, "format_version", "one");
}

static void zero_version(hid_t f) {
    put_text_attribute(f, "format_version", "0.9");
}

static void other_format(hid_t f) {
    put_text_attribute(f, "format", "ssvbench-kernels");
}

static void no_seed(hid_t f) {
    H5Adelete(f, "seed");
}

static void seed_is_text(hid_t f) {
    put_text_attribute(f, "seed", "1");
}

static void seed_is_array(hid_t f) {
    const long long two[2] = {1, 2};
    H5Adelete(f, "seed");
    H5LTset_attribute_long_long(f, ".", "seed", two, 2);
}

static void long_id(hid_t f) {
    char text[500];
    memset(text, 'i', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    put_text_attribute(f, "run_id", text);
}

static void no_eval_group(hid_t f) {
    delete (f, "eval");
}

static void eval_is_dataset(hid_t f) {
    const hsize_t one = 1;
    const int x = 1;
    H5LTmake_dataset_int(f, "eval/linear/other", 1, &one, &x);
}

static void odd_outcome(hid_t f) {
    hid_t e = H5Gopen2(f, "eval/linear/shapes", H5P_DEFAULT);
    put_text_attribute(e, "outcome", "fine");
    H5Gclose(e);
}

static void replace(hid_t f, const char *name, int rank, const hsize_t *dims, hid_t type,
                    const void *data) {
    delete (f, name);
    assert_true(H5LTmake_dataset(f, name, rank, dims, type, data) >= 0);
}

static void short_top1(hid_t f) {
    const hsize_t one = 1;
    const double x = 0.5;
    replace(f, "eval/linear/shapes/top1", 1, &one, H5T_NATIVE_DOUBLE, &x);
}

static void flat_confusion(hid_t f) {
    const hsize_t n = SEEDS * CLASSES * CLASSES;
    const int x[SEEDS * CLASSES * CLASSES] = {0};
    replace(f, "eval/linear/shapes/confusion", 1, &n, H5T_NATIVE_INT, x);
}

static void negative_confusion(hid_t f) {
    const hsize_t dims[] = {SEEDS, CLASSES, CLASSES};
    const int x[SEEDS * CLASSES * CLASSES] = {0, -1};
    replace(f, "eval/linear/shapes/confusion", 3, dims, H5T_NATIVE_INT, x);
}

static void no_top1(hid_t f) {
    delete (f, "eval/linear/shapes/top1");
}

static void top1_is_percent(hid_t f) {
    const hsize_t two = SEEDS;
    const double x[] = {50, 60};
    replace(f, "eval/linear/shapes/top1", 1, &two, H5T_NATIVE_DOUBLE, x);
}

static void top1_is_infinite(hid_t f) {
    const hsize_t two = SEEDS;
    const double x[] = {0.5, INFINITY};
    replace(f, "eval/linear/shapes/top1", 1, &two, H5T_NATIVE_DOUBLE, x);
}

static void top1_is_text(hid_t f) {
    delete (f, "eval/linear/shapes/top1");
    H5LTmake_dataset_string(f, "eval/linear/shapes/top1", "0.5");
}

static void label_out_of_range(hid_t f) {
    const hsize_t n = SAMPLES;
    const short x[SAMPLES] = {[7] = CLASSES};
    replace(f, "eval/linear/shapes/label", 1, &n, H5T_NATIVE_SHORT, x);
}

static void pred_out_of_range(hid_t f) { /* also of int16_t: clipped, and still out of range */
    const hsize_t dims[] = {SEEDS, SAMPLES};
    const int x[SEEDS * SAMPLES] = {[9] = -70000};
    replace(f, "eval/linear/shapes/pred", 2, dims, H5T_NATIVE_INT, x);
}

/* Nothing is stored, and 16 TiB are claimed. */
static void claim(hid_t f, const char *name, int rank, hsize_t length, hid_t type, hsize_t chunk) {
    delete (f, name);
    const hsize_t dims[] = {length, length}, chunks[] = {chunk, chunk};
    hid_t space = H5Screate_simple(rank, dims, NULL), layout = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk)
        H5Pset_chunk(layout, rank, chunks);
    hid_t set = H5Dcreate2(f, name, type, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Dclose(set);
    H5Pclose(layout);
    H5Sclose(space);
}

static void huge_seed(hid_t f) {
    claim(f, "eval/linear/shapes/seed", 1, 1ULL << 30, H5T_NATIVE_INT64, 1 << 10);
}

static void huger_sample(hid_t f) {
    claim(f, "eval/linear/shapes/sample", 1, 1ULL << 41, H5T_NATIVE_INT32, 1 << 10);
}

static void huge_step(hid_t f) {
    claim(f, "pretrain/step", 1, 1ULL << 30, H5T_NATIVE_INT64, 0);
}

static void steps_go_back(hid_t f) {
    const int64_t step[STEPS] = {1, 2, 3, 3, 5};
    const hsize_t dims = STEPS;
    replace(f, "pretrain/step", 1, &dims, H5T_NATIVE_INT64, step);
}

static void huge_class(hid_t f) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, 1 << 20);
    claim(f, "eval/linear/shapes/class", 1, 1ULL << 20, type, 4);
    H5Tclose(type);
}

static void huge_grid(hid_t f) {
    hid_t type = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(type, "lr", 0, H5T_NATIVE_DOUBLE);
    claim(f, "eval/linear/shapes/tables/grid", 1, 1ULL << 30, type, 16);
    H5Tclose(type);
}

static void grid_lacks_columns(hid_t f) {
    const hsize_t one = 1;
    const double x = 1;
    hid_t type = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(type, "lr", 0, H5T_NATIVE_DOUBLE);
    replace(f, "eval/linear/shapes/tables/grid", 1, &one, type, &x);
    H5Tclose(type);
}

static void no_metrics(hid_t f) {
    delete (f, "eval/retrieval/shapes/tables/metrics");
}

static void metric_is_percent(hid_t f) {
    const hsize_t one = 1;
    const struct metric_row row = {"mean_r1", 0, 25};
    hid_t name = H5Tcopy(H5T_C_S1), type = H5Tcreate(H5T_COMPOUND, sizeof row);
    H5Tset_size(name, sizeof row.name);
    H5Tset_cset(name, H5T_CSET_UTF8);
    H5Tinsert(type, "name", offsetof(struct metric_row, name), name);
    H5Tinsert(type, "seed", offsetof(struct metric_row, seed), H5T_NATIVE_INT64);
    H5Tinsert(type, "value", offsetof(struct metric_row, value), H5T_NATIVE_DOUBLE);
    replace(f, "eval/retrieval/shapes/tables/metrics", 1, &one, type, &row);
    H5Tclose(type);
    H5Tclose(name);
}

static void class_of_pointers(hid_t f) {
    const hsize_t n = CLASSES;
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    replace(f, "eval/linear/shapes/class", 1, &n, type, class_names);
    H5Tclose(type);
}

static void no_loss(hid_t f) {
    delete (f, "pretrain/loss");
}

static void config_is_number(hid_t f) {
    const hsize_t one = 1;
    const int x = 1;
    replace(f, "config/resolved", 1, &one, H5T_NATIVE_INT, &x);
}

static void external_file(hid_t f) {
    delete (f, "pretrain/step");
    const hsize_t n = STEPS;
    hid_t space = H5Screate_simple(1, &n, NULL), layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(layout, "/proc/self/environ", 0, n * 8);
    hid_t set =
        H5Dcreate2(f, "pretrain/step", H5T_NATIVE_INT64, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Dclose(set);
    H5Pclose(layout);
    H5Sclose(space);
}

static void external_link(hid_t f) {
    delete (f, "environment");
    H5Lcreate_external("other.h5", "/", f, "environment", H5P_DEFAULT, H5P_DEFAULT);
}

static void many_sources(hid_t f) {
    for (char name[] = "data/a"; name[5] < 'z'; name[5]++)
        H5Gclose(H5Gcreate2(f, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

static void long_name(hid_t f) {
    char name[300] = "eval/linear/";
    memset(name + strlen(name), 'x', 200);
    delete (f, "eval/knn/shapes");
    assert_true(H5Lmove(f, "eval/linear/shapes", f, name, H5P_DEFAULT, H5P_DEFAULT) >= 0);
}

static const struct edit {
    void (*edit)(hid_t file);
    const char *says;
} refused[] = {{newer_major, "newer"},
               {no_version, "format_version"},
               {odd_version, "format_version"},
               {zero_version, "format_version"},
               {other_format, "not the results of a run"},
               {no_seed, "seed"},
               {seed_is_text, "seed"},
               {seed_is_array, "single value"},
               {long_id, "longer than 127 bytes"},
               {no_eval_group, "eval"},
               {eval_is_dataset, "eval/linear/other"},
               {odd_outcome, "outcome: it is fine"},
               {short_top1, "top1"},
               {flat_confusion, "3 dimensions"},
               {negative_confusion, "confusion"},
               {no_top1, "missing although"},
               {top1_is_percent, "between 0 and 1"},
               {top1_is_infinite, "between 0 and 1"},
               {top1_is_text, "top1"},
               {label_out_of_range, "class 3 of 3"},
               {pred_out_of_range, "pred"},
               {huge_seed, "more values than the file holds"},
               {huger_sample, "too long"},
               {huge_step, "more values than the file holds"},
               {steps_go_back, "3 is behind 3"},
               {huge_class, "more values than the file holds"},
               {huge_grid, "more values than the file holds"},
               {grid_lacks_columns, "column"},
               {no_metrics, "missing although"},
               {metric_is_percent, "between 0 and 1"},
               {class_of_pointers, "texts of one length"},
               {no_loss, "loss"},
               {config_is_number, "config/resolved"},
               {external_file, "not in this file"},
               {external_link, "environment: it is missing"},
               {many_sources, "more than 16"},
               {long_name, "longer than 63"}};

/* Another program changes a sample; HDF5 cuts off the checksum, which no longer fits. */
static char *edited(struct place *here, const char *original, const char *name,
                    void (*edit)(hid_t file)) {
    struct error err;
    char *data, *path = in_folder(here, folder(here, name), "run.h5");
    size_t bytes;
    assert_int_equal(file_read(original, &here->arena, &data, &bytes, &err), 0);
    put(path, data, bytes);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    edit(file);
    assert_true(H5Fclose(file) >= 0);
    return path;
}

static void test_refused(void **state) {
    struct place *here = *state;
    char *plain = sample(here, "unedited"), *name;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        name = arena_printf(&here->arena, "refused%zu", i);
        expect_refused(edited(here, plain, name, refused[i].edit), refused[i].says);
    }
}

/* A later minor version may add members anywhere, and store numbers in other types. */
static void additions(hid_t f) {
    put_text_attribute(f, "format_version", "1.7");
    put_text_attribute(f, "mood", "good");
    H5Gclose(H5Gcreate2(f, "kernels", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    const hsize_t two = SEEDS;
    const double x[] = {1, 2};
    H5LTmake_dataset_double(f, "eval/linear/shapes/top10", 1, &two, x);
    H5LTmake_dataset_double(f, "pretrain/temperature", 1, &two, x);
    const float top1[] = {0.5F, 0.5625F};
    replace(f, "eval/linear/shapes/top1", 1, &two, H5T_IEEE_F32BE, top1);
    H5Lcreate_external("other.h5", "/", f, "elsewhere", H5P_DEFAULT, H5P_DEFAULT);
}

/* The table as the first version wrote it. */
static void grid_of_first_version(hid_t f) {
    const hsize_t one = 1;
    const struct grid_row row = {"no", "layer2.cls", "no", 0.5, 0, 1, 2, 0.25, 1};
    hid_t text = H5Tcopy(H5T_C_S1), type = H5Tcreate(H5T_COMPOUND, sizeof row);
    H5Tset_size(text, sizeof row.representation);
    H5Tset_cset(text, H5T_CSET_UTF8);
    H5Tinsert(type, "representation", offsetof(struct grid_row, representation), text);
    H5Tinsert(type, "lr", offsetof(struct grid_row, lr), H5T_NATIVE_DOUBLE);
    H5Tinsert(type, "weight_decay", offsetof(struct grid_row, weight_decay), H5T_NATIVE_DOUBLE);
    H5Tinsert(type, "k", offsetof(struct grid_row, k), H5T_NATIVE_DOUBLE);
    H5Tinsert(type, "temperature", offsetof(struct grid_row, temperature), H5T_NATIVE_DOUBLE);
    H5Tinsert(type, "val_top1", offsetof(struct grid_row, val_top1), H5T_NATIVE_DOUBLE);
    H5Tinsert(type, "chosen", offsetof(struct grid_row, chosen), H5T_NATIVE_INT);
    replace(f, "eval/linear/shapes/tables/grid", 1, &one, type, &row);
    H5Tclose(type);
    H5Tclose(text);
}

static void test_columns_added_later(void **state) {
    struct place *here = *state;
    struct run r;
    read_run(&r, edited(here, sample(here, "now"), "then", grid_of_first_version));
    const struct eval *e = run_find_eval(&r, "linear", "shapes");
    assert_int_equal(e->n_grid, 1);
    assert_string_equal(e->grid[0].representation, "layer2.cls");
    assert_true(e->grid[0].lr == 0.5 && e->grid[0].val_top1 == 0.25 && e->grid[0].chosen == 1);
    assert_string_equal(e->grid[0].head, "");
    assert_string_equal(e->grid[0].search, "");
    run_free(&r);
}

static void test_unknown_members(void **state) {
    struct place *here = *state;
    struct run r, back;
    char *plain = sample(here, "plain"), *path = edited(here, plain, "additions", additions);
    read_run(&r, plain);
    read_run(&back, path);
    assert_int_equal(back.n_evals, r.n_evals);
    assert_string_equal(back.run_id, r.run_id);
    assert_non_null(run_find_eval(&back, "linear", "shapes")->top1);
    run_free(&r);
    run_free(&back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_a_run),       cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_unknown_members), cmocka_unit_test(test_columns_added_later),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
