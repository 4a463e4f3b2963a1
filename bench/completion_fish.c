/* completion_fish.c -- a line of `complete` for each command and flag. */
#include "bench/completion.h"

#include <stdio.h>
#include <string.h>

static void fish_put(const char *text, FILE *out) {
    for (; *text && *text != '\n'; text++) {
        if (strchr("'\\", *text))
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void fish_flags(const struct flags *flags, const char *of, FILE *out) {
    for (int i = 0; i < flags->n; i++) {
        const struct flag *f = &flags->one[i];
        fprintf(out, "complete -c ssvbench -n '%s' -l %s", of, f->name + 2);
        if (f->kind == ANY_VALUE)
            fputs(" -r", out);
        else if (f->kind == ONE_WORD)
            fprintf(out, " -x -a '%s'", f->words);
        else if (f->kind == COMMA_LIST)
            fprintf(out,
                    " -x -a '(__fish_complete_list , \"string split \\\" \\\" -- \\\"%s\\\"\")'",
                    f->words);
        fputs(" -d '", out);
        fish_put(f->help, out);
        fputs("'\n", out);
    }
}

void completion_fish(const struct completion *all, FILE *out) {
    const char *takes = "";
    fputs("# fish completion of ssvbench; made by `ssvbench help --completion fish`\n", out);
    for (int i = 0; commands[i]; i++) {
        fprintf(out, "complete -c ssvbench -n __fish_use_subcommand -f -a %s -d '",
                commands[i]->name);
        fish_put(commands[i]->help, out);
        fputs("'\n", out);
        const char *of = arena_printf(all->a, "__fish_seen_subcommand_from %s", commands[i]->name);
        fish_flags(&all->own[i], of, out);
        const char *words = completion_arguments(commands[i], all->a);
        if (*words)
            fprintf(out, "complete -c ssvbench -n '%s' -a '%s'\n", of, words);
        if (command_takes_runs(commands[i]))
            takes = arena_printf(all->a, "%s %s", takes, commands[i]->name);
    }
    fish_flags(&all->run, arena_printf(all->a, "__fish_seen_subcommand_from%s", takes), out);
}
