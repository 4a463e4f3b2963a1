/* fuzz.h -- what the fuzz targets share; a target is one file that includes this one.
 *
 * A target defines fuzz_seeds, which names the inputs to begin with, and LLVMFuzzerTestOneInput.
 * The seeds are written into the corpus, the first argument that is no flag, before fuzzing begins.
 *
 *     make fuzz                                       every target for a few seconds
 *     make fuzz FUZZ_SECONDS=3600 FUZZ_RUNS=-1        for an hour each; the corpus is kept
 *     build-fuzz/fuzz/decode crash-...                one input again
 */
#ifndef SSV_TESTS_FUZZ_FUZZ_H
#define SSV_TESTS_FUZZ_FUZZ_H

#include "core/arena.h"
#include "core/error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void fuzz_seeds(const char *corpus);

static inline void fuzz_seed(const char *corpus, const char *name, const void *data, size_t n) {
    struct arena a = {0};
    FILE *f = fopen(arena_printf(&a, "%s/seed-%s", corpus, name), "wb");
    CHECK(f && fwrite(data, 1, n, f) == n && !fclose(f), "%s: cannot write %s", corpus, name);
    arena_free(&a);
}

#define FUZZ_SEED_TEXT(corpus, name, text) fuzz_seed(corpus, name, text, sizeof(text) - 1)

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    struct stat info;
    for (int i = 1; i < *argc; i++)
        if ((*argv)[i][0] != '-' && !stat((*argv)[i], &info) && S_ISDIR(info.st_mode)) {
            fuzz_seeds((*argv)[i]);
            break;
        }
    return 0;
}

/* A file of these bytes for functions that take a path, in memory; one for each number. */
static inline const char *fuzz_file(int number, const uint8_t *data, size_t n) {
    enum { FILES = 4 };
    static int files[FILES];
    static char paths[FILES][32];
    CHECK(number < FILES, "%d files", number);
    if (!paths[number][0]) {
        files[number] = memfd_create("fuzz", 0);
        snprintf(paths[number], sizeof *paths, "/proc/self/fd/%d", files[number]);
    }
    CHECK(!ftruncate(files[number], 0) && pwrite(files[number], data, n, 0) == (ssize_t)n,
          "no memory for %zu bytes", n);
    return paths[number];
}

/* Whatever the bytes: all is well, or the input is wrong and one line says why. */
static inline void fuzz_status(int status, const struct error *err) {
    if (status)
        CHECK(status == STATUS_USAGE && err->status == status && err->message[0] &&
                  !strchr(err->message, '\n'),
              "status %d: %s", status, err->message);
}

/* Every byte is looked at, so that the sanitizers see what is not there. */
static inline void fuzz_look(const void *data, size_t n) {
    const uint8_t *bytes = data;
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + bytes[i];
    volatile unsigned seen = sum;
    (void)seen;
}

#endif
