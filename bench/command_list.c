/* command_list.c -- list and env. */
#include "bench/command.h"

#include "results/run.h"
#include "weights/network.h"

#include <stdio.h>
#include <string.h>

/* The table of methods and what they run on. */
static void list_methods(void) {
    static const struct {
        unsigned kind;
        const char *name;
    } kinds[] = {{BACKBONE_VIT, "vit"}, {BACKBONE_RESNET, "resnet"}, {BACKBONE_ALEXNET, "alexnet"}};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    printf("  %-19s", "");
    for (int k = 0; k < KINDS; k++)
        printf("%-8s", kinds[k].name);
    printf("uses\n");
    for (int i = 0; methods[i]; i++) {
        const struct method *m = methods[i];
        printf("  %-19s", m->name);
        for (int k = 0; k < KINDS; k++)
            printf("%-8s", m->backbones & kinds[k].kind ? "yes" : "-");
        printf("%-9s %s (%s)\n",
               m->uses_labels     ? "labels"
               : m->uses_captions ? "captions"
               : m->trains        ? "images"
                                  : "nothing",
               m->title, m->cite);
    }
    printf("  and sums over one encoder, such as mae:1+simclr:0.1\n");
}

static void list_protocols(void) {
    for (int i = 0; protocols[i]; i++)
        printf("  %-14s %s, version %s\n", protocols[i]->name, protocols[i]->title,
               protocols[i]->version);
}

static void list_data(void) {
    dataset_list(stdout);
}

static void list_backbones(void) {
    for (int i = 0; backbone_names[i]; i++) {
        struct vit v;
        if (vit_by_name(&v, backbone_names[i]))
            printf("  %-14s width %d, %d blocks, %d heads\n", backbone_names[i], v.dim, v.depth,
                   v.heads);
        else
            printf("  %s\n", backbone_names[i]);
    }
}

static void list_kernels(void) {
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        printf("  %s\n", (*k)->name);
}

static void list_weights(void) {
    families_print(stdout);
}

static const struct listing {
    const char *name;
    void (*print)(void);
} listings[] = {{"methods", list_methods}, {"protocols", list_protocols},
                {"data", list_data},       {"backbones", list_backbones},
                {"kernels", list_kernels}, {"weights", list_weights}};

enum { LISTINGS = sizeof listings / sizeof *listings };

static int list(struct invocation *call, struct error *err) {
    int found = call->argc <= 1;
    if (call->argc > 2)
        return error_set(err, STATUS_USAGE, "list takes one word, and \"%s\" is a second",
                         call->argv[2]);
    for (int i = 0; i < LISTINGS; i++) {
        if (call->argc > 1 && strcmp(call->argv[1], listings[i].name))
            continue;
        printf("%s\n", listings[i].name);
        listings[i].print();
        found = 1;
    }
    if (!found)
        return error_set(err, STATUS_USAGE,
                         "there is no list \"%s\"; there are: methods, protocols, "
                         "data, backbones, kernels, weights",
                         call->argv[1]);
    return 0;
}

static int env(struct invocation *call, struct error *err) {
    int status = invocation_no_arguments(call, err);
    if (status)
        return status;
    struct context context;
    status = invocation_context(call, &context, err);
    if (status)
        return status;
    struct run r;
    run_init(&r);
    const struct {
        const char *name, *value;
    } rows[] = {{"cpu", r.env_cpu},        {"isa", r.env_isa},           {"memory", r.env_mem},
                {"kernel", r.env_kernel},  {"compiler", r.env_compiler}, {"flags", r.env_cflags},
                {"libraries", r.env_libs}, {"blas", r.env_blas},         {"device", r.env_device},
                {"commit", r.code_commit}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("%-10s %s\n", rows[i].name, rows[i].value ? rows[i].value : "");
    printf("%-10s %d processors; %d compute threads, %d loader threads\n", "threads", r.env_cores,
           context.threads, context.loader_threads);
    printf("%-10s %s\n", "kernels", context.kernels->name);
    run_free(&r);
    return 0;
}

const struct command command_list = {.name = "list",
                                     .arguments = "[methods|protocols|data|...]",
                                     .help = "what can be named in flags",
                                     .run = list,
                                     .reads_runs = 1,
                                     .machine = "quiet"};
const struct command command_env = {.name = "env",
                                    .arguments = "",
                                    .help = "this machine as it is stored with results",
                                    .run = env,
                                    .reads_runs = 1,
                                    .machine = "device math threads loader_threads quiet"};
