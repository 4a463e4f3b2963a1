/* tar_bytes.h -- tar archives in memory, to POSIX's layout of ustar. */
#ifndef SSV_TESTS_TAR_BYTES_H
#define SSV_TESTS_TAR_BYTES_H

#include "core/arena.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { TAR_BLOCK = 512 };

struct tar {
    struct arena *arena;
    uint8_t *data;
    size_t bytes, room;
};

static inline uint8_t *tar_more(struct tar *t, size_t bytes) {
    if (t->bytes + bytes > t->room) {
        t->room = 2 * (t->bytes + bytes);
        uint8_t *more = arena_alloc(t->arena, t->room);
        if (t->bytes)
            memcpy(more, t->data, t->bytes);
        t->data = more;
    }
    t->bytes += bytes;
    return t->data + t->bytes - bytes;
}

/* type '0': a file, '5': a folder. */
static inline void tar_add_as(struct tar *t, const char *name, char type, const void *data,
                              size_t bytes) {
    char *head = (char *)tar_more(t, TAR_BLOCK);
    unsigned sum = 0;
    snprintf(head, 100, "%s", name);
    snprintf(head + 100, 8, "%07o", 0644U);
    snprintf(head + 108, 8, "%07o", 0U);
    snprintf(head + 116, 8, "%07o", 0U);
    snprintf(head + 124, 12, "%011o", (unsigned)bytes);
    snprintf(head + 136, 12, "%011o", 0U);
    head[156] = type;
    memcpy(head + 257, "ustar\00000", 8);
    memset(head + 148, ' ', 8);
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += (uint8_t)head[i];
    snprintf(head + 148, 8, "%06o", sum);
    if (bytes)
        memcpy(tar_more(t, (bytes + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK), data, bytes);
}

static inline void tar_add(struct tar *t, const char *name, const void *data, size_t bytes) {
    tar_add_as(t, name, '0', data, bytes);
}

static inline void tar_add_text(struct tar *t, const char *name, const char *text) {
    tar_add(t, name, text, strlen(text));
}

/* Two blocks of zeros. */
static inline void tar_end(struct tar *t) {
    tar_more(t, 2 * TAR_BLOCK);
}

#endif
