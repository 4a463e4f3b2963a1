/* command_watch.c -- the runs of a folder, again and again while they run. */
#include "bench/command.h"

#include "reports/watch.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { PLAIN_WIDTH = 120, PAUSE_SECONDS = 2, SLICES = 10 };

static const struct option_def flags[] = {
    OPTION_BOOL(struct watch_flags, once, 0, "one look, as when the output is not a terminal"),
    OPTION_END};

static int columns(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_col < 40)
        return PLAIN_WIDTH;
    return size.ws_col;
}

static unsigned look_of(int live) {
    const char *no_colour = getenv("NO_COLOR");
    unsigned look = strcmp(nl_langinfo(CODESET), "UTF-8") ? WATCH_ASCII : WATCH_BLOCKS;
    return look | (live && !(no_colour && *no_colour) ? WATCH_COLOUR : 0);
}

/* In slices, so that Ctrl-C is not waited for. */
static void pause_between(const volatile sig_atomic_t *stop) {
    const struct timespec slice = {0, 1000L * 1000 * 1000 / SLICES};
    for (int i = 0; i < PAUSE_SECONDS * SLICES && !*stop; i++)
        nanosleep(&slice, NULL);
}

static int run(struct invocation *call, struct error *err) {
    const char *term = getenv("TERM");
    const char *folder = call->argc > 1 ? call->argv[1] : call->settings->machine.out;
    int live = !call->own.watch.once && isatty(STDOUT_FILENO) && term && strcmp(term, "dumb");
    int status = 0;
    if (call->argc > 2)
        return error_set(err, STATUS_USAGE, "watch takes one folder, and \"%s\" is a second",
                         call->argv[2]);
    do {
        if (live)
            fputs("\033[H\033[J", stdout);
        status = watch_print(folder, live ? columns() : PLAIN_WIDTH, look_of(live), stdout, err);
        fflush(stdout);
        if (live && !status)
            pause_between(call->stop);
    } while (live && !status && !*call->stop);
    return status;
}

const struct command command_watch = {
    .name = "watch",
    .arguments = "[OUT] [--once]",
    .help = "where the runs of a folder stand, with the curves of their losses",
    .run = run,
    .reads_runs = 1,
    .flags = flags,
    .machine = "out quiet"};
