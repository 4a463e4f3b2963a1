/* resnet.h -- convolutional backbones: residual networks and an AlexNet-style chain.
 *
 * He et al. 2016 (arXiv:1512.03385), table 1, with torchvision's names and details (the stride in
 * the 3x3 of a bottleneck); the small stem (3x3, no pooling) is that of SimCLR's CIFAR experiments
 * (Chen et al. 2020, appendix B.9).  Activations are (N,[V,]H,W,C).
 */
#ifndef SSV_NN_RESNET_H
#define SSV_NN_RESNET_H

#include "nn/ops.h"

enum { RESNET_STAGES = 4, ALEXNET_CONVS = 5 };

struct resnet {
    int width; /* of the first stage; each later one has twice that of the one before */
    int blocks[RESNET_STAGES]; /* a stage without blocks is left out, and those behind it */
    int bottleneck;            /* 0: two 3x3; 1: 1x1, 3x3, 1x1 of four times the width */
    int small_stem;            /* for images below 96 pixels */
    /* Shortcuts of another width have no parameters: every second place, zeros in the channels that
     * are new, half of them in front (He et al. 2016, section 4.2, option A, as Akamaster's code
     * has it); 0: a 1x1 convolution. */
    int pad_shortcut;
    /* The ResNet of CLIP (Radford et al. 2021, section 2.4, as the authors' code has it): a stem of
     * three 3x3 and a mean of 2x2, means of 2x2 in place of strides, and attention_pool of so many
     * heads in place of the last mean.  0: none of it. */
    int clip_heads;
};

/* Krizhevsky et al. 2012 in the form in which the pretext-task papers use it (Zhang et al. 2017,
 * Doersch et al. 2015): five convolutions, batch norm after each instead of local response
 * normalisation, no groups.  Names conv1.weight, bn1.weight, ..., as torchvision's ResNets have
 * them. */
struct alexnet {
    int width[ALEXNET_CONVS];
    int small; /* for images below 128 pixels: a first convolution of 5x5 without stride */
};

/* Fills all but small_stem and small, which are the image's; 0 when there is no such name. */
int resnet_by_name(struct resnet *r, const char *name);   /* resnet18, resnet50, resnet-micro */
int alexnet_by_name(struct alexnet *a, const char *name); /* alexnet, alexnet-micro */
extern const char *const resnet_names[], *const alexnet_names[]; /* NULL-terminated */

/* images (N,[V,]C,H,W).  layers (RESNET_STAGES), when not NULL, receives each stage's output, NULL
 * for those left out; returns the last. */
struct tensor *resnet_encode(struct graph *g, int group, const struct resnet *r,
                             struct tensor *images, struct tensor **layers);
/* layers (ALEXNET_CONVS), when not NULL, receives each convolution's output after its ReLU and
 * before pooling, which is what linear classifiers are trained on (Zhang et al. 2016); returns the
 * last one pooled, which is what the pretext tasks build on. */
struct tensor *alexnet_encode(struct graph *g, int group, const struct alexnet *a,
                              struct tensor *images, struct tensor **layers);
int resnet_dim(const struct resnet *r);              /* channels of the last stage */
int resnet_places(const struct resnet *r, int side); /* of the last map, in one direction */
/* (N,[V,]C) from x (N,[V,]h,w,C): what a query made of the mean of all places attends to, among
 * the places and their mean, each with a position of its own.  Radford et al. 2021, section 2.4.
 * Parameters NAME.positional_embedding (1 + h w, C) and NAME.qkv of C to 3 C. */
struct tensor *attention_pool(struct graph *g, const char *name, int group, struct tensor *x,
                              int heads);

/* x (N,[V,]H,W,C) from images (N,[V,]C,H,W) */
struct tensor *channels_last(struct graph *g, struct tensor *images);

#endif
