/* webdataset_text.c -- what the text members of a sample say.
 *
 *     cls     the label: a whole number, or a name
 *     txt     captions, one a line
 *     json    an object; of it "label" (a whole number or a string), and "caption" or "captions",
 *             each a string or an array of strings
 */
#include "data/utf8.h"
#include "data/webdataset_internal.h"

#include <ctype.h>
#include <string.h>

#include <jansson.h>

enum { MOST_CAPTIONS = 1000 };

static void wrong(struct sample *s, struct arena *a, const char *kind, const char *what) {
    if (!s->wrong)
        s->wrong = arena_printf(a, "its %s: %s", kind, what);
}

/* Without blanks around it. */
static char *trimmed(struct arena *a, const char *text, size_t n) {
    while (n && isspace((unsigned char)text[0]))
        text++, n--;
    while (n && isspace((unsigned char)text[n - 1]))
        n--;
    return arena_printf(a, "%.*s", (int)n, text);
}

static void add_caption(struct sample *s, struct arena *a, const char *kind, const char *text) {
    if (s->n_captions == MOST_CAPTIONS) {
        wrong(s, a, kind, "more captions than this program takes");
        return;
    }
    if (!(s->n_captions & (s->n_captions - 1))) { /* full: at 0, 1, 2, 4, ... */
        const char **more = ARENA_ARRAY(a, const char *, s->n_captions ? 2 * s->n_captions : 1);
        if (s->n_captions)
            memcpy(more, s->captions, (size_t)s->n_captions * sizeof *more);
        s->captions = more;
    }
    s->captions[s->n_captions++] = text;
}

static void take_lines(struct sample *s, struct arena *a, const char *kind, const char *text) {
    while (*text) {
        size_t n = strcspn(text, "\r\n");
        char *line = trimmed(a, text, n);
        if (line[0])
            add_caption(s, a, kind, line);
        text += n + (text[n] != '\0');
    }
}

static void take_captions(struct sample *s, struct arena *a, const json_t *value) {
    const json_t *one = json_is_array(value) ? NULL : value;
    size_t n = one ? 1 : json_array_size(value);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(one ? one : json_array_get(value, i));
        char *caption = text ? trimmed(a, text, strlen(text)) : "";
        if (!caption[0])
            wrong(s, a, "json", text ? "a caption is empty" : "a caption is no text");
        else
            add_caption(s, a, "json", caption);
    }
}

static void take_label(struct sample *s, struct arena *a, const json_t *value) {
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        s->label = arena_printf(a, "%lld", (long long)json_integer_value(value));
    else if (json_is_string(value) && json_string_value(value)[0])
        s->label = arena_strdup(a, json_string_value(value));
    else
        wrong(s, a, "json", "the label is neither a whole number nor a name");
}

static void take_json(struct sample *s, struct arena *a, const char *text, size_t n) {
    json_error_t reason;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &reason);
    const json_t *value;
    if (!json_is_object(root)) {
        wrong(s, a, "json",
              root ? "an object expected"
                   : arena_printf(a, "line %d: %s", reason.line, reason.text));
        json_decref(root);
        return;
    }
    if ((value = json_object_get(root, "label")) && !json_is_null(value) && !s->label)
        take_label(s, a, value);
    static const char *const keys[] = {"captions", "caption"};
    for (int i = 0; i < 2 && !s->captions_of_json; i++)
        if ((value = json_object_get(root, keys[i])) && !json_is_null(value)) {
            s->n_captions = 0;
            take_captions(s, a, value);
            s->captions_of_json = 1;
        }
    json_decref(root);
}

void sample_take_text(struct sample *s, const char *kind, const char *text, size_t n,
                      struct arena *a) {
    if (utf8_length(text, n) < n || memchr(text, 0, n)) {
        wrong(s, a, kind, "it is no UTF-8 text");
    } else if (!strcmp(kind, "cls")) {
        s->label = trimmed(a, text, n);
        if (!s->label[0] || strpbrk(s->label, "\r\n"))
            wrong(s, a, kind, "one label expected");
    } else if (!strcmp(kind, "json")) {
        take_json(s, a, text, n);
    } else if (!s->captions_of_json) {
        take_lines(s, a, kind, text);
    }
}
