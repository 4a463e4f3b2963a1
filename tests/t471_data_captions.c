/* Images with captions: the table, its splits, the squares, the cache; tables and images that are
 * missing, broken or damaged; captions of labelled images. */
#include "core/rng.h"
#include "data/decode.h"
#include "data/loader.h"
#include "data/resize.h"
#include "tests/data_files.h"
#include "tests/photo_files.h"

enum { SIZE = 16 };

/* 0.jpg, 1.jpg, ..., each of another size. */
static void put_images(struct place *here, int n) {
    for (int i = 0; i < n; i++)
        put_jpeg(here, arena_printf(&here->arena, "%d.jpg", i), 16 + 7 * i, 30 - i, 3, 90, i);
}

static const char table[] = "image,caption,split\n"
                            "0.jpg,a dog,train\n"
                            "0.jpg,\"a dog, running\",train\n"
                            "1.jpg,a cat,test\n"
                            "2.jpg,\"says \"\"moo\"\"\",train\n"
                            "0.jpg,third of the dog,train\n"
                            "3.jpg,for later,val\n"
                            "4.jpg,not used,extra\n"
                            "1.jpg,a sleeping cat,test\n";

static void put_all(struct place *here) {
    put_images(here, 5);
    put_text(here, "captions.csv", table);
}

static void expect_captions(const struct record *r, const char *const *captions) {
    int n = 0;
    for (; captions[n]; n++)
        assert_string_equal(record_caption(r, n), captions[n]);
    assert_int_equal(r->n_captions, n);
    assert_string_equal(r->caption, captions[0]);
    assert_int_equal(r->label, -1);
}

static void expect_image(struct place *here, const struct record *r, int number, int size) {
    expect_photo(here, r, arena_printf(&here->arena, "%d.jpg", number), size);
}

#define CAPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void reads_every_caption_of_an_image(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    put_all(here);
    opens(&d, spec(here, "captions", ",size=16"));
    assert_string_equal(d.name, "captions");
    assert_int_equal(d.classes, 0);
    assert_int_equal(d.has_caption, 1);
    assert_int_equal(d.height, SIZE);
    assert_int_equal(d.count[SPLIT_TRAIN], 2);
    assert_int_equal(d.count[SPLIT_TEST], 1);
    reads(&d, SPLIT_TRAIN, 0, &r);
    expect_captions(&r, CAPTIONS("a dog", "a dog, running", "third of the dog"));
    expect_image(here, &r, 0, SIZE);
    reads(&d, SPLIT_TRAIN, 1, &r);
    expect_captions(&r, CAPTIONS("says \"moo\""));
    expect_image(here, &r, 2, SIZE);
    reads(&d, SPLIT_TEST, 0, &r);
    expect_captions(&r, CAPTIONS("a cat", "a sleeping cat"));
    expect_image(here, &r, 1, SIZE);
    dataset_close(&d);
    opens(&d, spec(here, "captions", ""));
    reads(&d, SPLIT_TRAIN, 1, &r);
    expect_image(here, &r, 2, 96);
    record_free(&r);
    dataset_close(&d);
}

static void splits_are_those_of_the_table(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    char hash[65];
    put_all(here);
    opens(&d, spec(here, "captions", ",size=16"));
    strcpy(hash, d.root_hash);
    dataset_close(&d);
    opens(&d, spec(here, "captions", ",size=16,split=test"));
    assert_string_equal(hash, d.root_hash);
    dataset_close(&d);
    opens(&d, spec(here, "captions", ",size=16,split=val,train=1"));
    assert_string_not_equal(hash, d.root_hash);
    assert_int_equal(d.count[SPLIT_TRAIN], 1);
    reads(&d, SPLIT_TEST, 0, &r);
    expect_captions(&r, CAPTIONS("for later"));
    dataset_close(&d);
    refuses(spec(here, "captions", ",split=vall"), "split=vall", "test|val");
    refuses(spec(here, "captions", ",split="), "split=", "test|val");
    refuses(spec(here, "captions", ",train=3"), "train=3", "2 images");
    refuses(spec(here, "captions", ",size=7"), "size=7", "8 to 1024");
    refuses("captions", "needs a folder");
    put_text(here, "captions.csv", "image,caption,split\n0.jpg,a,train\n");
    refuses(spec(here, "captions", ""), "captions.csv", "no row is of the split test");
    put_text(here, "captions.csv", "image,caption,split\n0.jpg,a,test\n");
    refuses(spec(here, "captions", ""), "captions.csv", "no row is of the split train");
    put_text(here, "captions.csv", "caption,image\na,0.jpg\n");
    refuses(spec(here, "captions", ""), "captions.csv", "too few");
    put_text(here, "captions.csv", "caption,image\na,0.jpg\nb,1.jpg\n");
    refuses(spec(here, "captions", ",split=val"), "captions.csv", "needs a column split");
    record_free(&r);
}

static void without_a_split_every_tenth_image_is_for_the_test(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    const char *text = "nr,caption,image\n";
    put_images(here, 12);
    for (int i = 0; i < 12; i++)
        text = arena_printf(&here->arena, "%s%d,c%d,%d.jpg\n", text, i, i, i);
    put_text(here, "captions.csv", text);
    opens(&d, spec(here, "captions", ",size=16"));
    assert_int_equal(d.count[SPLIT_TRAIN], 10);
    assert_int_equal(d.count[SPLIT_TEST], 2);
    reads(&d, SPLIT_TEST, 1, &r);
    expect_captions(&r, CAPTIONS("c10"));
    reads(&d, SPLIT_TRAIN, 9, &r);
    expect_captions(&r, CAPTIONS("c11"));
    record_free(&r);
    dataset_close(&d);
}

static void root_hash_is_of_captions_and_content(void **state) {
    struct place *here = *state;
    char first[65], other[65];
    put_all(here);
    const char *text = spec(here, "captions", ",size=16");
    hash_of(text, first);
    put_text(here, "captions.csv", arena_printf(&here->arena, "%s5.jpg,nowhere,extra\n", table));
    hash_of(text, other); /* of what is used only */
    assert_string_equal(first, other);
    put_text(here, "captions.csv", arena_printf(&here->arena, "%s1.jpg,one more,test\n", table));
    hash_of(text, other);
    assert_string_not_equal(first, other);
    put_text(here, "captions.csv", table);
    size_t bytes;
    uint8_t *image = get_file(here, "1.jpg", &bytes);
    image[bytes - 10] ^= 1;
    put(here, "1.jpg", image, bytes);
    hash_of(text, other);
    assert_string_not_equal(first, other);
}

static void broken_images_are_left_out(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    put_all(here);
    cut(here, "0.jpg");
    opens(&d, spec(here, "captions", ",size=16,bad=skip"));
    assert_int_equal(d.count[SPLIT_TRAIN], 1);
    assert_int_equal(d.n_bad, 1);
    assert_string_equal(d.bad_names[0], "0.jpg");
    reads(&d, SPLIT_TRAIN, 0, &r);
    expect_captions(&r, CAPTIONS("says \"moo\""));
    record_free(&r);
    dataset_close(&d);
}

static void keeps_long_captions_whole(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    char longer[401] = "";
    put_images(here, 2);
    for (int i = 0; i < 399; i += 3)
        strcat(longer, "\xe6\x97\xa5");
    put_text(here, "captions.csv",
             arena_printf(&here->arena, "image,caption\n0.jpg,x\n1.jpg,%s\n", longer));
    opens(&d, spec(here, "captions", ",size=16"));
    reads(&d, SPLIT_TRAIN, 0, &r);
    assert_string_equal(record_caption(&r, 0), longer);
    assert_int_equal(strlen(r.caption), 255); /* 85 characters of three bytes */
    assert_memory_equal(r.caption, longer, 255);
    dataset_close(&d);
    put_text(here, "captions.csv",
             arena_printf(&here->arena, "image,caption\n0.jpg,x\n1.jpg,x%s\n", longer));
    opens(&d, spec(here, "captions", ",size=16"));
    reads(&d, SPLIT_TRAIN, 0, &r);
    assert_int_equal(strlen(r.caption), 253); /* never half a character */
    record_free(&r);
    dataset_close(&d);
}

static void takes_tables_as_programs_write_them(void **state) {
    struct place *here = *state;
    static const char *const tables[] = {
        "\xef\xbb\xbfimage,caption,split\r\n0.jpg,a,train\r\n\r\n1.jpg,b,test\r\n",
        "split , caption,image\rtrain,a,0.jpg\rtest,b,1.jpg",
        "\"image\",\"caption\",split,u\n\"0.jpg\",\"a\",train,\"x,\n\ny\"\n1.jpg,b,test,\n\n",
    };
    put_images(here, 2);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct dataset d;
        struct record r = {0};
        put_text(here, "captions.csv", tables[i]);
        opens(&d, spec(here, "captions", ",size=16"));
        assert_int_equal(d.count[SPLIT_TRAIN], 1);
        reads(&d, SPLIT_TEST, 0, &r);
        expect_captions(&r, CAPTIONS("b"));
        record_free(&r);
        dataset_close(&d);
    }
}

static void names_the_line_that_is_wrong(void **state) {
    struct place *here = *state;
#define HEAD "image,caption,split\n"
    static const struct {
        const char *text, *line, *words;
    } cases[] = {
        {"", "captions.csv", "header"},
        {HEAD, "captions.csv", "rows below it"},
        {"image,text\n", "line 1:", "\"caption\" is missing"},
        {"\n\nfile,caption\n", "line 3:", "\"image\" is missing"},
        {"image,caption,image\n", "line 1:", "twice"},
        {HEAD "0.jpg,a,train\n\n0.jpg,one, two,train\n", "line 4:", "found 4"},
        {HEAD "0.jpg,a\n", "line 2:", "3 fields expected, found 2"},
        {HEAD "0.jpg,,train\n", "line 2:", "the caption is empty"},
        {HEAD ",a,train\n", "line 2:", "the name of the image is empty"},
        {HEAD "0.jpg,a,train\n1.jpg,b,test\n0.jpg,c,test\n", "line 4:", "\"train\" in line 2"},
        {HEAD "0.jpg,\"a\n\nb\",train\n1.jpg,\"b\"c,test\n", "line 5:", "broken quotes"},
        {HEAD "0.jpg,a,train\n1.jpg,\"b,test\n0.jpg,c,train\n", "line 3:", "never closed"},
        {HEAD "0.jpg,a,train\n1.jpg,b,test\nnowhere.jpg,c,test\n",
         "line 4:", "nowhere.jpg: cannot open it: No such"},
        {HEAD "0.jpg,a,train\n.,b,test\n", "line 3:", "directory"},
    };
    put_images(here, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_text(here, "captions.csv", cases[i].text);
        refuses(spec(here, "captions", ""), "captions.csv", cases[i].line, cases[i].words);
    }
    put(here, "captions.csv", HEAD "0.jpg,a\0,train\n", sizeof HEAD + 15);
    refuses(spec(here, "captions", ""), "captions.csv", "offset 27", "byte of 0");
    drop(here, "captions.csv");
    refuses(spec(here, "captions", ""), "captions.csv", "cannot open");
    char many[1024] = "image,caption";
    for (int i = 0; i < 100; i++)
        strcat(many, ",x");
    put_text(here, "captions.csv", many);
    refuses(spec(here, "captions", ""), "line 1:", "columns");
}

static void a_broken_image_is_named_when_it_is_read(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    struct error err = {0};
    put_all(here);
    cut(here, "1.jpg");
    opens(&d, spec(here, "captions", ",size=16"));
    assert_int_equal(dataset_read(&d, SPLIT_TEST, 0, &r, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "/1.jpg: "));
    r.no_pixels = 1;
    reads(&d, SPLIT_TEST, 0, &r);
    expect_captions(&r, CAPTIONS("a cat", "a sleeping cat"));
    r.no_pixels = 0;
    reads(&d, SPLIT_TRAIN, 0, &r);
    record_free(&r);
    dataset_close(&d);
    cut(here, "0.jpg"); /* read at once, for the mean */
    refuses(spec(here, "captions", ",size=16"), "/0.jpg: ");
}

/* What was read once is read again without its file, pixels or files being kept; without room it is
 * not. */
static void the_cache_reads_once(void **state) {
    struct place *here = *state;
    for (int files = 0; files < 2; files++) {
        struct dataset cached, plain;
        struct record a = {0}, b = {0};
        struct error err = {0};
        put_all(here);
        opens(&cached,
              spec(here, "captions", files ? ",size=16,cache=1,cached=files" : ",size=16,cache=1"));
        opens(&plain, spec(here, "captions", ",size=16,cache=0"));
        assert_string_equal(cached.root_hash, plain.root_hash);
        for (int round = 0; round < 2; round++)
            for (int split = 0; split < SPLITS; split++)
                for (long i = 0; i < cached.count[split]; i++) {
                    reads(&cached, (enum split)split, i, &a);
                    reads(&plain, (enum split)split, i, &b);
                    assert_int_equal(a.width, b.width);
                    assert_memory_equal(a.pixels, b.pixels, (size_t)a.height * (size_t)a.width * 3);
                    assert_string_equal(a.caption, b.caption);
                }
        for (int i = 0; i < 5; i++)
            drop(here, arena_printf(&here->arena, "%d.jpg", i));
        reads(&cached, SPLIT_TRAIN, 1, &a);
        reads(&cached, SPLIT_TEST, 0, &a);
        assert_int_equal(dataset_read(&plain, SPLIT_TEST, 0, &b, &err), STATUS_USAGE);
        record_free(&a);
        record_free(&b);
        dataset_close(&cached);
        dataset_close(&plain);
    }
}

static int prepare(const void *self, const struct record *record, long sample, int epoch,
                   struct rng *rng, void *const slots[], struct error *err) {
    (void)self, (void)sample, (void)epoch, (void)rng, (void)err;
    int32_t *out = slots[0];
    for (int i = 0; i < SIZE * SIZE * 3; i++)
        out[i] = record->pixels[i];
    out[SIZE * SIZE * 3] = record->caption[0];
    return 0;
}

/* Four threads, three epochs of test images, which nobody has read before: the same batches with
 * and without a cache that the threads share. */
static void threads_share_the_cache(void **state) {
    struct place *here = *state;
    enum { IMAGES = 40, ONE = SIZE * SIZE * 3 + 1 };
    const char *text = "image,caption,split\n0.jpg,train,train\n";
    put_images(here, 10);
    for (int i = 0; i < IMAGES; i++) /* as if they were different */
        text = arena_printf(&here->arena, "%s./%.*s%d.jpg,%c,test\n", text, 2 * (i / 10),
                            "././././", i % 10, '0' + i);
    put_text(here, "captions.csv", text);
    int32_t *first = NULL;
    for (int cache = 0; cache < 2; cache++) {
        struct dataset d;
        struct loader *l;
        struct error err = {0};
        const struct loader_slot slot = {"image", ONE};
        opens(&d, spec(here, "captions", cache ? ",size=16" : ",size=16,cache=0"));
        const struct loader_config config = {.data = &d,
                                             .split = SPLIT_TEST,
                                             .batch = 4,
                                             .shuffle = 1,
                                             .threads = cache ? 4 : 1,
                                             .epochs = 3,
                                             .slots = &slot,
                                             .n_slots = 1,
                                             .prepare = prepare};
        long batches = 3 * loader_batches_per_epoch(&config);
        int32_t *all = ARENA_ARRAY(&here->arena, int32_t, 4 * ONE * batches);
        assert_int_equal(loader_open(&l, &config, &err), 0);
        for (long i = 0; i < batches; i++) {
            struct batch b;
            assert_int_equal(loader_next(l, &b, &err), 0);
            memcpy(all + 4 * ONE * i, b.slots[0], 4 * ONE * sizeof *all);
        }
        if (first)
            assert_memory_equal(first, all, (size_t)(4 * ONE * batches) * sizeof *all);
        first = all;
        loader_close(l);
        dataset_close(&d);
    }
}

static void any_damage_to_the_table_is_survived(void **state) {
    struct place *here = *state;
    size_t n = strlen(table);
    uint8_t *copy = arena_alloc(&here->arena, n);
    int opened = 0, rounds = getenv("SSV_LONG") ? 50000 : 1000;
    put_all(here);
    for (int i = 0; i < rounds; i++) {
        struct rng rng = rng_at((struct rng_key){6, RNG_TEST}, 0, (uint32_t)i);
        struct dataset d;
        struct record r = {0};
        struct error err = {0};
        memcpy(copy, table, n);
        for (uint32_t k = 1 + rng_below(&rng, 3); k; k--)
            copy[rng_below(&rng, (uint32_t)n)] = rng_below(&rng, 2)
                                                     ? (uint8_t) ",\"\n\r\n\0a "[rng_below(&rng, 8)]
                                                     : (uint8_t)rng_u32(&rng);
        put(here, "captions.csv", copy, rng_below(&rng, 4) ? n : rng_below(&rng, (uint32_t)n));
        if (dataset_open(&d, spec(here, "captions", ",size=16"), &err)) {
            assert_int_equal(err.status, STATUS_USAGE);
            assert_non_null(strstr(err.message, "captions.csv: "));
            continue;
        }
        opened++;
        for (int s = 0; s < SPLITS; s++)
            for (long k = 0; k < d.count[s]; k++) {
                reads(&d, (enum split)s, k, &r);
                assert_true(r.n_captions > 0 && record_caption(&r, r.n_captions - 1)[0]);
            }
        record_free(&r);
        dataset_close(&d);
    }
    assert_true(opened > 0 && opened < rounds);
}

static void labels_become_captions_when_asked(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    uint8_t *bytes = arena_alloc(&here->arena, 3073);
    bytes[0] = 3;
    put(here, "data_batch_1.bin", bytes, 3073);
    put(here, "test_batch.bin", bytes, 3073);
    for (int asked = 0; asked < 3; asked++) {
        static const char *const rest[] = {"", ",captions=none", ",captions=class"};
        opens(&d, spec(here, "cifar10", rest[asked]));
        reads(&d, SPLIT_TEST, 0, &r);
        assert_int_equal(d.has_caption, asked == 2);
        assert_int_equal(r.n_captions, asked == 2);
        assert_string_equal(r.caption, asked == 2 ? "a photo of a cat" : "");
        assert_int_equal(r.label, 3);
        dataset_close(&d);
    }
    assert_int_equal(r.n_captions, 1);
    put_all(here);
    const uint8_t images[16 + 4] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2};
    const uint8_t labels[8 + 1] = {0, 0, 8, 1, 0, 0, 0, 1, 7};
    for (int s = 0; s < SPLITS; s++) {
        const char *split = s ? "t10k" : "train";
        put(here, arena_printf(&here->arena, "%s-images-idx3-ubyte", split), images, 20);
        put(here, arena_printf(&here->arena, "%s-labels-idx1-ubyte", split), labels, 9);
    }
    opens(&d, spec(here, "idx", ",captions=class"));
    reads(&d, SPLIT_TRAIN, 0, &r);
    assert_string_equal(r.caption, "a photo of a 7");
    assert_string_equal(record_caption(&r, 0), "a photo of a 7");
    dataset_close(&d);
    opens(&d, "shapes:train=3,test=3");
    reads(&d, SPLIT_TRAIN, 2, &r);
    assert_int_equal(r.n_captions, 1);
    assert_true(record_caption(&r, 0) == r.caption && r.caption[0]);
    dataset_close(&d);
    refuses(spec(here, "cifar10", ",captions=classes"), "captions=classes", "none|class");
    record_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_every_caption_of_an_image, set_up, tear_down),
        cmocka_unit_test_setup_teardown(splits_are_those_of_the_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_split_every_tenth_image_is_for_the_test, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(root_hash_is_of_captions_and_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_images_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_long_captions_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_tables_as_programs_write_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_the_line_that_is_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_image_is_named_when_it_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_cache_reads_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_share_the_cache, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_damage_to_the_table_is_survived, set_up, tear_down),
        cmocka_unit_test_setup_teardown(labels_become_captions_when_asked, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("captions", tests, NULL, NULL);
}
