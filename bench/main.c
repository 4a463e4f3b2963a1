/* main.c -- ssvbench: flags, the table of subcommands, signals, exit codes. */
#include "bench/command.h"

#include "core/log.h"

#include <fcntl.h>
#include <hdf5.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_COMMANDS = 32 };

const struct command *const commands[] = {&command_run,         &command_pretrain,
                                          &command_eval,        &command_report,
                                          &command_export,      &command_compare,
                                          &command_leaderboard, &command_watch,
                                          &command_diff,        &command_verify,
                                          &command_rerun,       &command_show,
                                          &command_features,    &command_export_weights,
                                          &command_step,        &command_bench,
                                          &command_kernels,     &command_data,
                                          &command_list,        &command_env,
                                          &command_help,        NULL};

/* A signal handler has no other way to tell. */
static volatile sig_atomic_t stop_requested;

/* The first signal asks for a stop at the next step; a second one ends the program at once. */
static void on_signal(int number) {
    stop_requested = number;
    signal(number, SIG_DFL);
}

static const struct command *find(const char *name, struct error *err) {
    const char *names[MOST_COMMANDS];
    int n = 0;
    for (; commands[n]; n++) {
        if (!strcmp(commands[n]->name, name))
            return commands[n];
        names[n] = commands[n]->name;
    }
    const char *near = nearest_name(name, names, n);
    char valid[256] = "";
    for (int i = 0; i < n; i++)
        snprintf(valid + strlen(valid), sizeof valid - strlen(valid), "%s%s", i ? ", " : "",
                 names[i]);
    error_set(err, STATUS_USAGE, "there is no command \"%s\"%s%s%s; there are: %s", name,
              near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "", valid);
    return NULL;
}

static int has_flag(int *argc, char **argv, const char *flag) {
    for (int i = 1; i < *argc; i++)
        if (!strcmp(argv[i], flag)) {
            memmove(argv + i, argv + i + 1, sizeof *argv * (size_t)(*argc - i));
            --*argc;
            return 1;
        }
    return 0;
}

/* What another command knows is no mistake. */
static void doubt_environment(const struct invocation *call) {
    const struct option_set *const sets[] = {&call->settings->options, NULL};
    const struct option_def *tables[MOST_COMMANDS + 1] = {NULL};
    int n = 0;
    for (int i = 0; commands[i] && n < MOST_COMMANDS; i++)
        if (commands[i]->flags)
            tables[n++] = commands[i]->flags;
    options_doubt_environment(sets, tables);
}

/* It would look as if they chose among the runs that are there. */
static int refuse_flags_of_runs(const struct settings *s, const char *command, struct error *err) {
    struct arena a = {0};
    const char *flag = settings_flag_of_run(s, 1, "", &a);
    int status =
        !flag ? 0
              : error_set(err, STATUS_USAGE,
                          "--%s says how a new run is made, which `ssvbench %s` does not do: "
                          "leave it out",
                          flag, command);
    arena_free(&a);
    return status;
}

/* It would look as if it did something.  What the environment or a file says is for all commands.
 */
static int refuse_idle_flags(const struct settings *s, const struct command *command,
                             struct error *err) {
    const struct settings_taken taken = command_takes(command);
    struct arena a = {0};
    const char *flag = settings_flag_idle(s, &taken, &a);
    int status =
        !flag ? 0
              : error_set(err, STATUS_USAGE, "--%s means nothing to `ssvbench %s`: leave it out",
                          flag, command->name);
    arena_free(&a);
    return status;
}

/* Everything that the user said, in the order of its weight; *argc, argv: what is left. */
static int read_settings(struct invocation *call, const struct command *command,
                         struct error *err) {
    struct settings *s = call->settings;
    int status = 0;
    struct option_set *flags = command->flags_alone ? &call->alone : &s->options;
    if (command->flags)
        options_add(flags, "", "Of this command", command->flags, &call->own);
    if (command->before_flags)
        command->before_flags(call);
    TRY(options_load_environment(&s->options, err));
    if (command->flags_alone)
        TRY(options_load_environment(flags, err));
    doubt_environment(call);
    TRY(options_parse(flags, &call->argc, call->argv, err));
    if (command->reads_runs)
        TRY(refuse_flags_of_runs(s, command->name, err));
    TRY(refuse_idle_flags(s, command, err));
    if (command->load)
        TRY(command->load(call, err));
    if (!command->flags_alone && !command->settles_itself)
        status = settings_settle(s, err);
out:
    return status;
}

/* The other processes that a launcher started. */
static int join(struct invocation *call, const struct command *command, struct error *err) {
    int n = communicator_launched(NULL, NULL);
    if (n > 1 && !command->joins)
        return error_set(err, STATUS_USAGE,
                         "%d processes were started together, and `ssvbench %s` is for one", n,
                         command->name);
    return communicator_open(&call->ranks, err);
}

/* Of what ended all ranks alike the first one speaks; before they have met, the machine's first
 * where it is the machine's fault. */
static int speaks(const struct invocation *call, int status) {
    int rank, first;
    communicator_launched(&rank, &first);
    return !rank || (!call->ranks && status == STATUS_MACHINE && first);
}

static int dispatch(struct invocation *call, struct error *err) {
    struct settings *s = call->settings;
    int argc = call->argc;
    char **argv = call->argv;
    if (has_flag(&argc, argv, "--version")) {
        puts("ssvbench " SSV_VERSION);
        return 0;
    }
    const int named = argc > 1 && argv[1][0] != '-';
    const char *name = named ? argv[1] : "help";
    const struct command *command = find(name, err);
    if (!command)
        return err->status;
    call->command = name;
    call->goes_on = command->goes_on;
    if (named) {
        argv++;
        argc--;
    }
    if (has_flag(&argc, argv, "--help") || has_flag(&argc, argv, "-h")) {
        call->argv = (char *[]){argv[0], (char *)name, NULL};
        call->argc = named ? 2 : 1; /* without a command: of all of them */
        return command_help.run(call, err);
    }
    int print = has_flag(&argc, argv, "--print-config") || has_flag(&argc, argv, "--print_config");
    call->argc = argc;
    call->argv = argv;
    int status = join(call, command, err);
    if (status)
        return status;
    status = communicator_agree(call->ranks, WAIT_LIMITED, read_settings(call, command, err), err);
    if (status)
        return status;
    if (print && communicator_rank(call->ranks))
        return 0;
    if (print) {
        options_print_config(command->flags_alone ? &call->alone : &s->options, stdout);
        return 0;
    }
    if (command->flags && !command->flags_alone)
        s->options.n--; /* what the settings are copied from is about runs alone */
    log_setup(communicator_rank(call->ranks) ? LOG_NOTHING
              : s->machine.quiet             ? LOG_WARN
                                             : LOG_INFO);
    return command->run(call, err);
}

/* So that a shell sees what ended the program; it may have been another rank that was asked to. */
static void end_by_signal(int number) {
    signal(number, SIG_DFL);
    raise(number);
}

/* Of a stream that was closed (2>&-) the next file would get the number, and messages would go into
 * it.  Reading alone: what is printed there fails as before. */
static void hold_streams(void) {
    int fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = dup(fd);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv) {
    hold_streams();
    setlocale(LC_CTYPE, "");
    log_setup(LOG_INFO);
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (signal(SIGHUP, on_signal) == SIG_IGN) /* under nohup a closed terminal stops nothing */
        signal(SIGHUP, SIG_IGN);
    signal(SIGXFSZ,
           SIG_IGN); /* a file too large is an error of write(2), reported like a full disk */
    signal(SIGPIPE, SIG_DFL);
    H5dont_atexit(); /* what could not be written to a full disk it would try again, and crash */

    struct settings *settings = calloc(1, sizeof *settings);
    char **copy = calloc((size_t)argc + 1, sizeof *copy);
    struct error err = {0};
    struct invocation call = {.stop = &stop_requested};
    int status = STATUS_MACHINE;
    if (settings && copy) {
        memcpy(copy, argv, sizeof *copy * (size_t)argc);
        settings_init(settings);
        settings_check_input(settings);
        call.settings = settings;
        call.argc = argc;
        call.argv = copy;
        call.full_argc = argc;
        call.full_argv = argv;
        options_init(&call.alone);
        status = dispatch(&call, &err);
        options_free(&call.alone);
        settings_free(settings);
    } else {
        error_set(&err, STATUS_MACHINE, "out of memory");
    }
    free(settings);
    free(copy);
    if (!status && (fflush(stdout) || ferror(stdout)))
        status = error_set(&err, STATUS_MACHINE, "standard output cannot be written");
    if (status && speaks(&call, status)) {
        log_message(status == STATUS_INTERRUPTED ? LOG_WARN : LOG_ERROR, "%s", err.message);
        if (status == STATUS_INTERRUPTED && call.goes_on)
            log_message(LOG_WARN, "stopped; the same command goes on from here");
    } else if (status && !call.ranks) {
        sleep(2); /* a launcher that sees one process fail ends the one that speaks */
    }
    communicator_close(call.ranks);
    if (status == STATUS_INTERRUPTED)
        end_by_signal(stop_requested ? stop_requested : SIGTERM);
    return status;
}
