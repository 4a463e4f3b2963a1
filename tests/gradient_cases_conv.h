/* Networks of convolutions, batch norm and what the newer methods are made of, for
 * tests/gradient_net.h, whose helpers they use. */
#ifndef SSV_TESTS_GRADIENT_CASES_CONV_H
#define SSV_TESTS_GRADIENT_CASES_CONV_H

#include "nn/resnet.h"

/* clang-format off */
#define CONV_CASES                                          \
    {"conv", net_conv},                                     \
    {"conv views", net_conv_views},                         \
    {"conv transpose", net_conv_transpose},                 \
    {"conv odd", net_conv_odd},                             \
    {"maxpool", net_maxpool},                               \
    {"channelwise", net_channelwise},                       \
    {"batch norm", net_batchnorm},                          \
    {"batch norm residual", net_batchnorm_residual},        \
    {"batch norm plain", net_batchnorm_plain},              \
    {"batch norm evaluating", net_batchnorm_evaluating},    \
    {"batch norm rows", net_batchnorm_rows},                \
    {"batch norm of itself", net_batchnorm_of_itself},      \
    {"resnet", net_resnet},                                 \
    {"bottleneck", net_bottleneck},                         \
    {"pad_shortcut", net_pad_shortcut},                     \
    {"clip resnet", net_clip_resnet},                       \
    {"alexnet", net_alexnet}
/* clang-format on */

/* (N,[V,]H,W,IN), with parameters behind it */
enum { IMAGE_H = 6, IMAGE_W = 5, CHANNELS = 2 };

static struct conv_spec conv_of(const struct net *n, int out, int kernel, int stride, int pad) {
    return (struct conv_spec){.group = n->group,
                              .out = out,
                              .kernel = kernel,
                              .stride = stride,
                              .pad = pad,
                              .bias = 1,
                              .init = INIT_NORMAL,
                              .scale = 0.4};
}

static struct tensor *pictures(struct net *n) {
    struct tensor *x = input(n, "images", 3, (const int[]){CHANNELS, IMAGE_H, IMAGE_W});
    return linear(n, "pixels", channels_last(&n->graph, x), 3, ACT_NONE, NULL);
}

static struct tensor *picture_views(struct net *n) {
    struct tensor *x = input(n, "images", 4, (const int[]){2, CHANNELS, IMAGE_H, IMAGE_W});
    return linear(n, "pixels", channels_last(&n->graph, x), 3, ACT_NONE, NULL);
}

/* The squared distance of everything from random targets. */
static void square_all(struct net *n, struct tensor *x) {
    int cols = x->dim[x->ndim - 1];
    const int dim[] = {(int)x->per_sample / cols, cols};
    square_loss(n, op_reshape(&n->graph, "flat", x, 2, dim));
}

static void net_conv(struct net *n) {
    struct tensor *x = pictures(n);
    struct conv_spec spec = conv_of(n, 4, 3, 1, 1), halve = conv_of(n, 5, 2, 2, 0);
    struct tensor *y = op_conv2d(&n->graph, "conv1", x, &spec);
    spec.bias = 0;
    y = op_add(&n->graph, "twice", y, op_conv2d(&n->graph, "conv2", x, &spec));
    square_all(n, op_conv2d(&n->graph, "conv3", y, &halve));
}

static void net_conv_views(struct net *n) {
    struct conv_spec spec = conv_of(n, 4, 3, 2, 1), one = conv_of(n, 3, 1, 1, 0);
    struct tensor *x = op_conv2d(&n->graph, "conv1", picture_views(n), &spec);
    square_all(n, op_conv2d(&n->graph, "conv2", x, &one));
}

static void net_conv_transpose(struct net *n) {
    struct conv_spec spec = conv_of(n, 4, 4, 2, 1), last = conv_of(n, 2, 3, 1, 0);
    struct tensor *x = op_conv_transpose2d(&n->graph, "up1", picture_views(n), &spec);
    last.bias = 0;
    square_all(n, op_conv_transpose2d(&n->graph, "up2", x, &last));
}

/* One channel, strides longer than windows, a window larger than the map, a pool that skips. */
static void net_conv_odd(struct net *n) {
    struct graph *g = &n->graph;
    struct conv_spec far = conv_of(n, 1, 1, 3, 0), wide = conv_of(n, 2, 5, 1, 2);
    struct conv_spec apart = conv_of(n, 1, 1, 2, 0), last = conv_of(n, 3, 2, 4, 1);
    struct tensor *x = linear(n, "grey", pictures(n), 1, ACT_NONE, NULL);
    x = op_batchnorm(g, "bn", n->group, op_conv2d(g, "far", x, &far), NULL, 0, 0);
    x = op_conv_transpose2d(g, "apart", op_conv2d(g, "wide", x, &wide), &apart);
    struct tensor *y = op_maxpool(g, "pool", op_conv2d(g, "more", x, &wide), 1, 2, 0);
    square_all(n, op_conv2d(g, "last", y, &last));
}

static void net_maxpool(struct net *n) {
    struct tensor *x = picture_views(n);
    struct tensor *y = op_maxpool(&n->graph, "pool1", x, 3, 2, 1);
    struct tensor *z = op_maxpool(&n->graph, "pool2", x, 2, 2, 0);
    square_all(n, op_concat(&n->graph, "both", op_mean_rows(&n->graph, "mean1", y, 0, 3),
                            op_mean_rows(&n->graph, "mean2", z, 0, 2)));
}

static void net_channelwise(struct net *n) {
    struct tensor *x = op_channelwise_fc(&n->graph, "fc", n->group, source(n), 4);
    square_all(n, op_channelwise_fc(&n->graph, "again", n->group, x, 3));
}

/* x has two more uses behind the norm: the gradients of x and of the residual are added to. */
static void net_batchnorm(struct net *n) {
    struct tensor *x = pictures(n);
    struct tensor *y = op_batchnorm(&n->graph, "bn1", n->group, x, NULL, 1, 0);
    y = linear(n, "y", y, 3, ACT_NONE, x);
    y = op_batchnorm(&n->graph, "bn2", n->group, y, x, 0, 0);
    square_all(n, y);
}

static void net_batchnorm_residual(struct net *n) {
    struct tensor *x = picture_views(n);
    struct tensor *z = op_batchnorm(&n->graph, "bn1", n->group, x, NULL, 0, 0);
    struct tensor *y = linear(n, "y", x, 3, ACT_NONE, NULL);
    y = op_batchnorm(&n->graph, "bn2", n->group, y, z, 1, 0);
    square_all(
        n, op_batchnorm(&n->graph, "bn3", n->group, linear(n, "z", y, 3, ACT_NONE, NULL), y, 1, 0));
}

static void net_batchnorm_plain(struct net *n) {
    struct tensor *x = op_batchnorm(&n->graph, "bn1", n->group, picture_views(n), NULL, 0, 1);
    square_all(n, op_batchnorm(&n->graph, "bn2", n->group, linear(n, "y", x, 4, ACT_NONE, NULL),
                               NULL, 1, 1));
}

static void net_batchnorm_evaluating(struct net *n) {
    n->graph.evaluating = 1;
    net_batchnorm_residual(n);
}

/* Its input is its residual, too. */
static void net_batchnorm_of_itself(struct net *n) {
    struct tensor *x = linear(n, "y", pictures(n), 3, ACT_NONE, NULL);
    square_all(n, op_batchnorm(&n->graph, "bn", n->group, x, x, 1, 0));
}

/* One row a sample, as in a projection head. */
static void net_batchnorm_rows(struct net *n) {
    struct tensor *x = op_mean_rows(&n->graph, "mean", source(n), 0, TOKENS);
    x = op_batchnorm(&n->graph, "bn", n->group, x, NULL, 1, 0);
    classify(n, x, 0);
}

static struct tensor *mean_of_map(struct net *n, struct tensor *x) {
    const int *dim = x->dim + x->ndim - 3;
    const int rows[] = {(int)(x->per_sample / (size_t)dim[2]), dim[2]};
    x = op_reshape(&n->graph, "rows", x, 2, rows);
    return op_mean_rows(&n->graph, "mean", x, 0, rows[0]);
}

static void net_resnet(struct net *n) {
    const struct resnet r = {.width = 3, .blocks = {2, 1}, .small_stem = 1};
    struct tensor *images = input(n, "images", 4, (const int[]){2, CHANNELS, 6, 6});
    classify(n, mean_of_map(n, resnet_encode(&n->graph, n->group, &r, images, NULL)), 0);
}

static void net_bottleneck(struct net *n) {
    const struct resnet r = {.width = 2, .blocks = {1, 1}, .bottleneck = 1};
    struct tensor *images = input(n, "images", 3, (const int[]){CHANNELS, 15, 15});
    classify(n, mean_of_map(n, resnet_encode(&n->graph, n->group, &r, images, NULL)), 0);
}

static void net_pad_shortcut(struct net *n) {
    const struct resnet r = {.width = 4, .blocks = {1, 1}, .small_stem = 1, .pad_shortcut = 1};
    struct tensor *images = input(n, "images", 4, (const int[]){2, CHANNELS, 5, 6});
    classify(n, mean_of_map(n, resnet_encode(&n->graph, n->group, &r, images, NULL)), 0);
}

static void net_clip_resnet(struct net *n) {
    const struct resnet r = {.width = 2, .blocks = {1, 1}, .bottleneck = 1, .clip_heads = 4};
    struct tensor *images = input(n, "images", 4, (const int[]){2, CHANNELS, 17, 16});
    struct tensor *map = resnet_encode(&n->graph, n->group, &r, images, NULL);
    classify(n, attention_pool(&n->graph, "attnpool", n->group, map, r.clip_heads), 0);
}

static void net_alexnet(struct net *n) {
    const struct alexnet a = {.width = {3, 4, 3, 3, 4}, .small = 1};
    struct tensor *images = input(n, "images", 3, (const int[]){CHANNELS, 9, 9});
    classify(n, mean_of_map(n, alexnet_encode(&n->graph, n->group, &a, images, NULL)), 0);
}

#endif
