#include "core/child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int child_start(struct child *c, const struct child_spec *spec) {
    posix_spawn_file_actions_t actions;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return errno;
    int reason = posix_spawn_file_actions_init(&actions);
    if (!reason) {
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (spec->discard_stdout)
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, ends[1], spec->read);
        if (spec->folder)
            posix_spawn_file_actions_addchdir_np(&actions, spec->folder);
        reason = posix_spawnp(&c->pid, spec->argv[0], &actions, NULL, spec->argv,
                              spec->environment ? spec->environment : environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (reason)
        close(ends[0]);
    else
        c->output = ends[0];
    return reason;
}

int child_wait(const struct child *c) {
    int ended = 0;
    while (waitpid(c->pid, &ended, 0) < 0 && errno == EINTR)
        ;
    return ended;
}
