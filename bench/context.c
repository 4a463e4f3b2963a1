/* context.c -- what a call computes with: threads, kernels, a device, other ranks. */
#include "bench/command.h"

#include "core/log.h"
#include "core/sha256.h"
#include "kernels/join.h"
#include "kernels/plugin.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

static int processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

/* Of ranks 0..end-1 those on this one's machine. */
static int ranks_here(const struct communicator *c, int end) {
    int here = 0;
    for (int p = 0; c && p < end; p++)
        here += !strcmp(c->host[p], c->host[c->rank]);
    return here;
}

/* A launcher that does not bind its processes to processors lets each of a machine see all. */
static int fair_share(const struct communicator *c, int n) {
    int here = ranks_here(c, communicator_size(c));
    return here > 1 && n >= sysconf(_SC_NPROCESSORS_ONLN) ? (n > here ? n / here : 1) : n;
}

/* What the processor does with what was asked of a device. */
static void say_left_out(const struct machine *m, const struct error *fell_back) {
    const int views = !strcmp(m->views, "device"), math = strcmp(m->math, "fp32") != 0;
    if (fell_back)
        log_message(LOG_WARN, "%s; networks run on the processor%s%s%s", fell_back->message,
                    math ? " in single precision, without --math " : "", math ? m->math : "",
                    views ? ", and views are made there" : "");
    else if (math)
        log_message(LOG_WARN,
                    "--math %s is for devices: networks run on the processor, in single precision",
                    m->math);
}

/* What has to be the same on all ranks for their bits to be, and for each to send what the others
 * wait for. */
static int compare_ranks(const struct invocation *call, const struct context *context,
                         struct error *err) {
    const struct machine *m = &call->settings->machine;
    struct arena a = {0};
    struct run now;
    char hash[65];
    run_init(&now);
    const char *text = arena_printf(&a, "%s %s\n%s\n%s\n%s %s %s %s\n%d %d\n%s", SSV_VERSION,
                                    call->command, now.code_commit, context->kernels->name,
                                    context->device ? context->device->description : "cpu",
                                    context->device ? context->device->note : "", m->math, m->views,
                                    m->zero, m->bucket, settings_suite_text(call->settings, &a));
    sha256_hex(text, strlen(text), hash);
    int status = communicator_compare(
        call->ranks, hash, sizeof hash,
        "has another command or other settings, another version of the program, another device or "
        "other instructions "
        "than rank 0 (`ssvbench env` on both; SSVBENCH_ISA sets the instructions)",
        err);
    run_free(&now);
    arena_free(&a);
    return status;
}

int invocation_context(const struct invocation *call, struct context *context, struct error *err) {
    enum { PROCESSORS_PER_LOADER = 4, LOADERS_MOST = 16 };
    const struct machine *m = &call->settings->machine;
    const int there = processors();
    int n = m->threads ? m->threads : fair_share(call->ranks, there);
    int loaders = 1 + n / PROCESSORS_PER_LOADER;
    const struct kernels *k = kernels_cpu();
    if (!k)
        return error_set(err, STATUS_USAGE, KERNELS_NO_ISA);
    int status = kernels_room(n, err);
    if (status)
        return status;
    if (!m->out[0]) /* as of a script's variable that was never set: it would be the root */
        return error_set(err, STATUS_USAGE,
                         "--out is empty: say where results go, or leave it out");
    struct device *device;
    int fell_back, turn = ranks_here(call->ranks, communicator_rank(call->ranks));
    status = device_open(&device, m->device, m->math, turn, &fell_back, err);
    if (status)
        return status;
    if (!device && !fell_back && !strcmp(m->views, "device"))
        return error_set(err, STATUS_USAGE,
                         "--views device: networks run on the processor, and views are made there: "
                         "choose a --device, or leave out --views");
    if (m->threads > there)
        log_message(LOG_WARN, "--threads %d: there are %d processors, for which the threads wait",
                    m->threads, there);
    if (!device)
        say_left_out(m, fell_back ? err : NULL);
    else if (*device->note)
        log_message(LOG_WARN, "%s: %s", device->name, device->note);
    *context = (struct context){.kernels = k,
                                .device = device,
                                .threads = n,
                                .loader_threads = m->loader_threads        ? m->loader_threads
                                                  : loaders > LOADERS_MOST ? LOADERS_MOST
                                                                           : loaders,
                                .stop = call->stop,
                                .ranks = call->ranks,
                                .machine = m,
                                .argc = call->full_argc,
                                .argv = call->full_argv};
    return 0;
}

int invocation_join(const struct invocation *call, const struct context *context,
                    struct error *err) {
    struct communicator *c = call->ranks;
    if (!c)
        return 0;
    c->seconds = call->settings->machine.rank_seconds;
    log_message(LOG_INFO, "%d ranks on %s, %d compute threads each", c->size, c->engine,
                context->threads);
    int status = compare_ranks(call, context, err);
    if (status || !context->device)
        return status;
    struct error why;
    if (devices_join(context->device, c, &why))
        log_message(LOG_WARN, "%s: what ranks send goes through the processor's memory",
                    why.message);
    else
        log_message(LOG_INFO, "devices of %d ranks send to each other by NCCL", c->size);
    return 0;
}

int invocation_no_arguments(const struct invocation *call, struct error *err) {
    if (call->argc <= 1)
        return 0;
    return error_set(err, STATUS_USAGE, "%s takes no argument \"%s\": see `ssvbench help %s`",
                     call->command, call->argv[1], call->command);
}
