/* The page: well formed and self-contained whatever names and figures are; figures of gnuplot
 * become parts of it; colours of the dark scheme. */
#include "reports/page.h"

#include "core/file.h"
#include "reports/page_internal.h"

#include "tests/place.h"
#include "tests/report_runs.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static char *content(struct place *here, const char *name) {
    char *data = NULL;
    size_t bytes = 0;
    struct error err = {0};
    if (file_read(in(here, name), &here->arena, &data, &bytes, &err))
        fail_msg("%s", err.message);
    return data;
}

static void put(struct place *here, const char *name, const char *text) {
    struct error err = {0};
    assert_int_equal(make_folders(in(here, "figures"), &err), 0);
    assert_int_equal(file_write_atomic(in(here, name), text, strlen(text), &err), 0);
}

/* ---- a document ---- */

enum { DEEPEST = 64, LONGEST = 32, IDS = 4096 };

static int is_void(const char *name) {
    static const char *const names[] = {"meta", "br", "!DOCTYPE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return 1;
    return 0;
}

/* Every tag closed in its order; style and script have no tags in them. */
static void expect_well_formed(const char *text) {
    char open[DEEPEST][LONGEST];
    int depth = 0;
    for (const char *c = text; (c = strchr(c, '<'));) {
        char name[LONGEST];
        int closes = c[1] == '/';
        c += 1 + closes;
        size_t n = strcspn(c, " \t\n/>");
        assert_true(n > 0 && n < sizeof name);
        memcpy(name, c, n);
        name[n] = '\0';
        const char *end = c + n;
        for (char quote = 0; *end && (quote || *end != '>'); end++)
            if (*end == '"')
                quote = quote ? 0 : '"';
        if (*end != '>')
            fail_msg("no end of tag: %.60s", c);
        if (closes) {
            if (!depth || strcmp(open[depth - 1], name))
                fail_msg("</%s> ends <%s>: %.80s", name, depth ? open[depth - 1] : "nothing", c);
            depth--;
        } else if (!is_void(name)) {
            assert_true(depth < DEEPEST);
            strcpy(open[depth++], name);
        }
        c = end + 1;
        if (!closes && (!strcmp(name, "style") || !strcmp(name, "script"))) {
            char closing[LONGEST + 4];
            snprintf(closing, sizeof closing, "</%s>", name);
            c = strstr(c, closing);
            assert_non_null(c);
        }
    }
    assert_int_equal(depth, 0);
}

static void expect_unique_ids(const char *text, struct arena *a) {
    const char *ids[IDS];
    int n = 0;
    for (const char *c = text; (c = strstr(c, " id=\"")); c++) {
        const char *id = arena_printf(a, "%.*s", (int)strcspn(c + 5, "\""), c + 5);
        for (int i = 0; i < n; i++)
            if (!strcmp(ids[i], id))
                fail_msg("id %s twice", id);
        assert_true(n < IDS);
        ids[n++] = id;
    }
    /* Whatever is referred to is there. */
    for (const char *c = text; (c = strstr(c, "href=\"#")); c++) {
        const char *id = arena_printf(a, "%.*s", (int)strcspn(c + 7, "\""), c + 7);
        int found = 0;
        for (int i = 0; i < n; i++)
            found |= !strcmp(ids[i], id);
        if (!found)
            fail_msg("nothing has the id %s", id);
    }
}

/* Nothing is fetched: links lead to files beside the page, pictures are data. */
static void expect_self_contained(const char *text) {
    static const char *const forbidden[] = {
        "http:", "https:",      "//www",    "@import", "<link", "<iframe",
        "<img",  "javascript:", " onclick", " onload", " src="};
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (strstr(text, forbidden[i]))
            fail_msg("%s in the page: %.80s", forbidden[i], strstr(text, forbidden[i]));
    for (const char *c = text; (c = strstr(c, "href=\"")); c++) {
        c += 6;
        assert_true(!strncmp(c, "#", 1) || !strncmp(c, "figures/", 8) ||
                    !strncmp(c, "tables/", 7) || !strncmp(c, "data:image/png;base64,", 22));
    }
    for (const char *c = text; (c = strstr(c, "url(")); c++)
        assert_int_equal(c[4], '#');
    assert_non_null(strstr(text, "default-src 'none'"));
}

static char *page(struct place *here, const struct page_input *in_) {
    struct error err = {0};
    if (report_page(in_, here->folder, &err))
        fail_msg("%s", err.message);
    char *text = content(here, "index.html");
    expect_well_formed(text);
    expect_unique_ids(text, &here->arena);
    expect_self_contained(text);
    return text;
}

/* ---- figures ---- */

#define SVG_HEAD                                                                                   \
    "<?xml version=\"1.0\" encoding=\"utf-8\"  standalone=\"no\"?>\n<svg \n width=\"600\" "        \
    "height=\"300\"\n viewBox=\"0 0 600 300\"\n xmlns=\"http://www.w3.org/2000/svg\"\n "           \
    "xmlns:xlink=\"http://www.w3.org/1999/xlink\"\n>\n<title>Gnuplot</title>\n<desc>Produced by "  \
    "GNUPLOT</desc>\n<g id=\"gnuplot_canvas\">\n<rect x=\"0\" y=\"0\" width=\"600\" "              \
    "height=\"300\" fill=\"#ffffff\"/>\n<defs>\n<circle id='gpDot' r='0.5'/>\n</defs>\n"
#define SVG_TEXT(y, text)                                                                          \
    "<g transform=\"translate(9.6," y ")\" stroke=\"none\" fill=\"rgb( 34,  34,  34)\" "           \
    "font-family=\"DejaVu Sans\" font-size=\"8.00\"  text-anchor=\"end\">\n\t\t<text>" text        \
    "</text>\n\t</g>\n"

static const char svg[] =
    SVG_HEAD "<g id=\"gnuplot_plot_1\" ><title>DATA using 1</title>\n"
             "<use xlink:href='#gpDot' transform='translate(3,4)' color='rgb( 51,  34, 136)'/>\n"
             "<path style='fill:url(#gpDot)' onclick=\"evil()\" d='M1,2 L3,4'/></g>\n"
             "<script>evil()</script>\n" SVG_TEXT("40.5", "a &lt; b &amp; c")
                 SVG_TEXT("250", "axis") SVG_TEXT("280.00", "First line of the &lt;caption&gt;")
                     SVG_TEXT("293.00", "and the second.") "</g>\n</svg>\n";
static const char dat[] = "# What it draws.\n\n\n# caption\n# line\ttext\n1\tFirst line of the "
                          "<caption>\n2\tand the second.\n\n\n# more\n1\t2\n";

static const struct page_figure two[] = {{"main", "Every <seed>"}, {"loss", "Training loss"}};

static void test_a_figure(void **state) {
    struct place *here = *state;
    put(here, "figures/main.svg", svg);
    put(here, "figures/main.dat", dat);
    const struct page_svg s = page_svg_read(here->folder, "main", "Every <seed>", &here->arena);
    assert_non_null(s.text);
    assert_string_equal(s.caption, "First line of the <caption> and the second.");
    expect_well_formed(s.text);
    expect_unique_ids(s.text, &here->arena);
    assert_non_null(strstr(s.text, "aria-label=\"Every &lt;seed&gt;. First line of the &lt;"));
    assert_non_null(strstr(s.text, "<circle id=\"main-gpDot\" r=\"0.5\"></circle>"));
    assert_non_null(strstr(s.text, "<use href=\"#main-gpDot\" transform=\"translate(3,4)\" "
                                   "color=\"var(--main-1)\"></use>"));
    assert_non_null(strstr(s.text, "style=\"fill:url(#main-gpDot)\""));
    assert_non_null(strstr(s.text, "<text>a &lt; b &amp; c</text>"));
    assert_non_null(strstr(s.text, "font-family=\"DejaVu Sans, Verdana, sans-serif\""));
    static const char *const gone[] = {"evil",
                                       "Gnuplot",
                                       "DATA using",
                                       "xmlns",
                                       "xlink",
                                       "First line of the &lt;caption&gt;</text>",
                                       "rgb(",
                                       "and the second.</text>",
                                       "width=\"600\" height=\"300\"\n"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        assert_null(strstr(s.text, gone[i]));
    /* Cut above its caption, and below its last text. */
    assert_non_null(strstr(s.text, "viewBox=\"0 0 600 266\""));
    assert_non_null(strstr(s.css, "--main-0: #ffffff; --main-1: #332288; --main-2: #222222 }"));
    assert_non_null(strstr(s.css, "prefers-color-scheme: dark"));
    assert_int_equal(s.is_raster, 0);
}

/* Flags are lines of the caption that say so in a third column. */
static void test_flags_of_a_figure(void **state) {
    struct place *here = *state;
    put(here, "figures/main.svg", svg);
    put(here, "figures/main.dat",
        "# x\n\n\n# caption\n# line\ttext\t1: flags\n1\tFirst line of the <caption>\t0\n2\tand the "
        "second.\t1\n");
    const struct page_svg s = page_svg_read(here->folder, "main", "t", &here->arena);
    assert_string_equal(s.caption, "First line of the <caption>");
    assert_string_equal(s.flags, "and the second.");
    assert_non_null(strstr(s.text, "viewBox=\"0 0 600 266\""));
}

static void test_a_picture(void **state) {
    struct place *here = *state;
    put(here, "figures/main_image_01.png", "\x89PNG");
    put(here, "figures/main.svg",
        SVG_HEAD "<image x='0' width='4' height='4' xlink:href='main_image_01.png'/></g></svg>");
    const struct page_svg s = page_svg_read(here->folder, "main", "t", &here->arena);
    assert_non_null(s.text);
    assert_int_equal(s.is_raster, 1);
    assert_non_null(strstr(s.text, "href=\"data:image/png;base64,iVBORw==\"")); /* RFC 4648 */
    assert_non_null(strstr(s.text, "viewBox=\"0 0 600 300\"")); /* no caption was found */
    assert_string_equal(s.caption, "");
}

/* What is no SVG, or asks for something elsewhere, is left out. */
static void test_unusable_figures(void **state) {
    struct place *here = *state;
    static const char *const bad[] = {
        "",
        "the old picture",
        "<html></html>",
        SVG_HEAD,
        SVG_HEAD "</svg>",
        SVG_HEAD "</g></g></svg>",
        SVG_HEAD "<path d='M1,2</g></svg>",
        SVG_HEAD "<path d=M1,2/></g></svg>",
        SVG_HEAD "<path d='a\"b'/></g></svg>",
        SVG_HEAD "<image xlink:href='http://x.example/y.png'/></g></svg>",
        SVG_HEAD "<image xlink:href='missing.png'/></g></svg>",
        "<svg viewBox='0 0 0 0'><g></g></svg>",
        "<svg><g></g></svg>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(here, "figures/main.svg", bad[i]);
        if (page_svg_read(here->folder, "main", "t", &here->arena).text)
            fail_msg("taken: %s", bad[i]);
    }
    assert_null(page_svg_read(here->folder, "none", "t", &here->arena).text);
    put(here, "figures/main.svg",
        SVG_HEAD "<a xlink:href='http://x.example'><text>t</text></a></g></svg>");
    assert_null(strstr(page_svg_read(here->folder, "main", "t", &here->arena).text, "http"));
}

/* Cut or changed anywhere, an SVG gives something well formed or nothing. */
static void test_damaged_figures(void **state) {
    struct place *here = *state;
    const size_t n = strlen(svg);
    int taken = 0;
    for (size_t i = 0; i < n; i += 7)
        for (int kind = 0; kind < 3; kind++) {
            char *text = arena_strdup(&here->arena, svg);
            if (kind == 0)
                text[i] = '\0';
            else
                text[i] = kind == 1 ? '<' : '"';
            put(here, "figures/main.svg", text);
            const struct page_svg s = page_svg_read(here->folder, "main", "t", &here->arena);
            taken += s.text != NULL;
            if (s.text)
                expect_well_formed(s.text);
        }
    assert_true(taken > 0);
}

/* ---- pages ---- */

static void test_whole_page(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    for (int s = 0; s < 3; s++) {
        add_result(&runs, "random", s, "linear", 0.3 + 0.01 * s);
        add_result(&runs, "mae", s, "linear", 0.5 + 0.02 * s)->argv =
            "ssvbench\nrun\n--methods\nit's";
        add_result(&runs, "supervised", s, "linear", 0.9 + 0.01 * s)->budget = "images:1e6";
    }
    put(here, "figures/main.svg", svg);
    put(here, "figures/main.dat", dat);
    put(here, "figures/main.gp", "");
    put(here, "figures/loss.svg", "broken");
    static const char *const flags[] = {"3 of 9 runs are <partial>"};
    static const char *const bad[] = {"x/run.h5: not an HDF5 file: left out"};
    const char *text = page(here, &(struct page_input){.runs = runs.run,
                                                       .n_runs = runs.n,
                                                       .figure = two,
                                                       .n_figures = 2,
                                                       .flag = flags,
                                                       .n_flags = 1,
                                                       .unreadable = bad,
                                                       .n_unreadable = 1});
    static const char *const there[] = {
        "<html lang=\"en\">",
        "<h1>Comparison of 3 methods</h1>",
        "<dd>images:1e6</dd>",
        "<dd>0, 1, 2</dd>",
        "<dd>9 complete</dd>",
        "<li>3 of 9 runs are &lt;partial&gt;</li>",
        "<li>x/run.h5: not an HDF5 file: left out</li>",
        "<b>linear, shapes:</b> mae reaches, 52.0 % [47.0, 57.0] (n = 3), +21.0 points to random ",
        "[+18.5, +23.5], an interval without 0. supervised reaches 91.0 % [88.5, 93.5] (n = 3).",
        "<h3>Every &lt;seed&gt;</h3>",
        "<a href=\"figures/main.gp\">gp</a>",
        "<figcaption>First line of the &lt;caption&gt; and the second.</figcaption>",
        "<td class=\"n wide\" data-v=\"52\">52.0 <small>[47.0, 57.0]</small></td>",
        "<pre>ssvbench run --methods &#39;it&#39;\\&#39;&#39;s&#39;\n</pre>",
        "<a href=\"tables/methods.tex\">tex</a>",
    };
    for (size_t i = 0; i < sizeof there / sizeof *there; i++)
        if (!strstr(text, there[i]))
            fail_msg("not in the page: %s", there[i]);
    assert_null(strstr(text, "figure-loss"));
    assert_null(strstr(text, "figures/main.pdf")); /* which was not drawn */
    static const char *const files[] = {"tables/methods.csv", "tables/results.json",
                                        "tables/seeds.md", "tables/runs.tex"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_true(strlen(content(here, files[i])) > 0);
    arena_free(&runs.arena);
}

/* Names that are markup, break lines or are no UTF-8; one seed; nothing evaluated. */
static void test_awkward_names(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct run *r = add_result(&runs, "<script>alert(1)</script>", 0, "lin\"ear", 0.5);
    snprintf(r->dataset, sizeof r->dataset, "</table>&amp;\n'x'");
    r->config = "epochs = </td>\n";
    r->finding = "collapsed <b>";
    add_result(&runs, "bad\xff\xc3", 1, "knn", 0.2)->config = "epochs = 2\n";
    add_outcome(runs.run[1], "linear", "shapes", OUTCOME_FAILED, "<no memory>");
    const char *text = page(here, &(struct page_input){.runs = runs.run, .n_runs = runs.n});
    assert_null(strstr(text, "<script>alert"));
    assert_null(strstr(text, "href=\"#figures\""));
    assert_non_null(strstr(text, "(one seed)"));
    arena_free(&runs.arena);
    runs = (struct runs){0};
    add_run(&runs, "mae", 0);
    text = page(here, &(struct page_input){.runs = runs.run, .n_runs = 1});
    assert_non_null(strstr(text, "<h1>Comparison of 1 method</h1>"));
    arena_free(&runs.arena);
}

static void test_many_lines(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    for (int s = 0; s < RUNS_MOST; s++) {
        const double top1[] = {0.1, 0.2, 0.3, 0.4};
        add_eval(&runs, add_run(&runs, "mae", s), "linear", "shapes", top1, 4);
    }
    const char *text = page(here, &(struct page_input){.runs = runs.run, .n_runs = runs.n});
    assert_non_null(strstr(text, "The first 200 of 256 lines: the files have them all."));
    arena_free(&runs.arena);
}

static void test_unwritable(void **state) {
    struct place *here = *state;
    struct runs runs = {0};
    struct error err = {0};
    add_result(&runs, "mae", 0, "knn", 0.5);
    put(here, "file", "");
    const struct page_input input = {.runs = runs.run, .n_runs = runs.n};
    assert_int_equal(report_page(&input, in(here, "file"), &err), STATUS_MACHINE);
    assert_non_null(strstr(err.message, "/file: cannot make this folder"));
    assert_null(strchr(err.message, '\n'));
    arena_free(&runs.arena);
}

/* ---- colours ---- */

static void test_colours_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int32_t colour;
    } cases[] = {{"#332288", 0x332288},
                 {"rgb( 51,  34, 136)", 0x332288},
                 {"black", 0},
                 {"White", 0xffffff},
                 {"none", -1},
                 {"currentColor", -1},
                 {"rgb(1,2,300)", -1},
                 {"#33228", -1},
                 {"#33228g", -1},
                 {"url(#gpPat1)", -1},
                 {"", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(colour_parse(cases[i].text, strlen(cases[i].text)), cases[i].colour);
}

static double luminance(uint32_t colour) {
    double sum = 0;
    static const double weight[] = {0.2126, 0.7152, 0.0722};
    for (int i = 0; i < 3; i++) {
        const double x = (colour >> (16 - 8 * i) & 255) / 255.0;
        sum += weight[i] * (x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4));
    }
    return sum;
}

/* WCAG 2. */
static double contrast(uint32_t a, uint32_t b) {
    const double x = luminance(a), y = luminance(b);
    return (fmax(x, y) + 0.05) / (fmin(x, y) + 0.05);
}

/* Text is read and marks are seen on the dark paper; a grid stays faint. */
static void test_dark_colours(void **state) {
    (void)state;
    static const uint32_t palette[] = {0x332288, 0x44aa99, 0x117733, 0xaa4499, 0xddcc77,
                                       0x882255, 0x88ccee, 0x999933, 0xcc6677};
    const uint32_t paper = colour_dark(0xffffff, 1);
    for (size_t i = 0; i < sizeof palette / sizeof *palette; i++) {
        const uint32_t dark = colour_dark(palette[i], 1);
        assert_true(contrast(dark, paper) > 4.5);
        for (size_t k = 0; k < i; k++)
            assert_true(dark != colour_dark(palette[k], 1));
    }
    assert_true(contrast(colour_dark(0x222222, 1), paper) > 9);
    assert_true(contrast(colour_dark(0x707070, 1), paper) > 5);
    assert_true(contrast(colour_dark(0xdedede, 1), paper) < 2);
    /* Of areas, what was lighter is darker. */
    double before = 1e9;
    for (int l = 0; l <= 255; l += 5) {
        const double now = luminance(colour_dark((uint32_t)(l << 16 | l << 8 | l), 0));
        assert_true(now < before);
        before = now;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_figure),         TEST(test_flags_of_a_figure), TEST(test_a_picture),
        TEST(test_unusable_figures), TEST(test_damaged_figures),   TEST(test_whole_page),
        TEST(test_awkward_names),    TEST(test_many_lines),        TEST(test_unwritable),
        TEST(test_colours_are_read), TEST(test_dark_colours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
