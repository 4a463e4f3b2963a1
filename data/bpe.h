/* bpe.h -- captions to token ids: the byte-level byte pair encoding of CLIP.
 *
 * CLIP: Radford et al. 2021, arXiv:2103.00020, section 2.4.  On bytes: Radford et al. 2019 (GPT-2),
 * section 2.2.  Byte pair encoding: Sennrich et al. 2016, arXiv:1508.07909, algorithm 1.
 *
 *     struct bpe b;
 *     TRY(bpe_read(&b, "bpe_simple_vocab_16e6.txt.gz", BPE_CLIP_VOCABULARY, err));
 *     int n = bpe_encode(&b, caption, 77, ids, NULL);    ids[n - 1] is the end token
 *     bpe_free(&b);
 *
 * Ids, as CLIP numbers them: 256 bytes, the printable ones of Latin-1 first; the same bytes at the
 * end of a word; the merges by rank; the start token; the end token.  Padding is 0, which is also
 * "!" within a word: the end token, not the padding, tells where a text stops.
 *
 * Text: bytes that are no UTF-8 become U+FFFD, then NFC, white space collapsed, lower case; words
 * are 's 't 're 've 'm 'll 'd, runs of letters, single digits and runs of anything else.
 *
 * Departures from CLIP's published code: no HTML entities are resolved; of what its library ftfy
 * mends only NFC is done (no mojibake, curly quotes, ligatures or wide letters); lower case is
 * Unicode's simple mapping (no final sigma, U+0130 becomes one letter); "<|startoftext|>" and
 * "<|endoftext|>" in a text are ordinary characters.
 */
#ifndef SSV_DATA_BPE_H
#define SSV_DATA_BPE_H

#include "core/arena.h"
#include "core/error.h"

#include <stdint.h>

/* The smallest vocabulary is bytes and the two tokens alone: no merges. */
enum { BPE_BYTES = 512, BPE_SMALLEST = BPE_BYTES + 2, BPE_CLIP_VOCABULARY = 49408 };

struct intern;

struct bpe_merge { /* left left + right become token BPE_BYTES + rank */
    int32_t left, right;
};

struct bpe_token {
    const char *bytes; /* (n) */
    int n, ends_word;
};

struct bpe {
    struct arena arena;       /* owns everything */
    int vocabulary;           /* ids are 0..vocabulary-1 */
    int start, end;           /* the last two */
    struct bpe_merge *merges; /* (n_merges) by rank */
    struct bpe_token *tokens; /* (vocabulary - 2) */
    struct intern *pairs;     /* merges, to their ranks */
    int n_merges;
    int32_t byte_token[256]; /* within a word; + 256 at its end */
    char sha256[65];         /* of the file that bpe_write writes */
};

/* The published format, plain or compressed by gzip: a line with "#version", then a merge a line,
 * best first.  vocabulary: how many ids, at least BPE_SMALLEST, so that of CLIP's 262,144 merges
 * the first 48,894 are used; 0: every merge in the file.  Status 2 with file and line for what is
 * broken; nothing to free then. */
int bpe_read(struct bpe *b, const char *path, int vocabulary, struct error *err);
/* Plain, whatever the name; status 3 as file_write_atomic. */
int bpe_write(const struct bpe *b, const char *path, struct error *err);

/* Learns merges from n captions: always the pair of neighbours within words that is most frequent,
 * of equals the one with the smaller left id, then the smaller right id.  The order of the captions
 * does not matter.  Ends early, with a smaller b->vocabulary, when no pair is left twice. */
void bpe_train(struct bpe *b, const char *const *captions, long n, int vocabulary);

/* ids (context) become start, the text, end, zeros; a text that is too long is cut, end stays.
 * Returns the number of ids up to and with the end token.  *replaced, unless NULL, grows by the
 * bytes that were no UTF-8.  Thread-safe. */
int bpe_encode(const struct bpe *b, const char *text, int context, int32_t *ids, long *replaced);
/* The text of ids up to the end token, valid UTF-8, with a blank between words; owned by a. */
char *bpe_decode(const struct bpe *b, const int32_t *ids, int n, struct arena *a);

void bpe_free(struct bpe *b);

#endif
