/* png_mutator.h -- libFuzzer's mutations, of which most leave a PNG with sound checksums: without
 * them nearly every input ends at the first chunk. */
#ifndef SSV_TESTS_FUZZ_PNG_MUTATOR_H
#define SSV_TESTS_FUZZ_PNG_MUTATOR_H

#include "tests/fuzz/fuzz.h"
#include "tests/image_files.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room, unsigned seed) {
    n = LLVMFuzzerMutate(data, n, room);
    if (n < 8 || png_sig_cmp(data, 0, 8) || seed % 8 == 0)
        return n;
    for (size_t at = 8; n - at >= 12;) {
        size_t bytes =
            (size_t)data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3];
        if (bytes > n - at - 12)
            break;
        put_word(data + at + 8 + bytes, (uint32_t)crc32(0, data + at + 4, (uInt)(bytes + 4)));
        at += 12 + bytes;
    }
    return n;
}

#endif
