#include "nn/vit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct named_vit {
    const char *name;
    int dim, depth, heads;
} zoo[] = {
    {"vit-micro", 128, 6, 4},
    {"vit-tiny", 192, 12, 3},
    {"vit-small", 384, 12, 6},
    {"vit-base", 768, 12, 12},
};

enum { ZOO = sizeof zoo / sizeof *zoo, MLP_RATIO = 4 };

const char *const vit_names[] = {"vit-micro", "vit-tiny", "vit-small", "vit-base", NULL};

static const double NORM_EPS = 1e-6, INIT_STD = 0.02;

int vit_by_name(struct vit *v, const char *name) {
    for (int i = 0; i < ZOO; i++)
        if (!strcmp(zoo[i].name, name)) {
            v->dim = zoo[i].dim;
            v->depth = zoo[i].depth;
            v->heads = zoo[i].heads;
            v->mlp = MLP_RATIO * zoo[i].dim;
            return 1;
        }
    return 0;
}

int vit_rows(const struct vit *v) {
    return v->image / v->patch;
}

int vit_cols(const struct vit *v) {
    return (v->wide ? v->wide : v->image) / v->patch;
}

int vit_tokens(const struct vit *v) {
    return 1 + vit_rows(v) * vit_cols(v);
}

static double norm_eps(double eps) {
    return eps > 0 ? eps : NORM_EPS;
}

double vit_norm_eps(const struct vit *v) {
    return norm_eps(v->norm_eps);
}

static struct linear_spec linear(int group, int out) {
    return (struct linear_spec){.group = group, .out = out, .init = INIT_XAVIER};
}

static struct tensor *positions(struct graph *g, int group, const struct vit *v) {
    const int dim[] = {vit_tokens(v), v->dim};
    if (v->position == POSITION_LEARNED) {
        struct tensor *t = graph_param(g, group, "pos_embed", 2, dim, INIT_TRUNC_NORMAL, INIT_STD);
        t->param->decay = 0;
        return t;
    }
    CHECK(vit_rows(v) == vit_cols(v), "sine-cosine positions are for square images");
    struct arena scratch = {0};
    real *table = ARENA_ARRAY(&scratch, real, (size_t)dim[0] * (size_t)dim[1]);
    sincos_positions(v->image / v->patch, v->dim, table);
    struct tensor *t = graph_const(g, "pos_embed", 2, dim, table);
    arena_free(&scratch);
    return t;
}

static int grid_of(const struct tensor *patches) {
    int rows = patches->dim[patches->ndim - 2], grid = (int)lround(sqrt((double)rows));
    CHECK(grid * grid == rows, "%s: %d patches are no square", patches->name, rows);
    return grid;
}

struct tensor *vit_patches(struct graph *g, int group, const struct vit *v, struct tensor *images) {
    struct linear_spec spec = linear(group, v->dim);
    struct tensor *x = op_patchify(g, "patches", images, v->patch);
    return op_linear(g, "patch_embed.proj", x, &spec, NULL);
}

struct tensor *vit_tokens_of(struct graph *g, int group, const struct vit *v,
                             struct tensor *patches) {
    int count = patches->dim[patches->ndim - 2], tokens = 1 + count;
    struct arena scratch = {0};
    int32_t *behind_cls = ARENA_ARRAY(&scratch, int32_t, tokens); /* -1, 0, 1, ... */
    for (int i = 0; i < tokens; i++)
        behind_cls[i] = i - 1;
    struct tensor *index = graph_const_index(g, "behind_cls", tokens, behind_cls);
    arena_free(&scratch);
    struct tensor *cls =
        graph_param(g, group, "cls_token", 1, &v->dim, INIT_TRUNC_NORMAL, INIT_STD);
    struct tensor *x = op_gather(g, "tokens", patches, index, cls);
    if (v->position == POSITION_NONE || v->position == POSITION_ROTARY)
        return x;
    struct tensor *p = positions(g, group, v);
    if (tokens != vit_tokens(v)) {
        CHECK(vit_rows(v) == vit_cols(v), "%s: crops of images that are not square", patches->name);
        p = op_resize_positions(g, "resized_positions", p, vit_rows(v), grid_of(patches));
    }
    return op_add_broadcast(g, "positions", x, p);
}

/* x (N,[V,]T,D) and the registers behind it: rows of zeros to which a table of zeros and them is
 * added. */
static struct tensor *add_registers(struct graph *g, int group, const struct vit *v,
                                    struct tensor *x) {
    const int tokens = x->dim[x->ndim - 2], all = tokens + v->registers;
    struct tensor *own = graph_param(g, group, "reg_token", 2, (const int[]){v->registers, v->dim},
                                     INIT_TRUNC_NORMAL, INIT_STD);
    struct arena scratch = {0};
    int32_t *of_x = ARENA_ARRAY(&scratch, int32_t, all),
            *of_own = ARENA_ARRAY(&scratch, int32_t, all);
    for (int i = 0; i < all; i++) {
        of_x[i] = i < tokens ? i : -1;
        of_own[i] = i < tokens ? -1 : i - tokens;
    }
    struct tensor *rows = graph_const_index(g, "in_front", all, of_x);
    struct tensor *behind = graph_const_index(g, "behind", all, of_own);
    arena_free(&scratch);
    x = op_gather(g, "tokens_in_front", x, rows, NULL);
    return op_add_broadcast(g, "registers", x, op_gather(g, "registers_behind", own, behind, NULL));
}

struct tensor *vit_embed(struct graph *g, int group, const struct vit *v, struct tensor *images) {
    struct tensor *x = vit_tokens_of(g, group, v, vit_patches(g, group, v, images));
    if (v->registers)
        x = add_registers(g, group, v, x);
    return v->norm_pre ? op_layernorm(g, "norm_pre", group, x, norm_eps(v->norm_eps)) : x;
}

/* residual + branch, scaled and dropped where that is asked for */
static struct tensor *close_branch(struct graph *g, int group, const struct transformer *s,
                                   const char *linear_name, const char *gain_name,
                                   const struct linear_spec *spec, struct tensor *y, int column,
                                   struct tensor *residual) {
    if (s->layer_scale == 0 && !s->drop)
        return op_linear(g, linear_name, y, spec, residual);
    struct tensor *gain = NULL;
    if (s->layer_scale != 0)
        gain = graph_param(g, group, gain_name, 1, &spec->out, INIT_CONSTANT, s->layer_scale);
    y = op_linear(g, linear_name, y, spec, NULL);
    return op_branch(g, "branch", y, gain, s->drop, column, residual);
}

struct tensor *transformer_blocks(struct graph *g, int group, const char *prefix, struct tensor *x,
                                  const struct transformer *s, struct tensor **layers) {
    int dim = x->dim[x->ndim - 1];
    struct linear_spec qkv = linear(group, 3 * dim), proj = linear(group, dim),
                       fc1 = linear(group, s->mlp), fc2 = linear(group, dim);
    fc1.act = s->gated ? ACT_NONE : s->act ? s->act : ACT_GELU;
    fc1.out *= s->gated ? 2 : 1;
    enum { NORM1, QKV, PROJ, GAIN1, NORM2, FC1, FC2, GAIN2, PARTS };
    static const char *const parts[PARTS] = {"norm1", "attn.qkv", "attn.proj", "ls1.gamma",
                                             "norm2", "mlp.fc1",  "mlp.fc2",   "ls2.gamma"};
    const double eps = norm_eps(s->norm_eps);
    for (int i = 0; i < s->depth; i++) {
        char n[PARTS][96];
        for (int j = 0; j < PARTS; j++)
            snprintf(n[j], sizeof n[j], "%s.%d.%s", prefix, i, parts[j]);
        struct tensor *y = op_layernorm(g, n[NORM1], group, x, eps);
        struct tensor *bias = s->biases ? s->biases[i] : s->bias;
        y = op_linear(g, n[QKV], y, &qkv, NULL);
        if (s->rotary)
            y = op_rotary(g, "rotary", y, s->heads, s->rotary);
        if (s->row && i == s->depth - 1) {
            y = op_attention_row(g, "attn", y, s->heads, s->causal, bias, s->row);
            x = op_gather(g, "row", x, s->row, NULL);
        } else {
            y = op_attention(g, "attn", y, s->heads, s->causal, bias);
        }
        x = close_branch(g, group, s, n[PROJ], n[GAIN1], &proj, y, 2 * i, x);
        y = op_layernorm(g, n[NORM2], group, x, eps);
        y = op_linear(g, n[FC1], y, &fc1, NULL);
        if (s->gated)
            y = op_swiglu(g, "gate", y);
        x = close_branch(g, group, s, n[FC2], n[GAIN2], &fc2, y, 2 * i + 1, x);
        if (layers)
            layers[i] = x;
    }
    return x;
}

static struct tensor *rotary_table(struct graph *g, const struct vit *v) {
    const int half = v->dim / v->heads / 2, dim[] = {vit_tokens(v) + v->registers, 2, half};
    struct arena scratch = {0};
    real *table = ARENA_ARRAY(&scratch, real, (size_t)dim[0] * 2 * (size_t)half);
    rotary_positions(vit_rows(v), vit_cols(v), v->registers, 2 * half, v->rotary_base, table);
    struct tensor *t = graph_const(g, "rotary_table", 3, dim, table);
    arena_free(&scratch);
    return t;
}

struct transformer vit_transformer(struct graph *g, int group, const struct vit *v,
                                   struct tensor *drop) {
    struct transformer s = {.depth = v->depth,
                            .heads = v->heads,
                            .mlp = v->mlp,
                            .act = v->act,
                            .gated = v->gated,
                            .norm_eps = v->norm_eps,
                            .layer_scale = v->layer_scale,
                            .drop = drop};
    if (v->position == POSITION_ROTARY)
        s.rotary = rotary_table(g, v);
    if (v->relative_positions && !v->relative_each)
        s.bias = op_relative_bias(g, "relative_position_bias_table", group, vit_rows(v),
                                  vit_cols(v), v->heads);
    if (v->relative_each) {
        struct tensor **biases = ARENA_ARRAY(&g->arena, struct tensor *, v->depth);
        for (int i = 0; i < v->depth; i++) {
            char name[64];
            snprintf(name, sizeof name, "blocks.%d.attn.relative_position_bias_table", i);
            biases[i] = op_relative_bias(g, name, group, vit_rows(v), vit_cols(v), v->heads);
        }
        s.biases = biases;
    }
    return s;
}

/* row: NULL for all tokens.  Where the final norm is of the pooled patches, tokens have none. */
static struct tensor *encode(struct graph *g, int group, const struct vit *v, struct tensor *images,
                             struct tensor *drop, struct tensor *row, struct tensor **layers) {
    struct tensor *x = vit_embed(g, group, v, images);
    CHECK(!v->relative_positions || x->dim[x->ndim - 2] == vit_tokens(v),
          "relative positions are for one size of images");
    struct transformer s = vit_transformer(g, group, v, drop);
    s.row = row;
    x = transformer_blocks(g, group, "blocks", x, &s, layers);
    return v->norm_pooled ? x : op_layernorm(g, "norm", group, x, norm_eps(v->norm_eps));
}

struct tensor *vit_encode(struct graph *g, int group, const struct vit *v, struct tensor *images,
                          struct tensor *drop, struct tensor **layers) {
    return encode(g, group, v, images, drop, NULL, layers);
}

struct tensor *vit_encode_cls(struct graph *g, int group, const struct vit *v,
                              struct tensor *images, struct tensor *drop) {
    static const int32_t cls[] = {0};
    struct tensor *row = graph_const_index(g, "cls", 1, cls);
    struct tensor *x = encode(g, group, v, images, drop, row, NULL);
    return op_mean_rows(g, "cls", x, 0, 1);
}

void rotary_positions(int rows, int cols, int registers, int width, double base, real *out) {
    CHECK(width % 4 == 0, "rotary positions need heads of a width divisible by 4, not %d", width);
    const double turn = 2 * acos(-1);
    int quarter = width / 4, tokens = 1 + rows * cols + registers;
    for (int token = 0; token < tokens; token++, out += 4 * quarter) {
        int patch = token - 1, is_patch = patch >= 0 && patch < rows * cols;
        int row = patch / cols, col = patch % cols;
        double y = is_patch ? (2.0 * row + 1) / rows - 1 : 0;
        double x = is_patch ? (2.0 * col + 1) / cols - 1 : 0;
        for (int i = 0; i < 2 * quarter; i++) {
            double place = i < quarter ? y : x;
            double angle = turn * place * pow(base, -(double)(i % quarter) / quarter);
            out[i] = (real)cos(angle);
            out[2 * quarter + i] = (real)sin(angle);
        }
    }
}

void sincos_positions(int grid, int dim, real *out) {
    CHECK(dim % 4 == 0, "sine-cosine positions need a width divisible by 4, not %d", dim);
    int quarter = dim / 4;
    memset(out, 0, sizeof *out * (size_t)dim);
    for (int row = 0; row < grid; row++)
        for (int col = 0; col < grid; col++) {
            real *p = out + (size_t)(1 + row * grid + col) * (size_t)dim;
            for (int i = 0; i < quarter; i++) {
                double omega = pow(10000.0, -(double)i / quarter);
                p[i] = (real)sin(col * omega);
                p[quarter + i] = (real)cos(col * omega);
                p[2 * quarter + i] = (real)sin(row * omega);
                p[3 * quarter + i] = (real)cos(row * omega);
            }
        }
}
