#include "weights/export.h"

#include "core/file.h"
#include "weights/family.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 256, PARTS = 3 };

struct exporting {
    struct arena arena;
    const struct model *model;
    const struct backbone *b;
    const struct family *family; /* whose rules are read backwards */
    struct st_tensor *list;      /* (n) */
    int n;
};

/* ---- tensors ---- */

static const float *in_file_order(struct exporting *e, const struct param *p) {
    const float *x = e->model->value + p->offset;
    if (!p->channels_last)
        return x;
    size_t channels = (size_t)p->dim[3], window = (size_t)p->dim[1] * (size_t)p->dim[2];
    float *out = ARENA_ARRAY(&e->arena, float, p->count);
    for (size_t o = 0; o < (size_t)p->dim[0]; o++)
        for (size_t k = 0; k < window; k++)
            for (size_t i = 0; i < channels; i++)
                out[(o * channels + i) * window + k] = x[(o * window + k) * channels + i];
    return out;
}

static struct st_tensor *add(struct exporting *e, const char *name, const float *data,
                             size_t count) {
    struct st_tensor *t = &e->list[e->n++];
    *t = (struct st_tensor){.name = arena_strdup(&e->arena, name),
                            .dtype = "F32",
                            .data = data,
                            .bytes = count * sizeof(float)};
    return t;
}

static void shape(struct st_tensor *t, int ndim, const int64_t *dim) {
    t->ndim = ndim;
    memcpy(t->dim, dim, (size_t)ndim * sizeof *dim);
}

/* Tokens and positions of one image, (1,..,dim); patches as a convolution. */
static void shape_of(const struct exporting *e, const struct param *p, int parts,
                     struct st_tensor *t) {
    static const int same[MAX_DIM] = {0, 1, 2, 3, 4}, moved[MAX_DIM] = {0, 3, 1, 2};
    const struct vit *v = &e->b->vit;
    const int64_t patches[] = {v->dim, v->channels, v->patch, v->patch};
    if (!strcmp(p->name, "cls_token")) {
        shape(t, 3, (const int64_t[]){1, 1, v->dim});
    } else if (!strcmp(p->name, "pos_embed")) {
        shape(t, 3, (const int64_t[]){1, vit_tokens(v), v->dim});
    } else if (!strcmp(p->name, "patch_embed.proj.weight")) {
        shape(t, 4, patches);
    } else {
        t->ndim = p->ndim;
        for (int i = 0; i < p->ndim; i++)
            t->dim[i] = p->dim[(p->channels_last ? moved : same)[i]];
        t->dim[0] /= parts;
    }
}

static void add_param(struct exporting *e, const struct param *p) {
    char star[PATTERN_STARS][PATTERN_STAR], full[NAME], theirs[NAME], one[NAME];
    snprintf(full, sizeof full, "encoder.%s", p->name);
    const struct weight_rule *r = e->family->rules;
    while (r->ours && !pattern_match(r->ours, full, star))
        r++;
    CHECK(r->ours, "%s has no name for %s", e->family->name, full);
    pattern_fill(r->theirs, star, theirs, sizeof theirs);
    const float *data = in_file_order(e, p);
    const char *open = strchr(theirs, '{');
    if (!open) {
        shape_of(e, p, 1, add(e, theirs, data, p->count));
        return;
    }
    size_t each = p->count / PARTS;
    const char *at = open + 1, *close = strchr(open, '}');
    for (int i = 0; i < PARTS; i++) {
        size_t n = strcspn(at, ",}");
        snprintf(one, sizeof one, "%.*s%.*s%s", (int)(open - theirs), theirs, (int)n, at,
                 close + 1);
        shape_of(e, p, PARTS, add(e, one, data + (size_t)i * each, each));
        at += n + 1;
    }
}

/* Fixed positions are a formula here and a table there. */
static void add_positions(struct exporting *e) {
    const struct vit *v = &e->b->vit;
    const struct param like = {.name = "pos_embed"};
    const char *name = e->family == &family_hf_vit ? "embeddings.position_embeddings" : "pos_embed";
    size_t count = (size_t)vit_tokens(v) * (size_t)v->dim;
    float *table = ARENA_ARRAY(&e->arena, float, count);
    sincos_positions(vit_rows(v), v->dim, table);
    shape_of(e, &like, 1, add(e, name, table, count));
}

/* ---- what the network is called there ---- */

static json_t *reals(const double *x, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_real(x[i]));
    return list;
}

static json_t *preparation(const struct exporting *e, const struct preprocessing *p) {
    static const char *const how[] = {"bilinear", "bicubic"};
    int channels = e->b->channels;
    return json_pack(
        "{s:o, s:o, s:[i,i,i], s:f, s:s, s:s, s:i}", "mean", reals(p->norm.mean, channels), "std",
        reals(p->norm.std, channels), "input_size", channels, p->height, p->width, "crop_pct",
        p->fit == FIT_SQUASH ? 1 : p->crop, "crop_mode", p->fit == FIT_SQUASH ? "squash" : "center",
        "interpolation", how[p->interpolation], "num_classes", 0);
}

/* The processor of its ViT takes the whole image; another one takes the middle of a square. */
static json_t *hf_preparation(const struct exporting *e, const struct preprocessing *p) {
    const int crop = p->fit == FIT_CROP;
    json_t *size = crop ? json_pack("{s:i}", "shortest_edge", (int)floor(p->height / p->crop))
                        : json_pack("{s:i, s:i}", "height", p->height, "width", p->width);
    json_t *config = json_pack("{s:s, s:b, s:o, s:b, s:b, s:o, s:o, s:i}", "image_processor_type",
                               crop ? "BitImageProcessor" : "ViTImageProcessor", "do_resize", 1,
                               "size", size, "do_rescale", 1, "do_normalize", 1, "image_mean",
                               reals(p->norm.mean, e->b->channels), "image_std",
                               reals(p->norm.std, e->b->channels), "resample",
                               p->interpolation == INTERPOLATION_BICUBIC ? 3 : 2);
    if (crop) {
        json_object_set_new(config, "do_center_crop", json_true());
        json_object_set_new(config, "crop_size",
                            json_pack("{s:i, s:i}", "height", p->height, "width", p->width));
    }
    return config;
}

static const char *timm_vit_name(const struct vit *v) {
    static const struct {
        const char *name;
        int dim, depth;
    } known[] = {{"vit_tiny_patch16_224", 192, 12},
                 {"vit_small_patch16_224", 384, 12},
                 {"vit_large_patch16_224", 1024, 24},
                 {"vit_huge_patch14_224", 1280, 32}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].dim == v->dim && known[i].depth == v->depth)
            return known[i].name;
    return "vit_base_patch16_224";
}

static json_t *timm_vit(const struct exporting *e) {
    const struct vit *v = &e->b->vit;
    json_t *size = json_pack("[i,i]", e->b->image, backbone_wide(e->b));
    json_t *args =
        json_pack("{s:o, s:i, s:i, s:i, s:i, s:i, s:f, s:i, s:s}", "img_size", size, "patch_size",
                  v->patch, "in_chans", v->channels, "embed_dim", v->dim, "depth", v->depth,
                  "num_heads", v->heads, "mlp_ratio", (double)v->mlp / v->dim, "num_classes", 0,
                  "global_pool", v->pool == POOL_CLS ? "token" : "avg");
    if (v->pool == POOL_MEAN)
        json_object_set_new(args, "fc_norm", json_boolean(v->norm_pooled));
    if (v->layer_scale > 0)
        json_object_set_new(args, "init_values", json_real(v->layer_scale));
    if (v->norm_pre)
        json_object_set_new(args, "pre_norm", json_true());
    return json_pack("{s:s, s:i, s:o}", "architecture", timm_vit_name(v), "num_features", v->dim,
                     "model_args", args);
}

static json_t *resnet(const struct exporting *e) {
    const struct resnet *r = &e->b->resnet;
    json_t *blocks = json_array();
    for (int i = 0; i < RESNET_STAGES; i++)
        json_array_append_new(blocks, json_integer(r->blocks[i]));
    json_t *args = json_pack("{s:i, s:i}", "in_chans", e->b->channels, "num_classes", 0);
    json_t *what = json_pack(
        "{s:o, s:b, s:i, s:s}", "blocks", blocks, "bottleneck", r->bottleneck, "width", r->width,
        "stem", r->small_stem ? "3x3, stride 1, no pooling" : "7x7, stride 2, pooling");
    return json_pack("{s:s, s:i, s:o, s:o}", "architecture", e->b->name, "num_features", e->b->dim,
                     "model_args", args, "resnet", what);
}

static json_t *hf_vit(const struct exporting *e) {
    const struct vit *v = &e->b->vit;
    return json_pack("{s:s, s:[s], s:i, s:i, s:i, s:i, s:s, s:f, s:o, s:i, s:i, s:b}", "model_type",
                     "vit", "architectures", "ViTModel", "hidden_size", v->dim, "num_hidden_layers",
                     v->depth, "num_attention_heads", v->heads, "intermediate_size", v->mlp,
                     "hidden_act", "gelu", "layer_norm_eps", vit_norm_eps(v), "image_size",
                     e->b->wide ? json_pack("[i,i]", e->b->image, e->b->wide)
                                : json_integer(e->b->image),
                     "patch_size", v->patch, "num_channels", v->channels, "qkv_bias", 1);
}

/* ---- what there is no such network for ---- */

static const char *lacking_vit(const struct vit *v, int timm) {
    static const double usual_eps = 1e-6;
    if (v->relative_positions)
        return "no relative positions beside key biases";
    if (v->position == POSITION_NONE)
        return "no ViT without positions";
    if (v->position == POSITION_ROTARY)
        return "no place for a rotation of queries and keys";
    if (v->gated)
        return "no gated MLPs";
    if (v->act == ACT_QUICK_GELU)
        return "no quick GELU";
    if (v->registers)
        return "no place for registers";
    if (timm)
        return fabs(vit_norm_eps(v) - usual_eps) > 1e-12 ? "no norms with another eps than 1e-6"
                                                         : NULL;
    return v->layer_scale > 0 ? "no layer scale"
           : v->norm_pre      ? "no norm in front of the blocks"
           : v->norm_pooled   ? "no norm of the mean alone"
                              : NULL;
}

static const char *lacking_resnet(const struct exporting *e) {
    const struct resnet *r = &e->b->resnet;
    static const char *const names[] = {"resnet18", "resnet34", "resnet50", "resnet101",
                                        "resnet152"};
    int known = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        known |= !strcmp(names[i], e->b->name);
    return r->small_stem || r->pad_shortcut ? "no stem of 3 x 3; --format torchvision has the names"
           : !known ? "no ResNet of these sizes; --format torchvision has the names"
                    : NULL;
}

static int choose(struct exporting *e, const struct preprocessing *p, const char *format,
                  struct error *err) {
    int timm = !strcmp(format, "timm"), hf = !strcmp(format, "hf");
    const char *lacks = NULL;
    if (e->b->kind == BACKBONE_VIT) {
        e->family = hf ? &family_hf_vit : &family_timm_vit;
        lacks = !timm && !hf ? "no ViT with such names" : lacking_vit(&e->b->vit, timm);
        if (hf && !lacks && p->fit == FIT_CROP && p->height != p->width)
            lacks = "no preparation of the middle of images that are not square";
    } else if (e->b->kind == BACKBONE_RESNET) {
        e->family = &family_torchvision;
        lacks = e->b->resnet.clip_heads ? "no ResNet that ends in attention"
                : hf                    ? "no ResNet of torchvision's: --format timm"
                : timm                  ? lacking_resnet(e)
                                        : NULL;
    } else {
        lacks = "no AlexNet like this one";
    }
    if (!lacks)
        return 0;
    return error_set(err, STATUS_USAGE, "%s cannot be written as %s: there is %s", e->b->name,
                     format, lacks);
}

/* ---- files ---- */

static int write_json(const char *path, json_t *object, struct error *err) {
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(object);
    if (!text)
        return error_set(err, STATUS_MACHINE, "%s: no memory for it", path);
    int status = file_write_atomic(path, text, strlen(text), err);
    free(text);
    return status;
}

static int write_configs(struct exporting *e, const struct preprocessing *p, const char *format,
                         const char *folder, struct error *err) {
    int is_vit = e->b->kind == BACKBONE_VIT, hf = !strcmp(format, "hf"), status = 0;
    json_t *config = hf ? hf_vit(e) : is_vit ? timm_vit(e) : resnet(e);
    if (!hf)
        json_object_set_new(config, "pretrained_cfg", preparation(e, p));
    TRY(write_json(arena_printf(&e->arena, "%s/config.json", folder), config, err));
    if (!hf)
        goto out;
    config = hf_preparation(e, p);
    status =
        write_json(arena_printf(&e->arena, "%s/preprocessor_config.json", folder), config, err);
out:
    return status;
}

int export_encoder(const struct model *m, int group, const struct backbone *b,
                   const struct preprocessing *p, const char *format, const char *folder,
                   struct error *err) {
    struct exporting e = {.model = m, .b = b};
    const struct st_meta meta = {"format", "pt"};
    int status = 0;
    TRY(choose(&e, p, format, err));
    e.list = ARENA_ARRAY(&e.arena, struct st_tensor, PARTS * m->groups[group].n_params + 1);
    for (const struct param *q = m->groups[group].first; q; q = q->next)
        add_param(&e, q);
    if (b->kind == BACKBONE_VIT && b->vit.position == POSITION_SINCOS)
        add_positions(&e);
    TRY(make_folders(folder, err));
    TRY(st_write(arena_printf(&e.arena, "%s/model.safetensors", folder), e.list, e.n, &meta, 1,
                 err));
    status = write_configs(&e, p, format, folder, err);
out:
    arena_free(&e.arena);
    return status;
}
