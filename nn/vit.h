/* vit.h -- the vision transformer, Dosovitskiy et al. 2021 (arXiv:2010.11929), pre-norm.
 *
 * Parameter names are timm's, so that a checkpoint is read by anything that reads a timm ViT.
 */
#ifndef SSV_NN_VIT_H
#define SSV_NN_VIT_H

#include "nn/ops.h"

enum position_kind { POSITION_LEARNED, POSITION_SINCOS, POSITION_ROTARY, POSITION_NONE };
enum pool_kind { POOL_CLS, POOL_MEAN };

struct vit {
    int image, channels; /* images of image x image, or image x wide, of channels */
    int wide;            /* 0: square */
    int patch, dim, depth, heads, mlp;
    enum position_kind position;
    enum pool_kind pool;    /* what `pooled` is: the CLS token or the mean of the patches */
    double drop_path;       /* of the last block; earlier ones less, linearly (Huang et al. 2016) */
    double layer_scale;     /* initial gain of residual branches (Touvron et al. 2021b); 0: none */
    int relative_positions; /* a bias per head and offset (Liu et al. 2021; Bao et al. 2022) */
    /* What published networks have of their own (weights/family.h). */
    int relative_each;   /* every block has a bias of its own */
    enum activation act; /* of the MLPs; ACT_NONE: GELU */
    int gated;           /* MLPs are SwiGLU, of mlp gates and as many values; without act */
    double norm_eps;     /* of the layer norms; 0: 1e-6 */
    int norm_pre;        /* a layer norm behind the positions, norm_pre (Radford et al. 2021) */
    int registers;       /* tokens more, without a position, behind the patches (Darcet et al. 2024,
                          * arXiv:2309.16588, have them in front, which is the same to attention) */
    double rotary_base;  /* of POSITION_ROTARY: what angles are powers of */
    int norm_pooled;     /* the final norm, fc_norm, is of the mean of the patches alone */
};

/* vit-micro (128 x 6, 4 heads), vit-tiny (192 x 12, 3), vit-small (384 x 12, 6), vit-base
 * (768 x 12, 12); fills dim, depth, heads, mlp.  0 when there is no such name. */
int vit_by_name(struct vit *v, const char *name);
extern const char *const vit_names[]; /* NULL-terminated */

int vit_rows(const struct vit *v);   /* of patches */
int vit_cols(const struct vit *v);   /* patches in a row */
int vit_tokens(const struct vit *v); /* 1 + number of patches, without registers */
/* Of tokens (N,[V,]1+T+R,D) that the network gave, the patches are rows 1 up to this one. */
static inline int vit_patch_end(const struct vit *v, const struct tensor *tokens) {
    return tokens->dim[tokens->ndim - 2] - v->registers;
}
double vit_norm_eps(const struct vit *v);

/* A stack of pre-norm blocks, of a ViT, of a decoder, or of a text tower. */
struct transformer {
    int depth, heads, mlp;
    enum activation act; /* of the MLP; ACT_NONE: GELU */
    int gated;           /* SwiGLU instead: fc1 makes mlp gates beside mlp values */
    int causal;          /* token i sees 0..i */
    double layer_scale;  /* 0: none */
    double norm_eps;     /* 0: 1e-6 */
    struct tensor *bias; /* (heads,T,T) on the scores, or NULL */
    /* (depth) one for each block instead; NULL: there are none */
    struct tensor *const *biases;
    struct tensor *rotary; /* (T,2,dim/heads/2): op_rotary of queries and keys, or NULL */
    struct tensor *drop;   /* (N, 2*depth) stochastic depth of the branches, or NULL */
    /* The only token, (N,1) or a constant (1), that is wanted of the last block, which then spares
     * the others; NULL: all are. */
    struct tensor *row;
};
/* x (N,[V,]T,D) through all blocks, (N,[V,]1,D) with a row; layers (depth), when not NULL, receives
 * each block's output. */
struct tensor *transformer_blocks(struct graph *g, int group, const char *prefix, struct tensor *x,
                                  const struct transformer *spec, struct tensor **layers);
/* What a ViT's own blocks are: bias and drop included. */
struct transformer vit_transformer(struct graph *g, int group, const struct vit *v,
                                   struct tensor *drop);

/* (N,[V,]1+T+R,D): patches embedded, CLS in front, positions added, R registers behind.  images
 * (N,[V,]C,h,w) of the network's own size, or square, of any side that patches divide. */
struct tensor *vit_embed(struct graph *g, int group, const struct vit *v, struct tensor *images);
/* The two halves of vit_embed, for methods that replace embedded patches: (N,[V,]T,D) without CLS
 * and positions, and with both. */
struct tensor *vit_patches(struct graph *g, int group, const struct vit *v, struct tensor *images);
struct tensor *vit_tokens_of(struct graph *g, int group, const struct vit *v,
                             struct tensor *patches);
/* embed, all blocks, final norm: (N,[V,]1+T+R,D); layers as above. */
struct tensor *vit_encode(struct graph *g, int group, const struct vit *v, struct tensor *images,
                          struct tensor *drop, struct tensor **layers);
/* The CLS token of that, (N,[V,]D), without what only the other tokens need. */
struct tensor *vit_encode_cls(struct graph *g, int group, const struct vit *v,
                              struct tensor *images, struct tensor *drop);

/* Fixed 2-D sine-cosine positions (1 + grid*grid, dim) with zeros for CLS, as MAE has them: the
 * first half of the channels codes the column, the second the row; in each, sines before cosines.
 */
void sincos_positions(int grid, int dim, real *out);

/* Angles of rows x cols patches for heads of `width`, to (1 + rows cols + registers, 2, width/2):
 * cosines, then sines; CLS and registers have the angle 0.  Simeoni et al. 2025 (arXiv:2508.10104)
 * as their code has it: entries first of the row, then of the column, whose middle is 2 pi times
 * -1..1 over the image, divided by base^(4 i / width). */
void rotary_positions(int rows, int cols, int registers, int width, double base, real *out);

/* Learned positions (1 + from*from, dim) for another grid (1 + to*to, dim): CLS copied, the rest by
 * bicubic interpolation (a = -0.75, half-pixel centres), as PyTorch's interpolate without
 * antialiasing. */
void interpolate_positions(int from, int to, int dim, const real *in, real *out);

#endif
