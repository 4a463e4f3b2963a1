/* turns.h -- programs launched in turns, ABAB or ABCABC, and the times of kernels they report.
 *
 *     struct turns t = {.o = flags, .stop = stop, .n_sides = 2, .side = {{self}, {other}}};
 *     TRY(turns_launch(&t, flags->filter, err));
 *     undecided = turns_decide(&t, 0, 1, err);
 *     ... t.rows[i].verdict ...
 *     turns_free(&t);
 */
#ifndef SSV_BENCH_TURNS_H
#define SSV_BENCH_TURNS_H

#include "bench/command.h"
#include "results/kernel_times.h"
#include "results/speed_verdict.h"

enum { TURNS_SIDES = 3 };

struct turns_row {
    const char *name, *filter; /* kernel, shape, backend; an expression for the first two */
    int n[TURNS_SIDES];
    double seconds[TURNS_SIDES][SPEED_PAIRS]; /* the fastest sample of each launch */
    int most;                                 /* pairs to look at; 0: all */
    int pairs;                    /* 0: only one of the two sides that were compared has it */
    struct speed_verdict verdict; /* of turns_decide */
};

struct turns {
    const struct kernels_flags *o;
    const volatile sig_atomic_t *stop;
    int n_sides;
    struct turns_side {
        const char *program;
        const char *flag; /* one more; NULL: none */
    } side[TURNS_SIDES];
    /* filled */
    struct turns_row *rows;
    int n, room, now; /* now: whose lines come */
    struct arena arena;
};

/* o->pairs launches of each side, for the rows whose name the filter finds. */
int turns_launch(struct turns *t, const char *filter, struct error *err);
/* Gives a side the launches that a file has of a kernel. */
void turns_set(struct turns *t, int side, const struct kernel_row *row,
               const struct kernel_samples *samples);
/* The verdict of side a against side b for every row; how many are undecided. */
int turns_decide(struct turns *t, int a, int b);
/* An expression for the rows that are undecided; owned by t. */
const char *turns_undecided(struct turns *t);
void turns_free(struct turns *t);

#endif
