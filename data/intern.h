/* intern.h -- byte strings to the numbers 0, 1, 2, ..., in the order of their first appearance. */
#ifndef SSV_DATA_INTERN_H
#define SSV_DATA_INTERN_H

#include "core/arena.h"

#include <stdint.h>

struct interned {
    const char *bytes; /* a copy, with a NUL behind it */
    size_t n;
};

/* Zero-initialised but for the arena, which owns everything, it is empty. */
struct intern {
    struct arena *arena;
    struct interned *entries; /* (n) */
    int n, room;
    int32_t *slots; /* (n_slots) open addressing: entry + 1, 0 when free */
    size_t n_slots; /* a power of two */
};

int intern_add(struct intern *t, const void *bytes, size_t n);        /* its number, old or new */
int intern_find(const struct intern *t, const void *bytes, size_t n); /* -1 when it is not there */

#endif
