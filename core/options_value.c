/* Text to value and back.  The program leaves LC_NUMERIC alone, so numbers are in the C locale. */
#include "core/options_internal.h"

#include "core/decimal.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char *real_text(double x, struct arena *a) {
    char text[DECIMAL];
    decimal(x, text);
    return arena_strdup(a, text);
}

char *option_allowed(const struct option_def *def, struct arena *a) {
    if (def->type == OPT_TEXT)
        return arena_strdup(a, def->choices ? def->choices : "");
    if (def->type == OPT_BOOL)
        return arena_strdup(a, "true|false");
    int whole = def->type == OPT_INT || def->type == OPT_INTS;
    int no_min = whole ? def->min <= INT_MIN : def->min <= -DBL_MAX;
    int no_max = whole ? def->max >= INT_MAX : def->max >= DBL_MAX;
    if (no_min && no_max)
        return arena_strdup(a, "");
    if (no_max)
        return arena_printf(a, "at least %s", real_text(def->min, a));
    if (no_min)
        return arena_printf(a, "at most %s", real_text(def->max, a));
    if (def->type == OPT_REAL && def->min < 0)
        return arena_printf(a, "%s, or 0 to %s", real_text(def->min, a), real_text(def->max, a));
    return arena_printf(a, "%s to %s", real_text(def->min, a), real_text(def->max, a));
}

/* "mae.depth: "x" is not a whole number (1 to 64)" */
static int refuse(const struct option_def *def, const char *key, const char *text, const char *what,
                  struct error *err) {
    struct arena a = {0};
    const char *allowed = option_allowed(def, &a);
    error_set(err, STATUS_USAGE, "%s: \"%.100s\" is %s%s%s%s", key, text, what,
              allowed[0] ? " (" : "", allowed, allowed[0] ? ")" : "");
    arena_free(&a);
    return err->status;
}

/* A real that may be below 0 is one that is not: its least value stands for "not given". */
static int in_range(const struct option_def *def, double x) {
    int given = def->type != OPT_REAL || x >= 0 || def->min <= -DBL_MAX;
    return given ? x >= def->min && x <= def->max : x == def->min;
}

static int parse_int(const struct option_def *def, const char *key, const char *text, int *out,
                     struct error *err) {
    char *end;
    errno = 0;
    long x = strtol(text, &end, 10);
    if (!*text || isspace((unsigned char)*text) || *end)
        return refuse(def, key, text, "not a whole number", err);
    if (errno == ERANGE || x < INT_MIN || x > INT_MAX || !in_range(def, (double)x))
        return refuse(def, key, text, "out of range", err);
    *out = (int)x;
    return 0;
}

static int parse_real(const struct option_def *def, const char *key, const char *text, double *out,
                      struct error *err) {
    char *end;
    double x = strtod(text, &end);
    /* strtod alone would also take blanks, "nan", "inf" and hexadecimal numbers. */
    if (!*text || *end || text[strspn(text, "0123456789+-.eE")])
        return refuse(def, key, text, "not a number", err);
    if (!isfinite(x) || !in_range(def, x))
        return refuse(def, key, text, "out of range", err);
    *out = x;
    return 0;
}

static int parse_bool(const struct option_def *def, const char *key, const char *text, int *out,
                      struct error *err) {
    static const char *const words[][2] = {
        {"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        for (int value = 0; value < 2; value++) {
            if (!strcasecmp(text, words[i][value])) {
                *out = value;
                return 0;
            }
        }
    }
    return refuse(def, key, text, "neither true nor false", err);
}

static int check_choice(const struct option_def *def, const char *key, const char *text,
                        struct error *err) {
    struct arena a = {0};
    char *choices = arena_strdup(&a, def->choices), *rest = choices, *choice;
    const char **names = ARENA_ARRAY(&a, const char *, strlen(choices) + 1);
    int n = 0, status = 0;
    while ((choice = strsep(&rest, "|"))) {
        if (!strcmp(choice, text))
            goto out;
        names[n++] = choice;
    }
    const char *nearest = nearest_name(text, names, n);
    char *hint = nearest ? arena_printf(&a, "; did you mean \"%s\"?", nearest) : ";";
    status = error_set(err, STATUS_USAGE, "%s: no choice \"%.100s\"%s choices: %s", key, text, hint,
                       option_join(names, n, &a));
out:
    arena_free(&a);
    return status;
}

static int parse_text(const struct option_def *def, const char *key, const char *text,
                      struct arena *a, const char **out, struct error *err) {
    int status = def->choices ? check_choice(def, key, text, err) : 0;
    if (!status)
        *out = arena_strdup(a, text);
    return status;
}

/* Kept in one form, so that equal lists are equal texts. */
static int parse_list(const struct option_def *def, const char *key, const char *text,
                      struct arena *a, const char **out, struct error *err) {
    struct arena scratch = {0};
    char *rest = arena_strdup(&scratch, text), *item, *list = arena_strdup(&scratch, "");
    double seen[OPTION_LIST], x = 0;
    int n = 0, whole = 0, status = 0;
    while ((item = strsep(&rest, " ,\t"))) {
        if (!*item)
            continue;
        if (n == OPTION_LIST)
            TRY(error_set(err, STATUS_USAGE, "%s: more than %d numbers", key, OPTION_LIST));
        if (def->type == OPT_INTS) {
            TRY(parse_int(def, key, item, &whole, err));
            x = whole;
        } else {
            TRY(parse_real(def, key, item, &x, err));
        }
        for (int i = 0; i < n; i++)
            if (seen[i] == x)
                TRY(refuse(def, key, item, "there twice", err));
        seen[n++] = x;
        list = arena_printf(&scratch, "%s%s%s", list, n > 1 ? " " : "", real_text(x, &scratch));
    }
    if (!n)
        TRY(refuse(def, key, text, "an empty list", err));
    *out = arena_strdup(a, list);
out:
    arena_free(&scratch);
    return status;
}

int options_numbers(const char *value, double *out) {
    int n = 0;
    for (char *end; *value && n < OPTION_LIST; value = *end ? end + 1 : end)
        out[n++] = strtod(value, &end);
    return n;
}

int option_value_parse(const struct option_def *def, const char *key, const char *text,
                       struct arena *a, void *value, struct error *err) {
    switch (def->type) {
    case OPT_INT:
        return parse_int(def, key, text, value, err);
    case OPT_REAL:
        return parse_real(def, key, text, value, err);
    case OPT_BOOL:
        return parse_bool(def, key, text, value, err);
    case OPT_TEXT:
        return parse_text(def, key, text, a, value, err);
    case OPT_INTS:
    case OPT_REALS:
        return parse_list(def, key, text, a, value, err);
    case OPT_END:
        break;
    }
    CHECK(0, "option %s has no type", key);
    return STATUS_USAGE;
}

char *option_value_text(const struct option_def *def, const void *value, struct arena *a) {
    if (def->type == OPT_INT)
        return arena_printf(a, "%d", *(const int *)value);
    if (def->type == OPT_BOOL)
        return arena_strdup(a, *(const int *)value ? "true" : "false");
    if (def->type == OPT_REAL) {
        double x = *(const double *)value;
        CHECK(isfinite(x), "option %s is not finite", def->name);
        return real_text(x, a);
    }
    const char *text = *(const char *const *)value;
    CHECK(text, "option %s has no value", def->name);
    return arena_strdup(a, text);
}

/* What each escaped byte is written as behind the backslash. */
static const struct {
    char byte, letter;
} escapes[] = {{'\\', '\\'}, {';', ';'},  {'#', '#'}, {'\n', 'n'},
               {'\r', 'r'},  {'\t', 't'}, {' ', 's'}};
enum { N_ESCAPES = sizeof escapes / sizeof escapes[0] };

/* Only what would be lost is escaped, so that an ordinary value looks as the user wrote it.  That
 * is also true of a blank or ';' behind another one: a long line is not cut beside those. */
static int needs_escape(const char *text, const char *c) {
    unsigned char byte = (unsigned char)*c;
    int behind_special = c == text || strchr(" ;#", c[-1]);
    if (byte == ' ')
        return behind_special || !c[1];
    if (byte == ';' || byte == '#')
        return behind_special;
    return byte == '\\' || byte < ' ' || byte == 0x7f;
}

char *option_escape(const char *text, struct arena *a) {
    char *out = arena_alloc(a, 4 * strlen(text) + 1), *to = out;
    for (const char *c = text; *c; c++) {
        if (!needs_escape(text, c)) {
            *to++ = *c;
            continue;
        }
        int e = 0;
        while (e < N_ESCAPES && escapes[e].byte != *c)
            e++;
        if (e < N_ESCAPES) {
            *to++ = '\\';
            *to++ = escapes[e].letter;
        } else {
            to += sprintf(to, "\\x%02x", (unsigned char)*c);
        }
    }
    return out;
}

int option_unescape(const char *text, struct arena *a, char **out, struct error *err) {
    char *to = *out = arena_alloc(a, strlen(text) + 1);
    for (const char *c = text; *c; c++) {
        if (*c != '\\') {
            *to++ = *c;
            continue;
        }
        c++;
        int e = 0;
        while (e < N_ESCAPES && escapes[e].letter != *c)
            e++;
        if (e < N_ESCAPES) {
            *to++ = escapes[e].byte;
        } else if (*c == 'x' && isxdigit((unsigned char)c[1]) && isxdigit((unsigned char)c[2])) {
            char digits[3] = {c[1], c[2], '\0'};
            *to++ = (char)strtol(digits, NULL, 16);
            c += 2;
        } else {
            return error_set(err, STATUS_USAGE,
                             "\"\\%.1s\" means nothing in a value: write \"\\\\\" for a backslash",
                             c);
        }
    }
    return 0;
}
