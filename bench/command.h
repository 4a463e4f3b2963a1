/* command.h -- the subcommands of the program, one file each. */
#ifndef SSV_BENCH_COMMAND_H
#define SSV_BENCH_COMMAND_H

#include "protocols/suite.h"

struct invocation {
    const char *command;
    struct settings *settings;
    int argc; /* what is left after the flags */
    char **argv;
    int full_argc; /* as typed, for the record */
    char **full_argv;
    const volatile sig_atomic_t *stop;
    union { /* values of the command's own flags */
        struct run_flags {
            int dry_run;
        } run;
        struct rerun_flags {
            const char *into;
        } rerun;
        struct watch_flags {
            int once;
        } watch;
    } own;
};

struct command {
    const char *name, *arguments, *help;
    int (*run)(struct invocation *call, struct error *err);
    const struct option_def *flags; /* of its own, into the invocation's `own`; NULL: none */
    /* Before the preset: what the arguments bring in. */
    int (*load)(struct invocation *call, struct error *err);
};

extern const struct command *const commands[]; /* NULL-terminated */
extern const struct command command_run, command_pretrain, command_eval, command_report,
    command_list, command_env, command_bench, command_step, command_show, command_help,
    command_rerun, command_data, command_verify, command_diff, command_watch, command_kernels;

/* Threads, kernels and machine settings of this call. */
int invocation_context(const struct invocation *call, struct context *context, struct error *err);
int invocation_no_arguments(const struct invocation *call, struct error *err);

#endif
