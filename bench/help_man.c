/* help_man.c -- the manual page, in the macros of man(7). */
#include "bench/help.h"

#include <ctype.h>
#include <string.h>

/* Text of a line: backslashes, hyphens and the signs that roff draws as others are escaped; a
 * newline is one.  What has no blanks may break behind a comma or a bar. */
static void put_sign(char sign, FILE *out) {
    static const struct {
        char sign;
        const char *roff;
    } escapes[] = {{'\\', "\\e"},  {'-', "\\-"},   {'"', "\\(dq"}, {'\'', "\\(aq"},
                   {'^', "\\(ha"}, {'~', "\\(ti"}, {'`', "\\(ga"}};
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
        if (sign == escapes[i].sign) {
            fputs(escapes[i].roff, out);
            return;
        }
    fputc(sign, out);
}

static void put(const char *text, FILE *out) {
    for (; *text; text++) {
        put_sign(*text, out);
        if (strchr(",|=", *text) && text[1] && text[1] != ' ' && text[1] != '\n')
            fputs("\\:", out);
    }
}

/* Lines of text, none of them long or with a dot in front, which would be a macro. */
static void put_body(const char *text, FILE *out) {
    enum { WIDTH = 72 };
    struct arena a = {0};
    char *copy = arena_strdup(&a, text), *rest = NULL;
    size_t column = 0;
    for (char *word = strtok_r(copy, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
        const size_t n = strlen(word);
        if (column)
            fputc(column + 1 + n > WIDTH ? '\n' : ' ', out);
        column = column && column + 1 + n <= WIDTH ? column + 1 + n : n;
        if (column == n && *word == '.')
            fputs("\\&", out);
        put(word, out);
    }
    fputc('\n', out);
    arena_free(&a);
}

/* As an argument of .SS and .B, which a blank would end. */
static void put_heading(const char *macro, const char *text, FILE *out) {
    fprintf(out, ".%s \"", macro);
    put(text, out);
    fputs("\"\n", out);
}

static void put_paragraph(const char *text, FILE *out) {
    fputs(".PP\n", out);
    put_body(text, out);
}

/* A term and what it is. */
static void put_item(const char *term, const char *text, FILE *out) {
    fputs(".TP\n.B \"", out);
    put(term, out);
    fputs("\"\n", out);
    put_body(text, out);
}

/* Sentences of the tables begin small or not, and end without a full stop. */
static char *sentence(const char *text, struct arena *a) {
    char *copy = arena_printf(a, "%s.", text);
    *copy = (char)toupper((unsigned char)*copy);
    return copy;
}

static void put_option(const char *section, const struct option_def *def, FILE *out) {
    struct arena a = {0};
    const char *allowed = def->type == OPT_BOOL ? "" : option_allowed(def, &a);
    fputs(".TP\n.BI \"", out);
    put(arena_printf(&a, "--%s%s%s%s", def->type == OPT_BOOL ? "[no-]" : "", section,
                     *section ? "." : "", def->name),
        out);
    fprintf(out, "\" \"%s%s\"\n", *option_kind(def) ? " " : "", option_kind(def));
    put_body(arena_printf(&a, "%s [%s%s%s]", def->help, option_default(def, &a),
                          *allowed ? "; " : "", allowed),
             out);
    arena_free(&a);
}

static void put_options(const char *section, const struct option_def *defs, FILE *out) {
    for (const struct option_def *d = defs; d && d->type != OPT_END; d++)
        put_option(section, d, out);
}

/* "--out, --quiet" of "out quiet" */
static char *flag_names(const char *names, struct arena *a) {
    char *copy = arena_strdup(a, names), *rest = NULL, *list = arena_strdup(a, "");
    for (char *name = strtok_r(copy, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
        list = arena_printf(a, "%s%s--%s", list, *list ? ", " : "", name);
    return list;
}

static void put_commands(FILE *out) {
    struct arena a = {0};
    fputs(".SH COMMANDS\n", out);
    for (int i = 0; commands[i]; i++) {
        const struct command *c = commands[i];
        put_heading("SS", arena_printf(&a, "%s %s", c->name, c->arguments), out);
        put_body(sentence(c->help, &a), out);
        put_options("", c->flags, out);
        if (command_takes_runs(c) && !c->machine)
            put_paragraph("Takes the options of a run, too; see OPTIONS OF A RUN.", out);
        else if (!c->flags_alone)
            put_paragraph(arena_printf(&a,
                                       "Takes%s of the options of a run, too: %s. See OPTIONS "
                                       "OF A RUN.",
                                       command_takes_runs(c)
                                           ? ", beside what says what is run or judged,"
                                           : "",
                                       flag_names(c->machine, &a)),
                          out);
    }
    arena_free(&a);
}

static void put_settings(const struct option_set *set, FILE *out) {
    fputs(".SH OPTIONS OF A RUN\n", out);
    put_body(
        "A flag is --name value or --name=value; a hyphen and an underscore are the same. Options "
        "of a method or protocol are --section.name value. --set NAME=VALUE is another way to "
        "write a flag, --config FILE reads an INI file, and --print-config shows every value and "
        "where it comes from. In brackets: the default; what is allowed.",
        out);
    for (int s = 0; s < set->n; s++) {
        put_heading("SS", set->sections[s].title, out);
        put_options(set->sections[s].name, set->sections[s].defs, out);
    }
}

static void put_names(FILE *out) {
    struct arena a = {0};
    fputs(".SH NAMES\n.SS Methods\n", out);
    for (int i = 0; methods[i]; i++)
        put_item(methods[i]->name, arena_printf(&a, "%s (%s)", methods[i]->title, methods[i]->cite),
                 out);
    fputs(".SS Protocols\n", out);
    for (int i = 0; protocols[i]; i++)
        put_item(protocols[i]->name, sentence(protocols[i]->title, &a), out);
    fputs(".SS Datasets\n", out);
    for (int i = 0; dataset_sources[i]; i++)
        put_item(
            arena_printf(&a, "%s:%s", dataset_sources[i]->name, dataset_sources[i]->argument_help),
            sentence(dataset_sources[i]->title, &a), out);
    fputs(".SS Backbones\n", out);
    const char *names = "";
    for (int i = 0; backbone_names[i]; i++)
        names = arena_printf(&a, "%s%s%s", names, i ? ", " : "", backbone_names[i]);
    put_body(names, out);
    arena_free(&a);
}

static const struct {
    const char *term, *text;
} variables[] = {{"SSVBENCH_NAME, SSVBENCH_SECTION_NAME",
                  "The value of an option: SSVBENCH_EPOCHS, SSVBENCH_MAE_MASK_RATIO. A flag beats "
                  "the environment, which beats a file, which beats a suite."},
                 {"SSVBENCH_ISA", "The instruction set of the kernels: sse2, avx2 or avx512."},
                 {"SSVBENCH_CUDA_PLUGIN, SSVBENCH_CUBLASLT, SSVBENCH_CUDNN, SSVBENCH_NCCL",
                  "Where the libraries for CUDA devices are, if not where they are looked for."},
                 {"HDF5_USE_FILE_LOCKING",
                  "FALSE for network disks that cannot lock files; it is HDF5's own."},
                 {"NO_COLOR, TERM", "Whether messages and watch have colours and move."}},
  files[] = {{"out/", "Results, unless --out names another folder."},
             {"out/RUN/run.h5", "The results of a run; docs/results.md has its schema."},
             {"out/RUN/journal.jsonl", "Loss and events while it runs."},
             {"out/suites/", "The suites that were run, with every option."},
             {"out/index.html", "The report, with out/figures and out/tables beside it."}},
  examples[] = {{"ssvbench run quick", "The suite quick, then its table."},
                {"ssvbench run --methods random,mae --seeds 0..4 --budget images:1e6",
                 "Two methods, five seeds, the same number of images."},
                {"ssvbench report out", "Table, figures and the page out/index.html."},
                {"ssvbench export --table methods --format latex out",
                 "A table for a paper, on standard output."}};

#define PUT_ITEMS(title, list)                                                                     \
    do {                                                                                           \
        fputs(".SH " title "\n", out);                                                             \
        for (size_t i = 0; i < sizeof(list) / sizeof *(list); i++)                                 \
            put_item((list)[i].term, (list)[i].text, out);                                         \
    } while (0)

void help_man(const struct settings *settings, FILE *out) {
    fputs(".\\\" Made by `ssvbench help --man`.\n"
          ".TH SSVBENCH 1 \"" SSV_DATE "\" \"ssvbench " SSV_VERSION "\" \"User Commands\"\n.ad l\n"
          ".SH NAME\nssvbench \\- compare self-supervised vision methods\n"
          ".SH SYNOPSIS\n.B ssvbench\n.I COMMAND\n.RI [ flags ]\n.RI [ arguments ]\n"
          ".SH DESCRIPTION\n",
          out);
    put_body(
        "Pretrains self-supervised vision methods on the same data, backbone and budget, evaluates "
        "them with the same protocols, and writes results, tables and figures. Results go to "
        "standard output, messages to standard error.",
        out);
    put_commands(out);
    put_settings(&settings->options, out);
    put_names(out);
    fputs(".SH EXIT STATUS\n", out);
    for (const struct exit_code *e = exit_codes; e->text; e++) {
        struct arena a = {0};
        put_item(arena_printf(&a, "%d", e->code), sentence(e->text, &a), out);
        arena_free(&a);
    }
    PUT_ITEMS("ENVIRONMENT", variables);
    PUT_ITEMS("FILES", files);
    PUT_ITEMS("EXAMPLES", examples);
}
