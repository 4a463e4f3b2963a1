/* bpe_file.c -- vocabulary files: bpe_simple_vocab_16e6.txt of CLIP, merges.txt of others.
 *
 * A line with "#version", then the two parts of a merge a line, best first.  A byte is written as a
 * character, as GPT-2 does: the printable ones of Latin-1 as themselves, the others in order as
 * U+0100, U+0101, ...; "</w>" behind a part means that a word ends there.
 */
#include "core/file.h"
#include "data/bpe_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <utf8proc.h>
#include <zlib.h>

enum { MOST_BYTES = 64 << 20, SHARE = 1 << 18, FIRST_OTHER = 256 };

static const char word_end[] = "</w>";
enum { WORD_END = sizeof word_end - 1 };

struct reader {
    struct bpe *b;
    const char *path;
    struct arena scratch;
    struct intern strings; /* of every token: its bytes, then '0' or '1', does it end a word */
    int32_t *string_token; /* of a string */
    long line;
};

/* zlib reads plain files as they are. */
static int read_text(struct reader *r, char **text, struct error *err) {
    size_t room = SHARE, used = 0;
    int got, code;
    errno = 0; /* zlib sets it, or has no memory */
    gzFile gz = gzopen(r->path, "rb");
    if (!gz)
        return error_set(err, file_blame(errno), "%s: cannot open it: %s", r->path,
                         errno ? strerror(errno) : "no memory");
    *text = arena_alloc(&r->scratch, room + 1);
    while ((got = gzread(gz, *text + used, (unsigned)(room - used))) > 0) {
        used += (size_t)got;
        if (used < room)
            continue;
        char *larger = arena_alloc(&r->scratch, 2 * room + 1);
        memcpy(larger, *text, used);
        *text = larger;
        room *= 2;
        if (used >= MOST_BYTES)
            break;
    }
    const char *reason = gzerror(gz, &code);
    int status = 0;
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
        status = error_set(err, STATUS_USAGE, "%s: broken data: %s", r->path, reason);
    else if (used >= MOST_BYTES || memchr(*text, 0, used))
        status = error_set(err, STATUS_USAGE, "%s: this is no vocabulary: %s", r->path,
                           used >= MOST_BYTES ? "it is too long" : "it holds a byte of 0");
    gzclose(gz);
    return status;
}

static int wrong(const struct reader *r, const char *what, struct error *err) {
    return error_set(err, STATUS_USAGE, "%s: line %ld: %s", r->path, r->line, what);
}

static int string_of(struct reader *r, const struct bpe_token *t, int add) {
    char *key = arena_alloc(&r->scratch, (size_t)t->n + 1);
    memcpy(key, t->bytes, (size_t)t->n);
    key[t->n] = t->ends_word ? '1' : '0';
    return add ? intern_add(&r->strings, key, (size_t)t->n + 1)
               : intern_find(&r->strings, key, (size_t)t->n + 1);
}

static int byte_of(const struct bpe *b, utf8proc_int32_t c) {
    if (c < FIRST_OTHER)
        return bpe_is_printable(c) ? c : -1;
    int token = c - FIRST_OTHER + PRINTABLE;
    return token < BYTE_VALUES ? (uint8_t)b->tokens[token].bytes[0] : -1;
}

/* The token that a part of a line names, or -1. */
static int32_t find_token(struct reader *r, const char *part, size_t n) {
    char *bytes = arena_alloc(&r->scratch, n + 1);
    struct bpe_token t = {bytes, 0, 0};
    if (n > WORD_END && !memcmp(part + n - WORD_END, word_end, WORD_END)) {
        t.ends_word = 1;
        n -= WORD_END;
    }
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t length =
            utf8proc_iterate((const utf8proc_uint8_t *)part + i, (utf8proc_ssize_t)(n - i), &c);
        int byte = length > 0 ? byte_of(r->b, c) : -1;
        if (byte < 0)
            return -1;
        bytes[t.n++] = (char)byte;
        i += (size_t)length;
    }
    int string = string_of(r, &t, 0);
    return string < 0 ? -1 : r->string_token[string];
}

static int read_merge(struct reader *r, const char *line, struct error *err) {
    static const char *const unknown[2] = {
        "its left part is neither a byte nor what a line before makes",
        "its right part is neither a byte nor what a line before makes"};
    struct bpe *b = r->b;
    int32_t parts[2];
    const char *blank = strchr(line, ' ');
    if (!blank || blank == line || !blank[1] || strchr(blank + 1, ' '))
        return wrong(r, "two parts with a blank between them expected", err);
    for (int i = 0; i < 2; i++) {
        parts[i] = i ? find_token(r, blank + 1, strlen(blank + 1))
                     : find_token(r, line, (size_t)(blank - line));
        if (parts[i] < 0)
            return wrong(r, unknown[i], err);
    }
    if (b->tokens[parts[0]].ends_word)
        return wrong(r, "its left part ends a word, so nothing can follow", err);
    static const char again[] = "it makes what a line before makes already";
    if (intern_find(b->pairs, parts, sizeof parts) >= 0)
        return wrong(r, again, err);
    int known = r->strings.n, made = BPE_BYTES + b->n_merges;
    bpe_add(b, parts[0], parts[1]);
    int string = string_of(r, &b->tokens[made], 1);
    if (string < known)
        return wrong(r, again, err);
    r->string_token[string] = made;
    return 0;
}

static long count_lines(const char *text) {
    long n = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        n++;
    return n;
}

/* The line at *at, without its end, or NULL behind the last one. */
static char *next_line(struct reader *r, char **at) {
    char *line = *at;
    if (!*line)
        return NULL;
    size_t n = strcspn(line, "\n");
    *at = line + n + (line[n] == '\n');
    line[n] = '\0';
    if (n && line[n - 1] == '\r')
        line[n - 1] = '\0';
    r->line++;
    return line;
}

static int read_merges(struct reader *r, char *text, int vocabulary, struct error *err) {
    struct bpe *b = r->b;
    long lines = count_lines(text);
    int most = vocabulary ? vocabulary - BPE_SMALLEST : (int)lines, status = 0;
    const char *line = next_line(r, &text);
    if (!line || !strstr(line, "#version"))
        return error_set(err, STATUS_USAGE,
                         "%s: line 1: a line with \"#version\" expected, as in "
                         "bpe_simple_vocab_16e6.txt",
                         r->path);
    if (lines < most) /* before room is made for them */
        return error_set(err, STATUS_USAGE,
                         "%s: %d merges expected for a vocabulary of %d, found %ld lines", r->path,
                         most, vocabulary, lines);
    bpe_begin(b, most);
    r->string_token = ARENA_ARRAY(&r->scratch, int32_t, BPE_BYTES + most + 1);
    for (int i = 0; i < BPE_BYTES; i++)
        r->string_token[string_of(r, &b->tokens[i], 1)] = i;
    while (b->n_merges < most && (line = next_line(r, &text)) != NULL)
        TRY(read_merge(r, line, err));
    if (vocabulary && b->n_merges < most)
        return error_set(err, STATUS_USAGE,
                         "%s: %d merges expected for a vocabulary of %d, found %d", r->path, most,
                         vocabulary, b->n_merges);
    bpe_finish(b);
out:
    return status;
}

int bpe_read(struct bpe *b, const char *path, int vocabulary, struct error *err) {
    CHECK(!vocabulary || vocabulary >= BPE_SMALLEST, "a vocabulary of %d", vocabulary);
    struct reader r = {.b = b, .path = path};
    char nothing[1] = "", *text = nothing;
    int status = 0;
    *b = (struct bpe){0};
    r.strings.arena = &r.scratch;
    TRY(read_text(&r, &text, err));
    TRY(read_merges(&r, text, vocabulary, err));
out:
    arena_free(&r.scratch);
    if (status)
        bpe_free(b);
    return status;
}

static char *write_token(const struct bpe *b, const struct bpe_token *t, char *end) {
    for (int i = 0; i < t->n; i++) {
        uint8_t byte = (uint8_t)t->bytes[i];
        utf8proc_int32_t c =
            bpe_is_printable(byte) ? byte : FIRST_OTHER + b->byte_token[byte] - PRINTABLE;
        end += utf8proc_encode_char(c, (utf8proc_uint8_t *)end);
    }
    if (t->ends_word) {
        memcpy(end, word_end, WORD_END);
        end += WORD_END;
    }
    return end;
}

char *bpe_text(const struct bpe *b, struct arena *a) {
    static const char head[] = "#version: 0.2\n";
    size_t bytes = sizeof head;
    for (int i = 0; i < b->n_merges; i++) /* two bytes a character, two ends, blank and newline */
        bytes += 2 * (size_t)b->tokens[BPE_BYTES + i].n + 2 * WORD_END + 2;
    char *text = arena_alloc(a, bytes), *end = text + sizeof head - 1;
    memcpy(text, head, sizeof head);
    for (int i = 0; i < b->n_merges; i++) {
        end = write_token(b, &b->tokens[b->merges[i].left], end);
        *end++ = ' ';
        end = write_token(b, &b->tokens[b->merges[i].right], end);
        *end++ = '\n';
    }
    *end = '\0';
    return text;
}

int bpe_write(const struct bpe *b, const char *path, struct error *err) {
    struct arena scratch = {0};
    const char *text = bpe_text(b, &scratch);
    int status = file_write_atomic(path, text, strlen(text), err);
    arena_free(&scratch);
    return status;
}
