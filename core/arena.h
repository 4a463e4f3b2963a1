/* arena.h -- memory by lifetime.
 *
 * An arena hands out zeroed memory and gives all of it back at once.  Nobody frees a single piece.
 * Small arenas (graphs, tables, strings) grow block by block.  Slabs are the big flat buffers
 * (weights, activations): one mapping each, on huge pages where the system grants them.
 */
#ifndef SSV_CORE_ARENA_H
#define SSV_CORE_ARENA_H

#include "core/error.h"

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *head;
    size_t total; /* bytes handed out since the last reset */
};

/* A zero-initialised struct arena is a valid empty arena. */

/* Returns `bytes` zeroed bytes aligned to 16; never NULL: an arena holds small things, and when
 * even those do not fit the program ends with one line and exit code 3. */
void *arena_alloc(struct arena *a, size_t bytes);
char *arena_strdup(struct arena *a, const char *text);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *a); /* gives everything back; the arena is empty again */
/* What `from` handed out lives as long as a now; `from` is empty again. */
void arena_adopt(struct arena *a, struct arena *from);

#define ARENA_NEW(a, type) ((type *)arena_alloc(a, sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc(a, sizeof(type) * (size_t)(n)))

struct slab {
    void *data;   /* zeroed, aligned to 64 bytes (2 MiB when large) */
    size_t bytes; /* as asked for */
    size_t mapped;
};

/* Status 3 with the number of bytes when the machine has not enough memory. */
int slab_alloc(struct slab *s, size_t bytes, const char *what, struct error *err);
void slab_free(struct slab *s); /* of a zeroed slab: nothing */

#endif
