/* bpe_train.c -- learns a vocabulary: Sennrich et al. 2016, algorithm 1, on bytes.
 *
 * Every pair knows how often it is there and in which words, and a heap knows the most frequent
 * one, so that a merge costs what it changes.
 */
#include "data/bpe_internal.h"

#include <string.h>

enum { FEWEST_TIMES = 2 }; /* of a pair that is worth a merge */

struct place { /* a word that has or had the pair */
    struct place *next;
    int word;
};

struct pair {
    struct bpe_merge tokens;
    long times;
    struct place *places;
    int changed; /* it is in trainer.changed */
};

struct candidate { /* for the next merge, as long as pair.times is still that */
    long times;
    int pair;
};

struct trainer {
    struct arena arena;
    struct intern words, numbers; /* of pairs */
    long *word_times;             /* (words.n) */
    int words_room;
    int32_t *tokens;    /* of all words, one behind the other, each at its first place */
    int *first, *count; /* (words.n) */
    struct pair *pairs; /* (numbers.n) */
    int pairs_room;
    int *changed; /* (n_changed) pairs */
    int n_changed, changed_room;
    struct candidate *heap; /* (n_heap) the first is the best */
    int n_heap, heap_room;
};

/* Room for element n of an array with room for *room, zeroed. */
static void *grown(struct arena *a, void *array, int *room, int n, size_t size) {
    if (n < *room)
        return array;
    int more = *room ? 2 * *room : 1024;
    void *larger = arena_alloc(a, (size_t)more * size);
    if (*room)
        memcpy(larger, array, (size_t)*room * size);
    *room = more;
    return larger;
}

#define GROW(t, array, room, n)                                                                    \
    ((t)->array = grown(&(t)->arena, (t)->array, &(t)->room, n, sizeof *(t)->array))

static void count_words(struct trainer *t, const char *const *captions, long n) {
    for (long i = 0; i < n; i++) {
        struct arena scratch = {0};
        const char *at = bpe_clean(captions[i], &scratch, NULL), *word;
        for (size_t bytes; (bytes = bpe_next_word(&at, &word)) != 0;) {
            int w = intern_add(&t->words, word, bytes);
            GROW(t, word_times, words_room, w);
            t->word_times[w]++;
        }
        arena_free(&scratch);
    }
}

static int pair_at(struct trainer *t, const int32_t *tokens) {
    const struct bpe_merge key = {tokens[0], tokens[1]};
    int p = intern_add(&t->numbers, &key, sizeof key);
    GROW(t, pairs, pairs_room, p);
    t->pairs[p].tokens = key;
    return p;
}

/* `times` more of the word's pairs that begin at tokens from..to-1. */
static void count_pairs(struct trainer *t, int word, long times, int from, int to) {
    const int32_t *tokens = t->tokens + t->first[word];
    int last = t->count[word] - 1;
    for (int i = from < 0 ? 0 : from; i < to && i < last; i++) {
        int number = pair_at(t, tokens + i);
        struct pair *p = &t->pairs[number];
        p->times += times;
        if (times > 0 && (!p->places || p->places->word != word)) {
            struct place *here = ARENA_NEW(&t->arena, struct place);
            *here = (struct place){.next = p->places, .word = word};
            p->places = here;
        }
        if (!p->changed) {
            p->changed = 1;
            GROW(t, changed, changed_room, t->n_changed);
            t->changed[t->n_changed++] = number;
        }
    }
}

/* More often or, as often, of lower tokens. */
static int is_better(const struct trainer *t, struct candidate a, struct candidate b) {
    const struct bpe_merge x = t->pairs[a.pair].tokens, y = t->pairs[b.pair].tokens;
    return a.times != b.times ? a.times > b.times
           : x.left != y.left ? x.left < y.left
                              : x.right < y.right;
}

static void heap_push(struct trainer *t, struct candidate c) {
    GROW(t, heap, heap_room, t->n_heap);
    int i = t->n_heap++;
    for (; i && is_better(t, c, t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = c;
}

static struct candidate heap_pop(struct trainer *t) {
    const struct candidate best = t->heap[0], last = t->heap[--t->n_heap];
    int i = 0;
    for (int child; (child = 2 * i + 1) < t->n_heap; i = child) {
        child += child + 1 < t->n_heap && is_better(t, t->heap[child + 1], t->heap[child]);
        if (!is_better(t, t->heap[child], last))
            break;
        t->heap[i] = t->heap[child];
    }
    t->heap[i] = last;
    return best;
}

/* Whatever was counted anew is a candidate with what it has now. */
static void offer_changed(struct trainer *t) {
    for (int i = 0; i < t->n_changed; i++) {
        struct pair *p = &t->pairs[t->changed[i]];
        p->changed = 0;
        if (p->times >= FEWEST_TIMES)
            heap_push(t, (struct candidate){p->times, t->changed[i]});
    }
    t->n_changed = 0;
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
        count_pairs(t, w, t->word_times[w], 0, t->count[w]);
    }
    offer_changed(t);
}

/* -1 when none is there often enough. */
static int best_pair(struct trainer *t) {
    while (t->n_heap) {
        const struct candidate best = heap_pop(t);
        if (best.times == t->pairs[best.pair].times)
            return best.pair;
    }
    return -1;
}

/* Every occurrence in a word, from the left. */
static void merge_in(struct trainer *t, int word, struct bpe_merge m, int32_t made) {
    int32_t *tokens = t->tokens + t->first[word];
    int n = t->count[word], begin = 0, end = 0, kept = 0;
    while (begin + 1 < n && (tokens[begin] != m.left || tokens[begin + 1] != m.right))
        begin++;
    for (int i = begin; i + 1 < n; i++)
        if (tokens[i] == m.left && tokens[i + 1] == m.right)
            end = i + 2;
    if (!end)
        return; /* another merge took it */
    count_pairs(t, word, -t->word_times[word], begin - 1, end);
    for (int i = kept = begin; i < n; kept++) {
        int here = i + 1 < n && tokens[i] == m.left && tokens[i + 1] == m.right;
        tokens[kept] = here ? made : tokens[i];
        i += 1 + here;
    }
    t->count[word] = kept;
    count_pairs(t, word, t->word_times[word], begin - 1, kept - (n - end));
}

void bpe_train(struct bpe *b, const char *const *captions, long n, int vocabulary) {
    CHECK(vocabulary >= BPE_SMALLEST, "a vocabulary of %d", vocabulary);
    struct trainer t = {0};
    int merges = vocabulary - BPE_SMALLEST, best;
    t.words.arena = t.numbers.arena = &t.arena;
    bpe_begin(b, merges);
    count_words(&t, captions, n);
    begin(&t, b);
    while (b->n_merges < merges && (best = best_pair(&t)) >= 0) {
        const struct bpe_merge m = t.pairs[best].tokens;
        for (const struct place *p = t.pairs[best].places; p; p = p->next)
            merge_in(&t, p->word, m, BPE_BYTES + b->n_merges);
        offer_changed(&t);
        bpe_add(b, m.left, m.right);
    }
    bpe_finish(b);
    arena_free(&t.arena);
}
