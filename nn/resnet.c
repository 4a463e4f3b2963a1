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

int resnet_places(const struct resnet *r, int side) {
    int halvings = r->small_stem ? 0 : 2, n = side;
    for (int s = 1; s < RESNET_STAGES && r->blocks[s]; s++)
        halvings++;
    for (int i = 0; i < halvings; i++)
        n = r->clip_heads && i ? n / 2 : (n + 1) / 2; /* means leave an odd last one out */
    return n;
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

/* (N,[V,]h/2,w/2,C): means of 2x2 places of (N,[V,]h,w,C); an odd last row or column is left out.
 */
static struct tensor *mean_of_four(struct graph *g, struct tensor *x) {
    enum { FOUR = 4 };
    int n = x->ndim, dim[MAX_DIM], wide = x->dim[n - 2];
    int rows = x->dim[n - 3] / 2, cols = wide / 2, channels = x->dim[n - 1];
    struct arena scratch = {0};
    int32_t *place = ARENA_ARRAY(&scratch, int32_t, FOUR * rows * cols);
    for (int i = 0; i < FOUR * rows * cols; i++) {
        int to = i / FOUR, y = to / cols * 2 + i % FOUR / 2, at = to % cols * 2 + i % 2;
        place[i] = y * wide + at;
    }
    memcpy(dim, x->dim, sizeof dim);
    dim[n - 3] = x->dim[n - 3] * wide;
    dim[n - 2] = channels;
    x = op_reshape(g, "places", x, n - 1, dim);
    x = op_gather(g, "fours", x, graph_const_index(g, "fours", FOUR * rows * cols, place), NULL);
    arena_free(&scratch);
    dim[n - 3] = rows * cols;
    dim[n - 2] = FOUR;
    dim[n - 1] = channels;
    x = op_mean_rows(g, "means", op_reshape(g, "fours", x, n, dim), 0, FOUR);
    dim[n - 3] = rows;
    dim[n - 2] = cols;
    return op_reshape(g, "means", x, n, dim);
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

/* (N,[V,]h,w,out): every stride-th place of x, channels in the middle of zeros. */
static struct tensor *pad_shortcut(struct graph *g, struct tensor *x, int out, int stride) {
    int n = x->ndim, dim[MAX_DIM], high = x->dim[n - 3], wide = x->dim[n - 2], in = x->dim[n - 1];
    int rows = (high + stride - 1) / stride, cols = (wide + stride - 1) / stride;
    struct arena scratch = {0};
    int32_t *places = ARENA_ARRAY(&scratch, int32_t, rows * cols);
    real *into = ARENA_ARRAY(&scratch, real, (size_t)out * (size_t)in);
    for (int i = 0; i < rows * cols; i++)
        places[i] = i / cols * stride * wide + i % cols * stride;
    for (int i = 0; i < in; i++)
        into[((out - in) / 2 + i) * in + i] = 1;
    memcpy(dim, x->dim, sizeof dim);
    dim[n - 3] = high * wide;
    dim[n - 2] = in;
    x = op_reshape(g, "places", x, n - 1, dim);
    struct tensor *index = graph_const_index(g, "every second place", rows * cols, places);
    x = op_gather(g, "shortcut", x, index, NULL);
    x = op_matmul(g, "shortcut", x,
                  graph_const(g, "channels between zeros", 2, (const int[]){out, in}, into));
    arena_free(&scratch);
    memcpy(dim, x->dim, sizeof dim);
    dim[n - 3] = rows;
    dim[n - 2] = cols;
    dim[n - 1] = out;
    return op_reshape(g, "shortcut", x, n, dim);
}

static struct tensor *block(struct graph *g, int group, const struct resnet *r, const char *prefix,
                            struct tensor *x, int width, int stride) {
    struct conv_bn part[3];
    char conv[NAME], bn[NAME];
    int halves = r->clip_heads && stride == 2;
    int n = branch(r, width, halves ? 1 : stride, part), out = part[n - 1].out;
    struct tensor *y = x, *residual = x;
    for (int i = 0; i < n - 1; i++) {
        snprintf(conv, sizeof conv, "%s.conv%d", prefix, i + 1);
        snprintf(bn, sizeof bn, "%s.bn%d", prefix, i + 1);
        y = conv_bn(g, group, conv, bn, y, &part[i], NULL);
    }
    if (halves)
        y = mean_of_four(g, y);
    int another = stride != 1 || x->dim[x->ndim - 1] != out;
    if (another && r->pad_shortcut) {
        residual = pad_shortcut(g, x, out, stride);
    } else if (another) {
        snprintf(conv, sizeof conv, "%s.downsample.0", prefix);
        snprintf(bn, sizeof bn, "%s.downsample.1", prefix);
        const struct conv_bn shortcut = {.out = out, .kernel = 1, .stride = halves ? 1 : stride};
        x = halves ? mean_of_four(g, x) : x;
        residual = conv_bn(g, group, conv, bn, x, &shortcut, NULL);
    }
    snprintf(conv, sizeof conv, "%s.conv%d", prefix, n);
    snprintf(bn, sizeof bn, "%s.bn%d", prefix, n);
    return conv_bn(g, group, conv, bn, y, &part[n - 1], residual);
}

static struct tensor *clip_stem(struct graph *g, int group, const struct resnet *r,
                                struct tensor *x) {
    const struct conv_bn first = {.out = r->width / 2, .kernel = 3, .stride = 2, .relu = 1},
                         second = {.out = r->width / 2, .kernel = 3, .stride = 1, .relu = 1},
                         third = {.out = r->width, .kernel = 3, .stride = 1, .relu = 1};
    x = conv_bn(g, group, "conv1", "bn1", x, &first, NULL);
    x = conv_bn(g, group, "conv2", "bn2", x, &second, NULL);
    x = conv_bn(g, group, "conv3", "bn3", x, &third, NULL);
    return mean_of_four(g, x);
}

static struct tensor *stem(struct graph *g, int group, const struct resnet *r, struct tensor *x) {
    const struct conv_bn only = {.out = r->width,
                                 .kernel = r->small_stem ? 3 : 7,
                                 .stride = r->small_stem ? 1 : 2,
                                 .relu = 1};
    if (r->clip_heads)
        return clip_stem(g, group, r, x);
    x = conv_bn(g, group, "conv1", "bn1", x, &only, NULL);
    return r->small_stem ? x : op_maxpool(g, "maxpool", x, 3, 2, 1);
}

struct tensor *resnet_encode(struct graph *g, int group, const struct resnet *r,
                             struct tensor *images, struct tensor **layers) {
    struct tensor *x = stem(g, group, r, channels_last(g, images));
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
