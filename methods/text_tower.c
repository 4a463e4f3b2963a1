#include "methods/text_tower.h"

#include "nn/text.h"

int text_tower_check(const struct text_tower *t, const char *prefix, struct error *err) {
    if (t->dim % t->heads == 0)
        return 0;
    return error_set(err, STATUS_USAGE, "%stext_dim %d must be divisible by %stext_heads %d",
                     prefix, t->dim, prefix, t->heads);
}

int text_tower_vocabulary(const struct text_tower *t, const char *const *captions, long n,
                          struct bpe *bpe, struct error *err) {
    if (*t->vocabulary)
        return bpe_read(bpe, t->vocabulary, t->vocabulary_size, err);
    bpe_train(bpe, captions, n, t->vocabulary_size);
    return 0;
}

struct tensor *text_tower_encode(const struct text_tower *t, const struct bpe *bpe,
                                 struct builder *b) {
    struct tensor *tokens = builder_index(b, "tokens", t->context);
    struct tensor *end = builder_index(b, "end", 1);
    const struct text text = {.vocabulary = bpe->vocabulary,
                              .context = t->context,
                              .dim = t->dim,
                              .depth = t->depth,
                              .heads = t->heads,
                              .out = t->out,
                              .act = t->act};
    return text_encode(b->g, builder_group(b, "text"), &text, tokens, end);
}

int text_tower_fill(const struct text_tower *t, const struct bpe *bpe, const char *text,
                    void *const *slots) {
    int32_t *tokens = slots[0], *end = slots[1];
    int n = bpe_encode(bpe, text, t->context, tokens, NULL);
    *end = n - 1;
    return n;
}
