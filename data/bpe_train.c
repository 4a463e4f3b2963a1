/* bpe_train.c -- learns a vocabulary: Sennrich et al. 2016, algorithm 1, on bytes.
 *
 * A merge looks at every pair to find the best and at every word to apply it: with P different
 * pairs and S bytes in different words, M merges take M (P + S) steps.  Captions have few different
 * words (8,000 in 30,000 captions of Flickr8k), so this is a second.
 */
#include "data/bpe_internal.h"

#include <string.h>

enum { FEWEST_TIMES = 2 }; /* of a pair that is worth a merge */

struct trainer {
    struct arena arena;
    struct intern words, pairs;
    long *word_times, *pair_times; /* (words.n), (pairs.n) */
    int words_room, pairs_room;
    int32_t *tokens;    /* of all words, one behind the other, each at its first place */
    int *first, *count; /* (words.n) */
};

/* times[i] of a string that may be new. */
static long *times_of(struct arena *a, long **times, int *room, int i) {
    if (i >= *room) {
        int more = *room ? 2 * *room : 1024;
        long *larger = ARENA_ARRAY(a, long, more);
        if (*room)
            memcpy(larger, *times, (size_t)*room * sizeof *larger);
        *times = larger;
        *room = more;
    }
    return *times + i;
}

static void count_words(struct trainer *t, const char *const *captions, long n) {
    for (long i = 0; i < n; i++) {
        struct arena scratch = {0};
        const char *at = bpe_clean(captions[i], &scratch, NULL), *word;
        for (size_t bytes; (bytes = bpe_next_word(&at, &word)) != 0;) {
            int w = intern_add(&t->words, word, bytes);
            ++*times_of(&t->arena, &t->word_times, &t->words_room, w);
        }
        arena_free(&scratch);
    }
}

static void count_pairs(struct trainer *t, int word, long times) {
    const int32_t *tokens = t->tokens + t->first[word];
    for (int i = 0; i + 1 < t->count[word]; i++) {
        const struct bpe_merge pair = {tokens[i], tokens[i + 1]};
        int p = intern_add(&t->pairs, &pair, sizeof pair);
        *times_of(&t->arena, &t->pair_times, &t->pairs_room, p) += times;
    }
}

static void begin(struct trainer *t, const struct bpe *b) {
    int n = t->words.n, at = 0;
    size_t bytes = 0;
    for (int w = 0; w < n; w++)
        bytes += t->words.entries[w].n;
    t->tokens = ARENA_ARRAY(&t->arena, int32_t, bytes);
    t->first = ARENA_ARRAY(&t->arena, int, n);
    t->count = ARENA_ARRAY(&t->arena, int, n);
    for (int w = 0; w < n; w++) {
        const struct interned *word = &t->words.entries[w];
        t->first[w] = at;
        t->count[w] = (int)word->n;
        for (size_t i = 0; i < word->n; i++)
            t->tokens[at++] = b->byte_token[(uint8_t)word->bytes[i]];
        t->tokens[at - 1] += BYTE_VALUES;
        count_pairs(t, w, t->word_times[w]);
    }
}

static struct bpe_merge pair_of(const struct trainer *t, int p) {
    struct bpe_merge pair;
    memcpy(&pair, t->pairs.entries[p].bytes, sizeof pair);
    return pair;
}

static int comes_first(struct bpe_merge a, struct bpe_merge b) {
    return a.left != b.left ? a.left < b.left : a.right < b.right;
}

/* -1 when none is there often enough. */
static int best_pair(const struct trainer *t) {
    int best = -1;
    long most = FEWEST_TIMES;
    for (int p = 0; p < t->pairs.n; p++)
        if (t->pair_times[p] > most ||
            (t->pair_times[p] == most &&
             (best < 0 || comes_first(pair_of(t, p), pair_of(t, best))))) {
            best = p;
            most = t->pair_times[p];
        }
    return best;
}

/* Every occurrence in every word, from the left. */
static void apply(struct trainer *t, struct bpe_merge m, int32_t made) {
    for (int w = 0; w < t->words.n; w++) {
        int32_t *tokens = t->tokens + t->first[w];
        int n = t->count[w], i = 0, kept = 0;
        while (i + 1 < n && (tokens[i] != m.left || tokens[i + 1] != m.right))
            i++;
        if (i + 1 >= n)
            continue;
        count_pairs(t, w, -t->word_times[w]);
        for (i = 0; i < n; kept++) {
            int here = i + 1 < n && tokens[i] == m.left && tokens[i + 1] == m.right;
            tokens[kept] = here ? made : tokens[i];
            i += 1 + here;
        }
        t->count[w] = kept;
        count_pairs(t, w, t->word_times[w]);
    }
}

void bpe_train(struct bpe *b, const char *const *captions, long n, int vocabulary) {
    CHECK(vocabulary >= BPE_SMALLEST, "a vocabulary of %d", vocabulary);
    struct trainer t = {0};
    int merges = vocabulary - BPE_SMALLEST, best;
    t.words.arena = t.pairs.arena = &t.arena;
    bpe_begin(b, merges);
    count_words(&t, captions, n);
    begin(&t, b);
    while (b->n_merges < merges && (best = best_pair(&t)) >= 0) {
        const struct bpe_merge m = pair_of(&t, best);
        apply(&t, m, BPE_BYTES + b->n_merges);
        bpe_add(b, m.left, m.right);
    }
    bpe_finish(b);
    arena_free(&t.arena);
}
