/* backbone.h -- the encoders that all methods share, behind one interface.
 *
 * A method asks for features of images and gets tensors; which network made them is the user's
 * choice.  Parameters live in the given group, with the names that timm and torchvision use.
 *
 * Images are (N,C,H,W), or (N,V,C,H,W) for V views of each sample: the views are further images,
 * one batch norm sees all of them, and every result has the V in front as well.  The side may
 * differ from backbone.image (crops): a ViT then interpolates its positions.
 *
 * Batch norm normalises with the batch in training graphs and with its running statistics where
 * graph.evaluating is set.
 */
#ifndef SSV_NN_BACKBONE_H
#define SSV_NN_BACKBONE_H

#include "nn/resnet.h"
#include "nn/vit.h"

#include "core/error.h"

enum backbone_kind { BACKBONE_VIT = 1, BACKBONE_RESNET = 2, BACKBONE_ALEXNET = 4 };
enum { BACKBONE_ANY = 7, BACKBONE_LAYERS = 96, BACKBONE_NAME = 32 };

struct backbone {
    const char *name;
    enum backbone_kind kind;
    int image, channels; /* images of image x image, or image x wide */
    int wide;            /* 0: square */
    int dim;             /* of pooled features */
    struct vit vit;
    struct resnet resnet;
    struct alexnet alexnet;
};

/* How much of the encoder's work is wanted. */
enum encoding {
    ENCODE_POOLED, /* of a ViT's last block only what the pooled features need */
    ENCODE_TOKENS,
    ENCODE_LAYERS /* and what a frozen encoder is judged by */
};

struct encoded {
    struct tensor *pooled; /* (N,[V,]dim): what heads work on */
    struct tensor *tokens; /* ViT: (N,[V,]1+T,D) after the final norm, unless ENCODE_POOLED; NULL
                            * otherwise */
    struct tensor *map;    /* convnets: (N,[V,]h,w,C) of the last stage; NULL otherwise */
    /* "layer6.cls", "layer6.mean", "stage4.mean", ...; made only by ENCODE_LAYERS. */
    struct tensor *representation[BACKBONE_LAYERS]; /* (N,[V,]its own width) */
    char representation_name[BACKBONE_LAYERS][BACKBONE_NAME];
    int n_representations;
    struct tensor *logits; /* (N,classes) of a classifier that came with the weights, or NULL */
};

/* Instead of a name: the encoder that a method brings along. */
#define BACKBONE_OWN "own"
extern const char *const backbone_names[];   /* NULL-terminated */
int backbone_kind_of(const char *name);      /* 0 when there is none of that name */
int backbone_wide(const struct backbone *b); /* width of the images */

/* What the user chooses beside the name. */
struct backbone_options {
    int image, channels, patch;
    enum position_kind position;
    enum pool_kind pool;
    double drop_path, layer_scale;
    int relative_positions;
};
/* Status 2 for an unknown name and for an image that patches or strides do not fit. */
int backbone_make(struct backbone *b, const char *name, const struct backbone_options *o,
                  struct error *err);
/* The same network with the width halved, for split-brain: two of them are as wide as one. */
struct backbone backbone_half(const struct backbone *b);

/* drop (N, backbone_drops) from rng-keyed inputs, see op_branch; NULL: no stochastic depth. */
int backbone_drops(const struct backbone *b); /* residual branches; 0 for those without */
void backbone_encode(struct graph *g, int group, const struct backbone *b, struct tensor *images,
                     struct tensor *drop, enum encoding what, struct encoded *out);

#endif
