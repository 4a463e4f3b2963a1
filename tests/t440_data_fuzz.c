/* Broken files: cut off at every byte, or with bytes changed, they open or give status 2. */
#include "core/rng.h"
#include "tests/data_files.h"

static struct rng dice(uint32_t n) {
    return rng_at((struct rng_key){2024, RNG_TEST}, 0, n);
}

static int rounds(int usual) {
    return getenv("SSV_LONG") ? 100 * usual : usual;
}

/* Opens a dataset and reads what it holds, or the first of it where that is a lot. */
static int try_to_read(const char *text) {
    struct dataset d;
    struct record r = {0};
    struct error err = {0};
    int status = dataset_open(&d, text, &err);
    if (status) {
        assert_int_equal(status, STATUS_USAGE);
        assert_int_equal(err.status, STATUS_USAGE);
        assert_true(err.message[0] && !strchr(err.message, '\n'));
        return status;
    }
    for (int split = 0; split < SPLITS; split++)
        for (long i = 0; i < d.count[split] && i < 30; i++) {
            reads(&d, (enum split)split, i, &r);
            assert_in_range(r.label, 0, d.classes - 1);
        }
    record_free(&r);
    dataset_close(&d);
    return 0;
}

static void put_raw(struct place *here, const char *name, const uint8_t *data, size_t bytes) {
    FILE *f = fopen(in(here, name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    fclose(f);
}

static size_t get_raw(struct place *here, const char *name, uint8_t **data) {
    char *bytes;
    size_t n;
    struct error err = {0};
    assert_int_equal(file_read(in(here, name), &here->arena, &bytes, &n, &err), 0);
    *data = (uint8_t *)bytes;
    return n;
}

/* A few bytes changed, each in one bit or altogether, most often near the front. */
static void damage(struct rng *r, uint8_t *data, size_t n) {
    for (uint32_t k = 1 + rng_below(r, 4); k; k--) {
        size_t at = rng_below(r, rng_below(r, 2) && n > 20 ? 20 : (uint32_t)n);
        if (rng_below(r, 2))
            data[at] ^= (uint8_t)(1U << rng_below(r, 8));
        else
            data[at] = (uint8_t)rng_u32(r);
    }
}

static void truncate_and_flip(struct place *here, const char *const *names, int n_names,
                              const char *text, size_t step) {
    assert_int_equal(try_to_read(text), 0);
    for (int f = 0; f < n_names; f++) {
        uint8_t *data;
        size_t n = get_raw(here, names[f], &data);
        uint8_t *copy = arena_alloc(&here->arena, n + 1);
        for (size_t keep = 0; keep < n; keep += keep < 32 || keep + 32 > n ? 1 : step) {
            put_raw(here, names[f], data, keep);
            try_to_read(text);
        }
        memcpy(copy, data, n);
        put_raw(here, names[f], copy, n + 1);
        try_to_read(text);
        for (int i = 0; i < rounds(150); i++) {
            struct rng r = dice((uint32_t)(f * 100000 + i));
            memcpy(copy, data, n);
            damage(&r, copy, n);
            put_raw(here, names[f], copy, n);
            try_to_read(text);
        }
        put_raw(here, names[f], data, n);
    }
    assert_int_equal(try_to_read(text), 0);
}

static void put_idx(struct place *here, const char *ending) {
    static const char *const names[] = {"train-images-idx3", "train-labels-idx1",
                                        "t10k-images-idx3", "t10k-labels-idx1"};
    for (int f = 0; f < 4; f++) {
        enum { IMAGES = 16 + 6 * 12, LABELS = 8 + 6 };
        uint8_t b[2 * IMAGES] = {0, 0, 8, f % 2 ? 1 : 3, 0, 0, 0, 6, 0, 0, 0, 4, 0, 0, 0, 3};
        size_t n = f % 2 ? LABELS : IMAGES;
        for (size_t i = f % 2 ? 8 : 16; i < n; i++)
            b[i] = (uint8_t)(f % 2 ? i % 3 : i * 37);
        put(here, arena_printf(&here->arena, "%s-ubyte%s", names[f], ending), b, n);
    }
}

static void test_idx(void **state) {
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
    put_idx(*state, "");
    truncate_and_flip(*state, names, 4, spec(*state, "idx", ""), 1);
}

static void test_idx_gz(void **state) {
    static const char *const names[] = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
                                        "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"};
    put_idx(*state, ".gz");
    truncate_and_flip(*state, names, 4, spec(*state, "idx", ",train=3"), 1);
}

static void test_cifar10(void **state) {
    static const char *const names[] = {"data_batch_3.bin", "test_batch.bin", "batches.meta.txt"};
    const char *classes = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
    uint8_t *b = arena_alloc(&((struct place *)*state)->arena, 3 * 3073);
    for (int i = 0; i < 3 * 3073; i++)
        b[i] = (uint8_t)(i % 3073 ? i * 31 : i / 3073);
    put(*state, names[0], b, 3 * 3073);
    put(*state, names[1], b, 2 * 3073);
    put(*state, names[2], classes, strlen(classes));
    truncate_and_flip(*state, names, 3, spec(*state, "cifar10", ""), 97);
}

/* Any text for a specification. */
static void test_specifications(void **state) {
    (void)state;
    static const char *const pieces[] = {"shapes",   ":",       ",",    "=",
                                         "size",     "train",   "test", "seed",
                                         "16",       "20",      "idx",  "cifar10",
                                         "/nowhere", "-1",      " ",    "\xff",
                                         "pad",      "fashion", "%s%n", "99999999999999999999"};
    for (int i = 0; i < rounds(2000); i++) {
        struct rng r = dice((uint32_t)(900000 + i));
        char text[256] = "";
        if (rng_below(&r, 2))
            strcat(text, "shapes:size=16,train=10,test=10,");
        for (uint32_t k = rng_below(&r, 8); k; k--)
            strcat(text, pieces[rng_below(&r, sizeof pieces / sizeof *pieces)]);
        try_to_read(text);
    }
}

int main(void) {
    setenv("HOME", "/nowhere", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_idx, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_idx_gz, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cifar10, set_up, tear_down),
        cmocka_unit_test(test_specifications),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
