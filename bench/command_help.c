/* command_help.c -- help, in the terminal and for the tools around it. */
#include "bench/help.h"

#include <stdio.h>
#include <string.h>

const struct exit_code exit_codes[] = {{STATUS_OK, "all well"},
                                       {STATUS_FINDING, "a finding (a failed cell)"},
                                       {STATUS_USAGE, "usage or bad input"},
                                       {STATUS_MACHINE, "the machine"},
                                       {STATUS_INTERRUPTED, "stopped"},
                                       {STATUS_REGRESSION, "something became slower"},
                                       {0, NULL}};

static const struct option_def flags[] = {
    OPTION_BOOL(struct help_flags, man, 0, "the manual page, for man -l"),
    OPTION_TEXT(struct help_flags, completion, "", NULL,
                "the completion of a shell: bash, zsh or fish"),
    OPTION_END};

static void print_usage(void) {
    puts("ssvbench: self-supervised vision methods, compared on the same data, backbone and "
         "budget\n\n"
         "usage: ssvbench COMMAND [flags] [arguments]\n");
    for (int i = 0; commands[i]; i++)
        printf("  %-9s %-27s %s\n", commands[i]->name, commands[i]->arguments, commands[i]->help);
    puts("\nssvbench help COMMAND lists the flags.  Results go to stdout, messages to stderr.\n"
         "Exit codes:");
    for (const struct exit_code *e = exit_codes; e->text; e++)
        printf("  %d %s\n", e->code, e->text);
}

static void print_flags(const struct command *c, struct invocation *call) {
    struct arena a = {0};
    struct option_set alone;
    struct invocation unused = {0};
    options_init(&alone);
    struct option_set *all = c->flags_alone ? &alone : &call->settings->options;
    if (command_takes_runs(c))
        puts("A flag is --name value or --name=value; options of a method or protocol are\n"
             "--section.name value.  --config FILE reads an INI file; --print-config shows every\n"
             "value and where it comes from; SSVBENCH_NAME sets a value from the environment.\n");
    if (c->flags)
        options_add(all, "", "Of this command", c->flags,
                    c->flags_alone ? &unused.own : &call->own);
    const struct settings_taken taken = command_takes(c);
    const struct option_set shown =
        c->flags_alone ? alone : settings_taken(call->settings, &taken, &a);
    options_print_help(&shown, stdout);
    options_free(&alone);
    arena_free(&a);
}

static int help(struct invocation *call, struct error *err) {
    const struct help_flags *f = &call->own.help;
    const int words = call->argc - 1 + f->man + (f->completion && *f->completion);
    if (words > 1)
        return error_set(err, STATUS_USAGE,
                         "help takes one command, --man or --completion SHELL, not %d of them",
                         words);
    if (f->man) {
        help_man(call->settings, stdout);
        return 0;
    }
    if (f->completion && *f->completion)
        return help_completion(f->completion, call->settings, stdout, err);
    if (call->argc <= 1) {
        print_usage();
        return 0;
    }
    for (int i = 0; commands[i]; i++)
        if (!strcmp(commands[i]->name, call->argv[1])) {
            printf("ssvbench %s %s\n  %s\n\n", commands[i]->name, commands[i]->arguments,
                   commands[i]->help);
            print_flags(commands[i], call);
            return 0;
        }
    return error_set(err, STATUS_USAGE, "there is no command \"%s\": see `ssvbench help`",
                     call->argv[1]);
}

const struct command command_help = {
    .name = "help",
    .arguments = "[COMMAND]",
    .help = "this page, or a command's flags; --man: the manual; --completion bash|zsh|fish",
    .run = help,
    .flags = flags,
    .flags_alone = 1};
