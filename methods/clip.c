/* clip.c -- contrastive language-image pretraining.  Radford et al. 2021, arXiv:2103.00020.
 *
 * An image tower, the backbone, and a text tower (nn/text.h) are projected into one space without
 * bias and normalised; of all pairs in a batch those that belong together are told from the others,
 * by a cross-entropy in each direction on cosines times exp(scale) (figure 3; nn/op_clip.c).  The
 * scale is learnt, starts at ln(1/0.07), gets no weight decay and is kept within [0, ln 100]
 * (section 2.5; the lower end from the authors' successors, OpenCLIP).  Each time that an image is
 * seen one of its captions is drawn.
 *
 * Tokens are those of CLIP's byte pair encoding (data/bpe.h), with a vocabulary learnt from the
 * first training captions, always the same one, or read from a file, CLIP's own for example.  Its
 * hash is part of the run's name.
 *
 * Departures: a text tower of 128 x 4 with 4 heads, 32 tokens and a vocabulary of 4096 (the paper:
 * 512 x 12, 8 heads, 77, 49408), a space of 128 dimensions (512), crops of at least 0.6 of the
 * image (0.9), resized bilinearly (bicubic), and a base rate of 2e-3 (5e-4 in all, for batches of
 * 32,768), all for small images and short budgets; GELU where the authors' code has x sigmoid(1.702
 * x), which text_activation can ask of the text tower; the epsilon of Adam is 1e-8 (1e-6 for their
 * ViTs), of layer norms 1e-6 (1e-5); blocks start as all of this program's do, with uniform Xavier
 * weights.
 */
#include "methods/method.h"

#include "methods/show.h"
#include "methods/text_tower.h"
#include "methods/views.h"

#include <math.h>
#include <string.h>

struct clip {
    int dim, text_dim, text_depth, text_heads, context;
    const char *text_activation;
    const char *vocabulary;
    int vocabulary_size, vocabulary_captions;
    double temperature, min_area;
    int flip;
};

static const struct option_def options[] = {
    OPTION_INT(struct clip, dim, 128, 1, 4096, "of the space of images and texts; paper: 512"),
    OPTION_INT(struct clip, text_dim, 128, 4, 4096, "width of the text tower; paper: 512"),
    OPTION_INT(struct clip, text_depth, 4, 1, 64, "blocks of the text tower; paper: 12"),
    OPTION_INT(struct clip, text_heads, 4, 1, 64, "attention heads of the text tower; paper: 8"),
    OPTION_INT(struct clip, context, 32, 3, 1024,
               "tokens of a text, start and end included; paper: 77"),
    OPTION_TEXT(struct clip, text_activation, "gelu", "gelu|quick_gelu",
                "of the text tower; published weights: quick_gelu"),
    OPTION_TEXT(struct clip, vocabulary, "", NULL,
                "file of merges, such as CLIP's; nothing: learnt from the training captions"),
    OPTION_INT(struct clip, vocabulary_size, 4096, BPE_SMALLEST, TEXT_TOWER_VOCABULARY,
               "token ids, at most; paper: 49408"),
    OPTION_INT(struct clip, vocabulary_captions, 10000, 1, 100000000,
               "training captions, the first ones, that a vocabulary is learnt from"),
    OPTION_REAL(struct clip, temperature, 0.07, 0.01, 1, "at the start; it is learnt"),
    OPTION_REAL(struct clip, min_area, 0.6, 0.01, 1,
                "smallest share of the image in a crop; paper: 0.9"),
    OPTION_BOOL(struct clip, flip, 0, "mirror half of the views"),
    OPTION_END};

enum { IMAGES, TOKENS, END };

/* What build leaves for everybody else. */
struct towers {
    struct bpe bpe;
    struct param *scale;
};

/* All captions of the first training images, up to `most`. */
static int read_captions(const struct dataset *d, long most, struct arena *a, const char ***out,
                         long *n, struct error *err) {
    struct record r = {.no_pixels = 1};
    int status = 0;
    *n = 0;
    *out = ARENA_ARRAY(a, const char *, most);
    for (long i = 0; i < d->count[SPLIT_TRAIN] && *n < most; i++) {
        TRY(dataset_read(d, SPLIT_TRAIN, i, &r, err));
        for (int k = 0; k < r.n_captions && *n < most; k++)
            (*out)[(*n)++] = arena_strdup(a, record_caption(&r, k));
    }
out:
    record_free(&r);
    return status;
}

static struct text_tower tower(const struct clip *o) {
    return (struct text_tower){.dim = o->text_dim,
                               .depth = o->text_depth,
                               .heads = o->text_heads,
                               .context = o->context,
                               .out = o->dim,
                               .act =
                                   strcmp(o->text_activation, "gelu") ? ACT_QUICK_GELU : ACT_GELU,
                               .vocabulary = o->vocabulary,
                               .vocabulary_size = o->vocabulary_size};
}

static int choose_vocabulary(const struct clip *o, const struct builder *b, struct bpe *bpe,
                             struct error *err) {
    struct arena scratch = {0};
    const struct text_tower t = tower(o);
    const char **captions = NULL;
    long n = 0;
    int status = 0;
    if (b->data && !*o->vocabulary)
        TRY(read_captions(b->data, o->vocabulary_captions, &scratch, &captions, &n, err));
    status = text_tower_vocabulary(&t, captions, n, bpe, err);
out:
    arena_free(&scratch);
    return status;
}

static struct tensor *encode_text(const void *self, struct builder *b) {
    const struct text_tower t = tower(self);
    const struct towers *runtime = b->runtime;
    return text_tower_encode(&t, &runtime->bpe, b);
}

static struct tensor *project(const void *self, struct builder *b, const struct encoded *e) {
    const struct clip *o = self;
    const struct linear_spec projection = {.group = builder_group(b, "head"),
                                           .out = o->dim,
                                           .init = INIT_NORMAL,
                                           .scale = 1 / sqrt((double)b->backbone->dim),
                                           .no_bias = 1};
    return op_linear(b->g, "projection", e->pooled, &projection, NULL);
}

static int build(const void *self, struct builder *b, struct error *err) {
    const struct clip *o = self;
    const struct text_tower text = tower(o);
    if (b->batch == 1)
        return error_set(err, STATUS_USAGE,
                         "clip tells the pairs of a batch apart, and one has no other to be told "
                         "from: choose a larger --batch");
    int status = text_tower_check(&text, "clip.", err);
    if (status)
        return status;
    struct towers *t = ARENA_NEW(b->arena, struct towers);
    if ((status = choose_vocabulary(o, b, &t->bpe, err)))
        return status;
    arena_adopt(b->arena, &t->bpe.arena);
    b->runtime = t;
    b->fingerprint = t->bpe.sha256;

    struct tensor *images = builder_images(b, "images", 0, 0);
    struct tensor *texts = encode_text(self, b);
    struct encoded e;
    builder_encode(b, images, ENCODE_POOLED, &e);
    struct tensor *x = op_l2norm(b->g, "image_features", project(self, b, &e), 1e-12);
    struct tensor *z = op_l2norm(b->g, "text_features", texts, 1e-12);
    struct tensor *scale = graph_param(b->g, builder_group(b, "head"), "logit_scale", 1,
                                       (const int[]){1}, INIT_CONSTANT, log(1 / o->temperature));
    t->scale = scale->param;
    builder_objective(b, "pairs", op_clip(b->g, "loss", x, z, scale), 1);
    builder_uniform_loss(b, log(b->batch > 1 ? b->batch : 1));
    return 0;
}

static void fill_text(const void *self, const void *runtime, const char *text, void *const *slots) {
    const struct text_tower t = tower(self);
    text_tower_fill(&t, &((const struct towers *)runtime)->bpe, text, slots);
}

static void prepare(const void *self, const struct sample *s) {
    const struct clip *o = self;
    const struct record *r = s->record;
    struct crop_box box = random_resized_box(r, o->min_area, 1, s->view);
    int flip = o->flip && rng_below(s->view, 2);
    sample_crop(s, IMAGES, 0, s->backbone->image, &box, flip);
    uint32_t number = r->n_captions > 1 ? rng_below(s->mask, (uint32_t)r->n_captions) : 0;
    fill_text(self, s->runtime, r->n_captions ? record_caption(r, (int)number) : "",
              s->slots + TOKENS);
}

/* "To prevent scaling the logits by more than 100" (section 2.5). */
static void clamp_scale(const void *self, struct step *s) {
    (void)self;
    const struct towers *t = s->b->runtime;
    real *scale = exec_value(s->exec, t->scale);
    *scale = (real)fmin(fmax((double)*scale, 0), log(100));
    exec_value_changed(s->exec, t->scale);
    s->b->model->version++;
}

/* The paper's rate is for batches of 32,768; scaled down with the batch it would train nothing. */
static const struct recipe paper = {.lr = 5e-4, .weight_decay = 0.2, .warmup = 0.01};

const struct method method_clip = {
    .name = "clip",
    .title = "CLIP",
    .version = 2,
    .cite = "Radford et al. 2021, arXiv:2103.00020",
    .trains = 1,
    .uses_captions = 1,
    .mixes_samples = 1,
    .options = options,
    .paper =
        "dim=512 text_dim=512 text_depth=12 text_heads=8 text_activation=quick_gelu context=77 "
        "vocabulary_size=49408 min_area=0.9",
    .paper_recipe = &paper,
    .state_size = sizeof(struct clip),
    .show = show_clip,
    .backbones = BACKBONE_ANY,
    .n_stages = 1,
    .stages = {{.name = "pretrain",
                .recipe = {.optimizer = OPTIMIZER_ADAMW,
                           .lr = 2e-3,
                           .weight_decay = 0.2,
                           .b1 = 0.9,
                           .b2 = 0.98,
                           .warmup = 0.1},
                .build = build,
                .prepare = prepare,
                .after = clamp_scale}},
    .project = project,
    .encode_text = encode_text,
    .text = fill_text,
};
