#include "core/sha256.h"

#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void sha256_end(struct sha256_ctx *hash, char out[SHA256_HEX + 1]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(hash, sizeof digest, digest);
    for (int i = 0; i < SHA256_DIGEST_SIZE; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[SHA256_HEX] = '\0';
}

void sha256_hex(const void *data, size_t bytes, char out[SHA256_HEX + 1]) {
    struct sha256_ctx hash;
    sha256_init(&hash);
    if (bytes)
        sha256_update(&hash, bytes, data);
    sha256_end(&hash, out);
}

int sha256_file(const char *path, char out[SHA256_HEX + 1], struct error *err) {
    enum { SHARE = 1 << 18 };
    struct sha256_ctx hash;
    ssize_t got = 0;
    uint8_t *share = malloc(SHARE);
    int fd = share ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    int status = 0;
    sha256_init(&hash);
    while (fd >= 0 && ((got = read(fd, share, SHARE)) > 0 || (got < 0 && errno == EINTR)))
        if (got > 0)
            sha256_update(&hash, (size_t)got, share);
    if (fd < 0 || got < 0)
        status = error_set(err, file_blame(errno), "%s: cannot be read: %s", path, strerror(errno));
    else
        sha256_end(&hash, out);
    if (fd >= 0)
        close(fd);
    free(share);
    return status;
}
