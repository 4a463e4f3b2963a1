/* Networks of activations, normalised rows, branches and losses, for tests/gradient_net.h,
 * whose helpers they use. */
#ifndef SSV_TESTS_GRADIENT_CASES_ROWS_H
#define SSV_TESTS_GRADIENT_CASES_ROWS_H

#include "nn/ops.h"

/* clang-format off */
#define ROW_CASES                           \
    {"activations", net_activations},       \
    {"l2norm", net_l2norm},                 \
    {"matmul", net_matmul},                 \
    {"branch", net_branch},                 \
    {"drop path", net_drop_path},           \
    {"softmax", net_softmax},               \
    {"soft targets", net_soft_targets},     \
    {"many labels", net_many_labels},       \
    {"one label", net_one_label},           \
    {"argmax", net_argmax},                 \
    {"weights", net_weights},               \
    {"shared weights", net_shared_weights}, \
    {"bce", net_bce}
/* clang-format on */

static struct tensor *scalar(struct net *n, const char *name) {
    return n->input[n->n_input++] = graph_scalar(&n->graph, name);
}

static void net_activations(struct net *n) {
    static const enum activation acts[] = {ACT_GELU,       ACT_RELU, ACT_LEAKY_RELU,
                                           ACT_QUICK_GELU, ACT_TANH, ACT_SIGMOID};
    struct tensor *x = source(n);
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        struct tensor *y = op_activation(&n->graph, "act", x, acts[i]);
        x = op_add(&n->graph, "sum", op_activation(&n->graph, "act", y, acts[i]), x);
    }
    square_loss(n, x);
}

static void net_l2norm(struct net *n) {
    struct tensor *x = source(n);
    square_loss(n, op_add(&n->graph, "sum", op_l2norm(&n->graph, "norm", x, 1e-12), x));
}

/* Cosines with the rows of a parameter, as in a head of prototypes. */
static void net_matmul(struct net *n) {
    struct graph *g = &n->graph;
    const int dim[] = {CLASSES, WIDTH};
    struct tensor *w = graph_param(g, n->group, "prototypes", 2, dim, INIT_NORMAL, 1);
    struct tensor *x = source(n);
    struct tensor *y = op_matmul(g, "raw", x, w);
    square_loss(n, op_add(g, "sum", y, op_matmul(g, "cosine", x, op_l2norm(g, "rows", w, 1e-12))));
}

static void net_branch(struct net *n) {
    struct graph *g = &n->graph;
    const int width = WIDTH;
    struct tensor *gain = graph_param(g, n->group, "gain", 1, &width, INIT_NORMAL, 1);
    struct tensor *drop = input(n, "drop", 1, (const int[]){3});
    struct tensor *x = source(n), *y = linear(n, "y", x, WIDTH, ACT_NONE, NULL);
    y = op_branch(g, "branch", y, gain, drop, 2, x);
    y = op_branch(g, "gain", linear(n, "z", y, WIDTH, ACT_NONE, NULL), gain, NULL, 0, y);
    square_loss(n, op_add(g, "sum", y, x));
}

static void net_drop_path(struct net *n) {
    struct tensor *x =
        linear(n, "x", input(n, "x", 3, (const int[]){2, TOKENS, 4}), WIDTH, ACT_NONE, NULL);
    struct tensor *drop = input(n, "drop", 1, (const int[]){2});
    struct tensor *y = linear(n, "y", x, WIDTH, ACT_NONE, NULL);
    y = op_branch(&n->graph, "branch", y, NULL, drop, 1, x);
    square_loss(n, op_reshape(&n->graph, "flat", y, 2, (const int[]){2 * TOKENS, WIDTH}));
}

static void net_softmax(struct net *n) {
    struct tensor *x = source(n);
    struct tensor *y = op_softmax(&n->graph, "softmax", x, 0.7, NULL);
    y = op_softmax(&n->graph, "again", y, 2, scalar(n, "times"));
    square_loss(n, op_add(&n->graph, "sum", y, x));
}

static void net_soft_targets(struct net *n) {
    struct graph *g = &n->graph;
    struct tensor *teacher = input(n, "teacher", 2, (const int[]){TOKENS, WIDTH});
    struct tensor *p = op_softmax(g, "target", teacher, 1, scalar(n, "times"));
    graph_objective(g, op_soft_xent(g, "loss", source(n), p, 1.7), 0.8);
}

static void net_many_labels(struct net *n) {
    struct tensor *x = linear(n, "fc", source(n), CLASSES, ACT_NONE, NULL);
    struct tensor *index = index_input(n, "labels", TOKENS);
    graph_objective(&n->graph, op_softmax_xent(&n->graph, "loss", x, index, 0.1), 1);
}

/* A sample's label counts for all its rows; constant labels for all samples. */
static void net_one_label(struct net *n) {
    struct tensor *x = linear(n, "fc", source(n), CLASSES, ACT_NONE, NULL);
    const int32_t constant[TOKENS] = {1, 4, -1, 2, 0, 0, 3};
    struct tensor *fixed = graph_const_index(&n->graph, "fixed", TOKENS, constant);
    struct tensor *one = index_input(n, "labels", 1);
    graph_objective(&n->graph, op_softmax_xent(&n->graph, "loss", x, one, 0), 1);
    graph_objective(&n->graph, op_softmax_xent(&n->graph, "fixed loss", x, fixed, 0), 0.5);
}

static void net_argmax(struct net *n) {
    struct tensor *raw = input(n, "raw", 2, (const int[]){TOKENS, CLASSES});
    struct tensor *x = linear(n, "fc", source(n), CLASSES, ACT_NONE, NULL);
    struct tensor *best = op_argmax(&n->graph, "argmax", raw);
    graph_objective(&n->graph, op_softmax_xent(&n->graph, "loss", x, best, 0), 1);
}

static void net_weights(struct net *n) {
    struct tensor *x = source(n), *target = input(n, "target", 2, x->dim);
    struct tensor *weight = input(n, "weight", 1, (const int[]){TOKENS});
    graph_objective(&n->graph, op_mse(&n->graph, "loss", x, target, weight), 1);
}

static void net_shared_weights(struct net *n) {
    const real weight[TOKENS] = {0.5, 1, 2, 0, 3, 1, 10};
    const int rows = TOKENS;
    struct tensor *x = source(n), *target = input(n, "target", 2, x->dim);
    struct tensor *w = graph_const(&n->graph, "weight", 1, &rows, weight);
    graph_objective(&n->graph, op_mse(&n->graph, "loss", x, target, w), 1);
}

static void net_bce(struct net *n) {
    struct tensor *x = source(n);
    graph_objective(&n->graph, op_bce(&n->graph, "real", x, 1), 0.3);
    graph_objective(&n->graph, op_bce(&n->graph, "fake", x, 0), 0.7);
}

#endif
