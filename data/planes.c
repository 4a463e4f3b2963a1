#include "data/planes_internal.h"

#include "core/file.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int records_count(const struct record_file *f, long *records, struct error *err) {
    struct stat info;
    *records = 0;
    if (stat(f->path, &info))
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : error_set(err, STATUS_USAGE, "%s: %s", f->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return error_set(err, STATUS_USAGE, "%s: a file expected, found something else", f->path);
    long record = (long)f->record, size = (long)info.st_size, whole = size / record;
    if (!size || size % record)
        return error_set(err, STATUS_USAGE,
                         "%s: offset %ld: a record of %ld bytes expected, found %ld bytes: the "
                         "file is cut off or no %s",
                         f->path, whole * record, record, size % record, f->of);
    *records = whole;
    return 0;
}

int records_read(const struct record_file *f, long n, uint8_t *out, struct error *err) {
    FILE *file = fopen(f->path, "rb");
    if (!file)
        return error_set(err, STATUS_USAGE, "%s: cannot open it: %s", f->path, strerror(errno));
    size_t bytes = (size_t)n * f->record, got = fread(out, 1, bytes, file);
    int reason = ferror(file) ? errno : 0;
    fclose(file);
    if (got != bytes)
        return error_set(err, STATUS_USAGE, "%s: offset %zu: %zu bytes expected, found %s", f->path,
                         got, bytes - got, reason ? strerror(reason) : "the end of the file");
    return 0;
}

static int is_name(const char *line) {
    for (const char *c = line; *c; c++)
        if (!isprint((unsigned char)*c))
            return 0;
    return line[0] && strlen(line) < 64;
}

int class_names_read(struct dataset *d, const char *path, int n, const char *const **names,
                     struct error *err) {
    const char **lines = ARENA_ARRAY(&d->arena, const char *, n);
    char *text, *save = NULL;
    size_t bytes;
    int found = 0, status = 0;
    if (!file_exists(path))
        return 0;
    TRY(file_read(path, &d->arena, &text, &bytes, err));
    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        if (found == n || !is_name(line))
            return error_set(
                err, STATUS_USAGE, "%s: offset %ld: %d lines with one name each expected, found %s",
                path, (long)(line - text), n, found == n ? "more" : "a line that is no name");
        lines[found++] = line;
    }
    if (found != n)
        return error_set(err, STATUS_USAGE,
                         "%s: offset %zu: %d names of classes expected, found %d", path, bytes, n,
                         found);
    *names = lines;
out:
    return status;
}

void planes_to_pixels(const uint8_t *planes, int side, int channels, int by_column, uint8_t *out) {
    const int down = by_column ? 1 : side, across = by_column ? side : 1;
    for (int c = 0; c < channels; c++, planes += side * side)
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
                out[(y * side + x) * channels + c] = planes[y * down + x * across];
}
