/* ResNets and AlexNets against plain PyTorch (tests/golden/convnets.py): a training step's loss,
 * gradients and running statistics, and evaluation mode after it. */
#include "nn/exec.h"
#include "nn/resnet.h"

#include "tests/golden/convnets.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 3, VIEWS = 2, COLORS = 3, CLASSES = 10 };

static const double RATE = 0.1;

static const struct network {
    const char *name;
    struct resnet resnet;
    struct alexnet alexnet;
} networks[] = {
    {.name = "resnet", .resnet = {.width = 4, .blocks = {2, 1, 1}, .small_stem = 1}},
    {.name = "bottleneck", .resnet = {.width = 3, .blocks = {1, 2}, .bottleneck = 1}},
    {.name = "alexnet_small", .alexnet = {.width = {3, 5, 4, 6, 4}, .small = 1}},
    {.name = "alexnet", .alexnet = {.width = {4, 5, 6, 4, 5}}},
};

static double chirp(size_t i, double shift) {
    double m = (double)(i % 1009);
    return sin(0.37 * m * m + 0.7 * (double)i + shift);
}

static int key(const char *name) {
    int sum = 0;
    for (int j = 0; name[j]; j++)
        sum += (j + 1) * name[j];
    return sum % 101;
}

struct fixture {
    struct model model;
    struct graph graph[2]; /* training, evaluating */
    struct tensor *images[2], *labels[2], *loss[2];
    struct exec *exec[2];
    float *pixels;
    int32_t label[N];
};

static void build(struct fixture *f, const struct network *net, int side, int evaluating) {
    struct graph *g = &f->graph[evaluating];
    graph_init(g, &f->model);
    g->evaluating = evaluating;
    int group = model_group(&f->model, "encoder");
    struct tensor *x = f->images[evaluating] =
        graph_input(g, "images", 4, (const int[]){VIEWS, COLORS, side, side});
    x = net->resnet.width ? resnet_encode(g, group, &net->resnet, x, NULL)
                          : alexnet_encode(g, group, &net->alexnet, x, NULL);
    int pixels = x->dim[1] * x->dim[2];
    x = op_reshape(g, "pixels", x, 3, (const int[]){VIEWS, pixels, x->dim[3]});
    x = op_mean_rows(g, "mean", x, 0, pixels);
    const struct linear_spec fc = {.group = group, .out = CLASSES, .init = INIT_XAVIER};
    x = op_linear(g, "fc", x, &fc, NULL);
    f->labels[evaluating] = graph_index(g, "labels", 1);
    f->loss[evaluating] = op_softmax_xent(g, "loss", x, f->labels[evaluating], 0);
    if (evaluating)
        graph_output(g, f->loss[1]);
    else
        graph_objective(g, f->loss[0], 1.0 / VIEWS);
    graph_plan(g);
}

static void fill_parameters(struct model *m) {
    for (const struct param *p = m->groups[0].first; p; p = p->next) {
        const char *end = p->name + strlen(p->name) - 6;
        int gain = p->ndim == 1 && !strcmp(end, "weight");
        for (size_t i = 0; i < p->count && p->trainable; i++)
            m->value[p->offset + i] = (float)(gain + 0.3 * chirp(i, 1.3 * key(p->name)));
    }
    m->version++;
}

static void open_fixture(struct fixture *f, const struct network *net, int side,
                         const struct kernels *k, int threads) {
    struct error err;
    memset(f, 0, sizeof *f);
    model_init(&f->model);
    build(f, net, side, 0);
    build(f, net, side, 1);
    assert_int_equal(model_allocate(&f->model, 0, 0, &err), 0);
    fill_parameters(&f->model);
    size_t count = (size_t)(N * VIEWS * COLORS * side * side);
    f->pixels = malloc(count * sizeof *f->pixels);
    assert_non_null(f->pixels);
    for (size_t i = 0; i < count; i++)
        f->pixels[i] = (float)chirp(i, 0);
    for (int i = 0; i < N; i++)
        f->label[i] = i * 3 % CLASSES;
    const struct exec_config config = {
        .kernels = k, .threads = threads, .batch = N, .chunk = 1, .lanes = 2};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(exec_open(&f->exec[i], &f->graph[i], &config, &err), 0);
        exec_bind(f->exec[i], f->images[i], f->pixels);
        exec_bind(f->exec[i], f->labels[i], f->label);
    }
}

static void close_fixture(struct fixture *f) {
    for (int i = 0; i < 2; i++) {
        exec_close(f->exec[i]);
        graph_free(&f->graph[i]);
    }
    model_free(&f->model);
    free(f->pixels);
}

static void near(const char *net, const char *what, double value, double golden, double tolerance) {
    if (!(fabs(value - golden) <= tolerance))
        fail_msg("%s: %s: %.9g instead of %.9g", net, what, value, golden);
}

static const struct golden_value *find(const struct golden_net *golden, const char *name) {
    for (int i = 0; i < golden->n; i++)
        if (!strcmp(golden->values[i].name, name))
            return &golden->values[i];
    fail_msg("%s: PyTorch has no %s", golden->name, name);
    return NULL;
}

static void compare(const struct golden_net *golden, const struct param *p, const float *value) {
    const struct golden_value *want = find(golden, p->name);
    double dot = 0, square = 0;
    for (size_t i = 0; i < p->count; i++) {
        dot += (double)value[i] * chirp(i, 0.5);
        square += (double)value[i] * (double)value[i];
    }
    near(golden->name, p->name, dot, want->dot, 1e-4 * want->norm);
    near(golden->name, p->name, sqrt(square), want->norm, 1e-4 * want->norm);
}

static void compare_network(const struct network *net, const struct golden_net *golden,
                            const struct kernels *k) {
    struct fixture f;
    open_fixture(&f, net, golden->side, k, 2);
    struct model *m = &f.model;
    near(net->name, "loss", exec_run(f.exec[0], N), golden->loss, 1e-5 * golden->loss);
    int n = 0;
    for (const struct param *p = m->groups[0].first; p; p = p->next, n++)
        compare(golden, p,
                p->trainable ? exec_gradient(f.exec[0]) + p->offset : m->value + p->offset);
    assert_int_equal(n, golden->n);
    for (const struct param *p = m->groups[0].first; p; p = p->next)
        for (size_t i = p->offset; p->trainable && i < p->offset + p->count; i++)
            m->value[i] -= (float)RATE * exec_gradient(f.exec[0])[i];
    m->version++;
    exec_run(f.exec[1], N);
    near(net->name, "loss in evaluation mode", exec_loss(f.exec[1], f.loss[1], N) / VIEWS,
         golden->evaluated, 1e-5 * golden->evaluated);
    close_fixture(&f);
}

static void networks_equal_pytorch(void **state) {
    (void)state;
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
            assert_string_equal(networks[i].name, golden_nets[i].name);
            compare_network(&networks[i], &golden_nets[i], *k);
        }
}

/* Looking at a gradient leaves no trace, and what is left behind is seen by the next graph. */
static void statistics_move_in_runs_only(void **state) {
    (void)state;
    struct fixture f;
    open_fixture(&f, &networks[0], golden_nets[0].side, kernels_cpu(), 2);
    size_t bytes = f.model.count * sizeof(real);
    real *before = malloc(bytes);
    assert_non_null(before);
    memcpy(before, f.model.value, bytes);
    exec_run(f.exec[1], N);
    double untouched = exec_loss(f.exec[1], f.loss[1], N);
    exec_probe(f.exec[0], N);
    assert_memory_equal(before, f.model.value, bytes);
    exec_run(f.exec[0], N);
    assert_memory_not_equal(before, f.model.value, bytes);
    exec_run(f.exec[1], N);
    assert_true(fabs(exec_loss(f.exec[1], f.loss[1], N) - untouched) > 1e-3);
    free(before);
    close_fixture(&f);
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        struct fixture f[2];
        double loss[2];
        for (int t = 0; t < 2; t++) {
            open_fixture(&f[t], &networks[i], 2 * golden_nets[i].side, kernels_cpu(), 1 + 2 * t);
            loss[t] = exec_run(f[t].exec[0], N);
        }
        size_t bytes = f[0].model.count * sizeof(real);
        assert_memory_equal(&loss[0], &loss[1], sizeof *loss);
        assert_memory_equal(exec_gradient(f[0].exec[0]), exec_gradient(f[1].exec[0]), bytes);
        assert_memory_equal(f[0].model.value, f[1].model.value, bytes);
        for (int t = 0; t < 2; t++)
            close_fixture(&f[t]);
    }
}

static size_t count_parameters(const char *name, int *dim) {
    struct model m;
    struct graph g;
    struct resnet r = {.small_stem = 1};
    model_init(&m);
    graph_init(&g, &m);
    assert_true(resnet_by_name(&r, name));
    struct tensor *images = graph_input(&g, "images", 3, (const int[]){COLORS, 32, 32});
    struct tensor *layers[RESNET_STAGES];
    struct tensor *x = resnet_encode(&g, model_group(&m, "encoder"), &r, images, layers);
    *dim = x->dim[2];
    assert_int_equal(resnet_dim(&r), *dim);
    for (int s = 0; s < RESNET_STAGES; s++)
        if (r.blocks[s])
            assert_int_equal(layers[s]->dim[0], 32 >> s);
        else
            assert_null(layers[s]);
    size_t n = 0;
    for (const struct param *p = m.groups[0].first; p; p = p->next)
        n += p->trainable ? p->count : 0;
    graph_free(&g);
    model_free(&m);
    return n;
}

/* torchvision's counts less the classifier's 513,000 and 2,049,000, and less what the smaller stem
 * saves: 64 * 3 * (49 - 9). */
static void sizes_are_those_of_the_papers(void **state) {
    (void)state;
    int dim;
    assert_int_equal(count_parameters("resnet18", &dim), 11689512 - 513000 - 7680);
    assert_int_equal(dim, 512);
    assert_int_equal(count_parameters("resnet50", &dim), 25557032 - 2049000 - 7680);
    assert_int_equal(dim, 2048);
    assert_in_range(count_parameters("resnet-micro", &dim), 170000, 190000);
    assert_int_equal(dim, 64);
    struct resnet r;
    assert_false(resnet_by_name(&r, "resnet19"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_equal_pytorch),
        cmocka_unit_test(statistics_move_in_runs_only),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(sizes_are_those_of_the_papers),
    };
    return cmocka_run_group_tests_name("convnets", tests, NULL, NULL);
}
