/* lit.h -- images and texts in one space, whatever the encoder was trained on.
 *
 * A method with a text tower has such a space.  For the others a text tower is trained against the
 * frozen encoder: locked-image text tuning, Zhai et al. 2022 (arXiv:2111.07991), the variant "Lu":
 * image tower locked, text tower from scratch.
 *
 *     TRY(lit_open(&l, in, &options, classes, err));
 *     lit_images(l)                                     (test images, width)
 *     TRY(lit_texts(l, texts, n, out, err));            (n, width)
 *     lit_close(l);
 */
#ifndef SSV_PROTOCOLS_LIT_H
#define SSV_PROTOCOLS_LIT_H

#include "protocols/protocol.h"

struct lit_options {
    int text_dim, text_depth, text_heads, context, vocabulary_size;
    const char *vocabulary;
    int dim, batch, image_head;
    double epochs, lr, weight_decay, warmup, temperature;
};

/* For an option table: the member `lit` of struct S.  What a method's own text tower makes
 * superfluous is not read then. */
#define LIT_OPTION(S, field, kind, value, lo, hi, help)                                            \
    { "lit_" #field, kind, offsetof(S, lit.field), value, lo, hi, NULL, help }
#define LIT_OPTIONS(S)                                                                             \
    LIT_OPTION(S, epochs, OPT_REAL, "20", 0.01, 1e6, "LiT: passes over the training images"),      \
        LIT_OPTION(S, batch, OPT_INT, "128", 2, 65536, "LiT: images in a step"),                   \
        LIT_OPTION(S, lr, OPT_REAL, "2e-3", 0, 1e3, "LiT: rate for 256 images a step"),            \
        LIT_OPTION(S, weight_decay, OPT_REAL, "0.1", 0, 10, "LiT: weight decay"),                  \
        LIT_OPTION(S, warmup, OPT_REAL, "0.1", 0, 1, "LiT: share of the steps with rising rate"),  \
        LIT_OPTION(S, temperature, OPT_REAL, "0.1", 0.01, 1, "LiT: at the start; it is learnt"),   \
        LIT_OPTION(S, image_head, OPT_BOOL, "1", 0, 1,                                             \
                   "LiT: a linear layer on the frozen features"),                                  \
        LIT_OPTION(S, dim, OPT_INT, "128", 1, 4096, "LiT: of the space of images and texts"),      \
        LIT_OPTION(S, text_dim, OPT_INT, "128", 4, 4096, "LiT: width of the text tower"),          \
        LIT_OPTION(S, text_depth, OPT_INT, "2", 1, 64, "LiT: blocks of the text tower"),           \
        LIT_OPTION(S, text_heads, OPT_INT, "4", 1, 64, "LiT: attention heads of the text tower"),  \
        LIT_OPTION(S, context, OPT_INT, "32", 3, 1024, "LiT: tokens of a text, at most"),          \
        LIT_OPTION(S, vocabulary, OPT_TEXT, "", 0, 0,                                              \
                   "LiT: file of merges; nothing: learnt from the training texts"),                \
        LIT_OPTION(S, vocabulary_size, OPT_INT, "4096", 514, 262144, "LiT: token ids, at most")

struct lit;

/* Where the dataset has no captions, or `classes` (n texts for each class, class-major) is given,
 * each image is trained with the texts of its class.  STATUS_USAGE where there are neither.
 * *out is to be closed in any case. */
struct lit_classes {
    const char *const *text; /* (classes, n) */
    int n;
};
int lit_open(struct lit **out, const struct protocol_input *in, const struct lit_options *o,
             const struct lit_classes *classes, struct error *err);
/* What a protocol's `ready` asks; prefix: of its options' names, "zeroshot.lit_". */
int lit_ready(const struct lit_options *o, const char *prefix, struct error *err);
/* As a protocol's. */
int lit_wants(const void *self, const struct feature_set *f, char *wanted);
int lit_tuned(const struct lit *l); /* 0: the method has a text tower of its own */
int lit_diverged(const struct lit *l);
int lit_width(const struct lit *l);
const float *lit_images(const struct lit *l); /* (test images, width), not normalised */
int lit_texts(struct lit *l, const char *const *texts, int n, float *out, struct error *err);
void lit_close(struct lit *l); /* NULL: nothing */

#endif
