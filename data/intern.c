#include "data/intern.h"

#include <limits.h>
#include <string.h>

enum { FEWEST = 64 };

/* FNV-1a. */
static uint64_t hash(const void *bytes, size_t n) {
    uint64_t h = 0xcbf29ce484222325U;
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3U;
    return h ^ h >> 32;
}

/* The slot that holds the string, or the free one where it belongs. */
static size_t find_slot(const struct intern *t, const void *bytes, size_t n) {
    size_t at = hash(bytes, n) & (t->n_slots - 1);
    for (; t->slots[at]; at = (at + 1) & (t->n_slots - 1)) {
        const struct interned *e = &t->entries[t->slots[at] - 1];
        if (e->n == n && !memcmp(e->bytes, bytes, n))
            break;
    }
    return at;
}

int intern_find(const struct intern *t, const void *bytes, size_t n) {
    return t->n ? t->slots[find_slot(t, bytes, n)] - 1 : -1;
}

/* Twice as many slots as entries at least; what is outgrown stays in the arena. */
static void grow(struct intern *t) {
    CHECK(t->room < INT_MAX / 4, "%d strings", t->room);
    struct interned *entries =
        ARENA_ARRAY(t->arena, struct interned, t->room ? 2 * t->room : FEWEST);
    if (t->n)
        memcpy(entries, t->entries, (size_t)t->n * sizeof *entries);
    t->entries = entries;
    t->room = t->room ? 2 * t->room : FEWEST;
    t->n_slots = 2 * (size_t)t->room;
    t->slots = ARENA_ARRAY(t->arena, int32_t, t->n_slots);
    for (int i = 0; i < t->n; i++)
        t->slots[find_slot(t, entries[i].bytes, entries[i].n)] = i + 1;
}

int intern_add(struct intern *t, const void *bytes, size_t n) {
    if (t->n == t->room)
        grow(t);
    size_t slot = find_slot(t, bytes, n);
    if (t->slots[slot])
        return t->slots[slot] - 1;
    char *copy = arena_alloc(t->arena, n + 1);
    memcpy(copy, bytes, n);
    t->entries[t->n] = (struct interned){copy, n};
    t->slots[slot] = t->n + 1;
    return t->n++;
}
