/* sha256.h -- SHA-256 (FIPS 180-4) by Nettle, in hexadecimal.  Piece by piece it is Nettle's own:
 * sha256_init(&h), sha256_update(&h, bytes, data), and then sha256_end or sha256_digest. */
#ifndef SSV_CORE_SHA256_H
#define SSV_CORE_SHA256_H

#include "core/error.h"

#include <nettle/sha2.h>
#include <stddef.h>

enum { SHA256_HEX = 2 * SHA256_DIGEST_SIZE };

void sha256_end(struct sha256_ctx *hash, char out[SHA256_HEX + 1]);
void sha256_hex(const void *data, size_t bytes, char out[SHA256_HEX + 1]);
/* Of a whole file.  When it cannot be read, file_blame's status. */
int sha256_file(const char *path, char out[SHA256_HEX + 1], struct error *err);

#endif
