#include "bench/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Returns 0 or an errno. */
static int start(char *const argv[], pid_t *child, int *output) {
    posix_spawn_file_actions_t actions;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return errno;
    int reason = posix_spawn_file_actions_init(&actions);
    if (!reason) {
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        reason = posix_spawnp(child, argv[0], &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (reason)
        close(ends[0]);
    else
        *output = ends[0];
    return reason;
}

/* All of it is read, also after a line that was wrong, so that the program can end. */
static int read_lines(int output, int (*take)(void *, const char *, struct error *), void *self,
                      struct error *err) {
    FILE *f = fdopen(output, "r");
    char *line = NULL;
    size_t room = 0;
    int status = 0;
    if (!f) {
        close(output);
        return error_set(err, STATUS_MACHINE, "cannot read a program's output: %s",
                         strerror(errno));
    }
    while (getline(&line, &room, f) > 0)
        if (!status)
            status = take(self, line, err);
    free(line);
    fclose(f);
    return status;
}

int launch(char *const argv[], int (*take)(void *self, const char *line, struct error *err),
           void *self, struct error *err) {
    pid_t child = 0;
    int output = -1, ended = 0, reason = start(argv, &child, &output);
    if (reason)
        return error_set(err, STATUS_USAGE, "cannot start %s: %s", argv[0], strerror(reason));
    int status = read_lines(output, take, self, err);
    while (waitpid(child, &ended, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(ended))
        return error_set(err, STATUS_MACHINE, "%s ended with signal %d", argv[0], WTERMSIG(ended));
    if (WEXITSTATUS(ended))
        return error_set(err, STATUS_MACHINE, "%s %s ended with status %d", argv[0], argv[1],
                         WEXITSTATUS(ended));
    return status;
}
