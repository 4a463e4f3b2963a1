/* CLIP's loss, the text tower, and attention with a mask and a bias, for tests/gradient_net.h,
 * whose helpers they use. */
#ifndef SSV_TESTS_GRADIENT_CASES_TEXT_H
#define SSV_TESTS_GRADIENT_CASES_TEXT_H

#include "nn/text.h"

/* clang-format off */
#define TEXT_CASES                          \
    {"clip", net_clip},                     \
    {"clip twice", net_clip_twice},         \
    {"text", net_text},                     \
    {"one of all", net_one_of_all},             \
    {"masked attention", net_masked_attention}, \
    {"attention of a row", net_attention_row}
/* clang-format on */

static struct tensor *flat_source(struct net *n, const char *name) {
    return linear(n, name, input(n, name, 1, (const int[]){4}), WIDTH, ACT_NONE, NULL);
}

static struct tensor *log_scale(struct net *n) {
    return graph_param(&n->graph, n->group, "scale", 1, (const int[]){1}, INIT_CONSTANT, 0.5);
}

static void net_clip(struct net *n) {
    struct tensor *x = flat_source(n, "x"), *z = flat_source(n, "z");
    graph_objective(&n->graph, op_clip(&n->graph, "loss", x, z, log_scale(n)), 0.7);
}

/* Either side has another use, and one of them a loss of its own behind it. */
static void net_clip_twice(struct net *n) {
    struct graph *g = &n->graph;
    struct tensor *x = flat_source(n, "x"), *z = flat_source(n, "z"), *s = log_scale(n);
    struct tensor *y = linear(n, "y", x, WIDTH, ACT_GELU, NULL);
    graph_objective(g, op_clip(g, "first", x, z, s), 1);
    graph_objective(g, op_clip(g, "second", z, y, s), 0.5);
}

static void net_text(struct net *n) {
    const struct text t = {.vocabulary = CLASSES,
                           .context = TOKENS,
                           .dim = 8,
                           .depth = 2,
                           .heads = 2,
                           .out = 4,
                           .act = ACT_QUICK_GELU};
    struct tensor *tokens = index_input(n, "visible", TOKENS), *end = index_input(n, "labels", 1);
    classify(n, text_encode(&n->graph, n->group, &t, tokens, end), 0);
}

/* One token, one head of one number, and as wide heads as there are numbers. */
static void net_one_of_all(struct net *n) {
    struct graph *g = &n->graph;
    struct tensor *x = input(n, "x", 2, (const int[]){1, 4});
    x = op_attention(g, "thin", linear(n, "qkv1", x, 3, ACT_NONE, NULL), 1, 1, NULL);
    x = op_layernorm(g, "norm", n->group, linear(n, "wide", x, 5, ACT_GELU, NULL), 1e-6);
    x = op_attention(g, "heads", linear(n, "qkv2", x, 3 * 5, ACT_NONE, NULL), 5, 0, NULL);
    square_loss(n, x);
}

/* Two layers share a bias, and the second sees no later token. */
static void net_masked_attention(struct net *n) {
    enum { GRID = 2, PLACES = 1 + GRID * GRID, HEADS = 3 };
    struct graph *g = &n->graph;
    struct tensor *bias = op_relative_bias(g, "bias", n->group, GRID, GRID, HEADS);
    struct tensor *x = input(n, "x", 2, (const int[]){PLACES, 4});
    x = op_attention(g, "first", linear(n, "qkv1", x, 3 * 6, ACT_NONE, NULL), HEADS, 0, bias);
    x = op_attention(g, "second", linear(n, "qkv2", x, 3 * 6, ACT_NONE, NULL), HEADS, 1, bias);
    square_loss(n, x);
}

/* One query of each sample, of its own choice, and the same one of all views of a sample. */
static void net_attention_row(struct net *n) {
    enum { GRID = 2, PLACES = 1 + GRID * GRID, HEADS = 3, VIEWS = 2 };
    static const int32_t last[] = {PLACES - 1};
    struct graph *g = &n->graph;
    struct tensor *bias = op_relative_bias(g, "bias", n->group, GRID, GRID, HEADS);
    struct tensor *x = input(n, "x", 2, (const int[]){PLACES, 4});
    struct tensor *views = input(n, "views", 3, (const int[]){VIEWS, PLACES, 4});
    struct tensor *row = index_input(n, "visible", 1);
    struct tensor *qkv = linear(n, "qkv1", x, 3 * 6, ACT_NONE, NULL);
    struct tensor *y = op_attention_row(g, "causal", qkv, HEADS, 1, bias, row);
    struct tensor *rest = op_gather(g, "rest", x, row, NULL);
    square_all(n, op_concat(g, "both", y, rest));
    row = graph_const_index(g, "last", 1, last);
    qkv = linear(n, "qkv2", views, 3 * 6, ACT_NONE, NULL);
    square_all(n, op_attention_row(g, "of_views", qkv, HEADS, 0, bias, row));
}

#endif
