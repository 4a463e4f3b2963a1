#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_READ = 1 << 14, SHARE = 1 << 30 };

static int write_failed(const char *path, const char *what, struct error *err) {
    return error_set(err, STATUS_MACHINE,
                     "%s: cannot %s: %s; check the folder, its permissions and its free space",
                     path, what, strerror(errno));
}

static int write_all(int fd, const char *data, size_t bytes) {
    while (bytes) {
        ssize_t n = write(fd, data, bytes < SHARE ? bytes : SHARE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        bytes -= (size_t)n;
    }
    return 0;
}

/* A rename is only on the disk when its folder is. */
static int sync_folder_of(const char *path) {
    struct arena a = {0};
    char *folder = arena_strdup(&a, path), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    arena_free(&a);
    if (fd < 0)
        return errno == EACCES ? 0 : -1; /* a folder that may be written but not read */
    int failed = fsync(fd) < 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP;
    int reason = errno;
    close(fd);
    errno = reason;
    return failed ? -1 : 0;
}

/* A device or a pipe must not give way to a file: root would lose /dev/null. */
static int refuse_special(const char *path, struct error *err) {
    struct stat there;
    if (lstat(path, &there) || S_ISREG(there.st_mode) || S_ISLNK(there.st_mode) ||
        S_ISDIR(there.st_mode))
        return 0; /* a folder is not replaced by rename */
    return error_set(
        err, STATUS_USAGE,
        "%s: a device or a pipe, which no file takes the place of: choose another path", path);
}

int file_commit(const char *tmp_path, const char *path, struct error *err) {
    int status = refuse_special(path, err);
    if (status)
        return status;
    int fd = open(tmp_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return write_failed(tmp_path, "open it again", err);
    int failed = fsync(fd) < 0;
    int reason = errno;
    close(fd);
    errno = reason;
    if (failed)
        return write_failed(tmp_path, "bring it to the disk", err);
    if (rename(tmp_path, path) < 0)
        return write_failed(path, "replace it", err);
    if (sync_folder_of(path) < 0)
        return write_failed(path, "bring its folder to the disk", err);
    return 0;
}

static int write_through(const char *tmp_path, const char *path, const void *data, size_t bytes,
                         struct error *err) {
    int status = 0, fd = open(tmp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return write_failed(tmp_path, "create it", err);
    int failed = write_all(fd, data, bytes) < 0;
    int reason = errno;
    failed = (close(fd) < 0 && !failed) ? (reason = errno, 1) : failed;
    if (failed) {
        errno = reason;
        status = write_failed(tmp_path, "write it", err);
        goto out;
    }
    TRY(file_commit(tmp_path, path, err));
out:
    if (status)
        unlink(tmp_path);
    return status;
}

int file_write_atomic(const char *path, const void *data, size_t bytes, struct error *err) {
    struct arena a = {0};
    const char *tmp_path = arena_printf(&a, "%s.tmp", path);
    unlink(tmp_path); /* left by a crash, or a link to somewhere else */
    int status = write_through(tmp_path, path, data, bytes, err);
    arena_free(&a);
    return status;
}

int file_write_shared(const char *path, const void *data, size_t bytes, struct error *err) {
    struct arena a = {0};
    unsigned long long mark;
    int status = getrandom(&mark, sizeof mark, 0) == sizeof mark
                     ? 0
                     : write_failed(path, "choose a name for it", err);
    if (!status)
        status =
            write_through(arena_printf(&a, "%s.%016llx.tmp", path, mark), path, data, bytes, err);
    arena_free(&a);
    return status;
}

int file_claim(const char *path, struct error *err) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return write_failed(path, "create it", err);
    close(fd);
    return 0;
}

int file_try(const char *path, struct error *err) {
    struct arena a = {0};
    char *tmp_path = arena_printf(&a, "%s.tmp", path);
    struct stat there;
    int status = refuse_special(path, err), fd = -1;
    if (!status && !stat(path, &there) && S_ISDIR(there.st_mode)) {
        errno = EISDIR;
        status = write_failed(path, "replace it", err);
    }
    if (status)
        goto out;
    unlink(tmp_path); /* as in file_write_atomic */
    fd = open(tmp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        status = write_failed(tmp_path, "create it", err);
        goto out;
    }
    close(fd);
    unlink(tmp_path);
out:
    arena_free(&a);
    return status;
}

int file_blame_writing(const char *path, const char *unfinished, struct error *err) {
    static const char block[1 << 16];
    int fd = open(unfinished, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int failed = fd < 0 || write_all(fd, block, sizeof block) < 0 || fsync(fd) < 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    unlink(unfinished);
    errno = reason;
    return failed ? write_failed(path, "write it", err)
                  : error_set(err, STATUS_MACHINE,
                              "%s: cannot write it; check the folder, its permissions and its free "
                              "space",
                              path);
}

int file_blame(int reason) {
    static const int machine[] = {EIO,    ESTALE,     EAGAIN, ETIMEDOUT, EMFILE,
                                  ENFILE, ECONNRESET, ENOMEM, EREMOTEIO, EHOSTDOWN};
    for (size_t i = 0; i < sizeof machine / sizeof *machine; i++)
        if (reason == machine[i])
            return STATUS_MACHINE;
    return STATUS_USAGE;
}

/* Works for pipes and /proc too, whose size is not known beforehand. */
static int read_all(int fd, struct arena *a, char **data, size_t *bytes) {
    struct stat info;
    size_t room = FIRST_READ, used = 0;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
        room = (size_t)info.st_size + 1;
    char *buffer = arena_alloc(a, room + 1);
    for (;;) {
        if (used == room) {
            char *larger = arena_alloc(a, 2 * room + 1);
            memcpy(larger, buffer, used);
            buffer = larger;
            room *= 2;
        }
        size_t share = room - used < SHARE ? room - used : SHARE;
        ssize_t n = read(fd, buffer + used, share);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    buffer[used] = '\0';
    *data = buffer;
    *bytes = used;
    return 0;
}

int file_read(const char *path, struct arena *a, char **data, size_t *bytes, struct error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, file_blame(errno), "%s: cannot open it: %s", path, strerror(errno));
    int failed = read_all(fd, a, data, bytes) < 0;
    int reason = errno;
    close(fd);
    if (failed)
        return error_set(err, file_blame(reason), "%s: cannot read it: %s", path, strerror(reason));
    return 0;
}

int file_read_stored(const char *path, struct arena *a, char **data, size_t *bytes,
                     struct error *err) {
    struct stat info;
    if (!stat(path, &info) && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        return error_set(err, STATUS_USAGE, "%s: a pipe, socket or device, and no image file",
                         path);
    return file_read(path, a, data, bytes, err);
}

int file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

static int is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

int make_folders(const char *path, struct error *err) {
    struct arena a = {0};
    int status = 0;
    if (!path[0])
        return error_set(err, STATUS_USAGE, "the name of a folder is empty");
    char *part = arena_strdup(&a, path);
    for (char *c = part + 1;; c++) {
        if (*c && *c != '/')
            continue;
        char separator = *c;
        *c = '\0';
        /* Another process may make the same folder, so only the outcome counts. */
        if (mkdir(part, 0777) < 0) {
            int reason = errno;
            if (!is_folder(part)) {
                errno = reason;
                status = write_failed(part, "make this folder", err);
                break;
            }
        }
        *c = separator;
        if (!separator)
            break;
    }
    arena_free(&a);
    return status;
}

int stream_written(FILE *out, const char *what, struct error *err) {
    return fflush(out) || ferror(out)
               ? error_set(err, STATUS_MACHINE,
                           "cannot write %s: %s; check the free space of where it goes", what,
                           strerror(errno))
               : 0;
}

int file_beside_program(const char *name, char path[FILE_PATH], struct error *err) {
    size_t room = FILE_PATH - strlen(name) - 1;
    ssize_t n = readlink("/proc/self/exe", path, room);
    if (n <= 0)
        return error_set(err, STATUS_MACHINE, "cannot tell where this program lies");
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    strcpy(slash ? slash + 1 : path, name);
    return 0;
}
