/* file_part.h -- bytes from the middle of a file that stays open; any thread may read.
 *
 * Unlike a mapping, a file that somebody cuts off meanwhile gives an error, not a signal.
 */
#ifndef SSV_DATA_FILE_PART_H
#define SSV_DATA_FILE_PART_H

#include "core/error.h"
#include "core/sha256.h"

#include <stddef.h>
#include <stdint.h>

/* *fd is -1 after a failure.  Status 2 with the path, or 3 as file_blame says. */
int file_part_open(const char *path, int *fd, uint64_t *size, struct error *err);
int file_part_read(int fd, const char *path, uint64_t at, void *out, size_t n, struct error *err);
/* The first n bytes into the hash, without room for all of them. */
int file_part_hash(int fd, const char *path, uint64_t n, struct sha256_ctx *hash,
                   struct error *err);

#endif
