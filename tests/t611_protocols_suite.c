/* Suites: their files, lists, budgets and the names of their cells. */
#include "core/sha256.h"
#include "protocols/suite.h"
#include "reports/watch.h"
#include "results/compare.h"

#include "tests/place.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/suite_files.h"

/* ---- budgets ---- */

static void budgets_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text, *canonical; /* NULL: refused */
    } cases[] = {{"epochs:8", "epochs:8"},
                 {"images:1000", "images:1000"},
                 {"flops:2.0e15", "flops:2e+15"},
                 {"seconds:0.5", "seconds:0.5"},
                 {"flops:0", NULL},
                 {"flops:-1", NULL},
                 {"flops:", NULL},
                 {"flops", NULL},
                 {"flops:1e999", NULL},
                 {"flops:nan", NULL},
                 {"flops:0x10", NULL},
                 {"flops:2e15 ", NULL},
                 {"flop:2e15", NULL},
                 {"2e15", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a = {0};
        struct budget b;
        struct error err;
        int status = budget_parse(&b, cases[i].text, &err);
        assert_int_equal(status, cases[i].canonical ? 0 : STATUS_USAGE);
        if (!status)
            assert_string_equal(budget_text(&b, &a), cases[i].canonical);
        arena_free(&a);
    }
}

static void a_budget_pays_for_whole_steps(void **state) {
    (void)state;
    struct budget_stage one[] = {{.share = -1, .cost = 2}};
    assert_int_equal(budget_steps(one, 1, 11), 5);
    assert_int_equal(one[0].steps, 5);
    assert_int_equal(budget_steps(one, 1, 10), 5);
    assert_int_equal(budget_steps(one, 1, 1.9), 0);
    /* A quarter of the steps at 1, the rest at 4: 6 steps are 2 + 16, 7 would be 2 + 20. */
    struct budget_stage two[] = {{.share = 0.25, .cost = 1}, {.share = -1, .cost = 4}};
    assert_int_equal(budget_steps(two, 2, 20), 6);
    assert_int_equal(two[0].steps, 2);
    assert_int_equal(two[1].first, 2);
    assert_int_equal(two[1].steps, 4);
    assert_int_equal(budget_steps(two, 2, 4.9), 0);
    assert_int_equal(budget_steps(two, 2, 5), 2);
    /* A stage that takes no steps needs none. */
    struct budget_stage later[] = {{.share = 0, .cost = 9}, {.share = -1, .cost = 4}};
    assert_int_equal(budget_least(later, 2), 1);
    assert_int_equal(budget_steps(later, 2, 4), 1);
    assert_int_equal(later[1].steps, 1);
    assert_int_equal(budget_steps(later, 2, 3.9), 0);
}

/* One step more must cost more than the budget, whatever the shares and costs. */
static void no_step_more_would_fit(void **state) {
    (void)state;
    struct rng r = rng_at((struct rng_key){1, RNG_TEST}, 0, 0);
    for (int i = 0; i < 500; i++) {
        struct budget_stage s[2] = {{.share = rng_uniform(&r), .cost = 0.1 + rng_uniform(&r)},
                                    {.share = -1, .cost = 0.1 + rng_uniform(&r)}};
        double amount = 3 + 1000 * rng_uniform(&r);
        long n = budget_steps(s, 2, amount);
        assert_true(n >= 2);
        assert_int_equal(s[0].steps + s[1].steps, n);
        assert_true(s[0].cost * (double)s[0].steps + s[1].cost * (double)s[1].steps <= amount);
        budget_share(s, 2, n + 1);
        assert_true(s[0].cost * (double)s[0].steps + s[1].cost * (double)s[1].steps > amount);
    }
}

/* ---- lists ---- */

static void seeds_are_lists_ranges_or_a_count(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int n; /* 0: refused */
        uint64_t seed[4];
    } cases[] = {{"0", 1, {0}},
                 {"3", 3, {0, 1, 2}},
                 {"1", 1, {0}},
                 {"3,", 1, {3}},
                 {"3..3", 1, {3}},
                 {"2..4", 3, {2, 3, 4}},
                 {"7,0", 2, {7, 0}},
                 {"5, 8..9", 3, {5, 8, 9}},
                 {"18446744073709551615,", 1, {UINT64_MAX}},
                 {"", 0, {0}},
                 {"0,0", 0, {0}},
                 {"0..2,1", 0, {0}},
                 {"2..1", 0, {0}},
                 {"-1", 0, {0}},
                 {"0,x", 0, {0}},
                 {"1e3", 0, {0}},
                 {"0..", 0, {0}},
                 {"0..999", 0, {0}},
                 {"18446744073709551616,", 0, {0}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings *s = calloc(1, sizeof *s);
        struct suite_lists l;
        struct error err;
        settings_init(s);
        s->plan.seeds = cases[i].text;
        int status = suite_read_lists(&l, s, &err);
        if (status != (cases[i].n ? 0 : STATUS_USAGE))
            fail_msg("\"%s\": status %d", cases[i].text, status);
        if (!status)
            assert_int_equal(l.n_seeds, cases[i].n);
        for (int k = 0; k < cases[i].n; k++)
            assert_true(l.seeds[k] == cases[i].seed[k]);
        suite_free_lists(&l);
        settings_free(s);
        free(s);
    }
}

static void blanks_separate_datasets_but_not_paths(void **state) {
    (void)state;
    static const struct {
        const char *text, *items[2];
    } cases[] = {{"shapes other", {"shapes", "other"}},
                 {"a=list:my  own,size=32 c=shapes", {"a=list:my  own,size=32", "c=shapes"}},
                 {"folder:x sahpes:size=32", {"folder:x", "sahpes:size=32"}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings s;
        struct suite_lists l;
        settings_init(&s);
        s.plan.data = cases[i].text;
        assert_false(suite_read_lists(&l, &s, &(struct error){0}) || l.n_data != 2);
        assert_string_equal(l.data[0], cases[i].items[0]);
        assert_string_equal(l.data[1], cases[i].items[1]);
        suite_free_lists(&l);
        settings_free(&s);
    }
}

/* ---- files ---- */

static void a_wrong_suite_has_its_line_in_the_message(void **state) {
    struct place *here = *state;
    static const struct {
        const char *text, *where, *what;
    } cases[] = {
        {"[suite]\nmethods = mae\nsseeds = 1\n", ":3: ", "did you mean \"suite.seeds\""},
        {"methods = mae\n", ":1: ", "did you mean \"suite.methods\""},
        {"[suite]\n\n[siute]\n", ":3: ", "did you mean \"[suite]\""},
        {"[suite]\nmethods = mae\n[mae]\nmask_ratio = 2\n", ":4: ", "out of range"},
        {"[suite]\nbatch = 16\n# again\nbatch = 16\n", ":4: ", "twice, first in line 2"},
        {"[suite]\nepochs = 8\nbudget = flops:1e12\n", ":3: ", "both epochs and budget"},
        {"[suite]\nbudget = flops:1e12\nepochs = 8\n", ":3: ", "both epochs and budget"},
        {"[suite]\nbudget = flops\n", ":2: ", "seconds:N"},
        {"[suite]\n\nmethods = maee\n", ":3: ", "did you mean \"mae\""},
        {"[suite]\nmethods = mae,mae\n", ":2: ", "named twice"},
        {"[suite]\nmethods =\n", ":2: ", "0 are named"},
        {"[suite]\nbackbone = vit-micro,vit-mikro\n", ":2: ", "did you mean \"vit-micro\""},
        {"[suite]\nprotocols = linear,lineer\n", ":2: ", "did you mean \"linear\""},
        {"[suite]\nseeds = 0,0\n", ":2: ", "named twice"},
        {"[suite]\nname = a/b\n", ":2: ", "letters"},
        {"[suite]\nout = here\n", ":2: ", "no option"},
        {"[suite]\nbatch\n", ":2: ", "name = value"},
        {"", "wrong.ini: ", "sets no option"},
        {"[suite]\n; methods = mae\n[mae]\n", "wrong.ini: ", "sets no option"},
        {"[suite]\n[linear]\nepoch = 3\n", ":3: ", "did you mean \"linear.epochs\""},
    };
    const char *path = arena_printf(&here->arena, "%s/wrong.ini", here->folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings *s = calloc(1, sizeof *s);
        struct error err = {0};
        settings_init(s);
        settings_check_input(s);
        write_file(path, cases[i].text);
        int status = suite_load(s, path, &err);
        if (status != STATUS_USAGE || !strstr(err.message, cases[i].where) ||
            !strstr(err.message, cases[i].what) || strchr(err.message, '\n'))
            fail_msg("case %zu: status %d, \"%s\"", i, status, err.message);
        settings_free(s);
        free(s);
    }
}

static void a_flag_beats_a_file_beats_a_suite(void **state) {
    struct place *here = *state;
    struct settings *s = loaded(here, "[suite]\nbatch = 10\npatch = 4\nimage = 20\n"
                                      "budget = flops:1e12\n[mae]\nmask_ratio = 0.5\n");
    const char *file = arena_printf(&here->arena, "%s/more.ini", here->folder);
    char *argv[] = {"run", "--batch", "30", "--epochs", "2", NULL};
    int argc = 5;
    struct error err;
    write_file(file, "batch = 20\npatch = 2\n");
    assert_int_equal(options_load(&s->options, file, FROM_FILE, &err), 0);
    assert_int_equal(options_parse(&s->options, &argc, argv, &err), 0);
    assert_int_equal(settings_settle(s, &err), 0);
    assert_int_equal(s->plan.batch, 30);
    assert_int_equal(s->plan.patch, 2);
    assert_int_equal(s->plan.image, 20);
    assert_string_equal(s->plan.budget, ""); /* the flag --epochs beats it */
    assert_string_equal(s->judging.name, "good");
    settings_free(s);
    free(s);
}

static void a_stored_suite_says_the_same(void **state) {
    struct place *here = *state;
    struct arena *a = &here->arena;
    struct settings *s =
        loaded(here, "[suite]\nname = mine\nmethods = mae,dino\nseeds = 2\nprobe_seed = 5\n"
                     "[dino]\nprototypes = 64\n");
    struct error err;
    assert_int_equal(suite_store(s, here->folder, &err), 0);
    const char *text = settings_suite_text(s, a);
    char hash[65];
    sha256_hex(text, strlen(text), hash);
    const char *path = arena_printf(a, "%s/suites/mine-%.8s.ini", here->folder, hash);
    struct settings *again = calloc(1, sizeof *again);
    settings_init(again);
    assert_int_equal(settings_load_suite(again, path, &err), 0);
    assert_string_equal(settings_suite_text(again, a), text);
    settings_free(again);
    settings_free(s);
    free(again);
    free(s);
}

/* ---- cells ---- */

static void a_suite_is_a_product(void **state) {
    struct place *here = *state;
    struct settings *s =
        loaded(here, "[suite]\nmethods = random,mae,supervised\nbackbone = vit-micro,resnet-micro\n"
                     "data = " DATA " few=shapes:size=16,train=48,test=16\nseeds = 4,9\n"
                     "patch = 4\nbatch = 16\nlimit = 40\n");
    const struct context context = {.machine = &nowhere};
    struct suite u;
    struct error err;
    assert_int_equal(suite_open(&u, s, &context, &err), 0);
    assert_int_equal(suite_cells(&u), 2 * 2 * 3 * 2);
    int skipped = 0;
    for (int i = 0; i < suite_cells(&u); i++) {
        const struct suite_cell c = suite_cell(&u, i);
        int mae_on_resnet =
            c.method == method_find("mae") && !strcmp(c.settings->plan.backbone, "resnet-micro");
        assert_int_equal(c.why != NULL, mae_on_resnet);
        assert_true(c.seed == (i % 2 ? 9 : 4));
        assert_int_equal(c.data->count[SPLIT_TRAIN], 40);
        assert_int_equal(c.data->count[SPLIT_TEST], c.data == u.data ? 32 : 16);
        skipped += c.why != NULL;
    }
    assert_int_equal(skipped, 4);
    suite_close(&u);
    settings_free(s);
    free(s);
}

/* Each cell is in one shard, whatever their number, also where it is more than there are cells. */
static void shards_share_the_cells(void **state) {
    enum { CELLS = 2 * 3, MOST = 8 };
    struct place *here = *state;
    static const char *const wrong[] = {"0/2", "3/2", "2", "1/2x", "a/b", "1/0", "-1/2", "/"};
    struct settings *s = loaded(here, "[suite]\nmethods = random,supervised\ndata = " DATA "\n"
                                      "seeds = 0..2\npatch = 4\nbatch = 16\n");
    const struct context context = {.machine = &nowhere};
    struct suite u;
    struct error err;
    for (int n = 1; n <= MOST; n++) {
        int seen[CELLS] = {0};
        for (int shard = 1; shard <= n; shard++) {
            char text[16];
            snprintf(text, sizeof text, "%d/%d", shard, n);
            assert_int_equal(options_assign(&s->options, "shard", text, FROM_FLAG, &err), 0);
            assert_int_equal(suite_open(&u, s, &context, &err), 0);
            for (int i = 0; i < suite_cells(&u); i++) {
                const struct suite_cell c = suite_cell(&u, i);
                seen[3 * (c.method == method_find("supervised")) + (int)c.seed]++;
            }
            suite_close(&u);
        }
        for (int i = 0; i < CELLS; i++)
            assert_int_equal(seen[i], 1);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(options_assign(&s->options, "shard", wrong[i], FROM_FLAG, &err), 0);
        assert_int_equal(suite_open(&u, s, &context, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, wrong[i]));
    }
    settings_free(s);
    free(s);
}

static void nothing_with_a_meaning_is_refused(void **state) {
    struct place *here = *state;
    struct settings *s =
        loaded(here, "[suite]\nmethods = mae\nbackbone = resnet-micro\ndata = " DATA "\n");
    const struct context context = {.machine = &nowhere};
    struct suite u;
    struct error err;
    assert_int_equal(suite_open(&u, s, &context, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "mae does not run on resnet-micro"));
    settings_free(s);
    free(s);
}

static void data_that_cannot_be_opened_have_their_line(void **state) {
    struct place *here = *state;
    struct settings *s = loaded(here, "[suite]\nmethods = mae\ndata = cifar10:nowhere\n");
    const struct context context = {.machine = &nowhere};
    struct suite u;
    struct error err;
    assert_int_equal(suite_open(&u, s, &context, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "good.ini:3: "));
    settings_free(s);
    free(s);
}

struct named {
    char hash[65], settings[65], knn[CELL_VERSION];
    long steps;
};

/* What a cell of mae is called when the suite has these lines too. */
static struct named name_with(struct place *here, const char *lines, long *seconds_steps) {
    struct settings *s = loaded(
        here, arena_printf(&here->arena,
                           "[suite]\nmethods = mae\nseeds = 3..3\npatch = 4\nbatch = 16\n%s%s",
                           strstr(lines, "data =") ? "" : "data = " DATA "\n", lines));
    struct context context = {.machine = &nowhere, .steps = seconds_steps ? *seconds_steps : 0};
    struct suite u;
    struct error err;
    if (suite_open(&u, s, &context, &err))
        fail_msg("%s", err.message);
    const struct suite_cell one = suite_cell(&u, 0);
    struct cell *c = calloc(1, sizeof *c);
    assert_int_equal(cell_build(c, one.settings, one.method, one.data, one.seed, &context, 0, &err),
                     0);
    cell_name(c);
    struct named n = {.steps = c->steps};
    snprintf(n.hash, sizeof n.hash, "%s", c->hash);
    snprintf(n.settings, sizeof n.settings, "%s", c->settings_hash);
    int knn = 0;
    while (strcmp(protocols[knn]->name, "knn"))
        knn++;
    cell_protocol_version(&c->settings, knn, n.knn);
    cell_close(c);
    free(c);
    suite_close(&u);
    settings_free(s);
    free(s);
    return n;
}

static void a_cell_is_named_after_what_decides_its_weights(void **state) {
    struct place *here = *state;
    const struct named base = name_with(here, "", NULL);
    static const struct {
        const char *lines;
        int same_weights, same_knn;
    } cases[] = {{"protocols = knn\n", 1, 1},
                 {"probe_seed = 1\n", 1, 0},
                 {"split_seed = 1\n", 1, 0},
                 {"name = other\n", 1, 1},
                 {"[dino]\nprototypes = 64\n", 1, 1},
                 {"budget = epochs:8\n", 1, 1},
                 {"budget = epochs:9\n", 0, 1},
                 {"limit = 32\n", 0, 1},
                 {"data = shapes:size=16,train=63,test=32\n", 0, 1},
                 {"[mae]\nmask_ratio = 0.5\n", 0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct named n = name_with(here, cases[i].lines, NULL);
        if ((strcmp(n.hash, base.hash) == 0) != cases[i].same_weights ||
            (strcmp(n.knn, base.knn) == 0) != cases[i].same_knn)
            fail_msg("%s: %s, %s", cases[i].lines, n.hash, n.knn);
    }
    /* The number of steps that a budget in seconds comes to is no setting. */
    long few = 5, many = 50;
    const struct named slow = name_with(here, "budget = seconds:3\n", &few);
    const struct named fast = name_with(here, "budget = seconds:3\n", &many);
    assert_string_equal(slow.hash, fast.hash);
    assert_int_equal(slow.steps, 5);
    assert_int_equal(fast.steps, 50);
}

static void budgets_become_steps(void **state) {
    struct place *here = *state;
    assert_int_equal(name_with(here, "epochs = 2.5\n", NULL).steps, 10); /* 4 in an epoch */
    assert_int_equal(name_with(here, "budget = images:100\n", NULL).steps, 6);
    long n = name_with(here, "budget = flops:1e11\n", NULL).steps;
    long twice = name_with(here, "budget = flops:2e11\n", NULL).steps;
    assert_true(n > 2 && (twice == 2 * n || twice == 2 * n + 1));
}

/* ---- comparing and watching ---- */

static void a_changed_bit_is_a_difference(void **state) {
    (void)state;
    struct arena a = {0};
    struct step_row left_rows[2] = {{.step = 1, .loss = 2, .wall_s = 1}, {.step = 2, .loss = 1.5}};
    struct step_row right_rows[2] = {{.step = 1, .loss = 2, .wall_s = 9}, {.step = 2, .loss = 1.5}};
    double top1[] = {0.25}, other[] = {0.25};
    int64_t seed[] = {0};
    struct eval le = {.protocol = "knn", .dataset = "d", .n_seeds = 1, .seed = seed, .top1 = top1};
    struct eval re = le;
    re.top1 = other;
    re.wall_s = 3;
    struct run left = {.evals = &le, .n_evals = 1, .steps = left_rows, .n_steps = 2};
    struct run right = {.evals = &re, .n_evals = 1, .steps = right_rows, .n_steps = 2};
    struct comparison same = {.arena = &a}, differ = {.arena = &a};
    compare_numbers(&same, &left, &right);
    assert_int_equal(same.n, 0); /* times are no results */
    right_rows[1].loss = nextafter(1.5, 2);
    other[0] = nextafter(0.25, 1);
    compare_numbers(&differ, &left, &right);
    assert_int_equal(differ.n, 2);
    assert_non_null(strstr(differ.list[0].key, "loss of 1 steps, first of step 2"));
    assert_string_equal(differ.list[1].key, "knn on d, top1, seed 0");
    arena_free(&a);
}

static void only_differing_settings_are_named(void **state) {
    (void)state;
    struct arena a = {0};
    struct run left = {.config = "batch = 8\nlr = 1\nname =\n[mae]\ndepth = 2\n"};
    struct run right = {.config = "batch = 16\nlr = 1\nname =\n[mae]\ndepth = 2\nwidth = 3\n"};
    struct comparison c = {.arena = &a};
    compare_settings(&c, &left, &right);
    assert_int_equal(c.n, 2);
    assert_string_equal(c.list[0].key, "batch");
    assert_string_equal(c.list[0].right, "16");
    assert_string_equal(c.list[1].key, "mae.width");
    assert_string_equal(c.list[1].left, "-");
    arena_free(&a);
}

static void a_curve_is_the_means_of_its_parts(void **state) {
    (void)state;
    const double x[] = {7, 7, 3, 5, NAN, NAN, 0, NAN, 1, -1};
    int height[5];
    watch_curve(x, 10, 5, height); /* means 7, 4, none, 0, 0 */
    assert_int_equal(height[0], 7);
    assert_int_equal(height[1], 4);
    assert_int_equal(height[2], -1);
    assert_int_equal(height[3], 0);
    assert_int_equal(height[4], 0);
    watch_curve((const double[]){2, 2}, 2, 2, height); /* flat */
    assert_int_equal(height[0], 0);
}

static void the_last_event_of_a_name_counts(void **state) {
    struct place *here = *state;
    struct error err;
    double x;
    const char *path = arena_printf(&here->arena, "%s/journal.jsonl", here->folder);
    assert_int_equal(journal_find(path, "budget", "steps", &x, &err), 0);
    assert_true(isnan(x));
    write_file(path, "{\"type\":\"event\",\"what\":\"budget\",\"steps\":5}\n"
                     "{\"type\":\"event\",\"what\":\"start\",\"steps\":6}\n"
                     "{\"type\":\"event\",\"what\":\"budget\",\"steps\":7}\n"
                     "{\"type\":\"event\",\"what\":\"budget\"}\n"
                     "{\"type\":\"event\",\"what\":\"budget\",\"st");
    assert_int_equal(journal_find(path, "budget", "steps", &x, &err), 0);
    assert_true(x == 7);
}

int main(void) {
#define HERE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budgets_are_read),
        cmocka_unit_test(a_budget_pays_for_whole_steps),
        cmocka_unit_test(no_step_more_would_fit),
        cmocka_unit_test(blanks_separate_datasets_but_not_paths),
        cmocka_unit_test(seeds_are_lists_ranges_or_a_count),
        HERE(a_wrong_suite_has_its_line_in_the_message),
        HERE(a_flag_beats_a_file_beats_a_suite),
        HERE(a_stored_suite_says_the_same),
        HERE(a_suite_is_a_product),
        HERE(shards_share_the_cells),
        HERE(nothing_with_a_meaning_is_refused),
        HERE(data_that_cannot_be_opened_have_their_line),
        HERE(a_cell_is_named_after_what_decides_its_weights),
        HERE(budgets_become_steps),
        cmocka_unit_test(a_changed_bit_is_a_difference),
        cmocka_unit_test(only_differing_settings_are_named),
        cmocka_unit_test(a_curve_is_the_means_of_its_parts),
        HERE(the_last_event_of_a_name_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
