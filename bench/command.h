/* command.h -- the subcommands of the program, one file each. */
#ifndef SSV_BENCH_COMMAND_H
#define SSV_BENCH_COMMAND_H

#include "protocols/features.h"
#include "protocols/once.h"
#include "protocols/picture.h"
#include "protocols/suite.h"
#include "reports/report.h"

#define SSV_VERSION "0.1.0"
#define SSV_DATE "2026-11-27" /* of the version, for the manual */

/* When kernels_cpu() is NULL. */
#define KERNELS_NO_ISA                                                                             \
    "SSVBENCH_ISA names an instruction set that this processor or build does not have: leave it "  \
    "unset, or see `ssvbench env`"

struct invocation {
    const char *command;
    struct settings *settings;
    int argc; /* what is left after the flags */
    char **argv;
    int full_argc; /* as typed, for the record */
    char **full_argv;
    const volatile sig_atomic_t *stop;
    int goes_on;                /* what is stopped goes on when it is called again */
    struct communicator *ranks; /* that do this together; NULL: one process */
    union {                     /* values of the command's own flags */
        struct run_flags {
            int dry_run;
        } run;
        struct eval_flags {
            const char *weights, *as;
        } eval;
        struct rerun_flags {
            const char *into;
        } rerun;
        struct watch_flags {
            int once;
        } watch;
        struct bench_flags {
            const char *filter; /* extended regular expression on the names; "": all */
            const char *device, *math, *views;
            const char *batch; /* a list; 0: each step's own */
            const char *out;   /* file for the times of steps, or "" */
            int json, published, threads, lanes, profile, recompute, recompute_norms;
            double seconds; /* for each */
        } bench;
        struct kernels_flags {
            const char *filter, *backend, *math, *shapes, *against, *out;
            int json, time_only, self_test, threads, pin, seed, pairs, launches;
            double seconds, planted, slowed;
        } kernels;
        struct compare_flags {
            double margin; /* points */
        } compare;
        struct leaderboard_flags {
            const char *resample;
        } leaderboard;
        struct export_flags {
            const char *table, *format, *output;
        } export;
        struct help_flags {
            int man;
            const char *completion;
        } help;
        struct report_options report;
        struct once step;
        struct picture show;
        struct features_wanted features;
        struct export_weights_flags {
            const char *format;
        } export_weights;
    } own;
    struct option_set alone; /* the flags of a command that takes no others */
};

struct command {
    const char *name, *arguments, *help;
    int (*run)(struct invocation *call, struct error *err);
    const struct option_def *flags; /* of its own, into the invocation's `own`; NULL: none */
    int flags_alone;                /* it takes no flags of a run beside them */
    int reads_runs;                 /* of a run's flags it takes the machine's alone */
    int judges_not;                 /* those of protocols mean nothing to it either */
    const char *machine;            /* of the machine's those that do; NULL: all */
    int settles_itself;             /* it calls settings_settle, or does without */
    int goes_on;                    /* what it did when it is stopped is not lost */
    int joins;                      /* several processes can do it together */
    /* Takes out of argv what no table of options can say. */
    void (*before_flags)(struct invocation *call);
    /* Before the preset: what the arguments bring in. */
    int (*load)(struct invocation *call, struct error *err);
};

extern const struct command *const commands[]; /* NULL-terminated */
extern const struct command command_run, command_pretrain, command_eval, command_report,
    command_list, command_env, command_bench, command_step, command_show, command_help,
    command_rerun, command_data, command_verify, command_diff, command_watch, command_kernels,
    command_compare, command_leaderboard, command_export, command_features, command_export_weights;

/* Whether all flags of a run mean something to it. */
static inline int command_takes_runs(const struct command *c) {
    return !c->flags_alone && !c->reads_runs;
}

static inline struct settings_taken command_takes(const struct command *c) {
    const int runs = command_takes_runs(c);
    return (struct settings_taken){runs, runs && !c->judges_not, c->machine};
}

/* Threads, kernels and machine settings of this call. */
int invocation_context(const struct invocation *call, struct context *context, struct error *err);
/* Before several ranks compute together: alike they are, and their devices know each other.  Alone
 * there is nothing to do. */
int invocation_join(const struct invocation *call, const struct context *context,
                    struct error *err);
int invocation_no_arguments(const struct invocation *call, struct error *err);

#endif
