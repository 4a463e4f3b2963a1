/* Tables as data: every format of a small one, and texts of every kind through CSV and JSON and
 * back, read by other programs' parsers. */
#include "reports/listing.h"

#include "core/rng.h"
#include "reports/listings.h"

#include "tests/place.h"
#include "tests/report_runs.h"

#include <csv.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static char *written(struct place *here, const struct listing *l, enum listing_format f) {
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    listing_write(l, f, out);
    assert_int_equal(fclose(out), 0);
    char *copy = arena_strdup(&here->arena, text);
    free(text);
    return copy;
}

static struct listing *small(struct place *here) {
    static const struct listing_column columns[] = {{"label", "method", 0, FOR_PEOPLE},
                                                    {"method", "method", 0, FOR_PROGRAMS},
                                                    {"gain", "gain, points", 1, FOR_ALL},
                                                    {"n", "n", 1, FOR_ALL}};
    struct arena *a = &here->arena;
    struct listing *l = listing_new("gains", "Gains", "What was gained.", columns, 4, 3, a);
    static const char *const names[] = {"a_b", "c|d & e", "long \"name\""};
    for (int r = 0; r < 3; r++) {
        listing_set_text(l, r, 0, names[r]);
        listing_set_text(l, r, 1, names[r]);
        listing_set_number(l, r, 3, r + 1, NULL, a);
    }
    listing_set_number(l, 0, 2, -9.625, "-9.6 [-12.0, -7.2]", a);
    listing_set_number(l, 1, 2, 10.125, "+10.1 [+8, +12]", a);
    listing_set_number(l, 2, 2, NAN, "no run", a);
    listing_at(l, 1, 2)->marked = 1;
    listing_note(l, "100 % of it", a);
    listing_note(l, "100 % of it", a);
    assert_int_equal(l->n_notes, 1);
    return l;
}

static void test_text(void **state) {
    struct place *here = *state;
    assert_string_equal(written(here, small(here), LISTING_TEXT),
                        "Gains\nWhat was gained.\n\n"
                        "method        gain, points           n\n"
                        "a_b             -9.6 [-12.0, -7.2]   1\n"
                        "c|d & e       =+10.1 [+8, +12]       2\n"
                        "long \"name\"    no run                3\n"
                        "\n= cannot be told from the best of its column\n100 % of it\n");
}

static void test_csv(void **state) {
    struct place *here = *state;
    assert_string_equal(written(here, small(here), LISTING_CSV), "method,gain,gain_marked,n\r\n"
                                                                 "a_b,-9.625,0,1\r\n"
                                                                 "c|d & e,10.125,1,2\r\n"
                                                                 "\"long \"\"name\"\"\",,0,3\r\n");
}

static void test_json(void **state) {
    struct place *here = *state;
    json_t *all = json_loads(written(here, small(here), LISTING_JSON), 0, NULL);
    assert_non_null(all);
    const json_t *rows = json_object_get(all, "rows"), *second = json_array_get(rows, 1);
    assert_int_equal(json_array_size(rows), 3);
    assert_string_equal(json_string_value(json_object_get(second, "method")), "c|d & e");
    assert_null(json_object_get(second, "label"));
    assert_true(json_real_value(json_object_get(second, "gain")) == 10.125);
    assert_true(json_is_true(json_object_get(second, "gain_marked")));
    assert_int_equal(json_integer_value(json_object_get(second, "n")), 2);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 2), "gain")));
    assert_string_equal(json_string_value(json_object_get(all, "title")), "Gains");
    json_decref(all);
}

static void test_markdown(void **state) {
    struct place *here = *state;
    assert_string_equal(written(here, small(here), LISTING_MARKDOWN),
                        "**Gains.** What was gained.\n\n"
                        "| method | gain, points | n |\n"
                        "| --- | --- | ---: |\n"
                        "| a\\_b | -9.6 \\[-12.0, -7.2\\] | 1 |\n"
                        "| c\\|d \\& e | **+10.1 \\[+8, +12\\]** | 2 |\n"
                        "| long \"name\" | no run | 3 |\n"
                        "\nBold: cannot be told from the best of its column.\n"
                        "\n100 % of it\n");
}

static void test_latex(void **state) {
    struct place *here = *state;
    assert_string_equal(
        written(here, small(here), LISTING_LATEX),
        "% \\usepackage{booktabs}\n\\begin{table}[tbp]\n\\centering\n"
        "\\caption{Gains. What was gained. Bold: cannot be told from the best of its column.}\n"
        "\\label{tab:gains}\n\\begin{tabular}{llr}\n\\toprule\n"
        "method & gain, points & n \\\\\n\\midrule\n"
        "a\\_b & \\phantom{0}$-$9.6 {\\small {[}$-$12.0, $-$7.2{]}} & 1 \\\\\n"
        "c\\textbar{}d \\& e & \\textbf{+10.1} {\\small {[}+8, +12{]}} & 2 \\\\\n"
        "long ``name'' & no run & 3 \\\\\n"
        "\\bottomrule\n\\end{tabular}\n"
        "\n\\par\\smallskip{\\footnotesize 100 \\% of it\\par}\n\\end{table}\n");
}

static void test_html(void **state) {
    struct place *here = *state;
    const char *text = written(here, small(here), LISTING_HTML);
    assert_non_null(strstr(text, "<caption><span><b>Gains</b> What was gained.</span></caption>"));
    assert_non_null(strstr(text, "<th scope=\"row\">c|d &amp; e</th>"
                                 "<td class=\"n wide\" data-v=\"10.125\"><b>+10.1 "
                                 "<small>[+8, +12]</small></b></td>"));
    /* A blank as wide as a digit, and minus signs. */
    assert_non_null(strstr(text, "data-v=\"-9.625\">\xe2\x80\x87\xe2\x88\x92"
                                 "9.6 <small>[\xe2\x88\x92"
                                 "12.0, "));
    assert_non_null(strstr(text, "<td class=\"n wide\">no run</td>"));
    assert_non_null(strstr(text, "<th scope=\"row\">long &quot;name&quot;</th>"));
}

/* ---- any text ---- */

enum { COLUMNS = 3, ROWS = 40, LONGEST = 24 };

static char *put_character(char *to, uint32_t code) {
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const int first[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(first[more] | (int)(code >> (6 * more)));
    for (int i = more - 1; i >= 0; i--)
        *to++ = (char)(0x80 | (code >> (6 * i) & 0x3f));
    return to;
}

/* Valid UTF-8 without NUL: signs that formats use, controls, any character. */
static char *any_text(uint32_t n, struct arena *a) {
    static const char special[] = ",\"\r\n\t;|\\'`*_<>&{}[]$#%^~= -";
    struct rng r = rng_at((struct rng_key){7, RNG_TEST}, 0, n);
    char *text = arena_alloc(a, 4 * LONGEST + 1), *to = text;
    const uint32_t length = rng_below(&r, LONGEST);
    for (uint32_t i = 0; i < length; i++) {
        const uint32_t kind = rng_below(&r, 4);
        uint32_t code = kind < 2    ? (uint32_t)special[rng_below(&r, sizeof special - 1)]
                        : kind == 2 ? 1 + rng_below(&r, 0x7f)
                                    : 1 + rng_below(&r, 0x10ffff);
        to = put_character(to, code >= 0xd800 && code < 0xe000 ? 'x' : code);
    }
    return text;
}

static struct listing *any_listing(struct place *here) {
    static const struct listing_column columns[COLUMNS] = {
        {"x,\"y\"", "x | y", 0, FOR_ALL}, {"z", "z", 0, FOR_ALL}, {"v", "v", 1, FOR_ALL}};
    struct listing *l = listing_new("any", "", "", columns, COLUMNS, ROWS, &here->arena);
    for (int r = 0; r < ROWS; r++) {
        struct rng g = rng_at((struct rng_key){7, RNG_TEST}, 1, (uint32_t)r);
        listing_set_text(l, r, 0, any_text((uint32_t)(2 * r), &here->arena));
        listing_set_text(l, r, 1, any_text((uint32_t)(2 * r + 1), &here->arena));
        listing_set_number(l, r, 2, rng_normal(&g) * exp(20 * rng_normal(&g)), NULL, &here->arena);
    }
    return l;
}

struct parsed {
    char *field[(ROWS + 1) * COLUMNS];
    int n, rows;
    struct arena *a;
};

static void take_field(void *field, size_t n, void *to) {
    struct parsed *p = to;
    if (p->n < (ROWS + 1) * COLUMNS)
        p->field[p->n] = arena_printf(p->a, "%.*s", (int)n, (const char *)field);
    p->n++;
}

static void take_row(int end, void *to) {
    (void)end;
    ((struct parsed *)to)->rows++;
}

/* libcsv drops blanks around fields, which RFC 4180 keeps. */
static int no_space(unsigned char c) {
    (void)c;
    return 0;
}

static void test_any_text_through_csv(void **state) {
    struct place *here = *state;
    const struct listing *l = any_listing(here);
    const char *text = written(here, l, LISTING_CSV);
    struct parsed p = {.a = &here->arena};
    struct csv_parser parser;
    assert_int_equal(csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI), 0);
    csv_set_space_func(&parser, no_space);
    assert_int_equal(csv_parse(&parser, text, strlen(text), take_field, take_row, &p),
                     strlen(text));
    assert_int_equal(csv_fini(&parser, take_field, take_row, &p), 0);
    csv_free(&parser);
    assert_int_equal(p.n, (ROWS + 1) * COLUMNS);
    assert_int_equal(p.rows, ROWS + 1);
    assert_string_equal(p.field[0], "x,\"y\"");
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < 2; c++)
            assert_string_equal(p.field[(r + 1) * COLUMNS + c], listing_at(l, r, c)->text);
        assert_true(strtod(p.field[(r + 1) * COLUMNS + 2], NULL) == listing_at(l, r, 2)->value);
    }
}

static void test_any_text_through_json(void **state) {
    struct place *here = *state;
    const struct listing *l = any_listing(here);
    json_error_t why;
    json_t *all = json_loads(written(here, l, LISTING_JSON), JSON_REJECT_DUPLICATES, &why);
    if (!all)
        fail_msg("%s in line %d", why.text, why.line);
    for (int r = 0; r < ROWS; r++) {
        const json_t *row = json_array_get(json_object_get(all, "rows"), (size_t)r);
        for (int c = 0; c < 2; c++)
            assert_string_equal(json_string_value(json_object_get(row, l->column[c].name)),
                                listing_at(l, r, c)->text);
        assert_true(json_number_value(json_object_get(row, "v")) == listing_at(l, r, 2)->value);
    }
    json_decref(all);
}

/* Bytes that are no UTF-8 stop nobody. */
static void test_broken_text(void **state) {
    struct place *here = *state;
    struct listing *l = small(here);
    listing_set_text(l, 0, 1, "a\xff\xc3");
    json_t *all = json_loads(written(here, l, LISTING_JSON), 0, NULL);
    assert_non_null(all);
    const json_t *row = json_array_get(json_object_get(all, "rows"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "method")),
                        "a\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(all);
}

/* In formats for people a cell is one cell, whatever is in it: as many rows and columns as there
 * are, and nothing of a text is markup. */
static void test_any_text_for_people(void **state) {
    struct place *here = *state;
    const struct listing *l = any_listing(here);
    const char *text = written(here, l, LISTING_MARKDOWN);
    int bars = 0, lines = 0;
    for (const char *c = text; *c; c++) {
        if (*c == '\\')
            c++;
        else
            bars += *c == '|';
    }
    assert_int_equal(bars, (ROWS + 2) * (COLUMNS + 1));
    text = written(here, l, LISTING_HTML);
    int tags = 0, cells = 0;
    for (const char *c = text; (c = strchr(c, '<')); c++) {
        tags++;
        cells += !strncmp(c, "<td", 3) || !strncmp(c, "<th ", 4);
    }
    assert_int_equal(cells, (ROWS + 1) * COLUMNS);
    /* div, table, caption, span, b, thead, tbody: both; tr and cells: both */
    assert_int_equal(tags, 2 * (7 + (ROWS + 1) * (1 + COLUMNS)));
    text = written(here, l, LISTING_LATEX);
    const char *body = strstr(text, "\\midrule\n") + strlen("\\midrule\n");
    const char *end = strstr(body, "\\bottomrule");
    int ampersands = 0;
    for (const char *c = body; c < end; c++) {
        lines += *c == '\n';
        if (*c == '\\')
            c++;
        else
            ampersands += *c == '&';
    }
    assert_int_equal(lines, ROWS);
    assert_int_equal(ampersands, ROWS * (COLUMNS - 1));
}

static void test_long_table_of_latex(void **state) {
    struct place *here = *state;
    static const struct listing_column columns[] = {{"x", "x", 0, FOR_ALL}};
    struct listing *l = listing_new("long", "Long", "", columns, 1, 100, &here->arena);
    const char *text = written(here, l, LISTING_LATEX);
    assert_non_null(strstr(text, "\\begin{longtable}{l}\n\\caption{Long}"));
    assert_non_null(strstr(text, "\\endhead"));
    assert_null(strstr(text, "\\begin{table}"));
}

static void test_formats_by_name(void **state) {
    (void)state;
    for (int f = 0; f < LISTING_FORMATS; f++) {
        assert_int_equal(listing_format_find(listing_format_name((enum listing_format)f)), f);
        assert_int_equal(listing_format_find(listing_format_suffix((enum listing_format)f)), f);
    }
    assert_int_equal(listing_format_find("xls"), -1);
}

/* ---- tables of runs ---- */

static char *table(struct place *here, struct runs *runs, const char *name) {
    struct listing *l = NULL;
    struct error err = {0};
    if (listing_of_runs(name, runs->run, runs->n, &here->arena, &l, &err))
        fail_msg("%s", err.message);
    assert_string_equal(l->name, name);
    return written(here, l, LISTING_CSV);
}

static void add_three(struct runs *runs) {
    for (int s = 0; s < 3; s++) {
        add_result(runs, "random", s, "linear", 0.3 + 0.01 * s);
        add_result(runs, "mae", s, "linear", 0.5 + 0.02 * s);
    }
}

/* The numbers of t700_reports_table: 31 +- 2.484, 52 +- 4.968, differences of 20, 21 and 22. */
static void test_results(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    add_three(&runs);
    add_outcome(runs.run[0], "knn", "shapes", OUTCOME_SKIPPED, "too few images");
    const char *csv = table(here, &runs, "results");
    const char *mae = strstr(csv, "\r\nmae,vit-micro/8,shapes,,linear,shapes,,top1,52,");
    assert_non_null(mae);
    double lo, hi, d, d_lo, d_hi;
    assert_int_equal(sscanf(mae,
                            "\r\nmae,vit-micro/8,shapes,,linear,shapes,,top1,52,%lf,%lf,3,1000,t,"
                            "%lf,%lf,%lf,3,ok\r",
                            &lo, &hi, &d, &d_lo, &d_hi),
                     5);
    assert_true(fabs(lo - 47.0317) < 1e-3 && fabs(hi - 56.9683) < 1e-3);
    assert_true(fabs(d - 21) < 1e-9 && fabs(d_lo - 18.5159) < 1e-3 && fabs(d_hi - 23.4841) < 1e-3);
    assert_non_null(strstr(csv, "\r\nrandom,vit-micro/8,shapes,,knn,shapes,,top1,,,,0,,,,,,,"));
    struct listing *l = NULL;
    struct error err;
    assert_int_equal(listing_of_runs("results", runs.run, runs.n, &here->arena, &l, &err), 0);
    const char *text = written(here, l, LISTING_TEXT);
    assert_non_null(strstr(text, "52.0 [47.0, 57.0]      3   +21.0 [+18.5, +23.5]\n"));
    assert_null(strstr(text, " \n"));
    assert_non_null(strstr(text, "random, seed 0: skipped: too few images\n"));
    arena_free(&runs.arena);
}

static void test_methods(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    add_three(&runs);
    const double top1 = 0.9;
    add_eval(&runs, runs.run[1], "linear", "Shapes", &top1, 1); /* the same name but for its case */
    const char *csv = table(here, &runs, "methods");
    const char *head = "method,backbone,pretrained_on,settings,linear_shapes_mean,linear_shapes_lo,"
                       "linear_shapes_hi,linear_shapes_n,linear_shapes_2_mean,linear_shapes_2_lo,"
                       "linear_shapes_2_hi,linear_shapes_2_n\r\n";
    assert_int_equal(strncmp(csv, head, strlen(head)), 0);
    assert_non_null(strstr(csv, "\r\nmae,vit-micro/8,shapes,,90,,,1,52,"));
    arena_free(&runs.arena);
}

static void test_budgets_and_settings(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    add_three(&runs);
    for (int i = 0; i < runs.n; i++) {
        const int trains = !strcmp(runs.run[i]->method, "mae");
        runs.run[i]->budget = trains ? "images:300" : "none";
        runs.run[i]->achieved_images = trains ? 300 : 0;
        runs.run[i]->achieved_flops = 1.5e15;
        runs.run[i]->parameters = 1234;
        runs.run[i]->config = trains ? "seed = 1\nbatch = 32\nlr = 0.1\n[mae]\nmask_ratio = 0.75\n"
                                     : "seed = 2\nbatch = 32\nlr = 0\n";
    }
    assert_string_equal(table(here, &runs, "budgets"),
                        "method,backbone,settings,budget,runs,epochs,images,flops,seconds,"
                        "parameters\r\nmae,vit-micro/8,,images:300,3,0,300,1.5e+15,0,1234\r\n");
    assert_string_equal(table(here, &runs, "settings"),
                        "option,random,mae\r\nlr,,0.1\r\nmae.mask_ratio,,0.75\r\n");
    arena_free(&runs.arena);
}

static void test_origin(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    add_three(&runs);
    for (int i = 0; i < runs.n; i++) {
        struct run *r = runs.run[i];
        r->env_cpu = i ? "two" : "one, \"first\"";
        r->code_commit = "0123456789abcdef";
        r->code_dirty = 1;
        r->n_data = 1;
        r->data[0] = (struct run_data_source){
            .name = "shapes", .spec = "shapes:train=9", .n = 9, .n_bad = 2, .bad_names = "a\nb"};
        snprintf(r->data[0].root_hash, sizeof r->data[0].root_hash, "%s", i == 5 ? "ff" : "ee");
        if (i == 2)
            r->data[0].audit = "{\"train\": {\"duplicates\": 3}, \"test\": {\"images\": 4, "
                               "\"duplicates\": 0}, \"also_in_training\": 1}";
    }
    assert_string_equal(table(here, &runs, "data"),
                        "dataset,spec,training_images,test_images,left_out,duplicates_training,"
                        "duplicates_test,test_in_training,content_sha256,split_sha256,"
                        "class_order_sha256,runs\r\nshapes,shapes:train=9,9,4,2,3,0,1,ee,,,5\r\n"
                        "shapes,shapes:train=9,9,,2,,,,ff,,,1\r\n");
    assert_non_null(strstr(table(here, &runs, "environments"),
                           "property,environment_1,environment_2\r\nprocessor,\"one, "
                           "\"\"first\"\"\",two\r\n"));
    assert_non_null(
        strstr(table(here, &runs, "runs"),
               "\r\nmae-s2,mae,vit-micro/8,shapes,complete,,,,,0123456789abcdef,,two,"));
    arena_free(&runs.arena);
}

static void test_unknown_table(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct listing *l;
    struct error err = {0};
    add_three(&runs);
    assert_int_equal(listing_of_runs("result", runs.run, runs.n, &here->arena, &l, &err),
                     STATUS_USAGE);
    assert_non_null(strstr(err.message, "did you mean \"results\"?"));
    assert_non_null(strstr(err.message, "budgets"));
    arena_free(&runs.arena);
}

/* Of no run that was evaluated, and of none at all: a head and no lines. */
static void test_nothing(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    for (int n = 0; n < 2; n++) {
        for (const struct listing_source *s = listing_sources; s->name; s++)
            assert_non_null(strstr(table(here, &runs, s->name), "\r\n"));
        add_run(&runs, "mae", 0);
    }
    arena_free(&runs.arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_text),
        TEST(test_csv),
        TEST(test_json),
        TEST(test_markdown),
        TEST(test_latex),
        TEST(test_html),
        TEST(test_any_text_through_csv),
        TEST(test_any_text_through_json),
        TEST(test_broken_text),
        TEST(test_any_text_for_people),
        TEST(test_long_table_of_latex),
        TEST(test_formats_by_name),
        TEST(test_results),
        TEST(test_methods),
        TEST(test_budgets_and_settings),
        TEST(test_origin),
        TEST(test_unknown_table),
        TEST(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
