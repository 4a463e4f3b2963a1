/* completion.h -- what the completion of every shell is made from: for each command its flags and
 * what its arguments may be, for each flag what its value may be. */
#ifndef SSV_BENCH_COMPLETION_H
#define SSV_BENCH_COMPLETION_H

#include "bench/command.h"

enum value_kind {
    NO_VALUE,
    ANY_VALUE, /* a number, a file: what has no names */
    ONE_WORD,
    COMMA_LIST
};

struct flag {
    const char *name; /* "--mae.mask_ratio" */
    const char *help;
    enum value_kind kind;
    const char *words; /* of ONE_WORD and COMMA_LIST, separated by blanks */
};

struct flags {
    struct flag *one;
    int n;
};

/* Flags of a run; and of each command its own, in the order of `commands`. */
struct completion {
    struct flags run, *own;
    struct arena *a;
};

const char *completion_commands(struct arena *a);
/* The words that stand for themselves in "info|verify DATASET [OUT]", and those of names. */
const char *completion_arguments(const struct command *c, struct arena *a);

/* A shell's file each. */
void completion_bash(const struct completion *c, FILE *out);
void completion_zsh(const struct completion *c, FILE *out);
void completion_fish(const struct completion *c, FILE *out);

#endif
