/* dataset_arguments.c -- a specification taken apart: FOLDER,key=1,key=word. */
#include "core/options.h"
#include "data/dataset_internal.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEYS = 16 };

const char *dataset_others(struct arena *a, const char *name, const char *intro,
                           const char *const *names, int n) {
    const char *nearest = nearest_name(name, names, n);
    const char *text = nearest ? arena_printf(a, "; did you mean \"%s\"? %s:", nearest, intro)
                               : arena_printf(a, ". %s:", intro);
    for (int i = 0; i < n; i++)
        text = arena_printf(a, "%s%s %s", text, i ? "," : "", names[i]);
    return text;
}

static int looks_like_key(const char *text, size_t *length) {
    size_t n = 0;
    while (islower((unsigned char)text[n]) || text[n] == '_')
        n++;
    *length = n;
    return n && text[n] == '=';
}

static int set_word(const struct dataset *d, const struct dataset_key *key, const char *text,
                    long *value, struct error *err) {
    size_t n = strlen(text);
    const char *word = key->words;
    for (*value = 0; word; ++*value) {
        if (!strncmp(word, text, n) && (!word[n] || word[n] == '|'))
            return 0;
        word = strchr(word, '|');
        word += word != NULL;
    }
    return error_set(err, STATUS_USAGE, "dataset %s: %s=%s is not one of %s", d->name, key->key,
                     text, key->words);
}

/* A number with as many decimals at most, times ten to their power.  Returns 0 when it is none. */
static int parse_number(const char *text, int decimals, long *value) {
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    if (end == text || isspace((unsigned char)text[0]) || (decimals && text[0] == '-'))
        return 0;
    int point = decimals && *end == '.';
    for (end += point; decimals; decimals--) {
        int digit = point && isdigit((unsigned char)*end) ? *end++ - '0' : 0;
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, digit, value))
            errno = ERANGE;
    }
    return !*end;
}

/* A bound as it is written. */
static const char *format_number(struct arena *a, long value, int decimals) {
    return decimals ? arena_printf(a, "%g", (double)value / pow(10, decimals))
                    : arena_printf(a, "%ld", value);
}

static int set_number(struct dataset *d, const struct dataset_key *key, const char *text,
                      long *value, struct error *err) {
    struct arena *a = &d->arena;
    if (!parse_number(text, key->decimals, value))
        return error_set(err, STATUS_USAGE, "dataset %s: %s=%s is not a %s", d->name, key->key,
                         text, key->decimals ? "number" : "whole number");
    if (errno || *value < key->min || *value > key->max)
        return error_set(err, STATUS_USAGE, "dataset %s: %s=%s is out of range, %s to %s", d->name,
                         key->key, text, format_number(a, key->min, key->decimals),
                         format_number(a, key->max, key->decimals));
    return 0;
}

struct given { /* what the specification says so far */
    const struct dataset_key *keys;
    int n_keys;
    long *values;
    const char **texts;
    int numbers[MAX_KEYS], words[MAX_KEYS]; /* of a key: is it there? */
};

static int set_value(struct dataset *d, struct given *g, const char *key, const char *text,
                     struct error *err) {
    const char *names[MAX_KEYS];
    int k = -1;
    for (int i = 0; i < g->n_keys; i++) {
        names[i] = g->keys[i].key;
        if (!strcmp(names[i], key))
            k = i;
    }
    if (k < 0)
        return error_set(err, STATUS_USAGE, "dataset %s has no argument \"%s\"%s", d->name, key,
                         dataset_others(&d->arena, key, "It takes", names, g->n_keys));
    long ignored;
    int is_text = g->keys[k].is_text && !parse_number(text, 0, &ignored);
    int *given = is_text ? &g->words[k] : &g->numbers[k];
    if (*given)
        return error_set(err, STATUS_USAGE, "dataset %s: %s is given twice", d->name, key);
    *given = 1;
    if (is_text) {
        g->texts[k] = text;
        return 0;
    }
    return g->keys[k].words ? set_word(d, &g->keys[k], text, &g->values[k], err)
                            : set_number(d, &g->keys[k], text, &g->values[k], err);
}

/* The comma that ends this part of a specification, or NULL. */
static char *end_of_part(char *part) {
    for (char *c = part; *c; c++) {
        char *closed = *c == '{' ? strchr(c, '}') : NULL;
        if (*c == ',')
            return c;
        if (closed)
            c = closed;
    }
    return NULL;
}

int dataset_arguments(struct dataset *d, const char *argument, const struct dataset_key *keys,
                      int n_keys, long *values, const char **texts, char **folder,
                      struct error *err) {
    CHECK(n_keys <= MAX_KEYS, "%d keys", n_keys);
    struct given g = {.keys = keys, .n_keys = n_keys, .values = values, .texts = texts};
    char *path = NULL, *rest = arena_strdup(&d->arena, argument);
    int status = 0;
    for (int i = 0; i < n_keys; i++) {
        values[i] = keys[i].by_default;
        CHECK(texts || !keys[i].is_text, "no place for the text of %s", keys[i].key);
        if (texts)
            texts[i] = NULL;
    }
    while (rest && *rest) {
        char *part = rest;
        size_t length;
        int is_key = looks_like_key(part, &length);
        rest = end_of_part(part);
        if (rest)
            *rest++ = '\0';
        if (is_key) {
            part[length] = '\0';
            TRY(set_value(d, &g, part, part + length + 1, err));
        } else if (folder) {
            path = path ? arena_printf(&d->arena, "%s,%s", path, part) : part;
        } else {
            return error_set(err, STATUS_USAGE,
                             "dataset %s: \"%s\" is not KEY=VALUE; write it as %s:%s", d->name,
                             part, d->source->name, d->source->argument_help);
        }
    }
    if (folder)
        *folder = path ? path : "";
out:
    return status;
}
