/* Any bytes as one of the four files of an IDX dataset, plain or compressed: data/idx.c.  The first
 * byte of the input says which one; the others are sound. */
#include "data/dataset.h"

#include "tests/fuzz/fuzz.h"

enum { FILES = 4, IMAGES = 5, SIDE = 3 };

struct file {
    const char *name;
    size_t n;
    uint8_t data[16 + IMAGES * SIDE * SIDE];
};

static struct file sound_file(int i) {
    static const char *const names[] = {"train-images-idx3", "train-labels-idx1",
                                        "t10k-images-idx3", "t10k-labels-idx1"};
    int labels = i % 2;
    struct file f = {
        names[i], labels ? 8 + IMAGES : sizeof f.data, {0, 0, 8, labels ? 1 : 3, 0, 0, 0, IMAGES}};
    if (!labels)
        f.data[11] = f.data[15] = SIDE;
    for (size_t k = labels ? 8 : 16; k < f.n; k++)
        f.data[k] = (uint8_t)(labels ? k % 3 : k * 37);
    return f;
}

/* A folder of links to the four files in memory. */
static const char *folder(void) {
    static char path[64];
    struct arena a = {0};
    if (!path[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(path, sizeof path, "%.40s/fuzz-idx-XXXXXX", base && base[0] ? base : "/tmp");
        CHECK(mkdtemp(path), "%s", path);
        for (int i = 0; i < FILES; i++) {
            struct file f = sound_file(i);
            CHECK(
                !symlink(fuzz_file(i, f.data, f.n), arena_printf(&a, "%s/%s-ubyte", path, f.name)),
                "%s", path);
        }
        arena_free(&a);
    }
    return path;
}

static void clean_up(void) {
    struct arena a = {0};
    for (int i = 0; i < FILES; i++)
        unlink(arena_printf(&a, "%s/%s-ubyte", folder(), sound_file(i).name));
    rmdir(folder());
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static int began;
    if (!n)
        return 0;
    if (!began++)
        atexit(clean_up);
    struct arena a = {0};
    struct dataset d;
    struct record r = {0};
    struct error err = {0};
    const char *text = arena_printf(&a, "idx:%s", folder());
    for (int i = 0; i < FILES; i++) {
        struct file f = sound_file(i);
        if (i == data[0] % FILES)
            fuzz_file(i, data + 1, n - 1);
        else
            fuzz_file(i, f.data, f.n);
    }
    int status = dataset_open(&d, text, &err);
    fuzz_status(status, &err);
    for (int s = 0; !status && s < SPLITS; s++)
        for (long i = 0; i < d.count[s]; i++) {
            CHECK(!dataset_read(&d, (enum split)s, i, &r, &err), "%s", err.message);
            CHECK(r.label >= 0 && r.label < d.classes, "label %d", r.label);
            fuzz_look(r.pixels, (size_t)d.height * (size_t)d.width);
        }
    if (!status)
        dataset_close(&d);
    record_free(&r);
    arena_free(&a);
    return 0;
}

static void fuzz_seeds(const char *corpus) {
    for (int i = 0; i < FILES; i++) {
        struct file f = sound_file(i);
        uint8_t seed[1 + sizeof f.data] = {(uint8_t)i};
        memcpy(seed + 1, f.data, f.n);
        fuzz_seed(corpus, f.name, seed, 1 + f.n);
    }
}
