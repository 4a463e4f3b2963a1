#include "bench/other.h"

#include "bench/launch.h"
#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

int other_self(struct arena *a, const char **program, struct error *err) {
    char path[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n < 0)
        return error_set(err, STATUS_MACHINE, "/proc/self/exe cannot be read");
    *program = arena_printf(a, "%.*s", (int)n, path);
    return 0;
}

/* What git and make say on stdout is not for ours. */
static int ignore(void *self, const char *line, struct error *err) {
    (void)self, (void)line, (void)err;
    return 0;
}

static int keep(void *self, const char *line, struct error *err) {
    (void)err;
    snprintf(self, PATH_BYTES, "%.*s", (int)strcspn(line, "\n"), line);
    return 0;
}

static int is_revision(const char *name, struct arena *a, char commit[PATH_BYTES]) {
    struct error ignored;
    char *argv[] = {"git", "rev-parse", "--verify", "--quiet", arena_printf(a, "%s^{commit}", name),
                    NULL};
    commit[0] = '\0';
    return name[0] != '-' && !launch(argv, keep, commit, &ignored) && commit[0];
}

static int build(struct other *o, const char *name, char *commit, struct error *err) {
    const char *tmp = getenv("TMPDIR");
    char *folder = arena_printf(&o->arena, "%s/ssvbench-%.12s-XXXXXX", tmp ? tmp : "/tmp", commit);
    int status = 0;
    if (!mkdtemp(folder))
        return error_set(err, STATUS_MACHINE, "%s: cannot make this folder", folder);
    char *add[] = {"git", "worktree", "add", "--quiet", "--detach", folder, commit, NULL};
    char *make[] = {"make",
                    "-s",
                    "-C",
                    folder,
                    arena_printf(&o->arena, "-j%ld", sysconf(_SC_NPROCESSORS_ONLN)),
                    "BUILD=build",
                    "build/ssvbench",
                    NULL};
    log_message(LOG_INFO, "building %s, %.12s", name, commit);
    o->worktree = folder;
    TRY(launch(add, ignore, NULL, err));
    TRY(launch(make, ignore, NULL, err));
    o->program = arena_printf(&o->arena, "%s/build/ssvbench", folder);
out:
    if (status)
        error_prefix(err, "%s as a git revision", name);
    return status == STATUS_MACHINE ? err->status = STATUS_USAGE : status;
}

int other_open(struct other *o, const char *name, struct error *err) {
    char commit[PATH_BYTES];
    *o = (struct other){.program = name};
    if (!access(name, X_OK)) { /* a file here comes before revisions and what PATH has */
        o->program = strchr(name, '/') ? name : arena_printf(&o->arena, "./%s", name);
        return 0;
    }
    return is_revision(name, &o->arena, commit) ? build(o, name, commit, err) : 0;
}

void other_close(struct other *o) {
    struct error ignored;
    char *argv[] = {"git", "worktree", "remove", "--force", (char *)o->worktree, NULL};
    if (o->worktree && launch(argv, ignore, NULL, &ignored))
        log_message(LOG_WARN, "%s: this folder could not be removed", o->worktree);
    arena_free(&o->arena);
}
