/* Networks that compare the samples of a batch, and scaled values, for tests/g320_nn_gradients.c,
 * whose helpers they use. */
#ifndef SSV_TESTS_GRADIENT_CASES_CONTRAST_H
#define SSV_TESTS_GRADIENT_CASES_CONTRAST_H

#include "nn/ops.h"

/* clang-format off */
#define CONTRAST_CASES                  \
    {"nt-xent", net_nt_xent},           \
    {"nt-xent twice", net_nt_xent_twice}, \
    {"scale", net_scale}
/* clang-format on */

static struct tensor *two_views(struct net *n) {
    return linear(n, "z", input(n, "x", 2, (const int[]){2, 4}), WIDTH, ACT_NONE, NULL);
}

static void net_nt_xent(struct net *n) {
    graph_objective(&n->graph, op_nt_xent(&n->graph, "loss", two_views(n), 0.7), 0.5);
}

/* What is compared has other uses, in front of the loss and behind it. */
static void net_nt_xent_twice(struct net *n) {
    struct tensor *z = two_views(n), *y = linear(n, "y", z, WIDTH, ACT_GELU, NULL);
    graph_objective(&n->graph, op_nt_xent(&n->graph, "sharp", z, 0.1), 0.1);
    graph_objective(&n->graph, op_nt_xent(&n->graph, "soft", y, 2), 1);
    square_loss(n, z);
}

/* A value by a number of the run, and a parameter by a constant. */
static void net_scale(struct net *n) {
    struct graph *g = &n->graph;
    const int dim[] = {TOKENS, WIDTH};
    struct tensor *b = graph_param(g, n->group, "b", 2, dim, INIT_NORMAL, 1), *x = source(n);
    struct tensor *times = n->input[n->n_input++] = graph_scalar(g, "times");
    x = op_add(g, "sum", x, op_scale(g, "scaled", x, 0.7, times));
    square_loss(n, op_add_broadcast(g, "minus", x, op_scale(g, "negative", b, -1, NULL)));
}

#endif
