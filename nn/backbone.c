#include "nn/backbone.h"

#include "core/options.h"

#include <stdio.h>
#include <string.h>

enum { LARGE_RESNET_IMAGE = 96, LARGE_ALEXNET_IMAGE = 128 };

const char *const backbone_names[] = {"vit-micro",    "vit-tiny", "vit-small", "vit-base",
                                      "resnet-micro", "resnet18", "resnet50",  "alexnet-micro",
                                      "alexnet",      NULL};

static int is_among(const char *name, const char *const *names) {
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return 1;
    return 0;
}

int backbone_kind_of(const char *name) {
    return is_among(name, vit_names)       ? BACKBONE_VIT
           : is_among(name, resnet_names)  ? BACKBONE_RESNET
           : is_among(name, alexnet_names) ? BACKBONE_ALEXNET
                                           : 0;
}

static int make_vit(struct backbone *b, const struct backbone_options *o, struct error *err) {
    b->vit = (struct vit){.image = o->image,
                          .channels = o->channels,
                          .patch = o->patch,
                          .position = o->position,
                          .pool = o->pool,
                          .drop_path = o->drop_path,
                          .layer_scale = o->layer_scale,
                          .relative_positions = o->relative_positions};
    vit_by_name(&b->vit, b->name);
    b->dim = b->vit.dim;
    if (o->image % o->patch)
        return error_set(err, STATUS_USAGE,
                         "patches of %d do not fill images of %d pixels: choose a "
                         "patch that divides "
                         "the side",
                         o->patch, o->image);
    return 0;
}

static int unknown(const char *name, struct error *err) {
    char valid[256] = "";
    size_t at = 0;
    int n = 0;
    for (; backbone_names[n]; n++)
        at += (size_t)snprintf(valid + at, at < sizeof valid ? sizeof valid - at : 0, "%s%s",
                               n ? ", " : "", backbone_names[n]);
    const char *near = nearest_name(name, backbone_names, n);
    return error_set(err, STATUS_USAGE, "there is no backbone \"%s\"%s%s%s; there are: %s", name,
                     near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "", valid);
}

int backbone_make(struct backbone *b, const char *name, const struct backbone_options *o,
                  struct error *err) {
    *b = (struct backbone){.kind = (enum backbone_kind)backbone_kind_of(name),
                           .image = o->image,
                           .channels = o->channels};
    for (int i = 0; backbone_names[i]; i++)
        if (!strcmp(backbone_names[i], name))
            b->name = backbone_names[i];
    switch (b->kind) {
    case BACKBONE_VIT:
        return make_vit(b, o, err);
    case BACKBONE_RESNET:
        resnet_by_name(&b->resnet, b->name);
        b->resnet.small_stem = o->image < LARGE_RESNET_IMAGE;
        b->dim = resnet_dim(&b->resnet);
        return 0;
    case BACKBONE_ALEXNET:
        alexnet_by_name(&b->alexnet, b->name);
        b->alexnet.small = o->image < LARGE_ALEXNET_IMAGE;
        b->dim = b->alexnet.width[ALEXNET_CONVS - 1];
        return 0;
    }
    return unknown(name, err);
}

struct backbone backbone_half(const struct backbone *b) {
    struct backbone half = *b;
    half.dim /= 2;
    half.vit.dim /= 2;
    half.vit.heads = half.vit.heads / 2 ? half.vit.heads / 2 : 1;
    half.vit.mlp /= 2;
    half.resnet.width /= 2;
    for (int i = 0; i < ALEXNET_CONVS; i++)
        half.alexnet.width[i] /= 2;
    return half;
}

int backbone_wide(const struct backbone *b) {
    return b->wide ? b->wide : b->image;
}

int backbone_drops(const struct backbone *b) {
    return b->kind == BACKBONE_VIT && b->vit.drop_path > 0 ? 2 * b->vit.depth : 0;
}

static void represent(struct encoded *out, struct tensor *t, const char *kind, int layer,
                      const char *pool) {
    CHECK(out->n_representations < BACKBONE_LAYERS, "more than %d representations",
          BACKBONE_LAYERS);
    int n = out->n_representations++;
    out->representation[n] = t;
    snprintf(out->representation_name[n], BACKBONE_NAME, "%s%d.%s", kind, layer, pool);
}

/* (N,[V,]D) of tokens with the final norm, or with that of the mean of the patches. */
static struct tensor *mean_patch(struct graph *g, int group, const struct vit *v,
                                 struct tensor *tokens) {
    struct tensor *x = op_mean_rows(g, "mean", tokens, 1, vit_patch_end(v, tokens));
    return v->norm_pooled ? op_layernorm(g, "fc_norm", group, x, vit_norm_eps(v)) : x;
}

/* Layers: CLS and mean patch token of every block, the last one after the final norm. */
static void encode_vit(struct graph *g, int group, const struct backbone *b, struct tensor *images,
                       struct tensor *drop, enum encoding what, struct encoded *out) {
    enum { MOST_BLOCKS = BACKBONE_LAYERS / 2 };
    struct tensor *block[MOST_BLOCKS];
    int depth = b->vit.depth;
    if (what == ENCODE_POOLED && b->vit.pool == POOL_CLS) {
        out->pooled = vit_encode_cls(g, group, &b->vit, images, drop);
        return;
    }
    CHECK(depth <= MOST_BLOCKS, "%d blocks", depth);
    out->tokens = vit_encode(g, group, &b->vit, images, drop, block);
    block[depth - 1] = out->tokens;
    int end = vit_patch_end(&b->vit, out->tokens);
    for (int i = 0; what == ENCODE_LAYERS && i < depth; i++) {
        struct tensor *mean = i < depth - 1 ? op_mean_rows(g, "mean", block[i], 1, end)
                                            : mean_patch(g, group, &b->vit, out->tokens);
        represent(out, op_mean_rows(g, "cls", block[i], 0, 1), "layer", i + 1, "cls");
        represent(out, mean, "layer", i + 1, "mean");
    }
    out->pooled = b->vit.pool == POOL_CLS ? op_mean_rows(g, "cls", out->tokens, 0, 1)
                                          : mean_patch(g, group, &b->vit, out->tokens);
}

/* (N,[V,]C), the mean over the places of (N,[V,]h,w,C) */
static struct tensor *mean_of_map(struct graph *g, struct tensor *map) {
    int n = map->ndim, dim[MAX_DIM], places = map->dim[n - 3] * map->dim[n - 2];
    memcpy(dim, map->dim, sizeof dim);
    dim[n - 3] = places;
    dim[n - 2] = map->dim[n - 1];
    return op_mean_rows(g, "mean", op_reshape(g, "places", map, n - 1, dim), 0, places);
}

/* The mean of every stage, or of every convolution of an AlexNet. */
static void encode_convnet(struct graph *g, int group, const struct backbone *b,
                           struct tensor *images, enum encoding what, struct encoded *out) {
    enum { MOST = RESNET_STAGES > ALEXNET_CONVS ? RESNET_STAGES : ALEXNET_CONVS };
    struct tensor *layer[MOST] = {NULL};
    int is_resnet = b->kind == BACKBONE_RESNET;
    out->map = is_resnet ? resnet_encode(g, group, &b->resnet, images, layer)
                         : alexnet_encode(g, group, &b->alexnet, images, layer);
    for (int i = 0; what == ENCODE_LAYERS && i < MOST; i++)
        if (layer[i])
            represent(out, mean_of_map(g, layer[i]), is_resnet ? "stage" : "conv", i + 1, "mean");
    out->pooled = is_resnet && b->resnet.clip_heads
                      ? attention_pool(g, "attnpool", group, out->map, b->resnet.clip_heads)
                      : mean_of_map(g, out->map);
}

void backbone_encode(struct graph *g, int group, const struct backbone *b, struct tensor *images,
                     struct tensor *drop, enum encoding what, struct encoded *out) {
    *out = (struct encoded){0};
    if (b->kind == BACKBONE_VIT)
        encode_vit(g, group, b, images, drop, what, out);
    else
        encode_convnet(g, group, b, images, what, out);
}
