#include "nn/backbone.h"

#include "core/options.h"

#include <stdio.h>
#include <string.h>

const char *const backbone_names[] = {"vit-micro", "vit-tiny", "vit-small", "vit-base", NULL};

static int is_among(const char *name, const char *const *names) {
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return 1;
    return 0;
}

int backbone_kind_of(const char *name) {
    return is_among(name, vit_names) ? BACKBONE_VIT : 0;
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
        return error_set(
            err, STATUS_USAGE,
            "patches of %d do not fill images of %d pixels: choose a patch that divides "
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
    if (b->kind == BACKBONE_VIT)
        return make_vit(b, o, err);
    return unknown(name, err);
}

struct backbone backbone_half(const struct backbone *b) {
    struct backbone half = *b;
    half.dim /= 2;
    half.vit.dim /= 2;
    half.vit.heads = half.vit.heads / 2 ? half.vit.heads / 2 : 1;
    half.vit.mlp /= 2;
    return half;
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

/* CLS and mean patch token of every block, the last one after the final norm. */
static void encode_vit(struct graph *g, int group, const struct backbone *b, struct tensor *images,
                       struct tensor *drop, int layers, struct encoded *out) {
    enum { MOST_BLOCKS = BACKBONE_LAYERS / 2 };
    struct tensor *block[MOST_BLOCKS];
    int depth = b->vit.depth;
    CHECK(depth <= MOST_BLOCKS, "%d blocks", depth);
    out->tokens = vit_encode(g, group, &b->vit, images, drop, block);
    block[depth - 1] = out->tokens;
    int tokens = out->tokens->dim[out->tokens->ndim - 2];
    for (int i = 0; layers && i < depth; i++) {
        represent(out, op_mean_rows(g, "cls", block[i], 0, 1), "layer", i + 1, "cls");
        represent(out, op_mean_rows(g, "mean", block[i], 1, tokens), "layer", i + 1, "mean");
    }
    out->pooled = b->vit.pool == POOL_CLS ? op_mean_rows(g, "cls", out->tokens, 0, 1)
                                          : op_mean_rows(g, "mean", out->tokens, 1, tokens);
}

void backbone_encode(struct graph *g, int group, const struct backbone *b, struct tensor *images,
                     struct tensor *drop, int layers, struct encoded *out) {
    *out = (struct encoded){0};
    encode_vit(g, group, b, images, drop, layers, out);
}
