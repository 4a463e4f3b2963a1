#include "bench/launch.h"

#include "core/child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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
    struct child child = {0};
    int reason = child_start(&child, &(struct child_spec){.argv = argv, .read = STDOUT_FILENO});
    if (reason)
        return error_set(err, STATUS_USAGE, "cannot start %s: %s", argv[0], strerror(reason));
    int status = read_lines(child.output, take, self, err), ended = child_wait(&child);
    if (WIFSIGNALED(ended))
        return error_set(err, STATUS_MACHINE, "%s ended with signal %d", argv[0], WTERMSIG(ended));
    if (WEXITSTATUS(ended))
        return error_set(err, STATUS_MACHINE, "%s %s ended with status %d", argv[0], argv[1],
                         WEXITSTATUS(ended));
    return status;
}
