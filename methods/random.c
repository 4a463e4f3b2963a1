/* random.c -- the untrained encoder: the floor of every comparison. */
#include "methods/method.h"

static int build(const void *self, struct builder *b, struct error *err) {
    (void)self, (void)b, (void)err;
    return 0;
}

const struct method method_random = {
    .name = "random",
    .title = "Random initialisation",
    .cite = "no training; the floor",
    .build = build,
};
