/* kernels.c -- which backend: the instruction sets compiled in, best last, and what the processor
 * has of them. */
#include "kernels/kernels.h"

#include "core/error.h"

#ifndef SSV_F64

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

const struct kernels *kernels_cpu_generic(void);
const struct kernels *kernels_cpu_sse2(void);
const struct kernels *kernels_cpu_avx2(void);
const struct kernels *kernels_cpu_avx512(void);
const struct kernels *kernels_cpu_wide(void);

#ifdef __x86_64__
static int has_sse2(void) {
    return __builtin_cpu_supports("sse2");
}

static int has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#else
static int has_generic(void) {
    return 1;
}
#endif

static const struct isa {
    const char *name;
    int (*present)(void);
    const struct kernels *(*table)(void);
    int slow; /* runs for the tests or when asked for by name */
} isas[] = {
#ifdef __x86_64__
    {"sse2", has_sse2, kernels_cpu_sse2, 0},
    {"avx2", has_avx2, kernels_cpu_avx2, 0},
    {"avx512", has_avx512, kernels_cpu_avx512, 0},
#ifdef SSV_ISA_WIDE
    {"wide", has_avx2, kernels_cpu_wide, 1},
#endif
#else
    {"generic", has_generic, kernels_cpu_generic, 0},
#endif
};

enum { ISAS = sizeof isas / sizeof *isas };

/* A product runs inside one thread of the program's own; its own threads would only get in the way,
 * and their number would change sums. */
static void one_blas_thread(void) {
    openblas_set_num_threads(1);
}

/* Where it gets no room for a buffer OpenBLAS asks again without end, and nothing but SIGKILL stops
 * that.  Absent from other libraries of its interface. */
extern void *blas_memory_alloc(int place) __attribute__((weak));
extern void blas_memory_free(void *buffer) __attribute__((weak));

/* Its own threads may be asking already, and the end of the program would wait for them. */
static void end_at_once(void) {
    fflush(NULL);
    _exit(STATUS_MACHINE);
}

static int no_room(int threads, const struct rlimit *limit, struct error *err) {
    atexit(end_at_once);
    return error_set(
        err, STATUS_MACHINE,
        "no room for products of matrices, 128 MiB of addresses for each of %d "
        "thread%s: raise the limit of %.0f MiB (ulimit -v), or take fewer --threads and "
        "OPENBLAS_NUM_THREADS=1",
        threads, threads == 1 ? "" : "s", (double)limit->rlim_cur / (1 << 20));
}

int kernels_room(int threads, struct error *err) {
    enum { BUFFER = 128 << 20, MOST = 64 };
    void *buffer[MOST];
    struct rlimit limit;
    const int n = threads < MOST ? threads : MOST;
    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY || !blas_memory_alloc ||
        !blas_memory_free)
        return 0;
    void *room =
        mmap(NULL, (size_t)n * BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return no_room(n, &limit, err);
    munmap(room, (size_t)n * BUFFER);
    for (int i = 0; i < n; i++) /* what was given once stays */
        buffer[i] = blas_memory_alloc(0);
    for (int i = 0; i < n; i++)
        blas_memory_free(buffer[i]);
    return 0;
}

const struct kernels *kernels_cpu(void) {
    const char *asked = getenv("SSVBENCH_ISA");
    const struct kernels *best = NULL;
    one_blas_thread();
    for (int i = 0; i < ISAS; i++) {
        int wanted = asked && *asked ? !strcmp(asked, isas[i].name) : !isas[i].slow;
        if (wanted && isas[i].present())
            best = isas[i].table();
    }
    return best;
}

const struct kernels *const *kernels_all(void) {
    static const struct kernels *all[ISAS + 2];
    int n = 0;
    one_blas_thread();
    all[n++] = kernels_ref();
    for (int i = 0; i < ISAS; i++)
        if (isas[i].present())
            all[n++] = isas[i].table();
    return all;
}
#endif
