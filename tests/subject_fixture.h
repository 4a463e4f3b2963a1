/* subject_fixture.h -- a run as protocols see it: drawn instead of trained, on a few images of
 * `shapes`, with features of the test's choice. */
#ifndef SSV_TESTS_SUBJECT_FIXTURE_H
#define SSV_TESTS_SUBJECT_FIXTURE_H

#include "protocols/cell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct subject_fixture {
    struct settings *settings;
    struct dataset data;
    struct context context;
    struct cell cell;
    struct protocol_input in;
    struct arena arena;
};

/* Images of 16 x 16; spec: "train=24,test=10". */
static inline void subject_open(struct subject_fixture *f, const char *method, const char *backbone,
                                const char *spec, int threads) {
    struct error err = {0};
    memset(f, 0, sizeof *f);
    f->settings = calloc(1, sizeof *f->settings);
    f->context =
        (struct context){.kernels = kernels_cpu(), .threads = threads, .loader_threads = threads};
    settings_init(f->settings);
    const char *data = arena_printf(&f->arena, "shapes:size=16,%s", spec);
    char *text = arena_printf(&f->arena,
                              "methods = %s\nseeds = 3\npatch = 4\nbatch = 4\nchunk = 4\n"
                              "backbone = %s\ndata = %s\n",
                              method, backbone, data);
    if (options_load_text(&f->settings->options, text, "test", &err) ||
        dataset_open(&f->data, data, &err) ||
        cell_build(&f->cell, f->settings, method_find(method), &f->data, 3, &f->context, 0, &err))
        fail_msg("%s", err.message);
    f->in = (struct protocol_input){.subject = &f->cell.subject,
                                    .features = &f->cell.features,
                                    .kernels = f->context.kernels,
                                    .threads = threads,
                                    .arena = &f->arena};
}

static inline void subject_close(struct subject_fixture *f) {
    cell_close(&f->cell);
    dataset_close(&f->data);
    settings_free(f->settings);
    free(f->settings);
    arena_free(&f->arena);
}

#endif
