/* The gradient of every operation and of whole networks against central differences along random
 * directions, in double precision with the reference kernels.  An operation whose name stands in
 * nn/op_*.c and that no case here uses is a failure. */
#include "tests/gradient_net.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>

static double loss_at(struct net *n, struct exec *x, const double *start, const double *direction,
                      double step) {
    for (size_t i = 0; i < n->model.count; i++)
        n->model.value[i] = (real)(start[i] + step * direction[i]);
    n->model.version++;
    return exec_run(x, BATCH);
}

/* Running statistics have no gradient. */
static void draw_direction(const struct model *m, uint32_t number, double *direction) {
    struct rng r = rng_at((struct rng_key){17, RNG_TEST}, number, 0);
    for (size_t i = 0; i < m->count; i++)
        direction[i] = rng_normal(&r);
    for (int f = 0; f < m->n_facts; f++)
        for (size_t i = 0; i < m->facts[f].count && !m->facts[f].trainable; i++)
            direction[m->facts[f].offset + i] = 0;
}

static void check_case(const struct net_case *c, int away) {
    enum { DIRECTIONS = 3 };
    const double eps = 1e-5, tolerance = 2e-8;
    struct net n;
    struct exec *x;
    void *data[8] = {NULL};
    open_net(&n, c, &(struct net_run){.threads = 1, .away = away}, &x, data);
    size_t count = n.model.count;
    double *start = calloc(count, sizeof *start), *gradient = calloc(count, sizeof *start),
           *direction = calloc(count, sizeof *start);
    for (size_t i = 0; i < count; i++)
        start[i] = (double)n.model.value[i];
    exec_run(x, BATCH);
    for (size_t i = 0; i < count; i++)
        gradient[i] = (double)exec_gradient(x)[i];
    for (uint32_t d = 0; d < DIRECTIONS; d++) {
        double analytic = 0, size = 0;
        draw_direction(&n.model, d, direction);
        for (size_t i = 0; i < count; i++) {
            analytic += gradient[i] * direction[i];
            size += fabs(gradient[i] * direction[i]);
        }
        double numeric =
            (loss_at(&n, x, start, direction, eps) - loss_at(&n, x, start, direction, -eps)) /
            (2 * eps);
        assert_true(size > 1e-6);
        if (!(fabs(numeric - analytic) <= tolerance * size))
            fail_msg("%s: direction %u: analytic %.12g, numeric %.12g", c->name, d, analytic,
                     numeric);
    }
    free(start);
    free(gradient);
    free(direction);
    close_net(&n, x, data);
}

static void gradients_match_central_differences(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++)
        check_case(&cases[i], 0);
}

static int has_choice(const struct net_case *c) {
    struct net n = {.n_input = 0};
    int found = 0;
    model_init(&n.model);
    graph_init(&n.graph, &n.model);
    n.group = model_group(&n.model, "net");
    c->build(&n);
    for (int t = 0; t < n.graph.n && !found; t++)
        found = n.graph.tensors[t]->op && n.graph.tensors[t]->op->choose_away;
    graph_free(&n.graph);
    model_free(&n.model);
    return found;
}

/* Of the operations that a device computes in another way. */
static void so_do_those_for_devices(void **state) {
    (void)state;
    int chosen = 0;
    for (int i = 0; i < CASES; i++)
        if (has_choice(&cases[i])) {
            check_case(&cases[i], 1);
            chosen++;
        }
    assert_true(chosen >= 3);
}

/* patchify's source is an input in every network; its gradient is checked with the kernels. */
static int used_somewhere(const char *op_name) {
    for (int i = 0; i < CASES; i++) {
        struct net n = {.n_input = 0};
        model_init(&n.model);
        graph_init(&n.graph, &n.model);
        n.group = model_group(&n.model, "net");
        cases[i].build(&n);
        int found = 0;
        for (int t = 0; t < n.graph.n && !found; t++)
            found = n.graph.tensors[t]->op && !strcmp(n.graph.tensors[t]->op->name, op_name);
        graph_free(&n.graph);
        model_free(&n.model);
        if (found)
            return 1;
    }
    return 0;
}

static void every_operation_has_a_case(void **state) {
    (void)state;
    glob_t files;
    int n = 0;
    assert_int_equal(glob("nn/op_*.c", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        FILE *f = fopen(files.gl_pathv[i], "r");
        assert_non_null(f);
        char line[512], name[64];
        while (fgets(line, sizeof line, f)) {
            const char *at = strstr(line, ".name = \"");
            if (!at || sscanf(at, ".name = \"%63[^\"]", name) != 1)
                continue;
            n++;
            if (!strcmp(name, "render")) /* none: what a view is made of are indices */
                continue;
            if (!used_somewhere(name))
                fail_msg("operation %s (%s) has no gradient case", name, files.gl_pathv[i]);
        }
        fclose(f);
    }
    globfree(&files);
    assert_true(n >= 9);
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct net n[2];
        struct exec *x[2];
        void *data[2][8] = {{NULL}};
        double loss[2];
        for (int t = 0; t < 2; t++) {
            open_net(&n[t], &cases[i], &(struct net_run){.threads = 1 + 2 * t}, &x[t], data[t]);
            loss[t] = exec_run(x[t], BATCH);
        }
        assert_memory_equal(&loss[0], &loss[1], sizeof loss[0]);
        assert_memory_equal(exec_gradient(x[0]), exec_gradient(x[1]),
                            n[0].model.count * sizeof(real));
        for (int t = 0; t < 2; t++)
            close_net(&n[t], x[t], data[t]);
    }
}

/* What lies behind a stop is touched neither by a gradient nor by a frozen parameter's. */
static void nothing_passes_a_stop(void **state) {
    (void)state;
    struct error err;
    struct net n = {.n_input = 0};
    struct exec *x;
    model_init(&n.model);
    graph_init(&n.graph, &n.model);
    int teacher = model_group(&n.model, "teacher");
    struct tensor *images = input(&n, "x", 2, (const int[]){TOKENS, 4});
    n.group = teacher;
    struct tensor *t = op_stop(&n.graph, "stop", linear(&n, "t", images, WIDTH, ACT_NONE, NULL));
    n.group = model_group(&n.model, "frozen");
    graph_freeze(&n.graph, 1);
    struct tensor *f = linear(&n, "f", images, WIDTH, ACT_NONE, NULL);
    graph_freeze(&n.graph, 0);
    n.group = model_group(&n.model, "student");
    struct tensor *s = linear(&n, "s", images, WIDTH, ACT_NONE, op_add(&n.graph, "sum", t, f));
    square_loss(&n, s);
    graph_plan(&n.graph);
    assert_int_equal(model_allocate(&n.model, 3, 0, &err), 0);
    const struct exec_config config = {
        .kernels = kernels_ref(), .threads = 1, .batch = BATCH, .chunk = CHUNK, .lanes = 2};
    assert_int_equal(exec_open(&x, &n.graph, &config, &err), 0);
    void *data[8] = {NULL};
    for (int i = 0; i < n.n_input; i++) {
        data[i] = draw_input(n.input[i], (uint32_t)i);
        exec_bind(x, n.input[i], data[i]);
    }
    exec_run(x, BATCH);
    for (int g = 0; g < n.model.n_groups; g++) {
        double size = 0;
        for (size_t i = 0; i < n.model.groups[g].count; i++)
            size += fabs((double)exec_gradient(x)[n.model.groups[g].offset + i]);
        if (!strcmp(n.model.groups[g].name, "student"))
            assert_true(size > 0);
        else
            assert_true(size == 0);
    }
    close_net(&n, x, data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_central_differences),
        cmocka_unit_test(so_do_those_for_devices),
        cmocka_unit_test(every_operation_has_a_case),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(nothing_passes_a_stop),
    };
    return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
