/* The protocols on frozen features as a whole, and the representations that they choose from. */
#include "protocols/representations.h"
#include "protocols/settings.h"
#include "results/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLASSES = 3, TRAIN = 240, TEST = 90, LAYERS = 2, DIM = 6 };

static struct arena arena;
static struct settings settings;

static int setup(void **state) {
    (void)state;
    settings_init(&settings);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    settings_free(&settings);
    arena_free(&arena);
    return 0;
}

static void add_representation(struct feature_set *f, const char *name, int dim) {
    f->dim[f->n_representations] = dim;
    snprintf(f->names[f->n_representations++], sizeof f->names[0], "%s", name);
}

/* Gaussians around the axes by `distance`, more in the later representations; labels run round. */
static void fill(struct feature_set *f, struct feature_split *s, int n, double distance,
                 uint32_t stream) {
    int32_t *label = ARENA_ARRAY(&arena, int32_t, n);
    s->n = n;
    s->label = label;
    for (int r = 0; r < f->n_representations; r++) {
        float *x = ARENA_ARRAY(&arena, float, n * f->dim[r]);
        s->x[r] = x;
        for (int i = 0; i < n; i++) {
            struct rng random =
                rng_at((struct rng_key){632, RNG_TEST}, stream + (uint32_t)r, (uint32_t)i);
            label[i] = i % f->classes;
            for (int d = 0; d < f->dim[r]; d++)
                x[i * f->dim[r] + d] =
                    (float)(rng_normal(&random) + (d == label[i] ? distance * (r + 1) : 0));
        }
    }
}

static struct feature_set vit(double distance) {
    struct feature_set f = {.classes = CLASSES};
    for (int l = 1; l <= LAYERS; l++) {
        char name[32];
        snprintf(name, sizeof name, "layer%d.cls", l);
        add_representation(&f, name, DIM);
        snprintf(name, sizeof name, "layer%d.mean", l);
        add_representation(&f, name, DIM);
    }
    fill(&f, &f.train, TRAIN, distance, 1);
    fill(&f, &f.test, TEST, distance, 100);
    return f;
}

static void set(const char *key, const char *value) {
    struct error err;
    if (options_assign(&settings.options, key, value, FROM_FLAG, &err))
        fail_msg("%s", err.message);
}

static struct eval evaluate(const struct protocol *p, const struct feature_set *f, int threads) {
    struct error err;
    struct eval e = {.n_seeds = 0};
    const struct protocol_input in = {.features = f,
                                      .kernels = kernels_cpu(),
                                      .threads = threads,
                                      .split_seed = 7,
                                      .arena = &arena};
    int i = 0;
    while (protocols[i] != p)
        i++;
    if (p->run(settings.protocol[i], &in, &e, &err))
        fail_msg("%s: %s", p->name, err.message);
    return e;
}

static void same(const struct eval *a, const struct eval *b) {
    size_t seeds = (size_t)a->n_seeds, classes = (size_t)a->n_classes, n = (size_t)a->n_samples;
    assert_int_equal(a->n_seeds, b->n_seeds);
    assert_int_equal(!a->top1, !b->top1);
    if (a->top1)
        assert_memory_equal(a->top1, b->top1, seeds * sizeof *a->top1);
    assert_memory_equal(a->top1_per_class, b->top1_per_class,
                        seeds * classes * sizeof *a->top1_per_class);
    assert_memory_equal(a->confusion, b->confusion,
                        seeds * classes * classes * sizeof *a->confusion);
    assert_memory_equal(a->pred, b->pred, seeds * n * sizeof *a->pred);
    assert_int_equal(a->n_grid, b->n_grid);
    assert_memory_equal(a->grid, b->grid, sizeof *a->grid * (size_t)a->n_grid);
    assert_int_equal(a->n_metrics, b->n_metrics);
    if (a->n_metrics)
        assert_memory_equal(a->metrics, b->metrics, sizeof *a->metrics * (size_t)a->n_metrics);
    assert_string_equal(a->split_sha256, b->split_sha256);
}

static void test_threads_change_nothing(void **state) {
    (void)state;
    static const struct protocol *const all[] = {&protocol_linear, &protocol_logistic,
                                                 &protocol_knn, &protocol_lowshot};
    const struct feature_set f = vit(0.3);
    set("linear.epochs", "3");
    for (int p = 0; p < 4; p++) {
        const struct eval one = evaluate(all[p], &f, 1);
        for (int threads = 2; threads <= 3; threads++) {
            const struct eval more = evaluate(all[p], &f, threads);
            same(&one, &more);
        }
    }
}

static int chosen(const struct eval *e) {
    int at = -1, n = 0;
    for (int i = 0; i < e->n_grid; i++)
        if (e->grid[i].chosen)
            at = i, n++;
    assert_int_equal(n, 1);
    return at;
}

/* The best on validation is chosen, and it is one of every kind. */
static void test_linear_grid(void **state) {
    (void)state;
    const struct feature_set f = vit(0.5);
    const struct eval e = evaluate(&protocol_linear, &f, 2);
    int heads[2] = {0}, joined = 0, at = chosen(&e);
    assert_int_equal(e.n_grid, 8 * (4 * 2 + 3)); /* cls, mean and both of two layers; last two */
    for (int i = 0; i < e.n_grid; i++) {
        heads[!strcmp(e.grid[i].head, "lars")]++;
        joined += strstr(e.grid[i].representation, "last2") != NULL;
        assert_true(e.grid[i].val_top1 <= e.grid[at].val_top1);
        assert_true(i >= at || e.grid[i].val_top1 < e.grid[at].val_top1);
    }
    assert_int_equal(heads[0], 8 * 8);
    assert_int_equal(heads[1], 8 * 3);
    assert_int_equal(joined, 2 * 11);
    assert_true(e.top1[0] > 0.8);
}

static void test_logistic_says_whether_it_converged(void **state) {
    (void)state;
    const struct feature_set f = vit(0.3);
    struct eval e = evaluate(&protocol_logistic, &f, 2);
    assert_string_equal(e.grid[chosen(&e)].head, "lbfgs");
    assert_string_equal(e.metrics[0].name, "converged");
    assert_true(e.metrics[0].value == 1 && e.metrics[1].value == 1);
    set("logistic.max_iterations", "1");
    set("logistic.c", "10 100");
    e = evaluate(&protocol_logistic, &f, 2);
    assert_true(e.metrics[0].value == 0 && e.metrics[1].value < 0.5);
}

static void test_too_few_to_select_on(void **state) {
    (void)state;
    static const char *const names[] = {"linear", "logistic", "knn"};
    static const struct protocol *const all[] = {&protocol_linear, &protocol_logistic,
                                                 &protocol_knn};
    struct feature_set f = vit(1);
    f.train.n = 1;
    for (int p = 0; p < 3; p++) {
        struct error err;
        struct eval e = {.n_seeds = 0};
        const struct protocol_input in = {
            .features = &f, .kernels = kernels_cpu(), .threads = 1, .arena = &arena};
        int i = 0;
        while (protocols[i] != all[p])
            i++;
        assert_int_equal(all[p]->run(settings.protocol[i], &in, &e, &err), STATUS_USAGE);
        assert_int_equal(strncmp(err.message, names[p], strlen(names[p])), 0);
    }
}

/* ---- few labels ------------------------------------------------------------------------------ */

static double metric(const struct eval *e, const char *name, int64_t seed) {
    for (int i = 0; i < e->n_metrics; i++)
        if (!strcmp(e->metrics[i].name, name) && e->metrics[i].seed == seed)
            return e->metrics[i].value;
    fail_msg("there is no %s of %d", name, (int)seed);
    return NAN;
}

/* Of 80 images of each of 3 classes: 10 % are 8 of each, and two draws share 10 % of them. */
static void test_lowshot_metrics(void **state) {
    (void)state;
    const struct feature_set f = vit(0.3);
    set("lowshot.shares", "0.1, 0.5");
    set("lowshot.shots", "1 5 1000");
    set("lowshot.draws", "4");
    const struct eval e = evaluate(&protocol_lowshot, &f, 2);
    assert_null(e.top1);
    assert_int_equal(e.n_metrics, 5 * (4 + 1));
    assert_string_equal(e.metrics[0].name, "top1_10pct");
    assert_int_equal(e.n_seeds, 4);
    double top1[4], mean = 0, variance = 0;
    for (int d = 0; d < 4; d++) {
        int right = 0;
        assert_true(e.seed[d] == d);
        top1[d] = metric(&e, "top1_10pct", d);
        for (int i = 0; i < TEST; i++)
            right += e.pred[d * TEST + i] == e.label[i];
        assert_true(top1[d] == (double)right / TEST); /* the stored predictions are the first's */
        mean += top1[d] / 4;
        assert_true(metric(&e, "top1_1shot", d) <= 1 && metric(&e, "top1_1000shot", d) > 0.5);
    }
    for (int d = 0; d < 4; d++)
        variance += (top1[d] - mean) * (top1[d] - mean) / 3;
    double want = sqrt(variance * (1.0 / 4 + 0.1 / 0.9));
    assert_true(fabs(metric(&e, "top1_10pct.sd_corrected", 0) - want) < 1e-12);
    assert_true(isnan(metric(&e, "top1_1000shot.sd_corrected", 0))); /* all images, four times */
    assert_true(mean > 0.5);
}

/* Candidates are scored on labelled images alone: each setting's score is a share of those held out
 * of its few.  With one of a class nothing is chosen. */
static void test_lowshot_selects_inside(void **state) {
    (void)state;
    const struct feature_set f = vit(0.2);
    set("lowshot.shares", "0.1 0.9");
    set("lowshot.shots", "1 5");
    set("lowshot.draws", "2");
    set("lowshot.c", "0.01 1");
    set("lowshot.fixed_c", "0.25");
    const struct eval e = evaluate(&protocol_lowshot, &f, 2);
    int rows = 0, n_chosen = 0;
    for (int i = 0; i < e.n_grid; i++) {
        const struct grid_row *g = &e.grid[i];
        int held_out = !strncmp(g->search, "10pct/", 6)   ? 3 * 8
                       : !strncmp(g->search, "90pct/", 6) ? 3 * 15 /* one fold of 72 */
                       : !strncmp(g->search, "5shot/", 6) ? 3 * 5
                                                          : 0;
        double right = g->val_top1 * held_out;
        n_chosen += g->chosen;
        if (!strncmp(g->search, "1shot/", 6)) {
            assert_true(isnan(g->val_top1) && g->chosen && g->weight_decay == 4);
            assert_string_equal(g->representation, "layer2.both");
            continue;
        }
        rows++;
        assert_true(held_out > 0 && fabs(right - round(right)) < 1e-9);
    }
    assert_int_equal(rows, 3 * 2 * 3 * 2); /* settings, draws, representations, C */
    assert_int_equal(n_chosen, 4 * 2);
}

/* ---- representations ------------------------------------------------------------------------- */

static const char *names_of(const struct feature_set *f, const char *which) {
    struct representation *list;
    int n = representations_list(f, which, &arena, &list);
    char *names = arena_strdup(&arena, "");
    for (int i = 0; i < n; i++)
        names = arena_printf(&arena, "%s%s:%d ", names, list[i].name, list[i].dim);
    return names;
}

static void test_representations_of_a_vit(void **state) {
    (void)state;
    struct feature_set f = {.classes = 2};
    static const char *const names[] = {"layer1.cls", "layer1.mean", "layer2.cls", "layer2.mean",
                                        "layer3.cls", "layer3.mean", "projection"};
    for (int i = 0; i < 7; i++)
        add_representation(&f, names[i], 10 + i);
    assert_string_equal(names_of(&f, "plain"),
                        "layer1.cls:10 layer1.mean:11 layer2.cls:12 layer2.mean:13 layer3.cls:14 "
                        "layer3.mean:15 projection:16 ");
    assert_string_equal(names_of(&f, "final"), "layer3.cls:14 layer3.mean:15 layer3.both:29 ");
    assert_string_equal(names_of(&f, "last"),
                        "layer3.cls:14 layer3.mean:15 projection:16 layer3.both:29 last2.cls:26 "
                        "last2.both:41 ");
    assert_string_equal(names_of(&f, "all"),
                        "layer1.cls:10 layer1.mean:11 layer2.cls:12 layer2.mean:13 layer3.cls:14 "
                        "layer3.mean:15 projection:16 layer1.both:21 layer2.both:25 layer3.both:29 "
                        "last2.cls:26 last2.both:41 ");
}

static void test_representations_of_a_convnet(void **state) {
    (void)state;
    struct feature_set f = {.classes = 2}, other = {.classes = 2};
    static const char *const names[] = {"stage1.mean", "stage2.mean", "stage3.mean", "stage4.mean"};
    for (int i = 0; i < 4; i++)
        add_representation(&f, names[i], 1 << i);
    assert_string_equal(names_of(&f, "final"), "stage4.mean:8 ");
    assert_string_equal(names_of(&f, "last"), "stage4.mean:8 last2.mean:12 last4.mean:15 ");
    add_representation(&other, "projection", 5); /* no layers at all */
    assert_string_equal(names_of(&other, "all"), "projection:5 ");
    assert_string_equal(names_of(&other, "final"), "projection:5 ");
}

/* The rows of a concatenation are those of its parts, side by side. */
static void test_rows_are_joined(void **state) {
    (void)state;
    const struct feature_set f = vit(1);
    static const int32_t index[] = {5, 0, 239, 5};
    struct representation *list;
    struct error err;
    int n = representations_list(&f, "all", &arena, &list);
    for (int i = 0; i < n; i++) {
        struct rows some, all;
        assert_int_equal(rows_open(&some, &f, &f.train, &list[i], index, 4, &err), 0);
        assert_int_equal(rows_open(&all, &f, &f.test, &list[i], NULL, 0, &err), 0);
        assert_int_equal(some.features.n, 4);
        assert_int_equal(all.features.n, TEST);
        const float *x = some.features.x, *y = all.features.x;
        for (int s = 0; s < 4; s++) {
            assert_int_equal(some.features.label[s], f.train.label[index[s]]);
            for (int p = 0; p < list[i].n_parts; p++, x += DIM)
                assert_memory_equal(x, f.train.x[list[i].part[p]] + (ptrdiff_t)index[s] * DIM,
                                    sizeof *x * DIM);
        }
        for (int s = 0; s < TEST; s++)
            for (int p = 0; p < list[i].n_parts; p++, y += DIM)
                assert_memory_equal(y, f.test.x[list[i].part[p]] + (ptrdiff_t)s * DIM,
                                    sizeof *y * DIM);
        rows_close(&some);
        rows_close(&all);
    }
}

int main(void) {
#define TEST_OF(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST_OF(test_threads_change_nothing),
        TEST_OF(test_linear_grid),
        TEST_OF(test_logistic_says_whether_it_converged),
        TEST_OF(test_too_few_to_select_on),
        TEST_OF(test_lowshot_metrics),
        TEST_OF(test_lowshot_selects_inside),
        TEST_OF(test_representations_of_a_vit),
        TEST_OF(test_representations_of_a_convnet),
        TEST_OF(test_rows_are_joined),
    };
    return cmocka_run_group_tests_name("frozen features", tests, NULL, NULL);
}
