/* text.h -- a causal transformer over token ids: the text tower of CLIP, Radford et al. 2021
 * (arXiv:2103.00020), section 2.4.
 *
 * Token and position embeddings, pre-norm blocks in which token i sees 0..i, a final layer norm,
 * and of all tokens the one at the end of the text, projected without bias.  What stands behind the
 * end changes nothing.
 */
#ifndef SSV_NN_TEXT_H
#define SSV_NN_TEXT_H

#include "nn/ops.h"

struct text {
    int vocabulary, context; /* ids are 0..vocabulary-1; a text has `context` of them */
    int dim, depth, heads;
    int out;             /* of the projection */
    enum activation act; /* of the MLPs; ACT_NONE: GELU */
    double norm_eps;     /* 0: 1e-6 */
};

/* (N,out) from token ids (N,context) and the place of the end token (N,1), both indices. */
struct tensor *text_encode(struct graph *g, int group, const struct text *t, struct tensor *tokens,
                           struct tensor *end);

#endif
