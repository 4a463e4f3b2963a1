/* random.c -- the untrained encoder: the floor of every comparison. */
#include "methods/method.h"

const struct method method_random = {
    .name = "random",
    .title = "Random initialisation",
    .version = 1,
    .cite = "no training; the floor",
    .backbones = BACKBONE_ANY,
};
