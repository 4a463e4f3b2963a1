/* show_beit.c -- the image, the picture that its tokens make, what the encoder sees, and the
 * picture of the tokens with those that it predicts for masked patches.
 *
 * Tokens become a picture by the tokenizer's own graph: noise that is large for one token makes the
 * Gumbel-softmax choose it.  Visual words are patches; they have mean 0 and deviation 1, so those
 * of the input are reused.
 */
#include "methods/show.h"

#include <string.h>

enum { TOKENIZER, PRETRAIN };                /* graphs */
enum { IMAGES, NOISE = 1 };                  /* slots of the first */
enum { VISIBLE = 1, MASKED, MASKED_TOKENS }; /* slots of the second */

static const float CERTAIN = 1e6F; /* beside logits and temperatures */

static const struct param *find_words(const struct model *m) {
    for (int i = 0; i < m->n_groups; i++)
        for (const struct param *p = m->groups[i].first; p; p = p->next)
            if (!strcmp(m->groups[i].name, "tokenizer") && !strcmp(p->name, "words.weight"))
                return p;
    return NULL;
}

/* Images (n,channels,side,side) of tokens (n,patches): by the discrete autoencoder. */
static float *decode(struct show *s, int patches, int codebook, const int32_t *tokens) {
    int channels = s->backbone->channels, area = s->backbone->image * s->backbone->image;
    float *noise = show_slot(s, TOKENIZER, NOISE, 0);
    memset(noise, 0, sizeof *noise * (size_t)s->n * (size_t)patches * (size_t)codebook);
    for (int i = 0; i < s->n * patches; i++)
        noise[(ptrdiff_t)i * codebook + tokens[i]] = CERTAIN;
    show_run(s, TOKENIZER);
    const struct tensor *loss = s->graphs[TOKENIZER].b->objectives[0].tensor;
    const real *pixels = show_value(s, TOKENIZER, loss->src[0]); /* (n,area,channels) */
    float *images = ARENA_ARRAY(&s->arena, float, s->n *channels *area);
    for (int i = 0; i < s->n * channels * area; i++) {
        int sample = i / (channels * area), c = i / area % channels, at = i % area;
        images[i] = (float)pixels[(sample * area + at) * channels + c];
    }
    return images;
}

/* The same by visual words. */
static float *lay_words(struct show *s, int patches, const int32_t *tokens) {
    const struct vit *v = &s->backbone->vit;
    const struct model *m = s->graphs[PRETRAIN].b->model;
    const struct param *p = find_words(m);
    const struct tensor *like = show_tensor(s, PRETRAIN, "word_patches");
    const struct tensor *standard = show_tensor(s, PRETRAIN, "standardised");
    int cols = p->dim[1], pixels = patches * cols;
    float *images = ARENA_ARRAY(&s->arena, float, s->n *pixels);
    real *rows = ARENA_ARRAY(&s->arena, real, pixels);
    int32_t *all = ARENA_ARRAY(&s->arena, int32_t, patches);
    for (int i = 0; i < patches; i++)
        all[i] = i;
    for (int i = 0; i < s->n; i++) {
        for (int j = 0; j < patches; j++)
            memcpy(rows + (ptrdiff_t)j * cols,
                   m->value + p->offset + (size_t)tokens[i * patches + j] * (size_t)cols,
                   sizeof *rows * (size_t)cols);
        show_unstandardize(patches, cols, standard->real_attr,
                           show_value(s, PRETRAIN, like) + (ptrdiff_t)i * pixels, rows);
        show_paste_patches(s->kernels, v->channels, v->image, v->patch, patches, all, rows,
                           images + (ptrdiff_t)i * pixels);
    }
    return images;
}

/* Puts the likeliest token of every masked patch into tokens (patches); returns how many are what
 * the tokenizer says.  logits (most,codebook). */
static int predict(int most, int codebook, const real *logits, const int32_t *masked,
                   int32_t *tokens) {
    int right = 0;
    for (int j = 0; j < most; j++, logits += codebook) {
        int best = 0;
        for (int k = 1; k < codebook; k++)
            best = logits[k] > logits[best] ? k : best;
        if (masked[j] < 0)
            continue;
        right += tokens[masked[j]] == best;
        tokens[masked[j]] = best;
    }
    return right;
}

int show_beit(struct show *s, struct error *err) {
    (void)err;
    static const char *const titles[] = {"input", "its tokens", "visible", "with predicted tokens"};
    const struct vit *v = &s->backbone->vit;
    show_run(s, PRETRAIN);
    const struct tensor *fc = show_tensor(s, PRETRAIN, "fc");
    int most = fc->dim[0], codebook = fc->dim[1], patches = vit_tokens(v) - 1;
    int words = find_words(s->graphs[PRETRAIN].b->model) != NULL;
    size_t pixels = (size_t)v->channels * (size_t)v->image * (size_t)v->image;
    int32_t *tokens = ARENA_ARRAY(&s->arena, int32_t, s->n * patches);
    memcpy(tokens, show_value(s, PRETRAIN, show_tensor(s, PRETRAIN, "token")),
           sizeof *tokens * (size_t)s->n * (size_t)patches);
    const float *own = words ? lay_words(s, patches, tokens) : decode(s, patches, codebook, tokens);
    show_kinds(s, sizeof titles / sizeof *titles, titles);
    for (int i = 0; i < s->n; i++) {
        const float *image = show_slot(s, PRETRAIN, IMAGES, i);
        const int32_t *masked = show_slot(s, PRETRAIN, MASKED, i);
        const real *logits = show_value(s, PRETRAIN, fc) + (size_t)i * fc->per_sample;
        int hidden = 0;
        while (hidden < most && masked[hidden] >= 0)
            hidden++;
        int right = predict(most, codebook, logits, masked, tokens + (ptrdiff_t)i * patches);
        struct canvas visible = show_pixels(s, v->image, image);
        show_blank_patches(&visible, v->image, v->patch, hidden, masked, PALE);
        show_put(s, i, 0, show_pixels(s, v->image, image));
        show_put(s, i, 1, show_pixels(s, v->image, own + (size_t)i * pixels));
        show_put(s, i, 2, visible);
        show_say(s, i, "%d of %d masked tokens right, of %d different ones", right, hidden,
                 codebook);
    }
    const float *predicted =
        words ? lay_words(s, patches, tokens) : decode(s, patches, codebook, tokens);
    for (int i = 0; i < s->n; i++)
        show_put(s, i, 3, show_pixels(s, v->image, predicted + (size_t)i * pixels));
    if (words)
        sheet_note(&s->sheet, "Tokens are patches with mean 0 and deviation 1: patch statistics of "
                              "the input reused.");
    return 0;
}
