/* vit.h -- the vision transformer, Dosovitskiy et al. 2021 (arXiv:2010.11929), pre-norm.
 *
 * Parameter names are timm's, so that a checkpoint is read by anything that reads a timm ViT.
 */
#ifndef SSV_NN_VIT_H
#define SSV_NN_VIT_H

#include "nn/ops.h"

enum position_kind { POSITION_LEARNED, POSITION_SINCOS };

struct vit {
    int image, channels; /* square images of channels */
    int patch, dim, depth, heads, mlp;
    enum position_kind position;
};

/* vit-micro (128 x 6, 4 heads), vit-tiny (192 x 12, 3), vit-small (384 x 12, 6), vit-base
 * (768 x 12, 12); fills dim, depth, heads, mlp.  0 when there is no such name. */
int vit_by_name(struct vit *v, const char *name);
extern const char *const vit_names[]; /* NULL-terminated */

int vit_tokens(const struct vit *v); /* 1 + number of patches */

/* (N,1+T,D): patches embedded, CLS in front, positions added.  images (N,C,H,W). */
struct tensor *vit_embed(struct graph *g, int group, const struct vit *v, struct tensor *images);
/* `depth` blocks on x (N,R,D); layers (depth), when not NULL, receives each block's output. */
struct tensor *vit_blocks(struct graph *g, int group, const char *prefix, struct tensor *x,
                          int depth, int heads, int mlp, struct tensor **layers);
/* embed, all blocks, final norm: (N,1+T,D); layers as above. */
struct tensor *vit_encode(struct graph *g, int group, const struct vit *v, struct tensor *images,
                          struct tensor **layers);

/* Fixed 2-D sine-cosine positions (1 + grid*grid, dim) with zeros for CLS, as MAE has them: the
 * first half of the channels codes the column, the second the row; in each, sines before cosines.
 */
void sincos_positions(int grid, int dim, real *out);

/* Learned positions (1 + from*from, dim) for another grid (1 + to*to, dim): CLS copied, the rest by
 * bicubic interpolation (a = -0.75, half-pixel centres), as PyTorch's interpolate without
 * antialiasing. */
void interpolate_positions(int from, int to, int dim, const real *in, real *out);

#endif
