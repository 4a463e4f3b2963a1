/* weights.c -- an encoder that somebody else trained, as a subject like any other.
 *
 * Weights come from a safetensors file (weights/network.h): what the network is, how it wants its
 * images and which parts it has follow from the file, its neighbours and the options here.  Nothing
 * is trained.  The images are prepared as those who published the weights evaluate them.
 *
 * A run is named after its options, the SHA-256 of the file among them: another file of the same
 * name is another run.
 */
#include "methods/method.h"

#include "core/log.h"
#include "core/sha256.h"
#include "methods/text_tower.h"
#include "weights/network.h"

#include <stdlib.h>
#include <string.h>

struct weights {
    const char *file, *sha256, *vocabulary;
    const char *as, *prefix, *image, *mean, *std, *interpolation, *fit, *activation, *pool, *ignore;
    int heads, text_heads;
    double crop;
};

static const struct option_def options[] = {
    OPTION_TEXT(struct weights, file, "", NULL, "safetensors file"),
    OPTION_TEXT(struct weights, sha256, "", NULL,
                "of the file, 64 digits: any other one is refused; nothing: not checked"),
    OPTION_TEXT(struct weights, as, "", NULL,
                "family of the weights, see list weights; nothing: recognised by names and shapes"),
    OPTION_TEXT(struct weights, prefix, "", NULL,
                "of the names of tensors; nothing: none, or one that trainers are known to add"),
    OPTION_TEXT(struct weights, image, "", NULL,
                "side of the input, or height x width, as 192x256; nothing: the weights'"),
    OPTION_TEXT(struct weights, mean, "", NULL, "of red, green, blue in [0,1]; nothing: theirs"),
    OPTION_TEXT(struct weights, std, "", NULL, "deviation of the same; nothing: theirs"),
    OPTION_REAL(struct weights, crop, 0, 0, 1,
                "share of the resized image that stays, each way; 0: theirs"),
    OPTION_TEXT(struct weights, interpolation, "", "|bilinear|bicubic",
                "of the resizing; nothing: theirs"),
    OPTION_TEXT(struct weights, fit, "", "|crop|squash",
                "crop: the middle of the image; squash: all of it; nothing: theirs"),
    OPTION_TEXT(struct weights, activation, "", "|gelu|quick_gelu", "of a ViT; nothing: theirs"),
    OPTION_TEXT(struct weights, pool, "", "|cls|mean", "of a ViT; nothing: theirs"),
    OPTION_INT(struct weights, heads, 0, 0, 1024, "attention heads of a ViT; 0: by its width"),
    OPTION_INT(struct weights, text_heads, 0, 0, 1024, "of a text tower; 0: by its width"),
    OPTION_TEXT(struct weights, vocabulary, "", NULL,
                "CLIP's file of merges: with it, a text tower is taken too"),
    OPTION_TEXT(struct weights, ignore, "", NULL,
                "names of tensors that may stay unused, with * for any text, separated by blanks"),
    OPTION_END};

/* The runtime of every builder. */
struct foreign {
    struct network network;
    struct bpe bpe; /* of the text tower */
    int reads;      /* it has one */
};

static int read_vocabulary(const struct weights *o, struct foreign *f, struct error *err) {
    const struct text *text = &f->network.text;
    const struct text_tower t = {
        .vocabulary = o->vocabulary, .vocabulary_size = text->vocabulary, .context = text->context};
    if (!*o->vocabulary)
        return 0;
    if (!text->vocabulary)
        return error_set(err, STATUS_USAGE,
                         "weights.vocabulary: %s has no text tower that would read %s: leave it "
                         "out",
                         o->file, o->vocabulary);
    int status = text_tower_vocabulary(&t, NULL, 0, &f->bpe, err);
    if (!status && f->bpe.vocabulary != text->vocabulary)
        status = error_set(err, STATUS_USAGE,
                           "%s makes %d token ids, and the text tower of %s has %d: another "
                           "vocabulary",
                           o->vocabulary, f->bpe.vocabulary, o->file, text->vocabulary);
    f->reads = !status;
    return status;
}

static struct network_options network_options(const struct weights *o) {
    return (struct network_options){.as = o->as,
                                    .prefix = o->prefix,
                                    .image = o->image,
                                    .mean = o->mean,
                                    .std = o->std,
                                    .interpolation = o->interpolation,
                                    .fit = o->fit,
                                    .activation = o->activation,
                                    .pool = o->pool,
                                    .heads = o->heads,
                                    .text_heads = o->text_heads,
                                    .crop = o->crop};
}

static int own(const void *self, struct arena *a, struct backbone *b, struct normalization *norm,
               void **runtime, struct error *err) {
    const struct weights *o = self;
    const struct network_options how = network_options(o);
    struct foreign *f = ARENA_NEW(a, struct foreign);
    struct source *s = NULL;
    if (!*o->file)
        return error_set(err, STATUS_USAGE,
                         "weights.file names no file: --weights.file FILE.safetensors");
    int status = network_open(&f->network, &s, o->file, &how, err);
    if (status)
        return status;
    source_close(s);
    status = read_vocabulary(o, f, err);
    arena_adopt(a, &f->bpe.arena);
    *b = f->network.backbone;
    *norm = f->network.preprocessing.norm;
    *runtime = f;
    return status;
}

/* What became of each tensor is told once for a model, a line at a time. */
static void tell(const struct network *n, const struct coverage *c, const char *path) {
    char *text = NULL, *rest = NULL;
    size_t bytes = 0;
    FILE *lines = open_memstream(&text, &bytes);
    if (!lines)
        return;
    network_print(n, path, lines);
    coverage_print(c, lines);
    fclose(lines);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        log_message(LOG_INFO, "%s", line);
    free(text);
    if (c->resampled)
        log_message(LOG_INFO, "positions: resampled from %d x %d to %d x %d patches", n->own_rows,
                    n->own_cols, n->rows, n->cols);
}

static int fill(const void *self, const void *runtime, struct model *m, struct error *err) {
    const struct weights *o = self;
    const struct foreign *f = runtime;
    struct source *s;
    struct coverage c;
    struct network again;
    const struct network_options how = network_options(o);
    int status = network_open(&again, &s, o->file, &how, err);
    if (status)
        return status;
    status = network_load(&f->network, s, m, o->ignore, &c, err);
    tell(&f->network, &c, o->file);
    coverage_free(&c);
    source_close(s);
    return status;
}

static int stamp(const void *self, char sha256[65], struct error *err) {
    const struct weights *o = self;
    int status = sha256_file(o->file, sha256, err);
    if (!status && *o->sha256 && strcmp(o->sha256, sha256) != 0)
        status = error_set(err, STATUS_USAGE,
                           "%s is another file than the one that was asked for: its SHA-256 is "
                           "%.16s..., not %.16s...",
                           o->file, sha256, o->sha256);
    return status;
}

static void view(const void *self, const struct sample *s, float *out) {
    (void)self;
    struct preprocessing p = ((const struct foreign *)s->runtime)->network.preprocessing;
    if (s->whole)
        p.fit = FIT_SQUASH;
    preprocess(s->record, &p, out);
}

static const struct preprocessing *prepared(const void *runtime) {
    return &((const struct foreign *)runtime)->network.preprocessing;
}

static struct tensor *classify(const void *self, struct builder *b, const struct encoded *e) {
    (void)self;
    const struct foreign *f = b->runtime;
    return network_classify(b->g, builder_group(b, "head"), &f->network, e);
}

static struct tensor *project(const void *self, struct builder *b, const struct encoded *e) {
    (void)self;
    const struct foreign *f = b->runtime;
    return network_project(b->g, builder_group(b, "head"), &f->network, e);
}

static struct tensor *encode_text(const void *self, struct builder *b) {
    (void)self;
    const struct foreign *f = b->runtime;
    if (!f->reads)
        return NULL;
    struct tensor *tokens = builder_index(b, "tokens", f->network.text.context);
    struct tensor *end = builder_index(b, "end", 1);
    return text_encode(b->g, builder_group(b, "text"), &f->network.text, tokens, end);
}

static void fill_text(const void *self, const void *runtime, const char *text, void *const *slots) {
    (void)self;
    const struct foreign *f = runtime;
    const struct text_tower t = {.context = f->network.text.context};
    text_tower_fill(&t, &f->bpe, text, slots);
}

const struct method method_weights = {.name = "weights",
                                      .title = "Published weights",
                                      .cite = "a safetensors file, weights.file",
                                      .version = 3, /* 3: crops as HF's and timm's libraries */
                                      .backbones = BACKBONE_ANY,
                                      .options = options,
                                      .state_size = sizeof(struct weights),
                                      .view = view,
                                      .own = own,
                                      .weights = fill,
                                      .stamp = stamp,
                                      .classify = classify,
                                      .prepared = prepared,
                                      .project = project,
                                      .encode_text = encode_text,
                                      .text = fill_text};
