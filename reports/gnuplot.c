#include "reports/figures_internal.h"
#include "reports/svg_internal.h"

#include "core/child.h"
#include "core/file.h"
#include "core/log.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { SAID_BYTES = 4096, QUOTED = 600 };

/* The parent's environment with a locale that has UTF-8 and a decimal point. */
static char **environment(struct arena *a) {
    int n = 0, kept = 0;
    while (environ[n])
        n++;
    char **copy = ARENA_ARRAY(a, char *, n + 2);
    for (int i = 0; i < n; i++)
        if (strncmp(environ[i], "LC_ALL=", 7) != 0)
            copy[kept++] = environ[i];
    copy[kept] = arena_strdup(a, "LC_ALL=C.UTF-8");
    return copy;
}

/* Everything to the end, of which the start is kept. */
static void read_said(int fd, char said[SAID_BYTES]) {
    char rest[512];
    size_t used = 0;
    for (;;) {
        int full = used + 1 >= SAID_BYTES;
        ssize_t n =
            full ? read(fd, rest, sizeof rest) : read(fd, said + used, SAID_BYTES - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += full ? 0 : (size_t)n;
    }
    said[used] = '\0';
}

/* Complaints about the machine's fonts and locale, not about the figure. */
static int is_harmless(const char *line) {
    return !strncmp(line, "Fontconfig ", 11) ||
           strstr(line, "iconv failed to convert degree sign") != NULL;
}

/* What was said in one line, its harmless lines left out. */
static char *in_one_line(char *said, struct arena *a) {
    char *text = arena_strdup(a, ""), *rest = NULL;
    for (char *line = strtok_r(said, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        line += strspn(line, " \t");
        if (is_harmless(line))
            log_message(LOG_DEBUG, "gnuplot: %s", line);
        else if (*line && strcmp(line, "^") != 0)
            text = arena_printf(a, "%s%s%s", text, *text ? " | " : "", line);
    }
    return text;
}

static int is_empty(const char *path) {
    struct stat info;
    return stat(path, &info) || info.st_size == 0;
}

/* A gnuplot that runs. */
struct job {
    const struct rendering *what;
    struct arena arena; /* of the paths */
    const char *path, *temporary;
    struct child child;
    int reason; /* why it did not start: an errno */
};

/* In the folder without a shell, its output nowhere. */
static void start(struct job *job, const char *folder, const struct rendering *what) {
    *job = (struct job){.what = what};
    struct arena *a = &job->arena;
    job->path = arena_printf(a, "%s/%s.%s", folder, what->name, what->format);
    job->temporary = arena_printf(a, "%s.tmp", job->path);
    char *const argv[] = {
        arena_strdup(a, "gnuplot"),
        arena_strdup(a, "-d"),
        arena_strdup(a, "-e"),
        arena_printf(a, "fmt='%s'; out='%s.%s.tmp'", what->format, what->name, what->format),
        arena_printf(a, "%s.gp", what->name),
        NULL};
    const struct child_spec spec = {.argv = argv,
                                    .environment = environment(a),
                                    .folder = folder,
                                    .read = STDERR_FILENO,
                                    .discard_stdout = 1};
    unlink(job->temporary);
    job->reason = child_start(&job->child, &spec);
}

/* The image into its place. */
static int keep(const struct job *job, struct error *err) {
    int status = strcmp(job->what->format, "svg") ? 0 : svg_keep_pixels(job->temporary, err);
    return status ? status : file_commit(job->temporary, job->path, err);
}

/* Waits for it and puts the image into its place. */
static int finish(struct job *job, const char *folder, struct error *err) {
    const char *name = job->what->name, *text = "";
    const int blame = job->what->blame;
    char said[SAID_BYTES] = "";
    int ended = 0, status = 0;
    if (!job->reason) {
        read_said(job->child.output, said);
        close(job->child.output);
        ended = child_wait(&job->child);
        text = in_one_line(said, &job->arena);
    }
    if (job->reason == ENOENT)
        status = error_set(err, STATUS_MACHINE,
                           "gnuplot is not in PATH: install it (Debian: gnuplot-nox) and report "
                           "again; data and scripts are in %s",
                           folder);
    else if (job->reason)
        status = error_set(err, STATUS_MACHINE, "cannot start gnuplot: %s", strerror(job->reason));
    else if (*text)
        status = error_set(err, blame, "%s/%s.gp: gnuplot says: %.*s", folder, name, QUOTED, text);
    else if (!WIFEXITED(ended) || WEXITSTATUS(ended))
        status = error_set(err, blame, "%s/%s.gp: gnuplot ended with %s %d", folder, name,
                           WIFEXITED(ended) ? "status" : "signal",
                           WIFEXITED(ended) ? WEXITSTATUS(ended) : WTERMSIG(ended));
    else if (is_empty(job->temporary))
        status = error_set(err, blame,
                           "%s/%s.gp made no figure: it must write to the file named by `out` "
                           "(style.gp does)",
                           folder, name);
    else
        status = keep(job, err);
    if (status)
        unlink(job->temporary);
    arena_free(&job->arena);
    return status;
}

static int processors(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

/* The oldest one is waited for when all processors are taken.  A program that is not there is said
 * once; of what else goes wrong the first is the error, and a script's formats fail together. */
int gnuplot_render(const char *folder, const struct rendering *list, int n, int *done,
                   struct error *err) {
    struct arena a = {0};
    const int most = processors();
    struct job *job = ARENA_ARRAY(&a, struct job, n);
    int started = 0, status = 0, missing = 0;
    const char *failed = "";
    for (int i = 0; i < n; i++) {
        struct error own;
        for (; started < n && started < i + most && !missing; started++)
            start(&job[started], folder, &list[started]);
        if (i >= started)
            break;
        int failure = finish(&job[i], folder, &own);
        done[i] = !failure;
        missing |= job[i].reason == ENOENT;
        if (failure && status && !missing && strcmp(failed, list[i].name))
            log_message(LOG_ERROR, "%s", own.message);
        if (failure && !status) {
            status = failure;
            *err = own;
        }
        if (failure)
            failed = list[i].name;
    }
    arena_free(&a);
    return status;
}
