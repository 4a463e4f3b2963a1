/* beit.c -- BERT pre-training of image transformers.  Bao et al. 2022, arXiv:2106.08254.
 *
 * Stage 1, "tokenizer", makes what turns each patch into one of `codebook` tokens:
 *
 *   dvae    the discrete autoencoder of Ramesh et al. 2021, arXiv:2102.12092, section 2.1, in
 *           small.  Convolutions lead to logits on the ViT's grid of patches; a sample of the
 *           Gumbel-softmax, softmax((logits + noise) / temperature), replaces the choice of a
 *           token; its mixture of code vectors is decoded by transposed convolutions.  Minimised:
 *           the squared error plus kl_weight times KL(softmax(logits) || uniform), each a mean.
 *   kmeans  visual words: the nearest of `codebook` centres of standardised patches.  They are
 *           measured once, on views of the first epoch, and kept in the checkpoint: a resumed run
 *           reads them, and the stage takes no steps.
 *
 * Stage 2, "pretrain": blocks of patches are masked (algorithm 1, beit_mask.c), their embeddings
 * replaced by a learnt token before positions are added (section 2.3), and a linear layer on the
 * encoder's output predicts the tokens that the frozen tokenizer gives the same, unmasked view.
 * Minimised: the cross-entropy, a mean over all masked patches of the batch, as in the authors'
 * code (eq. 2 sums over the patches of an image).
 *
 * Departures: the tokenizer is trained on the images themselves, for a share of the steps.  It has
 * a few plain convolutions, with tanh on the way to the tokens, because features around 0 spread
 * over more tokens; a squared error instead of the logit-Laplace likelihood; a KL weight of 0
 * (Ramesh et al.: up to 6.6, against pixels summed); a temperature from 2 to 1/4 (1 to 1/16); and
 * the encoder's own view, not one of another resolution.  Residual weights start as in the other
 * ViTs here.  For small images and short budgets: 512 tokens (8192), no colour jitter (0.4), crops
 * of at least half of the image (0.08), resized bilinearly (bicubic), a base rate of 4e-3 for 256
 * images (1.5e-3 for 2048). LayerScale, stochastic depth and relative positions, which the paper
 * has, are the backbone's options.
 */
#include "methods/beit_internal.h"
#include "methods/method.h"
#include "methods/show.h"
#include "methods/views.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct beit {
    const char *tokenizer;
    int codebook;
    double tokenizer_share;
    int tokenizer_width;
    double temperature, temperature_end, kl_weight;
    int words_patches, words_iterations;
    double mask_ratio, mask_block, mask_aspect;
    double min_area;
    int flip;
    double jitter;
};

static const struct option_def options[] = {
    OPTION_TEXT(struct beit, tokenizer, "dvae", "dvae|kmeans",
                "what gives the tokens: a discrete autoencoder or the nearest visual word"),
    OPTION_INT(struct beit, codebook, 512, 2, 65536, "different tokens; the paper: 8192"),
    OPTION_REAL(struct beit, tokenizer_share, 0.2, 0.001, 0.9,
                "share of the steps that train the discrete autoencoder"),
    OPTION_INT(struct beit, tokenizer_width, 64, 1, 1024, "channels of the discrete autoencoder"),
    OPTION_REAL(struct beit, temperature, 2, 0.001, 100,
                "of the Gumbel-softmax, at first; the paper: 1"),
    OPTION_REAL(struct beit, temperature_end, 0.25, 0.001, 100, "and at the end of the stage"),
    OPTION_REAL(struct beit, kl_weight, 0, 0, 1000,
                "weight of the divergence of a patch's tokens from uniform"),
    OPTION_INT(struct beit, words_patches, 20000, 1, 10000000, "patches that k-means sees"),
    OPTION_INT(struct beit, words_iterations, 20, 0, 1000, "iterations of k-means, at most"),
    OPTION_REAL(struct beit, mask_ratio, 0.4, 0, 0.99, "most of the patches that is masked"),
    OPTION_REAL(struct beit, mask_block, 0.0816, 0, 1,
                "smallest block to be drawn, share of the patches; the paper: 16 of 196"),
    OPTION_REAL(struct beit, mask_aspect, 0.3, 0.01, 1, "smallest aspect ratio of a block"),
    OPTION_REAL(struct beit, min_area, 0.5, 0.01, 1, "smallest share of the image in a crop"),
    OPTION_BOOL(struct beit, flip, 1, "mirror half of the views"),
    OPTION_REAL(struct beit, jitter, 0, 0, 1,
                "strength of brightness, contrast and saturation jitter; the paper: 0.4"),
    OPTION_END};

/* A patch with less variance than this, of pixels with about unit variance, counts as flat. */
static const double WORDS_EPS = 0.01;

enum { IMAGES };                                /* slots of both stages */
enum { NOISE = 1 };                             /* slots of the tokenizer's stage */
enum { VISIBLE = 1, MASKED, MASKED_TOKENS };    /* slots of the other */
enum { PATCHES_OF_IMAGE = 16, SIDE_MOST = 32 }; /* that k-means takes; prime factors of a patch */

static int has_words(const struct beit *m) {
    return !strcmp(m->tokenizer, "kmeans");
}

static int patches_of(const struct vit *v) {
    return vit_tokens(v) - 1;
}

static int pixels_of_patch(const struct vit *v) {
    return v->channels * v->patch * v->patch;
}

static struct block_masking masking(const struct beit *m, const struct vit *v) {
    int patches = patches_of(v), least = (int)lround(m->mask_block * patches);
    return (struct block_masking){.grid = v->image / v->patch,
                                  .most = (int)(m->mask_ratio * patches),
                                  .least = least < 1 ? 1 : least,
                                  .aspect = m->mask_aspect};
}

/* The view, and where it lies in the run's randomness, is the same in both stages. */
static struct view_recipe view_of(const struct beit *m) {
    return (struct view_recipe){.min_area = m->min_area,
                                .max_area = 1,
                                .flip = m->flip ? 0.5 : 0,
                                .jitter_p = m->jitter > 0,
                                .brightness = m->jitter,
                                .contrast = m->jitter,
                                .saturation = m->jitter};
}

static void draw_view(const struct beit *m, const struct sample *s) {
    const struct view_recipe recipe = view_of(m);
    sample_view(s, IMAGES, 0, s->backbone->image, &recipe);
}

/* The discrete autoencoder. */

/* A patch's side as a product: the strides of the encoder's convolutions. */
static int strides_of(int patch, int stride[SIDE_MOST]) {
    int n = 0;
    for (int prime = 2; patch > 1; prime++)
        for (; patch % prime == 0; patch /= prime)
            stride[n++] = prime;
    return n;
}

/* With a kernel of stride + 2 and one pixel of padding a side is divided, or multiplied, exactly.
 */
static struct conv_spec convolution(int group, int out, int stride) {
    return (struct conv_spec){.group = group,
                              .out = out,
                              .kernel = stride + 2,
                              .stride = stride,
                              .pad = 1,
                              .bias = 1,
                              .init = INIT_HE};
}

/* (N,T,codebook) logits of the tokens */
static struct tensor *token_logits(struct graph *g, int group, const struct beit *m,
                                   const struct vit *v, struct tensor *images) {
    int stride[SIDE_MOST], n = strides_of(v->patch, stride);
    struct tensor *x = channels_last(g, images);
    for (int i = 0; i < n; i++) {
        const struct conv_spec conv = convolution(group, m->tokenizer_width, stride[i]);
        char name[32];
        snprintf(name, sizeof name, "encoder.%d", i);
        x = op_activation(g, "tanh", op_conv2d(g, name, x, &conv), ACT_TANH);
    }
    x = op_reshape(g, "patches", x, 2, (const int[]){patches_of(v), x->dim[2]});
    /* Wide enough that patches begin with tokens of their own: from equal ones few would be used.
     */
    const struct linear_spec logits = {.group = group,
                                       .out = m->codebook,
                                       .init = INIT_NORMAL,
                                       .scale = 8 / sqrt(m->tokenizer_width)};
    return op_linear(g, "encoder.logits", x, &logits, NULL);
}

/* (N,pixels,C) from mixtures of tokens (N,T,codebook) */
static struct tensor *decode(struct graph *g, int group, const struct beit *m, const struct vit *v,
                             struct tensor *tokens) {
    int stride[SIDE_MOST], n = strides_of(v->patch, stride), grid = v->image / v->patch;
    const struct linear_spec codes = {
        .group = group, .out = m->tokenizer_width, .init = INIT_XAVIER};
    struct tensor *x = op_linear(g, "decoder.codes", tokens, &codes, NULL);
    x = op_reshape(g, "grid", x, 3, (const int[]){grid, grid, m->tokenizer_width});
    for (int i = 0; i < n; i++) {
        int out = i == n - 1 ? v->channels : m->tokenizer_width;
        const struct conv_spec conv = convolution(group, out, stride[n - 1 - i]);
        char name[32];
        snprintf(name, sizeof name, "decoder.%d", i);
        x = op_conv_transpose2d(g, name, op_activation(g, "relu", x, ACT_RELU), &conv);
    }
    return op_reshape(g, "pixels", x, 2, (const int[]){v->image * v->image, v->channels});
}

/* As many patches as asked for, as few of an image as that allows but at least 16. */
static void choose_sample(const struct beit *m, const struct builder *b, int *images, int *rows) {
    int patches = patches_of(&b->backbone->vit);
    int each = patches < PATCHES_OF_IMAGE ? patches : PATCHES_OF_IMAGE;
    long count = b->data->count[SPLIT_TRAIN], wanted = (m->words_patches + each - 1) / each;
    *images = (int)(wanted < count ? wanted : count);
    long most = (long)*images * patches;
    *rows = (int)(m->words_patches < most ? m->words_patches : most);
}

/* Of fewer patches than words some words would be the same, and only the first of them used. */
static int check_words(const struct beit *m, const struct builder *b, struct error *err) {
    int images, rows;
    if (pixels_of_patch(&b->backbone->vit) == 1)
        return error_set(err, STATUS_USAGE,
                         "beit.tokenizer=kmeans compares standardised patches, and those of one "
                         "number are all 0: choose a larger --patch");
    if (!b->data)
        return 0;
    choose_sample(m, b, &images, &rows);
    return m->codebook <= rows ? 0
                               : error_set(err, STATUS_USAGE,
                                           "beit.codebook %d asks for more words than the %d "
                                           "patches that k-means sees: choose a smaller one, a "
                                           "larger beit.words_patches or more images",
                                           m->codebook, rows);
}

static int build_tokenizer(const void *self, struct builder *b, struct error *err) {
    const struct beit *m = self;
    const struct vit *v = &b->backbone->vit;
    if (has_words(m))
        return check_words(m, b, err);
    if (v->patch < 2)
        return error_set(err, STATUS_USAGE,
                         "beit.tokenizer=dvae needs patches of at least 2 pixels: choose a larger "
                         "--patch or beit.tokenizer=kmeans");
    struct graph *g = b->g;
    int group = builder_group(b, "tokenizer"), patches = patches_of(v);
    struct tensor *images = builder_images(b, "images", 0, 0);
    struct tensor *noise = builder_reals(b, "noise", patches * m->codebook);
    struct tensor *sharpness = builder_scalar(b, "sharpness", 1 / m->temperature);
    struct tensor *logits = token_logits(g, group, m, v, images);
    builder_watch(b, WATCH_LOGITS, logits);
    noise = op_reshape(g, "noise", noise, 2, logits->dim);
    struct tensor *tokens =
        op_softmax(g, "tokens", op_add(g, "noisy", noise, logits), 1, sharpness);
    struct tensor *pixels = decode(g, group, m, v, tokens);
    struct tensor *error = op_mse(g, "loss", pixels, op_patchify(g, "target", images, 1), NULL);
    builder_objective(b, "pixels", error, 1.0 / pixels->dim[0]);
    if (m->kl_weight > 0)
        builder_objective(b, "kl", op_kl_uniform(g, "kl", logits), m->kl_weight / patches);
    return 0;
}

/* -log(-log u) of a u that is never 0 or 1 */
static float gumbel(struct rng *rng) {
    double u = (rng_u32(rng) + 0.5) / 4294967296.0;
    return -logf((float)-log(u));
}

static void prepare_tokenizer(const void *self, const struct sample *s) {
    const struct beit *m = self;
    draw_view(m, s);
    float *noise = s->slots[NOISE];
    for (int i = 0; i < patches_of(&s->backbone->vit) * m->codebook; i++)
        noise[i] = gumbel(s->mask);
}

/* Ramesh et al. 2021, appendix A.2: the temperature falls along half a cosine. */
static void before_tokenizer(const void *self, struct step *s) {
    const struct beit *m = self;
    double temperature = schedule_cosine(s->done, s->total, 0, m->temperature, m->temperature_end);
    builder_set(s->b, s->b->scalars[0], 1 / temperature);
}

static double tokenizer_share(const void *self) {
    const struct beit *m = self;
    return has_words(m) ? 0 : m->tokenizer_share;
}

/* Visual words: the nearest w to x is the largest x w' - |w|^2 / 2, which is a linear layer and
 * stands in the model as one. */

static struct tensor *word_scores(struct graph *g, int group, const struct beit *m,
                                  const struct vit *v, struct tensor *images) {
    struct tensor *x = op_patchify(g, "word_patches", images, v->patch);
    x = op_standardize(g, "standardised", x, WORDS_EPS);
    const struct linear_spec words = {
        .group = group, .out = m->codebook, .init = INIT_NORMAL, .scale = 1};
    return op_linear(g, "words", x, &words, NULL);
}

/* Rows (rows,pixels of a patch) from views of the first epoch; images evenly spread over the
 * split. */
static int sample_patches(const struct beit *m, const struct builder *b, const struct step *s,
                          int images, int rows, float *out, struct error *err) {
    const struct vit *v = &b->backbone->vit;
    int patches = patches_of(v), dim = pixels_of_patch(v), status = 0, n = 0;
    struct arena a = {0};
    struct record r = {0};
    const struct kctx ctx = {.threads = 1};
    const struct view_recipe recipe = view_of(m);
    float *view = ARENA_ARRAY(&a, float, (size_t)patches *(size_t)dim);
    float *all = ARENA_ARRAY(&a, float, (size_t)patches *(size_t)dim);
    int32_t *order = ARENA_ARRAY(&a, int32_t, patches);
    for (int i = 0; i < images; i++) {
        long index = (long)((double)i * (double)b->data->count[SPLIT_TRAIN] / images);
        TRY(dataset_read(b->data, SPLIT_TRAIN, index, &r, err));
        struct rng rng = rng_at((struct rng_key){b->seed, RNG_VIEW}, 0, (uint32_t)index);
        view_random(&r, b->norm, &recipe, &rng, v->image, view);
        s->kernels->patchify(&ctx, 1, v->channels, v->image, v->image, v->patch, view, all);
        s->kernels->standardize_rows(&ctx, patches, dim, (real)WORDS_EPS, all, all);
        rng_permutation(&rng, order, (uint32_t)patches);
        int take = (int)((long)rows * (i + 1) / images) - n;
        for (int j = 0; j < take; j++)
            memcpy(out + (size_t)(n + j) * (size_t)dim, all + (size_t)order[j] * (size_t)dim,
                   sizeof *out * (size_t)dim);
        n += take;
    }
out:
    record_free(&r);
    arena_free(&a);
    return status;
}

static int fit_words(const void *self, struct step *s, struct error *err) {
    const struct beit *m = self;
    struct builder *b = s->b;
    struct model *model = b->model;
    if (!has_words(m))
        return 0;
    int dim = pixels_of_patch(&b->backbone->vit), images, rows, status = 0;
    const struct words_config config = {.kernels = s->kernels,
                                        .threads = s->ctx.threads,
                                        .seed = b->seed,
                                        .words = m->codebook,
                                        .iterations = m->words_iterations};
    int group = builder_group(b, "tokenizer");
    const struct param *weight = model_param(model, group, "words.weight", 2,
                                             (const int[]){m->codebook, dim}, INIT_NORMAL, 1);
    const struct param *bias =
        model_param(model, group, "words.bias", 1, &m->codebook, INIT_ZERO, 0);
    struct slab sample = {0};
    choose_sample(m, b, &images, &rows);
    TRY(slab_alloc(&sample, sizeof(float) * (size_t)rows * (size_t)dim, "patches for k-means",
                   err));
    TRY(sample_patches(m, b, s, images, rows, sample.data, err));
    real *words = model->value + weight->offset;
    TRY(words_fit(&config, rows, dim, sample.data, words, NULL, NULL, err));
    const struct kctx ctx = {.threads = 1};
    for (int k = 0; k < m->codebook; k++)
        model->value[bias->offset + (size_t)k] =
            (real)(s->kernels->sum_squares(&ctx, (size_t)dim, words + (size_t)k * (size_t)dim) /
                   -2);
    model->version++;
out:
    slab_free(&sample);
    return status;
}

/* Masked image modelling. */

static int check(const struct beit *m, const struct vit *v, struct error *err) {
    const struct block_masking mask = masking(m, v);
    int patches = patches_of(v);
    if (mask.most < 1 || mask.most >= patches)
        return error_set(err, STATUS_USAGE,
                         "beit.mask_ratio %g masks %d of %d patches: choose another ratio or "
                         "patch size",
                         m->mask_ratio, mask.most, patches);
    if (mask.least > mask.most)
        return error_set(err, STATUS_USAGE,
                         "beit.mask_block %g asks for blocks of %d patches, and beit.mask_ratio "
                         "%g masks at most %d",
                         m->mask_block, mask.least, m->mask_ratio, mask.most);
    return 0;
}

/* (N,T) tokens of the whole view, by a tokenizer that no gradient reaches */
static struct tensor *tokens_of(struct builder *b, const struct beit *m, struct tensor *images) {
    struct graph *g = b->g;
    const struct vit *v = &b->backbone->vit;
    int group = builder_group(b, "tokenizer");
    graph_freeze(g, 1);
    struct tensor *scores = (has_words(m) ? word_scores : token_logits)(g, group, m, v, images);
    graph_freeze(g, 0);
    if (has_words(m))
        model_hold(b->model, group);
    return op_argmax(g, "token", scores);
}

static int build(const void *self, struct builder *b, struct error *err) {
    const struct beit *m = self;
    const struct vit *v = &b->backbone->vit;
    int status = check(m, v, err);
    if (status)
        return status;
    struct graph *g = b->g;
    int patches = patches_of(v), most = masking(m, v).most;
    struct tensor *images = builder_images(b, "images", 0, 0);
    struct tensor *visible = builder_index(b, "visible", patches);
    struct tensor *masked = builder_index(b, "masked", most);
    struct tensor *masked_tokens = builder_index(b, "masked_tokens", most);
    struct tensor *target = op_pick(g, "target", tokens_of(b, m, images), masked);

    int head = builder_group(b, "head");
    struct tensor *mask = graph_param(g, head, "mask_token", 1, &v->dim, INIT_TRUNC_NORMAL, 0.02);
    struct tensor *x = vit_patches(g, b->encoder, v, images);
    x = op_gather(g, "with_masks", x, visible, mask);
    x = vit_tokens_of(g, b->encoder, v, x);
    const struct transformer blocks = vit_transformer(g, b->encoder, v, builder_drop(b));
    x = transformer_blocks(g, b->encoder, "blocks", x, &blocks, NULL);
    x = op_layernorm(g, "norm", b->encoder, x, 1e-6);
    builder_watch(b, WATCH_FEATURES, op_mean_rows(g, "mean", x, 1, 1 + patches));
    x = op_gather(g, "masked_rows", x, masked_tokens, NULL);
    const struct linear_spec words = {
        .group = head, .out = m->codebook, .init = INIT_TRUNC_NORMAL, .scale = 0.02};
    x = op_linear(g, "fc", x, &words, NULL);
    builder_watch(b, WATCH_LOGITS, x);
    builder_objective(b, "tokens", op_softmax_xent(g, "loss", x, target, 0), 1.0 / most);
    return 0;
}

static void prepare(const void *self, const struct sample *s) {
    const struct beit *m = self;
    const struct vit *v = &s->backbone->vit;
    draw_view(m, s);
    const struct block_masking mask = masking(m, v);
    int32_t *visible = s->slots[VISIBLE];
    int32_t *masked = s->slots[MASKED], *masked_tokens = s->slots[MASKED_TOKENS];
    block_mask(&mask, s->mask, visible, NULL, NULL);
    int n = 0;
    for (int i = 0; i < patches_of(v); i++) {
        if (visible[i]) {
            masked[n] = i;
            masked_tokens[n++] = i + 1;
        }
        visible[i] = visible[i] ? -1 : i;
    }
    for (; n < mask.most; n++)
        masked[n] = masked_tokens[n] = -1;
}

/* The mean over the masked patches of the batch, of which every sample has its own number. */
static void before(const void *self, struct step *s) {
    (void)self;
    size_t count = step_count(s, MASKED);
    if (count)
        builder_weigh(s->b, s->b->objectives[0].tensor, s->n / (double)count);
}

static const struct recipe paper = {
    .lr = 1.5e-3 * 256 / 2048, .weight_decay = 0.05, .warmup = 10.0 / 800};

const struct method method_beit = {
    .name = "beit",
    .title = "BERT pre-training of image transformers",
    .version = 1,
    .cite = "Bao et al. 2022, arXiv:2106.08254",
    .trains = 1,
    .options = options,
    .paper = "codebook=8192 temperature=1 temperature_end=0.0625 min_area=0.08 jitter=0.4",
    .paper_recipe = &paper,
    .state_size = sizeof(struct beit),
    .show = show_beit,
    .shows_kinds = 1,
    .backbones = BACKBONE_VIT,
    .n_stages = 2,
    .stages = {{.name = "tokenizer",
                .recipe = {.optimizer = OPTIMIZER_ADAMW,
                           .lr = 16e-3,
                           .weight_decay = 1e-4,
                           .b1 = 0.9,
                           .b2 = 0.999,
                           .warmup = 0.05,
                           .clip = 1},
                .build = build_tokenizer,
                .prepare = prepare_tokenizer,
                .before = before_tokenizer,
                .share = tokenizer_share},
               {.name = "pretrain",
                .recipe = {.optimizer = OPTIMIZER_ADAMW,
                           .lr = 4e-3,
                           .weight_decay = 0.05,
                           .b1 = 0.9,
                           .b2 = 0.999,
                           .clip = 3,
                           .warmup = 0.1},
                .build = build,
                .fit = fit_words,
                .prepare = prepare,
                .before = before}},
};
