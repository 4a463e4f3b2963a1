#include "data/file_part.h"

#include "core/file.h"
#include "core/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_part_open(const char *path, int *fd, uint64_t *size, struct error *err) {
    struct stat info;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return error_set(err, file_blame(errno), "%s: cannot open it: %s", path, strerror(errno));
    if (!fstat(*fd, &info) && S_ISREG(info.st_mode)) {
        *size = (uint64_t)info.st_size;
        return 0;
    }
    close(*fd);
    *fd = -1;
    return error_set(err, STATUS_USAGE, "%s: a file expected, found something else", path);
}

int file_part_read(int fd, const char *path, uint64_t at, void *out, size_t n, struct error *err) {
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, (char *)out + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, file_blame(errno), "%s: offset %llu: cannot read: %s", path,
                             (unsigned long long)(at + done), strerror(errno));
        if (!got)
            return error_set(err, STATUS_USAGE,
                             "%s: offset %llu: %zu bytes expected, found the end of the file", path,
                             (unsigned long long)(at + done), n - done);
        done += (size_t)got;
    }
    return 0;
}

int file_part_hash(int fd, const char *path, uint64_t n, struct sha256_ctx *hash,
                   struct error *err) {
    enum { SHARE = 1 << 20 };
    uint8_t *buffer = malloc(SHARE);
    int status = buffer ? 0 : error_set(err, STATUS_MACHINE, "no memory to read %s", path);
    for (uint64_t at = 0; !status && at < n;) {
        size_t share = n - at < SHARE ? (size_t)(n - at) : SHARE;
        status = file_part_read(fd, path, at, buffer, share, err);
        if (!status)
            sha256_update(hash, share, buffer);
        at += share;
    }
    free(buffer);
    return status;
}
