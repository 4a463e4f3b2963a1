/* What a last block leaves out where one token is wanted changes neither that token nor a gradient:
 * a ViT's CLS token and a text's end against the whole of them, in double precision. */
#include "core/rng.h"
#include "nn/exec.h"
#include "nn/text.h"
#include "nn/vit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BATCH = 3, IMAGE = 8, CHANNELS = 2, VIEWS = 2, CONTEXT = 6, WORDS = 9, DIM = 8 };

struct net {
    struct model model;
    struct graph graph;
    struct exec *exec;
    struct tensor *features;
    double loss;
};

static const struct vit vit = {.image = IMAGE,
                               .channels = CHANNELS,
                               .patch = 4,
                               .dim = DIM,
                               .depth = 2,
                               .heads = 2,
                               .mlp = 12,
                               .layer_scale = 0.5,
                               .relative_positions = 1,
                               .position = POSITION_LEARNED};

static struct tensor *encode_image(struct graph *g, int group, int one, struct tensor *images) {
    if (one)
        return vit_encode_cls(g, group, &vit, images, NULL);
    return op_mean_rows(g, "cls", vit_encode(g, group, &vit, images, NULL, NULL), 0, 1);
}

/* text_encode as it would be with all tokens. */
static struct tensor *encode_text(struct graph *g, int group, int one, struct tensor *x,
                                  struct tensor *end) {
    const struct transformer blocks = {.depth = 2,
                                       .heads = 2,
                                       .mlp = 12,
                                       .act = ACT_QUICK_GELU,
                                       .causal = 1,
                                       .row = one ? end : NULL};
    x = transformer_blocks(g, group, "text", x, &blocks, NULL);
    x = one ? x : op_gather(g, "end", x, end, NULL);
    return op_mean_rows(g, "end", op_layernorm(g, "norm", group, x, 1e-6), 0, 1);
}

static void open_net(struct net *n, int one, int text, const void *x, const int32_t *end,
                     const real *target) {
    struct error err;
    struct graph *g = &n->graph;
    model_init(&n->model);
    graph_init(g, &n->model);
    int group = model_group(&n->model, "net");
    struct tensor *in = text ? graph_input(g, "x", 2, (const int[]){CONTEXT, DIM})
                             : graph_input(g, "x", 4, (const int[]){VIEWS, CHANNELS, IMAGE, IMAGE});
    struct tensor *last = graph_index(g, "end", 1);
    /* Something with parameters in front, so that gradients go all the way. */
    const struct linear_spec first = {
        .group = group, .out = DIM, .init = INIT_NORMAL, .scale = 0.4};
    n->features = text ? encode_text(g, group, one, op_linear(g, "first", in, &first, NULL), last)
                       : encode_image(g, group, one, in);
    struct tensor *to = graph_input(g, "target", n->features->ndim, n->features->dim);
    graph_output(g, n->features);
    graph_objective(g, op_mse(g, "loss", n->features, to, NULL), 1);
    graph_plan(g);
    assert_int_equal(model_allocate(&n->model, 3, 0, &err), 0);
    struct rng r = rng_at((struct rng_key){5, RNG_TEST}, 1, 0);
    for (size_t i = 0; i < n->model.count; i++)
        n->model.value[i] += (real)(0.3 * rng_normal(&r));
    const struct exec_config config = {
        .kernels = kernels_ref(), .threads = 1, .batch = BATCH, .chunk = 2, .lanes = 2};
    assert_int_equal(exec_open(&n->exec, g, &config, &err), 0);
    exec_bind(n->exec, in, x);
    exec_bind(n->exec, last, end);
    exec_bind(n->exec, to, target);
    n->loss = exec_run(n->exec, BATCH);
}

static void close_net(struct net *n) {
    exec_close(n->exec);
    graph_free(&n->graph);
    model_free(&n->model);
}

static void assert_same(const real *a, const real *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(fabs(a[i] - b[i]) <= 1e-12 * fmax(1, fabs(b[i]))))
            fail_msg("entry %zu: %.17g and %.17g", i, a[i], b[i]);
}

static void one_row_is_that_of_all(int text) {
    enum { MOST = BATCH * VIEWS * CHANNELS * IMAGE * IMAGE };
    static const int32_t end[BATCH] = {CONTEXT - 1, 0, 3};
    real x[MOST], target[BATCH * VIEWS * DIM];
    struct rng r = rng_at((struct rng_key){7, RNG_TEST}, 0, (uint32_t)text);
    for (int i = 0; i < MOST; i++)
        x[i] = (real)rng_normal(&r);
    for (int i = 0; i < BATCH * VIEWS * DIM; i++)
        target[i] = (real)rng_normal(&r);
    struct net all, one;
    open_net(&all, 0, text, x, end, target);
    open_net(&one, 1, text, x, end, target);
    assert_true(all.features->per_sample == one.features->per_sample);
    assert_true(one.graph.flops_forward < 0.9 * all.graph.flops_forward);
    assert_same(exec_output(one.exec, one.features), exec_output(all.exec, all.features),
                BATCH * all.features->per_sample);
    assert_true(all.model.count == one.model.count);
    assert_same(exec_gradient(one.exec), exec_gradient(all.exec), all.model.count);
    assert_true(fabs(one.loss - all.loss) < 1e-12);
    close_net(&all);
    close_net(&one);
}

static void cls_of_a_vit(void **state) {
    (void)state;
    one_row_is_that_of_all(0);
}

static void end_of_a_text(void **state) {
    (void)state;
    one_row_is_that_of_all(1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(cls_of_a_vit),
                                       cmocka_unit_test(end_of_a_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
