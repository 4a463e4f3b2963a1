/* place.h -- a fresh folder for each test case, gone afterwards. */
#ifndef SSV_TESTS_PLACE_H
#define SSV_TESTS_PLACE_H

#include "core/arena.h"

#include <stdlib.h>

struct place {
    struct arena arena;
    char *folder;
};

static inline int set_up(void **state) {
    struct place *here = calloc(1, sizeof *here);
    const char *base = getenv("TMPDIR");
    if (!here)
        return -1;
    here->folder =
        arena_printf(&here->arena, "%s/ssvbench-XXXXXX", base && base[0] ? base : "/tmp");
    *state = here;
    return mkdtemp(here->folder) ? 0 : -1;
}

static inline int tear_down(void **state) {
    struct place *here = *state;
    int failed = system(arena_printf(&here->arena, "rm -rf '%s'", here->folder));
    arena_free(&here->arena);
    free(here);
    return failed;
}

/* The path of a name in it, owned by the place. */
static inline char *in(struct place *here, const char *name) {
    return arena_printf(&here->arena, "%s/%s", here->folder, name);
}

#endif
