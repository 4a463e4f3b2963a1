/* kernels_against.c -- which kernels became slower: this program and another build of it, launched
 * in turns, and results/speed_verdict.h on what they say.
 *
 * What is undecided after the pairs asked for gets as many again.  Or this program and launches
 * that `--out FILE.h5` kept, which is weaker.  Exit code 5 for a regression.
 */
#include "bench/kernels.h"
#include "bench/other.h"
#include "bench/turns.h"
#include "core/log.h"
#include "kernels/plugin.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_row(const struct turns_row *r, int json) {
    const struct speed_verdict *v = &r->verdict;
    const char *name = speed_names[v->speed];
    if (!r->pairs)
        name = r->n[0] ? "only_here" : "only_there";
    if (json) {
        json_t *row =
            json_pack("{s:s, s:s, s:i}", "kernel", r->name, "verdict", name, "pairs", r->pairs);
        const double values[] = {v->ratio, v->lo, v->hi, v->floor, v->p};
        static const char *const keys[] = {"ratio", "lo", "hi", "floor", "p"};
        for (int i = 0; i < 5 && r->pairs; i++)
            json_object_set_new(row, keys[i], json_real(values[i])); /* not a number: left out */
        json_dumpf(row, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(row);
    } else if (r->pairs)
        printf("%-62s %-10s %6.3f [%.3f, %.3f] %6.3f %9.2g %4d\n", r->name, name, v->ratio, v->lo,
               v->hi, v->floor, v->p, r->pairs);
    else
        printf("%-62s %s\n", r->name, name);
}

/* Status 5 when something became slower, 2 when nothing was compared.  pairs: the most that there
 * might have been. */
static int report(const struct turns *t, int pairs, struct error *err) {
    int counts[SPEEDS] = {0}, compared = 0;
    if (!t->o->json)
        printf("%-62s %-10s %6s %-14s %6s %9s %4s\n", "kernel", "verdict", "ratio", "[95 %]",
               "floor", "p", "n");
    for (int i = 0; i < t->n; i++) {
        print_row(&t->rows[i], t->o->json);
        counts[t->rows[i].verdict.speed] += t->rows[i].pairs > 0;
        compared += t->rows[i].pairs > 0;
    }
    if (!compared)
        return error_set(err, STATUS_USAGE, "%s: it has none of these kernels to compare with",
                         t->o->against);
    if (pairs < speed_least_pairs(compared))
        log_message(LOG_WARN,
                    "%d pairs are too few for one slower kernel among %d to be told from chance, "
                    "which takes %d: --pairs",
                    pairs, compared, speed_least_pairs(compared));
    log_message(LOG_INFO, "%d the same, %d slower, %d faster, %d undecided", counts[SPEED_SAME],
                counts[SPEED_SLOWER], counts[SPEED_FASTER], counts[SPEED_UNDECIDED]);
    return counts[SPEED_SLOWER] ? error_set(err, STATUS_REGRESSION, "slower than %s: %d kernels",
                                            t->o->against, counts[SPEED_SLOWER])
                                : 0;
}

static int against_program(const struct invocation *call, struct error *err) {
    const struct kernels_flags *o = &call->own.kernels;
    struct turns t = {.o = o, .stop = call->stop, .n_sides = 2};
    struct other other;
    int status = 0, again = 2 * o->pairs <= SPEED_PAIRS;
    TRY(other_open(&other, o->against, err));
    TRY(other_self(&t.arena, &t.side[0].program, err));
    t.side[1].program = other.program;
    TRY(turns_launch(&t, o->filter, err));
    if (turns_decide(&t, 0, 1) && again) {
        TRY(turns_launch(&t, turns_undecided(&t), err));
        turns_decide(&t, 0, 1);
    }
    status = report(&t, again ? 2 * o->pairs : o->pairs, err);
out:
    other_close(&other);
    turns_free(&t);
    return status;
}

/* ---- a stored result ---- */

/* As it was launched then; how often: the launches of its first row. */
static int options_of(const struct kernel_times *stored, const char *path, struct kernels_flags *o,
                      struct error *err) {
    int n = stored->n ? stored->samples[0].n_launches : 0, least = speed_least_pairs(stored->n);
    if (n < least)
        return error_set(err, STATUS_USAGE,
                         "%s: it has %d launches, and for one slower kernel among its %d to be "
                         "told from chance %d are needed: make it with --launches %d --out FILE.h5",
                         path, n, stored->n, least, least);
    if (stored->threads < 1 || stored->seed < 0 || !(stored->seconds > 0) ||
        !isfinite(stored->seconds))
        return error_set(err, STATUS_USAGE,
                         "%s: it says that its kernels had %d threads, seed %d and %g s: not what "
                         "`ssvbench kernels --out` writes",
                         path, stored->threads, stored->seed, stored->seconds);
    o->filter = stored->filter;
    o->backend = stored->backends;
    o->shapes = stored->shapes;
    o->threads = stored->threads;
    o->seed = stored->seed;
    o->seconds = stored->seconds;
    o->pairs = n;
    return 0;
}

/* What the file has is not asked for once more. */
static int no_options(const struct invocation *call, const char *path, struct error *err) {
    static const char *const names[] = {"filter", "backend", "shapes", "threads",
                                        "seed",   "seconds", "pairs",  "math"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (options_origin(&call->alone, names[i]) == FROM_FLAG)
            return error_set(err, STATUS_USAGE,
                             "--%s: a comparison with a file is made with the options of the file, "
                             "%s",
                             names[i], path);
    return 0;
}

/* Times of a device say which one it was, and it is opened to be asked. */
static int same_machine(const struct kernel_times *stored, const char *path, struct error *err) {
    struct arena scratch = {0};
    struct kernel_times here;
    struct device *d = NULL;
    int status = 0, fell_back;
    kernel_times_init(&here);
    if (kernels_on_device(stored->backends)) {
        TRY(device_open(&d, stored->backends, "fp32", 0, &fell_back, err));
        here.machine.env_device = d->description;
    }
    const char *differs = kernel_times_differ(stored, &here, &scratch);
    if (differs)
        status = error_set(err, STATUS_USAGE,
                           "%s: it is of another machine (%s), and times of two machines are not "
                           "compared",
                           path, differs);
out:
    kernel_times_free(&here);
    arena_free(&scratch);
    return status;
}

static int against_file(const struct invocation *call, struct error *err) {
    struct kernels_flags o = call->own.kernels;
    struct turns t = {.o = &o, .stop = call->stop, .n_sides = 1};
    struct kernel_times stored;
    int status = kernel_times_read(&stored, o.against, err);
    if (status)
        return status;
    TRY(no_options(call, o.against, err));
    TRY(same_machine(&stored, o.against, err));
    TRY(options_of(&stored, o.against, &o, err));
    TRY(other_self(&t.arena, &t.side[0].program, err));
    log_message(LOG_WARN,
                "%s is of %s: not launched in turns, so what the machine did then and "
                "does now counts as a difference; --against a program is stronger",
                o.against, stored.machine.created_utc);
    status = turns_launch(&t, o.filter, err);
    if (status == STATUS_MACHINE) /* this program refuses what it is asked for, or fails */
        error_prefix(err, "%s, launched as it says", o.against);
    if (status)
        goto out;
    for (int i = 0; i < stored.n; i++)
        turns_set(&t, 1, &stored.rows[i], &stored.samples[i]);
    turns_decide(&t, 0, 1);
    status = report(&t, o.pairs, err);
out:
    turns_free(&t);
    kernel_times_free(&stored);
    return status;
}

int kernels_against(const struct invocation *call, struct error *err) {
    return kernels_is_file(call->own.kernels.against) ? against_file(call, err)
                                                      : against_program(call, err);
}
