#include "bench/kernel_time.h"

#include "core/clock.h"
#include "core/energy.h"

#include <math.h>
#include <stdlib.h>

enum {
    MOST_CALLS = 64,   /* a sample: what is updated in place stays a normal number */
    LEAST_SAMPLES = 5, /* however slow a call is */
    PLACES = 4,
    MOST_BYTES = 1 << 24 /* of a call, for more than one place */
};
#define SAMPLE_SECONDS 1e-4
#define MOST_CHECKED_FLOPS 1e9
#define MOST_CHECKED_BYTES 4e8
#define DEVICE_SAMPLE_SECONDS 1e-3 /* a wait for it takes 10 us and more */

/* halves: of the call */
static struct kctx context(const struct kernel_time_options *o, unsigned halves) {
    if (o->place)
        return (struct kctx){.threads = 1,
                             .workspace = o->place->workspace,
                             .device = o->place->device->queue,
                             .halves = halves};
    return (struct kctx){.threads = o->threads, .workspace = o->workspace};
}

static int open_there(struct case_run *run, const struct kernel_call *call, const struct kernels *k,
                      const struct kernel_time_options *o, struct error *err) {
    case_open_stored(run, call->kernel, call->dim, call->halves, k, o->seed);
    return o->place ? case_send(run, o->place->device, err) : 0;
}

/* Until a device has done what it was asked for; its failure is found when all is measured. */
static void wait(const struct kernel_time_options *o) {
    if (o->place)
        o->place->device->wait(o->place->device);
}

static int check(struct kernel_time *out, struct case_run *run, const struct kernel_call *call,
                 const struct kernel_time_options *o, struct error *err) {
    const struct kctx c = context(o, run->halves);
    /* ref keeps of an activation what a device does, where there is one */
    const struct kctx here = {.threads = o->threads, .workspace = o->workspace, .device = c.device};
    struct case_run ref;
    case_open_stored(&ref, call->kernel, call->dim, call->halves, kernels_ref(), o->seed);
    case_call(&ref, &here);
    case_call(run, &c);
    int status = case_fetch(run, err);
    out->checked = 1;
    out->wrong = case_differs(run, &ref, o->tolerance, &out->distance);
    if (out->wrong < 0)
        out->wrong = case_overrun(run);
    case_close(&ref);
    return status;
}

static double time_calls(struct case_run *run, int calls, double slowed,
                         const struct kernel_time_options *o) {
    const struct kctx c = context(o, run->halves);
    case_restore(run);
    double start = clock_seconds();
    for (int i = 0; i < calls; i++)
        case_call(run, &c);
    wait(o);
    double end = clock_seconds();
    if (slowed > 0)
        for (double until = end + slowed * (end - start); end < until;)
            end = clock_seconds();
    return (end - start) / calls;
}

static int compare(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* As many calls a sample as take a tenth of a millisecond. */
static int choose_calls(struct case_run *run, const struct kernel_time_options *o) {
    const double enough = o->place ? DEVICE_SAMPLE_SECONDS : SAMPLE_SECONDS;
    int calls = 1;
    while (calls < MOST_CALLS && time_calls(run, calls, 0, o) * calls < enough)
        calls *= 2;
    return calls;
}

/* More samples, in turns on buffers in several places of memory: where they lie makes more of a
 * difference than what is usually looked for. */
static void sample_warm(struct kernel_time *out, struct case_run *runs, int places, double seconds,
                        const struct kernel_time_options *o) {
    const struct kctx c = context(o, runs->halves);
    struct energy energy;
    int calls = choose_calls(&runs[0], o), before = out->n_warm;
    int least = before + (before ? 2 : LEAST_SAMPLES);
    energy_begin(&energy, ENERGY_COUNTERS);
    double end = clock_seconds() + seconds;
    while (out->n_warm < KERNEL_SAMPLES && (out->n_warm < least || clock_seconds() < end)) {
        struct case_run *run = &runs[out->n_warm % places];
        case_call(run, &c); /* the others had the caches */
        out->warm[out->n_warm++] = time_calls(run, calls, o->slowed, o);
    }
    int n = out->n_warm - before;
    double joules = energy_end(&energy) / ((double)n * (calls + 1));
    out->joules = before ? (out->joules * before + joules * n) / out->n_warm : joules;
    qsort(out->warm, (size_t)out->n_warm, sizeof *out->warm, compare);
}

/* Other memory takes the caches. */
static void flush(const struct kernel_time_options *o) {
    enum { LINE = 64 };
    if (o->place) {
        const struct kctx c = context(o, 0);
        o->place->device->kernels->fill(&c, o->place->flush_reals, 0, o->place->flush);
        wait(o);
        return;
    }
    for (size_t i = 0; i < o->flush_bytes; i += LINE)
        ++*(volatile char *)(o->flush + i);
}

static void sample_cold(struct kernel_time *out, struct case_run *run,
                        const struct kernel_time_options *o) {
    const struct kctx c = context(o, run->halves);
    double end = clock_seconds() + o->seconds / 2;
    while (out->n_cold < KERNEL_SAMPLES && (out->n_cold < LEAST_SAMPLES || clock_seconds() < end)) {
        case_restore(run);
        flush(o);
        double start = clock_seconds();
        case_call(run, &c);
        wait(o);
        out->cold[out->n_cold++] = clock_seconds() - start;
    }
    qsort(out->cold, (size_t)out->n_cold, sizeof *out->cold, compare);
}

/* Whether ref is done with it in some seconds. */
static int is_checked(const struct case_cost *cost, const struct kernel_time_options *o) {
    return !o->place || (cost->flops < MOST_CHECKED_FLOPS && cost->bytes < MOST_CHECKED_BYTES);
}

int kernel_time(struct kernel_time *out, const struct kernel_call *call, const struct kernels *k,
                const struct kernel_time_options *o, struct error *err) {
    struct case_run runs[PLACES] = {{.next = 0}};
    int status = 0;
    const struct case_cost cost = case_cost(call->kernel, call->dim, call->halves);
    int places = cost.bytes > MOST_BYTES ? 1 : PLACES;
    *out =
        (struct kernel_time){.wrong = -1, .joules = NAN, .flops = cost.flops, .bytes = cost.bytes};
    for (int i = 0; i < places; i++)
        TRY(open_there(&runs[i], call, k, o, err));
    if (is_checked(&cost, o))
        TRY(check(out, &runs[0], call, o, err));
    if (out->wrong < 0) {
        sample_warm(out, runs, places, o->seconds, o);
        sample_cold(out, &runs[0], o);
    }
    status = case_fetch(&runs[0], err);
out:
    for (int i = 0; i < places; i++)
        case_close(&runs[i]);
    return status;
}

int kernel_time_pass(struct kernel_time *out, int pass, const struct kernel_call *call,
                     const struct kernels *k, const struct kernel_time_options *o,
                     struct error *err) {
    enum { PAGE = 4096, LINE = 64 };
    struct arena spacer = {0};
    struct case_run run;
    const struct case_cost cost = case_cost(call->kernel, call->dim, call->halves);
    if (!pass)
        *out = (struct kernel_time){
            .wrong = -1, .joules = NAN, .flops = cost.flops, .bytes = cost.bytes};
    arena_alloc(&spacer, (size_t)pass * (3 * PAGE + 5 * LINE) + 1);
    int status = open_there(&run, call, k, o, err);
    if (!status) {
        sample_warm(out, &run, 1, o->seconds / KERNEL_PASSES, o);
        status = case_fetch(&run, err);
    }
    case_close(&run);
    arena_free(&spacer);
    return status;
}

double kernel_time_quantile(const double *sorted, int n, double q) {
    return n ? sorted[(int)(q * (n - 1) + 0.5)] : NAN;
}
