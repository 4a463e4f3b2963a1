/* family_dinov3.c -- DINOv3's vision transformers (Simeoni et al. 2025, arXiv:2508.10104) with
 * timm's names and with Hugging Face's: places are angles that queries and keys are turned by, so
 * any size of images is one for which nothing is resampled; keys have no bias.
 */
#include "weights/family.h"

#include <string.h>

/* Heads of 64 but for the largest network's. */
static int heads_of(int dim) {
    enum { LARGEST = 4096 };
    return dim == LARGEST ? 32 : dim % 64 ? 0 : dim / 64;
}

static int describe(const struct family *f, const struct source *s, const struct vit_names *plain,
                    const char *gate, const struct network_options *o, struct network *n,
                    struct error *err) {
    enum { PAIRED = 4 }; /* entries of two axes in pairs */
    static const double EPS = 1e-5, BASE = 100;
    struct vit *v = &n->backbone.vit;
    struct vit_names names = *plain;
    struct network_options own = *o;
    if (family_find(f, s, gate)) {
        names.fc1 = gate;
        v->gated = 1;
    }
    if (!own.heads)
        own.heads = source_int(s, names.heads, heads_of(family_dim(f, s, names.patch, 0)));
    v->layer_scale = 1; /* whatever, to be replaced */
    v->norm_eps = source_number(s, "layer_norm_eps", EPS);
    v->rotary_base = source_number(s, "model_args.rope_temperature", BASE);
    v->rotary_base = source_number(s, "rope_parameters.rope_theta", v->rotary_base);
    v->rotary_base = source_number(s, "rope_theta", v->rotary_base);
    int status = describe_vit(f, s, &names, &own, n, err);
    v->position = POSITION_ROTARY;
    if (!status && (v->dim / v->heads % PAIRED || !(v->rotary_base > 0)))
        return error_set(err, STATUS_USAGE,
                         "%s: %d heads of a width of %d and angles from powers of %g: the width is "
                         "a multiple of %d and the base above 0",
                         s->path, v->heads, v->dim / v->heads, v->rotary_base, PAIRED);
    return status;
}

/* ---- timm ---- */

static const struct vit_names timm_names = {.patch = "patch_embed.proj.weight",
                                            .may_lack_positions = 1,
                                            .block = "blocks.%d.norm1.weight",
                                            .fc1 = "blocks.0.mlp.fc1.weight",
                                            .head = "head.weight",
                                            .heads = "model_args.num_heads"};

static int describe_timm(const struct source *s, const struct network_options *o, struct network *n,
                         struct error *err) {
    struct vit *v = &n->backbone.vit;
    const char *pool = source_text(s, "model_args.global_pool", source_text(s, "global_pool", ""));
    v->pool = !strcmp(pool, "avg") ? POOL_MEAN : POOL_CLS;
    v->registers = source_dim(s, "reg_token", 1);
    return describe(&family_timm_dinov3, s, &timm_names, "blocks.0.mlp.fc1_g.weight", o, n, err);
}

static const struct weight_rule timm_rules[] = {
    {"encoder.blocks.*.attn.qkv.bias", "blocks.*.attn.{q_bias,,v_bias}", WEIGHT_SAME},
    {"encoder.blocks.*.attn.qkv.bias", "", WEIGHT_ZERO},
    {"encoder.blocks.*.mlp.fc1.*", "blocks.*.mlp.{fc1_g,fc1_x}.*", WEIGHT_SAME},
    {"encoder.blocks.*.ls1.gamma", "blocks.*.gamma_1", WEIGHT_SAME},
    {"encoder.blocks.*.ls2.gamma", "blocks.*.gamma_2", WEIGHT_SAME},
    {"head.fc.*", "head.*", WEIGHT_SAME},
    {"encoder.*", "*", WEIGHT_SAME},
    {NULL, NULL, WEIGHT_SAME}};

/* timm's other networks with angles have a norm of the mean, or positions too. */
static const char *const timm_signs[] = {
    "patch_embed.proj.weight",  "cls_token",   "reg_token",  "blocks.0.gamma_1",
    "blocks.0.attn.qkv.weight", "norm.weight", "!pos_embed", NULL};

const struct family family_timm_dinov3 = {
    .name = "timm-dinov3",
    .title = "DINOv3's ViT as timm has it",
    .cite = "Simeoni et al. 2025, arXiv:2508.10104; github.com/huggingface/pytorch-image-models",
    .variants = "ViT-S/16, S+, B, L, H+, 7B, any width and depth",
    .images = {.norm = NORM_IMAGENET, .crop = 1, .interpolation = INTERPOLATION_BICUBIC},
    .signs = timm_signs,
    .rules = timm_rules,
    .describe = describe_timm};

/* ---- Hugging Face ---- */

static const struct vit_names hf_names = {.patch = "embeddings.patch_embeddings.weight",
                                          .may_lack_positions = 1,
                                          .block = "layer.%d.norm1.weight",
                                          .fc1 = "layer.0.mlp.up_proj.weight",
                                          .heads = "num_attention_heads"};

static int describe_hf(const struct source *s, const struct network_options *o, struct network *n,
                       struct error *err) {
    static const char gate[] = "layer.0.mlp.gate_proj.weight";
    struct vit *v = &n->backbone.vit;
    const char *act = source_text(s, "hidden_act", "silu");
    const int gated = family_find(&family_hf_dinov3, s, gate) != NULL;
    if (gated && strcmp(act, "silu") != 0)
        return error_set(err, STATUS_USAGE,
                         "%s: hidden_act beside it is \"%.40s\" for gated MLPs: silu is here",
                         s->path, act);
    int status = gated ? 0 : describe_activation(s, o, "hidden_act", ACT_GELU, &v->act, err);
    if (status)
        return status;
    v->registers = family_dim(&family_hf_dinov3, s, "embeddings.register_tokens", 1);
    return describe(&family_hf_dinov3, s, &hf_names, gate, o, n, err);
}

static const struct weight_rule hf_rules[] = {
    {"encoder.cls_token", "embeddings.cls_token", WEIGHT_SAME},
    {"encoder.reg_token", "embeddings.register_tokens", WEIGHT_SAME},
    {"encoder.patch_embed.proj.*", "embeddings.patch_embeddings.*", WEIGHT_SAME},
    {"encoder.blocks.*.attn.qkv.*", "layer.*.attention.{q_proj,k_proj,v_proj}.*", WEIGHT_SAME},
    {"encoder.blocks.*.attn.qkv.*", "layer.*.attention.{q_proj,,v_proj}.*", WEIGHT_SAME},
    {"encoder.blocks.*.attn.proj.*", "layer.*.attention.o_proj.*", WEIGHT_SAME},
    {"encoder.blocks.*.ls1.gamma", "layer.*.layer_scale1.lambda1", WEIGHT_SAME},
    {"encoder.blocks.*.ls2.gamma", "layer.*.layer_scale2.lambda1", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.fc1.*", "layer.*.mlp.{gate_proj,up_proj}.*", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.fc1.*", "layer.*.mlp.up_proj.*", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.fc2.*", "layer.*.mlp.down_proj.*", WEIGHT_SAME},
    {"encoder.blocks.*.*.*", "layer.*.*.*", WEIGHT_SAME},
    {"encoder.norm.*", "norm.*", WEIGHT_SAME},
    {NULL, NULL, WEIGHT_SAME}};

static const struct spare_rule hf_spare[] = {{"embeddings.mask_token", "of masked pretraining"},
                                             {NULL, NULL}};

static const char *const hf_signs[] = {"embeddings.patch_embeddings.weight", "embeddings.cls_token",
                                       "layer.0.attention.q_proj.weight",
                                       "layer.0.layer_scale1.lambda1", NULL};

/* Its images are 224 x 224 whatever their ratio was. */
const struct family family_hf_dinov3 = {
    .name = "hf-dinov3",
    .title = "Hugging Face's DINOv3",
    .cite = "Simeoni et al. 2025, arXiv:2508.10104; github.com/huggingface/transformers, "
            "DINOv3ViTModel",
    .variants = "ViT-S/16, S+, B, L, H+, 7B, any width and depth",
    .images = {.norm = NORM_IMAGENET,
               .crop = 1,
               .fit = FIT_SQUASH,
               .interpolation = INTERPOLATION_BILINEAR},
    .inner = "model.",
    .signs = hf_signs,
    .rules = hf_rules,
    .spare = hf_spare,
    .describe = describe_hf};
