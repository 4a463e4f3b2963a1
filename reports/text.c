#include "reports/text_internal.h"

#include "core/decimal.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Takes one character off *text; -1 and one byte when it is not UTF-8 (RFC 3629). */
static int32_t next_character(const char **text) {
    static const int32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *c = (const unsigned char *)*text;
    int more = *c < 0x80 ? 0 : *c >> 5 == 6 ? 1 : *c >> 4 == 14 ? 2 : *c >> 3 == 30 ? 3 : -1;
    int32_t code = more <= 0 ? *c : *c & (0x3f >> more);
    *text += 1;
    if (more < 0)
        return -1;
    for (int i = 1; i <= more; i++) {
        if (c[i] >> 6 != 2)
            return -1;
        code = code << 6 | (c[i] & 0x3f);
    }
    if (code < smallest[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return -1;
    *text += more;
    return code;
}

/* The C library knows widths only in a UTF-8 locale, which a batch job may not have. */
static int character_width(int32_t code) {
    static const struct {
        int32_t first, last;
        int width;
    } special[] = {
        {0x0300, 0x036f, 0},   {0x200b, 0x200f, 0}, {0x20d0, 0x20ff, 0}, {0xfe00, 0xfe0f, 0},
        {0x1100, 0x115f, 2},   {0x2e80, 0xa4cf, 2}, {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2},
        {0xfe30, 0xfe6f, 2},   {0xff00, 0xff60, 2}, {0xffe0, 0xffe6, 2}, {0x1f300, 0x1faff, 2},
        {0x20000, 0x3fffd, 2},
    };
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (code >= special[i].first && code <= special[i].last)
            return special[i].width;
    return 1;
}

static int is_control(int32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

char *text_clean(const char *text, struct arena *a) {
    char *clean = arena_alloc(a, strlen(text) + 1), *out = clean;
    while (*text) {
        const char *start = text;
        if (is_control(next_character(&text)))
            *out++ = '?';
        else
            out = (char *)memcpy(out, start, (size_t)(text - start)) + (text - start);
    }
    return clean;
}

char *text_valid(const char *text, struct arena *a) {
    static const char replacement[] = "\xef\xbf\xbd";
    char *valid = arena_alloc(a, strlen(text) * strlen(replacement) + 1), *out = valid;
    while (*text) {
        const char *start = text;
        if (next_character(&text) < 0)
            out = stpcpy(out, replacement);
        else
            while (start < text)
                *out++ = *start++;
    }
    return valid;
}

/* What practically every font has: Latin, Greek, Cyrillic, Armenian; punctuation, arrows, signs. */
static int is_common(int32_t code) {
    return code < 0x0590 || (code >= 0x1e00 && code < 0x2000) || (code >= 0x2010 && code < 0x2300);
}

char *text_for_fonts(const char *text, struct arena *a) {
    char *common = text_clean(text, a), *out = common;
    for (const char *in = common; *in;) {
        const char *start = in;
        if (!is_common(next_character(&in)))
            *out++ = '?';
        else
            while (start < in)
                *out++ = *start++;
    }
    *out = '\0';
    return common;
}

int text_width(const char *text) {
    int width = 0;
    while (*text)
        width += character_width(next_character(&text));
    return width;
}

/* The start of what is left behind the first characters that fit into `columns`. */
static const char *skip_columns(const char *text, int columns) {
    while (*text) {
        const char *start = text;
        columns -= character_width(next_character(&text));
        if (columns < 0)
            return start;
    }
    return text;
}

char *text_cut(const char *text, int columns, struct arena *a) {
    if (text_width(text) <= columns)
        return arena_strdup(a, text);
    int head = (columns - 2 + 1) / 2, tail = columns - 2 - head;
    const char *end = skip_columns(text, head), *rest = end;
    while (text_width(rest) > tail)
        next_character(&rest);
    return arena_printf(a, "%.*s..%s", (int)(end - text), text, rest);
}

/* The name of a setting that a word begins with, behind its section; its length, 0: it is none. */
static size_t setting_name(const char *word, const char **name) {
    size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz_0123456789.");
    *name = word;
    if (!n || word[n] != '=')
        return 0;
    for (size_t i = 0; i < n; i++)
        if (word[i] == '.')
            *name = word + i + 1;
    return (size_t)(word + n - *name);
}

/* With names of at most so many letters. */
static char *with_names(const char *text, size_t letters, struct arena *a) {
    char *out = arena_alloc(a, strlen(text) + 1), *to = out;
    while (*text) {
        const char *name;
        size_t n = setting_name(text, &name), rest;
        if (n) {
            rest = n < letters ? n : letters;
            memcpy(to, name, rest);
            to += rest;
            text = name + n;
        }
        rest = strcspn(text, " ");
        rest += strspn(text + rest, " ");
        memcpy(to, text, rest);
        to += rest;
        text += rest;
    }
    *to = '\0';
    return out;
}

char *text_cut_settings(const char *text, int columns, struct arena *a) {
    enum { MOST = 32, LEAST = 2 };
    const char *shorter = text;
    for (int letters = MOST; letters >= LEAST && text_width(shorter) > columns; letters--)
        shorter = with_names(text, (size_t)letters, a);
    return text_cut(shorter, columns, a);
}

char *text_wrap(const char *text, int columns, struct arena *a) {
    char *copy = arena_strdup(a, text), *line = copy, *blank = NULL;
    for (char *c = copy; *c; c++) {
        if (*c == '\n')
            *c = ' ';
        if (*c != ' ')
            continue;
        *c = '\0';
        int fits = text_width(line) <= columns;
        *c = ' ';
        if (!fits && blank) {
            *blank = '\n';
            line = blank + 1;
        }
        blank = c;
    }
    if (blank && blank > line && text_width(line) > columns)
        *blank = '\n';
    return copy;
}

/* ---- fields of CSV ---- */

void csv_put_text(FILE *out, const char *text) {
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

void csv_put_number(FILE *out, double x) {
    char text[DECIMAL];
    if (!isfinite(x))
        return;
    decimal(x, text);
    fputs(text, out);
}
