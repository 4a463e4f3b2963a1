/* kernels_self_test.c -- what a comparison is worth on this machine: this program against itself,
 * where nothing differs, and against itself made slower on purpose, where everything does.
 *
 * Three launches in turns, so that both comparisons see the same machine: two as they are, and one
 * that spends --planted percent more in every sample.  Pairs are added as a comparison adds them.
 * Exit code 1 when more than 1 % of what is the same was called different, or less than 80 % of
 * what is slower was found.
 */
#include "bench/kernels.h"
#include "bench/other.h"
#include "bench/turns.h"
#include "core/log.h"
#include "results/stats.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOWED, PLAIN, AGAIN };
#define MOST_FALSE 0.01
#define LEAST_FOUND 0.8

struct tally {
    int counts[SPEEDS], n;
};

/* As a comparison does: the pairs asked for, and as many again for what they leave undecided. */
static struct tally decide(struct turns *t, int a, int b) {
    struct tally out = {.n = 0};
    for (int i = 0; i < t->n; i++)
        t->rows[i].most = t->o->pairs;
    turns_decide(t, a, b);
    for (int i = 0; i < t->n; i++)
        if (t->rows[i].verdict.speed == SPEED_UNDECIDED)
            t->rows[i].most = 0;
    turns_decide(t, a, b);
    for (int i = 0; i < t->n; i++) {
        out.counts[t->rows[i].verdict.speed] += t->rows[i].pairs > 0;
        out.n += t->rows[i].pairs > 0;
    }
    return out;
}

static int compare(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The change of each kernel that would be called one: beyond the floor and half of the interval.
 * Percent (t->n), sorted. */
static double *detectable(const struct turns *t, struct arena *a) {
    double *change = ARENA_ARRAY(a, double, t->n + 1);
    for (int i = 0; i < t->n; i++) {
        const struct speed_verdict *v = &t->rows[i].verdict;
        change[i] = 100 * (fmax(v->floor, sqrt(v->hi / v->lo)) - 1);
    }
    qsort(change, (size_t)t->n, sizeof *change, compare);
    return change;
}

static void print_line(const char *what, const struct tally *o, int json) {
    const int *c = o->counts;
    if (json) {
        json_t *row = json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "against", what, "comparisons",
                                o->n, "slower", c[SPEED_SLOWER], "faster", c[SPEED_FASTER], "same",
                                c[SPEED_SAME], "undecided", c[SPEED_UNDECIDED]);
        json_dumpf(row, stdout, JSON_PRESERVE_ORDER);
        putchar('\n');
        json_decref(row);
    } else
        printf("%-26s %11d %8d %8d %8d %9d\n", what, o->n, c[SPEED_SLOWER], c[SPEED_FASTER],
               c[SPEED_SAME], c[SPEED_UNDECIDED]);
}

static int judge(const struct tally *same, const struct tally *slowed, double planted,
                 struct error *err) {
    int alarms = same->counts[SPEED_SLOWER] + same->counts[SPEED_FASTER];
    int found = slowed->counts[SPEED_SLOWER];
    if (alarms > MOST_FALSE * same->n)
        return error_set(err, STATUS_FINDING,
                         "%d of %d false alarms: comparisons say too much here", alarms, same->n);
    if (found < LEAST_FOUND * slowed->n)
        return error_set(err, STATUS_FINDING,
                         "%d of %d found that are %g %% slower: this machine is too noisy for so "
                         "small a change, or --seconds is too short",
                         found, slowed->n, planted);
    return 0;
}

static int report(struct turns *t, struct error *err) {
    static const double shares[] = {0.5, 0.9};
    struct arena scratch = {0};
    const struct tally same = decide(t, PLAIN, AGAIN);
    const double *change = detectable(t, &scratch);
    if (!t->o->json)
        printf("%-26s %11s %8s %8s %8s %9s\n", "this program against", "comparisons", "slower",
               "faster", "same", "undecided");
    print_line("itself", &same, t->o->json);
    const struct tally slowed = decide(t, SLOWED, AGAIN);
    char name[64];
    snprintf(name, sizeof name, "itself, %g %% slower", t->o->planted);
    print_line(name, &slowed, t->o->json);
    for (int i = 0; i < 2 && t->n; i++)
        log_message(LOG_INFO, "of %.0f %% of the kernels a change of %.1f %% or less can be seen",
                    100 * shares[i], change[(int)(shares[i] * (t->n - 1))]);
    arena_free(&scratch);
    return judge(&same, &slowed, t->o->planted, err);
}

int kernels_self_test(const struct invocation *call, struct error *err) {
    const struct kernels_flags *o = &call->own.kernels;
    struct turns t = {.o = o, .stop = call->stop, .n_sides = 3};
    const char *self;
    int status = 0;
    TRY(other_self(&t.arena, &self, err));
    for (int s = 0; s < t.n_sides; s++)
        t.side[s].program = self;
    t.side[SLOWED].flag = arena_printf(&t.arena, "--slowed=%.17g", o->planted);
    TRY(turns_launch(&t, o->filter, err));
    TRY(turns_launch(&t, o->filter, err));
    status = report(&t, err);
out:
    turns_free(&t);
    return status;
}
