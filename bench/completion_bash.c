/* completion_bash.c -- a function for `complete -F`. */
#include "bench/completion.h"

#include <stdio.h>

static const char *const head[] = {
    "# bash completion of ssvbench; made by `ssvbench help --completion bash`",
    "_ssvbench() {",
    "    local cur=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD - 1]}",
    "    local command=${COMP_WORDS[1]} flags='' switches='' arguments='' words='' list=''",
    "    if [[ $cur == '=' ]]; then # a break between words for bash",
    "        cur=''",
    "    elif [[ $flag == '=' ]]; then",
    "        flag=${COMP_WORDS[COMP_CWORD - 2]}",
    "    fi",
    "    COMPREPLY=()",
    NULL};

static const char *const tail[] = {
    "    if ((COMP_CWORD == 1)); then",
    "        words=\"$commands --version --help\"",
    "    fi",
    "    if [[ $words ]]; then",
    "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))",
    "    elif [[ $list ]]; then # the names before the last comma stay",
    "        local before=''",
    "        [[ $cur == *,* ]] && before=${cur%,*},",
    "        COMPREPLY=($(compgen -P \"$before\" -W \"$list\" -- \"${cur##*,}\"))",
    "    elif [[ $cur == -* ]]; then",
    "        COMPREPLY=($(compgen -W \"$flags --help\" -- \"$cur\"))",
    "    else",
    "        # A value without names is a file, if anything.",
    "        [[ $flag == --* && \" $switches \" != *\" $flag \"* ]] && arguments=''",
    "        COMPREPLY=($(compgen -W \"$arguments\" -- \"$cur\") $(compgen -f -- \"$cur\"))",
    "        compopt -o filenames 2>/dev/null",
    "    fi",
    "}",
    "complete -F _ssvbench ssvbench",
    NULL};

static void put_lines(const char *const *lines, FILE *out) {
    for (; *lines; lines++)
        fprintf(out, "%s\n", *lines);
}

static void put_names(const struct flags *flags, int switches_alone, FILE *out) {
    int n = 0;
    for (int i = 0; i < flags->n; i++)
        if (!switches_alone || flags->one[i].kind == NO_VALUE)
            fprintf(out, "%s%s", n++ ? " " : "", flags->one[i].name);
}

/* Patterns of a case of "COMMAND:FLAG". */
static void put_values(const char *command, const struct flags *flags, FILE *out) {
    for (int i = 0; i < flags->n; i++) {
        const struct flag *f = &flags->one[i];
        if (f->kind == ONE_WORD || f->kind == COMMA_LIST)
            fprintf(out, "    %s:%s) %s='%s' ;;\n", command, f->name,
                    f->kind == ONE_WORD ? "words" : "list", f->words);
    }
}

static void put_command(const struct completion *c, int i, FILE *out) {
    fprintf(out, "    %s)\n        flags=", commands[i]->name);
    fputs(command_takes_runs(commands[i]) ? "\"$run \"'" : "'", out);
    put_names(&c->own[i], 0, out);
    fputs("' switches=", out);
    fputs(command_takes_runs(commands[i]) ? "\"$run_switches \"'" : "'", out);
    put_names(&c->own[i], 1, out);
    fprintf(out, "'\n        arguments='%s'\n        ;;\n",
            completion_arguments(commands[i], c->a));
}

void completion_bash(const struct completion *c, FILE *out) {
    put_lines(head, out);
    fprintf(out, "    local commands='%s'\n    local run='", completion_commands(c->a));
    put_names(&c->run, 0, out);
    fputs("'\n    local run_switches='", out);
    put_names(&c->run, 1, out);
    fputs("'\n    case $command in\n", out);
    for (int i = 0; commands[i]; i++)
        put_command(c, i, out);
    fputs("    esac\n    case $command:$flag in\n", out);
    for (int i = 0; commands[i]; i++)
        put_values(commands[i]->name, &c->own[i], out);
    fputs(
        "    esac\n"
        "    [[ $words$list || \" $run \" != *\" $flag \"* || \" $flags \" != *\" $flag \"* ]] ||\n"
        "    case run:$flag in\n",
        out);
    put_values("run", &c->run, out);
    fputs("    esac\n", out);
    put_lines(tail, out);
}
