/* help_completion.c -- the facts behind the completion of every shell, from the tables of
 * commands, options and names. */
#include "bench/completion.h"
#include "bench/help.h"
#include "reports/listings.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct words {
    struct arena *a;
    const char *text;
};

static void add_word(struct words *w, const char *word) {
    w->text = arena_printf(w->a, "%s%s%s", w->text, *w->text ? " " : "", word);
}

/* ---- names ---- */

static const char *method_names(struct arena *a) {
    struct words w = {a, ""};
    for (int i = 0; methods[i]; i++)
        add_word(&w, methods[i]->name);
    return w.text;
}

static const char *protocol_names(struct arena *a) {
    struct words w = {a, ""};
    for (int i = 0; protocols[i]; i++)
        add_word(&w, protocols[i]->name);
    return w.text;
}

static const char *backbones(struct arena *a) {
    struct words w = {a, ""};
    for (int i = 0; backbone_names[i]; i++)
        add_word(&w, backbone_names[i]);
    return w.text;
}

static const char *dataset_names(struct arena *a) {
    struct words w = {a, ""};
    for (int i = 0; dataset_sources[i]; i++)
        add_word(&w, dataset_sources[i]->name);
    return w.text;
}

static const char *suites(struct arena *a) {
    struct words w = {a, ""};
    const char **names;
    const int n = suite_names(a, &names);
    for (int i = 0; i < n; i++)
        add_word(&w, names[i]);
    return w.text;
}

const char *completion_commands(struct arena *a) {
    struct words w = {a, ""};
    for (int i = 0; commands[i]; i++)
        add_word(&w, commands[i]->name);
    return w.text;
}

static const char *table_names(struct arena *a) {
    struct words w = {a, "all"};
    for (const struct listing_source *s = listing_sources; s->name; s++)
        add_word(&w, s->name);
    return w.text;
}

static const char *kernel_names(struct arena *a) {
    struct words w = {a, ""};
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        add_word(&w, (*k)->name);
    return w.text;
}

static const char *shells(struct arena *a) {
    (void)a;
    return "bash zsh fish";
}

static const char *devices(struct arena *a) {
    (void)a;
    return "cpu cuda auto";
}

/* Options whose values have names, wherever they are declared. */
static const struct {
    const char *option;
    enum value_kind kind;
    const char *(*names)(struct arena *a);
} named[] = {{"methods", COMMA_LIST, method_names},  {"protocols", COMMA_LIST, protocol_names},
             {"backbone", COMMA_LIST, backbones},    {"data", ONE_WORD, dataset_names},
             {"eval_data", ONE_WORD, dataset_names}, {"table", ONE_WORD, table_names},
             {"backend", COMMA_LIST, kernel_names},  {"completion", ONE_WORD, shells},
             {"device", ONE_WORD, devices}};

/* Words that a command's line of arguments stands for. */
static const struct {
    const char *argument;
    const char *(*names)(struct arena *a);
} arguments[] = {{"SUITE", suites}, {"COMMAND", completion_commands}, {"DATASET", dataset_names}};

static struct flag flag_of(const char *section, const struct option_def *def, struct arena *a) {
    struct flag f = {arena_printf(a, "--%s%s%s", section, *section ? "." : "", def->name),
                     def->help, def->type == OPT_BOOL ? NO_VALUE : ANY_VALUE, ""};
    if (def->choices) {
        char *words = arena_strdup(a, def->choices);
        for (char *c = words; *c; c++)
            *c = *c == '|' ? ' ' : *c;
        f.kind = ONE_WORD;
        f.words = words;
    }
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (!*section && !strcmp(def->name, named[i].option)) {
            f.kind = named[i].kind;
            f.words = named[i].names(a);
        }
    return f;
}

/* What is true by default has a --no-NAME, too. */
static void add_flags(struct flags *list, const char *section, const struct option_def *defs,
                      struct arena *a) {
    int n = 0;
    while (defs && defs[n].type != OPT_END)
        n++;
    struct flag *more = ARENA_ARRAY(a, struct flag, list->n + 2 * n);
    if (list->n)
        memcpy(more, list->one, sizeof *more * (size_t)list->n);
    for (int i = 0; i < n; i++) {
        const struct flag f = flag_of(section, &defs[i], a);
        more[list->n++] = f;
        if (f.kind == NO_VALUE && !strcmp(option_default(&defs[i], a), "true"))
            more[list->n++] =
                (struct flag){arena_printf(a, "--no-%s", f.name + 2), f.help, NO_VALUE, ""};
    }
    list->one = more;
}

static struct flags flags_of_run(const struct option_set *set, struct arena *a) {
    static const struct option_def always[] = {
        {"config", OPT_TEXT, 0, "", 0, 0, NULL, "read an INI file"},
        {"set", OPT_TEXT, 0, "", 0, 0, NULL, "NAME=VALUE of an option"},
        {"print-config", OPT_BOOL, 0, "0", 0, 1, NULL, "show every value and its origin"},
        OPTION_END};
    struct flags all = {NULL, 0};
    for (int s = 0; s < set->n; s++)
        add_flags(&all, set->sections[s].name, set->sections[s].defs, a);
    add_flags(&all, "", always, a);
    return all;
}

/* Of a run's those that mean something to a command that makes none. */
static void add_taken(struct flags *list, const struct command *c, const struct settings *settings,
                      struct arena *a) {
    const struct settings_taken taken = command_takes(c);
    const struct option_set set = settings_taken(settings, &taken, a);
    for (int s = 0; s < set.n; s++)
        add_flags(list, set.sections[s].name, set.sections[s].defs, a);
}

const char *completion_arguments(const struct command *c, struct arena *a) {
    struct words w = {a, ""};
    char *copy = arena_strdup(a, c->arguments), *rest = NULL;
    for (char *word = strtok_r(copy, "|[] .", &rest); word; word = strtok_r(NULL, "|[] .", &rest)) {
        if (islower((unsigned char)*word) && strcmp(word, "flags"))
            add_word(&w, word);
        for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
            if (!strcmp(word, arguments[i].argument))
                add_word(&w, arguments[i].names(a));
    }
    return w.text;
}

int help_completion(const char *shell, const struct settings *settings, FILE *out,
                    struct error *err) {
    static const struct {
        const char *name;
        void (*put)(const struct completion *c, FILE *out);
    } known[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};
    struct arena a = {0};
    struct completion c = {flags_of_run(&settings->options, &a), NULL, &a};
    int n = 0, status = STATUS_USAGE;
    while (commands[n])
        n++;
    c.own = ARENA_ARRAY(&a, struct flags, n);
    for (int i = 0; i < n; i++) {
        add_flags(&c.own[i], "", commands[i]->flags, &a);
        if (commands[i]->reads_runs)
            add_taken(&c.own[i], commands[i], settings, &a);
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(shell, known[i].name)) {
            known[i].put(&c, out);
            status = 0;
        }
    arena_free(&a);
    return status ? error_set(err, STATUS_USAGE,
                              "no completion of \"%s\"; there are: bash, zsh, fish", shell)
                  : 0;
}
