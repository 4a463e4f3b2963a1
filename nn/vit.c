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

int vit_tokens(const struct vit *v) {
    int grid = v->image / v->patch;
    return 1 + grid * grid;
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
    struct arena scratch = {0};
    real *table = ARENA_ARRAY(&scratch, real, (size_t)dim[0] * (size_t)dim[1]);
    sincos_positions(v->image / v->patch, v->dim, table);
    struct tensor *t = graph_const(g, "pos_embed", 2, dim, table);
    arena_free(&scratch);
    return t;
}

struct tensor *vit_embed(struct graph *g, int group, const struct vit *v, struct tensor *images) {
    int tokens = vit_tokens(v);
    struct arena scratch = {0};
    int32_t *behind_cls = ARENA_ARRAY(&scratch, int32_t, tokens); /* -1, 0, 1, ... */
    for (int i = 0; i < tokens; i++)
        behind_cls[i] = i - 1;
    struct tensor *index = graph_const_index(g, "behind_cls", tokens, behind_cls);
    arena_free(&scratch);
    struct linear_spec spec = linear(group, v->dim);
    struct tensor *x = op_patchify(g, "patches", images, v->patch);
    x = op_linear(g, "patch_embed.proj", x, &spec, NULL);
    struct tensor *cls =
        graph_param(g, group, "cls_token", 1, &v->dim, INIT_TRUNC_NORMAL, INIT_STD);
    x = op_gather(g, "tokens", x, index, cls);
    return op_add_broadcast(g, "positions", x, positions(g, group, v));
}

struct tensor *vit_blocks(struct graph *g, int group, const char *prefix, struct tensor *x,
                          int depth, int heads, int mlp, struct tensor **layers) {
    int dim = x->dim[1];
    struct linear_spec qkv = linear(group, 3 * dim), proj = linear(group, dim),
                       fc1 = linear(group, mlp), fc2 = linear(group, dim);
    fc1.act = ACT_GELU;
    for (int i = 0; i < depth; i++) {
        char n[6][96];
        static const char *const parts[] = {"norm1", "attn.qkv", "attn.proj",
                                            "norm2", "mlp.fc1",  "mlp.fc2"};
        for (int j = 0; j < 6; j++)
            snprintf(n[j], sizeof n[j], "%s.%d.%s", prefix, i, parts[j]);
        struct tensor *y = op_layernorm(g, n[0], group, x, NORM_EPS);
        y = op_linear(g, n[1], y, &qkv, NULL);
        y = op_attention(g, "attn", y, heads);
        x = op_linear(g, n[2], y, &proj, x);
        y = op_layernorm(g, n[3], group, x, NORM_EPS);
        y = op_linear(g, n[4], y, &fc1, NULL);
        x = op_linear(g, n[5], y, &fc2, x);
        if (layers)
            layers[i] = x;
    }
    return x;
}

struct tensor *vit_encode(struct graph *g, int group, const struct vit *v, struct tensor *images,
                          struct tensor **layers) {
    struct tensor *x = vit_embed(g, group, v, images);
    x = vit_blocks(g, group, "blocks", x, v->depth, v->heads, v->mlp, layers);
    return op_layernorm(g, "norm", group, x, NORM_EPS);
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

/* Keys 1981 with a = -0.75; distance x from the centre. */
static double cubic(double x) {
    const double a = -0.75;
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

static int clamp(int i, int n) {
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

void interpolate_positions(int from, int to, int dim, const real *in, real *out) {
    memcpy(out, in, sizeof *out * (size_t)dim);
    in += dim;
    out += dim;
    double scale = (double)from / to;
    for (int row = 0; row < to; row++)
        for (int col = 0; col < to; col++) {
            double y = (row + 0.5) * scale - 0.5, x = (col + 0.5) * scale - 0.5;
            int y0 = (int)floor(y), x0 = (int)floor(x);
            real *p = out + (size_t)(row * to + col) * (size_t)dim;
            for (int d = 0; d < dim; d++) {
                double sum = 0;
                for (int i = -1; i <= 2; i++)
                    for (int j = -1; j <= 2; j++)
                        sum +=
                            cubic(y - (y0 + i)) * cubic(x - (x0 + j)) *
                            (double)in[(size_t)(clamp(y0 + i, from) * from + clamp(x0 + j, from)) *
                                           (size_t)dim +
                                       (size_t)d];
                p[d] = (real)sum;
            }
        }
}
