/* other.h -- another build of this program, to compare with: a file, a name in PATH, or a git
 * revision of the repository around the current folder, built in a temporary worktree. */
#ifndef SSV_BENCH_OTHER_H
#define SSV_BENCH_OTHER_H

#include "core/arena.h"
#include "core/error.h"

struct other {
    const char *program;
    const char *worktree; /* NULL: there is none */
    struct arena arena;
};

/* Status 2 when there is no such thing or it does not build.  other_close also after an error. */
int other_open(struct other *o, const char *name, struct error *err);
void other_close(struct other *o);
/* This program's own file, in a. */
int other_self(struct arena *a, const char **program, struct error *err);

#endif
