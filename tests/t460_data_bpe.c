/* The tokenizer: ids as another implementation gives them (tests/golden/bpe.py), in CLIP's
 * vocabulary where it is on this machine, and in one of our own; what is true of any text. */
#include "core/rng.h"
#include "core/sha256.h"
#include "data/bpe_internal.h"
#include "tests/data_files.h"

#include <pthread.h>

#include "tests/golden/bpe.h"

enum { CONTEXT = 77, N_CAPTIONS = sizeof golden_captions / sizeof *golden_captions, TINY = 574 };

static struct bpe train(int vocabulary) {
    struct bpe b;
    bpe_train(&b, golden_captions, N_CAPTIONS, vocabulary);
    return b;
}

/* The ids, then zeros. */
static void expect_ids(const struct bpe *b, const struct golden_text *g) {
    int32_t ids[CONTEXT];
    memset(ids, 0x55, sizeof ids);
    assert_int_equal(bpe_encode(b, g->text, CONTEXT, ids, NULL), g->n);
    for (int i = 0; i < CONTEXT; i++)
        if (ids[i] != (i < g->n ? g->ids[i] : 0))
            fail_msg("\"%s\": token %d is %d", g->text, i, ids[i]);
}

static void learns_the_golden_merges(void **state) {
    (void)state;
    struct arena a = {0};
    struct bpe b = train(TINY);
    assert_string_equal(bpe_text(&b, &a), golden_vocabulary);
    assert_true(b.vocabulary < TINY); /* no pair was left twice */
    assert_int_equal(b.vocabulary, BPE_SMALLEST + b.n_merges);
    assert_int_equal(b.start, b.vocabulary - 2);
    assert_int_equal(b.end, b.vocabulary - 1);
    for (size_t i = 0; i < sizeof golden_tiny / sizeof *golden_tiny; i++)
        expect_ids(&b, &golden_tiny[i]);
    bpe_free(&b);
    arena_free(&a);
}

static void learns_the_same_from_captions_in_any_order(void **state) {
    (void)state;
    struct bpe whole = train(TINY), part = train(BPE_SMALLEST + 7), turned, none;
    const char *captions[N_CAPTIONS];
    for (int i = 0; i < N_CAPTIONS; i++)
        captions[i] = golden_captions[N_CAPTIONS - 1 - i];
    bpe_train(&turned, captions, N_CAPTIONS, TINY);
    assert_string_equal(whole.sha256, turned.sha256);
    assert_int_equal(part.n_merges, 7);
    assert_memory_equal(part.merges, whole.merges, 7 * sizeof *part.merges);
    bpe_train(&none, captions, 0, 1000);
    assert_int_equal(none.vocabulary, BPE_SMALLEST);
    bpe_free(&whole);
    bpe_free(&part);
    bpe_free(&turned);
    bpe_free(&none);
}

static void reads_what_it_wrote(void **state) {
    struct place *here = *state;
    struct error err = {0};
    struct bpe b = train(TINY), c;
    const char *path = in(here, "vocabulary.txt");
    assert_int_equal(bpe_write(&b, path, &err), 0);
    put(here, "vocabulary.txt.gz", golden_vocabulary, strlen(golden_vocabulary));
    const char *const paths[] = {path, in(here, "vocabulary.txt.gz")};
    for (int i = 0; i < 4; i++) {
        int vocabulary = i / 2 ? b.vocabulary - 3 : 0;
        assert_int_equal(bpe_read(&c, paths[i % 2], vocabulary, &err), 0);
        assert_int_equal(c.vocabulary, b.vocabulary - (i / 2 ? 3 : 0));
        assert_int_equal(strcmp(c.sha256, b.sha256) == 0, i < 2);
        if (i < 2)
            expect_ids(&c, &golden_tiny[0]);
        bpe_free(&c);
    }
    char sha[65];
    sha256_hex(golden_vocabulary, strlen(golden_vocabulary), sha);
    assert_string_equal(b.sha256, sha);
    bpe_free(&b);
}

/* Status 2 and a line with the path and the words. */
static void refuses_file(struct place *here, const char *text, int vocabulary, const char *words) {
    struct bpe b;
    struct error err = {0};
    put(here, "v.txt", text, strlen(text));
    assert_int_equal(bpe_read(&b, in(here, "v.txt"), vocabulary, &err), STATUS_USAGE);
    if (!strstr(err.message, "/v.txt: ") || !strstr(err.message, words))
        fail_msg("\"%s\" is not in: %s", words, err.message);
    assert_null(strchr(err.message, '\n'));
}

static void refuses_what_is_no_vocabulary(void **state) {
    struct place *here = *state;
#define HEAD "#version: 0.2\n"
    refuses_file(here, "", 0, "line 1: a line with \"#version\"");
    refuses_file(here, "a b\n", 0, "line 1");
    refuses_file(here, HEAD "a b\nab\n", 0, "line 3: two parts");
    refuses_file(here, HEAD "a b\n\nab c\n", 0, "line 3: two parts");
    refuses_file(here, HEAD "a  b\n", 0, "line 2: two parts");
    refuses_file(here, HEAD "a b c\n", 0, "line 2: two parts");
    refuses_file(here, HEAD "ab c\n", 0, "line 2: its left part");
    refuses_file(here, HEAD "a bc\r\n", 0, "line 2: its right part");
    refuses_file(here, HEAD "a \xc2\xad\n", 0, "line 2: its right part"); /* the soft hyphen */
    refuses_file(here, HEAD "a \xff\n", 0, "line 2: its right part");
    refuses_file(here, HEAD "a</w> b\n", 0, "line 2: its left part ends a word");
    refuses_file(here, HEAD "a b\nc d\na b\n", 0, "line 4: it makes what");
    refuses_file(here, HEAD "a b\nb c\nab c\na bc\n", 0, "line 5: it makes what");
    refuses_file(here, HEAD "a b\nb c\n", BPE_SMALLEST + 3, "3 merges expected");
    struct bpe b;
    struct error err = {0};
    put(here, "zero.txt", HEAD "a \0b\n", sizeof HEAD + 4);
    assert_int_equal(bpe_read(&b, in(here, "zero.txt"), 0, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "byte of 0"));
    assert_int_equal(bpe_read(&b, in(here, "nowhere.txt"), 0, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "nowhere.txt: cannot open it"));
    put(here, "whole.gz", golden_vocabulary, strlen(golden_vocabulary));
    char *bytes;
    size_t n;
    assert_int_equal(file_read(in(here, "whole.gz"), &here->arena, &bytes, &n, &err), 0);
    FILE *f = fopen(in(here, "cut.gz"), "wb");
    assert_int_equal(fwrite(bytes, 1, n - 20, f), n - 20);
    fclose(f);
    assert_int_equal(bpe_read(&b, in(here, "cut.gz"), 0, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "cut.gz: "));
}

static void survives_any_damage(void **state) {
    struct place *here = *state;
    size_t n = strlen(golden_vocabulary);
    char *copy = arena_alloc(&here->arena, n);
    int read = 0, rounds = getenv("SSV_LONG") ? 50000 : 1000;
    for (int i = 0; i < rounds; i++) {
        struct rng r = rng_at((struct rng_key){7, RNG_TEST}, 0, (uint32_t)i);
        struct bpe b;
        struct error err = {0};
        int32_t ids[CONTEXT];
        memcpy(copy, golden_vocabulary, n);
        for (uint32_t k = 1 + rng_below(&r, 3); k; k--)
            copy[rng_below(&r, (uint32_t)n)] =
                (char)(rng_below(&r, 2) ? "\n ae<\xc4"[rng_below(&r, 6)] : (int)rng_u32(&r));
        put(here, "v.txt", copy, rng_below(&r, 4) ? n : rng_below(&r, (uint32_t)n));
        if (bpe_read(&b, in(here, "v.txt"), 0, &err)) {
            assert_int_equal(err.status, STATUS_USAGE);
            continue;
        }
        read++;
        bpe_encode(&b, golden_captions[i % N_CAPTIONS], CONTEXT, ids, NULL);
        bpe_free(&b);
    }
    assert_true(read > 0 && read < rounds);
}

static void cuts_texts_but_keeps_the_end(void **state) {
    (void)state;
    struct bpe b = train(TINY);
    int32_t ids[16], whole[16];
    const char *text = "red circle red circle";
    assert_int_equal(bpe_encode(&b, text, 16, whole, NULL), 6);
    for (int context = 2; context < 16; context++) {
        memset(ids, 0x55, sizeof ids);
        int n = bpe_encode(&b, text, context, ids, NULL);
        assert_int_equal(n, context < 6 ? context : 6);
        assert_int_equal(ids[n - 1], b.end);
        assert_memory_equal(ids, whole, (size_t)(n - 1) * sizeof *ids);
        for (int i = n; i < context; i++)
            assert_int_equal(ids[i], 0);
        assert_int_equal(ids[context], 0x55555555);
    }
    bpe_free(&b);
}

static void counts_what_is_no_utf8(void **state) {
    (void)state;
    static const struct {
        const char *text;
        long bad;
        const char *decoded;
    } cases[] = {
        {"red", 0, "red"},
        {"\xff", 1, "\xef\xbf\xbd"},
        {"a\x80 b", 1, "a \xef\xbf\xbd b"},
        {"\xe6\x97", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"},                 /* an overlong slash */
        {"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xf4\x90\x80\x80", 4, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xef\xbf\xbd", 0, "\xef\xbf\xbd"},
    };
    struct bpe b = train(TINY);
    struct arena a = {0};
    long sum = 0;
    int32_t ids[CONTEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long before = sum;
        int n = bpe_encode(&b, cases[i].text, CONTEXT, ids, &sum);
        assert_int_equal(sum - before, cases[i].bad);
        assert_string_equal(bpe_decode(&b, ids, n, &a), cases[i].decoded);
    }
    bpe_free(&b);
    arena_free(&a);
}

static void decodes_to_words(void **state) {
    (void)state;
    struct bpe b = train(TINY);
    struct arena a = {0};
    int32_t ids[CONTEXT];
    int n = bpe_encode(&b,
                       " The  Circle's\n12 T\xc3\xaa"
                       "te! ",
                       CONTEXT, ids, NULL);
    assert_string_equal(bpe_decode(&b, ids, n, &a), "the circle 's 1 2 t\xc3\xaate !");
    assert_string_equal(bpe_decode(&b, ids, CONTEXT, &a), "the circle 's 1 2 t\xc3\xaate !");
    assert_string_equal(bpe_decode(&b, ids, 0, &a), "");
    assert_string_equal(bpe_decode(&b, ids, 1, &a), "");
    const int32_t half = b.byte_token[0xc3], zero = b.byte_token[0]; /* cut within a character */
    assert_string_equal(bpe_decode(&b, &half, 1, &a), "\xef\xbf\xbd");
    assert_string_equal(bpe_decode(&b, &zero, 1, &a), "\xef\xbf\xbd");
    bpe_free(&b);
    arena_free(&a);
}

static int rounds(int usual) {
    return getenv("SSV_LONG") ? 100 * usual : usual;
}

static size_t put_character(char *out, uint32_t c) {
    if (c < 0x80)
        return out[0] = (char)c, 1;
    int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = n - 1; i >= 0; i--, c >>= 6)
        out[i] = (char)(i ? 0x80 | (c & 0x3f) : lead[n] | c);
    return (size_t)n;
}

/* Any text: valid UTF-8 of every plane, or bytes. */
static void make_text(struct rng *r, char *text, int most) {
    static const uint32_t planes[] = {0x80, 0x250, 0x2000, 0x3100, 0xd800, 0x110000};
    int valid = rng_below(r, 4) > 0;
    char *end = text;
    for (int n = (int)rng_below(r, (uint32_t)most); n > 0; n--) {
        uint32_t c = 1 + rng_below(r, planes[rng_below(r, 6)] - 1);
        if (!valid)
            *end++ = (char)(1 + c % 255);
        else if (rng_below(r, 3) == 0)
            *end++ = "aan'st 1d\"rela"[rng_below(r, 14)];
        else if (c < 0xd800 || c > 0xdfff)
            end += put_character(end, c);
    }
    *end = '\0';
}

static void drop_blanks(char *text) {
    char *out = text;
    for (; *text; text++)
        if (*text != ' ')
            *out++ = *text;
    *out = '\0';
}

/* What is decoded is the cleaned text with other blanks, and has the same tokens. */
static void round_trips_any_text(void **state) {
    (void)state;
    enum { MOST = 60, ROOM = 64 * MOST };
    struct bpe b = train(TINY);
    for (int i = 0; i < rounds(5000); i++) {
        struct arena a = {0};
        struct rng r = rng_at((struct rng_key){3, RNG_TEST}, 0, (uint32_t)i);
        char text[4 * MOST + 1];
        int32_t ids[ROOM], again[ROOM];
        long replaced = 0;
        make_text(&r, text, MOST);
        int n = bpe_encode(&b, text, ROOM, ids, NULL);
        char *decoded = bpe_decode(&b, ids, n, &a), *clean = bpe_clean(text, &a, NULL);
        assert_int_equal(bpe_encode(&b, decoded, ROOM, again, &replaced), n);
        assert_memory_equal(ids, again, (size_t)n * sizeof *ids);
        assert_int_equal(replaced, 0);
        drop_blanks(decoded);
        drop_blanks(clean);
        assert_string_equal(decoded, clean);
        arena_free(&a);
    }
    bpe_free(&b);
}

/* Sennrich's way: of all pairs the best rank, everywhere, until there is none. */
static int encode_slowly(const struct bpe *b, int32_t *ids, int n) {
    for (;;) {
        int best = b->n_merges, kept = 0;
        for (int i = 0; i + 1 < n; i++)
            for (int m = 0; m < best; m++)
                if (b->merges[m].left == ids[i] && b->merges[m].right == ids[i + 1])
                    best = m;
        if (best == b->n_merges)
            return n;
        for (int i = 0; i < n; kept++) {
            int here =
                i + 1 < n && ids[i] == b->merges[best].left && ids[i + 1] == b->merges[best].right;
            ids[kept] = here ? BPE_BYTES + best : ids[i];
            i += 1 + here;
        }
        n = kept;
    }
}

static void merges_in_the_order_of_the_ranks(void **state) {
    (void)state;
    enum { MOST = 40 };
    struct bpe b = train(TINY);
    for (int i = 0; i < rounds(3000); i++) {
        struct rng r = rng_at((struct rng_key){4, RNG_TEST}, 0, (uint32_t)i);
        char word[MOST + 1] = "";
        int32_t slow[MOST], fast[MOST + 2];
        int n = 1 + (int)rng_below(&r, MOST);
        for (int k = 0; k < n; k++) {
            word[k] = "aaanbrecdilqs"[rng_below(&r, 13)];
            slow[k] = b.byte_token[(uint8_t)word[k]] + (k == n - 1 ? BYTE_VALUES : 0);
        }
        n = encode_slowly(&b, slow, n);
        assert_int_equal(bpe_encode(&b, word, MOST + 2, fast, NULL), n + 2);
        assert_memory_equal(fast + 1, slow, (size_t)n * sizeof *slow);
    }
    bpe_free(&b);
}

static void takes_a_word_of_a_million_letters(void **state) {
    (void)state;
    enum { LONG = 1000000 };
    struct bpe b = train(TINY);
    struct arena a = {0};
    char *text = arena_alloc(&a, LONG + 1);
    int32_t *ids = ARENA_ARRAY(&a, int32_t, LONG + 2);
    memset(text, 'a', LONG);
    /* Golden: "a a", and "aa aa" only at the end of a word. */
    int n = bpe_encode(&b, text, LONG + 2, ids, NULL);
    assert_int_equal(n, 2 + LONG / 2 - 1);
    assert_int_equal(ids[1], ids[n - 3]);
    assert_string_equal(bpe_decode(&b, ids, n, &a), text);
    bpe_free(&b);
    arena_free(&a);
}

struct job {
    const struct bpe *b;
    int32_t ids[N_CAPTIONS][CONTEXT];
};

static void *encode_all(void *self) {
    struct job *job = self;
    for (int round = 0; round < 50; round++)
        for (int i = 0; i < N_CAPTIONS; i++)
            bpe_encode(job->b, golden_captions[i], CONTEXT, job->ids[i], NULL);
    return NULL;
}

static void threads_share_a_vocabulary(void **state) {
    (void)state;
    enum { THREADS = 4 };
    static struct job jobs[THREADS + 1];
    pthread_t threads[THREADS];
    struct bpe b = train(TINY);
    for (int i = 0; i <= THREADS; i++)
        jobs[i].b = &b;
    encode_all(&jobs[THREADS]);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_all, &jobs[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_memory_equal(jobs[i].ids, jobs[THREADS].ids, sizeof jobs[i].ids);
    }
    bpe_free(&b);
}

/* CLIP's own file is not ours to carry: $SSVBENCH_BPE, or where the data packs are unpacked. */
static void equals_the_published_vocabulary(void **state) {
    struct place *here = *state;
    const char *path = getenv("SSVBENCH_BPE"), *home = getenv("HOME");
    if (!path)
        path = arena_printf(&here->arena,
                            "%s/.cache/ssvbench-data/weights/bpe_simple_vocab_16e6.txt.gz",
                            home ? home : "");
    if (!file_exists(path))
        skip();
    struct bpe b, c;
    struct error err = {0};
    assert_int_equal(bpe_read(&b, path, BPE_CLIP_VOCABULARY, &err), 0);
    assert_int_equal(b.vocabulary, BPE_CLIP_VOCABULARY);
    assert_int_equal(b.start, 49406);
    assert_int_equal(b.n_merges, 48894);
    for (size_t i = 0; i < sizeof golden_published / sizeof *golden_published; i++)
        expect_ids(&b, &golden_published[i]);
    const char *copy = in(here, "copy.txt");
    assert_int_equal(bpe_write(&b, copy, &err), 0);
    assert_int_equal(bpe_read(&c, copy, 0, &err), 0);
    assert_string_equal(b.sha256, c.sha256);
    assert_int_equal(c.vocabulary, BPE_CLIP_VOCABULARY);
    bpe_free(&b);
    bpe_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_the_golden_merges),
        cmocka_unit_test(learns_the_same_from_captions_in_any_order),
        cmocka_unit_test_setup_teardown(reads_what_it_wrote, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_vocabulary, set_up, tear_down),
        cmocka_unit_test_setup_teardown(survives_any_damage, set_up, tear_down),
        cmocka_unit_test(cuts_texts_but_keeps_the_end),
        cmocka_unit_test(counts_what_is_no_utf8),
        cmocka_unit_test(decodes_to_words),
        cmocka_unit_test(round_trips_any_text),
        cmocka_unit_test(merges_in_the_order_of_the_ranks),
        cmocka_unit_test(takes_a_word_of_a_million_letters),
        cmocka_unit_test(threads_share_a_vocabulary),
        cmocka_unit_test_setup_teardown(equals_the_published_vocabulary, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("bpe", tests, NULL, NULL);
}
