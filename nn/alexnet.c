#include "nn/resnet.h"

#include <stdio.h>
#include <string.h>

static const struct named_alexnet {
    const char *name;
    int width[ALEXNET_CONVS];
} zoo[] = {
    {"alexnet-micro", {32, 64, 96, 96, 64}},
    {"alexnet", {96, 256, 384, 384, 256}},
};

enum { ZOO = sizeof zoo / sizeof *zoo };

const char *const alexnet_names[] = {"alexnet-micro", "alexnet", NULL};

int alexnet_by_name(struct alexnet *a, const char *name) {
    for (int i = 0; i < ZOO; i++)
        if (!strcmp(zoo[i].name, name)) {
            memcpy(a->width, zoo[i].width, sizeof a->width);
            return 1;
        }
    return 0;
}

/* One line a convolution: its window, and whether 3x3 pooling with stride 2 follows. */
static const struct layer {
    int kernel, stride, pad, pool;
} layers_of[2][ALEXNET_CONVS] = {
    {{11, 4, 2, 1}, {5, 1, 2, 1}, {3, 1, 1, 0}, {3, 1, 1, 0}, {3, 1, 1, 1}},
    {{5, 1, 2, 1}, {5, 1, 2, 1}, {3, 1, 1, 0}, {3, 1, 1, 0}, {3, 1, 1, 1}}, /* small */
};

struct tensor *alexnet_encode(struct graph *g, int group, const struct alexnet *a,
                              struct tensor *images, struct tensor **layers) {
    struct tensor *x = channels_last(g, images);
    for (int i = 0; i < ALEXNET_CONVS; i++) {
        const struct layer *l = &layers_of[a->small != 0][i];
        const struct conv_spec spec = {.group = group,
                                       .out = a->width[i],
                                       .kernel = l->kernel,
                                       .stride = l->stride,
                                       .pad = l->pad,
                                       .init = INIT_HE};
        char name[32];
        snprintf(name, sizeof name, "conv%d", i + 1);
        x = op_conv2d(g, name, x, &spec);
        snprintf(name, sizeof name, "bn%d", i + 1);
        x = op_batchnorm(g, name, group, x, NULL, 1, 0);
        if (layers)
            layers[i] = x;
        /* An even side loses nothing with padding; the large one has odd sides. */
        if (l->pool)
            x = op_maxpool(g, "pool", x, 3, 2, a->small ? 1 : 0);
    }
    return x;
}
