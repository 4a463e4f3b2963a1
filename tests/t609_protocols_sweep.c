/* Options with several values: the list, the cells that come of it, what cannot be swept. */
#include "protocols/suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/suite_files.h"

static void sweeps_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int points; /* 0: refused */
    } cases[] = {{"", 1},
                 {"mae.mask_ratio=0.5", 1},
                 {"mae.mask_ratio=0.5,0.75 batch=16,32,64", 6},
                 {"mae.mask_ratio", 0},
                 {"mae.mask_ratio=", 0},
                 {"=1", 0},
                 {"batch=1,2,1", 0},
                 {"batch=1,2 batch=3", 0},
                 {"a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a = {0};
        struct sweep w;
        struct error err;
        int status = sweep_parse(&w, cases[i].text, &a, &err);
        if (status != (cases[i].points ? 0 : STATUS_USAGE))
            fail_msg("\"%s\": status %d", cases[i].text, status);
        if (!status)
            assert_int_equal(w.n_points, cases[i].points);
        arena_free(&a);
    }
}

/* A value that stands for another one is the same run, though their texts differ. */
static void two_cells_of_one_run_are_refused(void **state) {
    struct place *here = *state;
    static const struct {
        const char *sweep, *says; /* NULL: accepted */
    } cases[] = {{"lr=-1,0.004", "mae with lr=-1 and mae with lr=0.004 on shapes are one run"},
                 {"lr=0.004,-1 batch=16,32", "are one run"},
                 {"image=0,16", "are one run"},
                 {"simclr.blur=0,0.5", "none of the methods and backbones here reads simclr.blur"},
                 {"lr=-1,0.003", NULL}};
    const struct context context = {.machine = &nowhere};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings *s =
            loaded(here, arena_printf(&here->arena,
                                      "[suite]\nmethods = mae\nseeds = 2\ndata = " DATA
                                      "\npatch = 4\nsweep = %s\n",
                                      cases[i].sweep));
        struct suite u;
        struct error err = {0};
        const int status = suite_open(&u, s, &context, &err);
        if (status != (cases[i].says ? STATUS_USAGE : 0) ||
            (cases[i].says && !strstr(err.message, cases[i].says)))
            fail_msg("%s: %d, %s", cases[i].sweep, status, err.message);
        if (!status)
            suite_close(&u);
        settings_free(s);
        free(s);
    }
}

/* Each method has the combinations of the options that concern it, and no cell twice. */
static void a_sweep_is_a_part_of_the_product(void **state) {
    struct place *here = *state;
    struct settings *s =
        loaded(here, "[suite]\nmethods = random,mae,simclr,mae:1+simclr:0.5\nseeds = 2\n"
                     "data = " DATA "\npatch = 4\nepochs = 2\n"
                     "sweep = mae.mask_ratio=0.5,0.75 simclr.first=none,blur,crop batch=16,32\n");
    const struct context context = {.machine = &nowhere};
    static const int expected[] = {1, 2 * 2, 3 * 2, 2 * 3 * 2};
    int n[4] = {0};
    char seen[2 * (1 + 4 + 6 + 12)][65];
    struct suite u;
    struct error err;
    if (suite_open(&u, s, &context, &err))
        fail_msg("%s", err.message);
    assert_int_equal(suite_cells(&u), sizeof seen / sizeof *seen);
    for (int i = 0; i < suite_cells(&u); i++) {
        const struct suite_cell one = suite_cell(&u, i);
        struct cell *c = calloc(1, sizeof *c);
        assert_int_equal(
            cell_build(c, one.settings, one.method, one.data, one.seed, &context, 0, &err), 0);
        cell_name(c);
        snprintf(seen[i], sizeof seen[i], "%s", c->hash);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(seen[i], seen[k]);
        if (strstr(one.label, "mae.mask_ratio=0.5"))
            assert_non_null(strstr(settings_pretrain_text(&c->settings, c->method, &c->arena),
                                   "mask_ratio = 0.5\n"));
        assert_string_equal(c->settings.judging.sweep, "");
        for (int m = 0; m < 4; m++)
            n[m] += one.method == u.lists.methods[m];
        cell_close(c);
        free(c);
    }
    for (int m = 0; m < 4; m++)
        assert_int_equal(n[m], 2 * expected[m]);
    suite_close(&u);
    settings_free(s);
    free(s);
}

static void what_cannot_be_swept_is_refused(void **state) {
    struct place *here = *state;
    static const struct {
        const char *sweep, *what;
    } cases[] = {{"seeds=1,2", "seeds cannot be swept"},
                 {"linear.epochs=1,2", "linear.epochs cannot be swept"},
                 {"threads=1,2", "threads cannot be swept"},
                 {"probe_seed=1,2", "probe_seed cannot be swept"},
                 {"batch=16,32 mae.mask_ratio=0.5,0.75,0.50", "0.5 and 0.50, which are the same"},
                 {"mae.flip=true,on", "true and on"},
                 {"probe-seed=1,2", "probe_seed cannot be swept"},
                 {"mae.mask_ration=0.5", "mask_ratio"},
                 {"mae.mask_ratio=0.5,2", "0.99"},
                 {"batch=16,many", "many"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings *s = loaded(here, arena_printf(&here->arena,
                                                       "[suite]\nmethods = mae\ndata = " DATA
                                                       "\npatch = 4\nsweep = %s\n",
                                                       cases[i].sweep));
        const struct context context = {.machine = &nowhere};
        struct suite u;
        struct error err;
        assert_int_equal(suite_open(&u, s, &context, &err), STATUS_USAGE);
        if (!strstr(err.message, cases[i].what) || !strstr(err.message, "good.ini:5: "))
            fail_msg("%s: \"%s\"", cases[i].sweep, err.message);
        settings_free(s);
        free(s);
    }
}

/* A ResNet has no branches to drop and no patches: each value would train the same network. */
static void a_resnet_has_no_cells_for_a_vits_options(void **state) {
    struct place *here = *state;
    struct settings *s =
        loaded(here, "[suite]\nmethods = supervised\nbackbone = vit-micro,resnet-micro\n"
                     "seeds = 0\ndata = " DATA "\nepochs = 2\n"
                     "sweep = patch=4,8 batch=16,32 drop-path=0,0.1\n");
    const struct context context = {.machine = &nowhere};
    struct suite u;
    struct error err;
    int resnets = 0;
    if (suite_open(&u, s, &context, &err))
        fail_msg("%s", err.message);
    assert_int_equal(suite_cells(&u), 8 + 2);
    for (int i = 0; i < suite_cells(&u); i++) {
        const struct suite_cell one = suite_cell(&u, i);
        if (!strcmp(one.settings->plan.backbone, "resnet-micro"))
            assert_string_equal(one.label, resnets++ ? "batch=32" : "batch=16");
    }
    assert_int_equal(resnets, 2);
    suite_close(&u);
    settings_free(s);
    free(s);
}

int main(void) {
#define HERE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweeps_are_read),      HERE(a_sweep_is_a_part_of_the_product),
        HERE(two_cells_of_one_run_are_refused), HERE(a_resnet_has_no_cells_for_a_vits_options),
        HERE(what_cannot_be_swept_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
