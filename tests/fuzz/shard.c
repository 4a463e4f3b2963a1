/* Any bytes as a tar shard, and as the texts of a sample: data/webdataset_internal.h. */
#include "data/webdataset_internal.h"

#include "tests/fuzz/fuzz.h"
#include "tests/tar_bytes.h"

static void look_at(const struct sample *s, uint64_t size) {
    CHECK(s->key[0], "a sample without a key");
    CHECK(!s->image || s->data || s->at + s->bytes <= size, "%zu bytes beyond the end", s->bytes);
    if (s->data)
        fuzz_look(s->data, s->bytes);
    for (int i = 0; i < s->n_captions; i++)
        CHECK(s->captions[i][0], "an empty caption");
}

static void try_text(const char *kind, const uint8_t *data, size_t n) {
    struct arena a = {0};
    struct sample s = {.key = "key"};
    char *text = arena_alloc(&a, n + 1);
    memcpy(text, data, n);
    sample_take_text(&s, kind, text, n, &a);
    look_at(&s, 0);
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct arena a = {0};
    struct samples all = {.arena = &a, .most = 1 << 20};
    struct shard shard = {.path = fuzz_file(0, data, n)};
    struct error err = {0};
    int status = shard_index(&all, &shard, 0, &err);
    fuzz_status(status, &err);
    for (long i = 0; !status && i < all.n; i++)
        look_at(&all.all[i], shard.size);
    arena_free(&a);
    try_text("cls", data, n);
    try_text("txt", data, n);
    try_text("json", data, n);
    return 0;
}

static void fuzz_seeds(const char *corpus) {
    struct arena a = {0};
    struct tar t = {.arena = &a};
    tar_add_as(&t, "set/", '5', "", 0);
    tar_add(&t, "set/1.jpg", "no image", 8);
    tar_add_text(&t, "set/1.txt", "a dog\nanother\n");
    tar_add_text(&t, "set/1.json", "{\"label\": 3, \"captions\": [\"a\", \"b\"]}");
    tar_add_text(&t, "./2.cls", "7");
    tar_end(&t);
    fuzz_seed(corpus, "tar", t.data, t.bytes);
    arena_free(&a);
    FUZZ_SEED_TEXT(corpus, "json", "{\"label\": \"dog\", \"caption\": \"gr\\u00fcn\"}");
    FUZZ_SEED_TEXT(corpus, "text", "one\r\n two \n\nthree");
}
