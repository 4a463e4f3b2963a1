#include "core/log.h"
#include "results/run.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEEPEST = 64 };

struct place {
    const char *path;
    dev_t device;
    ino_t inode;
};

struct scan {
    struct arena *arena;
    struct place *files;
    const char **bad; /* (n_bad) */
    int n, room, n_bad, bad_room;
};

static void add(struct scan *s, const char *path, const struct stat *info) {
    if (s->n == s->room) {
        s->room = 2 * s->room + 16;
        struct place *more = ARENA_ARRAY(s->arena, struct place, s->room);
        if (s->n)
            memcpy(more, s->files, sizeof *more * (size_t)s->n);
        s->files = more;
    }
    s->files[s->n++] = (struct place){path, info->st_dev, info->st_ino};
}

static void bad(struct scan *s, const char *path, const char *reason) {
    log_message(LOG_ERROR, "%s: %s", path, reason);
    if (s->n_bad == s->bad_room) {
        s->bad_room = 2 * s->bad_room + 4;
        const char **more = ARENA_ARRAY(s->arena, const char *, s->bad_room);
        if (s->n_bad)
            memcpy(more, s->bad, sizeof *more * (size_t)s->n_bad);
        s->bad = more;
    }
    s->bad[s->n_bad++] = arena_printf(s->arena, "%s: %s", path, reason);
}

/* Links to folders are not followed: they may form a circle. */
static void walk(struct scan *s, const char *folder, int depth) {
    DIR *d = depth < DEEPEST ? opendir(folder) : NULL;
    if (!d) {
        bad(s, folder, depth < DEEPEST ? strerror(errno) : "too deep");
        return;
    }
    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    for (const struct dirent *entry; (entry = readdir(d));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        const char *path = arena_printf(s->arena, "%s%s%s", folder, slash, entry->d_name);
        struct stat info;
        if (lstat(path, &info) < 0)
            continue; /* it went away */
        if (S_ISDIR(info.st_mode))
            walk(s, path, depth + 1);
        else if (!strcmp(entry->d_name, "run.h5"))
            add(s, path, &info);
    }
    closedir(d);
}

static int by_path(const void *left, const void *right) {
    return strcmp(((const struct place *)left)->path, ((const struct place *)right)->path);
}

/* The same file may lie below two of the folders; counted twice it would be a second seed. */
static int is_repeated(const struct scan *s, int i) {
    for (int k = 0; k < i; k++)
        if (s->files[k].device == s->files[i].device && s->files[k].inode == s->files[i].inode)
            return 1;
    return 0;
}

int runs_find(const char *const *folders, int n_folders, struct arena *a, struct runs_found *found,
              struct error *err) {
    struct scan s = {.arena = a};
    *found = (struct runs_found){0};
    for (int i = 0; i < n_folders; i++) {
        struct stat info;
        if (!folders[i][0] || stat(folders[i], &info) < 0)
            return error_set(err, STATUS_USAGE,
                             "%s: %s; give the folder of a run, or one that holds some", folders[i],
                             folders[i][0] ? strerror(errno) : "an empty name");
        if (S_ISDIR(info.st_mode))
            walk(&s, folders[i], 0);
        else
            add(&s, arena_strdup(a, folders[i]), &info);
    }
    if (s.n)
        qsort(s.files, (size_t)s.n, sizeof *s.files, by_path);
    found->run = ARENA_ARRAY(a, struct run *, s.n);
    for (int i = 0; i < s.n; i++) {
        if (is_repeated(&s, i))
            continue;
        struct run *r = ARENA_NEW(a, struct run);
        struct error why;
        if (run_read(r, s.files[i].path, &why))
            bad(&s, why.message, "left out");
        else
            found->run[found->n++] = r;
    }
    found->bad = s.bad;
    found->n_bad = s.n_bad;
    return 0;
}

int runs_scan(const char *const *folders, int n_folders, struct arena *a, struct run ***runs,
              int *n_runs, int *n_bad, struct error *err) {
    struct runs_found found;
    int status = runs_find(folders, n_folders, a, &found, err);
    *runs = found.run;
    *n_runs = found.n;
    *n_bad = found.n_bad;
    return status;
}
