/* The text stored with a run reads back as the same run, bit for bit; broken text is refused. */
#include "core/options.h"
#include "core/rng.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct values {
    int whole, flag;
    double real;
    const char *text, *choice;
};

static const struct option_def general_options[] = {
    OPTION_INT(struct values, whole, -3, INT_MIN, INT_MAX, "a whole number"),
    OPTION_TEXT(struct values, text, "", NULL, "any text"), OPTION_END};
static const struct option_def mae_options[] = {
    OPTION_REAL(struct values, real, 0.10, -DBL_MAX, DBL_MAX, "any number"),
    OPTION_BOOL(struct values, flag, 1, "yes or no"),
    OPTION_TEXT(struct values, choice, "mse", "mse|l1|huber", "one of three"),
    OPTION_TEXT(struct values, text, "last", NULL, "any text"), OPTION_END};
static const struct option_def range_options[] = {
    OPTION_REAL(struct values, real, 0.5, 0, 1, "from 0 to 1"),
    OPTION_INT(struct values, whole, 2, 1, INT_MAX, "from 1 on"), OPTION_END};

struct settings {
    struct option_set set;
    struct values general, mae, range;
};

static void settings_open(struct settings *s) {
    memset(s, 0, sizeof *s);
    options_init(&s->set);
    options_add(&s->set, "", "General", general_options, &s->general);
    options_add(&s->set, "mae", "Masked autoencoder", mae_options, &s->mae);
    options_add(&s->set, "range", "Ranges", range_options, &s->range);
}

/* Writes `from` and reads it into the fresh `to`. */
static void transfer(const struct settings *from, struct settings *to, struct arena *a) {
    struct error err = {0};
    char *text = options_text(&from->set, a);
    settings_open(to);
    int status = options_load_text(&to->set, text, "stored", &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, 0);
    assert_string_equal(options_text(&to->set, a), text);
}

static void test_canonical_text(void **state) {
    (void)state;
    struct settings s, back;
    struct arena a = {0};
    settings_open(&s);
    assert_string_equal(options_text(&s.set, &a), "whole = -3\ntext =\n\n[mae]\nreal = 0.1\n"
                                                  "flag = true\nchoice = mse\ntext = last\n\n"
                                                  "[range]\nreal = 0.5\nwhole = 2\n");
    transfer(&s, &back, &a);
    options_free(&back.set);
    options_free(&s.set);
    arena_free(&a);
}

static void test_shortest_numbers(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } known[] = {
        {0.1, "real = 0.1\n"},
        {-0.0, "real = -0\n"},
        {100, "real = 100\n"},
        {1e9, "real = 1000000000\n"},
        {3e-4, "real = 0.0003\n"},
        {1e22, "real = 1e+22\n"},
        {0.1 + 0.2, "real = 0.30000000000000004\n"},
        {1.0 / 3, "real = 0.3333333333333333\n"},
        {5e-324, "real = 5e-324\n"},
        {DBL_MAX, "real = 1.7976931348623157e+308\n"},
    };
    struct settings s;
    struct arena a = {0};
    settings_open(&s);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        s.mae.real = known[i].value;
        assert_non_null(strstr(options_text(&s.set, &a), known[i].text));
    }
    options_free(&s.set);
    arena_free(&a);
}

static void test_numbers_round_trip(void **state) {
    (void)state;
    struct rng r = rng_at((struct rng_key){1, RNG_TEST}, 0, 0);
    for (int i = 0; i < 3000; i++) {
        struct settings s, back;
        struct arena a = {0};
        settings_open(&s);
        do {
            uint64_t bits = (uint64_t)rng_u32(&r) << 32 | rng_u32(&r);
            memcpy(&s.mae.real, &bits, sizeof bits);
        } while (!isfinite(s.mae.real));
        s.range.real = rng_uniform(&r);
        s.general.whole = (int)rng_u32(&r);
        s.mae.flag = (int)rng_below(&r, 2);
        transfer(&s, &back, &a);
        assert_memory_equal(&s.mae.real, &back.mae.real, sizeof(double));
        assert_memory_equal(&s.range.real, &back.range.real, sizeof(double));
        assert_int_equal(s.general.whole, back.general.whole);
        assert_int_equal(s.mae.flag, back.mae.flag);
        options_free(&back.set);
        options_free(&s.set);
        arena_free(&a);
    }
}

/* Texts of any bytes and any length, far beyond the line buffer of libinih too. */
static void test_texts_round_trip(void **state) {
    (void)state;
    static const char *const alphabets[] = {
        "a/b.c-_", " ;#\\",   "\t\n\r\v\f x",         "a ;", " ",
        ";",       "=:[]\"'", "\xc3\xa9\xff\x01\x7f", NULL};
    struct rng r = rng_at((struct rng_key){2, RNG_TEST}, 0, 0);
    for (int i = 0; i < 1800; i++) {
        const char *alphabet = alphabets[i % 9];
        uint32_t n = rng_below(&r, i % 2 ? 30 : 1200);
        struct settings s, back;
        struct arena a = {0};
        char *text = arena_alloc(&a, n + 1);
        for (uint32_t c = 0; c < n; c++)
            text[c] = alphabet ? alphabet[rng_below(&r, (uint32_t)strlen(alphabet))]
                               : (char)(1 + rng_below(&r, 255));
        settings_open(&s);
        s.mae.text = text;
        transfer(&s, &back, &a);
        assert_string_equal(back.mae.text, text);
        options_free(&back.set);
        options_free(&s.set);
        arena_free(&a);
    }
}

static void load(struct settings *s, const char *text, int expected, const char *part) {
    struct error err = {0};
    settings_open(s);
    assert_int_equal(options_load_text(&s->set, text, "t.ini", &err), expected);
    if (!strstr(err.message, part))
        fail_msg("\"%s\" is not in \"%s\"", part, err.message);
}

/* Lines that libinih would cut: the rest is neither lost nor taken for something else, and the
 * numbers of later lines stay right. */
static void test_long_lines(void **state) {
    (void)state;
    struct settings s;
    struct arena a = {0};
    char *long_text = arena_alloc(&a, 1001), *blanks = arena_alloc(&a, 501);
    for (int i = 0; i < 1000; i++)
        long_text[i] = i % 7 ? (char)('a' + i % 26) : ' ';
    long_text[0] = 'x';
    memset(blanks, ' ', 500);
    load(&s, arena_printf(&a, "text = %s ; %s\nwhole = 4\n", long_text, long_text), 0, "");
    assert_string_equal(s.general.text, long_text);
    assert_int_equal(s.general.whole, 4);
    options_free(&s.set);
    load(&s, arena_printf(&a, "text = a\n# %s\n;%s\nwhole = 5", long_text, long_text), 0, "");
    assert_string_equal(s.general.text, "a");
    assert_int_equal(s.general.whole, 5);
    options_free(&s.set);
    load(&s, arena_printf(&a, "%stext = a%s ;%s x\n#%sx\n", blanks, blanks, blanks, blanks), 0, "");
    assert_string_equal(s.general.text, "a");
    options_free(&s.set);
    load(&s, arena_printf(&a, "text = %s\nwhole = 4x\n", long_text), 2, "t.ini:2: whole");
    options_free(&s.set);
    load(&s, arena_printf(&a, "text = %s\n\noops\n", long_text), 2, "t.ini:3: expected");
    options_free(&s.set);
    load(&s, arena_printf(&a, "text = a\n%s\n", long_text), 2, "t.ini:2: expected");
    options_free(&s.set);
    load(&s, arena_printf(&a, "text = a%sb\n", blanks), 2, "t.ini:1: too many blanks");
    options_free(&s.set);
    arena_free(&a);
}

/* What --print-config shows is a config file with the same meaning. */
static void test_print_config(void **state) {
    (void)state;
    struct settings s, back;
    struct arena a = {0};
    struct error err = {0};
    settings_open(&s);
    assert_int_equal(options_assign(&s.set, "text", "a ; b", FROM_FLAG, &err), 0);
    assert_int_equal(options_assign(&s.set, "mae.real", "7", FROM_FILE, &err), 0);
    assert_int_equal(options_assign(&s.set, "range.whole", "8", FROM_ENVIRONMENT, &err), 0);
    char *shown = NULL;
    size_t bytes;
    FILE *out = open_memstream(&shown, &bytes);
    options_print_config(&s.set, out);
    fclose(out);
    load(&back, shown, 0, "");
    assert_string_equal(options_text(&s.set, &a), options_text(&back.set, &a));
    static const char *const lines[][2] = {{"\ntext = a \\;\\sb", "; flag\n"},
                                           {"\nreal = 7", "; file\n"},
                                           {"\nwhole = 8", "; environment\n"},
                                           {"\nflag = true", "; default\n"}};
    for (int i = 0; i < 4; i++) {
        char *line = strstr(shown, lines[i][0]);
        assert_non_null(line);
        char *origin = strstr(line + 1, lines[i][1]);
        assert_non_null(origin);
        assert_ptr_equal(strchr(line + 1, '\n'), strchr(origin, '\n'));
    }
    free(shown);
    options_free(&back.set);
    options_free(&s.set);
    arena_free(&a);
}

static void test_print_help(void **state) {
    (void)state;
    static const char *const parts[] = {
        "General\n",        "  --whole INT ",     "Masked autoencoder\n", "--[no-]mae.flag ",
        "any number [0.1]", "--mae.choice TEXT ", "[mse; mse|l1|huber]",  "[0.5; 0 to 1]",
        "[2; at least 1]",  "any text [none]",    "yes or no [true]",     "--config FILE",
    };
    struct settings s;
    settings_open(&s);
    char *shown = NULL;
    size_t bytes;
    FILE *out = open_memstream(&shown, &bytes);
    options_print_help(&s.set, out);
    fclose(out);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!strstr(shown, parts[i]))
            fail_msg("\"%s\" is not in\n%s", parts[i], shown);
    free(shown);
    options_free(&s.set);
}

/* Whatever the bytes are: taken, or refused in one line, and no value leaves its range. */
static void try_broken_text(const char *text) {
    struct settings s;
    struct error err = {0};
    settings_open(&s);
    int status = options_load_text(&s.set, text, "f", &err);
    assert_true(status == 0 || status == STATUS_USAGE);
    assert_int_equal(status, err.status);
    assert_true(!status || !strncmp(err.message, "f:", 2));
    for (const char *c = err.message; *c; c++)
        assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
    assert_true(s.range.real >= 0 && s.range.real <= 1 && s.range.whole >= 1);
    assert_non_null(s.mae.choice);
    struct arena a = {0};
    assert_non_null(options_text(&s.set, &a));
    arena_free(&a);
    options_free(&s.set);
}

static void test_random_bytes(void **state) {
    (void)state;
    struct rng r = rng_at((struct rng_key){3, RNG_TEST}, 0, 0);
    char text[700];
    for (int i = 0; i < 4000; i++) {
        uint32_t n = rng_below(&r, sizeof text);
        for (uint32_t c = 0; c < n; c++)
            text[c] = i % 2 ? "[]mae=realtxw 0.5;#\n\n\\ \t"[rng_below(&r, 25)]
                            : (char)(1 + rng_below(&r, 255));
        text[n] = '\0';
        try_broken_text(text);
    }
}

static void test_mutated_text(void **state) {
    (void)state;
    struct settings s;
    struct arena a = {0};
    settings_open(&s);
    s.mae.text = "path/with ; many \\ things #";
    char *good = options_text(&s.set, &a);
    size_t n = strlen(good);
    char *text = arena_alloc(&a, n + 1);
    struct rng r = rng_at((struct rng_key){4, RNG_TEST}, 0, 0);
    for (int i = 0; i < 4000; i++) {
        memcpy(text, good, n + 1);
        for (uint32_t k = 1 + rng_below(&r, 3); k > 0; k--)
            text[rng_below(&r, (uint32_t)n)] = (char)(1 + rng_below(&r, 255));
        if (i % 4 == 0)
            text[rng_below(&r, (uint32_t)n)] = '\0'; /* cut short */
        try_broken_text(text);
    }
    options_free(&s.set);
    arena_free(&a);
}

static void test_nearest_name(void **state) {
    (void)state;
    static const char *const names[] = {"simclr",          "moco", "byol",   "dino", "mae",
                                        "context_encoder", "beit", "rotnet", "lr"};
    static const struct {
        const char *typed, *meant;
    } cases[] = {
        {"simclr", "simclr"},
        {"simlcr", "simclr"},
        {"SimCLR", "simclr"},
        {"mocov", "moco"},
        {"mea", "mae"},
        {"rotnt", "rotnet"},
        {"context-encodr", "context_encoder"},
        {"l", "lr"},
        {"supervised", NULL},
        {"", NULL},
        {"k", NULL},
        {"zzzz", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *nearest = nearest_name(cases[i].typed, names, 9);
        if (!cases[i].meant)
            assert_null(nearest);
        else
            assert_string_equal(nearest, cases[i].meant);
    }
    assert_null(nearest_name("mae", names, 0));
    char longer[5000];
    memset(longer, 'm', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_null(nearest_name(longer, names, 9));
    const char *const only_longer[] = {longer};
    assert_null(nearest_name("mae", only_longer, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical_text),     cmocka_unit_test(test_shortest_numbers),
        cmocka_unit_test(test_numbers_round_trip), cmocka_unit_test(test_texts_round_trip),
        cmocka_unit_test(test_long_lines),         cmocka_unit_test(test_print_config),
        cmocka_unit_test(test_print_help),         cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_mutated_text),       cmocka_unit_test(test_nearest_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
