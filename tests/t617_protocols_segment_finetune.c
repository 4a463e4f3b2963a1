/* Segmentation by an encoder that is trained further: it learns what can be seen, which it could
 * not if crops and mirrors of masks were not those of their images, and threads change nothing. */
#include "protocols/segment_rows.h"
#include "protocols/segmentation.h"

#include "tests/jpeg_files.h"
#include "tests/png_files.h"
#include "tests/subject_fixture.h"

#include <math.h>

enum { HEIGHT = 20, WIDTH = 28, TRAIN = 32, TEST = 8 };

/* A bright and a dark part, on either side of a line across or down, in an image that is not
 * square; what is near the line belongs to no class. */
static void put_pair(struct place *here, int number) {
    struct rng r = rng_at((struct rng_key){617, RNG_TEST}, 0, (uint32_t)number);
    uint8_t pixels[HEIGHT][WIDTH][3], mask[HEIGHT][WIDTH];
    int down = (int)rng_below(&r, 2), swap = (int)rng_below(&r, 2), length = down ? HEIGHT : WIDTH;
    int line = 6 + (int)rng_below(&r, (uint32_t)length - 12);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int at = down ? y : x, bright = (at >= line) ^ swap;
            for (int c = 0; c < 3; c++)
                pixels[y][x][c] = (uint8_t)((bright ? 180 : 40) + (int)rng_below(&r, 30));
            mask[y][x] = (uint8_t)(abs(at - line) < 1 ? 7 : bright);
        }
    FILE *f = fopen(in(here, arena_printf(&here->arena, "%d.jpg", number)), "wb");
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr manager;
    assert_non_null(f);
    info.err = jpeg_std_error(&manager);
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, f);
    info.image_height = HEIGHT;
    info.image_width = WIDTH;
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 95, TRUE);
    jpeg_start_compress(&info, TRUE);
    for (int y = 0; y < HEIGHT; y++) {
        JSAMPROW row = pixels[y][0];
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    fclose(f);
    put_png(here, arena_printf(&here->arena, "%d.png", number), HEIGHT, WIDTH, mask[0], GREY_8);
}

static void open_pairs(struct place *here, struct dataset *d) {
    const char *table = "image,mask,split\n", *classes = "id,name\n0,dark\n1,bright\n7,void\n";
    for (int i = 0; i < TRAIN + TEST; i++) {
        put_pair(here, i);
        table = arena_printf(&here->arena, "%s%d.jpg,%d.png,%s\n", table, i, i,
                             i < TRAIN ? "train" : "test");
    }
    put(here, "index.csv", table, strlen(table));
    put(here, "classes.csv", classes, strlen(classes));
    opens(d, spec(here, "segmentation", ",size=16"));
}

static int run(struct subject_fixture *f, const char *more, struct eval *e, struct error *err) {
    int number = 0;
    while (protocols[number] != &protocol_segment_finetune)
        number++;
    char *text = arena_printf(&f->arena, "[segment_finetune]\ndecoder_width = 16\n%s", more);
    if (options_load_text(&f->settings->options, text, "test", err))
        fail_msg("%s", err->message);
    *e = (struct eval){0};
    return protocol_segment_finetune.run(f->settings->protocol[number], &f->in, e, err);
}

static void learns_what_can_be_seen(void **state) {
    struct place *here = *state;
    static const char *const backbones[] = {"vit-micro", "resnet-micro"};
    struct subject_fixture *f = malloc(sizeof *f);
    struct dataset d;
    open_pairs(here, &d);
    for (int i = 0; i < 2; i++) {
        struct eval e;
        struct error err = {0};
        subject_open(f, "supervised", backbones[i], "train=4,test=4", 1);
        f->cell.subject.data = &d;
        if (run(f, "epochs = 12\nbatch = 8\n", &e, &err))
            fail_msg("%s", err.message);
        assert_string_equal(e.metrics[0].name, "miou");
        assert_string_equal(e.metrics[1].name, "pixel_accuracy");
        assert_string_equal(e.metrics[3].name, "iou.bright");
        assert_int_equal(e.n_metrics, 4);
        if (!(e.metrics[1].value > 0.95))
            fail_msg("%s: %g of the pixels are right", backbones[i], e.metrics[1].value);
        assert_int_equal(e.n_grid, 3);
        subject_close(f);
    }
    dataset_close(&d);
    free(f);
}

/* What cannot be scored is said, and no score of NaN is stored. */
static void masks_have_to_count(void **state) {
    struct place *here = *state;
    struct subject_fixture *f = malloc(sizeof *f);
    struct dataset d;
    struct eval e;
    struct error err = {0};
    uint8_t nothing[HEIGHT][WIDTH];
    memset(nothing, 7, sizeof nothing);
    open_pairs(here, &d);
    for (int i = TRAIN; i < TRAIN + TEST; i++)
        put_png(here, arena_printf(&here->arena, "%d.png", i), HEIGHT, WIDTH, nothing[0], GREY_8);
    subject_open(f, "supervised", "resnet-micro", "train=4,test=4", 1);
    f->cell.subject.data = &d;
    assert_int_equal(run(f, "epochs = 1\nbatch = 16\n", &e, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "not one pixel of the test masks"));
    subject_close(f);
    dataset_close(&d);
    free(f);
}

/* A row has room for 31 bytes; the second cut would fall within a letter. */
static void long_names_are_told_apart(void **state) {
    (void)state;
    static const char *const names[] = {
        "a screen that shows a film, silver", "a screen that shows a film, white",
        "ein Schirm, auf dem man \xc3\xa4\xc3\xa4ltere Filme sieht", "twenty-seven bytes, exactly"};
    static const char *const wanted[] = {
        "iou.a screen that shows a fil~0", "iou.a screen that shows a fil~1",
        "iou.ein Schirm, auf dem man ~2", "iou.twenty-seven bytes, exactly"};
    const struct dataset d = {.mask_classes = 4, .mask_names = names, .count = {1, 1}};
    const struct subject s = {.data = &d};
    struct arena a = {0};
    const struct protocol_input in = {.subject = &s, .arena = &a};
    struct eval e = {0};
    segment_reserve(&e, &in, 1, 0);
    for (int i = 0; i < 4; i++)
        assert_string_equal(e.metrics[2 + i].name, wanted[i]);
    arena_free(&a);
}

static void threads_change_nothing(void **state) {
    (void)state;
    struct subject_fixture *f = malloc(sizeof *f);
    static const char *const subjects[][2] = {
        {"split_brain", "vit-micro"}, {"mae", "vit-micro"}, {"supervised", "resnet-micro"}};
    for (int i = 0; i < 3; i++) {
        int32_t first[11 * 11];
        for (int threads = 1; threads < 4; threads += 2) {
            struct eval e;
            struct error err = {0};
            subject_open(f, subjects[i][0], subjects[i][1], "train=24,test=6", threads);
            if (run(f, "epochs = 1\nbatch = 8\n", &e, &err))
                fail_msg("%s", err.message);
            if (threads == 1)
                memcpy(first, e.confusion, sizeof first);
            else
                assert_memory_equal(first, e.confusion, sizeof first);
            subject_close(f);
        }
    }
    free(f);
}

static void says_what_stops_it(void **state) {
    (void)state;
    struct subject_fixture *f = malloc(sizeof *f);
    struct eval e;
    struct error err = {0};
    volatile sig_atomic_t stop = 1;
    subject_open(f, "mae", "vit-micro", "train=4,test=4", 1);
    f->data.count[SPLIT_TRAIN] = 1;
    assert_int_equal(run(f, "", &e, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "segment_finetune.val_share 0.1"));
    f->data.count[SPLIT_TRAIN] = 4;
    f->cell.subject.stop = &stop;
    assert_int_equal(run(f, "", &e, &err), STATUS_INTERRUPTED);
    subject_close(f);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(learns_what_can_be_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(masks_have_to_count, set_up, tear_down),
        cmocka_unit_test(long_names_are_told_apart),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(says_what_stops_it),
    };
    return cmocka_run_group_tests_name("segmentation, fine-tuned", tests, NULL, NULL);
}
