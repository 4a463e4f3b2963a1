/* attention_pool.c -- the end of CLIP's ResNets, Radford et al. 2021 (arXiv:2103.00020),
 * section 2.4: one layer of multi-head attention (Vaswani et al. 2017, eq. 1) whose only query is
 * the mean.
 */
#include "nn/resnet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* (N,[V,]1+T,C) of (N,[V,]h,w,C): the mean of the places, then the places. */
static struct tensor *mean_and_places(struct graph *g, struct tensor *x) {
    int n = x->ndim, dim[MAX_DIM], channels = x->dim[n - 1];
    int places = x->dim[n - 3] * x->dim[n - 2];
    memcpy(dim, x->dim, sizeof dim);
    dim[n - 3] = places;
    dim[n - 2] = channels;
    struct tensor *mean =
        op_mean_rows(g, "mean", op_reshape(g, "places", x, n - 1, dim), 0, places);
    dim[n - 3] = places * channels;
    x = op_concat(g, "mean_and_places", mean, op_reshape(g, "places", x, n - 2, dim));
    dim[n - 3] = 1 + places;
    dim[n - 2] = channels;
    return op_reshape(g, "tokens", x, n - 1, dim);
}

struct tensor *attention_pool(struct graph *g, const char *name, int group, struct tensor *x,
                              int heads) {
    static const int32_t first[] = {0};
    char part[96];
    struct tensor *tokens = mean_and_places(g, x);
    int channels = tokens->dim[tokens->ndim - 1];
    snprintf(part, sizeof part, "%s.positional_embedding", name);
    struct tensor *positions =
        graph_param(g, group, part, 2, (const int[]){tokens->dim[tokens->ndim - 2], channels},
                    INIT_NORMAL, 1 / sqrt((double)channels));
    positions->param->decay = 0;
    const struct linear_spec qkv = {.group = group,
                                    .out = 3 * channels,
                                    .init = INIT_NORMAL,
                                    .scale = 1 / sqrt((double)channels)};
    snprintf(part, sizeof part, "%s.qkv", name);
    tokens = op_linear(g, part, op_add_broadcast(g, "positions", tokens, positions), &qkv, NULL);
    struct tensor *row = graph_const_index(g, "of the mean", 1, first);
    return op_mean_rows(g, name, op_attention_row(g, name, tokens, heads, 0, NULL, row), 0, 1);
}
