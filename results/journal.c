#include "results/journal.h"

#include "core/clock.h"
#include "core/decimal.h"
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKWARDS = 4096, LINE = 2048 };

static const struct {
    const char *name;
    size_t offset;
    int optional; /* left out where it is not known */
} columns[] = {
    {"epoch", offsetof(struct step_row, epoch), 0},
    {"loss", offsetof(struct step_row, loss), 0},
    {"lr", offsetof(struct step_row, lr), 0},
    {"grad_norm", offsetof(struct step_row, grad_norm), 0},
    {"img_per_s", offsetof(struct step_row, img_per_s), 0},
    {"wall_s", offsetof(struct step_row, wall_s), 0},
    {"feature_std", offsetof(struct step_row, feature_std), 0},
    {"effective_rank", offsetof(struct step_row, effective_rank), 0},
    {"wait_s", offsetof(struct step_row, wait_s), 1},
    {"entropy", offsetof(struct step_row, entropy), 1},
    {"loss_1", offsetof(struct step_row, part[0]), 1},
    {"loss_2", offsetof(struct step_row, part[1]), 1},
    {"loss_3", offsetof(struct step_row, part[2]), 1},
    {"loss_4", offsetof(struct step_row, part[3]), 1},
    {"norm_1", offsetof(struct step_row, norm[0]), 1},
    {"norm_2", offsetof(struct step_row, norm[1]), 1},
    {"norm_3", offsetof(struct step_row, norm[2]), 1},
    {"norm_4", offsetof(struct step_row, norm[3]), 1},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static int failed(const struct journal *j, const char *what, struct error *err) {
    return error_set(err, STATUS_MACHINE,
                     "%s: cannot %s: %s; check the folder, its permissions and its free space",
                     j->path, what, strerror(errno));
}

/* ---- writing ---- */

/* Behind the last newline lies what a kill left of a line. */
static int cut_torn_line(struct journal *j, struct error *err) {
    struct stat info;
    if (fstat(j->fd, &info) < 0)
        return failed(j, "look at it", err);
    if (!S_ISREG(info.st_mode))
        return error_set(err, STATUS_USAGE, "%s is not a file: move it out of the way", j->path);
    off_t end = info.st_size;
    while (end > 0) {
        char block[BACKWARDS];
        off_t start = end > BACKWARDS ? end - BACKWARDS : 0;
        ssize_t n = pread(j->fd, block, (size_t)(end - start), start);
        if (n != end - start)
            return failed(j, "read it", err);
        const char *newline = memrchr(block, '\n', (size_t)n);
        if (newline) {
            end = start + (newline - block) + 1;
            break;
        }
        end = start;
    }
    if (end < info.st_size && ftruncate(j->fd, end) < 0)
        return failed(j, "cut its torn last line", err);
    return 0;
}

static int open_fd(struct journal *j, struct error *err) {
    j->fd = open(j->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    return j->fd < 0 ? failed(j, "open it", err) : 0;
}

int journal_open(struct journal *j, const char *path, struct error *err) {
    j->fd = -1;
    int n = snprintf(j->path, sizeof j->path, "%s", path), status = 0;
    if (n < 0 || (size_t)n >= sizeof j->path)
        return error_set(err, STATUS_USAGE, "the path of a journal is too long: %.200s...", path);
    TRY(open_fd(j, err));
    TRY(cut_torn_line(j, err));
out:
    if (status)
        journal_close(j);
    return status;
}

/* One write(2): a reader and a kill see whole lines or one torn last line.  A line that the disk
 * took in part is cut off again, else the next one would be glued to it. */
static int append(struct journal *j, const char *line, size_t bytes, struct error *err) {
    CHECK(j->fd >= 0, "the journal is not open");
    ssize_t n;
    do
        n = write(j->fd, line, bytes);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)bytes)
        return 0;
    int reason = n < 0 ? errno : ENOSPC;
    struct stat info;
    if (n > 0 && fstat(j->fd, &info) == 0 && info.st_size >= n &&
        ftruncate(j->fd, info.st_size - n) < 0)
        reason = errno;
    errno = reason;
    return failed(j, "write a line", err);
}

/* null where JSON has no number. */
static int put_real(char *out, size_t room, double x) {
    char text[DECIMAL] = "null";
    if (isfinite(x))
        decimal(x, text);
    return snprintf(out, room, "%s", text);
}

int journal_step(struct journal *j, const struct step_row *row, struct error *err) {
    char line[LINE]; /* 17 numbers of at most 24 characters and their names */
    size_t n = (size_t)snprintf(line, sizeof line, "{\"type\":\"step\",\"step\":%ld", row->step);
    for (int i = 0; i < COLUMNS; i++) {
        double x;
        memcpy(&x, (const char *)row + columns[i].offset, sizeof x);
        if (columns[i].optional && !isfinite(x))
            continue;
        n += (size_t)snprintf(line + n, sizeof line - n, ",\"%s\":", columns[i].name);
        n += (size_t)put_real(line + n, sizeof line - n, x);
    }
    n += (size_t)snprintf(line + n, sizeof line - n, "}\n");
    CHECK(n < sizeof line, "%zu bytes", n);
    return append(j, line, n, err);
}

/* A detail that is not a JSON object, such as one with a NaN in it, is kept as text: the event
 * matters more. */
static void add_detail(json_t *event, const char *detail) {
    json_t *members = json_loads(detail, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(members))
        json_object_update_missing(event, members);
    else
        json_object_set_new(event, "detail", json_string(detail));
    json_decref(members);
}

int journal_event(struct journal *j, const char *what, const char *detail, struct error *err) {
    char utc[sizeof "2026-01-01T00:00:00Z"];
    clock_utc(utc);
    int status = 0;
    char *text = NULL;
    json_t *event = json_pack("{s:s, s:s, s:s}", "type", "event", "utc", utc, "what", what);
    CHECK(event, "event \"%s\" is not UTF-8, or out of memory", what);
    if (detail)
        add_detail(event, detail);
    text = json_dumps(event, JSON_COMPACT);
    json_decref(event);
    CHECK(text, "out of memory");
    size_t n = strlen(text);
    text[n] = '\n'; /* in place of the final NUL: append counts */
    status = append(j, text, n + 1, err);
    free(text);
    return status;
}

int journal_sync(struct journal *j, struct error *err) {
    CHECK(j->fd >= 0, "the journal is not open");
    /* EINVAL: something that cannot be synchronised, such as a pipe */
    return fdatasync(j->fd) < 0 && errno != EINVAL ? failed(j, "bring it to the disk", err) : 0;
}

void journal_close(struct journal *j) {
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
}

/* ---- reading ---- */

enum line_kind { LINE_STEP, LINE_OTHER, LINE_BROKEN };

/* The line without its newline. */
static enum line_kind parse(const char *line, size_t bytes, struct step_row *row,
                            json_error_t *why) {
    json_t *object = json_loadb(line, bytes, 0, why);
    enum line_kind kind = object ? LINE_OTHER : LINE_BROKEN;
    const char *type = json_string_value(json_object_get(object, "type"));
    const json_t *step = json_object_get(object, "step");
    if (type && !strcmp(type, "step") && json_is_integer(step)) {
        kind = LINE_STEP;
        row->step = (long)json_integer_value(step);
        for (int i = 0; i < COLUMNS; i++) {
            const json_t *value = json_object_get(object, columns[i].name);
            double x = json_is_number(value) ? json_number_value(value) : NAN;
            memcpy((char *)row + columns[i].offset, &x, sizeof x);
        }
    }
    json_decref(object);
    return kind;
}

static long count_lines(const char *text, size_t bytes) {
    long n = 0;
    for (const char *end = text + bytes; (text = memchr(text, '\n', (size_t)(end - text))); text++)
        n++;
    return n;
}

int journal_read(const char *path, struct arena *a, struct step_row **rows, long *n_rows,
                 struct error *err) {
    *rows = NULL;
    *n_rows = 0;
    if (!file_exists(path))
        return 0;
    struct arena scratch = {0};
    char *text;
    size_t bytes;
    int status = 0;
    TRY(file_read(path, &scratch, &text, &bytes, err));
    long n_lines = count_lines(text, bytes), n = 0;
    struct step_row *row = ARENA_ARRAY(a, struct step_row, n_lines);
    const char *line = text, *end;
    for (long i = 1; i <= n_lines; i++, line = end + 1) {
        end = memchr(line, '\n', bytes - (size_t)(line - text));
        struct step_row next;
        json_error_t why;
        enum line_kind kind = parse(line, (size_t)(end - line), &next, &why);
        if (kind == LINE_BROKEN) {
            status = error_set(err, STATUS_USAGE,
                               "%s, line %ld: not JSON: %s; restore the file or delete this line",
                               path, i, why.text);
            goto out;
        }
        if (kind == LINE_OTHER)
            continue;
        while (n && row[n - 1].step >= next.step)
            n--;
        row[n++] = next;
    }
    *rows = row;
    *n_rows = n;
out:
    arena_free(&scratch);
    return status;
}

int journal_find(const char *path, const char *what, const char *member, double *value,
                 struct error *err) {
    *value = NAN;
    if (!file_exists(path))
        return 0;
    struct arena scratch = {0};
    char *text;
    size_t bytes;
    int status = file_read(path, &scratch, &text, &bytes, err);
    const char *line = status ? NULL : text;
    for (const char *end; line && (end = memchr(line, '\n', bytes - (size_t)(line - text)));
         line = end + 1) {
        json_t *object = json_loadb(line, (size_t)(end - line), 0, NULL);
        const char *name = json_string_value(json_object_get(object, "what"));
        const json_t *number = json_object_get(object, member);
        if (name && !strcmp(name, what) && json_is_number(number))
            *value = json_number_value(number);
        json_decref(object);
    }
    arena_free(&scratch);
    return status;
}

/* ---- rewinding ---- */

/* Moves what stays to the front; returns its size. */
static size_t keep_until(char *text, size_t bytes, long last_step) {
    size_t kept = 0;
    for (char *line = text, *end; (end = memchr(line, '\n', bytes - (size_t)(line - text)));
         line = end + 1) {
        struct step_row row;
        json_error_t why;
        size_t n = (size_t)(end + 1 - line);
        if (parse(line, n - 1, &row, &why) == LINE_STEP && row.step > last_step)
            continue;
        memmove(text + kept, line, n);
        kept += n;
    }
    return kept;
}

int journal_rewind(struct journal *j, long last_step, struct error *err) {
    CHECK(j->fd >= 0, "the journal is not open");
    struct arena scratch = {0};
    char *text;
    size_t bytes;
    int status = 0;
    TRY(file_read(j->path, &scratch, &text, &bytes, err));
    size_t kept = keep_until(text, bytes, last_step);
    if (kept == bytes)
        goto out;
    TRY(file_write_atomic(j->path, text, kept, err));
    journal_close(j); /* it is the old file's */
    TRY(open_fd(j, err));
out:
    arena_free(&scratch);
    return status;
}
