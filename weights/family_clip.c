/* family_clip.c -- CLIP's two towers: OpenAI's and OpenCLIP's, which have the same names, and
 * Hugging Face's.
 *
 * The image tower is a ViT with a norm in front of its blocks, whose patches have no bias; CLS
 * behind the final norm is projected.  Or it is a ResNet that ends in attention: what that mixes is
 * projected.  Positions of OpenAI's weights were made for one size; OpenCLIP's code resamples a
 * ViT's, with antialiasing, and timm's those of a ResNet in the same way.
 */
#include "weights/family.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double NORM_EPS = 1e-5;

struct text_names {
    const char *tokens, *positions, *block, *projection;
    int transposed; /* the projection is (width,out) */
    const char *heads;
};

static int describe_text(const struct source *s, const struct text_names *t,
                         const struct network_options *o, struct network *n, struct error *err) {
    struct text *x = &n->text;
    *x = (struct text){.vocabulary = source_dim(s, t->tokens, 0),
                       .dim = source_dim(s, t->tokens, 1),
                       .context = source_dim(s, t->positions, 0),
                       .depth = source_count(s, t->block),
                       .out = source_dim(s, t->projection, t->transposed),
                       .norm_eps = NORM_EPS};
    if (!x->vocabulary)
        return 0; /* an image tower alone */
    x->heads = o->text_heads ? o->text_heads : source_int(s, t->heads, usual_heads(x->dim));
    if (!x->context || !x->depth || !x->out || x->out != n->projection)
        return error_set(err, STATUS_USAGE,
                         "%s: its text tower is incomplete: %d positions, %d blocks, a projection "
                         "into %d dimensions, of images into %d",
                         s->path, x->context, x->depth, x->out, n->projection);
    if (x->heads < 1 || x->dim % x->heads)
        return error_set(err, STATUS_USAGE,
                         "%s: how many heads the text tower's attention has cannot be told from a "
                         "width of %d: say it with --weights.text_heads",
                         s->path, x->dim);
    return 0;
}

/* What a ViT of CLIP has of its own. */
static void describe_tower(struct network *n) {
    n->backbone.vit.norm_pre = 1;
    n->backbone.vit.norm_eps = NORM_EPS;
}

static void activate(struct network *n, enum activation act) {
    n->backbone.vit.act = n->text.act = act;
}

/* What is said, or what lies beside the file says; 0: neither. */
static int heads_of_tower(const struct source *s, const struct network_options *o, int width) {
    int each = source_int(s, "model_cfg.vision_cfg.head_width", 0);
    return o->heads ? o->heads : each > 0 ? width / each : 0;
}

static int describe_vit_tower(const struct family *f, const struct source *s,
                              const struct network_options *o, struct network *n,
                              struct error *err) {
    static const struct vit_names names = {.patch = "visual.conv1.weight",
                                           .positions = "visual.positional_embedding",
                                           .block = "visual.transformer.resblocks.%d.ln_1.weight",
                                           .fc1 = "visual.transformer.resblocks.0.mlp.c_fc.weight"};
    struct network_options own = *o;
    own.heads = heads_of_tower(s, o, source_dim(s, "visual.conv1.weight", 0));
    describe_tower(n);
    n->projection = source_dim(s, "visual.proj", 1);
    return describe_vit(f, s, &names, &own, n, err);
}

static void name_resnet_tower(struct network *n) {
    static const struct {
        const char *name;
        int width, blocks[RESNET_STAGES];
    } known[] = {{"rn50", 64, {3, 4, 6, 3}},
                 {"rn101", 64, {3, 4, 23, 3}},
                 {"rn50x4", 80, {4, 6, 10, 6}},
                 {"rn50x16", 96, {6, 8, 18, 8}},
                 {"rn50x64", 128, {3, 15, 36, 10}}};
    const struct resnet *r = &n->backbone.resnet;
    snprintf(n->name, sizeof n->name, "rn-%d-%d-%d-%d-w%d", r->blocks[0], r->blocks[1],
             r->blocks[2], r->blocks[3], r->width);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (r->width == known[i].width && !memcmp(r->blocks, known[i].blocks, sizeof r->blocks))
            snprintf(n->name, sizeof n->name, "%s", known[i].name);
}

/* The ResNets see what the last stage makes of images 32 times as large: a square of positions. */
static int describe_resnet_tower(const struct source *s, const struct network_options *o,
                                 struct network *n, struct error *err) {
    enum { SHRINK = 32 };
    static const struct resnet_names names = {
        "visual.conv1.weight",
        "visual.layer1.0.conv1.weight",
        "visual.layer1.0.conv3.weight",
        {"visual.layer1.%d.conv1.weight", "visual.layer2.%d.conv1.weight",
         "visual.layer3.%d.conv1.weight", "visual.layer4.%d.conv1.weight"}};
    struct backbone *b = &n->backbone;
    struct resnet *r = &b->resnet;
    const int places = source_dim(s, "visual.attnpool.positional_embedding", 0);
    const int side = side_of_tokens((size_t)places);
    describe_stages(s, &names, b);
    r->clip_heads = heads_of_tower(s, o, b->dim);
    if (!r->clip_heads)
        r->clip_heads = usual_heads(b->dim);
    n->projection = source_dim(s, "visual.attnpool.c_proj.weight", 0);
    if (!r->width || !r->bottleneck || !r->blocks[RESNET_STAGES - 1] || !b->channels ||
        b->channels > 4 || !side || !n->projection)
        return error_set(err, STATUS_USAGE,
                         "%s: its tensors do not make a ResNet of CLIP: width %d, %d blocks in the "
                         "last stage, %d positions for attention",
                         s->path, r->width, r->blocks[RESNET_STAGES - 1], places);
    if (r->clip_heads < 1 || b->dim % r->clip_heads)
        return error_set(err, STATUS_USAGE,
                         "%s: how many heads the last attention has cannot be told from a width of "
                         "%d: say it with --weights.heads",
                         s->path, b->dim);
    name_resnet_tower(n);
    int status = describe_image(o->image, 1, SHRINK * side, SHRINK * side, n, err);
    if (status)
        return status;
    n->own_rows = n->own_cols = side;
    n->rows = resnet_places(r, b->image);
    n->cols = resnet_places(r, backbone_wide(b));
    if (!n->rows || !n->cols || !attention_fits(1 + n->rows * n->cols, b->dim / r->clip_heads))
        return error_set(err, STATUS_USAGE,
                         "images of %d x %d leave %d x %d places, which is none, or more than "
                         "attention takes here: choose another size",
                         b->image, backbone_wide(b), n->rows, n->cols);
    return 0;
}

static int describe_clip(const struct family *f, const struct source *s,
                         const struct network_options *o, struct network *n, struct error *err) {
    static const struct text_names text = {"token_embedding.weight",
                                           "positional_embedding",
                                           "transformer.resblocks.%d.ln_1.weight",
                                           "text_projection",
                                           1,
                                           "model_cfg.text_cfg.heads"};
    int status = source_find(s, "visual.attnpool.positional_embedding")
                     ? describe_resnet_tower(s, o, n, err)
                     : describe_vit_tower(f, s, o, n, err);
    return status ? status : describe_text(s, &text, o, n, err);
}

static int describe_openai(const struct source *s, const struct network_options *o,
                           struct network *n, struct error *err) {
    int status = describe_clip(&family_openai_clip, s, o, n, err);
    activate(n, ACT_QUICK_GELU);
    return status;
}

static int describe_open(const struct source *s, const struct network_options *o, struct network *n,
                         struct error *err) {
    int status = describe_clip(&family_open_clip, s, o, n, err);
    const double quick = source_number(s, "model_cfg.quick_gelu", -1);
    activate(n, quick > 0 ? ACT_QUICK_GELU : ACT_GELU);
    if (quick < 0)
        snprintf(
            n->remark, sizeof n->remark,
            "GELU is assumed; OpenAI's weights, and those of a -quickgelu model, want --weights.as "
            "openai-clip or --weights.activation quick_gelu");
    return status;
}

#define RESBLOCKS(ours, theirs)                                                                    \
    {ours ".blocks.*.norm1.*", theirs ".*.ln_1.*", WEIGHT_SAME},                                   \
        {ours ".blocks.*.norm2.*", theirs ".*.ln_2.*", WEIGHT_SAME},                               \
        {ours ".blocks.*.attn.qkv.*", theirs ".*.attn.in_proj_*", WEIGHT_SAME},                    \
        {ours ".blocks.*.attn.proj.*", theirs ".*.attn.out_proj.*", WEIGHT_SAME},                  \
        {ours ".blocks.*.mlp.fc1.*", theirs ".*.mlp.c_fc.*", WEIGHT_SAME}, {                       \
        ours ".blocks.*.mlp.fc2.*", theirs ".*.mlp.c_proj.*", WEIGHT_SAME                          \
    }

static const struct weight_rule rules[] = {
    {"encoder.cls_token", "visual.class_embedding", WEIGHT_SAME},
    {"encoder.pos_embed", "visual.positional_embedding", WEIGHT_POSITIONS},
    {"encoder.patch_embed.proj.weight", "visual.conv1.weight", WEIGHT_SAME},
    {"encoder.patch_embed.proj.bias", "", WEIGHT_ZERO},
    {"encoder.norm_pre.*", "visual.ln_pre.*", WEIGHT_SAME},
    {"encoder.norm.*", "visual.ln_post.*", WEIGHT_SAME},
    RESBLOCKS("encoder", "visual.transformer.resblocks"),
    {"encoder.attnpool.positional_embedding", "visual.attnpool.positional_embedding",
     WEIGHT_POSITIONS},
    {"encoder.attnpool.qkv.*", "visual.attnpool.{q_proj,k_proj,v_proj}.*", WEIGHT_SAME},
    {"encoder.*", "visual.*", WEIGHT_SAME}, /* a ResNet's */
    {"head.projection.weight", "visual.proj", WEIGHT_TRANSPOSED},
    {"head.projection.*", "visual.attnpool.c_proj.*", WEIGHT_SAME},
    {"head.logit_scale", "logit_scale", WEIGHT_SAME},
    {"text.token_embedding.weight", "token_embedding.weight", WEIGHT_SAME},
    {"text.positional_embedding", "positional_embedding", WEIGHT_SAME},
    RESBLOCKS("text", "transformer.resblocks"),
    {"text.norm.*", "ln_final.*", WEIGHT_SAME},
    {"text.projection.weight", "text_projection", WEIGHT_TRANSPOSED},
    {NULL, NULL, WEIGHT_SAME}};

static const struct spare_rule spare[] = {
    {"attn_mask", "follows from the length of texts"},
    {"input_resolution", "a number, not a weight"},
    {"context_length", "a number, not a weight"},
    {"vocab_size", "a number, not a weight"},
    {"*num_batches_tracked", "batch norm's count of batches, of training"},
    {NULL, NULL}};

static const char *const openai_signs[] = {"visual.conv1.weight", "input_resolution", NULL};
static const char *const open_signs[] = {"visual.conv1.weight", NULL};

#define CLIP_IMAGES                                                                                \
    { .norm = NORM_CLIP, .crop = 1, .interpolation = INTERPOLATION_BICUBIC }

/* --weights.as openai-clip is for files that lost the number which tells it. */
const struct family family_openai_clip = {.name = "openai-clip",
                                          .title = "OpenAI's CLIP",
                                          .cite = "Radford et al. 2021, arXiv:2103.00020",
                                          .variants =
                                              "ViT-B/32 to G/14, RN50 to RN50x64, text tower",
                                          .images = CLIP_IMAGES,
                                          .resampling = RESAMPLE_ANTIALIAS,
                                          .signs = openai_signs,
                                          .rules = rules,
                                          .spare = spare,
                                          .describe = describe_openai};

const struct family family_open_clip = {.name = "open-clip",
                                        .title = "OpenCLIP",
                                        .cite = "github.com/mlfoundations/open_clip",
                                        .variants = "ViT-B/32 to G/14, RN50 to RN50x64, text tower",
                                        .images = CLIP_IMAGES,
                                        .resampling = RESAMPLE_ANTIALIAS,
                                        .signs = open_signs,
                                        .rules = rules,
                                        .spare = spare,
                                        .describe = describe_open};

/* ---- Hugging Face ---- */

/* An image tower alone has in the config.json itself what is in a part of it beside a text tower.
 */
static int describe_hf(const struct source *s, const struct network_options *o, struct network *n,
                       struct error *err) {
    const int alone = !source_number(s, "vision_config.hidden_size", 0) &&
                      !source_find(s, "text_model.embeddings.token_embedding.weight");
    const char *act = alone ? "hidden_act" : "vision_config.hidden_act";
    const struct vit_names names = {
        .patch = "vision_model.embeddings.patch_embedding.weight",
        .positions = "vision_model.embeddings.position_embedding.weight",
        .block = "vision_model.encoder.layers.%d.layer_norm1.weight",
        .fc1 = "vision_model.encoder.layers.0.mlp.fc1.weight",
        .heads = alone ? "num_attention_heads" : "vision_config.num_attention_heads"};
    static const struct text_names text = {"text_model.embeddings.token_embedding.weight",
                                           "text_model.embeddings.position_embedding.weight",
                                           "text_model.encoder.layers.%d.layer_norm1.weight",
                                           "text_projection.weight",
                                           0,
                                           "text_config.num_attention_heads"};
    describe_tower(n);
    n->backbone.vit.norm_eps =
        source_number(s, alone ? "layer_norm_eps" : "vision_config.layer_norm_eps", NORM_EPS);
    n->projection = source_dim(s, "visual_projection.weight", 0);
    int status = describe_vit(&family_hf_clip, s, &names, o, n, err);
    if (!status)
        status = describe_text(s, &text, o, n, err);
    n->text.norm_eps = source_number(s, "text_config.layer_norm_eps", NORM_EPS);
    if (!status)
        status = describe_activation(s, o, act, ACT_QUICK_GELU, &n->backbone.vit.act, err);
    if (!status)
        status = describe_activation(s, o, "text_config.hidden_act", n->backbone.vit.act,
                                     &n->text.act, err);
    return status;
}

#define LAYERS(ours, theirs)                                                                       \
    {ours ".blocks.*.norm1.*", theirs ".encoder.layers.*.layer_norm1.*", WEIGHT_SAME},             \
        {ours ".blocks.*.norm2.*", theirs ".encoder.layers.*.layer_norm2.*", WEIGHT_SAME},         \
        {ours ".blocks.*.attn.qkv.*",                                                              \
         theirs ".encoder.layers.*.self_attn.{q_proj,k_proj,v_proj}.*", WEIGHT_SAME},              \
        {ours ".blocks.*.attn.proj.*", theirs ".encoder.layers.*.self_attn.out_proj.*",            \
         WEIGHT_SAME},                                                                             \
    {                                                                                              \
        ours ".blocks.*.mlp.*", theirs ".encoder.layers.*.mlp.*", WEIGHT_SAME                      \
    }

static const struct weight_rule hf_rules[] = {
    {"encoder.cls_token", "vision_model.embeddings.class_embedding", WEIGHT_SAME},
    {"encoder.pos_embed", "vision_model.embeddings.position_embedding.weight", WEIGHT_POSITIONS},
    {"encoder.patch_embed.proj.weight", "vision_model.embeddings.patch_embedding.weight",
     WEIGHT_SAME},
    {"encoder.patch_embed.proj.bias", "", WEIGHT_ZERO},
    {"encoder.norm_pre.*", "vision_model.pre_layrnorm.*", WEIGHT_SAME},
    {"encoder.norm.*", "vision_model.post_layernorm.*", WEIGHT_SAME},
    LAYERS("encoder", "vision_model"),
    {"head.projection.weight", "visual_projection.weight", WEIGHT_SAME},
    {"head.logit_scale", "logit_scale", WEIGHT_SAME},
    {"text.token_embedding.weight", "text_model.embeddings.token_embedding.weight", WEIGHT_SAME},
    {"text.positional_embedding", "text_model.embeddings.position_embedding.weight", WEIGHT_SAME},
    LAYERS("text", "text_model"),
    {"text.norm.*", "text_model.final_layer_norm.*", WEIGHT_SAME},
    {"text.projection.weight", "text_projection.weight", WEIGHT_SAME},
    {NULL, NULL, WEIGHT_SAME}};

static const struct spare_rule hf_spare[] = {{"*position_ids", "0, 1, 2, ..."}, {NULL, NULL}};

static const char *const hf_signs[] = {"vision_model.embeddings.patch_embedding.weight",
                                       "vision_model.embeddings.class_embedding",
                                       "visual_projection.weight", NULL};

const struct family family_hf_clip = {.name = "hf-clip",
                                      .title = "Hugging Face's CLIP with a ViT",
                                      .cite = "github.com/huggingface/transformers, CLIPModel",
                                      .variants = "ViT of any size, text tower",
                                      .images = {.norm = NORM_CLIP,
                                                 .crop = 1,
                                                 .crop_down = 1,
                                                 .interpolation = INTERPOLATION_BICUBIC},
                                      .resampling = RESAMPLE_BICUBIC,
                                      .signs = hf_signs,
                                      .rules = hf_rules,
                                      .spare = hf_spare,
                                      .describe = describe_hf};
