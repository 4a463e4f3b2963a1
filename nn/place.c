/* place.c -- where buffers lie: those whose lives do not meet may share memory. */
#include "nn/plan_internal.h"

#include <stdlib.h>

static int larger_first(const void *a, const void *b) {
    const struct piece *p = a, *q = b;
    if (p->size != q->size)
        return p->size < q->size ? 1 : -1;
    return p->buffer->born - q->buffer->born;
}

static int lower_first(const void *a, const void *b) {
    const struct piece *const *p = a, *const *q = b;
    return ((*p)->buffer->offset > (*q)->buffer->offset) -
           ((*p)->buffer->offset < (*q)->buffer->offset);
}

/* A piece goes to the lowest gap among those placed already that are alive at the same time. */
size_t place(struct arena *a, struct piece *pieces, int n) {
    size_t total = 0;
    struct piece **busy = ARENA_ARRAY(a, struct piece *, n + 1);
    qsort(pieces, (size_t)n, sizeof *pieces, larger_first);
    for (int i = 0; i < n; i++) {
        struct buffer *b = pieces[i].buffer;
        int n_busy = 0;
        for (int j = 0; j < i; j++)
            if (pieces[j].buffer->born <= b->dies && b->born <= pieces[j].buffer->dies)
                busy[n_busy++] = &pieces[j];
        qsort(busy, (size_t)n_busy, sizeof *busy, lower_first);
        size_t at = 0;
        for (int j = 0; j < n_busy && at + pieces[i].size > busy[j]->buffer->offset; j++) {
            size_t after = busy[j]->buffer->offset + busy[j]->size;
            at = after > at ? after : at;
        }
        b->offset = at;
        total = at + pieces[i].size > total ? at + pieces[i].size : total;
    }
    return total;
}
