/* bpe_text.c -- what happens to a text before it is cut into tokens.
 *
 * The words are those of CLIP's regular expression, in its order of alternatives and without regard
 * to case:  's|'t|'re|'ve|'m|'ll|'d  |  \p{L}+  |  \p{N}  |  [^\s\p{L}\p{N}]+
 */
#include "data/bpe_internal.h"

#include <limits.h>
#include <string.h>

#include <utf8proc.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

char *utf8_repair(const char *bytes, size_t n, struct arena *a, long *replaced) {
    enum { MARK = sizeof replacement - 1 };
    const utf8proc_uint8_t *in = (const utf8proc_uint8_t *)bytes;
    char *out = arena_alloc(a, MARK * n + 1), *end = out;
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t c;
        size_t left = n - i;
        utf8proc_ssize_t length = utf8proc_iterate(in + i, left < 4 ? (int)left : 4, &c);
        if (length > 0 && c) {
            memcpy(end, bytes + i, (size_t)length);
            end += length;
            i += (size_t)length;
        } else {
            memcpy(end, replacement, MARK);
            end += MARK;
            i++;
            if (replaced)
                ++*replaced;
        }
    }
    *end = '\0';
    return out;
}

/* Unicode's White_Space. */
static int is_space(utf8proc_int32_t c) {
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

/* The code points of a valid text in NFC. */
static utf8proc_int32_t *compose(const char *text, struct arena *a, size_t *n) {
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    const utf8proc_uint8_t *in = (const utf8proc_uint8_t *)text;
    utf8proc_ssize_t bytes = (utf8proc_ssize_t)strlen(text);
    utf8proc_ssize_t count = utf8proc_decompose(in, bytes, NULL, 0, options);
    CHECK(count >= 0, "%s", utf8proc_errmsg(count));
    utf8proc_int32_t *points = ARENA_ARRAY(a, utf8proc_int32_t, count + 1);
    count = utf8proc_decompose(in, bytes, points, count, options);
    CHECK(count >= 0, "%s", utf8proc_errmsg(count));
    count = utf8proc_normalize_utf32(points, count, options);
    CHECK(count >= 0, "%s", utf8proc_errmsg(count));
    *n = (size_t)count;
    return points;
}

char *bpe_clean(const char *text, struct arena *a, long *replaced) {
    size_t bytes = strlen(text), n;
    CHECK(bytes < INT_MAX / 64, "a text of %zu bytes", bytes);
    const utf8proc_int32_t *points = compose(utf8_repair(text, bytes, a, replaced), a, &n);
    char *out = arena_alloc(a, 4 * n + 1), *end = out;
    int blank = 0; /* one is due before the next character */
    for (size_t i = 0; i < n; i++) {
        if (is_space(points[i])) {
            blank = end > out;
            continue;
        }
        if (blank)
            *end++ = ' ';
        blank = 0;
        end += utf8proc_encode_char(utf8proc_tolower(points[i]), (utf8proc_uint8_t *)end);
    }
    *end = '\0';
    return out;
}

enum kind { END, BLANK, LETTER, NUMBER, OTHER };

/* Of the character at p, in a cleaned text. */
static enum kind kind_of(const char *p, size_t *length) {
    utf8proc_int32_t c;
    *length = 1;
    if (!*p || *p == ' ')
        return *p ? BLANK : END;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p, -1, &c);
    CHECK(n > 0, "a text that is not clean");
    *length = (size_t)n;
    utf8proc_category_t category = utf8proc_category(c);
    if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO)
        return LETTER;
    return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO ? NUMBER : OTHER;
}

static size_t contraction(const char *p) {
    /* The last one is the long s, which is an s where case does not matter. */
    static const char *const all[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'\xc5\xbf"};
    for (size_t i = 0; *p == '\'' && i < sizeof all / sizeof *all; i++)
        if (!strncmp(p, all[i], strlen(all[i])))
            return strlen(all[i]);
    return 0;
}

size_t bpe_next_word(const char **at, const char **word) {
    const char *p = *at;
    size_t length, n;
    while (*p == ' ')
        p++;
    *word = p;
    n = contraction(p);
    if (!n) {
        enum kind kind = kind_of(p, &length);
        do
            n += kind == END ? 0 : length;
        while ((kind == LETTER || kind == OTHER) && kind_of(p + n, &length) == kind);
    }
    *at = p + n;
    return n;
}
