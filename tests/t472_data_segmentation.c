/* Images with masks: the tables, colours, classes that are ignored, masks at their own resolution,
 * the cache, the loader. */
#include "data/decode.h"
#include "data/loader.h"
#include "data/resize.h"
#include "tests/data_files.h"
#include "tests/jpeg_files.h"
#include "tests/png_files.h"

enum { SIZE = 16, NONE = MASK_IGNORE };

static const char classes[] = "id,name,r,ignore\n0,sky,1,0\n2,road,2,0\n1,car,3,0\n3,void,4,1\n";
static const char table[] = "image,mask,split\n"
                            "0.jpg,0.png,train\n"
                            "1.jpg,1.png,test\n"
                            "2.jpg,2.png,train\n"
                            "3.jpg,3.png,val\n"
                            "4.jpg,4.png,extra\n";

static int height_of(int number) {
    return 20 + 7 * number;
}

static int width_of(int number) {
    return 41 - 3 * number;
}

/* Values 0 to 4, of which the tables have 0 to 3. */
static int value_of(int number, int i) {
    return (i / 3 + number) % 5;
}

static void put_text(struct place *here, const char *name, const char *text) {
    put(here, name, text, strlen(text));
}

static void put_mask(struct place *here, int number, int height, int width) {
    uint8_t *value = arena_alloc(&here->arena, (size_t)(height * width));
    for (int i = 0; i < height * width; i++)
        value[i] = (uint8_t)value_of(number, i);
    put_png(here, arena_printf(&here->arena, "%d.png", number), height, width, value, GREY_8);
}

static void put_all(struct place *here) {
    for (int i = 0; i < 5; i++) {
        put_jpeg(here, arena_printf(&here->arena, "%d.jpg", i), height_of(i), width_of(i), 3, 90,
                 i);
        put_mask(here, i, height_of(i), width_of(i));
    }
    put_text(here, "classes.csv", classes);
    put_text(here, "index.csv", table);
}

/* Whole, the shorter side 16. */
static void expect_image(struct place *here, const struct record *r, int number) {
    struct decoded p;
    struct error err = {0};
    int h = height_of(number), w = width_of(number), shorter = h < w ? h : w;
    int height = (h * SIZE + shorter / 2) / shorter, width = (w * SIZE + shorter / 2) / shorter;
    uint8_t *image = arena_alloc(&here->arena, (size_t)(height * width * 3));
    const char *name = arena_printf(&here->arena, "%d.jpg", number);
    assert_int_equal(image_read(in(here, name), NULL, &here->arena, &p, &err), 0);
    resize_whole(p.rgb, p.height, p.width, 3, height, width, image);
    assert_int_equal(r->height, height);
    assert_int_equal(r->width, width);
    assert_int_equal(r->label, -1);
    assert_memory_equal(r->pixels, image, (size_t)(height * width * 3));
}

static void expect_mask(const struct record *r, int number, const int class_of[5]) {
    assert_int_equal(r->mask_height, height_of(number));
    assert_int_equal(r->mask_width, width_of(number));
    for (int i = 0; i < r->mask_height * r->mask_width; i++)
        assert_int_equal(r->mask[i], class_of[value_of(number, i)]);
}

static void reads_images_and_masks(void **state) {
    struct place *here = *state;
    static const int class_of[] = {0, 1, 2, NONE, NONE};
    static const int numbers[SPLITS][2] = {{0, 2}, {1, 1}};
    struct dataset d;
    struct record r = {0};
    put_all(here);
    opens(&d, spec(here, "segmentation", ",size=16"));
    assert_int_equal(d.height, SIZE);
    assert_int_equal(d.width, SIZE);
    assert_int_equal(d.classes, 0); /* what linear and knn ask */
    assert_int_equal(d.has_mask, 1);
    assert_int_equal(d.mask_classes, 3);
    assert_int_equal(d.mask_background, 0);
    assert_string_equal(d.mask_names[0], "sky");
    assert_string_equal(d.mask_names[1], "car"); /* by id, not by row */
    assert_string_equal(d.mask_names[2], "road");
    assert_int_equal(d.count[SPLIT_TRAIN], 2);
    assert_int_equal(d.count[SPLIT_TEST], 1);
    for (int s = 0; s < SPLITS; s++)
        for (long i = 0; i < d.count[s]; i++) {
            reads(&d, (enum split)s, i, &r);
            expect_image(here, &r, numbers[s][i]);
            expect_mask(&r, numbers[s][i], class_of);
        }
    r.no_mask = 1;
    reads(&d, SPLIT_TEST, 0, &r);
    assert_int_equal(r.mask_height, 0);
    record_free(&r);
    dataset_close(&d);
    opens(&d, spec(here, "segmentation", ",train=1"));
    assert_int_equal(d.height, 96);
    assert_int_equal(d.count[SPLIT_TRAIN], 1);
    dataset_close(&d);
}

/* A mask in colours, with alpha or without: 3 x 4 pixels of four of them, the last one unknown. */
static void put_colours(struct place *here, const char *name, int height, int width, int alpha) {
    static const uint8_t colours[][4] = {
        {0, 0, 0}, {128, 64, 32, 9}, {128, 64, 33, 255}, {1, 2, 3}};
    size_t pixel = alpha ? 4 : 3, row = pixel * (size_t)width;
    uint8_t *rows = arena_alloc(&here->arena, row * (size_t)height);
    for (int i = 0; i < height * width; i++)
        memcpy(rows + pixel * (size_t)i, colours[i / 3 % 4], pixel);
    struct png_form form = {alpha ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB, 8, 0, 0, 1};
    struct file_bytes f = make_png(&here->arena, form, height, width, rows, row);
    put(here, name, f.data, f.n);
}

static void colours_stand_for_classes(void **state) {
    struct place *here = *state;
    static const int class_of[] = {NONE, 1, 0, NONE};
    struct dataset d;
    struct record r = {0};
    struct error err = {0};
    put_all(here);
    put_text(here, "classes.csv",
             "name,id,red,green,blue\nvoid,0,0,0,0\nroad,7,128,64,32\nsky,3,128,64,33\n");
    put_colours(here, "0.png", height_of(0), width_of(0), 0);
    put_colours(here, "2.png", height_of(2), width_of(2), 1);
    opens(&d, spec(here, "segmentation", ",size=16"));
    assert_int_equal(d.mask_classes, 2);
    for (long k = 0; k < 2; k++) {
        reads(&d, SPLIT_TRAIN, k, &r);
        for (int i = 0; i < r.mask_height * r.mask_width; i++)
            assert_int_equal(r.mask[i], class_of[i / 3 % 4]);
    }
    reads(&d, SPLIT_TEST, 0, &r); /* one in ids may stand beside them */
    for (int i = 0; i < r.mask_height * r.mask_width; i++)
        assert_int_equal(r.mask[i], value_of(1, i) == 3 ? 0 : NONE);
    dataset_close(&d);
    put_text(here, "classes.csv", classes);
    opens(&d, spec(here, "segmentation", ",size=16"));
    assert_int_equal(dataset_read(&d, SPLIT_TRAIN, 0, &r, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "0.png: this mask is RGB"));
    dataset_close(&d);
    record_free(&r);
    static const struct {
        const char *text, *words;
    } wrong[] = {
        {"id,name,red,green\n0,a,0,0\n1,b,0,1\n", "red, green, blue it has 2"},
        {"id,name,red,green,blue\n0,a,0,0,0\n1,b,0,0,256\n", "the blue \"256\" is no number"},
        {"id,name,red,green,blue\n0,a,1,2,3\n1,b,1,2,3\n", "the colour 1, 2, 3 is there twice"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put_text(here, "classes.csv", wrong[i].text);
        refuses(spec(here, "segmentation", ""), "classes.csv", wrong[i].words);
    }
}

static void classes_that_are_ignored(void **state) {
    struct place *here = *state;
    static const struct {
        const char *text;
        int class_of[5], n;
    } cases[] = {
        {"id,name\n0,void\n1,a\n2,b\n3,ignore\n", {NONE, 0, 1, NONE, NONE}, 2},
        {"name,id,ignore\nvoid,0,0\nb,4,0\nc,1,1\n", {0, NONE, NONE, NONE, 1}, 2},
        {"id,name\n004,a\n255,b\n3,c\n", {NONE, NONE, NONE, 0, 1}, 3},
    };
    struct dataset d;
    struct record r = {0};
    put_all(here);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_text(here, "classes.csv", cases[i].text);
        opens(&d, spec(here, "segmentation", ",size=16"));
        assert_int_equal(d.mask_classes, cases[i].n);
        reads(&d, SPLIT_TEST, 0, &r);
        expect_mask(&r, 1, cases[i].class_of);
        dataset_close(&d);
    }
    record_free(&r);
}

static void splits_are_those_of_the_table(void **state) {
    struct place *here = *state;
    static const int class_of[] = {0, 1, 2, NONE, NONE};
    struct dataset d;
    struct record r = {0};
    put_all(here);
    opens(&d, spec(here, "segmentation", ",size=16,split=val"));
    assert_int_equal(d.count[SPLIT_TEST], 1);
    reads(&d, SPLIT_TEST, 0, &r);
    expect_mask(&r, 3, class_of);
    record_free(&r);
    dataset_close(&d);
    refuses(spec(here, "segmentation", ",train=3"), "train=3", "2 images");
    refuses(spec(here, "segmentation", ",size=7"), "size=7", "8 to 1024");
    refuses(spec(here, "segmentation", ",sise=8"), "sise", "size");
    refuses("segmentation", "needs a folder");
    put_text(here, "index.csv", "image,mask,split\n0.jpg,0.png,train\n");
    refuses(spec(here, "segmentation", ""), "index.csv", "no row is of the split test");
}

static void names_what_is_wrong_with_the_tables(void **state) {
    struct place *here = *state;
#define HEAD "image,mask,split\n0.jpg,0.png,train\n"
    static const struct {
        const char *file, *text, *line, *words;
    } cases[] = {
        {"index.csv", "", "index.csv", "image,mask,split"},
        {"index.csv", "image,split\n", "line 1:", "\"mask\" is missing"},
        {"index.csv", HEAD "1.jpg,,test\n", "line 3:", "the mask is empty"},
        {"index.csv", HEAD "1.jpg,1.png,\n", "line 3:", "the split is empty"},
        {"index.csv", HEAD "0.jpg,1.png,test\n", "line 3:", "already, in line 2"},
        {"index.csv", HEAD "1.jpg,1.png\n", "line 3:", "3 fields expected"},
        {"index.csv", HEAD "1.jpg,1.png,test\n5.jpg,1.png,test\n", "line 4:", "/5.jpg"},
        {"index.csv", HEAD "1.jpg,5.png,test\n", "line 3:", "/5.png"},
        {"index.csv", HEAD "1.jpg,1.jpg,test\n", "line 3:", "/1.jpg: not a PNG file"},
        {"classes.csv", "id,name\n", "classes.csv", "id,name"},
        {"classes.csv", "id,name\n1,a\n", "classes.csv", "at least 2 classes"},
        {"classes.csv", "id,name\n1,a\n256,b\n", "line 3:", "\"256\" is no number from 0 to 255"},
        {"classes.csv", "id,name\n1,a\n-1,b\n", "line 3:", "\"-1\" is no number"},
        {"classes.csv", "id,name\n1,a\n,b\n", "line 3:", "\"\" is no number"},
        {"classes.csv", "id,name\n1,a\n99999999999999999999,b\n", "line 3:", "is no number"},
        {"classes.csv", "id,name\n1,a\n2,a\n", "line 3:", "\"a\" already"},
        {"classes.csv", "id,name\n1,a\n01,b\n", "line 3:", "already, in line 2"},
        {"classes.csv", "id,name\n1,\n", "line 2:", "empty"},
        {"classes.csv", "id,name,ignore\n1,a,0\n2,b,yes\n", "line 3:", "not \"yes\""},
    };
    put_all(here);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_text(here, "classes.csv", classes);
        put_text(here, "index.csv", table);
        put_text(here, cases[i].file, cases[i].text);
        refuses(spec(here, "segmentation", ""), cases[i].file, cases[i].line, cases[i].words);
    }
    const char *many = "id,name\n";
    for (int i = 0; i < 256; i++)
        many = arena_printf(&here->arena, "%s%d,c%d\n", many, i, i);
    put_text(here, "index.csv", table);
    put_text(here, "classes.csv", many);
    refuses(spec(here, "segmentation", ""), "classes.csv", "more than 255 classes");
    drop(here, "classes.csv");
    refuses(spec(here, "segmentation", ""), "classes.csv", "cannot open");
}

static void fails(const struct dataset *d, enum split split, const char *name, const char *words) {
    struct record r = {0};
    struct error err = {0};
    assert_int_equal(dataset_read(d, split, 0, &r, &err), STATUS_USAGE);
    if (!strstr(err.message, name) || !strstr(err.message, words))
        fail_msg("\"%s\" and \"%s\" are not in: %s", name, words, err.message);
    record_free(&r);
}

static void broken_files_are_named_when_they_are_read(void **state) {
    struct place *here = *state;
    struct dataset d;
    size_t n;
    put_all(here);
    const uint8_t *png = get_file(here, "1.png", &n);
    put(here, "1.png", png, n - 20);
    opens(&d, spec(here, "segmentation", ",size=16"));
    fails(&d, SPLIT_TEST, "/1.png: offset ", "cut off");
    put_mask(here, 1, height_of(1), width_of(1) + 1);
    fails(&d, SPLIT_TEST, "/1.png: ", "changed");
    dataset_close(&d);
    refuses(spec(here, "segmentation", ",size=16"), "line 3: 1.jpg: 38 x 27 pixels",
            "1.png has 39 x 27");
    const uint8_t *image = get_file(here, "1.jpg", &n);
    put_jpeg(here, "1.jpg", 1, 20000, 3, 90, 0);
    put_mask(here, 1, 1, 20000);
    refuses(spec(here, "segmentation", ",size=96"), "1.jpg: ", "too long a strip");
    put(here, "1.jpg", image, n);
    put_mask(here, 1, height_of(1), width_of(1));
    const uint8_t *jpeg = get_file(here, "1.jpg", &n);
    put(here, "1.jpg", jpeg, n - 20);
    opens(&d, spec(here, "segmentation", ",size=16"));
    fails(&d, SPLIT_TEST, "/1.jpg: ", "JPEG");
    dataset_close(&d);
}

/* An image, a mask cut off behind its head, one of another size, one without a meaning. */
static void bad_files_and_masks_are_left_out(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    static const int class_of[] = {0, 1, 2, NONE, NONE};
    size_t n;
    const char *rows = "image,mask,split\n1.jpg,1.png,test\n";
    for (int i = 0; i < 6; i++)
        rows = i == 1 ? rows : arena_printf(&here->arena, "%s%d.jpg,%d.png,train\n", rows, i, i);
    put_all(here);
    put_jpeg(here, "5.jpg", height_of(5), width_of(5), 3, 90, 5);
    put_colours(here, "5.png", height_of(5), width_of(5), 0);
    put_text(here, "index.csv", rows);
    const uint8_t *jpeg = get_file(here, "0.jpg", &n);
    put(here, "0.jpg", jpeg, n / 2);
    const uint8_t *png = get_file(here, "2.png", &n);
    put(here, "2.png", png, n - 20);
    put_mask(here, 3, height_of(3) + 1, width_of(3));
    opens(&d, spec(here, "segmentation", ",size=16,bad=skip"));
    assert_int_equal(d.count[SPLIT_TRAIN], 1);
    assert_int_equal(d.count[SPLIT_TEST], 1);
    assert_int_equal(d.n_bad, 4);
    assert_string_equal(d.bad_names[0], "0.jpg");
    assert_string_equal(d.bad_names[3], "5.jpg");
    reads(&d, SPLIT_TRAIN, 0, &r);
    expect_image(here, &r, 4);
    expect_mask(&r, 4, class_of);
    record_free(&r);
    dataset_close(&d);
}

static void root_hash_is_of_every_file(void **state) {
    struct place *here = *state;
    static const char *const files[] = {"classes.csv", "0.jpg", "0.png", "1.png"};
    struct dataset d;
    char hash[65];
    put_all(here);
    opens(&d, spec(here, "segmentation", ",size=16"));
    strcpy(hash, d.root_hash);
    dataset_close(&d);
    opens(&d, spec(here, "segmentation", ",size=16,cache=0"));
    assert_string_equal(hash, d.root_hash);
    dataset_close(&d);
    put_text(here, "4.png", "an image that is not used");
    opens(&d, spec(here, "segmentation", ",size=16"));
    assert_string_equal(hash, d.root_hash);
    dataset_close(&d);
    for (int i = 0; i < 4; i++) {
        size_t n;
        const uint8_t *data = get_file(here, files[i], &n);
        uint8_t *more = arena_alloc(&here->arena, n + 1);
        memcpy(more, data, n);
        more[n] = '\n'; /* behind the end of an image, a blank line of a table */
        put(here, files[i], more, n + 1);
        opens(&d, spec(here, "segmentation", ",size=16"));
        assert_string_not_equal(hash, d.root_hash);
        dataset_close(&d);
        put(here, files[i], data, n);
    }
    opens(&d, spec(here, "segmentation", ",size=16,split=val"));
    assert_string_not_equal(hash, d.root_hash);
    dataset_close(&d);
}

static void the_cache_decodes_images_once(void **state) {
    struct place *here = *state;
    struct dataset d;
    struct record r = {0};
    put_all(here);
    opens(&d, spec(here, "segmentation", ",size=16"));
    reads(&d, SPLIT_TRAIN, 1, &r);
    reads(&d, SPLIT_TEST, 0, &r);
    drop(here, "1.jpg");
    drop(here, "2.jpg");
    put_jpeg(here, "2.jpg", height_of(2), width_of(2), 3, 90, 2);
    reads(&d, SPLIT_TEST, 0, &r); /* its mask is still there */
    reads(&d, SPLIT_TRAIN, 1, &r);
    expect_image(here, &r, 2);
    dataset_close(&d);
    record_free(&r);
}

static int prepare(const void *self, const struct record *r, long sample, int epoch,
                   struct rng *rng, void *const slots[], struct error *err) {
    (void)self, (void)sample, (void)epoch, (void)rng, (void)err;
    ((int32_t *)slots[0])[0] = r->mask_height;
    return 0;
}

static void loaders_read_masks_when_asked(void **state) {
    struct place *here = *state;
    put_all(here);
    for (int masks = 0; masks < 2; masks++) {
        struct dataset d;
        struct loader *l;
        struct batch b;
        struct error err = {0};
        const struct loader_slot slot = {"height", 1};
        opens(&d, spec(here, "segmentation", ",size=16"));
        const struct loader_config config = {.data = &d,
                                             .batch = 2,
                                             .masks = masks,
                                             .threads = 1,
                                             .epochs = 1,
                                             .slots = &slot,
                                             .n_slots = 1,
                                             .prepare = prepare};
        assert_int_equal(loader_open(&l, &config, &err), 0);
        assert_int_equal(loader_next(l, &b, &err), 0);
        assert_int_equal(((int32_t *)b.slots[0])[0], masks ? height_of(0) : 0);
        assert_int_equal(((int32_t *)b.slots[0])[1], masks ? height_of(2) : 0);
        loader_close(l);
        dataset_close(&d);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(reads_images_and_masks),
        CASE(colours_stand_for_classes),
        CASE(classes_that_are_ignored),
        CASE(splits_are_those_of_the_table),
        CASE(names_what_is_wrong_with_the_tables),
        CASE(broken_files_are_named_when_they_are_read),
        CASE(bad_files_and_masks_are_left_out),
        CASE(root_hash_is_of_every_file),
        CASE(the_cache_decodes_images_once),
        CASE(loaders_read_masks_when_asked),
    };
    return cmocka_run_group_tests_name("segmentation", tests, NULL, NULL);
}
