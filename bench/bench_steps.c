/* bench_steps.c -- whole training steps: forward, backward, optimizer and the method's hooks.
 *
 * A batch is prepared before the clock starts.  What is stepped: bench/workload.h.
 */
#include "bench/bench.h"

#include "bench/peak.h"
#include "bench/workload.h"
#include "core/clock.h"
#include "results/stats.h"

#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 4096 };

struct measured {
    double seconds[SAMPLES], first, gflop, peak_bytes;
    size_t parameters; /* a teacher's counted too */
    int n;
};

/* The first step touches the memory: `first` is the time until it is done. */
static void time_steps(struct trainer *t, void *const *slots, double budget, double begin,
                       struct measured *out) {
    trainer_start(t);
    trainer_step(t, slots, t->config.exec.batch, 0);
    out->first = clock_seconds() - begin;
    exec_profile_reset(t->exec);
    begin = clock_seconds();
    for (long i = 1; out->n < SAMPLES && (i < 4 || clock_seconds() - begin < budget); i++) {
        double start = clock_seconds();
        trainer_step(t, slots, t->config.exec.batch, i);
        out->seconds[out->n++] = clock_seconds() - start;
    }
}

/* Filled with what is measured; `first` counts from here. */
static int measure(const struct workload *w, const struct stepper_config *config,
                   const struct bench_flags *o, struct measured *out, struct error *err) {
    static struct stepper s; /* its settings are too many for the stack */
    double begin = clock_seconds();
    int status = stepper_open(&s, w, config, err);
    if (status)
        return status;
    TRY(stepper_fill(&s, err));
    time_steps(&s.trainer, s.slots, o->seconds, begin, out);
    out->gflop = exec_flops(s.trainer.exec, w->batch) * 1e-9;
    out->parameters = s.model.count;
    out->peak_bytes = (double)exec_peak_bytes(s.trainer.exec);
    if (o->profile)
        exec_profile(s.trainer.exec, stderr);
out:
    stepper_close(&s);
    return status;
}

/* The most memory that this process has had, a workload's own when it is the first; 0: unknown.
 * getrusage would count what the process that started this one had. */
static long long resident_bytes(void) {
    char line[256];
    long long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && !kib && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmHWM:", 6))
            kib = strtoll(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kib * 1024;
}

static void print(const struct workload *w, struct measured *m, double peak, int json) {
    double seconds = median(m->seconds, m->n), gflops = m->gflop / seconds;
    double percent = 100 * gflops * 1e9 / peak;
    if (!json) {
        printf("%-42s %12.1f %10.1f %16.1f %14.0f %8.2f\n", w->name, w->batch / seconds, gflops,
               percent, m->peak_bytes, m->first);
        fflush(stdout);
        return;
    }
    json_t *row = json_pack("{s:s, s:f, s:f, s:f, s:I, s:I, s:I, s:f, s:i}", "name", w->name,
                            "images_per_s", w->batch / seconds, "gflops", gflops, "percent_of_peak",
                            percent, "peak_bytes", (json_int_t)m->peak_bytes, "parameters",
                            (json_int_t)m->parameters, "resident_bytes",
                            (json_int_t)resident_bytes(), "first_s", m->first, "steps", m->n);
    json_dumpf(row, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    putchar('\n');
    fflush(stdout);
    json_decref(row);
}

static int run_one(const struct workload *w, const struct stepper_config *config,
                   const struct bench_flags *o, double peak, struct error *err) {
    struct workload chosen = *w;
    struct measured m = {.n = 0};
    char name[64];
    if (o->batch) {
        snprintf(name, sizeof name, "%.*s/b%d", (int)(strrchr(w->name, '/') - w->name), w->name,
                 o->batch);
        chosen.name = name;
        chosen.batch = o->batch;
    }
    int status = measure(&chosen, config, o, &m, err);
    if (!status)
        print(&chosen, &m, peak, o->json);
    return status;
}

int bench_steps(struct invocation *call, const struct bench_flags *o, struct error *err) {
    struct context context;
    struct dataset data = {.source = NULL};
    regex_t filter;
    double peak = 0;
    int shown = 0, status = 0;
    if (regcomp(&filter, o->filter, REG_EXTENDED | REG_NOSUB))
        return error_set(err, STATUS_USAGE, "--filter \"%s\" is not an extended regular expression",
                         o->filter);
    call->settings->machine.device = o->device;
    call->settings->machine.math = o->math;
    TRY(invocation_context(call, &context, err));
    TRY(dataset_open(&data, "shapes:train=1024,test=1", err));
    const struct stepper_config config = {.settings = call->settings,
                                          .data = &data,
                                          .kernels = context.kernels,
                                          .device = context.device,
                                          .threads = o->threads ? o->threads : context.threads,
                                          .profile = o->profile,
                                          .recompute = o->recompute};
    if (!context.device)
        peak = peak_flops(config.threads, 1);
    else
        TRY(peak_device(&peak, context.device, 1, err));
    if (!o->json)
        printf("%-42s %12s %10s %16s %14s %8s\n", "name", "images_per_s", "gflops",
               "percent_of_peak", "peak_bytes", "first_s");
    for (int i = 0; workloads[i].name; i++) {
        if (*o->filter && regexec(&filter, workloads[i].name, 0, NULL, 0))
            continue;
        TRY(run_one(&workloads[i], &config, o, peak, err));
        shown++;
        if (*call->stop)
            TRY(error_set(err, STATUS_INTERRUPTED, "stopped after %s", workloads[i].name));
    }
    if (!shown)
        status = error_set(err, STATUS_USAGE, "no step matches --filter \"%s\"", o->filter);
out:
    regfree(&filter);
    dataset_close(&data);
    return status;
}
