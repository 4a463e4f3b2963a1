/* Attention without probabilities on a device, in 16 bits, against kernels/ref. */
#ifndef SSV_TESTS_DEVICE_ATTENTION_H
#define SSV_TESTS_DEVICE_ATTENTION_H

#include "tests/device_arrays.h"

enum { CAUSAL = 1, BIASED = 2 };

/* Ref is given what the device left. */
static void fetch_halves(struct bench *b, int number) {
    struct array *a = &b->arrays[number];
    uint16_t *narrow = calloc(a->n + 1, sizeof *narrow);
    b->d->copy_out(b->d, narrow, a->there, a->n * sizeof *narrow);
    for (size_t i = 0; i < a->n; i++) {
        uint32_t bits = (uint32_t)narrow[i] << 16;
        memcpy(&a->here[i], &bits, sizeof bits);
    }
    free(narrow);
}

static void check_flash(struct bench *b, int n, int t, int heads, int d, int options) {
    const int causal = options & CAUSAL, biased = options & BIASED;
    size_t tokens = (size_t)n * (size_t)t, width = (size_t)heads * (size_t)d;
    size_t pairs = (size_t)heads * (size_t)t * (size_t)t;
    int bias = draw(b, pairs, 0), qkv = draw(b, 3 * tokens * width, 1);
    int lse = draw(b, (size_t)heads * tokens, 0), y = draw(b, tokens * width, 1);
    int dy = draw(b, tokens * width, 1), dqkv = draw(b, 3 * tokens * width, 1);
    int dbias = draw(b, pairs, 0);
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    b->there.halves = 1 << 1 | 1 << 3;
    there->attention_flash_forward(&b->there, n, t, heads, d, 0.3f, causal,
                                   OPTIONAL(biased, bias, THERE), THERE(qkv), THERE(lse), THERE(y));
    ref->attention_flash_forward(&b->here, n, t, heads, d, 0.3f, causal,
                                 OPTIONAL(biased, bias, HERE), HERE(qkv), HERE(lse), HERE(y));
    same(b, lse, "attention_flash_forward");
    same(b, y, "attention_flash_forward");
    fetch_halves(b, y);
    b->there.halves = 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5;
    there->attention_flash_backward(&b->there, n, t, heads, d, 0.3f, causal,
                                    OPTIONAL(biased, bias, THERE), THERE(qkv), THERE(lse), THERE(y),
                                    THERE(dy), THERE(dqkv), OPTIONAL(biased, dbias, THERE));
    ref->attention_flash_backward(&b->here, n, t, heads, d, 0.3f, causal,
                                  OPTIONAL(biased, bias, HERE), HERE(qkv), HERE(lse), HERE(y),
                                  HERE(dy), HERE(dqkv), OPTIONAL(biased, dbias, HERE));
    same(b, dqkv, "attention_flash_backward");
    same(b, dbias, "attention_flash_backward");
    clear_bench(b);
}

#endif
