/* family.h -- what published weights of one origin are called and how they are meant.
 *
 * To add one: a file family_NAME.c with a `const struct family`, a line in families.c, a golden
 * network in tests/golden/families.py.
 */
#ifndef SSV_WEIGHTS_FAMILY_H
#define SSV_WEIGHTS_FAMILY_H

#include "weights/network.h"

enum weight_form {
    WEIGHT_SAME,       /* the same entries, whatever ones are among the dimensions */
    WEIGHT_TRANSPOSED, /* a matrix (in,out) */
    WEIGHT_POSITIONS,  /* (1+T,dim), for another grid where that is wanted */
    WEIGHT_RELATIVE,   /* a bias table (entries,heads), transposed, for another grid likewise */
    WEIGHT_ZERO        /* this network has none */
};

/* A `*` stands for any text, the same on both sides; {a,b,c} for tensors on top of each other, an
 * empty one for zeros.  Of rules for the same parameter the first whose tensor is there counts. */
struct weight_rule {
    const char *ours, *theirs; /* "encoder.blocks.*.norm1.*", without the family's prefix */
    enum weight_form form;
};

/* Tensors that have no place here. */
struct spare_rule {
    const char *theirs, *why;
};

struct family {
    const char *name, *title, *cite;
    const char *variants;        /* "ViT of any width and depth" */
    struct preprocessing images; /* how they are prepared; the sides are 0 */
    enum resampling resampling;  /* of positions */
    const char *inner;           /* a prefix that some tensors may have: "vit."; NULL: none */
    /* Tensors that tell it: "name" is there, "!name" is not, "*name": one ends so, whatever the
     * prefix of the others; the first is a plain one. */
    const char *const *signs;
    const struct weight_rule *rules;
    const struct spare_rule *spare; /* NULL: nothing */
    /* Fills backbone, the images' size, grids, heads and text from the tensors.  The preparation of
     * images is the family's before, and the options' after it. */
    int (*describe)(const struct source *s, const struct network_options *o, struct network *n,
                    struct error *err);
};

/* The most particular first: the first whose signs are there is taken. */
extern const struct family *const families[]; /* NULL-terminated */
extern const struct family family_cifar_resnet, family_torchvision, family_simclr,
    family_dino_resnet, family_lightly, family_simclr_v2, family_timm_vit, family_mae,
    family_dinov2, family_dinov2_registers, family_timm_dinov3, family_hf_dinov3, family_hf_dinov2,
    family_hf_dinov2_registers, family_dino_vit, family_hf_vit, family_beit, family_hf_clip,
    family_open_clip, family_openai_clip;

/* By name, or by the names of tensors; with the prefix that was stripped. */
int family_recognise(struct source *s, const struct network_options *o, const struct family **out,
                     struct error *err);
/* Status 2: what the config.json says of the network makes it another one than its tensors. */
int check_beside(const struct source *s, const struct network_options *o, struct error *err);
struct source_tensor *family_find(const struct family *f, const struct source *s, const char *name);
/* Dimension i of that tensor; 0: neither is there (nor a name, NULL), or it is no size. */
int family_dim(const struct family *f, const struct source *s, const char *name, int i);

/* Whether text is of the pattern; star (n) receives what each `*` stands for. */
enum { PATTERN_STARS = 4, PATTERN_STAR = 96 };
int pattern_match(const char *pattern, const char *text, char star[PATTERN_STARS][PATTERN_STAR]);
/* The pattern with them in its place. */
void pattern_fill(const char *pattern, char star[PATTERN_STARS][PATTERN_STAR], char *out,
                  size_t room);

/* What describes of ViTs share: names of tensors that tell the sizes. */
struct vit_names {
    const char *patch;                    /* (dim,channels,p,p) */
    const char *positions;                /* NULL: none by that means */
    int may_lack_positions, may_lack_cls; /* all of them, or that of CLS */
    const char *block;                    /* "blocks.%d.norm1.weight" */
    const char *fc1;                      /* of the first block */
    const char *fc2;                      /* NULL: fc1 has as many rows as the MLP is wide */
    const char *head;                     /* (classes,dim), or NULL */
    const char *heads;                    /* in the files beside: "num_attention_heads"; or NULL */
};
/* Sizes, the input's size and the grid.  Status 2 where the number of heads cannot be told. */
int describe_vit(const struct family *f, const struct source *s, const struct vit_names *names,
                 const struct network_options *o, struct network *n, struct error *err);
/* Heads of a transformer of that width where nothing says them: 0 where that is no custom. */
int usual_heads(int dim);
/* Names of tensors that tell the sizes of a ResNet. */
struct resnet_names {
    const char *stem;                  /* the first convolution's weight */
    const char *first, *third;         /* of the first block: conv1's weight, and conv3's */
    const char *blocks[RESNET_STAGES]; /* conv1's weight of block %d */
};
/* Kind, channels, width (0: none that can be) and blocks: all but the stem and what comes behind
 * the stages. */
void describe_stages(const struct source *s, const struct resnet_names *names, struct backbone *b);
/* What a file beside the weights calls the activation, at that path: ACT_GELU or ACT_QUICK_GELU.
 * Status 2: it is another one, and o says none that is to be taken instead. */
int describe_activation(const struct source *s, const struct network_options *o, const char *path,
                        enum activation otherwise, enum activation *act, struct error *err);
/* The side of a square of so many places and one token more; 0: that is none. */
int side_of_tokens(size_t tokens);
/* Height and width in "224" or "192x256", or the given ones; each a multiple of `unit`. */
int describe_image(const char *text, int unit, int height, int width, struct network *n,
                   struct error *err);

/* clang-format off */
#define NORM_IMAGENET {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}}
#define NORM_HALF {{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}}
#define NORM_CLIP {{0.48145466, 0.4578275, 0.40821073}, {0.26862954, 0.26130258, 0.27577711}}
#define NORM_NONE {{0, 0, 0, 0}, {1, 1, 1, 1}}
/* clang-format on */

#endif
