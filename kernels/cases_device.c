/* cases_device.c -- a case's buffers on a device.
 *
 * A buffer has as many words there as here, with its guards.  Where its numbers have 16 bits there,
 * they fill the first half of these, and nothing may touch the rest.
 */
#include "kernels/cases_device.h"

#include <string.h>

enum { GUARD = CASE_GUARD };

static size_t numbers(const struct case_buffer *b) {
    return b->rows * b->stride;
}

static real *first_guard(const struct case_buffer *b) {
    return (b->index ? (real *)(void *)b->index : b->data) - GUARD;
}

static size_t guarded_bytes(const struct case_buffer *b) {
    return (numbers(b) + 2 * GUARD) * sizeof(real);
}

/* n words: the upper halves of x (n), and poison. */
static void pack(const struct case_buffer *b, const real *x, uint16_t *to) {
    const size_t n = numbers(b);
    const uint32_t poison = CASE_POISON;
    for (size_t i = n / 2; i < n; i++)
        memcpy(to + 2 * i, &poison, sizeof poison);
    for (size_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, &x[i], sizeof word);
        to[i] = (uint16_t)(word >> 16);
    }
}

/* The other way; what nobody has written is poison again. */
static void unpack(struct case_buffer *b) {
    const size_t n = numbers(b);
    for (size_t i = 0; i < n; i++) {
        uint32_t word = (uint32_t)b->back[i] << 16;
        word |= word == (CASE_POISON & 0xffff0000u) ? CASE_POISON & 0xffffu : 0;
        memcpy(&b->data[i], &word, sizeof word);
    }
    b->overrun = memcmp(b->back + n, b->packed + n, n * sizeof *b->back) != 0;
}

static void send_halves(struct case_run *r, struct case_buffer *b) {
    struct device *d = r->device;
    const size_t n = numbers(b);
    if (!b->packed) {
        b->packed = arena_alloc(&r->arena, (n + 1) * sizeof(real));
        b->back = arena_alloc(&r->arena, (n + 1) * sizeof(real));
        pack(b, b->data, b->packed);
    }
    d->copy_in(d, b->there, b->packed, n * sizeof(real));
}

int case_send(struct case_run *r, struct device *d, struct error *err) {
    int status = 0;
    r->device = d;
    for (int i = 0; i < r->n_buffers && !status; i++) {
        struct case_buffer *b = &r->buffer[i];
        size_t shift = (size_t)r->offset * sizeof(real);
        status = d->allocate(d, &b->memory, guarded_bytes(b) + shift, "a kernel's argument", err);
        if (status)
            break;
        b->there = (real *)b->memory + GUARD + r->offset;
        d->copy_in(d, b->there - GUARD, first_guard(b), guarded_bytes(b));
        if (b->half)
            send_halves(r, b);
    }
    return status ? status : d->check(d, err);
}

void case_resend(struct case_run *r, struct case_buffer *b) {
    if (b->half)
        send_halves(r, b);
    else
        r->device->copy_in(r->device, b->there, first_guard(b) + GUARD, numbers(b) * sizeof(real));
}

int case_fetch(struct case_run *r, struct error *err) {
    struct device *d = r->device;
    if (!d)
        return 0;
    for (int i = 0; i < r->n_buffers; i++) {
        struct case_buffer *b = &r->buffer[i];
        if (b->returned)
            continue;
        d->copy_out(d, first_guard(b), b->there - GUARD, guarded_bytes(b));
        if (!b->half)
            continue;
        d->copy_out(d, b->back, b->there, numbers(b) * sizeof(real));
        unpack(b);
    }
    return d->check(d, err);
}
