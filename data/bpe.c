#include "data/bpe.h"

#include "core/sha256.h"
#include "data/bpe_internal.h"

#include <string.h>

/* The printable ones of Latin-1, less the soft hyphen. */
int bpe_is_printable(int byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

void bpe_begin(struct bpe *b, int most_merges) {
    *b = (struct bpe){0};
    b->tokens = ARENA_ARRAY(&b->arena, struct bpe_token, BPE_BYTES + most_merges);
    b->merges = ARENA_ARRAY(&b->arena, struct bpe_merge, most_merges);
    b->pairs = ARENA_NEW(&b->arena, struct intern);
    b->pairs->arena = &b->arena;
    char *bytes = arena_alloc(&b->arena, BYTE_VALUES);
    int first = 0, later = PRINTABLE;
    for (int i = 0; i < BYTE_VALUES; i++) {
        int32_t token = bpe_is_printable(i) ? first++ : later++;
        b->byte_token[i] = token;
        bytes[i] = (char)i;
        b->tokens[token] = (struct bpe_token){bytes + i, 1, 0};
        b->tokens[token + BYTE_VALUES] = (struct bpe_token){bytes + i, 1, 1};
    }
}

void bpe_add(struct bpe *b, int32_t left, int32_t right) {
    const struct bpe_merge merge = {left, right};
    const struct bpe_token *l = &b->tokens[left], *r = &b->tokens[right];
    CHECK(!l->ends_word, "merge %d begins with the end of a word", b->n_merges);
    char *bytes = arena_alloc(&b->arena, (size_t)(l->n + r->n));
    memcpy(bytes, l->bytes, (size_t)l->n);
    memcpy(bytes + l->n, r->bytes, (size_t)r->n);
    int rank = intern_add(b->pairs, &merge, sizeof merge);
    CHECK(rank == b->n_merges, "merge %d was there before", b->n_merges);
    b->merges[rank] = merge;
    b->tokens[BPE_BYTES + rank] = (struct bpe_token){bytes, l->n + r->n, r->ends_word};
    b->n_merges++;
}

void bpe_finish(struct bpe *b) {
    struct arena scratch = {0};
    const char *text = bpe_text(b, &scratch);
    b->start = BPE_BYTES + b->n_merges;
    b->end = b->start + 1;
    b->vocabulary = b->start + 2;
    sha256_hex(text, strlen(text), b->sha256);
    arena_free(&scratch);
}

void bpe_free(struct bpe *b) {
    arena_free(&b->arena);
    *b = (struct bpe){0};
}

/* A word on its way from bytes to tokens: a list of symbols, and the merges that some two
 * neighbours could make, best first.  What a merge made stale stays in the queue and is passed
 * over, so a word of n bytes takes n log n steps. */
struct symbol {
    int32_t token; /* -1: merged into the one before it */
    int32_t before, after;
};

struct candidate {
    int32_t rank, at;
};

struct word {
    struct symbol *symbols;
    struct candidate *queue; /* a heap */
    int n;
};

static int is_better(struct candidate a, struct candidate b) {
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void put(struct word *w, struct candidate c) {
    int i = w->n++;
    for (; i && is_better(c, w->queue[(i - 1) / 2]); i = (i - 1) / 2)
        w->queue[i] = w->queue[(i - 1) / 2];
    w->queue[i] = c;
}

static struct candidate take(struct word *w) {
    struct candidate best = w->queue[0], c = w->queue[--w->n];
    int i = 0;
    for (int child; (child = 2 * i + 1) < w->n; i = child) {
        child += child + 1 < w->n && is_better(w->queue[child + 1], w->queue[child]);
        if (!is_better(w->queue[child], c))
            break;
        w->queue[i] = w->queue[child];
    }
    w->queue[i] = c;
    return best;
}

static void consider(const struct bpe *b, struct word *w, int32_t at) {
    if (at < 0 || w->symbols[at].after < 0)
        return;
    const struct bpe_merge pair = {w->symbols[at].token, w->symbols[w->symbols[at].after].token};
    int rank = intern_find(b->pairs, &pair, sizeof pair);
    if (rank >= 0)
        put(w, (struct candidate){rank, at});
}

/* Returns how many tokens it wrote, at most room. */
static int encode_word(const struct bpe *b, const char *bytes, int n, int32_t *ids, int room,
                       struct arena *a) {
    /* n - 1 pairs at first, and each of n - 1 merges makes two at most */
    struct word w = {ARENA_ARRAY(a, struct symbol, n), ARENA_ARRAY(a, struct candidate, 3 * n), 0};
    for (int i = 0; i < n; i++)
        w.symbols[i] = (struct symbol){b->byte_token[(uint8_t)bytes[i]], i - 1, i + 1};
    w.symbols[n - 1].token += BYTE_VALUES;
    w.symbols[n - 1].after = -1;
    for (int i = 0; i < n - 1; i++)
        consider(b, &w, i);
    while (w.n) {
        struct candidate c = take(&w);
        const struct bpe_merge *m = &b->merges[c.rank];
        struct symbol *left = &w.symbols[c.at];
        if (left->token != m->left || left->after < 0 || w.symbols[left->after].token != m->right)
            continue;
        struct symbol *right = &w.symbols[left->after];
        left->token = BPE_BYTES + c.rank;
        left->after = right->after;
        right->token = -1;
        if (left->after >= 0)
            w.symbols[left->after].before = c.at;
        consider(b, &w, left->before);
        consider(b, &w, c.at);
    }
    int written = 0;
    for (int i = 0; i >= 0 && written < room; i = w.symbols[i].after)
        ids[written++] = w.symbols[i].token;
    return written;
}

int bpe_encode(const struct bpe *b, const char *text, int context, int32_t *ids, long *replaced) {
    CHECK(context >= 2, "a context of %d has no room for the start and the end", context);
    struct arena scratch = {0};
    const char *at = bpe_clean(text, &scratch, replaced), *word;
    int n = 0;
    ids[n++] = b->start;
    for (size_t bytes; n < context && (bytes = bpe_next_word(&at, &word)) != 0;)
        n += encode_word(b, word, (int)bytes, ids + n, context - n, &scratch);
    n -= n == context;
    ids[n++] = b->end;
    memset(ids + n, 0, (size_t)(context - n) * sizeof *ids);
    arena_free(&scratch);
    return n;
}

char *bpe_decode(const struct bpe *b, const int32_t *ids, int n, struct arena *a) {
    struct arena scratch = {0};
    size_t bytes = 0;
    int used = 0, blank = 0; /* one is due before the next token */
    for (; used < n && ids[used] != b->end; used++) {
        CHECK(ids[used] >= 0 && ids[used] < b->vocabulary, "token %d of %d", ids[used],
              b->vocabulary);
        bytes += ids[used] == b->start ? 0 : (size_t)b->tokens[ids[used]].n + 1;
    }
    char *text = arena_alloc(&scratch, bytes + 1), *end = text;
    for (int i = 0; i < used; i++) {
        if (ids[i] == b->start)
            continue;
        const struct bpe_token *t = &b->tokens[ids[i]];
        if (blank)
            *end++ = ' ';
        memcpy(end, t->bytes, (size_t)t->n);
        end += t->n;
        blank = t->ends_word;
    }
    char *valid = utf8_repair(text, (size_t)(end - text), a, NULL);
    arena_free(&scratch);
    return valid;
}
