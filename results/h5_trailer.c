#include "results/h5_trailer_internal.h"

#include "core/sha256.h"

#include <stdio.h>
#include <string.h>

void h5_make_trailer(const char *image, size_t bytes, char trailer[H5_TRAILER]) {
    char hash[65], line[H5_TRAILER + 1];
    sha256_hex(image, bytes, hash);
    snprintf(line, sizeof line, "\nssvbench-run sha256 %s\n", hash);
    memcpy(trailer, line, H5_TRAILER);
}

/* HDF5 file format specification 3.0, II.A: version 2 and 3 of the superblock, 8-byte offsets. */
size_t h5_stored_end(const char *image, size_t bytes) {
    enum { VERSION = 8, OFFSETS = 9, END = 28, SUPERBLOCK = 48 };
    const unsigned char *u = (const unsigned char *)image;
    if (bytes < SUPERBLOCK || memcmp(u, "\211HDF\r\n\032\n", VERSION) != 0 ||
        (u[VERSION] != 2 && u[VERSION] != 3) || u[OFFSETS] != 8)
        return 0;
    size_t end = 0;
    for (int i = 7; i >= 0; i--)
        end = end << 8 | u[END + i];
    return end;
}

size_t h5_check_trailer(const char *file, size_t bytes, int *damaged) {
    static const char mark[] = "\nssvbench-run sha256 ";
    *damaged = 0;
    if (bytes < H5_TRAILER || memcmp(file + bytes - H5_TRAILER, mark, sizeof mark - 1) != 0)
        return bytes;
    char right[H5_TRAILER];
    bytes -= H5_TRAILER;
    h5_make_trailer(file, bytes, right);
    *damaged = memcmp(file + bytes, right, H5_TRAILER) != 0;
    return bytes;
}
