/* completion_zsh.c -- for _arguments. */
#include "bench/completion.h"

#include <stdio.h>
#include <string.h>

/* In single quotes inside of a specification, where ':', '[', ']' and '\' have a meaning. */
static void zsh_put(const char *text, FILE *out) {
    for (; *text && *text != '\n'; text++) {
        if (*text == '\'') {
            fputs("'\\''", out);
            continue;
        }
        if (strchr(":[]\\", *text))
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void zsh_flags(const struct flags *flags, const char *indent, FILE *out) {
    for (int i = 0; i < flags->n; i++) {
        const struct flag *f = &flags->one[i];
        fprintf(out, "%s'%s%s[", indent, f->name, f->kind == NO_VALUE ? "" : "=");
        zsh_put(f->help, out);
        fputs("]", out);
        if (f->kind == ANY_VALUE)
            fputs(":value:_files", out);
        else if (f->kind == ONE_WORD)
            fprintf(out, ":value:(%s)", f->words);
        else if (f->kind == COMMA_LIST)
            fprintf(out, ":values:_sequence compadd - %s", f->words);
        fputs("'\n", out);
    }
}

void completion_zsh(const struct completion *all, FILE *out) {
    fputs("#compdef ssvbench\n"
          "# zsh completion of ssvbench; made by `ssvbench help --completion zsh`\n"
          "_ssvbench() {\n"
          "    local -a commands run own\n"
          "    commands=(\n",
          out);
    for (int i = 0; commands[i]; i++) {
        fprintf(out, "        '%s:", commands[i]->name);
        zsh_put(commands[i]->help, out);
        fputs("'\n", out);
    }
    fputs("    )\n"
          "    if ((CURRENT == 2)); then\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    run=(\n",
          out);
    zsh_flags(&all->run, "        ", out);
    fputs("    )\n"
          "    case $words[2] in\n",
          out);
    for (int i = 0; commands[i]; i++) {
        const char *words = completion_arguments(commands[i], all->a);
        fprintf(out, "    %s)\n        own=(%s\n", commands[i]->name,
                command_takes_runs(commands[i]) ? "$run" : "");
        zsh_flags(&all->own[i], "            ", out);
        fprintf(out, "            '*:argument:%s%s%s'\n        )\n        ;;\n",
                *words ? "_alternative \"words:word:(" : "_files", words,
                *words ? ")\" \"files:file:_files\"" : "");
    }
    fputs("    esac\n"
          "    shift words\n"
          "    ((CURRENT--))\n"
          "    _arguments $own\n"
          "}\n"
          "_ssvbench \"$@\"\n",
          out);
}
