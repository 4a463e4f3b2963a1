/* Any bytes as a vocabulary, plain or compressed, and as a text: data/bpe.h. */
#include "data/bpe.h"

#include "tests/fuzz/fuzz.h"

#include <utf8proc.h>
#include <zlib.h>

enum { CONTEXT = 64, MOST_TEXT = 4096 };

static const char *const captions[] = {"a dog runs over the grass", "two dogs run in the grass",
                                       "the \xc3\xa9t\xc3\xa9 of 1999", "a dog's run, a dog!"};

static void check_text(const struct bpe *b, const char *text) {
    struct arena a = {0};
    int32_t ids[CONTEXT];
    int n = bpe_encode(b, text, CONTEXT, ids, NULL);
    CHECK(n >= 2 && n <= CONTEXT && ids[0] == b->start && ids[n - 1] == b->end, "%d ids", n);
    for (int i = 0; i < CONTEXT; i++)
        CHECK(i < n ? ids[i] >= 0 && ids[i] < b->vocabulary : !ids[i], "id %d", ids[i]);
    const uint8_t *back = (const uint8_t *)bpe_decode(b, ids, CONTEXT, &a);
    for (utf8proc_int32_t code; *back;) {
        utf8proc_ssize_t step = utf8proc_iterate(back, -1, &code);
        CHECK(step > 0, "no UTF-8 at %s", back);
        back += step;
    }
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static struct bpe trained; /* of a constant */
    struct bpe b;
    struct error err = {0};
    char text[MOST_TEXT];
    if (!trained.vocabulary)
        bpe_train(&trained, captions, 4, 600);
    int status = bpe_read(&b, fuzz_file(0, data, n), 0, &err);
    fuzz_status(status, &err);
    snprintf(text, sizeof text, "%.*s", (int)(n < sizeof text ? n : sizeof text - 1),
             (const char *)data);
    check_text(&trained, text);
    if (!status) {
        check_text(&b, text);
        check_text(&b, captions[2]);
        bpe_free(&b);
    }
    return 0;
}

static void fuzz_seeds(const char *corpus) {
    static const char vocabulary[] = "#version: 0.2\nt h\nth e</w>\ni n\nin g</w>\nd o\ndo g</w>\n";
    Bytef packed[512] = {0};
    z_stream z = {.next_in = (Bytef *)vocabulary,
                  .avail_in = sizeof vocabulary - 1,
                  .next_out = packed,
                  .avail_out = sizeof packed};
    CHECK(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK, "no zlib");
    deflate(&z, Z_FINISH);
    fuzz_seed(corpus, "packed", packed, z.total_out);
    deflateEnd(&z);
    FUZZ_SEED_TEXT(corpus, "vocabulary", vocabulary);
    FUZZ_SEED_TEXT(corpus, "text", "It's 12 \xe2\x82\xac\xf0\x9f\x98\x80 e\xcc\x81 \xff\xfe");
}
