/* The checkpoint format: what is written is read back, by us and by others, and a broken file is
 * refused with status 2 whatever is broken about it. */
#include "core/arena.h"
#include "core/file.h"
#include "core/rng.h"
#include "nn/safetensors.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define READER "python3 tests/golden/read_safetensors.py "

static const float weights[2][3] = {{1, 2.5F, -3}, {4, 0, 1e-3F}};
static const double loss[1] = {0.125};
static const int64_t step[1] = {1LL << 40};
static const int32_t order[4] = {3, -1, 2, 0};
static const uint8_t flags[3] = {1, 0, 255};

static const struct st_tensor tensors[] = {
    {"flags", "U8", 1, {3}, flags, sizeof flags},
    {"block.0.weight", "F32", 2, {2, 3}, weights, sizeof weights},
    {"loss", "F64", 0, {0}, loss, sizeof loss},
    {"empty", "F32", 3, {4, 0, 2}, NULL, 0},
    {"order", "I32", 4, {1, 2, 1, 2}, order, sizeof order},
    {"step", "I64", 1, {1}, step, sizeof step},
};
enum { N = sizeof tensors / sizeof tensors[0] };
static const struct st_meta meta[] = {{"config", "seed = 1\n[mae]\nmask_ratio = \"0.75\"\n"},
                                      {"gr\xc3\xb6\xc3\x9f"
                                       "e",
                                       "\xe2\x9c\x93"}};

struct folder {
    char name[64], path[128];
};

static int setup(void **state) {
    struct folder *f = calloc(1, sizeof *f);
    const char *base = getenv("TMPDIR");
    if (!f)
        return -1;
    snprintf(f->name, sizeof f->name, "%.40s/t300.XXXXXX",
             base && strlen(base) <= 40 ? base : "/tmp");
    if (!mkdtemp(f->name)) {
        free(f);
        return -1;
    }
    snprintf(f->path, sizeof f->path, "%s/model.safetensors", f->name);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct folder *f = *state;
    unlink(f->path);
    int failed = rmdir(f->name); /* fails when a temporary file was left behind */
    free(f);
    return failed;
}

static void write_good(const char *path) {
    struct error err = {0};
    if (st_write(path, tensors, N, meta, 2, &err))
        fail_msg("%s", err.message);
}

static void write_bytes(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void test_round_trip(void **state) {
    const struct folder *folder = *state;
    struct error err = {0};
    struct st_file *f = NULL;
    write_good(folder->path);
    write_good(folder->path); /* and over an existing file */
    if (st_open(&f, folder->path, &err))
        fail_msg("%s", err.message);
    assert_int_equal(st_count(f), N);
    for (int i = 0; i < N; i++) {
        const struct st_tensor *want = &tensors[i], *t = st_get(f, i);
        assert_string_equal(t->name, want->name);
        assert_string_equal(t->dtype, want->dtype);
        assert_int_equal(t->ndim, want->ndim);
        assert_memory_equal(t->dim, want->dim, sizeof t->dim[0] * (size_t)t->ndim);
        assert_int_equal(t->bytes, want->bytes);
        if (t->bytes)
            assert_memory_equal(t->data, want->data, t->bytes);
        assert_ptr_equal(st_find(f, want->name), t);
    }
    assert_int_equal((uintptr_t)st_find(f, "step")->data % 8, 0);
    assert_null(st_find(f, "block.0"));
    assert_null(st_find(f, "__metadata__"));
    assert_string_equal(st_meta(f, meta[0].key), meta[0].value);
    assert_string_equal(st_meta(f, meta[1].key), meta[1].value);
    assert_null(st_meta(f, "nothing"));
    st_close(f);
}

/* With a hash every bit of the tensors counts; without one there is nothing to check. */
static void test_hash(void **state) {
    const struct folder *folder = *state;
    static const float x[] = {1, 2, 3};
    const struct st_tensor t = {
        .name = "x", .dtype = "F32", .ndim = 1, .dim = {3}, .data = x, .bytes = sizeof x};
    const struct st_meta hashed[] = {{"format", "a"}, {ST_HASH, NULL}};
    for (int n = 1; n <= 2; n++) {
        struct error err = {0};
        struct st_file *f = NULL;
        assert_int_equal(st_write(folder->path, &t, 1, hashed, n, &err), 0);
        assert_int_equal(st_open(&f, folder->path, &err), 0);
        assert_int_equal(st_check(f, &err), 0);
        st_close(f);
        FILE *file = fopen(folder->path, "r+b");
        assert_int_equal(fseek(file, -1, SEEK_END), 0);
        assert_int_equal(fputc(0x41, file), 0x41);
        fclose(file);
        assert_int_equal(st_open(&f, folder->path, &err), 0);
        assert_int_equal(st_check(f, &err), n == 2 ? STATUS_USAGE : 0);
        st_close(f);
    }
}

static void test_empty_file_of_no_tensors(void **state) {
    const struct folder *folder = *state;
    struct error err = {0};
    struct st_file *f = NULL;
    assert_int_equal(st_write(folder->path, NULL, 0, NULL, 0, &err), 0);
    assert_int_equal(st_open(&f, folder->path, &err), 0);
    assert_int_equal(st_count(f), 0);
    assert_null(st_find(f, "x"));
    assert_null(st_meta(f, "x"));
    st_close(f);
}

static void test_python_reads_it(void **state) {
    const struct folder *folder = *state;
    static const char empty[] = "empty F32 4x0x2 0\n";
    static const char want[] = "config=seed = 1\n[mae]\nmask_ratio = \"0.75\"\n\n"
                               "gr\xc3\xb6\xc3\x9f"
                               "e=\xe2\x9c\x93\n"
                               "loss F64  0.125\n"
                               "step I64 1 1.09951e+12\n"
                               "block.0.weight F32 2x3 4.501\n"
                               "order I32 1x2x1x2 4\n"
                               "flags U8 3 256\n";
    char command[256], got[1024] = "";
    if (system("python3 -c '' 2>/dev/null") != 0)
        skip();
    write_good(folder->path);
    snprintf(command, sizeof command, "PYTHONIOENCODING=utf-8 " READER "%s", folder->path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t bytes = fread(got, 1, sizeof got - 1, pipe);
    got[bytes] = '\0';
    assert_int_equal(pclose(pipe), 0);
    /* The place of a tensor without bytes among its neighbours means nothing. */
    char *line = strstr(got, empty);
    assert_non_null(line);
    memmove(line, line + strlen(empty), strlen(line + strlen(empty)) + 1);
    assert_string_equal(got, want);
}

static void test_reads_what_python_wrote(void **state) {
    const struct folder *folder = *state;
    struct error err = {0};
    struct st_file *f = NULL;
    char command[256];
    if (system("python3 -c '' 2>/dev/null") != 0)
        skip();
    snprintf(command, sizeof command, READER "--write %s", folder->path);
    assert_int_equal(system(command), 0);
    if (st_open(&f, folder->path, &err))
        fail_msg("%s", err.message);
    assert_int_equal(st_count(f), 4);
    const struct st_tensor *numbers = st_find(f, "numbers"), *scalar = st_find(f, "scalar");
    assert_int_equal((uintptr_t)numbers->data % 4, 0); /* at byte 3 of the data in the file */
    assert_int_equal((uintptr_t)scalar->data % 8, 0);
    assert_true(((const float *)numbers->data)[1] == -1.5F);
    assert_true(((const double *)scalar->data)[0] == 2.5);
    assert_int_equal(((const uint8_t *)st_find(f, "flags")->data)[2], 11);
    assert_int_equal(st_find(f, "empty")->bytes, 0);
    assert_string_equal(st_meta(f, "format"), "pt");
    assert_string_equal(st_meta(f, "n\xc3\xa4me"), "gr\xc3\xb6\xc3\x9f"
                                                   "e");
    st_close(f);
}

/* Opens what may be broken; what is accepted must be readable to its last byte. */
static int open_doubtful(const char *path, struct error *err) {
    struct st_file *f = NULL;
    *err = (struct error){0};
    int status = st_open(&f, path, err);
    if (status) {
        assert_null(f);
        assert_int_equal(status, err->status);
        assert_non_null(strstr(err->message, path));
        assert_null(strchr(err->message, '\n'));
        return status;
    }
    unsigned sum = 0;
    for (int i = 0; i < st_count(f); i++) {
        const struct st_tensor *t = st_get(f, i);
        for (size_t b = 0; b < t->bytes; b++)
            sum += ((const unsigned char *)t->data)[b];
    }
    assert_true(sum < UINT32_MAX);
    st_close(f);
    return 0;
}

/* Of this process, in pages. */
static long resident(void) {
    long all = 0, here = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &all, &here) != 2)
        here = 0;
    if (f)
        fclose(f);
    return here;
}

static void test_memory_is_given_back(void **state) {
    enum { LARGE = 1 << 22 };
    const struct folder *folder = *state;
    struct error err = {0};
    struct st_file *f = NULL;
    float *large = malloc(LARGE * sizeof *large);
    assert_non_null(large);
    for (int i = 0; i < LARGE; i++)
        large[i] = (float)i;
    const struct st_tensor both[] = {
        {"flags", "U8", 1, {3}, flags, sizeof flags},
        {"large", "F32", 1, {LARGE}, large, LARGE * sizeof *large},
    };
    if (st_write(folder->path, both, 2, NULL, 0, &err) || st_open(&f, folder->path, &err))
        fail_msg("%s", err.message);
    const struct st_tensor *t = st_find(f, "large");
    assert_memory_equal(t->data, large, t->bytes);
    long before = resident(), pages = (long)t->bytes / sysconf(_SC_PAGESIZE);
    st_release(f, t);
    st_release(f, st_find(f, "flags"));
    if (before)
        assert_true(before - resident() > pages / 2);
    assert_memory_equal(t->data, large, t->bytes);
    assert_memory_equal(st_find(f, "flags")->data, flags, sizeof flags);
    st_close(f);
    free(large);
}

static void test_every_truncation_is_refused(void **state) {
    const struct folder *folder = *state;
    struct error err = {0};
    struct arena a = {0};
    char *data = NULL;
    size_t bytes = 0;
    write_good(folder->path);
    assert_int_equal(file_read(folder->path, &a, &data, &bytes, &err), 0);
    for (size_t cut = 0; cut < bytes; cut++) {
        write_bytes(folder->path, data, cut);
        if (open_doubtful(folder->path, &err) != STATUS_USAGE)
            fail_msg("cut after %zu of %zu bytes: status %d", cut, bytes, err.status);
    }
    char *longer = arena_alloc(&a, bytes + 1);
    memcpy(longer, data, bytes);
    write_bytes(folder->path, longer, bytes + 1);
    assert_int_equal(open_doubtful(folder->path, &err), STATUS_USAGE);
    arena_free(&a);
}

static void test_random_damage(void **state) {
    const struct folder *folder = *state;
    struct error err = {0};
    struct arena a = {0};
    char *data = NULL;
    size_t bytes = 0;
    int refused = 0;
    write_good(folder->path);
    assert_int_equal(file_read(folder->path, &a, &data, &bytes, &err), 0);
    char *copy = arena_alloc(&a, bytes);
    for (uint32_t i = 0; i < 4000; i++) {
        struct rng r = rng_at((struct rng_key){300, RNG_TEST}, 0, i);
        memcpy(copy, data, bytes);
        for (uint32_t flips = 1 + rng_below(&r, 4); flips; flips--) {
            char *at = copy + rng_below(&r, (uint32_t)bytes);
            *at = (char)(rng_below(&r, 2) ? *at ^ 1 << rng_below(&r, 8)
                                          : "0123456789{}[]\",:-e "[rng_below(&r, 20)]);
        }
        write_bytes(folder->path, copy, bytes);
        int status = open_doubtful(folder->path, &err);
        if (status != 0 && status != STATUS_USAGE)
            fail_msg("damage %u: status %d: %s", i, status, err.message);
        refused += status != 0;
    }
    assert_true(refused > 1000);
    arena_free(&a);
}

/* Headers over 32 bytes of data; `word` is what the message must say. */
struct hostile {
    const char *header, *word;
};

#define ONE(dtype, shape, from, to)                                                                \
    "{\"t\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}}"
#define TWO(from1, to1, from2, to2, name2)                                                         \
    "{\"t\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[" from1 "," to1 "]},\"" name2       \
    "\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[" from2 "," to2 "]}}"

static const struct hostile hostiles[] = {
    {ONE("F32", "[8]", "0", "32"), NULL}, /* the sound one */
    {TWO("0", "16", "16", "32", "u"), NULL},
    {TWO("16", "32", "0", "16", "u"), NULL},
    {TWO("0", "16", "0", "16", "u"), "overlaps"},
    {TWO("0", "16", "8", "24", "u"), "overlaps"},
    {TWO("0", "16", "15", "31", "u"), "overlaps"},
    {TWO("0", "16", "16", "32", "t"), "duplicate"},
    {ONE("F32", "[4]", "0", "16"), "belong to no tensor"},
    {ONE("F32", "[4]", "16", "32"), "no tensor owns"},
    {ONE("F32", "[9]", "0", "36"), "not among"},
    {ONE("F32", "[8]", "32", "0"), "not among"},
    {ONE("F32", "[8]", "-32", "0"), "not among"},
    {ONE("F32", "[8]", "0", "9223372036854775807"), "not among"},
    {ONE("F32", "[8]", "0", "99999999999999999999"), "header byte"},
    {ONE("F32", "[8]", "0", "3.2e1"), "whole numbers"},
    {ONE("F32", "[8]", "0", "\\\"32\\\""), "header byte"},
    {ONE("F32", "[7]", "0", "32"), "need 28"},
    {ONE("F32", "[-8]", "0", "32"), "whole number"},
    {ONE("F32", "[8.0]", "0", "32"), "whole number"},
    {ONE("F32", "[4611686018427387904,4]", "0", "0"), "more than memory"},
    {ONE("U8", "[4294967296,4294967296]", "0", "0"), "more than memory"},
    {ONE("F64", "[2305843009213693952]", "0", "0"), "more than memory"},
    {ONE("F32", "[2,1,1,1,1,1,1,1,4]", "0", "32"), "at most 8"},
    {ONE("F32", "8", "0", "32"), "not a list"},
    {ONE("F33", "[8]", "0", "32"), "dtype"},
    {ONE("", "[8]", "0", "32"), "dtype"},
    {"{\"t\":{\"dtype\":4,\"shape\":[8],\"data_offsets\":[0,32]}}", "dtype"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[0,16,32]}}", "data_offsets"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":{}}}", "data_offsets"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[8]}}", "data_offsets"},
    {"{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,32]}}", "shape"},
    {"{\"a\\nb\\u001b[31m\":{\"dtype\":\"F\"}}", "a?b?[31m"},
    {"{\"t\":[]}", "dtype"},
    {"{\"t\":null}", "dtype"},
    {"{\"t\\u0000\":null}", "header byte"},
    {"{\"__metadata__\":{\"a\":1}}", "not text"},
    {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", "duplicate"},
    {"{\"__metadata__\":\"a\"}", "not a JSON object"},
    {"{}", "belong to no tensor"},
    {"[]", "not a JSON object"},
    {"7", "header byte"},
    {"", "header byte"},
    {"{\"t\":", "header byte"},
    {"{} {}", "header byte"},
    {"\xff\xfe{}", "header byte"},
};

static void write_hostile(const char *path, uint64_t length, const char *header, size_t bytes) {
    unsigned char file[1024] = {0};
    assert_true(bytes + 40 <= sizeof file);
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)(length >> 8 * i);
    memcpy(file + 8, header, bytes);
    write_bytes(path, file, 8 + bytes + 32);
}

static void test_hostile_headers(void **state) {
    const struct folder *folder = *state;
    struct error err = {0};
    for (size_t i = 0; i < sizeof hostiles / sizeof hostiles[0]; i++) {
        const struct hostile *h = &hostiles[i];
        write_hostile(folder->path, strlen(h->header), h->header, strlen(h->header));
        int status = open_doubtful(folder->path, &err);
        if (status != (h->word ? STATUS_USAGE : 0) || (h->word && !strstr(err.message, h->word)))
            fail_msg("%s: status %d, %s", h->header, status, err.message);
    }
}

static void test_hostile_lengths(void **state) {
    const struct folder *folder = *state;
    struct error err = {0};
    const char *good = hostiles[0].header;
    size_t length = strlen(good);
    const uint64_t lengths[] = {0,          length - 1, length + 1,     length + 33, 100000001,
                                UINT32_MAX, INT64_MAX,  UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        write_hostile(folder->path, lengths[i], good, length);
        if (open_doubtful(folder->path, &err) != STATUS_USAGE)
            fail_msg("header length %ju accepted", (uintmax_t)lengths[i]);
    }
    char deep[900];
    memset(deep, '[', sizeof deep);
    write_hostile(folder->path, sizeof deep, deep, sizeof deep);
    assert_int_equal(open_doubtful(folder->path, &err), STATUS_USAGE);
}

static void test_not_a_file(void **state) {
    const struct folder *folder = *state;
    struct error err = {0};
    struct st_file *f = NULL;
    assert_int_equal(st_open(&f, folder->name, &err), STATUS_USAGE);
    assert_int_equal(st_open(&f, folder->path, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "No such file"));
    assert_int_equal(mkfifo(folder->path, 0600), 0);
    assert_int_equal(st_open(&f, folder->path, &err), STATUS_USAGE); /* nobody writes */
    assert_non_null(strstr(err.message, "not a regular file"));
    assert_int_equal(unlink(folder->path), 0);
    assert_int_equal(st_write("/nowhere/model.safetensors", tensors, N, NULL, 0, &err),
                     STATUS_MACHINE);
    const struct st_meta latin1 = {"name", "gr\xf6\xdf"
                                           "e"};
    assert_int_equal(st_write(folder->path, tensors, N, &latin1, 1, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "UTF-8"));
    assert_int_equal(file_exists(folder->path), 0);
}

/* The size limit of a process stands for the full disk. */
static void test_full_disk_keeps_the_old_file(void **state) {
    const struct folder *folder = *state;
    struct error err = {0};
    struct st_file *f = NULL;
    struct rlimit old, small;
    static float big[4096];
    const struct st_tensor large = {"big", "F32", 1, {4096}, big, sizeof big};
    write_good(folder->path);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    for (rlim_t limit = 0; limit < sizeof big; limit += 1 + limit) {
        small = (struct rlimit){.rlim_cur = limit, .rlim_max = old.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        int status = st_write(folder->path, &large, 1, NULL, 0, &err);
        setrlimit(RLIMIT_FSIZE, &old);
        if (status != STATUS_MACHINE || !strstr(err.message, folder->path))
            fail_msg("limit %ju: status %d, %s", (uintmax_t)limit, status, err.message);
    }
    assert_int_equal(st_open(&f, folder->path, &err), 0);
    assert_non_null(st_find(f, "block.0.weight"));
    st_close(f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_hash),
        TEST(test_empty_file_of_no_tensors),
        TEST(test_python_reads_it),
        TEST(test_reads_what_python_wrote),
        TEST(test_memory_is_given_back),
        TEST(test_every_truncation_is_refused),
        TEST(test_random_damage),
        TEST(test_hostile_headers),
        TEST(test_hostile_lengths),
        TEST(test_not_a_file),
        TEST(test_full_disk_keeps_the_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
