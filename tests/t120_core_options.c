/* Options: where a value may come from, what is refused and how, and that the text stored with a
 * run reads back as the same run. */
#include "core/log.h"
#include "core/options.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct general {
    int seed, quiet, verbose;
    const char *out;
};
struct mae {
    double mask_ratio, shift;
    int decoder_depth, norm_pix;
    const char *loss;
};

static const struct option_def general_options[] = {
    OPTION_INT(struct general, seed, 0, INT_MIN, INT_MAX, "random seed"),
    OPTION_BOOL(struct general, quiet, 0, "say less"),
    OPTION_BOOL(struct general, verbose, 1, "say more"),
    OPTION_TEXT(struct general, out, "out", NULL, "folder of results"), OPTION_END};
static const struct option_def mae_options[] = {
    OPTION_REAL(struct mae, mask_ratio, 0.75, 0, 0.99, "share of patches hidden"),
    OPTION_REAL(struct mae, shift, 0, -INFINITY, INFINITY, "anything"),
    OPTION_INT(struct mae, decoder_depth, 2, 1, 64, "transformer blocks in the decoder"),
    OPTION_BOOL(struct mae, norm_pix, 1, "normalise the pixels of a patch"),
    OPTION_TEXT(struct mae, loss, "mse", "mse|l1|huber", "of a pixel"),
    OPTION_END};

struct fixture {
    struct option_set set;
    struct general general;
    struct mae mae;
    struct arena arena;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    options_init(&f->set);
    options_add(&f->set, "", "General", general_options, &f->general);
    options_add(&f->set, "mae", "Masked autoencoder", mae_options, &f->mae);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    options_free(&f->set);
    arena_free(&f->arena);
    free(f);
    return 0;
}

static void accept(struct fixture *f, const char *key, const char *value) {
    struct error err = {0};
    int status = options_assign(&f->set, key, value, FROM_FLAG, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, 0);
}

static void expect_refusal(int status, const struct error *err, const char *const parts[3]) {
    assert_int_equal(status, STATUS_USAGE);
    assert_int_equal(err->status, STATUS_USAGE);
    for (const char *c = err->message; *c; c++)
        assert_true((unsigned char)*c >= ' ');
    for (int i = 0; i < 3 && parts[i]; i++)
        if (!strstr(err->message, parts[i]))
            fail_msg("\"%s\" is not in \"%s\"", parts[i], err->message);
}

/* Parses up to 8 arguments behind the program's name; those left are joined by blanks in `left`. */
static int parse(struct fixture *f, const char *const arguments[9], char left[200],
                 struct error *err) {
    char *argv[10] = {arena_strdup(&f->arena, "ssvbench")};
    int argc = 1;
    for (; arguments[argc - 1]; argc++)
        argv[argc] = arena_strdup(&f->arena, arguments[argc - 1]);
    int status = options_parse(&f->set, &argc, argv, err);
    left[0] = '\0';
    for (int i = 1; !status && i < argc; i++)
        strcat(strcat(left, i > 1 ? " " : ""), argv[i]);
    if (!status) {
        assert_string_equal(argv[0], "ssvbench");
        assert_null(argv[argc]);
    }
    return status;
}

#define PARSE(f, left, err, ...) parse(f, (const char *const[9]){__VA_ARGS__}, left, err)

static char *write_file(struct fixture *f, const char *name, const char *text, size_t bytes) {
    const char *base = getenv("TMPDIR");
    char *folder =
        arena_printf(&f->arena, "%s/ssvbench-t120-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    char *path = arena_printf(&f->arena, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void remove_file(char *path) {
    assert_int_equal(unlink(path), 0);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
}

static void test_defaults(void **state) {
    struct fixture *f = *state;
    assert_int_equal(f->general.seed, 0);
    assert_int_equal(f->general.verbose, 1);
    assert_string_equal(f->general.out, "out");
    assert_true(f->mae.mask_ratio == 0.75);
    assert_int_equal(f->mae.decoder_depth, 2);
    assert_string_equal(f->mae.loss, "mse");
    for (int s = 0; s < f->set.n; s++)
        for (int d = 0; d < 4; d++)
            assert_int_equal(f->set.sections[s].origins[d], FROM_DEFAULT);
}

static void test_values_taken(void **state) {
    struct fixture *f = *state;
    accept(f, "seed", "-2147483648");
    assert_int_equal(f->general.seed, INT_MIN);
    accept(f, "seed", "+7");
    assert_int_equal(f->general.seed, 7);
    accept(f, "mae.mask-ratio", "0");
    assert_true(f->mae.mask_ratio == 0);
    accept(f, "mae.mask_ratio", "9.9e-1");
    assert_true(f->mae.mask_ratio == 0.99);
    accept(f, "mae.shift", "-1.5E+3");
    assert_true(f->mae.shift == -1500);
    accept(f, "mae.shift", "5e-324");
    assert_true(f->mae.shift == 5e-324);
    accept(f, "mae.decoder_depth", "64");
    assert_int_equal(f->mae.decoder_depth, 64);
    accept(f, "mae.loss", "huber");
    assert_string_equal(f->mae.loss, "huber");
    accept(f, "out", "");
    assert_string_equal(f->general.out, "");
    static const char *const words[] = {"true", "Yes", "on", "1", "false", "no", "OFF", "0"};
    for (int i = 0; i < 8; i++) {
        f->general.quiet = -1;
        accept(f, "quiet", words[i]);
        assert_int_equal(f->general.quiet, i < 4);
    }
}

/* A text value outlives what it was given as. */
static void test_text_is_owned(void **state) {
    struct fixture *f = *state;
    char value[] = "results";
    accept(f, "out", value);
    value[0] = '\0';
    assert_string_equal(f->general.out, "results");
}

struct lists {
    const char *k, *rates;
};
static const struct option_def list_options[] = {
    OPTION_INTS(struct lists, k, "1 5 10", 1, 200, "neighbours"),
    OPTION_REALS(struct lists, rates, "1e-05 0.1 10", 0, 100, "learning rates"), OPTION_END};

static void test_lists(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *key, *text, *kept, *says;
    } cases[] = {{"probe.k", "20", "20", NULL},
                 {"probe.k", " 3, 2 ,,\t100 ", "3 2 100", NULL},
                 {"probe.rates", "0.10,1E2 3e-7", "0.1 100 3e-07", NULL},
                 {"probe.k", "", NULL, "\"\" is an empty list (1 to 200)"},
                 {"probe.k", "1 2.5", NULL, "\"2.5\" is not a whole number (1 to 200)"},
                 {"probe.k", "1 0", NULL, "\"0\" is out of range"},
                 {"probe.k", "7 1 7", NULL, "\"7\" is there twice"},
                 {"probe.rates", "0.1 nan", NULL, "\"nan\" is not a number"},
                 {"probe.rates", "1 1.0", NULL, "\"1.0\" is there twice"}};
    struct lists lists;
    double number[OPTION_LIST];
    options_add(&f->set, "probe", "Probe", list_options, &lists);
    assert_string_equal(lists.k, "1 5 10");
    assert_string_equal(lists.rates, "1e-05 0.1 10");
    assert_int_equal(options_numbers(lists.rates, number), 3);
    assert_true(number[0] == 1e-5 && number[1] == 0.1 && number[2] == 10);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        int status = options_assign(&f->set, cases[i].key, cases[i].text, FROM_FLAG, &err);
        const char *now = strcmp(cases[i].key, "probe.k") ? lists.rates : lists.k;
        if (cases[i].says)
            expect_refusal(status, &err, (const char *const[3]){cases[i].key, cases[i].says, NULL});
        else
            assert_string_equal(now, cases[i].kept);
    }
    char *many = arena_strdup(&f->arena, "");
    for (int i = 1; i <= OPTION_LIST + 1; i++)
        many = arena_printf(&f->arena, "%s %d", many, i);
    struct error err = {0};
    assert_int_equal(options_assign(&f->set, "probe.k", many, FROM_FLAG, &err), STATUS_USAGE);
}

struct maybe {
    double rate;
};
static const struct option_def maybe_options[] = {
    OPTION_REAL(struct maybe, rate, -1, -1, 10, "-1: chosen"), OPTION_END};

/* A number that may be left to the program is -1 then, and nothing else below 0. */
static void test_left_to_the_program(void **state) {
    struct fixture *f = *state;
    struct maybe maybe;
    options_add(&f->set, "maybe", "Maybe", maybe_options, &maybe);
    accept(f, "maybe.rate", "0");
    accept(f, "maybe.rate", "-1");
    assert_true(maybe.rate == -1);
    struct error err = {0};
    int status = options_assign(&f->set, "maybe.rate", "-0.5", FROM_FLAG, &err);
    expect_refusal(status, &err,
                   (const char *const[3]){"maybe.rate", "out of range (-1, or 0 to 10)", NULL});
}

static void test_values_refused(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *key, *value, *parts[3];
    } bad[] = {
        {"seed", "1e", {"seed: \"1e\" is not a whole number"}},
        {"seed", "", {"not a whole number"}},
        {"seed", " 3", {"not a whole number"}},
        {"seed", "3 ", {"not a whole number"}},
        {"seed", "3x", {"not a whole number"}},
        {"seed", "0x10", {"not a whole number"}},
        {"seed", "3.0", {"not a whole number"}},
        {"seed", "2147483648", {"out of range"}},
        {"seed", "-99999999999999999999999", {"out of range"}},
        {"mae.decoder_depth", "0", {"mae.decoder_depth: \"0\" is out of range (1 to 64)"}},
        {"mae.decoder_depth", "65", {"(1 to 64)"}},
        {"mae.mask_ratio", "1", {"mae.mask_ratio: \"1\" is out of range (0 to 0.99)"}},
        {"mae.mask_ratio", "-0.1", {"out of range"}},
        {"mae.mask_ratio", "nan", {"not a number (0 to 0.99)"}},
        {"mae.mask_ratio", "inf", {"not a number"}},
        {"mae.mask_ratio", "1e", {"not a number"}},
        {"mae.mask_ratio", "3x", {"not a number"}},
        {"mae.mask_ratio", "0x1p-1", {"not a number"}},
        {"mae.mask_ratio", "0,5", {"not a number"}},
        {"mae.mask_ratio", " 0.5", {"not a number"}},
        {"mae.mask_ratio", "0.5\n", {"not a number"}},
        {"mae.mask_ratio", "", {"not a number"}},
        {"mae.shift", "1e999", {"mae.shift: \"1e999\" is out of range"}},
        {"mae.shift", "-", {"not a number"}},
        {"quiet", "maybe", {"quiet: \"maybe\" is neither true nor false"}},
        {"quiet", "2", {"neither true nor false"}},
        {"mae.loss", "hubert", {"mae.loss: no choice", "mean \"huber\"", "mse, l1, huber"}},
        {"mae.loss", "", {"no choice \"\"; choices: mse, l1, huber"}},
        {"mae.loss", "mse|l1", {"no choice"}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error err = {0};
        int status = options_assign(&f->set, bad[i].key, bad[i].value, FROM_FLAG, &err);
        expect_refusal(status, &err, bad[i].parts);
    }
    test_defaults(state); /* nothing was changed */
}

static void test_unknown_names(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *key, *parts[3];
    } unknown[] = {
        {"sed", {"no option \"sed\"; did you mean \"seed\"?", "seed, quiet, verbose", "mae"}},
        {"mae.mask_ration", {"did you mean \"mae.mask_ratio\"?", "mae.decoder_depth"}},
        {"mask_ratio", {"did you mean \"mae.mask_ratio\"?"}},
        {"mea.mask_ratio", {"did you mean \"mae.mask_ratio\"?", "sections: mae"}},
        {"mae.zzzzzzzz", {"; valid here: mae.mask_ratio, mae.shift"}},
        {"mae.", {"valid here"}},
        {".seed.", {"sections: mae"}},
        {"", {"no option \"\"; valid here: seed"}},
        {"a\nb", {"no option \"a?b\""}},
    };
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        struct error err = {0};
        int status = options_assign(&f->set, unknown[i].key, "1", FROM_FLAG, &err);
        expect_refusal(status, &err, unknown[i].parts);
    }
}

static void test_flags(void **state) {
    struct fixture *f = *state;
    char left[200];
    struct error err = {0};
    assert_int_equal(PARSE(f, left, &err, "run", "--seed", "-3", "--mae.mask-ratio=0.5", "--quiet",
                           "x", "--no-verbose"),
                     0);
    assert_string_equal(left, "run x");
    assert_int_equal(f->general.seed, -3);
    assert_true(f->mae.mask_ratio == 0.5);
    assert_int_equal(f->general.quiet, 1);
    assert_int_equal(f->general.verbose, 0);
    assert_int_equal(PARSE(f, left, &err, "--quiet=no", "--set", "mae.loss=l1", "--help",
                           "--set=out=a=b", "--no-mae.norm-pix", "--print-config", "--version"),
                     0);
    assert_string_equal(left, "--help --print-config --version");
    assert_int_equal(f->general.quiet, 0);
    assert_string_equal(f->mae.loss, "l1");
    assert_string_equal(f->general.out, "a=b");
    assert_int_equal(f->mae.norm_pix, 0);
    assert_int_equal(PARSE(f, left, &err, "-", "--out=", "--", "--seed", "--", "-v"), 0);
    assert_string_equal(left, "- --seed -- -v");
    assert_string_equal(f->general.out, "");
    assert_int_equal(parse(f, (const char *const[9]){NULL}, left, &err), 0);
    assert_string_equal(left, "");
}

static void test_flags_refused(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *arguments[9], *parts[3];
    } bad[] = {
        {{"--seed"}, {"--seed needs a value", "--seed=VALUE"}},
        {{"--seed", "--quiet"}, {"--seed needs a value"}},
        {{"-v"}, {"\"-v\": flags begin with two dashes"}},
        {{"--mae.mask-ratio"}, {"(0 to 0.99)"}},
        {{"--mae.loss"}, {"(mse|l1|huber)"}},
        {{"--sed", "3"}, {"did you mean \"seed\"?"}},
        {{"--no-quite"}, {"no option \"no-quite\""}},
        {{"--no-seed"}, {"--no-seed: seed is not a true/false option"}},
        {{"--no-quiet=1"}, {"--no-quiet takes no value"}},
        {{"--quiet="}, {"neither true nor false"}},
        {{"--set", "seed"}, {"--set seed: expected NAME=VALUE"}},
        {{"--set"}, {"--set needs a value (NAME=VALUE)"}},
        {{"--set", "=3"}, {"no option \"\""}},
        {{"--config"}, {"--config needs a value (FILE)"}},
        {{"--config", "/no/such/file.ini"}, {"/no/such/file.ini", "No such file"}},
        {{"--=3"}, {"no option \"\""}},
        {{"--help=1"}, {"no option \"help\""}},
        {{"--se\033d"}, {"se?d"}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char left[200];
        struct error err = {0};
        expect_refusal(parse(f, bad[i].arguments, left, &err), &err, bad[i].parts);
    }
}

static void test_environment(void **state) {
    struct fixture *f = *state;
    struct error err = {0};
    setenv("SSVBENCH_MAE_MASK_RATIO", "0.25", 1);
    setenv("SSVBENCH_OUT", "elsewhere", 1);
    assert_int_equal(options_load_environment(&f->set, &err), 0);
    assert_true(f->mae.mask_ratio == 0.25);
    assert_string_equal(f->general.out, "elsewhere");
    assert_int_equal(f->set.sections[1].origins[0], FROM_ENVIRONMENT);
    setenv("SSVBENCH_MAE_MASK_RATIO", "2", 1);
    expect_refusal(options_load_environment(&f->set, &err), &err,
                   (const char *const[3]){"SSVBENCH_MAE_MASK_RATIO: ", "out of range"});
    unsetenv("SSVBENCH_MAE_MASK_RATIO");
    unsetenv("SSVBENCH_OUT");
    log_setup(LOG_ERROR);
    setenv("SSVBENCH_OUTT", "only a warning", 1);
    assert_int_equal(options_load_environment(&f->set, &err), 0);
    unsetenv("SSVBENCH_OUTT");
    log_setup(LOG_INFO);
}

/* Flag > environment > file > default, whatever comes first; and what is beaten must be valid. */
static void test_precedence(void **state) {
    (void)state;
    static const char *const values[] = {"1", "2", "3", "4"};
    for (int first = 0; first < 4; first++) {
        for (int second = 0; second < 4; second++) {
            void *fresh;
            set_up(&fresh);
            struct fixture *f = fresh;
            struct error err = {0};
            int winner = second >= first ? second : first;
            assert_int_equal(options_assign(&f->set, "seed", values[first], first, &err), 0);
            assert_int_equal(options_assign(&f->set, "seed", values[second], second, &err), 0);
            assert_int_equal(f->general.seed, winner + 1);
            assert_int_equal(f->set.sections[0].origins[0], winner);
            assert_int_equal(options_assign(&f->set, "seed", "x", FROM_DEFAULT, &err),
                             STATUS_USAGE);
            tear_down(&fresh);
        }
    }
}

static void test_file(void **state) {
    struct fixture *f = *state;
    static const char text[] = "# a comment\n; another\n\nseed = 5\r\n  out : a b ; said behind\n"
                               "\n[mae] ; the method\n\tmask-ratio=0.5\n   decoder_depth\t= 3\n"
                               "shift = -1e-3 ;comment\nloss = l1";
    char *path = write_file(f, "a.ini", text, strlen(text)), left[200];
    struct error err = {0};
    assert_int_equal(PARSE(f, left, &err, "--mae.shift=2", "--config", path, "rest"), 0);
    remove_file(path);
    assert_string_equal(left, "rest");
    assert_int_equal(f->general.seed, 5);
    assert_string_equal(f->general.out, "a b");
    assert_true(f->mae.mask_ratio == 0.5);
    assert_int_equal(f->mae.decoder_depth, 3);
    assert_true(f->mae.shift == 2); /* the flag stays */
    assert_string_equal(f->mae.loss, "l1");
    assert_int_equal(f->set.sections[1].origins[0], FROM_FILE);
    assert_int_equal(f->set.sections[1].origins[1], FROM_FLAG);
}

static void test_file_forms(void **state) {
    struct fixture *f = *state;
    struct error err = {0};
    assert_int_equal(options_load_text(&f->set, "\xEF\xBB\xBFseed = 6\nmae.loss = l1", "t", &err),
                     0);
    assert_int_equal(f->general.seed, 6);
    assert_string_equal(f->mae.loss, "l1");
    assert_int_equal(
        options_load_text(&f->set, "out = a;b#c\\;\\s\\\\\\x41\\n\\#\\t\\r\nseed = 1\nseed = 2\n",
                          "t", &err),
        0);
    assert_string_equal(f->general.out, "a;b#c; \\A\n#\t\r");
    assert_int_equal(f->general.seed, 2);
    assert_int_equal(options_load_text(&f->set, "out =\n", "t", &err), 0);
    assert_string_equal(f->general.out, "");
    assert_int_equal(options_load_text(&f->set, "", "t", &err), 0);
}

static void test_file_refused(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *text, *parts[3];
    } bad[] = {
        {"seed = 1\n\nseed = 1e\nquiet = 1", {"t.ini:3: seed: \"1e\" is not a whole number"}},
        {"[mae]\n# c\nmask = 0.5\n", {"t.ini:3: no option \"mae.mask\"", "mae.mask_ratio"}},
        {"seed = 1\n[mea]\nshift = 0\n", {"t.ini:3: ", "did you mean \"mae.shift\"?"}},
        {"seed = 1\nnonsense\nseed = 2\n", {"t.ini:2: expected \"name = value\""}},
        {"seed = 1\n[mae\nshift = 0\n", {"t.ini:2: expected"}},
        {"out = a\\qb", {"t.ini:1: \"\\q\" means nothing", "backslash"}},
        {"out = a\\", {"t.ini:1: \"\\\" means nothing"}},
        {"out = \\x4", {"t.ini:1: \"\\x\" means nothing"}},
        {"= 3", {"t.ini:1: no option \"\""}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error err = {0};
        expect_refusal(options_load_text(&f->set, bad[i].text, "t.ini", &err), &err, bad[i].parts);
    }
    struct error err = {0};
    char *path = write_file(f, "zero.ini", "seed = 1\n\0x", 11);
    expect_refusal(options_load(&f->set, path, FROM_FILE, &err), &err,
                   (const char *const[3]){"zero.ini: not a text file", "at 9"});
    remove_file(path);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_values_taken),
        TEST(test_text_is_owned),
        TEST(test_lists),
        TEST(test_left_to_the_program),
        TEST(test_values_refused),
        TEST(test_unknown_names),
        TEST(test_flags),
        TEST(test_flags_refused),
        TEST(test_environment),
        TEST(test_precedence),
        TEST(test_file),
        TEST(test_file_forms),
        TEST(test_file_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
