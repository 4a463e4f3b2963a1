/* Networks that compare the samples of a batch, and scaled values, for tests/gradient_net.h,
 * whose helpers they use. */
#ifndef SSV_TESTS_GRADIENT_CASES_CONTRAST_H
#define SSV_TESTS_GRADIENT_CASES_CONTRAST_H

#include "nn/ops.h"

/* clang-format off */
#define CONTRAST_CASES                  \
    {"nt-xent", net_nt_xent},           \
    {"nt-xent twice", net_nt_xent_twice}, \
    {"vit contrast", net_vit_contrast}, \
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

/* SimCLR with a ViT and stochastic depth: a whole encoder below the loss. */
static void net_vit_contrast(struct net *n) {
    struct graph *g = &n->graph;
    const struct vit v = {.image = 8,
                          .channels = 2,
                          .patch = 4,
                          .dim = 8,
                          .depth = 2,
                          .heads = 2,
                          .mlp = 12,
                          .layer_scale = 0.5,
                          .position = POSITION_LEARNED};
    struct tensor *images = input(n, "images", 4, (const int[]){2, 2, 8, 8});
    struct tensor *drop = input(n, "drop", 1, (const int[]){2 * v.depth});
    struct tensor *x = vit_encode(g, n->group, &v, images, drop, NULL);
    x = op_reshape(g, "features", op_mean_rows(g, "mean", x, 0, 5), 2, (const int[]){2, v.dim});
    x = op_l2norm(g, "unit", linear(n, "z", x, WIDTH, ACT_NONE, NULL), 1e-12);
    graph_objective(g, op_nt_xent(g, "loss", x, 0.5), 1);
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
