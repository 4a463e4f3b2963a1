/* bpe_internal.h -- what the files of the tokenizer share. */
#ifndef SSV_DATA_BPE_INTERNAL_H
#define SSV_DATA_BPE_INTERNAL_H

#include "data/bpe.h"
#include "data/intern.h"

enum { BYTE_VALUES = 256, PRINTABLE = 94 + 12 + 82 };

/* bpe_text.c: text to words. */

/* n bytes with every byte that is no part of valid UTF-8, and every NUL, replaced by U+FFFD. */
char *utf8_repair(const char *bytes, size_t n, struct arena *a, long *replaced);
/* Repaired, NFC, white space collapsed and trimmed, lower case. */
char *bpe_clean(const char *text, struct arena *a, long *replaced);
/* The word at or after *at in a cleaned text, which it moves on; its length, 0 at the end. */
size_t bpe_next_word(const char **at, const char **word);

/* bpe.c: a vocabulary is begun, extended merge by merge, and finished. */
void bpe_begin(struct bpe *b, int most_merges);
void bpe_add(struct bpe *b, int32_t left, int32_t right); /* of tokens that exist, a new pair */
void bpe_finish(struct bpe *b);
/* Bytes that are written as themselves in a vocabulary file, and have the lowest ids. */
int bpe_is_printable(int byte);

/* bpe_file.c */
char *bpe_text(const struct bpe *b, struct arena *a); /* what bpe_write writes */

#endif
