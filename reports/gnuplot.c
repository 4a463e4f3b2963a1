#include "reports/figures_internal.h"

#include "core/child.h"
#include "core/file.h"
#include "core/log.h"

#include <errno.h>
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

/* Starts gnuplot in the folder without a shell, its output nowhere and its messages in `said`.
 * Returns 0 or an errno; *ended is the status of waitpid. */
static int start_and_wait(const char *folder, char *const argv[], char said[SAID_BYTES],
                          int *ended) {
    struct arena a = {0};
    struct child child = {0};
    const struct child_spec spec = {.argv = argv,
                                    .environment = environment(&a),
                                    .folder = folder,
                                    .read = STDERR_FILENO,
                                    .discard_stdout = 1};
    int reason = child_start(&child, &spec);
    if (!reason) {
        read_said(child.output, said);
        close(child.output);
        *ended = child_wait(&child);
    }
    arena_free(&a);
    return reason;
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

static int render_one(const char *folder, const char *name, const char *format, int blame,
                      struct error *err) {
    struct arena a = {0};
    char said[SAID_BYTES] = "";
    int ended = 0, status = 0;
    const char *path = arena_printf(&a, "%s/%s.%s", folder, name, format);
    const char *temporary = arena_printf(&a, "%s.tmp", path);
    char *const argv[] = {arena_strdup(&a, "gnuplot"),
                          arena_strdup(&a, "-d"),
                          arena_strdup(&a, "-e"),
                          arena_printf(&a, "fmt='%s'; out='%s.%s.tmp'", format, name, format),
                          arena_printf(&a, "%s.gp", name),
                          NULL};
    unlink(temporary);
    int reason = start_and_wait(folder, argv, said, &ended);
    const char *text = in_one_line(said, &a);
    if (reason == ENOENT)
        status = error_set(err, STATUS_MACHINE,
                           "gnuplot is not in PATH: install it (Debian: gnuplot-nox) and report "
                           "again; data and scripts are in %s",
                           folder);
    else if (reason)
        status = error_set(err, STATUS_MACHINE, "cannot start gnuplot: %s", strerror(reason));
    else if (*text)
        status = error_set(err, blame, "%s/%s.gp: gnuplot says: %.*s", folder, name, QUOTED, text);
    else if (!WIFEXITED(ended) || WEXITSTATUS(ended))
        status = error_set(err, blame, "%s/%s.gp: gnuplot ended with %s %d", folder, name,
                           WIFEXITED(ended) ? "status" : "signal",
                           WIFEXITED(ended) ? WEXITSTATUS(ended) : WTERMSIG(ended));
    else if (is_empty(temporary))
        status = error_set(err, blame,
                           "%s/%s.gp made no figure: it must write to the file named by `out` "
                           "(style.gp does)",
                           folder, name);
    else
        TRY(file_commit(temporary, path, err));
out:
    if (status)
        unlink(temporary);
    arena_free(&a);
    return status;
}

int gnuplot_render(const char *folder, const char *name, int blame, struct error *err) {
    static const char *const formats[] = {"svg", "png", "pdf"};
    int status = 0;
    for (size_t i = 0; i < sizeof formats / sizeof *formats && !status; i++)
        status = render_one(folder, name, formats[i], blame, err);
    return status;
}
