#include "data/shards.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_SHARDS = 1000 * 1000, MOST_DIGITS = 9 };

static int add(struct shards *s, char *path, struct error *err) {
    if (s->n == MOST_SHARDS)
        return error_set(err, STATUS_USAGE, "%s: more than %d shards", path, MOST_SHARDS);
    if (s->n == s->room) {
        s->room = 2 * s->room + 16;
        char **more = ARENA_ARRAY(s->arena, char *, s->room);
        if (s->n)
            memcpy(more, s->paths, (size_t)s->n * sizeof *more);
        s->paths = more;
    }
    s->paths[s->n++] = path;
    return 0;
}

int shards_is_folder(const char *pattern) {
    struct stat info;
    return stat(pattern, &info) == 0 && S_ISDIR(info.st_mode);
}

static int is_archive(const char *name) {
    static const char *const endings[] = {".tar",     ".tar.gz",  ".tgz",  ".tar.xz", ".txz",
                                          ".tar.zst", ".tar.bz2", ".tbz2", ".tar.lz4"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t m = strlen(endings[i]);
        if (name[0] != '.' && n > m && !strcmp(name + n - m, endings[i]))
            return 1;
    }
    return 0;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_folder(struct shards *s, const char *path, struct error *err) {
    DIR *folder = opendir(path);
    int status = 0, first = s->n;
    if (!folder)
        return error_set(err, STATUS_USAGE, "%s: cannot open this folder: %s", path,
                         strerror(errno));
    for (struct dirent *e; !status && (e = readdir(folder));)
        if (is_archive(e->d_name))
            status = add(s, arena_printf(s->arena, "%s/%s", path, e->d_name), err);
    closedir(folder);
    if (!status && s->n == first)
        status = error_set(err, STATUS_USAGE, "%s: no archive (.tar, .tar.gz, ...) is in it", path);
    if (!status)
        qsort(s->paths + first, (size_t)(s->n - first), sizeof *s->paths, by_bytes);
    return status;
}

/* A number of at most MOST_DIGITS digits up to `end`, or -1. */
static long number(const char *text, const char *end) {
    size_t n = (size_t)(end - text);
    if (!n || n > MOST_DIGITS || strspn(text, "0123456789") < n)
        return -1;
    return strtol(text, NULL, 10);
}

static int expand(struct shards *s, const char *text, struct error *err);

/* "{first..last}", with the digits of the longer one where one begins with a zero. */
static int expand_range(struct shards *s, const char *text, const char *open, const char *dots,
                        const char *closed, struct error *err) {
    long first = number(open + 1, dots), last = number(dots + 2, closed);
    int status = 0;
    if (first < 0 || last < first)
        return error_set(err, STATUS_USAGE,
                         "%s: {FIRST..LAST} counts upwards between whole numbers, as in "
                         "{000..146}",
                         text);
    int digits_first = (int)(dots - open - 1), digits_last = (int)(closed - dots - 2);
    int digits = digits_first > digits_last ? digits_first : digits_last;
    if (open[1] != '0' && dots[2] != '0')
        digits = 1;
    for (long i = first; i <= last && !status; i++)
        status = expand(
            s,
            arena_printf(s->arena, "%.*s%0*ld%s", (int)(open - text), text, digits, i, closed + 1),
            err);
    return status;
}

static int expand(struct shards *s, const char *text, struct error *err) {
    const char *open = strchr(text, '{'), *closed = open ? strchr(open, '}') : NULL;
    int status = 0;
    if (!closed)
        return add(s, arena_strdup(s->arena, text), err);
    const char *dots = strstr(open, "..");
    if (dots && dots < closed)
        return expand_range(s, text, open, dots, closed, err);
    for (const char *at = open + 1; at <= closed && !status;) {
        size_t n = strcspn(at, ",}");
        status = expand(
            s,
            arena_printf(s->arena, "%.*s%.*s%s", (int)(open - text), text, (int)n, at, closed + 1),
            err);
        at += n + 1;
    }
    return status;
}

int shards_add(struct shards *s, const char *pattern, struct error *err) {
    return shards_is_folder(pattern) ? add_folder(s, pattern, err) : expand(s, pattern, err);
}
