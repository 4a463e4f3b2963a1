/* text_tower.h -- captions in, features out: what CLIP and locked-image text tuning share.
 *
 * A byte pair vocabulary (data/bpe.h), from a file or learnt from captions, and the causal
 * transformer of nn/text.h over its ids.
 */
#ifndef SSV_METHODS_TEXT_TOWER_H
#define SSV_METHODS_TEXT_TOWER_H

#include "data/bpe.h"
#include "methods/method.h"

enum { TEXT_TOWER_VOCABULARY = 1 << 18 }; /* ids, at most */

struct text_tower {
    int dim, depth, heads;
    int context; /* tokens of a text, start and end included */
    int out;     /* width of the features */
    enum activation act;
    const char *vocabulary; /* a file of merges; "": learnt */
    int vocabulary_size;
};

/* Status 2 where options were given values that do not fit together; prefix is of their names,
 * "clip." of clip.text_dim. */
int text_tower_check(const struct text_tower *t, const char *prefix, struct error *err);
/* Reads the vocabulary, or learns it from captions (n). */
int text_tower_vocabulary(const struct text_tower *t, const char *const *captions, long n,
                          struct bpe *bpe, struct error *err);
/* Declares tokens and end, in this order, and returns the features (N,out); parameters in group
 * "text". */
struct tensor *text_tower_encode(const struct text_tower *t, const struct bpe *bpe,
                                 struct builder *b);
/* A text's part of these two inputs; thread-safe.  Returns the tokens that are not padding. */
int text_tower_fill(const struct text_tower *t, const struct bpe *bpe, const char *text,
                    void *const *slots);

#endif
