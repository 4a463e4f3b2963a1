#include "nn/resnet.h"

#include <stdio.h>
#include <string.h>

enum { EXPANSION = 4, NAME = 96 };

static const struct named_resnet {
    const char *name;
    struct resnet r;
} zoo[] = {
    {"resnet-micro", {.width = 16, .blocks = {2, 2, 2, 0}}},
    {"resnet18", {.width = 64, .blocks = {2, 2, 2, 2}}},
    {"resnet50", {.width = 64, .blocks = {3, 4, 6, 3}, .bottleneck = 1}},
};

enum { ZOO = sizeof zoo / sizeof *zoo };

const char *const resnet_names[] = {"resnet-micro", "resnet18", "resnet50", NULL};

int resnet_by_name(struct resnet *r, const char *name) {
    for (int i = 0; i < ZOO; i++)
        if (!strcmp(zoo[i].name, name)) {
            int small_stem = r->small_stem;
            *r = zoo[i].r;
            r->small_stem = small_stem;
            return 1;
        }
    return 0;
}

int resnet_dim(const struct resnet *r) {
    int stage = 0;
    while (stage + 1 < RESNET_STAGES && r->blocks[stage + 1])
        stage++;
    return (r->width << stage) * (r->bottleneck ? EXPANSION : 1);
}

/* (N,[V,]H,W,C) from (N,[V,]C,H,W) */
struct tensor *channels_last(struct graph *g, struct tensor *images) {
    int n = images->ndim, dim[MAX_DIM];
    CHECK(n >= 3, "%s: images of %d dimensions", images->name, n);
    memcpy(dim, images->dim, sizeof dim);
    dim[n - 3] = images->dim[n - 2];
    dim[n - 2] = images->dim[n - 1];
    dim[n - 1] = images->dim[n - 3];
    struct tensor *x = op_patchify(g, "channels_last", images, 1);
    return op_reshape(g, "channels_last", x, n, dim);
}

/* A convolution that keeps the side but for its stride, and the batch norm behind it. */
struct conv_bn {
    int out, kernel, stride;
    int relu;
};

static struct tensor *conv_bn(struct graph *g, int group, const char *conv_name,
                              const char *bn_name, struct tensor *x, const struct conv_bn *s,
                              struct tensor *residual) {
    const struct conv_spec spec = {.group = group,
                                   .out = s->out,
                                   .kernel = s->kernel,
                                   .stride = s->stride,
                                   .pad = s->kernel / 2,
                                   .init = INIT_HE};
    x = op_conv2d(g, conv_name, x, &spec);
    return op_batchnorm(g, bn_name, group, x, residual, s->relu, 0);
}

/* The residual branch of a block, one line a convolution. */
static int branch(const struct resnet *r, int width, int stride, struct conv_bn part[3]) {
    if (r->bottleneck) {
        part[0] = (struct conv_bn){width, 1, 1, 1};
        part[1] = (struct conv_bn){width, 3, stride, 1};
        part[2] = (struct conv_bn){EXPANSION * width, 1, 1, 1};
        return 3;
    }
    part[0] = (struct conv_bn){width, 3, stride, 1};
    part[1] = (struct conv_bn){width, 3, 1, 1};
    return 2;
}

static struct tensor *block(struct graph *g, int group, const struct resnet *r, const char *prefix,
                            struct tensor *x, int width, int stride) {
    struct conv_bn part[3];
    char conv[NAME], bn[NAME];
    int n = branch(r, width, stride, part), out = part[n - 1].out;
    struct tensor *y = x, *residual = x;
    for (int i = 0; i < n - 1; i++) {
        snprintf(conv, sizeof conv, "%s.conv%d", prefix, i + 1);
        snprintf(bn, sizeof bn, "%s.bn%d", prefix, i + 1);
        y = conv_bn(g, group, conv, bn, y, &part[i], NULL);
    }
    if (stride != 1 || x->dim[x->ndim - 1] != out) {
        snprintf(conv, sizeof conv, "%s.downsample.0", prefix);
        snprintf(bn, sizeof bn, "%s.downsample.1", prefix);
        const struct conv_bn shortcut = {.out = out, .kernel = 1, .stride = stride};
        residual = conv_bn(g, group, conv, bn, x, &shortcut, NULL);
    }
    snprintf(conv, sizeof conv, "%s.conv%d", prefix, n);
    snprintf(bn, sizeof bn, "%s.bn%d", prefix, n);
    return conv_bn(g, group, conv, bn, y, &part[n - 1], residual);
}

struct tensor *resnet_encode(struct graph *g, int group, const struct resnet *r,
                             struct tensor *images, struct tensor **layers) {
    const struct conv_bn stem = {.out = r->width,
                                 .kernel = r->small_stem ? 3 : 7,
                                 .stride = r->small_stem ? 1 : 2,
                                 .relu = 1};
    struct tensor *x = channels_last(g, images);
    x = conv_bn(g, group, "conv1", "bn1", x, &stem, NULL);
    if (!r->small_stem)
        x = op_maxpool(g, "maxpool", x, 3, 2, 1);
    for (int s = 0, there = 1; s < RESNET_STAGES; s++) {
        there = there && r->blocks[s];
        for (int b = 0; there && b < r->blocks[s]; b++) {
            char prefix[NAME / 2];
            snprintf(prefix, sizeof prefix, "layer%d.%d", s + 1, b);
            x = block(g, group, r, prefix, x, r->width << s, s > 0 && b == 0 ? 2 : 1);
        }
        if (layers)
            layers[s] = there ? x : NULL;
    }
    return x;
}
