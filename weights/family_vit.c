/* family_vit.c -- vision transformers with timm's names, which are this program's own: timm's,
 * those of MAE and of both versions of DINO; and Hugging Face's.
 *
 * Where a network ends in fc_norm, that norm is of the mean of the patches and `norm` is left out
 * (timm with avg pooling, MAE fine-tuned).
 */
#include "weights/family.h"

#include <stdio.h>
#include <string.h>

static const struct vit_names timm_names = {.patch = "patch_embed.proj.weight",
                                            .positions = "pos_embed",
                                            .may_lack_cls = 1,
                                            .block = "blocks.%d.norm1.weight",
                                            .fc1 = "blocks.0.mlp.fc1.weight",
                                            .fc2 = "blocks.0.mlp.fc2.weight",
                                            .head = "head.weight",
                                            .heads = "model_args.num_heads"};

static const struct weight_rule rules[] = {
    {"encoder.pos_embed", "pos_embed", WEIGHT_POSITIONS},
    {"encoder.reg_token", "register_tokens", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.fc1.*", "blocks.*.mlp.w12.*", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.fc2.*", "blocks.*.mlp.w3.*", WEIGHT_SAME},
    {"head.fc.*", "head.*", WEIGHT_SAME},
    {"encoder.*", "*", WEIGHT_SAME},
    {NULL, NULL, WEIGHT_SAME}};

static int describe(const struct family *f, const struct source *s, const struct network_options *o,
                    struct network *n, struct error *err) {
    struct vit *v = &n->backbone.vit;
    v->norm_pooled = source_find(s, "fc_norm.weight") != NULL;
    const char *pool = source_text(s, "model_args.global_pool", source_text(s, "global_pool", ""));
    v->pool = v->norm_pooled || !strcmp(pool, "avg") ? POOL_MEAN : POOL_CLS;
    v->layer_scale = source_find(s, "blocks.0.ls1.gamma") ? 1 : 0; /* whatever, to be replaced */
    v->registers = source_dim(s, source_find(s, "reg_token") ? "reg_token" : "register_tokens", 1);
    struct vit_names names = timm_names;
    if (source_find(s, "blocks.0.mlp.w12.weight")) { /* DINOv2's giant */
        names.fc1 = "blocks.0.mlp.w12.weight";
        names.fc2 = "blocks.0.mlp.w3.weight";
    }
    return describe_vit(f, s, &names, o, n, err);
}

static int describe_timm(const struct source *s, const struct network_options *o, struct network *n,
                         struct error *err) {
    snprintf(n->remark, sizeof n->remark,
             "MAE's and DINO's encoders have the same names and another preparation of images: "
             "--weights.as mae, dino or dinov2");
    return describe(&family_timm_vit, s, o, n, err);
}

static int describe_mae(const struct source *s, const struct network_options *o, struct network *n,
                        struct error *err) {
    return describe(&family_mae, s, o, n, err);
}

static int describe_dino(const struct source *s, const struct network_options *o, struct network *n,
                         struct error *err) {
    int status = describe(&family_dino_vit, s, o, n, err);
    n->classes = 0; /* its head is a projection of training */
    return status;
}

static const char *const signs[] = {"patch_embed.proj.weight", "cls_token", "pos_embed",
                                    "blocks.0.attn.qkv.weight", NULL};
static const char *const mae_signs[] = {"patch_embed.proj.weight", "cls_token",
                                        "decoder_embed.weight", NULL};
static const char *const dino_signs[] = {"patch_embed.proj.weight", "cls_token",
                                         "*head.mlp.0.weight", NULL};

/* MoCo's third version has three layers in place of the classifier. */
static const struct spare_rule timm_spare[] = {{"head.*.*", "a projection head, of training"},
                                               {"projector.*", "a projection head, of training"},
                                               {"predictor.*", "a predictor, of training"},
                                               {NULL, NULL}};

const struct family family_timm_vit = {
    .name = "timm-vit",
    .title = "timm's ViT, with CLS or average pooling, and this program's",
    .cite =
        "Dosovitskiy et al. 2021, arXiv:2010.11929; github.com/huggingface/pytorch-image-models",
    .variants = "ViT-Ti/S/B/L/H, any width, depth and patch",
    .images = {.norm = NORM_HALF, .crop = 0.9, .interpolation = INTERPOLATION_BICUBIC},
    .resampling = RESAMPLE_ANTIALIAS,
    .signs = signs,
    .rules = rules,
    .spare = timm_spare,
    .describe = describe_timm};

static const struct spare_rule mae_spare[] = {
    {"decoder_*", "MAE's decoder, of pretraining"}, {"mask_token", "MAE's decoder"}, {NULL, NULL}};

const struct family family_mae = {
    .name = "mae",
    .title = "MAE's encoder, alone or with its decoder",
    .cite = "He et al. 2022, arXiv:2111.06377",
    .variants = "ViT-B/16, L/16, H/14, any width, depth and patch",
    .images = {.norm = NORM_IMAGENET, .crop = 0.875, .interpolation = INTERPOLATION_BICUBIC},
    .resampling = RESAMPLE_BICUBIC,
    .signs = mae_signs,
    .rules = rules,
    .spare = mae_spare,
    .describe = describe_mae};

static const struct spare_rule dino_spare[] = {{"head.*", "DINO's projection head, of training"},
                                               {NULL, NULL}};

const struct family family_dino_vit = {
    .name = "dino",
    .title = "DINO's ViT",
    .cite = "Caron et al. 2021, arXiv:2104.14294",
    .variants = "ViT-S/16, S/8, B/16, B/8, any width and depth",
    .images = {.norm = NORM_IMAGENET, .crop = 0.875, .interpolation = INTERPOLATION_BICUBIC},
    .resampling = RESAMPLE_OFFSET,
    .signs = dino_signs,
    .rules = rules,
    .spare = dino_spare,
    .describe = describe_dino};

/* Its tables are for 518 pixels, and it is evaluated at 224: at the multiple of a patch that is
 * nearest below. */
static const char *usual_image(const char *asked, int patch, char image[32]) {
    enum { USUAL = 224 };
    if ((asked && *asked) || patch < 1 || patch > USUAL)
        return asked;
    snprintf(image, 32, "%d", USUAL / patch * patch);
    return image;
}

static int describe_dinov2(const struct family *f, const struct source *s,
                           const struct network_options *o, struct network *n, struct error *err) {
    struct network_options own = *o;
    char image[32];
    own.image = usual_image(o->image, source_dim(s, "patch_embed.proj.weight", 2), image);
    return describe(f, s, &own, n, err);
}

static int describe_plain(const struct source *s, const struct network_options *o,
                          struct network *n, struct error *err) {
    return describe_dinov2(&family_dinov2, s, o, n, err);
}

static int describe_registers(const struct source *s, const struct network_options *o,
                              struct network *n, struct error *err) {
    return describe_dinov2(&family_dinov2_registers, s, o, n, err);
}

static const char *const dinov2_signs[] = {
    "patch_embed.proj.weight", "cls_token",        "mask_token",
    "blocks.0.ls1.gamma",      "!register_tokens", NULL};
static const char *const registers_signs[] = {"patch_embed.proj.weight", "cls_token",
                                              "blocks.0.ls1.gamma", "register_tokens", NULL};

static const struct spare_rule dinov2_spare[] = {{"mask_token", "of masked pretraining"},
                                                 {NULL, NULL}};

const struct family family_dinov2 = {
    .name = "dinov2",
    .title = "DINOv2's ViT, its own code's",
    .cite = "Oquab et al. 2023, arXiv:2304.07193",
    .variants = "ViT-S/14, B/14, L/14, g/14, any width and depth",
    .images = {.norm = NORM_IMAGENET, .crop = 0.875, .interpolation = INTERPOLATION_BICUBIC},
    .resampling = RESAMPLE_OFFSET,
    .signs = dinov2_signs,
    .rules = rules,
    .spare = dinov2_spare,
    .describe = describe_plain};

const struct family family_dinov2_registers = {
    .name = "dinov2-registers",
    .title = "the same with registers",
    .cite = "Darcet et al. 2024, arXiv:2309.16588",
    .variants = "ViT-S/14, B/14, L/14, g/14, any width, depth and number",
    .images = {.norm = NORM_IMAGENET, .crop = 0.875, .interpolation = INTERPOLATION_BICUBIC},
    .resampling = RESAMPLE_ANTIALIAS,
    .signs = registers_signs,
    .rules = rules,
    .spare = dinov2_spare,
    .describe = describe_registers};

/* ---- Hugging Face ---- */

static const struct vit_names hf_names = {.patch = "embeddings.patch_embeddings.projection.weight",
                                          .positions = "embeddings.position_embeddings",
                                          .block = "encoder.layer.%d.layernorm_before.weight",
                                          .fc1 = "encoder.layer.0.intermediate.dense.weight",
                                          .head = "classifier.weight",
                                          .heads = "num_attention_heads"};

/* Its images are 224 x 224 whatever their ratio was. */
static int describe_hf(const struct source *s, const struct network_options *o, struct network *n,
                       struct error *err) {
    struct vit_names names = hf_names;
    int status = describe_activation(s, o, "hidden_act", ACT_GELU, &n->backbone.vit.act, err);
    if (status)
        return status;
    n->backbone.vit.norm_eps = source_number(s, "layer_norm_eps", 1e-12);
    if (family_find(&family_hf_vit, s, "layers.0.layernorm_before.weight")) { /* since version 5 */
        names.block = "layers.%d.layernorm_before.weight";
        names.fc1 = "layers.0.mlp.fc1.weight";
    }
    return describe_vit(&family_hf_vit, s, &names, o, n, err);
}

static const struct weight_rule hf_rules[] = {
    {"encoder.cls_token", "embeddings.cls_token", WEIGHT_SAME},
    {"encoder.pos_embed", "embeddings.position_embeddings", WEIGHT_POSITIONS},
    {"encoder.patch_embed.proj.*", "embeddings.patch_embeddings.projection.*", WEIGHT_SAME},
    {"encoder.blocks.*.norm1.*", "encoder.layer.*.layernorm_before.*", WEIGHT_SAME},
    {"encoder.blocks.*.norm2.*", "encoder.layer.*.layernorm_after.*", WEIGHT_SAME},
    {"encoder.blocks.*.attn.qkv.*", "encoder.layer.*.attention.attention.{query,key,value}.*",
     WEIGHT_SAME},
    {"encoder.blocks.*.attn.proj.*", "encoder.layer.*.attention.output.dense.*", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.fc1.*", "encoder.layer.*.intermediate.dense.*", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.fc2.*", "encoder.layer.*.output.dense.*", WEIGHT_SAME},
    {"encoder.blocks.*.norm1.*", "layers.*.layernorm_before.*", WEIGHT_SAME},
    {"encoder.blocks.*.norm2.*", "layers.*.layernorm_after.*", WEIGHT_SAME},
    {"encoder.blocks.*.attn.qkv.*", "layers.*.attention.{q_proj,k_proj,v_proj}.*", WEIGHT_SAME},
    {"encoder.blocks.*.attn.proj.*", "layers.*.attention.o_proj.*", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.*", "layers.*.mlp.*", WEIGHT_SAME},
    {"encoder.norm.*", "layernorm.*", WEIGHT_SAME},
    {"head.fc.*", "classifier.*", WEIGHT_SAME},
    {NULL, NULL, WEIGHT_SAME}};

static const struct spare_rule hf_spare[] = {
    {"pooler.dense.*", "a layer behind CLS that no protocol looks at"},
    {"embeddings.mask_token", "of masked pretraining"},
    {"decoder.*", "of masked pretraining"},
    {NULL, NULL}};

static const char *const hf_signs[] = {"embeddings.patch_embeddings.projection.weight",
                                       "embeddings.cls_token", "embeddings.position_embeddings",
                                       NULL};

const struct family family_hf_vit = {.name = "hf-vit",
                                     .title = "Hugging Face's ViT",
                                     .cite = "github.com/huggingface/transformers, ViTModel",
                                     .variants = "ViT of any width, depth and patch",
                                     .images = {.norm = NORM_HALF,
                                                .crop = 1,
                                                .fit = FIT_SQUASH,
                                                .interpolation = INTERPOLATION_BILINEAR},
                                     .resampling = RESAMPLE_BICUBIC,
                                     .inner = "vit.",
                                     .signs = hf_signs,
                                     .rules = hf_rules,
                                     .spare = hf_spare,
                                     .describe = describe_hf};

/* ---- Hugging Face's DINOv2 ---- */

static const struct vit_names hf_dinov2_names = {
    .patch = "embeddings.patch_embeddings.projection.weight",
    .positions = "embeddings.position_embeddings",
    .block = "encoder.layer.%d.norm1.weight",
    .fc1 = "encoder.layer.0.mlp.fc1.weight",
    .heads = "num_attention_heads"};

static const struct weight_rule hf_dinov2_rules[] = {
    {"encoder.cls_token", "embeddings.cls_token", WEIGHT_SAME},
    {"encoder.reg_token", "embeddings.register_tokens", WEIGHT_SAME},
    {"encoder.pos_embed", "embeddings.position_embeddings", WEIGHT_POSITIONS},
    {"encoder.patch_embed.proj.*", "embeddings.patch_embeddings.projection.*", WEIGHT_SAME},
    {"encoder.blocks.*.attn.qkv.*", "encoder.layer.*.attention.attention.{query,key,value}.*",
     WEIGHT_SAME},
    {"encoder.blocks.*.attn.proj.*", "encoder.layer.*.attention.output.dense.*", WEIGHT_SAME},
    {"encoder.blocks.*.ls1.gamma", "encoder.layer.*.layer_scale1.lambda1", WEIGHT_SAME},
    {"encoder.blocks.*.ls2.gamma", "encoder.layer.*.layer_scale2.lambda1", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.fc1.*", "encoder.layer.*.mlp.weights_in.*", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.fc2.*", "encoder.layer.*.mlp.weights_out.*", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.fc1.*", "encoder.layer.*.mlp.{gate_proj,up_proj}.*", WEIGHT_SAME},
    {"encoder.blocks.*.mlp.fc2.*", "encoder.layer.*.mlp.down_proj.*", WEIGHT_SAME},
    {"encoder.blocks.*.*.*", "encoder.layer.*.*.*", WEIGHT_SAME},
    {"encoder.norm.*", "layernorm.*", WEIGHT_SAME},
    {NULL, NULL, WEIGHT_SAME}};

static const struct spare_rule hf_dinov2_spare[] = {
    {"embeddings.mask_token", "of masked pretraining"},
    {"classifier.*", "a classifier of CLS and mean together, which this program has not"},
    {NULL, NULL}};

static int describe_hf_dinov2(const struct family *f, const struct source *s,
                              const struct network_options *o, struct network *n,
                              struct error *err) {
    struct vit *v = &n->backbone.vit;
    struct network_options own = *o;
    char image[32];
    int status = describe_activation(s, o, "hidden_act", ACT_GELU, &v->act, err);
    if (status)
        return status;
    v->norm_eps = source_number(s, "layer_norm_eps", 1e-6);
    v->layer_scale = 1; /* whatever, to be replaced */
    v->registers = family_dim(f, s, "embeddings.register_tokens", 1);
    own.image = usual_image(o->image, family_dim(f, s, hf_dinov2_names.patch, 2), image);
    struct vit_names names = hf_dinov2_names;
    if (family_find(f, s, "encoder.layer.0.mlp.weights_in.weight")) { /* the giant */
        names.fc1 = "encoder.layer.0.mlp.weights_in.weight";
        names.fc2 = "encoder.layer.0.mlp.weights_out.weight";
    } else if (family_find(f, s, "encoder.layer.0.mlp.gate_proj.weight")) { /* since version 5 */
        names.fc1 = "encoder.layer.0.mlp.gate_proj.weight";
        v->gated = 1;
    }
    return describe_vit(f, s, &names, &own, n, err);
}

static int describe_hf_plain(const struct source *s, const struct network_options *o,
                             struct network *n, struct error *err) {
    return describe_hf_dinov2(&family_hf_dinov2, s, o, n, err);
}

static int describe_hf_registers(const struct source *s, const struct network_options *o,
                                 struct network *n, struct error *err) {
    return describe_hf_dinov2(&family_hf_dinov2_registers, s, o, n, err);
}

static const char *const hf_dinov2_signs[] = {"embeddings.patch_embeddings.projection.weight",
                                              "encoder.layer.0.layer_scale1.lambda1",
                                              "!embeddings.register_tokens", NULL};
static const char *const hf_registers_signs[] = {"embeddings.patch_embeddings.projection.weight",
                                                 "encoder.layer.0.layer_scale1.lambda1",
                                                 "embeddings.register_tokens", NULL};

#define HF_DINOV2_IMAGES                                                                           \
    { .norm = NORM_IMAGENET, .crop = 0.875, .crop_down = 1, .interpolation = INTERPOLATION_BICUBIC }

const struct family family_hf_dinov2 = {
    .name = "hf-dinov2",
    .title = "Hugging Face's DINOv2",
    .cite = "Oquab et al. 2023, arXiv:2304.07193; github.com/huggingface/transformers, Dinov2Model",
    .variants = "ViT-S/14, B/14, L/14, g/14, any width and depth",
    .images = HF_DINOV2_IMAGES,
    .resampling = RESAMPLE_BICUBIC,
    .inner = "dinov2.",
    .signs = hf_dinov2_signs,
    .rules = hf_dinov2_rules,
    .spare = hf_dinov2_spare,
    .describe = describe_hf_plain};

const struct family family_hf_dinov2_registers = {
    .name = "hf-dinov2-registers",
    .title = "the same with registers",
    .cite = "Darcet et al. 2024, arXiv:2309.16588; Dinov2WithRegistersModel",
    .variants = "ViT-S/14, B/14, L/14, g/14, any width, depth and number",
    .images = HF_DINOV2_IMAGES,
    .resampling = RESAMPLE_ANTIALIAS,
    .inner = "dinov2_with_registers.",
    .signs = hf_registers_signs,
    .rules = hf_dinov2_rules,
    .spare = hf_dinov2_spare,
    .describe = describe_hf_registers};

/* ---- BEiT ---- */

/* Of the square grid whose offsets a table has; 0: it is of no such grid. */
static int side_of_table(const struct source *s, const char *table) {
    enum { MOST = 1024 };
    int entries = source_dim(s, table, 0), side = 1;
    while (side < MOST && relative_entries(side, side) < entries)
        side++;
    return relative_entries(side, side) == entries ? side : 0;
}

/* As timm has it: a table of no square is of the very grid that is asked for. */
static int find_table_grid(const struct source *s, const char *table, int side, struct network *n,
                           struct error *err) {
    int entries = source_dim(s, table, 0), own = relative_entries(n->rows, n->cols) == entries;
    if (!side && !own)
        return error_set(err, STATUS_USAGE,
                         "%s: %s has %d entries, which is for no square of patches and not for %d "
                         "x %d: say the size of the images it was made for with --weights.image",
                         s->path, table, entries, n->rows, n->cols);
    n->own_rows = side ? side : n->rows;
    n->own_cols = side ? side : n->cols;
    return 0;
}

static int describe_beit(const struct source *s, const struct network_options *o, struct network *n,
                         struct error *err) {
    struct vit *v = &n->backbone.vit;
    const char *table = source_find(s, "rel_pos_bias.relative_position_bias_table")
                            ? "rel_pos_bias.relative_position_bias_table"
                            : "blocks.0.attn.relative_position_bias_table";
    v->norm_pooled = source_find(s, "fc_norm.weight") != NULL;
    v->pool = v->norm_pooled ? POOL_MEAN : POOL_CLS;
    v->layer_scale = source_find(s, "blocks.0.gamma_1") ? 1 : 0; /* whatever, to be replaced */
    v->relative_positions = v->relative_each = source_find(s, table) != NULL;
    struct network_options own = *o;
    struct vit_names names = timm_names;
    names.may_lack_positions = 1;
    char image[32];
    int side = side_of_table(s, table), patch = source_dim(s, "patch_embed.proj.weight", 2);
    snprintf(image, sizeof image, "%d", side * (patch ? patch : 1));
    if (side && (!o->image || !*o->image))
        own.image = image;
    int status = describe_vit(&family_beit, s, &names, &own, n, err);
    if (!status && !v->relative_positions && v->position == POSITION_NONE)
        return error_set(err, STATUS_USAGE, "%s: neither %s nor pos_embed is there", s->path,
                         table);
    if (!status && v->gated)
        return error_set(err, STATUS_USAGE,
                         "%s: gated MLPs beside biases of queries and values are EVA-02's, whose "
                         "rotary positions beside a table are not here",
                         s->path);
    return status || !v->relative_positions ? status : find_table_grid(s, table, side, n, err);
}

static const struct weight_rule beit_rules[] = {
    {"encoder.blocks.*.attn.relative_position_bias_table",
     "blocks.*.attn.relative_position_bias_table", WEIGHT_RELATIVE},
    {"encoder.blocks.*.attn.relative_position_bias_table",
     "rel_pos_bias.relative_position_bias_table", WEIGHT_RELATIVE},
    {"encoder.blocks.*.attn.qkv.bias", "blocks.*.attn.{q_bias,,v_bias}", WEIGHT_SAME},
    {"encoder.blocks.*.ls1.gamma", "blocks.*.gamma_1", WEIGHT_SAME},
    {"encoder.blocks.*.ls2.gamma", "blocks.*.gamma_2", WEIGHT_SAME},
    {"encoder.pos_embed", "pos_embed", WEIGHT_POSITIONS},
    {"head.fc.*", "head.*", WEIGHT_SAME},
    {"encoder.*", "*", WEIGHT_SAME},
    {NULL, NULL, WEIGHT_SAME}};

static const struct spare_rule beit_spare[] = {
    {"*relative_position_index", "follows from the grid"},
    {"mask_token", "of masked pretraining"},
    {"lm_head.*", "of masked pretraining"},
    {NULL, NULL}};

static const char *const beit_signs[] = {"patch_embed.proj.weight", "cls_token",
                                         "blocks.0.attn.q_bias", "blocks.0.attn.v_bias", NULL};

const struct family family_beit = {
    .name = "beit",
    .title = "BEiT, version 1, its own code's and timm's",
    .cite = "Bao et al. 2022, arXiv:2106.08254",
    .variants = "BEiT-B/16, L/16, any width, depth and patch",
    .images = {.norm = NORM_HALF, .crop = 0.9, .interpolation = INTERPOLATION_BICUBIC},
    .resampling = RESAMPLE_ANTIALIAS,
    .signs = beit_signs,
    .rules = beit_rules,
    .spare = beit_spare,
    .describe = describe_beit};
