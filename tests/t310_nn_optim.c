/* Optimizers against PyTorch's trajectories, schedules, clipping, EMA. */
#include "core/arena.h"
#include "nn/optim.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/golden/optim.h"

/* The golden tensors lie in a slab with holes, as the aligned tensors of a model do. */
enum { MATRIX = 12, VECTOR = 4, AT_MATRIX = 3, AT_VECTOR = 19, SLAB = 26 };
static const real hole = 77;

struct fixture {
    const struct kernels *k;
    struct kctx c;
    struct slab workspace;
    struct param_fact facts[2];
    real value[SLAB], grad[SLAB], m[SLAB], v[SLAB];
    struct optim_state state;
};

static void fill(real slab[SLAB], const double golden[MATRIX + VECTOR]) {
    for (int i = 0; i < MATRIX + VECTOR; i++)
        slab[i < MATRIX ? AT_MATRIX + i : AT_VECTOR + i - MATRIX] = (real)golden[i];
}

/* As a trainer does it; returns the norm. */
static double whole_step(const struct optimizer *o, const struct kernels *k, const struct kctx *c,
                         const struct optim_state *s, double lr, long t) {
    struct arena scratch = {0};
    const double *squares = optimizer_squares(&scratch, o, k, c, s, t);
    double norm = optimizer_norm(s, squares);
    if (isfinite(norm))
        optimizer_step(o, k, c, s, squares, lr, t);
    arena_free(&scratch);
    return norm;
}

static void setup(struct fixture *f, const struct kernels *k) {
    struct error err;
    *f = (struct fixture){.k = k,
                          .c = {.threads = 1},
                          .facts = {{.offset = AT_MATRIX,
                                     .count = MATRIX,
                                     .ndim = 2,
                                     .lr_scale = 1,
                                     .decay = 1,
                                     .trainable = 1},
                                    {.offset = AT_VECTOR,
                                     .count = VECTOR,
                                     .ndim = 1,
                                     .lr_scale = 1,
                                     .decay = 1,
                                     .trainable = 1}}};
    assert_int_equal(slab_alloc(&f->workspace, KERNEL_WORKSPACE * sizeof(real), "test", &err), 0);
    f->c.workspace = f->workspace.data;
    for (int i = 0; i < SLAB; i++)
        f->value[i] = hole;
    fill(f->value, golden_start[0]);
    f->state = (struct optim_state){.value = f->value,
                                    .grad = f->grad,
                                    .m = f->m,
                                    .v = f->v,
                                    .count = SLAB,
                                    .facts = f->facts,
                                    .n_facts = 2};
}

static void teardown(struct fixture *f) {
    slab_free(&f->workspace);
}

static void assert_slab(const struct fixture *f, const double golden[MATRIX + VECTOR],
                        const char *name, int step) {
    real want[SLAB];
    for (int i = 0; i < SLAB; i++)
        want[i] = hole;
    fill(want, golden);
    for (int i = 0; i < SLAB; i++)
        if (!(fabs((double)(f->value[i] - want[i])) <= 3e-6 * (1 + fabs((double)want[i]))))
            fail_msg("%s on %s, step %d, element %d: %.9g, not %.9g", name, f->k->name, step, i,
                     (double)f->value[i], (double)want[i]);
}

struct golden_case {
    const char *name;
    const double (*rows)[MATRIX + VECTOR];
    struct optimizer o;
    real matrix_scale;
};

#define ADAMW .kind = OPTIMIZER_ADAMW, .b1 = 0.9, .b2 = 0.95, .eps = 1e-8, .weight_decay = 0.05
#define SGD .kind = OPTIMIZER_SGD, .momentum = 0.9, .weight_decay = 0.05
#define LARS .kind = OPTIMIZER_LARS, .momentum = 0.9, .trust = 0.02

static const struct golden_case cases[] = {
    {"adamw", golden_adamw, {ADAMW}, 1},
    {"adamw, clipped", golden_adamw_clip, {ADAMW, .clip = 3}, 1},
    {"adamw, layer-wise", golden_adamw_layer, {ADAMW}, 0.65F},
    {"sgd", golden_sgd, {SGD}, 1},
    {"sgd, clipped", golden_sgd_clip, {SGD, .clip = 3}, 1},
    {"nesterov", golden_nesterov, {SGD, .nesterov = 1}, 1},
    {"lars", golden_lars, {LARS, .weight_decay = 0.05}, 1},
    {"lars, no decay, clipped", golden_lars_no_decay, {LARS, .clip = 3}, 1},
};

static void run_case(const struct golden_case *g, const struct kernels *k) {
    struct fixture f;
    setup(&f, k);
    f.facts[0].lr_scale = g->matrix_scale;
    if (g->o.kind != OPTIMIZER_ADAMW)
        f.state.v = NULL;
    for (int s = 0; s < GOLDEN_STEPS; s++) {
        fill(f.grad, golden_grad[s]);
        double want = 0;
        for (int i = 0; i < MATRIX + VECTOR; i++)
            want += golden_grad[s][i] * golden_grad[s][i];
        double norm = whole_step(&g->o, k, &f.c, &f.state, golden_rate[s][0], s + 1);
        if (fabs(norm - sqrt(want)) > 1e-5 * sqrt(want))
            fail_msg("%s on %s: norm %g, not %g", g->name, k->name, norm, sqrt(want));
        assert_slab(&f, g->rows[s], g->name, s + 1);
    }
    teardown(&f);
}

static void test_golden_trajectories(void **unused) {
    (void)unused;
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            run_case(&cases[i], *k);
}

static void test_bad_gradient_takes_no_step(void **unused) {
    (void)unused;
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++) {
            struct fixture f, before;
            setup(&f, kernels_ref());
            fill(f.grad, golden_grad[0]);
            whole_step(&cases[i].o, f.k, &f.c, &f.state, 0.1, 1);
            before = f;
            f.grad[AT_VECTOR + 1] = (real)bad[b];
            assert_false(isfinite(whole_step(&cases[i].o, f.k, &f.c, &f.state, 0.1, 2)));
            assert_memory_equal(f.value, before.value, sizeof f.value);
            assert_memory_equal(f.m, before.m, sizeof f.m);
            assert_memory_equal(f.v, before.v, sizeof f.v);
            teardown(&f);
        }
}

/* A gradient below the bound is untouched; above it the step is that of the scaled gradient. */
static void test_clip_is_global(void **unused) {
    (void)unused;
    struct optimizer o = {.kind = OPTIMIZER_SGD, .clip = 5};
    struct fixture f;
    setup(&f, kernels_ref());
    memset(f.grad, 0, sizeof f.grad);
    f.grad[AT_MATRIX] = 3, f.grad[AT_VECTOR] = 4;
    real w = f.value[AT_MATRIX];
    assert_true(fabs(whole_step(&o, f.k, &f.c, &f.state, 1, 1) - 5) < 1e-6);
    assert_true(fabs((double)(f.value[AT_MATRIX] - (w - 3))) < 1e-5);
    f.grad[AT_MATRIX] = 30, f.grad[AT_VECTOR] = 40;
    w = f.value[AT_MATRIX];
    real b = f.value[AT_VECTOR];
    assert_true(fabs(whole_step(&o, f.k, &f.c, &f.state, 1, 2) - 50) < 1e-4);
    assert_true(fabs((double)(f.value[AT_MATRIX] - (w - 3))) < 1e-5);
    assert_true(fabs((double)(f.value[AT_VECTOR] - (b - 4))) < 1e-5);
    teardown(&f);
}

/* With no gradient only weight decay moves, and only what it applies to. */
static void test_decay_follows_the_facts(void **unused) {
    (void)unused;
    struct optimizer o = {ADAMW};
    struct fixture f;
    setup(&f, kernels_ref());
    real w = f.value[AT_MATRIX], b = f.value[AT_VECTOR];
    whole_step(&o, f.k, &f.c, &f.state, 0.5, 1);
    assert_true(fabs((double)(f.value[AT_MATRIX] - w * (real)0.975)) < 1e-6);
    assert_true(f.value[AT_VECTOR] == b);
    f.facts[0].decay = 0;
    w = f.value[AT_MATRIX];
    whole_step(&o, f.k, &f.c, &f.state, 0.5, 2);
    assert_true(f.value[AT_MATRIX] == w);
    teardown(&f);
}

static void test_schedule(void **unused) {
    (void)unused;
    assert_true(schedule_cosine(0, 100, 10, 2, 0.5) == 0);
    assert_true(schedule_cosine(5, 100, 10, 2, 0.5) == 1);
    assert_true(schedule_cosine(10, 100, 10, 2, 0.5) == 2);
    assert_true(fabs(schedule_cosine(55, 100, 10, 2, 0.5) - 1.25) < 1e-12);
    assert_true(schedule_cosine(100, 100, 10, 2, 0.5) == 0.5);
    assert_true(schedule_cosine(1000, 100, 10, 2, 0.5) == 0.5);
    assert_true(schedule_cosine(0, 100, 0, 2, 0.5) == 2);
    assert_true(schedule_cosine(0, 0, 0, 2, 0.5) == 0.5);
    assert_true(schedule_cosine(7, 10, 10, 2, 0.5) == 1.4);
    assert_true(schedule_cosine(10, 10, 10, 2, 0.5) == 0.5);
    for (long s = 11; s <= 100; s++)
        assert_true(schedule_cosine(s, 100, 10, 2, 0.5) < schedule_cosine(s - 1, 100, 10, 2, 0.5));
}

static void test_ema(void **unused) {
    (void)unused;
    struct fixture f;
    setup(&f, kernels_ref());
    real student[3] = {1, -2, 0.3F}, teacher[3] = {3, NAN, 0};
    ema_update(f.k, &f.c, 3, student, 0, teacher); /* m = 0 copies, whatever was there */
    assert_memory_equal(teacher, student, sizeof student);
    teacher[0] = 3;
    ema_update(f.k, &f.c, 3, student, 0.75, teacher);
    assert_true(teacher[0] == 2.5F);
    ema_update(f.k, &f.c, 3, student, 1, teacher);
    assert_true(teacher[0] == 2.5F);
    /* A teacher that equals its student stays within rounding of it: the factors sum to 1. */
    memcpy(teacher, student, sizeof student);
    for (int i = 0; i < 100000; i++)
        ema_update(f.k, &f.c, 3, student, 0.9999, teacher);
    for (int i = 0; i < 3; i++)
        assert_true(fabs((double)(teacher[i] / student[i]) - 1) < 1e-6);
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_trajectories),
        cmocka_unit_test(test_bad_gradient_takes_no_step),
        cmocka_unit_test(test_clip_is_global),
        cmocka_unit_test(test_decay_follows_the_facts),
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_ema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
