/* Any bytes as a checkpoint: nn/safetensors.h. */
#include "nn/safetensors.h"

#include "tests/fuzz/fuzz.h"

#include "core/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct st_file *f;
    struct error err = {0};
    int status = st_open(&f, fuzz_file(0, data, n), &err);
    fuzz_status(status, &err);
    if (status)
        return 0;
    size_t bytes = 0;
    for (int i = 0; i < st_count(f); i++) {
        const struct st_tensor *t = st_get(f, i);
        CHECK(st_find(f, t->name) == t && t->ndim <= ST_MAX_DIM, "%s", t->name);
        fuzz_look(t->data, t->bytes);
        bytes += t->bytes;
    }
    CHECK(bytes <= n, "%zu bytes out of %zu", bytes, n);
    const char *config = st_meta(f, "config");
    if (config)
        fuzz_look(config, strlen(config));
    st_close(f);
    return 0;
}

static void fuzz_seeds(const char *corpus) {
    static const float weights[6] = {1, 2.5F, -3, 4, 0, 1e-3F};
    static const uint8_t flags[3] = {1, 0, 255};
    static const struct st_tensor tensors[] = {
        {"flags", "U8", 1, {3}, flags, sizeof flags},
        {"block.0.weight", "F32", 2, {2, 3}, weights, sizeof weights},
        {"empty", "F32", 3, {4, 0, 2}, NULL, 0}};
    static const struct st_meta meta = {"config", "seed = 1\n"};
    struct arena a = {0};
    struct error err = {0};
    const char *path = arena_printf(&a, "%s/seed-whole", corpus);
    CHECK(!st_write(path, tensors, 3, &meta, 1, &err), "%s", err.message);
    arena_free(&a);
    FUZZ_SEED_TEXT(corpus, "none", "\2\0\0\0\0\0\0\0{}");
}
