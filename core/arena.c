#include "core/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BLOCK_BYTES = 1 << 16, ALIGN = 16, HUGE_PAGE = 2 << 20, SMALL_PAGE = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t used, capacity;
    _Alignas(ALIGN) unsigned char data[];
};

void *arena_alloc(struct arena *a, size_t bytes) {
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    struct arena_block *block = a->head;
    if (!block || block->capacity - block->used < bytes) {
        size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = calloc(1, sizeof *block + capacity);
        if (!block) {
            fprintf(stderr, "ssvbench: out of memory (%zu bytes)\n", capacity);
            exit(STATUS_MACHINE);
        }
        block->capacity = capacity;
        block->next = a->head;
        a->head = block;
    }
    void *p = block->data + block->used;
    block->used += bytes;
    a->total += bytes;
    return p;
}

char *arena_strdup(struct arena *a, const char *text) {
    size_t n = strlen(text) + 1;
    return memcpy(arena_alloc(a, n), text, n);
}

char *arena_printf(struct arena *a, const char *format, ...) {
    CHECK(format, "no format");
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(n >= 0, "format %s", format);
    char *text = arena_alloc(a, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

void arena_free(struct arena *a) {
    struct arena_block *block = a->head;
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    *a = (struct arena){0};
}

void arena_adopt(struct arena *a, struct arena *from) {
    struct arena_block **last = &from->head;
    while (*last)
        last = &(*last)->next;
    if (a->head) { /* which has room, stays the first */
        *last = a->head->next;
        a->head->next = from->head;
    } else {
        a->head = from->head;
    }
    a->total += from->total;
    *from = (struct arena){0};
}

/* Huge pages were worth 10-18 % of a ViT step on the machines this was written on: the slabs are
 * far larger than what the TLB covers in 4 KiB pages. */
int slab_alloc(struct slab *s, size_t bytes, const char *what, struct error *err) {
    *s = (struct slab){0};
    size_t page = bytes >= HUGE_PAGE ? HUGE_PAGE : SMALL_PAGE;
    if (bytes > SIZE_MAX - 2 * page)
        return error_set(err, STATUS_MACHINE, "%s: %zu bytes cannot be allocated", what, bytes);
    size_t mapped = (bytes + page - 1) / page * page;
    if (!mapped)
        mapped = page;
    size_t room = page == HUGE_PAGE ? mapped + page : mapped;
    unsigned char *p = mmap(NULL, room, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return error_no_room(
            err,
            "%s needs %.1f MiB and the machine does not have them: use a smaller batch, "
            "model or chunk",
            what, (double)bytes / (1 << 20));
    if (page == HUGE_PAGE) {
        size_t head = (page - (size_t)p % page) % page;
        if (head)
            munmap(p, head);
        p += head;
        if (room - head > mapped)
            munmap(p + mapped, room - head - mapped);
        madvise(p, mapped, MADV_HUGEPAGE);
    }
    *s = (struct slab){.data = p, .bytes = bytes, .mapped = mapped};
    return 0;
}

void slab_free(struct slab *s) {
    if (s->data)
        munmap(s->data, s->mapped);
    *s = (struct slab){0};
}
