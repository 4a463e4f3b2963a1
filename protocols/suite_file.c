/* suite_file.c -- files of suites: where they are, the copy beside the results. */
#include "core/file.h"
#include "core/sha256.h"
#include "protocols/suite.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENDING ".ini"

enum { LONGEST_NAME = 40, MOST_SUITES = 64 };

int suite_check_name(const char *text, struct error *err) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t n = strlen(text);
    if (n <= LONGEST_NAME && *text != '.' && strspn(text, allowed) == n)
        return 0;
    return error_set(err, STATUS_USAGE,
                     "name: \"%.60s\" is not made of at most %d letters, digits, '_', '-' and '.'",
                     text, LONGEST_NAME);
}

static int has_ending(const char *name) {
    size_t n = strlen(name), e = strlen(ENDING);
    return n > e && !strcmp(name + n - e, ENDING);
}

/* Beside build/ssvbench in its repository, beside bin/ssvbench where it is installed. */
static const char *const places[] = {"../suites", "suites", "../share/ssvbench/suites"};
enum { PLACES = sizeof places / sizeof *places };

static char *program_folder(struct arena *a) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return ".";
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return arena_strdup(a, path);
}

static int by_name(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

int suite_names(struct arena *a, const char ***names) {
    const char *program = program_folder(a);
    int n = 0;
    *names = ARENA_ARRAY(a, const char *, MOST_SUITES);
    for (int i = 0; i < PLACES; i++) {
        DIR *d = opendir(arena_printf(a, "%s/%s", program, places[i]));
        for (const struct dirent *entry; d && n < MOST_SUITES && (entry = readdir(d));)
            if (has_ending(entry->d_name))
                (*names)[n++] = arena_printf(
                    a, "%.*s", (int)(strlen(entry->d_name) - strlen(ENDING)), entry->d_name);
        if (d)
            closedir(d);
    }
    qsort(*names, (size_t)n, sizeof **names, by_name);
    return n;
}

static int unknown(const char *name, struct arena *a, struct error *err) {
    const char **names, *all = "";
    const int n = suite_names(a, &names);
    for (int i = 0; i < n; i++)
        all = arena_printf(a, "%s%s%s", all, i ? ", " : "", names[i]);
    const char *near = nearest_name(name, names, n);
    return error_set(err, STATUS_USAGE,
                     "there is no suite \"%s\"%s%s%s; there are: %s; a file of your own is named "
                     "with its ending, %s.ini",
                     name, near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "",
                     n ? all : "none", name);
}

int suite_find(const char *name, struct arena *a, char **path, struct error *err) {
    *path = arena_strdup(a, name);
    if (strchr(name, '/') || has_ending(name))
        return 0;
    const char *program = program_folder(a);
    for (int i = 0; i < PLACES; i++) {
        *path = arena_printf(a, "%s/%s/%s" ENDING, program, places[i], name);
        if (file_exists(*path))
            return 0;
    }
    return unknown(name, a, err);
}

/* "suites/quick.ini" is quick, unless the file says otherwise. */
static char *base_name(const char *path, struct arena *a) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name) - (has_ending(name) ? strlen(ENDING) : 0);
    char *base = arena_printf(a, "%.*s", (int)(n < LONGEST_NAME ? n : LONGEST_NAME), name);
    struct error ignored;
    return suite_check_name(base, &ignored) ? "suite" : base;
}

int suite_load(struct settings *s, const char *name, struct error *err) {
    struct arena a = {0};
    char *path;
    int status = 0;
    TRY(suite_find(name, &a, &path, err));
    TRY(settings_load_suite(s, path, err));
    if (!*s->judging.name)
        status = options_assign(&s->options, "name", base_name(path, &a), FROM_SUITE, err);
out:
    arena_free(&a);
    return status;
}

int suite_store(const struct settings *s, const char *out, struct error *err) {
    struct arena a = {0};
    char hash[65];
    const char *text = settings_suite_text(s, &a);
    sha256_hex(text, strlen(text), hash);
    const char *folder = arena_printf(&a, "%s/suites", out);
    const char *path = arena_printf(&a, "%s/%s-%.8s" ENDING, folder,
                                    *s->judging.name ? s->judging.name : "run", hash);
    int status = 0;
    if (file_exists(path))
        goto out;
    TRY(make_folders(folder, err));
    TRY(file_write_shared(path, text, strlen(text), err)); /* shards begin together */
out:
    arena_free(&a);
    return status;
}
