/* Pictures: pixels where they belong and nowhere else, letters, lines, files that libpng reads. */
#include "data/sheet.h"

#include "core/file.h"
#include "tests/place.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct color pixel(const struct canvas *c, int x, int y) {
    struct color color;
    memcpy(&color, c->pixels + 3 * (y * c->width + x), 3);
    return color;
}

static int same(struct color a, struct color b) {
    return a.r == b.r && a.g == b.g && a.b == b.b;
}

/* Every pixel of its own colour. */
static struct canvas pattern(struct arena *a, int width, int height) {
    struct canvas c = canvas_make(a, width, height, BLACK);
    for (int i = 0; i < width * height; i++) {
        c.pixels[3 * i] = (uint8_t)(i % width + 1);
        c.pixels[3 * i + 1] = (uint8_t)(i / width + 1);
        c.pixels[3 * i + 2] = (uint8_t)(7 * i + 3);
    }
    return c;
}

static int ink(const struct canvas *c) {
    int n = 0;
    for (int i = 0; i < c->width * c->height; i++)
        n += !same(pixel(c, i % c->width, i / c->width), WHITE);
    return n;
}

static void values_become_bytes(void **state) {
    (void)state;
    struct arena a = {0};
    const float rgb[] = {0, 1, -3, 2, 0.5F, NAN, 0.2F, 0.4F, 1.0F / 255, 0.499F / 255, 0.6F, 0.8F};
    struct canvas c = canvas_from_image(&a, 3, 2, 2, rgb);
    const uint8_t want[] = {0, 128, 1, 255, 0, 0, 0, 51, 153, 255, 102, 204};
    assert_memory_equal(c.pixels, want, sizeof want);
    const float two[] = {0.2F, 0, 0.4F, 1};
    c = canvas_from_image(&a, 2, 1, 2, two);
    const uint8_t grey[] = {77, 77, 77, 128, 128, 128};
    assert_memory_equal(c.pixels, grey, sizeof grey);
    arena_free(&a);
}

static void enlarging_repeats_pixels(void **state) {
    (void)state;
    struct arena a = {0};
    struct canvas c = pattern(&a, 5, 4), e = canvas_resize(&a, &c, 15, 12);
    assert_int_equal(e.width, 15);
    assert_int_equal(e.height, 12);
    for (int y = 0; y < 12; y++)
        for (int x = 0; x < 15; x++)
            assert_true(same(pixel(&e, x, y), pixel(&c, x / 3, y / 3)));
    arena_free(&a);
}

/* Lighter and lighter, with ends that do not move, and letters that stand out. */
static void colours_rise_in_lightness(void **state) {
    (void)state;
    double before = -1;
    for (int i = 0; i <= 100; i++) {
        struct color c = color_scale(i / 100.0), on = color_on(c);
        double light = 0.299 * c.r + 0.587 * c.g + 0.114 * c.b;
        assert_true(light > before);
        assert_true(fabs(light - on.g) > 100);
        before = light;
    }
    assert_true(same(color_scale(-1), color_scale(0)));
    assert_true(same(color_scale(NAN), color_scale(0)));
    assert_true(same(color_scale(7), color_scale(1)));
}

static void pasting_is_cut_at_the_border(void **state) {
    (void)state;
    struct arena a = {0};
    struct canvas tile = pattern(&a, 4, 3);
    for (int top = -4; top <= 8; top++)
        for (int left = -5; left <= 8; left++) {
            struct canvas c = canvas_make(&a, 7, 6, WHITE);
            canvas_paste(&c, left, top, &tile);
            for (int y = 0; y < 6; y++)
                for (int x = 0; x < 7; x++) {
                    int inside = x >= left && x < left + 4 && y >= top && y < top + 3;
                    assert_true(
                        same(pixel(&c, x, y), inside ? pixel(&tile, x - left, y - top) : WHITE));
                }
        }
    arena_free(&a);
}

static void rectangles_are_cut_at_the_border(void **state) {
    (void)state;
    struct arena a = {0};
    struct canvas c = canvas_make(&a, 8, 8, WHITE);
    canvas_fill(&c, -2, 5, 5, 9, BLUE);
    assert_int_equal(ink(&c), 3 * 3);
    canvas_fill(&c, 20, 20, 3, 3, BLUE);
    canvas_fill(&c, -9, -9, 3, 3, BLUE);
    assert_int_equal(ink(&c), 3 * 3);
    c = canvas_make(&a, 8, 8, WHITE);
    canvas_frame(&c, 1, 1, 6, 5, 2, ORANGE);
    assert_int_equal(ink(&c), 6 * 5 - 2 * 1);
    assert_true(same(pixel(&c, 3, 3), WHITE));
    arena_free(&a);
}

static struct canvas letter(struct arena *a, char what) {
    struct canvas c = canvas_make(a, TEXT_WIDTH, TEXT_HEIGHT, WHITE);
    canvas_text(&c, 0, 0, 1, BLACK, (const char[]){what, '\0'});
    return c;
}

static void letters_differ_and_keep_to_their_cell(void **state) {
    (void)state;
    struct arena a = {0};
    struct canvas all[127];
    for (int i = ' '; i < 127; i++) {
        all[i] = letter(&a, (char)i);
        assert_int_equal(ink(&all[i]) == 0, i == ' ');
        for (int y = 0; y < TEXT_HEIGHT; y++)
            assert_true(same(pixel(&all[i], TEXT_LETTER, y), WHITE));
        for (int x = 0; x < TEXT_WIDTH; x++)
            for (int y = 9; y < TEXT_HEIGHT; y++)
                assert_true(same(pixel(&all[i], x, y), WHITE));
        for (int j = ' '; j < i; j++)
            assert_int_not_equal(memcmp(all[i].pixels, all[j].pixels, 3 * TEXT_WIDTH * TEXT_HEIGHT),
                                 0);
    }
    arena_free(&a);
}

static void text_is_letters_side_by_side(void **state) {
    (void)state;
    struct arena a = {0};
    struct canvas c = canvas_make(&a, 40, TEXT_HEIGHT, WHITE);
    canvas_text(&c, 3, 0, 1, BLACK, "a\xc3\xa9Q"); /* e with an accent: one box */
    struct canvas want = canvas_make(&a, 40, TEXT_HEIGHT, WHITE), one = letter(&a, 'a'),
                  box = letter(&a, '\x7f'), last = letter(&a, 'Q');
    canvas_paste(&want, 3, 0, &one);
    canvas_paste(&want, 9, 0, &box);
    canvas_paste(&want, 15, 0, &last);
    assert_memory_equal(c.pixels, want.pixels, 3 * 40 * TEXT_HEIGHT);
    assert_int_equal(canvas_text_width("a\xc3\xa9Q", 1), 17);
    assert_int_equal(canvas_text_width("aQ", 3), 33);
    assert_int_equal(canvas_text_width("", 2), 0);
    struct canvas twice = canvas_make(&a, 80, 2 * TEXT_HEIGHT, WHITE),
                  enlarged = canvas_resize(&a, &c, 80, 2 * TEXT_HEIGHT);
    canvas_text(&twice, 6, 0, 2, BLACK, "a\xc3\xa9Q");
    assert_memory_equal(twice.pixels, enlarged.pixels, 3 * 80 * 2 * TEXT_HEIGHT);
    arena_free(&a);
}

static void check_lines(const char *text, int width, int n, const char *const *want) {
    struct arena a = {0};
    char **lines;
    int got = canvas_wrap(text, width, 1, &a, &lines);
    assert_int_equal(got, n);
    for (int i = 0; i < n; i++) {
        assert_string_equal(lines[i], want[i]);
        assert_true(canvas_text_width(lines[i], 1) <= width);
    }
    arena_free(&a);
}

/* By letters: a character of several bytes is one and stays whole. */
static void long_texts_end_in_dots(void **state) {
    struct arena a = {0};
    (void)state;
    assert_string_equal(canvas_cut("abcdef", 6, &a), "abcdef");
    assert_string_equal(canvas_cut("abcdefg", 6, &a), "abcd..");
    assert_string_equal(canvas_cut("\u00e4\u00e4\u732b\u00e4\u00e4\u00e4", 6, &a),
                        "\u00e4\u00e4\u732b\u00e4\u00e4\u00e4");
    assert_string_equal(canvas_cut("\u00e4\u00e4\u732b\u00e4\u00e4\u00e4.", 6, &a),
                        "\u00e4\u00e4\u732b\u00e4..");
    arena_free(&a);
}

static void lines_break_at_blanks(void **state) {
    (void)state;
    check_lines("", 29, 0, NULL);
    check_lines("abcde", 29, 1, (const char *const[]){"abcde"});
    check_lines("abc de", 29, 2, (const char *const[]){"abc", "de"});
    check_lines("ab cd ef", 29, 2, (const char *const[]){"ab cd", "ef"});
    check_lines("ab  c   defgh", 29, 2, (const char *const[]){"ab  c", "defgh"});
    check_lines("abcdefghijkl mn", 29, 3, (const char *const[]){"abcde", "fghij", "kl mn"});
    check_lines("a\nb\n\nc", 29, 4, (const char *const[]){"a", "b", "", "c"});
    check_lines("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 29, 2,
                (const char *const[]){"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "\xc3\xa9"});
}

static void libpng_reads_the_same_pixels(void **state) {
    struct place *here = *state;
    struct error err;
    struct canvas c = pattern(&here->arena, 37, 23);
    const struct canvas_note notes[] = {{"Title", "a pattern"}, {"Description", "caf\xc3\xa9"}};
    const char *path = in(here, "a.png"), *again = in(here, "b.png");
    assert_int_equal(canvas_write_png(&c, path, notes, 2, &err), 0);
    assert_int_equal(canvas_write_png(&c, again, notes, 2, &err), 0);
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, path));
    assert_int_equal(image.width, 37);
    assert_int_equal(image.height, 23);
    image.format = PNG_FORMAT_RGB;
    uint8_t pixels[3 * 37 * 23];
    assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    assert_memory_equal(pixels, c.pixels, sizeof pixels);
    char *one, *two;
    size_t n1, n2;
    assert_int_equal(file_read(path, &here->arena, &one, &n1, &err), 0);
    assert_int_equal(file_read(again, &here->arena, &two, &n2, &err), 0);
    assert_int_equal(n1, n2);
    assert_memory_equal(one, two, n1);
    assert_non_null(memmem(one, n1, "tEXtTitle\0a pattern", 19));
    assert_non_null(memmem(one, n1, "iTXtDescription", 15));
}

static void a_file_that_cannot_be_written(void **state) {
    struct place *here = *state;
    struct error err;
    struct canvas c = pattern(&here->arena, 3, 3);
    const char *path = in(here, "nowhere/a.png");
    assert_int_equal(canvas_write_png(&c, path, NULL, 0, &err), STATUS_MACHINE);
    assert_non_null(strstr(err.message, "nowhere"));
}

/* Tiles of two tables, found by their colour at the places that the layout says. */
static void sheets_put_tiles_in_rows_and_columns(void **state) {
    (void)state;
    struct arena a = {0};
    struct sheet s = {0};
    struct canvas wide = pattern(&a, 200, 30), high = pattern(&a, 100, 50);
    int line = TEXT_HEIGHT * SHEET_SCALE, left = SHEET_GUTTER, gap = SHEET_GUTTER / 2;
    sheet_head(&s, "head");
    sheet_table(&s, 2, 2, (const char *const[]){"first", "second column"});
    sheet_put(&s, 0, 0, wide, "");
    sheet_put(&s, 0, 1, high, "");
    sheet_put(&s, 1, 1, high, "word");
    sheet_heading(&s, "heading");
    sheet_table(&s, 1, 1, NULL);
    sheet_put(&s, 0, 0, high, "");
    sheet_note(&s, "note");
    struct canvas c = sheet_draw(&s, &a), want = canvas_make(&a, c.width, c.height, WHITE);
    canvas_text(&want, left, SHEET_GUTTER, SHEET_SCALE, BLACK, "head");
    int y = SHEET_GUTTER + line + SHEET_GUTTER, second = left + 200 + SHEET_GUTTER;
    canvas_text(&want, left, y + line, SHEET_SCALE, BLACK, "first"); /* titles end on one line */
    canvas_text(&want, second, y, SHEET_SCALE, BLACK, "second");
    canvas_text(&want, second, y + line, SHEET_SCALE, BLACK, "column");
    y += 2 * line + gap;
    canvas_paste(&want, left, y, &wide);
    canvas_paste(&want, second, y, &high);
    y += 50 + SHEET_GUTTER;
    canvas_paste(&want, second, y, &high);
    canvas_text(&want, second, y + 50 + gap, SHEET_SCALE, BLACK, "word");
    y += 50 + gap + line + 2 * SHEET_GUTTER;
    canvas_text(&want, left, y, SHEET_SCALE, BLACK, "heading");
    y += line + SHEET_GUTTER;
    canvas_paste(&want, left, y, &high);
    y += 50 + 2 * SHEET_GUTTER;
    canvas_text(&want, left, y, SHEET_SCALE, BLACK, "note");
    assert_true(c.width >= second + 100 + SHEET_GUTTER);
    assert_int_equal(c.height, y + line + SHEET_GUTTER);
    assert_memory_equal(c.pixels, want.pixels, (size_t)c.width * (size_t)c.height * 3);
    sheet_free(&s);
    arena_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_bytes),
        cmocka_unit_test(enlarging_repeats_pixels),
        cmocka_unit_test(colours_rise_in_lightness),
        cmocka_unit_test(pasting_is_cut_at_the_border),
        cmocka_unit_test(rectangles_are_cut_at_the_border),
        cmocka_unit_test(letters_differ_and_keep_to_their_cell),
        cmocka_unit_test(text_is_letters_side_by_side),
        cmocka_unit_test(long_texts_end_in_dots),
        cmocka_unit_test(lines_break_at_blanks),
        cmocka_unit_test_setup_teardown(libpng_reads_the_same_pixels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_written, set_up, tear_down),
        cmocka_unit_test(sheets_put_tiles_in_rows_and_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
