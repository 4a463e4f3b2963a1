/* child.h -- another program, started without a shell, one of whose outputs is read here. */
#ifndef SSV_CORE_CHILD_H
#define SSV_CORE_CHILD_H

#include <sys/types.h>

struct child_spec {
    char *const *argv;        /* NULL-terminated; argv[0] is looked for in PATH */
    char *const *environment; /* NULL: ours */
    const char *folder;       /* to start it in; NULL: here */
    int read;                 /* STDOUT_FILENO or STDERR_FILENO */
    int discard_stdout;       /* for those who read stderr */
};

struct child {
    pid_t pid;
    int output; /* to read from; the caller's to close */
};

/* Its input is empty.  Returns 0, or an errno with nothing left open. */
int child_start(struct child *c, const struct child_spec *spec);
/* The status of waitpid. */
int child_wait(const struct child *c);

#endif
