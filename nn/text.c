#include "nn/text.h"

#include "nn/vit.h"

#include <math.h>

enum { MLP_RATIO = 4 };

/* The authors' initial deviations. */
static const double TOKEN_STD = 0.02, POSITION_STD = 0.01, NORM_EPS = 1e-6;

struct tensor *text_encode(struct graph *g, int group, const struct text *t, struct tensor *tokens,
                           struct tensor *end) {
    CHECK(tokens->per_sample == (size_t)t->context && end->per_sample == 1,
          "%s: %zu ids of %d, and %zu ends", tokens->name, tokens->per_sample, t->context,
          end->per_sample);
    const int table[] = {t->vocabulary, t->dim}, places[] = {t->context, t->dim};
    struct tensor *words =
        graph_param(g, group, "token_embedding.weight", 2, table, INIT_NORMAL, TOKEN_STD);
    struct tensor *positions =
        graph_param(g, group, "positional_embedding", 2, places, INIT_NORMAL, POSITION_STD);
    struct tensor *x = op_embed(g, "token_embedding", words, tokens);
    x = op_add_broadcast(g, "positions", x, positions);
    const struct transformer blocks = {.depth = t->depth,
                                       .heads = t->heads,
                                       .mlp = MLP_RATIO * t->dim,
                                       .act = t->act,
                                       .norm_eps = t->norm_eps,
                                       .causal = 1,
                                       .row = end};
    x = transformer_blocks(g, group, "blocks", x, &blocks, NULL);
    x = op_layernorm(g, "norm", group, x, t->norm_eps > 0 ? t->norm_eps : NORM_EPS);
    x = op_reshape(g, "text", x, 1, &t->dim);
    const struct linear_spec projection = {.group = group,
                                           .out = t->out,
                                           .init = INIT_NORMAL,
                                           .scale = 1 / sqrt((double)t->dim),
                                           .no_bias = 1};
    return op_linear(g, "projection", x, &projection, NULL);
}
