/* mae.c -- masked autoencoder.  He et al. 2022, arXiv:2111.06377.
 *
 * A random share of the patches is hidden (section 3, "Masking"); the encoder sees the visible ones
 * only; a light decoder sees encoded patches and mask tokens at their places and predicts the
 * pixels of every hidden patch, each patch standardised by its own mean and unbiased standard
 * deviation when norm_pix is set; the loss is the mean squared error over the hidden patches.
 * Positions are fixed sine-cosine in encoder and decoder, as in the authors' code.
 *
 * --drop_path, which the paper leaves at 0, concerns the encoder.
 *
 * Departures: crops keep at least half of the image (the paper: 0.2, of 224 pixels) and the base
 * rate is 4e-3 instead of 1.5e-4, both for small images and short budgets; crops are resized
 * bilinearly (bicubic); final norm and prediction run on the hidden patches alone, which changes
 * nothing in the loss and saves the rest; a patch is stored channel first, which permutes the
 * weights of the first and the last layer.
 */
#include "methods/method.h"
#include "methods/show.h"
#include "methods/views.h"

#include <string.h>

struct mae {
    double mask_ratio;
    int decoder_dim, decoder_depth, decoder_heads;
    int norm_pix;
    double min_area;
    int flip;
};

static const struct option_def options[] = {
    OPTION_REAL(struct mae, mask_ratio, 0.75, 0, 0.99, "share of the patches that is hidden"),
    OPTION_INT(struct mae, decoder_dim, 64, 4, 4096, "width of the decoder"),
    OPTION_INT(struct mae, decoder_depth, 2, 1, 64, "transformer blocks in the decoder"),
    OPTION_INT(struct mae, decoder_heads, 4, 1, 64, "attention heads in the decoder"),
    OPTION_BOOL(struct mae, norm_pix, 1, "predict pixels standardised within their patch"),
    OPTION_REAL(struct mae, min_area, 0.5, 0.01, 1, "smallest share of the image in a crop"),
    OPTION_BOOL(struct mae, flip, 1, "mirror half of the views"),
    OPTION_END};

enum { IMAGES, VISIBLE, RESTORE, HIDDEN, HIDDEN_TOKENS };

static int kept(const struct mae *m, int patches) {
    return (int)(patches * (1 - m->mask_ratio));
}

static int check(const struct mae *m, const struct vit *v, struct error *err) {
    int patches = vit_tokens(v) - 1, keep = kept(m, patches);
    if (keep < 1 || keep >= patches)
        return error_set(
            err, STATUS_USAGE,
            "mae.mask_ratio %g leaves %d of %d patches visible: choose another ratio or "
            "patch size",
            m->mask_ratio, keep, patches);
    if (m->decoder_dim % 4 || m->decoder_dim % m->decoder_heads)
        return error_set(err, STATUS_USAGE,
                         "mae.decoder_dim %d must be divisible by 4 and by mae.decoder_heads %d",
                         m->decoder_dim, m->decoder_heads);
    if (m->norm_pix && v->channels * v->patch * v->patch == 1)
        return error_set(
            err, STATUS_USAGE,
            "mae.norm_pix makes every patch of one number 0: choose a larger --patch or "
            "--no-mae.norm_pix");
    if (v->relative_positions)
        return error_set(err, STATUS_USAGE,
                         "mae's encoder sees other patches of each image, and a relative position "
                         "bias is for all of them: leave out --relative-positions");
    return 0;
}

static struct tensor *decoder_positions(struct graph *g, const struct mae *m, const struct vit *v) {
    struct arena scratch = {0};
    const int dim[] = {vit_tokens(v), m->decoder_dim};
    real *table = ARENA_ARRAY(&scratch, real, (size_t)dim[0] * (size_t)dim[1]);
    sincos_positions(v->image / v->patch, m->decoder_dim, table);
    struct tensor *t = graph_const(g, "decoder_pos_embed", 2, dim, table);
    arena_free(&scratch);
    return t;
}

static int build(const void *self, struct builder *b, struct error *err) {
    const struct mae *m = self;
    const struct vit *v = &b->backbone->vit;
    int status = check(m, v, err);
    if (status)
        return status;
    struct graph *g = b->g;
    int tokens = vit_tokens(v), keep = kept(m, tokens - 1), hide = tokens - 1 - keep;
    struct tensor *images = builder_images(b, "images", 0, 0);
    struct tensor *visible = builder_index(b, "visible", 1 + keep);
    struct tensor *restore = builder_index(b, "restore", tokens);
    struct tensor *hidden = builder_index(b, "hidden", hide);
    struct tensor *hidden_tokens = builder_index(b, "hidden_tokens", hide);

    struct tensor *x = vit_embed(g, b->encoder, v, images);
    x = op_gather(g, "visible_tokens", x, visible, NULL);
    const struct transformer blocks = vit_transformer(g, b->encoder, v, builder_drop(b));
    x = transformer_blocks(g, b->encoder, "blocks", x, &blocks, NULL);
    x = op_layernorm(g, "norm", b->encoder, x, 1e-6);
    builder_watch(b, WATCH_FEATURES, op_mean_rows(g, "visible_mean", x, 1, 1 + keep));

    int decoder = builder_group(b, "decoder");
    struct linear_spec embed = {.group = decoder, .out = m->decoder_dim, .init = INIT_XAVIER};
    struct tensor *mask =
        graph_param(g, decoder, "mask_token", 1, &m->decoder_dim, INIT_NORMAL, 0.02);
    x = op_linear(g, "embed", x, &embed, NULL);
    x = op_gather(g, "restored", x, restore, mask);
    x = op_add_broadcast(g, "decoder_positions", x, decoder_positions(g, m, v));
    const struct transformer light = {
        .depth = m->decoder_depth, .heads = m->decoder_heads, .mlp = 4 * m->decoder_dim};
    x = transformer_blocks(g, decoder, "blocks", x, &light, NULL);
    x = op_gather(g, "hidden_rows", x, hidden_tokens, NULL);
    x = op_layernorm(g, "norm", decoder, x, 1e-6);
    struct linear_spec pixels = {
        .group = decoder, .out = v->channels * v->patch * v->patch, .init = INIT_XAVIER};
    x = op_linear(g, "pred", x, &pixels, NULL);

    struct tensor *target = op_patchify(g, "target_patches", images, v->patch);
    target = op_gather(g, "target_rows", target, hidden, NULL);
    if (m->norm_pix)
        target = op_standardize(g, "target", target, 1e-6);
    builder_objective(b, "pixels", op_mse(g, "loss", x, target, NULL), 1.0 / hide);
    return 0;
}

static void prepare(const void *self, const struct sample *s) {
    const struct mae *m = self;
    struct crop_box box = random_resized_box(s->record, m->min_area, 1, s->view);
    int flip = m->flip && rng_below(s->view, 2);
    sample_crop(s, IMAGES, 0, s->backbone->image, &box, flip);

    int patches = vit_tokens(&s->backbone->vit) - 1, keep = kept(m, patches);
    int32_t *visible = s->slots[VISIBLE], *restore = s->slots[RESTORE];
    int32_t *hidden = s->slots[HIDDEN], *hidden_tokens = s->slots[HIDDEN_TOKENS];
    /* A random order of the patches: the first `keep` are visible.  restore is laid out behind the
     * CLS place, which leaves room for the permutation itself. */
    int32_t *order = restore + 1;
    rng_permutation(s->mask, order, (uint32_t)patches);
    visible[0] = 0;
    for (int i = 0; i < keep; i++)
        visible[1 + i] = order[i] + 1;
    for (int i = keep; i < patches; i++) {
        hidden[i - keep] = order[i];
        hidden_tokens[i - keep] = order[i] + 1;
    }
    for (int i = 0; i < patches; i++)
        restore[1 + i] = -1;
    restore[0] = 0;
    for (int i = 0; i < keep; i++)
        restore[visible[1 + i]] = 1 + i;
}

static const struct recipe paper = {.lr = 1.5e-4, .weight_decay = 0.05, .warmup = 0.05};

const struct method method_mae = {
    .name = "mae",
    .title = "Masked autoencoder",
    .version = 2, /* stochastic depth where it is asked for */
    .cite = "He et al. 2022, arXiv:2111.06377",
    .trains = 1,
    .options = options,
    .paper = "decoder_dim=512 decoder_depth=8 decoder_heads=16 min_area=0.2",
    .paper_recipe = &paper,
    .state_size = sizeof(struct mae),
    .show = show_mae,
    .shows_kinds = 1,
    .backbones = BACKBONE_VIT,
    .n_stages = 1,
    .stages = {{.name = "pretrain",
                .recipe = {.optimizer = OPTIMIZER_ADAMW,
                           .lr = 4e-3,
                           .weight_decay = 0.05,
                           .b1 = 0.9,
                           .b2 = 0.95,
                           .warmup = 0.1},
                .build = build,
                .prepare = prepare}},
};
