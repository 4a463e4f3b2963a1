/* The set as text: for the results, for the reader of --help, for the next config file. */
#include "core/options_internal.h"

#include <string.h>

enum { FLAG_WIDTH = 40 };

/* "name = value", as options_load_text reads it. */
static char *assignment(const struct option_place *place, struct arena *a) {
    const char *name = place->def->name;
    char *value = option_value_text(place->def, place->value, a);
    if (!value[0])
        return arena_printf(a, "%s =", name);
    return arena_printf(a, "%s = %s", name, option_escape(value, a));
}

/* The line "[section]" when `section` follows `previous` (NULL: nothing) in the text, or NULL. */
static char *header(const struct option_section *section, const char *previous, struct arena *a) {
    if (!strcmp(section->name, previous ? previous : ""))
        return NULL;
    return arena_printf(a, "%s[%s]\n", previous ? "\n" : "", section->name);
}

char *options_text(const struct option_set *set, struct arena *a) {
    struct arena scratch = {0};
    int n = options_count(set), n_parts = 0;
    const char **parts = ARENA_ARRAY(&scratch, const char *, 2 * n);
    const char *previous = NULL;
    size_t bytes = 0;
    for (int i = 0; i < n; i++) {
        struct option_place place = options_at(set, i);
        const char *head = header(place.section, previous, &scratch);
        if (head)
            parts[n_parts++] = head;
        parts[n_parts++] = arena_printf(&scratch, "%s\n", assignment(&place, &scratch));
        previous = place.section->name;
    }
    for (int i = 0; i < n_parts; i++)
        bytes += strlen(parts[i]);
    char *text = arena_alloc(a, bytes + 1), *to = text;
    for (int i = 0; i < n_parts; i++)
        to = stpcpy(to, parts[i]);
    arena_free(&scratch);
    return text;
}

void options_print_config(const struct option_set *set, FILE *out) {
    static const char *const origins[] = {
        [FROM_DEFAULT] = "default",         [FROM_SUITE] = "suite", [FROM_FILE] = "file",
        [FROM_ENVIRONMENT] = "environment", [FROM_FLAG] = "flag",
    };
    struct arena scratch = {0};
    const char *previous = NULL;
    int n = options_count(set);
    for (int i = 0; i < n; i++) {
        struct option_place place = options_at(set, i);
        const char *head = header(place.section, previous, &scratch);
        if (head)
            fputs(head, out);
        fprintf(out, "%-*s ; %s\n", FLAG_WIDTH, assignment(&place, &scratch),
                origins[*place.origin]);
        previous = place.section->name;
    }
    arena_free(&scratch);
}

const char *option_kind(const struct option_def *def) {
    static const char *const kinds[] = {
        [OPT_INT] = "INT",   [OPT_REAL] = "REAL", [OPT_BOOL] = "",
        [OPT_TEXT] = "TEXT", [OPT_INTS] = "LIST", [OPT_REALS] = "LIST"};
    return kinds[def->type];
}

char *option_default(const struct option_def *def, struct arena *a) {
    union option_value value;
    struct error err = {0};
    int status = option_value_parse(def, def->name, def->by_default, a, &value, &err);
    CHECK(!status, "default of %s", err.message);
    char *text = option_value_text(def, &value, a);
    return text[0] ? text : "none";
}

static void print_option(const struct option_place *place, struct arena *a, FILE *out) {
    const struct option_def *def = place->def;
    const char *kind = option_kind(def);
    char *flag = arena_printf(a, "--%s%s%s%s", def->type == OPT_BOOL ? "[no-]" : "",
                              option_key(place, a), *kind ? " " : "", kind);
    const char *allowed = def->type == OPT_BOOL ? "" : option_allowed(def, a);
    fprintf(out, "  %-*s %s [%s%s%s]\n", FLAG_WIDTH, flag, def->help, option_default(def, a),
            allowed[0] ? "; " : "", allowed);
}

void options_print_help(const struct option_set *set, FILE *out) {
    struct arena scratch = {0};
    for (int s = 0, i = 0; s < set->n; s++) {
        const struct option_section *section = &set->sections[s];
        fprintf(out, "%s\n", section->title);
        for (int d = 0; section->defs[d].type != OPT_END; d++, i++) {
            struct option_place place = options_at(set, i);
            print_option(&place, &scratch, out);
        }
        fputc('\n', out);
    }
    fputs("In brackets: the default; what is allowed.\n"
          "An option is also set with --set NAME=VALUE, by a file of \"name = value\" lines below\n"
          "[section] (--config FILE), or by the environment (SSVBENCH_SECTION_NAME).\n"
          "A flag beats the environment, which beats a file, which beats the default.\n",
          out);
    arena_free(&scratch);
}
