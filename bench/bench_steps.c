/* bench_steps.c -- whole training steps: forward, backward, optimizer and the method's hooks.
 *
 * A batch is prepared before the clock starts.  What is stepped: bench/workload.h.  Several ranks
 * step together; times are the first one's, which alone speaks.
 */
#include "bench/bench.h"

#include "bench/peak.h"
#include "bench/quiet.h"
#include "bench/workload.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/sha256.h"
#include "results/stats.h"
#include "results/step_times.h"

#include <jansson.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 4096 };

static const struct workload *workloads_of(const struct bench_flags *o) {
    return o->published ? workloads_published : workloads;
}

struct measured {
    double seconds[SAMPLES], first, gflop, peak_bytes;
    double sent, waited; /* bytes and seconds a step, of the first rank */
    size_t parameters;   /* a teacher's counted too */
    int n;
};

/* On a device with the copy of a batch, beside the step before as in pretraining. */
static void step(struct trainer *t, void *const *slots, long done) {
    trainer_ahead(t, slots, t->config.exec.batch, done + 1);
    trainer_step(t, slots, t->config.exec.batch, done);
}

/* The first rank's clock decides, and its signals; that all go on is asked in each step of
 * pretraining, too. */
static int more(struct communicator *c, int n, double budget, double begin,
                const volatile sig_atomic_t *stop) {
    int answer = !*stop && n < SAMPLES && (n < 3 || clock_seconds() - begin < budget);
    communicator_broadcast(c, WAIT_LIMITED, &answer, sizeof answer);
    return answer;
}

/* The first step touches the memory: `first` is the time until it is done. */
static void time_steps(struct trainer *t, void *const *slots, double budget, double begin,
                       const volatile sig_atomic_t *stop, struct measured *out) {
    struct communicator *c = t->config.exec.ranks;
    trainer_start(t);
    step(t, slots, 0);
    out->first = clock_seconds() - begin;
    exec_profile_reset(t->exec);
    begin = clock_seconds();
    double sent = c ? c->sent : 0, waited = c ? c->waited : 0;
    for (double start = begin; more(c, out->n, budget, begin, stop); start = clock_seconds()) {
        step(t, slots, out->n + 1);
        out->seconds[out->n++] = clock_seconds() - start;
    }
    out->sent = c && out->n ? (c->sent - sent) / out->n : 0;
    out->waited = c && out->n ? (c->waited - waited) / out->n : 0;
}

static int open_filled(struct stepper *s, const struct workload *w,
                       const struct stepper_config *config, struct error *err) {
    int status = stepper_open(s, w, config, err);
    if (status)
        return status;
    status = stepper_fill(s, err);
    if (status)
        stepper_close(s);
    return status;
}

/* Filled with what is measured; `first` counts from here. */
static int measure(const struct workload *w, const struct stepper_config *config,
                   const struct bench_flags *o, const volatile sig_atomic_t *stop,
                   struct measured *out, struct error *err) {
    static struct stepper s; /* its settings are too many for the stack */
    double begin = clock_seconds();
    int own = open_filled(&s, w, config, err);
    int status = communicator_agree(config->ranks, WAIT_LIMITED, own, err);
    if (status)
        goto out;
    time_steps(&s.trainer, s.slots, o->seconds, begin, stop, out);
    if (*stop)
        status = error_set(err, STATUS_INTERRUPTED, "stopped in %s", w->name);
    TRY(communicator_agree(config->ranks, WAIT_LIMITED, status, err));
    out->gflop = exec_flops(s.trainer.exec, w->batch) * 1e-9;
    out->parameters = s.model.count;
    out->peak_bytes = (double)exec_peak_bytes(s.trainer.exec);
    if (o->profile && !communicator_rank(config->ranks))
        exec_profile(s.trainer.exec, stderr);
out:
    if (!own)
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

/* The name without the batch behind its last '/'. */
static int without_batch(const char *name) {
    return (int)(strrchr(name, '/') - name);
}

static struct step_time row_of(const struct workload *w, struct measured *m, double peak) {
    double seconds = median(m->seconds, m->n); /* which sorts them */
    struct step_time r = {.batch = w->batch,
                          .images_per_s = w->batch / seconds,
                          .q1 = w->batch / m->seconds[3 * (m->n - 1) / 4],
                          .q3 = w->batch / m->seconds[(m->n - 1) / 4],
                          .gflops = m->gflop / seconds,
                          .percent = 100 * m->gflop / seconds * 1e9 / peak,
                          .peak_bytes = m->peak_bytes,
                          .resident = (double)resident_bytes(),
                          .first_s = m->first,
                          .n = m->n};
    snprintf(r.step, sizeof r.step, "%.*s", without_batch(w->name), w->name);
    return r;
}

struct all {
    const struct bench_flags *flags;
    const struct stepper_config *config;
    double peak; /* of all ranks */
    struct step_times times;
};

/* What several ranks have sent belongs to a row, and has no column where there is one. */
static json_t *as_json(const struct workload *w, const struct measured *m,
                       const struct step_time *r, int ranks) {
    json_t *row =
        json_pack("{s:s, s:f, s:f, s:f, s:I, s:I, s:I, s:f, s:i}", "name", w->name, "images_per_s",
                  r->images_per_s, "gflops", r->gflops, "percent_of_peak", r->percent, "peak_bytes",
                  (json_int_t)r->peak_bytes, "parameters", (json_int_t)m->parameters,
                  "resident_bytes", (json_int_t)r->resident, "first_s", r->first_s, "steps", m->n);
    if (ranks > 1) {
        json_object_set_new(row, "ranks", json_integer(ranks));
        json_object_set_new(row, "sent_bytes", json_integer((json_int_t)m->sent));
        json_object_set_new(row, "waited_s", json_real(m->waited));
    }
    return row;
}

static void print(const struct workload *w, const struct measured *m, const struct step_time *r,
                  const struct all *all) {
    if (!all->flags->json) {
        printf("%-42s %12.1f %10.1f %16.1f %14.0f %8.2f\n", w->name, r->images_per_s, r->gflops,
               r->percent, r->peak_bytes, r->first_s);
        fflush(stdout);
        return;
    }
    json_t *row = as_json(w, m, r, communicator_size(all->config->ranks));
    json_dumpf(row, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    putchar('\n');
    fflush(stdout);
    json_decref(row);
}

/* FLOPs are those of plain convolutions, of which Winograd's tiles leave out more than half. */
static double most_percent(const struct workload *w) {
    const double winograd = 36.0 / 16;
    return backbone_kind_of(w->backbone) == BACKBONE_VIT ? 100 : 100 * winograd;
}

static int run_one(struct all *all, const struct workload *w, int batch,
                   const volatile sig_atomic_t *stop, struct error *err) {
    struct workload chosen = *w;
    struct measured m = {.n = 0};
    char name[64];
    if (batch) {
        snprintf(name, sizeof name, "%.*s/b%d", without_batch(w->name), w->name, batch);
        chosen.name = name;
        chosen.batch = batch;
    }
    int status = measure(&chosen, all->config, all->flags, stop, &m, err);
    if (status)
        return status;
    const struct communicator *ranks = all->config->ranks;
    if (communicator_rank(ranks))
        return 0;
    const struct step_time row = row_of(&chosen, &m, all->peak);
    print(&chosen, &m, &row, all);
    if (row.percent > most_percent(&chosen))
        log_message(LOG_WARN,
                    "%s: %.0f %% of the peak cannot be: the machine did something else while the "
                    "peak was measured",
                    chosen.name, row.percent);
    if (ranks)
        log_message(LOG_INFO,
                    "%s: the first of %d ranks sent %.0f bytes a step, and waited for others "
                    "%.2g s",
                    chosen.name, ranks->size, m.sent, m.waited);
    step_times_add(&all->times, &row);
    return 0;
}

/* The first of these that is wanted, w itself included; NULL: none. */
static const struct workload *wanted(const struct workload *w, const regex_t *filter) {
    while (w->name && regexec(filter, w->name, 0, NULL, 0))
        w++;
    return w->name ? w : NULL;
}

static int run_all(struct all *all, const regex_t *filter, const volatile sig_atomic_t *stop,
                   struct error *err) {
    double batch[OPTION_LIST];
    int n = options_numbers(all->flags->batch, batch), status = 0;
    const struct workload *w = wanted(workloads_of(all->flags), filter);
    for (; w; w = wanted(w + 1, filter))
        for (int k = 0; k < n; k++)
            TRY(run_one(all, w, (int)batch[k], stop, err));
out:
    return status;
}

/* What was measured before a stop is kept too. */
static int keep(struct all *all, const struct context *context, int status, struct error *err) {
    struct step_times *t = &all->times;
    struct error writing;
    if (!*all->flags->out || !t->n)
        return status;
    t->threads = all->config->threads;
    t->ranks = communicator_size(all->config->ranks);
    t->seconds = all->flags->seconds;
    t->peak_flops = all->peak;
    t->math = context->device ? all->flags->math : "";
    if (context->device)
        t->machine.env_device = arena_strdup(&t->machine.arena, context->device->description);
    int failed = step_times_write(t, all->flags->out, &writing);
    if (failed && !status)
        *err = writing;
    return status ? status : failed;
}

/* Of all ranks together, while all measure; a whole number, so that its sum is exact.  On a busy
 * machine a moment's peak is what others left of it. */
static int find_peak(struct all *all, struct error *err) {
    const struct stepper_config *config = all->config;
    const double seconds = fmax(0.5, fmin(1, all->flags->seconds));
    double own = 0;
    int status = 0;
    if (config->device)
        status = peak_device(&own, config->device, seconds, err);
    else
        own = peak_flops(config->threads, seconds);
    status = communicator_agree(config->ranks, WAIT_LIMITED, status, err);
    if (!status)
        all->peak = communicator_sum(config->ranks, rint(own));
    return status;
}

/* What is found only when all has been measured costs all of it. */
static int try_out(const struct bench_flags *o, struct communicator *ranks, struct error *err) {
    int status = *o->out && !communicator_rank(ranks) ? file_try(o->out, err) : 0;
    return communicator_agree(ranks, WAIT_LIMITED, status, err);
}

/* Ranks that step other networks, or other batches, would wait for what nobody sends. */
static int compare_flags(const struct all *all, const struct bench_flags *o, struct error *err) {
    struct arena a = {0};
    char hash[65];
    const char *text = arena_printf(&a, "%d %s\n%s\n%d %d %d", o->published, o->filter, o->batch,
                                    o->lanes, o->recompute, o->recompute_norms);
    sha256_hex(text, strlen(text), hash);
    arena_free(&a);
    return communicator_compare(all->config->ranks, hash, sizeof hash,
                                "is to measure other steps than rank 0: give all ranks the same "
                                "flags",
                                err);
}

int bench_steps(struct invocation *call, const struct bench_flags *o, struct error *err) {
    struct context context = {.threads = 1};
    struct communicator *ranks = call->ranks;
    struct dataset data = {.source = NULL};
    struct all all = {.flags = o};
    regex_t filter;
    int status = 0;
    if (regcomp(&filter, o->filter, REG_EXTENDED | REG_NOSUB))
        return error_set(err, STATUS_USAGE, "--filter \"%s\" is not an extended regular expression",
                         o->filter);
    step_times_init(&all.times);
    if (!wanted(workloads_of(o), &filter))
        TRY(error_set(err, STATUS_USAGE, "no step matches --filter \"%s\"", o->filter));
    call->settings->machine.device = o->device;
    call->settings->machine.math = o->math;
    call->settings->machine.threads = o->threads;
    call->settings->machine.views = o->views;
    TRY(communicator_agree(ranks, WAIT_LIMITED, invocation_context(call, &context, err), err));
    TRY(invocation_join(call, &context, err));
    TRY(try_out(o, ranks, err));
    TRY(dataset_open(&data, "shapes:train=1024,test=1", err));
    const struct stepper_config config = {.settings = call->settings,
                                          .data = &data,
                                          .kernels = context.kernels,
                                          .device = context.device,
                                          .ranks = ranks,
                                          .lanes = o->lanes,
                                          .threads = context.threads,
                                          .profile = o->profile,
                                          .recompute = o->recompute,
                                          .recompute_norms = o->recompute_norms,
                                          .renders = !strcmp(o->views, "device")};
    all.config = &config;
    TRY(compare_flags(&all, o, err));
    if (!ranks) /* which would be the others that compute */
        quiet_check();
    TRY(find_peak(&all, err));
    if (!o->json && !communicator_rank(ranks))
        printf("%-42s %12s %10s %16s %14s %8s\n", "name", "images_per_s", "gflops",
               "percent_of_peak", "peak_bytes", "first_s");
    status = run_all(&all, &filter, call->stop, err);
    status = keep(&all, &context, status, err);
out:
    if (context.device)
        context.device->leave(context.device);
    regfree(&filter);
    dataset_close(&data);
    step_times_free(&all.times);
    return status;
}
