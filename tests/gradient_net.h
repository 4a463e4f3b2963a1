/* Small networks that together use every operation, and one of them made ready to run, in double
 * precision with the reference kernels: for the tests of gradients. */
#ifndef SSV_TESTS_GRADIENT_NET_H
#define SSV_TESTS_GRADIENT_NET_H

#include "core/rng.h"
#include "nn/exec.h"
#include "nn/vit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH = 5, CHUNK = 2, TOKENS = 7, WIDTH = 6, CLASSES = 5, MAX_OPS = 64 };

struct net {
    struct model model;
    struct graph graph;
    int group;
    struct tensor *input[8];
    int n_input;
};

static struct tensor *input(struct net *n, const char *name, int ndim, const int *dim) {
    return n->input[n->n_input++] = graph_input(&n->graph, name, ndim, dim);
}

static struct tensor *index_input(struct net *n, const char *name, int count) {
    return n->input[n->n_input++] = graph_index(&n->graph, name, count);
}

static struct tensor *linear(struct net *n, const char *name, struct tensor *x, int out, int act,
                             struct tensor *residual) {
    struct linear_spec spec = {.group = n->group,
                               .out = out,
                               .act = (enum activation)act,
                               .init = INIT_NORMAL,
                               .scale = 0.4};
    return op_linear(&n->graph, name, x, &spec, residual);
}

/* Something with parameters behind it, (N, TOKENS, WIDTH). */
static struct tensor *source(struct net *n) {
    return linear(n, "source", input(n, "x", 2, (const int[]){TOKENS, 4}), WIDTH, ACT_NONE, NULL);
}

static void square_loss(struct net *n, struct tensor *x) {
    struct tensor *target = input(n, "target", 2, x->dim);
    graph_objective(&n->graph, op_mse(&n->graph, "loss", x, target, NULL), 1.3);
}

/* Of y somebody wants the sums alone. */
static void net_sums(struct net *n) {
    struct tensor *y = linear(n, "y", source(n), 5, ACT_NONE, NULL);
    graph_sums(&n->graph, y);
    square_loss(n, y);
}

static void net_linear(struct net *n) {
    square_loss(n, linear(n, "y", source(n), 3, ACT_NONE, NULL));
}

static void net_gelu(struct net *n) {
    square_loss(n, linear(n, "y", source(n), 9, ACT_GELU, NULL));
}

/* Activations between linear layers, of two of which gradients come from two. */
static void net_stack(struct net *n) {
    struct tensor *x = linear(n, "once", source(n), 8, ACT_GELU, NULL);
    x = linear(n, "again", x, WIDTH, ACT_QUICK_GELU, NULL);
    x = linear(n, "read", x, WIDTH, ACT_TANH, NULL);
    struct tensor *y = linear(n, "added", x, WIDTH, ACT_LEAKY_RELU, NULL);
    y = linear(n, "y", y, WIDTH, ACT_NONE, y);
    square_loss(n, linear(n, "z", x, WIDTH, ACT_NONE, y));
}

static void net_residual(struct net *n) {
    struct tensor *x = source(n);
    struct tensor *y = linear(n, "y", x, WIDTH, ACT_NONE, x);
    square_loss(n, linear(n, "z", y, WIDTH, ACT_NONE, x));
}

static void net_layernorm(struct net *n) {
    square_loss(n, op_layernorm(&n->graph, "norm", n->group, source(n), 1e-6));
}

/* Two norms of one residual: the gradient that is summed for its bias is that of both. */
static void net_two_norms(struct net *n) {
    struct graph *g = &n->graph;
    struct tensor *x = source(n), *y = op_layernorm(g, "first", n->group, x, 1e-6);
    x = linear(n, "hidden", y, WIDTH, ACT_GELU, NULL);
    x = linear(n, "sum", x, WIDTH, ACT_NONE, y);
    struct tensor *a =
        linear(n, "a", op_layernorm(g, "left", n->group, x, 1e-6), 8, ACT_NONE, NULL);
    struct tensor *b =
        linear(n, "b", op_layernorm(g, "right", n->group, x, 1e-6), 8, ACT_NONE, NULL);
    square_loss(n, op_add(g, "both", a, b));
}

static void net_attention(struct net *n) {
    struct tensor *qkv = linear(n, "qkv", source(n), 3 * 8, ACT_NONE, NULL);
    square_loss(n, op_attention(&n->graph, "attention", qkv, 2, 0, NULL));
}

static void net_gather(struct net *n) {
    struct tensor *index = index_input(n, "index", 9);
    const int width = WIDTH;
    struct tensor *fill = graph_param(&n->graph, n->group, "fill", 1, &width, INIT_NORMAL, 1);
    square_loss(n, op_gather(&n->graph, "gather", source(n), index, fill));
}

static void net_gather_constant(struct net *n) {
    const int32_t index[] = {3, -1, 3, 0};
    struct tensor *x = source(n);
    struct tensor *y =
        op_gather(&n->graph, "gather", x, graph_const_index(&n->graph, "index", 4, index), NULL);
    square_loss(n, y);
}

static void net_add(struct net *n) {
    const int dim[] = {TOKENS, WIDTH};
    struct tensor *b = graph_param(&n->graph, n->group, "b", 2, dim, INIT_NORMAL, 1);
    struct tensor *x = source(n);
    struct tensor *y = op_add_broadcast(&n->graph, "add", x, b);
    square_loss(n, linear(n, "z", y, WIDTH, ACT_NONE, x));
}

static void classify(struct net *n, struct tensor *x, double smooth) {
    struct tensor *labels = index_input(n, "labels", 1);
    x = linear(n, "fc", x, CLASSES, ACT_NONE, NULL);
    graph_objective(&n->graph, op_softmax_xent(&n->graph, "loss", x, labels, smooth), 1);
}

static void net_mean(struct net *n) {
    classify(n, op_mean_rows(&n->graph, "mean", source(n), 2, 6), 0);
}

static void net_smooth(struct net *n) {
    classify(n, op_mean_rows(&n->graph, "mean", source(n), 0, 1), 0.2);
}

static void net_two_losses(struct net *n) {
    struct tensor *x = source(n);
    square_loss(n, linear(n, "y", x, 3, ACT_GELU, NULL));
    classify(n, op_mean_rows(&n->graph, "mean", x, 0, TOKENS), 0);
}

static void net_standardize(struct net *n) {
    struct tensor *x = source(n);
    struct tensor *raw = input(n, "raw", 2, (const int[]){TOKENS, WIDTH});
    struct tensor *target = op_standardize(&n->graph, "target", raw, 1e-6);
    graph_objective(&n->graph, op_mse(&n->graph, "loss", x, target, NULL), 1);
}

static void net_vit(struct net *n) {
    const struct vit v = {.image = 8,
                          .channels = 2,
                          .patch = 4,
                          .dim = 8,
                          .depth = 2,
                          .heads = 2,
                          .mlp = 12,
                          .position = POSITION_LEARNED};
    struct tensor *images = input(n, "images", 3, (const int[]){2, 8, 8});
    struct tensor *x = vit_encode(&n->graph, n->group, &v, images, NULL, NULL);
    classify(n, op_mean_rows(&n->graph, "cls", x, 0, 1), 0);
}

/* CLS and the mean of the patches, which ends in front of the registers. */
static void net_registers(struct net *n) {
    const struct vit v = {.image = 8,
                          .channels = 2,
                          .patch = 4,
                          .dim = 8,
                          .depth = 1,
                          .heads = 2,
                          .mlp = 12,
                          .registers = 3,
                          .position = POSITION_LEARNED};
    struct graph *g = &n->graph;
    struct tensor *images = input(n, "images", 3, (const int[]){2, 8, 8});
    struct tensor *x = vit_encode(g, n->group, &v, images, NULL, NULL);
    struct tensor *mean = op_mean_rows(g, "mean", x, 1, vit_patch_end(&v, x));
    classify(n, op_add(g, "sum", op_mean_rows(g, "cls", x, 0, 1), mean), 0);
}

/* As DINOv3's: gates, two views of each sample, an axis of its own for rows and for columns, and
 * CLS alone of the last block. */
static void net_rotary(struct net *n) {
    const struct vit v = {.image = 12,
                          .wide = 8,
                          .channels = 1,
                          .patch = 4,
                          .dim = 16,
                          .depth = 2,
                          .heads = 2,
                          .mlp = 12,
                          .registers = 1,
                          .gated = 1,
                          .position = POSITION_ROTARY,
                          .rotary_base = 100};
    struct tensor *images = input(n, "images", 4, (const int[]){2, 1, 12, 8});
    classify(n, vit_encode_cls(&n->graph, n->group, &v, images, NULL), 0);
}

/* The shape of MAE: some tokens encoded, all decoded, the hidden ones compared. */
static void net_masked(struct net *n) {
    const struct vit v = {.image = 8,
                          .channels = 2,
                          .patch = 4,
                          .dim = 8,
                          .depth = 1,
                          .heads = 2,
                          .mlp = 12,
                          .position = POSITION_SINCOS};
    struct graph *g = &n->graph;
    struct tensor *images = input(n, "images", 3, (const int[]){2, 8, 8});
    struct tensor *visible = index_input(n, "visible", 3), *restore = index_input(n, "restore", 5);
    struct tensor *x = op_gather(g, "visible", vit_embed(g, n->group, &v, images), visible, NULL);
    const struct transformer blocks = {.depth = 1, .heads = 2, .mlp = 12};
    x = transformer_blocks(g, n->group, "blocks", x, &blocks, NULL);
    const int width = 8;
    struct tensor *mask = graph_param(g, n->group, "mask", 1, &width, INIT_NORMAL, 1);
    x = op_gather(g, "restored", x, restore, mask);
    x = transformer_blocks(g, n->group, "decoder", x, &blocks, NULL);
    square_loss(n, linear(n, "pred", x, 5, ACT_NONE, NULL));
}

/* Views of a sample, a table for symbols, sums and joints, and a way that is closed. */
static void net_views(struct net *n) {
    struct graph *g = &n->graph;
    struct tensor *x =
        linear(n, "x", input(n, "x", 3, (const int[]){2, TOKENS, 4}), WIDTH, ACT_NONE, NULL);
    const int dim[] = {TOKENS, WIDTH};
    struct tensor *b = graph_param(g, n->group, "b", 2, dim, INIT_NORMAL, 1);
    x = op_add_broadcast(g, "add", x, b);
    const int32_t index[] = {3, -1, 3, 0};
    x = op_gather(g, "gather", x, graph_const_index(g, "index", 4, index), NULL);
    struct tensor *qkv = linear(n, "qkv", x, 12, ACT_NONE, NULL);
    x = op_concat(g, "both", x, op_attention(g, "attention", qkv, 2, 0, NULL));
    x = op_mean_rows(g, "mean", x, 1, 4);
    square_loss(n, op_reshape(g, "flat", x, 2, (const int[]){5, 4}));
}

static void net_embed(struct net *n) {
    struct graph *g = &n->graph;
    struct tensor *table =
        graph_param(g, n->group, "table", 2, (const int[]){CLASSES, WIDTH}, INIT_NORMAL, 1);
    struct tensor *x = op_embed(g, "embed", table, index_input(n, "visible", TOKENS));
    struct tensor *y = op_add(g, "sum", source(n), x);
    y = op_add(g, "closed", y, op_stop(g, "stop", input(n, "raw", 2, y->dim)));
    square_loss(n, op_add(g, "again", y, x));
}

static const int positions_from = 3;

static void net_positions(struct net *n) {
    struct graph *g = &n->graph;
    struct tensor *table =
        graph_param(g, n->group, "table", 2,
                    (const int[]){1 + positions_from * positions_from, WIDTH}, INIT_NORMAL, 1);
    struct tensor *x = linear(n, "x", input(n, "x", 2, (const int[]){5, 4}), WIDTH, ACT_NONE, NULL);
    square_loss(n, op_add_broadcast(g, "add", x,
                                    op_resize_positions(g, "resized", table, positions_from, 2)));
}

static void net_relative(struct net *n) {
    struct graph *g = &n->graph;
    struct tensor *bias = op_relative_bias(g, "bias", n->group, 2, 2, 3);
    struct tensor *x = linear(n, "x", input(n, "x", 2, (const int[]){15, 4}), 5, ACT_NONE, NULL);
    struct tensor *flat = op_reshape(g, "flat", bias, 2, (const int[]){15, 5});
    square_loss(n, op_add_broadcast(g, "add", x, flat));
}

/* Rows by tokens picked elsewhere, and tokens kept from being certain. */
static void net_tokens(struct net *n) {
    struct graph *g = &n->graph;
    struct tensor *x = source(n), *y = linear(n, "y", x, CLASSES, ACT_NONE, NULL);
    struct tensor *tokens = index_input(n, "labels", TOKENS), *places = index_input(n, "index", 9);
    struct tensor *picked = op_pick(g, "picked", tokens, places);
    graph_objective(g, op_kl_uniform(g, "kl", y), 0.7);
    graph_objective(g, op_kl_uniform(g, "kl of sums", op_mean_rows(g, "mean", y, 1, 4)), 1);
    square_loss(n, op_gather(g, "gather", x, picked, NULL));
}

#include "tests/gradient_cases_contrast.h"
#include "tests/gradient_cases_conv.h"
#include "tests/gradient_cases_rows.h"
#include "tests/gradient_cases_text.h"

static const struct net_case {
    const char *name;
    void (*build)(struct net *n);
} cases[] = {
    {"sums", net_sums},
    {"linear", net_linear},
    {"gelu", net_gelu},
    {"stack", net_stack},
    {"residual", net_residual},
    {"layernorm", net_layernorm},
    {"two norms", net_two_norms},
    {"attention", net_attention},
    {"gather", net_gather},
    {"gather constant", net_gather_constant},
    {"add", net_add},
    {"mean", net_mean},
    {"smooth", net_smooth},
    {"two losses", net_two_losses},
    {"standardize", net_standardize},
    {"vit", net_vit},
    {"registers", net_registers},
    {"rotary", net_rotary},
    {"masked", net_masked},
    {"views", net_views},
    {"embed", net_embed},
    {"positions", net_positions},
    {"relative", net_relative},
    {"tokens", net_tokens},
    CONV_CASES,
    ROW_CASES,
    TEXT_CASES,
    CONTRAST_CASES,
};

enum { CASES = sizeof cases / sizeof *cases };

/* Indices stay below 3, the smallest number of rows that a case gathers from, one of them -1. */
static void *draw_input(const struct tensor *t, uint32_t key) {
    struct rng r = rng_at((struct rng_key){11, RNG_TEST}, 0, key);
    size_t n = t->per_sample * BATCH;
    void *data = calloc(n, sizeof(real));
    assert_non_null(data);
    for (size_t i = 0; i < n; i++) {
        if (t->kind != TENSOR_INDEX)
            ((real *)data)[i] = (real)rng_normal(&r);
        else if (!strcmp(t->name, "labels") || !strcmp(t->name, "visible"))
            ((int32_t *)data)[i] = (int32_t)rng_below(&r, CLASSES);
        else
            ((int32_t *)data)[i] = (int32_t)rng_below(&r, 4) - 1;
    }
    return data;
}

struct net_run {
    int threads, recompute;
    int away;        /* operations as a device has them, here too */
    int norms_again; /* also there */
    struct device *device;
    const struct kernels *kernels; /* NULL: the reference */
    int chunk, lanes;              /* 0: CHUNK and 2; a device takes all in one */
    struct communicator *ranks;
    size_t bucket; /* 0: the executor's own */
    const int *owners;
};

static void open_net(struct net *n, const struct net_case *c, const struct net_run *run,
                     struct exec **x, void **data) {
    const int lanes = run->lanes ? run->lanes : run->device ? 1 : 2;
    struct error err;
    memset(n, 0, sizeof *n);
    model_init(&n->model);
    graph_init(&n->graph, &n->model);
    n->group = model_group(&n->model, "net");
    c->build(n);
    n->graph.recompute = run->recompute;
    n->graph.away = run->away || run->device;
    n->graph.keep_cheap = n->graph.away && !run->norms_again;
    n->graph.halves = run->device && run->device->halves;
    n->graph.one_lane = lanes == 1;
    graph_plan(&n->graph);
    assert_int_equal(model_allocate(&n->model, 3, 0, &err), 0);
    /* Zero biases and unit gains would hide mistakes. */
    struct rng r = rng_at((struct rng_key){5, RNG_TEST}, 1, 0);
    for (size_t i = 0; i < n->model.count; i++)
        n->model.value[i] += (real)(0.3 * rng_normal(&r));
    const struct exec_config config = {.kernels = run->kernels ? run->kernels : kernels_ref(),
                                       .threads = run->threads,
                                       .batch = BATCH,
                                       .chunk = run->chunk ? run->chunk : CHUNK,
                                       .lanes = lanes,
                                       .device = run->device,
                                       .bucket = run->bucket,
                                       .owners = run->owners,
                                       .ranks = run->ranks};
    assert_int_equal(exec_open(x, &n->graph, &config, &err), 0);
    for (int i = 0; i < n->n_input; i++) {
        data[i] = draw_input(n->input[i], (uint32_t)i);
        exec_bind(*x, n->input[i], data[i]);
    }
}

static void close_net(struct net *n, struct exec *x, void **data) {
    exec_close(x);
    for (int i = 0; i < n->n_input; i++)
        free(data[i]);
    graph_free(&n->graph);
    model_free(&n->model);
}

#endif
